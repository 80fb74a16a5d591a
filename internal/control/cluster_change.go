package control

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"logkeep/internal/fault"
	"logkeep/internal/kek"
	"logkeep/internal/resource"
)

// A ClusterChange is what a PUT or PATCH asks for. What is nil stays as it is:
// clients send what they have read, or only what they want changed.
type ClusterChange struct {
	Location         *string
	Tags             map[string]string // nil: unchanged
	Identity         *IdentityChange
	SkuName          *string
	Capacity         *int64
	Tiers            []int64 // capacities that the client's api-version knows; nil: all
	Key              *KeyChange
	BillingType      *string
	DoubleEncryption *bool
	Zones            *bool
	Associated       []string // ids of associatedWorkspaces, which can't be set
	Settings         SettingsChange
	Drill            *bool
}

// A KeyChange is keyVaultProperties. All three parts "" clear the key.
type KeyChange struct {
	VaultURI, Name, Version *string
	RSASize                 *int32
}

// A SettingsChange is what is asked for under properties.logkeep.
type SettingsChange struct {
	IngestionWhenRevoked              *string
	OutageGrace, ProbeInterval, Lease *time.Duration
	CoverExistingData                 *bool
}

var clusterName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]$`) })

const capacityList = "100, 200, 300, 400, 500, 1000, 2000, 5000, 10000, 25000, 50000"

// EarlyTiers are the capacities of api-versions before 2022-10-01 (behaviour 3.11).
func EarlyTiers() []int64 { return []int64{500, 1000, 2000, 5000} }

// apply returns c as the change wants it. All that is wrong with the change is
// in the error. create says that c does not exist yet.
func (s *Service) apply(c Cluster, ch ClusterChange, create bool) (Cluster, error) {
	var wrong []*fault.Error
	no := func(f *fault.Error) {
		if f != nil {
			wrong = append(wrong, f)
		}
	}
	if ch.Tags != nil {
		c.Tags = ch.Tags
	}
	no(applyTags(ch.Tags))
	no(s.applySku(&c, ch, create))
	if ch.Identity != nil {
		var f *fault.Error
		c.Identity, f = ch.Identity.wanted(c.Identity)
		no(f)
	}
	if ch.Key != nil {
		no(s.applyKey(&c.Key, *ch.Key))
	}
	if ch.BillingType != nil {
		switch {
		case strings.EqualFold(*ch.BillingType, billCluster):
			c.BillingType = billCluster
		case strings.EqualFold(*ch.BillingType, billWorkspaces):
			c.BillingType = billWorkspaces
		default:
			no(fault.New(fault.InvalidParameter, "properties.billingType '%.40s' is unknown; use Cluster or Workspaces.", *ch.BillingType).WithTarget("properties.billingType"))
		}
	}
	if v := ch.DoubleEncryption; v != nil {
		if !create && *v != c.DoubleEncryption {
			no(fault.New(fault.InvalidParameter, "properties.isDoubleEncryptionEnabled can't be changed after the cluster was created.").WithTarget("properties.isDoubleEncryptionEnabled"))
		}
		c.DoubleEncryption = *v
	}
	if create && c.Location != "" && c.DoubleEncryption && !s.limits.doubles(c.Location) { // the weaker kind is never made unasked
		no(fault.New(fault.DoubleEncryptionUnsupported, "%s doesn't support Double Encryption for clusters. Set properties.isDoubleEncryptionEnabled to false.", c.Location).WithTarget("properties.isDoubleEncryptionEnabled"))
	}
	if v := ch.Zones; v != nil && *v != c.Zones {
		if !create {
			no(fault.New(fault.InvalidParameter, "properties.isAvailabilityZonesEnabled can't be changed after the cluster was created.").WithTarget("properties.isAvailabilityZonesEnabled"))
		} else if *v {
			no(fault.New(fault.InvalidParameter, "%s has no availability zones. Leave properties.isAvailabilityZonesEnabled out or set it to false.", c.Location).WithTarget("properties.isAvailabilityZonesEnabled"))
		}
	}
	if v := ch.Drill; v != nil && *v != c.Drill {
		if !create {
			no(fault.New(fault.InvalidParameter, "properties.logkeep.drill can't be changed after the cluster was created.").WithTarget("properties.logkeep.drill"))
		}
		c.Drill = *v
	}
	no(s.applySettings(&c.Settings, ch.Settings))
	return c, fault.Join(wrong...)
}

func (s *Service) applySku(c *Cluster, ch ClusterChange, create bool) *fault.Error {
	reservation := ch.SkuName == nil || strings.EqualFold(*ch.SkuName, "CapacityReservation")
	switch {
	case ch.SkuName == nil && ch.Capacity == nil:
		if create {
			return fault.New(fault.MissingSku, "No SKU was set. Set the SKU name to capacityReservation and Capacity value to %s GB per day.", capacityList).WithTarget("sku")
		}
		return nil
	case ch.Capacity != nil && (!reservation || ch.SkuName == nil && create):
		return fault.New(fault.CapacityWithoutReservation, "Capacity was provided but SKU isn't capacityReservation. Set SKU name to capacityReservation.").WithTarget("sku.name")
	case !reservation:
		return fault.New(fault.InvalidSkuName, "SKU name is invalid. Set SKU name to capacityReservation.").WithTarget("sku.name")
	case ch.Capacity == nil:
		if create {
			return fault.New(fault.MissingCapacity, "Missing Capacity in SKU. Set Capacity value to %s GB per day.", capacityList).WithTarget("sku.capacity")
		}
		return nil
	case *ch.Capacity == c.Capacity:
		return nil // whatever the client's version knows: it sends back what it has read
	case !slices.Contains(capacities, *ch.Capacity) || ch.Tiers != nil && !slices.Contains(ch.Tiers, *ch.Capacity):
		return fault.New(fault.InvalidInput, "CapacityReservationLevel must be an allowed value: [%s].", tierList(ch.Tiers)).WithTarget("sku.capacity")
	case !create && *ch.Capacity < c.Capacity && time.Since(c.LastSku) < s.limits.Commitment:
		return fault.New(fault.CapacityLocked, "Capacity is locked for 30 days. Decreasing capacity is permitted 30 days after update.").WithTarget("sku.capacity")
	}
	c.Capacity, c.LastSku = *ch.Capacity, time.Now().UTC()
	return nil
}

func tierList(tiers []int64) string {
	if tiers == nil {
		return capacityList
	}
	var all []string
	for _, n := range tiers {
		all = append(all, strconv.FormatInt(n, 10))
	}
	return strings.Join(all, ", ")
}

// applyKey reads keyVaultProperties. It checks the form only.
func (s *Service) applyKey(k *Key, ch KeyChange) *fault.Error {
	bad := func(why string) *fault.Error {
		return fault.New(fault.InvalidKeyVaultProperties, "KeyVaultProperties isn't empty but has a bad format. %s", why).WithTarget("properties.keyVaultProperties")
	}
	part := func(p *string) string {
		if p == nil {
			return ""
		}
		return strings.TrimSpace(*p)
	}
	if ch.VaultURI == nil && ch.Name == nil && ch.Version == nil && ch.RSASize == nil {
		return nil // {}: az sends it for clusters without a key
	}
	uri, name, version := part(ch.VaultURI), part(ch.Name), part(ch.Version)
	size := int32(0)
	if ch.RSASize != nil {
		size = *ch.RSASize
	}
	if size != 0 && size != 2048 && size != 3072 && size != 4096 {
		return bad("keyRsaSize is 2048, 3072 or 4096, or 0 for any.")
	}
	switch {
	case uri == "" && name == "" && version == "":
		*k = Key{}
		return nil
	case uri == "" || name == "":
		return bad("Give keyVaultUri and keyName together, and keyVersion, or \"\" for always the newest; all three \"\" remove the key.")
	}
	id, err := kek.NewID(uri, name, version)
	if err != nil {
		return bad("keyVaultUri is https:// and the vault's host, keyName and keyVersion are letters, digits and hyphens.").Because(err)
	}
	if s.keyHost == nil || !s.keyHost(id.Host()) {
		return bad("Keys may not be at '" + id.Host() + "': this service talks to the vaults that its operator allows.").WithTarget("properties.keyVaultProperties.keyVaultUri")
	}
	*k = Key{ID: id, RSASize: size}
	return nil
}

func (s *Service) applySettings(v *Settings, ch SettingsChange) *fault.Error {
	if p := ch.IngestionWhenRevoked; p != nil {
		i := slices.IndexFunc([]string{Reject, Drop, Seal}, func(m string) bool { return strings.EqualFold(m, *p) })
		if i < 0 {
			return fault.New(fault.InvalidParameter, "properties.logkeep.ingestionWhenRevoked '%.40s' is not supported; use Reject, Drop or Seal.", *p).WithTarget("properties.logkeep.ingestionWhenRevoked")
		}
		v.IngestionWhenRevoked = []string{Reject, Drop, Seal}[i]
	}
	if p := ch.CoverExistingData; p != nil {
		v.CoverExistingData = *p
	}
	for _, d := range []struct {
		name     string
		to       *time.Duration
		from     *time.Duration
		min, max time.Duration
	}{
		{"outageGrace", &v.OutageGrace, ch.OutageGrace, 0, s.limits.OutageGrace},
		{"probeInterval", &v.ProbeInterval, ch.ProbeInterval, 6 * time.Second, time.Minute},
		{"lease", &v.Lease, ch.Lease, time.Second, s.limits.MaxLease},
	} {
		if d.from == nil {
			continue
		}
		if *d.from < d.min || *d.from > d.max {
			return fault.New(fault.InvalidParameter, "properties.logkeep.%s must be from %s to %s.", d.name, d.min, d.max).WithTarget("properties.logkeep." + d.name)
		}
		*d.to = *d.from
	}
	if least := 2*v.ProbeInterval + s.limits.ProbeTimeout; v.Lease < least {
		return fault.New(fault.InvalidParameter, "properties.logkeep.lease must be at least two probe intervals and a timeout: %s.", least).WithTarget("properties.logkeep.lease")
	}
	return nil
}

// applyTags checks tags by ARM's rules.
func applyTags(tags map[string]string) *fault.Error {
	if len(tags) > 50 {
		return fault.New(fault.InvalidParameter, "A resource can have 50 tags, not %d.", len(tags)).WithTarget("tags")
	}
	for name, value := range tags {
		if name == "" || len(name) > 512 || len(value) > 256 || strings.ContainsAny(name, `<>%&\?/`) {
			return fault.New(fault.InvalidParameter, "Tag '%.60s' is not valid: names have 1 to 512 characters without <>%%&\\?/, values up to 256.", name).WithTarget("tags")
		}
	}
	return nil
}

// normalLocation is a region's name as it is compared: East US is eastus.
func normalLocation(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }

var locationName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9]{1,40}$`) })

// locate reads the location of a new resource, or compares it with the one
// that an existing resource has.
func locate(id resource.ID, now string, wish *string) (string, *fault.Error) {
	switch {
	case wish == nil || *wish == "":
		if now == "" {
			return "", fault.New(fault.InvalidParameter, "The 'location' property is required for '%s'.", id.Type()).WithTarget("location")
		}
		return now, nil
	case !locationName().MatchString(normalLocation(*wish)):
		return now, fault.New(fault.InvalidParameter, "The location '%.40s' is not a region's name such as westeurope.", *wish).WithTarget("location")
	case now == "":
		return normalLocation(*wish), nil
	case normalLocation(*wish) == now:
		return now, nil
	case id.Type().Equal(resource.Cluster):
		return now, fault.New(fault.ResourceMoveNotSupported, "Cluster can't be moved to another region, resource group or subscription. It is in '%s'.", now).WithTarget("location")
	}
	return now, fault.New(fault.InvalidLocation, "The resource '%s' already exists in location '%s'. A resource with the same name cannot be created in location '%s'. Please select a new resource name.", id.Name(), now, normalLocation(*wish)).WithTarget("location")
}
