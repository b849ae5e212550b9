/*
 * Base62.  Pure; the caller brings the chance.
 */

#include "weir_base62.h"


const char  weir_base62[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";


/* A byte below 248 (4 x 62) gives an unbiased character.  The spare bytes make
 * running out unlikely (about 1 in 10^9); then the tail is folded, which costs
 * a fraction of a bit. */

void
weir_base62_fill(char *out, size_t n, const unsigned char *random, size_t len)
{
    size_t  i, used;

    used = 0;

    for (i = 0; i < len && used < n; i++) {
        if (random[i] < 248) {
            out[used++] = weir_base62[random[i] % 62];
        }
    }

    for (i = 0; used < n; i++) {
        out[used++] = weir_base62[(random[i % len] ^ (i * 37)) % 62];
    }

    out[n] = '\0';
}


int
weir_base62_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    if (c >= 'A' && c <= 'Z') {
        return c - 'A' + 10;
    }

    return c >= 'a' && c <= 'z' ? c - 'a' + 36 : -1;
}
