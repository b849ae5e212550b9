/*
 * The alphabet of ids and keys: 0-9 A-Z a-z.
 */

#ifndef WEIR_BASE62_H
#define WEIR_BASE62_H


#include <stddef.h>


extern const char           weir_base62[];
extern const unsigned char  weir_base62_places[256];    /* from 1 on; 0: none */

/* n characters from len random bytes, which should be about n / 3 more; out
 * has room for n + 1 and is terminated. */
void weir_base62_fill(char *out, size_t n, const unsigned char *random,
    size_t len);

/* 0 to 61; -1: not of the alphabet */

static inline int
weir_base62_value(char c)
{
    return weir_base62_places[(unsigned char) c] - 1;
}


#endif /* WEIR_BASE62_H */
