/*
 * The Anthropic dialect: a reply through the outcome is the same message, or
 * says the same in the OpenAI dialect, and the other way round.
 */

#include "documents.h"
#include "weir_dialect_anthropic.h"
#include "weir_dialect_openai.h"


#define ID  "00abcdefghijklmnopqrstuv"


static void
write_message(const weir_outcome_t *o, weir_buf_t *out)
{
    weir_json_t  *v;

    weir_buf_reset(out);
    v = weir_anthropic_message(o, weir_str(ID));
    assert_non_null(v);
    assert_int_equal(weir_json_write(v, out), 0);
    weir_json_free(&v);
}


static void
test_same_reply(void **state)
{
    size_t          i;
    weir_buf_t      b = { 0 };
    weir_outcome_t  o, again;

#define R(content, reason, more)                                              \
    "{\"id\":\"msg_" ID "\",\"type\":\"message\",\"role\":\"assistant\","     \
    "\"model\":\"m\",\"content\":[" content "],\"stop_reason\":\"" reason     \
    "\"," more "}"
#define USED  "\"usage\":{\"input_tokens\":3,\"output_tokens\":4}"

    static const char  *rows[] = {
        R("{\"type\":\"text\",\"text\":\"Hi\"}", "end_turn",
          "\"stop_sequence\":null," USED),
        R("", "max_tokens", "\"stop_sequence\":null," USED),
        R("{\"type\":\"text\",\"text\":\"a\",\"citations\":[{\"type\":\"c\"},"
          "{\"type\":\"d\"}]},{\"type\":\"text\",\"text\":\"b\"}",
          "stop_sequence", "\"stop_sequence\":\"x\"," USED),
        R("{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"},"
          "{\"type\":\"redacted_thinking\",\"data\":\"x\"},"
          "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{"
          "\"a\":1}}", "tool_use", "\"stop_sequence\":null,\"container\":{"
          "\"id\":\"c\"},\"context_management\":{\"x\":1},\"usage\":{"
          "\"input_tokens\":3,\"output_tokens\":4,"
          "\"cache_creation_input_tokens\":5,\"cache_read_input_tokens\":6,"
          "\"service_tier\":\"standard\"}"),
        R("", "model_context_window_exceeded", "\"stop_sequence\":null," USED),
        R("", "pause_turn", "\"stop_sequence\":null," USED),
        R("{\"type\":\"text\",\"text\":\"\xc3\xa9\"}", "refusal",
          "\"stop_sequence\":null," USED),
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        weir_outcome_init(&o);
        assert_int_equal(weir_anthropic_reply(weir_str_of(rows[i]), &o), 0);
        assert_int_equal(o.input_tokens, i == 3 ? 14 : 3);
        assert_int_equal(o.output_tokens, 4);
        write_message(&o, &b);
        assert_same(unit_buf(&b), rows[i]);

        weir_buf_reset(&b);
        assert_int_equal(weir_outcome_write(&o, &b), 0);
        assert_int_equal(weir_outcome_read(&again, unit_buf(&b)), 0);
        write_message(&again, &b);
        assert_same(unit_buf(&b), rows[i]);

        weir_outcome_free(&again);
        weir_outcome_free(&o);
    }

    weir_buf_free(&b);
}


static void
test_other_reply(void **state)
{
    size_t          i;
    weir_buf_t      b = { 0 };
    weir_json_t    *v;
    weir_outcome_t  o;

#define C(message, reason)                                                    \
    "{\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{" message        \
    "},\"finish_reason\":\"" reason "\"}],\"usage\":{\"prompt_tokens\":7,"     \
    "\"completion_tokens\":4,\"prompt_tokens_details\":{\"cached_tokens\":5}}}"
#define CUSED  "\"stop_sequence\":null,\"usage\":{\"input_tokens\":2,"        \
    "\"cache_read_input_tokens\":5,\"output_tokens\":4}"

    static const struct {
        const char  *reply;
        const char  *want;
    } rows[] = {
        { C("\"content\":\"Hi\"", "stop"),
          R("{\"type\":\"text\",\"text\":\"Hi\"}", "end_turn", CUSED) },
        { C("\"content\":null,\"refusal\":\"no\"", "stop"),
          R("{\"type\":\"text\",\"text\":\"no\"}", "refusal", CUSED) },
        { C("\"content\":\"\",\"reasoning_content\":\"hm\",\"tool_calls\":[{"
            "\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\","
            "\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"u\",\"type\":"
            "\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"[\"}}]",
            "tool_calls"),
          R("{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"\"},"
            "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{"
            "\"a\":1}},{\"type\":\"tool_use\",\"id\":\"u\",\"name\":\"g\","
            "\"input\":{\"_arguments\":\"[\"}}", "tool_use", CUSED) },
        { C("\"content\":\"a\"", "length"),
          R("{\"type\":\"text\",\"text\":\"a\"}", "max_tokens", CUSED) },
        { C("\"content\":\"a\"", "content_filter"),
          R("{\"type\":\"text\",\"text\":\"a\"}", "refusal", CUSED) },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        weir_outcome_init(&o);
        assert_int_equal(weir_openai_reply(weir_str_of(rows[i].reply), &o),
                         0);
        write_message(&o, &b);
        assert_same(unit_buf(&b), rows[i].want);
        weir_outcome_free(&o);
    }

    /* and the other way round */

    weir_outcome_init(&o);
    assert_int_equal(weir_anthropic_reply(weir_str(
        R("{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"},"
          "{\"type\":\"text\",\"text\":\"Hi\"},{\"type\":\"tool_use\",\"id\":"
          "\"t\",\"name\":\"f\",\"input\":{}}", "stop_sequence",
          "\"stop_sequence\":\"x\",\"usage\":{\"input_tokens\":3,"
          "\"cache_read_input_tokens\":5,\"output_tokens\":4}")), &o), 0);

    v = weir_openai_completion(&o, weir_str(ID), 17);
    weir_buf_reset(&b);
    assert_int_equal(weir_json_write(v, &b), 0);
    assert_same(unit_buf(&b), "{\"id\":\"chatcmpl-" ID "\",\"object\":"
        "\"chat.completion\",\"created\":17,\"model\":\"m\",\"choices\":[{"
        "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi\","
        "\"refusal\":null,\"reasoning_content\":\"hm\",\"tool_calls\":[{"
        "\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\","
        "\"arguments\":\"{}\"}}]},\"logprobs\":null,\"finish_reason\":\"stop\""
        "}],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":4,"
        "\"total_tokens\":12,\"prompt_tokens_details\":{\"cached_tokens\":"
        "5}}}");

    weir_json_free(&v);
    weir_outcome_free(&o);
    weir_buf_free(&b);
}


static void
test_bad_replies(void **state)
{
    size_t          i;
    weir_outcome_t  o;

    static const char  *rows[] = {
        "", "7", "{}", "<html>", "{\"content\":\"a\"}",
        "{\"content\":[7]}", "{\"content\":[{\"type\":\"text\"}]}",
        "{\"content\":[{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\","
        "\"input\":\"x\"}]}",
        "{\"content\":[],\"content\":[]}",
        "{\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}",
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        weir_outcome_init(&o);
        assert_int_equal(weir_anthropic_reply(weir_str_of(rows[i]), &o), -1);
        assert_int_equal(o.error.kind, WEIR_FAIL_UPSTREAM);
        assert_string_equal(o.error.code, "upstream_invalid");
        weir_outcome_free(&o);
    }
}


static void
test_errors(void **state)
{
    size_t          i;
    weir_failure_t  f;

#define E(message)  "{\"type\":\"error\",\"error\":{\"type\":\"t\","          \
    "\"message\":\"" message "\"}}"

    static const struct {
        unsigned     status;
        const char  *body;
        weir_fail_e  kind;
        const char  *code;
        const char  *message;
    } rows[] = {
        { 400, E("bad thing"), WEIR_FAIL_INVALID, "", "bad thing" },
        { 400, "<html>", WEIR_FAIL_INVALID, "", "refused the request" },
        { 401, E("secret"), WEIR_FAIL_UPSTREAM, "upstream_auth",
          "credentials" },
        { 402, E("secret"), WEIR_FAIL_UPSTREAM, "upstream_auth",
          "credentials" },
        { 413, E("too large"), WEIR_FAIL_TOO_LARGE, "", "too large" },
        { 429, E("slow down"), WEIR_FAIL_RATE_LIMITED, "", "slow down" },
        { 500, E("x"), WEIR_FAIL_UPSTREAM, "", "status 500" },
        { 529, E("x"), WEIR_FAIL_UNAVAILABLE, "upstream_overloaded",
          "overloaded" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        weir_anthropic_error(rows[i].status, weir_str_of(rows[i].body), &f);
        assert_int_equal(f.kind, rows[i].kind);
        assert_string_equal(f.code, rows[i].code);
        assert_non_null(strstr(f.message, rows[i].message));
    }
}


static void
test_models(void **state)
{
    weir_buf_t    b = { 0 };
    weir_json_t  *catalogue, *v;

    (void) state;

#define MODEL(id, at)                                                         \
    "{\"type\":\"model\",\"id\":\"" id "\",\"display_name\":\"" id "\"," \
    "\"created_at\":\"" at "\"}"

    catalogue = parse(weir_str(
        "{\"models\":[{\"id\":\"a\",\"created\":1740787200,\"owned_by\":\"p\"},"
        "{\"id\":\"b\",\"created\":-1},"
        "{\"id\":\"c\",\"created\":9000000000000000000},"
        "{\"id\":\"d\",\"created\":253402300799}]}"));

    v = weir_anthropic_models(catalogue);
    weir_json_write(v, &b);
    assert_same((weir_str_t) { b.data, b.len },
                "{\"data\":[" MODEL("a", "2025-03-01T00:00:00Z") ","
                MODEL("b", "1970-01-01T00:00:00Z") ","
                MODEL("c", "1970-01-01T00:00:00Z") ","
                MODEL("d", "9999-12-31T23:59:59Z") "],\"has_more\":false,"
                "\"first_id\":\"a\",\"last_id\":\"d\"}");
    weir_json_free(&v);

    v = weir_anthropic_model(catalogue, weir_str("b"));
    weir_buf_reset(&b);
    weir_json_write(v, &b);
    assert_same((weir_str_t) { b.data, b.len },
                MODEL("b", "1970-01-01T00:00:00Z"));
    weir_json_free(&v);

    assert_null(weir_anthropic_model(catalogue, weir_str("e")));
    assert_null(weir_anthropic_model(NULL, weir_str("a")));
    weir_json_free(&catalogue);

    v = weir_anthropic_models(NULL);
    weir_buf_reset(&b);
    weir_json_write(v, &b);
    assert_same((weir_str_t) { b.data, b.len },
                "{\"data\":[],\"has_more\":false,\"first_id\":null,"
                "\"last_id\":null}");
    weir_json_free(&v);
    weir_buf_free(&b);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_same_reply),
        cmocka_unit_test(test_other_reply),
        cmocka_unit_test(test_bad_replies),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_models)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
