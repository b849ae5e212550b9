# streams.sh: streams of chat completions, about 100 at once, of 20 words a
# second each, through nginx, Redis and worker, and straight from the mock.

FIRST=100                       # until as many are open
STREAMS=300
GAP=40.37                       # ms; one lasts 100 of them
WORDS=${BENCH_WORDS:-80}
EVERY=50


# request FILE PORT FIELD: one request in HTTP

request() {
    local body

    body=$(jq -nc --arg size $((WORDS * 16)) --arg every $EVERY '
        {model: "m", stream: true, messages: [{role: "user", content:
         "[[mock words=clock size=\($size) every=\($every)]] Hi"}]}')

    printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: bench:%s\r\n' "$2" \
        > "$1"
    printf '%s\r\nContent-Type: application/json\r\nConnection: close\r\n' \
        "$3" >> "$1"
    printf 'Content-Length: %d\r\n\r\n%s' ${#body} "$body" >> "$1"
}


# quantile SIDE COLUMN FIRST P: of a file of words, in us; FIRST: of which
# words, 0, 1 or any

quantile() {
    awk -v c="$2" -v f="$3" 'f == "any" || $1 == f { print $c }' \
        "$DIR/$1.words" | sort -n \
        | awk -v p="$4" '{ a[NR] = $1 } END { print a[int(NR * p + .5)] }'
}


# stream_round SIDE PORT: all streams, to their end; none may lack a word

stream_round() {
    local n

    "$BUILD/bench/streams" tokens "$2" $FIRST $STREAMS $GAP "$DIR/$1.words" \
        < "$DIR/$1.http" || die "$1: the streams failed"

    n=$(wc -l < "$DIR/$1.words")
    [ "$n" = $((STREAMS * WORDS)) ] || die "$1: $n words"
}


# streams_row COLUMN FIRST GOAL: what ours adds to the p99, in ms

streams_row() {
    local column=$1 first=$2 goal=$3 round side port

    # what else the machine does is not what is measured: before all of it, if
    # that is allowed, on both sides

    renice -n -20 -p $BASHPID > /dev/null 2>&1 || true
    serve_weir
    request "$DIR/ours.http" "$PORT" "Authorization: Bearer $KEY"
    request "$DIR/peer.http" "${MOCK##*:}" "X-Peer: mock"

    : > "$DIR/added"
    printf '%-6s %5s %9s %9s\n' side round p50/ms p99/ms

    for ((round = 0; round <= ROUNDS; round++)); do
        for side in ours peer; do
            port=$PORT
            [ $side = ours ] || port=${MOCK##*:}
            stream_round $side "$port"

            printf '%-6s %5s %9s %9s\n' $side $round \
                "$(ms "$(quantile $side "$column" "$first" .5)")" \
                "$(ms "$(quantile $side "$column" "$first" .99)")"
        done

        # the first one warms up

        [ $round = 0 ] || echo $(($(quantile ours "$column" "$first" .99)
                                  - $(quantile peer "$column" "$first" .99))) \
            >> "$DIR/added"
    done

    result_value "$NAME" "$(ms "$(median < "$DIR/added")")" ms "$goal" lower
}
