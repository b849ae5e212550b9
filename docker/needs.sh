#!/bin/bash
# needs.sh DESTDIR: asks the programs there which Debian packages they need at
# run time, so that no list of library names has to follow each release.
# Writes DESTDIR/needs/{edge,worker,mock}.

set -euo pipefail

OUT=$1
mkdir -p "$OUT/needs"

# needs NAME FILE...

needs() {
    local name=$1

    shift
    ldd "$@" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | sort -u \
        | xargs realpath | sort -u | xargs dpkg-query -S | cut -d: -f1 \
        | sort -u | tr '\n' ' ' > "$OUT/needs/$name"

    # a program without libraries would be a mistake of this script
    [ -s "$OUT/needs/$name" ]
}

needs edge "$OUT"/usr/lib/nginx/modules/ngx_http_weir_module.so
needs worker "$OUT/usr/sbin/weir-worker" "$OUT/usr/bin/weir"
needs mock "$OUT/usr/bin/weir-mock-llm"
