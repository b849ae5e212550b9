# held chat completions, against the Portkey gateway with the same mock LLM

# shellcheck source=lua-free-tests/bench/chat.sh
. "$BENCH/chat.sh"

VERSION=1.15.2
NPM=$BUILD/bench/npm
GATEWAY=$NPM/node_modules/@portkey-ai/gateway
take_port PEER_PORT


fetch_gateway() {
    [ "$(jq -r .version "$GATEWAY/package.json" 2> /dev/null)" != $VERSION ] \
        || return 0

    command -v npm > /dev/null || die "no npm: install Node.js with npm"
    mkdir -p "$NPM"
    echo "fetching @portkey-ai/gateway $VERSION"
    npm install --prefix "$NPM" --no-audit --no-fund --ignore-scripts \
        --loglevel=error "@portkey-ai/gateway@$VERSION" > "$DIR/npm.log" 2>&1 \
        || { cat "$DIR/npm.log" >&2; die "npm cannot fetch the gateway"; }
}


peer() {
    SIDE=peer SERVERS=(portkey mock)
    chat "$1" "http://127.0.0.1:$PEER_PORT/v1/chat/completions" \
        -H 'x-portkey-provider: openai' -H "x-portkey-custom-host: $MOCK/v1" \
        -H 'Authorization: Bearer mock'
}


fetch_gateway
serve_weir
NODE_ENV=production serve portkey node -r "$BENCH/bind.cjs" \
    "$GATEWAY/build/start-server.js" --headless --port=$PEER_PORT
await 30 port_answers $PEER_PORT || die "the gateway is not ready"
echo "peer: @portkey-ai/gateway $VERSION, Node.js $(node -v)"
chat_row 5
