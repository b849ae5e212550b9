/*
 * Streams of the Anthropic dialect: whatever pieces they come in, they make the
 * outcome that the whole reply makes; and an outcome of either dialect, as a
 * stream and put together again, is the same message.
 */

#include "documents.h"
#include "weir_collect.h"
#include "weir_dialect_anthropic.h"
#include "weir_dialect_openai.h"
#include "weir_render.h"
#include "weir_sse.h"


#define ID  "00abcdefghijklmnopqrstuv"

#define R(content, reason, more)                                              \
    "{\"id\":\"msg_" ID "\",\"type\":\"message\",\"role\":\"assistant\","     \
    "\"model\":\"m\",\"content\":[" content "],\"stop_reason\":\"" reason     \
    "\"," more "}"
#define USED  "\"usage\":{\"input_tokens\":3,\"output_tokens\":4}"

#define EV(type, members)  "event: " type "\ndata: {\"type\":\"" type "\""    \
    members "}\n\n"
#define BEGIN  EV("message_start", ",\"message\":{\"id\":\"msg_x\",\"type\":" \
    "\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],"      \
    "\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":" \
    "3,\"output_tokens\":1}}")
#define START(i, block)  EV("content_block_start", ",\"index\":" #i           \
    ",\"content_block\":" block)
#define DELTA(i, delta)  EV("content_block_delta", ",\"index\":" #i           \
    ",\"delta\":{\"type\":" delta "}")
#define STOP(i)  EV("content_block_stop", ",\"index\":" #i)
#define END(reason)  EV("message_delta", ",\"delta\":{\"stop_reason\":\""     \
    reason "\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":4}")      \
    EV("message_stop", "")


/* a stream that is read */

typedef struct {
    weir_anthropic_stream_t   stream;
    weir_openai_stream_t      other;
    weir_collect_t            collect;
    weir_render_t            *render;
    weir_failure_t            f;
    bool                      openai;
} client_t;


static int
on_delta(void *arg, const weir_delta_t *d)
{
    client_t  *c = arg;

    if (c->render && weir_render_delta(c->render, d) != 0) {
        return -3;
    }

    return weir_collect_add(&c->collect, d) ? -2 : 0;
}


static int
on_event(void *arg, weir_str_t name, weir_str_t data)
{
    client_t  *c = arg;

    (void) name;

    return c->openai
           ? weir_openai_stream_event(&c->other, data, on_delta, c, &c->f)
           : weir_anthropic_stream_event(&c->stream, data, on_delta, c, &c->f);
}


static void
client_init(client_t *c)
{
    memset(c, 0, sizeof(client_t));
    weir_anthropic_stream_init(&c->stream);
    weir_openai_stream_init(&c->other);
    weir_collect_init(&c->collect, 1024 * 1024);
}


static void
client_free(client_t *c)
{
    weir_anthropic_stream_free(&c->stream);
    weir_openai_stream_free(&c->other);
    weir_collect_free(&c->collect);
}


/* cut: where the first piece ends */

static int
client_read(client_t *c, weir_str_t text, size_t cut)
{
    int         rc;
    weir_sse_t  sse;

    weir_sse_init(&sse, 1024 * 1024);
    rc = weir_sse_feed(&sse, (weir_str_t) { text.data, cut }, on_event, c);
    rc = rc ? rc : weir_sse_feed(&sse, (weir_str_t) { text.data + cut,
                                                      text.len - cut },
                                 on_event, c);
    weir_sse_free(&sse);

    return rc;
}


static void
write_message(const weir_outcome_t *o, weir_buf_t *out)
{
    weir_json_t  *v;

    v = weir_anthropic_message(o, weir_str(ID));
    assert_non_null(v);
    assert_int_equal(weir_json_write(v, out), 0);
    weir_json_free(&v);
}


/* what was collected is that message */

static void
assert_message(client_t *c, const char *want)
{
    weir_buf_t      b = { 0 };
    weir_outcome_t  o;

    weir_outcome_init(&o);
    assert_int_equal(weir_collect_outcome(&c->collect, &o), 0);
    write_message(&o, &b);
    assert_same(unit_buf(&b), want);

    weir_outcome_free(&o);
    weir_buf_free(&b);
}


typedef struct {
    const char  *stream;
    const char  *message;
} row_t;

static const row_t  streams[] = {
    { BEGIN START(0, "{\"type\":\"text\",\"text\":\"\"}")
      EV("ping", "") DELTA(0, "\"text_delta\",\"text\":\"H\xc3\xa9\"")
      DELTA(0, "\"text_delta\",\"text\":\"llo\"") STOP(0)
      EV("yet_to_come", ",\"index\":9") END("end_turn"),
      R("{\"type\":\"text\",\"text\":\"H\xc3\xa9llo\"}", "end_turn",
        "\"stop_sequence\":null," USED) },
    { BEGIN END("max_tokens"),
      R("", "max_tokens", "\"stop_sequence\":null," USED) },
    { BEGIN START(0, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":"
                     "\"\"}")
      DELTA(0, "\"thinking_delta\",\"thinking\":\"hm\"")
      DELTA(0, "\"signature_delta\",\"signature\":\"s\"") STOP(0)
      START(1, "{\"type\":\"redacted_thinking\",\"data\":\"x\"}") STOP(1)
      START(2, "{\"type\":\"text\",\"text\":\"\",\"citations\":[]}")
      DELTA(2, "\"text_delta\",\"text\":\"a\"")
      DELTA(2, "\"citations_delta\",\"citation\":{\"type\":\"c\"}")
      DELTA(2, "\"text_delta\",\"text\":\"b\"")
      DELTA(2, "\"citations_delta\",\"citation\":{\"type\":\"d\"}")
      DELTA(2, "\"odd_delta\",\"odd\":1") STOP(2)
      START(3, "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":"
               "{}}")
      DELTA(3, "\"input_json_delta\",\"partial_json\":\"\"")
      DELTA(3, "\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"")
      DELTA(3, "\"input_json_delta\",\"partial_json\":\"\\\"}\\\"}\"") STOP(3)
      START(4, "{\"type\":\"tool_use\",\"id\":\"u\",\"name\":\"g\",\"input\":"
               "{}}") STOP(4)
      START(5, "{\"type\":\"server_tool_use\",\"id\":\"v\",\"name\":\"h\","
               "\"input\":{}}")
      DELTA(5, "\"input_json_delta\",\"partial_json\":\"{\\\"q\\\"\"")
      DELTA(5, "\"input_json_delta\",\"partial_json\":\":1}\"") STOP(5)
      END("tool_use"),
      R("{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"},"
        "{\"type\":\"redacted_thinking\",\"data\":\"x\"},{\"type\":\"text\","
        "\"text\":\"ab\",\"citations\":[{\"type\":\"c\"},{\"type\":\"d\"}]},"
        "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{\"a\":"
        "\"}\"}},{\"type\":\"tool_use\",\"id\":\"u\",\"name\":\"g\",\"input\":"
        "{}},{\"type\":\"server_tool_use\",\"id\":\"v\",\"name\":\"h\","
        "\"input\":{\"q\":1}}", "tool_use", "\"stop_sequence\":null," USED) },
    { EV("message_start", ",\"message\":{\"model\":\"m\",\"usage\":{"
         "\"list\":[1],\"input_tokens\":1,\"cache_read_input_tokens\":6,"
         "\"cache_creation_input_tokens\":5,\"output_tokens\":1}}")
      START(0, "{\"type\":\"text\",\"text\":\"a\"}")
      EV("message_delta", ",\"delta\":{\"stop_reason\":\"stop_sequence\","
         "\"stop_sequence\":\"x\",\"container\":{\"id\":\"c\"}},"
         "\"context_management\":{\"y\":1},\"usage\":{\"input_tokens\":3,"
         "\"list\":[1],\"output_tokens\":4}") EV("message_stop", ""),
      R("{\"type\":\"text\",\"text\":\"a\"}", "stop_sequence",
        "\"stop_sequence\":\"x\",\"container\":{\"id\":\"c\"},"
        "\"context_management\":{\"y\":1},\"usage\":{\"input_tokens\":3,"
        "\"list\":[1],\"output_tokens\":4,\"cache_creation_input_tokens\":5,"
        "\"cache_read_input_tokens\":6}") },
    { BEGIN START(0, "{\"type\":\"thinking\",\"thinking\":\"\"}")
      DELTA(0, "\"signature_delta\",\"signature\":\"s\"") STOP(0)
      START(1, "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":"
               "\"https://x\"}}") END("end_turn"),
      R("{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"s\"},"
        "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":"
        "\"https://x\"}}", "end_turn", "\"stop_sequence\":null," USED) },
    { BEGIN END("model_context_window_exceeded"),
      R("", "model_context_window_exceeded", "\"stop_sequence\":null," USED) },
};


/* S4: at every point, inside of characters too */

static void
test_split(void **state)
{
    size_t          i, cut;
    client_t        c;
    weir_str_t      text;
    weir_outcome_t  o, reply;

    (void) state;

    for (i = 0; i < ROWS(streams); i++) {
        text = weir_str_of(streams[i].stream);

        for (cut = 0; cut <= text.len; cut++) {
            client_init(&c);

            if (client_read(&c, text, cut) != 0) {
                fail_msg("%zu at %zu: %s", i, cut, c.f.message);
            }

            assert_true(c.stream.done);
            assert_message(&c, streams[i].message);
            client_free(&c);
        }

        /* tokens are those of the whole reply */

        client_init(&c);
        assert_int_equal(client_read(&c, text, 0), 0);
        weir_outcome_init(&o);
        weir_outcome_init(&reply);
        assert_int_equal(weir_collect_outcome(&c.collect, &o), 0);
        assert_int_equal(weir_anthropic_reply(weir_str_of(streams[i].message),
                                              &reply), 0);
        assert_int_equal(o.input_tokens, reply.input_tokens);
        assert_int_equal(o.output_tokens, reply.output_tokens);
        weir_outcome_free(&o);
        weir_outcome_free(&reply);
        client_free(&c);
    }
}


/* outcome -> events -> deltas -> outcome */

static void
test_round(void **state)
{
    size_t          i;
    client_t        c;
    weir_buf_t      b = { 0 };
    weir_outcome_t  o;

    (void) state;

    for (i = 0; i < ROWS(streams); i++) {
        weir_outcome_init(&o);
        assert_int_equal(weir_anthropic_reply(weir_str_of(streams[i].message),
                                              &o), 0);
        weir_buf_reset(&b);
        assert_int_equal(weir_anthropic_events(&o, weir_str(ID), &b), 0);

        client_init(&c);
        assert_int_equal(client_read(&c, unit_buf(&b), 0), 0);
        assert_true(c.stream.done && c.stream.stopped);
        assert_message(&c, streams[i].message);
        client_free(&c);
        weir_outcome_free(&o);
    }

    weir_buf_free(&b);
}


static void
test_events(void **state)
{
    weir_buf_t      b = { 0 };
    weir_outcome_t  o;

    (void) state;

    weir_outcome_init(&o);
    assert_int_equal(weir_anthropic_reply(weir_str(
        R("{\"type\":\"text\",\"text\":\"Hi\"}", "end_turn", USED)), &o), 0);
    assert_int_equal(weir_anthropic_events(&o, weir_str(ID), &b), 0);

    unit_str(unit_buf(&b),
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{"
        "\"usage\":{\"input_tokens\":3,\"output_tokens\":0},\"id\":\"msg_" ID
        "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\","
        "\"content\":[],\"stop_reason\":null,\"stop_sequence\":null}}\n\n"
        START(0, "{\"type\":\"text\",\"text\":\"\"}")
        DELTA(0, "\"text_delta\",\"text\":\"Hi\"") STOP(0)
        EV("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\","
           "\"stop_sequence\":null},\"usage\":{\"input_tokens\":3,"
           "\"output_tokens\":4}") EV("message_stop", ""));

    weir_buf_reset(&b);
    b.limit = 100;
    assert_int_equal(weir_anthropic_events(&o, weir_str(ID), &b), -1);

    weir_outcome_free(&o);
    weir_buf_free(&b);
}


/* deltas of another dialect, live: calls in turns come one after the other */

#define OCHUNK(delta, reason)  "data: {\"model\":\"m\",\"choices\":[{"        \
    "\"index\":0,\"delta\":{" delta "},\"finish_reason\":" reason "}]}\n\n"
#define OCALL(i, members)  "\"tool_calls\":[{\"index\":" #i members "}]"
#define OARGS(text)  ",\"function\":{\"arguments\":\"" text "\"}"
#define ONAME(id, name)  ",\"id\":\"" id "\",\"type\":\"function\","          \
    "\"function\":{\"name\":\"" name "\",\"arguments\":\"\"}"
#define OEND  "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,"         \
    "\"completion_tokens\":4}}\n\ndata: [DONE]\n\n"

static const row_t  others[] = {
    { OCHUNK("\"role\":\"assistant\",\"content\":\"\"", "null")
      OCHUNK("\"reasoning_content\":\"hm\"", "null")
      OCHUNK("\"content\":\"Hi\"", "null") OCHUNK("", "\"stop\"") OEND,
      R("{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"\"},"
        "{\"type\":\"text\",\"text\":\"Hi\"}", "end_turn",
        "\"stop_sequence\":null," USED) },
    { OCHUNK("\"role\":\"assistant\",\"content\":null", "null")
      OCHUNK(OCALL(0, ONAME("a", "f")), "null")
      OCHUNK(OCALL(1, ONAME("b", "g")), "null")
      OCHUNK(OCALL(1, OARGS("{\\\"x\\\":")), "null")
      OCHUNK(OCALL(0, OARGS("{\\\"s\\\":\\\"}\\\\\\\"\\\"")), "null")
      OCHUNK(OCALL(2, ONAME("c", "h")), "null")
      OCHUNK(OCALL(0, OARGS("}")), "null")
      OCHUNK(OCALL(1, OARGS("[]}")), "null")
      OCHUNK(OCALL(0, OARGS(" ")), "null")
      OCHUNK("\"content\":\"after\"", "null")
      OCHUNK("", "\"tool_calls\"") OEND,
      R("{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{\"s\":"
        "\"}\\\"\"}},{\"type\":\"tool_use\",\"id\":\"b\",\"name\":\"g\","
        "\"input\":{\"x\":[]}},{\"type\":\"tool_use\",\"id\":\"c\",\"name\":"
        "\"h\",\"input\":{}},{\"type\":\"text\",\"text\":\"after\"}",
        "tool_use", "\"stop_sequence\":null," USED) },
    { OCHUNK("\"role\":\"assistant\",\"content\":null", "null")
      OCHUNK(OCALL(0, ONAME("a", "f")), "null")
      OCHUNK(OCALL(0, OARGS("{")), "null")
      OCHUNK(OCALL(1, OARGS("{\\\"x\\\":")), "null")
      OCHUNK(OCALL(1, ONAME("b", "g")), "null")
      OCHUNK(OCALL(1, OARGS("[]}")), "null")
      OCHUNK(OCALL(0, OARGS("}")), "null")
      OCHUNK("", "\"tool_calls\"") OEND,
      R("{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{}},"
        "{\"type\":\"tool_use\",\"id\":\"b\",\"name\":\"g\",\"input\":{"
        "\"x\":[]}}", "tool_use", "\"stop_sequence\":null," USED) },
    { OCHUNK("\"role\":\"assistant\",\"content\":null", "null")
      OCHUNK("\"refusal\":\"no\"", "null") OCHUNK("", "\"stop\"") OEND,
      R("{\"type\":\"text\",\"text\":\"no\"}", "refusal",
        "\"stop_sequence\":null," USED) },
    { OCHUNK("\"content\":\"a\"", "null")
      OCHUNK("\"reasoning_content\":\"hm\"", "null")
      OCHUNK("\"content\":\"b\"", "null") OCHUNK("", "\"length\"") OEND,
      R("{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"thinking\","
        "\"thinking\":\"hm\",\"signature\":\"\"},{\"type\":\"text\",\"text\":"
        "\"b\"}", "max_tokens", "\"stop_sequence\":null," USED) },
};


static void
test_live(void **state)
{
    size_t         i;
    client_t       c, reader;
    weir_buf_t     b = { 0 };
    weir_render_t  r;

    (void) state;

    for (i = 0; i < ROWS(others); i++) {
        weir_buf_reset(&b);
        memset(&r, 0, sizeof(r));
        r.dialect = &weir_render_anthropic;
        r.id = weir_str(ID);
        r.model = weir_str("asked");
        r.out = &b;

        client_init(&c);
        c.openai = true;
        c.render = &r;
        assert_int_equal(client_read(&c, weir_str_of(others[i].stream), 0), 0);
        assert_int_equal(weir_render_end(&r), 0);

        client_init(&reader);

        if (client_read(&reader, unit_buf(&b), 0) != 0) {
            fail_msg("%zu: %s\n%.*s", i, reader.f.message, (int) b.len,
                     b.data);
        }

        assert_true(reader.stream.done);
        assert_message(&reader, others[i].message);

        weir_render_free(&r);
        client_free(&reader);
        client_free(&c);
    }

    weir_buf_free(&b);
}


/* what no stream may do, and how it ends then */

static void
test_broken(void **state)
{
    weir_buf_t      b = { 0 };
    weir_failure_t  f;
    weir_render_t   r = { .dialect = &weir_render_anthropic,
                          .id = weir_str(ID), .request_id = weir_str("req"),
                          .out = &b };
    client_t        c;

    (void) state;

    client_init(&c);
    c.render = &r;

    /* another choice is not shown; a call that has ended cannot go on */

    assert_int_equal(weir_deltas_read(weir_str("[{\"i\":1,\"p\":0,\"t\":"
        "\"text\",\"s\":\"x\"}]"), on_delta, &c), 0);
    assert_int_equal(b.len, 0);
    assert_int_equal(weir_deltas_read(weir_str("[{\"i\":0,\"p\":0,\"t\":"
        "\"tool_call\",\"id\":\"a\",\"name\":\"f\",\"s\":\"{}\"},{\"i\":0,"
        "\"p\":1,\"t\":\"text\",\"s\":\"x\"},{\"i\":0,\"p\":0,\"t\":"
        "\"tool_call\",\"s\":\"y\"}]"), on_delta, &c), -3);

    weir_buf_reset(&b);
    weir_failure_set(&f, WEIR_FAIL_UNAVAILABLE, "it broke off");
    weir_render_fail(&r, &f);
    unit_str(unit_buf(&b), "event: error\ndata: {\"type\":\"error\",\"error\":{"
             "\"type\":\"overloaded_error\",\"message\":\"it broke off\"},"
             "\"request_id\":\"req\"}\n\n");

    weir_render_free(&r);
    client_free(&c);
    weir_buf_free(&b);
}


static void
test_errors(void **state)
{
    size_t    i;
    client_t  c;

#define ERR(type)  EV("error", ",\"error\":{\"type\":\"" type                 \
    "\",\"message\":\"what\"}")

    static const struct {
        const char  *stream;
        weir_fail_e  kind;
        const char  *code;
    } rows[] = {
        { ERR("overloaded_error"), WEIR_FAIL_UNAVAILABLE,
          "upstream_overloaded" },
        { ERR("api_error"), WEIR_FAIL_UPSTREAM, "upstream_error" },
        { ERR("rate_limit_error"), WEIR_FAIL_RATE_LIMITED, "" },
        { ERR("invalid_request_error"), WEIR_FAIL_INVALID, "" },
        { ERR("authentication_error"), WEIR_FAIL_UPSTREAM, "upstream_auth" },
        { EV("error", ""), WEIR_FAIL_UPSTREAM, "upstream_error" },
        { "data: {\n\n", WEIR_FAIL_UPSTREAM, "upstream_invalid" },
        { "data: 7\n\n", WEIR_FAIL_UPSTREAM, "upstream_invalid" },
        { "data: {}\n\n", WEIR_FAIL_UPSTREAM, "upstream_invalid" },
        { "data: {\"type\":\"ping\",\"type\":\"ping\"}\n\n",
          WEIR_FAIL_UPSTREAM, "upstream_invalid" },
        { EV("message_start", ""), WEIR_FAIL_UPSTREAM, "upstream_invalid" },
        { EV("content_block_start", ""), WEIR_FAIL_UPSTREAM,
          "upstream_invalid" },
        { START(-1, "{\"type\":\"text\"}"), WEIR_FAIL_UPSTREAM,
          "upstream_invalid" },
        { START(9999999, "{\"type\":\"text\"}"), WEIR_FAIL_UPSTREAM,
          "upstream_invalid" },
        { START(0, "7"), WEIR_FAIL_UPSTREAM, "upstream_invalid" },
        { START(0, "{\"type\":\"text\"}") START(0, "{\"type\":\"text\"}"),
          WEIR_FAIL_UPSTREAM, "upstream_invalid" },
        { START(0, "{\"type\":\"tool_use\",\"id\":\"a\"}"),
          WEIR_FAIL_UPSTREAM, "upstream_invalid" },
        { DELTA(0, "\"text_delta\",\"text\":\"a\""), WEIR_FAIL_UPSTREAM,
          "upstream_invalid" },
        { START(0, "{\"type\":\"text\"}") STOP(0)
          DELTA(0, "\"text_delta\",\"text\":\"a\""), WEIR_FAIL_UPSTREAM,
          "upstream_invalid" },
        { START(0, "{\"type\":\"text\"}") DELTA(0, "\"input_json_delta\","
          "\"partial_json\":\"a\""), WEIR_FAIL_UPSTREAM, "upstream_invalid" },
        { START(0, "{\"type\":\"server_tool_use\"}") DELTA(0,
          "\"input_json_delta\",\"partial_json\":\"{\"") STOP(0),
          WEIR_FAIL_UPSTREAM, "upstream_invalid" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        client_init(&c);
        assert_int_equal(client_read(&c, weir_str_of(rows[i].stream), 0), -1);
        assert_int_equal(c.f.kind, rows[i].kind);
        assert_string_equal(c.f.code, rows[i].code);
        assert_true(c.f.message[0]);
        client_free(&c);
    }

    /* a stream that is cut has not ended, and its output was not counted */

    client_init(&c);
    assert_int_equal(client_read(&c, weir_str(BEGIN
        START(0, "{\"type\":\"text\",\"text\":\"a\"}") STOP(0)), 0), 0);
    assert_false(c.stream.done || c.stream.stopped);
    assert_int_equal(c.collect.input, 3);
    assert_int_equal(c.collect.output, -1);
    client_free(&c);
}


/* a stream of this dialect, as one of the other */

static void
test_to_openai(void **state)
{
    client_t       c, reader;
    weir_buf_t     b = { 0 };
    weir_render_t  r = { .dialect = &weir_render_openai, .id = weir_str(ID),
                         .created = 17, .usage = true, .out = &b };

    (void) state;

    client_init(&c);
    c.render = &r;
    assert_int_equal(client_read(&c, weir_str_of(streams[2].stream), 0), 0);
    assert_int_equal(weir_render_end(&r), 0);

    client_init(&reader);
    reader.openai = true;
    assert_int_equal(client_read(&reader, unit_buf(&b), 0), 0);
    assert_true(reader.other.done);
    assert_int_equal(reader.collect.input, 3);
    assert_int_equal(reader.collect.output, 4);

    /* the first event of a choice says its role, with a text of no length,
     * which is none yet */

    assert_message(&reader,
        R("{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"\"},"
          "{\"type\":\"text\",\"text\":\"ab\"},{\"type\":\"tool_use\","
          "\"id\":\"t\",\"name\":\"f\",\"input\":{\"a\":\"}\"}},{\"type\":"
          "\"tool_use\",\"id\":\"u\",\"name\":\"g\",\"input\":{}}",
          "tool_use", "\"stop_sequence\":null," USED));

    weir_render_free(&r);
    client_free(&reader);
    client_free(&c);
    weir_buf_free(&b);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_round),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_live),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_to_openai)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
