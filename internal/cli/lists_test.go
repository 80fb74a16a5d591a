package cli

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// read is what a server would be told by a file, variables and flags.
func read(t *testing.T, file string, env map[string]string, flags ...string) (Settings, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
	var s Settings
	f := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	s.flags(f)
	if err := f.Parse(flags); err != nil {
		return s, err
	}
	return s, s.read(f, path)
}

func TestListsOfSettings(t *testing.T) {
	file := "issuers:\n- url: https://a.example\n  audiences: [x, y]\ncertificates:\n- {certificate: c, key: k}\nadmins: [one]\n"
	s, err := read(t, file, nil)
	if err != nil || len(s.Issuers) != 1 || s.Issuers[0].Audiences[1] != "y" || s.Certificates[0] != (Pair{"c", "k"}) || s.Admins[0] != "one" || s.IssuerBuiltin != "on" {
		t.Errorf("the file: %+v %v", s, err)
	}
	s, err = read(t, file, map[string]string{"LOGKEEP_ADMIN": "two\nthree"}, "--issuer", "https://b.example,audience=z,claim=email", "--issuer", "https://c.example/t,tenant=T", "--issuer-builtin=off")
	want := Issuers{{URL: "https://b.example", Audiences: []string{"z"}, Claim: "email"}, {URL: "https://c.example/t", Tenant: "T"}}
	if err != nil || !reflect.DeepEqual(s.Issuers, want) || !reflect.DeepEqual(s.Admins, Words{"two", "three"}) || len(s.Certificates) != 1 || s.IssuerBuiltin != "off" {
		t.Errorf("flags and variables: %+v %v", s, err)
	}
	for text, flags := range map[string][]string{
		"no https URL": {"--issuer", "http://a.example"}, "named twice": {"--issuer", "https://a", "--issuer", "https://a"},
		"none of audience": {"--issuer", "https://a,b=c"}, "FILE,KEYFILE": {"--certificate", "c"}, "neither on nor off": {"--issuer-builtin", "no"},
	} {
		if _, err := read(t, "", nil, flags...); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: %v", flags, err)
		}
	}
}
