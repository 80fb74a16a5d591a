package outside_test

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"logkeep/internal/outside"
)

// files serves what is asked for, and redirects.
func files(t *testing.T) (base string, roots *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a.csv":
			fmt.Fprint(rw, "x,1\n")
		case "/packed":
			rw.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(rw)
			fmt.Fprint(z, "x,1\n")
			z.Close()
		case "/elsewhere":
			http.Redirect(rw, r, "https://elsewhere.example/a.csv", http.StatusFound)
		case "/plain":
			http.Redirect(rw, r, "http://127.0.0.1/a.csv", http.StatusFound)
		case "/back":
			http.Redirect(rw, r, "/a.csv", http.StatusMovedPermanently)
		case "/round":
			http.Redirect(rw, r, "/round", http.StatusFound)
		default:
			http.NotFound(rw, r)
		}
	}))
	t.Cleanup(s.Close)
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.URL, roots
}

var own = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func TestFilesOfAllowedHostsAreRead(t *testing.T) {
	base, roots := files(t)
	r := outside.New(outside.Config{Hosts: []outside.Host{{Name: "127.0.0.1", Ranges: own}, {Name: "*.example.com"}}, Roots: roots, Bytes: 10, Files: 3})
	got, err := r.Fetch(t.Context(), []string{base + "/a.csv?sig=1", base + "/back"}, nil)
	if err != nil || string(got[base+"/a.csv?sig=1"]) != "x,1\n" || string(got[base+"/back"]) != "x,1\n" {
		t.Errorf("%q, %v", got, err)
	}
	for address, want := range map[string]string{
		base + "/none?sig=secret":                 "answered 404",
		base + "/elsewhere":                       "the host 'elsewhere.example' is not among those that the operator of this server allows",
		base + "/plain":                           "only addresses that begin with https:// are read",
		base + "/round":                           "it redirects too often",
		"http://127.0.0.1/a.csv":                  "only addresses that begin with https:// are read",
		"https://u:secret@127.0.0.1/a.csv":        "without a user",
		"https://127.0.0.2/a.csv":                 "the host '127.0.0.2' is not among",
		"https://example.com/a.csv":               "is not among",
		"https://a.b.example.com/a.csv":           "is not among",
		base + "/a.csv;secret":                    "takes no key or identity behind a semicolon",
		"a.csv":                                   "can't be read; it begins with https://",
		"https://127.0.0.1:1/a.csv":               "the host can't be reached",
		strings.Replace(base, "127.", "0x7f.", 1): "is not among",
	} {
		_, err := r.Fetch(t.Context(), []string{address}, nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want an error with %q and without a secret", address, err, want)
		}
	}
	have := map[string][]byte{"before": []byte("1234567")}
	if _, err := r.Fetch(t.Context(), []string{base + "/a.csv"}, have); err == nil || !strings.Contains(err.Error(), "have 10 bytes at most, together") {
		t.Errorf("eleven bytes: %v", err)
	}
	if _, err := r.Fetch(t.Context(), []string{"1", "2", "3"}, have); err == nil || !strings.Contains(err.Error(), "3 files") {
		t.Errorf("four files: %v", err)
	}
	// A host may pack its answer whatever was asked of it; then that is the file.
	if got, err := outside.New(outside.Config{Hosts: []outside.Host{{Name: "127.0.0.1", Ranges: own}}, Roots: roots}).Fetch(t.Context(), []string{base + "/packed"}, nil); err != nil || !strings.HasPrefix(string(got[base+"/packed"]), "\x1f\x8b") {
		t.Errorf("packed: %q, %v", got, err)
	}
}

// TestOnlyTheOpenInternetIsReached names a host whose address is this machine's.
func TestOnlyTheOpenInternetIsReached(t *testing.T) {
	base, roots := files(t)
	r := outside.New(outside.Config{Hosts: []outside.Host{{Name: "127.0.0.1"}, {Name: "169.254.169.254"}, {Name: "localhost", Ranges: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}, Roots: roots})
	for _, address := range []string{base + "/a.csv", "https://169.254.169.254/latest", strings.Replace(base, "127.0.0.1", "localhost", 1)} {
		if _, err := r.Fetch(t.Context(), []string{address}, nil); err == nil || !strings.Contains(err.Error(), "has an address where it may not be") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestHostsHaveNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"files.example.com": true, "*.example.com": true, "10.0.0.1": true, "localhost": true,
		"": false, "*": false, "*.": false, "com": false, "a.*.com": false, "https://a.com": false, "a.com/x": false, "A.com": false, "a.com:443": false,
	} {
		if err := (outside.Host{Name: name}).Check(); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	if outside.New(outside.Config{}) != nil {
		t.Error("a list without hosts allows something")
	}
}

func TestFewQueriesHoldFilesAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := outside.New(outside.Config{Hosts: []outside.Host{{Name: "a.example"}}, AtOnce: 1})
		release, err := r.Hold(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Hold(ctx); err == nil {
			t.Error("two hold at once")
		}
		second := make(chan error)
		go func() {
			again, err := r.Hold(t.Context())
			if err == nil {
				again()
			}
			second <- err
		}()
		synctest.Wait()
		select {
		case <-second:
			t.Error("the second did not wait")
		default:
		}
		release()
		if err := <-second; err != nil {
			t.Error(err)
		}
	})
}
