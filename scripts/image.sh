#!/usr/bin/env bash
# Makes the execution image ($CRONIUM_EXEC_IMAGE, default cronium/exec:1) unless the engine has it already.
# From a registry where one answers quickly, otherwise from Debian packages; kept in the cache as a tarball.
. "$(dirname "$0")/lib.sh"

recipe="$ROOT/images/execution"
hash=$(cat "$recipe/Dockerfile" "$recipe/packages.txt" "$0" | sha256sum | cut -c1-16)
tarball="$CRONIUM_CACHE/exec-image-$hash.tar.gz"
rootfs=''

current() { [ "$(docker image inspect -f '{{index .Config.Labels "cronium.recipe"}}' "$CRONIUM_EXEC_IMAGE" 2>/dev/null)" = "$hash" ]; }

import_tarball() {
  docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8' --change 'WORKDIR /work' \
    --change 'USER 65532:65532' --change "LABEL cronium.recipe=$hash" "$tarball" "$CRONIUM_EXEC_IMAGE" >/dev/null
}

from_registry() {
  timeout "${CRONIUM_PULL_SECONDS:-20}" docker pull -q debian:bookworm-slim >/dev/null 2>&1 || return 1
  docker build -q --label "cronium.recipe=$hash" -t "$CRONIUM_EXEC_IMAGE" "$recipe" \
    >"$CRONIUM_CACHE/log/image.log" 2>&1
}

drop_rootfs() {
  [ -n "$rootfs" ] || return 0
  # debootstrap mounts /proc inside while it works; a removal must never reach through a mount.
  for mount in proc sys dev/pts dev; do $prefix umount "$rootfs/$mount" 2>/dev/null || true; done
  $prefix rm -rf --one-file-system "$rootfs"
}

from_packages() {
  have debootstrap || apt_install "debootstrap" debootstrap
  need_root_or_say "Making the execution image" "scripts/image.sh"
  prefix=$(root_prefix)
  local mirror packages
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 2>/dev/null | head -n 1 || true)
  packages=$(paste -sd, "$recipe/packages.txt")
  rootfs=$(mktemp -d "$CRONIUM_CACHE/rootfs.XXXXXX")
  trap drop_rootfs EXIT
  run_logged debootstrap $prefix debootstrap --variant=minbase --include="$packages" bookworm "$rootfs" ${mirror:+"$mirror"}
  $prefix bash -eu -s "$rootfs" <<'SH'
cd "$1"
rm -rf var/cache/apt/archives/*.deb var/cache/apt/*.bin var/lib/apt/lists/* var/log/* usr/share/doc/* \
  usr/share/man/* usr/share/locale/*
echo 'runner:x:65532:65532:runner:/work:/bin/bash' >>etc/passwd
echo 'runner:x:65532:' >>etc/group
mkdir -p work
chown 65532:65532 work
chmod 755 .
SH
  $prefix tar --numeric-owner --one-file-system -C "$rootfs" -cf - . | gzip -1 >"$tarball.part"
  mv "$tarball.part" "$tarball"
  import_tarball
}

works() {
  docker run --rm --network none "$CRONIUM_EXEC_IMAGE" bash -ec \
    'test "$(id -u)" = 65532; python3 -c "import csv, json, urllib.request, ssl, sqlite3, zoneinfo"; node -e "require(\"crypto\")"; jq --version; curl --version; /usr/sbin/nft --version' \
    >"$CRONIUM_CACHE/log/image-check.log" 2>&1 || {
    cat "$CRONIUM_CACHE/log/image-check.log" >&2
    die "The execution image was made, but Python, Node.js, Bash or nft does not work in it."
  }
}

make() {
  if current; then ok "execution image $CRONIUM_EXEC_IMAGE"; return; fi
  if [ -s "$tarball" ]; then
    say "Loading the execution image from the cache"
    import_tarball
  else
    say "Making the execution image $CRONIUM_EXEC_IMAGE (once, about two minutes)"
    from_registry || from_packages
  fi
  works
  ok "execution image $CRONIUM_EXEC_IMAGE"
}

with_lock image make
