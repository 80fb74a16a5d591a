package control

import (
	"context"
	"slices"
	"strings"
	"time"

	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/standard"
)

// A Plan says what a table is for: how it is paid for in Azure, what queries may
// do with it, and how long its rows are kept. "" is Analytics.
type Plan string

// The plans. Auxiliary can be chosen only when a custom table is made, and stays.
const (
	Analytics Plan = "Analytics"
	Basic     Plan = "Basic"
	Auxiliary Plan = "Auxiliary"
)

// A Shortened remembers that total retention was longer: rows that this takes
// away are removed a month later, so that a mistake can be undone (behaviour 17.3).
type Shortened struct {
	Total int       `json:"total"` // days, before
	Until time.Time `json:"until"` // when the new total begins to count
}

// A Keeping is how long a table's rows are kept, with all defaults filled in.
type Keeping struct {
	Plan        Plan
	Interactive int // days that queries see
	Total       int // days after which a row is to go; not less than Interactive
	Removal     int // days after which it may really be removed now: Total, or the longer one of before a change
}

// Archive is how many days rows are kept that queries don't see.
func (k Keeping) Archive() int { return k.Total - k.Interactive }

// plan is the table's plan by its name.
func (t Table) plan() Plan {
	if t.Plan == "" {
		return Analytics
	}
	return t.Plan
}

// fixedInteractive is the interactive retention of Basic and Auxiliary tables.
const fixedInteractive = 30

// longLived are tables that are kept for 90 days unless somebody says otherwise
// (behaviour 17.1).
var longLived = []string{"AzureActivity", "Usage", "AppAvailabilityResults", "AppBrowserTimings", "AppDependencies", "AppEvents", "AppExceptions",
	"AppMetrics", "AppPageViews", "AppPerformanceCounters", "AppRequests", "AppSystemEvents", "AppTraces"}

// defaultInteractive is how many days a table is kept that says nothing.
func (t Table) defaultInteractive(w Workspace) int {
	switch {
	case t.plan() != Analytics:
		return fixedInteractive
	case slices.Contains(longLived, t.ID.Name()):
		return max(90, w.Retention)
	}
	return w.Retention
}

// Keeping is how long the rows of the table are kept in its workspace, at a time.
func (t Table) Keeping(w Workspace, now time.Time) Keeping {
	k := Keeping{Plan: t.plan(), Interactive: t.defaultInteractive(w)}
	if t.Retention != nil && k.Plan == Analytics {
		k.Interactive = *t.Retention
	}
	if k.Total = k.Interactive; t.Total != nil {
		k.Total = max(*t.Total, k.Interactive)
	}
	k.Removal = k.Total
	if k.Total == 30 && w.Features["immediatePurgeDataOn30Days"] == true {
		return k
	}
	inherited := w.Shortened
	if t.Total != nil || t.Retention != nil || k.Plan != Analytics {
		inherited = nil
	}
	for _, s := range [...]*Shortened{t.Shortened, inherited} {
		if s != nil && now.Before(s.Until) {
			k.Removal = max(k.Removal, s.Total)
		}
	}
	return k
}

// Keepings tells of every table of a workspace, of which there need be no record,
// how long its rows are kept now.
func (s *Service) Keepings(ctx context.Context, workspace resource.ID) (func(schema.TableName) Keeping, error) {
	w, err := s.Workspace(ctx, workspace)
	if err != nil {
		return nil, err
	}
	known, err := s.Tables(ctx, workspace)
	if err != nil {
		return nil, err
	}
	of, now := map[schema.TableName]Keeping{}, time.Now()
	for _, t := range known {
		of[t.Name()] = t.Keeping(w, now)
	}
	return func(name schema.TableName) Keeping {
		if k, ok := of[name]; ok {
			return k
		}
		return published(w.ID, standard.Table{Name: name}).Keeping(w, now)
	}, nil
}

// changePlan applies the plan that a change wishes for (behaviour 17.1).
func (d *tableDraft) changePlan(wish *string) {
	if wish == nil {
		return
	}
	no := func(format string, args ...any) { d.no("properties.plan", format, args...) }
	at := slices.IndexFunc([]Plan{Analytics, Basic, Auxiliary}, func(p Plan) bool { return strings.EqualFold(string(p), *wish) })
	if at < 0 {
		no("properties.plan '%.40s' is none; use Analytics, Basic or Auxiliary.", *wish)
		return
	}
	next, t := []Plan{Analytics, Basic, Auxiliary}[at], &d.table
	switch {
	case next == t.plan():
		return
	case next == Auxiliary && t.Published != nil:
		no("Azure tables don't support the Auxiliary plan; '%s' is one.", t.Name())
	case next == Auxiliary && t.Known():
		no("The table plan can be set to Auxiliary only when a custom table is created.")
	case t.plan() == Auxiliary:
		no("The plan of a table that was created with the Auxiliary plan can't be switched.")
	case next == Basic && t.Classic:
		no("Tables created with the Data Collector API don't support the Basic table plan. Migrate '%s' first with POST {table}/migrate.", t.Name())
	case next == Basic && t.Published != nil && !t.Published.Basic:
		no("The table '%s' doesn't support the Basic table plan.", t.Name())
	case t.Known() && !t.PlanChanged.IsZero() && d.now.Sub(t.PlanChanged) < d.limits.PlanChange:
		d.wrong = append(d.wrong, fault.New(fault.InvalidParameter, "You can switch a table's plan once a week. The plan of '%s' was switched at %s.", t.Name(), t.PlanChanged.UTC().Format(time.RFC3339)).WithTarget("properties.plan"))
	default:
		before := t.Keeping(d.workspace, d.now).Total
		if t.Known() || t.Published != nil {
			t.PlanChanged = d.now.UTC()
		}
		if t.Plan = next; next == Analytics {
			t.Plan = ""
		}
		// Total retention stays as it was; what is older than Basic shows is kept unseen.
		if next == Basic {
			t.Retention = nil
			if before > fixedInteractive {
				t.Total = &before
			}
		}
	}
}

// longTotals are the total retentions beyond two years: whole years.
var longTotals = []int{1095, 1460, 1826, 2191, 2556, 2922, 3288, 3653, 4018, 4383}

// changeRetention applies retentions: nil leaves them, unless the whole is
// replaced; -1 is the default (behaviour 17.1, 17.2). What is sent back as it was
// read changes nothing: az replaces tables with what it has read.
func (d *tableDraft) changeRetention(ch TableChange) {
	const interactive, total = "properties.retentionInDays", "properties.totalRetentionInDays"
	t := &d.table
	before := t.Keeping(d.workspace, d.now)
	if fixed := t.plan() != Analytics; fixed && ch.Retention != nil && *ch.Retention != -1 && *ch.Retention != fixedInteractive && int(*ch.Retention) != d.shown.Interactive {
		d.no(interactive, "%s of a table with the plan %s is %d days and can't be changed; change totalRetentionInDays.", interactive, t.plan(), fixedInteractive)
	} else if !fixed {
		t.Retention = days(t.Retention, ch.Retention, ch.Replace, d.shown.Interactive)
	}
	t.Total = days(t.Total, ch.Total, ch.Replace, d.shown.Total)
	if ch.Total != nil && t.Total == nil && int(*ch.Total) > t.Keeping(d.workspace, d.now).Total {
		t.Total = new(int(*ch.Total)) // the default was that before, and is less with the new retentionInDays: rows stay as long as was said
	}
	if v := t.Retention; v != nil && (*v < 4 || *v > 730) {
		d.no(interactive, "%s must be from 4 to 730, or -1 for that of the workspace.", interactive)
		return
	}
	if v := t.Total; v != nil {
		if (*v < 4 || *v > 730) && !slices.Contains(longTotals, *v) {
			d.no(total, "%s must be from 4 to 730 or one of 1095, 1460, 1826, 2191, 2556, 2922, 3288, 3653, 4018, 4383, or -1 for retentionInDays.", total)
			return
		}
		if now := t.Keeping(d.workspace, d.now); *v < now.Interactive {
			d.no(total, "%s can't be less than retentionInDays, which is %d.", total, now.Interactive)
			return
		}
	}
	if now := t.Keeping(d.workspace, d.now).Total; now < before.Removal && t.Known() {
		t.Shortened = &Shortened{before.Removal, d.now.Add(d.limits.Shortened).UTC()}
	}
}

func days(now *int, wish *int32, reset bool, shown int) *int {
	switch {
	case wish != nil && int(*wish) == shown:
		return now
	case wish == nil && reset, wish != nil && *wish == -1:
		return nil
	case wish == nil:
		return now
	}
	v := int(*wish)
	return &v
}
