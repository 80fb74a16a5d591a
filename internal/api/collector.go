package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/vault/admin"
)

// The HTTP Data Collector API: rows signed with a workspace's shared key, sent
// to {customerId}.ods.NAME. Tables and columns are made as rows name them.

// A CollectRequest is rows for a table of a workspace, from a sender that has
// one of its keys.
type CollectRequest struct {
	Workspace control.Workspace
	Table     schema.TableName
	TimeField string // property with a row's time; "" none
	Resource  string // id of the resource that the rows are about; "" none
	Body      []byte // the collector's to clear
}

// A Collector stores rows as an Ingester does, all or none.
type Collector interface {
	Collect(ctx context.Context, q CollectRequest) error
}

// SharedKeys derives workspaces' shared keys and checks what was signed with
// them: the client of the vault's process.
type SharedKeys interface {
	SharedKeys(ctx context.Context, of admin.SharedKeyOf) (admin.SharedKeys, error)
	SharedKeySigned(ctx context.Context, s admin.SharedSignature) (bool, error)
}

const (
	collectorVersion = "2016-04-01"
	maxCollected     = 30 << 20         // of a body
	maxSkew          = 15 * time.Minute // between a sender's clock and ours
)

func (s *server) collectorFace() *face {
	return &face{name: "collector", hosts: s.below("ods"), dialect: collectorDialect, routes: []route{
		// The signature is the authentication, and the key the authorisation.
		{method: "POST", pattern: "/api/logs", public: true, anyTime: true, maxBody: maxCollected, handle: s.collect},
	}}
}

// collectorDialect: errors as its documents have them. A denied key is 503, as
// for all rows.
var collectorDialect = dialect{
	unversioned: true,
	status:      map[fault.Code]int{fault.CustomerManagedKeyRevoked: http.StatusServiceUnavailable},
	retry:       ingestDialect.retry,
	body: func(f *fault.Error, _ string) any {
		return map[string]any{"Error": f.Code, "Message": f.Message}
	},
	unknown: func([]string) error {
		return fault.New(fault.NotFound, "Nothing is served at this path. Send rows to POST /api/logs?api-version=%s.", collectorVersion)
	},
}

var logType = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}$`) })

func (s *server) collect(w http.ResponseWriter, r *http.Request) error {
	workspace, err := s.customer(r)
	if err != nil {
		return err
	}
	switch v := versionOf(r.URL.Query()); v {
	case collectorVersion:
	case "":
		return fault.New(fault.MissingApiVersion, "The API version was not specified. Add ?api-version=%s.", collectorVersion)
	default:
		return fault.New(fault.InvalidApiVersion, "The API version '%.40s' is not known; use %s.", v, collectorVersion)
	}
	content := r.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(content)
	switch {
	case content == "":
		return fault.New(fault.MissingContentType, "The content type was not specified. Send Content-Type: application/json.")
	case err != nil || media != "application/json":
		return fault.New(fault.UnsupportedContentType, "The content type '%.60s' is not supported; send application/json.", content)
	case r.Header.Get("Content-Encoding") != "":
		return fault.New(fault.UnsupportedContentType, "Content-Encoding is not supported; send the rows as they are.")
	}
	name := r.Header.Get("Log-Type")
	switch {
	case name == "":
		return fault.New(fault.MissingLogType, "The header Log-Type was not specified. It names the table, to which _CL is added.")
	case !logType().MatchString(name):
		return fault.New(fault.InvalidLogType, "The log type '%.120s' is not valid: it begins with a letter and has up to 100 letters, digits and underscores.", name)
	}
	about := r.Header.Get("x-ms-AzureResourceId")
	if about != "" {
		id, err := resource.Parse(about)
		if err != nil {
			return fault.New(fault.InvalidDataFormat, "The header x-ms-AzureResourceId is no resource id. %s", sentence(err))
		}
		about = id.String()
	}
	// The length is part of what was signed; a body without one is read first.
	length := r.ContentLength
	weight := length
	if weight < 0 {
		weight = maxCollected
	}
	leave, err := s.intake.enter(r.Context(), 2*weight) // rows are written anew for their table
	if err != nil {
		hearOut(r)
		return err
	}
	defer leave()
	var body []byte
	if length < 0 {
		if body, err = s.collected(r); err != nil {
			return err
		}
		length = int64(len(body))
	}
	if err := s.signed(r, workspace, content, length); err != nil {
		return err
	}
	if body == nil {
		if body, err = s.collected(r); err != nil {
			return err
		}
	}
	err = s.Collector.Collect(r.Context(), CollectRequest{
		Workspace: workspace, Table: schema.TableName(name + "_CL"), TimeField: r.Header.Get("time-generated-field"), Resource: about, Body: body,
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// customer is the workspace that the host names.
func (s *server) customer(r *http.Request) (control.Workspace, error) {
	label, _, _ := strings.Cut(hostname(r), ".")
	none := fault.New(fault.InvalidCustomerID, "The workspace ID '%.60s' is not valid. It is properties.customerId of the workspace.", label)
	if uuid.Validate(label) != nil {
		return control.Workspace{}, none
	}
	workspace, err := s.Control.WorkspaceByID(r.Context(), schema.WorkspaceID(label))
	switch {
	case errors.Is(err, fault.WorkspaceNotFound):
		return workspace, none
	case err == nil && workspace.State != resource.Succeeded:
		return workspace, fault.New(fault.InactiveCustomer, "The workspace is being created or deleted.")
	}
	return workspace, err
}

func (s *server) collected(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if _, big := errors.AsType[*http.MaxBytesError](err); big {
		return nil, fault.New(fault.ContentLengthLimit, "A request can have %d bytes. Send the rows in several.", maxCollected)
	}
	if err != nil {
		return nil, fault.New(fault.InvalidDataFormat, "The body could not be read to its end.").Because(err)
	}
	return body, nil
}

// signed insists that the sender has a key of the workspace, and signed this
// request a short time ago.
func (s *server) signed(r *http.Request, workspace control.Workspace, content string, length int64) error {
	no := func(why string) error {
		return fault.New(fault.InvalidAuthorization, "An invalid signature was specified in the Authorization header: %s", why)
	}
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	id, text, ok := strings.Cut(strings.TrimSpace(rest), ":")
	signature, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || !strings.EqualFold(scheme, "SharedKey") {
		return no("it has the form 'SharedKey {workspace id}:{base64 of the signature}'.")
	}
	if !strings.EqualFold(id, string(workspace.CustomerID)) {
		return no("it is for another workspace than the host.")
	}
	date := r.Header.Get("x-ms-date")
	at, err := http.ParseTime(date)
	if err != nil {
		return no("the header x-ms-date must be the time of the request in the form of RFC 1123.")
	}
	if skew := time.Since(at); skew > maxSkew || skew < -maxSkew {
		return no(fmt.Sprintf("the time in x-ms-date is more than %d minutes away from the server's.", int(maxSkew.Minutes())))
	}
	good, err := s.Shared.SharedKeySigned(r.Context(), admin.SharedSignature{
		SharedKeyOf: keysOf(workspace), Signature: signature,
		Text: fmt.Sprintf("POST\n%d\n%s\nx-ms-date:%s\n/api/logs", length, content, date),
	})
	switch {
	case err != nil:
		return told(err)
	case !good:
		return no("it was not made with a shared key of the workspace over this request.")
	case !workspace.LocalAuth():
		return fault.New(fault.InvalidAuthorization, "The workspace takes no rows that are signed with a shared key: features.disableLocalAuth is true.")
	}
	return nil
}

func keysOf(w control.Workspace) admin.SharedKeyOf {
	return admin.SharedKeyOf{Workspace: string(w.CustomerID), Generation: w.KeyGeneration}
}

func (s *server) sharedKeyRoutes() []route {
	const (
		one = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.OperationalInsights/workspaces/{name}"
		may = "Microsoft.OperationalInsights/workspaces/"
	)
	return []route{
		{method: "POST", pattern: one + "/sharedKeys", action: may + "sharedKeys/action", handle: s.sharedKeys},
		{method: "POST", pattern: one + "/regenerateSharedKey", action: may + "regenerateSharedKey/action", handle: s.regenerateKeys},
	}
}

func (s *server) sharedKeys(w http.ResponseWriter, r *http.Request) error {
	id, err := holderOf(r)
	if err != nil {
		return err
	}
	v, err := s.Control.Workspace(r.Context(), id)
	if err != nil {
		return err
	}
	return s.showKeys(w, r, v)
}

func (s *server) regenerateKeys(w http.ResponseWriter, r *http.Request) error {
	id, err := holderOf(r)
	if err != nil {
		return err
	}
	v, err := s.Control.RegenerateKeys(r.Context(), id)
	if err != nil {
		return err
	}
	return s.showKeys(w, r, v)
}

func (s *server) showKeys(w http.ResponseWriter, r *http.Request, v control.Workspace) error {
	k, err := s.Shared.SharedKeys(r.Context(), keysOf(v))
	if err != nil {
		return told(err)
	}
	return writeJSON(w, http.StatusOK, k)
}
