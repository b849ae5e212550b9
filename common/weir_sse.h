/*
 * Reading a text/event-stream as it comes, in pieces of any size (HTML, 9.2).
 * Bounded; knows nothing of what events mean.  Ids and reconnection times are
 * passed over: who reads a provider's answer cannot come back to it.
 */

#ifndef WEIR_SSE_H
#define WEIR_SSE_H


#include "weir_buf.h"


#define WEIR_SSE_NAME_MAX  64


typedef struct {
    weir_buf_t  line;                   /* what has come of one */
    weir_buf_t  data;                   /* of the event, between pieces */
    weir_str_t  only;                   /* likewise, in the piece at hand */
    char        name[WEIR_SSE_NAME_MAX];
    size_t      max;
    size_t      held;                   /* bytes of the event's data */
    bool        has_data;
    bool        begun;                  /* the first line was read */
    bool        cr;                     /* a line feed would belong to it */
} weir_sse_t;


/* name is empty where the event has none, and cut after WEIR_SSE_NAME_MAX - 1
 * bytes; data may be empty.  Both live until it returns.  Other than 0: no more
 * events. */
typedef int (*weir_sse_pt)(void *arg, weir_str_t name, weir_str_t data);

/* max: bytes that a line, and the data of an event, may have. */
void weir_sse_init(weir_sse_t *s, size_t max);
void weir_sse_free(weir_sse_t *s);

/* Calls fn for each event that is complete with these bytes.  0, or what fn
 * returned; -1: too large, or no memory.  After anything but 0 the reader may
 * only be freed.  An event that has no empty line behind it is none. */
int weir_sse_feed(weir_sse_t *s, weir_str_t bytes, weir_sse_pt fn, void *arg);


#endif /* WEIR_SSE_H */
