// Managed identities in the forms that programs know them by: MI_FORM names the
// one, and its variables are set as a host would. Uses a key of VAULT.
'use strict'
const assert = require('node:assert/strict')
const { ManagedIdentityCredential } = require('@azure/identity')
const { CryptographyClient, KeyClient } = require('@azure/keyvault-keys')

async function main () {
  const { MI_CLIENT: clientId, MI_RESOURCE: resourceId, MI_OBJECT: objectId, VAULT: vault } = process.env
  const choices = process.env.MI_FORM === 'cloud-shell' ? [undefined] : [{ clientId }, { resourceId }, ...(process.env.MI_FORM === 'imds' ? [{ objectId }] : [])]
  for (const choice of choices) {
    const credential = choice ? new ManagedIdentityCredential(choice) : new ManagedIdentityCredential()
    const key = await new KeyClient(vault, credential).getKey('kek')
    const crypto = new CryptographyClient(key.id, credential)
    const wrapped = await crypto.wrapKey('RSA-OAEP-256', Buffer.from('sixteen letters.'))
    assert.equal(Buffer.from((await crypto.unwrapKey('RSA-OAEP-256', wrapped.result)).result).toString(), 'sixteen letters.')
    console.log('ok', process.env.MI_FORM, JSON.stringify(Object.keys(choice ?? {})[0]))
  }
  if (process.env.MI_FORM === 'cloud-shell') return // which knows one identity only
  const stranger = new ManagedIdentityCredential({ clientId: '00000000-0000-4000-8000-000000000000' })
  await assert.rejects(stranger.getToken('https://vault.azure.net/.default'))
}

main().catch(e => {
  console.error(e)
  process.exitCode = 1
})
