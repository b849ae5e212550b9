/*
 * Arrays that grow to wherever somebody reaches.
 */

#ifndef WEIR_REACH_H
#define WEIR_REACH_H


#include <stddef.h>


/*
 * The array of *n items of so many bytes each (NULL: of none), long enough for
 * an i-th one; new ones are zeroed.  It may have moved, and is freed with
 * free().  NULL: no memory, and nothing has changed.
 */
void *weir_reach(void *items, unsigned *n, unsigned i, size_t size);


#endif /* WEIR_REACH_H */
