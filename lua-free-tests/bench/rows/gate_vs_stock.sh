# A static file behind the gate (a key and three limits) against the same file
# behind what stock nginx has for it: a map of keys and two limit_req.

. "$BENCH/gate.sh"


ours() { fetch "$1" "$PORT_gate"; }
peer() { fetch "$1" "$PORT_stock"; }

gate_servers gate stock
alternate
result "$OURS" "$PEER" 1.0 higher
