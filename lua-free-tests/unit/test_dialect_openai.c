/*
 * The OpenAI dialect: a request through the neutral model is the same request,
 * a reply through the outcome the same completion.
 */

#include "unit.h"
#include "weir_dialect_openai.h"


#define M  "\"model\":\"m\",\"messages\":"
#define U  M "[{\"role\":\"user\",\"content\":\"hi\"}]"


static weir_json_t *
parse(const char *text)
{
    char          error[WEIR_JSON_ERROR];
    weir_json_t  *v;

    v = weir_json_parse(weir_str_of(text), error);

    if (v == NULL) {
        fail_msg("%s: %s", text, error);
    }

    return v;
}


/* equal whatever the order of members */

static bool
same(weir_json_t *a, weir_json_t *b)
{
    void         *iter;
    size_t        i;
    const char   *key;
    weir_buf_t    x = { 0 }, y = { 0 };
    weir_json_t  *v;

    if (a == NULL || b == NULL || weir_json_count(a) != weir_json_count(b)
        || weir_json_is_object(a) != weir_json_is_object(b)
        || weir_json_is_array(a) != weir_json_is_array(b))
    {
        return false;
    }

    for (i = 0; weir_json_is_array(a) && i < weir_json_count(a); i++) {
        if (!same(weir_json_at(a, i), weir_json_at(b, i))) {
            return false;
        }
    }

    if (weir_json_is_array(a)) {
        return true;
    }

    if (weir_json_is_object(a)) {
        for (iter = weir_json_next(a, NULL, &key, &v);
             iter;
             iter = weir_json_next(a, iter, &key, &v))
        {
            if (!same(v, weir_json_get(b, key))) {
                return false;
            }
        }

        return true;
    }

    weir_json_write(a, &x);
    weir_json_write(b, &y);
    i = weir_str_eq(unit_buf(&x), unit_buf(&y));
    weir_buf_free(&x);
    weir_buf_free(&y);

    return i;
}


static void
assert_same(const char *got, size_t len, const char *want)
{
    char          error[WEIR_JSON_ERROR];
    weir_json_t  *a, *b;

    a = weir_json_parse((weir_str_t) { got, len }, error);
    b = parse(want);

    if (!same(a, b)) {
        fail_msg("got  %.*s\nwant %s", (int) len, got, want);
    }

    weir_json_free(&a);
    weir_json_free(&b);
}


/* request -> neutral -> text -> neutral -> call, as it goes through Redis */

static void
through(const char *request, const char *want, const char *model)
{
    char             error[WEIR_JSON_ERROR];
    weir_buf_t       wire = { 0 }, out = { 0 };
    weir_json_t     *body, *neutral;
    weir_failure_t   f;

    body = parse(request);
    neutral = weir_openai_request(body, &f);

    if (neutral == NULL) {
        fail_msg("%s: %s", request, f.message);
    }

    assert_int_equal(weir_json_write(neutral, &wire), 0);
    weir_json_free(&neutral);
    weir_json_free(&body);

    neutral = weir_json_parse(unit_buf(&wire), error);
    assert_non_null(neutral);
    assert_int_equal(weir_openai_call(neutral, weir_str_of(model), false,
                                      &out), 0);
    assert_same(out.data, out.len, want);

    weir_json_free(&neutral);
    weir_buf_free(&wire);
    weir_buf_free(&out);
}


static void
test_same_request(void **state)
{
    size_t  i;

    static const char  *rows[] = {
        "{" U "}",
        "{" U ",\"max_tokens\":5,\"temperature\":0.5,\"top_p\":1,\"n\":2,"
        "\"seed\":-7}",
        "{" U ",\"max_completion_tokens\":1000}",
        "{" U ",\"max_completion_tokens\":9,\"max_tokens\":8}",
        "{" U ",\"stop\":[\"a\",\"b\"]}",
        "{" U ",\"stop\":[]}",
        "{" U ",\"user\":\"u\",\"logit_bias\":{\"50256\":-100},"
        "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
        "{\"name\":\"x\",\"schema\":{}}},\"tool_choice\":\"auto\","
        "\"reasoning_effort\":\"low\",\"x_unknown\":[1,{\"a\":false}]}",
        "{" M "[{\"role\":\"system\",\"content\":\"s\"},"
        "{\"role\":\"developer\",\"content\":\"d\",\"name\":\"n\"},"
        "{\"role\":\"user\",\"content\":\"\"},"
        "{\"role\":\"assistant\",\"content\":\"a\",\"refusal\":null}]}",
        "{" M "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
        "\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}]}",
        "{" M "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
        "\"a\",\"cache_control\":{\"type\":\"ephemeral\"}}]}]}",
        "{" M "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
        "\"what?\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
        "\"data:image/png;base64,AA==\",\"detail\":\"low\"}},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/y\"}},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\",\"new\":1}},"
        "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AA\","
        "\"format\":\"wav\"}},{\"type\":\"text\",\"text\":7}]}]}",
        "{" M "[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
        "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
        "\"arguments\":\"{\\\"a\\\":1}\"}},"
        "{\"id\":\"c2\",\"type\":\"function\",\"index\":1,\"function\":"
        "{\"name\":\"g\",\"arguments\":\"\"}},"
        "{\"id\":\"c3\",\"type\":\"custom\",\"custom\":{\"name\":\"h\","
        "\"input\":\"x\"}}]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"42\"},"
        "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":[{\"type\":"
        "\"text\",\"text\":\"4\"},{\"type\":\"text\",\"text\":\"2\"}]}]}",
        "{" M "[{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":["
        "{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\","
        "\"arguments\":\"{}\"}}],\"audio\":{\"id\":\"a\"}}]}",
        "{" U ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\""
        ",\"description\":\"d\",\"parameters\":{\"type\":\"object\"},"
        "\"strict\":true},\"cache_control\":{}},{\"type\":\"custom\","
        "\"custom\":{\"name\":\"x\"}}],\"parallel_tool_calls\":false}",
        "{" U ",\"tools\":[]}",
        "{" M "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"new\":"
        "{}}]}]}",
        "{" M "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
        "null}]}]}",
        "{" M "[{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\","
        "\"refusal\":\"no\"}]}]}",
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        through(rows[i], rows[i], "");
    }
}


/* what may differ: nulls, one text in an array, stop as a string, the model */

static void
test_equal_request(void **state)
{
    (void) state;

    through("{" U ",\"stop\":\"x\"}", "{" U ",\"stop\":[\"x\"]}", "");
    through("{" U ",\"stop\":null,\"tools\":null,\"seed\":null,\"user\":null,"
            "\"stream\":null}", "{" U "}", "");
    through("{" U ",\"stream\":false,\"stream_options\":{}}", "{" U "}", "");
    through("{" U ",\"stream\":true,\"stream_options\":{\"include_usage\":true,"
            "\"x\":1}}", "{" U "}", "");
    through("{" M "[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
            "\"text\":\"hi\"}]}]}", "{" U "}", "");
    through("{" M "[{\"role\":\"user\",\"content\":[]}]}",
            "{" M "[{\"role\":\"user\",\"content\":null}]}", "");
    through("{" M "[{\"role\":\"user\",\"tool_calls\":null}]}",
            "{" M "[{\"role\":\"user\",\"content\":null}]}", "");
    through("{" U "}", "{\"model\":\"theirs\",\"messages\":[{\"role\":\"user\""
            ",\"content\":\"hi\"}]}", "theirs");
}


static void
test_bad_requests(void **state)
{
    size_t           i;
    weir_json_t     *body, *v;
    weir_failure_t   f;

    static const struct {
        const char  *text;
        const char  *param;
    } rows[] = {
        { "[]", "" },
        { "7", "" },
        { "{}", "model" },
        { "{\"model\":\"\",\"messages\":[]}", "model" },
        { "{\"model\":7,\"messages\":[]}", "model" },
        { "{\"model\":\"a b\",\"messages\":[]}", "model" },
        { "{\"model\":\"m\"}", "messages" },
        { "{" M "[]}", "messages" },
        { "{" M "\"x\"}", "messages" },
        { "{" M "[7]}", "messages[0]" },
        { "{" M "[{\"role\":\"user\",\"content\":\"\"},{\"role\":\"boss\"}]}",
          "messages[1]" },
        { "{" M "[{\"role\":\"user\",\"content\":7}]}", "messages[0]" },
        { "{" M "[{\"role\":\"user\",\"content\":{}}]}", "messages[0]" },
        { "{" M "[{\"role\":\"user\",\"content\":[7]}]}", "messages[0]" },
        { "{" M "[{\"role\":\"user\",\"content\":[{}]}]}", "messages[0]" },
        { "{" M "[{\"role\":\"user\",\"tool_calls\":{}}]}", "messages[0]" },
        { "{" U ",\"max_tokens\":0}", "max_tokens" },
        { "{" U ",\"max_tokens\":1.5}", "max_tokens" },
        { "{" U ",\"max_tokens\":\"5\"}", "max_tokens" },
        { "{" U ",\"max_completion_tokens\":-1}", "max_completion_tokens" },
        { "{" U ",\"temperature\":2.1}", "temperature" },
        { "{" U ",\"temperature\":true}", "temperature" },
        { "{" U ",\"top_p\":-0.1}", "top_p" },
        { "{" U ",\"n\":0}", "n" },
        { "{" U ",\"n\":129}", "n" },
        { "{" U ",\"seed\":1.5}", "seed" },
        { "{" U ",\"stop\":7}", "stop" },
        { "{" U ",\"stop\":[\"a\",7]}", "stop" },
        { "{" U ",\"tools\":{}}", "tools" },
        { "{" U ",\"stream\":\"yes\"}", "stream" },
        { "{" U ",\"stream\":1}", "stream" },
        { "{" U ",\"stream_options\":true}", "stream_options" },
        { "{" U ",\"stream_options\":[]}", "stream_options" },
        { "{" U ",\"stream_options\":{\"include_usage\":1}}",
          "stream_options" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&f, 0, sizeof(f));
        body = parse(rows[i].text);
        v = weir_openai_request(body, &f);

        if (v != NULL || f.kind != WEIR_FAIL_INVALID
            || strcmp(f.param, rows[i].param) != 0 || f.message[0] == '\0')
        {
            fail_msg("%s: %s: %s", rows[i].text, f.param, f.message);
        }

        weir_json_free(&body);
    }
}


static void
test_bad_neutral(void **state)
{
    size_t        i;
    weir_buf_t    out = { 0 };
    weir_json_t  *v;
    static const char  *rows[] = {
        "{}", "[]", "{\"v\":2,\"messages\":[]}", "{\"v\":1}",
        "{\"v\":1,\"messages\":{}}", "{\"v\":1,\"messages\":[]}"
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        v = parse(rows[i]);
        assert_int_equal(weir_openai_call(v, weir_str_null, false, &out), -1);
        weir_json_free(&v);
    }

    assert_int_equal(weir_openai_call(NULL, weir_str("m"), false, &out), -1);
    weir_buf_free(&out);
}


/* reply -> outcome -> text -> outcome -> completion */

static void
completes(const char *reply, const char *want)
{
    weir_buf_t       wire = { 0 }, out = { 0 };
    weir_json_t     *v;
    weir_outcome_t   o;

    weir_outcome_init(&o);

    if (weir_openai_reply(weir_str_of(reply), &o) != 0) {
        fail_msg("%s: %s", reply, o.error.message);
    }

    assert_int_equal(weir_outcome_write(&o, &wire), 0);
    weir_outcome_free(&o);
    assert_int_equal(weir_outcome_read(&o, unit_buf(&wire)), 0);
    assert_int_equal(o.state, WEIR_COMPLETED);

    v = weir_openai_completion(&o, weir_str("ID"), 77);
    assert_non_null(v);
    assert_int_equal(weir_json_write(v, &out), 0);
    assert_same(out.data, out.len, want);

    weir_json_free(&v);
    weir_outcome_free(&o);
    weir_buf_free(&wire);
    weir_buf_free(&out);
}


#define HEAD  "{\"id\":\"chatcmpl-ID\",\"object\":\"chat.completion\","       \
              "\"created\":77,\"model\":\"m-1\","

static void
test_replies(void **state)
{
    size_t  i;

    static const char  *same_back[] = {
        HEAD "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":\"hello\",\"refusal\":null},\"logprobs\":null,"
        "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,"
        "\"completion_tokens\":4,\"total_tokens\":7,"
        "\"prompt_tokens_details\":{\"cached_tokens\":1}},"
        "\"system_fingerprint\":\"fp\",\"service_tier\":\"default\"}",

        HEAD "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":null,\"refusal\":null,\"tool_calls\":[{\"id\":\"c\","
        "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
        "\"{}\"}},{\"id\":\"d\",\"type\":\"custom\",\"custom\":{\"name\":"
        "\"x\"}}]},\"logprobs\":null,\"finish_reason\":\"tool_calls\"}],"
        "\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0,"
        "\"total_tokens\":0}}",

        HEAD "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":null,\"refusal\":\"no\",\"annotations\":[]},"
        "\"logprobs\":{\"content\":[]},\"finish_reason\":\"content_filter\"},"
        "{\"index\":1,\"message\":{\"role\":\"assistant\",\"content\":\"\","
        "\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"length\"},"
        "{\"index\":2,\"message\":{\"role\":\"assistant\",\"content\":\"x\","
        "\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"eos\"}],"
        "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,"
        "\"total_tokens\":2}}",
    };

    (void) state;

    for (i = 0; i < ROWS(same_back); i++) {
        completes(same_back[i], same_back[i]);
    }
}


/* counts that are not ours to believe */

static void
test_usage(void **state)
{
    size_t          i;
    weir_outcome_t  o;
    char            reply[512];

    static const struct {
        const char  *usage;
        long long    in;
        long long    out;
    } rows[] = {
        { "{\"prompt_tokens\":-5,\"completion_tokens\":-1}", 0, 0 },
        { "{\"prompt_tokens\":8e18,\"completion_tokens\":1e300}",
          1000000000000LL, 0 },
        { "{\"prompt_tokens\":9223372036854775807,"
          "\"completion_tokens\":9223372036854775807}", 1000000000000LL,
          1000000000000LL },
        { "{\"prompt_tokens\":\"7\"}", 0, 0 },
        { "[]", 0, 0 },
        { "null", 0, 0 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        snprintf(reply, sizeof(reply), "{\"choices\":[{\"message\":{}}],"
                 "\"usage\":%s}", rows[i].usage);
        weir_outcome_init(&o);
        assert_int_equal(weir_openai_reply(weir_str_of(reply), &o), 0);
        assert_true(o.input_tokens == rows[i].in
                    && o.output_tokens == rows[i].out);
        weir_outcome_free(&o);
    }
}


static void
test_bad_replies(void **state)
{
    size_t          i;
    weir_outcome_t  o;

    static const char  *rows[] = {
        "", "secret", "<html>secret</html>", "{", "[]", "{}",
        "{\"choices\":[]}", "{\"choices\":{}}", "{\"choices\":[7]}",
        "{\"choices\":[{}]}", "{\"choices\":[{\"message\":\"secret\"}]}",
        "{\"choices\":[{\"message\":{}},{}]}",
        "{\"choices\":[{\"message\":{}}]} secret",
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        weir_outcome_init(&o);
        assert_int_equal(weir_openai_reply(weir_str_of(rows[i]), &o), -1);
        assert_int_equal(o.error.kind, WEIR_FAIL_UPSTREAM);
        assert_string_equal(o.error.code, "upstream_invalid");
        assert_null(strstr(o.error.message, "secret"));
        assert_int_equal(o.state, WEIR_FAILED);
        weir_outcome_free(&o);
    }
}


static void
test_errors(void **state)
{
    size_t          i;
    weir_failure_t  f;

    static const struct {
        unsigned      status;
        const char   *body;
        weir_fail_e   kind;
        const char   *message;
        const char   *code;
        const char   *param;
    } rows[] = {
        { 400, "{\"error\":{\"message\":\"bad\",\"code\":\"c\",\"param\":\"p\""
               "}}", WEIR_FAIL_INVALID, "bad", "c", "p" },
        { 400, "", WEIR_FAIL_INVALID, "refused the request", "", "" },
        { 400, "{\"error\":\"text\"}", WEIR_FAIL_INVALID, "refused", "", "" },
        { 400, "{\"error\":{\"message\":7,\"code\":7,\"param\":null}}",
          WEIR_FAIL_INVALID, "refused", "", "" },
        { 401, "{\"error\":{\"message\":\"sk-secret\"}}", WEIR_FAIL_UPSTREAM,
          "credentials", "upstream_auth", "" },
        { 403, "", WEIR_FAIL_UPSTREAM, "credentials", "upstream_auth", "" },
        { 404, "{\"error\":{\"message\":\"no model\"}}", WEIR_FAIL_NOT_FOUND,
          "no model", "", "" },
        { 408, "", WEIR_FAIL_UPSTREAM, "408", "", "" },
        { 413, "", WEIR_FAIL_TOO_LARGE, "refused", "", "" },
        { 422, "", WEIR_FAIL_INVALID, "refused", "", "" },
        { 429, "{\"error\":{\"message\":\"slow\"}}", WEIR_FAIL_RATE_LIMITED,
          "slow", "", "" },
        { 500, "{\"error\":{\"message\":\"secret\"}}", WEIR_FAIL_UPSTREAM,
          "500", "", "" },
        { 529, "", WEIR_FAIL_UPSTREAM, "529", "", "" },
        { 302, "", WEIR_FAIL_UPSTREAM, "302", "", "" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        weir_openai_error(rows[i].status, weir_str_of(rows[i].body), &f);

        if (f.kind != rows[i].kind || strcmp(f.code, rows[i].code) != 0
            || strcmp(f.param, rows[i].param) != 0
            || strstr(f.message, rows[i].message) == NULL
            || strstr(f.message, "secret"))
        {
            fail_msg("%u %s: %s", rows[i].status, rows[i].body, f.message);
        }
    }
}


static void
test_models(void **state)
{
    weir_buf_t    out = { 0 };
    weir_json_t  *catalogue, *v;

    (void) state;

    catalogue = parse("{\"models\":[{\"id\":\"a\",\"created\":5,\"owned_by\":"
                      "\"p\",\"price\":7},{\"id\":\"b\",\"created\":6,"
                      "\"owned_by\":\"q\"}]}");

    v = weir_openai_models(catalogue);
    weir_json_write(v, &out);
    assert_same(out.data, out.len,
                "{\"object\":\"list\",\"data\":[{\"id\":\"a\",\"object\":"
                "\"model\",\"created\":5,\"owned_by\":\"p\"},{\"id\":\"b\","
                "\"object\":\"model\",\"created\":6,\"owned_by\":\"q\"}]}");
    weir_json_free(&v);

    v = weir_openai_model(catalogue, weir_str("b"));
    weir_buf_reset(&out);
    weir_json_write(v, &out);
    assert_same(out.data, out.len, "{\"id\":\"b\",\"object\":\"model\","
                                   "\"created\":6,\"owned_by\":\"q\"}");
    weir_json_free(&v);
    assert_null(weir_openai_model(catalogue, weir_str("c")));
    assert_null(weir_openai_model(NULL, weir_str("c")));
    weir_json_free(&catalogue);

    v = weir_openai_models(NULL);
    assert_int_equal(weir_json_count(weir_json_get(v, "data")), 0);
    weir_json_free(&v);
    weir_buf_free(&out);
}


static void
test_needs(void **state)
{
    size_t         i;
    weir_need_t    need;
    weir_json_t   *body, *request;
    weir_failure_t f;

    static const struct {
        const char  *body;
        int64_t      input, output, max_tokens;
    } rows[] = {
        { "{" U "}", 2, 0, 0 },         /* "user" is no text; "text", "hi" */
        { "{" U ",\"max_tokens\":7}", 2, 7, 7 },
        { "{" U ",\"max_completion_tokens\":9,\"n\":3}", 2, 27, 9 },
        { "{" U ",\"n\":3}", 2, 0, 0 },
        { "{" U ",\"max_completion_tokens\":9,\"max_tokens\":7}", 2, 9, 9 },
        { "{" U ",\"max_completion_tokens\":7,\"max_tokens\":9}", 2, 9, 9 },
        { "{" U ",\"max_tokens\":1000000000,\"n\":128}", 2, 128000000000,
          1000000000 },
        { "{" M "[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
          "\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}]}]}",
          1001, 0, 0 }
    };

    (void) state;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        body = parse(rows[i].body);
        request = weir_openai_request(body, &f);

        if (request == NULL) {
            fail_msg("%s: %s", rows[i].body, f.message);
        }

        weir_neutral_need(request, &need);
        assert_int_equal(need.input, rows[i].input);
        assert_int_equal(need.output, rows[i].output);
        assert_int_equal(need.max_tokens, rows[i].max_tokens);

        weir_json_free(&request);
        weir_json_free(&body);
    }

    weir_neutral_need(NULL, &need);
    assert_int_equal(need.input, 1);
    assert_int_equal(need.output, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_same_request),
        cmocka_unit_test(test_equal_request),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_bad_neutral),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_bad_replies),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_needs)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
