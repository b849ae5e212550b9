/*
 * Waiting before the next try: bounds and spread.
 */

#include "unit.h"
#include "weir_backoff.h"


static void
test_bounds(void **state)
{
    unsigned  attempt;
    uint64_t  top;

    (void) state;

    top = 100;

    for (attempt = 1; attempt < 20; attempt++) {
        assert_int_equal(weir_backoff(attempt, 100, 5000, 0, 0), 0);
        assert_int_equal(weir_backoff(attempt, 100, 5000, 0, UINT32_MAX), top);
        top = top * 2 < 5000 ? top * 2 : 5000;
    }

    assert_int_equal(weir_backoff(0, 100, 5000, 0, UINT32_MAX), 100);
    assert_int_equal(weir_backoff(1, 9000, 5000, 0, UINT32_MAX), 5000);
}


static void
test_least(void **state)
{
    int       i;
    uint64_t  seed, wait;

    (void) state;

    seed = unit_seed();

    for (i = 0; i < 10000; i++) {
        wait = weir_backoff(3, 100, 5000, 2000, (uint32_t) unit_random(&seed));
        assert_in_range(wait, 2000, 2200);
    }
}


static void
test_spread(void **state)
{
    int       i, n[10] = { 0 };
    uint64_t  seed;

    (void) state;

    seed = unit_seed();

    for (i = 0; i < 10000; i++) {
        n[weir_backoff(1, 999, 5000, 0, (uint32_t) unit_random(&seed)) / 100]++;
    }

    for (i = 0; i < 10; i++) {
        assert_in_range(n[i], 850, 1150);
    }
}


/* silly arguments wait long, and wrap nowhere */

static void
test_large(void **state)
{
    unsigned  attempt;

    (void) state;

    for (attempt = 1; attempt < 200; attempt++) {
        assert_true(weir_backoff(attempt, 1, UINT64_MAX, 0, UINT32_MAX)
                    >= (attempt < 33 ? 1u << (attempt - 1) : UINT32_MAX));
    }

    assert_true(weir_backoff(1, 1, 1, UINT64_MAX, 7) >= UINT32_MAX);
    assert_true(weir_backoff(UINT32_MAX, UINT64_MAX, UINT64_MAX, 0, UINT32_MAX)
                == UINT32_MAX);
    assert_int_equal(weir_backoff(UINT32_MAX, 0, 5000, 0, UINT32_MAX), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_large)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
