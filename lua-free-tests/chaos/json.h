/*
 * As much JSON as the checker needs, of texts that others have written: a value
 * is a pointer to its first byte, NULL is none.  Nothing is copied but strings.
 */

#ifndef JSON_H
#define JSON_H


#include <stdbool.h>
#include <stddef.h>


typedef struct {
    char    *data;                  /* terminated; NULL: empty */
    size_t   len;
    size_t   size;
} text_t;


void text_add(text_t *t, const char *data, size_t len);
void text_clear(text_t *t);
bool text_same(const text_t *a, const text_t *b);

/* of an object; of an array: its i-th element */
const char *json_member(const char *value, const char *name);
const char *json_at(const char *value, size_t i);

/* what a string says, behind what t holds */
void json_add(text_t *t, const char *value);

bool json_is(const char *value, const char *text);
long json_number(const char *value, long otherwise);


#endif /* JSON_H */
