/*
 * Sharing slots among the classes.
 */

/* with: worker/share.c */

#include "unit.h"
#include "share.h"


static void
run(unsigned slots, unsigned n, const bool full[WEIR_CLASSES],
    unsigned got_r[WEIR_CLASSES])
{
    unsigned  left, counts[WEIR_CLASSES], c;
    uint64_t  now;
    share_t   s = { 0 };

    memset(got_r, 0, WEIR_CLASSES * sizeof(unsigned));
    now = 1000;

    while (n) {
        left = slots < n ? slots : n;

        while (left) {
            assert_true(share_out(&s, left, now, counts));

            for (c = 0; c < WEIR_CLASSES; c++) {
                if (counts[c] && !full[c]) {
                    share_empty(&s, c, now);
                    continue;
                }

                got_r[c] += counts[c];
                left -= counts[c];
                n -= counts[c];
            }
        }

        now += 100;
    }
}


static void
test_all_full(void **state)
{
    unsigned  slots, got[WEIR_CLASSES];

    static const bool  full[WEIR_CLASSES] = { true, true, true };

    (void) state;

    for (slots = 1; slots < 300; slots += 7) {
        run(slots, 1600, full, got);
        assert_int_equal(got[WEIR_HIGH], 1100);
        assert_int_equal(got[WEIR_NORMAL], 400);
        assert_int_equal(got[WEIR_LOW], 100);
    }
}


static void
test_some_empty(void **state)
{
    unsigned  slots, got[WEIR_CLASSES];

    static const bool  no_high[WEIR_CLASSES] = { false, true, true };
    static const bool  no_normal[WEIR_CLASSES] = { true, false, true };
    static const bool  no_low[WEIR_CLASSES] = { true, true, false };
    static const bool  low[WEIR_CLASSES] = { false, false, true };

    (void) state;

    for (slots = 1; slots < 100; slots += 5) {
        run(slots, 1600, no_high, got);
        assert_true(got[WEIR_LOW] >= 100);
        assert_true(got[WEIR_NORMAL] >= 1000);

        run(slots, 1600, no_normal, got);
        assert_true(got[WEIR_LOW] >= 100);
        assert_true(got[WEIR_HIGH] >= 1000);

        run(slots, 1600, no_low, got);
        assert_true(got[WEIR_HIGH] >= 1000);
        assert_true(got[WEIR_NORMAL] >= 400);

        run(slots, 1600, low, got);
        assert_int_equal(got[WEIR_LOW], 1600);
    }
}


/* what is empty is asked again soon; what is all empty is said so */

static void
test_empty(void **state)
{
    unsigned  counts[WEIR_CLASSES];
    share_t   s = { 0 };

    (void) state;

    assert_false(share_out(&s, 0, 1, counts));

    share_empty(&s, WEIR_HIGH, 1);
    share_empty(&s, WEIR_NORMAL, 1);
    assert_true(share_out(&s, 5, 1, counts));
    assert_int_equal(counts[WEIR_LOW], 5);

    share_empty(&s, WEIR_LOW, 1);
    assert_false(share_out(&s, 5, 1, counts));
    assert_true(share_out(&s, 5, 50, counts));
    assert_int_equal(counts[WEIR_HIGH] + counts[WEIR_NORMAL]
                     + counts[WEIR_LOW], 5);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_all_full),
        cmocka_unit_test(test_some_empty),
        cmocka_unit_test(test_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
