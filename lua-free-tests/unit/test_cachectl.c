/*
 * Cache-Control of a request.
 */

#include "unit.h"
#include "weir_cachectl.h"


static weir_cachectl_t
control(const char *first, const char *second)
{
    weir_cachectl_t  c;

    weir_cachectl_init(&c);
    weir_cachectl_parse(&c, weir_str_of(first));
    weir_cachectl_parse(&c, weir_str_of(second));

    return c;
}


static void
test_table(void **state)
{
    char             words[4];
    size_t           i;
    weir_cachectl_t  c;

    static const struct {
        const char  *line;
        const char  *words;             /* s: no-store, c: no-cache, o: only */
        int64_t      max_age;
        int64_t      min_fresh;
    } rows[] = {
        { "", "", -1, 0 },
        { "no-store", "s", -1, 0 },
        { "NO-Store", "s", -1, 0 },
        { "no-cache", "c", -1, 0 },
        { "no-cache=\"x, no-store\"", "c", -1, 0 },
        { "only-if-cached", "o", -1, 0 },
        { " no-store ,\tno-cache,,only-if-cached, ", "sco", -1, 0 },
        { "no-store, no-store", "s", -1, 0 },
        { "max-age=0", "", 0, 0 },
        { "max-age=60", "", 60, 0 },
        { "Max-Age = 60", "", 60, 0 },
        { "max-age=\"60\"", "", 60, 0 },
        { "max-age=60, max-age=5", "", 60, 0 },
        { "max-age=0, max-age=5", "", 0, 0 },
        { "max-age=2147483649", "", WEIR_CACHECTL_MAX, 0 },
        { "max-age=99999999999999999999999999", "", WEIR_CACHECTL_MAX, 0 },
        { "max-age", "", 0, 0 },
        { "max-age=", "", 0, 0 },
        { "max-age=-1", "", 0, 0 },
        { "max-age=1.5", "", 0, 0 },
        { "max-age=x", "", 0, 0 },
        { "max-age=\"5", "", 0, 0 },
        { "min-fresh=10", "", -1, 10 },
        { "min-fresh=10, min-fresh=20", "", -1, 10 },
        { "min-fresh=\"10\", max-age=20", "", 20, 10 },
        { "min-fresh=x", "", -1, WEIR_CACHECTL_MAX },
        { "min-fresh=99999999999999999999", "", -1, WEIR_CACHECTL_MAX },
        { "max-stale=5, no-transform, stale-if-error=3", "", -1, 0 },
        { "x-no-store, no-storey, no, store", "", -1, 0 },
        { "foo=\"no-store, max-age=1\", max-age=2", "", 2, 0 },
        { "foo=\"a\\\", no-store\", no-cache", "c", -1, 0 },
        { "foo=\"open, no-store", "", -1, 0 },
        { "=no-store, =, \"no-store\"", "", -1, 0 },
        { "foo=\"\\", "", -1, 0 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        c = control(rows[i].line, "");

        snprintf(words, sizeof(words), "%s%s%s", c.no_store ? "s" : "",
                 c.no_cache ? "c" : "", c.only_if_cached ? "o" : "");

        if (strcmp(words, rows[i].words) != 0
            || c.max_age != rows[i].max_age
            || c.min_fresh != rows[i].min_fresh)
        {
            fail_msg("Cache-Control: %s", rows[i].line);
        }
    }
}


static void
test_two_lines(void **state)
{
    weir_cachectl_t  c;

    (void) state;

    c = control("no-store, max-age=1", "no-cache, max-age=2, min-fresh=3");
    assert_true(c.no_store && c.no_cache && !c.only_if_cached);
    assert_true(c.max_age == 1 && c.min_fresh == 3);
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
