/*
 * Streams of the Responses dialect: a client that puts the events together has
 * the response; and whatever the pieces were that the answer came in, and
 * wherever a reader left off, every number stands for the same event, or the
 * same byte.
 */

#include "responses.h"
#include "weir_dialect_responses.h"
#include "weir_render.h"
#include "weir_sent.h"


#define ID  "00abcdefghijklmnopqrstuv"


/* answers */

#define OUTCOME(parts, stop)  "{\"v\":1,\"state\":\"completed\","             \
    "\"started_at\":1,\"finished_at\":0,\"attempts\":1,\"model\":\"m-1\","    \
    "\"usage\":{\"input_tokens\":3,\"output_tokens\":4},\"choices\":[{"       \
    "\"index\":0,\"role\":\"assistant\",\"parts\":[" parts "],\"stop\":\""    \
    stop "\"}]}"
#define TEXT(text)  "{\"type\":\"text\",\"text\":\"" text "\"}"
#define REFUSAL(text)  "{\"type\":\"refusal\",\"text\":\"" text "\"}"
#define THOUGHT(text)  "{\"type\":\"thinking\",\"text\":\"" text "\"}"
#define CALL(id, name, text)  "{\"type\":\"tool_call\",\"id\":\"" id          \
    "\",\"name\":\"" name "\",\"arguments\":\"" text "\"}"

static const char  *answers[] = {
    OUTCOME(TEXT("Hi"), "end"),
    OUTCOME("", "end"),
    OUTCOME(TEXT("H\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\\n\\\"x"), "length"),
    OUTCOME(THOUGHT("hm") "," THOUGHT("\xc3\xa9") ",{\"type\":\"anthropic\","
            "\"signature\":\"s\"}," TEXT("a") "," TEXT("b") "," REFUSAL("no")
            "," TEXT(""), "filter"),
    OUTCOME(TEXT("") "," CALL("1", "f", "{\\\"a\\\":\\\"}\\\\\\\"\\\"}") ","
            CALL("2", "g", "[[]]") "," TEXT("after"), "tool"),
    OUTCOME(CALL("1", "f", "") "," CALL("2", "g", "{") "," THOUGHT("hm"),
            "length"),
    OUTCOME("{\"type\":\"tool_call\",\"id\":\"1\",\"name\":\"f\","
            "\"arguments\":\"{}\",\"openai\":{\"x\":1}},{\"type\":\"openai\","
            "\"part\":{\"type\":\"x\"}}," TEXT("a"), "tool"),
};


static void
read_answer(const char *text, weir_outcome_t *o)
{
    weir_outcome_init(o);

    if (weir_outcome_read(o, weir_str_of(text)) != 0) {
        fail_msg("%s", text);
    }
}


/* an outcome as it comes live: texts in pieces of so many characters */

typedef struct {
    weir_render_t  *r;
    size_t          size;
} cutter_t;


static int
on_cut(void *arg, const weir_delta_t *d)
{
    int            rc;
    size_t         n, i;
    cutter_t      *c = arg;
    weir_delta_t   piece = *d;

    if (d->kind != WEIR_DELTA_TEXT_OF || d->s.len == 0) {
        return weir_render_delta(c->r, d);
    }

    for (i = 0, rc = 0; rc == 0 && i < d->s.len; i += n) {
        n = c->size < d->s.len - i ? c->size : d->s.len - i;

        while (i + n < d->s.len
               && ((unsigned char) d->s.data[i + n] & 0xc0) == 0x80)
        {
            n++;
        }

        piece.s = (weir_str_t) { d->s.data + i, n };
        rc = weir_render_delta(c->r, &piece);

        piece.id = weir_str_null;
        piece.name = weir_str_null;
    }

    return rc;
}


static void
render_cut(const weir_outcome_t *o, size_t size, int64_t from,
    weir_buf_t *out)
{
    weir_sent_t    sent = { 0 };
    weir_render_t  r = { .dialect = &weir_render_responses,
                         .id = weir_str(ID), .model = weir_str("m"),
                         .created = 17, .out = out, .from = from };
    cutter_t       c = { &r, size };

    weir_buf_reset(out);
    assert_int_equal(weir_render_begin(&r), 0);
    assert_int_equal(weir_sent_rest(&sent, o, on_cut, &c), 0);
    assert_int_equal(weir_render_end(&r), 0);
    weir_sent_free(&sent);
    weir_render_free(&r);
}


static void
render_whole(const weir_outcome_t *o, int64_t base, int64_t from,
    weir_buf_t *out)
{
    weir_responses_t  r = { .id = weir_str(ID), .model = weir_str("m"),
                            .created = 17, .state = WEIR_COMPLETED,
                            .outcome = o };

    weir_buf_reset(out);
    assert_int_equal(weir_responses_events(&r, base, from, out), 0);
}


/* what the client has at the end is the response object */

static void
test_client(void **state)
{
    size_t             i;
    client_t           c;
    weir_buf_t         b = { 0 };
    weir_json_t       *object;
    weir_outcome_t     o;
    weir_responses_t   r = { .id = weir_str(ID), .model = weir_str("m"),
                             .created = 17, .state = WEIR_COMPLETED,
                             .outcome = &o };

    (void) state;

    for (i = 0; i < ROWS(answers); i++) {
        read_answer(answers[i], &o);
        render_whole(&o, 0, 0, &b);
        client_read(&c, &b, false);
        assert_true(c.ended);

        object = weir_responses_object(&r);
        assert_equal(c.snapshot, object);

        weir_json_free(&object);
        client_free(&c);
        weir_outcome_free(&o);
    }

    weir_buf_free(&b);
}


/* a tape and the end of another, from a number on: it may begin within a
 * character, which is then said again */

static void
assert_tail(const tape_t *all, const tape_t *tail, long from)
{
    long  i;

    while (from <= all->last && all->slots[from]
           && ((unsigned char) all->slots[from][0] & 0xc0) == 0x80)
    {
        from--;
    }

    for (i = 0; i < TAPE_MAX; i++) {
        if (i < from) {
            assert_null(tail->slots[i]);

        } else if (all->slots[i] == NULL) {
            assert_null(tail->slots[i]);

        } else if (tail->slots[i] == NULL
                   || strcmp(all->slots[i], tail->slots[i]) != 0)
        {
            fail_msg("from %ld, at %ld: \"%s\" is not \"%s\"", from, i,
                     tail->slots[i] ? tail->slots[i] : "", all->slots[i]);
        }
    }
}


/* every cutting, and every number */

static void
test_every(void **state)
{
    long             from, last;
    size_t           i, size;
    client_t         whole, c;
    weir_buf_t       b = { 0 };
    weir_outcome_t   o;

    (void) state;

    for (i = 0; i < ROWS(answers); i++) {
        read_answer(answers[i], &o);
        render_whole(&o, 0, 0, &b);
        client_read(&whole, &b, false);
        last = whole.tape.last;

        for (from = 0; from <= last; from++) {
            assert_non_null(whole.tape.slots[from]);
        }

        for (size = 1; size < 20; size++) {
            for (from = 0; from <= last + 2; from++) {
                render_cut(&o, size, from, &b);
                client_read(&c, &b, from > 0);
                assert_tail(&whole.tape, &c.tape, from);
                client_free(&c);
            }
        }

        for (from = 0; from <= last + 2; from++) {
            render_whole(&o, 0, from, &b);
            client_read(&c, &b, from > 0);
            assert_tail(&whole.tape, &c.tape, from);
            client_free(&c);
        }

        client_free(&whole);
        weir_outcome_free(&o);
    }

    weir_buf_free(&b);
}


/* a long text comes in pieces, each with the number of its last byte */

static void
test_long(void **state)
{
    size_t          i;
    client_t        c;
    weir_buf_t      text = { 0 }, b = { 0 };
    weir_outcome_t  o;

    (void) state;

    weir_buf_text(&text, "{\"v\":1,\"state\":\"completed\",\"choices\":[{"
                  "\"parts\":[{\"type\":\"text\",\"text\":\"");

    for (i = 0; i < 1000; i++) {
        weir_buf_text(&text, "\xe2\x82\xac");
    }

    weir_buf_text(&text, "\"}],\"stop\":\"end\"}]}");
    weir_buf_add(&text, "", 1);

    read_answer(text.data, &o);
    render_whole(&o, 0, 0, &b);
    client_read(&c, &b, false);
    assert_int_equal(c.text.len, 3000);
    assert_int_equal(c.tape.last, 2 + 2 + 3000 + 3);
    client_free(&c);
    weir_outcome_free(&o);
    weir_buf_free(&text);
    weir_buf_free(&b);
}


/* an attempt has numbers of its own: who read those of another gets all */

static void
test_base(void **state)
{
    weir_buf_t      a = { 0 }, b = { 0 };
    weir_outcome_t  o;

    (void) state;

    read_answer(answers[0], &o);
    render_whole(&o, 1000, 0, &a);
    render_whole(&o, 1000, 7, &b);
    assert_true(weir_str_eq(unit_buf(&a), unit_buf(&b)));
    assert_non_null(strstr(text_of(&a), "\"sequence_number\":1000}"));
    weir_outcome_free(&o);
    weir_buf_free(&a);
    weir_buf_free(&b);
}


static int
base_delta(void *arg, const weir_delta_t *d)
{
    return weir_render_delta(arg, d);
}


/* What was begun before it was known which attempt speaks goes on as if it had
 * been known. */

static void
test_base_later(void **state)
{
    weir_buf_t      a = { 0 }, b = { 0 };
    weir_sent_t     sent = { 0 };
    weir_outcome_t  o;
    weir_render_t   r = { .dialect = &weir_render_responses,
                          .id = weir_str(ID), .out = &b };

    (void) state;

    read_answer(answers[0], &o);
    render_whole(&o, 5000, 5001, &a);

    assert_int_equal(weir_render_begin(&r), 0);
    assert_non_null(strstr(text_of(&b), "\"sequence_number\":0}"));
    weir_buf_reset(&b);

    r.base = 5000;
    assert_int_equal(weir_sent_rest(&sent, &o, base_delta, &r), 0);
    assert_non_null(strstr(text_of(&b), "\"sequence_number\":5001}"));
    assert_null(strstr(text_of(&b), "\"sequence_number\":1}"));
    assert_true(a.len > b.len);
    assert_non_null(strstr(text_of(&a), "\"sequence_number\":5001}"));

    weir_render_free(&r);
    weir_sent_free(&sent);
    weir_outcome_free(&o);
    weir_buf_free(&a);
    weir_buf_free(&b);
}


static void
test_bases(void **state)
{
    size_t  i;

    static const struct {
        int64_t  token;
        int64_t  base;
    } rows[] = {
        { 0, 0 }, { 7, 0 }, { 999999, 0 }, { -5, 0 },
        { 1000000, 0 }, { 1000001, 0 },
        { 1000002, 1LL << 32 }, { 1001024, 1023LL << 32 },
        { 1999999, 1023LL << 32 },
        { 2000001, 1024LL << 32 }, { 2000002, 1025LL << 32 },
        { 1024001024, ((1LL << 20) - 1) << 32 },
        { 999999999999999999, ((1LL << 20) - 1) << 32 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(weir_responses_base(rows[i].token), rows[i].base);
    }
}


/* deltas of a provider that says things in turns */

typedef struct {
    unsigned     part;
    const char  *type;                  /* NULL: stop */
    const char  *id;
    const char  *s;
} turn_t;


static void
render_turns(const turn_t *turns, size_t n, weir_buf_t *b, bool fails)
{
    int            rc;
    size_t         i;
    weir_delta_t   d;
    weir_render_t  r = { .dialect = &weir_render_responses,
                         .id = weir_str(ID), .out = b };

    weir_buf_reset(b);

    for (i = 0; i < n; i++) {
        d = (weir_delta_t) { .kind = turns[i].type ? WEIR_DELTA_TEXT_OF
                                                   : WEIR_DELTA_STOP,
                             .part = turns[i].part,
                             .type = weir_str_of(turns[i].type),
                             .id = weir_str_of(turns[i].id),
                             .name = weir_str_of(turns[i].id),
                             .s = weir_str_of(turns[i].s) };
        rc = weir_render_delta(&r, &d);
        assert_int_equal(rc, fails && i + 1 == n ? -1 : 0);
    }

    assert_true(fails || weir_render_end(&r) == 0);
    weir_render_free(&r);
}


/* the same as what is made of the outcome */

static void
assert_turns(const turn_t *turns, size_t n, size_t items, const char *outcome)
{
    client_t        a, c;
    weir_buf_t      b = { 0 };
    weir_outcome_t  o;

    render_turns(turns, n, &b, false);
    client_read(&c, &b, false);
    assert_true(c.ended);
    assert_int_equal(weir_json_count(weir_json_get(c.snapshot, "output")),
                     items);

    read_answer(outcome, &o);
    render_whole(&o, 0, 0, &b);
    client_read(&a, &b, false);
    assert_equal(weir_json_get(c.snapshot, "output"),
                 weir_json_get(a.snapshot, "output"));
    assert_int_equal(c.tape.last, a.tape.last);

    weir_outcome_free(&o);
    client_free(&a);
    client_free(&c);
    weir_buf_free(&b);
}


#define C  "tool_call"

static void
test_turns(void **state)
{
    client_t    c;
    weir_buf_t  b = { 0 };

    static const turn_t  calls[] = {
        { 0, C, "1", "" }, { 1, C, "2", "" }, { 1, C, NULL, "{\"x\":" },
        { 2, "text", NULL, "" }, { 2, "text", NULL, "af" },
        { 0, C, NULL, "{\"s\":\"}\\\"\"" }, { 3, C, "3", "{}" },
        { 2, "text", NULL, "ter" }, { 0, C, NULL, "}" },
        { 1, C, NULL, "[]}" }, { 0, C, NULL, " " }, { 0, NULL, NULL, "tool" }
    };
    static const turn_t  named[] = {            /* late, where it waits */
        { 0, C, "1", "{" }, { 1, C, NULL, "{" }, { 1, C, "2", "}" },
        { 0, C, NULL, "}" }, { 0, NULL, NULL, "tool" }
    };
    static const turn_t  thoughts[] = {
        { 0, "text", NULL, "a" }, { 1, "thinking", NULL, "hm" },
        { 0, "text", NULL, "b" }, { 0, NULL, NULL, "end" }
    };
    static const turn_t  late[] = {
        { 0, C, "1", "{}" }, { 1, C, "2", "{" }, { 0, C, NULL, "x" }
    };
    static const turn_t  after[] = {
        { 0, "text", NULL, "a" }, { 0, NULL, NULL, "end" },
        { 0, "text", NULL, "b" }
    };

    (void) state;

    assert_turns(calls, ROWS(calls), 4,
                 OUTCOME(CALL("1", "1", "{\\\"s\\\":\\\"}\\\\\\\"\\\"}") ","
                         CALL("2", "2", "{\\\"x\\\":[]}") "," TEXT("after") ","
                         CALL("3", "3", "{}"), "tool"));
    assert_turns(named, ROWS(named), 2, OUTCOME(CALL("1", "1", "{}") ","
                                                CALL("2", "2", "{}"), "tool"));

    /* a text that goes on after another item is an item of its own */

    render_turns(thoughts, ROWS(thoughts), &b, false);
    client_read(&c, &b, false);
    assert_int_equal(weir_json_count(weir_json_get(c.snapshot, "output")), 3);
    client_free(&c);

    render_turns(late, ROWS(late), &b, true);
    render_turns(after, ROWS(after), &b, true);

    weir_buf_free(&b);
}


/* ends that are none */

static void
test_failed(void **state)
{
    char             *at;
    size_t            i;
    client_t          c;
    weir_buf_t        b = { 0 };
    weir_delta_t      d = { .kind = WEIR_DELTA_TEXT_OF,
                            .type = weir_str("text"), .s = weir_str("Hi") };
    weir_failure_t    f;
    weir_render_t     r = { .dialect = &weir_render_responses,
                            .id = weir_str(ID), .out = &b };
    weir_responses_t  job = { .id = weir_str(ID), .model = weir_str("m") };

    (void) state;

    weir_failure_set(&f, WEIR_FAIL_UPSTREAM, "gone \"away\"");

    for (i = 0; i < 8; i++) {
        weir_buf_reset(&b);
        r.over = i & 1;
        r.from = i & 2 ? 100 : 0;

        if (i & 4) {
            assert_int_equal(weir_render_delta(&r, &d), 0);
        }

        weir_render_fail(&r, &f);
        weir_render_free(&r);

        client_read(&c, &b, i & 2);
        assert_int_equal(c.ended, r.over);
        assert_int_equal(c.thrown, !r.over);
        assert_true(!(i & 2) || c.tape.last == 100);

        if (r.over) {
            unit_str(weir_json_str(weir_json_get(c.snapshot, "status")),
                     "failed");
        }

        client_free(&c);
    }

    weir_buf_reset(&b);
    f.param[0] = '\0';
    r.over = false;
    r.from = 0;
    weir_render_fail(&r, &f);
    weir_render_free(&r);
    at = strstr(text_of(&b), "event: error");
    assert_non_null(at);
    unit_str(weir_str_of(at),
             "event: error\ndata: {\"type\":\"error\",\"code\":"
             "\"upstream_error\",\"message\":\"gone \\\"away\\\"\",\"param\":"
             "null,\"error\":{\"message\":\"gone \\\"away\\\"\",\"type\":"
             "\"server_error\",\"param\":null,\"code\":\"upstream_error\"},"
             "\"sequence_number\":1}\n\n");

    /* of a job, in any state */

    for (job.state = WEIR_QUEUED; job.state <= WEIR_EXPIRED; job.state++) {
        weir_buf_reset(&b);
        assert_int_equal(weir_responses_events(&job, 0, 0, &b), 0);
        client_read(&c, &b, false);
        assert_int_equal(c.ended, job.state == WEIR_FAILED
                                  || job.state == WEIR_EXPIRED);
        assert_int_equal(c.thrown, job.state == WEIR_CANCELLED
                                   || job.state == WEIR_COMPLETED);
        client_free(&c);
    }

    weir_buf_free(&b);
}


/* what is said before there is an answer: in this dialect alone, and once */

static void
test_begin(void **state)
{
    size_t         i;
    client_t       c;
    weir_buf_t     b = { 0 };
    weir_render_t  r = { .id = weir_str(ID), .model = weir_str("m"),
                         .out = &b,
                         .echo = weir_str("{\"background\":true}") };

    static const weir_render_dialect_t  *others[] = {
        &weir_render_openai, &weir_render_anthropic
    };

    (void) state;

    for (i = 0; i < ROWS(others); i++) {
        r.dialect = others[i];
        assert_int_equal(weir_render_begin(&r), 0);
        assert_int_equal(b.len, 0);
        weir_render_free(&r);
    }

    r.dialect = &weir_render_responses;
    assert_int_equal(weir_render_begin(&r), 0);
    assert_int_equal(weir_render_begin(&r), 0);
    client_read(&c, &b, false);
    assert_int_equal(c.tape.last, 0);
    unit_str(weir_json_str(weir_json_get(c.snapshot, "status")), "queued");
    client_free(&c);

    weir_render_free(&r);
    weir_buf_free(&b);
}


/* no memory is an end, too */

static void
test_memory(void **state)
{
    size_t           i, limit;
    weir_buf_t       b = { 0 };
    weir_outcome_t   o;
    weir_responses_t  r = { .id = weir_str(ID), .model = weir_str("m"),
                            .state = WEIR_COMPLETED, .outcome = &o };

    (void) state;

    for (i = 0; i < ROWS(answers); i++) {
        read_answer(answers[i], &o);

        for (limit = 1; limit < 2000; limit += 37) {
            weir_buf_free(&b);
            weir_buf_init(&b, limit);
            assert_int_equal(weir_responses_events(&r, 0, 0, &b), -1);
        }

        weir_outcome_free(&o);
    }

    weir_buf_free(&b);
}


static void
test_events(void **state)
{
    char              *p, *q;
    weir_buf_t         b = { 0 };
    weir_outcome_t     o;

    (void) state;

    read_answer(answers[0], &o);
    render_whole(&o, 0, 2, &b);

    p = text_of(&b);
    q = strstr(p, "event: response.completed\n");
    assert_non_null(q);

    unit_str((weir_str_t) { p, (size_t) (q - p) },
        "event: response.output_item.added\ndata: {\"type\":"
        "\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":"
        "\"message\",\"id\":\"msg_" ID "_0\",\"status\":\"in_progress\","
        "\"role\":\"assistant\",\"content\":[]},\"sequence_number\":2}\n\n"
        "event: response.content_part.added\ndata: {\"type\":"
        "\"response.content_part.added\",\"item_id\":\"msg_" ID "_0\","
        "\"output_index\":0,\"content_index\":0,\"part\":{\"type\":"
        "\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"\"},"
        "\"sequence_number\":3}\n\n"
        "event: response.output_text.delta\ndata: {\"type\":"
        "\"response.output_text.delta\",\"item_id\":\"msg_" ID "_0\","
        "\"output_index\":0,\"content_index\":0,\"delta\":\"Hi\","
        "\"logprobs\":[],\"sequence_number\":5}\n\n"
        "event: response.output_text.done\ndata: {\"type\":"
        "\"response.output_text.done\",\"item_id\":\"msg_" ID "_0\","
        "\"output_index\":0,\"content_index\":0,\"text\":\"Hi\",\"logprobs\":"
        "[],\"sequence_number\":6}\n\n"
        "event: response.content_part.done\ndata: {\"type\":"
        "\"response.content_part.done\",\"item_id\":\"msg_" ID "_0\","
        "\"output_index\":0,\"content_index\":0,\"part\":{\"type\":"
        "\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"Hi\"},"
        "\"sequence_number\":7}\n\n"
        "event: response.output_item.done\ndata: {\"type\":"
        "\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":"
        "\"message\",\"id\":\"msg_" ID "_0\",\"status\":\"completed\","
        "\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","
        "\"annotations\":[],\"logprobs\":[],\"text\":\"Hi\"}]},"
        "\"sequence_number\":8}\n\n");

    weir_outcome_free(&o);
    weir_buf_free(&b);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_client),
        cmocka_unit_test(test_every),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_base),
        cmocka_unit_test(test_base_later),
        cmocka_unit_test(test_bases),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_failed),
        cmocka_unit_test(test_begin),
        cmocka_unit_test(test_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
