package server_test

import (
	"context"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"logkeep/internal/bucket"
	"logkeep/internal/bucket/cloud"
	"logkeep/internal/bucket/cloud/cloudtest"
	"logkeep/internal/cli"
	"logkeep/internal/worker/wire"
)

func TestBackupsOfABucketAndIntoOneInS3(t *testing.T)    { restoring(t, cloudtest.S3(t)) }
func TestBackupsOfABucketAndIntoOneInAzure(t *testing.T) { restoring(t, cloudtest.Azure(t)) }

// onBucket is a site whose rows lie in a bucket, with what was made in it.
func onBucket(t *testing.T, store cloudtest.Server) *site {
	store.Setenv(t)
	dir := t.TempDir()
	s := &site{t: t, setting: setting{
		DataDir: filepath.Join(dir, "data"), RootKey: filepath.Join(dir, "root.key"), Storage: store.URL,
		Flush: wire.Flush{Bytes: 64 << 10, Age: time.Hour},
	}}
	s.serve()
	s.make()
	return s
}

// A prefix is what a bucket has below a URL.
type prefix struct {
	t *testing.T
	*cloud.Cloud
}

func openPrefix(t *testing.T, url string) prefix {
	b, err := cloud.Open(t.Context(), url)
	must(t, err)
	t.Cleanup(func() { b.Close() })
	return prefix{t, b}
}

// objects lists those of a kind; "" is all.
func (p prefix) objects(kind string) (all []bucket.Info) {
	list, err := p.List(p.t.Context(), "")
	must(p.t, err)
	for _, o := range list {
		if kind == "" || strings.Contains(o.Name, "/"+kind+"/") {
			all = append(all, o)
		}
	}
	return all
}

// clustered leaves out the service's own accounts, which have the activity log.
func clustered(all []bucket.Info) []bucket.Info {
	return slices.DeleteFunc(all, func(o bucket.Info) bool { return strings.HasPrefix(o.Name, "ws-") })
}

func (p prefix) bytes(o bucket.Info) []byte {
	b := make([]byte, o.Size)
	n, err := p.ReadAt(p.t.Context(), o.Name, b, 0)
	if int64(n) != o.Size {
		p.t.Fatalf("%s: %d of %d bytes, %v", o.Name, n, o.Size, err)
	}
	return b
}

func restoring(t *testing.T, store cloudtest.Server) {
	s := onBucket(t, store)
	at := func(n string) string { return strings.Replace(store.URL, "installation-1", "installation-"+n, 1) }
	first := openPrefix(t, at("1"))
	s.mustSend("a", 3000)
	eventually(t, limit, "segments", func() error {
		if len(first.objects("objects")) == 0 {
			return errNotYet
		}
		return nil
	})
	s.mustSend("b", 10)
	to := filepath.Join(t.TempDir(), "backup")
	s.backUp(to, "")
	s.mustSend("after", 5)
	s.halt()
	before := first.objects("")

	refused := func(what, storage, want string) {
		t.Helper()
		if _, err := s.restore(cli.Restoration{From: to, Storage: storage}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("without saying where", "", "name with --storage")
	refused("over the rows of now", at("1"), "has the rows that this data directory has now")
	taken := openPrefix(t, at("taken"))
	must(t, taken.Put(t.Context(), "something", []byte("else")))
	refused("over something else", at("taken"), "is not empty")

	// A backup that was changed leaves nothing in the bucket, and all as it was.
	second := openPrefix(t, at("2"))
	damaged := changeOne(t, to)
	refused("a changed backup", at("2"), "nothing was changed")
	must(t, os.WriteFile(damaged.path, damaged.sound, 0o600))
	if left := second.objects(""); len(left) > 0 {
		t.Errorf("left in the bucket: %v", left)
	}
	s.serve()
	s.holds(3015)
	s.halt()

	for _, c := range []struct{ storage, serve string }{
		{at("2"), at("2")}, // from one prefix to another
		{"file://" + filepath.Join(s.DataDir, "accounts"), ""}, // to the data directory
		{at("3"), at("3")}, // from there into a bucket
	} {
		told, err := s.restore(cli.Restoration{From: to, Storage: c.storage})
		must(t, err)
		if c.serve != "" && !strings.Contains(told, "Its rows lie in") {
			t.Errorf("it does not say where the rows are:\n%s", told)
		}
		s.Storage = c.serve
		s.serve()
		s.holds(3010)
		s.mustSend("more", 5)
		s.holds(3015)
		if n := s.marks(); len(n) != 3015 {
			t.Errorf("%d different rows", len(n))
		}
		if text, whole := s.checked(false); !whole {
			t.Error(text)
		}
		s.halt()
	}
	if now := first.objects(""); !slices.Equal(now, before) {
		t.Errorf("the bucket of before was changed: %v, then %v", before, now)
	}
	if left, _ := filepath.Glob(filepath.Join(s.DataDir, "storage.restoring")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

type changed struct {
	path  string
	sound []byte
}

// changeOne flips a bit of the largest file of a backup.
func changeOne(t *testing.T, folder string) (c changed) {
	files, err := filepath.Glob(filepath.Join(folder, "files", "*", "*"))
	must(t, err)
	for _, f := range files {
		text, err := os.ReadFile(f)
		must(t, err)
		if strings.HasPrefix(string(text), "SQLite") {
			continue
		}
		if len(text) > len(c.sound) {
			c = changed{f, text}
		}
	}
	other := slices.Clone(c.sound)
	other[len(other)/2] ^= 1
	must(t, os.WriteFile(c.path, other, 0o600))
	return c
}

func TestDamageInS3IsNamedAndSetAside(t *testing.T)    { damaging(t, cloudtest.S3(t)) }
func TestDamageInAzureIsNamedAndSetAside(t *testing.T) { damaging(t, cloudtest.Azure(t)) }

// damaging makes one object vanish, another short and a third one wrong.
func damaging(t *testing.T, store cloudtest.Server) {
	s := onBucket(t, store)
	s.halt()
	s.Flush = wire.Flush{Bytes: 64 << 10, Age: 50 * time.Millisecond}
	s.serve()
	b := openPrefix(t, store.URL)
	ctx := context.WithoutCancel(t.Context())
	rows := map[string]int{} // of an object
	for i, word := range []string{"a", "b", "c", "d"} {
		n := 10 + i
		s.mustSend(word, n)
		eventually(t, limit, "a segment", func() error {
			for _, o := range clustered(b.objects("objects")) {
				if rows[o.Name] == 0 {
					rows[o.Name] = n
					return nil
				}
			}
			return errNotYet
		})
	}
	if text, whole := s.checked(false); !whole || !strings.Contains(text, "segments were opened") {
		t.Fatal(text)
	}
	all := clustered(b.objects("objects"))
	if len(all) != 4 {
		t.Fatalf("%v", all)
	}
	sound := map[string][]byte{}
	for _, o := range all {
		sound[o.Name] = b.bytes(o)
	}
	vanished, short, wrong := all[0].Name, all[1].Name, all[2].Name
	flipped := slices.Clone(sound[wrong])
	flipped[len(flipped)/2] ^= 1
	must(t, b.Remove(ctx, vanished))
	must(t, b.Replace(ctx, short, sound[short][:len(sound[short])-100]))
	must(t, b.Replace(ctx, wrong, flipped))

	// What is kept of them here does not hide what is wrong in the bucket.
	text, whole := s.checked(false)
	for _, name := range []string{vanished, short, wrong} {
		if whole || !strings.Contains(text, "segment "+path.Base(name)) {
			t.Errorf("%s is not named: %s", name, text)
		}
	}
	s.halt()
	text, whole = s.checked(false)
	if whole || !strings.Contains(text, path.Base(vanished)) || !strings.Contains(text, path.Base(short)) || !strings.Contains(text, "seals were not checked") {
		t.Errorf("without a server: %s", text)
	}
	storage := s.Storage
	s.Storage = ""
	if text, whole := s.checked(false); whole || !strings.Contains(text, "name it with --storage") {
		t.Errorf("without its name: %s", text)
	}
	s.Storage = storage
	s.serve()
	_, err := s.count()
	refused(t, err, http.StatusInternalServerError, "StorageDamaged")
	s.mustSend("e", 5) // ingestion goes on
	if text, whole = s.checked(true); !whole || strings.Count(text, "set aside: segment") != 3 {
		t.Fatal(text)
	}
	s.holds(5 + rows[all[3].Name])
	kept := map[string]bool{}
	for _, o := range b.objects("aside") {
		kept[string(b.bytes(o))] = true
	}
	if len(kept) != 2 || !kept[string(flipped)] || !kept[string(sound[short][:len(sound[short])-100])] {
		t.Errorf("what was left of the objects is not kept: %d", len(kept))
	}
	for name, bytes := range sound { // they are back
		if name != all[3].Name {
			must(t, b.Put(ctx, name, bytes))
		}
	}
	if text, whole = s.checked(true); !whole || strings.Count(text, "taken back") != 3 {
		t.Fatal(text)
	}
	s.holds(5 + 10 + 11 + 12 + 13)
	s.halt()

	// A part of a journal that is wrong, and one that is missing, are named.
	s.Flush.Age = time.Hour
	s.serve()
	for _, word := range []string{"f", "g", "h"} {
		s.mustSend(word, 1)
	}
	s.halt()
	parts := clustered(b.objects("journal"))
	if len(parts) < 3 {
		t.Fatalf("%v", parts)
	}
	last := parts[len(parts)-2]
	body := b.bytes(last)
	flipped = slices.Clone(body)
	flipped[len(flipped)-1] ^= 1
	must(t, b.Replace(ctx, last.Name, flipped))
	if text, whole := s.checked(false); whole || !strings.Contains(text, last.Name) {
		t.Errorf("a wrong part: %s", text)
	}
	must(t, b.Remove(ctx, last.Name))
	if text, whole := s.checked(false); whole || !strings.Contains(text, last.Name) {
		t.Errorf("a missing part: %s", text)
	}
	must(t, b.Put(ctx, last.Name, body))
	if text, whole := s.checked(false); !whole {
		t.Error(text)
	}
}
