#!/usr/bin/env bash
# Runs a command with a throwaway Postgres beside it, whose URL is in CRONIUM_TEST_DATABASE_URL:
#   scripts/with-postgres.sh cargo nextest run --workspace
#   scripts/with-postgres.sh --durable scripts/some-benchmark
# The program of Valkey or Redis is in CRONIUM_TEST_VALKEY, where there is one: tests start their own.
# No fsync (unless --durable), many connections, loopback only, a random password; gone when the command ends.
. "$(dirname "$0")/lib.sh"

durability='-c fsync=off -c full_page_writes=off -c synchronous_commit=off'
if [ "${1:-}" = --durable ]; then
  durability='' # Postgres' own defaults
  shift
fi

bin=$(postgres_bin) || die "Postgres is missing." "Run scripts/setup.sh first."
work=$(mktemp -d "${TMPDIR:-/tmp}/cronium-pg.XXXXXX")
pid=''
finish() {
  local code=$?
  trap - EXIT INT TERM
  # INT is Postgres' fast shutdown: it doesn't wait for clients to go.
  if [ -n "$pid" ]; then kill -INT "$pid" 2>/dev/null || true; stop_pid "$pid"; fi
  rm -rf --one-file-system "$work"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

chmod 711 "$work"
mkdir "$work/data"
password=$(head -c 18 /dev/urandom | od -An -tx1 | tr -d ' \n')
printf '%s' "$password" >"$work/password"
as=''
if [ "$(id -u)" = 0 ]; then # Postgres refuses to run as root
  as='setpriv --reuid=postgres --regid=postgres --init-groups'
  chown postgres "$work/data" "$work/password"
fi
cd "$work"
$as "$bin/initdb" -D data -U postgres -A scram-sha-256 --pwfile=password -E UTF8 --locale=C.UTF-8 --no-sync >initdb.log 2>&1 ||
  { cat initdb.log >&2; die "initdb failed"; }

start() {
  local port=$1
  $as "$bin/postgres" -D data -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= $durability \
    -c max_connections=300 -c shared_buffers=128MB -c random_page_cost=1.1 \
    -c log_min_messages=fatal >>postgres.log 2>&1 </dev/null &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" && return 0
    sleep 0.1
  done
  pid=''
  return 1
}
for try in 1 2 3 4 5; do # another program may hold the port
  port=$((20000 + RANDOM % 12000))
  start "$port" && break
  [ "$try" -lt 5 ] || { cat postgres.log >&2; die "Postgres did not start"; }
done

cd "$OLDPWD"
CRONIUM_TEST_VALKEY="${CRONIUM_TEST_VALKEY:-$(valkey_program || true)}"
export CRONIUM_TEST_VALKEY
CRONIUM_TEST_DATABASE_URL="postgres://postgres:$password@127.0.0.1:$port/postgres" "$@"
