#!/bin/sh
# Compiles the server and what it is made of, and bundles it, unless nothing of it has changed since that went well the last time. `tsc`
# would need half a second to find that out, which is more than all the rest of a start.
set -e
cd "$(dirname "$0")/.."
compiled=server/dist/.compiled
if [ -f server/dist/main.js ] && [ -f emitter/dist/index.js ] && [ -f "$compiled" ]; then
  # Folders too: one is newer where a file of it has gone. Not what is made on the way.
  changed=$(find package-lock.json tsconfig.json emitter/src emitter/build emitter/*.json server/src server/*.json server/*.mjs \
    -newer "$compiled" ! -path emitter/src/redis/lua ! -path emitter/src/redis/lua/texts.ts)
  if [ -z "$changed" ]; then exit 0; fi
fi

# From before it compiles: what is saved meanwhile is newer.
echo 'compiling, once: this takes a while' >&2
mkdir -p server/dist
touch server/dist/.compiling
node emitter/build/inline-lua.mjs
tsc -b server
node server/bundle.mjs
node server/rehearse.mjs
mv server/dist/.compiling "$compiled"
