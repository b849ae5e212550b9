# A cache hit behind a key and three limits against what stock nginx has for it:
# a map of keys, two limit_req, and proxy_cache by the body of the request.

# shellcheck source=lua-free-tests/bench/hit.sh
. "$BENCH/hit.sh"


serve_stock_cache() {
    mkdir -p "$DIR/cache"
    chmod 777 "$DIR/cache"

    take_port PORT_stock
    serve_nginx stock "$PORT_stock" 2 "
        $(gate_common)
        map_hash_bucket_size 256;
        map \$http_authorization \$client {
            $(sed 's/.*/"Bearer &" c;/' "$DIR/key")
        }
        limit_req_zone \$binary_remote_addr zone=ip:10m rate=1000000r/s;
        limit_req_zone \$http_authorization zone=key:10m rate=1000000r/s;
        proxy_cache_path $DIR/cache levels=1:2 keys_zone=answers:10m
                         use_temp_path=off;
        server {
            listen 127.0.0.1:$PORT_stock;
            location / {
                if (\$client = '') { return 401; }
                limit_req zone=ip burst=1000000 nodelay;
                limit_req zone=key burst=1000000 nodelay;
                proxy_pass $MOCK;
                proxy_cache answers;
                proxy_cache_methods GET POST;
                proxy_cache_key \$uri\$request_body;
                proxy_cache_valid 200 1h;
            }
        }"
}


# the answer is in its cache

stock() {
    ask "$PORT_stock" || die "no answer"
}


peer() { side peer stock "$PORT_stock" "$1"; }

hit_servers
serve_stock_cache
hit_row 1.0 stock
