/*
 * A stream socket to an address, TCP or unix, on the loop: resolves, connects,
 * reads and writes.  Can be left at any time; what libuv still has to say about
 * it is then heard by nobody, and it frees itself.
 */

#ifndef LINK_H
#define LINK_H


#include <stdbool.h>

#include "loop.h"
#include "value.h"


typedef struct link_s  link_t;


typedef struct {
    void  (*on_open)(void *data);
    void  (*on_read)(void *data, const char *bytes, size_t n);

    /* Once, the last call.  reason is a text of its own. */
    void  (*on_fail)(void *data, const char *reason);
    void   *data;
} link_events_t;


/* pick: which of several addresses of a name to try, modulo their number. */
link_t *link_open(loop_t *loop, const value_address_t *address, unsigned pick,
    const link_events_t *events);

/* No event comes any more. */
void link_leave(link_t **link);

/* How many of the bytes were taken; 0: none now, try in a later turn. */
size_t link_write(link_t *link, const char *bytes, size_t n);


#endif /* LINK_H */
