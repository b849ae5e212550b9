/*
 * Waiting before the next try: exponential with full jitter.  The caller
 * brings the chance.
 */

#ifndef WEIR_BACKOFF_H
#define WEIR_BACKOFF_H


#include <stdint.h>


/*
 * ms to wait before try number "attempt" (1: the first repetition): evenly
 * spread between 0 and min(max, first * 2^(attempt - 1)), never less than
 * "least" (a Retry-After, 0 if none), spread by a tenth above it.  random: 32
 * bits of chance.
 */
uint64_t weir_backoff(unsigned attempt, uint64_t first, uint64_t max,
    uint64_t least, uint32_t random);


#endif /* WEIR_BACKOFF_H */
