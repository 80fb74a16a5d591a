package vault

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

// Workspaces' shared keys, with which old senders of rows sign, are stored
// nowhere. Each is derived from one secret of this process, which is sealed like
// every other, and from what makes it another key:
//
//	HMAC-SHA-512(secret, "logkeep/shared-key@v1" 0 workspace 0 slot 0 generation)
//
// A workspace's generation is in the catalog and no secret; regenerating keys
// is the next generation. The keeper asks for a key only to show it to who may
// see it, and has signatures checked here.
const (
	metaShared  = "shared-keys" // on disk: never change it
	sharedLabel = "logkeep/shared-key@v1"
)

// sharedSecret opens the secret. A vault made before there was one gets it now:
// unlike the others it protects nothing that exists already.
func sharedSecret(ctx context.Context, store *keystore.Store) (secret []byte, err error) {
	read := func(t *keystore.Tx) error {
		_, secret, err = t.Meta(metaShared)
		return err
	}
	err = store.View(ctx, read)
	if !errors.Is(err, keystore.ErrNotFound) {
		return secret, err
	}
	fresh := make([]byte, 64)
	rand.Read(fresh)
	return fresh, store.Update(ctx, func(t *keystore.Tx) error { return t.PutMeta(metaShared, []byte(sharedLabel), fresh) })
}

// A shared derives and uses shared keys.
type shared struct{ secret []byte }

func (s shared) key(slot string, of admin.SharedKeyOf) []byte {
	h := hmac.New(sha512.New, s.secret)
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00%d", sharedLabel, of.Workspace, slot, of.Generation)
	return h.Sum(nil)
}

// The slots of a workspace. They are part of every key.
var sharedSlots = [...]string{"primary", "secondary"}

func (s shared) show(_ context.Context, body []byte) (any, error) {
	of, err := admin.Read[admin.SharedKeyOf](body)
	if err != nil {
		return nil, err
	}
	if of.Workspace == "" {
		return nil, admin.Refuse(http.StatusBadRequest, "BadRequest", "A shared key is a workspace's.")
	}
	text := func(slot string) string { return base64.StdEncoding.EncodeToString(s.key(slot, of)) }
	return admin.SharedKeys{Primary: text(sharedSlots[0]), Secondary: text(sharedSlots[1])}, nil
}

// check tells whether either key signed the text.
func (s shared) check(_ context.Context, body []byte) (any, error) {
	c, err := admin.Read[admin.SharedSignature](body)
	if err != nil {
		return nil, err
	}
	signed := false
	for _, slot := range sharedSlots {
		h := hmac.New(sha256.New, s.key(slot, c.SharedKeyOf))
		h.Write([]byte(c.Text))
		if hmac.Equal(h.Sum(nil), c.Signature) {
			signed = true
		}
	}
	return signed && c.Workspace != "", nil
}
