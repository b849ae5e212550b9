/*
 * Arrays that grow.  Pure.
 */

#include "weir_reach.h"

#include <stdlib.h>
#include <string.h>


void *
weir_reach(void *items, unsigned *n, unsigned i, size_t size)
{
    char  *p;

    if (i < *n) {
        return items;
    }

    p = realloc(items, ((size_t) i + 1) * size);

    if (p) {
        memset(p + *n * size, 0, (i + 1 - *n) * size);
        *n = i + 1;
    }

    return p;
}
