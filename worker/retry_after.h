/*
 * How long a provider asks us to wait: "Retry-After" in seconds or as a date,
 * and "retry-after-ms".  Pure.
 */

#ifndef RETRY_AFTER_H
#define RETRY_AFTER_H


#include <stdint.h>

#include "weir_str.h"


/* More than that is taken for that. */
#define RETRY_AFTER_MAX  (24 * 3600 * 1000)     /* ms */


/* ms; 0: nothing that can be read.  now: s since the epoch, for dates. */
int64_t retry_after_value(weir_str_t value, int64_t now);

/* The same of the header "retry-after-ms". */
int64_t retry_after_ms_value(weir_str_t value);

/* One line of a reply's head: what it says goes to *ms, where the header in ms
 * is worth more than the other.  A status line sets it back to 0. */
void retry_after_line(weir_str_t line, int64_t now, int64_t *ms);


#endif /* RETRY_AFTER_H */
