package entra

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"logkeep/internal/fault"
	"logkeep/internal/rbac"
	"logkeep/internal/schema"
)

// A Trust is an OpenID Connect issuer whose tokens speak for outside principals
// of a tenant (docs/design/0029).
type Trust struct {
	URL       string // the issuer, as its tokens write it
	Tenant    schema.TenantID
	Audiences []string // that every face takes, beside its own names
	Claim     string   // with the object id; "" is oid, else a hash of the issuer and sub
}

// algorithms are those that an outside token can be signed with: none of them
// has a key that both sides know.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}

const (
	// outageKeys is how long known keys are good while their issuer is silent.
	outageKeys = 24 * time.Hour
	// late is how long an outside token is taken after its end.
	late = time.Minute
	// maxKeySet bounds what is read of an issuer's answers.
	maxKeySet = 1 << 20
)

// Outside verifies tokens of trusted issuers. It is safe for concurrent use.
type Outside struct {
	issuers map[string]*outsideIssuer
}

type outsideIssuer struct {
	Trust
	keys     *Verifier
	verifier *oidc.IDTokenVerifier
}

// NewOutside returns a verifier for the trusts. It asks nobody yet. client
// fetches discovery documents and keys.
func NewOutside(client *http.Client, trusts ...Trust) *Outside {
	o := &Outside{issuers: map[string]*outsideIssuer{}}
	for _, t := range trusts {
		i := &outsideIssuer{Trust: t, keys: &Verifier{source: remoteKeys{t.URL, client}, outage: outageKeys}}
		var names []string
		for _, a := range algorithms {
			names = append(names, string(a))
		}
		i.verifier = oidc.NewVerifier(t.URL, i, &oidc.Config{SkipClientIDCheck: true, SkipExpiryCheck: true, SupportedSigningAlgs: names})
		o.issuers[t.URL] = i
	}
	return o
}

// Trusts reports whether some issuer speaks for outside principals of a tenant.
func (o *Outside) Trusts(tenant schema.TenantID) bool {
	if o == nil {
		return false
	}
	for _, i := range o.issuers {
		if strings.EqualFold(string(i.Tenant), string(tenant)) {
			return true
		}
	}
	return false
}

// Issued reports whether a token says that a trusted issuer made it. That is a
// word only: Verify says whether it is true.
func (o *Outside) Issued(token string) bool {
	if o == nil || len(o.issuers) == 0 {
		return false
	}
	_, ok := o.issuers[issuerOf(token)]
	return ok
}

// issuerOf reads who a token says its issuer is, unverified.
func issuerOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > longest {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var c struct {
		Issuer string `json:"iss"`
	}
	if err != nil || json.Unmarshal(payload, &c) != nil {
		return ""
	}
	return c.Issuer
}

// outsideClaims are those of a token that matter here.
type outsideClaims struct {
	Expires   *float64 `json:"exp"`
	NotBefore *float64 `json:"nbf"`
	IssuedAt  *float64 `json:"iat"`
	Subject   string   `json:"sub"`
	ObjectID  string   `json:"oid"`
	AppID     string   `json:"appid"`
	Party     string   `json:"azp"`
	Client    string   `json:"client_id"`
	IDType    string   `json:"idtyp"`
}

// A Claimed is what a token from outside says, once it is verified.
type Claimed struct {
	Caller rbac.Caller
	Issuer string
	Until  time.Time
}

// Verify returns whom a token of a trusted issuer speaks for. Its faults are
// those of Verifier.Verify, and ServiceUnavailable while an issuer's keys
// can't be had.
func (o *Outside) Verify(token string, audiences []string) (Claimed, error) {
	i, ok := o.issuers[issuerOf(token)]
	if !ok {
		return Claimed{}, invalid("its issuer is not trusted here", nil)
	}
	var silent error // the library tells errors of the keys as texts
	t, err := i.verifier.Verify(context.WithValue(context.Background(), silentKey{}, &silent), token)
	if silent != nil {
		return Claimed{}, fault.New(fault.ServiceUnavailable, "The issuer %s does not say now with which keys its tokens are signed. Try again.", i.URL).WithRetryAfter(5).Because(silent)
	}
	if err != nil {
		return Claimed{}, invalid("its signature, algorithm or form is not that of a token of "+i.URL, err)
	}
	var c outsideClaims
	if err := t.Claims(&c); err != nil {
		return Claimed{}, invalid("its claims are not those of a token", err)
	}
	if err := c.inTime(time.Now()); err != nil {
		return Claimed{}, err
	}
	fits := func(a string) bool {
		return slices.Contains(i.Audiences, a) || slices.ContainsFunc(audiences, func(b string) bool { return sameAudience(a, b) })
	}
	if !slices.ContainsFunc(t.Audience, fits) {
		return Claimed{}, fault.New(fault.InvalidAuthenticationTokenAudience, "The access token has been obtained for wrong audience or resource '%.200s'. It should exactly match with one of the allowed audiences '%s'.", strings.Join(t.Audience, "','"), strings.Join(append(slices.Clone(i.Audiences), audiences...), "','"))
	}
	var all map[string]any
	if err := t.Claims(&all); err != nil {
		return Claimed{}, invalid("its claims are not those of a token", err)
	}
	id, err := i.objectID(c, all)
	if err != nil {
		return Claimed{}, err
	}
	caller := rbac.Caller{Tenant: i.Tenant, ObjectID: id, Kind: rbac.User, Outside: i.URL}
	for _, app := range []string{c.AppID, c.Party, c.Client} {
		if caller.AppID == "" {
			caller.AppID = app
		}
	}
	if c.IDType == "app" || caller.AppID != "" && caller.AppID == c.Subject {
		caller.Kind = rbac.Application
	}
	return Claimed{caller, i.URL, time.Unix(int64(*c.Expires), 0)}, nil
}

// objectID finds the principal's object id.
func (i *outsideIssuer) objectID(c outsideClaims, all map[string]any) (string, error) {
	if i.Claim != "" {
		v, _ := all[i.Claim].(string)
		if v == "" {
			return "", invalid("it has no claim "+i.Claim+", which this service knows people by", nil)
		}
		if id, err := uuid.Parse(v); err == nil && len(v) == 36 {
			return id.String(), nil
		}
		return ObjectIDOf(i.URL, v), nil
	}
	if id, err := uuid.Parse(c.ObjectID); err == nil && len(c.ObjectID) == 36 {
		return id.String(), nil
	}
	if c.Subject == "" {
		return "", invalid("it names nobody", nil)
	}
	return ObjectIDOf(i.URL, c.Subject), nil
}

// outsideIDs is the namespace of object ids that are made of a subject's name.
// It is part of what administrators have written down: never change it.
var outsideIDs = uuid.MustParse("0b3f3a50-6d2a-4f0e-8f4e-5f1c9d7a2b64")

// ObjectIDOf is the object id of a subject that an issuer knows by a name.
func ObjectIDOf(issuer, subject string) string {
	return uuid.NewSHA1(outsideIDs, []byte(issuer+"\x00"+subject)).String()
}

func (c outsideClaims) inTime(now time.Time) error {
	if c.Expires == nil {
		return invalid("it has no end", nil)
	}
	if until := time.Unix(int64(*c.Expires), 0); !now.Before(until.Add(late)) {
		return fault.New(fault.ExpiredAuthenticationToken, "The access token expiry UTC time '%s' is earlier than current UTC time '%s'. Get a new token.", stamp(until), stamp(now))
	}
	for _, from := range []*float64{c.NotBefore, c.IssuedAt} {
		if from != nil && now.Add(skew).Before(time.Unix(int64(*from), 0)) {
			return fault.New(fault.ExpiredAuthenticationToken, "The access token is not valid before UTC time '%s'; the current UTC time is '%s'. Check the clocks.", stamp(time.Unix(int64(*from), 0)), stamp(now))
		}
	}
	return nil
}

// VerifySignature implements oidc.KeySet with keys that are kept as
// Verifier keeps them. The library has read the algorithm by then and found it allowed.
func (i *outsideIssuer) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	parsed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, err
	}
	head := parsed.Signatures[0].Header
	key, ok, err := i.keys.key(head.KeyID)
	if err != nil {
		if silent, ok := ctx.Value(silentKey{}).(*error); ok {
			*silent = err
		}
		return nil, err
	}
	if !ok {
		return nil, errors.New("no key of the issuer has the token's key id")
	}
	if key.Algorithm != "" && key.Algorithm != head.Algorithm {
		return nil, fmt.Errorf("the key is for %s, the token is signed with %s", key.Algorithm, head.Algorithm)
	}
	return parsed.Verify(key.Key)
}

// silentKey is of the place for the error of an issuer that does not answer.
type silentKey struct{}

// remoteKeys fetches an issuer's keys from where its discovery document says.
type remoteKeys struct {
	url    string
	client *http.Client
}

// Keys implements Keys.
func (k remoteKeys) Keys(ctx context.Context) (set jose.JSONWebKeySet, err error) {
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, k.client), k.url)
	if err != nil {
		return set, fmt.Errorf("ask the issuer %s: %w", k.url, err)
	}
	var doc struct {
		Keys string `json:"jwks_uri"`
	}
	if err := p.Claims(&doc); err != nil || doc.Keys == "" {
		return set, fmt.Errorf("the issuer %s names no keys: %w", k.url, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, doc.Keys, nil)
	if err != nil {
		return set, fmt.Errorf("keys of the issuer %s: %w", k.url, err)
	}
	answer, err := k.client.Do(r)
	if err != nil {
		return set, fmt.Errorf("keys of the issuer %s: %w", k.url, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return set, fmt.Errorf("keys of the issuer %s: %s", k.url, answer.Status)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxKeySet)).Decode(&set); err != nil {
		return set, fmt.Errorf("keys of the issuer %s: %w", k.url, err)
	}
	return set, nil
}
