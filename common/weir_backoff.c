/*
 * Exponential backoff with full jitter.  Pure arithmetic.
 */

#include "weir_backoff.h"


/* longer waits are cut to this: 49 days, so that no product overflows */
#define WEIR_WAIT_MAX  UINT32_MAX


static uint64_t
weir_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}


/* evenly spread between 0 and n */

static uint64_t
weir_spread(uint64_t n, uint32_t random)
{
    return (n + 1) * random >> 32;
}


uint64_t
weir_backoff(unsigned attempt, uint64_t first, uint64_t max, uint64_t least,
    uint32_t random)
{
    unsigned  i;
    uint64_t  ceiling, wait;

    max = weir_min(max, WEIR_WAIT_MAX);
    least = weir_min(least, WEIR_WAIT_MAX);
    ceiling = weir_min(first, max);

    for (i = 1; i < attempt && ceiling && ceiling < max; i++) {
        ceiling *= 2;
    }

    wait = weir_spread(weir_min(ceiling, max), random);

    return wait >= least ? wait : least + weir_spread(least / 10, random);
}
