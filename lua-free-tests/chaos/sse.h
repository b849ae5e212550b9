/*
 * Server-sent events as a client sees them: whole ones, whatever pieces they
 * came in.  Knows nothing of what they say.
 */

#ifndef SSE_H
#define SSE_H


#include <stdbool.h>
#include <stddef.h>


#define SSE_ID_MAX  64


typedef struct {
    char     name[24];              /* "-": none */
    char     id[SSE_ID_MAX];        /* the same */
    char    *data;                  /* its lines with a space between */
} sse_event_t;


typedef struct {
    char    *text;                  /* that is no whole event yet */
    size_t   len;
    size_t   size;
} sse_t;


/* false: fn wanted no more of them, and what follows is forgotten.  Comments,
 * and what has no data, are no events. */
bool sse_feed(sse_t *sse, const char *data, size_t len,
    bool (*fn)(void *arg, const sse_event_t *e), void *arg);

void sse_reset(sse_t *sse);


#endif /* SSE_H */
