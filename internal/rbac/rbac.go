// Package rbac decides who may do what: role definitions, role assignments
// and the decision over both.
//
// # The rule
//
// A caller may do an action at a scope if some assignment names the caller,
// stands at the scope or above it, and gives a role of which one permission
// has the action among its actions and not among its notActions. Data actions
// (reading keys, writing rows) are looked for in dataActions and notDataActions
// alone: Owner, who has every action, has no data action. Everything else is
// denied: a caller who is not or no longer in the directory, an unknown role, subscription or tenant, a scope that is no
// resource id, an action with a wildcard in it.
//
// A pattern is compared without regard to case; its * stands for any text,
// slashes included. A caller of one tenant has no rights in the subscriptions
// of another. A token from outside speaks for outside principals only, and one of
// the directory's own issuer for none of them.
//
// # Freshness
//
// Decisions are made on a copy of the book that is dropped as soon as the
// book's revision moves, so a decision that starts after a change was answered
// sees the change. There is no cache of decisions.
package rbac

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// A Kind says what a caller is, in the words of systemData.
type Kind string

// The kinds of callers.
const (
	Application     Kind = "Application"
	ManagedIdentity Kind = "ManagedIdentity"
	User            Kind = "User" // only from outside: the directory has none
)

// A Caller is who sent a request, as a verified token says. The zero Caller is
// nobody and may do nothing.
type Caller struct {
	Tenant   schema.TenantID
	ObjectID string
	AppID    string
	Kind     Kind
	Outside  string // the issuer of an outside principal's token; "" the directory's own
}

// A Permission is what a role allows: actions less notActions, and data
// actions less notDataActions.
type Permission struct {
	Actions        []string `json:"actions"`
	NotActions     []string `json:"notActions"`
	DataActions    []string `json:"dataActions"`
	NotDataActions []string `json:"notDataActions"`
}

// A Definition is a role: built in, or custom to the tenant that made it.
type Definition struct {
	Name             string // a lower-case guid
	RoleName         string
	Description      string
	Custom           bool
	Tenant           schema.TenantID // of a custom role
	Permissions      []Permission
	AssignableScopes []resource.ID
	Created, Updated time.Time // of a custom role
	CreatedBy        string
	UpdatedBy        string
}

// An Assignment gives a principal a role at a scope and below.
type Assignment struct {
	Name          string // a lower-case guid
	Scope         resource.ID
	Tenant        schema.TenantID
	Role          string // the definition's name
	Principal     string // object id
	PrincipalType string // as given, default ServicePrincipal
	Description   string
	Created       time.Time
	Updated       time.Time
	CreatedBy     string
	UpdatedBy     string
}

// ID is the resource id of a.
func (a Assignment) ID() resource.ID { return a.Scope.Resource(resource.RoleAssign, a.Name) }

// Roles is a consistent state of a book.
type Roles struct {
	Assignments []Assignment
	Custom      []Definition
	Tenants     map[string]schema.TenantID // of subscriptions, by lower-case id
	Principals  map[string]schema.TenantID // of everybody there is, by lower-case object id
	Outside     map[string]bool            // those of them that only a trusted issuer's tokens speak for
}

// A Book keeps assignments and custom definitions. Writes are durable when
// they return. The package's faults come from its methods where their comments
// say so; other errors are the book's own.
type Book interface {
	// Roles returns everything, of one moment.
	Roles(ctx context.Context) (Roles, error)
	// RolesRevision grows with every change that Roles would show; the change
	// is visible to Roles before the number grows, and the number has grown
	// before the change is acknowledged.
	RolesRevision() uint64
	// ChangeRoles runs f on the present state, alone, and stores what it
	// returns. An error of f is returned as it is and nothing changes.
	ChangeRoles(ctx context.Context, f func(Roles) (Change, error)) error
}

// A Change is what to write to a book and what to remove from it.
type Change struct {
	Put              []Assignment
	Remove           []Assignment
	PutDefinition    []Definition
	RemoveDefinition []Definition
}

// An Authority decides. It is safe for concurrent use.
type Authority struct {
	book   Book
	reload sync.Mutex
	state  atomic.Pointer[state]
}

// New returns the authority over a book.
func New(book Book) *Authority { return &Authority{book: book} }

// Decide reports whether the caller may do the action at the scope, a resource
// id; data says that it is a data action. An error means that the book could
// not be read, and is no permission.
func (a *Authority) Decide(ctx context.Context, caller Caller, action string, data bool, scope string) (bool, error) {
	id, err := resource.Parse(scope)
	if err != nil || caller.ObjectID == "" || caller.Tenant == "" || action == "" || strings.Contains(action, "*") {
		return false, nil
	}
	s, err := a.current(ctx)
	if err != nil {
		return false, err
	}
	return s.allows(caller, strings.ToLower(action), data, id), nil
}

// current returns the state of the book, read again if it has changed.
func (a *Authority) current(ctx context.Context) (*state, error) {
	if s := a.state.Load(); s != nil && s.revision == a.book.RolesRevision() {
		return s, nil
	}
	a.reload.Lock()
	defer a.reload.Unlock()
	revision := a.book.RolesRevision() // before reading: a change meanwhile makes the copy old, never new
	if s := a.state.Load(); s != nil && s.revision == revision {
		return s, nil
	}
	roles, err := a.book.Roles(ctx)
	if err != nil {
		return nil, err
	}
	s := compile(roles, revision)
	a.state.Store(s)
	return s, nil
}
