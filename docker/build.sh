#!/bin/bash
# build.sh [TARGET...]: the images weir-edge, weir-worker, weir-mock and
# weir-redis.  With docker where its engine runs; else with buildah, which needs
# root, below $BUILD/docker and on a base made by debootstrap.
#
#   ENGINE  "buildah": not docker, even if its engine runs
#   BASE    the image to build on; with buildah: none
#   BUILD   ./build
#   SUITE   Debian release of the base that is made, trixie

set -euo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd)
BUILD=$(cd "$ROOT" && mkdir -p "${BUILD:-build}" && cd "${BUILD:-build}" && pwd)
SUITE=${SUITE:-trixie}
TARGETS=("$@")
[ $# -gt 0 ] || TARGETS=(edge worker mock redis)

# shellcheck source=docker/buildah.sh
. "$ROOT/docker/buildah.sh"

cd "$ROOT"

if [ "${ENGINE:-}" != buildah ] && docker info > /dev/null 2>&1; then
    for TARGET in "${TARGETS[@]}"; do
        DOCKER_BUILDKIT=1 docker build -f docker/Dockerfile \
            ${BASE:+--build-arg "BASE=$BASE"} --target "$TARGET" \
            -t "weir-$TARGET" .
    done
    exit 0
fi

if [ "$(id -u)" != 0 ] || ! command -v buildah > /dev/null; then
    echo "build.sh: no docker engine; buildah needs root, and the packages" \
         "buildah and debootstrap" >&2
    exit 1
fi

[ -n "${BASE:-}" ] || make_base

# image TARGET [build argument]...

image() {
    local target=$1 log=$BUILD/docker/$1.log

    shift
    echo "building weir-$target"
    buildah_here build --format docker --isolation chroot --layers=false \
        --ignorefile docker/Dockerfile.dockerignore --pull=never \
        --build-arg "BASE=${BASE:-localhost/weir-base}" "$@" \
        -f docker/Dockerfile --target "$target" -t "weir-$target" . \
        > "$log" 2>&1 < /dev/null || { tail -n 30 "$log" >&2; exit 1; }
}


image build

for TARGET in "${TARGETS[@]}"; do
    image "$TARGET" --build-arg BUILT=localhost/weir-build
done

# what the targets do not need
buildah_here rmi -f weir-build > /dev/null
