package control

import (
	"errors"
	"testing"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

func TestLinks(t *testing.T) {
	w := newWorld(t)
	a, b := w.makeCluster("aaaa"), w.makeCluster("bbbb")
	ws := w.makeWorkspace("ws-1")
	_, _, err := w.LinkWorkspace(t.Context(), w.id(resource.Workspace, "none"), a.ID.String(), "me")
	wants(t, "no workspace", err, fault.WorkspaceNotFound, "Workspace not found. The workspace you specified doesn't exist or was deleted.")
	_, _, err = w.LinkWorkspace(t.Context(), ws.ID, w.id(resource.Cluster, "none").String(), "me")
	wants(t, "no cluster", err, fault.LinkedClusterNotFound, "Cluster not found, the cluster you specified doesn't exist or was deleted.")
	_, _, err = w.LinkWorkspace(t.Context(), ws.ID, "x", "me")
	wants(t, "no id", err, fault.InvalidResourceID, "not the id of a cluster")

	hold := make(chan struct{})
	w.places.set(hold, nil)
	_, o, err := w.LinkWorkspace(t.Context(), ws.ID, a.ID.String(), "me")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = w.LinkWorkspace(t.Context(), ws.ID, a.ID.String(), "me")
	wants(t, "linking twice", err, fault.WorkspaceLinkInProgress, "Workspace link or unlink operation in process.")
	_, _, err = w.DeleteCluster(t.Context(), a.ID, "me")
	wants(t, "deleting meanwhile", err, fault.WorkspaceLinkInProgress, "in process")
	if _, linked := w.mustWorkspace("ws-1").LinkedTo(); linked {
		t.Error("linked before the work was done")
	}
	close(hold)
	w.finish(o, nil)
	ws = w.mustWorkspace("ws-1")
	if id, linked := ws.LinkedTo(); !linked || id != a.ClusterID || ws.Sku != "LACluster" {
		t.Errorf("%+v", ws)
	}
	if all, err := w.Associated(t.Context(), a); err != nil || len(all) != 1 {
		t.Errorf("associated: %v %v", all, err)
	}
	_, o, err = w.LinkWorkspace(t.Context(), ws.ID, a.ID.String(), "me")
	if err != nil || o.ID != "" {
		t.Errorf("linking again: %+v %v", o, err)
	}
	_, _, err = w.LinkWorkspace(t.Context(), ws.ID, b.ID.String(), "me")
	wants(t, "another", err, fault.WorkspaceLinkedToAnotherCluster, "Unlink it first")
	_, err = w.PatchWorkspace(t.Context(), ws.ID, WorkspaceChange{Sku: new("PerGB2018")})
	wants(t, "sku", err, fault.BadRequest, "sku.name can not be changed while workspace is linked to cluster")

	w.places.set(nil, errors.New("worker does not start"))
	_, o, _, err = w.UnlinkWorkspace(t.Context(), ws.ID, "me")
	if o = w.finish(o, err); o.Status != catalog.Failed || o.Fault.Code != fault.InternalServerError || w.mustWorkspace("ws-1").Link == nil {
		t.Errorf("%+v", o)
	}
	w.places.set(nil, nil)
	unlink := func() {
		_, o, found, err := w.UnlinkWorkspace(t.Context(), ws.ID, "me")
		if w.finish(o, err); !found || w.mustWorkspace("ws-1").Link != nil {
			t.Error("not unlinked")
		}
	}
	unlink()
	if _, _, found, err := w.UnlinkWorkspace(t.Context(), ws.ID, "me"); found || err != nil {
		t.Errorf("unlinking what is not linked: %v %v", found, err)
	}
	_, o, err = w.LinkWorkspace(t.Context(), ws.ID, b.ID.String(), "me")
	w.finish(o, err)
	unlink()
	_, _, err = w.LinkWorkspace(t.Context(), ws.ID, b.ID.String(), "me")
	wants(t, "third link", err, fault.LinkOperationLimitReached, "2 times in the last 30 days")
}

func TestALinkKeepsToItsRegion(t *testing.T) {
	w := newWorld(t)
	far := newCluster()
	far.Location, far.DoubleEncryption = new("northeurope"), new(false)
	c, o, err := w.PutCluster(t.Context(), w.id(resource.Cluster, "farr"), "me", far)
	w.finish(o, err)
	_, _, err = w.LinkWorkspace(t.Context(), w.makeWorkspace("ws-1").ID, c.ID.String(), "me")
	wants(t, "region", err, fault.InvalidParameter, "same region")
}

func TestADeletedWorkspaceComesBackAsItWas(t *testing.T) {
	w := newWorld(t)
	c := w.makeCluster("aaaa")
	ws := w.makeWorkspace("ws-1")
	_, err := w.PatchWorkspace(t.Context(), ws.ID, WorkspaceChange{Retention: new(int32(90))})
	if err != nil {
		t.Fatal(err)
	}
	_, o, err := w.LinkWorkspace(t.Context(), ws.ID, c.ID.String(), "me")
	w.finish(o, err)
	if found, err := w.SoftDeleteWorkspace(t.Context(), ws.ID); !found || err != nil {
		t.Fatal(found, err)
	}
	if found, err := w.SoftDeleteWorkspace(t.Context(), ws.ID); found || err != nil {
		t.Errorf("deleted twice: %v %v", found, err)
	}
	if all, err := w.DeletedWorkspaces(t.Context(), w.group); err != nil || len(all) != 1 {
		t.Errorf("%v %v", all, err)
	}
	_, _, _, err = w.PutWorkspace(t.Context(), ws.ID, "me", WorkspaceChange{Location: new("northeurope")})
	wants(t, "another region", err, fault.Conflict, "This workspace name is already in use")
	_, _, _, err = w.PutWorkspace(t.Context(), ws.ID, "me", WorkspaceChange{Location: new("westeurope"), Sku: new("PerGB2018")})
	wants(t, "another sku", err, fault.BadRequest, "sku.name can not be changed")
	again := w.mustWorkspace("ws-1") // recovered nevertheless
	if again.CustomerID != ws.CustomerID || again.Retention != 90 || again.Link == nil {
		t.Errorf("%+v", again)
	}
	if _, err := w.SoftDeleteWorkspace(t.Context(), ws.ID); err != nil {
		t.Fatal(err)
	}
	o, _, err = w.DeleteCluster(t.Context(), c.ID, "me")
	w.finish(o, err)
	_, _, created, err := w.PutWorkspace(t.Context(), ws.ID, "me", WorkspaceChange{Location: new("westeurope")})
	if again = w.mustWorkspace("ws-1"); err != nil || created || again.Link != nil || again.Sku != "PerGB2018" {
		t.Errorf("its cluster is gone: %+v %v", again, err)
	}
}

func TestForceAndTimeEraseAWorkspace(t *testing.T) {
	w := newWorld(t)
	a, b := w.makeWorkspace("ws-1"), w.makeWorkspace("ws-2")
	o, found, err := w.DeleteWorkspace(t.Context(), a.ID, "me")
	if w.finish(o, err); !found || !w.places.did("drop workspace ws-1") {
		t.Error("not dropped")
	}
	if again := w.makeWorkspace("ws-1"); again.CustomerID == a.CustomerID {
		t.Error("the name was not released")
	}
	if _, err := w.SoftDeleteWorkspace(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.Sweep(t.Context()); err != nil || w.places.did("drop workspace ws-2") {
		t.Errorf("dropped before its time (%v)", err)
	}
	w.limits.SoftDelete = time.Nanosecond
	if err := w.Sweep(t.Context()); err != nil || !w.places.did("drop workspace ws-2") {
		t.Errorf("not dropped after its time (%v)", err)
	}
}

func TestWhatAWorkspaceMustBe(t *testing.T) {
	w := newWorld(t)
	for what, c := range map[string]struct {
		name string
		ch   WorkspaceChange
		code fault.Code
	}{
		"name":      {"x", WorkspaceChange{Location: new("westeurope")}, fault.InvalidResourceName},
		"location":  {"wwww", WorkspaceChange{}, fault.InvalidParameter},
		"sku":       {"wwww", WorkspaceChange{Location: new("westeurope"), Sku: new("Gold")}, fault.InvalidParameter},
		"linked":    {"wwww", WorkspaceChange{Location: new("westeurope"), Sku: new("LACluster")}, fault.InvalidParameter},
		"retention": {"wwww", WorkspaceChange{Location: new("westeurope"), Retention: new(int32(3))}, fault.InvalidParameter},
		"several":   {"wwww", WorkspaceChange{Retention: new(int32(3)), DailyQuota: new(0.001), NetworkQuery: new("Disabled"), Identity: &IdentityChange{Type: "Some"}}, fault.MultipleErrorsOccurred},
	} {
		_, _, _, err := w.PutWorkspace(t.Context(), w.id(resource.Workspace, c.name), "me", c.ch)
		wants(t, what, err, c.code, "")
	}
}
