#!/bin/bash
# deps.sh [--check] SECTION...: installs what conf/packages lists there.
#
# When everything is there already it needs neither root nor network and says
# nothing.  --check installs nothing: it names what is missing and fails.

set -euo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
CHECK=
[ "${1:-}" != --check ] || { CHECK=1; shift; }

section() {
    sed -n "/^\[$1\]/,/^\[/{/^[^[#]/p}" "$ROOT/conf/packages"
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" \
        = installed ]
}

missing() {
    local line name found

    for line in $(for s in "$@"; do section "$s"; done); do
        found=
        for name in ${line//|/ }; do
            ! installed "$name" || found=1
        done
        [ -n "$found" ] || echo "$line"
    done
}

choose() {
    local line name

    for line in "$@"; do
        for name in ${line//|/ }; do
            if apt-cache show "$name" > /dev/null 2>&1; then
                break
            fi
        done
        echo "$name"
    done
}

if ! command -v dpkg-query > /dev/null; then
    [ -z "$CHECK" ] || exit 0
    echo "no dpkg here: install what conf/packages lists by hand" >&2
    exit 1
fi

read -r -a WANT <<< "$(missing "$@" | tr '\n' ' ')"
[ ${#WANT[@]} -gt 0 ] || exit 0

if [ -n "$CHECK" ]; then
    echo "missing packages: run \"make deps\" (${WANT[*]})" >&2
    exit 1
fi

ROOTLY=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo > /dev/null; then
        echo "run as root: apt-get install ${WANT[*]}" >&2
        exit 1
    fi
    ROOTLY=(sudo)
fi

APT=("${ROOTLY[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq)

echo "installing: ${WANT[*]}"

"${APT[@]}" update < /dev/null
read -r -a WANT <<< "$(choose "${WANT[@]}" | tr '\n' ' ')"

# the packages of nginx and Redis would start their servers
POLICY=/usr/sbin/policy-rc.d

if [ ! -e $POLICY ]; then
    trap '"${ROOTLY[@]}" rm -f $POLICY' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' | "${ROOTLY[@]}" tee $POLICY > /dev/null
    "${ROOTLY[@]}" chmod 755 $POLICY
fi

LOG=$(mktemp)

"${APT[@]}" install -y --no-install-recommends "${WANT[@]}" \
    < /dev/null > "$LOG" 2>&1 || { cat "$LOG"; rm -f "$LOG"; exit 1; }

rm -f "$LOG"
