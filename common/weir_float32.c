/*
 * Numbers of 32 bits.  Pure.
 *
 * An answer has millions of them, so the digits are found with doubles, which
 * hold a number of 24 bits and nine digits with plenty to spare; the library is
 * asked where they do not suffice.
 */

#include "weir_float32.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define FLOAT_DIGITS     9              /* always enough */
#define FLOAT_CERTAIN    6              /* so many always survive */

/* powers of ten that are exact as doubles, and numbers that need no others */
#define FLOAT_POWERS     22
#define FLOAT_LEAST      1e-12f
#define FLOAT_MOST       1e20f

/* from where there is an exponent: below, as ECMAScript has it; above, before
 * the text is a whole number that readers of JSON cannot hold */
#define FLOAT_POINT_MIN  -6
#define FLOAT_POINT_MAX  16


/* digits * 10^(exponent - count + 1) */

typedef struct {
    uint32_t  digits;
    int       count;
    int       exponent;                 /* of the first one */
} weir_digits_t;


static const double  weir_tens[FLOAT_POWERS + 1] = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13,
    1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
};

static const uint32_t  weir_counts[FLOAT_DIGITS + 1] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000
};


static uint32_t
weir_bits_of(float x)
{
    uint32_t  bits;

    memcpy(&bits, &x, sizeof(bits));

    return bits;
}


void
weir_float32_put(float x, unsigned char bytes[WEIR_FLOAT32_BYTES])
{
    uint32_t  bits;

    bits = weir_bits_of(x);

    bytes[0] = (unsigned char) bits;
    bytes[1] = (unsigned char) (bits >> 8);
    bytes[2] = (unsigned char) (bits >> 16);
    bytes[3] = (unsigned char) (bits >> 24);
}


float
weir_float32_get(const unsigned char bytes[WEIR_FLOAT32_BYTES])
{
    float     x;
    uint32_t  bits;

    bits = (uint32_t) bytes[0] | (uint32_t) bytes[1] << 8
           | (uint32_t) bytes[2] << 16 | (uint32_t) bytes[3] << 24;

    memcpy(&x, &bits, sizeof(x));

    return x;
}


bool
weir_float32_is_finite(float x)
{
    return (weir_bits_of(x) & 0x7f800000u) != 0x7f800000u;
}


/* x * 10^n, rounded once */

static double
weir_scaled(double x, int n)
{
    return n >= 0 ? x * weir_tens[n] : x / weir_tens[-n];
}


/* Are the digits read as this number?  A double between the two rounds to the
 * same float as what it stands for, unless it is right in the middle of two
 * floats: *doubt_r. */

static bool
weir_digits_are(const weir_digits_t *d, float x, bool *doubt_r)
{
    double    value;
    uint64_t  bits;

    value = weir_scaled(d->digits, d->exponent - d->count + 1);
    memcpy(&bits, &value, sizeof(bits));

    *doubt_r = (bits & 0x1fffffff) == 0x10000000;

    return (float) value == x;
}


/* count digits next to x, of the exponent that it has or the one above */

static void
weir_digits_near(float x, int exponent, int count, weir_digits_t *d)
{
    d->count = count;
    d->exponent = exponent;
    d->digits = (uint32_t) (weir_scaled(x, count - 1 - exponent) + 0.5);

    if (d->digits >= weir_counts[count]) {
        d->digits /= 10;
        d->exponent++;
    }
}


/* false: doubles do not suffice.  To look at the digits next to x is enough: of
 * the powers of two in this range none needs others. */

static bool
weir_digits_fast(float x, weir_digits_t *d)
{
    int             count, exponent;
    bool            fit, doubt;
    weir_digits_t   less;

    /* 19728 / 65536 is just below the logarithm of 2 */

    exponent = (((int) (weir_bits_of(x) >> 23) - 127) * 19728) >> 16;

    if (exponent < FLOAT_POWERS && x >= weir_scaled(1, exponent + 1)) {
        exponent++;
    }

    weir_digits_near(x, exponent, FLOAT_DIGITS, d);

    for (count = FLOAT_DIGITS - 1; count >= FLOAT_CERTAIN; count--) {
        weir_digits_near(x, exponent, count, &less);
        fit = weir_digits_are(&less, x, &doubt);

        if (doubt) {
            return false;
        }

        if (!fit) {
            break;
        }

        *d = less;
    }

    return true;
}


static bool
weir_digits_read_as(const weir_digits_t *d, float x)
{
    char  text[WEIR_FLOAT32_MAX];

    snprintf(text, sizeof(text), "%ue%d", d->digits,
             d->exponent - d->count + 1);

    return strtof(text, NULL) == x;
}


static void
weir_digits_slow(float x, weir_digits_t *d)
{
    char         text[WEIR_FLOAT32_MAX];
    const char  *p;

    for (d->count = 1; d->count <= FLOAT_DIGITS; d->count++) {
        snprintf(text, sizeof(text), "%.*e", d->count - 1, (double) x);

        d->digits = 0;

        for (p = text; *p != 'e'; p++) {
            if (*p >= '0' && *p <= '9') {       /* the point may be a comma */
                d->digits = d->digits * 10 + (uint32_t) (*p - '0');
            }
        }

        d->exponent = atoi(p + 1);

        if (weir_digits_read_as(d, x)) {
            return;
        }

        /* above a power of two there is more room than below: 2^-96 */

        d->digits++;

        if (weir_digits_read_as(d, x)) {
            return;
        }
    }
}


/* what snprintf() would do, in a tenth of its time */

static int
weir_digits_text(uint32_t digits, char text[FLOAT_DIGITS + 2])
{
    int  i, n;

    for (n = 1; n <= FLOAT_DIGITS && digits >= weir_counts[n]; n++) {
        /* void */
    }

    for (i = n; i > 0; digits /= 10) {
        text[--i] = (char) ('0' + digits % 10);
    }

    text[n] = '\0';

    return n;
}


static size_t
weir_digits_write(const weir_digits_t *d, char *text)
{
    int    i, n, point;
    char   digits[FLOAT_DIGITS + 2], *p;

    n = weir_digits_text(d->digits, digits);
    p = text;

    if (d->exponent < FLOAT_POINT_MIN || d->exponent >= FLOAT_POINT_MAX) {
        return (size_t) snprintf(text, WEIR_FLOAT32_MAX - 1, "%c%s%se%+d",
                                 digits[0], n > 1 ? "." : "", digits + 1,
                                 d->exponent);
    }

    /* digits before the point */

    point = d->exponent + 1;

    if (point <= 0) {
        *p++ = '0';
        *p++ = '.';

        for (i = point; i < 0; i++) {
            *p++ = '0';
        }
    }

    for (i = 0; i < n || i < point; i++) {
        if (i == point && i > 0) {
            *p++ = '.';
        }

        *p++ = i < n ? digits[i] : '0';
    }

    *p = '\0';

    return (size_t) (p - text);
}


size_t
weir_float32_write(float x, char text[WEIR_FLOAT32_MAX])
{
    bool           negative;
    size_t         len;
    weir_digits_t  d;

    negative = weir_bits_of(x) >> 31;

    if (negative) {
        *text++ = '-';
        x = -x;
    }

    if (x == 0) {
        len = negative ? 3 : 1;                 /* an integer has no -0 */
        memcpy(text, "0.0", len);
        text[len] = '\0';
        return negative + len;
    }

    if (x < FLOAT_LEAST || x > FLOAT_MOST || !weir_digits_fast(x, &d)) {
        weir_digits_slow(x, &d);
    }

    while (d.digits % 10 == 0) {
        d.digits /= 10;
        d.count--;
    }

    return negative + weir_digits_write(&d, text);
}
