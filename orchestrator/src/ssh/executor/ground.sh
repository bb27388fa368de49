# Finds a directory for runs on a server, and says what is there, a line each. For any POSIX shell; `owner`, `longest`
# and the function `runner_for` are set before it. Nothing in it reads the input of the shell, where the next command
# comes from.
LC_ALL=C; export LC_ALL
PATH="$PATH:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"; export PATH
umask 077
set -f
say() { printf '%s=%s\n' "$1" "$2"; }
# A directory, no link, and of this user: in /tmp anybody may have put something in its place.
mine() {
  set -- $(ls -ldn "$1")
  case "$1" in d*) [ "$3" = "$uid" ] ;; *) false ;; esac
}
alone() { mkdir "$1"; mine "$1" && chmod 700 "$1"; }
starts() {
  printf '#!/bin/sh\n' >"$1/.try-$$" && chmod 700 "$1/.try-$$" && "$1/.try-$$"
  tried=$?
  rm -f "$1/.try-$$"
  return "$tried"
}
use() {
  why=
  case "$2" in *[!A-Za-z0-9/._@,+-]* | [!/]*) why='its path has unusual signs' ;; esac
  [ "${#2}" -le "$longest" ] || why='its path is too long'
  [ -n "$why" ] || { alone "$2" && alone "$2/bin" && alone "$2/runs" && alone "$2/runs/$owner"; } ||
    why="a directory there can't be made, or is somebody else's"
  [ -n "$why" ] || starts "$2/bin" || why='no program may be started there'
  if [ -n "$why" ]; then
    say refused "$1: $why"
    return 1
  fi
  base=$2
}
{
  uid=$(id -u)
  machine=$(uname -m)
  base=
  say system "$(uname -s)"
  say machine "$machine"
  [ -d "$HOME/.cache" ] || mkdir "$HOME/.cache"
  use home "$HOME/.cache/cronium" || use /tmp "/tmp/cronium-$uid"
  if [ -n "$base" ]; then
    say base "$base"
    runner=$(runner_for "$machine")
    file=$base/bin/$runner
    if [ -n "$runner" ] && [ -f "$file" ] && [ "$("$file" hash)" = "$runner" ]; then
      touch "$file"
      say runner "$runner"
    fi
    # Runners that nobody has used for long, and what was left in the middle.
    find "$base/bin" -type f \( -mtime +30 -o -name '.*' -mtime +0 \) -exec rm -f {} +
    ls "$base/runs/$owner" | head -n 1000 | while read -r name; do say left "$name"; done
  fi
} 2>/dev/null </dev/null
