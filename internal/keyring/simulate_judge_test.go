package keyring

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing/synctest"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/kek/kektest"
	"logkeep/internal/schema"
	"logkeep/internal/wrap"
)

// What the judge can find; testdata/faults.txt names one for each fault.
const (
	tooLong      = "bounds"   // a life that no answer of the vault allows: the three bounds
	unjust       = "justice"  // a key is revoked or damaged, and the vault did not say so
	unserved     = "service"  // the vault said yes, and nobody may live
	lost         = "rows"     // a row that was acknowledged can't be read, or with another key only
	unproved     = "wraps"    // a wrap in the catalog was never unwrapped
	tooOften     = "budget"   // the vault is asked too often
	wrongVersion = "versions" // a pinned version is left
	unhealed     = "healing"  // the trouble is over, and the newest version is not in use
)

// judge sees what the vaults answered, what the ring granted and what workers
// sealed, and nothing of the ring's states. It is guarded by sim.mu.
type judge struct {
	s     *sim
	found string // the first thing that must not be

	began, born         time.Time // the schedule; the keeper
	stopped, wentOn     time.Time // the keeper, last
	jumped              time.Time // the clock, last
	noIdentity, excused map[schema.ClusterID]bool
	tampered            map[schema.ClusterID]bool
	changed, savedAt    map[schema.ClusterID]time.Time
	said                map[schema.ClusterID]*record
	sealedWith          map[wrap.Place][32]byte
	good                map[string][32]byte // wraps that somebody has unwrapped, and to what
	destroyed           map[kek.ID]bool
}

// record is what a vault said to one cluster's identity as the ring heard it.
type record struct {
	yes, no map[kek.ID]time.Time // the sending of the last yes that no later no undid; the last no
	lastNo  time.Time            // of any version
	proof   asking               // the last yes to the canary in the catalog
	probed  time.Time
	probes  int
	looks   int
	grants  int // reasons to ask out of turn
	least   time.Duration
	over    time.Time // the last end of a grace, if it was due: what was sent before it counts for nothing (0003)
}

// asking is a question of a ring's.
type asking struct {
	k       *keeper
	who     schema.ClusterID
	kid     kek.ID
	wrapped string
	sent    time.Time
	probe   bool // of the canary that is in the catalog
	check   bool // of a probe that kek.Check made
	before  bool // the ring sent it before the machine slept
}

func newJudge(s *sim) *judge {
	return &judge{
		s: s, began: time.Now(), noIdentity: map[schema.ClusterID]bool{}, excused: map[schema.ClusterID]bool{}, tampered: map[schema.ClusterID]bool{},
		changed: map[schema.ClusterID]time.Time{}, savedAt: map[schema.ClusterID]time.Time{}, said: map[schema.ClusterID]*record{},
		sealedWith: map[wrap.Place][32]byte{}, good: map[string][32]byte{}, destroyed: map[kek.ID]bool{},
	}
}

// find notes what must not be. The caller holds s.mu.
func (j *judge) find(what, format string, args ...any) {
	if j.found == "" {
		j.found = what
		j.s.t.Errorf("seed %d, %s: %s: %s\n%s", j.s.seed, j.s.clock().Format("15:04:05.000000"), what, fmt.Sprintf(format, args...), j.s.trace.String())
	}
}

// of is what was said to a cluster. The caller holds s.mu.
func (j *judge) of(id schema.ClusterID) *record {
	if j.said[id] == nil {
		j.said[id] = &record{yes: map[kek.ID]time.Time{}, no: map[kek.ID]time.Time{}, least: j.policy(id).Interval}
	}
	return j.said[id]
}

// policy is a cluster's own. The caller holds s.mu.
func (j *judge) policy(id schema.ClusterID) Policy { return j.s.cluster(id).Policy }

// sources are the clusters by whose answers one lives: its own, or the
// service's if it has no key. At the moment of a change both will do. The
// caller holds s.mu.
func (j *judge) sources(id schema.ClusterID) []schema.ClusterID {
	now, saved := j.s.clock(), j.savedAt[id]
	switch {
	case id == schema.ServiceCluster:
		return []schema.ClusterID{id}
	case saved.Equal(now) || (now.Equal(j.wentOn) && !saved.Before(j.stopped)):
		return []schema.ClusterID{id, schema.ServiceCluster}
	case j.s.pages[id].Setting.IsZero():
		return []schema.ClusterID{schema.ServiceCluster}
	}
	return []schema.ClusterID{id}
}

// allows reports whether some answer allows a life until then: a yes of the
// version in use that was sent no longer than grace and lease before, with no
// denial heard since it was sent. The caller holds s.mu.
func (j *judge) allows(id schema.ClusterID, until time.Time) bool {
	for _, source := range j.sources(id) {
		if j.noIdentity[source] {
			continue
		}
		p, said, kid := j.policy(source), j.of(source), j.s.pages[source].Canary.KID
		for version, sent := range said.yes {
			if (version == kid || kid.IsZero() || j.recently(j.savedAt[id]) || j.recently(j.savedAt[source])) && !sent.Before(said.no[kid]) && !until.After(sent.Add(p.Grace+p.Lease)) {
				return true
			}
		}
	}
	return false
}

// lease is how long one may be. The caller holds s.mu.
func (j *judge) lease(id schema.ClusterID) (longest time.Duration) {
	for _, source := range j.sources(id) {
		longest = max(longest, j.policy(source).Lease)
	}
	return longest
}

// granted is told of every lease. The caller holds s.mu.
func (j *judge) granted(id schema.ClusterID, until time.Time) {
	if lease := until.Sub(j.s.clock()); lease > j.lease(id) {
		j.find(tooLong, "cluster %s has a lease of %v", id, lease)
	}
	if !j.allows(id, until) {
		j.find(tooLong, "cluster %s has a lease until %v that rests on nothing", id, until)
	}
}

// lives looks at every worker. The caller holds s.mu.
func (j *judge) lives() {
	for _, c := range j.s.clusters() {
		if p := j.s.living(c.ID); p != nil && (!j.allows(c.ID, p.until) || !j.allows(schema.ServiceCluster, p.until)) {
			j.find(tooLong, "a worker of cluster %s lives until %v, and nothing allows it", c.ID, p.until)
		}
	}
}

// recently reports whether something happened now, or while the keeper stood
// still and could not hear of it. The caller holds s.mu.
func (j *judge) recently(t time.Time) bool {
	now := j.s.clock()
	return t.Equal(now) || (now.Equal(j.wentOn) && !t.Before(j.stopped))
}

// revoked is told of every end. The caller holds s.mu.
func (j *judge) revoked(id schema.ClusterID, status Status) {
	said, because := false, j.noIdentity[id] || j.tampered[id]
	for _, source := range j.sources(id) {
		// About the version in use, not about one that was before.
		no := j.of(source).no[j.s.pages[source].Canary.KID]
		said = said || j.recently(no) || (j.recently(j.savedAt[id]) && j.recently(j.of(source).lastNo))
	}
	switch status.State {
	case Revoked, Damaged:
		if !said && !because {
			j.find(unjust, "cluster %s is %v, and the vault did not say so: %s", id, status.State, status.Reason)
		}
	case Unreachable:
		j.of(id).grants++
		now, p := j.s.clock(), j.policy(id)
		if due := j.of(id).proof.sent.Add(p.Grace + p.Lease); !now.Before(due.Add(-2 * time.Millisecond)) {
			j.of(id).over = now
		}
	}
}

// asked is told of every unwrap that a ring sends.
func (j *judge) asked(q *asking) {
	j.s.mu.Lock()
	defer j.s.mu.Unlock()
	q.sent = j.s.clock()
	said := j.of(q.who)
	if q.probe = q.wrapped == string(j.s.pages[q.who].Canary.Wrapped); !q.probe {
		return
	}
	if early := q.sent.Sub(said.probed); early < gap-time.Millisecond && !said.probed.Before(j.born) && j.wentOn.Before(said.probed) && j.stopped.Before(said.probed) {
		j.find(tooOften, "cluster %s asks again after %v", q.who, early)
	}
	said.probed = q.sent
	if q.sent.Sub(j.jumped) < 2*time.Millisecond {
		said.probed, q.before = time.Time{}, true
	}
	said.probes++
}

// looked is told of every question which version is the newest.
func (j *judge) looked(id schema.ClusterID) {
	j.s.mu.Lock()
	defer j.s.mu.Unlock()
	j.of(id).looks++
}

// unwrapped is told of everything that was unwrapped and reports whether that
// is what was wrapped.
func (j *judge) unwrapped(v *kektest.Vault, wrapped kek.Wrapped, key []byte) bool {
	j.s.mu.Lock()
	defer j.s.mu.Unlock()
	want, known := j.good[string(wrapped.Bytes)]
	if !known {
		truth, err := v.Truth(wrapped)
		if err != nil || !bytes.Equal(truth, key) {
			return false
		}
		want = sha256.Sum256(truth)
		j.good[string(wrapped.Bytes)] = want
	}
	return sha256.Sum256(key) == want
}

// heard is told of every answer that reaches a ring. A second after a denial
// nobody may live on what was said before it.
func (j *judge) heard(q asking, what Said) {
	j.s.mu.Lock()
	defer j.s.mu.Unlock()
	now, said := j.s.clock(), j.of(q.who)
	switch {
	case what == Yes && q.check && q.who != schema.ServiceCluster:
	case what == Yes:
		if q.sent.After(said.no[q.kid]) && q.sent.After(said.yes[q.kid]) {
			said.yes[q.kid] = q.sent
		}
		if q.probe && !q.before && q.sent.After(said.proof.sent) {
			said.proof = q
		}
	case what == Nothing || q.check:
	default:
		said.no[q.kid] = now
		delete(said.yes, q.kid)
		said.lastNo = now
		time.AfterFunc(time.Second, func() {
			if !q.k.runs() {
				return
			}
			j.s.mu.Lock()
			defer j.s.mu.Unlock()
			j.lives()
		})
	}
}

// runs reports whether the keeper is neither dead nor stopped.
func (k *keeper) runs() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.dead && k.stopped == nil
}

// saved is told of every page before it is in the catalog. The caller holds s.mu.
func (j *judge) saved(id schema.ClusterID, page Page) {
	j.savedAt[id], j.changed[id] = j.s.clock(), j.s.clock()
	j.of(id).grants += 2
	have := map[wrap.Place]bool{}
	for _, rec := range page.Records {
		key, ok := j.good[string(rec.Wrapped)]
		if !ok {
			j.find(unproved, "the wrap of account %s, generation %d was never unwrapped", rec.Account, rec.Generation)
		}
		have[rec.Place()] = true
		if j.destroyed[rec.KID] { // between the test and now, and there was no way to know
			j.excused[id] = true
		}
		if want, sealed := j.sealedWith[rec.Place()]; ok && sealed && key != want {
			j.find(lost, "account %s, generation %d gets another key than it had", rec.Account, rec.Generation)
		}
	}
	if !page.Setting.IsZero() {
		if _, ok := j.good[string(page.Canary.Wrapped)]; !ok {
			j.find(unproved, "the canary of cluster %s was never unwrapped", id)
		}
	}
	for at := range j.sealedWith {
		if at.Cluster == id && !have[at] && slices.Contains(j.s.cluster(id).Accounts, at.Account) {
			j.find(lost, "the catalog forgets the key of account %s, generation %d", at.Account, at.Generation)
		}
	}
}

// sealed is told of every row that is acknowledged. The caller holds s.mu.
func (j *judge) sealed(at wrap.Place, key []byte) {
	if key == nil {
		j.find(lost, "a row of account %s is sealed with no key", at.Account)
		return
	}
	digest := sha256.Sum256(key)
	if was, ok := j.sealedWith[at]; ok && was != digest {
		j.find(lost, "rows of account %s, generation %d are sealed with two keys", at.Account, at.Generation)
	}
	j.sealedWith[at] = digest
}

// opened is told of every worker that has started. It must be able to read
// every row that was ever acknowledged. The caller holds s.mu.
func (j *judge) opened(p *process) {
	if j.excused[p.cluster] {
		return
	}
	for at, want := range j.sealedWith {
		if at.Cluster != p.cluster || !slices.Contains(j.s.cluster(p.cluster).Accounts, at.Account) {
			continue
		}
		switch key := p.keys[at]; {
		case key == nil:
			j.find(lost, "a worker of cluster %s has no key of account %s, generation %d", p.cluster, at.Account, at.Generation)
		case sha256.Sum256(key) != want:
			j.find(lost, "a worker of cluster %s has another key of account %s, generation %d", p.cluster, at.Account, at.Generation)
		}
	}
}

// started is told of every keeper.
func (j *judge) started() {
	j.s.mu.Lock()
	defer j.s.mu.Unlock()
	j.born = j.s.clock()
	for _, c := range j.s.clusters() {
		j.of(c.ID).grants += 2
	}
}

// resumed is told when a keeper goes on.
func (j *judge) resumed() {
	j.s.mu.Lock()
	defer j.s.mu.Unlock()
	j.wentOn = j.s.clock()
}

// look holds at every moment at which nothing is about to happen.
func (s *sim) look() {
	s.t.Helper()
	synctest.Wait()
	k, j := s.keeper, s.judge
	runs := k.runs()
	leased := map[schema.ClusterID]error{}
	status := map[schema.ClusterID]Status{}
	if runs {
		for _, c := range s.clusters() {
			_, leased[c.ID] = k.ring.Lease(c.ID)
			status[c.ID] = k.ring.Status(c.ID)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !runs {
		return // no lease was longer than it may be, and none is renewed now
	}
	j.lives()
	now := s.clock()
	for _, c := range s.clusters() {
		said, state := j.of(c.ID), status[c.ID]
		if s.living(c.ID) != nil && !state.State.Serves() {
			j.find(tooLong, "a worker of cluster %s lives, and its key is %v", c.ID, state.State)
		}
		if state.Setting.Version != "" && state.Version != state.Setting {
			j.find(wrongVersion, "cluster %s: a pinned version was left: %+v", c.ID, state)
		}
		if s.pages[c.ID].Setting.IsZero() && c.ID != schema.ServiceCluster {
			continue
		}
		y := said.proof
		if leased[c.ID] != nil && y.wrapped == string(s.pages[c.ID].Canary.Wrapped) && !j.noIdentity[c.ID] &&
			y.sent.After(j.born) && y.sent.After(j.changed[c.ID]) && y.sent.After(j.wentOn) && y.sent.After(said.over) && said.lastNo.Before(y.sent) &&
			y.sent.Add(j.policy(c.ID).Lease-2*time.Millisecond).After(now) {
			j.find(unserved, "cluster %s: a yes that was sent at %v gives nobody a life: %v", c.ID, y.sent, leased[c.ID])
		}
		if most := int(time.Since(j.began)/said.least) + 2 + said.grants; said.probes > most {
			j.find(tooOften, "cluster %s asked %d times, at most %d", c.ID, said.probes, most)
		}
		if most := said.probes + said.grants; said.looks > most {
			j.find(tooOften, "cluster %s asked %d times for the newest version, at most %d", c.ID, said.looks, most)
		}
	}
}
