package fault

import (
	"maps"
	"net/http"
	"slices"
)

// A Meaning is what the table says of a code.
type Meaning struct {
	Status     int
	RetryAfter int    // seconds that a client should wait by default; 0: a retry alone does not help
	Doc        string // one sentence for docs/errors.md
}

// Codes that every face uses.
const (
	InternalServerError                Code = "InternalServerError"
	ServiceUnavailable                 Code = "ServiceUnavailable"
	GatewayTimeout                     Code = "GatewayTimeout"
	BadRequest                         Code = "BadRequest"
	InvalidParameter                   Code = "InvalidParameter"
	InvalidInput                       Code = "InvalidInput"
	InvalidRequestContent              Code = "InvalidRequestContent"
	InvalidApiVersionParameter         Code = "InvalidApiVersionParameter"
	MultipleErrorsOccurred             Code = "MultipleErrorsOccurred"
	AuthenticationFailed               Code = "AuthenticationFailed"
	InvalidAuthenticationToken         Code = "InvalidAuthenticationToken"
	ExpiredAuthenticationToken         Code = "ExpiredAuthenticationToken"
	InvalidAuthenticationTokenAudience Code = "InvalidAuthenticationTokenAudience"
	InvalidAuthenticationTokenTenant   Code = "InvalidAuthenticationTokenTenant"
	AuthorizationFailed                Code = "AuthorizationFailed"
	NotFound                           Code = "NotFound"
	PathNotFound                       Code = "PathNotFoundError"
	InvalidResourceType                Code = "InvalidResourceType"
	InvalidResourceNamespace           Code = "InvalidResourceNamespace"
	InvalidResourceName                Code = "InvalidResourceName"
	InvalidResourceID                  Code = "LinkedInvalidPropertyId"
	SubscriptionNotFound               Code = "SubscriptionNotFound"
	ResourceGroupNotFound              Code = "ResourceGroupNotFound"
	ResourceGroupBeingDeleted          Code = "ResourceGroupBeingDeleted"
	ResourceNotFound                   Code = "ResourceNotFound"
	MissingSubscriptionRegistration    Code = "MissingSubscriptionRegistration"
	InvalidLocation                    Code = "InvalidResourceLocation"
	MethodNotAllowed                   Code = "MethodNotAllowed"
	Conflict                           Code = "Conflict"
	PreconditionFailed                 Code = "PreconditionFailed"
	RequestEntityTooLarge              Code = "RequestEntityTooLarge"
	RequestTimeout                     Code = "RequestTimeout"
	UnsupportedMediaType               Code = "UnsupportedMediaType"
	TooManyRequests                    Code = "TooManyRequests"
	SubscriptionRequestsThrottled      Code = "SubscriptionRequestsThrottled"
	TenantRequestsThrottled            Code = "TenantRequestsThrottled"
	QuotaExceeded                      Code = "QuotaExceeded"
	ResourceMoveNotSupported           Code = "ResourceMoveNotSupported"
	OperationNotFound                  Code = "OperationNotFound"
	StorageDamaged                     Code = "StorageDamaged"
)

// Codes of customers' keys. Every face answers with these and no others.
const (
	CustomerManagedKeyRevoked     Code = "CustomerManagedKeyRevoked"
	CustomerManagedKeyUnreachable Code = "CustomerManagedKeyUnreachable"
	CustomerManagedKeyDamaged     Code = "CustomerManagedKeyDamaged"
)

// Codes of clusters, links and workspaces.
const (
	ClusterNotFound                 Code = "ClusterNotFound"
	LinkedClusterNotFound           Code = "LinkedClusterNotFound"
	InvalidClusterName              Code = "InvalidClusterName"
	MissingSku                      Code = "MissingSku"
	InvalidSkuName                  Code = "InvalidSkuName"
	CapacityWithoutReservation      Code = "CapacityWithoutReservation"
	MissingCapacity                 Code = "MissingCapacity"
	CapacityLocked                  Code = "CapacityLocked"
	ClusterNotSucceeded             Code = "ClusterNotSucceeded"
	ClusterOperationInProgress      Code = "ClusterOperationInProgress"
	ClusterDeleting                 Code = "ClusterDeleting"
	ClusterProvisioning             Code = "ClusterProvisioning"
	DoubleEncryptionUnsupported     Code = "DoubleEncryptionUnsupported"
	KeyOnCreation                   Code = "KeyVaultPropertiesOnCreation"
	InvalidKeyVaultProperties       Code = "InvalidKeyVaultProperties"
	KeyValidationFailed             Code = "KeyVaultKeyValidationFailed"
	KeyNotRecoverable               Code = "KeyNotRecoverable"
	IdentityRemoved                 Code = "ClusterIdentityRemoved"
	WorkspaceNotFound               Code = "WorkspaceNotFound"
	WorkspaceLinkInProgress         Code = "WorkspaceLinkInProgress"
	WorkspaceLinkedToAnotherCluster Code = "WorkspaceLinkedToAnotherCluster"
	LinkOperationLimitReached       Code = "LinkOperationLimitReached"
	LinkedServiceNotFound           Code = "LinkedServiceNotFound"
	InvalidTableSchema              Code = "InvalidTableSchema"
	TableNotFound                   Code = "TableNotFound"
)

// Codes of the ingestion and query faces.
const (
	RuleNotFound              Code = "DataCollectionRuleNotFound"
	StreamNotFound            Code = "InvalidStream"
	MalformedJSON             Code = "MalformedJson"
	InvalidRow                Code = "InvalidRow"
	ContentLengthLimit        Code = "ContentLengthLimitExceeded"
	UnsupportedEncoding       Code = "UnsupportedContentEncoding"
	TransformFailed           Code = "InvalidTransformQuery"
	TransformOutput           Code = "InvalidTransformOutput"
	InvalidPayload            Code = "InvalidPayload"
	InvalidOutputTable        Code = "InvalidOutputTable"
	EndpointMismatch          Code = "InvalidEndpoint"
	DailyCapReached           Code = "DailyCapReached"
	BadArgument               Code = "BadArgumentError"
	SyntaxError               Code = "SyntaxError"
	SemanticError             Code = "SemanticError"
	InsufficientAccess        Code = "InsufficientAccessError"
	QueryLimitsExceeded       Code = "QueryLimitsExceeded"
	QueryTimeout              Code = "QueryTimeout"
	UnsupportedQueryOperation Code = "UnsupportedQueryOperation"
)

// Codes of the older collector API.
const (
	InactiveCustomer       Code = "InactiveCustomer"
	InvalidApiVersion      Code = "InvalidApiVersion"
	MissingApiVersion      Code = "MissingApiVersion"
	InvalidCustomerID      Code = "InvalidCustomerId"
	InvalidDataFormat      Code = "InvalidDataFormat"
	InvalidLogType         Code = "InvalidLogType"
	MissingLogType         Code = "MissingLogType"
	MissingContentType     Code = "MissingContentType"
	UnsupportedContentType Code = "UnsupportedContentType"
	InvalidAuthorization   Code = "InvalidAuthorization"
)

// Codes of roles and principals.
const (
	RoleAssignmentExists             Code = "RoleAssignmentExists"
	RoleAssignmentUpdateNotPermitted Code = "RoleAssignmentUpdateNotPermitted"
	RoleDefinitionDoesNotExist       Code = "RoleDefinitionDoesNotExist"
	RoleDefinitionWithSameNameExists Code = "RoleDefinitionWithSameNameExists"
	RoleDefinitionHasAssignments     Code = "RoleDefinitionHasAssignments"
	InvalidRoleDefinition            Code = "InvalidRoleDefinition"
	PrincipalNotFound                Code = "PrincipalNotFound"
	InvalidFilter                    Code = "UnsupportedQuery"
)

// Codes of vaults and of their keys. The vault's process decides them; its
// refusals are passed on, with a status of their own where it has one.
const (
	VaultAlreadyExists   Code = "VaultAlreadyExists"
	VaultNameNotValid    Code = "VaultNameNotValid"
	VaultNotFound        Code = "VaultNotFound"
	DeletedVaultNotFound Code = "DeletedVaultNotFound"
	VaultConflict        Code = "ConflictError"
	LocationRequired     Code = "LocationRequired"
	KeyNotFound          Code = "KeyNotFound"
	KeyBadParameter      Code = "BadParameter"
	KeyForbidden         Code = "Forbidden"
)

// meanings is the one table. docs/errors.md is written from it.
var meanings = map[Code]Meaning{
	InternalServerError:                {http.StatusInternalServerError, 0, "The server met an error of its own. The cause is in its log under the correlation id."},
	ServiceUnavailable:                 {http.StatusServiceUnavailable, 1, "A part of the service is starting or stopping. Try again."},
	GatewayTimeout:                     {http.StatusGatewayTimeout, 0, "The work took longer than the request allowed."},
	BadRequest:                         {http.StatusBadRequest, 0, "The request is not valid; the message says what to change."},
	InvalidParameter:                   {http.StatusBadRequest, 0, "A property or parameter has a value that is not allowed, or can't be changed."},
	InvalidInput:                       {http.StatusBadRequest, 0, "A value is outside the allowed set; target names it."},
	InvalidRequestContent:              {http.StatusBadRequest, 0, "The body is missing or is not valid JSON of the expected shape."},
	InvalidApiVersionParameter:         {http.StatusBadRequest, 0, "The api-version parameter is missing or malformed."},
	MultipleErrorsOccurred:             {http.StatusBadRequest, 0, "Several properties are not valid; details has one entry for each."},
	AuthenticationFailed:               {http.StatusUnauthorized, 0, "No bearer token was sent."},
	InvalidAuthenticationToken:         {http.StatusUnauthorized, 0, "The bearer token is malformed, or its signature or issuer is not ours."},
	ExpiredAuthenticationToken:         {http.StatusUnauthorized, 0, "The bearer token has expired, or is not valid yet."},
	InvalidAuthenticationTokenAudience: {http.StatusUnauthorized, 0, "The bearer token was issued for another service."},
	InvalidAuthenticationTokenTenant:   {http.StatusUnauthorized, 0, "The bearer token was issued by another tenant."},
	AuthorizationFailed:                {http.StatusForbidden, 0, "The caller has no role that allows the action at the scope."},
	NotFound:                           {http.StatusNotFound, 0, "Nothing is served at this path."},
	PathNotFound:                       {http.StatusNotFound, 0, "The query face has nothing at this path, or the workspace does not exist."},
	InvalidResourceType:                {http.StatusNotFound, 0, "The provider has no such resource type."},
	InvalidResourceNamespace:           {http.StatusNotFound, 0, "There is no such resource provider."},
	InvalidResourceName:                {http.StatusBadRequest, 0, "The name breaks the rules of its resource type."},
	InvalidResourceID:                  {http.StatusBadRequest, 0, "A property that must be a resource id is none."},
	SubscriptionNotFound:               {http.StatusNotFound, 0, "The subscription does not exist or is not visible to the caller."},
	ResourceGroupNotFound:              {http.StatusNotFound, 0, "The resource group does not exist; create it first."},
	ResourceGroupBeingDeleted:          {http.StatusConflict, 0, "The resource group is being deleted."},
	ResourceNotFound:                   {http.StatusNotFound, 0, "The resource does not exist."},
	MissingSubscriptionRegistration:    {http.StatusConflict, 0, "The subscription is not registered for the provider."},
	InvalidLocation:                    {http.StatusConflict, 0, "The resource exists in another location; a location can't be changed."},
	MethodNotAllowed:                   {http.StatusMethodNotAllowed, 0, "The resource does not support the method; the Allow header lists those it does."},
	Conflict:                           {http.StatusConflict, 0, "The name is reserved, or the resource is in a state that forbids the change."},
	PreconditionFailed:                 {http.StatusPreconditionFailed, 0, "The resource has changed since the etag was read."},
	RequestEntityTooLarge:              {http.StatusRequestEntityTooLarge, 0, "The body is larger than the face accepts."},
	RequestTimeout:                     {http.StatusRequestTimeout, 0, "The body came too slowly: it has a minute, and a second more for every 8 KiB that have come."},
	UnsupportedMediaType:               {http.StatusUnsupportedMediaType, 0, "The body must be application/json."},
	SubscriptionRequestsThrottled:      {http.StatusTooManyRequests, 1, "The principal asks too often in the subscription; wait as Retry-After says. The headers x-ms-ratelimit-remaining-subscription-reads, -writes and -deletes say how much is left."},
	TenantRequestsThrottled:            {http.StatusTooManyRequests, 1, "The same above subscriptions."},
	TooManyRequests:                    {http.StatusTooManyRequests, 1, "A rate limit was reached; wait as Retry-After says."},
	QuotaExceeded:                      {http.StatusConflict, 0, "A limit on the number of resources was reached."},
	ResourceMoveNotSupported:           {http.StatusConflict, 0, "The resource can't be moved to another group, subscription or region."},
	OperationNotFound:                  {http.StatusNotFound, 0, "There is no such long-running operation."},
	StorageDamaged:                     {http.StatusInternalServerError, 0, "An object that the request needs is missing or damaged; the message names it. Everything else can be read. The operator restores it from a backup, or sets it aside with `logkeep storage check --repair`."},

	CustomerManagedKeyRevoked:     {http.StatusForbidden, 0, "The customer's vault denies the cluster its key. Ingestion answers 503 instead, so that shippers keep their data. Repair the key, its permissions or the identity; access returns by itself."},
	CustomerManagedKeyUnreachable: {http.StatusServiceUnavailable, 5, "The customer's vault has been silent for longer than the grace. Access returns when it answers."},
	CustomerManagedKeyDamaged:     {http.StatusServiceUnavailable, 0, "A wrapped key or its signature does not match. Retrying does not help; the operator must restore the key records."},

	ClusterNotFound:                 {http.StatusNotFound, 0, "The cluster does not exist, or was deleted."},
	LinkedClusterNotFound:           {http.StatusBadRequest, 0, "The cluster named in a link does not exist, or was deleted."},
	InvalidClusterName:              {http.StatusBadRequest, 0, "The cluster's name breaks the rules."},
	MissingSku:                      {http.StatusBadRequest, 0, "A cluster needs a sku."},
	InvalidSkuName:                  {http.StatusBadRequest, 0, "The sku's name is not CapacityReservation."},
	CapacityWithoutReservation:      {http.StatusBadRequest, 0, "A capacity was given for a sku that has none."},
	MissingCapacity:                 {http.StatusBadRequest, 0, "The sku has no capacity."},
	CapacityLocked:                  {http.StatusBadRequest, 0, "The capacity was changed less than the commitment period ago and can't be lowered yet."},
	ClusterNotSucceeded:             {http.StatusBadRequest, 0, "The cluster's last operation is not finished."},
	ClusterOperationInProgress:      {http.StatusBadRequest, 0, "Another operation on the cluster is running."},
	ClusterDeleting:                 {http.StatusBadRequest, 0, "The cluster is being deleted."},
	ClusterProvisioning:             {http.StatusConflict, 0, "The cluster is still being provisioned."},
	DoubleEncryptionUnsupported:     {http.StatusBadRequest, 0, "The region has no double encryption."},
	KeyOnCreation:                   {http.StatusBadRequest, 0, "A key was given while the cluster's system-assigned identity does not exist yet."},
	InvalidKeyVaultProperties:       {http.StatusBadRequest, 0, "keyVaultProperties is malformed."},
	KeyValidationFailed:             {http.StatusBadRequest, 0, "The key can't be read, wrapped with or unwrapped with by the cluster's identity."},
	KeyNotRecoverable:               {http.StatusBadRequest, 0, "The vault has no soft delete or no purge protection."},
	IdentityRemoved:                 {http.StatusConflict, 0, "The cluster's identity was set to None. Only support can restore it."},
	WorkspaceNotFound:               {http.StatusNotFound, 0, "The workspace does not exist, or was deleted."},
	WorkspaceLinkInProgress:         {http.StatusConflict, 0, "A link or unlink of the workspace is running."},
	WorkspaceLinkedToAnotherCluster: {http.StatusConflict, 0, "The workspace is linked to another cluster; unlink it first."},
	LinkOperationLimitReached:       {http.StatusConflict, 0, "The workspace was linked too often in the last 30 days."},
	LinkedServiceNotFound:           {http.StatusNotFound, 0, "The workspace is not linked."},
	InvalidTableSchema:              {http.StatusBadRequest, 0, "A table's name, columns or retention break the rules."},
	TableNotFound:                   {http.StatusNotFound, 0, "The workspace has no such table."},

	RuleNotFound:              {http.StatusNotFound, 0, "No data collection rule has this immutable id."},
	StreamNotFound:            {http.StatusBadRequest, 0, "The data collection rule declares no such stream."},
	MalformedJSON:             {http.StatusBadRequest, 0, "The body is not a JSON array of objects."},
	InvalidRow:                {http.StatusBadRequest, 0, "No row of the request can be stored: it is no object, or a value does not fit its column."},
	ContentLengthLimit:        {http.StatusRequestEntityTooLarge, 0, "The body is larger than one ingestion request may be; send smaller ones."},
	UnsupportedEncoding:       {http.StatusUnsupportedMediaType, 0, "The Content-Encoding is neither gzip nor identity."},
	TransformFailed:           {http.StatusBadRequest, 0, "A rule's transformKql can't be compiled, or uses what transformations don't support; the message says where."},
	TransformOutput:           {http.StatusBadRequest, 0, "What comes out of a rule's transformKql has other types than the columns of its table."},
	InvalidPayload:            {http.StatusBadRequest, 0, "A data collection rule is not valid; details has an entry for each thing that is wrong."},
	InvalidOutputTable:        {http.StatusBadRequest, 0, "The table of a data flow does not exist in a destination, or can't take rows from rules."},
	DailyCapReached:           {http.StatusTooManyRequests, 60, "The workspace has taken in what its daily cap allows; it takes rows again after midnight, UTC, or when the cap is raised."},
	EndpointMismatch:          {http.StatusNotFound, 0, "The host is no collection endpoint of the rule."},
	BadArgument:               {http.StatusBadRequest, 0, "The query is not valid; innererror says where."},
	SyntaxError:               {http.StatusBadRequest, 0, "The query's text is not well formed (inner error)."},
	SemanticError:             {http.StatusBadRequest, 0, "The query names something unknown or mixes types (inner error)."},
	InsufficientAccess:        {http.StatusForbidden, 0, "The caller may not query the workspace, or its key does not allow anybody to."},
	QueryLimitsExceeded:       {http.StatusBadRequest, 0, "The query or its result is larger than allowed; narrow it."},
	QueryTimeout:              {http.StatusGatewayTimeout, 0, "The query took longer than the wait that was asked for."},
	UnsupportedQueryOperation: {http.StatusBadRequest, 0, "The query uses a part of the language that is not supported here."},

	InactiveCustomer:       {http.StatusBadRequest, 0, "The workspace is being created or was deleted."},
	InvalidApiVersion:      {http.StatusBadRequest, 0, "The collector API knows the api-version 2016-04-01 only."},
	MissingApiVersion:      {http.StatusBadRequest, 0, "The api-version parameter is missing."},
	InvalidCustomerID:      {http.StatusBadRequest, 0, "The host's first label is no workspace id."},
	InvalidDataFormat:      {http.StatusBadRequest, 0, "The body is no JSON object or array of objects, or a property can't name a column. Nothing was stored."},
	InvalidLogType:         {http.StatusBadRequest, 0, "The header Log-Type can't name a table."},
	MissingLogType:         {http.StatusBadRequest, 0, "The header Log-Type is missing."},
	MissingContentType:     {http.StatusBadRequest, 0, "The header Content-Type is missing."},
	UnsupportedContentType: {http.StatusBadRequest, 0, "The Content-Type is not application/json."},
	InvalidAuthorization:   {http.StatusForbidden, 0, "The signature was not made with a shared key of the workspace, or not for this request or time, or shared keys are switched off."},

	VaultAlreadyExists:   {http.StatusConflict, 0, "Another vault, or one that was deleted and not purged, has the name; names are unique on a server."},
	VaultNameNotValid:    {http.StatusBadRequest, 0, "A vault's name has 3 to 24 letters, digits and single hyphens and begins with a letter."},
	VaultNotFound:        {http.StatusNotFound, 0, "The vault does not exist, or was deleted."},
	DeletedVaultNotFound: {http.StatusNotFound, 0, "No deleted vault has this name and location."},
	VaultConflict:        {http.StatusConflict, 0, "A deleted vault has the name; recover it, or purge it."},
	LocationRequired:     {http.StatusBadRequest, 0, "A new vault needs a location."},
	KeyNotFound:          {http.StatusNotFound, 0, "The vault has no such key or version."},
	KeyBadParameter:      {http.StatusBadRequest, 0, "A property of a key has a value that is not allowed."},
	KeyForbidden:         {http.StatusForbidden, 0, "The vault does not allow this to the caller, or to anybody in the key's state."},

	RoleAssignmentExists:             {http.StatusConflict, 0, "The principal has the role at the scope already."},
	RoleAssignmentUpdateNotPermitted: {http.StatusBadRequest, 0, "An assignment's role, principal and scope can't be changed."},
	RoleDefinitionDoesNotExist:       {http.StatusBadRequest, 0, "There is no such role."},
	RoleDefinitionWithSameNameExists: {http.StatusConflict, 0, "Another custom role has the name."},
	RoleDefinitionHasAssignments:     {http.StatusBadRequest, 0, "The custom role is assigned; delete its assignments first."},
	InvalidRoleDefinition:            {http.StatusBadRequest, 0, "The role is built in, or a property of a custom role is missing."},
	PrincipalNotFound:                {http.StatusBadRequest, 0, "No principal of the directory has this object id."},
	InvalidFilter:                    {http.StatusBadRequest, 0, "The $filter is malformed or uses what the list does not support."},
}

// Codes lists every code in alphabetical order.
func Codes() []Code { return slices.Sorted(maps.Keys(meanings)) }

// MeaningOf returns what the table says of c.
func MeaningOf(c Code) (Meaning, bool) { m, ok := meanings[c]; return m, ok }
