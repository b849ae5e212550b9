#!/bin/bash
# test-trixie.sh [SUITE]: builds and tests everything in a chroot of another
# Debian release (trixie), made once below build/.  Needs root and debootstrap.
# FRESH=1 makes the chroot anew.

set -euo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
TOOLS=$ROOT/lua-free-tests/tools
SUITE=${1:-trixie}
TREE=$ROOT/build/tree-$SUITE

if [ "$(id -u)" != 0 ] || ! command -v debootstrap > /dev/null; then
    echo "test-trixie.sh needs root, and debootstrap" >&2
    exit 1
fi

mkdir -p "$ROOT/build"
cd "$ROOT"

if [ ! -e "$TREE/.ready" ] || [ -n "${FRESH:-}" ]; then
    MIRROR=$(apt-get indextargets --format '$(REPO_URI)' \
                 'Created-By: Packages' | head -n 1)
    rm -rf "$TREE"
    debootstrap --variant=minbase --include=make,ca-certificates \
        "$SUITE" "$TREE" "${MIRROR:-http://deb.debian.org/debian}" \
        > "$TREE.log" 2>&1 || { tail -n 20 "$TREE.log"; exit 1; }
    touch "$TREE/.ready"
fi

rm -rf "$TREE/src"
mkdir -p "$TREE/src/build"
git ls-files -co --exclude-standard -z | xargs -0 sh -c '
    for f; do [ ! -f "$f" ] || printf "%s\0" "$f"; done' sh \
    | tar --null -T - -cf - | tar -C "$TREE/src" -xf -

# Debian 13 has no Test::Nginx either: the copy that was fetched serves

[ ! -e build/test-nginx ] || cp -a build/test-nginx "$TREE/src/build/"

# the network is this machine's, and so is whom it trusts

[ -e "$TREE/etc/hosts" ] || cp /etc/hosts "$TREE/etc/hosts"
cp /etc/resolv.conf "$TREE/etc/resolv.conf" 2> /dev/null || true
cp /etc/ssl/certs/ca-certificates.crt "$TREE/etc/ssl/certs/" 2> /dev/null || true
exec "$TOOLS/in-tree.sh" "$TREE" bash -c 'cd /src && exec .ci/run'
