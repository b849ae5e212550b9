/*
 * A heap of deadlines.  Nodes live inside their owners; each knows its place,
 * so that removal needs no search.  Pure: the clock is the caller's.
 */

#ifndef HEAP_H
#define HEAP_H


#include <stddef.h>
#include <stdint.h>


typedef struct {
    uint64_t      at;           /* ms */
    size_t        place;        /* index + 1; 0: not in the heap */
} heap_node_t;

typedef struct {
    heap_node_t **nodes;
    size_t        count;
    size_t        size;
} heap_t;


/* A zeroed struct is an empty heap; a zeroed node is in none. */
void heap_add(heap_t *h, heap_node_t *node);
void heap_remove(heap_t *h, heap_node_t *node);

/* The earliest, or NULL. */
heap_node_t *heap_first(const heap_t *h);

void heap_free(heap_t *h);


#endif /* HEAP_H */
