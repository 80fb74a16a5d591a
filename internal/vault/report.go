package vault

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-jose/go-jose/v4"

	"logkeep/internal/dsse"
	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

// Reports that leave the server are signed here, by an Ed25519 key that is
// sealed like every other and never leaves this process. What is signed carries
// its type, so the key can't be made to sign a token or a wrap record.
const metaReports = "reports" // on disk: never change it

// reporter signs reports.
type reporter struct {
	key    ed25519.PrivateKey
	public jose.JSONWebKey
}

// openReporter opens the key. A vault made before there was one gets it now: it
// protects nothing that exists already.
func openReporter(ctx context.Context, store *keystore.Store) (r reporter, err error) {
	var der []byte
	read := func(t *keystore.Tx) error {
		_, der, err = t.Meta(metaReports)
		return err
	}
	if err = store.View(ctx, read); errors.Is(err, keystore.ErrNotFound) {
		if err = newReporter(ctx, store); err == nil {
			err = store.View(ctx, read)
		}
	}
	if err != nil {
		return r, err
	}
	defer clear(der)
	k, err := x509.ParsePKCS8PrivateKey(der)
	key, ok := k.(ed25519.PrivateKey)
	if err != nil || !ok {
		return r, errors.New("read the key of reports: it is no Ed25519 key")
	}
	r.key = key
	r.public = jose.JSONWebKey{Key: key.Public(), Algorithm: "EdDSA", Use: "sig", KeyID: dsse.KeyID(key.Public().(ed25519.PublicKey))}
	return r, nil
}

func newReporter(ctx context.Context, store *keystore.Store) error {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	defer clear(private)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	defer clear(secret)
	shown, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return err
	}
	return store.Update(ctx, func(t *keystore.Tx) error { return t.PutMeta(metaReports, shown, secret) })
}

// maxReport bounds what is signed.
const maxReport = 1 << 20

func (r reporter) sign(_ context.Context, body []byte) (any, error) {
	doc, err := admin.Read[admin.Document](body)
	if err != nil {
		return nil, err
	}
	if doc.Type == "" || len(doc.Payload) == 0 || len(doc.Payload) > maxReport {
		return nil, admin.Refuse(http.StatusBadRequest, "BadRequest", "A report has a type, and 1 to %d bytes.", maxReport)
	}
	e, err := dsse.Sign(doc.Type, doc.Payload, r.public.KeyID, func(m []byte) ([]byte, error) { return ed25519.Sign(r.key, m), nil })
	if err != nil {
		return nil, fmt.Errorf("sign a report: %w", err)
	}
	return e, nil
}

func (r reporter) keys(context.Context, []byte) (any, error) {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{r.public}}, nil
}
