package control

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"sync"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// An Endpoint is a data collection endpoint: a host name to which rows are sent.
type Endpoint struct {
	ID       resource.ID       `json:"-"`
	Tenant   schema.TenantID   `json:"-"`
	Location string            `json:"-"`
	Tags     map[string]string `json:"-"`
	ETag     resource.ETag     `json:"-"`
	Created  time.Time         `json:"-"`
	Modified time.Time         `json:"-"`

	ImmutableID string `json:"immutableId"`
	Label       string `json:"label"` // first label of the host name, unique in the service
	Kind        string `json:"kind,omitempty"`
	Description string `json:"description,omitempty"`
	Network     string `json:"network"` // publicNetworkAccess
}

func endpointOf(res catalog.Resource) (Endpoint, error) {
	var e Endpoint
	if err := decode(res, &e); err != nil {
		return Endpoint{}, err
	}
	id, err := idOf(res)
	e.ID, e.Tenant, e.Location, e.Tags, e.ETag = id, res.Tenant, res.Location, res.Tags, resource.ETag(res.ETag)
	e.Created, e.Modified = res.Created, res.Modified
	return e, err
}

// Endpoint returns a data collection endpoint.
func (s *Service) Endpoint(ctx context.Context, id resource.ID) (Endpoint, error) {
	return get(ctx, s.cat.Records, id, endpointOf)
}

// Endpoints returns the endpoints within a scope, in the order of their ids.
func (s *Service) Endpoints(ctx context.Context, scope resource.ID) ([]Endpoint, error) {
	return list(ctx, s.cat.Records, scope, resource.Endpoint, endpointOf)
}

func get[T any](ctx context.Context, r catalog.Records, id resource.ID, read func(catalog.Resource) (T, error)) (T, error) {
	res, err := r.Get(ctx, id.String())
	if errors.Is(err, catalog.ErrNotFound) {
		var none T
		return none, fault.New(fault.ResourceNotFound, "The Resource '%s/%s' under resource group '%s' was not found.", id.Type(), id.Name(), id.Group())
	}
	if err != nil {
		var none T
		return none, err
	}
	return read(res)
}

// An EndpointChange is what a PUT or PATCH asks for. What is nil stays.
type EndpointChange struct {
	Location    *string
	Tags        map[string]string
	Kind        *string
	Description *string
	Network     *string
}

var collectionName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}[A-Za-z0-9_]$`) })

// PutEndpoint creates an endpoint, or changes what the change names.
func (s *Service) PutEndpoint(ctx context.Context, id resource.ID, ch EndpointChange) (e Endpoint, created bool, err error) {
	return s.writeEndpoint(ctx, id, ch, true)
}

// PatchEndpoint changes what the change names.
func (s *Service) PatchEndpoint(ctx context.Context, id resource.ID, ch EndpointChange) (Endpoint, error) {
	e, _, err := s.writeEndpoint(ctx, id, ch, false)
	return e, err
}

func (s *Service) writeEndpoint(ctx context.Context, id resource.ID, ch EndpointChange, create bool) (e Endpoint, created bool, err error) {
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		e, err = get(ctx, tx.Records, id, endpointOf)
		if created = create && errors.Is(err, fault.ResourceNotFound); created {
			e, err = Endpoint{ID: id, ImmutableID: "dce-" + randomHex(), Network: "Enabled"}, nil
			if !collectionName().MatchString(id.Name()) {
				return fault.New(fault.InvalidResourceName, "The name '%.80s' isn't valid. It has 2 to 64 letters, digits, hyphens, underscores and dots and begins with a letter or digit.", id.Name()).WithTarget("name")
			}
			if _, err := s.place(ctx, tx.Records, id); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		var where *fault.Error
		e.Location, where = locate(id, e.Location, ch.Location)
		wrong := []*fault.Error{where, applyTags(ch.Tags)}
		if ch.Tags != nil {
			e.Tags = ch.Tags
		}
		if ch.Kind != nil {
			e.Kind = *ch.Kind
		}
		if ch.Description != nil {
			e.Description = *ch.Description
		}
		if ch.Network != nil && !strings.EqualFold(*ch.Network, "Enabled") {
			wrong = append(wrong, fault.New(fault.InvalidParameter, "properties.networkAcls.publicNetworkAccess must be Enabled: private links are not supported.").WithTarget("properties.networkAcls.publicNetworkAccess"))
		}
		if err := fault.Join(wrong...); err != nil {
			return err
		}
		if created {
			if e.Label, err = s.label(ctx, tx, id.Name()); err != nil {
				return err
			}
		}
		res, err := record(id, e.Location, e.Tags, e)
		if err != nil {
			return err
		}
		if res, err = tx.Put(ctx, res, catalog.Always()); err != nil {
			return err
		}
		e, err = endpointOf(res)
		return err
	})
	return e, created, err
}

// label chooses a host label that is free: the name itself, if it can be one.
func (s *Service) label(ctx context.Context, tx *catalog.Tx, name string) (string, error) {
	wish := strings.Trim(strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name)), "-")
	if len(wish) > 56 {
		wish = strings.TrimRight(wish[:56], "-")
	}
	for label := wish; ; label = wish + "-" + randomHex()[:4] {
		if label == "" {
			continue
		}
		if taken, err := tx.Find(ctx, catalog.Label, label); err != nil || len(taken) == 0 {
			return label, err
		}
	}
}

// DeleteEndpoint deletes an endpoint that no rule uses. found is false if
// there is none.
func (s *Service) DeleteEndpoint(ctx context.Context, id resource.ID) (found bool, err error) {
	return s.remove(ctx, id, func(tx *catalog.Tx) error {
		rules, err := list(ctx, tx.Records, resource.Root(), resource.Rule, ruleOf)
		if err != nil {
			return err
		}
		for _, r := range rules {
			if r.Endpoint.Equal(id) {
				return fault.New(fault.Conflict, "The data collection endpoint '%s' is used by the data collection rule '%s'. Delete the rule first, or give it another endpoint.", id.Name(), r.ID)
			}
		}
		return nil
	})
}

// remove deletes a resource if may agrees.
func (s *Service) remove(ctx context.Context, id resource.ID, may func(tx *catalog.Tx) error) (found bool, err error) {
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		if _, err := tx.Get(ctx, id.String()); err != nil {
			return err
		}
		if err := may(tx); err != nil {
			return err
		}
		if _, err := tx.DeleteBelow(ctx, id.String()); err != nil {
			return err
		}
		return tx.Delete(ctx, id.String(), catalog.Always())
	})
	if errors.Is(err, catalog.ErrNotFound) {
		return false, nil
	}
	return true, err
}

func randomHex() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
