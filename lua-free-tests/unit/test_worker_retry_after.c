/*
 * Retry-After: seconds, dates, and what is neither.
 */

/* with: worker/retry_after.c */

#include "unit.h"
#include "retry_after.h"


/* Sun, 06 Nov 1994 08:49:37 GMT */
#define NOW  784111777


static void
test_value(void **state)
{
    size_t  i;

    static const struct {
        const char  *text;
        int64_t      ms;
    } rows[] = {
        { "0", 0 }, { "1", 1000 }, { " 120 \r\n", 120000 }, { "1.5", 1500 },
        { "0.0004", 0 }, { "86400", 86400000 }, { "999999999999", 86400000 },
        { "99999999999999999999999999", 86400000 },
        { "", 0 }, { "-1", 0 }, { "+1", 0 }, { "1e3", 0 }, { "0x10", 0 },
        { "inf", 0 }, { "nan", 0 }, { "1 2", 0 }, { ".5", 0 }, { "soon", 0 },
        { "Sun, 06 Nov 1994 08:50:37 GMT", 60000 },
        { "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
        { "Sun, 06 Nov 1994 08:00:00 GMT", 0 },
        { "Sun, 06 Nov 2094 08:00:00 GMT", 86400000 },
        { "Sun, 06 Nov 1994 08:50:37 GMT+1", 0 },
        { "Sun, 06 Nov 1994", 0 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(retry_after_value(weir_str_of(rows[i].text), NOW),
                         rows[i].ms);
    }
}


static void
test_ms(void **state)
{
    (void) state;

    assert_int_equal(retry_after_ms_value(weir_str("250")), 250);
    assert_int_equal(retry_after_ms_value(weir_str(" 0.6 ")), 1);
    assert_int_equal(retry_after_ms_value(weir_str("x")), 0);
    assert_int_equal(retry_after_ms_value(weir_str_null), 0);
}


/* not terminated, of any bytes and any length */

static void
test_noise(void **state)
{
    int        i;
    char      *data;
    size_t     len;
    int64_t    ms;
    uint64_t   seed;

    (void) state;

    seed = unit_seed();

    for (i = 0; i < 20000; i++) {
        len = unit_random(&seed) % 80;
        data = malloc(len + 1);
        unit_random_bytes(&seed, data, len);

        ms = retry_after_value((weir_str_t) { data, len }, NOW);
        assert_in_range(ms, 0, RETRY_AFTER_MAX);
        free(data);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_ms),
        cmocka_unit_test(test_noise)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
