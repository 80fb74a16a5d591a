// Package admin is what the keeper and the vault's process say to each other.
// The keeper holds a Client; the vault's process serves it and calls the keeper
// back through a Callbacks. Neither side sees the other's implementation: this
// package knows the words, not the vault.
//
// Both directions are HTTP with JSON bodies over Unix sockets in a folder that
// only the server's user can enter; there is no other authentication. Every
// call is a POST to the path named beside it.
//
// The rules of the resource type Microsoft.KeyVault/vaults (names, soft delete,
// purge protection, retention) are kept by the vault's process. The keeper
// decides who may call, hands the client's body on as it came, and answers with
// the document that comes back. A refusal is a *Problem: status, code and
// message are meant for the client.
package admin

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"logkeep/internal/resource"
)

// The service's own vault. It is in no subscription and in no list; its keys
// answer only to ServicePrincipal with a token of ServiceTenant, which the
// keeper never issues to anyone outside.
const (
	ServiceVault     = "logkeep-service"
	ServicePrincipal = "logkeep-service"
	ServiceTenant    = "00000000-0000-0000-0000-000000000000"
	WrapKey          = "mmk"       // RSA-3072; wraps what no customer key covers
	IntegrityKey     = "integrity" // EC P-256; signs wrap records
)

// TrustedAddress stands for the client's address in the line that precedes a
// spliced connection when the keeper itself made the connection for a worker or
// for a probe: a trusted service in the words of a vault's network rules.
const TrustedAddress = "trusted"

// A Problem is a refusal in the words that the client is to read.
type Problem struct {
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (p *Problem) Error() string { return p.Code + ": " + p.Message }

// Refuse returns a Problem.
func Refuse(status int, code, format string, args ...any) *Problem {
	return &Problem{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// A Caller is on whose behalf the keeper asks; it goes into the audit record.
type Caller struct {
	ObjectID    string `json:"objectId,omitempty"`
	AppID       string `json:"appId,omitempty"`
	Address     string `json:"address,omitempty"`
	Correlation string `json:"correlation,omitempty"`
	ClientInfo  string `json:"clientInfo,omitempty"`
}

// A Request is a call about vaults that a client made to the resource manager.
type Request struct {
	ID         resource.ID     `json:"id"`         // the vault, or the scope of a list
	Tenant     string          `json:"tenant"`     // of the subscription
	APIVersion string          `json:"apiVersion"` // as the client sent it
	Caller     Caller          `json:"caller"`
	Body       json.RawMessage `json:"body,omitempty"`
}

// A Vault is the resource as the resource manager shows it; it marshals into
// the answer's body.
type Vault struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       string            `json:"type"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags"`
	SystemData SystemData        `json:"systemData"`
	Properties Properties        `json:"properties"`
}

// SystemData tells who made and last changed a resource.
type SystemData struct {
	CreatedBy          string    `json:"createdBy,omitempty"`
	CreatedByType      string    `json:"createdByType,omitempty"`
	CreatedAt          time.Time `json:"createdAt"`
	LastModifiedBy     string    `json:"lastModifiedBy,omitempty"`
	LastModifiedByType string    `json:"lastModifiedByType,omitempty"`
	LastModifiedAt     time.Time `json:"lastModifiedAt"`
}

// Properties of a vault. Soft delete is always on.
type Properties struct {
	SKU                          SKU         `json:"sku"`
	TenantID                     string      `json:"tenantId"`
	AccessPolicies               []Policy    `json:"accessPolicies"`
	NetworkACLs                  *NetworkACL `json:"networkAcls,omitempty"`
	EnabledForDeployment         bool        `json:"enabledForDeployment"`
	EnabledForDiskEncryption     bool        `json:"enabledForDiskEncryption"`
	EnabledForTemplateDeployment bool        `json:"enabledForTemplateDeployment"`
	EnableSoftDelete             bool        `json:"enableSoftDelete"`
	SoftDeleteRetentionInDays    int         `json:"softDeleteRetentionInDays"`
	EnableRBACAuthorization      bool        `json:"enableRbacAuthorization"`
	EnablePurgeProtection        bool        `json:"enablePurgeProtection,omitempty"` // absent, never false
	VaultURI                     string      `json:"vaultUri"`
	ProvisioningState            string      `json:"provisioningState"`
	PublicNetworkAccess          string      `json:"publicNetworkAccess"`
}

// A SKU is a vault's tier.
type SKU struct {
	Family string `json:"family"`
	Name   string `json:"name"`
}

// A Policy gives a principal permissions in a vault that does not use roles.
type Policy struct {
	TenantID      string      `json:"tenantId"`
	ObjectID      string      `json:"objectId"`
	ApplicationID string      `json:"applicationId,omitempty"`
	Permissions   Permissions `json:"permissions"`
}

// Permissions by kind of object. Only those on keys have an effect here.
type Permissions struct {
	Keys         []string `json:"keys,omitempty"`
	Secrets      []string `json:"secrets,omitempty"`
	Certificates []string `json:"certificates,omitempty"`
	Storage      []string `json:"storage,omitempty"`
}

// A NetworkACL says from which addresses a vault's data plane may be called.
type NetworkACL struct {
	Bypass              string           `json:"bypass,omitempty"`        // AzureServices (default) or None
	DefaultAction       string           `json:"defaultAction,omitempty"` // Allow (default) or Deny
	IPRules             []NetworkAddress `json:"ipRules"`
	VirtualNetworkRules []NetworkSubnet  `json:"virtualNetworkRules"`
}

// A NetworkAddress is one address or a range in CIDR notation.
type NetworkAddress struct {
	Value string `json:"value"`
}

// A NetworkSubnet names a subnet. It is kept and shown; no client here comes
// from one.
type NetworkSubnet struct {
	ID string `json:"id"`
}

// A DeletedVault is a vault that can still be recovered or purged.
type DeletedVault struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       string            `json:"type"`
	Properties DeletedProperties `json:"properties"`
}

// DeletedProperties of a deleted vault.
type DeletedProperties struct {
	VaultID                string            `json:"vaultId"`
	Location               string            `json:"location"`
	Tags                   map[string]string `json:"tags,omitempty"`
	DeletionDate           time.Time         `json:"deletionDate"`
	ScheduledPurgeDate     time.Time         `json:"scheduledPurgeDate"`
	PurgeProtectionEnabled bool              `json:"purgeProtectionEnabled,omitempty"`
}

// A NameCheck answers whether a vault's name is free.
type NameCheck struct {
	Available bool   `json:"nameAvailable"`
	Reason    string `json:"reason,omitempty"` // AccountNameInvalid or AlreadyExists
	Message   string `json:"message,omitempty"`
}

// An Event is one record of a vault's audit log, of category AuditEvent. It
// names addresses and identifiers, never key material. A refused call, too,
// has ResultType "Success": look at HTTPStatus.
type Event struct {
	Time              time.Time  `json:"time"`
	ResourceID        string     `json:"resourceId"` // upper case
	OperationName     string     `json:"operationName"`
	OperationVersion  string     `json:"operationVersion"`
	Category          string     `json:"category"`
	ResultType        string     `json:"resultType"`
	ResultSignature   string     `json:"resultSignature"`
	ResultDescription string     `json:"resultDescription"`
	DurationMs        int64      `json:"durationMs"`
	CallerIPAddress   string     `json:"callerIpAddress"`
	CorrelationID     string     `json:"correlationId"`
	Identity          Identity   `json:"identity"`
	Properties        EventProps `json:"properties"`
}

// Identity of an Event's caller.
type Identity struct {
	Claim Claim `json:"claim"`
}

// A Claim is what the caller's token said.
type Claim struct {
	ObjectID string `json:"oid,omitempty"`
	AppID    string `json:"appid,omitempty"`
	TenantID string `json:"tid,omitempty"`
}

// EventProps are the properties of an Event.
type EventProps struct {
	ClientInfo string `json:"clientInfo"`
	RequestURI string `json:"requestUri"`
	ID         string `json:"id,omitempty"` // of the key
	HTTPStatus int    `json:"httpStatusCode"`

	// Grid is what the service that this one is compatible with would publish:
	// the record is no call but a thing that happened.
	Grid *GridEvent `json:"eventGridEventProperties,omitempty"`
}

// A GridEvent is a thing that happened to a key or a vault.
type GridEvent struct {
	Type    GridType `json:"type"`
	Subject string   `json:"subject"` // the key's name, or the vault's
	Data    GridData `json:"data"`
}

// GridType is a GridEvent's.
type GridType string

// The types of GridEvents.
const (
	GridNewVersion   GridType = "Microsoft.KeyVault.KeyNewVersionCreated"
	GridNearExpiry   GridType = "Microsoft.KeyVault.KeyNearExpiry"
	GridExpired      GridType = "Microsoft.KeyVault.KeyExpired"
	GridAccessChange GridType = "Microsoft.KeyVault.VaultAccessPolicyChanged"
)

// Operation is the name of such an event's audit record.
func (t GridType) Operation() string {
	return strings.TrimPrefix(string(t), "Microsoft.KeyVault.") + "EventGridNotification"
}

// GridData is what a GridEvent tells. Times are Unix seconds.
type GridData struct {
	ID         string `json:"Id"`
	VaultName  string
	ObjectType string // Key, or Vault
	ObjectName string
	Version    string `json:",omitempty"`
	NotBefore  *int64 `json:"NBF,omitempty"`
	Expires    *int64 `json:"EXP,omitempty"`
}
