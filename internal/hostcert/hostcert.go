// Package hostcert serves certificates of one's own from files, and takes new
// ones without a restart.
//
// Each pair is a PEM file with a certificate, its chain behind it, and one with
// its key. A handshake gets the first whose names cover the host that it asks
// for. The files are looked at every second; a pair that can't be used (half
// written, of another key, at its end) is told to the log and the one before
// stays in use.
package hostcert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A Pair is two files.
type Pair struct {
	Certificate string `yaml:"certificate" json:"certificate"` // PEM, its chain behind it
	Key         string `yaml:"key" json:"key"`                 // PEM
}

// Files are pairs in use. It is safe for concurrent use.
type Files struct {
	log *slog.Logger

	now atomic.Pointer[[]*tls.Certificate]

	mu    sync.Mutex
	pairs []kept
}

// A kept pair is one with what was read of it last.
type kept struct {
	Pair
	seen string // state of the files when they were last looked into
	cert *tls.Certificate
}

// Open reads all pairs. A first one that can't be used is an error.
func Open(pairs []Pair, log *slog.Logger) (*Files, error) {
	f := &Files{log: log}
	for _, p := range pairs {
		k := kept{Pair: p, seen: p.state()}
		var err error
		if k.cert, err = p.read(time.Now()); err != nil {
			return nil, err
		}
		f.pairs = append(f.pairs, k)
	}
	f.publish()
	return f, nil
}

// For returns the certificate for a handshake; ok is false if none has its name.
func (f *Files) For(hello *tls.ClientHelloInfo) (cert *tls.Certificate, ok bool) {
	for _, c := range *f.now.Load() {
		if hello.ServerName != "" && c.Leaf.VerifyHostname(hello.ServerName) == nil && hello.SupportsCertificate(c) == nil {
			return c, true
		}
	}
	return nil, false
}

// Watch looks at the files every second until ctx ends.
func (f *Files) Watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.look(false)
		}
	}
}

// Reload reads all files again, changed or not.
func (f *Files) Reload() { f.look(true) }

// look reads pairs whose files have changed.
func (f *Files) look(all bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed := false
	for i := range f.pairs {
		k := &f.pairs[i]
		state := k.state()
		if state == k.seen && !all {
			continue
		}
		k.seen = state
		cert, err := k.read(time.Now())
		if err != nil {
			f.log.Error("the new certificate can't be used; the one before stays in use", "file", k.Certificate, "until", k.cert.Leaf.NotAfter, "cause", err)
			continue
		}
		k.cert, changed = cert, true
		f.log.Info("certificate taken into use", "file", k.Certificate, "names", cert.Leaf.DNSNames, "serial", cert.Leaf.SerialNumber.Text(16), "until", cert.Leaf.NotAfter)
	}
	if changed {
		f.publish()
	}
}

func (f *Files) publish() {
	certs := make([]*tls.Certificate, len(f.pairs))
	for i, k := range f.pairs {
		certs[i] = k.cert
	}
	f.now.Store(&certs)
}

// state tells whether the files are the ones that were read.
func (p Pair) state() string {
	text := ""
	for _, name := range [...]string{p.Certificate, p.Key} {
		if st, err := os.Stat(name); err != nil {
			text += "absent;"
		} else {
			text += fmt.Sprintf("%d %d;", st.ModTime().UnixNano(), st.Size())
		}
	}
	return text
}

// read reads a pair and refuses what no client would take.
func (p Pair) read(now time.Time) (*tls.Certificate, error) {
	if p.Certificate == "" || p.Key == "" {
		return nil, errors.New("a certificate of one's own needs both files: the certificate and its key")
	}
	c, err := tls.LoadX509KeyPair(p.Certificate, p.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", p.Certificate, p.Key, err)
	}
	if c.Leaf == nil {
		if c.Leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
			return nil, fmt.Errorf("certificate %s: %w", p.Certificate, err)
		}
	}
	if now.After(c.Leaf.NotAfter) || now.Before(c.Leaf.NotBefore) {
		return nil, fmt.Errorf("certificate %s is valid from %s to %s, not now", p.Certificate, c.Leaf.NotBefore.Format(time.RFC3339), c.Leaf.NotAfter.Format(time.RFC3339))
	}
	if len(c.Leaf.DNSNames)+len(c.Leaf.IPAddresses) == 0 {
		return nil, fmt.Errorf("certificate %s has no names (subjectAltName)", p.Certificate)
	}
	return &c, nil
}
