# Takes a runner that was sent: it says itself whether it is what was meant to come. For any POSIX shell; `new`, `place`
# and `hash` are set before it.
LC_ALL=C; export LC_ALL
PATH="$PATH:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"; export PATH
said=$({ chmod 700 "$new" && "$new" hash; } 2>&1 </dev/null)
if [ "$said" = "$hash" ] && mv -f "$new" "$place" 2>/dev/null; then
  printf 'kept=%s\n' "$hash"
else
  rm -f "$new"
  printf 'said=%s\n' "$said"
fi
