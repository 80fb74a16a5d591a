package witness

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"logkeep/internal/schema"
)

func macOf(word string) []byte {
	d := sha256.Sum256([]byte(word))
	return append([]byte("12345"), d[:]...)
}

func digest(b []byte) []byte { d := sha256.Sum256(b); return d[:] }

func TestWhatIsOlder(t *testing.T) {
	one, two, other := macOf("1"), macOf("2"), macOf("3")
	told := Statement{Number: 7, Catalog: 10, Vault: Vault{5, "d"}, Accounts: map[schema.AccountID]Account{
		"a": {Change: 1, MAC: MACOf(one)}, "new": {}, "going": {Change: 3, Leaving: true},
	}}
	found := func(change func(f *Found)) Found {
		f := Found{Catalog: 10, Vault: Vault{5, "d"}, Accounts: map[schema.AccountID]Manifest{"a": {1, one, nil}, "new": {}, "going": {Change: 3}}}
		change(&f)
		return f
	}
	for name, c := range map[string]struct {
		found Found
		want  string // "" is right
	}{
		"the same": {found(func(f *Found) {}), ""},
		"later": {found(func(f *Found) {
			f.Catalog, f.Vault = 20, Vault{6, "e"}
			f.Accounts["a"] = Manifest{9, two, digest(other)}
		}), ""},
		"the next change":         {found(func(f *Found) { f.Accounts["a"] = Manifest{2, two, digest(one)} }), ""},
		"another next change":     {found(func(f *Found) { f.Accounts["a"] = Manifest{2, two, digest(other)} }), "change 1 of account a is another one"},
		"another change":          {found(func(f *Found) { f.Accounts["a"] = Manifest{1, other, nil} }), "change 1 of account a is another one"},
		"an older account":        {found(func(f *Found) { f.Accounts["a"] = Manifest{} }), "account a had change 1 and has 0"},
		"an account missing":      {found(func(f *Found) { delete(f.Accounts, "a") }), "account a is missing"},
		"a new account missing":   {found(func(f *Found) { delete(f.Accounts, "new") }), "account new is missing"},
		"one that was to go":      {found(func(f *Found) { delete(f.Accounts, "going") }), ""},
		"one more":                {found(func(f *Found) { f.Accounts["b"] = Manifest{} }), ""},
		"an older catalog":        {found(func(f *Found) { f.Catalog = 9 }), "the catalog had change 10 and has 9"},
		"an older vault":          {found(func(f *Found) { f.Vault.Changes = 4 }), "the vault had change 5 and has 4"},
		"a vault of another past": {found(func(f *Found) { f.Vault.Digest = "x" }), "the vault's change 5 is another one"},
	} {
		if got := words(older(c.found, told)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if text := words([]string{"1", "2", "3", "4", "5", "6", "7"}); text != "1; 2; 3; 4; 5; and 2 more" {
		t.Error(text)
	}
}

// memory is a place that can fail, before or after it kept a statement.
type memory struct {
	text          []byte
	before, after error
}

func (m *memory) String() string { return "memory" }
func (m *memory) Read(context.Context) ([]byte, error) {
	if m.text == nil {
		return nil, ErrNone
	}
	return m.text, nil
}
func (m *memory) Write(_ context.Context, b []byte) error {
	if m.before != nil {
		return m.before
	}
	m.text = b
	return m.after
}

func testWitness(t *testing.T, place Place, now *Statement) *Witness {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Place: place, Key: &key.PublicKey, Log: slog.New(slog.DiscardHandler),
		Sign: func(_ context.Context, m []byte) ([]byte, error) {
			d := sha256.Sum256(m)
			r, s, err := ecdsa.Sign(rand.Reader, key, d[:])
			return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), err
		},
		Collect: func(context.Context) (Statement, error) {
			s := *now
			s.Accounts = map[schema.AccountID]Account{}
			for id, a := range now.Accounts {
				s.Accounts[id] = a
			}
			return s, nil
		},
	})
}

// A statement of which nobody knows whether it was kept is followed by one with
// the same number or a higher one; what is told never goes back.
func TestStatementsGrow(t *testing.T) {
	m := &memory{}
	now := Statement{Catalog: 1, Accounts: map[schema.AccountID]Account{"a": {Change: 1}}}
	w := testWitness(t, m, &now)
	if told, accepted, err := w.Check(t.Context(), Found{}, false, ""); err != nil || accepted != nil || told.Number != 0 {
		t.Fatalf("first use: %+v %+v %v", told, accepted, err)
	}
	if err := w.Tell(t.Context()); err != nil || w.Status().Number != 1 {
		t.Fatal(err, w.Status())
	}
	if err := w.Tell(t.Context()); err != nil || w.Status().Number != 1 {
		t.Error("nothing was changed, and it was told", w.Status())
	}
	now.Catalog = 2
	m.after = errors.New("no answer")
	if err := w.Tell(t.Context()); err == nil || w.Status().Failed == nil {
		t.Error("a lost answer passed for one")
	}
	m.after = nil
	if err := w.Tell(t.Context()); err != nil || w.Status().Number != 2 || w.Status().Failed != nil {
		t.Error(err, w.Status())
	}
	// An account that goes is told of first, and until it has gone.
	m.before = errors.New("full")
	if err := w.Leaving(t.Context(), "a"); err == nil {
		t.Error("nobody was told, and the account may go")
	}
	m.before = nil
	if err := w.Leaving(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	again := testWitness(t, m, &now)
	again.cfg.Key = w.cfg.Key
	gone := Found{Catalog: 2, Accounts: map[schema.AccountID]Manifest{}}
	if told, _, err := again.Check(t.Context(), gone, true, ""); err != nil || !told.Accounts["a"].Leaving {
		t.Errorf("a crash after the deletion is a false alarm: %+v, %v", told, err)
	}
	delete(now.Accounts, "a")
	now.Catalog = 3
	if err := w.Tell(t.Context()); err != nil {
		t.Fatal(err)
	}
	now.Accounts["a"] = Account{} // another life of the name
	if err := w.Tell(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := again.Check(t.Context(), gone, true, ""); err == nil {
		t.Error("an account is missing that was not said to go")
	}
	// Another's key.
	if _, _, err := testWitness(t, m, &now).Check(t.Context(), gone, true, "1"); err == nil || !strings.Contains(err.Error(), "of this installation") {
		t.Error(err)
	}
}

// TestSomebodyElsesStatementIsNotReplaced: where the server gives tags, two
// servers on copies of one directory can't take turns.
func TestSomebodyElsesStatementIsNotReplaced(t *testing.T) {
	var text []byte
	lose := false
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tag := func() string { d := sha256.Sum256(text); return `"` + hex.EncodeToString(d[:4]) + `"` }
		switch {
		case r.Method == http.MethodGet && text == nil:
			w.WriteHeader(http.StatusNotFound)
		case r.Method == http.MethodGet:
			w.Header().Set("ETag", tag())
			w.Write(text)
		case r.Header.Get("If-Match") != "" && r.Header.Get("If-Match") != tag(), r.Header.Get("If-None-Match") == "*" && text != nil:
			w.WriteHeader(http.StatusPreconditionFailed)
		default:
			text, _ = io.ReadAll(r.Body)
			if lose {
				panic(http.ErrAbortHandler)
			}
			w.Header().Set("ETag", tag())
		}
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	open := func() Place {
		p, err := URL(server.URL, roots)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	one, two := open(), open()
	for _, p := range []Place{one, two} {
		if _, err := p.Read(t.Context()); !errors.Is(err, ErrNone) {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(one.Write(t.Context(), []byte("one")))
	if err := two.Write(t.Context(), []byte("two")); err == nil || !strings.Contains(err.Error(), "somebody else") {
		t.Errorf("a second first statement: %v", err)
	}
	must(one.Write(t.Context(), []byte("one again")))
	if b, err := two.Read(t.Context()); err != nil || string(b) != "one again" {
		t.Errorf("%q, %v", b, err)
	}
	must(two.Write(t.Context(), []byte("two")))
	if err := one.Write(t.Context(), []byte("one more")); err == nil {
		t.Error("another's statement was replaced")
	}
	// An answer that is lost: the next write finds out.
	lose = true
	if err := two.Write(t.Context(), []byte("two, kept")); err == nil {
		t.Error("no answer, and no error")
	}
	lose = false
	must(two.Write(t.Context(), []byte("two, later")))
	lose = true
	two.Write(t.Context(), []byte("two, kept too"))
	lose = false
	text = []byte("somebody's")
	if err := two.Write(t.Context(), []byte("x")); err == nil || string(text) != "somebody's" {
		t.Errorf("after a lost answer another's statement was replaced: %v", err)
	}
	for _, bad := range []string{"http://x/y", "ftp://x/y", "https://", "https://x/#y", "::"} {
		if _, err := URL(bad, roots); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	if p, err := URL("https://me:secret@host/x", roots); err != nil || strings.Contains(p.String(), "secret") {
		t.Errorf("%v, %v", p, err)
	}
}

func TestAFileIsKeptElsewhere(t *testing.T) {
	data := t.TempDir()
	for _, path := range []string{filepath.Join(data, "w"), filepath.Join(data, "accounts", "..", "w")} {
		if _, err := File(path, data); err == nil {
			t.Errorf("%s is taken", path)
		}
	}
	p, err := File(filepath.Join(t.TempDir(), "w"), data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Read(t.Context()); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	for _, text := range []string{"one", "two"} {
		if err := p.Write(t.Context(), []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := p.Read(t.Context()); err != nil || string(b) != text {
			t.Errorf("%q, %v", b, err)
		}
	}
}
