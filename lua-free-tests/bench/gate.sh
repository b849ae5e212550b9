# gate.sh: what the rows about the gate share: one nginx with the module and a
# key, others without it, all with the same static file of 1 KB.

GATE_KEYS=100           # of different owners; requests take them in turns


# gate_keys: the key file, its pepper, and h2load's requests in turns

gate_keys() {
    local i

    mkdir -p "$DIR/www"
    chmod 711 "$DIR/www"
    head -c 1024 /dev/zero | tr '\0' x > "$DIR/www/file"

    "$BUILD/weir" keys create --file "$DIR/keys" --pepper "$DIR/pepper" \
        --owner "bench" > "$DIR/key" 2> /dev/null || die "no key"

    for ((i = 1; i < GATE_KEYS; i++)); do
        "$BUILD/weir" keys create --file "$DIR/keys" --pepper "$DIR/pepper" \
            --owner "bench$i" >> "$DIR/key" 2> /dev/null || die "no key"
    done

    chmod 644 "$DIR/keys" "$DIR/pepper"
    KEY=$(head -1 "$DIR/key")
}


gate_common() {
    echo "access_log off; keepalive_requests 1000000; sendfile on;
          open_file_cache max=10;"
}


serve_gate() {
    take_port PORT_gate
    serve_nginx gate "$PORT_gate" 2 "
        $(gate_common)
        weir_key_file $DIR/keys pepper=$DIR/pepper;
        weir_limit_zone \$binary_remote_addr zone=ip:10m rate=1M/s burst=1000k;
        weir_limit_zone \$weir_key_id zone=key:10m rate=1M/s burst=1000k;
        weir_limit_zone \$weir_owner zone=day:10m quota=100G/day;
        server {
            listen 127.0.0.1:$PORT_gate;
            location / {
                root $DIR/www;
                weir_auth on;
                weir_limit zone=ip;
                weir_limit zone=key;
                weir_limit zone=day;
            }
        }" "load_module $BUILD/ngx_http_weir_module.so;"
}


serve_stock() {
    take_port PORT_stock
    serve_nginx stock "$PORT_stock" 2 "
        $(gate_common)
        map_hash_bucket_size 256;
        map \$http_authorization \$client {
            $(sed 's/.*/"Bearer &" c;/' "$DIR/key")
        }
        limit_req_zone \$binary_remote_addr zone=ip:10m rate=1000000r/s;
        limit_req_zone \$http_authorization zone=key:10m rate=1000000r/s;
        server {
            listen 127.0.0.1:$PORT_stock;
            location / {
                root $DIR/www;
                if (\$client = '') { return 401; }
                limit_req zone=ip burst=1000000 nodelay;
                limit_req zone=key burst=1000000 nodelay;
            }
        }"
}


serve_none() {
    take_port PORT_none
    serve_nginx none "$PORT_none" 2 "
        $(gate_common)
        server {
            listen 127.0.0.1:$PORT_none;
            location / { root $DIR/www; }
        }"
}


gate_servers() {
    local name

    gate_keys
    for name in "$@"; do
        "serve_$name"
    done
}


fetch() {
    load "$1" 200 "http://127.0.0.1:$2/file" -c 32 \
        -H "Authorization: Bearer $KEY"
}
