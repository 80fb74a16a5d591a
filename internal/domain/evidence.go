package domain

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/control"
	"logkeep/internal/inventory"
	"logkeep/internal/keyring"
	"logkeep/internal/schema"
	"logkeep/internal/wrap"
)

// amount counts sealed objects.
type amount struct {
	objects int
	bytes   int64
}

func (a *amount) add(bytes int64) { a.objects, a.bytes = a.objects+1, a.bytes+bytes }

// An estate is one account as it lies in the catalog and on the disk.
type estate struct {
	catalog.Account
	records  []wrap.Record
	segments map[uint32]amount // by generation
	journals map[uint32]amount
	spools   map[uint32]amount
	unlisted amount // objects that the catalog does not name: being written, or left by a crash
}

// estates lists the accounts of a key domain, all in one state of the catalog.
func (d *Domains) estates(ctx context.Context, domain schema.ClusterID) (all []estate, l leaf, err error) {
	named := map[string]bool{}
	err = d.cfg.Catalog.View(ctx, func(tx *catalog.Tx) error {
		if l, err = readLeaf(ctx, tx, domain); err != nil {
			return err
		}
		accounts, err := tx.Accounts(ctx, domain)
		if err != nil {
			return err
		}
		for _, a := range accounts {
			e := estate{Account: a, segments: map[uint32]amount{}, journals: map[uint32]amount{}, spools: map[uint32]amount{}}
			if e.records, err = readRecords(ctx, tx, a.ID); err != nil {
				return err
			}
			segments, err := tx.Segments(ctx, a.ID)
			if err != nil {
				return err
			}
			for _, s := range segments {
				n := e.segments[s.Generation]
				n.add(s.Bytes)
				e.segments[s.Generation] = n
				named[string(s.ID)] = true
			}
			all = append(all, e)
		}
		return nil
	})
	if err != nil {
		return nil, l, err
	}
	for i := range all {
		files, err := d.files(ctx, all[i].Account)
		if err != nil {
			return nil, l, err
		}
		for _, f := range files {
			switch {
			case f.Kind == inventory.Journal:
				n := all[i].journals[f.Generation]
				n.add(f.Bytes)
				all[i].journals[f.Generation] = n
			case f.Kind == inventory.Spool:
				n := all[i].spools[f.Generation]
				n.add(f.Bytes)
				all[i].spools[f.Generation] = n
			case !named[f.Name]:
				all[i].unlisted.add(f.Bytes)
			}
		}
	}
	return all, l, nil
}

// of is what is sealed with the key of a record.
func (e estate) of(r wrap.Record) (sum amount) {
	for _, other := range e.records {
		if other.Generation == r.Generation || r.Layer == wrap.Outer && other.Layer == wrap.Inner {
			for _, n := range [...]amount{e.segments[other.Generation], e.journals[other.Generation], e.spools[other.Generation]} {
				sum.objects += n.objects
				sum.bytes += n.bytes
			}
		}
	}
	return sum
}

// layers are the words for them.
var layers = map[wrap.Layer]string{wrap.Sole: "Only", wrap.Inner: "Inner", wrap.Outer: "Outer"}

// Census counts what each key version is needed for by a cluster. Whether one
// may be disabled is decided by the wraps alone, of every cluster.
func (d *Domains) Census(ctx context.Context, c control.Cluster) (control.Census, error) {
	all, l, err := d.estates(ctx, c.ClusterID)
	if err != nil {
		return control.Census{}, fmt.Errorf("census of cluster %s: %w", c.ID.Name(), err)
	}
	s := d.ring.Status(c.ClusterID)
	service := d.ring.Status(schema.ServiceCluster)
	census := control.Census{Cluster: c.ID.String(), At: time.Now().UTC().Truncate(time.Second), State: s.State.String(), Keys: []control.KeyUse{}}
	uses := map[string]*control.KeyUse{}
	use := func(kid string) *control.KeyUse {
		u := uses[kid]
		if u == nil {
			u = &control.KeyUse{KID: kid, Holder: control.HeldByCustomer, LastUsed: l.Used[kid], Wraps: []control.KeyWrap{}}
			uses[kid] = u
		}
		return u
	}
	for kid := range l.Used {
		use(kid)
	}
	if canary, err := l.kid(); err != nil {
		return control.Census{}, fmt.Errorf("census of cluster %s: %w", c.ID.Name(), err)
	} else if !canary.IsZero() {
		u := use(canary.String())
		u.Canary = true
		if s.LastUnwrap.After(u.LastUsed) {
			u.LastUsed = s.LastUnwrap.UTC().Truncate(time.Second)
		}
	}
	for _, e := range all {
		counted := map[string]map[uint32]bool{} // of this account, by key version: two layers may need one version
		for _, r := range e.records {
			n := e.of(r)
			u := use(r.KID.String())
			u.Wraps = append(u.Wraps, control.KeyWrap{
				Account: e.ID, Workspace: e.Workspace, Generation: r.Generation, Layer: layers[r.Layer], Created: r.Created, Objects: n.objects, Bytes: n.bytes,
			})
			if counted[u.KID] == nil {
				counted[u.KID] = map[uint32]bool{}
			}
			for _, other := range e.records {
				if other.Layer == wrap.Outer || counted[u.KID][other.Generation] || other.Generation != r.Generation && (r.Layer != wrap.Outer || other.Layer != wrap.Inner) {
					continue
				}
				counted[u.KID][other.Generation] = true
				m := e.of(other)
				u.Objects += m.objects
				u.Bytes += m.bytes
			}
		}
	}
	backups, err := d.backupsUnder(ctx)
	if err != nil {
		return control.Census{}, fmt.Errorf("census of cluster %s: %w", c.ID.Name(), err)
	}
	for _, kid := range slices.Sorted(maps.Keys(uses)) {
		u := uses[kid]
		if d.isService(kid) {
			u.Holder = control.HeldByService
			u.Current = kid == service.Version.String()
		} else {
			u.Current = kid == s.Version.String()
		}
		users, err := d.cfg.Catalog.KeyUsers(ctx, kid)
		if err != nil {
			return control.Census{}, err
		}
		u.SafeToDisable, u.Reason = d.verdict(c.ClusterID, s.State, *u, users)
		if u.Backups = len(backups[kid]); u.SafeToDisable && u.Backups > 0 {
			u.SafeToDisable = false
			u.Reason = fmt.Sprintf("nothing here needs it, but %d backups do, the newest of %s; they close when it is disabled", u.Backups, backups[kid][0].At.Format(time.RFC3339))
		}
		census.Keys = append(census.Keys, *u)
	}
	slices.SortStableFunc(census.Keys, func(a, b control.KeyUse) int {
		rank := func(u control.KeyUse) int {
			n := 0
			if u.Holder == control.HeldByService {
				n += 2
			}
			if len(u.Wraps) == 0 && !u.Current {
				n++
			}
			return n
		}
		return cmp.Compare(rank(a), rank(b))
	})
	return census, nil
}

// KeyEvents lists what happened to a cluster's key, newest first.
func (d *Domains) KeyEvents(ctx context.Context, c control.Cluster) (control.KeyEvents, error) {
	events := control.KeyEvents{Cluster: c.ID.String(), Value: []control.KeyEvent{}}
	err := d.cfg.Catalog.View(ctx, func(tx *catalog.Tx) error {
		l, err := readLeaf(ctx, tx, c.ClusterID)
		events.Value = append(events.Value, l.Events...)
		return err
	})
	slices.Reverse(events.Value)
	return events, err
}

// verdict tells whether a key version may be disabled, and why.
func (d *Domains) verdict(cluster schema.ClusterID, state keyring.State, u control.KeyUse, users []schema.ClusterID) (safe bool, reason string) {
	others := slices.DeleteFunc(users, func(id schema.ClusterID) bool { return id == cluster })
	switch {
	case len(u.Wraps) > 0:
		return false, fmt.Sprintf("%d wrapped keys, and %d objects with %d bytes behind them, can't be read without it", len(u.Wraps), u.Objects, u.Bytes)
	case u.Canary || u.Current:
		return false, "it is the version in use"
	case len(others) == 1 && others[0] == schema.ServiceCluster || len(others) > 0 && u.Holder == control.HeldByService:
		return false, "other data of this installation need it"
	case len(others) > 0:
		return false, fmt.Sprintf("this cluster does not need it, but cluster %s does", d.name(others[0]))
	case state == keyring.Damaged:
		return false, "the cluster's key records are damaged; repair them first: the ones in a backup may need it"
	}
	return true, fmt.Sprintf("nothing here needs it since %s; only copies of the catalog from before that do", u.LastUsed.Format(time.RFC3339))
}

// isService reports whether a key version is the service's own.
func (d *Domains) isService(kid string) bool {
	id := d.cfg.Service.ID()
	prefix := id.VaultURI + "/keys/" + id.Name + "/"
	return len(kid) > len(prefix) && kid[:len(prefix)] == prefix
}

// Coverage lists what lies at rest for a cluster, under which keys, and what
// of it is in the clear.
func (d *Domains) Coverage(ctx context.Context, c control.Cluster) (control.Coverage, error) {
	all, _, err := d.estates(ctx, c.ClusterID)
	if err != nil {
		return control.Coverage{}, fmt.Errorf("coverage of cluster %s: %w", c.ID.Name(), err)
	}
	out := control.Coverage{Cluster: c.ID.String(), At: time.Now().UTC().Truncate(time.Second), Data: []control.Covered{}}
	for _, e := range all {
		outer := ""
		newest := control.Covered{}
		for _, r := range e.records {
			if r.Layer == wrap.Outer {
				outer = r.KID.String()
			}
		}
		for _, r := range e.records {
			if r.Layer == wrap.Outer {
				continue
			}
			row := control.Covered{Account: e.ID, Workspace: e.Workspace, Generation: r.Generation, Key: r.KID.String(), Layers: 1}
			if r.Layer == wrap.Inner {
				row.Layers, row.OuterKey = 2, outer
			}
			for _, of := range [...]struct {
				kind string
				n    amount
			}{{inventory.Segment, e.segments[r.Generation]}, {inventory.Journal, e.journals[r.Generation]}, {inventory.Spool, e.spools[r.Generation]}} {
				if of.n.objects > 0 {
					row.Kind, row.Objects, row.Bytes = of.kind, of.n.objects, of.n.bytes
					out.Data = append(out.Data, row)
				}
			}
			newest = row
		}
		if e.unlisted.objects > 0 { // under the newest generation, or, being merged, an older one
			newest.Kind, newest.Objects, newest.Bytes = inventory.Partial, e.unlisted.objects, e.unlisted.bytes
			out.Data = append(out.Data, newest)
		}
	}
	if d.cfg.Witness != nil {
		out.Witness = d.cfg.Witness.Told()
		out.RollbackNoticed = !out.Witness.At.IsZero()
	}
	out.Storage, out.HotCache = d.lies()
	for _, k := range inventory.Kinds() {
		out.Kinds = append(out.Kinds, control.AtRest{Kind: k.Name, Where: k.Pattern, What: k.What, SealedWith: string(k.Seal), Clear: k.Clear, Why: k.Why})
	}
	return out, nil
}
