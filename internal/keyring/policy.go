package keyring

import (
	"fmt"
	"time"
)

// Policy bounds how long a cluster lives on after its vault's last yes.
type Policy struct {
	Interval time.Duration // between probes; 6 s to 60 s
	Timeout  time.Duration // of one probe
	Lease    time.Duration // the life that one grant gives; at least 2×Interval + Timeout
	Grace    time.Duration // how long a silent vault is ridden out; 0 = only as long as a lease
}

// DefaultPolicy is what a cluster has that asked for nothing else.
func DefaultPolicy() Policy {
	return Policy{Interval: 10 * time.Second, Timeout: 5 * time.Second, Lease: 30 * time.Second, Grace: time.Hour}
}

// The documented bounds of a policy. Azure storage asks its vault every 6 to
// 60 seconds; its promise to honour a revocation is an hour.
const (
	MinInterval = 6 * time.Second
	MaxInterval = 60 * time.Second
	MaxGrace    = 24 * time.Hour
	MaxLease    = 10 * time.Minute
)

// Validate refuses a policy under which one lost probe would end a lease, or
// that promises nothing.
func (p Policy) Validate() error {
	switch {
	case p.Interval < MinInterval || p.Interval > MaxInterval:
		return fmt.Errorf("probeInterval %s is not between %s and %s", p.Interval, MinInterval, MaxInterval)
	case p.Timeout < time.Second || p.Timeout > p.Interval:
		return fmt.Errorf("probe timeout %s is not between 1s and probeInterval, %s", p.Timeout, p.Interval)
	case p.Lease < 2*p.Interval+p.Timeout:
		return fmt.Errorf("lease %s is shorter than twice probeInterval plus the probe timeout, %s; one lost probe would end it", p.Lease, 2*p.Interval+p.Timeout)
	case p.Lease > MaxLease:
		return fmt.Errorf("lease %s is longer than %s", p.Lease, MaxLease)
	case p.Grace < 0 || p.Grace > MaxGrace:
		return fmt.Errorf("outageGrace %s is not between 0s and %s", p.Grace, MaxGrace)
	}
	return nil
}
