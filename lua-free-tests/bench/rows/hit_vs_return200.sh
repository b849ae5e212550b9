# A cache hit behind a key and three limits against "return 200" with as many
# bytes, for the same POST.

# shellcheck source=lua-free-tests/bench/hit.sh
. "$BENCH/hit.sh"


# a parameter has 4 KB at the most: more is put together from variables

return200() {
    local size kilo=1000 text i

    size=$(stat -c %s "$DIR/answer")
    text=$(head -c $((size % kilo)) /dev/zero | tr '\0' y)

    for ((i = 0; i < size / kilo; i++)); do
        text=\${kilo}$text
    done

    take_port PORT_return
    serve_nginx "return$1" "$PORT_return" 2 "
        $(gate_common)
        map '' \$kilo { default '$(head -c $kilo /dev/zero | tr '\0' x)'; }
        server {
            listen 127.0.0.1:$PORT_return;
            location / { return 200 '$text'; }
        }"

    SERVER=return$1
    ask "$PORT_return" || die "no answer"
    [ "$(stat -c %s "$DIR/answer")" = "$size" ] || die "not of the same size"
}


peer() { side peer "$SERVER" "$PORT_return" "$1"; }

hit_servers
hit_row 0.8 return200
