package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"logkeep/internal/outside"
)

// Settings that are lists. As a flag each is given once for each item; as a
// variable its items stand on lines of their own.

// An ExternalHost is a host whose files queries may read.
type ExternalHost struct {
	Host   string         `yaml:"host"`   // *.example.com: all directly under it
	Ranges []netip.Prefix `yaml:"ranges"` // addresses that it may have; none: any public one
}

// ExternalHosts are a list of them.
type ExternalHosts []ExternalHost

// Words are a list of words.
type Words []string

// An Issuer is an OpenID Connect issuer that the server trusts.
type Issuer struct {
	URL       string   `yaml:"url"`
	Audiences []string `yaml:"audiences"` // beside the server's own names
	Tenant    string   `yaml:"tenant"`    // "": the first
	Claim     string   `yaml:"claim"`     // with the object id; "": oid, else made of sub
}

// Issuers are a list of them.
type Issuers []Issuer

// A Pair is the two files of a certificate.
type Pair struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// Pairs are a list of them.
type Pairs []Pair

func (w *Words) empty()      { *w = nil }
func (*Words) Type() string  { return "list" }
func (w Words) text() string { return strings.Join(w, "\n") }

// String implements pflag.Value.
func (w *Words) String() string { return w.text() }

// Set implements pflag.Value: it adds items.
func (w *Words) Set(text string) error {
	*w = append(*w, lines(text)...)
	return nil
}

func lines(text string) (all []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

func (i *Issuers) empty()     { *i = nil }
func (*Issuers) Type() string { return "list" }

// String implements pflag.Value.
func (i *Issuers) String() string {
	var all Words
	for _, v := range *i {
		text := v.URL
		for _, a := range v.Audiences {
			text += ",audience=" + a
		}
		if v.Tenant != "" {
			text += ",tenant=" + v.Tenant
		}
		if v.Claim != "" {
			text += ",claim=" + v.Claim
		}
		all = append(all, text)
	}
	return all.text()
}

// Set implements pflag.Value: URL[,audience=A][,tenant=ID][,claim=NAME].
func (i *Issuers) Set(text string) error {
	for _, line := range lines(text) {
		parts := strings.Split(line, ",")
		v := Issuer{URL: parts[0]}
		for _, p := range parts[1:] {
			switch name, value, _ := strings.Cut(p, "="); {
			case value == "":
				return fmt.Errorf("%q is not NAME=VALUE", p)
			case name == "audience":
				v.Audiences = append(v.Audiences, value)
			case name == "tenant":
				v.Tenant = value
			case name == "claim":
				v.Claim = value
			default:
				return fmt.Errorf("%q is none of audience, tenant and claim", name)
			}
		}
		*i = append(*i, v)
	}
	return nil
}

func (i Issuers) check() error {
	var wrong []error
	seen := map[string]bool{}
	for _, v := range i {
		u, err := url.Parse(v.URL)
		loopback := err == nil && u.Scheme == "http" && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost" || u.Hostname() == "::1")
		switch {
		case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && !loopback:
			wrong = append(wrong, fmt.Errorf("issuer %q is no https URL", v.URL))
		case seen[v.URL]:
			wrong = append(wrong, fmt.Errorf("issuer %q is named twice", v.URL))
		}
		seen[v.URL] = true
	}
	return errors.Join(wrong...)
}

func (e *ExternalHosts) empty()     { *e = nil }
func (*ExternalHosts) Type() string { return "list" }

// String implements pflag.Value.
func (e *ExternalHosts) String() string {
	var all Words
	for _, h := range *e {
		text := h.Host
		for _, r := range h.Ranges {
			text += ",range=" + r.String()
		}
		all = append(all, text)
	}
	return all.text()
}

// Set implements pflag.Value: HOST[,range=CIDR].
func (e *ExternalHosts) Set(text string) error {
	for _, line := range lines(text) {
		parts := strings.Split(line, ",")
		h := ExternalHost{Host: parts[0]}
		for _, p := range parts[1:] {
			name, value, _ := strings.Cut(p, "=")
			r, err := netip.ParsePrefix(value)
			if name != "range" || err != nil {
				return fmt.Errorf("%q is not range=CIDR, such as range=10.0.0.0/8", p)
			}
			h.Ranges = append(h.Ranges, r)
		}
		*e = append(*e, h)
	}
	return nil
}

func (e ExternalHosts) check() error {
	var wrong []error
	for _, h := range e {
		if err := (outside.Host{Name: h.Host}).Check(); err != nil {
			wrong = append(wrong, fmt.Errorf("externaldata-host %w", err))
		}
	}
	return errors.Join(wrong...)
}

func (p *Pairs) empty()     { *p = nil }
func (*Pairs) Type() string { return "list" }

// String implements pflag.Value.
func (p *Pairs) String() string {
	var all Words
	for _, v := range *p {
		all = append(all, v.Certificate+","+v.Key)
	}
	return all.text()
}

// Set implements pflag.Value: FILE,KEYFILE.
func (p *Pairs) Set(text string) error {
	for _, line := range lines(text) {
		cert, key, ok := strings.Cut(line, ",")
		if !ok || cert == "" || key == "" {
			return fmt.Errorf("%q is not FILE,KEYFILE", line)
		}
		*p = append(*p, Pair{cert, key})
	}
	return nil
}
