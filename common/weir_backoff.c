/*
 * Exponential backoff with full jitter.  Pure arithmetic.
 */

#include "weir_backoff.h"


uint64_t
weir_backoff(unsigned attempt, uint64_t first, uint64_t max, uint64_t least,
    uint32_t random)
{
    unsigned  i;
    uint64_t  ceiling, wait;

    ceiling = first;

    for (i = 1; i < attempt && ceiling < max; i++) {
        ceiling *= 2;
    }

    if (ceiling > max) {
        ceiling = max;
    }

    wait = (ceiling + 1) * random >> 32;

    if (wait >= least) {
        return wait;
    }

    return least + ((least / 10 + 1) * random >> 32);
}
