package worker

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"logkeep/internal/kek"
	"logkeep/internal/worker/wire"
	"logkeep/internal/wrap"
)

// Names of the service's own keys in its own vault.
const integrityKey = "integrity"

// vaults holds one client for each identity and vault. All of them go through
// the keeper's tunnel; TLS ends here.
type vaults struct {
	host    *host
	dial    func(ctx context.Context, network, addr string) (net.Conn, error) // the tunnel
	roots   *x509.CertPool
	service string // URI of the service's own vault
	signer  *ecdsa.PublicKey

	mu      sync.Mutex
	clients map[whose]*kek.Client
}

type whose struct {
	owner wire.Owner
	uri   string
}

// of returns the client of an owner's identity for the vault at uri. For the
// service's own vault that is the service's identity, whoever owns the record.
func (v *vaults) of(owner wire.Owner, uri string) (*kek.Client, error) {
	if uri == v.service {
		owner = wire.Owner{}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	key := whose{owner, uri}
	if c := v.clients[key]; c != nil {
		return c, nil
	}
	c, err := kek.NewClient(uri, kek.Config{
		Credential: credential{v.host, owner},
		Dial:       v.dial,
		Roots:      v.roots,
	})
	if err != nil {
		return nil, err
	}
	v.clients[key] = c
	return c, nil
}

// signer reads the public half of the key that signs wrap records. The keeper tells
// it as it tells which authorities vaults' certificates must be of: who could lie
// about the one could lie about the other.
func signer(der []byte) (*ecdsa.PublicKey, error) {
	k, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("read the service's integrity key: %w", err)
	}
	pub, ok := k.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("read the service's integrity key: it is a %T", k)
	}
	return pub, nil
}

// Sign implements wrap.Signer with the service's integrity key.
func (v *vaults) Sign(ctx context.Context, digest [32]byte) ([]byte, error) {
	c, err := v.of(wire.Owner{}, v.service)
	if err != nil {
		return nil, err
	}
	signature, _, err := c.Sign(ctx, kek.ID{VaultURI: v.service, Name: integrityKey}, digest)
	return signature, err
}

var _ wrap.Signer = (*vaults)(nil)

// A credential gets an identity's tokens from the keeper, which keeps them.
type credential struct {
	host  *host
	owner wire.Owner
}

// GetToken implements azcore.TokenCredential.
func (c credential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	r := wire.TokenRequest{Owner: c.owner}
	if len(o.Scopes) > 0 {
		r.Audience = strings.TrimSuffix(o.Scopes[0], "/.default")
	}
	t, err := c.host.token(ctx, r)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	return azcore.AccessToken{Token: t.Token, ExpiresOn: t.Expires}, nil
}
