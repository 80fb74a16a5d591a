// Package acceptance runs what the documents tell a person to type, with the
// real az, against the real server program.
//
// az lives in an environment of its own, .cache/az, made by `make az` from
// requirements.txt; LOGKEEP_AZ names another. Without it the tests say so and
// are skipped. The server is built here, or LOGKEEP_BIN names it. Host names
// under logkeep.test reach the server through a CONNECT proxy inside the test:
// no hosts file, no root, no change to az.
package acceptance
