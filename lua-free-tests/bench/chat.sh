# chat.sh: held chat completions, for the rows that compare them.  A question
# must reach the LLM: the mock's own count has to equal the answers.

BODY='{"model":"m","messages":[{"role":"user","content":"hello"}]}'
SERVERS=()


# chat COUNT URL [h2load arguments]

chat() {
    local count=$1 url=$2 calls

    shift 2
    curl -fsS -X DELETE -o /dev/null "$MOCK/mock/calls" || die "no mock"

    cpu_mark "${SERVERS[@]}"
    load "$count" 200 "$url" -c 32 -d "$DIR/body.json" \
        -H 'Content-Type: application/json' -H 'Cache-Control: no-store' "$@"

    calls=$(curl -fsS "$MOCK/mock/calls" | jq .completed)
    [ "$calls" = "$count" ] || die "$count answers, but $calls calls: $url"

    cpu_spent "$SIDE" "$count" "${SERVERS[@]}"
    [ -n "$WARM" ] || echo "$SIDE h2load $CLIENT" >> "$DIR/cpu"
}


# ours COUNT: nginx with the module -> Redis -> worker -> mock

ours() {
    SIDE=ours SERVERS=(nginx redis worker mock)
    chat "$1" "http://127.0.0.1:$PORT/v1/chat/completions" \
        -H "Authorization: Bearer $KEY"
}


# chat_row GOAL: the whole row, when MOCK is up and "peer" is there

chat_row() {
    printf %s "$BODY" > "$DIR/body.json"
    alternate
    cpu_table
    result "$OURS" "$PEER" "$1" higher
}
