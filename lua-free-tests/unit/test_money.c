/*
 * Prices as they may be written, and what tokens cost.
 */

#include "unit.h"
#include "weir_money.h"


static void
test_parse(void **state)
{
    char     text[WEIR_DOLLARS_MAX];
    size_t   i;
    int64_t  n;

    static const struct {
        const char  *text;
        int64_t      millionths;        /* -1: refused */
    } rows[] = {
        { "0", 0 }, { "0.0", 0 }, { "2", 2000000 }, { "0.15", 150000 },
        { "0.000001", 1 }, { "10.5", 10500000 }, { "007", 7000000 },
        { "1000000", 1000000000000 }, { "1000000.000000", 1000000000000 },
        { "1000000.000001", -1 }, { "9999999", -1 }, { "10000000", -1 },
        { "0.0000001", -1 }, { "", -1 }, { ".", -1 }, { ".5", -1 },
        { "5.", -1 }, { "-1", -1 }, { "-0.5", -1 }, { "+1", -1 },
        { "1e3", -1 }, { "1,5", -1 }, { "1.2.3", -1 }, { " 1", -1 },
        { "1 ", -1 }, { "$1", -1 }, { "0x1", -1 }, { "nan", -1 },
        { "inf", -1 }, { "99999999999999999999", -1 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        n = -1;

        if (weir_dollars_parse(weir_str_of(rows[i].text), &n)
            != (rows[i].millionths >= 0))
        {
            fail_msg("row \"%s\"", rows[i].text);
        }

        if (rows[i].millionths >= 0) {
            assert_int_equal(n, rows[i].millionths);
        }
    }

    assert_false(weir_dollars_parse(weir_str_null, &n));
    assert_false(weir_dollars_parse((weir_str_t) { "1\0", 2 }, &n));

    assert_string_equal(weir_dollars_text(text, 0), "0.000000");
    assert_string_equal(weir_dollars_text(text, 1), "0.000001");
    assert_string_equal(weir_dollars_text(text, 150000), "0.150000");
    assert_string_equal(weir_dollars_text(text, 12000034), "12.000034");
    assert_string_equal(weir_dollars_text(text, -1), "0.000000");
    assert_string_equal(weir_dollars_text(text, INT64_MAX),
                        "9223372036854.775807");
}


static void
test_cost(void **state)
{
    size_t  i;

    static const struct {
        long long  in;
        long long  out;
        int64_t    in_price;
        int64_t    out_price;
        int64_t    cost;
    } rows[] = {
        { 0, 0, 150000, 600000, 0 },
        { 1000000, 0, 150000, 600000, 150000 },
        { 1000000, 1000000, 150000, 600000, 750000 },
        { 1, 0, 1, 0, 1 },                      /* never for nothing */
        { 1, 1, 1, 1, 1 },                      /* rounded once */
        { 500000, 500000, 1, 1, 1 },
        { 500000, 500001, 1, 1, 2 },
        { 7, 9, 0, 0, 0 },
        { 100, 20, 2500000, 10000000, 450 },
        { 1000000000000, 1000000000000, 1000000000000, 1000000000000,
          WEIR_COST_MAX }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(weir_cost(rows[i].in, rows[i].out, rows[i].in_price,
                                   rows[i].out_price), rows[i].cost);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_cost)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
