/*
 * A counted string that is borrowed, never owned: whoever holds one knows how
 * long the bytes live.  Not terminated; may hold NUL.
 */

#ifndef WEIR_STR_H
#define WEIR_STR_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>


typedef struct {
    const char  *data;
    size_t       len;
} weir_str_t;


#define weir_str(literal)  ((weir_str_t) { literal, sizeof(literal) - 1 })
#define weir_str_null      ((weir_str_t) { NULL, 0 })


static inline weir_str_t
weir_str_of(const char *text)
{
    return (weir_str_t) { text, text ? strlen(text) : 0 };
}


static inline int
weir_str_eq(weir_str_t a, weir_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


/* As memcmp(): below, at or above 0; of two that start alike the shorter is
 * less. */

static inline int
weir_str_compare(weir_str_t a, weir_str_t b)
{
    int     rc;
    size_t  n;

    n = a.len < b.len ? a.len : b.len;
    rc = n ? memcmp(a.data, b.data, n) : 0;

    return rc ? rc : (a.len > b.len) - (a.len < b.len);
}


/* Cuts the part before sep off rest; the last part has no sep.  false: there
 * are no more. */

static inline bool
weir_str_split(weir_str_t *rest, char sep, weir_str_t *part_r)
{
    const char  *p;

    if (rest->data == NULL) {
        return false;
    }

    p = rest->len ? memchr(rest->data, sep, rest->len) : NULL;

    if (p == NULL) {
        *part_r = *rest;
        *rest = weir_str_null;
        return true;
    }

    *part_r = (weir_str_t) { rest->data, (size_t) (p - rest->data) };
    rest->len -= part_r->len + 1;
    rest->data = p + 1;

    return true;
}


/* FNV-1a; part of the Redis contract, which derives shards from it */

static inline uint32_t
weir_str_hash(weir_str_t s)
{
    size_t    i;
    uint32_t  hash;

    hash = 2166136261u;

    for (i = 0; i < s.len; i++) {
        hash ^= (unsigned char) s.data[i];
        hash *= 16777619u;
    }

    return hash;
}


/* A number of 1 to max decimal digits and nothing else; max is at most 18. */

static inline bool
weir_str_digits(weir_str_t s, size_t max, int64_t *n_r)
{
    size_t   i;
    int64_t  n;

    if (s.len == 0 || s.len > max) {
        return false;
    }

    n = 0;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return false;
        }

        n = n * 10 + (s.data[i] - '0');
    }

    *n_r = n;

    return true;
}


#endif /* WEIR_STR_H */
