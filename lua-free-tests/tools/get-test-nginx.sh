#!/bin/bash
# get-test-nginx.sh: Test::Nginx -> build/test-nginx/usr/share/perl5
#
# Debian has it in unstable only: that one package is fetched with a private
# apt and unpacked.  TEST_NGINX_LIB names another copy.

set -euo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
TOOLS=$ROOT/lua-free-tests/tools
DEST=$ROOT/build/test-nginx

[ -z "${TEST_NGINX_LIB:-}" ] || exit 0
[ ! -e "$DEST/usr/share/perl5/Test/Nginx/Socket.pm" ] || exit 0

mkdir -p "$ROOT/build"
exec 9> "$ROOT/build/.test-nginx.lock"
flock 9
[ ! -e "$DEST/usr/share/perl5/Test/Nginx/Socket.pm" ] || exit 0

APT="$ROOT/build/apt-sid"
rm -rf "$APT/debs" "$DEST.new"
mkdir -p "$APT/debs"

"$TOOLS/apt-private.sh" "$APT" sid update -qq
(cd "$APT/debs" \
    && "$TOOLS/apt-private.sh" "$APT" sid download -qq libtest-nginx-perl)

dpkg-deb -x "$APT"/debs/libtest-nginx-perl_*.deb "$DEST.new"
rm -rf "$DEST"
mv "$DEST.new" "$DEST"

echo "fetched $(basename "$APT"/debs/*.deb)"
rm -rf "$APT"
