#!/usr/bin/env bash
# Every check there is, on a clean checkout or a used one, without a terminal. Starts what it needs (Docker,
# a throwaway Postgres, the product itself) and stops it again. The last line is the total.
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

export CARGO_TERM_COLOR=never CARGO_TERM_PROGRESS_WHEN=never
out="$ROOT/test-output"
mkdir -p "$out"
work=$(mktemp -d "${TMPDIR:-/tmp}/cronium-test.XXXXXX")
passed=0 failed=0 docker_was_up='' began=$SECONDS
docker_up && docker_was_up=1

finish() {
  local code=$?
  trap - EXIT INT TERM
  if [ -z "$docker_was_up" ] && [ -s "$CRONIUM_CACHE/dockerd.pid" ]; then
    stop_pid "$(cat "$CRONIUM_CACHE/dockerd.pid")" 40
    rm -f "$CRONIUM_CACHE/dockerd.pid"
  fi
  rm -rf --one-file-system "$work"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# step <name> <command…>: its output goes to a file, and is shown where it fails. The run goes on either way,
# so that one look shows all that is wrong.
step() {
  local name=$1 log="$out/${1// /-}.log" from=$SECONDS
  shift
  if "$@" >"$log" 2>&1 </dev/null; then
    ok "$name ($((SECONDS - from)) s)"
  else
    printf '    %sFAILED%s %s (%s s)\n' "$RED" "$PLAIN" "$name" "$((SECONDS - from))"
    tail -n 60 "$log"
    failed=$((failed + 1))
  fi
}

schema_is_current() {
  "$CARGO_TARGET_DIR/debug/cronium" schema >"$work/schema.graphql"
  diff -u schema.graphql "$work/schema.graphql" || {
    echo "schema.graphql differs from the code: run 'just schema' and commit the result."
    return 1
  }
}

number() {
  local found
  found=$(sed -nE "s/$1/\1/p" "$2" | tail -n 1)
  printf '%s' "${found:-0}"
}

# count <exit code> <ran> <good>: a run that failed without a failing test counts as one failure.
count() {
  local code=$1 ran=${2:-0} good=${3:-0}
  passed=$((passed + good)) failed=$((failed + ran - good))
  if [ "$code" != 0 ] && [ "$ran" = "$good" ]; then failed=$((failed + 1)); fi
}

rust_tests() {
  local log="$out/nextest.log" code=0
  scripts/with-postgres.sh cargo nextest run --locked --workspace --no-fail-fast --color never \
    --status-level fail --final-status-level fail 2>&1 </dev/null | tee "$log" | { grep -Ev '^ +(Compiling|Finished|Starting) ' || true; } || code=1
  count "$code" "$(number '^ *Summary .* ([0-9]+)(\/[0-9]+)? tests? run:.*' "$log")" "$(number '.* run: ([0-9]+) passed.*' "$log")"
}

# A file that stands still fails by its name after 15 minutes, and what a test left open keeps nobody waiting.
browser_tests() {
  local log="$out/e2e.log" code=0 good bad
  CRONIUM_BIN="$CARGO_TARGET_DIR/debug" CRONIUM_BROWSER="$(browser)" CRONIUM_TEST_OUTPUT="$out" \
    "$(node_for_tests)" --test --test-reporter=spec --test-concurrency=1 --test-timeout=900000 --test-force-exit e2e/*.test.mjs 2>&1 </dev/null | tee "$log" || code=1
  good=$(number '^[^a-z]* pass ([0-9]+)$' "$log")
  bad=$(($(number '^[^a-z]* fail ([0-9]+)$' "$log") + $(number '^[^a-z]* cancelled ([0-9]+)$' "$log")))
  count "$code" "$((good + bad))" "$good"
}

"$ROOT/scripts/setup.sh" --tests
say "Checks"
"$ROOT/scripts/image.sh" >"$out/image.log" 2>&1 &
image=$!
step "format" cargo fmt --all --check
step "dependencies" cargo deny --locked check bans licenses sources
step "clippy" cargo clippy -q --locked --workspace --all-targets -- -D warnings
step "build" cargo build -q --locked --workspace --bins --examples
step "runner" "$ROOT/scripts/runner-build.sh"
step "schema drift" schema_is_current
step "dashboard" "$ROOT/scripts/web-build.sh"
step "e2e packages" npm ci --prefix e2e --no-audit --no-fund
step "contract" "$ROOT/scripts/contract.sh"
step "image" wait "$image"
export CRONIUM_TEST_RUNNER="$CRONIUM_CACHE/bin/cronium-runner" CRONIUM_RUNNER="$CRONIUM_CACHE/bin/cronium-runner"

say "Rust tests"
rust_tests
say "Conformance and browser tests"
browser_tests

say "All checks took $((SECONDS - began)) s; logs and screenshots are in test-output/"
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
