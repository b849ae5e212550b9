#!/bin/bash
# build-nginx-asan.sh: build/nginx-asan/objs/nginx, the installed nginx version
# from Debian's source with ASan, UBSan and one malloc for each pool allocation.
#
# Cached: it is built again when nginx, the compiler or the flags change.

set -euo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
APT=("$ROOT/lua-free-tests/tools/apt-private.sh" "$ROOT/build/apt-src"
     "$(. /etc/os-release; echo "$VERSION_CODENAME")")
DIR=$ROOT/build/nginx-asan
CC=gcc

# nginx itself passes NULL with length 0 and reads methods as integers

SAN="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
SAN="$SAN -fno-sanitize=nonnull-attribute,alignment"

mkdir -p "$ROOT/build"
exec 9> "$ROOT/build/.nginx-asan.lock"
flock 9

VERSION=$(dpkg-query -W -f '${source:Version}' nginx)
STAMP="$VERSION $($CC -dumpfullversion) $(cksum < "$0")"
[ "$(cat "$DIR/stamp" 2>/dev/null)" != "$STAMP" ] || exit 0

echo "building nginx $VERSION with sanitizers, once"

rm -rf "$DIR"
mkdir -p "$DIR"
cd "$DIR"

"${APT[@]}" update -qq
"${APT[@]}" source -qq --download-only "nginx=$VERSION"
dpkg-source -x nginx_*.dsc src > unpack.log 2>&1

# modules stay mapped until the leak report, so that its frames have names

echo 'int dlclose(void *h) { (void) h; return 0; }' > nodlclose.c
$CC -c -fPIC nodlclose.c

# shellcheck source=/dev/null
. /usr/share/nginx/src/conf_flags
cd src

./configure "${NGX_CONF_FLAGS[@]}" --with-cc="$CC" --builddir="$DIR/objs" \
    --with-cc-opt="-g -O1 -fno-omit-frame-pointer -DNGX_DEBUG_PALLOC=1 $SAN" \
    --with-ld-opt="$SAN $DIR/nodlclose.o" > ../configure.log 2>&1 \
    || { tail -n 20 ../configure.log; exit 1; }

make -f "$DIR/objs/Makefile" -j"$(nproc)" binary > ../make.log 2>&1 \
    || { tail -n 20 ../make.log; exit 1; }

echo "$STAMP" > "$DIR/stamp"
