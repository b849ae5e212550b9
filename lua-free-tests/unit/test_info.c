/*
 * The text of INFO: fields by their whole name, and what they make of memory.
 */

#include "unit.h"
#include "weir_info.h"


#define TEXT  "# Memory\r\nused_memory:900\r\nused_memory_rss:5000\r\n"       \
              "maxmemory_human:1K\r\nmaxmemory:1000\r\nempty:\r\npolicy:no"


static void
test_fields(void **state)
{
    weir_str_t  info = weir_str(TEXT);

    (void) state;

    assert_true(weir_str_eq(weir_info_field(info, "used_memory"),
                            weir_str("900")));
    assert_true(weir_str_eq(weir_info_field(info, "policy"),
                            weir_str("no")));
    assert_int_equal(weir_info_field(info, "memory").len, 0);
    assert_int_equal(weir_info_field(info, "empty").len, 0);
    assert_int_equal(weir_info_field(weir_str_null, "policy").len, 0);

    assert_int_equal(weir_info_number(info, "maxmemory"), 1000);
    assert_int_equal(weir_info_number(info, "policy"), 0);
    assert_int_equal(weir_info_number(info, "none"), 0);
}


static void
test_memory(void **state)
{
    size_t    i;
    unsigned  percent;

    static const struct {
        const char  *text;
        bool         told;
        unsigned     percent;
    } rows[] = {
        { TEXT, true, 900 / 11 },
        { "used_memory:5\nmaxmemory:0\ntotal_system_memory:1000\n", true, 0 },
        { "used_memory:750\ntotal_system_memory:999\n", true, 75 },
        { "used_memory:990\nmaxmemory:0\ntotal_system_memory:0\n", false, 0 },
        { "used_memory:990\n", false, 0 },
        { "", false, 0 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        percent = 0;
        assert_int_equal(weir_info_memory(weir_str_of(rows[i].text), &percent),
                         rows[i].told);
        assert_int_equal(percent, rows[i].percent);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
