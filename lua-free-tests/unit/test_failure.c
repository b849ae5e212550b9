/*
 * Failures: the shape of the body in each dialect, and cutting of texts.
 */

#include "unit.h"
#include "weir_failure.h"
#include "weir_json.h"


static weir_json_t *
body_of(const weir_failure_t *f, weir_dialect_e dialect, const char *id)
{
    char          error[WEIR_JSON_ERROR];
    weir_buf_t    b = { 0 };
    weir_json_t  *v;

    weir_failure_body(f, dialect, weir_str_of(id), &b);
    assert_false(b.failed);
    v = weir_json_parse(unit_buf(&b), error);

    if (v == NULL) {
        fail_msg("%.*s: %s", (int) b.len, b.data, error);
    }

    weir_buf_free(&b);

    return v;
}


static void
is(const weir_json_t *object, const char *key, const char *want)
{
    weir_json_t  *v;

    v = weir_json_get(object, key);

    if (want == NULL) {
        assert_true(weir_json_is_null(v));
        return;
    }

    unit_str(weir_json_str(v), want);
}


static void
test_openai(void **state)
{
    weir_json_t     *v, *e;
    weir_failure_t   f;

    (void) state;

    weir_failure_set(&f, WEIR_FAIL_RATE_LIMITED, "slow \"down\" %d", 7);
    v = body_of(&f, WEIR_DIALECT_OPENAI, "");
    e = weir_json_get(v, "error");
    assert_int_equal(weir_json_count(v), 1);
    assert_int_equal(weir_json_count(e), 4);
    is(e, "message", "slow \"down\" 7");
    is(e, "type", "rate_limit_error");
    is(e, "param", NULL);
    is(e, "code", "rate_limit_exceeded");
    weir_json_free(&v);

    weir_failure_set(&f, WEIR_FAIL_INVALID, "x");
    strcpy(f.param, "model");
    v = body_of(&f, WEIR_DIALECT_OPENAI, "");
    is(weir_json_get(v, "error"), "param", "model");
    is(weir_json_get(v, "error"), "code", NULL);
    weir_json_free(&v);

    strcpy(f.code, "own");
    v = body_of(&f, WEIR_DIALECT_OPENAI, "");
    is(weir_json_get(v, "error"), "code", "own");
    weir_json_free(&v);
}


static void
test_anthropic(void **state)
{
    weir_json_t     *v;
    weir_failure_t   f;

    (void) state;

    weir_failure_set(&f, WEIR_FAIL_UNAVAILABLE, "later");
    v = body_of(&f, WEIR_DIALECT_ANTHROPIC, "req_1");
    assert_int_equal(weir_json_count(v), 3);
    is(v, "type", "error");
    is(v, "request_id", "req_1");
    is(weir_json_get(v, "error"), "type", "overloaded_error");
    is(weir_json_get(v, "error"), "message", "later");
    weir_json_free(&v);
}


static void
test_problem(void **state)
{
    weir_str_t       type;
    weir_json_t     *v, *names;
    weir_failure_t   f;

    (void) state;

    weir_failure_set(&f, WEIR_FAIL_MODEL_NOT_FOUND, "no model");
    v = body_of(&f, WEIR_DIALECT_PROBLEM, "");
    type = weir_json_str(weir_json_get(v, "type"));
    assert_true(type.len > 15
                && memcmp(type.data + type.len - 15, "model-not-found", 15)
                   == 0);
    is(v, "title", "Model not found");
    is(v, "detail", "no model");
    assert_int_equal(weir_json_int(weir_json_get(v, "status")), 404);
    assert_null(weir_json_get(v, "code"));
    assert_null(weir_json_get(v, "request_id"));
    weir_json_free(&v);

    strcpy(f.code, "c");
    strcpy(f.param, "p");
    v = body_of(&f, WEIR_DIALECT_PROBLEM, "id");
    is(v, "code", "c");
    is(v, "param", "p");
    is(v, "request_id", "id");
    weir_json_free(&v);

    weir_failure_set(&f, WEIR_FAIL_RATE_LIMITED, "slow down");
    f.problem = WEIR_PROBLEM_QUOTA_EXCEEDED;
    f.violated = weir_str("a,b.c");
    v = body_of(&f, WEIR_DIALECT_PROBLEM, "id");
    is(v, "type",
       "https://iana.org/assignments/http-problem-types#quota-exceeded");
    names = weir_json_get(v, "violated-policies");
    assert_int_equal(weir_json_count(names), 2);
    unit_str(weir_json_str(weir_json_at(names, 0)), "a");
    unit_str(weir_json_str(weir_json_at(names, 1)), "b.c");
    weir_json_free(&v);

    f.problem = WEIR_PROBLEM_REDUCED_CAPACITY;
    f.violated = weir_str_null;
    v = body_of(&f, WEIR_DIALECT_PROBLEM, "id");
    is(v, "type", "https://iana.org/assignments/http-problem-types"
                  "#temporary-reduced-capacity");
    assert_null(weir_json_get(v, "violated-policies"));
    weir_json_free(&v);

    assert_string_equal(weir_failure_media_type(WEIR_DIALECT_PROBLEM),
                        "application/problem+json");
    assert_string_equal(weir_failure_media_type(WEIR_DIALECT_OPENAI),
                        "application/json");
    assert_string_equal(weir_failure_media_type(WEIR_DIALECT_ANTHROPIC),
                        "application/json");
}


/* every kind in every dialect is JSON, and has a name that is read back */

static void
test_kinds(void **state)
{
    int              kind, dialect;
    weir_json_t     *v;
    weir_failure_t   f;

    (void) state;

    for (kind = 0; kind < WEIR_FAIL_KINDS; kind++) {
        weir_failure_set(&f, (weir_fail_e) kind, "x");
        assert_in_range(weir_failure_status((weir_fail_e) kind), 400, 599);
        assert_int_equal(weir_failure_kind(weir_str_of(
                             weir_failure_name((weir_fail_e) kind))), kind);

        for (dialect = 0; dialect <= WEIR_DIALECT_ANTHROPIC; dialect++) {
            v = body_of(&f, (weir_dialect_e) dialect, "id");
            weir_json_free(&v);
        }
    }

    for (kind = 0; kind < WEIR_FAIL_KINDS; kind++) {
        for (dialect = 0; dialect <= WEIR_DIALECT_ANTHROPIC; dialect++) {
            assert_int_equal(weir_failure_status_in((weir_fail_e) kind,
                                                    (weir_dialect_e) dialect),
                             kind == WEIR_FAIL_UNAVAILABLE
                             && dialect == WEIR_DIALECT_ANTHROPIC ? 529
                             : weir_failure_status((weir_fail_e) kind));
        }
    }

    assert_int_equal(weir_failure_kind(weir_str("NOPE")), -1);
    assert_int_equal(weir_failure_kind(weir_str_null), -1);
    assert_true(weir_failure_may_retry(WEIR_FAIL_RATE_LIMITED));
    assert_false(weir_failure_may_retry(WEIR_FAIL_INVALID));
}


static void
test_statuses(void **state)
{
    unsigned     status;
    weir_fail_e  kind;

    (void) state;

    for (status = 400; status < 600; status++) {
        kind = weir_failure_of_status(status);
        assert_int_equal(weir_failure_status(kind) / 100, status / 100);
    }

    assert_int_equal(weir_failure_of_status(404), WEIR_FAIL_NOT_FOUND);
    assert_int_equal(weir_failure_of_status(409), WEIR_FAIL_CONFLICT);
    assert_int_equal(weir_failure_of_status(413), WEIR_FAIL_TOO_LARGE);
    assert_int_equal(weir_failure_of_status(504), WEIR_FAIL_TIMEOUT);
    assert_int_equal(weir_failure_of_status(418), WEIR_FAIL_INVALID);
    assert_int_equal(weir_failure_of_status(599), WEIR_FAIL_INTERNAL);
    assert_int_equal(weir_failure_of_status(529), WEIR_FAIL_UNAVAILABLE);
}


/* a character of one to four bytes at every distance from the end */

static void
test_cut(void **state)
{
    char             text[WEIR_FAILURE_TEXT + 64];
    size_t           c, before, n;
    weir_json_t     *v;
    weir_failure_t   f;
    static const char  *chars[] = {
        "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"
    };

    (void) state;

    for (c = 0; c < ROWS(chars); c++) {
        for (before = WEIR_FAILURE_TEXT - 12;
             before < WEIR_FAILURE_TEXT + 4;
             before++)
        {
            memset(text, 'x', before);
            text[before] = '\0';

            for (n = 0; n < 8; n++) {
                strcat(text, chars[c]);
            }

            weir_failure_set(&f, WEIR_FAIL_INVALID, "%s", text);
            n = strlen(f.message);
            assert_true(n < WEIR_FAILURE_TEXT);
            assert_true(n > WEIR_FAILURE_TEXT - 5);
            assert_memory_equal(f.message, text, n);

            v = body_of(&f, WEIR_DIALECT_OPENAI, "");
            weir_json_free(&v);
        }
    }
}


/* whatever a format makes of a text, a document can hold it */

static void
test_clean(void **state)
{
    size_t           i;
    weir_json_t     *v;
    weir_failure_t   f;

    static const struct {
        const char  *text, *want;
    } rows[] = {
        { "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z",
          "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z" },
        { "a\xc3", "a" }, { "a\xe2\x82", "a" }, { "\xf0\x9f\x98", "" },
        { "a\x82z", "az" }, { "\xc0\x80z", "z" }, { "\xe0\x9f\xbfz", "z" },
        { "\xed\xa0\x80z", "z" }, { "\xf4\x90\x80\x80z", "z" },
        { "\xf0\x8f\xbf\xbfz", "z" }, { "\xff\xfez", "z" },
        { "\xed\x9f\xbf\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xf4\x8f\xbf\xbf" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        weir_failure_set(&f, WEIR_FAIL_INVALID, "%s\"", rows[i].text);
        f.message[strlen(f.message) - 1] = '\0';
        assert_string_equal(f.message, rows[i].want);

        v = body_of(&f, WEIR_DIALECT_OPENAI, "");
        assert_non_null(v);
        weir_json_free(&v);
    }

    weir_failure_set(&f, WEIR_FAIL_INVALID, "\"%.2s\"", "a\xc3\xa9");
    assert_string_equal(f.message, "\"a\"");
}


static void
test_copy(void **state)
{
    char  to[4];

    (void) state;

    weir_failure_copy(to, sizeof(to), weir_str_null);
    assert_string_equal(to, "");
    weir_failure_copy(to, sizeof(to), weir_str("abc"));
    assert_string_equal(to, "abc");
    weir_failure_copy(to, sizeof(to), weir_str("abcd"));
    assert_string_equal(to, "abc");
    weir_failure_copy(to, sizeof(to), weir_str("ab\xc3\xa9"));
    assert_string_equal(to, "ab");
    weir_failure_copy(to, sizeof(to), weir_str("\xf0\x9f\x98\x80"));
    assert_string_equal(to, "");
    weir_failure_copy(to, sizeof(to), weir_str("\x80\x80\x80\x80\x80"));
    assert_string_equal(to, "");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_openai),
        cmocka_unit_test(test_anthropic),
        cmocka_unit_test(test_problem),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_copy)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
