/*
 * The outcome document, there and back, and what is not one.
 */

#include "unit.h"
#include "weir_neutral.h"
#include "weir_outcome.h"


static weir_json_t *
parse(const char *text)
{
    char          error[WEIR_JSON_ERROR];
    weir_json_t  *v;

    v = weir_json_parse(weir_str_of(text), error);
    assert_non_null(v);

    return v;
}


static void
test_completed(void **state)
{
    weir_buf_t      b = { 0 }, again = { 0 };
    weir_outcome_t  o, got;

    (void) state;

    weir_outcome_init(&o);
    o.state = WEIR_COMPLETED;
    o.model = weir_str("m\"1");
    o.provider = weir_str("p");
    o.started = 5;
    o.finished = 6;
    o.attempts = 2;
    o.input_tokens = 3;
    o.output_tokens = 4;
    o.cost = 7;
    o.choices = parse("[{\"index\":0,\"parts\":[]}]");
    o.extra = parse("{\"openai\":{\"x\":1}}");
    assert_int_equal(weir_outcome_write(&o, &b), 0);

    assert_int_equal(weir_outcome_read(&got, unit_buf(&b)), 0);
    assert_int_equal(got.state, WEIR_COMPLETED);
    unit_str(got.model, "m\"1");
    unit_str(got.provider, "p");
    assert_true(got.started == 5 && got.finished == 6 && got.attempts == 2
                && got.input_tokens == 3 && got.output_tokens == 4
                && got.cost == 7);
    assert_int_equal(weir_json_count(got.choices), 1);

    assert_int_equal(weir_outcome_write(&got, &again), 0);
    assert_true(weir_str_eq(unit_buf(&b), unit_buf(&again)));

    weir_outcome_free(&o);
    weir_outcome_share(&o, &got);
    weir_outcome_free(&got);
    weir_outcome_free(&got);

    weir_buf_reset(&again);
    assert_int_equal(weir_outcome_write(&o, &again), 0);
    assert_true(weir_str_eq(unit_buf(&b), unit_buf(&again)));
    weir_outcome_free(&o);
    weir_buf_free(&b);
    weir_buf_free(&again);
}


static void
test_failed(void **state)
{
    int             kind;
    weir_buf_t      b = { 0 };
    weir_outcome_t  o, got;

    (void) state;

    for (kind = 0; kind < WEIR_FAIL_KINDS; kind++) {
        weir_outcome_init(&o);
        weir_failure_set(&o.error, (weir_fail_e) kind, "why \"%d\"\n", kind);
        strcpy(o.error.code, "c");
        strcpy(o.error.param, "p[0]");
        o.error.retry_after = 30;

        weir_buf_reset(&b);
        assert_int_equal(weir_outcome_write(&o, &b), 0);
        assert_int_equal(weir_outcome_read(&got, unit_buf(&b)), 0);
        assert_int_equal(got.state, WEIR_FAILED);
        assert_memory_equal(&got.error, &o.error, sizeof(o.error));
        assert_null(got.choices);
        weir_outcome_free(&got);
    }

    weir_buf_free(&b);
}


static void
test_refused(void **state)
{
    size_t          i;
    weir_outcome_t  o;
    static const char  *rows[] = {
        "", "x", "{}", "[]", "7", "{\"v\":1}", "{\"v\":2,\"state\":\"failed\"}",
        "{\"v\":1,\"state\":7}", "{\"v\":\"1\",\"state\":\"failed\"}",
        "{\"v\":1,\"state\":\"\"}"
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(weir_outcome_read(&o, weir_str_of(rows[i])), -1);
        assert_null(o.doc);
        assert_int_equal(o.state, WEIR_FAILED);
        weir_outcome_free(&o);
    }

    assert_int_equal(weir_outcome_read(&o, weir_str_null), -1);
}


/* of a later version, or of somebody else */

static void
test_strange(void **state)
{
    char            text[4096];
    size_t          n;
    weir_outcome_t  o;

    (void) state;

    assert_int_equal(weir_outcome_read(&o, weir_str(
        "{\"v\":1,\"state\":\"failed\",\"attempts\":-3,\"usage\":"
        "{\"input_tokens\":-1,\"output_tokens\":9223372036854775807},"
        "\"error\":{\"kind\":\"NEW\",\"retry_after\":-1},\"new\":[]}")), 0);
    assert_int_equal(o.error.kind, WEIR_FAIL_UPSTREAM);
    assert_int_equal(o.error.retry_after, 0);
    assert_int_equal(o.attempts, 0);
    assert_int_equal(o.input_tokens, 0);
    assert_true(o.output_tokens + o.output_tokens > 0);
    weir_outcome_free(&o);

    assert_int_equal(weir_outcome_read(&o, weir_str(
        "{\"v\":1,\"state\":\"failed\",\"error\":{\"kind\":\"INVALID\","
        "\"retry_after\":99999999999}}")), 0);
    assert_int_equal(o.error.retry_after, 86400);
    weir_outcome_free(&o);

    /* a longer message than ours is cut at a character */

    n = (size_t) snprintf(text, sizeof(text), "{\"v\":1,\"state\":\"failed\","
                          "\"error\":{\"message\":\"x");

    while (n < 2000) {
        n += (size_t) snprintf(text + n, sizeof(text) - n, "\xc3\xa9");
    }

    snprintf(text + n, sizeof(text) - n, "\"}}");
    assert_int_equal(weir_outcome_read(&o, weir_str_of(text)), 0);
    assert_int_equal(strlen(o.error.message) % 2, 1);
    weir_outcome_free(&o);
}


static void
test_neutral(void **state)
{
    weir_buf_t    b = { 0 };
    weir_json_t  *v;

    (void) state;

    v = parse("{\"messages\":[{\"role\":\"system\",\"parts\":[{\"type\":"
              "\"text\",\"text\":\"abc\"}]},{\"role\":\"user\",\"parts\":["
              "{\"type\":\"text\",\"text\":\"old\"}]},{\"role\":\"user\","
              "\"parts\":[{\"type\":\"text\",\"text\":\"de\"},{\"type\":"
              "\"image\",\"url\":\"u\"},{\"type\":\"text\",\"text\":\"f\"}]},"
              "{\"role\":\"assistant\",\"parts\":[]}]}");
    assert_int_equal(weir_neutral_prompt(v, &b), 0);
    unit_str(unit_buf(&b), "def");
    assert_int_equal(weir_neutral_text_bytes(v), 9);
    weir_json_free(&v);

    weir_buf_reset(&b);
    v = parse("{\"messages\":[{\"role\":\"system\"},7]}");
    assert_int_equal(weir_neutral_prompt(v, &b), 0);
    assert_int_equal(b.len, 0);
    assert_int_equal(weir_neutral_text_bytes(v), 0);
    assert_int_equal(weir_neutral_text_bytes(NULL), 0);
    weir_json_free(&v);
    weir_buf_free(&b);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_completed),
        cmocka_unit_test(test_failed),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_strange),
        cmocka_unit_test(test_neutral)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
