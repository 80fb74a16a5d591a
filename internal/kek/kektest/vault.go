// Package kektest has a vault that fails on demand, and the suite that every
// kek.Vault passes.
//
// [Vault] is the truth: keys, versions, who may use them, how the service
// behaves, and a record of what was asked. It is itself a kek.Vault, without a
// network and fit for testing/synctest; [Vault.Serve] puts the Key Vault
// protocol in front of it, over TLS, with challenges and tokens.
package kektest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"logkeep/internal/kek"
)

// URI is the address of a fake vault that was not given another.
const URI = "https://kv.example.com"

// A Fault is how the service behaves instead of answering.
type Fault struct {
	Times      int           // how often; 0 = until it is replaced
	Status     int           // answer with this status
	Own        string        // a Key Vault error body with this code; "" = somebody else's page
	RetryAfter time.Duration // whole seconds
	Hang       bool          // never answer
	Drop       bool          // break the connection
	Garbage    bool          // 200 with a page
}

// Vault is a fake Key Vault. Its methods are safe for concurrent use.
type Vault struct {
	uri      string
	mu       sync.Mutex
	keys     map[string]*key
	may      map[string]bool // operations that the caller is permitted
	fault    Fault
	latency  time.Duration
	zero     bool   // put a zero in front of what is unwrapped
	length   int    // unwrap to this many bytes; 0 = as it is
	corrupt  bool   // unwrap to something else
	tokens   string // "", "refused", "trouble", "none": see Tokens
	calls    map[string]int
	answered []Answer
	serial   int
	valid    map[string]bool // tokens that the server takes
	fresh    int             // tokens that were asked for with kek.Fresh

	strangers map[string]bool // tokens of other issuers, and whether they are taken; nil: none is
}

type key struct {
	versions []*version
	deleted  bool
	level    string
	kind     string
	bits     int
	ops      []string
}

type version struct {
	id       string
	secret   [32]byte
	enabled  bool
	from, to time.Time
}

// Answer is an unwrap that the vault answered by itself, not by a fault.
type Answer struct {
	Asked, At time.Time
	KID       kek.ID
	OK        bool
}

// New makes an empty vault in which everything is permitted.
func New() *Vault { return NewAt(URI) }

// NewAt is New for a vault at another address. Who serves it sees to the name.
func NewAt(uri string) *Vault {
	return &Vault{
		uri: uri, keys: map[string]*key{}, calls: map[string]int{}, valid: map[string]bool{},
		may: map[string]bool{"get": true, "wrap": true, "unwrap": true},
	}
}

// NewKey makes a recoverable RSA key with one version, or one more version.
func (v *Vault) NewKey(name string) kek.ID {
	v.mu.Lock()
	defer v.mu.Unlock()
	k := v.keys[name]
	if k == nil {
		k = &key{level: "Recoverable", kind: "RSA", bits: 3072, ops: []string{"wrapKey", "unwrapKey"}}
		v.keys[name] = k
	}
	v.serial++
	ver := &version{id: fmt.Sprintf("%032x", v.serial), enabled: true}
	rand.Read(ver.secret[:])
	k.versions = append(k.versions, ver)
	return kek.ID{VaultURI: v.uri, Name: name, Version: ver.id}
}

// Enable enables or disables a version.
func (v *Vault) Enable(id kek.ID, on bool) { v.edit(id, func(ver *version) { ver.enabled = on }) }

// EnableAll enables or disables every version of every key.
func (v *Vault) EnableAll(on bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, k := range v.keys {
		for _, ver := range k.versions {
			ver.enabled = on
		}
	}
}

// Newest names the newest version of a key.
func (v *Vault) Newest(name string) (kek.ID, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k := v.keys[name]
	if k == nil {
		return kek.ID{}, false
	}
	return kek.ID{VaultURI: v.uri, Name: name, Version: k.versions[len(k.versions)-1].id}, true
}

// Valid bounds the time of a version; zero times don't.
func (v *Vault) Valid(id kek.ID, from, to time.Time) {
	v.edit(id, func(ver *version) { ver.from, ver.to = from, to })
}

func (v *Vault) edit(id kek.ID, change func(*version)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, ver := range v.keys[id.Name].versions {
		if ver.id == id.Version {
			change(ver)
		}
	}
}

// Destroy ends a version for good: whatever only it could unwrap is lost.
func (v *Vault) Destroy(id kek.ID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k := v.keys[id.Name]
	k.versions = slices.DeleteFunc(k.versions, func(ver *version) bool { return ver.id == id.Version })
}

// Versions names the versions of a key that were not destroyed, oldest first.
func (v *Vault) Versions(name string) (out []kek.ID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if k := v.keys[name]; k != nil {
		for _, ver := range k.versions {
			out = append(out, kek.ID{VaultURI: v.uri, Name: name, Version: ver.id})
		}
	}
	return out
}

// Delete deletes or recovers a key.
func (v *Vault) Delete(name string, deleted bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys[name].deleted = deleted
}

// Shape changes what Get tells of a key. Zero values change nothing.
func (v *Vault) Shape(name, level, kind string, bits int, ops ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k := v.keys[name]
	if level != "" {
		k.level = level
	}
	if kind != "" {
		k.kind, k.bits = kind, bits
	}
	if ops != nil {
		k.ops = ops
	}
}

// Permit gives or takes the right to operations: get, wrap, unwrap.
func (v *Vault) Permit(on bool, ops ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, op := range ops {
		v.may[op] = on
	}
}

// Fail has the service misbehave; the zero Fault ends it.
func (v *Vault) Fail(f Fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fault = f
}

// Latency makes every answer take so long.
func (v *Vault) Latency(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.latency = d
}

// Quirks changes what unwrapping gives: a zero in front, another length,
// other bytes.
func (v *Vault) Quirks(zero bool, length int, corrupt bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.zero, v.length, v.corrupt = zero, length, corrupt
}

// Tokens says how it stands with the caller's tokens: "" they are taken,
// "refused" every one meets 401, "trouble" none can be had, "none" the
// identity is gone and its issuer says so. "expired" voids those that were
// given, once.
func (v *Vault) Tokens(how string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if how == "expired" {
		clear(v.valid)
		for token := range v.strangers {
			v.strangers[token] = false
		}
		return
	}
	v.tokens = how
}

// Trust has a served vault take tokens of whatever issuer.
func (v *Vault) Trust() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.strangers = map[string]bool{}
}

// Calls tells how often an operation was asked for: get, wrap, unwrap.
func (v *Vault) Calls(op string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls[op]
}

// Answers lists the unwraps that were answered.
func (v *Vault) Answers() []Answer {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]Answer(nil), v.answered...)
}

// Usable reports whether an unwrap with id would succeed now, were the service
// there.
func (v *Vault) Usable(id kek.ID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	ver, r := v.find(id)
	return r.status == 0 && v.may["unwrap"] && ver.enabled
}

// Truth unwraps whatever anybody is permitted and however the service behaves.
func (v *Vault) Truth(w kek.Wrapped) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if k := v.keys[w.KID.Name]; k != nil {
		for _, ver := range k.versions {
			if ver.id == w.KID.Version {
				return ver.unwrap(w.Bytes)
			}
		}
	}
	return nil, fmt.Errorf("no version %s", w.KID)
}

// Get, Wrap and Unwrap make Vault a kek.Vault.
func (v *Vault) Get(ctx context.Context, id kek.ID) (kek.Key, error) {
	r, err := v.ask(ctx, "get", id, "", nil)
	return r.key, err
}

func (v *Vault) Wrap(ctx context.Context, id kek.ID, plaintext []byte) (kek.Wrapped, error) {
	if len(plaintext) != kek.KeySize {
		return kek.Wrapped{}, fmt.Errorf("internal error: %d bytes to wrap", len(plaintext))
	}
	r, err := v.ask(ctx, "wrap", id, kek.RSAOAEP256, plaintext)
	if err != nil {
		return kek.Wrapped{}, err
	}
	return kek.Wrapped{KID: r.kid, Alg: kek.RSAOAEP256, Bytes: r.value}, nil
}

func (v *Vault) Unwrap(ctx context.Context, w kek.Wrapped) ([]byte, error) {
	if w.KID.Version == "" || w.Alg != kek.RSAOAEP256 {
		return nil, &kek.Damaged{Op: "unwrap", Key: w.KID, Message: "not a wrap of ours"}
	}
	r, err := v.ask(ctx, "unwrap", w.KID, w.Alg, w.Bytes)
	if err != nil {
		return nil, err
	}
	b := r.value
	if len(b) == kek.KeySize+1 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) != kek.KeySize {
		return nil, &kek.Damaged{Op: "unwrap", Key: w.KID, Message: "wrong length"}
	}
	return b, nil
}

// ask is the client's half of the fake: what a status means.
func (v *Vault) ask(ctx context.Context, op string, id kek.ID, alg string, value []byte) (reply, error) {
	silent := func(status int, after time.Duration, err error) (reply, error) {
		return reply{}, &kek.Silent{Op: op, Key: id, Status: status, RetryAfter: after, Err: err}
	}
	if id.VaultURI != v.uri {
		return reply{}, fmt.Errorf("internal error: %s is another vault", id)
	}
	v.mu.Lock()
	tokens := v.tokens
	v.mu.Unlock()
	switch tokens {
	case "none":
		return reply{}, &kek.Denied{Op: op, Key: id, Status: 401, Code: "IdentityNone"}
	case "trouble":
		return silent(0, 0, errors.New("no token"))
	case "refused":
		return reply{}, &kek.Denied{Op: op, Key: id, Status: 401, Code: "Unauthorized"}
	}
	for again := false; ; again = true {
		r := v.serve(ctx, op, id, alg, value)
		switch {
		case ctx.Err() != nil:
			return silent(0, 0, ctx.Err())
		case r.status == 200 && !r.page:
			return r, nil
		case r.status == 400 && !r.page:
			return reply{}, &kek.Damaged{Op: op, Key: id, Status: r.status, Code: r.inner, Message: r.message}
		case (r.status == 403 || r.status == 404 || r.status == 401) && !r.page:
			return reply{}, &kek.Denied{Op: op, Key: id, Status: r.status, Code: r.inner, Message: r.message}
		case (r.status == 403 || r.status == 404) && again:
			return reply{}, &kek.Denied{Op: op, Key: id, Status: r.status}
		case r.status == 403 || r.status == 404:
		default:
			return silent(r.status, r.after, errors.New("no answer"))
		}
	}
}

// reply is what the service puts on the wire. A page is somebody else's.
type reply struct {
	status               int
	code, inner, message string
	page, drop           bool
	after                time.Duration
	kid                  kek.ID
	key                  kek.Key
	value                []byte
}

// serve is the service's half.
func (v *Vault) serve(ctx context.Context, op string, id kek.ID, alg string, value []byte) reply {
	asked := time.Now()
	v.mu.Lock()
	v.calls[op]++
	fault, latency := v.fault, v.latency
	if v.fault.Times == 1 {
		v.fault = Fault{}
	} else if v.fault.Times > 1 {
		v.fault.Times--
	}
	v.mu.Unlock()
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-ctx.Done():
		}
	}
	switch {
	case fault.Hang:
		<-ctx.Done()
		return reply{drop: true}
	case fault.Drop:
		return reply{drop: true}
	case fault.Garbage:
		return reply{status: 200, page: true}
	case fault.Status != 0 && fault.Own != "":
		return reply{status: fault.Status, code: fault.Own, inner: fault.Own, message: "as told", after: fault.RetryAfter}
	case fault.Status != 0:
		return reply{status: fault.Status, page: true, after: fault.RetryAfter}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.answer(op, id, alg, value)
	if op == "unwrap" && ctx.Err() == nil {
		v.answered = append(v.answered, Answer{asked, time.Now(), kek.ID{VaultURI: v.uri, Name: id.Name, Version: id.Version}, r.status == 200})
	}
	return r
}

// find looks up a version. The caller holds mu.
func (v *Vault) find(id kek.ID) (*version, reply) {
	if k := v.keys[id.Name]; k != nil && !k.deleted {
		for i := len(k.versions) - 1; i >= 0; i-- {
			if id.Version == "" || k.versions[i].id == id.Version {
				return k.versions[i], reply{}
			}
		}
	}
	return nil, reply{status: 404, code: "KeyNotFound", inner: "KeyNotFound", message: "A key with (name/id) " + id.Name + " was not found in this key vault."}
}

// answer is what Key Vault says. The caller holds mu.
func (v *Vault) answer(op string, id kek.ID, alg string, value []byte) reply {
	if !v.may[op] {
		return reply{status: 403, code: "Forbidden", inner: "ForbiddenByRbac", message: "Caller is not authorized to perform action on resource."}
	}
	ver, missing := v.find(id)
	if ver == nil {
		return missing
	}
	k, now := v.keys[id.Name], time.Now()
	r := reply{status: 200, kid: kek.ID{VaultURI: v.uri, Name: id.Name, Version: ver.id}}
	switch op {
	case "get":
		r.key = kek.Key{ID: r.kid, Type: k.kind, Bits: k.bits, Ops: k.ops, Enabled: ver.enabled, NotBefore: ver.from, Expires: ver.to, RecoveryLevel: k.level}
	case "wrap":
		// A disabled key wraps, as the real service's has been seen to.
		if (!ver.to.IsZero() && !now.Before(ver.to)) || now.Before(ver.from) {
			return reply{status: 403, code: "Forbidden", inner: "KeyExpired", message: "Operation wrapKey is not allowed on an expired key."}
		}
		r.value = ver.wrap(value)
	case "unwrap":
		if !ver.enabled {
			return reply{status: 403, code: "Forbidden", inner: "KeyDisabled", message: "Operation unwrapKey is not allowed on a disabled key."}
		}
		b, err := ver.unwrap(value)
		if err != nil || alg != kek.RSAOAEP256 {
			return reply{status: 400, code: "BadParameter", inner: "BadParameter", message: "The parameter is incorrect."}
		}
		if v.corrupt {
			b[0] ^= 1
		}
		if v.zero {
			b = append([]byte{0}, b...)
		}
		if v.length > 0 {
			b = append(b, make([]byte, v.length)...)[:v.length]
		}
		r.value = b
	}
	return r
}

// wrap stands in for RSA-OAEP: 16 bytes of nonce, the key under a stream, 16
// bytes of tag. It need not be strong, only honest.
func (ver *version) wrap(plaintext []byte) []byte {
	out := make([]byte, 16, 16+len(plaintext)+16)
	rand.Read(out)
	stream := ver.mac("stream", out)
	for i, b := range plaintext {
		out = append(out, b^stream[i%len(stream)])
	}
	return append(out, ver.mac("tag", out)[:16]...)
}

func (ver *version) unwrap(b []byte) ([]byte, error) {
	if len(b) < 32 {
		return nil, errors.New("too short")
	}
	body, tag := b[:len(b)-16], b[len(b)-16:]
	if subtle.ConstantTimeCompare(ver.mac("tag", body)[:16], tag) != 1 {
		return nil, errors.New("wrong tag")
	}
	stream := ver.mac("stream", body[:16])
	out := make([]byte, len(body)-16)
	for i := range out {
		out[i] = body[16+i] ^ stream[i%len(stream)]
	}
	return out, nil
}

func (ver *version) mac(label string, b []byte) []byte {
	text := append(make([]byte, 0, 128), ver.secret[:]...)
	text = append(append(text, label...), b...)
	sum := sha256.Sum256(text)
	return sum[:]
}
