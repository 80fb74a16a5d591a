// Package report is what a drill of a key leaves: what was measured, what the
// server says about itself and about the key, and how the one compares with the
// promised bounds.
//
// Who runs a drill measures from outside, through the public APIs, and sends a
// [Measured] to the server. The server puts beside it what it alone knows (its
// version, the cluster's settings, when it saw the key's state change), judges
// the numbers by the bounds that follow from those settings, and signs the whole:
// a [Report], in an envelope of package dsse. So a report says what the measurer
// saw, in the measurer's own bytes, and that this server saw the same key change
// its state at those times; it does not say that the measurer was honest.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Type is the type of a signed report.
const Type = "application/vnd.logkeep.drill.v1+json"

// MaxMeasured bounds the JSON of a Measured, in bytes.
const MaxMeasured = 256 << 10

// A Report is what is signed.
type Report struct {
	Signed   time.Time       `json:"signed"`
	Server   Server          `json:"server"`
	Cluster  Cluster         `json:"cluster"`  // the one that was made for the drill
	Events   []Event         `json:"events"`   // what the server saw of the drill's key, oldest first
	Bounds   Bounds          `json:"bounds"`   // that follow from the settings
	Measured json.RawMessage `json:"measured"` // a Measured, as it was sent
	Verdict  Verdict         `json:"verdict"`
}

// A Server is the one that was measured and that signed.
type Server struct {
	Domain   string `json:"domain"`
	Version  string `json:"version"` // of its program
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Sandbox  string `json:"sandbox"` // what confines workers
}

// A Cluster is the drill's, with the settings that it took over.
type Cluster struct {
	ID               string `json:"id"`
	ClusterID        string `json:"clusterId"`
	Location         string `json:"location"`
	Key              string `json:"key"` // address of the key, without version
	BuiltInVault     bool   `json:"builtInVault"`
	DoubleEncryption bool   `json:"doubleEncryption"`
	ProbeIntervalMs  int64  `json:"probeIntervalMs"`
	ProbeTimeoutMs   int64  `json:"probeTimeoutMs"`
	LeaseMs          int64  `json:"leaseMs"`
	OutageGraceMs    int64  `json:"outageGraceMs"`
}

// An Event is a change of the drill's key as the server saw it.
type Event struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"` // State, Key or Version
	From   string    `json:"from,omitempty"`
	To     string    `json:"to,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// A Measured is what a drill saw. Times named Ms count from the vault's answer
// to the call that disabled or enabled the key, and are never negative.
type Measured struct {
	Program     string       `json:"program"` // version of the program that measured
	Subject     string       `json:"subject"` // the cluster whose settings were taken
	Began       time.Time    `json:"began"`
	Ended       time.Time    `json:"ended"`
	Load        Load         `json:"load"`
	Rows        Rows         `json:"rows"` // at the end
	Revocations []Revocation `json:"revocations"`
	Rotation    Rotation     `json:"rotation"`
}

// A Load is what the drill did all the time.
type Load struct {
	Writers        int `json:"writers"` // each sends the next rows when the last are acknowledged or refused
	Readers        int `json:"readers"` // each asks again when it was answered
	RowsPerRequest int `json:"rowsPerRequest"`
	Ingestions     int `json:"ingestions"` // requests
	Queries        int `json:"queries"`
}

// Rows compares what was acknowledged with what is there.
type Rows struct {
	Acknowledged int `json:"acknowledged"`
	Found        int `json:"found"`
	Missing      int `json:"missing"`    // acknowledged and not there
	Twice        int `json:"twice"`      // there more than once
	Unanswered   int `json:"unanswered"` // there, but refused or never answered: allowed
}

// A Revocation is a key's version disabled and enabled again.
type Revocation struct {
	Version    string    `json:"version"`
	DisabledAt time.Time `json:"disabledAt"` // when the vault had answered

	WorkerPID                int   `json:"workerPid"`
	WorkerWatched            bool  `json:"workerWatched"` // its process was on this machine; else the server told
	WorkerGoneMs             int64 `json:"workerGoneMs"`
	FirstRefusedQueryMs      int64 `json:"firstRefusedQueryMs"`
	FirstRefusedIngestionMs  int64 `json:"firstRefusedIngestionMs"`
	LastAnswerWithRowsMs     int64 `json:"lastAnswerWithRowsMs"`
	LastAcknowledgementMs    int64 `json:"lastAcknowledgementMs"`
	AnswersAfterRefusal      int   `json:"answersAfterRefusal"`      // to queries sent after one was refused
	AcknowledgedAfterRefusal int   `json:"acknowledgedAfterRefusal"` // ingestions likewise
	RefusedQueries           int   `json:"refusedQueries"`
	RefusedIngestions        int   `json:"refusedIngestions"`
	OtherFailures            int   `json:"otherFailures"` // that were not the refusal because of the key

	EnabledAt              time.Time `json:"enabledAt"`
	FirstAnswerMs          int64     `json:"firstAnswerMs"`
	FirstAcknowledgementMs int64     `json:"firstAcknowledgementMs"`
	Rows                   Rows      `json:"rows"` // after it
}

// A Rotation is a new version of the key, taken into use under load.
type Rotation struct {
	From             string `json:"from"`
	To               string `json:"to"`
	TookMs           int64  `json:"tookMs"` // until the cluster used it
	FailedQueries    int    `json:"failedQueries"`
	FailedIngestions int    `json:"failedIngestions"`
	Rows             Rows   `json:"rows"`
	OldVersion       Old    `json:"oldVersion"`
}

// Old is the version before a rotation.
type Old struct {
	SafeToDisable bool   `json:"safeToDisable"` // as the census says
	Reason        string `json:"reason"`
	Disabled      bool   `json:"disabled"` // it was, during the second revocation
	NewWorker     bool   `json:"newWorker"`
}

// ReadMeasured reads a Measured. Unknown fields are an error: a number that
// nobody judges must not be signed.
func ReadMeasured(b []byte) (Measured, error) {
	var m Measured
	if len(b) > MaxMeasured {
		return m, fmt.Errorf("the measurement has %d bytes, more than %d", len(b), MaxMeasured)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("read the measurement: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return m, fmt.Errorf("read the measurement: something follows it")
	}
	return m, nil
}

// Read reads a Report, and what was measured.
func Read(payload []byte) (r Report, m Measured, err error) {
	if err := json.Unmarshal(payload, &r); err != nil {
		return r, m, fmt.Errorf("read the report: %w", err)
	}
	m, err = ReadMeasured(r.Measured)
	return r, m, err
}
