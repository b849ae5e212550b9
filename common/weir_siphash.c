/*
 * SipHash-2-4-128.  Words are little endian, whatever the machine is.
 */

#include "weir_siphash.h"

#include <endian.h>
#include <stdint.h>


typedef struct {
    uint64_t  a, b, c, d;
} weir_sip_t;


static inline uint64_t
weir_sip_rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}


static inline uint64_t
weir_sip_load(const unsigned char *p)
{
    uint64_t  x;

    memcpy(&x, p, 8);

    return le64toh(x);
}


/* what is left: less than 8 bytes */

static uint64_t
weir_sip_tail(const unsigned char *p, size_t n)
{
    uint64_t  x;

    x = 0;

    while (n--) {
        x = x << 8 | p[n];
    }

    return x;
}


static void
weir_sip_store(unsigned char *p, uint64_t x)
{
    x = htole64(x);
    memcpy(p, &x, 8);
}


static inline void
weir_sip_round(weir_sip_t *s)
{
    s->a += s->b;
    s->c += s->d;
    s->b = weir_sip_rotate(s->b, 13) ^ s->a;
    s->d = weir_sip_rotate(s->d, 16) ^ s->c;
    s->a = weir_sip_rotate(s->a, 32);

    s->c += s->b;
    s->a += s->d;
    s->b = weir_sip_rotate(s->b, 17) ^ s->c;
    s->d = weir_sip_rotate(s->d, 21) ^ s->a;
    s->c = weir_sip_rotate(s->c, 32);
}


static inline void
weir_sip_word(weir_sip_t *s, uint64_t word)
{
    s->d ^= word;
    weir_sip_round(s);
    weir_sip_round(s);
    s->a ^= word;
}


static void
weir_sip_end(weir_sip_t *s, unsigned char *out)
{
    weir_sip_round(s);
    weir_sip_round(s);
    weir_sip_round(s);
    weir_sip_round(s);
    weir_sip_store(out, s->a ^ s->b ^ s->c ^ s->d);
}


void
weir_siphash(const unsigned char key[WEIR_SIPHASH_LEN], weir_str_t text,
    unsigned char out[WEIR_SIPHASH_LEN])
{
    size_t                i;
    uint64_t              k0, k1;
    weir_sip_t            s;
    const unsigned char  *p;

    p = (const unsigned char *) text.data;
    k0 = weir_sip_load(key);
    k1 = weir_sip_load(key + 8);

    s.a = k0 ^ 0x736f6d6570736575ULL;
    s.b = k1 ^ 0x646f72616e646f6dULL ^ 0xee;        /* 128 bits */
    s.c = k0 ^ 0x6c7967656e657261ULL;
    s.d = k1 ^ 0x7465646279746573ULL;

    for (i = 0; i + 8 <= text.len; i += 8) {
        weir_sip_word(&s, weir_sip_load(p + i));
    }

    weir_sip_word(&s, (uint64_t) text.len << 56
                      | weir_sip_tail(p + i, text.len - i));

    s.c ^= 0xee;
    weir_sip_end(&s, out);

    s.b ^= 0xdd;
    weir_sip_end(&s, out + 8);
}
