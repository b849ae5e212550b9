/*
 * The canonical form of JSON (RFC 8785).  Owns nothing.
 */

#include "weir_json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>


#define WEIR_DIGITS_MAX  17         /* that tell any two doubles apart */
#define WEIR_POINT_MAX   21         /* digits before the point: ECMAScript */


typedef struct {
    const char         *name;
    const weir_json_t  *value;
} weir_member_t;


static int weir_canonical(const weir_json_t *v, weir_buf_t *out);


/* numbers */

/* Decimals of so few digits that they differ where the doubles round x do:
 * the shortest one that reads back as x then has no more than that, or more
 * than that.  Near zero there are fewer bits, and so fewer digits. */

static int
weir_digits_sure(double x)
{
    int  bits, exponent;

    (void) frexp(x, &exponent);

    bits = exponent - (DBL_MIN_EXP - DBL_MANT_DIG);
    bits = bits < DBL_MANT_DIG ? bits : DBL_MANT_DIG;

    return bits > 7 ? (bits - 1) * 30103 / 100000 : 1;
}


/* The next decimal of as many digits, away from zero; false: there is none
 * without one more digit. */

static bool
weir_digits_up(char *text)
{
    char  *p;

    for (p = strchr(text, 'e') - 1; p >= text; p--) {
        if (*p >= '0' && *p < '9') {
            (*p)++;
            return true;
        }

        if (*p == '9') {
            *p = '0';
        }
    }

    return false;
}


/*
 * The shortest digits that read back as x > 0, of these the nearest to x, with
 * the exponent of the first one.  The nearest decimal of a length is tried,
 * and the one above it too: below a power of two the doubles lie closer, so
 * that the nearest may belong to a neighbour while the farther does not.
 *
 * The point of the text is that of the locale, for both directions.
 */

static int
weir_digits(double x, char digits[WEIR_DIGITS_MAX + 1], int *exponent_r)
{
    int    n, count;
    char  *p, text[WEIR_JSON_NUMBER_MAX];

    for (n = weir_digits_sure(x); n <= WEIR_DIGITS_MAX; n++) {
        snprintf(text, sizeof(text), "%.*e", n - 1, x);

        if (strtod(text, NULL) == x
            || (weir_digits_up(text) && strtod(text, NULL) == x))
        {
            break;
        }
    }

    count = 0;

    for (p = text; *p != 'e'; p++) {
        if (*p >= '0' && *p <= '9' && count < WEIR_DIGITS_MAX) {
            digits[count++] = *p;
        }
    }

    while (count > 1 && digits[count - 1] == '0') {
        count--;
    }

    digits[count] = '\0';
    *exponent_r = (int) strtol(p + 1, NULL, 10);

    return count;
}


void
weir_json_number(double x, char text[WEIR_JSON_NUMBER_MAX])
{
    int                count, exponent;
    char               digits[WEIR_DIGITS_MAX + 1];
    const char        *sign;
    static const char  zeros[] = "00000000000000000000";

    if (x == 0) {                       /* and -0 */
        snprintf(text, WEIR_JSON_NUMBER_MAX, "0");
        return;
    }

    sign = x < 0 ? "-" : "";
    count = weir_digits(fabs(x), digits, &exponent);

    if (exponent >= count - 1 && exponent < WEIR_POINT_MAX) {
        snprintf(text, WEIR_JSON_NUMBER_MAX, "%s%s%.*s", sign, digits,
                 exponent - count + 1, zeros);

    } else if (exponent >= 0 && exponent < WEIR_POINT_MAX) {
        snprintf(text, WEIR_JSON_NUMBER_MAX, "%s%.*s.%s", sign, exponent + 1,
                 digits, digits + exponent + 1);

    } else if (exponent < 0 && exponent >= -6) {
        snprintf(text, WEIR_JSON_NUMBER_MAX, "%s0.%.*s%s", sign,
                 -exponent - 1, zeros, digits);

    } else {
        snprintf(text, WEIR_JSON_NUMBER_MAX, "%s%c%s%se%+d", sign, digits[0],
                 count > 1 ? "." : "", digits + 1, exponent);
    }
}


static int
weir_canonical_number(const weir_json_t *v, weir_buf_t *out)
{
    char       text[WEIR_JSON_NUMBER_MAX], decimal[WEIR_DECIMAL_MAX];
    long long  n;

    if (!weir_json_is_int(v)) {
        weir_json_number(weir_json_real(v), text);
        weir_buf_text(out, text);
        return 0;
    }

    n = weir_json_int(v);

    if (n > WEIR_JSON_SAFE_INT || n < -WEIR_JSON_SAFE_INT) {
        return -2;
    }

    weir_buf_str(out, weir_decimal(decimal, n));

    return 0;
}


/* containers */

/*
 * The order of UTF-16 code units is that of the bytes of UTF-8, but that the
 * surrogates of what lies beyond U+FFFF (bytes F0 to F4) come before U+E000 to
 * U+FFFF (bytes EE and EF).
 */

static int
weir_member_weight(char c)
{
    unsigned char  byte;

    byte = (unsigned char) c;

    return byte == 0xee || byte == 0xef ? byte + 0x10 : byte;
}


static int
weir_member_compare(const void *one, const void *two)
{
    const char           *a, *b;
    const weir_member_t  *x = one, *y = two;

    a = x->name;
    b = y->name;

    while (*a && *a == *b) {
        a++;
        b++;
    }

    return weir_member_weight(*a) - weir_member_weight(*b);
}


static int
weir_canonical_members(const weir_member_t *members, size_t n, weir_buf_t *out)
{
    int     rc;
    size_t  i;

    weir_buf_text(out, "{");

    for (i = 0; i < n; i++) {
        if (i) {
            weir_buf_text(out, ",");
        }

        weir_json_quote(out, weir_str_of(members[i].name));
        weir_buf_text(out, ":");

        rc = weir_canonical(members[i].value, out);
        if (rc != 0) {
            return rc;
        }
    }

    weir_buf_text(out, "}");

    return 0;
}


static int
weir_canonical_object(const weir_json_t *v, weir_buf_t *out)
{
    int             rc;
    void           *iter;
    size_t          n;
    const char     *name;
    weir_json_t    *value;
    weir_member_t  *members;

    n = weir_json_count(v);

    members = malloc((n ? n : 1) * sizeof(weir_member_t));
    if (members == NULL) {
        return -1;
    }

    n = 0;

    for (iter = weir_json_next((weir_json_t *) v, NULL, &name, &value);
         iter;
         iter = weir_json_next((weir_json_t *) v, iter, &name, &value))
    {
        members[n++] = (weir_member_t) { name, value };
    }

    qsort(members, n, sizeof(weir_member_t), weir_member_compare);

    rc = weir_canonical_members(members, n, out);

    free(members);

    return rc;
}


static int
weir_canonical_array(const weir_json_t *v, weir_buf_t *out)
{
    int     rc;
    size_t  i, n;

    n = weir_json_count(v);
    weir_buf_text(out, "[");

    for (i = 0; i < n; i++) {
        if (i) {
            weir_buf_text(out, ",");
        }

        rc = weir_canonical(weir_json_at(v, i), out);
        if (rc != 0) {
            return rc;
        }
    }

    weir_buf_text(out, "]");

    return 0;
}


static int
weir_canonical(const weir_json_t *v, weir_buf_t *out)
{
    if (weir_json_is_object(v)) {
        return weir_canonical_object(v, out);
    }

    if (weir_json_is_array(v)) {
        return weir_canonical_array(v, out);
    }

    if (weir_json_is_number(v)) {
        return weir_canonical_number(v, out);
    }

    if (weir_json_is_string(v)) {
        weir_json_quote(out, weir_json_str(v));

    } else if (weir_json_is_bool(v)) {
        weir_buf_text(out, weir_json_true(v) ? "true" : "false");

    } else if (weir_json_is_null(v)) {
        weir_buf_text(out, "null");

    } else {                            /* nothing at all */
        return -1;
    }

    return 0;
}


int
weir_json_write_canonical(const weir_json_t *v, weir_buf_t *out)
{
    int  rc;

    rc = weir_canonical(v, out);

    if (rc == -1) {
        out->failed = true;
    }

    return rc == 0 && out->failed ? -1 : rc;
}
