package spool_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"logkeep/internal/disk/disktest"
	"logkeep/internal/spool"
	"logkeep/internal/wrap"
	"logkeep/internal/wrap/wraptest"
)

// An installation signs, and has an account with a key.
type installation struct {
	wraptest.Signer
	t       testing.TB
	key     wrap.SpoolKey
	private [][]byte
	writer  *spool.Writer
}

var place = wrap.Place{Tenant: "t", Cluster: "c", Account: "c-0"}

func install(t testing.TB, layers int) *installation {
	t.Helper()
	signing, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	in := &installation{t: t, Signer: wraptest.Signer{Key: signing}, key: wrap.SpoolKey{Tenant: "t", Cluster: "c", Account: "c-0", Generation: 2, ID: "k1"}}
	for range layers {
		public, private, err := spool.NewPair()
		must(t, err)
		in.key.Pairs, in.private = append(in.key.Pairs, wrap.SpoolPair{Public: public, Private: []byte("sealed elsewhere")}), append(in.private, private)
	}
	must(t, in.key.Sign(t.Context(), in))
	in.writer, err = spool.NewWriter(t.Context(), in)
	must(t, err)
	return in
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (in *installation) halves() spool.Private {
	var copies [][]byte
	for _, b := range in.private {
		copies = append(copies, bytes.Clone(b))
	}
	p, err := spool.ImportPrivate(copies)
	must(in.t, err)
	return p
}

func batch(n int) spool.Batch {
	return spool.Batch{ID: spool.NewID(), Accepted: time.Unix(int64(1e9+n), 5), Workspace: "w", Table: "T_CL", Rows: int64(n), Payload: fmt.Appendf(nil, "canary-%d", n)}
}

func (in *installation) folder(fs *disktest.Memory, floor, through uint64) *spool.Folder {
	return spool.OpenFolder(fs, spool.Dir, place, &in.Key.PublicKey, floor, through)
}

// An imported is what was read from a spool.
type imported struct {
	payloads []string
	aside    int
	missing  int
	torn     int
	why      []error
}

// drain imports all there is, as a worker does.
func (in *installation) drain(fs *disktest.Memory, floor uint64) (got imported) {
	in.t.Helper()
	f := in.folder(fs, floor, 1<<60)
	for {
		file, ok, err := f.Next()
		must(in.t, err)
		if !ok {
			return got
		}
		for _, b := range file.Open(in.halves()) {
			got.payloads = append(got.payloads, fmt.Sprintf("%s/%s/%d/%s", b.Workspace, b.Table, b.Rows, b.Payload))
		}
		got.aside, got.missing, got.torn = got.aside+file.Aside(), got.missing+file.Missing, got.torn+file.Torn
		if err := file.Useless(); err != nil {
			got.why = append(got.why, err)
		}
		must(in.t, file.Remove())
	}
}

func openSpool(t testing.TB, fs *disktest.Memory) *spool.Spool {
	t.Helper()
	s, err := spool.Open(fs, spool.Dir, 0)
	must(t, err)
	return s
}

func TestWhatIsPutInComesOutAndNobodyElseReadsIt(t *testing.T) {
	for layers := range 3 {
		if layers == 0 {
			continue
		}
		in, fs := install(t, layers), disktest.New()
		s := openSpool(t, fs)
		var want []string
		for n := range 5 {
			must(t, s.Append(t.Context(), in.key, in.writer, batch(n)))
			want = append(want, fmt.Sprintf("w/T_CL/%d/canary-%d", n, n))
			if n == 2 {
				if through := s.Finish(); through != 1 {
					t.Errorf("finished at %d", through)
				}
			}
		}
		for _, name := range fs.Names() {
			if bytes.Contains(fs.Bytes(name), []byte("canary")) {
				t.Errorf("%s has it in the clear", name)
			}
		}
		st, err := s.Status()
		must(t, err)
		if w := st.Waiting; w.Files != 2 || w.Batches != 5 || w.Rows != 10 || !w.Since.Equal(time.Unix(1e9, 5)) || w.Generation != 2 || w.Bytes == 0 || st.Aside != (spool.Count{}) {
			t.Errorf("status %+v", st)
		}
		again, err := openSpool(t, fs).Status() // as after a restart
		must(t, err)
		if again != st {
			t.Errorf("status %+v, before %+v", again, st)
		}
		other := install(t, layers)
		file, ok, err := in.folder(fs, 0, 9).Next()
		if got := file.Open(other.halves()); !ok || err != nil || len(got) != 0 || file.Aside() != 3 {
			t.Errorf("another's key opened %d, set aside %d (%v)", len(got), file.Aside(), err)
		}
		if got := in.drain(fs, 0); !slices.Equal(got.payloads, want) || got.aside+got.missing+got.torn > 0 {
			t.Errorf("got %+v", got)
		}
		s.Changed()
		if st, err := s.Status(); err != nil || st != (spool.Status{}) {
			t.Errorf("after the import: %+v, %v", st, err)
		}
	}
}

// Files that the keeper did not hand over, or that were imported once, are not read.
func TestFilesBeyondWhatWasHandedOverAreLeftAlone(t *testing.T) {
	in, fs := install(t, 1), disktest.New()
	s := openSpool(t, fs)
	must(t, s.Append(t.Context(), in.key, in.writer, batch(1)))
	through := s.Finish()
	old := fs.Bytes("spool/0000000000000001.spool")
	must(t, s.Append(t.Context(), in.key, in.writer, batch(2)))
	f := in.folder(fs, 0, through)
	file, ok, err := f.Next()
	if err != nil || !ok || file.Number != 1 {
		t.Fatal(file, ok, err)
	}
	must(t, file.Remove())
	if _, ok, err := f.Next(); ok || err != nil {
		t.Fatal("a file that is being written was taken", err)
	}
	// The first comes back: it is kept, and not read.
	h, err := fs.Create("spool/0000000000000001.spool")
	must(t, err)
	h.Write(old)
	got := in.drain(fs, 1)
	if !slices.Equal(got.payloads, []string{"w/T_CL/2/canary-2"}) || got.aside != 1 || len(got.why) != 1 {
		t.Errorf("got %+v", got)
	}
	if s, err := spool.Open(fs, spool.Dir, 7); err != nil {
		t.Fatal(err)
	} else if through := s.Finish(); through != 7 {
		t.Errorf("numbers go on at %d", through)
	}
}

// Every byte changed, every length cut, frames moved, left out, from another
// file, by another writer: what comes out is what was put in, or less, and what
// is less is counted.
func TestNothingForgedComesOut(t *testing.T) {
	in, fs := install(t, 1), disktest.New()
	s := openSpool(t, fs)
	for n := range 3 {
		must(t, s.Append(t.Context(), in.key, in.writer, batch(n)))
	}
	const name = "spool/0000000000000001.spool"
	good := fs.Bytes(name)
	want := in.drain(with(t, name, good), 0).payloads
	if len(want) != 3 {
		t.Fatal(want)
	}
	check := func(what string, b []byte, silent bool) {
		t.Helper()
		got := in.drain(with(t, name, b), 0)
		left := slices.Clone(want)
		for _, p := range got.payloads {
			i := slices.Index(left, p)
			if i < 0 {
				t.Errorf("%s: %q came out", what, p)
				return
			}
			left = slices.Delete(left, i, i+1)
		}
		if lost := len(left); lost > 0 && !silent && got.aside+got.missing+got.torn == 0 {
			t.Errorf("%s: %d are lost without a word", what, lost)
		}
	}
	r := mrand.New(mrand.NewPCG(1, 2))
	for range 600 {
		at := r.IntN(len(good))
		bad := bytes.Clone(good)
		bad[at] ^= 1 << r.IntN(8)
		check(fmt.Sprintf("byte %d changed", at), bad, false)
	}
	for range 200 {
		n := r.IntN(len(good))
		check(fmt.Sprintf("cut at %d", n), good[:n], true) // a whole frame less at the end is seen by nobody
	}
	header, frames := split(good)
	if len(frames) != 3 {
		t.Fatal(len(frames))
	}
	check("the middle one left out", slices.Concat(header, frames[0], frames[2]), false)
	check("two exchanged", slices.Concat(header, frames[1], frames[0], frames[2]), false)
	check("one twice", slices.Concat(header, frames[0], frames[0], frames[1], frames[2]), false)

	// Another writer, whom nobody certified, seals to the public key, which everybody knows.
	other := install(t, 1)
	other.key = in.key
	forged := disktest.New()
	must(t, openSpool(t, forged).Append(t.Context(), in.key, other.writer, batch(9)))
	fh, ff := split(forged.Bytes(name))
	check("another writer's file", slices.Concat(fh, ff[0]), false)
	check("another writer's frame", slices.Concat(header, frames[0], ff[0], frames[1], frames[2]), false)
	// The same writer's frame from another file.
	second := disktest.New()
	must(t, openSpool(t, second).Append(t.Context(), in.key, in.writer, batch(8)))
	_, sf := split(second.Bytes(name))
	check("a frame of another file", slices.Concat(header, sf[0], frames[1], frames[2]), false)
	// The file at another number.
	if got := in.drain(with(t, "spool/0000000000000002.spool", good), 0); len(got.payloads) > 0 || got.aside != 1 {
		t.Errorf("at another number: %+v", got)
	}
	// At another account.
	f := spool.OpenFolder(with(t, name, good), spool.Dir, wrap.Place{Tenant: "t", Cluster: "c", Account: "c-1"}, &in.Key.PublicKey, 0, 9)
	if file, _, err := f.Next(); err != nil || !errors.Is(file.Useless(), wrap.ErrMisplaced) {
		t.Errorf("at another account: %v, %v", file.Useless(), err)
	}
}

func with(t testing.TB, name string, b []byte) *disktest.Memory {
	fs := disktest.New()
	must(t, fs.MkdirAll(spool.Dir))
	h, err := fs.Create(name)
	must(t, err)
	h.Write(b)
	return fs
}

// split takes a file apart by its lengths, as docs/format/spool.md has them.
func split(b []byte) (header []byte, frames [][]byte) {
	n := 12 + int(b[4])<<24 + int(b[5])<<16 + int(b[6])<<8 + int(b[7])
	header, b = b[:n], b[n:]
	for len(b) > 0 {
		n := 20 + int(b[0])<<24 + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
		frames, b = append(frames, b[:n]), b[n:]
	}
	return header, frames
}

// What was set aside stays, whole, and is counted after a restart.
func TestWhatIsSetAsideIsKept(t *testing.T) {
	in, fs := install(t, 1), disktest.New()
	s := openSpool(t, fs)
	for n := range 3 {
		must(t, s.Append(t.Context(), in.key, in.writer, batch(n)))
	}
	const name = "spool/0000000000000001.spool"
	header, frames := split(fs.Bytes(name))
	frames[1] = bytes.Clone(frames[1])
	frames[1][60] ^= 1
	fs = with(t, name, slices.Concat(header, frames[0], frames[1], frames[2]))
	if got := in.drain(fs, 0); len(got.payloads) != 2 || got.aside != 1 {
		t.Fatalf("%+v", got)
	}
	kept := fs.Bytes("spool/0000000000000001.aside")
	if !bytes.Equal(kept, slices.Concat(header, frames[1])) {
		t.Errorf("kept %d bytes", len(kept))
	}
	st, err := openSpool(t, fs).Status()
	must(t, err)
	if st.Aside.Batches != 1 || st.Waiting.Batches != 0 {
		t.Errorf("%+v", st)
	}
}

// What was acknowledged is there after a crash at any point, once.
func TestAcknowledgedBatchesSurviveCrashes(t *testing.T) {
	in := install(t, 1)
	for seed := range uint64(60) {
		r := mrand.New(mrand.NewPCG(seed, 3))
		fs := disktest.New()
		acknowledged := map[string]bool{}
		next := 0
		for range 4 {
			var after *disktest.Memory
			countdown := r.IntN(25)
			fs.OnOp(func(disktest.Op) error {
				if countdown--; countdown >= 0 && after == nil {
					return nil
				}
				if after == nil {
					after = fs.Crash(r)
				}
				return errors.New("the machine is down")
			})
			if s, err := spool.Open(fs, spool.Dir, 0); err == nil {
				for range r.IntN(8) {
					b := batch(next)
					text := fmt.Sprintf("w/T_CL/%d/%s", b.Rows, b.Payload)
					if s.Append(t.Context(), in.key, in.writer, b) == nil {
						acknowledged[text] = true
					}
					next++
				}
			}
			if after == nil {
				after = fs.Crash(r)
			}
			fs = after
		}
		got := in.drain(fs, 0)
		seen := map[string]int{}
		for _, p := range got.payloads {
			seen[p]++
		}
		for p := range acknowledged {
			if seen[p] != 1 {
				t.Errorf("seed %d: %s is there %d times", seed, p, seen[p])
			}
		}
		for p, n := range seen {
			if n > 1 {
				t.Errorf("seed %d: %s is there %d times", seed, p, n)
			}
		}
	}
}

// An import that crashes anywhere leaves the file, or what is set aside of it.
func TestRemovalSurvivesCrashes(t *testing.T) {
	in := install(t, 1)
	whole := disktest.New()
	s := openSpool(t, whole)
	for n := range 3 {
		must(t, s.Append(t.Context(), in.key, in.writer, batch(n)))
	}
	const name = "spool/0000000000000001.spool"
	header, frames := split(whole.Bytes(name))
	frames[1] = bytes.Clone(frames[1])
	frames[1][60] ^= 1
	for at := range 20 {
		fs := with(t, name, slices.Concat(header, frames[0], frames[1], frames[2]))
		h, err := fs.Open(name)
		must(t, err)
		must(t, errors.Join(h.Sync(), fs.SyncDir(spool.Dir)))
		file, _, err := in.folder(fs, 0, 9).Next()
		must(t, err)
		file.Open(in.halves())
		r := mrand.New(mrand.NewPCG(uint64(at), 1))
		var after *disktest.Memory
		countdown := at
		fs.OnOp(func(disktest.Op) error {
			if countdown--; countdown < 0 && after == nil {
				after = fs.Crash(r)
			}
			if after != nil {
				return errors.New("the machine is down")
			}
			return nil
		})
		if file.Remove() == nil {
			break
		}
		if got := in.drain(after, 0); len(got.payloads) != 0 && len(got.payloads) != 2 {
			t.Errorf("crash at %d: %+v", at, got)
		}
		if kept := after.Bytes("spool/0000000000000001.aside"); !bytes.HasSuffix(kept, frames[1]) {
			t.Errorf("crash at %d: what was set aside is gone: %v", at, after)
		}
	}
}

func TestManyAtOnceShareWrites(t *testing.T) {
	in, fs := install(t, 1), disktest.New()
	var mu sync.Mutex
	syncs := 0
	hold := make(chan struct{})
	fs.OnOp(func(op disktest.Op) error {
		if op.Kind == "create" {
			<-hold
		}
		mu.Lock()
		defer mu.Unlock()
		if op.Kind == "sync" {
			syncs++
		}
		return nil
	})
	s := openSpool(t, fs)
	var all sync.WaitGroup
	for n := range 50 {
		all.Go(func() {
			if err := s.Append(t.Context(), in.key, in.writer, batch(n)); err != nil {
				t.Error(err)
			}
		})
	}
	close(hold)
	all.Wait()
	if got := in.drain(fs, 0); len(got.payloads) != 50 {
		t.Errorf("%d came out", len(got.payloads))
	}
	if syncs > 50 {
		t.Errorf("%d syncs for 50 batches", syncs)
	}
}

func TestAFullDiskRefusesAndRecovers(t *testing.T) {
	in, fs := install(t, 1), disktest.New()
	s := openSpool(t, fs)
	must(t, s.Append(t.Context(), in.key, in.writer, batch(1)))
	fs.SetCapacity(1)
	if err := s.Append(t.Context(), in.key, in.writer, batch(2)); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("on a full disk: %v", err)
	}
	fs.SetCapacity(0)
	must(t, s.Append(t.Context(), in.key, in.writer, batch(3)))
	if got := in.drain(fs, 0); !slices.Equal(got.payloads, []string{"w/T_CL/1/canary-1", "w/T_CL/3/canary-3"}) || got.aside > 0 {
		t.Errorf("%+v", got)
	}
	big := batch(4)
	big.Payload = make([]byte, spool.MaxPayload+1)
	if err := s.Append(t.Context(), in.key, in.writer, big); !errors.Is(err, spool.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

func TestIDsAreTold(t *testing.T) {
	var random [16]byte
	copy(random[:], strings.Repeat("x", 16))
	first, second := spool.NewID(), spool.NewID()
	if !spool.Own(first) || spool.Own(random) || first == second {
		t.Error("ids of batches can't be told from others")
	}
}

func FuzzFile(f *testing.F) {
	in, fs := install(f, 1), disktest.New()
	s, err := spool.Open(fs, spool.Dir, 0)
	must(f, err)
	must(f, s.Append(context.Background(), in.key, in.writer, batch(1)))
	const name = "spool/0000000000000001.spool"
	good := fs.Bytes(name)
	f.Add(good)
	f.Add(good[:100])
	f.Add([]byte("LKS\x01"))
	private := in.halves()
	f.Fuzz(func(t *testing.T, b []byte) {
		file, ok, err := in.folder(with(t, name, b), 0, 9).Next()
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		for _, got := range file.Open(private) {
			if string(got.Payload) != "canary-1" {
				t.Errorf("%q came out", got.Payload)
			}
		}
	})
}
