/*
 * What every unit test includes: cmocka, and a seeded source of chance, so
 * that a failing property names its seed and can be repeated with WEIR_SEED.
 */

#ifndef UNIT_H
#define UNIT_H


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "weir_buf.h"


#define ROWS(list)  (sizeof(list) / sizeof((list)[0]))


static inline uint64_t
unit_seed(void)
{
    const char  *text;

    text = getenv("WEIR_SEED");

    return text ? strtoull(text, NULL, 10) : 20240611;
}


/* splitmix64 */

static inline uint64_t
unit_random(uint64_t *state)
{
    uint64_t  z;

    z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;

    return z ^ (z >> 31);
}


static inline void
unit_random_bytes(uint64_t *state, void *data, size_t len)
{
    size_t          i;
    unsigned char  *p = data;

    for (i = 0; i < len; i++) {
        p[i] = (unsigned char) unit_random(state);
    }
}


static inline void
unit_str(weir_str_t got, const char *want)
{
    if (!weir_str_eq(got, weir_str_of(want))) {
        fail_msg("got \"%.*s\", want \"%s\"", (int) got.len,
                 got.data ? got.data : "", want);
    }
}


static inline weir_str_t
unit_buf(const weir_buf_t *b)
{
    return (weir_str_t) { b->data, b->len };
}


#endif /* UNIT_H */
