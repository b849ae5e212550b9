# lib.sh: what "up" and "down" share.  Everything stands below WEIR_HOME;
# processes are known by number and start time, so that a number which the
# system has given away again is never signalled.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
WEIR_PORT=${WEIR_PORT:-8080}
WEIR_HOME=${WEIR_HOME:-$ROOT/run}

# in the order of starting; stopped in the other order

SERVERS=(redis mock worker nginx)


die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}


# started PID: when, in clock ticks since boot; fails for the dead

started() {
    local stat

    read -r stat 2> /dev/null < "/proc/$1/stat" || return 1
    read -r -a stat <<< "${stat##*) }"
    [ "${stat[0]}" != Z ] && echo "${stat[19]}"
}


# running NAME: prints its process number

running() {
    local pid at

    read -r pid at 2> /dev/null < "$WEIR_HOME/pids/$1" || return 1
    [ "$(started "$pid")" = "$at" ] && echo "$pid"
}


# wait_for SECONDS COMMAND...: polls until it succeeds

wait_for() {
    local end=$((SECONDS + $1))

    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}


gone() {
    ! running "$1" > /dev/null
}


# stop NAME SIGNAL...: each signal has ten seconds

stop() {
    local name=$1 pid signal

    shift
    for signal in "$@"; do
        pid=$(running "$name") || break
        kill -s "$signal" "$pid" 2> /dev/null
        wait_for 10 gone "$name" && break
    done

    rm -f "$WEIR_HOME/pids/$name"
}


stop_all() {
    stop nginx QUIT TERM KILL
    stop worker TERM KILL
    stop mock TERM KILL
    stop redis TERM KILL
    rm -f "$WEIR_HOME/redis.sock" "$WEIR_HOME/mock.port"
}
