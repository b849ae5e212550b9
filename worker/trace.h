/*
 * The fields of trace context in a request that the worker makes.
 */

#ifndef TRACE_H
#define TRACE_H


#include "weir_trace.h"


#define TRACE_PARENT  "traceparent: "
#define TRACE_STATE   "tracestate: "

typedef struct {
    char  parent[sizeof(TRACE_PARENT) + WEIR_TRACEPARENT_LEN];
    char  state[sizeof(TRACE_STATE) + WEIR_TRACESTATE_MAX];
} trace_lines_t;


/* Adds to headers what the record of a run says, 0 to 2 of them, with an id of
 * the request's own: another one each time.  They live as long as l.  Returns
 * how many. */
size_t trace_lines(trace_lines_t *l, weir_str_t record, const char **headers);


/* Of a record that is a good one, or empty. */

static inline weir_str_t
trace_id(weir_str_t record)
{
    return record.len < WEIR_TRACEPARENT_LEN
           ? weir_str_null
           : (weir_str_t) { record.data + sizeof("00-") - 1,
                            WEIR_TRACE_ID_LEN };
}


#endif /* TRACE_H */
