# kill -9 of a runner with its hands full, until the last of its entries is
# claimed again and the LLM has the first call: seconds, over all kills

KILLS=${BENCH_KILLS:-30}

mkdir "$DIR/stack"
TEST_NGINX_DIR=$DIR/stack TEST_NGINX_BUILD=$BUILD \
    TEST_NGINX_PORT_BASE=$NEXT_PORT \
    timeout 900 perl -I "$ROOT/t/lib" "$BENCH/recovery.pl" "$KILLS" \
    < /dev/null > "$DIR/kills" 9>&- &
LOADER=$!
wait "$LOADER" || die "the kills could not be measured"
LOADER=

quantile() {
    sort -n | awk -v q="$1" '{ a[NR] = $1 }
        END { i = int(NR * q); print a[i < NR * q ? i + 1 : i] }'
}

[ "$(wc -l < "$DIR/kills")" = "$KILLS" ] || die "not every kill was measured"

for WHAT in "1 last entry claimed" "2 first call"; do
    read -r COLUMN NAMED <<< "$WHAT"
    echo "$NAMED:" \
        "p50 $(cut -d' ' -f"$COLUMN" "$DIR/kills" | quantile .5) s," \
        "p99 $(cut -d' ' -f"$COLUMN" "$DIR/kills" | quantile .99) s"
done

awk '{ print ($1 > $2 ? $1 : $2) }' "$DIR/kills" > "$DIR/both"
echo "$KILLS kills, $(awk '{ n += $3 } END { print n }' "$DIR/kills") runs"
result_value "$NAME" "$(quantile .5 < "$DIR/both")" s 1 lower
result_value "$NAME.p99" "$(quantile .99 < "$DIR/both")" s 2 lower
