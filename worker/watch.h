/*
 * Watching descriptors that a library owns, opens and closes as it likes.
 */

#ifndef WATCH_H
#define WATCH_H


#include "loop.h"


#define WATCH_READ   1
#define WATCH_WRITE  2
#define WATCH_ERROR  4


typedef struct watches_s  watches_t;

typedef void (*watch_pt)(void *data, int fd, unsigned what);


watches_t *watches_create(loop_t *loop, watch_pt fn, void *data);

/* Descriptors must have been stopped. */
void watches_destroy(watches_t **w);

/* what: WATCH_READ, WATCH_WRITE or both, until it is set or stopped again.
 * -1: it cannot be watched. */
int watches_set(watches_t *w, int fd, unsigned what);

/* Before the descriptor is closed. */
void watches_stop(watches_t *w, int fd);


#endif /* WATCH_H */
