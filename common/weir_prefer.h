/*
 * The Prefer header (RFC 7240), as far as Weir knows it.
 */

#ifndef WEIR_PREFER_H
#define WEIR_PREFER_H


#include <stdbool.h>
#include <stdint.h>

#include "weir_str.h"


typedef struct {
    bool     async;             /* respond-async was given */
    bool     waits;             /* wait=N was given */
    int64_t  wait;              /* s, 0 to WEIR_PREFER_WAIT_MAX */
} weir_prefer_t;


#define WEIR_PREFER_WAIT_MAX  86400


/* Reads one field line into p, which starts zeroed; call it for each line.
 * Unknown preferences and malformed ones are passed over, a repeated one
 * counts the first time only. */
void weir_prefer_parse(weir_prefer_t *p, weir_str_t line);


#endif /* WEIR_PREFER_H */
