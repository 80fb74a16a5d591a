package entra

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"logkeep/internal/fault"
	"logkeep/internal/rbac"
	"logkeep/internal/schema"
)

const (
	// skew is how far the clocks of issuer and verifier may be apart.
	skew = 5 * time.Minute
	// keysFor is how long fetched keys are used before they are asked for again.
	keysFor = 10 * time.Minute
	// keysAtMost bounds how often a token with an unknown key makes us ask.
	keysAtMost = 5 * time.Second
	// patience is how long an answer is waited for by who could do without.
	patience = time.Second
	// longest bounds what is parsed at all.
	longest = 16 << 10
)

// Keys fetches the public keys that tokens are signed with.
type Keys interface {
	Keys(ctx context.Context) (jose.JSONWebKeySet, error)
}

// A Verifier reads tokens. It is safe for concurrent use.
type Verifier struct {
	source Keys

	outage time.Duration // how long known keys are good while the source is silent; 0: for ever

	mu      sync.Mutex
	known   jose.JSONWebKeySet
	fetched time.Time     // when they were
	tried   time.Time     // when they were asked for
	silent  error         // what came of that
	asking  chan struct{} // closed when an answer is there; nil while nobody asks

	good  map[[sha256.Size]byte]claims // of tokens with a good signature
	since time.Time                    // fetched, of the keys that they were checked with
}

// NewVerifier returns a verifier of tokens that are signed with one of the
// source's keys.
func NewVerifier(source Keys) *Verifier { return &Verifier{source: source} }

// claims are those of a token. Unknown ones are ignored.
type claims struct {
	Audience  string `json:"aud"`
	Issuer    string `json:"iss"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	AppID     string `json:"appid"`
	AZP       string `json:"azp"`
	IDType    string `json:"idtyp"`
	ObjectID  string `json:"oid"`
	Subject   string `json:"sub"`
	Tenant    string `json:"tid"`
	Identity  string `json:"xms_mirid,omitempty"` // the resource of a managed identity
	Version   string `json:"ver"`
	Unique    string `json:"uti"`
}

// Verify returns whom a token speaks for, if it was issued for one of the
// audiences. Its faults: InvalidAuthenticationToken, ExpiredAuthenticationToken
// and InvalidAuthenticationTokenAudience. An error that is no fault means that
// the keys could not be had.
func (v *Verifier) Verify(token string, audiences []string) (rbac.Caller, error) {
	if len(token) > longest {
		return rbac.Caller{}, invalid("it is too long", nil)
	}
	c, seen := v.remembered(token)
	if !seen {
		var err error
		if c, err = v.read(token); err != nil {
			return rbac.Caller{}, err
		}
	}
	if err := c.inTime(time.Now()); err != nil {
		return rbac.Caller{}, err
	}
	if !c.ours() {
		return rbac.Caller{}, invalid("its issuer is not that of its tenant, or it names nobody", nil)
	}
	if !slices.Contains(audiences, c.Audience) && !slices.ContainsFunc(audiences, func(a string) bool { return sameAudience(a, c.Audience) }) {
		return rbac.Caller{}, fault.New(fault.InvalidAuthenticationTokenAudience, "The access token has been obtained for wrong audience or resource '%s'. It should exactly match with one of the allowed audiences '%s'.", c.Audience, strings.Join(audiences, "','"))
	}
	kind := rbac.Application
	if c.Identity != "" {
		kind = rbac.ManagedIdentity
	}
	return rbac.Caller{Tenant: schema.TenantID(c.Tenant), ObjectID: c.ObjectID, AppID: c.AppID, Kind: kind}, nil
}

// read checks a token's signature and returns its claims.
func (v *Verifier) read(token string) (c claims, err error) {
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return c, invalid("it is no token signed with RS256", err)
	}
	key, ok, err := v.key(parsed.Signatures[0].Header.KeyID)
	if err != nil {
		return c, err
	}
	if !ok {
		return c, invalid("its key is not known here", nil)
	}
	payload, err := parsed.Verify(key.Key)
	if err != nil {
		return c, invalid("its signature does not match", err)
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return c, invalid("its claims are not those of an access token", err)
	}
	v.remember(token, c)
	return c, nil
}

// Tokens whose signature was found good are remembered, by the hash of all of
// their text, for as long as the keys that were known then are: a client sends
// one token with every request, and checking it took longer than anything else
// about a read. Times, audience and rights are looked at each time.

// mostRemembered bounds them; beyond it all are forgotten.
const mostRemembered = 4096

func (v *Verifier) remembered(token string) (claims, bool) {
	sum := digest(token)
	v.mu.Lock()
	defer v.mu.Unlock()
	if time.Since(v.fetched) > keysFor || !v.since.Equal(v.fetched) {
		return claims{}, false
	}
	c, ok := v.good[sum]
	return c, ok
}

func digest(token string) [sha256.Size]byte {
	var room [2048]byte // of the stack, for tokens as they are
	return sha256.Sum256(append(room[:0], token...))
}

func (v *Verifier) remember(token string, c claims) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.good == nil || len(v.good) >= mostRemembered || !v.since.Equal(v.fetched) {
		v.good, v.since = map[[sha256.Size]byte]claims{}, v.fetched
	}
	v.good[digest(token)] = c
}

// ours reports whether the token names somebody, and its own tenant as issuer.
func (c claims) ours() bool {
	return c.ObjectID != "" && c.Tenant != "" && strings.HasSuffix(c.Issuer, "/"+c.Tenant+"/v2.0")
}

func (c claims) inTime(now time.Time) error {
	until, from := time.Unix(c.Expires, 0), time.Unix(c.NotBefore, 0)
	switch {
	case c.Expires == 0 || c.NotBefore == 0:
		return invalid("it has no times", nil)
	case !now.Before(until):
		return fault.New(fault.ExpiredAuthenticationToken, "The access token expiry UTC time '%s' is earlier than current UTC time '%s'. Get a new token.", stamp(until), stamp(now))
	case now.Add(skew).Before(from):
		return fault.New(fault.ExpiredAuthenticationToken, "The access token is not valid before UTC time '%s'; the current UTC time is '%s'. Check the clocks.", stamp(from), stamp(now))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func invalid(why string, cause error) error {
	return fault.New(fault.InvalidAuthenticationToken, "The access token is invalid: %s. Get a new token from this server.", why).Because(cause)
}

// key finds a public key by its id. Keys are asked for again when they are old
// and, at most once in a while, when a token names one that is not known. Who has
// a key that is good for an outage waits a moment for the answer, since the key may
// have been withdrawn, and not at all for an issuer that was silent the last time.
func (v *Verifier) key(id string) (jose.JSONWebKey, bool, error) {
	v.mu.Lock()
	found := v.find(id)
	old := time.Since(v.fetched) > keysFor
	if (old || len(found) == 0) && v.asking == nil && time.Since(v.tried) > keysAtMost {
		v.tried, v.asking = time.Now(), make(chan struct{})
		go v.fetch(v.asking)
	}
	if wait := v.asking; wait != nil && (len(found) == 0 || old) {
		var enough <-chan time.Time
		if len(found) > 0 && v.outlasts() {
			enough = time.After(patience)
			if v.silent != nil {
				enough = time.After(0)
			}
		}
		v.mu.Unlock()
		select {
		case <-wait:
		case <-enough:
		}
		v.mu.Lock()
		found = v.find(id)
	}
	defer v.mu.Unlock()
	// Who was silent once stays so until it was asked again.
	if v.fetched.IsZero() || v.silent != nil && len(found) == 0 || v.outage > 0 && !v.outlasts() {
		return jose.JSONWebKey{}, false, fmt.Errorf("fetch the keys of tokens: %w", cmp.Or(v.silent, errors.New("their issuer was silent a moment ago")))
	}
	for _, k := range found {
		if k.Valid() && k.IsPublic() && (k.Use == "" || k.Use == "sig") {
			return k, true, nil
		}
	}
	return jose.JSONWebKey{}, false, nil
}

// outlasts reports whether the known keys are good although their source is silent.
// It needs mu.
func (v *Verifier) outlasts() bool {
	return v.outage > 0 && !v.fetched.IsZero() && time.Since(v.fetched) <= v.outage
}

// fetch asks for the keys and closes over. It ends by itself, soon.
func (v *Verifier) fetch(over chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	fresh, err := v.source.Keys(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.silent = err; err == nil {
		v.known, v.fetched = fresh, time.Now()
	}
	v.asking = nil
	close(over)
}

// find returns the known keys of an id. A token that names none is signed with
// the only key, if there is only one.
func (v *Verifier) find(id string) []jose.JSONWebKey {
	if id == "" && len(v.known.Keys) == 1 {
		return v.known.Keys
	}
	return v.known.Key(id)
}
