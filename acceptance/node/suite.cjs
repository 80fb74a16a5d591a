// The npm SDKs against a running server: what `logkeep env` exports is its
// only configuration. Prints one line a step; the first failure ends it.
'use strict'
const assert = require('node:assert/strict')
const crypto = require('node:crypto')
const { ClientSecretCredential } = require('@azure/identity')
const { KeyVaultManagementClient } = require('@azure/arm-keyvault')
const { AuthorizationManagementClient } = require('@azure/arm-authorization')
const { ManagedServiceIdentityClient } = require('@azure/arm-msi')
const { KeyClient, CryptographyClient } = require('@azure/keyvault-keys')
const { LogsIngestionClient, isAggregateLogsUploadError } = require('@azure/monitor-ingestion')
const { LogsQueryClient } = require('@azure/monitor-query-logs')
const generations = {
  9: require('arm-operationalinsights-9').OperationalInsightsManagementClient,
  11: require('arm-operationalinsights-11').OperationalInsightsManagementClient
}

const env = process.env
const endpoint = env.LOGKEEP_ARM
const subscription = env.AZURE_SUBSCRIPTION_ID
const location = 'westeurope'
const group = 'node'
const credential = new ClientSecretCredential(env.AZURE_TENANT_ID, env.AZURE_CLIENT_ID, env.AZURE_CLIENT_SECRET, {
  authorityHost: env.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true
})

const vaults = new KeyVaultManagementClient(credential, subscription, { endpoint })
const roles = new AuthorizationManagementClient(credential, subscription, { endpoint })
const identities = new ManagedServiceIdentityClient(credential, subscription, { endpoint })

async function all (iterator) {
  const items = []
  for await (const item of iterator) items.push(item)
  return items
}

// fails insists that what is promised fails with a status and a code.
async function fails (promise, status, code) {
  let failure
  try { await promise } catch (e) { failure = e }
  assert.ok(failure, `nothing failed; want ${status} ${code}`)
  assert.equal(failure.statusCode, status, failure.stack)
  const codes = [failure.code, failure.details?.error?.code, failure.details?.error?.innererror?.code]
  if (code) assert.ok(codes.includes(code), `codes ${codes}, want ${code}: ${failure.message}`)
  return failure
}

// arm sends what no SDK of this suite has a call for: resource groups,
// collection endpoints and rules.
async function arm (method, path, body) {
  const { token } = await credential.getToken(`${endpoint}/.default`)
  const answer = await fetch(endpoint + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body)
  })
  const text = await answer.text()
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
  return text ? JSON.parse(text) : undefined
}

const scope = `/subscriptions/${subscription}/resourceGroups/${group}`
const keep = {} // what later steps need of earlier ones

async function grant (role, principalId, at) {
  const [definition] = await all(roles.roleDefinitions.list(at, { filter: `roleName eq '${role}'` }))
  assert.equal(definition.roleName, role)
  return roles.roleAssignments.create(at, crypto.randomUUID(), {
    roleDefinitionId: definition.id, principalId, principalType: 'ServicePrincipal'
  })
}

async function signIn () {
  const token = await credential.getToken('https://management.azure.com/.default')
  const claims = JSON.parse(Buffer.from(token.token.split('.')[1], 'base64url'))
  keep.me = claims.oid
  assert.equal(claims.tid, env.AZURE_TENANT_ID)
  const wrong = new ClientSecretCredential(env.AZURE_TENANT_ID, env.AZURE_CLIENT_ID, 'wrong', { authorityHost: env.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true })
  await assert.rejects(wrong.getToken('https://management.azure.com/.default'), /AADSTS7000215/)
  await arm('PUT', `${scope}?api-version=2021-04-01`, { location })
}

async function roleAssignments () {
  const made = await grant('Reader', keep.identity.principalId, scope)
  assert.equal(made.type, 'Microsoft.Authorization/roleAssignments')
  assert.equal((await roles.roleAssignments.get(scope, made.name)).principalId, made.principalId)
  const listed = await all(roles.roleAssignments.listForScope(scope, { filter: `principalId eq '${made.principalId}'` }))
  assert.deepEqual(listed.map(a => a.id), [made.id])
  await fails(roles.roleAssignments.create(scope, crypto.randomUUID(), made), 409, 'RoleAssignmentExists')
  await roles.roleAssignments.delete(scope, made.name)
  await fails(roles.roleAssignments.get(scope, made.name), 404)
  const id = crypto.randomUUID()
  const custom = await roles.roleDefinitions.createOrUpdate(scope, id, {
    roleName: 'Looker', description: 'looks', roleType: 'CustomRole', assignableScopes: [scope],
    permissions: [{ actions: ['Microsoft.OperationalInsights/*/read'], notActions: [], dataActions: [], notDataActions: [] }]
  })
  assert.equal(custom.roleName, 'Looker')
  assert.equal((await roles.roleDefinitions.get(scope, id)).permissions[0].actions[0], 'Microsoft.OperationalInsights/*/read')
  await roles.roleDefinitions.delete(scope, id)
}

async function userIdentity () {
  const made = await identities.userAssignedIdentities.createOrUpdate(group, 'node-uai', { location })
  assert.match(made.principalId, /^[0-9a-f-]{36}$/)
  assert.equal((await identities.userAssignedIdentities.get(group, 'node-uai')).clientId, made.clientId)
  assert.deepEqual((await all(identities.userAssignedIdentities.listByResourceGroup(group))).map(i => i.name), ['node-uai'])
  keep.identity = made
}

async function vaultResource () {
  const make = properties => vaults.vaults.beginCreateOrUpdateAndWait(group, 'kv-node', {
    location, properties: { tenantId: env.AZURE_TENANT_ID, sku: { family: 'A', name: 'standard' }, enablePurgeProtection: true, ...properties }
  })
  const vault = await make({ enableRbacAuthorization: true })
  assert.equal(vault.properties.enableSoftDelete, true)
  assert.equal(vault.properties.vaultUri, `https://kv-node${env.LOGKEEP_KEYVAULT_SUFFIX}/`)
  keep.vault = vault
  assert.equal((await vaults.vaults.get(group, 'kv-node')).id, vault.id)
  assert.deepEqual((await all(vaults.vaults.listByResourceGroup(group))).map(v => v.name), ['kv-node'])
  assert.equal((await vaults.vaults.checkNameAvailability({ name: 'kv-node', type: 'Microsoft.KeyVault/vaults' })).nameAvailable, false)
  assert.equal((await vaults.vaults.update(group, 'kv-node', { tags: { team: 'node' } })).tags.team, 'node')
  await grant('Key Vault Crypto Officer', keep.me, vault.id)
}

async function policyVault () {
  const policy = keys => [{ tenantId: env.AZURE_TENANT_ID, objectId: keep.me, permissions: { keys } }]
  const vault = await vaults.vaults.beginCreateOrUpdateAndWait(group, 'kv-policy', {
    location,
    properties: { tenantId: env.AZURE_TENANT_ID, sku: { family: 'A', name: 'standard' }, enableRbacAuthorization: false, accessPolicies: policy(['get', 'create']) }
  })
  assert.equal(vault.properties.enableRbacAuthorization, false)
  const keys = new KeyClient(vault.properties.vaultUri, credential)
  const key = await keys.createRsaKey('k', { keySize: 2048 })
  const cryptography = new CryptographyClient(key.id, credential)
  await fails(cryptography.unwrapKey('RSA-OAEP-256', Buffer.alloc(256)), 403, 'Forbidden')
  await vaults.vaults.updateAccessPolicy(group, 'kv-policy', 'add', { properties: { accessPolicies: policy(['wrapKey', 'unwrapKey', 'list', 'delete', 'purge', 'recover', 'backup', 'restore', 'import']) } })
  const permissions = (await vaults.vaults.get(group, 'kv-policy')).properties.accessPolicies[0].permissions.keys
  assert.ok(['get', 'create', 'unwrapKey'].every(p => permissions.some(q => q.toLowerCase() === p.toLowerCase())), permissions)
  const secret = crypto.randomBytes(32)
  const wrapped = await cryptography.wrapKey('RSA-OAEP-256', secret)
  assert.deepEqual(Buffer.from((await cryptography.unwrapKey('RSA-OAEP-256', wrapped.result)).result), secret)

  // A backup is opaque, and brings the key back with all its versions.
  await keys.createRsaKey('k', { keySize: 2048 })
  const backup = await keys.backupKey('k')
  await fails(keys.restoreKeyBackup(backup), 409)
  await (await keys.beginDeleteKey('k', { intervalInMs: 50 })).pollUntilDone()
  await keys.purgeDeletedKey('k')
  const restored = await keys.restoreKeyBackup(backup)
  assert.equal(restored.name, 'k')
  assert.equal((await all(keys.listPropertiesOfKeyVersions('k'))).length, 2)
  assert.deepEqual(Buffer.from((await new CryptographyClient(key.id, credential).unwrapKey('RSA-OAEP-256', wrapped.result)).result), secret)
  const spoilt = Uint8Array.from(backup)
  spoilt[spoilt.length >> 1] ^= 1
  await fails(keys.restoreKeyBackup(spoilt), 400)

  // A key made elsewhere works like one made here.
  const { privateKey, publicKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = Object.fromEntries(Object.entries(privateKey.export({ format: 'jwk' })).map(([k, v]) => [k, k === 'kty' ? v : Buffer.from(v, 'base64url')]))
  const imported = await keys.importKey('imported', jwk)
  const foreign = crypto.publicEncrypt({ key: publicKey, oaepHash: 'sha256', padding: crypto.constants.RSA_PKCS1_OAEP_PADDING }, secret)
  assert.deepEqual(Buffer.from((await new CryptographyClient(imported.id, credential).unwrapKey('RSA-OAEP-256', foreign)).result), secret)

  await vaults.vaults.updateAccessPolicy(group, 'kv-policy', 'replace', { properties: { accessPolicies: policy(['get']) } })
  await fails(new CryptographyClient(key.id, credential).unwrapKey('RSA-OAEP-256', wrapped.result), 403, 'Forbidden')
  await vaults.vaults.updateAccessPolicy(group, 'kv-policy', 'remove', { properties: { accessPolicies: policy(['get']) } })
  await fails(keys.getKey('k'), 403, 'Forbidden')
  await vaults.vaults.delete(group, 'kv-policy')
  assert.ok((await all(vaults.vaults.listDeleted())).some(v => v.name === 'kv-policy'))
  assert.equal((await vaults.vaults.getDeleted('kv-policy', location)).name, 'kv-policy')
  await vaults.vaults.beginPurgeDeletedAndWait('kv-policy', location)
}

async function keys () {
  const client = keep.keys = new KeyClient(keep.vault.properties.vaultUri, credential)
  await fails(client.getKey('kek'), 404, 'KeyNotFound')
  const key = keep.kek = await client.createRsaKey('kek', { keySize: 3072, tags: { purpose: 'logs' } })
  assert.equal(key.properties.tags.purpose, 'logs')
  assert.equal(key.properties.enabled, true)
  assert.match(key.id, new RegExp(`^https://kv-node${env.LOGKEEP_KEYVAULT_SUFFIX}/keys/kek/[0-9a-f]{32}$`))
  assert.ok(!key.properties.recoveryLevel.includes('Purgeable'), key.properties.recoveryLevel)
  assert.equal((await client.getKey('kek')).id, key.id)
  assert.deepEqual((await all(client.listPropertiesOfKeys())).map(k => k.name), ['kek'])
  await fails(client.createRsaKey('odd', { keySize: 1000 }), 400, 'BadParameter')

  const secret = crypto.randomBytes(32)
  for (const id of [key.id, key.id.slice(0, key.id.lastIndexOf('/'))]) { // without a version: the newest
    const client = new CryptographyClient(id, credential)
    for (const alg of ['RSA-OAEP', 'RSA-OAEP-256']) {
      const wrapped = await client.wrapKey(alg, secret)
      assert.deepEqual(Buffer.from((await client.unwrapKey(alg, wrapped.result)).result), secret)
      const encrypted = await client.encrypt({ algorithm: alg, plaintext: secret })
      assert.deepEqual(Buffer.from((await client.decrypt({ algorithm: alg, ciphertext: encrypted.result })).result), secret)
    }
  }
  const ec = await client.createEcKey('signing', { curve: 'P-256' })
  const signer = new CryptographyClient(ec, credential)
  const signed = await signer.signData('ES256', Buffer.from('text'))
  assert.equal((await signer.verifyData('ES256', Buffer.from('text'), signed.result)).result, true)
  assert.equal((await signer.verifyData('ES256', Buffer.from('other'), signed.result)).result, false)
  const rsa = new CryptographyClient(key.id, credential)
  const pkcs = await rsa.signData('RS256', Buffer.from('text'))
  assert.equal((await rsa.verifyData('RS256', Buffer.from('text'), pkcs.result)).result, true)
  const digest = crypto.createHash('sha256').update('text').digest() // verifyData checks PS256 itself, and wrongly
  const pss = await rsa.sign('PS256', digest)
  assert.equal((await rsa.verify('PS256', digest, pss.result)).result, true)

  // A disabled key does nothing.
  const wrapped = await rsa.wrapKey('RSA-OAEP-256', secret)
  await client.updateKeyProperties('kek', key.properties.version, { enabled: false })
  await fails(new CryptographyClient(key.id, credential).unwrapKey('RSA-OAEP-256', wrapped.result), 403, 'Forbidden')
  assert.equal((await client.getKey('kek')).properties.enabled, false)
  await client.updateKeyProperties('kek', { enabled: true })

  await client.updateKeyRotationPolicy('kek', { lifetimeActions: [{ action: 'Rotate', timeAfterCreate: 'P90D' }], expiresIn: 'P2Y' })
  const policy = await client.getKeyRotationPolicy('kek')
  assert.equal(policy.expiresIn, 'P2Y')
  assert.ok(policy.lifetimeActions.some(a => a.action === 'Rotate' && a.timeAfterCreate === 'P90D'))
  await client.updateKeyRotationPolicy('kek', { lifetimeActions: [], expiresIn: undefined })

  const deleted = await (await client.beginDeleteKey('signing', { intervalInMs: 50 })).pollUntilDone()
  assert.ok(deleted.properties.recoveryId)
  assert.deepEqual((await all(client.listDeletedKeys())).map(k => k.name), ['signing'])
  await fails(client.createEcKey('signing'), 409, 'Conflict')
  await fails(client.purgeDeletedKey('signing'), 403, 'Forbidden')
  assert.equal((await (await client.beginRecoverDeletedKey('signing', { intervalInMs: 50 })).pollUntilDone()).name, 'signing')
  for (let i = 0; i < 5; i++) await client.createEcKey('page-' + i)
  const pages = []
  for await (const p of client.listPropertiesOfKeys().byPage({ maxPageSize: 2 })) pages.push(p.map(k => k.name))
  assert.deepEqual(pages.flat().sort(), ['kek', 'page-0', 'page-1', 'page-2', 'page-3', 'page-4', 'signing'])
  assert.ok(pages.length >= 4, `pages of ${pages.map(p => p.length)}`)
  await assert.rejects(client.getRandomBytes(16), e => e.statusCode >= 400 && e.statusCode < 500)
}

// control walks clusters, workspaces, links and tables with one generation of
// the management SDK.
async function control (generation) {
  const client = new generations[generation](credential, subscription, { endpoint })
  const names = { cluster: `node-cluster-${generation}`, workspace: `node-workspace-${generation}` }
  const capacity = generation === 9 ? 500 : 100
  let cluster = await client.clusters.beginCreateOrUpdateAndWait(group, names.cluster, {
    location, identity: { type: 'SystemAssigned' }, sku: { name: 'CapacityReservation', capacity }
  })
  assert.equal(cluster.provisioningState, 'Succeeded')
  assert.match(cluster.clusterId, /^[0-9a-f-]{36}$/)
  await grant('Key Vault Crypto Service Encryption User', cluster.identity.principalId, keep.vault.id)
  const keyVaultProperties = { keyVaultUri: keep.vault.properties.vaultUri, keyName: 'kek', keyVersion: '' }
  await fails(client.clusters.beginUpdateAndWait(group, names.cluster, { keyVaultProperties: { ...keyVaultProperties, keyName: 'nokey' } }), 400)
  cluster = await client.clusters.beginUpdateAndWait(group, names.cluster, { keyVaultProperties })
  assert.equal(cluster.keyVaultProperties.keyName, 'kek')
  cluster = await client.clusters.beginUpdateAndWait(group, names.cluster, { tags: { generation: String(generation) } })
  assert.equal(cluster.tags.generation, String(generation))
  assert.equal((await client.clusters.get(group, names.cluster)).sku.capacity, capacity)
  for (const list of [client.clusters.listByResourceGroup(group), client.clusters.list()]) {
    assert.ok((await all(list)).some(c => c.id === cluster.id))
  }
  await fails(client.clusters.get(group, 'no-such-cluster'), 404, 'ClusterNotFound')

  let workspace = await client.workspaces.beginCreateOrUpdateAndWait(group, names.workspace, { location, retentionInDays: 30, sku: { name: 'PerGB2018' } })
  assert.equal(workspace.provisioningState, 'Succeeded')
  workspace = await client.workspaces.update(group, names.workspace, { retentionInDays: 60 })
  assert.equal(workspace.retentionInDays, 60)
  const sharedKeys = client.sharedKeys ?? client.sharedKeysOperations
  const shared = await sharedKeys.getSharedKeys(group, names.workspace)
  assert.equal(Buffer.from(shared.primarySharedKey, 'base64').length, 64)
  assert.notEqual(shared.primarySharedKey, shared.secondarySharedKey)
  assert.deepEqual(await sharedKeys.getSharedKeys(group, names.workspace), shared)
  assert.notEqual((await sharedKeys.regenerate(group, names.workspace)).primarySharedKey, shared.primarySharedKey)

  const link = await client.linkedServices.beginCreateOrUpdateAndWait(group, names.workspace, 'cluster', { writeAccessResourceId: cluster.id })
  assert.equal(link.writeAccessResourceId.toLowerCase(), cluster.id.toLowerCase())
  assert.equal((await all(client.linkedServices.listByWorkspace(group, names.workspace))).length, 1)
  const features = (await client.workspaces.get(group, names.workspace)).features
  assert.equal(features.clusterResourceId?.toLowerCase(), cluster.id.toLowerCase())
  const associated = (await client.clusters.get(group, names.cluster)).associatedWorkspaces
  assert.deepEqual(associated.map(w => w.workspaceName), [names.workspace])

  const columns = [{ name: 'TimeGenerated', type: 'datetime' }, { name: 'Message', type: 'string' }, { name: 'Size', type: 'long' }, { name: 'Bag', type: 'dynamic' }]
  const table = await client.tables.beginCreateOrUpdateAndWait(group, names.workspace, 'Node_CL', { schema: { name: 'Node_CL', columns }, retentionInDays: 60, totalRetentionInDays: 90 })
  assert.equal(table.totalRetentionInDays, 90)
  assert.equal(table.schema.columns.find(c => c.name === 'Size').type, 'long')
  await client.tables.beginUpdateAndWait(group, names.workspace, 'Node_CL', { schema: { name: 'Node_CL', columns: [...columns, { name: 'Extra', type: 'real' }] } })
  const read = await client.tables.get(group, names.workspace, 'Node_CL')
  assert.ok(read.schema.columns.some(c => c.name === 'Extra'))
  assert.ok((await all(client.tables.listByWorkspace(group, names.workspace))).some(t => t.name === 'Node_CL'))

  const text = 'Node_CL | where Message has "canary-of-a-saved-search"'
  const search = { category: 'walk', displayName: 'Walk', query: text, functionAlias: 'walk', tags: [{ name: 'Group', value: 'Computer' }], version: 2 }
  const saved = await client.savedSearches.createOrUpdate(group, names.workspace, 'walk', search)
  assert.equal(saved.query, text)
  assert.equal((await client.savedSearches.get(group, names.workspace, 'walk')).query, text)
  await fails(client.savedSearches.createOrUpdate(group, names.workspace, 'walk', { ...search, etag: 'W/"old"' }), 412)
  assert.equal((await client.savedSearches.createOrUpdate(group, names.workspace, 'walk', { ...search, etag: saved.etag, query: text + ' | take 1' })).query, text + ' | take 1')
  const searches = await client.savedSearches.listByWorkspace(group, names.workspace)
  assert.deepEqual(searches.value.map(s => s.displayName), ['Walk'])
  await client.savedSearches.delete(group, names.workspace, 'walk')
  await fails(client.savedSearches.get(group, names.workspace, 'walk'), 404)

  keep.workspace = workspace
  keep.cluster = cluster
  return { client, names }
}

async function dismantle (client, names) {
  await client.linkedServices.beginDeleteAndWait(group, names.workspace, 'cluster')
  await client.workspaces.beginDeleteAndWait(group, names.workspace)
  assert.ok((await all(client.deletedWorkspaces.list())).some(w => w.name === names.workspace))
  await fails(client.workspaces.get(group, names.workspace), 404, 'WorkspaceNotFound')
  const back = await client.workspaces.beginCreateOrUpdateAndWait(group, names.workspace, { location })
  assert.equal(back.retentionInDays, 60)
  await client.workspaces.beginDeleteAndWait(group, names.workspace, { force: true })
  await client.clusters.beginDeleteAndWait(group, names.cluster)
  await fails(client.clusters.get(group, names.cluster), 404, 'ClusterNotFound')
}

async function rows () {
  const base = `${scope}/providers/Microsoft.Insights`
  const endpointResource = await arm('PUT', `${base}/dataCollectionEndpoints/node-dce?api-version=2023-03-11`, { location, properties: {} })
  const rule = await arm('PUT', `${base}/dataCollectionRules/node-dcr?api-version=2023-03-11`, {
    location,
    properties: {
      dataCollectionEndpointId: endpointResource.id,
      streamDeclarations: { 'Custom-Node_CL': { columns: [{ name: 'TimeGenerated', type: 'datetime' }, { name: 'Message', type: 'string' }, { name: 'Size', type: 'long' }, { name: 'Bag', type: 'dynamic' }] } },
      destinations: { logAnalytics: [{ name: 'ws', workspaceResourceId: keep.workspace.id }] },
      dataFlows: [{ streams: ['Custom-Node_CL'], destinations: ['ws'], transformKql: 'source', outputStream: 'Custom-Node_CL' }]
    }
  })
  const uploader = new LogsIngestionClient(endpointResource.properties.logsIngestion.endpoint, credential)
  const line = (i, size) => ({ TimeGenerated: new Date(), Message: `line ${i} of node ${'x'.repeat(size)}`, Size: i, Bag: { n: i % 7 } })
  const upload = n => uploader.upload(rule.properties.immutableId, 'Custom-Node_CL', Array.from({ length: n }, (_, i) => line(i, n > 10 ? 300 : 3)), { maxConcurrency: 5 })
  const refused = await upload(1).then(() => null, e => e)
  assert.ok(isAggregateLogsUploadError(refused), 'an upload without the role')
  assert.equal(refused.errors[0].cause.statusCode, 403)
  assert.equal(refused.errors[0].failedLogs.length, 1)
  await grant('Monitoring Metrics Publisher', keep.me, rule.id)
  await upload(9000) // several chunks at once
  const client = new LogsQueryClient(credential, { endpoint: env.LOGKEEP_QUERY + '/v1' })
  const id = keep.workspace.customerId
  const ask = (text, options) => client.queryWorkspace(id, text, { duration: 'P1D' }, options)
  const count = async () => Number((await ask('Node_CL | count')).tables[0].rows[0][0])
  assert.equal(await count(), 9000)
  const answer = await ask('Node_CL | where Size >= 4500 | summarize Rows = count(), Last = max(TimeGenerated) by Kind = tostring(Bag.n) | sort by Kind asc', { includeQueryStatistics: true, includeVisualization: true, serverTimeoutInSeconds: 60 })
  assert.equal(answer.status, 'Success')
  assert.equal(answer.tables[0].rows.length, 7)
  assert.ok(answer.tables[0].rows[0][2] instanceof Date)
  assert.deepEqual(answer.tables[0].columnDescriptors.map(c => c.type), ['string', 'long', 'datetime'])
  await fails(ask('Node_CL | where Nope == 1'), 400, 'BadArgumentError')
  const batch = await client.queryBatch([
    { workspaceId: id, query: 'Node_CL | count', timespan: { duration: 'P1D' } },
    { workspaceId: id, query: 'Node_CL | where', timespan: { duration: 'P1D' } },
    { workspaceId: id, query: 'print x = 1', timespan: { duration: 'P1D' } }
  ])
  assert.deepEqual(batch.map(r => r.status), ['Success', 'PartialFailure', 'Success'])
  assert.equal(batch[2].tables[0].rows[0][0], 1)
  const byResource = await client.queryResource(keep.workspace.id, 'Node_CL | count', { duration: 'P1D' })
  assert.equal(Number(byResource.tables[0].rows[0][0]), 9000)

  // The key goes, and comes back; saved searches with it.
  const kept = { category: 'walk', displayName: 'Kept', query: 'Node_CL | count' }
  await keep.eleven.client.savedSearches.createOrUpdate(group, keep.eleven.names.workspace, 'kept', kept)
  await keep.keys.updateKeyProperties('kek', { enabled: false })
  // A vault is asked about a key four times a second at most: this may take that long.
  for (let tries = 0; tries < 20 && await ask('Node_CL | count').then(() => true, () => false); tries++) {
    await new Promise(resolve => setTimeout(resolve, 250))
  }
  const denied = await fails(ask('Node_CL | count'), 403)
  assert.match(JSON.stringify(denied.details ?? denied.message), /CustomerManagedKeyRevoked/)
  const quick = new LogsIngestionClient(endpointResource.properties.logsIngestion.endpoint, credential, { retryOptions: { maxRetries: 0 } })
  const notSent = await quick.upload(rule.properties.immutableId, 'Custom-Node_CL', [line(1, 1)]).then(() => null, e => e)
  assert.equal(notSent.errors[0].cause.statusCode, 503)
  await fails(keep.eleven.client.savedSearches.get(group, keep.eleven.names.workspace, 'kept'), 403, 'CustomerManagedKeyRevoked')
  await keep.keys.updateKeyProperties('kek', { enabled: true })
  for (let tries = 0; ; tries++) {
    try { assert.equal(await count(), 9000); break } catch (e) {
      if (tries > 60 || e.code === 'ERR_ASSERTION') throw e
      await new Promise(resolve => setTimeout(resolve, 250))
    }
  }
  assert.equal((await keep.eleven.client.savedSearches.get(group, keep.eleven.names.workspace, 'kept')).query, kept.query)
  await upload(3)
  assert.equal(await count(), 9003)
  const rotated = await keep.keys.rotateKey('kek')
  assert.notEqual(rotated.id, keep.kek.id)
  assert.equal(await count(), 9003)
}

async function main () {
  const steps = [
    ['sign in', signIn], ['user-assigned identity', userIdentity], ['roles', roleAssignments], ['vault', vaultResource], ['keys', keys], ['access policies, backup, import', policyVault],
    ['control plane, generation 9', async () => { const { client, names } = await control(9); await dismantle(client, names) }],
    ['control plane, generation 11', async () => { keep.eleven = await control(11) }],
    ['rows and queries', rows],
    ['dismantle', () => dismantle(keep.eleven.client, keep.eleven.names)]
  ]
  for (const [name, step] of steps) {
    if (env.ONLY && !env.ONLY.split(',').some(o => name.includes(o))) continue
    const start = Date.now()
    await step().catch(e => { e.message = `${name}: ${e.message}`; throw e })
    console.log(`ok ${name} (${((Date.now() - start) / 1000).toFixed(1)}s)`)
  }
}

main().catch(e => {
  console.error(e.stack.replaceAll(env.AZURE_CLIENT_SECRET, '…'), e.details ? JSON.stringify(e.details) : '')
  process.exitCode = 1
})
