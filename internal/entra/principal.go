package entra

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/schema"
)

// NewTenant makes a directory with the principals that every directory has.
func NewTenant(ctx context.Context, book Book, name string) (Tenant, error) {
	t := Tenant{ID: schema.TenantID(uuid.NewString()), Name: name, Created: time.Now().UTC()}
	if err := book.PutTenant(ctx, t); err != nil {
		return Tenant{}, fmt.Errorf("make tenant %s: %w", name, err)
	}
	cosmos := Principal{ObjectID: uuid.NewString(), AppID: CosmosDB, Tenant: t.ID, Kind: FirstParty, Name: "Azure Cosmos DB"}
	if err := book.AddPrincipal(ctx, cosmos); err != nil {
		return Tenant{}, fmt.Errorf("make tenant %s: %w", name, err)
	}
	return t, nil
}

// AddApplication makes a service principal that signs in with the secret
// returned, which is not kept and can't be had again.
func AddApplication(ctx context.Context, book Book, tenant schema.TenantID, name string) (Principal, string, error) {
	p := Principal{ObjectID: uuid.NewString(), AppID: uuid.NewString(), Tenant: tenant, Kind: Application, Name: name, Created: time.Now().UTC()}
	if err := book.AddPrincipal(ctx, p); err != nil {
		return Principal{}, "", fmt.Errorf("add application %s: %w", name, err)
	}
	secret, err := AddSecret(ctx, book, p.ObjectID, time.Time{})
	return p, secret, err
}

// AddSecret gives an application one more secret; a zero time means that it
// does not expire. It has letters and digits only: one that began with "-" would
// be an option to the programs that take it as an argument.
func AddSecret(ctx context.Context, book Book, objectID string, expires time.Time) (string, error) {
	var raw [32]byte
	rand.Read(raw[:]) // never fails
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:])
	s := Secret{ID: uuid.NewString(), Salt: make([]byte, 16), Created: time.Now().UTC(), Expires: expires}
	rand.Read(s.Salt)
	s.Hash = hash(s.Salt, text)
	if err := book.AddSecret(ctx, objectID, s); err != nil {
		return "", fmt.Errorf("add a secret to principal %s: %w", objectID, err)
	}
	return text, nil
}

// AddIdentity makes the managed identity of a resource, or returns the one that
// it has. Called with a transaction as the book, it is part of it.
func AddIdentity(ctx context.Context, book Book, kind Kind, tenant schema.TenantID, resource, name string) (Principal, error) {
	p, err := book.PrincipalOf(ctx, resource)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	p = Principal{ObjectID: uuid.NewString(), AppID: uuid.NewString(), Tenant: tenant, Kind: kind, Name: name, Resource: resource, Created: time.Now().UTC()}
	if err := book.AddPrincipal(ctx, p); err != nil {
		return Principal{}, fmt.Errorf("add the identity of %s: %w", resource, err)
	}
	return p, nil
}

// RemoveIdentity removes the managed identity of a resource, if it has one:
// from then on it gets no token and may do nothing.
func RemoveIdentity(ctx context.Context, book Book, resource string) error {
	p, err := book.PrincipalOf(ctx, resource)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return book.RemovePrincipal(ctx, p.ObjectID)
}

func hash(salt []byte, secret string) []byte {
	h := sha256.New()
	h.Write(salt)
	h.Write([]byte(secret))
	return h.Sum(nil)
}

// recognise reports whether secret is one of those kept, and whether only an
// expired one matched. It hashes once even when none is kept, so that a client
// that does not exist takes as long as one that does.
func recognise(kept []Secret, secret string, now time.Time) (known, expired bool) {
	if len(kept) == 0 {
		kept = []Secret{{Salt: make([]byte, 16), Hash: make([]byte, sha256.Size)}}
	}
	for _, s := range kept {
		match := subtle.ConstantTimeCompare(hash(s.Salt, secret), s.Hash) == 1
		switch {
		case match && (s.Expires.IsZero() || now.Before(s.Expires)):
			known = true
		case match:
			expired = true
		}
	}
	return known, expired && !known
}

// AddOutsider makes an outside principal, or returns it. An object id that is
// in the directory as something else is refused.
func AddOutsider(ctx context.Context, book Book, tenant schema.TenantID, objectID, name string) (Principal, error) {
	p, err := book.Principal(ctx, objectID)
	if err == nil {
		if p.Kind != Outsider || p.Tenant != tenant {
			return Principal{}, fmt.Errorf("the object id %s is that of another principal, %s", objectID, p.Name)
		}
		return p, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Principal{}, err
	}
	p = Principal{ObjectID: objectID, AppID: objectID, Tenant: tenant, Kind: Outsider, Name: name, Created: time.Now().UTC()}
	if err := book.AddPrincipal(ctx, p); err != nil {
		return Principal{}, fmt.Errorf("add the outside principal %s: %w", objectID, err)
	}
	return p, nil
}
