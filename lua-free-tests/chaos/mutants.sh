#!/bin/bash
# mutants.sh [NAME...]: each mutant must be caught by the checker.
#
# A copy of the sources is patched and what it changes, worker or nginx module or
# both, is built in build/mutants/NAME; the rest of the system is that of BUILD.  A line "course: KILLS=5 ..." in a
# patch sets its course.  A mutant that is missed, or whose
# patch does not apply any more, is a failure.

set -u

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
HERE=$ROOT/lua-free-tests/chaos
BUILD=$(cd "$ROOT" && cd "${BUILD:-build/faults}" && pwd) || exit 2
WORK=$ROOT/build/mutants

export SEED=${SEED:-1} KILLS=${KILLS:-40} MS=${MS:-16000}
export DRAIN=${DRAIN:-15000} REST=${REST:-5000} BUILD

CAUGHT=0
MISSED=0


# the files of the tree as they are, with their times: objects stay valid

copy() {
    local dir=$WORK/$1

    rm -rf "$dir"
    mkdir -p "$dir/build"
    (cd "$ROOT" && git ls-files -z -co --exclude-standard -- Makefile common \
        worker ngx_module config lua-free-tests/tools conf/packages \
        | xargs -0 cp -p --parents -t "$dir")
    cp -rp "$BUILD/c" "$dir/build/c"
}


# what of it is built, and takes the place of the usual one

build() {
    local dir=$1 patch=$2 make=(make -C "$1" --no-print-directory BUILD=build)

    PARTS=()

    if grep -q '^+++ b/ngx_module/' "$patch"; then
        "${make[@]}" module || return 1
        PARTS+=("MODULE=$dir/build/ngx_http_weir_module.so")
    fi

    if grep -qE '^[+]{3} b/(worker|common)/' "$patch"; then
        "${make[@]}" FAULTS=1 build/weir-worker || return 1
        PARTS+=("WORKER=$dir/build/weir-worker")
    fi
}


mutant() {
    local name=$1 dir=$WORK/$1 patch=$HERE/mutants/$1.patch said course PARTS

    copy "$name"

    if ! patch -d "$dir" -p1 -s --fuzz=1 < "$patch" > "$dir/patch.log" 2>&1
    then
        echo "$name: the patch does not apply: $(head -n 1 "$dir/patch.log")"
        return 1
    fi

    if ! build "$dir" "$patch" > "$dir/make.log" 2>&1; then
        echo "$name: does not build: $(grep -m 1 error "$dir/make.log")"
        return 1
    fi

    read -r -a course <<< "$(sed -n 's/^course: //p' "$patch")"

    env "${course[@]}" "${PARTS[@]}" LOGS="$dir/logs" "$HERE/run" \
        > "$dir/chaos.log" 2>&1
    said=$(tail -n 1 "$dir/chaos.log")

    if [[ ! $said =~ ^violations:\ [0-9]+$ ]]; then
        echo "$name: the course failed: $said"
        return 1
    fi

    if [ "$said" = "violations: 0" ]; then
        echo "$name: MISSED"
        return 1
    fi

    echo "$name: caught by$(grep -oE '^[A-Z][0-9]*: ' "$dir/chaos.log" \
        | sort -u | tr -d : | sed 's/^/ /' | tr -d '\n') ($said)"
    rm -rf "$dir/logs" "$dir/build"
}


[ $# -gt 0 ] || set -- $(cd "$HERE/mutants" && ls *.patch | sed 's/\.patch$//')

for NAME in "$@"; do
    if mutant "$NAME"; then
        CAUGHT=$((CAUGHT + 1))
    else
        MISSED=$((MISSED + 1))
    fi
done

echo "mutants: $CAUGHT caught, $MISSED missed"
[ $MISSED -eq 0 ]
