package server_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"logkeep/internal/cli/client"
	"logkeep/internal/inventory"
)

// census is what the server says of the versions of the customer's key, by
// version, and of the service's.
func (s *site) census() (customer map[string]client.KeyUse, service []client.KeyUse) {
	s.t.Helper()
	keys, _, err := s.Census(s.t.Context(), s.ClusterID)
	must(s.t, err)
	customer = map[string]client.KeyUse{}
	for _, k := range keys {
		if k.Holder == "Customer" {
			customer[k.KID[strings.LastIndexByte(k.KID, '/')+1:]] = k
		} else {
			service = append(service, k)
		}
	}
	return customer, service
}

// What the census calls safe to disable is: nothing is lost without it, even
// for a worker that starts anew. And what it calls needed is.
func TestCensusTellsWhatMayBeDisabled(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 500)
	before := s.cluster().Logkeep.KeyState.KeyVersion
	customer, service := s.census()
	k := customer[before]
	if len(customer) != 1 || k.SafeToDisable || !k.Current || len(k.Wraps) != 4 || k.Objects == 0 || k.Bytes == 0 || k.LastUsed.IsZero() {
		t.Fatalf("before the rotation: %+v", customer)
	}
	if len(service) != 1 || service[0].SafeToDisable {
		t.Errorf("the service's key: %+v", service)
	}
	outer := 0
	for _, w := range service[0].Wraps {
		if w.Layer == "Outer" {
			outer++
		}
	}
	if outer != 4 || service[0].Objects < k.Objects {
		t.Errorf("%d infrastructure keys, %d objects under the service's key and %d under the customer's", outer, service[0].Objects, k.Objects)
	}

	after := s.rotate()
	eventually(t, limit, "the rotation", func() error {
		if now, _ := s.census(); !now[before].SafeToDisable || now[after].SafeToDisable || len(now[before].Wraps) != 0 || len(now[after].Wraps) != 4 {
			return fmt.Errorf("%+v", now)
		}
		return nil
	})
	s.mustSend("b", 500)
	s.enable(before, false)
	s.killAll()
	eventually(t, limit, "the rows, with the new version alone", func() error {
		if n, err := s.count(); err != nil || n != 1000 {
			return fmt.Errorf("%d rows, %w", n, err)
		}
		return nil
	})

	// The other half of the proof: without the version that is said to be
	// needed there is nothing.
	s.enable(before, true)
	s.enable(after, false)
	eventually(t, limit, "the revocation", func() error {
		if _, err := s.count(); err == nil {
			return errNotYet
		}
		return nil
	})
	now, _ := s.census() // it needs no key
	if now[after].SafeToDisable || now[after].Objects == 0 {
		t.Errorf("while revoked: %+v", now)
	}
	s.enable(after, true)
	eventually(t, limit, "the rows, after the key is back", func() error {
		_, err := s.count()
		return err
	})
	s.holds(1000)
}

// Every file below the data directory is of a kind that the coverage names,
// whatever the server has done and however it ended.
func TestCoverageNamesEveryFile(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Flush.Bytes = 8 << 10
	s.spawn()
	walk := func(when string) (found map[string]int) {
		t.Helper()
		found = map[string]int{}
		must(t, filepath.WalkDir(s.DataDir, func(path string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(s.DataDir, path)
			must(t, err)
			k, ok := inventory.Classify(rel)
			if !ok {
				t.Errorf("%s: no kind of the coverage names %s", when, rel)
			}
			found[k.Name]++
			return nil
		}))
		return found
	}
	walk("after the start")
	for i := range 12 { // enough flushes for a merge
		eventually(t, limit, "room for rows", func() error { return s.send(fmt.Sprintf("r%d", i), 200) }) // 429 stores nothing
		walk("while rows come")
	}
	s.holds(2400)
	walk("after a query")
	family := children(t, s.exe.Process.Pid)
	must(t, s.exe.Process.Kill())
	s.exe.Wait()
	for _, child := range family {
		child.ends(t, limit)
	}
	walk("after a crash")
	s.serve()
	s.holds(2400)
	eventually(t, limit, "a segment", func() error {
		if found := walk("after a restart"); found[inventory.Segment] == 0 || found[inventory.Journal] == 0 {
			return fmt.Errorf("%v", found)
		}
		return nil
	})

	data, kinds, whole, err := s.Coverage(t.Context(), s.ClusterID)
	must(t, err)
	version := s.cluster().Logkeep.KeyState.KeyVersion
	segments := 0
	for _, d := range data {
		if !strings.HasPrefix(d.Account, "ws-") && d.Generation == 2 && (!strings.HasSuffix(d.Key, version) || d.Layers != 2 || !strings.Contains(d.OuterKey, "/keys/mmk/")) {
			t.Errorf("%+v", d)
		}
		if d.Kind == inventory.Segment {
			segments += d.Objects
		}
	}
	if segments == 0 {
		t.Errorf("no segment is covered: %s", whole)
	}
	named := map[string]bool{}
	for _, k := range kinds {
		named[k.Where] = true
		if k.Why == "" || k.What == "" {
			t.Errorf("%s is not explained", k.Where)
		}
	}
	for _, k := range inventory.Kinds() {
		if !named[k.Pattern] {
			t.Errorf("the coverage leaves out %s", k.Pattern)
		}
	}
	nowhere := strings.Replace(s.ClusterID, "cluster-1", "nowhere", 1)
	_, _, err = s.Census(t.Context(), nowhere)
	refused(t, err, 404, "ClusterNotFound")
}
