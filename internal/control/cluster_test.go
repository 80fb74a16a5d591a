package control

import (
	"errors"
	"testing"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

func TestAClusterGetsItsIdentityWithItsOperation(t *testing.T) {
	w := newWorld(t)
	id := w.id(resource.Cluster, "c1-x")
	hold := make(chan struct{})
	w.places.set(hold, nil)
	c, o, err := w.PutCluster(t.Context(), id, "me", newCluster())
	if err != nil || c.State != resource.Creating || c.Identity.Principal != "" || c.Location != "westeurope" {
		t.Fatalf("%+v %v", c, err)
	}
	_, _, err = w.PutCluster(t.Context(), id, "me", newCluster())
	wants(t, "put while creating", err, fault.ClusterNotSucceeded, "Async operation is in a state other than succeeded")
	_, _, err = w.PatchCluster(t.Context(), id, "me", ClusterChange{Tags: map[string]string{"a": "b"}})
	wants(t, "patch while creating", err, fault.ClusterOperationInProgress, "Operation can't be executed now. Wait for the Async operation to complete and try again.")
	_, _, err = w.DeleteCluster(t.Context(), id, "me")
	wants(t, "delete while creating", err, fault.ClusterProvisioning, "Can't delete a cluster while in provisioning state.")
	close(hold)
	if o = w.finish(o, nil); o.Status != catalog.Succeeded {
		t.Fatalf("%+v", o)
	}
	c = w.mustCluster("c1-x")
	p, err := w.cat.PrincipalOf(t.Context(), id.String())
	if c.State != resource.Succeeded || err != nil || c.Identity.Principal != p.ObjectID || p.ObjectID == "" {
		t.Errorf("%+v %+v %v", c, p, err)
	}
}

func TestAnOperationOfAFormerProcessIsFinished(t *testing.T) {
	w := newWorld(t)
	id := w.id(resource.Cluster, "c1-x")
	w.places.set(make(chan struct{}), nil)
	_, o, err := w.PutCluster(t.Context(), id, "me", newCluster())
	if err != nil {
		t.Fatal(err)
	}
	w.Service.Close() // the work is cut off
	if op, err := w.cat.Operation(t.Context(), o.ID); err != nil || op.Status != catalog.InProgress {
		t.Fatalf("%+v %v", op, err)
	}
	w.places.set(nil, nil)
	w.restart()
	if o = w.finish(o, nil); o.Status != catalog.Succeeded || w.mustCluster("c1-x").State != resource.Succeeded {
		t.Errorf("%+v", o)
	}
}

func TestWhatAClusterMustBe(t *testing.T) {
	w := newWorld(t)
	with := func(f func(*ClusterChange)) ClusterChange { c := newCluster(); f(&c); return c }
	for _, c := range []struct {
		what string
		name string
		ch   ClusterChange
		code fault.Code
		text string
	}{
		{"name", "c", newCluster(), fault.InvalidClusterName, "Cluster name isn't valid. Cluster name can contain characters a-z, A-Z, 0-9 and a length of 3-63."},
		{"no sku", "cccc", with(func(c *ClusterChange) { c.SkuName, c.Capacity = nil, nil }), fault.MissingSku, "No SKU was set."},
		{"sku name", "cccc", with(func(c *ClusterChange) { c.SkuName, c.Capacity = new("Free"), nil }), fault.InvalidSkuName, "SKU name is invalid."},
		{"capacity of another sku", "cccc", with(func(c *ClusterChange) { c.SkuName = new("Free") }), fault.CapacityWithoutReservation, "Capacity was provided but SKU isn't capacityReservation."},
		{"no capacity", "cccc", with(func(c *ClusterChange) { c.Capacity = nil }), fault.MissingCapacity, "Missing Capacity in SKU."},
		{"odd capacity", "cccc", with(func(c *ClusterChange) { c.Capacity = new(int64(7)) }), fault.InvalidInput, "CapacityReservationLevel must be an allowed value"},
		{"no location", "cccc", with(func(c *ClusterChange) { c.Location = nil }), fault.InvalidParameter, "'location'"},
		{"two identities", "cccc", with(func(c *ClusterChange) { c.Identity.Type = "SystemAssigned, UserAssigned" }), fault.InvalidParameter, "single identity"},
		{"unknown user identity", "cccc", with(func(c *ClusterChange) {
			c.Identity = &IdentityChange{"UserAssigned", []string{w.id(resource.UserIdentity, "u").String()}}
		}), fault.InvalidParameter, "does not exist"},
		{"key at creation", "cccc", with(func(c *ClusterChange) { c.Key = key("k") }), fault.KeyOnCreation, "KeyVaultProperties are set on creation. Update KeyVaultProperties after cluster creation."},
		{"key without name", "cccc", with(func(c *ClusterChange) { c.Key = &KeyChange{VaultURI: new("https://kv.vault.x.test")} }), fault.InvalidKeyVaultProperties, "KeyVaultProperties isn't empty but has a bad format."},
		{"key without scheme", "cccc", with(func(c *ClusterChange) { c.Key = &KeyChange{VaultURI: new("kv.vault.x.test"), Name: new("k")} }), fault.InvalidKeyVaultProperties, "has a bad format"},
		{"key at a foreign host", "cccc", with(func(c *ClusterChange) {
			c.Key = &KeyChange{VaultURI: new("https://169.254.169.254.evil"), Name: new("k")}
		}), fault.InvalidKeyVaultProperties, "Keys may not be at"},
		{"double encryption", "cccc", with(func(c *ClusterChange) { c.DoubleEncryption, c.Location = new(true), new("northeurope") }), fault.DoubleEncryptionUnsupported, "northeurope doesn't support Double Encryption for clusters."},
		{"double encryption that nobody declined", "cccc", with(func(c *ClusterChange) { c.Location = new("northeurope") }), fault.DoubleEncryptionUnsupported, "northeurope doesn't support Double Encryption for clusters."},
		{"a lease that is too short", "cccc", with(func(c *ClusterChange) { c.Settings.Lease = new(10 * time.Second) }), fault.InvalidParameter, "two probe intervals"},
		{"several at once", "c", with(func(c *ClusterChange) { c.Capacity, c.BillingType = new(int64(7)), new("x") }), fault.InvalidClusterName, ""},
		{"several at once", "cccc", with(func(c *ClusterChange) { c.Location, c.Capacity, c.BillingType = nil, new(int64(7)), new("x") }), fault.MultipleErrorsOccurred, "3 properties"},
	} {
		_, _, err := w.PutCluster(t.Context(), w.id(resource.Cluster, c.name), "me", c.ch)
		wants(t, c.what, err, c.code, c.text)
	}
	gone := resource.GroupID(w.group.Subscription(), "nowhere").Resource(resource.Cluster, "cccc")
	_, _, err := w.PutCluster(t.Context(), gone, "me", newCluster())
	wants(t, "no group", err, fault.ResourceGroupNotFound, "nowhere")
	if all, err := w.Clusters(t.Context(), resource.Root()); err != nil || len(all) != 0 {
		t.Errorf("refused requests made %d clusters (%v)", len(all), err)
	}
}

func TestSettingAKeyChecksInOrder(t *testing.T) {
	w := newWorld(t)
	c := w.makeCluster("c1-x")
	at := func(uri string) *KeyChange { return &KeyChange{VaultURI: new(uri), Name: new("k")} }
	for _, x := range []struct {
		what string
		key  *KeyChange
		code fault.Code
		text string
	}{
		{"form", at("http://kv.vault.x.test"), fault.InvalidKeyVaultProperties, "KeyVaultProperties isn't empty but has a bad format."},
		{"tenant", at("https://theirs.vault.x.test"), fault.InvalidParameter, "same tenant"},
		{"region", at("https://far.vault.x.test"), fault.InvalidParameter, "same region"},
		{"no such key", key("gone"), fault.KeyValidationFailed, "Failed to validate key in Key Vault. Could be due to lack of permissions or when key doesn't exist."},
		{"vault silent", key("silent"), fault.KeyValidationFailed, "did not answer"},
		{"not recoverable", key("purgeable"), fault.KeyNotRecoverable, "Key isn't recoverable. Key Vault must be set to Soft-delete and Purge-protection."},
	} {
		_, _, err := w.PatchCluster(t.Context(), c.ID, "me", ClusterChange{Key: x.key})
		wants(t, x.what, err, x.code, x.text)
	}
	_, o, err := w.PatchCluster(t.Context(), c.ID, "me", ClusterChange{Key: key("k")})
	if o = w.finish(o, err); o.Status != catalog.Succeeded {
		t.Fatalf("%+v", o)
	}
	if c = w.mustCluster("c1-x"); c.Key.ID.String() != "https://kv.vault.x.test/keys/k" || w.keys.set[c.ClusterID] != c.Key.ID || w.keys.holders[c.ClusterID].Principal != c.Identity.Principal {
		t.Errorf("%+v", c)
	}
	_, o, err = w.PatchCluster(t.Context(), c.ID, "me", ClusterChange{Key: key("breaks")})
	if o = w.finish(o, err); o.Status != catalog.Failed || o.Fault.Code != fault.KeyValidationFailed {
		t.Errorf("%+v %+v", o, o.Fault)
	}
	if c = w.mustCluster("c1-x"); c.State != resource.Failed || c.Key.ID.Name != "k" {
		t.Errorf("after a failure: %+v", c)
	}
	_, o, err = w.PatchCluster(t.Context(), c.ID, "me", ClusterChange{Key: &KeyChange{new(""), new(""), new(""), nil}})
	if w.finish(o, err); !w.mustCluster("c1-x").Key.ID.IsZero() || len(w.keys.set) != 0 {
		t.Error("the key was not cleared")
	}
}

func TestIdentityAndKeyAreNeverChangedTogether(t *testing.T) {
	w := newWorld(t)
	c := w.makeCluster("c1-x")
	unchanged := newCluster()
	unchanged.Key = key("k") // az sends the identity that it has read beside a new key
	_, o, err := w.PutCluster(t.Context(), c.ID, "me", unchanged)
	w.finish(o, err)
	both := ClusterChange{Identity: &IdentityChange{Type: "None"}, Key: key("k2")}
	_, _, err = w.PatchCluster(t.Context(), c.ID, "me", both)
	wants(t, "both", err, fault.InvalidParameter, "Identity and KeyVaultProperties can't be updated in the same operation.")
	before := c.Identity.Principal
	_, o, err = w.PatchCluster(t.Context(), c.ID, "me", ClusterChange{Identity: &IdentityChange{Type: "None"}})
	w.finish(o, err)
	if c = w.mustCluster("c1-x"); !c.IdentityRemoved || w.keys.holders[c.ClusterID].Principal != "" {
		t.Errorf("%+v", c)
	}
	if _, err := w.cat.Principal(t.Context(), before); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("the principal is still there: %v", err)
	}
	_, _, err = w.PatchCluster(t.Context(), c.ID, "me", ClusterChange{Identity: &IdentityChange{Type: "SystemAssigned"}})
	wants(t, "undoing None", err, fault.IdentityRemoved, "restore-identity")
	restored, err := w.RestoreIdentity(t.Context(), c.ID)
	if err != nil || restored.Identity.Principal == "" || restored.Identity.Principal == before || w.keys.holders[c.ClusterID].Principal != restored.Identity.Principal {
		t.Errorf("%+v %v", restored, err)
	}
	_, err = w.RestoreIdentity(t.Context(), c.ID)
	wants(t, "restoring twice", err, fault.Conflict, "nothing to restore")
}

// The second layer is there unless a client does not want it or the region has
// none, and the keys are told.
func TestDoubleEncryptionIsTheDefault(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name string
		ch   func(*ClusterChange)
		want bool
	}{
		{"by-default", func(*ClusterChange) {}, true},
		{"wanted", func(c *ClusterChange) { c.DoubleEncryption = new(true) }, true},
		{"not-wanted", func(c *ClusterChange) { c.DoubleEncryption = new(false) }, false},
		{"elsewhere", func(c *ClusterChange) { c.Location, c.DoubleEncryption = new("North Europe"), new(false) }, false},
	} {
		ch := newCluster()
		c.ch(&ch)
		_, o, err := w.PutCluster(t.Context(), w.id(resource.Cluster, c.name), "me", ch)
		w.finish(o, err)
		if made := w.mustCluster(c.name); made.DoubleEncryption != c.want || made.holder().DoubleEncryption != c.want {
			t.Errorf("%s: %v, want %v", c.name, made.DoubleEncryption, c.want)
		}
	}
}

// Existing data are covered when that is asked for, with the key or after it,
// and not again with every change.
func TestCoverExistingDataSetsTheKeyAgain(t *testing.T) {
	w := newWorld(t)
	c := w.makeCluster("c1-x")
	patch := func(ch ClusterChange, want int) {
		t.Helper()
		_, o, err := w.PatchCluster(t.Context(), c.ID, "me", ch)
		w.finish(o, err)
		if w.keys.sets != want {
			t.Errorf("the key was set %d times, want %d", w.keys.sets, want)
		}
	}
	patch(ClusterChange{Settings: SettingsChange{CoverExistingData: new(true)}}, 0) // there is no key yet
	patch(ClusterChange{Settings: SettingsChange{CoverExistingData: new(false)}}, 0)
	patch(ClusterChange{Key: key("k")}, 1)
	patch(ClusterChange{Settings: SettingsChange{CoverExistingData: new(true)}}, 2)
	if !w.keys.holders[c.ClusterID].Settings.CoverExistingData {
		t.Error("the keys were not told")
	}
	patch(ClusterChange{Settings: SettingsChange{CoverExistingData: new(true)}}, 2)
	patch(ClusterChange{Tags: map[string]string{"a": "b"}}, 2)
	patch(ClusterChange{Key: key("k2")}, 3)
}

func TestWhatStaysAsItWasMade(t *testing.T) {
	w := newWorld(t)
	c := w.makeCluster("c1-x")
	for what, ch := range map[string]ClusterChange{
		"location": {Location: new("northeurope")}, "double encryption": {DoubleEncryption: new(false)}, "zones": {Zones: new(true)},
		"associated": {Associated: []string{"/subscriptions/x"}}, "lower capacity": {Capacity: new(int64(100))},
	} {
		if _, _, err := w.PatchCluster(t.Context(), c.ID, "me", ch); err == nil {
			t.Errorf("%s was changed", what)
		}
	}
	_, o, err := w.PatchCluster(t.Context(), c.ID, "me", ClusterChange{Capacity: new(int64(1000)), Tags: map[string]string{"a": "b"}, BillingType: new("workspaces"),
		DoubleEncryption: new(true), Zones: new(false), Location: new("westeurope"), Associated: []string{""}})
	w.finish(o, err)
	if c = w.mustCluster("c1-x"); c.Capacity != 1000 || c.Tags["a"] != "b" || c.BillingType != "Workspaces" {
		t.Errorf("%+v", c)
	}
}

func TestADeletedClusterUnlinksAndReservesItsName(t *testing.T) {
	w := newWorld(t)
	c := w.makeCluster("c1-x")
	ws := w.makeWorkspace("ws-1")
	_, o, err := w.LinkWorkspace(t.Context(), ws.ID, c.ID.String(), "me")
	w.finish(o, err)
	w.places.set(nil, errors.New("disk is full"))
	o, _, err = w.DeleteCluster(t.Context(), c.ID, "me")
	if o = w.finish(o, err); o.Status != catalog.Failed || w.mustWorkspace("ws-1").Link.State != resource.Succeeded {
		t.Fatalf("%+v", o)
	}
	w.places.set(nil, nil)
	o, found, err := w.DeleteCluster(t.Context(), c.ID, "me")
	if o = w.finish(o, err); !found || o.Status != catalog.Succeeded {
		t.Fatalf("%+v", o)
	}
	if !w.places.did("unlink ws-1 c1-x") || !w.places.did("drop cluster c1-x") {
		t.Errorf("%v", w.places.log)
	}
	if ws = w.mustWorkspace("ws-1"); ws.Link != nil || ws.Sku != "PerGB2018" {
		t.Errorf("%+v", ws)
	}
	_, err = w.Cluster(t.Context(), c.ID)
	wants(t, "get", err, fault.ClusterNotFound, "Cluster not found, the cluster might have been deleted.")
	if _, err := w.cat.PrincipalOf(t.Context(), c.ID.String()); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("its identity is still there: %v", err)
	}
	if _, found, err := w.DeleteCluster(t.Context(), c.ID, "me"); found || err != nil {
		t.Errorf("second delete: %v %v", found, err)
	}
	_, _, err = w.PutCluster(t.Context(), c.ID, "me", newCluster())
	wants(t, "reserved", err, fault.Conflict, "Cluster name is reserved; a cluster with this name was deleted in the last 14 days.")
	w.limits.NameReserved = 0
	w.makeCluster("c1-x")
}

func TestQuotasOfClusters(t *testing.T) {
	w := newWorld(t)
	w.limits.ActiveClusters, w.limits.ReservedClusters = 2, 3
	a, _ := w.makeCluster("aaaa"), w.makeCluster("bbbb")
	_, _, err := w.PutCluster(t.Context(), w.id(resource.Cluster, "cccc"), "me", newCluster())
	wants(t, "active", err, fault.QuotaExceeded, "2 active clusters")
	o, _, err := w.DeleteCluster(t.Context(), a.ID, "me")
	w.finish(o, err)
	w.makeCluster("cccc")
	o, _, err = w.DeleteCluster(t.Context(), w.id(resource.Cluster, "cccc"), "me")
	w.finish(o, err)
	_, _, err = w.PutCluster(t.Context(), w.id(resource.Cluster, "dddd"), "me", newCluster())
	wants(t, "reserved", err, fault.QuotaExceeded, "3 clusters")
	far := newCluster()
	far.Location, far.DoubleEncryption = new("northeurope"), new(false)
	_, o, err = w.PutCluster(t.Context(), w.id(resource.Cluster, "dddd"), "me", far)
	w.finish(o, err)
}

func TestACreationThatFailedIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.places.set(nil, errors.New("disk is full"))
	c, o, err := w.PutCluster(t.Context(), w.id(resource.Cluster, "c1-x"), "me", newCluster())
	if o = w.finish(o, err); o.Status != catalog.Failed || o.Fault.Code != fault.InternalServerError {
		t.Fatalf("%+v", o)
	}
	_, o, _, err = w.PutWorkspace(t.Context(), w.id(resource.Workspace, "ws-1"), "me", WorkspaceChange{Location: new("westeurope")})
	if o = w.finish(o, err); o.Status != catalog.Failed {
		t.Fatalf("%+v", o)
	}
	w.places.set(nil, nil)
	ws := w.makeWorkspace("ws-1")
	_, _, err = w.LinkWorkspace(t.Context(), ws.ID, c.ID.String(), "me")
	wants(t, "linking to what was not made", err, fault.ClusterOperationInProgress, "after the cluster was provisioned")
	_, o, err = w.PutCluster(t.Context(), c.ID, "me", newCluster())
	w.finish(o, err)
	if c = w.mustCluster("c1-x"); c.State != resource.Succeeded || !c.Provisioned || c.Identity.Principal == "" || ws.State != resource.Succeeded {
		t.Errorf("%+v %+v", c, ws)
	}
}
