/*
 * Fields of HTTP that are lists: parts between separators, with quoted strings
 * in which a separator is none.
 */

#ifndef WEIR_FIELD_H
#define WEIR_FIELD_H


#include <stdbool.h>
#include <stdint.h>

#include "weir_str.h"


/* Cuts the part up to sep off rest, and the spaces round it; rest is empty
 * after the last. */
weir_str_t weir_field_part(weir_str_t *rest, char sep);

/* Is it that name, in letters of either case? */
bool weir_field_is(weir_str_t name, const char *want);

/* A number of seconds, also in quotes; above max it is max.  false: it is no
 * number. */
bool weir_field_seconds(weir_str_t value, int64_t max, int64_t *s_r);


#endif /* WEIR_FIELD_H */
