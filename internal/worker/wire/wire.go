// Package wire is what a keeper and a worker say to each other. Neither side
// sees the other's code: a keeper holds no key and no row, a worker no catalog.
//
//	keeper ──standard input──▶ worker     one Start, then one Lease a line; the end of input ends the worker
//	keeper ──HTTP, fd 3──────▶ worker     Open, Generate, Rewrap, Adopt, Release, Drop, Retain, Purge, Check, Salvage, Append, Marks, Query, SealText, OpenTexts, Flush, Status
//	worker ──HTTP, fd 4──────▶ keeper     CONNECT to vaults; Token, and of writers Commit, SpoolKey, Spooled, of readers Account, Manifest;
//	                                      where accounts lie in a bucket, their objects
//
// Both HTTP directions are POST with JSON bodies: one over a Unix socket in a
// folder that only the server's user can enter, the other over connections that
// the worker passes through a channel, since it can't connect to anything. Append carries the client's body as
// it came; Query answers with the body that the client will get.
package wire

import (
	"encoding/json"
	"net/http"
	"time"

	"logkeep/internal/fault"
	"logkeep/internal/kek"
	"logkeep/internal/schema"
	"logkeep/internal/worker/deadline"
	"logkeep/internal/wrap"
)

// File descriptors that a worker inherits.
const (
	ListenerFD = 3 // the socket that it serves
	ChannelFD  = 4 // through which it passes connections to the keeper (tunnel.Channel)
)

// FolderVariable is the environment variable with the domain's folder: a worker
// confines itself to it before it reads anything.
const FolderVariable = "LOGKEEP_FOLDER"

// ReadVariable is it for a reader, which changes nothing: folders, a line each.
const ReadVariable = "LOGKEEP_READ"

// Late, in a worker's environment, has the collector of its garbage begin late: the
// worker switches it on.
const Late = "GOGC=off"

// A Start is the first line of a worker's standard input.
type Start struct {
	Domain   schema.ClusterID  `json:"domain"`
	Reads    bool              `json:"reads,omitempty"` // it is a reader, of Domain and maybe of others
	Deadline deadline.Boottime `json:"deadline"`
	Service  string            `json:"service"` // URI of the service's own vault
	Roots    []byte            `json:"roots"`   // PEM: authorities of vaults' certificates
	Signer   []byte            `json:"signer"`  // PKIX: the public half of the service's integrity key, an ECDSA key
	Memory   Memory            `json:"memory"`
	Flush    Flush             `json:"flush"`
	InBucket bool              `json:"inBucket,omitempty"` // accounts' journals and segments are had from the keeper (bucket/courier)
}

// Memory bounds a worker, in bytes.
type Memory struct {
	Engine int64 `json:"engine"` // of the query engine's intermediate results
	Images int64 `json:"images"` // of decrypted columns kept for later queries
	Tail   int64 `json:"tail"`   // of rows that are only in the journal; beyond it appends are refused
	Heap   int64 `json:"heap"`   // of all else, which is collected the harder the nearer it comes; 0: as it comes
}

// Share divides what one worker may have. A reader keeps decrypted columns and what
// queries compute; a writer has rows on their way, which are in the heap, and the
// engine for transformations.
func Share(total int64, reads bool) Memory {
	if reads {
		return Memory{Engine: total / 2, Images: total / 4, Heap: total / 4}
	}
	return Memory{Engine: total / 4, Images: total / 8, Tail: total / 4, Heap: total / 8 * 5}
}

// Flush says when an account's tail becomes segments.
type Flush struct {
	Bytes int64         `json:"bytes"`
	Age   time.Duration `json:"age"`
}

// A Lease moves the deadline, and says how much memory the worker may have from now
// on: others come and go.
type Lease struct {
	Deadline deadline.Boottime `json:"deadline"`
	Memory   Memory            `json:"memory,omitzero"` // zero: as before
}

// An Account is what a worker must know to open one.
type Account struct {
	ID        schema.AccountID   `json:"id"`
	Tenant    schema.TenantID    `json:"tenant"`
	Cluster   schema.ClusterID   `json:"cluster"`             // ServiceCluster for a service-key account
	Workspace schema.WorkspaceID `json:"workspace,omitempty"` // of a service-key account
	Folder    string             `json:"folder,omitempty"`    // told to readers
	Records   []wrap.Record      `json:"records"`             // every key, newest generation last
	Manifest  Manifest           `json:"manifest"`
	Spool     Spool              `json:"spool,omitzero"`
	Seen      uint64             `json:"seen,omitempty"` // an entry of the journal that is known to have been durable
}

// A Spool says what there is of an account's spool: rows that were accepted
// while no worker could run.
type Spool struct {
	Generation uint32 `json:"generation,omitempty"` // of the newest spool key; 0: there is none
	Floor      uint64 `json:"floor,omitempty"`      // files up to it were imported
	Through    uint64 `json:"through,omitempty"`    // files up to it are the worker's; the keeper writes later ones
}

// A Segment is the catalog's record of one columnar object.
type Segment struct {
	ID         schema.SegmentID   `json:"id"`
	Workspace  schema.WorkspaceID `json:"workspace"`
	Table      schema.TableName   `json:"table"`
	Generation uint32             `json:"generation"`
	Rows       int64              `json:"rows"`
	Bytes      int64              `json:"bytes"`
	MinTime    schema.Ticks       `json:"minTime"`
	MaxTime    schema.Ticks       `json:"maxTime"`
	Columns    []schema.Column    `json:"columns"`
	Created    time.Time          `json:"created"`
}

// Open asks a writer to open accounts that it does not hold yet. A reader opens
// accounts when a query names them; it is told which ones the first query will
// name, and begins with them at once, but does not wait. Path: /open.
type Open struct {
	Accounts []Account          `json:"accounts"`
	Expect   []schema.AccountID `json:"expect,omitempty"`
}

// Generate asks for a new key generation of each account, wrapped under Key,
// and, unless Outer is zero, for an infrastructure key of each account that has
// no record yet, wrapped under Outer, which is the service's key. The worker holds it until Adopt; nothing is sealed with it before.
// Path: /generate. Answer: Generated.
type Generate struct {
	Accounts []Account `json:"accounts"` // Records: the generations that there are
	Key      kek.ID    `json:"key"`
	Outer    kek.ID    `json:"outer,omitzero"`
	Owner    Owner     `json:"owner"`
	Canary   bool      `json:"canary"` // make a canary under Key as well
}

// Rewrap asks for the keys of Records to be wrapped under Key as well, tested
// by unwrapping, and for a canary under it. The worker has the keys in memory.
// Path: /rewrap. Answer: Generated.
type Rewrap struct {
	Records []wrap.Record `json:"records"`
	Key     kek.ID        `json:"key"`
	Owner   Owner         `json:"owner"`
}

// An Owner says whose identity unlocks a key and which cluster's records name.
type Owner struct {
	Tenant  schema.TenantID  `json:"tenant"`
	Cluster schema.ClusterID `json:"cluster"`
}

// Generated are signed records to be stored, and the canary if one was asked for.
type Generated struct {
	Records []wrap.Record `json:"records"`
	Canary  *wrap.Canary  `json:"canary,omitempty"`
}

// Adopt tells which records are stored now for the accounts that they name: new
// generations may be used. Path: /adopt.
type Adopt struct {
	Records []wrap.Record `json:"records"`
}

// Release asks a worker to flush and close accounts and forget their keys.
// Path: /release.
type Release struct {
	Accounts []schema.AccountID `json:"accounts"`
}

// Drop asks for the rows of a table, or of every table of a workspace, to be
// gone from all accounts. Path: /drop.
type Drop struct {
	Workspace schema.WorkspaceID `json:"workspace"`
	Table     schema.TableName   `json:"table,omitempty"`
}

// Retain asks for rows behind the edges of tables' total retention to be gone
// from the disk. Path: /retain.
type Retain struct {
	Tables []Retained `json:"tables"`
}

// Retained is a table and the time before which its rows go.
type Retained struct {
	Workspace schema.WorkspaceID `json:"workspace"`
	Table     schema.TableName   `json:"table"`
	Edge      schema.Ticks       `json:"edge"`
}

// A Retention is how far back the tables of a workspace are answered.
type Retention struct {
	Default schema.Ticks                      `json:"default"`
	Tables  map[schema.TableName]schema.Ticks `json:"tables,omitempty"` // those that differ
}

// Edge is the time before which rows of a table are not answered; 0: all are.
func (r Retention) Edge(t schema.TableName) schema.Ticks {
	if edge, ok := r.Tables[t]; ok {
		return edge
	}
	return r.Default
}

// Purge asks for the rows of a table to be gone that match all filters. Path:
// /purge. Answer: Purged.
type Purge struct {
	Workspace schema.WorkspaceID `json:"workspace"`
	Table     schema.Table       `json:"table"`
	Filters   json.RawMessage    `json:"filters"` // a list of purge.Filter
}

// Purged counts what a purge removed in the accounts of one domain.
type Purged struct {
	Rows     int64              `json:"rows"`
	Segments []schema.SegmentID `json:"segments,omitempty"` // that had some of them
}

// Check asks for every record of every segment of an account to be opened.
// Path: /check. Answer: Checked.
type Check struct {
	Account schema.AccountID `json:"account"`
}

// Checked counts what was opened, and names what could not be.
type Checked struct {
	Segments int             `json:"segments"`
	Bytes    int64           `json:"bytes"`
	Damaged  []DamagedObject `json:"damaged,omitempty"`
	Journal  string          `json:"journal,omitempty"` // what is wrong with the account's journal; nothing was opened then
}

// Salvage asks for what can be read of an account's damaged journal to be brought into
// segments. The account is not open, and what its journal has is kept elsewhere. Path: /salvage. Answer: Salvaged.
type Salvage struct {
	Account Account `json:"account"`
}

// Salvaged tells what came of it.
type Salvaged struct {
	Rows int64    `json:"rows"`
	Lost []string `json:"lost,omitempty"` // stretches that can't be read
}

// A DamagedObject is a segment that can't be read.
type DamagedObject struct {
	Segment schema.SegmentID `json:"segment"`
	Table   schema.TableName `json:"table"`
	Reason  string           `json:"reason"`
}

// An Append says what the rows in the request's body are. It travels in the
// header AppendHeader as JSON; the body is the client's. Path: /append.
// Answer: Appended.
type Append struct {
	Account   schema.AccountID   `json:"account"`
	Workspace schema.WorkspaceID `json:"workspace"`
	Stream    []schema.Column    `json:"stream,omitempty"` // declared by the rule; empty: the table's
	Table     schema.Table       `json:"table"`
	Transform string             `json:"transform,omitempty"` // over the stream's columns; "" for rows as they are
	Encoding  string             `json:"encoding,omitempty"`  // "" or "gzip"
	MaxBytes  int64              `json:"maxBytes"`            // of the body once it is unpacked
	Length    int64              `json:"-"`                   // of the body as sent; 0 if it is not known
}

// A Change is what a rule does to rows before they are stored. It is beside rows
// that wait in a spool: never change its names.
type Change struct {
	Text   string          `json:"text"`
	Stream []schema.Column `json:"stream"` // of the rows
	Table  schema.Table    `json:"table"`  // that they go to
	Now    schema.Ticks    `json:"now"`    // when they were accepted
}

// AppendHeader carries an Append.
const AppendHeader = "Logkeep-Append"

// Appended counts what was made durable.
type Appended struct {
	Rows    int64    `json:"rows"`
	Bytes   int64    `json:"bytes"`             // of JSON
	Ignored int64    `json:"ignored"`           // fields that the stream does not declare
	Cut     int64    `json:"cut"`               // strings that were longer than the limit
	CutIn   []string `json:"cutIn,omitempty"`   // the columns of these
	Refused int64    `json:"refused,omitempty"` // rows that can't be stored; the others are
	Reasons []string `json:"reasons,omitempty"` // of the first of them, without values
	Entry   uint64   `json:"entry"`             // number of the last that the account's journal has
}

// A Query is a request of the query API. Path: /query. The answer is the
// client's body.
type Query struct {
	Text      string             `json:"text"`
	Now       schema.Ticks       `json:"now"`
	From      schema.Ticks       `json:"from,omitempty"` // bounds of TimeGenerated, both included; 0 is open
	To        schema.Ticks       `json:"to,omitempty"`
	Tables    []schema.Table     `json:"tables"`            // that the text may name, beside the published ones, which are empty unless they are here
	Hidden    []schema.TableName `json:"hidden,omitempty"`  // published tables that the text may not name
	Limited   []schema.TableName `json:"limited,omitempty"` // tables with the plan Basic or Auxiliary
	Places    []Place            `json:"places,omitempty"`
	Functions []OpenTexts        `json:"functions,omitempty"` // saved searches; those with an alias are functions of the query
	Stored    []Stored           `json:"stored,omitempty"`    // columns of Tables that are stored under another name
	Readable  []Readable         `json:"readable"`

	Retention map[schema.WorkspaceID]Retention `json:"retention,omitempty"` // what each of them keeps to be queried

	Marks      []Mark            `json:"marks,omitempty"`      // of all accounts of Readable, for readers
	Form       Form              `json:"form,omitempty"`       // of the answer
	Parameters map[string]string `json:"parameters,omitempty"` // the text's query_parameters, as literals or as the texts of values
	External   bool              `json:"external,omitempty"`   // externaldata is allowed: the answer may be Wanted
	Files      map[string][]byte `json:"files,omitempty"`      // what it reads, by address
	Statistics bool              `json:"statistics,omitempty"`
	Render     bool              `json:"render,omitempty"`
	MaxRows    int               `json:"maxRows"`
	MaxBytes   int64             `json:"maxBytes"`
}

// Wanted is the answer, with StatusWanted, to a Query that reads files which it
// did not bring, or whose journals are not at rest. It is to be asked again with
// them, or with their writer's marks.
type Wanted struct {
	Addresses []string `json:"addresses,omitempty"`
	Marks     bool     `json:"marks,omitempty"`
}

func (w *Wanted) Error() string {
	if w.Marks {
		return "a journal is not at rest"
	}
	return "the query reads files from elsewhere"
}

// StatusWanted is a status that no fault has.
const StatusWanted = http.StatusFailedDependency

// A Use tells what of the storage a query has read, for its statistics.
type Use struct {
	Segments      int   `json:"segments"`      // in its range of time
	RowGroups     int   `json:"rowGroups"`     // of these segments
	RowGroupsRead int   `json:"rowGroupsRead"` // that times and terms did not rule out
	SealedBytes   int64 `json:"sealedBytes"`   // of these segments
	OpenedBytes   int64 `json:"openedBytes"`   // of what was read of them
	SiftedRows    int64 `json:"siftedRows"`    // of the row groups that were read, that were looked through before the engine
	KeptRows      int64 `json:"keptRows"`      // of these, that the engine was given
	WeighedRows   int64 `json:"weighedRows"`   // of the row groups that were read, that the engine was given as fewer rows with weights
	WeightedRows  int64 `json:"weightedRows"`  // how many these were
	TailRows      int64 `json:"tailRows"`      // not yet in segments
}

// A Form is a protocol in which the answer to a query is written.
type Form string

// The forms.
const (
	FormQuery          Form = ""                // the query API's
	FormKusto1         Form = "kusto1"          // /v1/rest/query
	FormKusto2         Form = "kusto2"          // /v2/rest/query
	FormKustoFragments Form = "kusto2fragments" // /v2/rest/query, a line for each frame and tables in fragments
)

// A Stored is a column that a query knows by another name than it is stored by:
// workspaces have tables of one name with different columns of one name.
type Stored struct {
	Table  schema.TableName `json:"table"`
	Column string           `json:"column"`
	As     string           `json:"as"`
}

// Marks asks a writer how far accounts have come, in their order. Path: /marks.
// Answer: a list of Mark.
type Marks struct {
	Accounts []schema.AccountID `json:"accounts"`
}

// A Flushed tells how many segments there are after a flush. Path: /flush.
type Flushed struct {
	Segments int `json:"segments"`
}

// A Status is what a worker tells of itself. Path: /status.
type Status struct {
	Accounts []schema.AccountID `json:"accounts"`
	Keys     []Key              `json:"keys"`
}

// A Key tells where a key in a worker's memory came from.
type Key struct {
	Account    schema.AccountID `json:"account"`
	Generation uint32           `json:"generation"`
	KID        kek.ID           `json:"kid"`
}

// A TokenRequest asks the keeper for a token of an owner's identity, or of the
// service if Owner is zero, for the vault at Audience. Path: /token. Answer: Token.
type TokenRequest struct {
	Owner    Owner  `json:"owner"`
	Audience string `json:"audience"`
}

// A Token is a bearer token.
type Token struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// A Commit is one change of an account's manifest. Path: /commit.
type Commit struct {
	Account schema.AccountID   `json:"account"`
	Add     []Segment          `json:"add,omitempty"`
	Remove  []schema.SegmentID `json:"remove,omitempty"`
	Seq     uint64             `json:"seq"`
	Floor   uint64             `json:"floor"`
	MAC     []byte             `json:"mac"`
}

// A SpoolKey is a new key pair for an account's spool. Path: /spoolkey.
type SpoolKey struct {
	Key wrap.SpoolKey `json:"key"`
}

// Spooled tells what became of one file of a spool: its rows are in the journal
// and the file is gone. Path: /spooled.
type Spooled struct {
	Account schema.AccountID `json:"account"`
	File    uint64           `json:"file"`
	Batches int              `json:"batches"`           // that were imported, now or before a crash
	Rows    int64            `json:"rows"`              //
	Aside   int              `json:"aside,omitempty"`   // that could not be, and are kept
	Missing int              `json:"missing,omitempty"` // that somebody took out of the file
	Reason  string           `json:"reason,omitempty"`  // of the first that could not be
}

// A Fault is how a fault.Error crosses a socket whole. It is the body of every
// answer that is not 200.
type Fault struct {
	Error      *fault.Error `json:"error"`
	RetryAfter int          `json:"retryAfter,omitempty"`
}

// EncodeFault writes err for the other side. What is not a fault stays here.
func EncodeFault(err error) (status int, body []byte) {
	f := fault.Of(err)
	body, merr := json.Marshal(Fault{f, f.RetryAfter()})
	if merr != nil {
		panic("internal error: a fault can't be written: " + merr.Error())
	}
	return f.Status(), body
}

// DecodeFault reads what EncodeFault wrote.
func DecodeFault(body []byte) error {
	var f Fault
	if err := json.Unmarshal(body, &f); err != nil || f.Error == nil {
		return fault.New(fault.InternalServerError, "A part of the service gave an answer that could not be read. Try again.")
	}
	return f.Error.WithRetryAfter(f.RetryAfter)
}
