/*
 * Parts of a message, and counts of tokens: what the files of all dialects make
 * and read alike.
 *
 * What a reader of a dialect does not translate is kept in a member with the
 * dialect's name beside the translation, and a writer puts it back.
 */

#ifndef WEIR_PART_H
#define WEIR_PART_H


#include "weir_json.h"


/* { "type": type } */
weir_json_t *weir_part_new(const char *type);

/* { "type": dialect, member: value }; value is borrowed */
weir_json_t *weir_part_opaque(const char *dialect, const char *member,
    weir_json_t *value);

/* { "type": type, "text": text }; text is borrowed */
weir_json_t *weir_part_text(const char *type, weir_json_t *text);

bool weir_part_is(const weir_json_t *part, const char *type);

/* Members of from that are not in known (ends with NULL) go to an object
 * "name" in to, if there are any.  -1: no memory. */
int weir_rest_read(weir_json_t *to, const char *name, weir_json_t *from,
    const char **known);

/* v; freed, and NULL, if rc is an error */
weir_json_t *weir_part_unless(int rc, weir_json_t *v);

/* a provider's count, within bounds; missing: 0 */
#define WEIR_TOKENS_MAX  1000000000000LL

long long weir_tokens(const weir_json_t *usage, const char *name);


#endif /* WEIR_PART_H */
