# $1: a word that nobody can guess. It says which process it is, and waits until its terminal has its size.
printf '%s %s\n' "$1" "$$"
read -r go && [ "$go" = go ] || exit 1
printf '%s\n' "$1"
HOME=$PWD
export HOME
command -v bash >/dev/null 2>&1 && exec bash
exec sh
