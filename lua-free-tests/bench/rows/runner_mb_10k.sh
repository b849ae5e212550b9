# resident memory of one runner with 10,000 generations in flight: streams of a
# slow LLM, of each of which some tokens have come; MB

RUNS=10000

mkdir "$DIR/stack"
TEST_NGINX_DIR=$DIR/stack TEST_NGINX_BUILD=$BUILD \
    TEST_NGINX_PORT_BASE=$NEXT_PORT \
    timeout 300 perl -I "$ROOT/t/lib" "$BENCH/runner_mb.pl" $RUNS \
    < /dev/null > "$DIR/memory" 9>&- &
LOADER=$!
wait "$LOADER" || die "the memory could not be measured"
LOADER=

read -r MB BEFORE < "$DIR/memory"
echo "$RUNS generations: $MB MB, and $BEFORE MB before them"
result_value "$NAME" "$MB" MB 300 lower
