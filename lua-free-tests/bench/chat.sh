# chat.sh: held chat completions, for the rows that compare them.  A question
# must reach the LLM: the mock's own count has to equal the answers.

BODY='{"model":"m","messages":[{"role":"user","content":"hello"}]}'
SERVERS=()


# chat COUNT URL [h2load arguments]

chat() {
    local count=$1 url=$2 name pid was calls

    shift 2
    curl -fsS -X DELETE -o /dev/null "$MOCK/mock/calls" || die "no mock"

    for name in "${SERVERS[@]}"; do
        pid=PID_$name
        printf -v "CPU_$name" %s "$(cpu "${!pid}")"
    done

    load "$count" 200 "$url" -c 32 -d "$DIR/body.json" \
        -H 'Content-Type: application/json' -H 'Cache-Control: no-store' "$@"

    calls=$(curl -fsS "$MOCK/mock/calls" | jq .completed)
    [ "$calls" = "$count" ] || die "$count answers, but $calls calls: $url"

    [ -z "$WARM" ] || return 0

    for name in "${SERVERS[@]}"; do
        pid=PID_$name
        was=CPU_$name
        awk -v a="${!was}" -v b="$(cpu "${!pid}")" -v n="$count" \
            -v s="$SIDE" -v p="$name" \
            'BEGIN { print s, p, (b - a) / n / 1000 }'
    done >> "$DIR/cpu"
    echo "$SIDE h2load $CLIENT" >> "$DIR/cpu"
}


# ours COUNT: nginx with the module -> Redis -> worker -> mock

ours() {
    SIDE=ours SERVERS=(nginx redis worker mock)
    chat "$1" "http://127.0.0.1:$PORT/v1/chat/completions" \
        -H "Authorization: Bearer $KEY"
}


# cpu_table: medians over the rounds

cpu_table() {
    local side name

    echo "CPU ms per 1,000 requests:"
    cut -d' ' -f1,2 "$DIR/cpu" | sort -u | while read -r side name; do
        echo "$side $name $(awk -v s="$side" -v p="$name" \
            '$1 == s && $2 == p { print $3 }' "$DIR/cpu" | median)"
    done | awk '$1 != s { printf "%s  %s:", s ? "\n" : "", $1; s = $1; t = 0 }
                { printf " %s %.1f", $2, $3 } END { print "" }'
}


# chat_row GOAL: the whole row, when MOCK is up and "peer" is there

chat_row() {
    printf %s "$BODY" > "$DIR/body.json"
    alternate
    cpu_table
    result "$OURS" "$PEER" "$1" higher
}
