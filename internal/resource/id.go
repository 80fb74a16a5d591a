// Package resource holds the words of ARM: resource ids and types,
// provisioning states and etags. It imports nothing of ours.
//
// Ids, types and provider names are compared without regard to case: clients
// write resourceGroups and resourcegroups, microsoft.operationalinsights and
// linkedservices for the same things. An ID remembers the canonical spelling
// of the words that ARM defines and the caller's spelling of names.
package resource

import (
	"fmt"
	"strings"
)

// A Type is a resource type such as Microsoft.OperationalInsights/clusters.
type Type string

// The types we know. Their spelling here is the one that answers carry.
const (
	Tenant        Type = "Microsoft.Resources/tenants"
	Subscription  Type = "Microsoft.Resources/subscriptions"
	Group         Type = "Microsoft.Resources/resourceGroups"
	Cluster       Type = "Microsoft.OperationalInsights/clusters"
	Workspace     Type = "Microsoft.OperationalInsights/workspaces"
	Table         Type = "Microsoft.OperationalInsights/workspaces/tables"
	LinkedService Type = "Microsoft.OperationalInsights/workspaces/linkedServices"
	SavedSearch   Type = "Microsoft.OperationalInsights/workspaces/savedSearches"
	Endpoint      Type = "Microsoft.Insights/dataCollectionEndpoints"
	Rule          Type = "Microsoft.Insights/dataCollectionRules"
	Diagnostic    Type = "Microsoft.Insights/diagnosticSettings"
	Vault         Type = "Microsoft.KeyVault/vaults"
	UserIdentity  Type = "Microsoft.ManagedIdentity/userAssignedIdentities"
	RoleAssign    Type = "Microsoft.Authorization/roleAssignments"
	RoleDefine    Type = "Microsoft.Authorization/roleDefinitions"
)

// known is the spelling table, looked up without regard to case.
var known = []Type{Cluster, Workspace, Table, LinkedService, SavedSearch, Endpoint, Rule, Diagnostic, Vault, UserIdentity, RoleAssign, RoleDefine}

// Equal compares types without regard to case.
func (t Type) Equal(u Type) bool { return strings.EqualFold(string(t), string(u)) }

// Provider is the namespace of t.
func (t Type) Provider() string { p, _, _ := strings.Cut(string(t), "/"); return p }

// canonical gives the known spelling of a full type or of a beginning of one.
func canonical(t string) string {
	for _, k := range known {
		if len(t) <= len(k) && strings.EqualFold(t, string(k[:len(t)])) && (len(t) == len(k) || k[len(t)] == '/') {
			return string(k[:len(t)])
		}
	}
	return t
}

// An ID is a resource id: the tenant ("/"), a subscription, a resource group,
// or a resource, which may be the child or the extension of another. The zero
// ID is none. Compare with Equal; use Key for maps.
type ID struct {
	text string // canonical spelling, starts with "/"
}

// Root is the tenant-wide scope.
func Root() ID { return ID{"/"} }

// SubscriptionID is the id of a subscription.
func SubscriptionID(subscription string) ID {
	return ID{"/subscriptions/" + strings.ToLower(subscription)}
}

// GroupID is the id of a resource group.
func GroupID(subscription, group string) ID {
	return ID{SubscriptionID(subscription).text + "/resourceGroups/" + group}
}

// Parse reads a resource id. Empty segments are ignored, as clients write
// "//subscriptions/…".
func Parse(s string) (ID, error) {
	if !strings.HasPrefix(s, "/") {
		return ID{}, fmt.Errorf("resource id %q does not start with /", clip(s))
	}
	if len(s) > 2048 {
		return ID{}, fmt.Errorf("resource id %q is longer than 2048 characters", clip(s))
	}
	var few [16]string
	rest := segments(few[:0], s)
	for _, p := range rest {
		if !nameable(p) {
			return ID{}, fmt.Errorf("resource id %q has a segment with characters that names can't have", clip(s))
		}
	}
	var short [256]byte // most ids are, and come as they are written
	b := short[:0]
	if len(rest) > 0 && strings.EqualFold(rest[0], "subscriptions") {
		if len(rest) < 2 {
			return ID{}, fmt.Errorf("resource id %q has no subscription after subscriptions", clip(s))
		}
		b = append(append(b, "/subscriptions/"...), strings.ToLower(rest[1])...)
		rest = rest[2:]
		if len(rest) > 0 && strings.EqualFold(rest[0], "resourceGroups") {
			if len(rest) < 2 {
				return ID{}, fmt.Errorf("resource id %q has no name after resourceGroups", clip(s))
			}
			b = append(append(b, "/resourceGroups/"...), rest[1]...)
			rest = rest[2:]
		}
	}
	for len(rest) > 0 {
		if !strings.EqualFold(rest[0], "providers") || len(rest) < 4 {
			return ID{}, fmt.Errorf("resource id %q is not of the form /subscriptions/…/resourceGroups/…/providers/{namespace}/{type}/{name}", clip(s))
		}
		typ := canonical(rest[1])
		b = append(append(b, "/providers/"...), typ...)
		rest = rest[2:]
		for len(rest) > 0 && !strings.EqualFold(rest[0], "providers") {
			if len(rest) < 2 {
				return ID{}, fmt.Errorf("resource id %q has a type without a name", clip(s))
			}
			typ = canonical(typ + "/" + rest[0])
			b = append(append(b, typ[strings.LastIndexByte(typ, '/'):]...), '/')
			b = append(b, rest[1]...)
			rest = rest[2:]
		}
	}
	switch {
	case len(b) == 0:
		return Root(), nil
	case string(b) == s:
		return ID{s}, nil
	}
	return ID{string(b)}, nil
}

// segments appends what stands between slashes and is not empty.
func segments(to []string, s string) []string {
	for s != "" {
		var p string
		if p, s, _ = strings.Cut(s, "/"); p != "" {
			to = append(to, p)
		}
	}
	return to
}

// nameable tells whether an id may have the segment.
func nameable(p string) bool {
	for i := range len(p) {
		switch c := p[i]; {
		case c < ' ':
			return false
		case c == '?', c == '#', c == '\\', c == '<', c == '>', c == '%', c == '&', c == '"':
			return false
		}
	}
	return strings.TrimSpace(p) == p
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

// String is the canonical text.
func (id ID) String() string { return id.text }

// IsZero reports whether id is no id at all.
func (id ID) IsZero() bool { return id.text == "" }

// Key is the same for equal ids; use it in maps and indexes, never show it.
func (id ID) Key() string { return strings.ToLower(id.text) }

// Equal compares without regard to case.
func (id ID) Equal(other ID) bool { return strings.EqualFold(id.text, other.text) }

// Within reports whether id is scope or lies below it.
func (id ID) Within(scope ID) bool {
	if scope.text == "/" {
		return id.text != ""
	}
	n := len(scope.text)
	return n > 0 && len(id.text) >= n && strings.EqualFold(id.text[:n], scope.text) && (len(id.text) == n || id.text[n] == '/')
}

func (id ID) parts() []string { return strings.Split(strings.TrimPrefix(id.text, "/"), "/") }

// Subscription is the subscription's id, or "".
func (id ID) Subscription() string {
	if p := id.parts(); len(p) > 1 && p[0] == "subscriptions" {
		return p[1]
	}
	return ""
}

// Group is the resource group's name, or "".
func (id ID) Group() string {
	if p := id.parts(); len(p) > 3 && p[2] == "resourceGroups" {
		return p[3]
	}
	return ""
}

// GroupID is the id of the resource group that holds id, or the zero ID.
func (id ID) GroupID() ID {
	if g := id.Group(); g != "" {
		return GroupID(id.Subscription(), g)
	}
	return ID{}
}

// Name is the last segment, the resource's own name.
func (id ID) Name() string { return id.text[strings.LastIndexByte(id.text, '/')+1:] }

// Type is the type of the resource.
func (id ID) Type() Type {
	p := id.parts()
	last := -1
	for i := 0; i < len(p); i += 2 { // keywords stand at even places
		if p[i] == "providers" {
			last = i
		}
	}
	switch {
	case last >= 0:
		t := p[last+1]
		for i := last + 2; i+1 < len(p); i += 2 {
			t += "/" + p[i]
		}
		return Type(t)
	case id.Group() != "":
		return Group
	case id.Subscription() != "":
		return Subscription
	}
	return Tenant
}

// Parent is the resource above: of a child its parent, of an extension what
// it extends, of a resource its group, of a group its subscription.
func (id ID) Parent() ID {
	cut := func(s string, n int) string {
		for range n {
			s = s[:max(strings.LastIndexByte(s, '/'), 0)]
		}
		return s
	}
	n := 2
	if p := id.parts(); len(p) >= 4 && p[len(p)-4] == "providers" && len(p)%2 == 0 {
		n = 4
	}
	if s := cut(id.text, n); s != "" {
		return ID{s}
	}
	return Root()
}

// Child is the id of a child of id: typ is the last word of the child's type.
func (id ID) Child(typ, name string) ID { return ID{id.text + "/" + typ + "/" + name} }

// Resource is the id of a resource in the scope id: a resource in a group, or
// an extension of a resource.
func (id ID) Resource(t Type, name string) ID {
	return ID{strings.TrimSuffix(id.text, "/") + "/providers/" + string(t) + "/" + name}
}

// MarshalText writes the canonical text.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.text), nil }

// UnmarshalText reads what Parse reads; empty text is the zero ID.
func (id *ID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID{}
		return nil
	}
	v, err := Parse(string(b))
	if err != nil {
		return err
	}
	*id = v
	return nil
}
