/*
 * The catalogue: prices by name, and what a broken one is worth.
 */

#include "unit.h"
#include "weir_catalogue.h"


#define PRICES(in, out)                                                       \
    "\"input_price\":\"" in "\",\"output_price\":\"" out "\""


static void
test_prices(void **state)
{
    size_t             i;
    int64_t            in, out;
    weir_catalogue_t  *c;

    static const struct {
        const char  *model;
        int64_t      in, out;
    } rows[] = {
        { "b", 2500000, 10000000 }, { "a", 1, 0 }, { "aa", 3000000, 0 },
        { "ab", 7000000, 8000000 }, { "free", 7000000, 8000000 }
    };

    (void) state;

    c = weir_catalogue_read(weir_str(
        "{\"models\":[{\"id\":\"b\"," PRICES("2.5", "10") "},"
        "{\"id\":\"aa\"," PRICES("3", "0") "},{\"id\":\"free\"},"
        "{\"id\":\"a\"," PRICES("0.000001", "0") "}],"
        "\"any\":{" PRICES("7", "8") "}}"));
    assert_non_null(c);

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(weir_catalogue_price(c, weir_str_of(rows[i].model), &in,
                                         &out));
        assert_int_equal(in, rows[i].in);
        assert_int_equal(out, rows[i].out);
    }

    assert_false(weir_catalogue_price(c, weir_str_null, &in, &out));
    assert_int_equal(weir_json_count(weir_json_get(weir_catalogue_doc(c),
                                                   "models")), 4);
    weir_catalogue_free(&c);
    assert_null(c);
}


static void
test_none(void **state)
{
    size_t             i;
    int64_t            in, out;
    weir_catalogue_t  *c;

    static const char  *bad[] = {
        "", "{", "[]", "{}", "{\"models\":{}}", "{\"models\":1}"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(weir_catalogue_read(weir_str_of(bad[i])));
    }

    assert_false(weir_catalogue_price(NULL, weir_str("a"), &in, &out));
    assert_null(weir_catalogue_doc(NULL));

    c = weir_catalogue_read(weir_str("{\"models\":[{\"id\":\"a\"},1,null,"
                                     "{\"id\":\"b\"," PRICES("-1", "x")
                                     "}]}"));
    assert_non_null(c);
    assert_false(weir_catalogue_price(c, weir_str("a"), &in, &out));
    assert_false(weir_catalogue_price(c, weir_str("b"), &in, &out));
    weir_catalogue_free(&c);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_prices),
        cmocka_unit_test(test_none)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
