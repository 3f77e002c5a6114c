#!/usr/bin/env bash
# Builds the documentation into build/docs/html: docs/build.sh. Fails if a public name is not documented, or a link leads
# nowhere. Debian: doxygen doxygen-awesome-css graphviz.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VERSION=$(sed -n 's/^#define TENSORNORM_VERSION_.* //p' include/tensornorm/version.hpp | paste -sd.)
THEME=${DOXYGEN_AWESOME:-/usr/share/doxygen-awesome-css}
export VERSION THEME

rm -rf build/docs
mkdir -p build/docs/snippets
cp examples/quickstart.cpp tests/consumer/compiled_once/norm.* docs/snippets/*.{py,txt} build/docs/snippets
for file in docs/snippets/*.cpp; do # without the indentation of main()
  sed 's/^  //' "$file" >"build/docs/snippets/$(basename "$file")"
done
doxygen -w html build/docs/plain.html build/docs/footer.html build/docs/style.css
sed '/^\$extrastylesheet/r docs/head.html' build/docs/plain.html >build/docs/header.html

doxygen docs/Doxyfile || { cat build/docs/warnings >&2; exit 1; }
echo "build/docs/html/index.html"
