/*
 * Joining pieces of a JSON document that a provider streams: what no neutral
 * delta has a place for.
 */

#ifndef WEIR_MERGE_H
#define WEIR_MERGE_H


#include "weir_json.h"


/*
 * Puts the members of "from" into "to": what is new is taken, an object gets
 * the members of the other, a list its elements, the texts of a few members
 * known to come in pieces are joined, and all else takes the place of what was
 * there.  "from" stays as it is.  -1: no memory.
 */
int weir_merge(weir_json_t *to, weir_json_t *from);


#endif /* WEIR_MERGE_H */
