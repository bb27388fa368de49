# What a Cronium job may ask and say while it runs. Bash reads this file before each script of a job.
#
# Functions write their answer to stdout and what is wrong to stderr. Their status says what kind of error it is:
# 10 INVALID, 11 NOT_FOUND, 12 FORBIDDEN, 13 TOO_LARGE, 14 RATE_LIMITED, 15 UNAVAILABLE, 16 INTERNAL.

# cronium_input: the job's input as JSON.
cronium_input() { "$CRONIUM_CLIENT" call GET /input; }

# cronium_output [JSON]: sets the job's output, from the argument or stdin. The last one counts.
cronium_output() {
  if [ $# -gt 0 ]; then printf '%s' "$1"; else cat; fi | "$CRONIUM_CLIENT" call PUT /output --stdin
}

# cronium_event [FIELD]: what runs here as JSON, or one field of it.
cronium_event() { "$CRONIUM_CLIENT" call GET /event ${1:+--print "$1"}; }

# cronium_get_variable KEY [DEFAULT]: the text of a variable.
cronium_get_variable() {
  local status=0
  if [ $# -lt 2 ]; then
    "$CRONIUM_CLIENT" call GET "/variables/$1" --print value
    return
  fi
  # What is missing is no error then; everything else is still told.
  { "$CRONIUM_CLIENT" call GET "/variables/$1" --print value --quiet NOT_FOUND; } || status=$?
  if [ "$status" -eq 11 ]; then printf '%s\n' "$2"; return 0; fi
  return "$status"
}

# cronium_set_variable KEY VALUE [--secret | --plain]: sets a variable. Without an option a secret stays a secret.
cronium_set_variable() {
  local secret=()
  case "${3:-}" in
    --secret) secret=(--json secret true) ;;
    --plain) secret=(--json secret false) ;;
    '') ;;
    *) printf 'cronium: unknown option %s\n' "$3" >&2; return 2 ;;
  esac
  # By stdin: what stands on a command line can be read by others.
  printf '%s' "$2" | "$CRONIUM_CLIENT" call PUT "/variables/$1" --stdin-as value ${secret[@]+"${secret[@]}"} > /dev/null
}

# cronium_delete_variable KEY: removes a variable; status 11 when there was none.
cronium_delete_variable() { "$CRONIUM_CLIENT" call DELETE "/variables/$1"; }

# cronium_increment_variable KEY [BY]: adds to a variable in one step; the new value.
cronium_increment_variable() {
  "$CRONIUM_CLIENT" call POST "/variables/$1/increment" --json by "${2:-1}" --print value
}

# cronium_set_condition true|false: sets what actions with the condition CONDITION look at.
cronium_set_condition() { "$CRONIUM_CLIENT" call PUT /condition --json value "$1"; }

# cronium_log LEVEL MESSAGE [JSON]: writes a line into the log, with fields. Levels: debug, info, warn, error.
cronium_log() {
  printf '%s' "$2" | "$CRONIUM_CLIENT" call POST /log --text level "$1" --stdin-as message ${3:+--json fields "$3"}
}
