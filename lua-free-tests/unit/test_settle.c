/*
 * The rules of settlement: who is charged how, and what the ledger of a day
 * says.
 */

#include "unit.h"
#include "weir_settle.h"


static void
test_judge(void **state)
{
    size_t         i;
    weir_settle_t  s;

    static const struct {
        bool           found;
        bool           settled;
        bool           reported;
        weir_state_e   state;
        int64_t        by;
        int64_t        due;
        weir_settle_e  verdict;
    } rows[] = {
        { false, false, false, 0, 1000, 6000, WEIR_SETTLE_BACK },
        { false, false, false, 0, 1000, 900, WEIR_SETTLE_BACK },
        { false, false, false, 0, 1000, 6001, WEIR_SETTLE_STANDS },
        { true, false, false, WEIR_QUEUED, 0, 9, WEIR_SETTLE_WAIT },
        { true, false, false, WEIR_IN_PROGRESS, 0, 9, WEIR_SETTLE_WAIT },
        { true, false, true, WEIR_COMPLETED, 0, 9, WEIR_SETTLE_USED },
        { true, false, false, WEIR_COMPLETED, 0, 9, WEIR_SETTLE_STANDS },
        { true, false, false, WEIR_FAILED, 0, 9, WEIR_SETTLE_USED },
        { true, false, true, WEIR_FAILED, 0, 9, WEIR_SETTLE_USED },
        { true, false, false, WEIR_CANCELLED, 0, 9, WEIR_SETTLE_USED },
        { true, false, false, WEIR_EXPIRED, 0, 9, WEIR_SETTLE_USED },
        { true, true, true, WEIR_COMPLETED, 0, 9, WEIR_SETTLE_BACK },
        { true, true, false, WEIR_CANCELLED, 0, 0, WEIR_SETTLE_BACK }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        weir_settle_init(&s);
        s.hold = true;
        s.found = rows[i].found;
        s.settled = rows[i].settled;
        s.reported = rows[i].reported;
        s.state = rows[i].state;
        s.h.by = rows[i].by;

        if (weir_settle_judge(&s, rows[i].due) != rows[i].verdict) {
            fail_msg("row %zu", i);
        }
    }
}


/* what others ended is left to who may have been at it, for a while */

static void
test_cut(void **state)
{
    weir_settle_t  s;

    (void) state;

    weir_settle_init(&s);
    s.found = s.cut = true;
    s.state = WEIR_CANCELLED;
    s.fin_at = 1000;

    assert_int_equal(weir_settle_judge(&s, 0), WEIR_SETTLE_WAIT);
    assert_int_equal(weir_settle_judge(&s, 5999), WEIR_SETTLE_WAIT);
    assert_int_equal(weir_settle_judge(&s, 6000), WEIR_SETTLE_USED);
    assert_int_equal(weir_settle_next(&s, 1200), 6000);
    assert_int_equal(weir_settle_next(&s, 9000), 9000);

    s.reported = true;
    assert_int_equal(weir_settle_judge(&s, 0), WEIR_SETTLE_USED);
    s.settled = true;
    assert_int_equal(weir_settle_judge(&s, 0), WEIR_SETTLE_BACK);
}


static void
test_units(void **state)
{
    size_t         i;
    weir_charge_t  c;
    weir_settle_t  s;

    static const struct {
        weir_unit_e  unit;
        int64_t      reserved;
        int64_t      used;          /* what the correction is then */
    } rows[] = {
        { WEIR_UNIT_TOKENS, 500, -380 },
        { WEIR_UNIT_TOKENS, 100, 20 },
        { WEIR_UNIT_TOKENS, 120, 0 },
        { WEIR_UNIT_INPUT, 500, -400 },
        { WEIR_UNIT_OUTPUT, 500, -480 },
        { WEIR_UNIT_COST, 500, 500 },
        { WEIR_UNIT_REQUESTS, 1, 0 }
    };

    (void) state;

    weir_settle_init(&s);
    s.input_tokens = 100;
    s.output_tokens = 20;
    s.cost = 1000;
    memset(&c, 0, sizeof(c));
    c.limit.form = WEIR_LIMIT_RATE;

    for (i = 0; i < ROWS(rows); i++) {
        c.unit = rows[i].unit;
        c.units = rows[i].reserved;

        assert_int_equal(weir_settle_units(&s, &c, WEIR_SETTLE_USED),
                         rows[i].used);
        assert_int_equal(weir_settle_units(&s, &c, WEIR_SETTLE_BACK),
                         -rows[i].reserved);
        assert_int_equal(weir_settle_units(&s, &c, WEIR_SETTLE_STANDS), 0);
        assert_int_equal(weir_settle_units(&s, &c, WEIR_SETTLE_WAIT), 0);
    }

    c.unit = WEIR_UNIT_JOBS_AT_ONCE;
    c.limit.form = WEIR_LIMIT_AT_ONCE;
    c.units = 1;
    assert_int_equal(weir_settle_units(&s, &c, WEIR_SETTLE_BACK), 0);

    s.deadline = 500;
    assert_int_equal(weir_settle_next(&s, 100), 500 + WEIR_SETTLE_GRACE);
    assert_int_equal(weir_settle_next(&s, 900), 900 + WEIR_SETTLE_GRACE);
}


static void
test_usage(void **state)
{
    unsigned       n;
    weir_usage_t   list[4];
    weir_settle_t  s;

    (void) state;

    weir_settle_init(&s);
    s.found = s.counts = true;
    s.owner = weir_str("al");
    s.fin_at = 1582934400000;               /* the last day of a February */
    s.input_tokens = 3;
    s.output_tokens = 4;
    s.cost = 5;

    n = weir_usage_add(list, 0, &s);
    s.fin_at += 86399999;
    n = weir_usage_add(list, n, &s);
    assert_int_equal(n, 1);
    assert_string_equal(list[0].day, "20200229");
    unit_str(list[0].owner, "al");
    assert_int_equal(list[0].jobs, 2);
    assert_int_equal(list[0].input_tokens, 6);
    assert_int_equal(list[0].output_tokens, 8);
    assert_int_equal(list[0].cost, 10);

    s.fin_at++;
    n = weir_usage_add(list, n, &s);
    s.owner = weir_str("bob");
    n = weir_usage_add(list, n, &s);
    assert_int_equal(n, 3);
    assert_string_equal(list[1].day, "20200301");
    unit_str(list[2].owner, "bob");
    assert_int_equal(list[2].cost, 5);

    /* of nobody, never there, or never a job */

    s.owner = weir_str_null;
    assert_int_equal(weir_usage_add(list, n, &s), 3);
    s.owner = weir_str("bob");
    s.counts = false;
    assert_int_equal(weir_usage_add(list, n, &s), 3);
    s.counts = true;
    s.found = false;
    assert_int_equal(weir_usage_add(list, n, &s), 3);
    assert_int_equal(list[2].jobs, 1);
}


static void
test_day(void **state)
{
    char    day[WEIR_DAY_LEN + 1];
    size_t  i;

    static const struct {
        int64_t      ms;
        const char  *day;
    } rows[] = {
        { 0, "19700101" }, { 86399999, "19700101" }, { 86400000, "19700102" },
        { 951782400000, "20000229" }, { 951868800000, "20000301" },
        { 1798761599999, "20261231" }, { 1798761600000, "20270101" },
        { 4107542400000, "21000301" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        weir_day(rows[i].ms, day);
        assert_string_equal(day, rows[i].day);
    }
}


/* what has leaked is not given back: what came first leaks first */

static void
test_due(void **state)
{
    size_t        i;
    weir_limit_t  l;

    /* of 10 a second; charged when the level was then 30 units */

    static const struct {
        int64_t  after, units, due;
    } rows[] = {
        { 0, -20, -20 }, { 500000, -20, -20 }, { 1000000, -20, -20 },
        { 1000001, -20, -19 }, { 2000000, -20, -10 }, { 2950000, -20, 0 },
        { 3000000, -20, 0 }, { 9000000, -20, 0 }, { -5, -20, -20 },
        { 9000000, 20, 20 }, { 9000000, 0, 0 }, { 2000000, -3, -3 },
        { 1, INT64_MIN, -29 }
    };

    (void) state;

    assert_true(weir_limit_rate(&l, WEIR_UNIT_TOKENS, weir_str("10/s"), 100));

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(weir_limit_due(&l, 1000000, 30 * WEIR_LIMIT_MICRO,
                                        1000000 + rows[i].after,
                                        rows[i].units),
                         rows[i].due);
    }

    l.form = WEIR_LIMIT_QUOTA;
    assert_int_equal(weir_limit_due(&l, 1000000, 30 * WEIR_LIMIT_MICRO,
                                    86400000000, -20), -20);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_day)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
