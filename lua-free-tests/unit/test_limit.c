/*
 * The arithmetic of limits: the vectors that others publish (RL-14), calendars,
 * and what holds for every sequence of charges.
 */

#include "unit.h"
#include "weir_limit.h"


#define SECOND  1000000LL
#define DAY     (86400 * SECOND)
#define MICRO   WEIR_LIMIT_MICRO


static const weir_limit_t  vector = {
    .form = WEIR_LIMIT_RATE, .amount = 1, .period = SECOND, .capacity = 5
};


static weir_limit_verdict_t
ask(const weir_limit_t *l, weir_limit_state_t *s, int64_t now, int64_t cost)
{
    weir_limit_state_t    after;
    weir_limit_verdict_t  v;

    weir_limit_try(l, s, now, cost, &v, &after);

    if (v.allowed) {
        weir_limit_charge(l, s, now, cost);
    }

    assert_int_equal(after.level, s->level);
    assert_int_equal(after.at, s->at);

    return v;
}


/* http.md 1.3: rate 1/s, burst 4; in tenths of a second */

static void
test_vectors(void **state)
{
    size_t                i;
    weir_limit_state_t    s = { 0, 0 };
    weir_limit_verdict_t  v;

    static const struct {
        int  t, cost, limited, remaining, reset, retry;
    } rows[] = {
        { 0, 6, 1, 5, 0, -1 },
        { 0, 1, 0, 4, 10, 0 },
        { 0, 1, 0, 3, 20, 0 },
        { 0, 1, 0, 2, 30, 0 },
        { 0, 1, 0, 1, 40, 0 },
        { 0, 1, 0, 0, 50, 0 },
        { 0, 1, 1, 0, 50, 10 },
        { 30, 1, 0, 2, 30, 0 },
        { 31, 1, 0, 1, 39, 0 },
        { 40, 1, 0, 1, 40, 0 },
        { 80, 1, 0, 4, 10, 0 },
        { 95, 1, 0, 4, 10, 0 },
        { 95, 0, 0, 4, 10, 0 },
        { 95, 2, 0, 2, 30, 0 },
        { 95, 5, 1, 2, 30, 30 },
        { 150, 6, 1, 5, 0, -1 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        v = ask(&vector, &s, 1000 * SECOND + rows[i].t * SECOND / 10,
                rows[i].cost);

        assert_int_equal(v.allowed, !rows[i].limited);
        assert_int_equal(v.remaining, rows[i].remaining);
        assert_int_equal(v.full, rows[i].reset * SECOND / 10);
        assert_int_equal(v.retry, rows[i].retry < 0
                                  ? -1 : rows[i].retry * SECOND / 10);
    }
}


static void
test_look(void **state)
{
    weir_limit_state_t    s = { 2500000, 1000 }, before = s;
    weir_limit_verdict_t  v;

    (void) state;

    v = ask(&vector, &s, 1000, 0);
    assert_true(v.allowed);
    assert_int_equal(v.remaining, 2);
    assert_int_equal(v.more, 500000);
    assert_int_equal(v.full, 2500000);
    assert_memory_equal(&s, &before, sizeof(s));

    weir_limit_check(&vector, &s, 1000, 3, &v);
    assert_false(v.allowed);
    assert_memory_equal(&s, &before, sizeof(s));

    /* in debt */

    s.level = 9 * MICRO;
    v = ask(&vector, &s, 1000, 0);
    assert_true(v.allowed);
    assert_int_equal(v.remaining, 0);
    assert_int_equal(v.more, 5 * SECOND);
}


static void
test_debt(void **state)
{
    weir_limit_state_t    s = { 0, 0 };
    weir_limit_verdict_t  v;

    (void) state;

    weir_limit_charge(&vector, &s, SECOND, 9);
    weir_limit_check(&vector, &s, SECOND, 1, &v);
    assert_false(v.allowed);
    assert_int_equal(v.remaining, 0);
    assert_int_equal(v.retry, 5 * SECOND);

    weir_limit_charge(&vector, &s, SECOND, -3);
    weir_limit_check(&vector, &s, SECOND, 1, &v);
    assert_int_equal(v.retry, 2 * SECOND);

    /* never more than there is */

    weir_limit_charge(&vector, &s, SECOND, -30);
    assert_int_equal(s.level, 0);
    weir_limit_check(&vector, &s, SECOND, 0, &v);
    assert_int_equal(v.remaining, 5);
}


static void
test_clock(void **state)
{
    weir_limit_state_t    s = { 5 * MICRO, 1000 * SECOND };
    weir_limit_verdict_t  v;

    (void) state;

    /* two clocks that differ: time does not count twice */

    weir_limit_check(&vector, &s, 998 * SECOND, 1, &v);
    assert_false(v.allowed);
    assert_int_equal(v.retry, 3 * SECOND);
    weir_limit_charge(&vector, &s, 998 * SECOND, 1);
    assert_int_equal(s.at, 1000 * SECOND);
    assert_int_equal(s.level, 6 * MICRO);
    assert_false(weir_limit_ahead(&s, 998 * SECOND));

    /* a clock that was set back: no time has passed, and it counts again */

    assert_true(weir_limit_ahead(&s, 100 * SECOND));
    weir_limit_check(&vector, &s, 100 * SECOND, 1, &v);
    assert_false(v.allowed);
    assert_int_equal(v.retry, 2 * SECOND);
    weir_limit_charge(&vector, &s, 100 * SECOND, 0);
    assert_int_equal(s.at, 100 * SECOND);
    weir_limit_check(&vector, &s, 102 * SECOND, 1, &v);
    assert_true(v.allowed);

    /* forward: no more than all of it */

    weir_limit_check(&vector, &s, INT64_MAX, 1, &v);
    assert_true(v.allowed);
    assert_int_equal(v.remaining, 4);
}


/* below one unit a second, steps that leak nothing lose no time */

static void
test_small_steps(void **state)
{
    int                   i;
    weir_limit_t          l;
    weir_limit_state_t    s = { 0, 0 };
    weir_limit_verdict_t  v;

    (void) state;

    assert_true(weir_limit_rate(&l, WEIR_UNIT_REQUESTS, weir_str("1/d"), 0));
    weir_limit_charge(&l, &s, DAY, 1);

    for (i = 1; i <= 864000; i++) {
        weir_limit_charge(&l, &s, DAY + i * DAY / 864001, 1);
        weir_limit_charge(&l, &s, DAY + i * DAY / 864001, -1);
    }

    weir_limit_check(&l, &s, 2 * DAY + SECOND, 1, &v);
    assert_true(v.allowed);
}


static void
test_quota(void **state)
{
    weir_limit_t          l;
    weir_limit_state_t    s = { 0, 0 };
    weir_limit_verdict_t  v;

    (void) state;

    assert_true(weir_limit_quota(&l, WEIR_UNIT_REQUESTS, weir_str("3/day")));

    v = ask(&l, &s, 5 * DAY + 1, 2);
    assert_true(v.allowed);
    assert_int_equal(v.remaining, 1);
    assert_int_equal(v.more, DAY - 1);
    assert_int_equal(s.at, 5 * DAY);

    v = ask(&l, &s, 6 * DAY - 1, 2);
    assert_false(v.allowed);
    assert_int_equal(v.remaining, 1);
    assert_int_equal(v.retry, 1);

    v = ask(&l, &s, 6 * DAY - 1, 4);
    assert_int_equal(v.retry, -1);

    v = ask(&l, &s, 6 * DAY, 2);
    assert_true(v.allowed);
    assert_int_equal(weir_limit_lasts(&l, &s, 6 * DAY + 5), DAY - 5);
    assert_int_equal(weir_limit_lasts(&l, &s, 7 * DAY), 0);

    /* settled in its window, and after it */

    weir_limit_settle(&l, &s, 6 * DAY + 9, 6 * DAY, 7);
    assert_int_equal(s.level, 9 * MICRO);
    weir_limit_settle(&l, &s, 6 * DAY + 9, 5 * DAY, -7);
    assert_int_equal(s.level, 9 * MICRO);
    weir_limit_settle(&l, &s, 7 * DAY + 9, 6 * DAY, 7);
    assert_int_equal(s.level, 9 * MICRO);
    weir_limit_check(&l, &s, 7 * DAY + 9, 3, &v);
    assert_true(v.allowed);
    weir_limit_settle(&l, &s, 6 * DAY + 9, 6 * DAY, -9);
    assert_int_equal(s.level, 0);

    /* the window has another length by now: what the state says is kept */

    s.level = 9 * MICRO;
    s.at = 4 * DAY;
    weir_limit_settle(&l, &s, 6 * DAY + 9, 6 * DAY, -7);
    assert_int_equal(s.level, 9 * MICRO);
    assert_int_equal(s.at, 4 * DAY);

    /* the state got lost, and a debt is none */

    memset(&s, 0, sizeof(s));
    weir_limit_settle(&l, &s, 6 * DAY + 9, 6 * DAY, 7);
    assert_int_equal(s.level, 7 * MICRO);
    assert_int_equal(s.at, 6 * DAY);

    /* another node has begun the next window already */

    s = (weir_limit_state_t) { 3 * MICRO, 8 * DAY };
    weir_limit_check(&l, &s, 8 * DAY - 5, 1, &v);
    assert_false(v.allowed);
    assert_int_equal(v.retry, DAY + 5);
    weir_limit_charge(&l, &s, 8 * DAY - 5, 1);
    assert_int_equal(s.at, 8 * DAY);

    /* a clock was set back */

    weir_limit_check(&l, &s, 2 * DAY + 5, 1, &v);
    assert_false(v.allowed);
    assert_int_equal(v.retry, DAY - 5);
    weir_limit_charge(&l, &s, 2 * DAY + 5, 0);
    assert_int_equal(s.at, 2 * DAY);

    /* none at all */

    assert_true(weir_limit_quota(&l, WEIR_UNIT_REQUESTS, weir_str("0/day")));
    weir_limit_check(&l, &s, 9 * DAY, 1, &v);
    assert_false(v.allowed);
    assert_int_equal(v.retry, -1);
    assert_int_equal(v.full, 0);
}


static void
test_at_once(void **state)
{
    weir_limit_t          l;
    weir_limit_state_t    s = { 0, 0 };
    weir_limit_verdict_t  v;

    (void) state;

    assert_true(weir_limit_at_once(&l, weir_str("2")));
    assert_true(ask(&l, &s, 1, 1).allowed);
    assert_true(ask(&l, &s, DAY, 1).allowed);
    assert_int_equal(weir_limit_lasts(&l, &s, DAY), INT64_MAX);

    v = ask(&l, &s, 2 * DAY, 1);
    assert_false(v.allowed);
    assert_int_equal(v.remaining, 0);
    assert_int_equal(v.retry, SECOND);
    assert_int_equal(ask(&l, &s, 2 * DAY, 3).retry, -1);

    weir_limit_charge(&l, &s, 2 * DAY, -1);
    assert_true(ask(&l, &s, 2 * DAY, 1).allowed);
    weir_limit_settle(&l, &s, 2 * DAY, 0, -2);
    assert_int_equal(weir_limit_lasts(&l, &s, DAY), 0);
}


static void
test_unlimited(void **state)
{
    weir_limit_t          l = { 0 };
    weir_limit_state_t    s = { 0, 0 };
    weir_limit_verdict_t  v;

    (void) state;

    v = ask(&l, &s, 7, INT64_MAX);
    assert_true(v.allowed);
    assert_int_equal(v.remaining, WEIR_LIMIT_AMOUNT_MAX);
    assert_int_equal(s.level, 0);
    assert_int_equal(weir_limit_lasts(&l, &s, 7), 0);
    assert_int_equal(weir_limit_delay(&l, 7, 0), 0);
}


/* RL-13: burst=5 delay=2 */

static void
test_delay(void **state)
{
    int                   i;
    weir_limit_t          l;
    weir_limit_state_t    s = { 0, 0 };
    weir_limit_verdict_t  v;

    static const int64_t  waits[] = { 0, 0, 0, 500000, 1000000, 1500000 };

    (void) state;

    assert_true(weir_limit_rate(&l, WEIR_UNIT_REQUESTS, weir_str("2r/s"), 5));

    for (i = 0; i < 6; i++) {
        v = ask(&l, &s, DAY, 1);
        assert_true(v.allowed);
        assert_int_equal(weir_limit_delay(&l, v.excess, 2), waits[i]);
    }

    assert_false(ask(&l, &s, DAY, 1).allowed);
}


static int64_t
utc(int year, int month, int day)
{
    static const int  before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273,
                                   304, 334 };

    int      y;
    int64_t  days;

    days = before[month - 1] + day - 1;

    for (y = 1970; y < year; y++) {
        days += 365 + (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
    }

    days += month > 2 && year % 4 == 0
            && (year % 100 != 0 || year % 400 == 0);

    return days * DAY;
}


static void
test_calendar(void **state)
{
    int      year, month;
    size_t   i;
    int64_t  now, start, end;

    const struct {
        weir_calendar_e  calendar;
        int64_t          now, start, end;
    } rows[] = {
        { WEIR_MINUTE, 61 * SECOND, 60 * SECOND, 120 * SECOND },
        { WEIR_HOUR, 3600 * SECOND - 1, 0, 3600 * SECOND },
        { WEIR_DAY, DAY, DAY, 2 * DAY },
        { WEIR_DAY, -1, -DAY, 0 },
        { WEIR_MONTH, -1, -31 * DAY, 0 },
        { WEIR_WEEK, 0, -3 * DAY, 4 * DAY },
        { WEIR_WEEK, utc(2026, 11, 22) + 1, utc(2026, 11, 16),
          utc(2026, 11, 23) },
        { WEIR_WEEK, utc(2026, 11, 23), utc(2026, 11, 23), utc(2026, 11, 30) },
        { WEIR_MONTH, utc(2028, 2, 29), utc(2028, 2, 1), utc(2028, 3, 1) },
        { WEIR_MONTH, utc(2100, 2, 28), utc(2100, 2, 1), utc(2100, 3, 1) },
        { WEIR_MONTH, utc(2027, 1, 1) - 1, utc(2026, 12, 1), utc(2027, 1, 1) },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        weir_calendar_window(rows[i].calendar, rows[i].now, &start, &end);
        assert_int_equal(start, rows[i].start);
        assert_int_equal(end, rows[i].end);
    }

    for (year = 1970; year < 2420; year++) {
        for (month = 1; month <= 12; month++) {
            now = utc(year, month, 1 + year % 28) + month * 1234567;
            weir_calendar_window(WEIR_MONTH, now, &start, &end);
            assert_int_equal(start, utc(year, month, 1));
            assert_int_equal(end, month < 12 ? utc(year, month + 1, 1)
                                             : utc(year + 1, 1, 1));
        }
    }
}


static int64_t
some(uint64_t *seed, int64_t most)
{
    int64_t  n;

    n = 1;

    while (n < most && unit_random(seed) % 4) {
        n *= 10;
    }

    n = n < most ? n : most;

    return (int64_t) (unit_random(seed) % (uint64_t) n) + 1;
}


static weir_limit_t
some_rate(uint64_t *seed)
{
    static const int64_t  periods[] = { SECOND, 60 * SECOND, 3600 * SECOND,
                                        DAY };

    return (weir_limit_t) {
        .form = WEIR_LIMIT_RATE,
        .amount = some(seed, WEIR_LIMIT_AMOUNT_MAX),
        .period = periods[unit_random(seed) % 4],
        .capacity = some(seed, 10000000)    /* full in 30,000 years */
    };
}


/* us in which the limit leaks n units, or so */

static int64_t
pace(const weir_limit_t *l, int64_t n)
{
    __extension__ __int128  us;

    us = (__extension__ (__int128) n) * l->period / l->amount;

    return us > 1000 * DAY ? 1000 * DAY : (int64_t) us;
}


/* whatever is asked when: no more than capacity + rate * time is admitted, and
 * an answer "in so many us" is exact */

static void
test_bound(void **state)
{
    int                   i, j;
    int64_t               now, begun, latest, cost, back;
    uint64_t              seed;
    weir_limit_t          l;
    weir_limit_state_t    s;
    weir_limit_verdict_t  v, w;

    __extension__ __int128  admitted, bound;

    (void) state;

    seed = unit_seed();

    for (i = 0; i < 2000; i++) {
        l = some_rate(&seed);
        memset(&s, 0, sizeof(s));
        begun = now = latest = 1700000000 * SECOND;
        admitted = 0;

        for (j = 0; j < 200; j++) {
            cost = some(&seed, l.capacity + 1);
            v = ask(&l, &s, now, cost);

            assert_true(v.remaining >= 0 && v.remaining <= l.capacity);

            if (v.allowed) {
                admitted += cost;
                assert_int_equal(v.retry, 0);

            } else if (cost > l.capacity) {
                assert_int_equal(v.retry, -1);

            } else {
                assert_true(v.retry > 0 && v.more > 0 && v.more <= v.full);

                weir_limit_check(&l, &s, now + v.retry - 1, cost, &w);
                assert_false(w.allowed);
                weir_limit_check(&l, &s, now + v.retry, cost, &w);
                assert_true(w.allowed);
            }

            if (v.more) {
                weir_limit_check(&l, &s, now + v.more - 1, 0, &w);
                assert_int_equal(w.remaining, v.remaining);
                weir_limit_check(&l, &s, now + v.more, 0, &w);
                assert_true(w.remaining > v.remaining);
            }

            weir_limit_check(&l, &s, now + v.full, 0, &w);
            assert_int_equal(w.full, 0);

            bound = (__extension__ (__int128) l.capacity) * l.period
                    + (__extension__ (__int128) l.amount) * (latest - begun);
            assert_true(admitted * l.period <= bound);

            switch (unit_random(&seed) % 6) {
            case 0:
                now += pace(&l, some(&seed, l.capacity));
                break;
            case 1:
                now += v.retry > 0 ? v.retry : 1;
                break;
            case 2:
                now += some(&seed, 1000);
                break;
            case 3:
                /* another's clock */
                back = some(&seed, WEIR_LIMIT_SKEW);
                now = latest - back > begun ? latest - back : begun;
                break;
            }

            latest = now > latest ? now : latest;
        }
    }
}


/* a client that keeps to the rate is never refused */

static void
test_pace(void **state)
{
    int           i, j;
    int64_t       now, start;
    uint64_t      seed;
    weir_limit_t  l;
    weir_limit_state_t  s;

    (void) state;

    seed = unit_seed();

    for (i = 0; i < 500; i++) {
        l = some_rate(&seed);
        l.amount = some(&seed, 5000);
        l.capacity = 1;
        memset(&s, 0, sizeof(s));
        start = 1700000000 * SECOND;

        for (j = 0; j < 300; j++) {
            now = start + (int64_t) ((__extension__ (__int128) j) * l.period
                                     * 1001 / l.amount / 1000) + 2 * j;
            assert_true(ask(&l, &s, now, 1).allowed);
        }
    }
}


static void
test_quota_bound(void **state)
{
    int           i, j;
    int64_t       now, start, end, window, cost, admitted;
    uint64_t      seed;
    weir_limit_t  l = { .form = WEIR_LIMIT_QUOTA };

    weir_limit_state_t    s;
    weir_limit_verdict_t  v, w;

    (void) state;

    seed = unit_seed();

    for (i = 0; i < 500; i++) {
        l.calendar = unit_random(&seed) % WEIR_CALENDARS;
        l.amount = some(&seed, WEIR_LIMIT_AMOUNT_MAX);
        memset(&s, 0, sizeof(s));
        now = 1700000000 * SECOND;
        window = 0;
        admitted = 0;

        for (j = 0; j < 200; j++) {
            weir_calendar_window(l.calendar, now, &start, &end);
            assert_true(start <= now && now < end);

            if (start != window) {
                window = start;
                admitted = 0;
            }

            cost = some(&seed, l.amount);
            v = ask(&l, &s, now, cost);
            assert_int_equal(v.allowed, admitted + cost <= l.amount);

            if (v.allowed) {
                admitted += cost;

            } else {
                weir_limit_check(&l, &s, now + v.retry - 1, cost, &w);
                assert_false(w.allowed);
                weir_limit_check(&l, &s, now + v.retry, cost, &w);
                assert_true(w.allowed);
            }

            assert_int_equal(v.remaining, l.amount - admitted);

            now += some(&seed, DAY);
        }
    }
}


/* any numbers: nothing overflows, and what is said makes sense */

static void
test_wild(void **state)
{
    int                   i;
    uint64_t              seed;
    weir_limit_t          l;
    weir_limit_state_t    s;
    weir_limit_verdict_t  v;

    (void) state;

    seed = unit_seed();

    for (i = 0; i < 200000; i++) {
        l = some_rate(&seed);
        l.form = unit_random(&seed) % 4;
        l.calendar = unit_random(&seed) % WEIR_CALENDARS;
        unit_random_bytes(&seed, &s, sizeof(s));

        weir_limit_check(&l, &s, (int64_t) unit_random(&seed),
                         (int64_t) unit_random(&seed), &v);
        assert_true(v.remaining >= 0 && v.more >= 0 && v.full >= 0
                    && v.retry >= -1 && v.excess >= 0);
        assert_true(weir_limit_delay(&l, (int64_t) unit_random(&seed),
                                     (int64_t) unit_random(&seed)) >= 0);
        assert_true(weir_limit_lasts(&l, &s, (int64_t) unit_random(&seed))
                    >= 0);

        weir_limit_settle(&l, &s, (int64_t) unit_random(&seed),
                          (int64_t) unit_random(&seed),
                          (int64_t) unit_random(&seed));
        weir_limit_charge(&l, &s, (int64_t) unit_random(&seed),
                          (int64_t) unit_random(&seed));
        assert_true(l.form == WEIR_LIMIT_NONE || s.level >= 0);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_look),
        cmocka_unit_test(test_debt),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_small_steps),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_unlimited),
        cmocka_unit_test(test_delay),
        cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_quota_bound),
        cmocka_unit_test(test_wild)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
