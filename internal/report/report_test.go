package report

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// good is a drill in which everything held.
func good() Measured {
	rows := Rows{Acknowledged: 100, Found: 103, Unanswered: 3}
	revoked := Revocation{WorkerPID: 7, WorkerGoneMs: 20, RefusedQueries: 5, RefusedIngestions: 5, FirstAnswerMs: 300, FirstAcknowledgementMs: 310, Rows: rows}
	return Measured{
		Load: Load{Writers: 1, Readers: 1, Ingestions: 10, Queries: 10}, Rows: rows, Revocations: []Revocation{revoked, revoked},
		Rotation: Rotation{From: "a", To: "b", TookMs: 40, Rows: rows, OldVersion: Old{SafeToDisable: true, Disabled: true, NewWorker: true}},
	}
}

var bounds = BoundsOf(Cluster{BuiltInVault: true, ProbeIntervalMs: 10_000, ProbeTimeoutMs: 5_000})

func TestAGoodDrillHolds(t *testing.T) {
	if bounds != (Bounds{1000, 15000}) || BoundsOf(Cluster{ProbeIntervalMs: 10_000, ProbeTimeoutMs: 5_000}).RevokedMs != 16000 {
		t.Errorf("bounds %+v", bounds)
	}
	if v := Judge(good(), bounds); !v.Held {
		t.Errorf("%+v", v)
	}
}

// Each number that a drill measures counts: a bad one, alone, fails the drill.
func TestEachNumberCounts(t *testing.T) {
	for name, spoil := range map[string]func(*Measured){
		"no load":                func(m *Measured) { m.Load.Queries = 0 },
		"no ingestion":           func(m *Measured) { m.Load.Ingestions = 0 },
		"one revocation":         func(m *Measured) { m.Revocations = m.Revocations[:1] },
		"no worker":              func(m *Measured) { m.Revocations[0].WorkerPID = 0 },
		"worker lives":           func(m *Measured) { m.Revocations[1].WorkerGoneMs = 1001 },
		"late refusal":           func(m *Measured) { m.Revocations[0].FirstRefusedQueryMs = 1001 },
		"late refusal of rows":   func(m *Measured) { m.Revocations[0].FirstRefusedIngestionMs = 1001 },
		"late answer":            func(m *Measured) { m.Revocations[1].LastAnswerWithRowsMs = 1001 },
		"late acknowledgement":   func(m *Measured) { m.Revocations[1].LastAcknowledgementMs = 1001 },
		"answered again":         func(m *Measured) { m.Revocations[0].AnswersAfterRefusal = 1 },
		"acknowledged again":     func(m *Measured) { m.Revocations[0].AcknowledgedAfterRefusal = 1 },
		"nothing refused":        func(m *Measured) { m.Revocations[0].RefusedQueries = 0 },
		"no rows refused":        func(m *Measured) { m.Revocations[0].RefusedIngestions = 0 },
		"other failures":         func(m *Measured) { m.Revocations[0].OtherFailures = 1 },
		"late answer after":      func(m *Measured) { m.Revocations[0].FirstAnswerMs = 15001 },
		"late rows after":        func(m *Measured) { m.Revocations[0].FirstAcknowledgementMs = 15001 },
		"rows missing":           func(m *Measured) { m.Revocations[0].Rows.Missing = 1 },
		"rows twice":             func(m *Measured) { m.Revocations[0].Rows.Twice = 1 },
		"fewer rows":             func(m *Measured) { m.Rows.Found = 99 },
		"no rows":                func(m *Measured) { m.Rows = Rows{} },
		"no rotation":            func(m *Measured) { m.Rotation.To = "a" },
		"slow rotation":          func(m *Measured) { m.Rotation.TookMs = 15001 },
		"failures when rotating": func(m *Measured) { m.Rotation.FailedQueries = 1 },
		"rows refused meanwhile": func(m *Measured) { m.Rotation.FailedIngestions = 1 },
		"rows lost by rotation":  func(m *Measured) { m.Rotation.Rows.Missing = 1 },
		"old version needed":     func(m *Measured) { m.Rotation.OldVersion.SafeToDisable = false },
		"old version enabled":    func(m *Measured) { m.Rotation.OldVersion.Disabled = false },
		"the same worker":        func(m *Measured) { m.Rotation.OldVersion.NewWorker = false },
	} {
		m := good()
		spoil(&m)
		v := Judge(m, bounds)
		broken := 0
		for _, f := range v.Findings {
			if !f.Held {
				broken++
			}
		}
		if v.Held || broken == 0 {
			t.Errorf("%s: the drill is said to have held", name)
		}
	}
	if Judge(Measured{}, bounds).Held {
		t.Error("a drill that measured nothing is said to have held")
	}
}

func TestAMeasurementIsReadStrictly(t *testing.T) {
	b, err := json.Marshal(good())
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadMeasured(b)
	if err != nil || !reflect.DeepEqual(m, good()) {
		t.Errorf("%+v, %v", m, err)
	}
	for name, bad := range map[string]string{
		"an unknown field": strings.Replace(string(b), `{`, `{"more":1,`, 1), "two": string(b) + "{}", "no JSON": "x", "nothing": "",
		"too long": strings.Repeat(" ", MaxMeasured) + string(b),
	} {
		if _, err := ReadMeasured([]byte(bad)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
