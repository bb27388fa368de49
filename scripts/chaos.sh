#!/usr/bin/env bash
# Breaks one thing after another while jobs run, counts what came of them, and writes docs/reliability.md:
#   scripts/chaos.sh --jobs 5000 --faults 1000 --seed 1    the long run, some 40 minutes on two cores
#   scripts/chaos.sh --engine …                            with a Docker engine of its own, which is killed too
#   scripts/chaos.sh --only 'Postgres killed,server killed' --no-report …   some kinds of faults, to look closer
# Needs root for full disks: they are small ones in memory. Leave the machine alone meanwhile.
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

report=(--report docs/reliability.md)
arguments=()
for argument in "$@"; do
  if [ "$argument" = --no-report ]; then report=(); else arguments+=("$argument"); fi
done

"$ROOT/scripts/setup.sh" --tests
"$ROOT/scripts/image.sh"
say "Building the server, the orchestrator and the runner for release"
cargo build --locked --workspace --bins --release
"$ROOT/scripts/runner-build.sh"
run_logged e2e-packages npm ci --prefix e2e --no-audit --no-fund

export CRONIUM_BIN="$CARGO_TARGET_DIR/release" CRONIUM_RUNNER="$CRONIUM_CACHE/bin/cronium-runner"
export CRONIUM_TEST_OUTPUT="$ROOT/test-output"
say "Breaking things; what the processes say is in test-output/chaos.log"
exec "$(node_for_tests)" e2e/chaos/run.mjs "${report[@]}" "${arguments[@]}"
