#!/usr/bin/env bash
# Measures the built server and prints one table; all numbers go to .cache/bench.json.
#   make bench ROWS=5000000
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache
"${GO:-go}" build -o bin/bench ./bench
exec bin/bench -server bin/logkeep -rows "${ROWS:-500000}" -json .cache/bench.json
