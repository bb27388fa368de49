#!/usr/bin/env bash
# Says what is there and what is missing, on this machine and of this checkout's builds; changes nothing.
. "$(dirname "$0")/lib.sh"

missing=0
# check <what> <what to do about it> <command…>: shows the command's first line of output.
check() {
  local what=$1 advice=$2 said
  shift 2
  if said=$("$@" 2>/dev/null); then
    printf 'ok      %-16s %s\n' "$what" "${said%%$'\n'*}"
  else
    printf 'MISSING %-16s %s\n' "$what" "$advice"
    missing=$((missing + 1))
  fi
}

wasm_target() {
  if [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown/lib" ]; then echo "of $(rustc --version)"; return; fi
  dpkg-query -W -f '${Package} ${Version}' rustc-web
}

free_disk() { df -h --output=avail "$CRONIUM_CACHE" | tail -n 1 | tr -d " "; }

setup='run scripts/setup.sh'
check "rust" "install Rust 1.95 or newer from https://rustup.rs" rustc --version
check "wasm target" "$setup" wasm_target
check "node" "$setup" node --version
check "npm" "$setup" npm --version
check "free disk" "look at the disk of $CRONIUM_CACHE" free_disk
bin="$CARGO_TARGET_DIR/debug/cronium"
[ "${CRONIUM_PROFILE:-dev}" = dev ] || bin="$CARGO_TARGET_DIR/$CRONIUM_PROFILE/cronium"
check "build" "run scripts/up.sh" test -x "$bin"
if [ -x "$bin" ]; then
  # The program knows what it needs to run: database, orchestrator, runner, dashboard, engine, image.
  CRONIUM_WEB_DIR="$ROOT/web/dist" CRONIUM_RUNNER="$CRONIUM_CACHE/bin/cronium-runner" \
    CRONIUM_ORCHESTRATOR="$(dirname "$bin")/cronium-orchestrator" "$bin" doctor || missing=$((missing + 1))
else
  check "postgres" "$setup" postgres_bin
  check "docker" "$setup" docker version -f '{{.Server.Version}}'
  check "execution image" "run scripts/image.sh" docker image inspect -f '{{.Id}}' "$CRONIUM_EXEC_IMAGE"
fi
[ "$missing" = 0 ]
