/*
 * Trace context as the W3C recommends it: the fields "traceparent" and
 * "tracestate", from those of a request to those of what is asked for it.
 * Pure; chance comes from whoever calls.
 */

#ifndef WEIR_TRACE_H
#define WEIR_TRACE_H


#include "weir_str.h"


#define WEIR_TRACE_ID_LEN       32          /* characters */
#define WEIR_SPAN_ID_LEN        16
#define WEIR_TRACEPARENT_LEN    55
#define WEIR_TRACESTATE_MAX     1024        /* of ours: 512 must be kept */
#define WEIR_TRACE_MEMBERS_MAX  32

#define WEIR_TRACE_RANDOM       24          /* bytes of chance for a new one */
#define WEIR_SPAN_RANDOM        8           /* for a child */

#define WEIR_TRACE_SAMPLED      0x01        /* somebody records it */
#define WEIR_TRACE_BY_CHANCE    0x02        /* its id was drawn at random */


typedef struct {
    char          trace_id[WEIR_TRACE_ID_LEN + 1];
    char          span_id[WEIR_SPAN_ID_LEN + 1];
    unsigned      flags;
} weir_trace_t;


/* members of all lines, borrowed from them; zeroed: none */

typedef struct {
    weir_str_t    members[WEIR_TRACE_MEMBERS_MAX];
    unsigned      n;
    unsigned      seen;                 /* repeated ones too */
    bool          bad;                  /* nothing of it is to be kept */
} weir_tracestate_t;


/* What a request's fields say of it; zeroed: none. */

typedef struct {
    weir_str_t         parent;
    unsigned           parents;         /* lines */
    weir_tracestate_t  state;
} weir_trace_fields_t;


/* One of its fields, whatever its name. */
void weir_trace_fields_add(weir_trace_fields_t *f, weir_str_t name,
    weir_str_t value);

/* After all of them.  false: there is no trace to go on with, and what else
 * was said is forgotten. */
bool weir_trace_fields_read(weir_trace_fields_t *f, weir_trace_t *t);

/* The value of the only such line.  false: it is void. */
bool weir_traceparent_read(weir_trace_t *t, weir_str_t value);

void weir_traceparent_write(const weir_trace_t *t,
    char text[WEIR_TRACEPARENT_LEN + 1]);

void weir_trace_start(weir_trace_t *t,
    const unsigned char random[WEIR_TRACE_RANDOM]);

/* The same trace, one step on. */
void weir_trace_child(weir_trace_t *t,
    const unsigned char random[WEIR_SPAN_RANDOM]);

/* The value of one more line. */
void weir_tracestate_add(weir_tracestate_t *s, weir_str_t value);

/* All of it as one line, which may be empty; returns its length.  What does not
 * fit is left out: the longest members first, then the last. */
size_t weir_tracestate_write(const weir_tracestate_t *s,
    char text[WEIR_TRACESTATE_MAX]);


/* As it is kept: the one, and behind a space the other, if there is one. */

#define WEIR_TRACE_MAX  (WEIR_TRACEPARENT_LEN + 1 + WEIR_TRACESTATE_MAX)

size_t weir_trace_write(const weir_trace_t *t, const weir_tracestate_t *s,
    char text[WEIR_TRACE_MAX]);

/* state_r points into text.  false: nothing of the kind. */
bool weir_trace_read(weir_str_t text, weir_trace_t *t, weir_str_t *state_r);


#endif /* WEIR_TRACE_H */
