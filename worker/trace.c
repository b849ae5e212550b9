/*
 * Trace context of requests that the worker makes: see weir_trace.h.
 */

#include "trace.h"

#include <stdio.h>

#include "mem.h"


size_t
trace_lines(trace_lines_t *l, weir_str_t record, const char **headers)
{
    char            parent[WEIR_TRACEPARENT_LEN + 1];
    size_t          n;
    uint32_t        chance[WEIR_SPAN_RANDOM / sizeof(uint32_t)];
    weir_str_t      state;
    weir_trace_t    t;
    unsigned char   random[WEIR_SPAN_RANDOM];

    if (!weir_trace_read(record, &t, &state)) {
        return 0;
    }

    for (n = 0; n < sizeof(chance) / sizeof(chance[0]); n++) {
        chance[n] = mem_chance();
    }

    memcpy(random, chance, sizeof(random));
    weir_trace_child(&t, random);
    weir_traceparent_write(&t, parent);

    n = 0;
    snprintf(l->parent, sizeof(l->parent), TRACE_PARENT "%s", parent);
    headers[n++] = l->parent;

    if (state.len) {
        snprintf(l->state, sizeof(l->state), TRACE_STATE "%.*s",
                 (int) state.len, state.data);
        headers[n++] = l->state;
    }

    return n;
}
