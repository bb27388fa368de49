#!/usr/bin/env bash
# Fails when schema.graphql breaks a client of the schema before it, unless CHANGELOG.md declares the change.
#   scripts/contract.sh                        against the last release, or else main, or else the last commit
#   CRONIUM_CONTRACT_BASE=v1.2.0 scripts/contract.sh
#   scripts/contract.sh old.graphql new.graphql CHANGELOG.md
. "$(dirname "$0")/lib.sh"

tool="$ROOT/e2e/node_modules/@graphql-inspector/cli/cjs/index.js"
[ -f "$tool" ] || die "The packages of e2e are missing." "Run: npm ci --prefix e2e"
node=$(node_for_tests) || die "Node.js 20.14 or newer is missing." "Run scripts/setup.sh --tests first."
work=$(mktemp -d "${TMPDIR:-/tmp}/cronium-contract.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT

base() {
  local head main
  if [ -n "${CRONIUM_CONTRACT_BASE:-}" ]; then printf '%s' "$CRONIUM_CONTRACT_BASE"; return; fi
  git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null && return
  head=$(git rev-parse HEAD)
  main=$(git merge-base HEAD main 2>/dev/null || git merge-base HEAD origin/main 2>/dev/null || printf '%s' "$head")
  if [ "$main" != "$head" ]; then printf '%s' "$main"; else git rev-parse -q --verify 'HEAD^'; fi
}

if [ $# = 3 ]; then
  old=$(realpath "$1") new=$(realpath "$2") changelog=$(realpath "$3")
else
  cd "$ROOT"
  old="$work/before.graphql" new="$ROOT/schema.graphql" changelog="$ROOT/CHANGELOG.md"
  if ! from=$(base); then
    note "there is no history here, so no schema to compare with"
    exit 0
  fi
  git show "$from:schema.graphql" >"$old"
  note "compared with $from"
fi

cd "$ROOT/e2e"
CRONIUM_CHANGELOG="$changelog" "$node" "$tool" diff "$old" "$new" --rule "$ROOT/e2e/declared.mjs" || die \
  "The schema breaks its clients, or can't be read." "Deprecate instead; or, if the break is wanted, name it in CHANGELOG.md under Unreleased," \
  "as \`Type.field\` in backticks, with the date from which it holds."
