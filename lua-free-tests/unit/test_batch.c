/*
 * Decisions about limits that are made together: names, all or nothing, what
 * is to be written.
 */

#include "unit.h"
#include "weir_batch.h"

#include <stdio.h>


#define NOW  1795249145000000LL


static const weir_limit_t  ten = {
    .form = WEIR_LIMIT_RATE, .amount = 10, .period = 60000000, .capacity = 10
};

static const weir_limit_t  three = {
    .form = WEIR_LIMIT_QUOTA, .amount = 3, .calendar = WEIR_DAY
};

static const weir_limit_t  two = {
    .form = WEIR_LIMIT_AT_ONCE, .amount = 2
};


static void
test_names(void **state)
{
    int           i, n;
    char          name[WEIR_LIMIT_KEY_MAX + 2];
    weir_batch_t  b;

    (void) state;

    weir_batch_init(&b);

    assert_int_equal(weir_batch_add(&b, "", false), -1);

    memset(name, 'x', sizeof(name));
    name[WEIR_LIMIT_KEY_MAX + 1] = '\0';
    assert_int_equal(weir_batch_add(&b, name, false), -1);
    name[WEIR_LIMIT_KEY_MAX] = '\0';
    assert_int_equal(weir_batch_add(&b, name, false), 0);

    /* a set may have the name of a state */

    assert_int_equal(weir_batch_add(&b, name, true), 1);
    assert_int_equal(weir_batch_add(&b, name, false), 0);
    assert_int_equal(weir_batch_add(&b, name, true), 1);

    for (n = 2; n < WEIR_LIMITS_BATCH; n++) {
        snprintf(name, sizeof(name), "z:%032x", (unsigned) n);
        assert_int_equal(weir_batch_add(&b, name, n % 2), n);
    }

    assert_int_equal(weir_batch_add(&b, "one:more", false), -1);

    /* what was cut off is gone, what was before stays */

    weir_batch_cut(&b, 60);
    assert_int_equal(b.n, 60);

    for (i = 2; i < 60; i++) {
        snprintf(name, sizeof(name), "z:%032x", (unsigned) i);
        assert_int_equal(weir_batch_add(&b, name, i % 2), i);
    }

    assert_int_equal(weir_batch_add(&b, "one:more", false), 60);
    snprintf(name, sizeof(name), "z:%032x", 60u);
    assert_int_equal(weir_batch_add(&b, name, false), 61);

    weir_batch_cut(&b, 0);
    weir_batch_cut(&b, 0);
    assert_int_equal(weir_batch_add(&b, name, true), 0);
}


static void
test_all_or_nothing(void **state)
{
    unsigned              n;
    weir_batch_t          b;
    weir_limit_verdict_t  v[3];
    weir_batch_part_t     parts[3];

    (void) state;

    weir_batch_init(&b);

    parts[0] = (weir_batch_part_t) { weir_batch_add(&b, "a:1", false), &ten, 1,
                                     &v[0] };
    parts[1] = (weir_batch_part_t) { weir_batch_add(&b, "b:1", false), &three,
                                     1, &v[1] };
    parts[2] = (weir_batch_part_t) { weir_batch_add(&b, "c:1", true), &two, 1,
                                     &v[2] };

    for (n = 1; n <= 2; n++) {
        assert_true(weir_batch_decide(&b, parts, 3, NOW));
        assert_int_equal(v[0].remaining, 10 - n);
        assert_int_equal(v[1].remaining, 3 - n);
        assert_int_equal(v[2].remaining, 2 - n);
    }

    assert_true(b.states[0].changed);
    assert_true(b.states[0].lasts >= 12000000);
    assert_true(b.states[1].changed);
    assert_false(b.states[2].changed);              /* its members are */

    /* the set is full: the other two are not touched */

    assert_false(weir_batch_decide(&b, parts, 3, NOW));
    assert_true(v[0].allowed);
    assert_int_equal(v[0].remaining, 8);
    assert_true(v[1].allowed);
    assert_int_equal(v[1].remaining, 1);
    assert_false(v[2].allowed);
    assert_int_equal(v[2].remaining, 0);
    assert_true(v[2].retry > 0);
    assert_int_equal(b.states[0].state.level, 2 * WEIR_LIMIT_MICRO);

    /* without it they go on; nothing at all is allowed */

    assert_true(weir_batch_decide(&b, parts, 2, NOW));
    assert_false(weir_batch_decide(&b, parts, 2, NOW));
    assert_int_equal(v[0].remaining, 7);
    assert_true(weir_batch_decide(&b, parts, 0, NOW));
}


static void
test_written(void **state)
{
    weir_batch_t          b;
    weir_limit_verdict_t  v;
    weir_batch_part_t     part = { 0, &ten, 1, &v };

    (void) state;

    /* a refusal writes nothing, nor does a look */

    weir_batch_init(&b);
    assert_int_equal(weir_batch_add(&b, "a:1", false), 0);
    b.states[0].state = (weir_limit_state_t) { 10 * WEIR_LIMIT_MICRO, NOW };

    assert_false(weir_batch_decide(&b, &part, 1, NOW + 5999999));
    assert_false(b.states[0].changed);
    assert_int_equal(v.retry, 1);

    part.cost = 0;
    assert_true(weir_batch_decide(&b, &part, 1, NOW));
    assert_false(b.states[0].changed);

    /* the clock was set back by an hour: it is written as of now */

    part.cost = 1;
    assert_false(weir_batch_decide(&b, &part, 1, NOW - 3600000000LL));
    assert_true(b.states[0].changed);
    assert_int_equal(b.states[0].state.at, NOW - 3600000000LL);
    assert_int_equal(b.states[0].state.level, 10 * WEIR_LIMIT_MICRO);
    assert_true(b.states[0].lasts >= 60000000);
    assert_true(weir_batch_decide(&b, &part, 1, NOW - 3594000000LL));
}


static void
test_charge(void **state)
{
    int64_t               start, end;
    weir_batch_t          b;
    weir_limit_verdict_t  v;
    weir_batch_part_t     part = { 0, &three, 1, &v };

    (void) state;

    weir_calendar_window(WEIR_DAY, NOW, &start, &end);

    weir_batch_init(&b);
    assert_int_equal(weir_batch_add(&b, "a:1", false), 0);

    /* a debt, and back */

    weir_batch_charge(&b, 0, &three, NOW, 5, 0);
    assert_true(b.states[0].changed);
    assert_false(weir_batch_decide(&b, &part, 1, NOW));

    weir_batch_charge(&b, 0, &three, NOW, -2, start);
    assert_false(weir_batch_decide(&b, &part, 1, NOW));
    weir_batch_charge(&b, 0, &three, NOW, -1, start);
    assert_true(weir_batch_decide(&b, &part, 1, NOW));

    /* what was charged yesterday is not given back today */

    weir_batch_charge(&b, 0, &three, NOW, -3, start - 1);
    assert_int_equal(b.states[0].state.level, 3 * WEIR_LIMIT_MICRO);
}


/* the same asks, one batch or many: the same answers */

static void
test_batches(void **state)
{
    int                   i, k, n;
    bool                  one, other;
    char                  name[16];
    int64_t               now;
    uint64_t              seed;
    weir_batch_t          b, c;
    weir_limit_state_t    states[8];
    weir_limit_verdict_t  v[3];
    weir_batch_part_t     parts[3], again[3];

    (void) state;

    seed = unit_seed();
    now = NOW;
    weir_batch_init(&b);
    memset(states, 0, sizeof(states));

    for (i = 0; i < 20000; i++) {
        weir_batch_init(&c);
        n = 1 + (int) (unit_random(&seed) % 3);
        now += (int64_t) (unit_random(&seed) % 2000000);

        for (k = 0; k < n; k++) {
            snprintf(name, sizeof(name), "z:%d",
                     k + 3 * (int) (unit_random(&seed) % 2));

            parts[k] = (weir_batch_part_t) { weir_batch_add(&b, name, false),
                                             &ten,
                                             (int) (unit_random(&seed) % 4),
                                             &v[k] };
            again[k] = parts[k];
            again[k].i = weir_batch_add(&c, name, false);
            c.states[again[k].i].state = states[name[2] - '0'];
        }

        one = weir_batch_decide(&b, parts, (unsigned) n, now);
        other = weir_batch_decide(&c, again, (unsigned) n, now);
        assert_int_equal(one, other);

        for (k = 0; k < (int) c.n; k++) {
            assert_true(other || !c.states[k].changed);
            states[c.states[k].name[2] - '0'] = c.states[k].state;
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_charge),
        cmocka_unit_test(test_batches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
