/*
 * The texts of limits: those of nginx.conf and of keys, and the state in Redis.
 */

#include "unit.h"
#include "weir_limit.h"


#define SECOND  1000000LL


static void
test_amounts(void **state)
{
    size_t   i;
    int64_t  n;

    static const struct {
        weir_unit_e  unit;
        const char  *text;
        int64_t      amount;            /* -1: bad */
    } rows[] = {
        { WEIR_UNIT_TOKENS, "0", 0 },
        { WEIR_UNIT_TOKENS, "007", 7 },
        { WEIR_UNIT_TOKENS, "100k", 100000 },
        { WEIR_UNIT_TOKENS, "3M", 3000000 },
        { WEIR_UNIT_TOKENS, "1000G", WEIR_LIMIT_AMOUNT_MAX },
        { WEIR_UNIT_TOKENS, "1000000000000", WEIR_LIMIT_AMOUNT_MAX },
        { WEIR_UNIT_TOKENS, "1000000000001", -1 },
        { WEIR_UNIT_TOKENS, "1001G", -1 },
        { WEIR_UNIT_TOKENS, "99999999999999999999999", -1 },
        { WEIR_UNIT_TOKENS, "", -1 },
        { WEIR_UNIT_TOKENS, "k", -1 },
        { WEIR_UNIT_TOKENS, "1K", -1 },
        { WEIR_UNIT_TOKENS, "1kk", -1 },
        { WEIR_UNIT_TOKENS, "-1", -1 },
        { WEIR_UNIT_TOKENS, " 1", -1 },
        { WEIR_UNIT_TOKENS, "1.5", -1 },
        { WEIR_UNIT_COST, "20", 20000000 },
        { WEIR_UNIT_COST, "0.5", 500000 },
        { WEIR_UNIT_COST, "0.000001", 1 },
        { WEIR_UNIT_COST, "1.25k", 1250000000 },
        { WEIR_UNIT_COST, "1000000", WEIR_LIMIT_AMOUNT_MAX },
        { WEIR_UNIT_COST, "1000000.000001", -1 },
        { WEIR_UNIT_COST, "1000000000000", -1 },
        { WEIR_UNIT_COST, "0.0000001", -1 },
        { WEIR_UNIT_COST, ".5", -1 },
        { WEIR_UNIT_COST, "5.", -1 },
        { WEIR_UNIT_COST, "1.2.3", -1 },
        { WEIR_UNIT_COST, "$1", -1 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        n = -1;
        assert_int_equal(weir_limit_amount(rows[i].unit,
                                           weir_str_of(rows[i].text), &n),
                         rows[i].amount >= 0);
        assert_int_equal(n, rows[i].amount);
    }

    assert_false(weir_limit_amount(WEIR_UNIT_COST, weir_str_null, &n));
}


static void
test_rates(void **state)
{
    size_t        i;
    weir_limit_t  l;

    static const struct {
        weir_unit_e  unit;
        const char  *text;
        int64_t      burst, amount, period, capacity;
    } rows[] = {
        { WEIR_UNIT_REQUESTS, "10r/m", -1, 10, 60, 1 },
        { WEIR_UNIT_REQUESTS, "10/m", 2, 10, 60, 3 },
        { WEIR_UNIT_REQUESTS, "1kr/s", 0, 1000, 1, 1 },
        { WEIR_UNIT_AUTH_FAILURES, "5/h", 9, 5, 3600, 10 },
        { WEIR_UNIT_TOKENS, "40k/d", -1, 40000, 86400, 40000 },
        { WEIR_UNIT_TOKENS, "40k/m", 100, 40000, 60, 100 },
        { WEIR_UNIT_COST, "0.25/h", -1, 250000, 3600, 250000 },
        { WEIR_UNIT_REQUESTS, "1/s", WEIR_LIMIT_AMOUNT_MAX, 1, 1,
          WEIR_LIMIT_AMOUNT_MAX + 1 },
        { WEIR_UNIT_REQUESTS, "1/s", WEIR_LIMIT_AMOUNT_MAX + 1, 0, 0, 0 },
        { WEIR_UNIT_REQUESTS, "0/s", -1, 0, 0, 0 },
        { WEIR_UNIT_REQUESTS, "r/s", -1, 0, 0, 0 },
        { WEIR_UNIT_REQUESTS, "1rr/s", -1, 0, 0, 0 },
        { WEIR_UNIT_REQUESTS, "1", -1, 0, 0, 0 },
        { WEIR_UNIT_REQUESTS, "1/", -1, 0, 0, 0 },
        { WEIR_UNIT_REQUESTS, "/s", -1, 0, 0, 0 },
        { WEIR_UNIT_REQUESTS, "1/w", -1, 0, 0, 0 },
        { WEIR_UNIT_REQUESTS, "1/minute", -1, 0, 0, 0 },
        { WEIR_UNIT_REQUESTS, "1/s/s", -1, 0, 0, 0 },
        { WEIR_UNIT_TOKENS, "1r/s", -1, 0, 0, 0 },
        { WEIR_UNIT_TOKENS, "1/s", 0, 0, 0, 0 },
        { WEIR_UNIT_TOKENS, "0.5/s", -1, 0, 0, 0 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(weir_limit_rate(&l, rows[i].unit,
                                         weir_str_of(rows[i].text),
                                         rows[i].burst),
                         rows[i].amount > 0);

        if (rows[i].amount > 0) {
            assert_int_equal(l.form, WEIR_LIMIT_RATE);
            assert_int_equal(l.amount, rows[i].amount);
            assert_int_equal(l.period, rows[i].period * SECOND);
            assert_int_equal(l.capacity, rows[i].capacity);
        }
    }
}


static void
test_quotas(void **state)
{
    size_t        i;
    weir_limit_t  l;

    static const char *const  bad[] = {
        "", "1", "1/", "/day", "1/d", "1/Day", "1/day ", "1/year", "x/day",
        "1/days", "-1/day", "1.5/day"
    };

    (void) state;

    for (i = 0; i < ROWS(bad); i++) {
        assert_false(weir_limit_quota(&l, WEIR_UNIT_TOKENS,
                                      weir_str_of(bad[i])));
    }

    assert_true(weir_limit_quota(&l, WEIR_UNIT_COST, weir_str("5.5/month")));
    assert_int_equal(l.form, WEIR_LIMIT_QUOTA);
    assert_int_equal(l.amount, 5500000);
    assert_int_equal(l.calendar, WEIR_MONTH);
    assert_int_equal(weir_limit_room(&l), 5500000);

    assert_true(weir_limit_quota(&l, WEIR_UNIT_TOKENS, weir_str("0/week")));
    assert_string_equal(weir_calendar_name(l.calendar), "week");

    assert_true(weir_limit_at_once(&l, weir_str("4")));
    assert_int_equal(l.form, WEIR_LIMIT_AT_ONCE);
    assert_int_equal(l.amount, 4);
    assert_false(weir_limit_at_once(&l, weir_str("4/s")));
    assert_false(weir_limit_at_once(&l, weir_str("")));
    assert_false(weir_limit_at_once(&l, weir_str("0.5")));
}


static void
test_units(void **state)
{
    int  i;

    (void) state;

    for (i = 0; i < WEIR_UNITS; i++) {
        assert_int_equal(weir_unit_parse(weir_str_of(weir_unit_name(i))), i);
        assert_true(strlen(weir_unit_qu(i)) > 0);
    }

    assert_string_equal(weir_unit_qu(WEIR_UNIT_TOKENS), "weir-tokens");
    assert_int_equal(weir_unit_parse(weir_str("request")), -1);
    assert_int_equal(weir_unit_parse(weir_str_null), -1);
}


static void
test_limits_valid(void **state)
{
    size_t  i;

    static const struct {
        const char  *limits;
        bool         valid;
    } rows[] = {
        { "a=1/s", true },
        { "a=1r/s+10,b=5/day,c=4,d=unlimited", true },
        { "tokens=100k/m+50k", true },
        { "cost=0.50/h+2.5", true },
        { "cost=2.5/month", true },
        { "a.b-c_d@e=1/s", true },
        { "a=0/day", true },
        { "a=0", true },
        { "", false },
        { ",", false },
        { "a", false },
        { "a=", false },
        { "=1/s", false },
        { "a=1/s,", false },
        { ",a=1/s", false },
        { "a=1/s,,b=1/s", false },
        { "a=1/s,a=2/s", false },
        { "a=1/s, b=1/s", false },
        { "a b=1/s", false },
        { "a=0/s", false },
        { "a=1/s+", false },
        { "a=1/s+x", false },
        { "a=1/day+5", false },
        { "a=5+5", false },
        { "a=never", false },
        { "a=Unlimited", false },
        { "a=1/s=2", false },
        { "12345678901234567890123456789012=1/s", true },
        { "123456789012345678901234567890123=1/s", false },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (weir_limits_valid(weir_str_of(rows[i].limits)) != rows[i].valid) {
            fail_msg("\"%s\"", rows[i].limits);
        }
    }
}


static void
test_limits_find(void **state)
{
    weir_limit_t  l;

    const weir_str_t  limits = weir_str("a=10r/m+2,b=5/day,c=4,d=unlimited,"
                                        "e=1.5/h,f=100k/m");

    (void) state;

#define FIND(zone, unit, form)                                                \
    weir_limits_find(limits, weir_str(zone), WEIR_UNIT_##unit,                \
                     WEIR_LIMIT_##form, &l)

    assert_true(FIND("a", REQUESTS, RATE));
    assert_int_equal(l.amount, 10);
    assert_int_equal(l.capacity, 3);

    assert_true(FIND("b", REQUESTS, QUOTA));
    assert_int_equal(l.calendar, WEIR_DAY);

    assert_true(FIND("c", REQUESTS_AT_ONCE, AT_ONCE));
    assert_int_equal(l.amount, 4);

    assert_true(FIND("d", TOKENS, RATE));
    assert_int_equal(l.form, WEIR_LIMIT_NONE);
    assert_true(FIND("d", TOKENS, QUOTA));

    assert_true(FIND("e", COST, RATE));
    assert_int_equal(l.amount, 1500000);
    assert_false(FIND("e", TOKENS, RATE));

    assert_true(FIND("f", INPUT, RATE));
    assert_int_equal(l.capacity, 100000);

    assert_false(FIND("b", REQUESTS, RATE));
    assert_false(FIND("a", REQUESTS, AT_ONCE));
    assert_false(FIND("g", REQUESTS, RATE));
    assert_false(FIND("", REQUESTS, RATE));
    assert_false(FIND("d", REQUESTS, NONE) && l.form != WEIR_LIMIT_NONE);
    assert_false(weir_limits_find(weir_str_null, weir_str("a"),
                                  WEIR_UNIT_REQUESTS, WEIR_LIMIT_RATE, &l));

#undef FIND
}


static void
test_state(void **state)
{
    int                 i;
    size_t              j;
    char                buf[WEIR_LIMIT_STATE_MAX];
    uint64_t            seed;
    weir_limit_state_t  s, t;

    static const char *const  bad[] = {
        "", " ", "1", "1 ", " 1", "1  1", "1 1 1", "-1 1", "1 -1", "1 x",
        "9223372036854775808 1", "1 9999999999999999999",
        "1 10000000000000000000", "1234567890123456789x 1"
    };

    (void) state;

    seed = unit_seed();

    for (i = 0; i < 10000; i++) {
        s.level = (int64_t) (unit_random(&seed)
                             >> (1 + unit_random(&seed) % 63));
        s.at = (int64_t) (unit_random(&seed)
                          >> (1 + unit_random(&seed) % 63));
        assert_true(weir_limit_state_read(weir_limit_state_write(&s, buf),
                                          &t));
        assert_int_equal(t.level, s.level);
        assert_int_equal(t.at, s.at);
    }

    s = (weir_limit_state_t) { INT64_MAX, INT64_MAX };
    unit_str(weir_limit_state_write(&s, buf),
             "9223372036854775807 9223372036854775807");
    assert_true(weir_limit_state_read(weir_limit_state_write(&s, buf), &t));

    s = (weir_limit_state_t) { -5, -5 };
    unit_str(weir_limit_state_write(&s, buf), "0 0");

    for (j = 0; j < ROWS(bad); j++) {
        t = (weir_limit_state_t) { 7, 8 };
        assert_false(weir_limit_state_read(weir_str_of(bad[j]), &t));
        assert_true(t.level == 7 && t.at == 8);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_amounts),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_quotas),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_limits_valid),
        cmocka_unit_test(test_limits_find),
        cmocka_unit_test(test_state)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
