/*
 * A provider's stream to deltas, deltas to text and back, and an outcome of
 * them: whatever the way, the same outcome as that of a reply in one piece.
 */

#include "unit.h"
#include "weir_collect.h"
#include "weir_dialect_openai.h"
#include "weir_sse.h"


#define LIMIT  (1024 * 1024)


typedef struct {
    weir_openai_stream_t  stream;
    weir_collect_t        collect;
    weir_deltas_t         deltas;
    weir_failure_t        f;
} reader_t;


static int
on_delta(void *arg, const weir_delta_t *d)
{
    reader_t  *r = arg;

    assert_int_equal(weir_deltas_add(&r->deltas, d), 0);

    return weir_collect_add(&r->collect, d);
}


static int
on_collect(void *arg, const weir_delta_t *d)
{
    return weir_collect_add(arg, d);
}


static int
on_event(void *arg, weir_str_t name, weir_str_t data)
{
    reader_t  *r = arg;

    (void) name;

    return weir_openai_stream_event(&r->stream, data, on_delta, r, &r->f);
}


/* cut: where the first piece ends */

static int
read_pieces(reader_t *r, weir_str_t text, size_t cut)
{
    int         rc;
    weir_sse_t  sse;

    memset(r, 0, sizeof(reader_t));
    weir_openai_stream_init(&r->stream);
    weir_collect_init(&r->collect, LIMIT);
    weir_deltas_init(&r->deltas, 0);
    weir_sse_init(&sse, LIMIT);

    rc = weir_sse_feed(&sse, (weir_str_t) { text.data, cut }, on_event, r);
    rc = rc ? rc : weir_sse_feed(&sse, (weir_str_t) { text.data + cut,
                                                      text.len - cut },
                                 on_event, r);
    weir_sse_free(&sse);

    return rc;
}


static int
read_stream(reader_t *r, weir_str_t text)
{
    return read_pieces(r, text, text.len);
}


static void
reader_free(reader_t *r)
{
    weir_openai_stream_free(&r->stream);
    weir_collect_free(&r->collect);
    weir_deltas_free(&r->deltas);
}


/* the document of an outcome, of which only some is set */

static void
write_outcome(const weir_collect_t *c, weir_buf_t *out)
{
    weir_outcome_t  o;

    weir_outcome_init(&o);
    assert_int_equal(weir_collect_outcome(c, &o), 0);
    o.state = WEIR_COMPLETED;

    weir_buf_reset(out);
    assert_int_equal(weir_outcome_write(&o, out), 0);
    weir_buf_add(out, "", 1);
    weir_outcome_free(&o);
}


/* As text in entries of at most so many bytes, and as they were read again, the
 * deltas say the same; and so does what was collected. */

static void
check_ways(reader_t *r, size_t max)
{
    weir_buf_t      entry = { 0 }, want = { 0 }, got = { 0 };
    weir_collect_t  again;

    write_outcome(&r->collect, &want);

    weir_collect_init(&again, LIMIT);

    while (weir_deltas_take(&r->deltas, max, &entry)) {
        assert_int_equal(weir_deltas_read(unit_buf(&entry), on_collect,
                                          &again), 0);
        weir_buf_reset(&entry);
    }

    write_outcome(&again, &got);
    assert_string_equal(got.data, want.data);
    weir_collect_free(&again);

    weir_collect_init(&again, LIMIT);
    assert_int_equal(weir_collect_replay(&r->collect, on_collect, &again), 0);
    write_outcome(&again, &got);
    assert_string_equal(got.data, want.data);
    weir_collect_free(&again);

    weir_buf_free(&entry);
    weir_buf_free(&want);
    weir_buf_free(&got);
}


/* What the edge makes of an outcome, a provider might have sent. */

static const char *const  outcomes[] = {
    "\"choices\":[{\"index\":0,\"role\":\"assistant\",\"parts\":[{\"type\":"
    "\"text\",\"text\":\"Hi, \\u00e9\\ud83c\\udf0a \\\"you\\\"\"}],"
    "\"stop\":\"end\"}]",

    "\"choices\":[{\"index\":0,\"role\":\"assistant\",\"parts\":[{\"type\":"
    "\"text\",\"text\":\"\"}],\"stop\":\"length\"},{\"index\":1,\"role\":"
    "\"assistant\",\"parts\":[{\"type\":\"refusal\",\"text\":\"no\"}],"
    "\"stop\":\"filter\"}]",

    "\"choices\":[{\"index\":0,\"role\":\"assistant\",\"parts\":[{\"type\":"
    "\"tool_call\",\"id\":\"c1\",\"name\":\"f\",\"arguments\":\"{}\"},"
    "{\"type\":\"tool_call\",\"id\":\"c2\",\"name\":\"g\","
    "\"arguments\":\"{\\\"a\\\":1}\"},{\"type\":\"openai\",\"tool_call\":"
    "{\"id\":\"c3\",\"type\":\"custom\",\"custom\":{\"name\":\"h\","
    "\"input\":\"x\"}}}],\"stop\":\"tool\"}]",
};


static void
test_round(void **state)
{
    size_t          i;
    reader_t        r;
    weir_buf_t      text = { 0 }, events = { 0 }, got = { 0 }, want = { 0 };
    weir_outcome_t  o;

    (void) state;

    for (i = 0; i < ROWS(outcomes); i++) {
        weir_buf_reset(&text);
        weir_buf_reset(&events);
        weir_buf_reset(&want);

        weir_buf_printf(&text, "{\"v\":1,\"state\":\"completed\",\"model\":"
                        "\"m\",\"usage\":{\"input_tokens\":3,"
                        "\"output_tokens\":4},%s}", outcomes[i]);
        assert_int_equal(weir_outcome_read(&o, unit_buf(&text)), 0);
        assert_int_equal(weir_openai_events(&o, weir_str("ID"), 1, true,
                                            &events), 0);
        weir_json_free(&o.extra);
        o.provider = weir_str_null;
        assert_int_equal(weir_outcome_write(&o, &want), 0);
        weir_buf_add(&want, "", 1);

        assert_int_equal(read_stream(&r, unit_buf(&events)), 0);
        assert_true(r.stream.done);
        weir_json_free(&r.collect.extra);
        write_outcome(&r.collect, &got);
        assert_string_equal(got.data, want.data);

        weir_outcome_free(&o);
        reader_free(&r);
    }

    weir_buf_free(&text);
    weir_buf_free(&events);
    weir_buf_free(&got);
    weir_buf_free(&want);
}


/* What providers send, in pieces: the outcome that it makes. */

static const struct {
    const char  *events;
    const char  *members;
} streams[] = {

    { "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":"
      "\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n"
      "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
      "\"H\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":"
      "\"i\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},"
      "\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{"
      "\"prompt_tokens\":9,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
      "\"usage\":{\"input_tokens\":9,\"output_tokens\":2},\"cost\":0,"
      "\"provider\":\"\",\"model\":\"m\",\"choices\":[{\"index\":0,\"role\":"
      "\"assistant\",\"parts\":[{\"type\":\"text\",\"text\":\"Hi\"}],"
      "\"stop\":\"end\"}],\"extra\":{\"openai\":{\"usage\":{"
      "\"prompt_tokens\":9,\"completion_tokens\":2}}}}" },

    /* two calls whose arguments come in turns; a third of another form */

    { "data: {\"choices\":[{\"delta\":{\"content\":null,\"tool_calls\":[{"
      "\"index\":0,\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":"
      "\"f\",\"arguments\":\"\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":"
      "\"b\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":"
      "\"[\"}},{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":2,\"id\":"
      "\"c\",\"type\":\"custom\",\"custom\":{\"name\":\"h\",\"input\":"
      "\"x\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":2,"
      "\"custom\":{\"input\":\"y\"}},{\"index\":1,\"function\":{\"arguments\":"
      "\"]\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}"
      "\n\n",
      "\"usage\":{\"input_tokens\":0,\"output_tokens\":0},\"cost\":0,"
      "\"provider\":\"\",\"model\":\"\",\"choices\":[{\"index\":0,\"role\":"
      "\"assistant\",\"parts\":[{\"type\":\"tool_call\",\"id\":\"a\",\"name\":"
      "\"f\",\"arguments\":\"{}\"},{\"type\":\"tool_call\",\"id\":\"b\","
      "\"name\":\"g\",\"arguments\":\"[]\"},{\"type\":\"openai\","
      "\"tool_call\":{\"id\":\"c\",\"type\":\"custom\",\"custom\":{\"name\":"
      "\"h\",\"input\":\"xy\"}}}],\"stop\":\"tool\"}]}" },

    /* an empty text is none before another part, and one where it is all */

    { "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\""
      "}},{\"index\":1,\"delta\":{\"content\":\"\"}},{\"index\":2,"
      "\"delta\":{\"content\":\"\"}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"h\"}},"
      "{\"index\":2,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\","
      "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
      "\"{}\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"\","
      "\"reasoning_content\":\"m\"}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},"
      "\"finish_reason\":\"stop\"},{\"index\":1,\"delta\":{},"
      "\"finish_reason\":\"stop\"},{\"index\":2,\"delta\":{},"
      "\"finish_reason\":\"tool_calls\"}]}\n\n",
      "\"usage\":{\"input_tokens\":0,\"output_tokens\":0},\"cost\":0,"
      "\"provider\":\"\",\"model\":\"\",\"choices\":[{\"index\":0,\"role\":"
      "\"assistant\",\"parts\":[{\"type\":\"thinking\",\"text\":\"hm\"},"
      "{\"type\":\"text\",\"text\":\"x\"}],\"stop\":\"end\"},{\"index\":1,"
      "\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"text\":\"\"}],"
      "\"stop\":\"end\"},{\"index\":2,\"role\":\"assistant\",\"parts\":[{"
      "\"type\":\"tool_call\",\"id\":\"a\",\"name\":\"f\",\"arguments\":"
      "\"{}\"}],\"stop\":\"tool\"}]}" },

    /* thinking; members that nobody knows: replaced, joined, appended */

    { "data: {\"system_fingerprint\":\"fp\",\"choices\":[{\"delta\":{"
      "\"reasoning_content\":\"a\",\"reasoning\":\"x\",\"native\":\"old\"},"
      "\"logprobs\":{\"content\":[1]}}]}\n\n"
      "data: {\"system_fingerprint\":\"fp\",\"service_tier\":\"t\","
      "\"choices\":[{\"delta\":{\"reasoning_content\":\"b\",\"content\":\"c\","
      "\"reasoning\":\"y\",\"native\":\"new\"},\"logprobs\":{\"content\":[2]},"
      "\"finish_reason\":\"length\"}]}\n\n"
      "data: {\"choices\":[{\"delta\":{},\"content_filter_results\":{}}]}\n\n",
      "\"usage\":{\"input_tokens\":0,\"output_tokens\":0},\"cost\":0,"
      "\"provider\":\"\",\"model\":\"\",\"choices\":[{\"index\":0,\"role\":"
      "\"assistant\",\"parts\":[{\"type\":\"thinking\",\"text\":\"ab\"},"
      "{\"type\":\"text\",\"text\":\"c\"}],\"stop\":\"length\","
      "\"openai_message\":{\"reasoning\":\"xy\",\"native\":\"new\"},"
      "\"openai\":{\"logprobs\":{\"content\":[1,2]},"
      "\"content_filter_results\":{}}}],\"extra\":{\"openai\":{"
      "\"system_fingerprint\":\"fp\",\"service_tier\":\"t\"}}}" },
};


static void
test_streams(void **state)
{
    size_t      i, max;
    reader_t    r;
    weir_buf_t  got = { 0 };
    const char *members;

    (void) state;

    for (i = 0; i < ROWS(streams); i++) {
        for (max = 1; max < 300; max += 37) {
            assert_int_equal(read_stream(&r, weir_str_of(streams[i].events)),
                             0);
            write_outcome(&r.collect, &got);
            members = strstr(got.data, "\"usage\"");
            assert_non_null(members);
            assert_string_equal(members, streams[i].members);
            check_ways(&r, max);
            reader_free(&r);
        }
    }

    weir_buf_free(&got);
}


/* neighbours become one delta, a long text several, between characters */

static void
test_deltas(void **state)
{
    char           text[2 * WEIR_DELTA_TEXT + 2];
    weir_buf_t     out = { 0 };
    weir_delta_t   d = { .kind = WEIR_DELTA_TEXT_OF, .type = weir_str("text"),
                         .s = weir_str("a\"") };
    weir_deltas_t  list;

    (void) state;

    weir_deltas_init(&list, 0);
    assert_false(weir_deltas_take(&list, 1, &out));

    weir_deltas_add(&list, &d);
    weir_deltas_add(&list, &d);
    d.part = 1;
    d.s = weir_str("");
    weir_deltas_add(&list, &d);
    weir_deltas_add(&list, &d);
    assert_true(weir_deltas_take(&list, 4096, &out));
    unit_str(unit_buf(&out), "[{\"i\":0,\"p\":0,\"t\":\"text\",\"s\":"
             "\"a\\\"a\\\"\"},{\"i\":0,\"p\":1,\"t\":\"text\",\"s\":\"\"}]");

    /* what was taken is not added to */

    weir_buf_reset(&out);
    d.s = weir_str("b");
    weir_deltas_add(&list, &d);
    assert_true(weir_deltas_take(&list, 1, &out));
    unit_str(unit_buf(&out), "[{\"i\":0,\"p\":1,\"t\":\"text\",\"s\":\"b\"}]");

    memset(text, 'x', sizeof(text));
    memcpy(text + WEIR_DELTA_TEXT - 1, "\xc3\xa9", 2);
    d.s = (weir_str_t) { text, sizeof(text) };
    weir_deltas_add(&list, &d);
    weir_buf_reset(&out);
    assert_true(weir_deltas_take(&list, 1, &out));
    assert_true(out.len > WEIR_DELTA_TEXT
                && out.data[out.len - 4] == 'x');
    assert_true(weir_deltas_take(&list, 1, &out));
    assert_true(weir_deltas_take(&list, 1, &out));
    assert_false(weir_deltas_take(&list, 1, &out));

    weir_deltas_free(&list);
    weir_deltas_init(&list, 8);
    assert_int_equal(weir_deltas_add(&list, &d), -1);
    assert_false(weir_deltas_take(&list, 1, &out));
    weir_deltas_free(&list);
    weir_buf_free(&out);
}


static void
test_unknown_deltas(void **state)
{
    weir_buf_t      got = { 0 };
    weir_collect_t  c;

    (void) state;

    weir_collect_init(&c, LIMIT);
    assert_int_equal(weir_deltas_read(weir_str("{}"), on_collect, &c), -1);
    assert_int_equal(weir_deltas_read(weir_str("[{\"new\":1},7,{\"i\":0},"
        "{\"i\":-1,\"stop\":\"end\"},{\"i\":9999,\"stop\":\"end\"},"
        "{\"i\":0,\"p\":99999,\"t\":\"text\",\"s\":\"a\"},"
        "{\"i\":0,\"p\":0,\"s\":\"a\"},{\"i\":0,\"p\":0,\"t\":\"text\"}]"),
        on_collect, &c), 0);
    assert_int_equal(c.n, 0);

    assert_int_equal(weir_deltas_read(weir_str("[{\"i\":0,\"p\":0,\"t\":"
        "\"text\",\"s\":\"a\"},{\"i\":0,\"p\":0,\"t\":\"refusal\",\"s\":"
        "\"a\"}]"), on_collect, &c), -1);
    weir_collect_free(&c);

    weir_collect_init(&c, 3);
    assert_int_equal(weir_deltas_read(weir_str("[{\"i\":0,\"p\":0,\"t\":"
        "\"text\",\"s\":\"abc\"}]"), on_collect, &c), 0);
    assert_int_equal(weir_deltas_read(weir_str("[{\"i\":0,\"p\":0,\"t\":"
        "\"text\",\"s\":\"d\"}]"), on_collect, &c), -1);
    weir_collect_free(&c);
    weir_buf_free(&got);
}


static void
test_stopped(void **state)
{
    bool            all;
    weir_collect_t  c;

    (void) state;

    weir_collect_init(&c, LIMIT);
    assert_int_equal(weir_collect_stopped(&c, &all), 0);
    weir_deltas_read(weir_str("[{\"i\":1,\"stop\":\"end\"}]"), on_collect, &c);
    assert_int_equal(weir_collect_stopped(&c, &all), 1);
    assert_false(all);
    weir_deltas_read(weir_str("[{\"i\":0,\"stop\":\"end\"}]"), on_collect, &c);
    assert_int_equal(weir_collect_stopped(&c, &all), 2);
    assert_true(all);
    weir_collect_free(&c);
}


/* what ends a stream before its time */

static void
test_failures(void **state)
{
    size_t    i;
    reader_t  r;

    static const struct {
        const char   *events;
        weir_fail_e   kind;
        const char   *code;
    } rows[] = {
        { "data: {\"choices\":\n\n", WEIR_FAIL_UPSTREAM, "upstream_invalid" },
        { "data: 7\n\n", WEIR_FAIL_UPSTREAM, "upstream_invalid" },
        { "data: {}\n\n", WEIR_FAIL_UPSTREAM, "upstream_invalid" },
        { "data: {\"choices\":[7]}\n\n", WEIR_FAIL_UPSTREAM,
          "upstream_invalid" },
        { "data: {\"choices\":[{\"index\":-1}]}\n\n", WEIR_FAIL_UPSTREAM,
          "upstream_invalid" },
        { "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":"
          "99999999}]}}]}\n\n", WEIR_FAIL_UPSTREAM, "upstream_invalid" },
        { "data: {\"error\":{\"message\":\"boom\",\"type\":\"server_error\"}}"
          "\n\n", WEIR_FAIL_UPSTREAM, "upstream_error" },
        { "data: {\"error\":{\"message\":\"slow\",\"type\":"
          "\"rate_limit_error\"}}\n\n", WEIR_FAIL_RATE_LIMITED, "" },
        { "data: {\"error\":{\"message\":\"no\",\"code\":400}}\n\n",
          WEIR_FAIL_INVALID, "" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(read_stream(&r, weir_str_of(rows[i].events)), -1);
        assert_int_equal(r.f.kind, rows[i].kind);
        assert_string_equal(r.f.code, rows[i].code);
        assert_true(r.f.message[0]);
        reader_free(&r);
    }
}


/* S4: at every point, inside of characters and of ends of lines too; all text
 * is of several bytes, and every kind of end is there */

#define EVENT(json, eol)  "data: " json eol eol

static void
test_split(void **state)
{
    size_t      cut;
    reader_t    r;
    weir_str_t  text;
    weir_buf_t  want = { 0 }, got = { 0 };

    static const char  stream[] =
        ": \xc3\xbc\r\n\r\n"
        EVENT("{\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{"
              "\"role\":\"assistant\",\"content\":\"\"}}]}", "\r\n")
        EVENT("{\"choices\":[{\"index\":0,\"delta\":{\"content\":"
              "\"\xc3\xbc\xe2\x82\xac\"}}]}", "\n")
        EVENT("{\"choices\":[{\"index\":0,\"delta\":{\"content\":"
              "\"\xf0\x9f\x98\x80\"}}]}", "\r")
        EVENT("{\"choices\":[{\"index\":0,\"delta\":{\"content\":"
              "\"\\ud83d\\ude00\"}}]}", "\r\n")
        EVENT("{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{"
              "\"index\":0,\"id\":\"\xc3\xa9\",\"function\":{\"name\":\"f\","
              "\"arguments\":\"{\\\"\xe2\x82\xac\\\":\"}}]}}]}", "\r\n")
        EVENT("{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{"
              "\"index\":0,\"function\":{\"arguments\":\"1}\"}}]},"
              "\"finish_reason\":\"tool_calls\"}]}", "\r\n")
        EVENT("{\"choices\":[],\"usage\":{\"prompt_tokens\":9,"
              "\"completion_tokens\":2}}", "\n")
        EVENT("[DONE]", "\r\n");

    (void) state;

    text = weir_str_of(stream);

    assert_int_equal(read_stream(&r, text), 0);
    write_outcome(&r.collect, &want);
    assert_non_null(strstr(want.data, "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"
                                      "\xf0\x9f\x98\x80"));
    assert_non_null(strstr(want.data, "\"tool\""));
    reader_free(&r);

    for (cut = 0; cut <= text.len; cut++) {

        if (read_pieces(&r, text, cut) != 0) {
            fail_msg("at %zu: %s", cut, r.f.message);
        }

        assert_true(r.stream.done);
        write_outcome(&r.collect, &got);
        assert_string_equal(got.data, want.data);
        reader_free(&r);
    }

    weir_buf_free(&want);
    weir_buf_free(&got);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_round),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_deltas),
        cmocka_unit_test(test_unknown_deltas),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_split),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
