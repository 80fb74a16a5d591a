package control

import (
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// What time allows, and what it takes away (behaviour 5.2, 7.5, 8.10, 9.7).
func TestRulesOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.Service.Close()
		c := w.makeCluster("aaaa")
		set := func(capacity int64) error {
			_, o, err := w.PatchCluster(t.Context(), c.ID, "me", ClusterChange{SkuName: new("capacityreservation"), Capacity: &capacity})
			if err == nil {
				w.finish(o, err)
			}
			return err
		}
		locked := func(what string, capacity int64) {
			t.Helper()
			wants(t, what, set(capacity), fault.CapacityLocked, "Capacity is locked for 30 days. Decreasing capacity is permitted 30 days after update.")
		}
		// The commitment: 31 days from each change, whichever way it went.
		time.Sleep(31*day - time.Minute)
		locked("before its first commitment is over", 400)
		time.Sleep(2 * time.Minute)
		if err := set(5000); err != nil {
			t.Error(err)
		}
		time.Sleep(30 * day)
		locked("30 days after it was raised", 1000)
		time.Sleep(day + time.Minute)
		if err := set(1000); err != nil {
			t.Error(err)
		}
		locked("at once after it was lowered", 500)

		// Two links in thirty days; that a workspace is unlinked does not count.
		ws := w.makeWorkspace("ws-1")
		link := func() error {
			_, o, err := w.LinkWorkspace(t.Context(), ws.ID, c.ID.String(), "me")
			if err != nil {
				return err
			}
			w.finish(o, nil)
			_, o, _, err = w.UnlinkWorkspace(t.Context(), ws.ID, "me")
			w.finish(o, err)
			return nil
		}
		if err := link(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * day)
		if err := link(); err != nil {
			t.Fatal(err)
		}
		wants(t, "the third link", link(), fault.LinkOperationLimitReached, "2 times in the last 30 days")
		time.Sleep(15*day + time.Minute)
		if err := link(); err != nil {
			t.Errorf("when the first one was 30 days ago: %v", err)
		}
		wants(t, "the third link again", link(), fault.LinkOperationLimitReached, "2 times in the last 30 days")

		// A cluster's name is free after 14 days.
		o, _, err := w.DeleteCluster(t.Context(), c.ID, "me")
		w.finish(o, err)
		time.Sleep(14*day - time.Minute)
		_, _, err = w.PutCluster(t.Context(), c.ID, "me", newCluster())
		wants(t, "a reserved name", err, fault.Conflict, "Cluster name is reserved; a cluster with this name was deleted in the last 14 days.")
		time.Sleep(2 * time.Minute)
		w.makeCluster("aaaa")

		// A workspace can be recovered for 14 days; then its name is another's.
		if _, err := w.SoftDeleteWorkspace(t.Context(), ws.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(14*day - 2*time.Hour)
		if v, _, _, err := w.PutWorkspace(t.Context(), ws.ID, "me", WorkspaceChange{Location: new("westeurope")}); err != nil || v.CustomerID != ws.CustomerID {
			t.Errorf("a recovered workspace is another: %v", err)
		}
		if _, err := w.SoftDeleteWorkspace(t.Context(), ws.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(14*day + 2*time.Hour) // the sweep comes every hour
		synctest.Wait()
		if v := w.makeWorkspace("ws-1"); v.CustomerID == ws.CustomerID {
			t.Error("a workspace that was erased came back")
		}
	})
}

// A part of the service that is away is waited for, for a minute (0033).
func TestAnOperationOutlastsAPartThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.Service.Close()
		away := fault.New(fault.ServiceUnavailable, "The part of the service that holds this data stopped while it answered. Try again.")
		w.places.set(nil, away)
		_, o, err := w.PutCluster(t.Context(), w.id(resource.Cluster, "aaaa"), "me", newCluster())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		w.places.set(nil, nil)
		time.Sleep(10 * time.Second)
		if o = w.finish(o, nil); o.Status != catalog.Succeeded {
			t.Errorf("%+v", o)
		}
		w.places.set(nil, away)
		_, o, err = w.PutCluster(t.Context(), w.id(resource.Cluster, "bbbb"), "me", newCluster())
		time.Sleep(2 * time.Minute)
		if o = w.finish(o, err); o.Status != catalog.Failed || o.Fault.Code != fault.ServiceUnavailable || w.mustCluster("bbbb").State != resource.Failed {
			t.Errorf("%+v", o)
		}
	})
}

// A vault that fell silent after it was asked whether the key is good is asked again.
func TestAnOperationOutlastsAVaultThatIsSilentForMoments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.Service.Close()
		c := w.makeCluster("aaaa")
		w.keys.silent = 3
		_, o, err := w.PatchCluster(t.Context(), c.ID, "me", ClusterChange{Key: key("k")})
		if o = w.finish(o, err); o.Status != catalog.Succeeded || w.keys.sets != 4 {
			t.Errorf("after %d calls: %+v", w.keys.sets, o)
		}
	})
}

func TestAClusterHasRoomForSoManyWorkspaces(t *testing.T) {
	w := newWorld(t)
	w.limits.WorkspacesPerLink = 2
	c := w.makeCluster("aaaa")
	for _, name := range []string{"ws-1", "ws-2"} {
		_, o, err := w.LinkWorkspace(t.Context(), w.makeWorkspace(name).ID, c.ID.String(), "me")
		w.finish(o, err)
	}
	_, _, err := w.LinkWorkspace(t.Context(), w.makeWorkspace("ws-3").ID, c.ID.String(), "me")
	wants(t, "one more", err, fault.QuotaExceeded, "A cluster can have 2 linked workspaces")
	if n := (Limits{}).orDefault().WorkspacesPerLink; n != 1000 {
		t.Errorf("Azure's number is 1,000, not %d", n)
	}
}
