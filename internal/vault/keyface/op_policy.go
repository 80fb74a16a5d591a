package keyface

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keystore"
)

// policy is a rotation policy as a client writes and reads it.
type policy struct {
	ID      string           `json:"id,omitempty"`
	Actions []lifetimeAction `json:"lifetimeActions"`
	Attr    policyAttributes `json:"attributes"`
}

type lifetimeAction struct {
	Trigger struct {
		AfterCreate  string `json:"timeAfterCreate,omitempty"`
		BeforeExpiry string `json:"timeBeforeExpiry,omitempty"`
	} `json:"trigger"`
	Action struct {
		Type string `json:"type"`
	} `json:"action"`
}

type policyAttributes struct {
	Expiry  *string `json:"expiryTime"`
	Created *int64  `json:"created,omitempty"`
	Updated *int64  `json:"updated,omitempty"`
}

// defaultNotify is when a key without a policy would be told of: it is shown,
// as clients expect, and stored nowhere.
const defaultNotify = "P30D"

func (c *call) getPolicy(url.Values) (any, error) {
	var k keystore.Key
	err := c.Store.View(c.ctx, func(t *keystore.Tx) (err error) {
		k, err = live(t, c.vault, c.target.name)
		return err
	})
	return c.policy(k), err
}

func (c *call) policy(k keystore.Key) policy {
	p := policy{ID: c.kid(k.Name, "") + "/rotationpolicy", Actions: []lifetimeAction{}}
	r := k.Rotation
	if r == nil {
		r = &keystore.RotationPolicy{NotifyBefore: defaultNotify}
	} else {
		p.Attr.Created, p.Attr.Updated = &r.Created, &r.Updated
	}
	if r.Expiry != "" {
		p.Attr.Expiry = &r.Expiry
	}
	for _, a := range []struct{ kind, after, before string }{{"Rotate", r.AfterCreate, r.BeforeExpiry}, {"Notify", r.NotifyAfter, r.NotifyBefore}} {
		if a.after != "" || a.before != "" {
			var l lifetimeAction
			l.Action.Type, l.Trigger.AfterCreate, l.Trigger.BeforeExpiry = a.kind, a.after, a.before
			p.Actions = append(p.Actions, l)
		}
	}
	return p
}

func (c *call) putPolicy(url.Values) (any, error) {
	b, err := body[policy](c)
	if err != nil {
		return nil, err
	}
	r, err := b.rotation()
	if err != nil {
		return nil, err
	}
	var k keystore.Key
	err = c.Store.Update(c.ctx, func(t *keystore.Tx) (err error) {
		if k, err = live(t, c.vault, c.target.name); err != nil {
			return err
		}
		now := time.Now().Unix()
		r.Created, r.Updated = now, now
		if k.Rotation != nil {
			r.Created = k.Rotation.Created
		}
		k.Rotation = &r
		return t.PutKey(k)
	})
	if err != nil {
		return nil, err
	}
	c.changed(admin.PolicyUpdated, k.Name, "")
	return c.policy(k), nil
}

// rotation checks a policy and returns it as it is stored.
func (p policy) rotation() (keystore.RotationPolicy, error) {
	var r keystore.RotationPolicy
	var rotates, notifies int
	for _, a := range p.Actions {
		t := a.Trigger
		if (t.AfterCreate == "") == (t.BeforeExpiry == "") {
			return r, bad("Each lifetime action has one trigger: timeAfterCreate or timeBeforeExpiry.")
		}
		d, err := parseDuration(t.AfterCreate + t.BeforeExpiry)
		if err != nil {
			return r, err
		}
		if d.shorterThan(7) {
			return r, bad("A lifetime action's trigger must be at least P7D, not %q.", t.AfterCreate+t.BeforeExpiry)
		}
		switch strings.ToLower(a.Action.Type) {
		case "rotate":
			rotates++
			r.AfterCreate, r.BeforeExpiry = t.AfterCreate, t.BeforeExpiry
		case "notify":
			notifies++
			r.NotifyAfter, r.NotifyBefore = t.AfterCreate, t.BeforeExpiry
		default:
			return r, bad("A lifetime action's type is Rotate or Notify, not %q.", clip(a.Action.Type))
		}
	}
	if rotates > 1 || notifies > 1 {
		return r, bad("A rotation policy has at most one Rotate and one Notify action.")
	}
	if p.Attr.Expiry != nil && *p.Attr.Expiry != "" {
		d, err := parseDuration(*p.Attr.Expiry)
		if err != nil {
			return r, err
		}
		if d.shorterThan(28) {
			return r, bad("expiryTime must be at least P28D, not %q.", *p.Attr.Expiry)
		}
		r.Expiry = *p.Attr.Expiry
	}
	if r.BeforeExpiry != "" && r.Expiry == "" {
		return r, bad("A Rotate action with timeBeforeExpiry needs attributes.expiryTime.")
	}
	return r, nil
}

// duration is an ISO 8601 duration of whole days, as the calendar has them.
type duration struct{ years, months, days int }

var durationRule = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^P(?:([0-9]{1,3})Y)?(?:([0-9]{1,3})M)?(?:([0-9]{1,3})W)?(?:([0-9]{1,4})D)?$`)
})

func parseDuration(s string) (duration, error) {
	m := durationRule().FindStringSubmatch(s)
	if m == nil || s == "P" {
		return duration{}, bad("%q is not a duration of days, months or years such as P90D, P18M or P2Y.", clip(s))
	}
	n := func(i int) int { v, _ := strconv.Atoi(m[i]); return v } // "" is 0; the rest is digits
	return duration{n(1), n(2), 7*n(3) + n(4)}, nil
}

func (d duration) after(t time.Time) time.Time { return t.AddDate(d.years, d.months, d.days) }

func (d duration) before(t time.Time) time.Time { return t.AddDate(-d.years, -d.months, -d.days) }

func (d duration) shorterThan(days int) bool { return d.years*365+d.months*28+d.days < days }
