package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Identity is a principal, and the subscription it works in.
type Identity struct {
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	ClientID       string `json:"clientId"`
	ClientSecret   string `json:"clientSecret"`
	ObjectID       string `json:"objectId"` // "" if not known

	token bearer // of another issuer, instead of a secret
}

// Format prints who it is, without the secret.
func (i Identity) Format(f fmt.State, _ rune) {
	if i.token.known() {
		fmt.Fprintf(f, "the bearer of a token (redacted)")
		return
	}
	fmt.Fprintf(f, "client %s of tenant %s (secret redacted)", i.ClientID, i.TenantID)
}

// Where says which server and who asks. What is not given is looked for: a URL
// in LOGKEEP_URL, then in the data directory's `endpoint` file (the server
// writes it), then in LOGKEEP_ARM; an identity in the data directory's
// `bootstrap.json`, then in the AZURE_ variables. A token of an issuer that the
// server trusts, in LOGKEEP_TOKEN or in the file LOGKEEP_TOKEN_FILE, is used
// before any of them.
type Where struct {
	URL     string
	DataDir string
	Getenv  func(string) string
}

// The defaults of a server that was told nothing.
const (
	DefaultURL     = "https://localhost:8443"
	DefaultDataDir = ".logkeep"
	DefaultIMDS    = "http://127.0.0.1:8480"
)

type found struct {
	url, caFile, imds, identitySource string
	identity                          Identity
}

func (w Where) find() (found, error) {
	if w.Getenv == nil {
		w.Getenv = os.Getenv
	}
	explicit := w.DataDir != "" || w.Getenv("LOGKEEP_DATA_DIR") != ""
	dir := first(w.DataDir, w.Getenv("LOGKEEP_DATA_DIR"))
	address := first(w.URL, w.Getenv("LOGKEEP_URL"))
	if dir == "" && address == "" && w.Getenv("LOGKEEP_ARM") == "" {
		dir = DefaultDataDir
	}
	f := found{url: address, imds: first(w.Getenv("LOGKEEP_IMDS"), DefaultIMDS)}
	if dir != "" {
		f.identitySource = filepath.Join(dir, "bootstrap.json")
		err := readJSON(f.identitySource, &f.identity)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return found{}, err
		}
		written, there, wrong := readEndpoint(dir)
		switch {
		case wrong != nil:
			return found{}, wrong
		case err == nil || there: // the secret is kept elsewhere, or was in no backup
			f.caFile = filepath.Join(dir, "tls", "ca.pem")
			f.url, f.imds = first(f.url, written.URL), first(written.IMDS, f.imds)
		case explicit:
			return found{}, fmt.Errorf("%s is no data directory of a server that has started: %w", dir, err)
		}
	}
	f.url = first(f.url, w.Getenv("LOGKEEP_ARM"), DefaultURL)
	if f.identity.ClientID == "" {
		f.identitySource = "the AZURE_ variables"
		f.identity = Identity{
			TenantID: w.Getenv("AZURE_TENANT_ID"), SubscriptionID: w.Getenv("AZURE_SUBSCRIPTION_ID"),
			ClientID: w.Getenv("AZURE_CLIENT_ID"), ClientSecret: w.Getenv("AZURE_CLIENT_SECRET"),
		}
		f.caFile = first(f.caFile, w.Getenv("SSL_CERT_FILE"), w.Getenv("REQUESTS_CA_BUNDLE"))
	}
	if token := (bearer{w.Getenv("LOGKEEP_TOKEN"), w.Getenv("LOGKEEP_TOKEN_FILE")}); token.known() {
		f.identitySource = "LOGKEEP_TOKEN"
		f.identity = Identity{
			TenantID:       first(f.identity.TenantID, w.Getenv("AZURE_TENANT_ID")),
			SubscriptionID: first(w.Getenv("AZURE_SUBSCRIPTION_ID"), f.identity.SubscriptionID), token: token,
		}
		f.caFile = first(f.caFile, w.Getenv("SSL_CERT_FILE"), w.Getenv("REQUESTS_CA_BUNDLE"))
		return f, nil
	}
	if i := f.identity; i.TenantID == "" || i.ClientID == "" || i.ClientSecret == "" || i.SubscriptionID == "" {
		return f, ErrNoIdentity // where it is, is known all the same
	}
	return f, nil
}

// An Endpoint is what a server writes into DIR/endpoint when it has started:
// where it is to be found.
type Endpoint struct {
	URL  string `json:"url"`            // https://localhost:8443
	IMDS string `json:"imds,omitempty"` // http://127.0.0.1:8480
}

func readEndpoint(dir string) (e Endpoint, there bool, err error) {
	err = readJSON(filepath.Join(dir, "endpoint"), &e)
	if errors.Is(err, fs.ErrNotExist) {
		return Endpoint{}, false, nil
	}
	return e, err == nil, err
}

func readJSON(path string, into any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s is damaged: %w", path, err)
	}
	return nil
}

func first(values ...string) string {
	for _, v := range values {
		if v = strings.TrimSpace(v); v != "" {
			return v
		}
	}
	return ""
}
