#!/usr/bin/env bash
# Builds the static runner and leaves it at $CRONIUM_CACHE/bin/cronium-runner.
. "$(dirname "$0")/lib.sh"

target=x86_64-unknown-linux-gnu
out="$CRONIUM_CACHE/bin/cronium-runner"
# Its own target directory: other flags and other features than the workspace's, which it must not disturb.
# The flags go by this variable, not RUSTFLAGS, so that build scripts and macros keep the host's.
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static"
(cd "$ROOT" && cargo build -q --locked -p cronium-runner --profile runner --target $target --target-dir "$CRONIUM_CACHE/runner-target")
built="$CRONIUM_CACHE/runner-target/$target/runner/cronium-runner"
file -L "$built" | grep -Eq 'statically linked|static-pie linked' || die "The runner is not static: $(file -L "$built")"
if ! cmp -s "$built" "$out"; then
  cp "$built" "$out.new"
  mv "$out.new" "$out" # by rename: a running orchestrator may hold the old one open
fi
ok "static runner, $(($(stat -c %s "$out") / 1024)) KiB"
