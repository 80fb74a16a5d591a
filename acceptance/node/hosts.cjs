// Loaded before the suite: resolves the names of the server under test, and no
// others, to this machine. No hosts file, no root, no change to the SDKs.
'use strict'
const dns = require('node:dns')
const lookup = dns.lookup
dns.lookup = (host, options, callback) => {
  if (typeof options === 'function') [options, callback] = [{}, options]
  if (host !== 'localhost' && host !== 'logkeep.test' && !host.endsWith('.logkeep.test')) {
    return callback(Object.assign(new Error(`${host} is not a name of the server under test`), { code: 'ENOTFOUND', hostname: host }))
  }
  lookup('127.0.0.1', options, callback)
}
