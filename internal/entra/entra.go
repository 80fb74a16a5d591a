// Package entra is the directory: tenants, service principals and the tokens
// by which they are known to every face.
//
// # Tokens
//
// A token is a JWT signed with RS256 by a key that the keeper does not hold: a
// [Signer] asks the vault's process. Its claims are those that clients of Entra
// expect (aud, iss, tid, oid, sub, appid, azp, idtyp, ver). A [Verifier] accepts
// a token only if all of this holds: the algorithm is RS256 and the key one of
// ours, the times are right, the audience is one of the service's names, the
// issuer is that of the token's tenant, and object id and tenant are there.
// Audiences are compared without regard to a trailing slash and to the case of
// the host, because clients ask for one service under many names.
//
// # Secrets
//
// A client secret is 32 random bytes in base64url. What is kept is a salt and
// the SHA-256 of salt and secret: with 256 bits of entropy there is nothing to
// guess, so a slow hash would only slow us. Comparison takes the same time
// whether a client is unknown or its secret wrong, and both are told apart
// only by Entra's documented codes. Secrets are returned once, when made.
//
// # Identities
//
// Managed identities are principals without secrets. A system-assigned one is
// made and removed together with its resource, in the same transaction: see
// [AddIdentity]. The keeper asks for their tokens with [Issuer.TokenFor].
package entra

import (
	"context"
	"time"

	"logkeep/internal/rbac"
	"logkeep/internal/schema"
)

// A Kind says what a principal is. It is on disk.
type Kind string

// The kinds of principals.
const (
	Application    Kind = "application"    // signs in with a secret
	SystemAssigned Kind = "systemAssigned" // a resource's own identity
	UserAssigned   Kind = "userAssigned"   // a user-assigned managed identity
	Outsider       Kind = "outside"        // known by a trusted issuer's tokens alone
	FirstParty     Kind = "firstParty"     // a service's principal: the keeper acts as it, nobody signs in as it
)

// CosmosDB is the application id of the principal that stands for the store of
// incidents and rules, as customers know it from Azure's documents.
const CosmosDB = "a232010e-820c-4083-83bb-3ace5fc29d0b"

// A Principal is somebody who can be given rights.
type Principal struct {
	ObjectID string
	AppID    string
	Tenant   schema.TenantID
	Kind     Kind
	Name     string
	Resource string // id of the resource whose identity it is, or empty
	Created  time.Time
}

// Caller is how the rest of the program knows p.
func (p Principal) Caller() rbac.Caller {
	kind := rbac.Application
	if p.Kind == SystemAssigned || p.Kind == UserAssigned {
		kind = rbac.ManagedIdentity
	}
	return rbac.Caller{Tenant: p.Tenant, ObjectID: p.ObjectID, AppID: p.AppID, Kind: kind}
}

// A Secret is what is kept of a client secret: enough to recognise it.
type Secret struct {
	ID      string
	Salt    []byte
	Hash    []byte
	Created time.Time
	Expires time.Time // zero: never
}

// A Tenant is a directory.
type Tenant struct {
	ID      schema.TenantID
	Name    string
	Created time.Time
}

// A Book keeps tenants and principals. Where nothing is found its errors are
// fs.ErrNotExist, where something is there already fs.ErrExist.
type Book interface {
	Tenants(ctx context.Context) ([]Tenant, error)
	PutTenant(ctx context.Context, t Tenant) error
	Principal(ctx context.Context, objectID string) (Principal, error)
	PrincipalOf(ctx context.Context, resource string) (Principal, error)
	PrincipalsByApp(ctx context.Context, appID string) ([]Principal, error)
	Principals(ctx context.Context, tenant schema.TenantID) ([]Principal, error)
	AddPrincipal(ctx context.Context, p Principal) error
	RemovePrincipal(ctx context.Context, objectID string) error
	AddSecret(ctx context.Context, objectID string, s Secret) error
	Secrets(ctx context.Context, objectID string) ([]Secret, error)
}
