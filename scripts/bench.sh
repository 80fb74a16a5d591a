#!/usr/bin/env bash
# Measures the built server and prints one table; all numbers go to .cache/bench.json.
#   make bench ROWS=5000000
#   make bench BENCH="-ingest"     more options of bin/bench
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache
"${GO:-go}" build -o bin/bench ./bench
# The same program without the seal, to be measured beside it. It must never
# get anywhere else; internal/arch looks after that.
"${GO:-go}" build -tags unsealed -o .cache/logkeep-unsealed ./cmd/logkeep
exec bin/bench -server bin/logkeep -unsealed .cache/logkeep-unsealed -rows "${ROWS:-500000}" -json .cache/bench.json ${BENCH:-}
