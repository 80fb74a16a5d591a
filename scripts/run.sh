#!/usr/bin/env bash
# Starts the server on ./.logkeep, walks through the main job, and stays until
# Ctrl-C; with the argument "detach" it leaves the server running instead.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=bin/logkeep
dir=.logkeep
mkdir -p "$dir"
chmod 700 "$dir"
out="$dir/logkeep.log"
ready="$(mktemp)"

# a try is not worth turning off this machine's swap; the log tells if there is any
LOGKEEP_SWAP="${LOGKEEP_SWAP:-warn}" "$bin" serve --data-dir "$dir" ${LISTEN:+--listen "$LISTEN"} >"$ready" 2>>"$out" &
pid=$!
stop() { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; rm -f "$ready" "$dir/logkeep.pid"; }
trap 'stop; exit 130' INT TERM
echo "starting the server (its log: $out)"
until grep -q '^ready ' "$ready"; do
  if ! kill -0 "$pid" 2>/dev/null; then
    echo "the server did not start:" >&2
    tail -n 5 "$out" >&2
    rm -f "$ready"
    exit 1
  fi
  sleep 0.1
done
echo "$pid" >"$dir/logkeep.pid"
url="$(sed -n 's/^ready //p' "$ready")"

if ! "$bin" demo --data-dir "$dir"; then
  echo "the walk failed; the server's log is $out" >&2
  stop
  exit 1
fi

cat <<EOF

The server runs at $url, its data are in $dir.
  for az and the SDKs   eval "\$($bin env --data-dir $dir)"
  host names            $bin hosts --data-dir $dir
EOF
if [ "${1:-}" = detach ]; then
  rm -f "$ready"
  echo "It goes on in the background; stop it with: kill \$(cat $dir/logkeep.pid)"
  exit 0
fi
echo "Press Ctrl-C to stop it."
wait "$pid"
