/*
 * An event stream in pieces, each a copy of its own, so that a look behind its
 * end is seen.
 */

#ifndef FUZZ_SSE_H
#define FUZZ_SSE_H


#include "fuzz.h"
#include "weir_sse.h"


/* What weir_sse_feed() returned last; max: of one event. */

static inline int
fuzz_sse(weir_str_t text, size_t piece, size_t max, weir_sse_pt fn, void *arg)
{
    int         rc;
    char       *copy;
    size_t      n;
    weir_sse_t  s;

    weir_sse_init(&s, max);
    rc = 0;

    while (rc == 0 && text.len) {
        n = piece < text.len ? piece : text.len;
        copy = malloc(n);
        FUZZ_ASSERT(copy);
        memcpy(copy, text.data, n);

        rc = weir_sse_feed(&s, (weir_str_t) { copy, n }, fn, arg);

        free(copy);
        text.data += n;
        text.len -= n;
    }

    weir_sse_free(&s);

    return rc;
}


#endif /* FUZZ_SSE_H */
