package armface

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

// permissions on keys that a policy may give.
var permissions = []string{
	"all", "encrypt", "decrypt", "wrapKey", "unwrapKey", "sign", "verify", "get", "list", "create", "update", "import", "delete",
	"backup", "restore", "recover", "purge", "release", "rotate", "getrotationpolicy", "setrotationpolicy",
}

// maxPolicies is the most that a vault can have.
const maxPolicies = 1024

// apply changes v as the document says; what it does not mention stays.
func (d document) apply(r admin.Request, v *keystore.Vault, created bool) error {
	in, p := d.Properties, &v.Properties
	if in.TenantID != nil && !strings.EqualFold(*in.TenantID, p.TenantID) {
		return bad("The tenant ID '%.40s' of the vault is not that of its subscription, '%s'.", *in.TenantID, p.TenantID)
	}
	if in.SKU != nil {
		sku := admin.SKU{Family: strings.ToUpper(in.SKU.Family), Name: strings.ToLower(in.SKU.Name)}
		if sku.Family != "A" || sku.Name != "standard" && sku.Name != "premium" {
			return bad("The sku must be of family A and named standard or premium.")
		}
		p.SKU = sku
	}
	if in.AccessPolicies != nil {
		policies, err := checkPolicies(*v, *in.AccessPolicies)
		if err != nil {
			return err
		}
		p.AccessPolicies = policies
	}
	if in.EnableSoftDelete != nil && !*in.EnableSoftDelete {
		return bad("The property \"enableSoftDelete\" cannot be set to false: soft delete is on for every vault. Enabling the 'soft delete' functionality is an irreversible action.")
	}
	if days := in.SoftDeleteRetentionInDays; days != nil {
		switch {
		case *days < 7 || *days > 90:
			return bad("The property \"softDeleteRetentionInDays\" must be from 7 to 90.")
		case !created && *days != p.SoftDeleteRetentionInDays:
			return bad("The property \"softDeleteRetentionInDays\" has been set already and it can't be modified.")
		}
		p.SoftDeleteRetentionInDays = *days
	}
	if on := in.EnablePurgeProtection; on != nil {
		if !*on {
			return bad("The property \"enablePurgeProtection\" cannot be set to false. Enabling the purge protection for a vault is an irreversible action.")
		}
		p.EnablePurgeProtection = true
	}
	if in.NetworkACLs != nil {
		acl, err := checkNetwork(*in.NetworkACLs)
		if err != nil {
			return err
		}
		p.NetworkACLs = &acl
	}
	if s := in.PublicNetworkAccess; s != nil && *s != "" {
		switch strings.ToLower(*s) {
		case "enabled":
			p.PublicNetworkAccess = "Enabled"
		case "disabled":
			p.PublicNetworkAccess = "Disabled"
		default:
			return bad("The property \"publicNetworkAccess\" is Enabled or Disabled.")
		}
	}
	for _, flag := range []struct{ from, to *bool }{
		{in.EnabledForDeployment, &p.EnabledForDeployment}, {in.EnabledForDiskEncryption, &p.EnabledForDiskEncryption},
		{in.EnabledForTemplateDeployment, &p.EnabledForTemplateDeployment}, {in.EnableRBACAuthorization, &p.EnableRBACAuthorization},
	} {
		if flag.from != nil {
			*flag.to = *flag.from
		}
	}
	if d.Tags != nil {
		if len(*d.Tags) > 15 {
			return bad("A vault can have at most 15 tags.")
		}
		for name, value := range *d.Tags {
			if len(name) > 512 || len(value) > 256 {
				return bad("A tag's name can have at most 512 characters and its value 256.")
			}
		}
		v.Tags = *d.Tags
	}
	touch(r, v)
	return nil
}

func checkNetwork(acl admin.NetworkACL) (admin.NetworkACL, error) {
	switch strings.ToLower(acl.Bypass) {
	case "", "azureservices":
		acl.Bypass = "AzureServices"
	case "none":
		acl.Bypass = "None"
	default:
		return acl, bad("networkAcls.bypass is AzureServices or None.")
	}
	switch strings.ToLower(acl.DefaultAction) {
	case "", "allow":
		acl.DefaultAction = "Allow"
	case "deny":
		acl.DefaultAction = "Deny"
	default:
		return acl, bad("networkAcls.defaultAction is Allow or Deny.")
	}
	if len(acl.IPRules) > 1000 || len(acl.VirtualNetworkRules) > 200 {
		return acl, bad("networkAcls can have at most 1000 ipRules and 200 virtualNetworkRules.")
	}
	for _, rule := range acl.IPRules {
		if _, err := netip.ParseAddr(rule.Value); err != nil {
			if _, err := netip.ParsePrefix(rule.Value); err != nil {
				return acl, bad("networkAcls.ipRules: '%.80s' is neither an address nor a range in CIDR notation.", rule.Value)
			}
		}
	}
	if acl.IPRules == nil {
		acl.IPRules = []admin.NetworkAddress{}
	}
	if acl.VirtualNetworkRules == nil {
		acl.VirtualNetworkRules = []admin.NetworkSubnet{}
	}
	return acl, nil
}

// checkPolicies returns policies as they are stored.
func checkPolicies(v keystore.Vault, policies []admin.Policy) ([]admin.Policy, error) {
	if len(policies) > maxPolicies {
		return nil, bad("A vault can have at most %d access policies.", maxPolicies)
	}
	out := []admin.Policy{}
	for _, p := range policies {
		if !strings.EqualFold(p.TenantID, v.Properties.TenantID) {
			return nil, bad("An access policy's tenantId must be the vault's, '%s'.", v.Properties.TenantID)
		}
		if p.ObjectID == "" {
			return nil, bad("An access policy must name an objectId.")
		}
		if slices.ContainsFunc(out, sameAs(p)) {
			return nil, bad("There are several access policies for the object ID '%.80s'.", p.ObjectID)
		}
		p.TenantID = v.Properties.TenantID
		p.Permissions.Keys = slices.Clone(p.Permissions.Keys)
		for i, given := range p.Permissions.Keys {
			at := slices.IndexFunc(permissions, func(known string) bool { return strings.EqualFold(known, given) })
			if at < 0 {
				return nil, bad("'%.80s' is not a permission on keys; those are %s.", given, strings.Join(permissions, ", "))
			}
			p.Permissions.Keys[i] = permissions[at]
		}
		out = append(out, p)
	}
	return out, nil
}

// merge is how one policy of an edit changes the one in place; the second
// result tells whether a policy remains.
type merge func(old, edit admin.Permissions) (admin.Permissions, bool)

func add(old, edit admin.Permissions) (admin.Permissions, bool) {
	return each(old, edit, func(a, b []string) []string {
		return append(slices.DeleteFunc(slices.Clone(a), func(s string) bool { return has(b, s) }), b...)
	}), true
}

func replace(_, edit admin.Permissions) (admin.Permissions, bool) { return edit, true }

func remove(old, edit admin.Permissions) (admin.Permissions, bool) {
	left := each(old, edit, func(a, b []string) []string {
		return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return has(b, s) || has(b, "all") })
	})
	return left, len(left.Keys)+len(left.Secrets)+len(left.Certificates)+len(left.Storage) > 0
}

func has(list []string, s string) bool {
	return slices.ContainsFunc(list, func(t string) bool { return strings.EqualFold(s, t) })
}

func each(a, b admin.Permissions, f func(a, b []string) []string) admin.Permissions {
	return admin.Permissions{Keys: f(a.Keys, b.Keys), Secrets: f(a.Secrets, b.Secrets), Certificates: f(a.Certificates, b.Certificates), Storage: f(a.Storage, b.Storage)}
}

// edit changes the policies of the principals that the body names.
func (f *Face) edit(m merge) func(context.Context, admin.Request) (outcome, error) {
	return func(ctx context.Context, r admin.Request) (outcome, error) {
		d, err := parse(r.Body)
		if err != nil {
			return outcome{}, err
		}
		if d.Properties.AccessPolicies == nil {
			return outcome{}, bad("The parameter properties.accessPolicies is required.")
		}
		return f.change(ctx, r, func(v *keystore.Vault) error {
			edits, err := checkPolicies(*v, *d.Properties.AccessPolicies)
			if err != nil {
				return err
			}
			policies := slices.Clone(v.Properties.AccessPolicies)
			for _, e := range edits {
				at := slices.IndexFunc(policies, sameAs(e))
				old := admin.Policy{TenantID: e.TenantID, ObjectID: e.ObjectID, ApplicationID: e.ApplicationID}
				if at >= 0 {
					old = policies[at]
					policies = slices.Delete(policies, at, at+1)
				}
				var stays bool
				if old.Permissions, stays = m(old.Permissions, e.Permissions); stays {
					policies = append(policies, old)
				}
			}
			if len(policies) > maxPolicies {
				return admin.Refuse(http.StatusBadRequest, "BadRequest", "A vault can have at most %d access policies.", maxPolicies)
			}
			v.Properties.AccessPolicies = policies
			return nil
		})
	}
}

// sameAs finds policies for the principal of p.
func sameAs(p admin.Policy) func(admin.Policy) bool {
	return func(q admin.Policy) bool {
		return strings.EqualFold(p.ObjectID, q.ObjectID) && strings.EqualFold(p.ApplicationID, q.ApplicationID)
	}
}
