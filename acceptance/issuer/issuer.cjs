// A real OpenID Connect issuer for TestAnOutsideIssuer…: oidc-provider with a
// few applications and one person, who needs no password. Its certificate and
// key are named by ISSUER_CERT and ISSUER_KEY. Prints "ready URL"; the end of
// standard input ends it.
'use strict'
const crypto = require('node:crypto')
const fs = require('node:fs')
const https = require('node:https')
const { Provider } = require('oidc-provider')

const audience = 'https://logkeep.example' // of every token, whatever service it is for
const application = name => ({
  client_id: name, client_secret: `the secret of ${name}`, token_endpoint_auth_method: 'client_secret_post', grant_types: ['client_credentials'], redirect_uris: [], response_types: []
})
const signing = (kid, alg, type, options) => ({ ...crypto.generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' })

const server = https.createServer({ cert: fs.readFileSync(process.env.ISSUER_CERT), key: fs.readFileSync(process.env.ISSUER_KEY) })
server.listen(0, '127.0.0.1', () => {
  const url = `https://localhost:${server.address().port}`
  const provider = new Provider(url, {
    clients: [
      application('boss'), application('reader'), application('stranger'),
      { client_id: 'desk', client_secret: 'the secret of desk', token_endpoint_auth_method: 'client_secret_post', grant_types: ['authorization_code'], redirect_uris: ['https://desk.example/done'], response_types: ['code'] }
    ],
    jwks: { keys: [signing('rsa', 'RS256', 'rsa', { modulusLength: 2048 }), signing('ec', 'ES256', 'ec', { namedCurve: 'P-256' })] },
    cookies: { keys: [crypto.randomBytes(16).toString('hex')] },
    pkce: { required: () => false },
    scopes: ['openid'],
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource, client) => ({
          scope: 'all', audience: resource, accessTokenTTL: 3600, accessTokenFormat: 'jwt', jwt: { sign: { alg: client.clientId === 'boss' ? 'ES256' : 'RS256' } }
        })
      }
    },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` }
  })
  const callback = provider.callback()
  // Whoever comes is "dora", and agrees to everything.
  async function interact (request, response) {
    const { prompt, session, params } = await provider.interactionDetails(request, response)
    if (prompt.name === 'login') return provider.interactionFinished(request, response, { login: { accountId: 'dora' } })
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id })
    grant.addOIDCScope('openid')
    grant.addResourceScope(audience, 'all')
    await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } })
  }
  server.on('request', (request, response) => {
    if (!request.url.startsWith('/interaction/')) return callback(request, response)
    interact(request, response).catch(e => {
      console.error(e)
      response.writeHead(500).end()
    })
  })
  console.log(`ready ${url}`)
})
process.stdin.on('end', () => process.exit(0)).resume()
