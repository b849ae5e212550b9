# held chat completions, against stock nginx that passes them straight on

# shellcheck source=lua-free-tests/bench/chat.sh
. "$BENCH/chat.sh"

take_port PEER_PORT


peer() {
    SIDE=peer SERVERS=(proxy mock)
    chat "$1" "http://127.0.0.1:$PEER_PORT/v1/chat/completions" \
        -H 'Authorization: Bearer mock'
}


serve_weir
serve_nginx proxy $PEER_PORT 2 "
    access_log $DIR/proxy/access.log;
    upstream llm { server ${MOCK#http://}; keepalive 64; }
    server {
        listen 127.0.0.1:$PEER_PORT;
        location / {
            proxy_pass http://llm;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
        }
    }"
echo "peer: $("$NGINX" -v 2>&1), proxy_pass with keepalive"
chat_row 0.1
