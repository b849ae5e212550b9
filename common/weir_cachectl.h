/*
 * What a client says about caches: the directives of Cache-Control in a
 * request (RFC 9111, 5.2.1) that Weir knows.  Whether they count is decided by
 * the API key.
 */

#ifndef WEIR_CACHECTL_H
#define WEIR_CACHECTL_H


#include <stdbool.h>
#include <stdint.h>

#include "weir_str.h"


#define WEIR_CACHECTL_MAX  2147483648LL     /* s: RFC 9111, 1.2.2 */


typedef struct {
    bool     no_store;
    bool     no_cache;
    bool     only_if_cached;
    int64_t  max_age;           /* s; -1: not given */
    int64_t  min_fresh;         /* s; 0: not given */
} weir_cachectl_t;


void weir_cachectl_init(weir_cachectl_t *c);

/* Reads one field line into c; call it for each line.  Unknown directives are
 * passed over, of one with a value the first counts.  A max-age or min-fresh
 * whose value is no number counts as what it cannot be satisfied by: 0, and
 * WEIR_CACHECTL_MAX. */
void weir_cachectl_parse(weir_cachectl_t *c, weir_str_t line);


#endif /* WEIR_CACHECTL_H */
