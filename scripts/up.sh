#!/usr/bin/env bash
# Builds what is out of date and starts Cronium on this machine. The second start takes seconds.
#   CRONIUM_LISTEN    address and port           (127.0.0.1:8080)
#   CRONIUM_DATA_DIR  where everything is kept   (./data)
#   CRONIUM_PROFILE   dev or release             (dev: builds in half the time, runs slower)
#   DATABASE_URL      your own Postgres          (none: a private one in the data directory)
. "$(dirname "$0")/lib.sh"

export CRONIUM_LISTEN="${CRONIUM_LISTEN:-127.0.0.1:8080}"
export CRONIUM_DATA_DIR="${CRONIUM_DATA_DIR:-$PWD/data}"
profile="${CRONIUM_PROFILE:-dev}"

"$ROOT/scripts/setup.sh"
# The image is downloads and disk, the rest is compiling: both at once.
"$ROOT/scripts/image.sh" >"$CRONIUM_CACHE/log/image-make.log" 2>&1 &
image=$!
trap 'kill "$image" 2>/dev/null || true' EXIT

say "Building the server and the orchestrator ($profile; the first time takes some minutes)"
(cd "$ROOT" && cargo build --locked --workspace --bins --profile "$profile")
say "Building the runner"
"$ROOT/scripts/runner-build.sh"
say "Building the dashboard"
"$ROOT/scripts/web-build.sh"
wait "$image" || { cat "$CRONIUM_CACHE/log/image-make.log" >&2; exit 1; }
trap - EXIT
tail -n 1 "$CRONIUM_CACHE/log/image-make.log"

bin="$CARGO_TARGET_DIR/$([ "$profile" = dev ] && echo debug || echo "$profile")"
export CRONIUM_WEB_DIR="$ROOT/web/dist" CRONIUM_RUNNER="$CRONIUM_CACHE/bin/cronium-runner"
export CRONIUM_ORCHESTRATOR="$bin/cronium-orchestrator"
say "Starting Cronium on http://$CRONIUM_LISTEN (Ctrl-C stops it)"
exec "$bin/cronium" serve
