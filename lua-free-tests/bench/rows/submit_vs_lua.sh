# POST /v1/jobs, acknowledged by Redis, against nginx with Debian's Lua module
# and lua-nginx-redis, which puts the body of the same POST into a stream of the
# same Redis: one XADD over a pooled connection.  No worker runs: what was
# queued is thrown away after each round.

take_port PEER_PORT
MODULES=/usr/lib/nginx/modules


submit() {
    cpu_mark "$3" redis
    load "$1" 202 "http://127.0.0.1:$2/v1/jobs" -c 32 -d "$DIR/body.json" \
        -H 'Content-Type: application/json' -H "Authorization: Bearer $KEY"
    cpu_spent "$4" "$1" "$3" redis
    [ -n "$WARM" ] || echo "$4 h2load $CLIENT" >> "$DIR/cpu"
}


# what was acknowledged is there

there() {
    [ "$1" = "$2" ] || die "$2 jobs acknowledged, $1 are there"
    redis-cli -s "$DIR/weir/redis.sock" FLUSHALL SYNC > /dev/null
}


ours() {
    submit "$1" "$PORT" nginx ours
    there "$(redis-cli -s "$DIR/weir/redis.sock" --scan --pattern '*:job:*' \
             | wc -l)" "$1"
}


peer() {
    submit "$1" $PEER_PORT lua peer
    there "$(redis-cli -s "$DIR/weir/redis.sock" XLEN jobs)" "$1"
}


serve_weir
kill "$PID_worker" 2> /dev/null
end_of "$PID_worker"
redis-cli -s "$DIR/weir/redis.sock" FLUSHALL SYNC > /dev/null

serve_nginx lua $PEER_PORT 2 "
    access_log $DIR/lua/access.log combined buffer=16k flush=1s;
    lua_package_path '/usr/share/lua/5.1/?.lua;;';
    server {
        listen 127.0.0.1:$PEER_PORT;
        location / {
            content_by_lua_block {
                local redis = require 'nginx.redis'
                ngx.req.read_body()

                local r = redis:new()
                local ok, err = r:connect('unix:$DIR/weir/redis.sock')
                if not ok then
                    ngx.log(ngx.ERR, err)
                    return ngx.exit(503)
                end

                local id, err = r:xadd('jobs', '*', 'body',
                                       ngx.req.get_body_data())
                if not id then
                    ngx.log(ngx.ERR, err)
                    return ngx.exit(503)
                end

                r:set_keepalive(10000, 64)
                ngx.status = 202
                ngx.header.content_type = 'application/json'
                ngx.say('{\"id\":\"' .. id .. '\"}')
            }
        }
    }" "load_module $MODULES/ndk_http_module.so;
        load_module $MODULES/ngx_http_lua_module.so;"

printf %s '{"request":{"model":"m","messages":[{"role":"user","content":"hi"}]}}' \
    > "$DIR/body.json"
echo "peer: $("$NGINX" -v 2>&1)," \
    "$(dpkg-query -W -f '${Package} ${Version}' libnginx-mod-http-lua)," \
    "$(dpkg-query -W -f '${Package} ${Version}' lua-nginx-redis)"
alternate
cpu_table
result "$OURS" "$PEER" 2 higher
