#!/usr/bin/env bash
# The program that scripts/up.sh built, with the same data directory: scripts/cronium.sh keys list
. "$(dirname "$0")/lib.sh"

export CRONIUM_DATA_DIR="${CRONIUM_DATA_DIR:-$PWD/data}"
profile="${CRONIUM_PROFILE:-dev}"
bin="$CARGO_TARGET_DIR/$([ "$profile" = dev ] && echo debug || echo "$profile")/cronium"
[ -x "$bin" ] || die "$bin is not there; scripts/up.sh builds it"
exec "$bin" "$@"
