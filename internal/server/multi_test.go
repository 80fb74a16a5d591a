package server_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/operationalinsights/armoperationalinsights/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"logkeep/internal/cli/client"
	"logkeep/internal/schema"
)

// second is another cluster with a key of its own in a vault of its own.
type second struct {
	id, vault string
	s         *site
}

func (s *site) makeSecond() second {
	t, ctx := s.t, s.t.Context()
	t.Helper()
	firstID, firstURI := s.VaultID, s.VaultURI
	s.makeVault("kv-b")
	defer func() { s.VaultID, s.VaultURI = firstID, firstURI }()
	b := second{vault: s.VaultURI, s: s}
	s.grant(s.VaultID, client.RoleCryptoOfficer, s.ObjectID)
	eventually(t, limit, "the second key", func() error {
		_, err := s.keys().CreateKey(ctx, keyName, azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeRSA), KeySize: to.Ptr(int32(2048))}, nil)
		return err
	})
	poller, err := s.clusters().BeginCreateOrUpdate(ctx, group, "cluster-b", armoperationalinsights.Cluster{
		Location: to.Ptr(location),
		Identity: &armoperationalinsights.ManagedServiceIdentity{Type: to.Ptr(armoperationalinsights.ManagedServiceIdentityTypeSystemAssigned)},
		SKU:      &armoperationalinsights.ClusterSKU{Name: to.Ptr(armoperationalinsights.ClusterSKUNameEnumCapacityReservation), Capacity: to.Ptr(int64(100))},
	}, nil)
	made, err := client.Wait(ctx, poller, err)
	must(t, err)
	b.id = *made.ID
	s.grant(s.VaultID, client.RoleCryptoServiceUser, b.cluster().PrincipalID)
	update, err := s.clusters().BeginUpdate(ctx, group, "cluster-b", armoperationalinsights.ClusterPatch{
		Properties: &armoperationalinsights.ClusterPatchProperties{KeyVaultProperties: &armoperationalinsights.KeyVaultProperties{
			KeyVaultURI: &s.VaultURI, KeyName: to.Ptr(keyName), KeyVersion: to.Ptr(""),
		}},
	}, nil)
	_, err = client.Wait(ctx, update, err)
	must(t, err)
	return b
}

func (b second) cluster() client.Cluster {
	b.s.t.Helper()
	c, err := b.s.Server.Cluster(b.s.t.Context(), b.id)
	must(b.s.t, err)
	return c
}

func (b second) enable(on bool) {
	b.s.t.Helper()
	uri := b.s.VaultURI
	defer func() { b.s.VaultURI = uri }()
	b.s.VaultURI = b.vault
	b.s.enable("", on)
}

// link links to the second cluster.
func (b second) link(w client.Workspace) {
	b.s.t.Helper()
	first := b.s.ClusterID
	defer func() { b.s.ClusterID = first }()
	b.s.ClusterID = b.id
	b.s.link(w)
}

func (b second) drop() {
	b.s.t.Helper()
	poller, err := b.s.clusters().BeginDelete(b.s.t.Context(), group, "cluster-b", nil)
	_, err = client.Wait(b.s.t.Context(), poller, err)
	must(b.s.t, err)
}

// readersOf are the processes that answer queries with the cluster's keys.
func (s *site) readersOf(c client.Cluster) (all []process) {
	s.t.Helper()
	for _, pid := range c.Logkeep.Worker.Readers {
		all = append(all, watch(s.t, pid))
	}
	return all
}

// A workspace's history goes over everything it was ever linked to: one query,
// every row once, and dark as a whole when either key is gone.
func TestHistoryOverTwoClusters(t *testing.T) {
	t.Parallel()
	s := linked(t)
	b := s.makeSecond()
	w := s.makeWorkspace("ws-2")
	s.Workspace = w
	s.Target = s.makeTable(w, events, "dcr-2")
	s.mustSend("unlinked", 1)
	s.link(w)
	s.mustSend("first", 20)
	s.unlink(w)
	s.mustSend("between", 300)
	b.link(w)
	s.holds(321)
	s.mustSend("second", 4000)
	s.holds(4321)
	want := map[string]int{}
	for word, n := range map[string]int{"unlinked": 1, "first": 20, "between": 300, "second": 4000} {
		for i := range n {
			want[fmt.Sprintf("%s-%d", word, i)] = 1
		}
	}
	for mark, n := range s.marks() {
		if n != want[mark] {
			t.Fatalf("%s is there %d times", mark, n)
		}
	}

	readers := s.readersOf(b.cluster())
	if len(readers) == 0 || !slices.Equal(b.cluster().Logkeep.Worker.Readers, s.cluster().Logkeep.Worker.Readers) {
		t.Fatalf("the readers of the second cluster are %v, of the first %v: want the same", b.cluster().Logkeep.Worker.Readers, s.cluster().Logkeep.Worker.Readers)
	}
	// The first key goes: the whole history is dark, and nothing that read it lives.
	s.enable("", false)
	for _, r := range readers {
		r.ends(t, noticed)
	}
	_, err := s.count()
	if f := refused(t, err, http.StatusForbidden, "CustomerManagedKeyRevoked"); !strings.Contains(f.Message, "cluster-1") {
		t.Errorf("the refusal does not name the cluster: %s", f.Message)
	}
	s.mustSend("on", 10000) // where it is linked now, rows can be written
	s.enable("", true)
	s.light(noticed, 14321)
	// And the second.
	readers = s.readersOf(b.cluster())
	b.enable(false)
	for _, r := range readers {
		r.ends(t, noticed)
	}
	_, err = s.count()
	if f := refused(t, err, http.StatusForbidden, "CustomerManagedKeyRevoked"); !strings.Contains(f.Message, "cluster-b") {
		t.Errorf("the refusal does not name the cluster: %s", f.Message)
	}
	refused(t, s.send("dark", 1), http.StatusServiceUnavailable, "CustomerManagedKeyRevoked")
	b.enable(true)
	s.light(noticed, 14321)
	// Back to the first one, and a restart.
	s.unlink(w)
	s.mustSend("last", 100)
	s.halt()
	s.serve()
	s.holds(14421)
	// A deleted cluster takes its part along, and nothing else.
	b.drop()
	s.holds(421)
	if pids := b.s.cluster().Logkeep.Worker.Readers; len(pids) == 0 {
		t.Error("who reads what is left?")
	}
}

// A query over workspaces of two clusters and of none sees each row once while
// the workers of all three flush and merge.
func TestAQueryOverSeveralKeysWhileRowsMove(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Flush.Bytes, s.Flush.Age = 16<<10, 50*time.Millisecond
	s.serve()
	b := s.makeSecond()
	targets := []client.Target{s.Target}
	workspaces := []client.Workspace{s.Workspace}
	for i, name := range []string{"ws-b", "ws-free"} {
		w := s.makeWorkspace(name)
		workspaces = append(workspaces, w)
		targets = append(targets, s.makeTable(w, events, "dcr-"+name))
		if i == 0 {
			b.link(w)
		}
	}
	const each = 400
	var sent [3]struct {
		sync.Mutex
		n int
	}
	stop := make(chan struct{})
	var senders sync.WaitGroup
	for i, target := range targets {
		senders.Go(func() {
			for k := 0; ; k++ {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := s.Upload(context.WithoutCancel(t.Context()), target, rows(fmt.Sprintf("w%d-%d", i, k), each), nil); err != nil {
					if f, ok := client.FailureOf(err); ok && f.Status == http.StatusTooManyRequests {
						continue // flushes do not keep up, as they should not here
					}
					t.Error(err)
					return
				}
				sent[i].Lock()
				sent[i].n += each
				sent[i].Unlock()
			}
		})
	}
	others := []string{workspaces[1].CustomerID, workspaces[2].CustomerID}
	check := func() {
		t.Helper()
		least := 0
		for i := range sent {
			sent[i].Lock()
			least += sent[i].n
			sent[i].Unlock()
		}
		result, err := s.RunQuery(t.Context(), workspaces[0].CustomerID, "Events_CL | count", "", others...)
		must(t, err)
		var n int
		if _, err := fmt.Sscan(string(result.Rows[0][0]), &n); err != nil || n < least {
			t.Fatalf("%s rows; %d were acknowledged before", result.Rows[0][0], least)
		}
		again, err := s.RunQuery(t.Context(), workspaces[0].CustomerID, "Events_CL | summarize n = count() by Mark | where n > 1 | count", "", others...)
		must(t, err)
		if string(again.Rows[0][0]) != "0" {
			t.Fatalf("%s rows are there more than once", again.Rows[0][0])
		}
	}
	for range 25 {
		check()
	}
	close(stop)
	senders.Wait()
	total := 0
	for i := range sent {
		total += sent[i].n
	}
	result, err := s.RunQuery(t.Context(), workspaces[0].CustomerID, "Events_CL | count", "", others...)
	must(t, err)
	if string(result.Rows[0][0]) != fmt.Sprint(total) {
		t.Fatalf("%s rows, want %d", result.Rows[0][0], total)
	}
	t.Logf("%d rows", total)

	// The process that has both keys has nothing of other workspaces' accounts,
	// and ends with either.
	readers := s.readersOf(b.cluster())
	s.enable("", false)
	for _, r := range readers {
		if slices.Contains(s.cluster().Logkeep.Worker.Readers, r.Pid) {
			r.ends(t, noticed)
		}
	}
	_, err = s.RunQuery(t.Context(), workspaces[0].CustomerID, "Events_CL | count", "", others...)
	refused(t, err, http.StatusForbidden, "CustomerManagedKeyRevoked")
	if n, err := s.Count(t.Context(), workspaces[1].CustomerID, "Events_CL | count"); err != nil || n != sent[1].n {
		t.Errorf("the workspace of the other cluster alone: %d rows, %v", n, err)
	}
}

// ticks is the processor time that a process has used, in ticks of the kernel.
func (p process) ticks(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
	must(t, err)
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	var user, system int
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return user + system
}

// A query that its caller gives up on ends; its reader answers the next one, and
// the writer was not asked to do any of it.
func TestACancelledQueryEnds(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 10)
	s.holds(10)
	reader := s.readersOf(s.cluster())[0]
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.RunQuery(ctx, s.Workspace.CustomerID, "range x from 1 to 4000000000 step 1 | summarize sum(sqrt(x) * x)", "")
		ended <- err
	}()
	idle := reader.ticks(t)
	eventually(t, limit, "the query runs", func() error {
		if reader.ticks(t) < idle+20 {
			return errNotYet
		}
		return nil
	})
	cancel()
	if err := <-ended; err == nil {
		t.Fatal("it was answered")
	}
	eventually(t, limit, "the reader is at rest", func() error {
		before := reader.ticks(t)
		time.Sleep(100 * time.Millisecond) // a span to measure over
		if reader.ticks(t) > before+2 {
			return errNotYet
		}
		return nil
	})
	s.holds(10)
	if now := s.readersOf(s.cluster()); len(now) != 1 || now[0].Pid != reader.Pid {
		t.Error("another reader answered")
	}
}

// Readers that are killed at any time hurt neither rows nor each other.
func TestReadersMayBeKilled(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Flush.Bytes, s.Flush.Age = 32<<10, 50*time.Millisecond
	s.serve()
	s.holds(0)
	var writer process
	for i := range 8 {
		s.mustSend(fmt.Sprint("a", i), 200)
		if i == 0 {
			writer = s.worker()
		}
		for _, r := range s.readersOf(s.cluster()) {
			must(t, r.Kill())
		}
		eventually(t, limit, "another reader", func() error { _, err := s.count(); return err })
		s.holds(200 * (i + 1))
	}
	if writer.gone() {
		t.Error("the writer ended with a reader")
	}
}

// Tables of one name whose columns differ are read as the language's union reads
// them: a column of two types is two columns.
func TestTablesOfOneNameInTwoWorkspaces(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("first", 3) // N is long
	w := s.makeWorkspace("ws-2")
	target := s.makeTable(w, schema.Table{Name: events.Name, Columns: []schema.Column{
		{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "N", Type: schema.String}, {Name: "Extra", Type: schema.Real},
	}}, "dcr-2")
	_, err := s.Upload(t.Context(), target, func(yield func([]byte, error) bool) {
		yield(fmt.Appendf(nil, `{"TimeGenerated":%q,"N":"seven","Extra":0.5}`, time.Now().UTC().Format(time.RFC3339Nano)), nil)
	}, nil)
	must(t, err)
	ask := func(kql string) (columns, rows string) {
		t.Helper()
		result, err := s.RunQuery(t.Context(), s.Workspace.CustomerID, kql, "", w.CustomerID)
		must(t, err)
		for _, c := range result.Columns {
			columns += c.Name + ":" + c.Type + " "
		}
		for _, row := range result.Rows {
			for _, cell := range row {
				rows += string(cell) + " "
			}
			rows += "| "
		}
		return columns, rows
	}
	columns, rows := ask("Events_CL | project-away TimeGenerated, TenantId | order by N_long asc nulls last")
	if want := "Mark:string N_long:long N_string:string Extra:real Type:string _ResourceId:string "; columns != want {
		t.Errorf("columns %s, want %s", columns, want)
	}
	if want := `"first-0" 0 "" null "Events_CL" "" | "first-1" 1 "" null "Events_CL" "" | "first-2" 2 "" null "Events_CL" "" | "" null "seven" 0.5 "Events_CL" "" | `; rows != want {
		t.Errorf("rows %s, want %s", rows, want)
	}
	if _, rows := ask(`Events_CL | where N_string has "seven" and isnull(N_long) | summarize count(), max(Extra)`); rows != "1 0.5 | " {
		t.Errorf("rows %s", rows)
	}
}
