#!/usr/bin/env bash
# Simulates random schedules of the keyring, after proof that the simulation
# finds faults that are planted for it. All cores; it ends with the last one.
#   make simulate                a million schedules
#   make simulate SEEDS=10000    so many
#   make simulate FROM=5000      from this one on
#   make simulate SEED=17        this one alone, printed
set -euo pipefail
cd "$(dirname "$0")/.."
run() { "${GO:-go}" test ./internal/keyring -count 1 -timeout 0 "$@"; }
if [ -n "${SEED:-}" ]; then
	run -run '^TestSimulate$' -v -seed "$SEED"
	exit
fi
run -run '^TestSimulateFindsPlantedFaults$' -v -planted | grep -E '^ +simulate_plant|^(---|ok|FAIL)'
mkdir -p .cache
# As a program of its own, so that its progress is seen while it runs.
"${GO:-go}" test -c -o .cache/simulate.test ./internal/keyring
exec .cache/simulate.test -test.run '^TestSimulate$' -test.timeout 0 -test.v -seeds "${SEEDS:-1000000}" -from "${FROM:-1}" -progress 10s
