/*
 * The growable buffer, and the small functions on counted strings.
 */

#include "unit.h"


static void
test_grows(void **state)
{
    int         i;
    weir_buf_t  b = { 0 };

    (void) state;

    for (i = 0; i < 10000; i++) {
        weir_buf_printf(&b, "%d,", i % 10);
    }

    assert_false(b.failed);
    assert_int_equal(b.len, 20000);
    assert_memory_equal(b.data + 19996, "8,9,", 4);

    weir_buf_free(&b);
    assert_null(b.data);
    weir_buf_free(&b);
}


/* the first failure stays, and what follows changes nothing */

static void
test_limit(void **state)
{
    weir_buf_t  b;

    (void) state;

    weir_buf_init(&b, 8);
    weir_buf_text(&b, "12345678");
    assert_false(b.failed);

    weir_buf_text(&b, "9");
    assert_true(b.failed);
    weir_buf_add(&b, NULL, 0);
    weir_buf_str(&b, weir_str_null);
    assert_true(b.failed);
    assert_int_equal(b.len, 8);
    assert_null(weir_buf_reserve(&b, 1));

    weir_buf_reset(&b);
    assert_false(b.failed);
    weir_buf_text(&b, "ab");
    unit_str(unit_buf(&b), "ab");

    weir_buf_reset(&b);
    weir_buf_printf(&b, "%s", "1234567");
    assert_false(b.failed);
    unit_str(unit_buf(&b), "1234567");
    weir_buf_printf(&b, "%d", 89);
    assert_true(b.failed);

    weir_buf_free(&b);
    assert_int_equal(b.limit, 8);
}


static void
test_overflow(void **state)
{
    weir_buf_t  b = { 0 };

    (void) state;

    weir_buf_text(&b, "x");
    assert_null(weir_buf_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
    weir_buf_free(&b);
}


static void
test_consume(void **state)
{
    weir_buf_t  b = { 0 };

    (void) state;

    weir_buf_text(&b, "hello world");
    weir_buf_consume(&b, 6);
    unit_str(unit_buf(&b), "world");
    weir_buf_consume(&b, 0);
    unit_str(unit_buf(&b), "world");
    weir_buf_consume(&b, 100);
    assert_int_equal(b.len, 0);

    weir_buf_free(&b);
}


/* appended in random pieces, the text is what was appended */

static void
test_pieces(void **state)
{
    char        want[5000];
    size_t      n, used;
    uint64_t    seed;
    weir_buf_t  b = { 0 };

    (void) state;

    seed = unit_seed();
    unit_random_bytes(&seed, want, sizeof(want));

    for (used = 0; used < sizeof(want); used += n) {
        n = unit_random(&seed) % 700;
        n = n < sizeof(want) - used ? n : sizeof(want) - used;
        weir_buf_add(&b, want + used, n);
    }

    assert_int_equal(b.len, sizeof(want));
    assert_memory_equal(b.data, want, sizeof(want));
    weir_buf_free(&b);
}


static void
test_str(void **state)
{
    (void) state;

    assert_true(weir_str_eq(weir_str_null, weir_str("")));
    assert_true(weir_str_eq(weir_str("a\0b"), weir_str("a\0b")));
    assert_false(weir_str_eq(weir_str("a\0b"), weir_str("a\0c")));
    assert_false(weir_str_eq(weir_str("a"), weir_str("ab")));
    assert_int_equal(weir_str_of(NULL).len, 0);
}


static void
test_hash(void **state)
{
    (void) state;

    /* the vectors of FNV-1a, 32 bits */
    assert_int_equal(weir_str_hash(weir_str("")), 0x811c9dc5);
    assert_int_equal(weir_str_hash(weir_str("a")), 0xe40c292c);
    assert_int_equal(weir_str_hash(weir_str("foobar")), 0xbf9cf968);
}


static void
test_digits(void **state)
{
    int64_t  n;

    (void) state;

    assert_true(weir_str_digits(weir_str("0"), 18, &n));
    assert_int_equal(n, 0);
    assert_true(weir_str_digits(weir_str("999999999999999999"), 18, &n));
    assert_true(n == 999999999999999999LL);

    assert_false(weir_str_digits(weir_str("1000000000000000000"), 18, &n));
    assert_false(weir_str_digits(weir_str(""), 18, &n));
    assert_false(weir_str_digits(weir_str_null, 18, &n));
    assert_false(weir_str_digits(weir_str("-1"), 18, &n));
    assert_false(weir_str_digits(weir_str("1 "), 18, &n));
    assert_false(weir_str_digits(weir_str("0x1"), 18, &n));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_consume),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_str),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_digits)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
