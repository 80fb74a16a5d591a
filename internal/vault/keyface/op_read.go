package keyface

import (
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"time"

	"logkeep/internal/vault/keystore"
)

// maxResults is the most that a page of a list holds.
const maxResults = 25

// live reads the key and the version that the call is about.
func (c *call) live() (k keystore.Key, v keystore.Version, err error) {
	err = c.Store.View(c.ctx, func(t *keystore.Tx) (err error) {
		k, v, err = liveVersion(t, c.vault, c.target.name, c.target.version)
		return err
	})
	return k, v, err
}

func (c *call) get(url.Values) (any, error) {
	k, v, err := c.live()
	if err != nil {
		return nil, err
	}
	return c.bundle(k, v)
}

func (c *call) list(q url.Values) (any, error) {
	return c.page(q, func(k keystore.Key) bool { return k.Deleted == nil })
}

func (c *call) listDeleted(q url.Values) (any, error) {
	now := time.Now()
	return c.page(q, func(k keystore.Key) bool { return k.Deleted != nil && !k.Deleted.Over(now) })
}

// page lists keys that pass, by name, each with its newest version's
// attributes.
func (c *call) page(q url.Values, pass func(keystore.Key) bool) (any, error) {
	limit, after, err := paging(q)
	if err != nil {
		return nil, err
	}
	p := page{Value: []item{}}
	err = c.Store.View(c.ctx, func(t *keystore.Tx) error {
		for {
			keys, err := t.Keys(c.vault.UID, keystore.KeyName(after), 2*maxResults)
			if err != nil {
				return err
			}
			for _, k := range keys {
				if !pass(k) {
					continue
				}
				if len(p.Value) == limit { // and there is one more
					p.Next = c.next("/"+c.target.collection, limit, after)
					return nil
				}
				v, err := t.Version(k, "")
				if err != nil {
					return err
				}
				p.Value, after = append(p.Value, item{c.kid(k.Name, ""), c.attributes(v), v.Tags, c.deletion(k)}), string(k.Name)
			}
			if len(keys) < 2*maxResults {
				return nil
			}
			after = string(keys[len(keys)-1].Name)
		}
	})
	return p, err
}

func (c *call) versions(q url.Values) (any, error) {
	limit, after, err := paging(q)
	if err != nil {
		return nil, err
	}
	p := page{Value: []item{}}
	err = c.Store.View(c.ctx, func(t *keystore.Tx) error {
		k, err := live(t, c.vault, c.target.name)
		if err != nil {
			return err
		}
		all, err := t.Versions(k)
		if err != nil {
			return err
		}
		slices.Reverse(all) // oldest first: a new version joins the last page
		if after != "" {
			at := slices.IndexFunc(all, func(v keystore.Version) bool { return string(v.ID) == after })
			all = all[at+1:]
		}
		for _, v := range all {
			if len(p.Value) == limit {
				p.Next = c.next("/keys/"+string(k.Name)+"/versions", limit, after)
				break
			}
			p.Value, after = append(p.Value, item{c.kid(k.Name, v.ID), c.attributes(v), v.Tags, nil}), string(v.ID)
		}
		return nil
	})
	return p, err
}

// paging reads where a list goes on and how many it may have.
func paging(q url.Values) (limit int, after string, err error) {
	limit = maxResults
	if s := q.Get("maxresults"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > maxResults {
			return 0, "", bad("maxresults must be a number from 1 to %d.", maxResults)
		}
	}
	if s := q.Get("$skiptoken"); s != "" {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil || !nameRule().Match(b) {
			return 0, "", bad("$skiptoken is not one that this service gave out.")
		}
		after = string(b)
	}
	return limit, after, nil
}

// next is the address of the page after the one that ends with last.
func (c *call) next(path string, limit int, last string) *string {
	s := c.base + path + "?api-version=" + url.QueryEscape(c.version) +
		"&$skiptoken=" + base64.RawURLEncoding.EncodeToString([]byte(last)) + "&maxresults=" + strconv.Itoa(limit)
	return &s
}

func (c *call) getDeleted(url.Values) (any, error) {
	var k keystore.Key
	var v keystore.Version
	err := c.Store.View(c.ctx, func(t *keystore.Tx) (err error) {
		k, v, err = deleted(t, c.vault, c.target.name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.bundle(k, v)
}

// deleted returns a key that is deleted and can be recovered.
func deleted(t *keystore.Tx, vault keystore.Vault, name keystore.KeyName) (keystore.Key, keystore.Version, error) {
	k, err := t.Key(vault.UID, name)
	if errors.Is(err, keystore.ErrNotFound) || err == nil && (k.Deleted == nil || k.Deleted.Over(time.Now())) {
		return k, keystore.Version{}, deletedKeyNotFound(name)
	}
	if err != nil {
		return k, keystore.Version{}, err
	}
	v, err := t.Version(k, "")
	return k, v, err
}
