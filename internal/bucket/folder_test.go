package bucket_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/bucket"
	"logkeep/internal/bucket/buckettest"
	"logkeep/internal/disk"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func claim(t *testing.T, b bucket.Bucket) *bucket.Folder {
	t.Helper()
	f, err := bucket.Claim(t.Context(), b, "a", func(error) {})
	must(t, err)
	return f
}

// journal writes a file of two parts.
func journal(t *testing.T, f *bucket.Folder, name string) disk.File {
	t.Helper()
	file, err := f.Create(name)
	must(t, err)
	for _, part := range []string{"hello ", "world"} {
		_, err = file.Write([]byte(part))
		must(t, err)
		must(t, file.Sync())
	}
	return file
}

const (
	first  = "a/journal/0000000000000001.journal/0000000000000000"
	second = "a/journal/0000000000000001.journal/0000000000000006"
)

func read(f *bucket.Folder, name string) (string, error) {
	file, err := f.Open(name)
	if err != nil {
		return "", err
	}
	size, err := file.Size()
	if err != nil {
		return "", err
	}
	p := make([]byte, size)
	n, err := file.ReadAt(p, 0)
	if err == io.EOF {
		err = nil
	}
	return string(p[:n]), err
}

// A file that grows is parts, which another Folder reads as one.
func TestParts(t *testing.T) {
	m := buckettest.New()
	f := claim(t, m)
	file := journal(t, f, "journal/0000000000000001.journal")
	if _, err := file.Write([]byte("not synced")); err != nil {
		t.Fatal(err)
	}
	must(t, file.Truncate(11))
	if err := file.Truncate(3); err == nil {
		t.Error("what is in the bucket was cut")
	}
	if names := strings.Join(m.Names("a/journal"), " "); names != first+" "+second {
		t.Errorf("objects %s", names)
	}
	v := bucket.View(m, "a")
	list, err := v.List("journal")
	must(t, err)
	if len(list) != 1 || list[0] != (disk.Info{Name: "0000000000000001.journal", Size: 11}) {
		t.Errorf("%v", list)
	}
	if text, err := read(v, "journal/0000000000000001.journal"); text != "hello world" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := v.Create("journal/0000000000000002.journal"); err == nil {
		t.Error("a reader made a file")
	}
	must(t, f.Remove("journal/0000000000000001.journal"))
	if names := m.Names("a/journal"); len(names) > 0 {
		t.Errorf("left: %q", names)
	}
	if _, err := bucket.View(m, "a").Open("journal/0000000000000001.journal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// What is not as it was put is an error that names the object.
func TestDamageIsNamed(t *testing.T) {
	for name, damage := range map[string]func(*buckettest.Memory) string{
		"truncated": func(m *buckettest.Memory) string { m.Damage(second, m.Bytes(second)[:22]); return second },
		"no head":   func(m *buckettest.Memory) string { m.Damage(second, m.Bytes(second)[:7]); return second },
		"empty":     func(m *buckettest.Memory) string { m.Damage(second, []byte{}); return second },
		"changed": func(m *buckettest.Memory) string {
			b := m.Bytes(second)
			b[22] ^= 1
			m.Damage(second, b)
			return second
		},
		"another's": func(m *buckettest.Memory) string {
			m.Damage(second, []byte("something quite different"))
			return second
		},
		"first vanished":  func(m *buckettest.Memory) string { m.Damage(first, nil); return first },
		"first truncated": func(m *buckettest.Memory) string { m.Damage(first, m.Bytes(first)[:22]); return first[:len(first)-17] },
	} {
		t.Run(name, func(t *testing.T) {
			m := buckettest.New()
			journal(t, claim(t, m), "journal/0000000000000001.journal")
			object := damage(m)
			text, err := read(bucket.View(m, "a"), "journal/0000000000000001.journal")
			if err == nil || !errors.Is(err, bucket.ErrDamaged) || !strings.Contains(err.Error(), object) {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
	// So is an object that is shorter than it was when it was opened.
	m := buckettest.New()
	m.Damage("a/objects/x", []byte("hello world"))
	v := bucket.View(m, "a")
	file, err := v.Open("objects/x")
	must(t, err)
	m.Damage("a/objects/x", []byte("hello"))
	if n, err := file.ReadAt(make([]byte, 11), 0); !errors.Is(err, bucket.ErrDamaged) || n != 5 {
		t.Errorf("%d, %v", n, err)
	}
}

// An append of which nobody knows whether it was done is settled before the next;
// it may be there, and what was acknowledged is.
func TestDoubt(t *testing.T) {
	for name, outcome := range map[string]buckettest.Outcome{
		"not done": {Err: io.ErrUnexpectedEOF}, "done": {Err: io.ErrUnexpectedEOF, Done: true}, "late": {Err: io.ErrUnexpectedEOF, Late: true},
	} {
		run := func(t *testing.T) {
			m := buckettest.New()
			f := claim(t, &bucket.Patient{Bucket: m, Patience: time.Millisecond, First: time.Minute})
			file := journal(t, f, "journal/0000000000000001.journal")
			m.OnOp(func(op buckettest.Op) buckettest.Outcome {
				if op.Kind == "put" {
					return outcome
				}
				return buckettest.Outcome{}
			})
			file.Write([]byte("doubtful"))
			if err := file.Sync(); err == nil && name != "done" {
				t.Fatal("it was acknowledged")
			}
			m.OnOp(nil)
			next, err := f.Create("journal/0000000000000002.journal")
			must(t, err)
			next.Write([]byte("next"))
			must(t, next.Sync())
			m.Land()
			for name, want := range map[string]string{"journal/0000000000000001.journal": "hello worlddoubtful", "journal/0000000000000002.journal": "next"} {
				if text, err := read(bucket.View(m, "a"), name); text != want || err != nil {
					t.Errorf("%s has %q, %v", name, text, err)
				}
			}
		}
		t.Run(name, func(t *testing.T) { synctest.Test(t, run) })
	}
}

// Whoever comes later wins, and who came before writes nothing any more.
func TestClaim(t *testing.T) {
	m := buckettest.New()
	lost := make(chan error, 1)
	one, err := bucket.Claim(t.Context(), m, "a", func(err error) { lost <- err })
	must(t, err)
	file := journal(t, one, "journal/0000000000000001.journal")
	two := claim(t, m)
	file.Write([]byte("!"))
	if err := file.Sync(); !errors.Is(err, bucket.ErrLost) {
		t.Errorf("the part was acknowledged: %v", err)
	}
	if err := <-lost; !errors.Is(err, bucket.ErrLost) {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"create": func() error { _, err := one.Create("objects/.x"); return err }(),
		"remove": one.Remove("objects/x"), "put": one.Put(context.Background(), "changes/1", nil),
	} {
		if !errors.Is(err, bucket.ErrLost) {
			t.Errorf("%s: %v", what, err)
		}
	}
	journal(t, two, "journal/0000000000000002.journal")
	// Another's bytes under the name that a part needs.
	m.Damage("a/journal/0000000000000003.journal/0000000000000000", []byte("another's"))
	third, err := two.Create("journal/0000000000000003.journal")
	must(t, err)
	third.Write([]byte("mine"))
	if err := third.Sync(); !errors.Is(err, bucket.ErrLost) {
		t.Errorf("another's part: %v", err)
	}
}

// An object is put when it gets its name, and not over another.
func TestObjects(t *testing.T) {
	m := buckettest.New()
	f := claim(t, m)
	for i, want := range []error{nil, fs.ErrExist} {
		file, err := f.Create("objects/.x")
		must(t, err)
		file.Write([]byte{byte(i)})
		must(t, file.Sync())
		must(t, file.Close())
		if names := m.Names("a/objects"); len(names) != i {
			t.Errorf("%q before it has its name", names)
		}
		if err := f.Rename("objects/.x", "objects/x"); !errors.Is(err, want) {
			t.Errorf("put %d: %v", i, err)
		}
		f.Remove("objects/.x")
	}
	if text, err := read(f, "objects/x"); text != "\x00" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// A Patient tries again as long as it has patience, and says what it was.
func TestPatience(t *testing.T) { synctest.Test(t, patience) }

func patience(t *testing.T) {
	m := buckettest.New()
	m.Damage("a/x", []byte("x"))
	p := &bucket.Patient{Bucket: m, Patience: time.Minute, First: time.Microsecond}
	fails := 5
	m.OnOp(func(buckettest.Op) buckettest.Outcome {
		if fails--; fails >= 0 {
			return buckettest.Outcome{Err: errors.New("busy")}
		}
		return buckettest.Outcome{}
	})
	if n, err := p.Size(t.Context(), "a/x"); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	m.OnOp(func(buckettest.Op) buckettest.Outcome { return buckettest.Outcome{Err: bucket.ErrRefused} })
	if _, err := p.Size(t.Context(), "a/x"); !errors.Is(err, bucket.ErrRefused) || !strings.Contains(err.Error(), "a/x") {
		t.Errorf("a refusal: %v", err)
	}
	p.Patience = time.Millisecond
	m.OnOp(func(buckettest.Op) buckettest.Outcome { return buckettest.Outcome{Err: errors.New("busy")} })
	if _, err := p.Size(t.Context(), "a/x"); !errors.Is(err, bucket.ErrSilent) || !strings.Contains(err.Error(), "busy") {
		t.Errorf("silence: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Size(ctx, "a/x"); !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up: %v", err)
	}
}
