#!/bin/bash
# build.sh [make arguments]: the module, out of tree, against nginx-dev.
#
#   BUILD     where the result goes: $BUILD/ngx_http_weir_module.so
#   SAN_FLAGS sanitizer flags for compiler and linker, none by default
#   NGX_SRC   nginx source tree that knows its own configure flags
#
# nginx's configure rewrites its headers and so recompiles everything: it runs
# only when the list of our files, the addon file or the flags have changed.

set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
BUILD=${BUILD:-build}
SAN_FLAGS=${SAN_FLAGS:-}
NGX_SRC=${NGX_SRC:-/usr/share/nginx/src}

cd "$ROOT"
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd)

case $BUILD in
    "$ROOT/build") OBJ=$ROOT/build/obj ;;
    "$ROOT/build/asan") OBJ=$ROOT/build/obj-asan ;;
    *) OBJ=$BUILD/obj ;;
esac

if [ ! -e "$NGX_SRC/conf_flags" ]; then
    echo "$0: $NGX_SRC is missing: run \"make deps\" first" >&2
    exit 1
fi

mkdir -p "$OBJ"
exec 9> "$OBJ/.lock"
flock 9

OPT="-O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong"
[ -z "$SAN_FLAGS" ] || OPT="-O1 -g -fno-omit-frame-pointer"

STAMP=$(ls ngx_module/*.[ch] common/*.[ch] 2>/dev/null || true
        cksum config "$NGX_SRC/conf_flags"
        echo "$OPT $SAN_FLAGS $NGX_SRC")

if [ ! -e "$OBJ/Makefile" ] \
    || [ "$STAMP" != "$(cat "$OBJ/.stamp" 2>/dev/null)" ]
then
    rm -f "$OBJ/.stamp"

    # shellcheck source=/dev/null
    . "$NGX_SRC/conf_flags"

    (cd "$NGX_SRC" && ./configure "${NGX_CONF_FLAGS[@]}" \
        --with-cc-opt="$OPT -fPIC $SAN_FLAGS" \
        --with-ld-opt="-Wl,-z,relro -Wl,-z,now $SAN_FLAGS" \
        --add-dynamic-module="$ROOT" --builddir="$OBJ") \
        > "$OBJ/configure.log" 2>&1 || { cat "$OBJ/configure.log"; exit 1; }

    echo "$STAMP" > "$OBJ/.stamp"
fi

# nginx's makefile has its own CC and CFLAGS: nothing of ours may reach it

env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
    make -s -j"$(nproc)" -f "$OBJ/Makefile" -C "$NGX_SRC" "$@" modules

SO=ngx_http_weir_module.so

# a new file each time: nginx may have the old one mapped

if ! cmp -s "$OBJ/$SO" "$BUILD/$SO"; then
    cp "$OBJ/$SO" "$BUILD/.$SO.new"
    mv "$BUILD/.$SO.new" "$BUILD/$SO"
fi
