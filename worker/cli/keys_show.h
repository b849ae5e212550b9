/*
 * A key as it is shown: never with a digest or a secret.
 */

#ifndef KEYS_SHOW_H
#define KEYS_SHOW_H


#include "record.h"
#include "weir_apikey.h"


/* NULL: no memory */
weir_json_t *keys_doc(const weir_key_t *key, int64_t now);

/* A member with a text; an empty one is left out.  -1: no memory. */
int keys_doc_text(weir_json_t *doc, const char *name, const char *text);

/* "active", "rotating", "expired", "revoked", and whether it is one of them */
const char *keys_state(const weir_key_t *key, int64_t now);
bool keys_is_state(const char *word);

/* Has it two secrets that are accepted? */
bool keys_is_rotating(const weir_key_t *key, int64_t now);

/* One line; one member a line. */
void keys_row(const weir_key_t *key, int64_t now);
void keys_print_all(const weir_key_t *key, int64_t now);


#endif /* KEYS_SHOW_H */
