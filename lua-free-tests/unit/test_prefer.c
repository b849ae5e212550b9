/*
 * The Prefer header: check AP-04.
 */

#include "unit.h"
#include "weir_prefer.h"


static weir_prefer_t
prefer(const char *first, const char *second)
{
    weir_prefer_t  p = { 0 };

    weir_prefer_parse(&p, weir_str_of(first));
    weir_prefer_parse(&p, weir_str_of(second));

    return p;
}


static void
test_table(void **state)
{
    size_t         i;
    weir_prefer_t  p;

    static const struct {
        const char  *line;
        bool         async;
        long         wait;              /* -1: none */
    } rows[] = {
        { "", false, -1 },
        { "respond-async", true, -1 },
        { "Respond-Async; x=1, foo", true, -1 },
        { "RESPOND-ASYNC ; x=\"a,b\";y", true, -1 },
        { "wait=10", false, 10 },
        { "WAIT=10", false, 10 },
        { "respond-async, wait=10", true, 10 },
        { "wait=10,respond-async", true, 10 },
        { "wait = 10", false, 10 },
        { "wait=\"3\"", false, 3 },
        { "wait=0", false, 0 },
        { "wait=1, wait=2", false, 1 },
        { "wait=-1", false, -1 },
        { "wait=+1", false, -1 },
        { "wait=1e9", false, -1 },
        { "wait=", false, -1 },
        { "wait", false, -1 },
        { "wait=\"\"", false, -1 },
        { "wait=1.5", false, -1 },
        { "wait=86401", false, 86400 },
        { "wait=99999999999999999999999999999999", false, 86400 },
        { "waiter=5, xwait=5", false, -1 },
        { "foo=\"a, wait=5\", wait=6", false, 6 },
        { "foo=\"a\\\", wait=5\", wait=6", false, 6 },
        { "foo=\"open, wait=5", false, -1 },
        { ",,;,=, wait=7 ,", false, 7 },
        { "\\", false, -1 },
        { "foo=\"\\", false, -1 },
        { "return=minimal; wait=5", false, -1 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        p = prefer(rows[i].line, "");

        if (p.async != rows[i].async || p.waits != (rows[i].wait >= 0)
            || (p.waits && p.wait != rows[i].wait))
        {
            fail_msg("Prefer: %s", rows[i].line);
        }
    }
}


static void
test_two_lines(void **state)
{
    weir_prefer_t  p;

    (void) state;

    p = prefer("respond-async", "wait=4");
    assert_true(p.async && p.waits);
    assert_int_equal(p.wait, 4);

    p = prefer("wait=4", "wait=5");
    assert_int_equal(p.wait, 4);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_two_lines)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
