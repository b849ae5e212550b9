# A static file behind the gate (a key and three limits) against the same file
# with nothing before it.

. "$BENCH/gate.sh"


ours() { fetch "$1" "$PORT_gate"; }
peer() { fetch "$1" "$PORT_none"; }

gate_servers gate none
alternate
result "$OURS" "$PEER" 0.85 higher
