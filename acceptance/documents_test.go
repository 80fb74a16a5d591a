package acceptance

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const location = "westeurope"

// TestTheDocumentsStepsWithAz follows the page on customer-managed keys from its
// first step to its last: vault, cluster, permission, key, link, revocation,
// rotation.
func TestTheDocumentsStepsWithAz(t *testing.T) {
	program := findAz(t)
	s := startServer(t)
	d := &documents{az: newAz(t, program, s), server: s}
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"sign in", d.signIn},
		{"store the key", d.storeKey},
		{"create the cluster", d.createCluster},
		{"without permission the key is refused", d.refusedKey},
		{"grant permission", d.grant},
		{"update the cluster with the key", d.updateCluster},
		{"link a workspace", d.link},
		{"send the vault's audit records to the workspace", d.audit},
		{"ingest and query", d.ingestAndQuery},
		{"revoke", d.revoke},
		{"restore", d.restore},
		{"rotate", d.rotate},
		{"read who used which version of the key", d.readAudit},
		{"unlink", d.unlink},
	} {
		if !t.Run(step.name, step.run) {
			t.FailNow() // each step stands on those before
		}
	}
}

// documents is the way so far.
type documents struct {
	*az
	server *server

	group, vaultID, vaultURI, version string
	clusterID, principal              string
	workspaceID, customerID           string
	ruleID, endpoint                  string
	rows                              int
}

func (d *documents) signIn(t *testing.T) {
	cloud := d.run(t, "cloud", "show")
	cloud.is(t, "endpoints.resourceManager", d.server.env["LOGKEEP_ARM"]+"/")
	cloud.is(t, "suffixes.keyvaultDns", d.server.env["LOGKEEP_KEYVAULT_SUFFIX"])
	d.fails(t, "AADSTS7000215", "login", "--service-principal", "-u", d.server.env["AZURE_CLIENT_ID"], "-p", "wrong", "--tenant", d.server.env["AZURE_TENANT_ID"])
	accounts := d.run(t, "login", "--service-principal", "-u", d.server.env["AZURE_CLIENT_ID"], "-p", d.server.env["AZURE_CLIENT_SECRET"], "--tenant", d.server.env["AZURE_TENANT_ID"])
	accounts.is(t, "0.id", d.server.env["AZURE_SUBSCRIPTION_ID"])
	accounts.is(t, "0.tenantId", d.server.env["AZURE_TENANT_ID"])
	accounts.is(t, "0.state", "Enabled")
	d.run(t, "account", "set", "--subscription", d.server.env["AZURE_SUBSCRIPTION_ID"])
	d.group = "logs"
	d.run(t, "group", "create", "-n", d.group, "-l", location).is(t, "properties.provisioningState", "Succeeded")
}

func (d *documents) storeKey(t *testing.T) {
	vault := d.run(t, "keyvault", "create", "-n", "kv-logs", "-g", d.group, "-l", location, "--enable-purge-protection", "true", "--enable-rbac-authorization", "true", "--retention-days", "90")
	vault.is(t, "properties.enablePurgeProtection", "true")
	vault.is(t, "properties.enableSoftDelete", "true")
	vault.is(t, "properties.enableRbacAuthorization", "true")
	d.vaultID, d.vaultURI = vault.at("id").text(), vault.at("properties.vaultUri").text()
	d.run(t, "keyvault", "show", "-n", "kv-logs").is(t, "id", d.vaultID)

	// Owner is not a role for keys: without one of those nothing is made.
	d.fails(t, "ForbiddenByRbac", "keyvault", "key", "create", "--vault-name", "kv-logs", "-n", "kek", "--kty", "RSA", "--size", "3072")
	d.run(t, "role", "assignment", "create", "--role", "Key Vault Crypto Officer", "--assignee-object-id", d.me(t), "--assignee-principal-type", "ServicePrincipal", "--scope", d.vaultID)
	key := d.run(t, "keyvault", "key", "create", "--vault-name", "kv-logs", "-n", "kek", "--kty", "RSA", "--size", "3072")
	key.is(t, "attributes.enabled", "true")
	d.version = lastSegment(key.at("key.kid").text())
	if !strings.HasPrefix(key.at("key.kid").text(), strings.TrimSuffix(d.vaultURI, "/")+"/keys/kek/") || len(d.version) != 32 {
		t.Errorf("kid %q of vault %q", key.at("key.kid").text(), d.vaultURI)
	}
	if level := key.at("attributes.recoveryLevel").text(); strings.Contains(level, "Purgeable") || !strings.Contains(level, "Recoverable") {
		t.Errorf("recovery level %q of a vault with purge protection", level)
	}
}

// me is the object id of whoever is signed in, from its own Graph entry.
func (d *documents) me(t *testing.T) string {
	t.Helper()
	found := d.run(t, "rest", "--method", "get", "--uri", d.server.env["LOGKEEP_GRAPH"]+"/v1.0/servicePrincipals?$filter=servicePrincipalNames/any(c:c eq '"+d.server.env["AZURE_CLIENT_ID"]+"')")
	id := found.at("value.0.id").text()
	if id == "" {
		t.Fatalf("Graph does not know the administrator: %s", found.text())
	}
	return id
}

func (d *documents) createCluster(t *testing.T) {
	cluster := d.run(t, "monitor", "log-analytics", "cluster", "create", "-g", d.group, "-n", "logs-cluster", "-l", location, "--identity-type", "SystemAssigned", "--sku-capacity", "100")
	cluster.is(t, "provisioningState", "Succeeded")
	cluster.is(t, "identity.type", "SystemAssigned")
	cluster.is(t, "sku.capacity", "100")
	d.clusterID, d.principal = cluster.at("id").text(), cluster.at("identity.principalId").text()
	if d.principal == "" || cluster.at("clusterId").text() == "" {
		t.Errorf("cluster without principal or id: %s", cluster.text())
	}
	d.fails(t, "", "monitor", "log-analytics", "cluster", "show", "-g", d.group, "-n", "no-such-cluster")
}

func (d *documents) setKey() []string {
	return []string{"monitor", "log-analytics", "cluster", "update", "-g", d.group, "-n", "logs-cluster", "--key-name", "kek", "--key-vault-uri", d.vaultURI, "--key-version", ""}
}

func (d *documents) refusedKey(t *testing.T) {
	d.fails(t, "ForbiddenByRbac", d.setKey()...)
	after := d.run(t, "monitor", "log-analytics", "cluster", "show", "-g", d.group, "-n", "logs-cluster")
	after.is(t, "provisioningState", "Succeeded")
	after.is(t, "keyVaultProperties.keyName", "")
	d.fails(t, "KeyVaultKeyValidationFailed", "monitor", "log-analytics", "cluster", "update", "-g", d.group, "-n", "logs-cluster", "--key-name", "kek", "--key-vault-uri", strings.Replace(d.vaultURI, "kv-logs", "kv-nowhere", 1), "--key-version", "")
}

func (d *documents) grant(t *testing.T) {
	made := d.run(t, "role", "assignment", "create", "--role", "Key Vault Crypto Service Encryption User", "--assignee-object-id", d.principal, "--assignee-principal-type", "ServicePrincipal", "--scope", d.vaultID)
	made.is(t, "principalId", d.principal)
	list := d.run(t, "role", "assignment", "list", "--scope", d.vaultID)
	if !strings.Contains(list.text(), d.principal) {
		t.Errorf("the assignment is not listed: %s", list.text())
	}
}

// updateCluster is the document's own sequence: update without waiting, then
// wait for the resource. (The wait of az exits 0 even when its time is over, so
// the state is read again.)
func (d *documents) updateCluster(t *testing.T) {
	d.run(t, append(d.setKey(), "--no-wait")...)
	ids := d.run(t, "monitor", "log-analytics", "cluster", "list", "-g", d.group, "--query", "[?contains(name, 'logs-cluster')].id")
	ids.is(t, "0", d.clusterID)
	d.run(t, "resource", "wait", "--created", "--ids", d.clusterID, "--include-response-body", "true", "--interval", "1", "--timeout", "60")
	cluster := d.run(t, "monitor", "log-analytics", "cluster", "show", "-g", d.group, "-n", "logs-cluster")
	cluster.is(t, "provisioningState", "Succeeded")
	cluster.is(t, "keyVaultProperties.keyName", "kek")
	cluster.is(t, "keyVaultProperties.keyVersion", "")
	cluster.is(t, "identity.principalId", d.principal)
	if got, want := cluster.at("keyVaultProperties.keyVaultUri").text(), d.vaultURI; strings.TrimSuffix(got, "/") != strings.TrimSuffix(want, "/") {
		t.Errorf("vault %q, want %q", got, want)
	}
	d.state(t).is(t, "properties.logkeep.keyState.state", "Active")
}

// state is the cluster with our own properties.
func (d *documents) state(t *testing.T) value {
	t.Helper()
	return d.run(t, "rest", "--method", "get", "--uri", d.clusterID+"?api-version=2025-07-01")
}

func (d *documents) link(t *testing.T) {
	workspace := d.run(t, "monitor", "log-analytics", "workspace", "create", "-g", d.group, "-n", "logs-workspace", "-l", location)
	workspace.is(t, "provisioningState", "Succeeded")
	d.workspaceID, d.customerID = workspace.at("id").text(), workspace.at("customerId").text()
	d.run(t, "monitor", "log-analytics", "workspace", "table", "create", "-g", d.group, "--workspace-name", "logs-workspace", "-n", "Walk_CL", "--columns", "TimeGenerated=datetime", "Message=string", "Size=long", "Bag=dynamic")

	// Rows from before the link stay where they were and are answered all the same.
	d.collect(t)
	d.ingest(t, 2)
	d.countSoon(t)

	linked := d.run(t, "monitor", "log-analytics", "workspace", "linked-service", "create", "-g", d.group, "--workspace-name", "logs-workspace", "-n", "cluster", "--write-access-resource-id", d.clusterID)
	linked.is(t, "writeAccessResourceId", d.clusterID)
	linked.is(t, "provisioningState", "Succeeded")
	d.run(t, "monitor", "log-analytics", "workspace", "show", "-g", d.group, "-n", "logs-workspace").is(t, "features.clusterResourceId", d.clusterID)
}

// collect makes the way for rows: endpoint, rule, and the right to send.
func (d *documents) collect(t *testing.T) {
	base := "/subscriptions/" + d.server.env["AZURE_SUBSCRIPTION_ID"] + "/resourceGroups/" + d.group + "/providers/Microsoft.Insights/"
	endpoint := d.run(t, "rest", "--method", "put", "--uri", base+"dataCollectionEndpoints/logs-dce?api-version=2023-03-11", "--body", `{"location":"westeurope","properties":{}}`)
	d.endpoint = endpoint.at("properties.logsIngestion.endpoint").text()
	body := fmt.Sprintf(`{"location":"westeurope","properties":{"dataCollectionEndpointId":%q,
		"streamDeclarations":{"Custom-Walk_CL":{"columns":[{"name":"TimeGenerated","type":"datetime"},{"name":"Message","type":"string"},{"name":"Size","type":"long"},{"name":"Bag","type":"dynamic"}]}},
		"destinations":{"logAnalytics":[{"name":"ws","workspaceResourceId":%q}]},
		"dataFlows":[{"streams":["Custom-Walk_CL"],"destinations":["ws"],"transformKql":"source","outputStream":"Custom-Walk_CL"}]}}`, endpoint.at("id").text(), d.workspaceID)
	rule := d.run(t, "rest", "--method", "put", "--uri", base+"dataCollectionRules/logs-dcr?api-version=2023-03-11", "--body", body)
	d.ruleID = rule.at("properties.immutableId").text()
	if !strings.HasPrefix(d.ruleID, "dcr-") || d.endpoint == "" {
		t.Fatalf("rule %q, endpoint %q", d.ruleID, d.endpoint)
	}
	d.fails(t, "Forbidden", d.send(1)...) // being Owner is no right to send
	d.run(t, "role", "assignment", "create", "--role", "Monitoring Metrics Publisher", "--assignee-object-id", d.me(t), "--assignee-principal-type", "ServicePrincipal", "--scope", rule.at("id").text())
}

func (d *documents) send(n int) []string {
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf(`{"TimeGenerated":%q,"Message":"line %d of az","Size":%d,"Bag":{"n":%d}}`, time.Now().UTC().Format(time.RFC3339Nano), i, i*1000, i))
	}
	return []string{"rest", "--method", "post", "--uri", d.endpoint + "/dataCollectionRules/" + d.ruleID + "/streams/Custom-Walk_CL?api-version=2023-01-01",
		"--resource", "https://monitor.azure.com", "--headers", "Content-Type=application/json", "--body", "[" + strings.Join(rows, ",") + "]"}
}

func (d *documents) ingest(t *testing.T, n int) {
	t.Helper()
	d.run(t, d.send(n)...)
	d.rows += n
}

func (d *documents) ask(kql string) []string {
	return []string{"rest", "--method", "post", "--uri", d.server.env["LOGKEEP_QUERY"] + "/v1/workspaces/" + d.customerID + "/query",
		"--resource", "https://api.loganalytics.io", "--body", fmt.Sprintf(`{"query":%q}`, kql)}
}

// countSoon waits until a query answers, and insists on every row.
func (d *documents) countSoon(t *testing.T) {
	t.Helper()
	var last outcome
	soon(t, 30*time.Second, "a query that works", func() bool {
		last = d.try(t, d.ask("Walk_CL | count")...)
		return last.code == 0
	})
	parse(t, last.stdout).is(t, "tables.0.rows.0.0", fmt.Sprint(d.rows))
}

func (d *documents) ingestAndQuery(t *testing.T) {
	d.ingest(t, 5)
	d.countSoon(t)
	answer := d.run(t, d.ask("Walk_CL | where Message has 'az' and Size >= 1000 | summarize Rows = count(), Most = max(Size) by Kind = tostring(Bag.n) | sort by Kind asc | take 1")...)
	answer.is(t, "tables.0.columns.0.name", "Kind")
	answer.is(t, "tables.0.rows.0.1", "2") // one row of each upload has n = 1
	answer.is(t, "tables.0.rows.0.2", "1000")
	d.fails(t, "Nope", d.ask("Walk_CL | where Nope == 1")...)
}

func (d *documents) revoke(t *testing.T) {
	d.run(t, "keyvault", "key", "set-attributes", "--vault-name", "kv-logs", "-n", "kek", "--enabled", "false").is(t, "attributes.enabled", "false")
	d.fails(t, "CustomerManagedKeyRevoked", d.ask("Walk_CL | count")...)
	d.fails(t, "CustomerManagedKeyRevoked", d.send(1)...)
	d.state(t).is(t, "properties.logkeep.keyState.state", "Revoked")
	// The resource can be read and repaired meanwhile.
	d.run(t, "monitor", "log-analytics", "cluster", "show", "-g", d.group, "-n", "logs-cluster").is(t, "provisioningState", "Succeeded")
}

func (d *documents) restore(t *testing.T) {
	d.run(t, "keyvault", "key", "set-attributes", "--vault-name", "kv-logs", "-n", "kek", "--enabled", "true").is(t, "attributes.enabled", "true")
	d.countSoon(t)
	d.ingest(t, 1)
	d.countSoon(t)
}

func (d *documents) rotate(t *testing.T) {
	rotated := d.run(t, "keyvault", "key", "rotate", "--vault-name", "kv-logs", "-n", "kek")
	newest := lastSegment(rotated.at("key.kid").text())
	if newest == d.version {
		t.Fatal("rotation made no new version")
	}
	soon(t, 30*time.Second, "the cluster uses the new version", func() bool {
		return strings.HasSuffix(d.state(t).at("properties.logkeep.keyState.keyVersion").text(), newest)
	})
	d.countSoon(t)
	if n := len(d.run(t, "keyvault", "key", "list-versions", "--vault-name", "kv-logs", "-n", "kek").v.([]any)); n != 2 {
		t.Errorf("%d versions, want 2", n)
	}
	// The old version is not needed any more.
	d.run(t, "keyvault", "key", "set-attributes", "--vault-name", "kv-logs", "-n", "kek", "--version", d.version, "--enabled", "false")
	d.countSoon(t)
	d.state(t).is(t, "properties.logkeep.keyState.state", "Active")
}

// audit is the way to the records by which the document on Sentinel tells that
// a version of a key is not used any more.
func (d *documents) audit(t *testing.T) {
	setting := d.run(t, "monitor", "diagnostic-settings", "create", "--name", "audit", "--resource", d.vaultID, "--workspace", d.workspaceID,
		"--logs", `[{"category":"AuditEvent","enabled":true}]`, "--export-to-resource-specific", "true")
	setting.is(t, "workspaceId", d.workspaceID)
	setting.is(t, "logs.0.category", "AuditEvent")
	setting.is(t, "logAnalyticsDestinationType", "Dedicated")
	d.run(t, "monitor", "diagnostic-settings", "list", "--resource", d.vaultID).is(t, "0.name", "audit")
}

func (d *documents) readAudit(t *testing.T) {
	rows := func(kql string) value {
		return d.run(t, d.ask("AZKVAuditLogs | "+kql)...).at("tables.0.rows")
	}
	soon(t, time.Minute, "the rotation is among the audit records", func() bool {
		return rows("where OperationName == 'KeyRotate' and HttpStatusCode == 200 and CallerIpAddress == '127.0.0.1' | count").at("0.0").text() == "1"
	})
	used := rows("where OperationName in ('KeyWrap', 'KeyUnwrap') and HttpStatusCode == 200 | summarize Last = max(TimeGenerated) by Version = tostring(split(Id, '/')[-1]) | sort by Last desc")
	if newest := used.at("0.0").text(); len(newest) != 32 || newest == d.version {
		t.Errorf("the version that is used is %q, and the old one was %q: %s", newest, d.version, used.text())
	}
	if denied := rows("where HttpStatusCode == 403 and ResultSignature == 'Forbidden' and Identity.claim.oid == '" + d.principal + "' | take 1").text(); !strings.Contains(denied, "disabled key") {
		t.Errorf("the revocation is not among the audit records: %s", denied)
	}
}

func (d *documents) unlink(t *testing.T) {
	d.run(t, "monitor", "log-analytics", "workspace", "linked-service", "delete", "-g", d.group, "--workspace-name", "logs-workspace", "-n", "cluster", "--yes")
	d.run(t, "monitor", "log-analytics", "workspace", "show", "-g", d.group, "-n", "logs-workspace").is(t, "features.clusterResourceId", "")
	d.ingest(t, 1)
	d.countSoon(t)
}

func lastSegment(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }
