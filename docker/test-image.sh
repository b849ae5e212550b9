#!/bin/bash
# test-image.sh: runs the images that build.sh made with buildah, without any
# container engine: their root file systems, read-only but for /tmp and volumes,
# as the images' own user, with their commands, health checks and stop signals,
# in a network of their own.  One chat completion and one job go through, and
# all must end cleanly.  Needs root.
#
#   BUILD   ./build

set -euo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd)
BUILD=$(cd "$ROOT" && cd "${BUILD:-build}" && pwd)
URL=http://127.0.0.1:8080

# shellcheck source=docker/buildah.sh
. "$ROOT/docker/buildah.sh"


fail() {
    echo "test-image: $*" >&2
    exit 1
}


# what is mounted, listens or runs here vanishes with this process

if [ "${1:-}" != inside ]; then
    [ "$(id -u)" = 0 ] || fail "needs root"
    for PROGRAM in buildah jq curl ip unshare; do
        command -v $PROGRAM > /dev/null || fail "no $PROGRAM"
    done

    export BUILD
    exec unshare --mount --net --pid --fork --kill-child --mount-proc \
        --propagation private "$0" inside
fi

ip link set lo up
DIR=$(mktemp -d)
declare -A PID IMAGE TREE


finish() {
    local rc=$? name

    trap '' HUP INT TERM
    for name in "${!PID[@]}"; do
        kill -KILL "${PID[$name]}" 2> /dev/null || true
        wait "${PID[$name]}" 2> /dev/null || true
    done

    if [ $rc -ne 0 ]; then
        for name in "$DIR"/*.log; do
            [ ! -s "$name" ] || { echo "--- ${name##*/}"; tail -n 15 "$name"; }
        done >&2
    fi

    for name in "${!TREE[@]}"; do
        umount -R "${TREE[$name]}" 2> /dev/null || true
        buildah_here rm "${IMAGE[$name]}" > /dev/null 2>&1 || true
    done
    rm -rf "$DIR"
    exit $rc
}

trap finish EXIT
trap 'exit 143' HUP INT TERM


# config NAME FILTER: of the image's configuration

config() {
    buildah_here inspect --type image "localhost/weir-$1" \
        | jq -r ".Docker.config | $2"
}


# tree NAME [VOLUME...]: the root file system as a container would see it

tree() {
    local name=$1 volume id

    shift
    IMAGE[$name]=$(buildah_here from --pull=never "localhost/weir-$name")
    TREE[$name]=$DIR/$name
    mkdir "$DIR/$name"
    mount --bind "$(buildah_here mount "${IMAGE[$name]}")" "$DIR/$name"
    echo "127.0.0.1 localhost redis mock" > "$DIR/$name/etc/hosts"
    mount -t tmpfs tmpfs "$DIR/$name/tmp"

    for volume in "$@"; do
        # a new volume starts with what the image has there
        [ -d "$DIR/volume$volume" ] || {
            mkdir -p "$DIR/volume${volume%/*}"
            cp -a "$DIR/$name$volume" "$DIR/volume$volume"
        }
        mount --bind "$DIR/volume$volume" "$DIR/$name$volume"
    done

    mount -o remount,bind,ro "$DIR/$name"

    [ "$(config "$name" .User)" = weir ] || fail "$name does not run as weir"
}


# within NAME COMMAND...: as the image's user

within() {
    local name=$1 env

    shift
    mapfile -t env < <(config "$name" '.Env[]?')
    exec "$ROOT/lua-free-tests/tools/in-tree.sh" "${TREE[$name]}" \
        setpriv --reuid weir --regid weir --clear-groups --no-new-privs \
            --bounding-set=-all env -i "${env[@]}" "$@"
}


# serve NAME [COMMAND...]: its own command, if none is given

serve() {
    local name=$1 command

    shift
    mapfile -t command < <(config "$name" '.Cmd[]')
    [ $# -eq 0 ] || command=("$@")

    : > "$DIR/$name.log"
    chmod 666 "$DIR/$name.log"
    within "$name" "${command[@]}" < /dev/null > "$DIR/$name.log" 2>&1 &
    PID[$name]=$!
}


# healthy NAME: by the image's own check, within ten seconds

healthy() {
    local name=$1 check end=$((SECONDS + 10))

    mapfile -t check < <(config "$name" '.Healthcheck.Test[1:][]')
    [ ${#check[@]} -gt 0 ] || fail "$name has no health check"

    until (within "$name" "${check[@]}") > /dev/null 2>&1; do
        kill -0 "${PID[$name]}" 2> /dev/null || fail "$name has ended"
        [ $SECONDS -lt $end ] || fail "$name is not healthy"
        sleep 0.2
    done

    echo "$name is healthy"
}


# stop NAME: by the image's signal; it has fifteen seconds

stop() {
    local name=$1 signal rc=0 end=$((SECONDS + 15))

    signal=$(config "$name" '.StopSignal // "SIGTERM"')
    kill -s "${signal#SIG}" "${PID[$name]}"

    while kill -0 "${PID[$name]}" 2> /dev/null; do
        [ $SECONDS -lt $end ] || fail "$name does not stop"
        sleep 0.1
    done

    wait "${PID[$name]}" || rc=$?
    unset "PID[$name]"
    [ $rc -eq 0 ] || fail "$name ended with status $rc"
    echo "$name has stopped"
}


# ask PATH BODY [HEADER]: a POST that must be answered with 200

ask() {
    local code

    code=$(curl -sS --max-time 30 -o "$DIR/answer" -w '%{http_code}' \
        -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \
        ${3:+-H "$3"} -d "$2" "$URL$1")
    [ "$code" = 200 ] || fail "$1: $code: $(< "$DIR/answer")"
}


tree redis /data
tree mock
tree worker /var/lib/weir
tree edge /var/lib/weir

(within worker /usr/local/lib/weir/first-key.sh) || fail "no key was made"
KEY=$(< "$DIR/volume/var/lib/weir/api-key")

serve redis
healthy redis
serve mock weir-mock-llm --listen 127.0.0.1:8000
healthy mock
serve worker env OPENAI_API_KEY=mock weir-worker
healthy worker
serve edge
healthy edge

QUESTION='{"model":"m","messages":[{"role":"user","content":"hello"}]}'

ask /v1/chat/completions "$QUESTION"
[ "$(jq -r '.choices[0].message.content' "$DIR/answer")" = "Echo: hello" ] \
    || fail "wrong answer: $(< "$DIR/answer")"
echo "a chat completion was answered"

ask /v1/jobs "{\"request\":$QUESTION}" "Prefer: wait=20"
[ "$(jq -r .status "$DIR/answer")" = completed ] \
    || fail "the job is not done: $(< "$DIR/answer")"
JOB=$(jq -r .id "$DIR/answer")
(within worker weir jobs show --redis redis:6379 "$JOB") \
    | grep -q 'completed' || fail "\"weir jobs show\" does not know the job"
echo "a job was done"

[ "$(curl -s -o /dev/null -w '%{http_code}' -d "$QUESTION" \
     "$URL/v1/chat/completions")" = 401 ] || fail "no key is needed"

stop edge
stop worker
stop mock
stop redis

grep -q 'POST /v1/jobs' "$DIR/edge.log" || fail "no access log on the output"

if grep -E '\[(alert|emerg|crit|error)\]|event=.*(died|failed)' \
    "$DIR/edge.log" "$DIR/worker.log"
then
    fail "errors in the logs"
fi

echo "test-image: passed"
