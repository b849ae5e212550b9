# p99 of what nginx, Redis and worker add to each further token, from when it
# was said on, 100 streams at once

# shellcheck source=lua-free-tests/bench/streams.sh
. "$BENCH/streams.sh"

streams_row 2 0 1
