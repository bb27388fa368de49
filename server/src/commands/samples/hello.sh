#!/usr/bin/env bash
# Says hello, shows where it runs, and counts a little so that you can watch it live.
set -euo pipefail

name=$(jq -r '.name // "world"' "$CRONIUM_INPUT")
echo "Hello, $name!"
echo "This is attempt $CRONIUM_ATTEMPT, as user $(id -u) on $(uname -m), in $PWD"

for step in 1 2 3 4 5; do
  printf '\033[32mstep %s of 5\033[0m\n' "$step"
  sleep 1
done

echo "warnings go to the error stream" >&2
printf '{"greeted": "%s"}\n' "$name" > "$CRONIUM_OUTPUT"
