#!/usr/bin/env bash
# Makes assets/uplot.js and assets/uplot.css: uPlot as its authors minified it, the licence on top. Needs npm.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
npm install --silent --no-save --no-audit --no-fund uplot@1.6.32
dist=node_modules/uplot/dist
for kind in js css; do
  name=$([ "$kind" = js ] && echo uPlot.iife.min.js || echo uPlot.min.css)
  { echo "/*! uPlot 1.6.32"; echo; cat node_modules/uplot/LICENSE; echo "*/"; cat "$dist/$name"; } > "$here/assets/uplot.$kind"
done
