package entra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/schema"
)

// A Signer signs tokens with a key that it alone holds.
type Signer interface {
	Sign(ctx context.Context, claims any) (jwt string, err error)
	Keys
}

// Lifetime of every token. Azure gives managed identities a day; here they too
// are asked again within the hour, so that one that was removed is soon out.
const Lifetime = 3599 * time.Second

// ADFS is the tenant's name in URLs for clients that must be kept from asking
// the public cloud about an authority: it stands for the client's own tenant.
const ADFS = "adfs"

// An Issuer signs in principals and issues their tokens.
type Issuer struct {
	*Verifier
	book   Book
	signer Signer
	base   string
	own    []Principal
	closed string // why nobody signs in; "" they do
}

// Close switches signing in off. why is what clients are told. Call it before
// the issuer is used.
func (i *Issuer) Close(why string) { i.closed = why }

// NewIssuer returns an issuer over a book. base, such as https://NAME:PORT, is
// the issuer's URL in tokens that are issued without a request. own are
// principals that the program itself is: they stand in no directory, can't sign
// in and can't be given roles, but TokenFor knows them.
func NewIssuer(book Book, signer Signer, base string, own ...Principal) *Issuer {
	return &Issuer{Verifier: NewVerifier(signer), book: book, signer: signer, base: strings.TrimSuffix(base, "/"), own: own}
}

// A Token is an access token and when it ends.
type Token struct {
	Text     string
	Audience string
	Expires  time.Time
	Client   string // application id
}

// A Refusal is a failed sign-in in Entra's words: OAuth's error code and the
// AADSTS number that its description starts with.
type Refusal struct {
	Status      int
	Code        string
	Number      int
	Description string
}

func (r *Refusal) Error() string {
	return "AADSTS" + strconv.Itoa(r.Number) + ": " + r.Description
}

func refuse(status int, code string, number int, format string, args ...any) *Refusal {
	return &Refusal{status, code, number, fmt.Sprintf(format, args...)}
}

// A Request asks for a token with a client's secret.
type Request struct {
	Base   string // URL of the server as the client used it
	Tenant string // of the URL: a tenant's id, or ADFS
	Form   url.Values
}

// SignIn answers a token request. A *Refusal is for the client.
func (i *Issuer) SignIn(ctx context.Context, r Request) (Token, error) {
	if i.closed != "" {
		return Token{}, refuse(400, "unauthorized_client", 7000112, "%s", i.closed)
	}
	if grant := r.Form.Get("grant_type"); grant != "client_credentials" {
		return Token{}, refuse(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type '%.40s'. Use client_credentials.", grant)
	}
	id, secret := r.Form.Get("client_id"), r.Form.Get("client_secret")
	switch {
	case id == "":
		return Token{}, refuse(400, "invalid_request", 900144, "The request body must contain the following parameter: 'client_id'.")
	case secret == "":
		return Token{}, refuse(401, "invalid_client", 7000216, "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.")
	}
	audience, ok := audienceOf(r.Form.Get("scope"))
	if resource := r.Form.Get("resource"); !ok && r.Form.Get("scope") == "" && validAudience(resource) {
		audience, ok = resource, true
	}
	if !ok {
		return Token{}, refuse(400, "invalid_scope", 1002012, "The provided value for scope '%.200s' is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier.", r.Form.Get("scope"))
	}
	p, err := i.authenticate(ctx, r.Tenant, id, secret)
	if err != nil {
		return Token{}, err
	}
	return i.issue(ctx, p, r.Base, audience)
}

func (i *Issuer) authenticate(ctx context.Context, tenant, id, secret string) (Principal, error) {
	if _, ok, err := i.Tenant(ctx, tenant); err != nil {
		return Principal{}, err
	} else if !ok {
		return Principal{}, refuse(400, "invalid_request", 90002, "Tenant '%.64s' not found. Check to make sure you have the correct tenant ID.", tenant)
	}
	all, err := i.book.PrincipalsByApp(ctx, id)
	if err != nil {
		return Principal{}, err
	}
	for _, p := range all {
		if p.Kind != Application || tenant != ADFS && !strings.EqualFold(string(p.Tenant), tenant) {
			continue
		}
		kept, err := i.book.Secrets(ctx, p.ObjectID)
		if err != nil {
			return Principal{}, err
		}
		switch known, expired := recognise(kept, secret, time.Now()); {
		case known:
			return p, nil
		case expired:
			return Principal{}, refuse(401, "invalid_client", 7000222, "The provided client secret keys for app '%s' are expired. Create new keys for your app.", id)
		}
		return Principal{}, refuse(401, "invalid_client", 7000215, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", id)
	}
	recognise(nil, secret, time.Now()) // take as long as for a wrong secret
	return Principal{}, refuse(400, "unauthorized_client", 700016, "Application with identifier '%.64s' was not found in the directory '%.64s'.", id, tenant)
}

// Tenant returns a directory by its name in URLs: its id, or ADFS for the
// oldest.
func (i *Issuer) Tenant(ctx context.Context, name string) (Tenant, bool, error) {
	all, err := i.book.Tenants(ctx)
	if err != nil {
		return Tenant{}, false, err
	}
	for _, t := range all {
		if strings.EqualFold(name, ADFS) || strings.EqualFold(string(t.ID), name) {
			return t, true, nil
		}
	}
	return Tenant{}, false, nil
}

// TokenFor issues a token to a principal on the keeper's own account: for the
// identity of a cluster that calls its vault, of a host, or of the service. A
// principal that is gone gets none: fs.ErrNotExist.
func (i *Issuer) TokenFor(ctx context.Context, objectID, audience string) (Token, error) {
	p, err := i.principal(ctx, objectID)
	if err != nil {
		return Token{}, err
	}
	if !validAudience(audience) {
		return Token{}, fmt.Errorf("token for principal %s: %q is no audience", objectID, audience)
	}
	return i.issue(ctx, p, i.base, audience)
}

func (i *Issuer) principal(ctx context.Context, objectID string) (Principal, error) {
	for _, p := range i.own {
		if p.ObjectID == objectID {
			return p, nil
		}
	}
	return i.book.Principal(ctx, objectID)
}

func (i *Issuer) issue(ctx context.Context, p Principal, base, audience string) (Token, error) {
	now := time.Now().Truncate(time.Second)
	c := claims{
		Audience: audience, Issuer: IssuerURL(base, p.Tenant),
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(Lifetime).Unix(),
		AppID: p.AppID, AZP: p.AppID, IDType: "app", ObjectID: p.ObjectID, Subject: p.ObjectID, Tenant: string(p.Tenant),
		Version: "2.0", Unique: uuid.NewString(),
	}
	if p.Kind == SystemAssigned || p.Kind == UserAssigned {
		c.Identity = p.Resource
	}
	text, err := i.signer.Sign(ctx, c)
	if err != nil {
		return Token{}, fmt.Errorf("sign a token: %w", err)
	}
	return Token{Text: text, Audience: audience, Expires: now.Add(Lifetime), Client: p.AppID}, nil
}

// PublicKeys returns the keys that tokens are verified with.
func (i *Issuer) PublicKeys(ctx context.Context) (json.RawMessage, error) {
	keys, err := i.signer.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("fetch the keys of tokens: %w", err)
	}
	for _, k := range keys.Keys {
		if !k.IsPublic() {
			return nil, errors.New("internal error: the signer handed out a private key")
		}
	}
	return json.Marshal(keys)
}

// IssuerURL is the issuer of a tenant's tokens at a server's URL.
func IssuerURL(base string, tenant schema.TenantID) string {
	return base + "/" + string(tenant) + "/v2.0"
}
