#!/bin/bash
# serve.sh NAME COMMAND...: keeps a server running until CHAOS_DIR/stop exists
# or this script is told to end; NAME.pid is its process, NAME.log what it
# says.  While NAME.hold exists it is not started again.

set -u

NAME=$1
shift
PID=

# with its children: those of nginx would stay

end() {
    if [ -n "$PID" ]; then
        # shellcheck disable=SC2046
        kill -KILL $(cat "/proc/$PID/task/$PID/children" 2> /dev/null) \
            "$PID" 2> /dev/null
    fi

    exit 0
}

trap end HUP INT TERM

while [ ! -e "$CHAOS_DIR/stop" ]; do
    if [ -e "$CHAOS_DIR/$NAME.hold" ]; then
        sleep 0.05
        continue
    fi

    setpriv --pdeathsig KILL -- "$@" < /dev/null >> "$CHAOS_DIR/$NAME.log" \
        2>&1 &
    PID=$!
    echo "$PID" > "$CHAOS_DIR/$NAME.pid.new"
    mv "$CHAOS_DIR/$NAME.pid.new" "$CHAOS_DIR/$NAME.pid"

    wait "$PID"
    RC=$?
    rm -f "$CHAOS_DIR/$NAME.pid"
    echo "$RC" > "$CHAOS_DIR/$NAME.status"
    PID=

    # what refuses to start is not started in a hurry

    [ "$RC" -gt 128 ] || sleep 0.1
done 2> /dev/null
