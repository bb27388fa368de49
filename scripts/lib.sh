# Helpers that the other scripts source. Knows the machine (root, apt, paths); knows nothing of Cronium itself.
# shellcheck shell=bash
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export CRONIUM_CACHE="${CRONIUM_CACHE:-$HOME/.cache/cronium}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$CRONIUM_CACHE/target}"
export CRONIUM_EXEC_IMAGE="${CRONIUM_EXEC_IMAGE:-cronium/exec:1}"
mkdir -p "$CRONIUM_CACHE/bin" "$CRONIUM_CACHE/tools" "$CRONIUM_CACHE/log"
# Debian keeps dockerd and iptables in sbin, which a plain user's PATH lacks.
export PATH="$CRONIUM_CACHE/tools/bin:$HOME/.cargo/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"

if [ -t 1 ]; then BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'; else BOLD='' DIM='' RED='' GREEN='' PLAIN=''; fi

say() { printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*"; }
note() { printf '    %s%s%s\n' "$DIM" "$*" "$PLAIN"; }
ok() { printf '    %sok%s %s\n' "$GREEN" "$PLAIN" "$*"; }
die() {
  printf '%serror:%s %s\n' "$RED" "$PLAIN" "$1" >&2
  shift
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Prints the prefix that makes a command run as root; fails where there is no way to get there unasked.
root_prefix() {
  if [ "$(id -u)" = 0 ]; then return 0; fi
  if have sudo && sudo -n true 2>/dev/null; then printf 'sudo'; return 0; fi
  return 1
}

# need_root_or_say "<what for>" "<the command to run by hand>"
need_root_or_say() {
  root_prefix >/dev/null || die "$1 needs root, and this user has neither root nor sudo without a password." \
    "Run this once, then start again:" "  sudo $2"
}

# run_logged <name> <command…>: quiet when it works; shows the end of its output when it does not.
run_logged() {
  local name=$1 log="$CRONIUM_CACHE/log/$1.log"
  shift
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 40 "$log" >&2
    die "$name failed; all of its output: $log"
  fi
}

APT_FRESH=''
# apt_install "<what for>" package…: installs what is missing, or says exactly what to do.
apt_install() {
  local why=$1 prefix
  shift
  have apt-get || die "$why is missing, and this system has no apt-get." \
    "Install the equivalent of these Debian packages: $*" "then start again."
  need_root_or_say "Installing $why" "apt-get install --no-install-recommends $*"
  prefix=$(root_prefix)
  say "Installing $why ($*)"
  if [ -z "$APT_FRESH" ]; then
    run_logged apt-update $prefix apt-get -q update
    APT_FRESH=1
  fi
  run_logged apt-install $prefix env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
    -o Dpkg::Options::=--force-confold --no-install-recommends install "$@"
}

# Prints the directory that holds initdb and postgres, newest version first; fails where there is none.
postgres_bin() {
  local dir
  for dir in $(ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin 2>/dev/null | sort -rV) "$(dirname "$(command -v initdb || echo /none/x)")"; do
    if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then printf '%s' "$dir"; return 0; fi
  done
  return 1
}

# Prints the path of a Valkey or Redis server; fails where there is none. Debian's package of tools has the server
# as well, under the name of another tool: it looks at the name that it is called by.
valkey_program() {
  command -v valkey-server || command -v redis-server && return
  local tool link="$CRONIUM_CACHE/tools/bin/redis-server"
  tool=$(command -v valkey-check-rdb || command -v redis-check-rdb) || return 1
  mkdir -p "$CRONIUM_CACHE/tools/bin"
  ln -sfn "$tool" "$link"
  printf '%s\n' "$link"
}

docker_up() { have docker && timeout 20 docker info >/dev/null 2>&1; }

# stop_pid <pid> [seconds]: TERM, wait, then KILL; silent when it is gone already.
stop_pid() {
  local pid=$1 left=$((${2:-20} * 10))
  kill -TERM "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null; do
    left=$((left - 1))
    if [ "$left" -le 0 ]; then kill -KILL "$pid" 2>/dev/null || true; return 0; fi
    sleep 0.1
  done
}

# One writer at a time for things in the cache: with_lock <name> <command…>
with_lock() {
  local name=$1
  shift
  if have flock; then (flock 9; "$@" 9>&-) 9>"$CRONIUM_CACHE/$name.lock"; else "$@"; fi
}

# Prints the path of a Chromium that Playwright can drive.
browser() { command -v "${CRONIUM_BROWSER:-chromium}" || command -v chromium-browser || command -v google-chrome; }

# Prints the path of a Node.js of version 20.14 or newer: the first whose test runner can be told to end.
node_for_tests() {
  local one
  for one in "$(command -v node)" "$CRONIUM_CACHE/tools/node/node_modules/node/bin/node"; do
    if [ -x "$one" ] && "$one" --test-force-exit --eval '' 2>/dev/null; then printf '%s' "$one"; return 0; fi
  done
  return 1
}
