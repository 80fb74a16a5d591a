package domain

import (
	"time"

	"logkeep/internal/control"
	"logkeep/internal/keyring"
	"logkeep/internal/metrics"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// Metrics count what happens to keys and what is written under them. They are
// the keyring's Observer, and Revoked is the supervisor's.
type Metrics struct {
	probes   *metrics.Counter
	moves    *metrics.Counter
	unwrap   *metrics.Histogram
	revoking *metrics.Histogram
	written  *metrics.Counter
	rows     *metrics.Counter
}

var _ keyring.Observer = (*Metrics)(nil)

// Bounds of buckets, in seconds.
var (
	unwrapBounds = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
	revokeBounds = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
)

// NewMetrics makes the families of keys. The clusters are labelled by their
// immutable ids.
func NewMetrics(s *metrics.Set) *Metrics {
	return &Metrics{
		probes:   s.Counter("logkeep_key_probes_total", "Questions to vaults whether a key unwraps, by the answer.", "cluster", "result"),
		unwrap:   s.Histogram("logkeep_key_unwrap_seconds", "How long vaults took to answer such a question.", unwrapBounds, "cluster"),
		moves:    s.Counter("logkeep_key_state_changes_total", "Changes of the state of keys.", "cluster", "from", "to"),
		revoking: s.Histogram("logkeep_revocation_latency_seconds", "From a vault's denial, or another end of a lease, to the end of the process that held the keys.", revokeBounds, "cluster"),
		written:  s.Counter("logkeep_segment_bytes_written_total", "Sealed bytes of segments, by what wrote them: a flush of new rows, or a merge, purge or removal of old rows, which writes rows once more. All over flush is the write amplification.", "cluster", "by"),
		rows:     s.Counter("logkeep_segment_rows_written_total", "Rows of these segments.", "cluster", "by"),
	}
}

// What wrote a segment.
const (
	byFlush   = "flush"
	byRewrite = "rewrite"
)

// wrote counts the segments of one change. A nil Metrics counts nothing.
func (m *Metrics) wrote(domain schema.ClusterID, by string, segments []wire.Segment) {
	if m == nil {
		return
	}
	for _, s := range segments {
		m.written.Grow(float64(s.Bytes), string(domain), by)
		m.rows.Grow(float64(s.Rows), string(domain), by)
	}
}

// Probed implements keyring.Observer.
func (m *Metrics) Probed(cluster schema.ClusterID, said keyring.Said, took time.Duration) {
	m.probes.Add(string(cluster), said.String())
	m.unwrap.Observe(took.Seconds(), string(cluster))
}

// Moved implements keyring.Observer.
func (m *Metrics) Moved(from keyring.State, s keyring.Status) {
	m.moves.Add(string(s.Cluster), from.String(), s.State.String())
}

// Revoked is supervise.Config's Revoked.
func (m *Metrics) Revoked(domain schema.ClusterID, took time.Duration) {
	m.revoking.Observe(took.Seconds(), string(domain))
}

// Gauges adds what is asked for when the metrics are read.
func (d *Domains) Gauges(s *metrics.Set) {
	each := func(f func(st keyring.Status)) {
		for _, id := range d.ring.Clusters() {
			if st := d.ring.Status(id); st.State != keyring.Unknown {
				f(st)
			}
		}
	}
	d.cacheGauges(s)
	s.Gauge("logkeep_key_state", "1 for the state that a cluster's key is in.", []string{"cluster", "name", "state"}, func(set func(float64, ...string)) {
		each(func(st keyring.Status) {
			for state := keyring.Active; state <= keyring.Damaged; state++ {
				in := 0.0
				if st.State == state {
					in = 1
				}
				set(in, string(st.Cluster), d.name(st.Cluster), state.String())
			}
		})
	})
	s.Gauge("logkeep_key_lease_age_seconds", "Time since the sending of the last unwrap that succeeded, on which leases rest.", []string{"cluster"}, func(set func(float64, ...string)) {
		each(func(st keyring.Status) {
			if !st.LastUnwrap.IsZero() {
				set(d.cfg.Now().Sub(st.LastUnwrap).Seconds(), string(st.Cluster))
			}
		})
	})
	s.Gauge("logkeep_key_lease_left_seconds", "Time until the leases of a cluster end if nothing renews them; 0 without one.", []string{"cluster"}, func(set func(float64, ...string)) {
		each(func(st keyring.Status) {
			left := 0.0
			if st.State.Serves() {
				left = max(0, st.Until.Sub(d.cfg.Now()).Seconds())
			}
			set(left, string(st.Cluster))
		})
	})
	spool := func(name, help string, of func(*control.SpoolStatus) float64) {
		s.Gauge(name, help, []string{"cluster"}, func(set func(float64, ...string)) {
			each(func(st keyring.Status) {
				if st.Setting.IsZero() || st.Cluster == schema.ServiceCluster {
					return
				}
				v := d.spoolStatus(st.Cluster)
				if v == nil {
					v = &control.SpoolStatus{}
				}
				set(of(v), string(st.Cluster))
			})
		})
	}
	spool("logkeep_spool_bytes", "Sealed rows that wait for a cluster's key.", func(v *control.SpoolStatus) float64 { return float64(v.Bytes) })
	spool("logkeep_spool_batches", "Requests whose rows wait for a cluster's key.", func(v *control.SpoolStatus) float64 { return float64(v.Batches) })
	spool("logkeep_spool_age_seconds", "Time since the oldest of them came; 0 if none waits.", func(v *control.SpoolStatus) float64 {
		if v.Since.IsZero() {
			return 0
		}
		return time.Since(v.Since).Seconds()
	})
	spool("logkeep_spool_aside_batches", "Requests whose rows could not be imported and are kept.", func(v *control.SpoolStatus) float64 { return float64(v.AsideBatches) })
	s.Gauge("logkeep_worker_up", "1 if a process holds the keys of a cluster.", []string{"cluster"}, func(set func(float64, ...string)) {
		each(func(st keyring.Status) {
			up := 0.0
			if _, ok := d.sup.Running(st.Cluster); ok {
				up = 1
			}
			set(up, string(st.Cluster))
		})
	})
}
