# p99 of what nginx, Redis and worker add to the time to the first token, from
# the request on, 100 streams at once

# shellcheck source=lua-free-tests/bench/streams.sh
. "$BENCH/streams.sh"

streams_row 3 1 1
