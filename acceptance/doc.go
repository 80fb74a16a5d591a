// Package acceptance runs what the documents tell a person to do, with real
// clients, against the real server program: az, the npm SDKs (node/suite.cjs) and
// the Python SDKs (python/suite.py).
//
// az lives in an environment of its own, .cache/az, made by `make az` from
// requirements.txt; LOGKEEP_AZ names another. Without it the tests say so and
// are skipped. The server is built here, or LOGKEEP_BIN names it. Host names
// under logkeep.test reach the server through a CONNECT proxy inside the test:
// no hosts file, no root, no change to az. The SDKs live in .cache/node and
// .cache/python, made by `make node-sdk` and `make python-sdk` from the pinned
// lists beside their suites; Node is told the names by node/hosts.cjs. The
// OpenID Connect issuer that one suite trusts is issuer/issuer.cjs, installed by
// `make issuer`.
package acceptance
