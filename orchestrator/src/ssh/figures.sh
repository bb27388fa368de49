# Says what a server tells of itself, a figure a line. For any POSIX shell; what is not there is left empty. Nothing in it
# reads the input of the shell, where the next command comes from.
LC_ALL=C; export LC_ALL
PATH="$PATH:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"; export PATH
say() { printf '%s=%s\n' "$1" "$2"; }
memory() { sed -n "s/^$1: *\([0-9]*\) kB\$/\1/p" /proc/meminfo; }
{
  say kernel "$(uname -s) $(uname -r)"
  say machine "$(uname -m)"
  say name "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release | head -n 1)"
  say processors "$(nproc || getconf _NPROCESSORS_ONLN || sysctl -n hw.ncpu)"
  say load "$(cat /proc/loadavg || sysctl -n vm.loadavg)"
  say memory_total "$(memory MemTotal)"
  say memory_available "$(memory MemAvailable)"
  say memory_free "$(memory MemFree)"
  say memory_bytes "$(sysctl -n hw.memsize || sysctl -n hw.physmem)"
  say disk "$(df -Pk "${HOME:-/}" | tail -n 1)"
  # The runner that came last says itself which one it is.
  bin=$HOME/.cache/cronium/bin
  runner=$(ls -t "$bin" | grep -x '[0-9a-f]\{64\}' | head -n 1)
  [ -z "$runner" ] || say runner "$("$bin/$runner" version)"
} 2>/dev/null </dev/null
