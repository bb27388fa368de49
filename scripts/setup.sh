#!/usr/bin/env bash
# Finds what Cronium needs on this machine and installs what is missing. Safe to run again at any time.
#   scripts/setup.sh            what building and running needs
#   scripts/setup.sh --tests    and what the tests need
#   scripts/setup.sh --bench    and what the benchmarks need: OpenSSH's server, a browser with what drives it
. "$(dirname "$0")/lib.sh"

extra="${1:-}"

rust() {
  have cargo || die "Rust is missing." "Install it from https://rustup.rs (1.95 or newer), then start again."
  local minor
  minor=$(rustc --version | sed -E 's/^rustc 1\.([0-9]+).*/\1/')
  [ "$minor" -ge 95 ] || die "Rust 1.95 or newer is needed; this is $(rustc --version)." "Run: rustup update stable"
  have cc || apt_install "a C compiler" gcc libc6-dev
  have file || apt_install "file" file
}

wasm() {
  if [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown/lib" ]; then return; fi
  if have rustup && run_wasm_add; then return; fi
  # No rustup, or its server is out of reach: Debian's own WebAssembly toolchain does as well.
  local packages='rustc-web cargo-web rust-web-src rust-web-llvm lld-19'
  dpkg -s $packages >/dev/null 2>&1 || apt_install "a Rust compiler for WebAssembly" $packages
}
run_wasm_add() {
  say "Adding the WebAssembly target"
  timeout 180 rustup target add wasm32-unknown-unknown >"$CRONIUM_CACHE/log/wasm-target.log" 2>&1
}

node_and_npm() {
  have node && have npm || apt_install "Node.js" nodejs npm
}

postgres() {
  postgres_bin >/dev/null && return
  local prefix
  if prefix=$(root_prefix) && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    # The package would start a server of its own at once; only its programs are wanted.
    $prefix mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | $prefix tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  apt_install "PostgreSQL" postgresql
}

docker_engine() {
  docker_up && return
  if ! have dockerd; then
    apt_install "the Docker engine" docker.io iptables
    docker_up && return
  fi
  have iptables || apt_install "iptables" iptables
  have docker || apt_install "the Docker client" docker.io
  need_root_or_say "Starting the Docker engine" "dockerd"
  say "Starting the Docker engine"
  local log="$CRONIUM_CACHE/log/dockerd.log" waited=0 pid
  # In a session of its own, so that Ctrl-C in this terminal doesn't reach it.
  setsid $(root_prefix) dockerd >"$log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$CRONIUM_CACHE/dockerd.pid"
  until docker_up; do
    waited=$((waited + 1))
    if ! kill -0 "$pid" 2>/dev/null || [ "$waited" -gt 60 ]; then
      tail -n 20 "$log" >&2
      die "The Docker engine did not start; all of its output: $log" \
        "In a container, it must be privileged. Or set DOCKER_HOST to an engine that runs."
    fi
    sleep 1
  done
}

nextest() {
  have cargo-nextest && return
  say "Building cargo-nextest (once, some minutes)"
  run_logged cargo-nextest cargo install --locked --root "$CRONIUM_CACHE/tools" cargo-nextest
}

# For the tests of limits that servers share. The tools only: the package of the server would start one at once.
valkey() {
  valkey_program >/dev/null && return
  apt_install "Valkey's or Redis' programs" redis-tools
  valkey_program >/dev/null || die "There is no Valkey or Redis server." "Install valkey-server or redis-server, then start again."
}

# What orchestrators reach servers with.
ssh_client() {
  have ssh && have ssh-keygen || apt_install "OpenSSH's client" openssh-client
}

# For the tests of servers and their benchmark, each of which starts one of its own. The package would start one for
# everybody at once, and again whenever the machine starts; only its program is wanted.
ssh_server() {
  have sshd && return
  local policy=/usr/sbin/policy-rc.d prefix made='' failed=''
  if prefix=$(root_prefix) && [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $prefix tee "$policy" >/dev/null
    $prefix chmod 755 "$policy"
    made=1
  fi
  (apt_install "OpenSSH's server" openssh-server) || failed=1
  [ -z "$made" ] || $prefix rm -f "$policy"
  [ -z "$failed" ] || exit 1
  ! have systemctl || $prefix systemctl disable ssh.service ssh.socket >/dev/null 2>&1 || true
}

# What the tests use on those servers: networks of their own, packets that are lost, and programs that draw in a terminal.
host_programs() {
  have ip && have tc || apt_install "what makes networks" iproute2
  have iptables || apt_install "iptables" iptables
  have vim || apt_install "an editor" vim
  have top || apt_install "what shows processes" procps
}

# What the examples of the API's page use.
clients() {
  have jq || apt_install "jq" jq
  have curl || apt_install "curl" curl
  have python3 || apt_install "Python" python3
}

# What generates documents against the API's schema, in an environment of its own: exactly these versions.
generator() {
  local wanted="$ROOT/e2e/fuzz/requirements.txt" home="$CRONIUM_CACHE/tools/python"
  cmp -s "$wanted" "$home/requirements.txt" && [ -x "$home/bin/st" ] && return
  python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install "Python's environments" python3-venv
  say "Fetching Schemathesis for the tests"
  run_logged python-venv python3 -m venv --clear "$home"
  run_logged python-packages "$home/bin/pip" install --quiet --no-input --disable-pip-version-check \
    --require-hashes --only-binary :all: -r "$wanted"
  cp "$wanted" "$home/requirements.txt"
}

driven_browser() {
  if ! have cargo-deny; then
    say "Building cargo-deny (once, some minutes)"
    run_logged cargo-deny env CARGO_TARGET_DIR="$CRONIUM_CACHE/tools-target" \
      cargo install --locked --version 0.20.2 --root "$CRONIUM_CACHE/tools" cargo-deny
  fi
  if ! node_for_tests >/dev/null; then
    # The reference clients need a newer Node.js than Debian 12 has; npm carries it as a package.
    say "Fetching Node.js 22 for the tests"
    run_logged node22 npm install --prefix "$CRONIUM_CACHE/tools/node" --no-audit --no-fund node@22
  fi
  browser >/dev/null || apt_install "a browser for the tests" chromium
}

rust
wasm
node_and_npm
postgres
ssh_client
docker_engine
case "$extra" in
  --tests) nextest && valkey && ssh_server && host_programs && clients && generator && driven_browser ;;
  --bench) ssh_server && driven_browser ;;
esac
ok "machine ready: $(rustc --version | cut -d' ' -f1-2), node $(node --version), $("$(postgres_bin)/postgres" --version), docker $(docker version -f '{{.Server.Version}}')"
