package kek

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
)

// Config says how a Client reaches its vault.
type Config struct {
	// Credential gives the tokens of the identity that may use the key. If
	// there is no such identity any more it returns *Denied; every other error
	// of it is silence. A credential that keeps tokens asks Fresh.
	Credential azcore.TokenCredential

	// Dial opens connections to the vault; nil is the plain one. A Guard's
	// DialContext belongs here when the vault's address comes from a tenant.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	Roots   *x509.CertPool // who may vouch for the vault; nil is the system's
	Timeout time.Duration  // of one call with everything in it; 0 is 5 s
}

// Client is a Vault that speaks the Key Vault protocol to one vault.
type Client struct {
	uri  string
	cfg  Config
	http *http.Client

	mu  sync.Mutex
	sdk *azkeys.Client
	alg map[ID]string // of versions; neither type nor size of one ever changes
}

var _ Vault = (*Client)(nil)

// Pause before a page that is not the vault's is asked for again.
const pause = 200 * time.Millisecond

// NewClient makes a client for the vault at vaultURI. It sends nothing.
func NewClient(vaultURI string, cfg Config) (*Client, error) {
	id, err := NewID(vaultURI, "any", "")
	if err != nil {
		return nil, err
	}
	if cfg.Credential == nil {
		return nil, errors.New("internal error: client of a vault without a credential")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 5 * time.Second
	}
	c := &Client{uri: id.VaultURI, cfg: cfg, alg: map[ID]string{}}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // the environment has no say in where tokens go
			DialContext:            cfg.Dial,
			TLSClientConfig:        &tls.Config{RootCAs: cfg.Roots, MinVersion: tls.VersionTLS12},
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 32 << 10,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if _, err := c.renew(nil); err != nil {
		return nil, err
	}
	return c, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// renew replaces old, if that is still the SDK's client in use, by one that
// knows no challenge and no token.
func (c *Client) renew(old *azkeys.Client) (*azkeys.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sdk != old {
		return c.sdk, nil
	}
	id := ID{VaultURI: c.uri}
	sdk, err := azkeys.NewClient(c.uri, &audience{want: scopeOf(id.Host()), inner: c.cfg.Credential}, &azkeys.ClientOptions{
		ClientOptions: azcore.ClientOptions{
			Transport: &transport{client: c.http, host: id.Host()},
			Retry:     policy.RetryOptions{MaxRetries: -1}, // what to retry is decided here, after classification
			Telemetry: policy.TelemetryOptions{ApplicationID: "logkeep"},
		},
	})
	if err != nil {
		return nil, err
	}
	c.sdk = sdk
	return sdk, nil
}

type freshKey struct{}

// Fresh reports whether a token that was given before has just been refused: a
// credential must then ask its issuer, not its cache.
func Fresh(ctx context.Context) bool { return ctx.Value(freshKey{}) != nil }

// call runs f until its answer counts. It is asked at most four times: once,
// once more with a fresh token if that was 401, once more if a refusal was not
// in Key Vault's words, and once more if the connection broke: whoever closes one
// that was idle may do so as the question leaves, and no question changes anything.
func call[T any](ctx context.Context, c *Client, op string, id ID, f func(context.Context, *azkeys.Client) (T, error)) (T, error) {
	var none T
	if id.VaultURI != c.uri {
		return none, fmt.Errorf("internal error: client of %s was asked for %s", c.uri, id)
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	c.mu.Lock()
	sdk := c.sdk
	c.mu.Unlock()
	freshly, again, broke := false, false, false
	for {
		result, err := f(ctx, sdk)
		v := classify(err)
		switch {
		case v.meaning == yes:
			return result, nil
		case v.meaning == unauthorised && !freshly:
			freshly = true
			ctx = context.WithValue(ctx, freshKey{}, true)
			if sdk, err = c.renew(sdk); err != nil {
				return none, &Silent{Op: op, Key: id, Err: err}
			}
		case v.meaning == unsure && !again:
			again = true
			c.http.CloseIdleConnections() // whoever wrote that page may sit at the other end of them
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return none, &Silent{Op: op, Key: id, Status: v.status, Err: ctx.Err()}
			}
		case v.meaning == silence && !broke && broken(v.err) && ctx.Err() == nil:
			broke = true
			c.http.CloseIdleConnections() // the others are as old
		default:
			return none, v.error(op, id)
		}
	}
}

// Get describes a version of a key; see Vault.
func (c *Client) Get(ctx context.Context, id ID) (Key, error) {
	bundle, err := call(ctx, c, "get", id, func(ctx context.Context, sdk *azkeys.Client) (azkeys.GetKeyResponse, error) {
		r, err := sdk.GetKey(ctx, id.Name, id.Version, nil)
		if err == nil && (r.Key == nil || r.Key.KID == nil || r.Key.Kty == nil || r.Attributes == nil) {
			err = errUnreadable
		}
		return r, err
	})
	if err != nil {
		return Key{}, err
	}
	got, err := c.sameKey("get", id, string(*bundle.Key.KID))
	if err != nil {
		return Key{}, err
	}
	key := Key{ID: got, Type: string(*bundle.Key.Kty), Bits: len(bundle.Key.N) * 8}
	for _, op := range bundle.Key.KeyOps {
		if op != nil {
			key.Ops = append(key.Ops, string(*op))
		}
	}
	if key.Type == "oct-HSM" {
		key.Bits = 256 // the protocol does not tell; a wrap will
	}
	a := bundle.Attributes
	key.Enabled = a.Enabled == nil || *a.Enabled // absent means enabled in the protocol
	if a.NotBefore != nil {
		key.NotBefore = *a.NotBefore
	}
	if a.Expires != nil {
		key.Expires = *a.Expires
	}
	if a.RecoveryLevel != nil {
		key.RecoveryLevel = printable(*a.RecoveryLevel)
	}
	c.mu.Lock()
	if len(c.alg) >= 1000 {
		clear(c.alg)
	}
	c.alg[got] = key.Algorithm()
	c.mu.Unlock()
	return key, nil
}

// Wrap wraps a key; see Vault. The first wrap with a version asks the vault
// for the key's type as well.
func (c *Client) Wrap(ctx context.Context, id ID, plaintext []byte) (Wrapped, error) {
	if len(plaintext) != KeySize {
		return Wrapped{}, fmt.Errorf("internal error: %d bytes to wrap, want %d", len(plaintext), KeySize)
	}
	c.mu.Lock()
	alg := c.alg[id]
	c.mu.Unlock()
	if alg == "" {
		key, err := c.Get(ctx, id)
		if err != nil {
			return Wrapped{}, err
		}
		id = key.ID
		if alg = key.Algorithm(); alg == "" {
			return Wrapped{}, &Damaged{Op: "wrap", Key: id, Message: fmt.Sprintf("a key of type %s with %d bits can't wrap", key.Type, key.Bits)}
		}
	}
	result, err := call(ctx, c, "wrap", id, func(ctx context.Context, sdk *azkeys.Client) (azkeys.KeyOperationResult, error) {
		r, err := sdk.WrapKey(ctx, id.Name, id.Version, operation(alg, plaintext), nil)
		return r.KeyOperationResult, complete(err, r.KeyOperationResult)
	})
	if err != nil {
		return Wrapped{}, err
	}
	kid, err := c.sameKey("wrap", id, string(*result.KID))
	if err != nil {
		return Wrapped{}, err
	}
	return Wrapped{KID: kid, Alg: alg, Bytes: result.Result}, nil
}

// Unwrap unwraps a key; see Vault.
func (c *Client) Unwrap(ctx context.Context, w Wrapped) ([]byte, error) {
	if w.Alg != RSAOAEP256 && w.Alg != A256KW {
		return nil, &Damaged{Op: "unwrap", Key: w.KID, Message: fmt.Sprintf("the wrap names the algorithm %q, which is not one of ours", printable(w.Alg))}
	}
	if w.KID.Version == "" {
		return nil, &Damaged{Op: "unwrap", Key: w.KID, Message: "the wrap does not name the version of its key"}
	}
	result, err := call(ctx, c, "unwrap", w.KID, func(ctx context.Context, sdk *azkeys.Client) (azkeys.KeyOperationResult, error) {
		r, err := sdk.UnwrapKey(ctx, w.KID.Name, w.KID.Version, operation(w.Alg, w.Bytes), nil)
		return r.KeyOperationResult, complete(err, r.KeyOperationResult)
	})
	if err != nil {
		return nil, err
	}
	if _, err := c.sameKey("unwrap", w.KID, string(*result.KID)); err != nil {
		clear(result.Result)
		return nil, err
	}
	b := result.Result
	if len(b) == KeySize+1 && b[0] == 0 {
		// Managed HSM has answered with a zero in front. Whoever unwraps
		// compares with a commitment, so dropping it can't pass a wrong key.
		b = b[1:]
	}
	if len(b) != KeySize {
		clear(b)
		return nil, &Damaged{Op: "unwrap", Key: w.KID, Message: fmt.Sprintf("the vault unwrapped to %d bytes, not %d", len(b), KeySize)}
	}
	return b, nil
}

// sameKey reads the key identifier of an answer. The vault may spell its own
// host as it likes; name and version must be those that were asked for.
func (c *Client) sameKey(op string, asked ID, kid string) (ID, error) {
	got, err := ParseKID(kid)
	if err != nil {
		return ID{}, &Silent{Op: op, Key: asked, Err: fmt.Errorf("the answer names no key: %w", err)}
	}
	got.VaultURI = c.uri
	if got.Version == "" || !equalFold(got.Name, asked.Name) || (asked.Version != "" && got.Version != asked.Version) {
		return ID{}, &Damaged{Op: op, Key: asked, Message: fmt.Sprintf("the vault answered for another key, %s", got)}
	}
	got.Name = asked.Name
	return got, nil
}
