package report

import (
	"fmt"
	"time"
)

// Bounds are the promises that a drill is judged by.
type Bounds struct {
	RevokedMs  int64 `json:"revokedMs"`  // from the vault's answer until nothing can be read
	RestoredMs int64 `json:"restoredMs"` // from the vault's answer until all is back
}

// BoundsOf are the bounds of a cluster with such a key. A built-in vault tells of
// changes: what it denies is over within a second. Any other is asked once an
// interval, and may take its time to answer. A key comes back within one probe.
func BoundsOf(c Cluster) Bounds {
	probe := c.ProbeIntervalMs + c.ProbeTimeoutMs
	b := Bounds{RevokedMs: time.Second.Milliseconds(), RestoredMs: probe}
	if !c.BuiltInVault {
		b.RevokedMs += probe
	}
	return b
}

// A Verdict says whether everything held.
type Verdict struct {
	Held     bool      `json:"held"`
	Findings []Finding `json:"findings"`
}

// A Finding is one claim.
type Finding struct {
	Claim string `json:"claim"`
	Held  bool   `json:"held"`
	Saw   string `json:"saw"`
}

// Judge compares what was measured with the bounds. A measurement that lacks a
// part has not shown that part: its claim does not hold.
func Judge(m Measured, b Bounds) Verdict {
	v := Verdict{Held: true}
	claim := func(held bool, what, saw string, args ...any) {
		v.Findings = append(v.Findings, Finding{what, held, fmt.Sprintf(saw, args...)})
		v.Held = v.Held && held
	}
	all := func(what string, r Rows) {
		claim(r.Acknowledged > 0 && r.Missing == 0 && r.Twice == 0 && r.Found >= r.Acknowledged, what,
			"%d acknowledged, %d found, %d missing, %d twice", r.Acknowledged, r.Found, r.Missing, r.Twice)
	}
	claim(m.Load.Writers > 0 && m.Load.Readers > 0 && m.Load.Ingestions > 0 && m.Load.Queries > 0, "rows were sent and asked for all the time",
		"%d ingestions, %d queries", m.Load.Ingestions, m.Load.Queries)
	claim(len(m.Revocations) == 2, "the key was revoked twice: before a rotation and after it", "%d times", len(m.Revocations))
	for i, r := range m.Revocations {
		n := fmt.Sprintf("revocation %d: ", i+1)
		within := func(ms, bound int64, what string) { claim(ms <= bound, n+what, "%d ms, at most %d", ms, bound) }
		claim(r.WorkerPID > 0 && r.WorkerGoneMs <= b.RevokedMs, n+"the worker's process is gone", "process %d, %d ms, at most %d", r.WorkerPID, r.WorkerGoneMs, b.RevokedMs)
		within(r.FirstRefusedQueryMs, b.RevokedMs, "queries are refused")
		within(r.FirstRefusedIngestionMs, b.RevokedMs, "ingestion is refused")
		within(r.LastAnswerWithRowsMs, b.RevokedMs, "no query is answered with rows after it")
		within(r.LastAcknowledgementMs, b.RevokedMs, "no row is acknowledged after it")
		claim(r.RefusedQueries > 0 && r.AnswersAfterRefusal == 0, n+"once refused, refused", "%d queries refused, %d answered after the first", r.RefusedQueries, r.AnswersAfterRefusal)
		claim(r.RefusedIngestions > 0 && r.AcknowledgedAfterRefusal == 0, n+"once refused, refused (ingestion)", "%d refused, %d acknowledged after the first", r.RefusedIngestions, r.AcknowledgedAfterRefusal)
		claim(r.OtherFailures == 0, n+"nothing fails in another way", "%d requests", r.OtherFailures)
		within(r.FirstAnswerMs, b.RestoredMs, "enabled, queries are answered")
		within(r.FirstAcknowledgementMs, b.RestoredMs, "enabled, rows are taken")
		all(n+"every acknowledged row is back, once", r.Rows)
	}
	r := m.Rotation
	claim(r.To != "" && r.To != r.From && r.TookMs <= b.RestoredMs, "a new version of the key is taken into use", "%d ms, at most %d", r.TookMs, b.RestoredMs)
	claim(r.FailedQueries == 0 && r.FailedIngestions == 0, "nothing fails meanwhile", "%d queries, %d ingestions", r.FailedQueries, r.FailedIngestions)
	all("every acknowledged row is there after the rotation, once", r.Rows)
	claim(r.OldVersion.SafeToDisable && r.OldVersion.Disabled && r.OldVersion.NewWorker, "the version before is not needed any more",
		"the census says: %s; disabled: %t; a new process opened everything without it: %t", r.OldVersion.Reason, r.OldVersion.Disabled, r.OldVersion.NewWorker)
	all("every acknowledged row is there at the end, once", m.Rows)
	return v
}
