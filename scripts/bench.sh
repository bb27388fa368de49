#!/usr/bin/env bash
# Measures Cronium against its floors and writes docs/benchmarks.md. Takes some twenty minutes after the
# build; leave the machine alone meanwhile.
#   scripts/bench.sh         all cases
#   scripts/bench.sh 3 4     these again; the report keeps what it knew of the others
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

export CARGO_TERM_PROGRESS_WHEN=never
out="$ROOT/test-output/bench"
mkdir -p "$out"
rm -f "$out/product.log"

"$ROOT/scripts/setup.sh" --bench
"$ROOT/scripts/image.sh"
say "Building all of it for release (the first time takes some ten minutes)"
cases=(--locked --workspace --bench cases)
cargo build --release --bins "${cases[@]}"
"$ROOT/scripts/runner-build.sh"
"$ROOT/scripts/web-build.sh"
"$ROOT/scripts/web-build.sh" --hello
run_logged e2e-packages npm ci --prefix e2e --no-audit --no-fund

export CRONIUM_BENCH_BIN="$CARGO_TARGET_DIR/release" CRONIUM_BENCH_ROOT="$ROOT" CRONIUM_BENCH_OUT="$out"
export CRONIUM_BENCH_HELLO="$CRONIUM_CACHE/hello-dist" CRONIUM_WEB_DIR="$ROOT/web/dist"
CRONIUM_BENCH_NODE="$(node_for_tests)" CRONIUM_BROWSER="$(browser)"
export CRONIUM_BENCH_NODE CRONIUM_BROWSER CRONIUM_RUNNER="$CRONIUM_CACHE/bin/cronium-runner"
# Data directories must be on a disk, or fsync would cost nothing.
export TMPDIR="${CRONIUM_BENCH_TMP:-/var/tmp}"

say "Measuring"
# The program asks only the environment: as `cargo bench` it runs what was built above.
"$ROOT/scripts/with-postgres.sh" --durable cargo bench -q "${cases[@]}" -- "$@"
