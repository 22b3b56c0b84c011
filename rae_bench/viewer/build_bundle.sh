#!/usr/bin/env bash
# Makes three.bundle.js: three.js and its orbit controls, shaken and minified, the licence on top. Needs node and npm.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
cp "$here/three.entry.js" "$scratch/"
cd "$scratch"
npm install --silent --no-save --no-audit --no-fund three@0.187.0 esbuild@0.28.2
npx esbuild three.entry.js --bundle --minify --format=iife --global-name=THREE --legal-comments=none --outfile=b.js
# /*! keeps the comment where somebody minifies again.
{ echo "/*! three.js 0.187.0"; echo; cat node_modules/three/LICENSE; echo "*/"; cat b.js; } > "$here/three.bundle.js"
