# $1: what is in the environment of a terminal's processes. The first line says its session. When the input ends,
# whoever held it wants the terminal no more, or is gone: all that is left of it ends. Only what is part of the shell is
# used, because there may be no room for another process.
mark=$1 session=
is_ours() {
  process=$1
  read -r text <"$process/stat" || return 1
  # After the name, which may have anything in it: state, parent, group, session.
  set -- ${text##*) }
  [ "$1" = Z ] && return 1
  [ "$4" = "$session" ] && return 0
  while IFS= read -r text || [ -n "$text" ]; do
    case $text in *"$mark"*) return 0 ;; esac
  done <"$process/environ"
  return 1
}
end() {
  found=
  for one in /proc/[0-9]*; do
    is_ours "$one" && found=1 && kill -s "$1" "${one#/proc/}"
  done
  [ "$found" ]
}
exec 2>/dev/null
echo here
read -r session
while read -r text; do :; done
end HUP && end CONT && sleep 0.5
rounds=0
while end KILL && [ "$rounds" -lt 200 ]; do
  rounds=$((rounds + 1))
done
