/*
 * JSON, bounded: depth, size and duplicate keys are checked before anybody
 * looks at a document.  The values are reference counted by the library:
 * "take" in a name means that the callee takes the caller's reference, "get"
 * that the result is borrowed from its container.
 *
 * weir_json.c is the one file in common/ that knows jansson;
 * weir_json_canonical.c has the canonical form.
 */

#ifndef WEIR_JSON_H
#define WEIR_JSON_H


#include "weir_buf.h"


typedef struct json_t  weir_json_t;


/* levels that a client's document may have, and one of ours round it */
#define WEIR_JSON_DEPTH_CLIENT  32
#define WEIR_JSON_DEPTH_MAX     64

/* Is it nested deeper than max?  Costs one pass over the bytes. */
bool weir_json_too_deep(weir_str_t text, unsigned max);

/* NULL: error_r then holds a sentence of at most WEIR_JSON_ERROR - 1 bytes
 * that names no content of the document.  The caller owns the result. */
#define WEIR_JSON_ERROR  128

weir_json_t *weir_json_parse(weir_str_t text, char error_r[WEIR_JSON_ERROR]);

/* Gives the reference back and clears the pointer; NULL is fine. */
void weir_json_free(weir_json_t **v);
weir_json_t *weir_json_ref(weir_json_t *v);

/* Compact text; -1: no memory (out->failed is set too). */
int weir_json_write(const weir_json_t *v, weir_buf_t *out);

/* The same with the members of objects in the order of their names, so that
 * equal documents have equal texts. */
int weir_json_write_sorted(const weir_json_t *v, weir_buf_t *out);

/*
 * The canonical form of RFC 8785: two documents that mean the same have the
 * same text, whatever the order of members, the spaces, the escapes and the
 * spelling of numbers (1, 1.0 and 1e0 are one number).  -1: no memory; -2: an
 * integer beyond WEIR_JSON_SAFE_INT, which others read as a neighbour of it.
 * What was written until then stays in out.
 */
#define WEIR_JSON_SAFE_INT  9007199254740991LL

int weir_json_write_canonical(const weir_json_t *v, weir_buf_t *out);

/* The number as ECMAScript writes it; x is finite.  Room for the longest. */
#define WEIR_JSON_NUMBER_MAX  48

void weir_json_number(double x, char text[WEIR_JSON_NUMBER_MAX]);

/* A string with its quotes and escapes, for builders of text. */
void weir_json_quote(weir_buf_t *out, weir_str_t s);


/* kinds: NULL is of no kind */
bool weir_json_is_object(const weir_json_t *v);
bool weir_json_is_array(const weir_json_t *v);
bool weir_json_is_string(const weir_json_t *v);
bool weir_json_is_number(const weir_json_t *v);
bool weir_json_is_int(const weir_json_t *v);
bool weir_json_is_bool(const weir_json_t *v);
bool weir_json_is_null(const weir_json_t *v);


/* reading; a missing or differing thing gives the "nothing" of its type */
weir_json_t *weir_json_get(const weir_json_t *object, const char *key);
size_t weir_json_count(const weir_json_t *v);       /* array or object */
weir_json_t *weir_json_at(const weir_json_t *array, size_t i);
weir_str_t weir_json_str(const weir_json_t *v);
long long weir_json_int(const weir_json_t *v);      /* truncates a real */
double weir_json_real(const weir_json_t *v);
bool weir_json_true(const weir_json_t *v);

/* Walks an object: start with NULL, ends with NULL. */
void *weir_json_next(weir_json_t *object, void *iter, const char **key_r,
    weir_json_t **value_r);


/* building; every one may return NULL when memory runs out; setting into NULL,
 * or setting NULL, gives -1 */
weir_json_t *weir_json_object(void);
weir_json_t *weir_json_array(void);
weir_json_t *weir_json_new_str(weir_str_t s);       /* NULL: not UTF-8 */
weir_json_t *weir_json_new_int(long long n);
weir_json_t *weir_json_new_bool(bool b);
weir_json_t *weir_json_new_null(void);

/* 0 on success.  value's reference is taken in any case. */
int weir_json_set_take(weir_json_t *object, const char *key,
    weir_json_t *value);
int weir_json_add_take(weir_json_t *array, weir_json_t *value);
int weir_json_remove(weir_json_t *object, const char *key);

/* Copies references of all members of "from" except those named in "but" (ends
 * with NULL; may be NULL itself).  -1: no memory. */
int weir_json_copy(weir_json_t *to, weir_json_t *from, const char **but);


#endif /* WEIR_JSON_H */
