/*
 * An outcome as the events of a stream: put together again as a client does,
 * they are the completion (check RC-06).
 */

#include "unit.h"
#include "weir_dialect_openai.h"
#include "weir_render.h"


#define ID  "00abcdefghijklmnopqrstuv"


static weir_json_t *
parse(weir_str_t text)
{
    char          error[WEIR_JSON_ERROR];
    weir_json_t  *v;

    v = weir_json_parse(text, error);

    if (v == NULL) {
        fail_msg("%.*s: %s", (int) text.len, text.data, error);
    }

    return v;
}


/* members of a completed outcome */

static void
read_outcome(weir_outcome_t *o, const char *members)
{
    weir_buf_t  b = { 0 };

    weir_buf_printf(&b, "{\"v\":1,\"state\":\"completed\",\"model\":\"m\","
                    "\"usage\":{\"input_tokens\":3,\"output_tokens\":4},%s}",
                    members);
    assert_int_equal(weir_outcome_read(o, unit_buf(&b)), 0);
    weir_buf_free(&b);
}


/* data of the next event; false: there is none */

static bool
next_event(weir_str_t *rest, weir_str_t *data_r)
{
    weir_str_t  empty;

    if (rest->len == 0) {
        return false;
    }

    assert_true(weir_str_split(rest, '\n', data_r));
    assert_true(weir_str_split(rest, '\n', &empty) && empty.len == 0);
    assert_true(rest->data != NULL);
    assert_true(data_r->len > 6 && memcmp(data_r->data, "data: ", 6) == 0);

    data_r->data += 6;
    data_r->len -= 6;

    return true;
}


/* what a client has put together */

typedef struct {
    weir_json_t  *first;
    weir_json_t  *usage;
    weir_buf_t    content[4];
    weir_buf_t    refusal[4];
    weir_buf_t    thinking[4];
    weir_json_t  *calls[4];
    weir_json_t  *ends[4];
    unsigned      events;
    unsigned      pieces;
    bool          done;
} client_t;


static void
client_choice(client_t *c, weir_json_t *choice)
{
    size_t        i, n;
    weir_json_t  *delta, *calls, *end;

    i = (size_t) weir_json_int(weir_json_get(choice, "index"));
    assert_true(i < 4);
    assert_null(c->ends[i]);                /* nothing comes after its end */

    delta = weir_json_get(choice, "delta");
    assert_true(weir_json_is_object(delta));

    weir_buf_str(&c->content[i],
                 weir_json_str(weir_json_get(delta, "content")));
    weir_buf_str(&c->refusal[i],
                 weir_json_str(weir_json_get(delta, "refusal")));
    weir_buf_str(&c->thinking[i],
                 weir_json_str(weir_json_get(delta, "reasoning_content")));
    c->pieces += weir_json_str(weir_json_get(delta, "content")).len > 0;

    calls = weir_json_get(delta, "tool_calls");

    for (n = 0; n < weir_json_count(calls); n++) {
        c->calls[i] = c->calls[i] ? c->calls[i] : weir_json_array();
        assert_int_equal(weir_json_int(weir_json_get(weir_json_at(calls, n),
                                                     "index")),
                         weir_json_count(c->calls[i]));
        weir_json_add_take(c->calls[i], weir_json_ref(weir_json_at(calls, n)));
    }

    end = weir_json_get(choice, "finish_reason");
    assert_non_null(end);

    if (weir_json_is_string(end)) {
        c->ends[i] = weir_json_ref(end);
    }
}


static void
client_read(client_t *c, weir_str_t events, bool usage)
{
    size_t        i;
    weir_str_t    data;
    weir_json_t  *v, *choices;

    memset(c, 0, sizeof(client_t));

    while (next_event(&events, &data)) {
        assert_false(c->done);

        if (weir_str_eq(data, weir_str("[DONE]"))) {
            c->done = true;
            continue;
        }

        assert_null(c->usage);              /* which comes last */
        c->events++;
        v = parse(data);
        choices = weir_json_get(v, "choices");
        c->first = c->first ? c->first : weir_json_ref(v);

        unit_str(weir_json_str(weir_json_get(v, "id")), "chatcmpl-" ID);
        unit_str(weir_json_str(weir_json_get(v, "object")),
                 "chat.completion.chunk");
        unit_str(weir_json_str(weir_json_get(v, "model")), "m");
        assert_int_equal(weir_json_int(weir_json_get(v, "created")), 17);
        assert_int_equal(weir_json_get(v, "usage") != NULL, usage);

        if (weir_json_is_object(weir_json_get(v, "usage"))) {
            assert_int_equal(weir_json_count(choices), 0);
            c->usage = weir_json_ref(weir_json_get(v, "usage"));

        } else {
            assert_int_equal(weir_json_count(choices), 1);
        }

        for (i = 0; i < weir_json_count(choices); i++) {
            client_choice(c, weir_json_at(choices, i));
        }

        weir_json_free(&v);
    }

    assert_true(c->done);
}


static void
client_free(client_t *c)
{
    int  i;

    for (i = 0; i < 4; i++) {
        weir_buf_free(&c->content[i]);
        weir_buf_free(&c->refusal[i]);
        weir_buf_free(&c->thinking[i]);
        weir_json_free(&c->calls[i]);
        weir_json_free(&c->ends[i]);
    }

    weir_json_free(&c->first);
    weir_json_free(&c->usage);
}


static void
same_text(const weir_buf_t *got, const weir_json_t *want)
{
    assert_true(weir_str_eq(unit_buf(got), weir_json_str(want)));
}


/* the events say what the completion says */

static void
compare(const weir_outcome_t *o, client_t *c, bool usage)
{
    size_t        i, k;
    weir_buf_t    events = { 0 };
    weir_json_t  *doc, *choice, *message, *calls, *call, *got;

    assert_int_equal(weir_openai_events(o, weir_str(ID), 17, usage, &events),
                     0);
    client_read(c, unit_buf(&events), usage);
    weir_buf_free(&events);

    doc = weir_openai_completion(o, weir_str(ID), 17);

    for (i = 0; i < weir_json_count(weir_json_get(doc, "choices")); i++) {
        choice = weir_json_at(weir_json_get(doc, "choices"), i);
        message = weir_json_get(choice, "message");

        same_text(&c->content[i], weir_json_get(message, "content"));
        same_text(&c->refusal[i], weir_json_get(message, "refusal"));
        assert_true(weir_str_eq(weir_json_str(c->ends[i]),
                                weir_json_str(weir_json_get(choice,
                                                            "finish_reason"))));

        calls = weir_json_get(message, "tool_calls");
        assert_int_equal(weir_json_count(c->calls[i]), weir_json_count(calls));

        for (k = 0; k < weir_json_count(calls); k++) {
            call = weir_json_at(calls, k);
            got = weir_json_at(c->calls[i], k);
            assert_int_equal(weir_json_count(got), weir_json_count(call) + 1);
            assert_true(weir_str_eq(weir_json_str(weir_json_get(got, "id")),
                                    weir_json_str(weir_json_get(call, "id"))));
        }
    }

    assert_int_equal(c->usage != NULL, usage);
    weir_json_free(&doc);
}


static void
test_plain(void **state)
{
    weir_buf_t      b = { 0 };
    weir_outcome_t  o;

    (void) state;

#define HEAD  "data: {\"id\":\"chatcmpl-" ID "\",\"object\":" \
              "\"chat.completion.chunk\",\"created\":17,\"model\":\"m\""
#define NONE  ",\"logprobs\":null,\"finish_reason\":null}]}\n\n"

    read_outcome(&o, "\"choices\":[{\"index\":0,\"parts\":[{\"type\":\"text\","
                 "\"text\":\"Hi\"}],\"stop\":\"end\"}]");
    assert_int_equal(weir_openai_events(&o, weir_str(ID), 17, false, &b), 0);
    unit_str(unit_buf(&b),
             HEAD ",\"choices\":[{\"index\":0,\"delta\":{\"role\":"
             "\"assistant\",\"content\":\"\",\"refusal\":null}" NONE
             HEAD ",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}"
             NONE
             HEAD ",\"choices\":[{\"logprobs\":null,\"index\":0,\"delta\":{},"
             "\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");

    weir_buf_reset(&b);
    assert_int_equal(weir_openai_events(&o, weir_str(ID), 17, true, &b), 0);
    weir_buf_add(&b, "", 1);
    assert_non_null(strstr(b.data, HEAD ",\"usage\":null,\"choices\":[{"));
    assert_non_null(strstr(b.data, HEAD ",\"choices\":[],\"usage\":{"
                           "\"prompt_tokens\":3,\"completion_tokens\":4,"
                           "\"total_tokens\":7}}\n\ndata: [DONE]\n\n"));

    weir_outcome_free(&o);
    weir_buf_free(&b);
}


static void
test_members(void **state)
{
    client_t        c;
    weir_json_t    *extra;
    weir_outcome_t  o;

    (void) state;

    read_outcome(&o,
        "\"choices\":[{\"index\":0,\"parts\":[{\"type\":\"text\","
        "\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"},"
        "{\"type\":\"tool_call\",\"id\":\"c1\",\"name\":\"f\","
        "\"arguments\":\"{}\"},{\"type\":\"tool_call\",\"id\":\"c2\","
        "\"name\":\"g\",\"arguments\":\"{\\\"a\\\":1}\"},"
        "{\"type\":\"openai\",\"tool_call\":{\"id\":\"c3\","
        "\"type\":\"custom\"}}],\"stop\":\"tool\","
        "\"openai\":{\"logprobs\":{\"content\":[1]},\"delta\":7},"
        "\"openai_message\":{\"reasoning_content\":\"r\",\"role\":\"x\"}},"
        "{\"index\":1,\"parts\":[{\"type\":\"refusal\",\"text\":\"no\"}],"
        "\"stop\":\"filter\"},{\"index\":2,\"parts\":[],\"stop\":\"length\"}],"
        "\"extra\":{\"openai\":{\"system_fingerprint\":\"fp\","
        "\"citations\":[1],\"usage\":{\"details\":5},\"id\":\"x\","
        "\"choices\":9}}");

    compare(&o, &c, true);

    /* role, two texts, three calls, what is beside them, end; role, refusal,
     * end; role, end; usage: what is left out of these is in none */

    assert_int_equal(c.events, 14);
    assert_int_equal(weir_json_count(weir_json_get(c.first, "citations")), 1);
    unit_str(weir_json_str(weir_json_get(c.first, "system_fingerprint")), "fp");

    extra = weir_json_get(weir_json_at(weir_json_get(c.first, "choices"), 0),
                          "delta");
    unit_str(weir_json_str(weir_json_get(extra, "role")), "assistant");
    unit_str(unit_buf(&c.thinking[0]), "r");
    assert_int_equal(weir_json_int(weir_json_get(c.usage, "details")), 5);
    assert_int_equal(weir_json_int(weir_json_get(c.usage, "total_tokens")), 7);

    client_free(&c);
    weir_outcome_free(&o);
}


/* texts of any length and characters of any size */

static void
test_property(void **state)
{
    int             n;
    size_t          i, len;
    client_t        c;
    uint64_t        seed;
    weir_buf_t      b = { 0 };
    weir_outcome_t  o;

    static const char  *characters[] = {
        "a", "\\n", "\\\"", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x82"
    };

    (void) state;

    seed = unit_seed();

    for (n = 0; n < 200; n++) {
        weir_buf_reset(&b);
        weir_buf_text(&b, "\"choices\":[{\"index\":0,\"parts\":[{"
                      "\"type\":\"text\",\"text\":\"");
        len = unit_random(&seed) % (n % 20 ? 300 : 20000);

        for (i = 0; i < len; i++) {
            weir_buf_text(&b, characters[unit_random(&seed)
                                         % ROWS(characters)]);
        }

        weir_buf_text(&b, "\"}],\"stop\":\"end\"}]");
        weir_buf_add(&b, "", 1);

        read_outcome(&o, b.data);
        compare(&o, &c, n % 2);
        assert_true(c.pieces <= 64);
        assert_true(len < 200 || c.pieces > 1);

        client_free(&c);
        weir_outcome_free(&o);
    }

    weir_buf_free(&b);
}


static void
test_odd(void **state)
{
    client_t        c;
    weir_buf_t      b = { 0 };
    weir_outcome_t  o;

    (void) state;

    /* no choice at all; and members of no form that anybody writes */

    read_outcome(&o, "\"choices\":[]");
    compare(&o, &c, true);
    assert_int_equal(c.events, 1);
    client_free(&c);
    weir_outcome_free(&o);

    read_outcome(&o, "\"choices\":[7,{\"parts\":7},{\"index\":\"x\","
                 "\"parts\":[7,{},{\"type\":\"text\",\"text\":7}]}],"
                 "\"extra\":7");
    compare(&o, &c, false);
    client_free(&c);

    weir_buf_init(&b, 100);
    assert_int_equal(weir_openai_events(&o, weir_str(ID), 17, false, &b), -1);
    weir_buf_free(&b);
    weir_outcome_free(&o);
}


static void
test_asked(void **state)
{
    bool          usage;
    size_t        i;
    weir_json_t  *v;

    static const struct {
        const char  *body;
        bool         stream;
        bool         usage;
    } rows[] = {
        { "{}", false, false },
        { "{\"stream\":null}", false, false },
        { "{\"stream\":false}", false, false },
        { "{\"stream\":true}", true, false },
        { "{\"stream\":true,\"stream_options\":null}", true, false },
        { "{\"stream\":true,\"stream_options\":{}}", true, false },
        { "{\"stream\":true,\"stream_options\":{\"include_usage\":false}}",
          true, false },
        { "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
          true, true },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        v = parse(weir_str_of(rows[i].body));
        assert_int_equal(weir_openai_stream(v, &usage), rows[i].stream);
        assert_int_equal(usage, rows[i].usage);
        weir_json_free(&v);
    }

    assert_false(weir_openai_stream(NULL, &usage));
    assert_false(usage);
}


/* deltas as they come: calls that go on in turns, and a stream that breaks */

static int
on_delta(void *arg, const weir_delta_t *d)
{
    return weir_render_delta(arg, d);
}


static void
test_live(void **state)
{
    weir_buf_t      b = { 0 };
    weir_failure_t  f;
    weir_render_t   r = { .dialect = &weir_render_openai, .id = weir_str(ID),
                          .model = weir_str("asked"), .created = 17,
                          .out = &b };

    (void) state;

#define LIVE  "data: {\"id\":\"chatcmpl-" ID "\",\"object\":" \
              "\"chat.completion.chunk\",\"created\":17,\"model\":\"m\""
#define CALL  LIVE ",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":["

    assert_int_equal(weir_deltas_read(weir_str("[{\"model\":\"m\"},"
        "{\"i\":0,\"p\":0,\"t\":\"tool_call\",\"id\":\"a\",\"name\":\"f\","
        "\"s\":\"\"},"
        "{\"i\":0,\"p\":1,\"t\":\"tool_call\",\"id\":\"b\",\"name\":\"g\","
        "\"s\":\"[\"}]"), on_delta, &r), 0);
    unit_str(unit_buf(&b),
             LIVE ",\"choices\":[{\"index\":0,\"delta\":{\"role\":"
             "\"assistant\",\"content\":null,\"refusal\":null}" NONE
             CALL "{\"index\":0,\"id\":\"a\",\"type\":\"function\","
             "\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}" NONE
             CALL "{\"index\":1,\"id\":\"b\",\"type\":\"function\","
             "\"function\":{\"name\":\"g\",\"arguments\":\"[\"}}]}" NONE);

    weir_buf_reset(&b);
    assert_int_equal(weir_deltas_read(weir_str("[{\"i\":0,\"p\":0,\"t\":"
        "\"tool_call\",\"s\":\"{}\"},{\"i\":0,\"p\":1,\"t\":"
        "\"tool_call\",\"s\":\"]\"}]"), on_delta, &r), 0);
    unit_str(unit_buf(&b),
             CALL "{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]}" NONE
             CALL "{\"index\":1,\"function\":{\"arguments\":\"]\"}}]}" NONE);

    weir_buf_reset(&b);
    weir_failure_set(&f, WEIR_FAIL_UPSTREAM, "it broke off");
    weir_render_fail(&r, &f);
    weir_buf_add(&b, "", 1);
    assert_non_null(strstr(b.data, "data: {\"error\":{\"message\":\"it broke "
                           "off\""));
    assert_null(strstr(b.data, "[DONE]"));
    assert_string_equal(b.data + b.len - 5, "}}\n\n");

    weir_render_free(&r);
    weir_buf_free(&b);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_live),
        cmocka_unit_test(test_property),
        cmocka_unit_test(test_odd),
        cmocka_unit_test(test_asked)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
