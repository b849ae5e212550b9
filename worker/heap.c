/*
 * A binary heap of deadlines.  Owns the array of pointers, never the nodes.
 */

#include "heap.h"

#include <stdlib.h>

#include "mem.h"


#define HEAP_FIRST  16


static void
heap_put(heap_t *h, size_t i, heap_node_t *node)
{
    h->nodes[i] = node;
    node->place = i + 1;
}


static size_t
heap_up(heap_t *h, size_t i)
{
    size_t        parent;
    heap_node_t  *node;

    node = h->nodes[i];

    while (i > 0) {
        parent = (i - 1) / 2;

        if (h->nodes[parent]->at <= node->at) {
            break;
        }

        heap_put(h, i, h->nodes[parent]);
        i = parent;
    }

    heap_put(h, i, node);

    return i;
}


static void
heap_down(heap_t *h, size_t i)
{
    size_t        child;
    heap_node_t  *node;

    node = h->nodes[i];

    for ( ;; ) {
        child = 2 * i + 1;

        if (child >= h->count) {
            break;
        }

        if (child + 1 < h->count
            && h->nodes[child + 1]->at < h->nodes[child]->at)
        {
            child++;
        }

        if (node->at <= h->nodes[child]->at) {
            break;
        }

        heap_put(h, i, h->nodes[child]);
        i = child;
    }

    heap_put(h, i, node);
}


void
heap_add(heap_t *h, heap_node_t *node)
{
    if (h->count == h->size) {
        h->size = h->size ? h->size * 2 : HEAP_FIRST;
        h->nodes = mem_grow(h->nodes, h->size * sizeof(heap_node_t *));
    }

    h->nodes[h->count] = node;
    h->count++;

    heap_up(h, h->count - 1);
}


void
heap_remove(heap_t *h, heap_node_t *node)
{
    size_t        i;
    heap_node_t  *last;

    if (node->place == 0) {
        return;
    }

    i = node->place - 1;
    node->place = 0;

    h->count--;
    last = h->nodes[h->count];

    if (last == node) {
        return;
    }

    h->nodes[i] = last;
    heap_down(h, heap_up(h, i));
}


heap_node_t *
heap_first(const heap_t *h)
{
    return h->count ? h->nodes[0] : NULL;
}


void
heap_free(heap_t *h)
{
    free(h->nodes);
    h->nodes = NULL;
    h->count = h->size = 0;
}
