#!/usr/bin/env bash
# Builds the Debian packages into build/debian, checks them with lintian, and builds a program on what they install.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source_files=(CMakeLists.txt LICENSE README.md cmake include tests/consumer) # what the package is made of

version=$(sed -n 's/^#define TENSORNORM_VERSION_.* //p' include/tensornorm/version.hpp | paste -sd.)
packaged=$(dpkg-parsechangelog -l packaging/debian/changelog -S Version)
[ "${packaged%-*}" = "$version" ] || { echo "packaging/debian/changelog is at $packaged, the library at $version" >&2; exit 1; }

out=build/debian
tree=$out/tensornorm-$version
rm -rf "$out"
mkdir -p "$tree"
cp -r --parents "${source_files[@]}" "$tree"
tar -C "$out" --sort=name --owner=0 --group=0 -czf "$out/tensornorm_$version.orig.tar.gz" "tensornorm-$version"
cp -r packaging/debian "$tree/debian"
(cd "$tree" && dpkg-buildpackage -us -uc) >"$out/log" 2>&1 || { tail -n 40 "$out/log" >&2; exit 1; }

# There is no bug at bugs.debian.org that asks for the package.
lintian --fail-on error,warning --allow-root --suppress-tags initial-upload-closes-no-bugs \
  "$out/tensornorm_${packaged}_$(dpkg --print-architecture).changes"
deb=$out/libtensornorm-dev_${packaged}_all.deb
dpkg-deb --contents "$deb" | awk '{print $6}' | grep -v '/$'

dpkg-deb -x "$deb" "$out/root"
diff -r include "$out/root/usr/include"
cmake -S tests/consumer -B "$out/consumer" -DCMAKE_PREFIX_PATH="$PWD/$out/root/usr" >"$out/log"
cmake --build "$out/consumer" >>"$out/log"
"$out/consumer/consumer"
echo "$deb: clean, and a program finds it and runs"
