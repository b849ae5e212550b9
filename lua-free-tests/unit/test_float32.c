/*
 * Numbers of 32 bits as text: read again they are the same, and no text of
 * fewer digits is.
 */

#include "unit.h"
#include "weir_float32.h"


static float
float_of(uint32_t bits)
{
    float  x;

    memcpy(&x, &bits, sizeof(x));

    return x;
}


/* digits without the zeros round them */

static int
digits_of(const char *text)
{
    int  n, zeros;

    for (n = 0, zeros = 0; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (n == 0 && *text == '0')) {
            continue;
        }

        zeros = *text == '0' ? zeros + 1 : 0;
        n++;
    }

    return n - zeros;
}


/* Is one of so many digits read as x?  That next to it, or a neighbour. */

static bool
has_digits(float x, int count)
{
    int    step;
    char   text[64], *end;
    long   digits, exponent;

    snprintf(text, sizeof(text), "%.*e", count - 1, (double) x);
    memmove(text + 1, text + 2, count > 1 ? strlen(text + 1) : 0);
    digits = strtol(text, &end, 10);
    exponent = strtol(end + 1, NULL, 10) - count + 1;

    for (step = -1; step <= 1; step++) {
        snprintf(text, sizeof(text), "%lde%ld", digits + step, exponent);

        if (strtof(text, NULL) == x) {
            return true;
        }
    }

    return false;
}


static void
check(uint32_t bits)
{
    int     count;
    char    text[WEIR_FLOAT32_MAX];
    float   x, again;
    size_t  len;

    x = float_of(bits);
    len = weir_float32_write(x, text);
    again = strtof(text, NULL);

    if (len != strlen(text) || memcmp(&x, &again, sizeof(x)) != 0) {
        fail_msg("%a is \"%s\"", (double) x, text);
    }

    for (count = 1; x != 0 && count < digits_of(text); count++) {
        if (has_digits(x < 0 ? -x : x, count)) {
            fail_msg("%d digits would do for %s", count, text);
        }
    }
}


static void
test_text(void **state)
{
    char    text[WEIR_FLOAT32_MAX];
    size_t  i;

    static const struct {
        float        x;
        const char  *text;
    } rows[] = {
        { 0.0f, "0" }, { -0.0f, "-0.0" }, { 1.0f, "1" }, { -1.5f, "-1.5" },
        { 0.1f, "0.1" }, { 0.3f, "0.3" }, { 100.0f, "100" },
        { 0.0023064255f, "0.0023064255" }, { -0.009327292f, "-0.009327292" },
        { 1e-6f, "0.000001" }, { 1.5e-6f, "0.0000015" }, { 1e-7f, "1e-7" },
        { 1.25e-9f, "1.25e-9" }, { 1e15f, "1000000000000000" },
        { 1e16f, "1e+16" },
        { 1e21f, "1e+21" }, { 16777216.0f, "16777216" },
        { 3.4028235e38f, "3.4028235e+38" }, { 1e-45f, "1e-45" },
        { 1.1754944e-38f, "1.1754944e-38" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(weir_float32_write(rows[i].x, text),
                         strlen(rows[i].text));
        assert_string_equal(text, rows[i].text);
    }
}


static void
test_all(void **state)
{
    int       shift;
    uint32_t  bits;
    uint64_t  seed, random;

    (void) state;

    seed = unit_seed();

    for (random = 0; random < 300000; random++) {
        bits = (uint32_t) unit_random(&seed);

        if (weir_float32_is_finite(float_of(bits))) {
            check(bits);
        }

        /* what embeddings consist of */

        check((bits & 0x83ffffff) | 0x38000000);
    }

    /* powers of two, and their neighbours */

    for (bits = 1; bits < 255; bits++) {
        for (shift = -2; shift <= 2; shift++) {
            check((bits << 23) + (uint32_t) shift);
        }
    }

    for (bits = 1; bits < 100; bits++) {
        check(bits);                    /* that have lost digits */
    }
}


static void
test_bytes(void **state)
{
    unsigned char  bytes[WEIR_FLOAT32_BYTES];

    static const unsigned char  want[] = { 0xdb, 0x0f, 0x49, 0xc0 };

    (void) state;

    weir_float32_put(-3.14159274f, bytes);
    assert_memory_equal(bytes, want, sizeof(want));
    assert_true(weir_float32_get(bytes) == -3.14159274f);

    assert_true(weir_float32_is_finite(float_of(0x7f7fffff)));
    assert_false(weir_float32_is_finite(float_of(0x7f800000)));
    assert_false(weir_float32_is_finite(float_of(0xff800000)));
    assert_false(weir_float32_is_finite(float_of(0x7fc00000)));
    assert_false(weir_float32_is_finite(float_of(0x7f800001)));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_bytes)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
