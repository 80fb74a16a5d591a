package kek

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// An ID names a key, or one version of it, in a vault. IDs compare with ==:
// [NewID] and [ParseKID] bring them into one form.
type ID struct {
	VaultURI string // https://host[:port], lower case, no slash at the end
	Name     string
	Version  string // "" = the newest, whichever that is
}

var (
	keyName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`) })
	dnsName = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^([0-9a-z]([0-9a-z-]{0,61}[0-9a-z])?\.)+[0-9a-z]([0-9a-z-]{0,61}[0-9a-z])?$`)
	})
	numeric = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9.]+$`) })
)

// NewID makes an ID of the three parts by which a tenant names a key.
func NewID(vaultURI, name, version string) (ID, error) {
	uri, err := cleanVaultURI(vaultURI)
	if err != nil {
		return ID{}, err
	}
	if !keyName().MatchString(name) {
		return ID{}, fmt.Errorf("key name %q is not 1 to 127 letters, digits and hyphens", name)
	}
	if version != "" && !keyName().MatchString(version) {
		return ID{}, fmt.Errorf("key version %q is not 1 to 127 letters, digits and hyphens", version)
	}
	return ID{VaultURI: uri, Name: name, Version: version}, nil
}

// ParseKID reads https://host/keys/name or https://host/keys/name/version.
func ParseKID(kid string) (ID, error) {
	bad := func() (ID, error) {
		return ID{}, fmt.Errorf("%q is not a key identifier such as https://contoso.vault.azure.net/keys/name/version", kid)
	}
	at := strings.Index(kid, "/keys/")
	if at < 0 {
		return bad()
	}
	name, version, versioned := strings.Cut(kid[at+len("/keys/"):], "/")
	if versioned && version == "" {
		return bad()
	}
	id, err := NewID(kid[:at], name, version)
	if err != nil {
		return bad()
	}
	return id, nil
}

func cleanVaultURI(s string) (string, error) {
	if len(s) > 300 {
		return "", fmt.Errorf("vault URI is longer than 300 characters")
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Opaque != "" || strings.ContainsAny(s, "?#\\") || (u.Path != "" && u.Path != "/") {
		return "", fmt.Errorf("vault URI %q is not https://host or https://host:port", s)
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if !dnsName().MatchString(host) || numeric().MatchString(host) || strings.HasSuffix(u.Host, ":") {
		return "", fmt.Errorf("vault URI %q does not name a host such as contoso.vault.azure.net", s)
	}
	if port != "" && port != "443" {
		host += ":" + port
	}
	return "https://" + host, nil
}

// String writes id as a key identifier, without version if it has none.
func (id ID) String() string {
	if id == (ID{}) {
		return ""
	}
	if id.Version == "" {
		return id.VaultURI + "/keys/" + id.Name
	}
	return id.VaultURI + "/keys/" + id.Name + "/" + id.Version
}

// At names another version of the same key; "" names none.
func (id ID) At(version string) ID { id.Version = version; return id }

// SameKey reports whether both name the same key, whatever the versions.
func (id ID) SameKey(other ID) bool { return id.At("") == other.At("") }

// IsZero reports whether id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// Host is the host of the vault, with its port if that is not 443.
func (id ID) Host() string { return strings.TrimPrefix(id.VaultURI, "https://") }

// MarshalText writes id as String does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID{}
		return nil
	}
	v, err := ParseKID(string(b))
	if err != nil {
		return err
	}
	*id = v
	return nil
}
