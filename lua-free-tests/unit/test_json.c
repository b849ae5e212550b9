/*
 * Bounded JSON: what is refused, in words that quote nothing.
 */

#include "unit.h"
#include "weir_json.h"


static void
nested(weir_buf_t *b, size_t depth, const char *open, const char *close)
{
    size_t  i;

    weir_buf_reset(b);

    for (i = 0; i < depth; i++) {
        weir_buf_text(b, open);
    }

    for (i = 0; i < depth; i++) {
        weir_buf_text(b, close);
    }
}


static void
test_depth(void **state)
{
    char          error[WEIR_JSON_ERROR];
    weir_buf_t    b = { 0 };
    weir_json_t  *v;

    (void) state;

    nested(&b, 32, "[", "]");
    assert_false(weir_json_too_deep(unit_buf(&b), 32));
    assert_true(weir_json_too_deep(unit_buf(&b), 31));

    nested(&b, WEIR_JSON_DEPTH_MAX, "[", "]");
    v = weir_json_parse(unit_buf(&b), error);
    assert_non_null(v);
    weir_json_free(&v);

    nested(&b, WEIR_JSON_DEPTH_MAX + 1, "[", "]");
    assert_null(weir_json_parse(unit_buf(&b), error));
    assert_non_null(strstr(error, "nested"));

    nested(&b, 1000000, "[", "");
    assert_null(weir_json_parse(unit_buf(&b), error));
    nested(&b, 100000, "{\"a\":", "}");
    assert_null(weir_json_parse(unit_buf(&b), error));

    /* brackets in a text are no levels */
    assert_false(weir_json_too_deep(weir_str("[\"[[[[\\\"[[[[\\\\\",1]"), 1));
    assert_true(weir_json_too_deep(weir_str("[\"\\\\\",[1]]"), 1));
    assert_false(weir_json_too_deep(weir_str("[][][]"), 1));
    assert_false(weir_json_too_deep(weir_str("]]]][[]]"), 2));
    assert_false(weir_json_too_deep(weir_str("\"\\"), 1));

    weir_buf_free(&b);
}


static void
test_refused(void **state)
{
    char          error[WEIR_JSON_ERROR];
    size_t        i;
    weir_json_t  *v;

    static const struct {
        const char  *text;
        const char  *says;
    } rows[] = {
        { "", "ends too early" },
        { "{\"secret\":1", "ends too early" },
        { "{\"secret\":1,\"secret\":2}", "twice" },
        { "{\"a\":{\"secret\":1,\"secret\":2}}", "twice" },
        { "{\"secret\":1} secret", "follows" },
        { "[1,]", "syntax" },
        { "{secret:1}", "syntax" },
        { "[secret]", "syntax" },
        { "'secret'", "syntax" },
        { "NaN", "syntax" },
        { "[1e999]", "too large" },
        { "[99999999999999999999]", "too large" },
        { "[-99999999999999999999]", "too large" },
        { "\"secret \xff\"", "UTF-8" },
        { "\"secret \xc3\"", "UTF-8" },
        { "\"secret \xed\xa0\x80\"", "UTF-8" },
        { "\"secret \xc0\xaf\"", "UTF-8" },
        { "\"secret \\u0000\"", "U+0000" },
        { "{\"secret\\u0000\":1}", "U+0000" },
        { "\"secret \\ud800\"", "" },
        { "\"secret \n\"", "" },
        { "01", "" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        v = weir_json_parse(weir_str_of(rows[i].text), error);

        if (v != NULL || error[0] == '\0'
            || strstr(error, rows[i].says) == NULL || strstr(error, "secret"))
        {
            fail_msg("\"%s\": %s", rows[i].text, error);
        }
    }

    /* NUL in the text itself */
    assert_null(weir_json_parse(weir_str("{\"a\":\0}"), error));
    assert_null(weir_json_parse(weir_str("{}\0"), error));
    assert_null(weir_json_parse(weir_str_null, error));
}


static void
test_numbers(void **state)
{
    char          error[WEIR_JSON_ERROR];
    weir_json_t  *v;

    (void) state;

    v = weir_json_parse(weir_str("[9223372036854775807,-9223372036854775808,"
                                 "1.9,-1.9,1e300,-1e300,\"7\",true,null]"),
                        error);
    assert_non_null(v);

    assert_true(weir_json_int(weir_json_at(v, 0)) == INT64_MAX);
    assert_true(weir_json_int(weir_json_at(v, 1)) == INT64_MIN);
    assert_int_equal(weir_json_int(weir_json_at(v, 2)), 1);
    assert_int_equal(weir_json_int(weir_json_at(v, 3)), -1);
    assert_int_equal(weir_json_int(weir_json_at(v, 4)), 0);
    assert_int_equal(weir_json_int(weir_json_at(v, 5)), 0);
    assert_int_equal(weir_json_int(weir_json_at(v, 6)), 0);
    assert_int_equal(weir_json_int(weir_json_at(v, 7)), 0);
    assert_int_equal(weir_json_int(weir_json_at(v, 99)), 0);
    assert_true(weir_json_is_null(weir_json_at(v, 8)));
    assert_false(weir_json_is_null(NULL));
    assert_true(weir_json_is_int(weir_json_at(v, 0)));
    assert_false(weir_json_is_int(weir_json_at(v, 2)));
    assert_true(weir_json_is_number(weir_json_at(v, 2)));

    weir_json_free(&v);
    assert_null(v);
    weir_json_free(&v);
}


static void
test_nothing(void **state)
{
    void         *iter;
    const char   *key;
    weir_buf_t    b = { 0 };
    weir_json_t  *v;

    (void) state;

    assert_null(weir_json_get(NULL, "a"));
    assert_null(weir_json_at(NULL, 0));
    assert_null(weir_json_str(NULL).data);
    assert_int_equal(weir_json_count(NULL), 0);
    assert_null(weir_json_ref(NULL));
    assert_false(weir_json_true(NULL));

    iter = weir_json_next(NULL, NULL, &key, &v);
    assert_null(iter);

    assert_int_equal(weir_json_set_take(NULL, "a", weir_json_new_int(1)), -1);
    assert_int_equal(weir_json_add_take(NULL, weir_json_new_int(1)), -1);

    v = weir_json_object();
    assert_int_equal(weir_json_set_take(v, "a", NULL), -1);
    assert_int_equal(weir_json_copy(v, NULL, NULL), 0);
    assert_null(weir_json_new_str(weir_str("\xff")));
    weir_json_free(&v);

    assert_int_equal(weir_json_write(NULL, &b), -1);
    assert_true(b.failed);
    weir_buf_free(&b);
}


static void
test_copy(void **state)
{
    char                error[WEIR_JSON_ERROR];
    weir_buf_t          b = { 0 };
    weir_json_t        *from, *to;
    static const char  *but[] = { "b", "c", NULL };

    (void) state;

    from = weir_json_parse(weir_str("{\"a\":1,\"b\":2,\"c\":3,\"d\":[4]}"),
                           error);
    to = weir_json_object();
    assert_int_equal(weir_json_copy(to, from, but), 0);
    assert_int_equal(weir_json_write(to, &b), 0);
    unit_str(unit_buf(&b), "{\"a\":1,\"d\":[4]}");

    assert_int_equal(weir_json_remove(to, "a"), 0);
    assert_int_equal(weir_json_count(to), 1);

    weir_json_free(&from);
    weir_json_free(&to);
    weir_buf_free(&b);
}


/* what is quoted is read back the same */

static void
test_quote(void **state)
{
    char          text[64], error[WEIR_JSON_ERROR];
    size_t        i, n;
    uint64_t      seed;
    weir_str_t    s;
    weir_buf_t    b = { 0 };
    weir_json_t  *v;

    (void) state;

    seed = unit_seed();

    weir_json_quote(&b, weir_str_null);
    unit_str(unit_buf(&b), "\"\"");
    weir_buf_reset(&b);
    weir_json_quote(&b, weir_str("a\"b\\c\nd\te\x01\r\f\b\x1f\x7f/"));
    unit_str(unit_buf(&b), "\"a\\\"b\\\\c\\nd\\te\\u0001"
                           "\\r\\f\\b\\u001f\x7f/\"");

    for (i = 0; i < 5000; i++) {
        n = unit_random(&seed) % sizeof(text);
        s = (weir_str_t) { text, n };

        while (n) {
            text[--n] = (char) (1 + unit_random(&seed) % 127);
        }

        weir_buf_reset(&b);
        weir_json_quote(&b, s);
        v = weir_json_parse(unit_buf(&b), error);
        assert_non_null(v);
        assert_true(weir_str_eq(weir_json_str(v), s));
        weir_json_free(&v);
    }

    weir_buf_free(&b);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_quote)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
