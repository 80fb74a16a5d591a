package control

import (
	"cmp"
	"slices"
	"time"
)

// Limits are the documented limits, all in one table. A zero field means
// Azure's number.
type Limits struct {
	ActiveClusters    int           // per subscription and region: 5
	ReservedClusters  int           // active or recently deleted: 7
	WorkspacesPerLink int           // workspaces of one cluster: 1,000
	LinksPerPeriod    int           // links of one workspace per LinkPeriod: 2
	LinkPeriod        time.Duration // 30 days
	NameReserved      time.Duration // of a deleted cluster's name: 14 days
	SoftDelete        time.Duration // of a workspace: 14 days
	Commitment        time.Duration // before a capacity may be lowered: 31 days
	MinCapacity       int64         // GB a day: 100
	Columns           int           // of a table: 500
	ColumnName        int           // characters: 45
	CustomTables      int           // of a workspace: 500
	PlanChange        time.Duration // between two switches of a table's plan: 7 days
	Shortened         time.Duration // before a shorter total retention removes rows: 30 days
	PurgesPerHour     int           // of a workspace: 50
	RuleFlows         int           // data flows, streams, workspaces of a rule: 10
	Transform         int           // characters: 15,360
	OutageGrace       time.Duration // default of a cluster: 1 hour, and its maximum
	ProbeInterval     time.Duration // default: 10 seconds, within 6 to 60
	ProbeTimeout      time.Duration // 5 seconds
	Lease             time.Duration // default: 30 seconds
	MaxLease          time.Duration // 10 minutes
	KeepOperations    time.Duration // how long a finished operation can be read: 30 days
	DoubleEncryption  []string      // regions where clusters can have the second layer; nil: all
}

const day = 24 * time.Hour

func (l Limits) orDefault() Limits {
	l.ActiveClusters = cmp.Or(l.ActiveClusters, 5)
	l.ReservedClusters = cmp.Or(l.ReservedClusters, 7)
	l.WorkspacesPerLink = cmp.Or(l.WorkspacesPerLink, 1000)
	l.LinksPerPeriod = cmp.Or(l.LinksPerPeriod, 2)
	l.LinkPeriod = cmp.Or(l.LinkPeriod, 30*day)
	l.NameReserved = cmp.Or(l.NameReserved, 14*day)
	l.SoftDelete = cmp.Or(l.SoftDelete, 14*day)
	l.Commitment = cmp.Or(l.Commitment, 31*day)
	l.MinCapacity = cmp.Or(l.MinCapacity, 100)
	l.Columns = cmp.Or(l.Columns, 500)
	l.ColumnName = cmp.Or(l.ColumnName, 45)
	l.CustomTables = cmp.Or(l.CustomTables, 500)
	l.PlanChange = cmp.Or(l.PlanChange, 7*day)
	l.Shortened = cmp.Or(l.Shortened, 30*day)
	l.PurgesPerHour = cmp.Or(l.PurgesPerHour, 50)
	l.RuleFlows = cmp.Or(l.RuleFlows, 10)
	l.Transform = cmp.Or(l.Transform, 15360)
	l.OutageGrace = cmp.Or(l.OutageGrace, time.Hour)
	l.ProbeInterval = cmp.Or(l.ProbeInterval, 10*time.Second)
	l.ProbeTimeout = cmp.Or(l.ProbeTimeout, 5*time.Second)
	l.Lease = cmp.Or(l.Lease, 30*time.Second)
	l.MaxLease = cmp.Or(l.MaxLease, 10*time.Minute)
	l.KeepOperations = cmp.Or(l.KeepOperations, 30*day)
	return l
}

// doubles reports whether clusters of a region can have the second layer.
func (l Limits) doubles(location string) bool {
	return l.DoubleEncryption == nil || slices.ContainsFunc(l.DoubleEncryption, func(r string) bool { return normalLocation(r) == location })
}

// Limits returns the limits in force.
func (s *Service) Limits() Limits { return s.limits }

// capacities are the commitment tiers in GB a day.
var capacities = []int64{100, 200, 300, 400, 500, 1000, 2000, 5000, 10000, 25000, 50000}
