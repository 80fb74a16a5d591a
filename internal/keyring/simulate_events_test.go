package keyring

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
	"logkeep/internal/schema"
)

// tenant is a cluster as it is known to the control plane.
type tenant struct {
	Cluster
	busy bool // a change of its key is under way; guarded by sim.mu
}

// clusters lists all, the service's first. The caller holds mu or is the one
// goroutine that changes them.
func (s *sim) clusters() []Cluster {
	var out []Cluster
	for _, c := range s.tenants {
		out = append(out, c.Cluster)
	}
	return out
}

func (s *sim) cluster(id schema.ClusterID) Cluster {
	for _, c := range s.tenants {
		if c.ID == id {
			return c.Cluster
		}
	}
	return Cluster{}
}

var simPolicies = []Policy{
	DefaultPolicy(),
	{Interval: 6 * time.Second, Timeout: 5 * time.Second, Lease: 17 * time.Second},
	{Interval: 10 * time.Second, Timeout: 5 * time.Second, Lease: 25 * time.Second, Grace: time.Minute},
	{Interval: 20 * time.Second, Timeout: 3 * time.Second, Lease: time.Minute, Grace: 10 * time.Second},
}

// customerKeys are where customers have keys.
var customerKeys = []kek.ID{
	{VaultURI: kektest.URI, Name: "k"}, {VaultURI: kektest.URI, Name: "other"}, {VaultURI: otherURI, Name: "k"},
}

// simulate runs one schedule and tells what happened, and what of it was done
// to the world.
func simulate(t *testing.T, seed uint64) (trace, deeds string) {
	key, err := easyKey()
	if err != nil {
		t.Fatal(err)
	}
	s := &sim{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 2)), integrity: key,
		vaults: map[string]*kektest.Vault{kektest.URI: kektest.New(), otherURI: kektest.NewAt(otherURI), serviceURI: kektest.NewAt(serviceURI)},
		pages:  map[schema.ClusterID]Page{}, notes: map[schema.ClusterID]Verdict{}, held: map[schema.ClusterID]*process{}, tenantOf: map[schema.ClusterID]schema.TenantID{},
	}
	s.judge = newJudge(s)
	for _, id := range customerKeys {
		s.vaults[id.VaultURI].NewKey(id.Name)
	}
	mmk := s.vaults[serviceURI].NewKey("mmk")
	host := theService
	host.Policy = Policy{Interval: time.Minute, Timeout: 5 * time.Second, Lease: 3 * time.Minute, Grace: time.Hour}
	s.tenants = append(s.tenants, &tenant{Cluster: host})
	for i := range 1 + s.rng.IntN(3)*s.rng.IntN(2) {
		id := schema.ClusterID("cde"[i : i+1])
		s.tenants = append(s.tenants, &tenant{Cluster: Cluster{
			ID: id, Tenant: schema.TenantID("t-" + id), Identity: "oid", Policy: simPolicies[s.rng.IntN(len(simPolicies))],
			Accounts: []schema.AccountID{schema.AccountID(id + "-0"), schema.AccountID(id + "-1")}[:1+s.rng.IntN(2)], DoubleEncryption: s.rng.IntN(3) > 0,
		}})
	}
	for _, c := range s.tenants {
		s.tenantOf[c.ID] = c.Tenant
	}
	s.start()
	must(t, s.keeper.ring.SetKey(t.Context(), host.ID, mmk.At("")))
	for _, c := range s.tenants[1:] {
		must(t, s.keeper.ring.Cover(t.Context(), c.ID))
		s.say("cluster %s: %s, %d accounts, %+v", c.ID, s.keeper.ingest(t.Context(), c.ID, c.Accounts[0]), len(c.Accounts), c.Policy)
	}
	for _, c := range s.tenants[1:] {
		if s.rng.IntN(4) > 0 {
			to, _ := s.vaults[kektest.URI].Newest("k")
			if s.rng.IntN(3) > 0 {
				to = to.At("")
			}
			s.say("set key of cluster %s to %s", c.ID, to)
			must(t, s.keeper.ring.SetKey(t.Context(), c.ID, to))
		}
	}
	for range 8 + s.rng.IntN(16) {
		if s.rng.IntN(5) > 0 { // else at the same moment
			time.Sleep(time.Duration(s.rng.Int64N(int64(40*time.Second))) | 1)
		}
		s.look()
		s.event()
		s.look()
		if s.rng.IntN(2) == 0 {
			time.Sleep(time.Duration(s.rng.Int64N(int64(2*time.Second))) | 1)
			s.look()
		}
		if s.ended() {
			break
		}
	}
	if !s.ended() {
		s.heal()
	}
	s.keeper.kill()
	s.keeper.ring.Close()
	s.changes.Wait()
	return s.trace.String(), s.deeds.String()
}

func (s *sim) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.judge.found != ""
}

// event lets one thing happen. What needs a keeper that runs begins with one.
func (s *sim) event() {
	if s.keeper.isDead() {
		s.restart()
		return
	}
	if !s.keeper.runs() {
		s.keeper.resume()
		s.say("the keeper goes on")
		return
	}
	c := s.tenants[1+s.rng.IntN(len(s.tenants)-1)]
	id := customerKeys[s.rng.IntN(len(customerKeys))]
	if set := s.keeper.ring.Status(c.ID).Setting; !set.IsZero() && s.rng.IntN(4) > 0 {
		id = set.At("")
	}
	v := s.vaults[id.VaultURI]
	newest, _ := v.Newest(id.Name)
	faults := []kektest.Fault{
		{Hang: true}, {Drop: true}, {Garbage: true}, {Status: 503, RetryAfter: time.Minute}, {Status: 429, Own: "Throttled"}, {Status: 302}, {Status: 401},
		{Status: 404, Times: 1 + s.rng.IntN(3)}, {Status: 403, Times: 1 + s.rng.IntN(3)}, {Hang: true, Times: 1}, {Status: 400, Own: "BadParameter", Times: 1},
	}
	switch n := s.rng.IntN(46); n {
	case 0, 1:
		v.Enable(newest, false)
		s.say("disable %s", newest)
	case 2, 3, 4:
		v.EnableAll(true)
		s.say("enable everything in %s", id.VaultURI)
	case 5:
		v.Permit(false, "unwrap")
		s.say("nobody may unwrap in %s", id.VaultURI)
	case 6:
		op := []string{"get", "wrap"}[s.rng.IntN(2)]
		v.Permit(false, op)
		s.say("nobody may %s in %s", op, id.VaultURI)
	case 7, 8:
		v.Permit(true, "get", "wrap", "unwrap")
		s.say("everybody may do everything in %s", id.VaultURI)
	case 9, 10, 11:
		f := faults[s.rng.IntN(len(faults))]
		v.Fail(f)
		s.say("%s fails: %+v", id.VaultURI, f)
	case 12, 13:
		s.works()
		s.say("all vaults work")
	case 14, 15:
		s.say("a new version: %s", v.NewKey(id.Name))
	case 16:
		deleted := s.rng.IntN(2) == 0
		v.Delete(id.Name, deleted)
		s.say("deleted %s: %v", id, deleted)
	case 17:
		d := time.Duration(s.rng.Int64N(int64(8 * time.Second)))
		v.Latency(d)
		s.say("%s takes %v", id.VaultURI, d)
	case 18:
		s.excuse(2)
		name := []string{id.Name, "", "another"}[s.rng.IntN(3)]
		s.say("notice about %q of %s", name, id.VaultURI)
		s.keeper.ring.Notice(id.VaultURI, name)
	case 19:
		how := []string{"refused", "trouble", "none"}[s.rng.IntN(3)]
		v.Tokens(how)
		s.say("tokens for %s: %s", id.VaultURI, how)
	case 20:
		s.say("the keeper is killed")
		s.keeper.kill()
	case 21, 22:
		s.mu.Lock()
		s.doomed = 1 + s.rng.IntN([]int{12, 50}[s.rng.IntN(2)])
		s.mu.Unlock()
		s.say("the keeper dies in %d acts", s.doomed)
		switch s.rng.IntN(3) {
		case 0:
			s.say("a new version: %s", v.NewKey(id.Name))
		case 1:
			s.set(c, id)
		case 2:
			s.grow(c)
		}
	case 23:
		s.stopKeeper()
	case 24:
		d := time.Duration(s.rng.Int64N(int64(2 * time.Minute)))
		s.excuse(3)
		s.mu.Lock()
		s.slept += d
		s.judge.jumped = s.clock()
		s.mu.Unlock()
		s.say("the machine slept for %v", d)
	case 25, 26, 27:
		s.set(c, id)
	case 28:
		s.change(c, "clear key", func(ctx context.Context, r *Ring) error { return r.ClearKey(ctx, c.ID) })
	case 29:
		s.change(c, "cover existing data", func(ctx context.Context, r *Ring) error { return r.Embrace(ctx, c.ID) })
	case 30:
		s.grow(c)
	case 31:
		oid := "oid"
		if s.rng.IntN(2) == 0 {
			oid = ""
		}
		s.update(c, func(c *Cluster) { c.Identity = oid })
		s.say("cluster %s has identity %q", c.ID, oid)
	case 32:
		s.update(c, func(c *Cluster) { c.Policy = simPolicies[s.rng.IntN(len(simPolicies))] })
		s.say("cluster %s: %+v", c.ID, c.Policy)
	case 33:
		s.retire()
	case 34:
		s.corrupt(v)
	case 35, 36:
		host := s.vaults[serviceURI]
		switch s.rng.IntN(4) {
		case 0:
			s.say("a new version: %s", host.NewKey("mmk"))
		case 1:
			host.Fail(kektest.Fault{Status: 503})
			s.say("the service's vault fails")
		case 2:
			newest, _ := host.Newest("mmk")
			host.Enable(newest, false)
			s.say("disable %s", newest)
		case 3:
			host.Fail(kektest.Fault{})
			host.EnableAll(true)
			s.say("the service's vault works")
		}
	case 38:
		s.flee(c, v, newest)
	case 39:
		s.startle(c, v, newest)
	case 37:
		s.tamper(c)
	default:
		if s.rng.IntN(3) == 0 {
			s.lose(c.ID)
		}
		if done := s.client(c); s.rng.IntN(2) == 0 {
			<-done
		}
	}
}

// client sends a row.
func (s *sim) client(c *tenant) (done chan struct{}) {
	account, k := c.Accounts[s.rng.IntN(len(c.Accounts))], s.keeper
	done = make(chan struct{})
	s.changes.Go(func() {
		ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
		defer cancel()
		s.told("a row for account %s: %s", account, k.ingest(ctx, c.ID, account))
		close(done)
	})
	return done
}

// grow gives a cluster one more account.
func (s *sim) grow(c *tenant) {
	s.update(c, func(c *Cluster) {
		c.Accounts = append(slices.Clone(c.Accounts), schema.AccountID(fmt.Sprintf("%s-%d", c.ID, len(c.Accounts))))
	})
	synctest.Wait()
	s.change(c, fmt.Sprintf("another account: %v", c.Accounts), func(ctx context.Context, r *Ring) error { return r.Cover(ctx, c.ID) })
}

// startle disables a version while a worker that has unwrapped with it waits
// for the service's vault.
func (s *sim) startle(c *tenant, v *kektest.Vault, id kek.ID) {
	s.vaults[serviceURI].Latency(time.Duration(s.rng.Int64N(int64(3 * time.Second))))
	s.lose(c.ID)
	s.client(c)
	time.Sleep(time.Duration(s.rng.Int64N(int64(5*time.Second))) | 1)
	v.Enable(id, false)
	s.excuse(2)
	s.say("disable %s while a worker starts", id)
	s.keeper.ring.Notice(id.VaultURI, id.Name)
}

// lose ends a cluster's worker, as running out of memory does.
func (s *sim) lose(id schema.ClusterID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.held[id]; p != nil {
		p.killed = true
	}
}

// set changes a cluster's key to the newest version of id, or to one of the
// last two.
func (s *sim) set(c *tenant, id kek.ID) {
	to := id
	if all := s.vaults[id.VaultURI].Versions(id.Name); s.rng.IntN(2) == 0 {
		to = all[len(all)-1-s.rng.IntN(min(2, len(all)))]
	}
	s.change(c, "set key to "+to.String(), func(ctx context.Context, r *Ring) error { return r.SetKey(ctx, c.ID, to) })
}

// works ends the trouble of the vaults' service.
func (s *sim) works() {
	for _, v := range s.vaults {
		v.Fail(kektest.Fault{})
		v.Latency(0)
		v.Tokens("")
	}
}

// excuse allows every cluster so many questions out of turn.
func (s *sim) excuse(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clusters() {
		s.judge.of(c.ID).grants += n
	}
}

// change changes a cluster's key, and goes on meanwhile or waits for it.
func (s *sim) change(c *tenant, what string, f func(context.Context, *Ring) error) {
	s.mu.Lock()
	busy := c.busy
	c.busy = true
	s.judge.of(c.ID).grants += 4
	s.mu.Unlock()
	if busy {
		return
	}
	s.say("cluster %s: %s …", c.ID, what)
	ring := s.keeper.ring
	done := make(chan struct{})
	s.changes.Go(func() {
		err := f(s.t.Context(), ring)
		s.mu.Lock()
		c.busy = false
		s.mu.Unlock()
		s.told("cluster %s: %s: %s", c.ID, what, brief(err))
		close(done)
	})
	if s.rng.IntN(2) == 0 {
		<-done
	}
}

// brief is an error without what differs from run to run.
func brief(err error) string {
	if err == nil {
		return "done"
	}
	if _, ok := errors.AsType[*Unavailable](err); ok {
		return "unavailable"
	}
	return err.Error()
}

// update tells the ring what changed about a cluster.
func (s *sim) update(c *tenant, f func(*Cluster)) {
	s.mu.Lock()
	was := c.Cluster
	f(&c.Cluster)
	now := c.Cluster
	s.judge.noIdentity[c.ID] = now.Identity == ""
	s.judge.changed[c.ID] = s.clock()
	said := s.judge.of(c.ID)
	said.least = min(said.least, now.Policy.Interval)
	said.grants += 3
	if was.Policy.Grace+was.Policy.Lease > now.Policy.Grace+now.Policy.Lease {
		c.Policy = was.Policy // as long as the ring has not heard
	}
	s.mu.Unlock()
	err := s.keeper.ring.Watch(s.t.Context(), now)
	if err != nil && !errors.Is(err, errDead) {
		s.t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Cluster = now
}

// stopKeeper stops the keeper; the next event lets it go on.
func (s *sim) stopKeeper() {
	s.mu.Lock()
	s.judge.stopped = s.clock()
	s.mu.Unlock()
	s.excuse(2)
	s.keeper.stop()
	s.say("the keeper stands still")
}

// restart begins another keeper, a while after the last one died.
func (s *sim) restart() {
	s.keeper.ring.Close()
	s.changes.Wait()
	time.Sleep(time.Duration(s.rng.Int64N(int64(time.Minute))) | 1)
	s.mu.Lock()
	s.doomed = 0
	s.mu.Unlock()
	s.start()
	s.say("a new keeper")
}

// retire destroys every version that the ring says nobody needs, and that is
// not the newest: nothing may be lost by it.
func (s *sim) retire() {
	needed := map[kek.ID]bool{}
	for _, c := range s.clusters() {
		status := s.keeper.ring.Status(c.ID)
		needed[status.Version], needed[status.Setting] = true, true
		for _, id := range status.Needs {
			needed[id] = true
		}
	}
	for _, key := range append(slices.Clone(customerKeys), kek.ID{VaultURI: serviceURI, Name: "mmk"}) {
		v := s.vaults[key.VaultURI]
		all := v.Versions(key.Name)
		for _, id := range all[:len(all)-1] {
			if !needed[id] {
				s.mu.Lock()
				s.judge.destroyed[id] = true
				s.mu.Unlock()
				v.Destroy(id)
				s.say("destroy %s", id)
			}
		}
	}
}

// corrupt has a vault unwrap to wrong bytes for a while.
func (s *sim) corrupt(v *kektest.Vault) {
	v.Quirks(false, 0, true)
	s.say("a vault unwraps to something else …")
	time.Sleep(time.Duration(s.rng.Int64N(int64(30*time.Second))) | 1)
	v.Quirks(false, 0, false)
	s.say("… and to the right bytes again")
}

// flee disables a version in a slow vault while questions about it may be on
// their way, and moves the cluster to another vault at the same time.
func (s *sim) flee(c *tenant, v *kektest.Vault, id kek.ID) {
	to := customerKeys[2]
	if id.VaultURI == otherURI {
		to = customerKeys[0]
	}
	v.Latency(time.Second + time.Duration(s.rng.Int64N(int64(3*time.Second))))
	time.Sleep(time.Duration(s.rng.Int64N(int64(20*time.Second))) | 1)
	v.Enable(id, false)
	s.say("disable %s, slowly", id)
	s.change(c, "flee to "+to.String(), func(ctx context.Context, r *Ring) error { return r.SetKey(ctx, c.ID, to) })
}

// tamper exchanges a cluster's records behind the keeper's back, has another
// keeper find out, and repairs them.
func (s *sim) tamper(c *tenant) {
	s.keeper.kill()
	s.keeper.ring.Close()
	s.changes.Wait()
	s.mu.Lock()
	page := s.pages[c.ID]
	bad := page
	bad.Records = slices.Clone(page.Records)
	if len(bad.Records) > 0 {
		i := s.rng.IntN(len(bad.Records))
		bad.Records[i].Wrapped = slices.Clone(bad.Records[i].Wrapped)
		bad.Records[i].Wrapped[s.rng.IntN(len(bad.Records[i].Wrapped))] ^= 1
	}
	s.pages[c.ID] = bad
	s.judge.tampered[c.ID] = true
	s.mu.Unlock()
	s.say("a record of cluster %s is tampered with", c.ID)
	s.start()
	time.Sleep(time.Duration(s.rng.Int64N(int64(time.Minute))) | 1)
	s.look()
	if s.keeper.runs() {
		if _, err := s.keeper.ring.Lease(c.ID); err == nil && len(bad.Records) > 0 {
			s.mu.Lock()
			s.judge.find(lost, "cluster %s serves with a record that was tampered with", c.ID)
			s.mu.Unlock()
		}
	}
	s.mu.Lock()
	s.pages[c.ID] = page
	s.mu.Unlock()
	time.Sleep(time.Minute + time.Second)
	s.mu.Lock()
	s.judge.tampered[c.ID] = false
	s.mu.Unlock()
	s.say("and repaired")
}

// heal ends all trouble: after it, every row can be read again, and what
// follows the newest version has reached it.
func (s *sim) heal() {
	if s.keeper.isDead() {
		s.restart()
	} else if !s.keeper.runs() {
		s.keeper.resume()
	}
	s.mu.Lock()
	s.doomed = 0
	s.mu.Unlock()
	s.changes.Wait()
	s.works()
	for _, v := range s.vaults {
		v.Permit(true, "get", "wrap", "unwrap")
		v.EnableAll(true)
	}
	for _, id := range customerKeys {
		s.vaults[id.VaultURI].Delete(id.Name, false)
	}
	s.say("the trouble is over")
	for _, c := range s.tenants[1:] {
		if c.Identity == "" {
			s.update(c, func(c *Cluster) { c.Identity = "oid" })
		}
	}
	var ill string
	for range 6 { // a rotation that failed is tried again within five minutes
		time.Sleep(90 * time.Second)
		s.look()
		if ill = s.ill(); ill == "" || s.ended() {
			break
		}
	}
	if ill != "" && !s.ended() {
		s.mu.Lock()
		s.judge.find(unhealed, "%s", ill)
		s.mu.Unlock()
	}
	for _, c := range s.tenants {
		s.mu.Lock()
		excused := s.judge.excused[c.ID] || s.judge.excused[schema.ServiceCluster]
		s.mu.Unlock()
		if excused {
			continue
		}
		// The worker of now goes, and the next reads everything.
		s.lose(c.ID)
		if _, err := s.keeper.worker(s.t.Context(), c.ID); err != nil && !s.ended() {
			s.mu.Lock()
			s.judge.find(lost, "no worker of cluster %s can open what is there: %v", c.ID, err)
			s.mu.Unlock()
		}
	}
}

// ill tells what is not well yet.
func (s *sim) ill() string {
	for _, c := range s.clusters() {
		s.mu.Lock()
		excused := s.judge.excused[c.ID] || s.judge.excused[schema.ServiceCluster]
		s.mu.Unlock()
		status := s.keeper.ring.Status(c.ID)
		if excused || s.gone(status) {
			continue
		}
		if status.State != Active {
			return fmt.Sprintf("cluster %s is %v: %s", c.ID, status.State, status.Reason)
		}
		if status.Setting.IsZero() || status.Setting.Version != "" {
			continue
		}
		if newest, _ := s.vaults[status.Setting.VaultURI].Newest(status.Setting.Name); status.Version != newest {
			return fmt.Sprintf("cluster %s has not reached %s: %+v", c.ID, newest, status)
		}
	}
	return ""
}

// gone reports whether the version in use was destroyed while it was taken.
func (s *sim) gone(status Status) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.judge.destroyed[status.Version]
}
