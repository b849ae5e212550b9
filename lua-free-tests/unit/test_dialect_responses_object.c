/*
 * The response object in every state of a job; what it repeats of its request;
 * and that its items, given back, are what was said.
 */

#include "documents.h"
#include "weir_dialect_responses.h"


#define ID  "00abcdefghijklmnopqrstuv"

/* members that say nothing here */
#define NULLS  "\"instructions\":null,\"max_output_tokens\":null,"            \
    "\"metadata\":{},\"previous_response_id\":null,\"prompt_cache_key\":null," \
    "\"safety_identifier\":null,\"temperature\":null,\"top_p\":null,"         \
    "\"user\":null,\"background\":false,\"parallel_tool_calls\":true,"        \
    "\"store\":true,\"tool_choice\":\"auto\",\"top_logprobs\":0,"             \
    "\"truncation\":\"disabled\",\"text\":{\"format\":{\"type\":\"text\"}},"  \
    "\"reasoning\":{\"effort\":null,\"summary\":null},\"tools\":[]"

#define OBJECT(status, completed, error, cut, model, output, usage, echo)     \
    "{\"id\":\"resp_" ID "\",\"object\":\"response\",\"created_at\":17,"      \
    "\"status\":\"" status "\",\"completed_at\":" completed ",\"error\":"     \
    error ",\"incomplete_details\":" cut ",\"model\":\"" model                \
    "\",\"output\":[" output "],\"usage\":" usage "," echo "}"

#define USED(input, output, total, cached, written, thought)                  \
    "{\"input_tokens\":" #input ",\"input_tokens_details\":{"                 \
    "\"cached_tokens\":" #cached ",\"cache_write_tokens\":" #written          \
    "},\"output_tokens\":" #output ",\"output_tokens_details\":{"             \
    "\"reasoning_tokens\":" #thought "},\"total_tokens\":" #total "}"

#define TEXT(text)  "{\"type\":\"output_text\",\"text\":\"" text              \
    "\",\"annotations\":[],\"logprobs\":[]}"
#define MESSAGE(i, status, content)  "{\"type\":\"message\",\"id\":\"msg_" ID \
    "_" #i "\",\"status\":\"" status "\",\"role\":\"assistant\",\"content\":["\
    content "]}"
#define CALL(i, status, id, name, arguments)                                  \
    "{\"type\":\"function_call\",\"id\":\"fc_" ID "_" #i "\",\"status\":\""   \
    status "\",\"call_id\":\"" id "\",\"name\":\"" name "\",\"arguments\":\"" \
    arguments "\"}"
#define REASONING(i, status, content)  "{\"type\":\"reasoning\",\"id\":\"rs_" \
    ID "_" #i "\",\"status\":\"" status "\",\"summary\":[],\"content\":["     \
    content "]}"
#define THOUGHT(text)  "{\"type\":\"reasoning_text\",\"text\":\"" text "\"}"

#define O(state, more)  "{\"v\":1,\"state\":\"" state "\",\"started_at\":1,"  \
    "\"finished_at\":19500,\"attempts\":1,\"model\":\"m-1\"," more "}"
#define OK(parts, stop, more)  O("completed", "\"usage\":{\"input_tokens\":3,"\
    "\"output_tokens\":4},\"choices\":[{\"index\":0,\"role\":\"assistant\","  \
    "\"parts\":[" parts "],\"stop\":\"" stop "\"" more "}]")


typedef struct {
    weir_state_e   state;
    const char    *outcome;         /* NULL: none */
    const char    *echo;
    const char    *want;
} row_t;

static const row_t  rows[] = {
    { WEIR_QUEUED, NULL, "", OBJECT("queued", "null", "null", "null", "m", "",
                                    "null", NULLS) },
    { WEIR_IN_PROGRESS, NULL, "not json",
      OBJECT("in_progress", "null", "null", "null", "m", "", "null", NULLS) },
    { WEIR_CANCELLED, NULL, "[]",
      OBJECT("cancelled", "null", "null", "null", "m", "", "null", NULLS) },
    { WEIR_EXPIRED, NULL, "",
      OBJECT("failed", "null", "{\"code\":\"server_error\",\"message\":"
             "\"the job did not finish before its deadline\"}", "null", "m",
             "", "null", NULLS) },
    { WEIR_FAILED, O("failed", "\"usage\":{\"input_tokens\":2},\"error\":{"
                     "\"kind\":\"UPSTREAM\",\"message\":\"away\",\"code\":"
                     "\"upstream_error\"}"), "",
      OBJECT("failed", "null", "{\"code\":\"server_error\",\"message\":"
             "\"away\"}", "null", "m-1", "", USED(2, 0, 2, 0, 0, 0), NULLS) },
    { WEIR_FAILED, O("failed", "\"error\":{\"kind\":\"INVALID\",\"message\":"
                     "\"no\",\"code\":\"invalid_image_url\"}"), "",
      OBJECT("failed", "null", "{\"code\":\"invalid_image_url\",\"message\":"
             "\"no\"}", "null", "m-1", "", "null", NULLS) },
    { WEIR_FAILED, O("failed", "\"error\":{\"kind\":\"INVALID\",\"message\":"
                     "\"no\",\"code\":\"\"}"), "",
      OBJECT("failed", "null", "{\"code\":\"invalid_prompt\",\"message\":"
             "\"no\"}", "null", "m-1", "", "null", NULLS) },
    { WEIR_FAILED, O("failed", "\"error\":{\"kind\":\"RATE_LIMITED\","
                     "\"message\":\"no\"}"), "",
      OBJECT("failed", "null", "{\"code\":\"rate_limit_exceeded\","
             "\"message\":\"no\"}", "null", "m-1", "", "null", NULLS) },
    { WEIR_FAILED, NULL, "",
      OBJECT("failed", "null", "{\"code\":\"server_error\",\"message\":"
             "\"the result has expired\"}", "null", "m", "", "null", NULLS) },
    { WEIR_COMPLETED, NULL, "",
      OBJECT("completed", "null", "null", "null", "m", "", "null", NULLS) },

    { WEIR_COMPLETED, OK("{\"type\":\"text\",\"text\":\"Hi\"}", "end", ""), "",
      OBJECT("completed", "19", "null", "null", "m-1",
             MESSAGE(0, "completed", TEXT("Hi")), USED(3, 4, 7, 0, 0, 0),
             NULLS) },
    { WEIR_COMPLETED, OK("", "end", ""), "",
      OBJECT("completed", "19", "null", "null", "m-1", "",
             USED(3, 4, 7, 0, 0, 0), NULLS) },
    { WEIR_COMPLETED, OK("{\"type\":\"thinking\",\"text\":\"hm\"},{\"type\":"
                         "\"thinking\",\"text\":\"ah\"},{\"type\":"
                         "\"anthropic\",\"signature\":\"s\"},{\"type\":"
                         "\"text\",\"text\":\"a\"},{\"type\":\"refusal\","
                         "\"text\":\"no\"},{\"type\":\"text\",\"text\":\"\"},"
                         "{\"type\":\"tool_call\",\"id\":\"1\",\"name\":\"f\","
                         "\"arguments\":\"{}\"},{\"type\":\"tool_call\","
                         "\"name\":\"g\",\"arguments\":\"\"},{\"type\":"
                         "\"openai\",\"part\":{\"type\":\"x\"}}", "tool",
                         ",\"openai\":{\"logprobs\":{\"content\":[7]}}"), "",
      OBJECT("completed", "19", "null", "null", "m-1",
             REASONING(0, "completed", THOUGHT("hm") "," THOUGHT("ah")) ","
             MESSAGE(1, "completed", "{\"type\":\"output_text\",\"text\":"
                     "\"a\",\"annotations\":[],\"logprobs\":[7]},{\"type\":"
                     "\"refusal\",\"refusal\":\"no\"}") ","
             CALL(2, "completed", "1", "f", "{}") ","
             CALL(3, "completed", "fc_" ID "_3", "g", ""),
             USED(3, 4, 7, 0, 0, 0), NULLS) },
    { WEIR_COMPLETED, OK("{\"type\":\"thinking\",\"text\":\"hm\"},{\"type\":"
                         "\"text\",\"text\":\"a\"}", "length", ""), "",
      OBJECT("incomplete", "null", "null",
             "{\"reason\":\"max_output_tokens\"}", "m-1",
             REASONING(0, "completed", THOUGHT("hm")) ","
             MESSAGE(1, "incomplete", TEXT("a")), USED(3, 4, 7, 0, 0, 0),
             NULLS) },
    { WEIR_COMPLETED, OK("{\"type\":\"tool_call\",\"id\":\"1\",\"name\":\"f\","
                         "\"arguments\":\"\"},{\"type\":\"tool_call\",\"id\":"
                         "\"2\",\"name\":\"f\",\"arguments\":\"{\"},{\"type\":"
                         "\"text\",\"text\":\"\"}", "filter", ""), "",
      OBJECT("incomplete", "null", "null", "{\"reason\":\"content_filter\"}",
             "m-1", CALL(0, "completed", "1", "f", "") ","
             CALL(1, "incomplete", "2", "f", "{"), USED(3, 4, 7, 0, 0, 0),
             NULLS) },
    { WEIR_COMPLETED, O("completed", "\"usage\":{\"input_tokens\":9,"
                        "\"output_tokens\":4},\"choices\":[],\"extra\":{"
                        "\"openai\":{\"service_tier\":\"flex\",\"usage\":{"
                        "\"prompt_tokens_details\":{\"cached_tokens\":5},"
                        "\"completion_tokens_details\":{\"reasoning_tokens\":"
                        "2}}}}"), "",
      OBJECT("completed", "19", "null", "null", "m-1", "",
             USED(9, 4, 13, 5, 0, 2), NULLS ",\"service_tier\":\"flex\"") },
    { WEIR_COMPLETED, O("completed", "\"usage\":{\"input_tokens\":9,"
                        "\"output_tokens\":4},\"choices\":[],\"extra\":{"
                        "\"anthropic\":{\"usage\":{"
                        "\"cache_read_input_tokens\":5,"
                        "\"cache_creation_input_tokens\":1}}}"), "",
      OBJECT("completed", "19", "null", "null", "m-1", "",
             USED(9, 4, 13, 5, 1, 0), NULLS) },
};


static void
write_object(const row_t *row, weir_buf_t *b)
{
    weir_json_t       *v;
    weir_outcome_t     o;
    weir_responses_t   r = { .id = weir_str(ID), .model = weir_str("m"),
                             .created = 17, .state = row->state,
                             .echo = weir_str_of(row->echo) };

    weir_outcome_init(&o);

    if (row->outcome) {
        assert_int_equal(weir_outcome_read(&o, weir_str_of(row->outcome)), 0);
        r.outcome = &o;
    }

    weir_buf_reset(b);
    v = weir_responses_object(&r);
    assert_non_null(v);
    assert_int_equal(weir_json_write(v, b), 0);
    weir_json_free(&v);
    weir_outcome_free(&o);
}


static void
test_states(void **state)
{
    size_t      i;
    weir_buf_t  b = { 0 };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        write_object(&rows[i], &b);
        assert_same(unit_buf(&b), rows[i].want);
    }

    weir_buf_free(&b);
}


/* what was asked is said again, and what does not belong there is not */

static void
test_echo(void **state)
{
    row_t         row = { WEIR_QUEUED, NULL, NULL, NULL };
    weir_buf_t    b = { 0 }, echo = { 0 };
    weir_json_t  *body;

    (void) state;

    body = parse(weir_str("{\"model\":\"m\",\"input\":\"hi\",\"stream\":true,"
        "\"include\":[],\"instructions\":\"be brief\",\"max_output_tokens\":9,"
        "\"metadata\":{\"a\":\"b\"},\"temperature\":0.5,\"top_p\":null,"
        "\"user\":\"u\",\"safety_identifier\":\"s\",\"prompt_cache_key\":\"k\","
        "\"background\":true,\"store\":true,\"parallel_tool_calls\":false,"
        "\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"},\"tools\":[{"
        "\"type\":\"function\",\"name\":\"f\",\"strict\":true}],"
        "\"top_logprobs\":2,\"text\":{\"verbosity\":\"low\"},\"reasoning\":{"
        "\"effort\":\"low\"},\"service_tier\":\"flex\",\"truncation\":"
        "\"disabled\"}"));
    assert_int_equal(weir_responses_echo(body, &echo), 0);
    weir_json_free(&body);
    weir_buf_add(&echo, "", 1);

    row.echo = echo.data;
    write_object(&row, &b);
    assert_same(unit_buf(&b),
        OBJECT("queued", "null", "null", "null", "m", "", "null",
            "\"instructions\":\"be brief\",\"max_output_tokens\":9,"
            "\"metadata\":{\"a\":\"b\"},\"previous_response_id\":null,"
            "\"prompt_cache_key\":\"k\",\"safety_identifier\":\"s\","
            "\"temperature\":0.5,\"top_p\":null,\"user\":\"u\","
            "\"background\":true,\"parallel_tool_calls\":false,\"store\":true,"
            "\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"},"
            "\"top_logprobs\":2,\"truncation\":\"disabled\",\"text\":{"
            "\"verbosity\":\"low\",\"format\":{\"type\":\"text\"}},"
            "\"reasoning\":{\"effort\":\"low\",\"summary\":null},\"tools\":[{"
            "\"type\":\"function\",\"name\":\"f\",\"description\":null,"
            "\"parameters\":null,\"strict\":true}],\"service_tier\":"
            "\"flex\""));

    weir_buf_free(&b);
    weir_buf_free(&echo);
}


/* what is large is left out, one after the other */

static void
test_echo_large(void **state)
{
    size_t        n;
    weir_buf_t    text = { 0 }, echo = { 0 };
    weir_json_t  *body, *v, *tools, *last;

    (void) state;

    for (n = 0; n < 4; n++) {
        weir_buf_reset(&text);
        weir_buf_reset(&echo);

        weir_buf_text(&text, "{\"instructions\":\"");
        while (text.len < (n > 0 ? 70000 : 20)) { weir_buf_text(&text, "i"); }

        weir_buf_text(&text, "\",\"tools\":[{\"name\":\"");
        while (text.len < (n > 1 ? 140000 : 90)) { weir_buf_text(&text, "t"); }

        weir_buf_text(&text, "\"}],\"store\":false,\"user\":\"");
        while (text.len < (n > 2 ? 210000 : 200)) { weir_buf_text(&text, "u"); }

        weir_buf_text(&text, "\"}");

        body = parse(unit_buf(&text));
        weir_buf_text(&echo, "x");
        assert_int_equal(weir_responses_echo(body, &echo), 0);
        weir_json_free(&body);
        assert_true(echo.len - 1 <= WEIR_RESPONSES_ECHO_MAX);

        v = parse((weir_str_t) { echo.data + 1, echo.len - 1 });
        tools = weir_json_get(v, "tools");
        last = weir_json_get(v, "user");
        assert_int_equal(weir_json_get(v, "instructions") == NULL, n > 0);
        assert_int_equal(tools == NULL, n > 1);
        assert_int_equal(last == NULL, n > 2);
        assert_non_null(weir_json_get(v, "store"));
        weir_json_free(&v);
    }

    weir_buf_free(&text);
    weir_buf_free(&echo);
}


/* the parts of an answer, without what this dialect does not show */

static void
assert_given_back(const weir_json_t *response, const char *parts)
{
    weir_buf_t       b = { 0 };
    weir_json_t     *body, *neutral;
    weir_failure_t   f;

    body = parse(weir_str("{\"model\":\"m\"}"));
    weir_json_set_take(body, "input",
                       weir_json_ref(weir_json_get(response, "output")));
    neutral = weir_responses_request(body, &f);

    if (neutral == NULL) {
        fail_msg("%s (%s)", f.message, f.param);
    }

    assert_int_equal(weir_json_write(weir_json_get(neutral, "messages"), &b),
                     0);
    assert_same(unit_buf(&b), parts);
    weir_json_free(&neutral);
    weir_json_free(&body);
    weir_buf_free(&b);
}


static void
test_given_back(void **state)
{
    weir_buf_t    b = { 0 };
    weir_json_t  *v;

    (void) state;

    write_object(&rows[12], &b);
    v = parse(unit_buf(&b));
    assert_given_back(v, "[{\"role\":\"assistant\",\"parts\":[{\"type\":"
        "\"thinking\",\"text\":\"hm\"},{\"type\":\"thinking\",\"text\":\"ah\"},"
        "{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"openai\",\"part\":{"
        "\"type\":\"refusal\",\"refusal\":\"no\"}},{\"type\":\"tool_call\","
        "\"id\":\"1\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":"
        "\"tool_call\",\"id\":\"fc_" ID "_3\",\"name\":\"g\",\"arguments\":"
        "\"\"}]}]");
    weir_json_free(&v);

    write_object(&rows[14], &b);
    v = parse(unit_buf(&b));
    assert_given_back(v, "[{\"role\":\"assistant\",\"parts\":[{\"type\":"
        "\"tool_call\",\"id\":\"1\",\"name\":\"f\",\"arguments\":\"\"},"
        "{\"type\":\"tool_call\",\"id\":\"2\",\"name\":\"f\",\"arguments\":"
        "\"{\"}]}]");
    weir_json_free(&v);
    weir_buf_free(&b);
}


static void
test_ids(void **state)
{
    size_t        i;
    unsigned      shard;
    weir_buf_t    b = { 0 };
    weir_str_t    id;
    weir_json_t  *v;

    static const char  *wrong[] = {
        "", "resp", "resp_", ID, "job_" ID, "resp_" ID "x", "Resp_" ID,
        "resp_zzabcdefghijklmnopqrstuv", "resp_00abcdefghijklmnopqrst-v"
    };

    (void) state;

    assert_true(weir_responses_id_parse(weir_str("resp_" ID), &id, &shard));
    unit_str(id, ID);
    assert_int_equal(shard, 0);

    for (i = 0; i < ROWS(wrong); i++) {
        assert_false(weir_responses_id_parse(weir_str_of(wrong[i]), &id,
                                             &shard));
    }

    v = weir_responses_deleted(weir_str(ID));
    assert_int_equal(weir_json_write(v, &b), 0);
    assert_same(unit_buf(&b), "{\"id\":\"resp_" ID "\",\"object\":"
                "\"response\",\"deleted\":true}");
    weir_json_free(&v);
    weir_buf_free(&b);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_echo_large),
        cmocka_unit_test(test_given_back),
        cmocka_unit_test(test_ids)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
