package domain

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"testing"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/kek/kektest"
	"logkeep/internal/resource"
	"logkeep/internal/wrap"
	"logkeep/internal/wrap/wraptest"
)

// Whatever a writer of the catalog puts together from records of this
// installation and from his own, no key but the account's newest is used.
func TestRowsAreSealedToTheAccountsNewestKeyOnly(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	ours := wraptest.Signer{Key: key}
	theirs, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	vault := kektest.New()
	id := vault.NewKey("k")
	at := wrap.Place{Tenant: tenant, Cluster: cluster, Account: "a-0"}
	wrapped := func(s wrap.Signer, generation uint32, layer wrap.Layer) wrap.Record {
		p := at
		p.Generation, p.Layer = generation, layer
		r, err := wrap.New(t.Context(), vault, s, p, id, make([]byte, 32), [32]byte{byte(generation)})
		must(t, err)
		return r
	}
	pair := func(s wrap.Signer, p wrap.Place, generation uint32, layers int) wrap.SpoolKey {
		k := wrap.SpoolKey{Tenant: p.Tenant, Cluster: p.Cluster, Account: p.Account, Generation: generation, ID: "1", Pairs: make([]wrap.SpoolPair, layers)}
		must(t, k.Sign(t.Context(), s))
		return k
	}
	sibling := at
	sibling.Account = "a-1"
	elsewhere := at
	elsewhere.Cluster = stranger
	inner := []wrap.Record{wrapped(ours, 0, wrap.Outer), wrapped(ours, 1, wrap.Inner), wrapped(ours, 2, wrap.Inner)}
	sole := []wrap.Record{wrapped(ours, 1, wrap.Sole), wrapped(ours, 2, wrap.Sole)}
	for _, c := range []struct {
		name    string
		key     wrap.SpoolKey
		records []wrap.Record
		good    bool
	}{
		{"the newest, of two layers", pair(ours, at, 2, 2), inner, true},
		{"the newest, of one layer", pair(ours, at, 2, 1), sole, true},
		{"signed by somebody else", pair(wraptest.Signer{Key: theirs}, at, 2, 2), inner, false},
		{"of a sibling", pair(ours, sibling, 2, 2), inner, false},
		{"of another cluster", pair(ours, elsewhere, 2, 2), inner, false},
		{"of an older generation", pair(ours, at, 1, 2), inner, false},
		{"with a layer less", pair(ours, at, 2, 1), inner, false},
		{"with a layer more", pair(ours, at, 2, 2), sole, false},
		{"without any", pair(ours, at, 2, 0), sole, false},
		{"of a generation whose record somebody else signed", pair(ours, at, 3, 1), append(sole[:2:2], wrapped(wraptest.Signer{Key: theirs}, 3, wrap.Sole)), false},
		{"of an account without records", pair(ours, at, 2, 1), nil, false},
	} {
		if err := checkSpoolKey(c.key, at, c.records, &key.PublicKey); (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Only rows of a workspace that is linked to the cluster whose key is away, and
// whose owner wants it, are sealed.
func TestWhichRowsAreSealed(t *testing.T) {
	d := domains(t)
	linked := control.Workspace{Link: &control.Link{ClusterID: cluster, State: resource.Succeeded}}
	elsewhere := control.Workspace{Link: &control.Link{ClusterID: stranger, State: resource.Succeeded}}
	leaving := control.Workspace{Link: &control.Link{ClusterID: cluster, State: resource.Deleting}}
	for _, c := range []struct {
		name string
		mode string
		w    control.Workspace
		code fault.Code
		want bool
	}{
		{"revoked", control.Seal, linked, fault.CustomerManagedKeyRevoked, true},
		{"unreachable", control.Seal, linked, fault.CustomerManagedKeyUnreachable, true},
		{"damaged", control.Seal, linked, fault.CustomerManagedKeyDamaged, true},
		{"another refusal", control.Seal, linked, fault.ServiceUnavailable, false},
		{"Reject", control.Reject, linked, fault.CustomerManagedKeyRevoked, false},
		{"Drop", control.Drop, linked, fault.CustomerManagedKeyRevoked, false},
		{"linked to another cluster", control.Seal, elsewhere, fault.CustomerManagedKeyRevoked, false},
		{"on its way out", control.Seal, leaving, fault.CustomerManagedKeyRevoked, false},
		{"not linked", control.Seal, control.Workspace{}, fault.CustomerManagedKeyRevoked, false},
	} {
		d.holders[cluster] = control.Holder{Cluster: cluster, Settings: control.Settings{IngestionWhenRevoked: c.mode}}
		if got := d.seals(c.w, cluster, fault.New(c.code, "no")); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	if d.seals(linked, cluster, errors.New("no fault")) {
		t.Error("an error that is no refusal")
	}
}
