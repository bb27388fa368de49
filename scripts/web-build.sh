#!/usr/bin/env bash
# Builds the dashboard into web/dist: WASM, its glue, styles and icons, each under a name made of its
# content, with .br and .gz beside it. Does nothing when nothing changed.
#   scripts/web-build.sh         small, as it is shipped
#   scripts/web-build.sh --dev   quick to build, larger
#   scripts/web-build.sh --hello the hello world that benchmarks compare it with, into the cache's hello-dist
. "$(dirname "$0")/lib.sh"

FIRST_LOAD_LIMIT=600000 # bytes of brotli: what a first visit may cost
DIST="$ROOT/web/dist"
OUT="$CRONIUM_CACHE/web-out"
# Its own target directory: the workspace's build must not wait for this one, nor this one for it.
TARGET="$CRONIUM_CACHE/wasm-target"
TOOLS="$CRONIUM_CACHE/tools"
mode=ship artefact=(--bin cronium-web) built=cronium-web.wasm page="$ROOT/web/index.html" what='the dashboard'
case "${1:-}" in
  --dev) mode=dev ;;
  --hello)
    artefact=(--example hello) built=examples/hello.wasm page="$ROOT/web/examples/hello.html" what='the hello world'
    DIST="$CRONIUM_CACHE/hello-dist" OUT="$CRONIUM_CACHE/hello-out"
    ;;
esac

digest() { sha256sum "$@" | cut -c1-12; }

inputs() {
  (
    cd "$ROOT"
    printf '%s\n' "$mode"
    find Cargo.toml Cargo.lock schema.graphql scripts/web-build.sh web -path web/dist -prune -o -type f -print0 |
      sort -z | xargs -0 sha256sum
  ) | digest
}

locked_bindgen() { awk '$0 == "name = \"wasm-bindgen\"" { getline; gsub(/[^0-9.]/, ""); print; exit }' "$ROOT/Cargo.lock"; }

# The glue and the module must come from the same version, to the digit.
bindgen() {
  local version=$1
  BINDGEN="$TOOLS/wasm-bindgen-$version/bin/wasm-bindgen"
  [ -x "$BINDGEN" ] && return
  say "Building wasm-bindgen $version (once, some minutes)"
  local log="$CRONIUM_CACHE/log/wasm-bindgen.log" locked
  # A mirror may lag behind the versions that the tool was locked to; then any that fit will do.
  for locked in --locked ''; do
    if CARGO_TARGET_DIR="$CRONIUM_CACHE/tools-target" cargo install $locked --version "$version" \
      --root "$TOOLS/wasm-bindgen-$version" wasm-bindgen-cli >"$log" 2>&1 </dev/null; then return; fi
  done
  tail -n 40 "$log" >&2
  die "wasm-bindgen $version could not be built; all of its output: $log"
}

# Cuts the pages that come later out of the module; of the same release as the loaders in the code.
splitter() {
  local version
  version=$(awk '$0 == "name = \"wasm-splitter\"" { getline; gsub(/[^0-9.]/, ""); print; exit }' "$ROOT/Cargo.lock")
  SPLIT="$TOOLS/wasm-split-$version/bin/wasm-split-cli"
  [ -x "$SPLIT" ] && return
  say "Building wasm-split $version (once, some minutes)"
  CARGO_TARGET_DIR="$CRONIUM_CACHE/tools-target" run_logged wasm-split cargo install --locked --version "$version" \
    --root "$TOOLS/wasm-split-$version" wasm-split-cli
}

optimiser() {
  WASM_OPT="$TOOLS/npm/node_modules/.bin/wasm-opt"
  [ -x "$WASM_OPT" ] && return
  say "Getting wasm-opt"
  run_logged binaryen npm install --prefix "$TOOLS/npm" --no-audit --no-fund binaryen@132.0.0
}

compile() {
  # What belongs to which page is seen from the relocations. A linker that merges equal strings would give two
  # symbols one place, and what only a part needs is wiped from the main module: -O0 keeps them apart.
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="-C link-arg=--emit-relocs -C link-arg=-O0"
  local options=(-p cronium-web "${artefact[@]}" --locked --target wasm32-unknown-unknown --profile wasm)
  if [ "$mode" = dev ]; then
    # Without lto the standard library's functions have second names, which the tool that cuts the module does not know.
    options+=(--config 'profile.wasm.lto="fat"' --config profile.wasm.opt-level=1 --config profile.wasm.codegen-units=16)
  fi
  if [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown/lib" ]; then
    (cd "$ROOT" && CARGO_TARGET_DIR="$TARGET" run_logged wasm cargo build "${options[@]}")
  else
    # Debian's toolchain for the web has no ready-made std: it is built along.
    (cd "$ROOT" && RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO_TARGET_DIR="$TARGET" \
      CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19 \
      run_logged wasm /usr/bin/cargo build -Z build-std=std,panic_abort "${options[@]}")
  fi
  MODULE="$TARGET/wasm32-unknown-unknown/wasm/$built"
}

# place <file> <name>: copies it under a name that holds its content, and fills that into the page.
place() {
  local named="${2%.*}.$(digest "$1").${2##*.}"
  cp "$1" "$OUT/assets/$named"
  sed -i "s|{$2}|$named|g" "$OUT/index.html"
}

# later <file> <name>: the same for what comes with a part, which other files of the part may name.
later() {
  local named="${2%.*}.$(digest "$1").${2##*.}"
  cp "$1" "$OUT/assets/parts/$named"
  sed -i "s|{$2}|$named|g" "$OUT/index.html" "$OUT/terminal.js"
}

# split <folder>: takes the pages that come later out of the module there, and writes the glue that fetches them.
split() {
  local parts="$CRONIUM_CACHE/web-parts"
  run_logged wasm-split "$SPLIT" split "$MODULE" "$1/cronium_bg.wasm" "$parts"
  mv "$parts/main.wasm" "$1/cronium_bg.wasm"
  mkdir "$1/parts"
  (cd "$parts" && find . -name '*.wasm' -exec mv {} "$1/parts/" ';')
  cp "$ROOT/web/assets/parts.js" "$1/__wasm_split.js"
  sed -nE 's|^(export const [a-zA-Z0-9_]+ = )makeLoad\("[^"]*/([a-z0-9_]+\.wasm)", (\[[^]]*\]),.*|\1part("./parts/\2", \3);|p' \
    "$parts/__wasm_split.js" >>"$1/__wasm_split.js"
  rm -rf "$parts"
}

assemble() {
  rm -rf "$OUT" && mkdir -p "$OUT/assets/app"
  cp "$page" "$OUT/index.html"
  local bare=(--remove-name-section --remove-producers-section)
  [ "$what" = 'the dashboard' ] && bare=(--keep-debug --keep-lld-exports --no-demangle)
  "$BINDGEN" "$MODULE" --target web --no-typescript --out-name cronium --out-dir "$OUT/assets/app" "${bare[@]}"
  [ "$what" = 'the dashboard' ] && split "$OUT/assets/app"
  if [ "$mode" = ship ]; then
    local wasm
    for wasm in "$OUT/assets/app/cronium_bg.wasm" "$OUT"/assets/app/parts/*.wasm; do
      [ -e "$wasm" ] || continue
      run_logged wasm-opt "$WASM_OPT" -Oz "$wasm" -o "$wasm" --strip-debug --strip-producers \
        --enable-bulk-memory --enable-nontrapping-float-to-int --enable-sign-ext --enable-mutable-globals \
        --enable-reference-types --enable-multivalue
    done
  fi
  cp "$ROOT/web/assets/start.js" "$OUT/assets/app/start.js"
  # The module, its glue and the snippets name each other, so one digest names them all.
  local app
  app="app.$(cd "$OUT/assets/app" && find . -type f -print0 | sort -z | xargs -0 sha256sum | digest)"
  mv "$OUT/assets/app" "$OUT/assets/$app"
  sed -i "s|{app}|$app|g" "$OUT/index.html"
  (
    shopt -s nullglob
    cat "$ROOT"/web/assets/{tokens,components,pages,app}.css "$ROOT"/web/assets/part-*.css >"$OUT/app.css"
  )
  if [ "$what" = 'the dashboard' ]; then
    # The terminal comes with its pages: the page names its glue, which names what it stands on.
    mkdir "$OUT/assets/parts"
    cp "$ROOT/web/assets/terminal.js" "$OUT/terminal.js"
    local file
    for file in xterm.js xterm.css addon-fit.js; do later "$ROOT/web/vendor/xterm/$file" "$file"; done
    later "$OUT/terminal.js" terminal.js && rm "$OUT/terminal.js"
  fi
  place "$OUT/app.css" app.css && rm "$OUT/app.css"
  place "$ROOT/web/assets/boot.js" boot.js
  place "$ROOT/web/assets/icons.svg" icons.svg
  place "$ROOT/web/assets/favicon.svg" favicon.svg
}

# Writes .br and .gz beside each file, and prints what a first visit costs in brotli.
compress() {
  node --input-type=module - "$OUT" "$([ "$mode" = ship ] && echo 11 || echo 4)" <<'JS'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync, constants } from 'node:zlib';
const [root, quality] = process.argv.slice(2);
let total = 0;
const walk = (folder) => {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) { walk(path); continue; }
    const bytes = readFileSync(path);
    const small = brotliCompressSync(bytes, { params: {
      [constants.BROTLI_PARAM_QUALITY]: Number(quality), [constants.BROTLI_PARAM_LGWIN]: 24,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } });
    writeFileSync(path + '.br', small);
    writeFileSync(path + '.gz', gzipSync(bytes, { level: quality === '11' ? 9 : 4 }));
    // Parts come later, each when one of its pages is opened.
    if (!folder.endsWith('/parts')) total += small.length;
  }
};
walk(root);
console.log(total);
JS
}

now=$(inputs)
if [ "$(cat "$DIST/.inputs" 2>/dev/null)" = "$now" ]; then
  ok "$what is up to date"
  exit 0
fi
bindgen "$(locked_bindgen)"
[ "$what" != 'the dashboard' ] || splitter
[ "$mode" = dev ] || optimiser
compile
assemble
size=$(compress)
# For the server, where it runs listed documents only.
cp "$ROOT/web/documents.json" "$OUT/documents.json"
if [ "$mode" = ship ] && [ "$size" -gt "$FIRST_LOAD_LIMIT" ]; then
  die "The first load is $size bytes of brotli; the limit is $FIRST_LOAD_LIMIT."
fi
printf '%s\n' "$now" >"$OUT/.inputs"
rm -rf "$DIST" && mv "$OUT" "$DIST"
ok "$what: first load $((size / 1000)) kB of brotli"
