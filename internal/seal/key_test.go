package seal_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"logkeep/internal/seal"
)

// TestKeyPrintsRedacted: no way of printing shows a byte of a key, be it
// printed by pointer, by value, or inside something else.
func TestKeyPrintsRedacted(t *testing.T) {
	k := fixedKey(t, 'A') // its bytes read ABCDEFGH…
	hidden := struct{ key *seal.Key }{k}
	values := map[string]any{
		"pointer": k, "value": reflect.ValueOf(k).Elem().Interface(),
		"keys": seal.Keys{Inner: k, Outer: k}, "pointer to keys": &seal.Keys{Inner: k},
		"unexported field": hidden, "slice": []*seal.Key{k}, "map": map[string]*seal.Key{"k": k},
	}
	for name, v := range values {
		var out []string
		for _, verb := range "vsdqxXobctTeEfFgGUpw" {
			for _, flag := range []string{"", "+", "#", "+#", " ", "0100"} {
				out = append(out, fmt.Sprintf("%"+flag+string(verb), v))
			}
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("key", "k", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("key", "k", v)
		out = append(out, string(b), log.String(), fmt.Sprint(v), fmt.Sprintln(v))
		for _, s := range out {
			for _, secret := range []string{"ABCD", "41424344", "65 66 67", "65, 66, 67", "0x41, 0x42", "QUJDR", "41 42 43"} {
				if strings.Contains(strings.ToLower(s), strings.ToLower(secret)) {
					t.Errorf("%s prints %q", name, s)
				}
			}
		}
	}
	for _, s := range []string{k.String(), k.GoString(), k.LogValue().String(), fmt.Sprintf("%x", k), fmt.Sprintf("%d", seal.Keys{Inner: k})} {
		if !strings.Contains(s, "redacted") {
			t.Errorf("prints %q", s)
		}
	}
}

func TestKeyIsNotComparable(t *testing.T) {
	if reflect.TypeFor[seal.Key]().Comparable() {
		t.Error("keys can be compared with ==, which is not constant-time")
	}
}

func TestImportKeyClears(t *testing.T) {
	for _, n := range []int{0, 16, 31, 32, 33, 64} {
		b := bytes.Repeat([]byte{9}, n)
		k, err := seal.ImportKey(b)
		if (err == nil) != (n == seal.KeySize) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if !bytes.Equal(b, make([]byte, n)) {
			t.Errorf("%d bytes were left behind", n)
		}
		k.Destroy()
	}
}

func export(t testing.TB, k *seal.Key) string {
	var s string
	if err := k.Export(func(b []byte) error { s = hex.EncodeToString(b); return nil }); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNewKeyIsRandom(t *testing.T) {
	a, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Destroy()
	defer b.Destroy()
	if export(t, a) == export(t, b) || export(t, a) == strings.Repeat("00", 32) {
		t.Error("two new keys are alike, or zero")
	}
	if c := fixedKey(t, 1); export(t, c) != "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20" {
		t.Error("an imported key exports as another")
	}
}

func TestCommitment(t *testing.T) {
	commit := func(k *seal.Key, label string) [32]byte {
		c, err := k.Commitment(label)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := fixedKey(t, 1), fixedKey(t, 2)
	if commit(a, "x") != commit(fixedKey(t, 1), "x") {
		t.Error("one key, two commitments")
	}
	if commit(a, "x") == commit(b, "x") || commit(a, "x") == commit(a, "y") {
		t.Error("two keys or two labels, one commitment")
	}
	const frozen = "555a892b79f47b79" // first bytes, for all time: wrap records hold commitments
	if got := fmt.Sprintf("%x", commit(a, "account")); !strings.HasPrefix(got, frozen) {
		t.Errorf("the commitment is now %s, was %s…", got, frozen)
	}
}

// address returns where a key's page is.
func address(t testing.TB, k *seal.Key) uintptr {
	var a uintptr
	if err := k.Export(func(b []byte) error { a = uintptr(unsafe.Pointer(&b[0])); return nil }); err != nil {
		t.Fatal(err)
	}
	return a
}

// mapping returns the entry of the process's memory map that holds a.
func mapping(t testing.TB, a uintptr) (flags string, found bool) {
	b, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip("no memory map: ", err)
	}
	for line := range strings.Lines(string(b)) {
		span, _, _ := strings.Cut(line, " ")
		if from, to, ok := strings.Cut(span, "-"); ok && !strings.Contains(span, ":") {
			lo, err1 := strconv.ParseUint(from, 16, 64)
			hi, err2 := strconv.ParseUint(to, 16, 64)
			found = err1 == nil && err2 == nil && uint64(a) >= lo && uint64(a) < hi
		}
		if found && strings.HasPrefix(line, "VmFlags:") {
			return line, true
		}
	}
	return "", false
}

func TestKeyMemory(t *testing.T) {
	k := fixedKey(t, 1)
	a := address(t, k)
	flags, ok := mapping(t, a)
	if !ok {
		t.Fatal("the key's page is not in the memory map")
	}
	for _, f := range []string{" lo", " dd", " wf"} { // locked, not dumped, wiped on fork
		if !strings.Contains(flags, f) {
			t.Errorf("%q lacks%s", flags, f)
		}
	}
	if strings.Contains(flags, " wr") {
		t.Errorf("%q: the page can be written to", flags)
	}
	k.Destroy()
	k.Destroy()
	if flags, ok := mapping(t, a); ok && strings.Contains(flags, " lo") && strings.Contains(flags, " dd") {
		t.Errorf("the page is still there: %s", flags)
	}
	if err := k.Export(func([]byte) error { return nil }); !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("Export after Destroy: %v", err)
	}
	if _, err := k.Commitment("x"); !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("Commitment after Destroy: %v", err)
	}
	if _, _, err := seal.SealMessage(seal.Keys{Inner: k}, place, nil); !errors.Is(err, seal.ErrDestroyed) {
		t.Errorf("SealMessage after Destroy: %v", err)
	}
}

// TestDestroyWaits: a key that is being used is not cleared below its user,
// whether Destroy is called or the key is dropped.
func TestDestroyWaits(t *testing.T) {
	k := fixedKey(t, 1)
	var wg sync.WaitGroup
	inside, leave := make(chan struct{}), make(chan struct{})
	wg.Go(func() {
		k.Export(func(b []byte) error {
			close(inside)
			<-leave
			if b[0] != 1 || b[31] != 32 {
				t.Error("the key changed while in use")
			}
			return nil
		})
	})
	<-inside
	destroyed := make(chan struct{})
	go func() { k.Destroy(); close(destroyed) }()
	runtime.Gosched()
	select {
	case <-destroyed:
		t.Error("Destroy did not wait")
	default:
	}
	close(leave)
	wg.Wait()
	<-destroyed
}

// TestDroppedKeyIsCleared: a forgotten key's page goes when its Key does.
func TestDroppedKeyIsCleared(t *testing.T) {
	before := lockedPages(t)
	for range 64 {
		fixedKey(t, 1)
	}
	deadline := time.Now().Add(5 * time.Second)
	for lockedPages(t) >= before+64 {
		if time.Now().After(deadline) {
			t.Fatalf("%d locked pages, %d before", lockedPages(t), before)
		}
		runtime.GC()
		runtime.Gosched()
	}
}

func lockedPages(t testing.TB) int {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmLck:" {
			kb, _ := strconv.Atoi(f[1])
			return kb * 1024 / os.Getpagesize()
		}
	}
	t.Skip("the kernel doesn't say how much is locked")
	return 0
}
