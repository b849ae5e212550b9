/*
 * Embeddings in the OpenAI dialect: what is asked, what is answered, and what
 * neither may be.
 */

#include "unit.h"

#include "weir_base64.h"
#include "weir_contract.h"
#include "weir_dialect_anthropic.h"
#include "weir_dialect_openai.h"
#include "weir_dialect_openai_embed.h"
#include "weir_jobdoc.h"


#define NEUTRAL(input, params, extra)                                         \
    "{\"extra\":{\"openai\":{" extra "}},\"input\":" input ","                \
    "\"kind\":\"embed\",\"model\":\"m\",\"params\":{" params "},\"v\":1}"

/* 1, -2.5 and 0.1; 3 */
#define ONE    "AACAPwAAIMDNzMw9"
#define OTHER  "AABAQA=="


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


static void
assert_text(weir_buf_t *b, const char *want)
{
    weir_buf_add(b, "", 1);
    assert_false(b->failed);
    assert_string_equal(b->data, want);
    weir_buf_free(b);
}


static weir_json_t *
request_of(const char *text, weir_failure_t *f)
{
    weir_json_t  *body, *neutral;

    body = parse(text);
    neutral = weir_openai_embed_request(body, f);
    weir_json_free(&body);

    return neutral;
}


static void
test_request(void **state)
{
    size_t           i;
    weir_buf_t       b = { 0 };
    weir_json_t     *neutral;
    weir_failure_t   f;

    static const struct {
        const char  *body;
        const char  *neutral;
        const char  *call;
    } rows[] = {
        { "{\"model\":\"m\",\"input\":\"Hi\"}",
          NEUTRAL("[\"Hi\"]", "", ""),
          "{\"encoding_format\":\"base64\",\"input\":\"Hi\",\"model\":\"m\"}" },
        { "{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"dimensions\":64,"
          "\"user\":\"u\",\"encoding_format\":\"float\"}",
          NEUTRAL("[\"a\",\"b\"]", "\"dimensions\":64", "\"user\":\"u\""),
          "{\"dimensions\":64,\"encoding_format\":\"base64\","
          "\"input\":[\"a\",\"b\"],\"model\":\"m\",\"user\":\"u\"}" },
        { "{\"model\":\"m\",\"input\":[1,2,3],\"encoding_format\":\"base64\"}",
          NEUTRAL("[[1,2,3]]", "", ""),
          "{\"encoding_format\":\"base64\",\"input\":[1,2,3],"
          "\"model\":\"m\"}" },
        { "{\"model\":\"m\",\"input\":[[1,2],[0]],\"dimensions\":null,"
          "\"encoding_format\":null,\"stream\":false,\"x\":null}",
          NEUTRAL("[[1,2],[0]]", "", ""),
          "{\"encoding_format\":\"base64\",\"input\":[[1,2],[0]],"
          "\"model\":\"m\"}" },
        { "{\"model\":\"m\",\"input\":[\"a\"],\"stream\":null,"
          "\"input_type\":\"query\"}",
          NEUTRAL("[\"a\"]", "", "\"input_type\":\"query\""),
          "{\"encoding_format\":\"base64\",\"input\":\"a\","
          "\"input_type\":\"query\",\"model\":\"m\"}" },
        { "{\"model\":\"m\",\"input\":[[7]]}",
          NEUTRAL("[[7]]", "", ""),
          "{\"encoding_format\":\"base64\",\"input\":[7],\"model\":\"m\"}" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        neutral = request_of(rows[i].body, &f);
        assert_non_null(neutral);
        assert_true(weir_neutral_embeds(neutral));

        assert_int_equal(weir_json_write_sorted(neutral, &b), 0);
        assert_text(&b, rows[i].neutral);
        weir_json_free(&neutral);

        /* as the worker reads it */

        neutral = parse(rows[i].neutral);
        assert_int_equal(weir_openai_embed_call(neutral, weir_str_null, &b), 0);
        weir_json_free(&neutral);

        neutral = weir_json_parse((weir_str_t) { b.data, b.len },
                                  (char [WEIR_JSON_ERROR]) { 0 });
        weir_buf_free(&b);
        assert_int_equal(weir_json_write_sorted(neutral, &b), 0);
        assert_text(&b, rows[i].call);
        weir_json_free(&neutral);
    }

    neutral = parse(rows[0].neutral);
    assert_int_equal(weir_openai_embed_call(neutral, weir_str("up"), &b), 0);
    weir_buf_add(&b, "", 1);
    assert_non_null(strstr(b.data, "\"model\":\"up\""));
    weir_buf_free(&b);

    /* nobody else can say it */

    assert_int_equal(weir_openai_call(neutral, weir_str_null, false, &b), -1);
    assert_int_equal(weir_anthropic_call(neutral, weir_str_null, false, &b,
                                         &f), -1);
    weir_json_free(&neutral);
    weir_buf_free(&b);
}


static void
test_invalid(void **state)
{
    size_t           i;
    weir_failure_t   f;

    static const struct {
        const char  *body;
        const char  *param;
    } rows[] = {
        { "[]", "" }, { "\"x\"", "" },
        { "{\"input\":\"a\"}", "model" },
        { "{\"model\":\"\",\"input\":\"a\"}", "model" },
        { "{\"model\":\"a b\",\"input\":\"a\"}", "model" },
        { "{\"model\":\"m\"}", "input" },
        { "{\"model\":\"m\",\"input\":null}", "input" },
        { "{\"model\":\"m\",\"input\":\"\"}", "input" },
        { "{\"model\":\"m\",\"input\":[]}", "input" },
        { "{\"model\":\"m\",\"input\":[\"\"]}", "input" },
        { "{\"model\":\"m\",\"input\":[\"a\",\"\"]}", "input" },
        { "{\"model\":\"m\",\"input\":[\"a\",1]}", "input" },
        { "{\"model\":\"m\",\"input\":[1,\"a\"]}", "input" },
        { "{\"model\":\"m\",\"input\":[[1],\"a\"]}", "input" },
        { "{\"model\":\"m\",\"input\":[[1],2]}", "input" },
        { "{\"model\":\"m\",\"input\":[[]]}", "input" },
        { "{\"model\":\"m\",\"input\":[[1],[]]}", "input" },
        { "{\"model\":\"m\",\"input\":[1.5]}", "input" },
        { "{\"model\":\"m\",\"input\":[-1]}", "input" },
        { "{\"model\":\"m\",\"input\":[2147483648]}", "input" },
        { "{\"model\":\"m\",\"input\":[[[1]]]}", "input" },
        { "{\"model\":\"m\",\"input\":[null]}", "input" },
        { "{\"model\":\"m\",\"input\":5}", "input" },
        { "{\"model\":\"m\",\"input\":true}", "input" },
        { "{\"model\":\"m\",\"input\":{\"a\":1}}", "input" },
        { "{\"model\":\"m\",\"input\":\"a\",\"dimensions\":0}", "dimensions" },
        { "{\"model\":\"m\",\"input\":\"a\",\"dimensions\":1.5}",
          "dimensions" },
        { "{\"model\":\"m\",\"input\":\"a\",\"dimensions\":\"9\"}",
          "dimensions" },
        { "{\"model\":\"m\",\"input\":\"a\",\"dimensions\":65537}",
          "dimensions" },
        { "{\"model\":\"m\",\"input\":\"a\",\"encoding_format\":\"int8\"}",
          "encoding_format" },
        { "{\"model\":\"m\",\"input\":\"a\",\"encoding_format\":1}",
          "encoding_format" },
        { "{\"model\":\"m\",\"input\":\"a\",\"stream\":true}", "stream" },
        { "{\"model\":\"m\",\"input\":\"a\",\"stream\":\"no\"}", "stream" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (request_of(rows[i].body, &f) != NULL) {
            fail_msg("%s is taken", rows[i].body);
        }

        assert_int_equal(f.kind, WEIR_FAIL_INVALID);
        assert_string_equal(f.param, rows[i].param);
        assert_true(f.message[0]);
    }
}


static void
test_many(void **state)
{
    size_t           i, n;
    weir_buf_t       b;
    weir_json_t     *neutral;
    weir_failure_t   f;

    (void) state;

    for (n = WEIR_EMBED_INPUTS; n <= WEIR_EMBED_INPUTS + 1; n++) {
        weir_buf_init(&b, 0);
        weir_buf_text(&b, "{\"model\":\"m\",\"input\":[");

        for (i = 0; i < n; i++) {
            weir_buf_text(&b, i ? ",\"a\"" : "\"a\"");
        }

        weir_buf_add(&b, "]}", 3);
        neutral = request_of(b.data, &f);

        if (n == WEIR_EMBED_INPUTS) {
            assert_non_null(neutral);

        } else {
            assert_null(neutral);
            assert_string_equal(f.param, "input");
        }

        weir_json_free(&neutral);
        weir_buf_free(&b);
    }

    /* so many tokens are one input */

    weir_buf_init(&b, 0);
    weir_buf_text(&b, "{\"model\":\"m\",\"input\":[1");

    for (i = 0; i < 5000; i++) {
        weir_buf_text(&b, ",1");
    }

    weir_buf_add(&b, "]}", 3);
    neutral = request_of(b.data, &f);
    assert_int_equal(weir_json_count(weir_json_get(neutral, "input")), 1);
    weir_json_free(&neutral);
    weir_buf_free(&b);
}


static void
test_base64_asked(void **state)
{
    size_t        i;
    weir_json_t  *body;

    static const struct {
        const char  *body;
        bool         base64;
    } rows[] = {
        { "{}", false }, { "{\"encoding_format\":null}", false },
        { "{\"encoding_format\":\"float\"}", false },
        { "{\"encoding_format\":\"base64\"}", true }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        body = parse(rows[i].body);
        assert_int_equal(weir_openai_embed_base64(body), rows[i].base64);
        weir_json_free(&body);
    }
}


static void
test_need(void **state)
{
    weir_need_t   need;
    weir_json_t  *neutral;

    (void) state;

    neutral = parse(NEUTRAL("[\"12345678\",[1,2,3]]", "", ""));
    weir_neutral_need(neutral, &need);
    assert_int_equal(need.input, 6);
    assert_int_equal(need.output, 0);
    assert_int_equal(need.max_tokens, 0);
    assert_true(need.no_output);
    weir_json_free(&neutral);

    neutral = parse("{\"v\":1,\"kind\":\"chat\",\"messages\":[]}");
    weir_neutral_need(neutral, &need);
    assert_false(need.no_output);
    weir_json_free(&neutral);
}


/* replies */

#define REPLY(data)                                                           \
    "{\"object\":\"list\",\"data\":" data ",\"model\":\"m-1\","               \
    "\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8,\"x\":1},\"y\":2}"

#define ITEM(index, vector)                                                   \
    "{\"object\":\"embedding\",\"index\":" index ",\"embedding\":" vector "}"

#define AS_BASE64                                                             \
    "{\"object\":\"list\",\"data\":[" ITEM("0", "\"" ONE "\"") ","            \
    ITEM("1", "\"" OTHER "\"") "],\"model\":\"m-1\",\"usage\":"               \
    "{\"prompt_tokens\":8,\"total_tokens\":8,\"x\":1},\"y\":2}"

#define AS_FLOATS                                                             \
    "{\"object\":\"list\",\"data\":[" ITEM("0", "[1,-2.5,0.1]") ","           \
    ITEM("1", "[3]") "],\"model\":\"m-1\",\"usage\":"                         \
    "{\"prompt_tokens\":8,\"total_tokens\":8,\"x\":1},\"y\":2}"


static void
assert_list(const weir_outcome_t *o, bool base64, const char *want)
{
    weir_buf_t    b = { 0 }, sorted = { 0 }, wanted = { 0 };
    weir_json_t  *v;

    assert_int_equal(weir_openai_embeddings(o, base64, &b), 0);
    weir_buf_add(&b, "", 1);
    v = parse(b.data);
    weir_json_write_sorted(v, &sorted);
    weir_json_free(&v);

    v = parse(want);
    weir_json_write_sorted(v, &wanted);
    weir_json_free(&v);

    weir_buf_add(&wanted, "", 1);
    assert_text(&sorted, wanted.data);
    weir_buf_free(&wanted);
    weir_buf_free(&b);
}


static void
test_reply(void **state)
{
    size_t          i;
    weir_buf_t      b = { 0 };
    weir_outcome_t  o, again;

    static const char  *replies[] = {
        REPLY("[" ITEM("0", "\"" ONE "\"") "," ITEM("1", "\"" OTHER "\"") "]"),
        REPLY("[" ITEM("1", "[3.0]") "," ITEM("0", "[1,-2.5,0.1]") "]"),
        REPLY("[{\"embedding\":[1.0,-2.5e0,0.10000000149011612]},"
              "{\"embedding\":\"" OTHER "\"}]")
    };

    (void) state;

    for (i = 0; i < ROWS(replies); i++) {
        weir_outcome_init(&o);
        assert_int_equal(weir_openai_embed_reply(weir_str_of(replies[i]), 2,
                                                 &o), 0);
        assert_int_equal(o.state, WEIR_COMPLETED);
        assert_int_equal(o.input_tokens, 8);
        assert_int_equal(o.output_tokens, 0);
        assert_true(weir_str_eq(o.model, weir_str("m-1")));

        weir_json_write_sorted(o.choices, &b);
        assert_text(&b, "[{\"index\":0,\"parts\":[{\"data\":\"" ONE "\","
                    "\"type\":\"embedding\"}]},{\"index\":1,\"parts\":[{"
                    "\"data\":\"" OTHER "\",\"type\":\"embedding\"}]}]");

        /* over the wire, and to the client */

        assert_int_equal(weir_outcome_write(&o, &b), 0);
        assert_int_equal(weir_outcome_read(&again, (weir_str_t) { b.data,
                                                                  b.len }), 0);
        assert_true(weir_outcome_embeds(&again));
        assert_list(&again, true, AS_BASE64);
        assert_list(&again, false, AS_FLOATS);

        weir_buf_free(&b);
        weir_outcome_free(&again);
        weir_outcome_free(&o);
    }
}


static void
test_reply_invalid(void **state)
{
    size_t          i;
    weir_outcome_t  o;

    static const char  *replies[] = {
        "", "x", "{}", "[]", "null", "{\"data\":{}}",
        REPLY("[]"),
        REPLY("[" ITEM("0", "[1]") "]"),
        REPLY("[" ITEM("0", "[1]") "," ITEM("1", "[1]") ","
              ITEM("2", "[1]") "]"),
        REPLY("[" ITEM("0", "[1]") "," ITEM("0", "[1]") "]"),
        REPLY("[" ITEM("0", "[1]") "," ITEM("2", "[1]") "]"),
        REPLY("[" ITEM("-1", "[1]") "," ITEM("0", "[1]") "]"),
        REPLY("[" ITEM("\"0\"", "[1]") "," ITEM("1", "[1]") "]"),
        REPLY("[" ITEM("0.0", "[1]") "," ITEM("1", "[1]") "]"),
        REPLY("[" ITEM("0", "[]") "," ITEM("1", "[1]") "]"),
        REPLY("[" ITEM("0", "[\"1\"]") "," ITEM("1", "[1]") "]"),
        REPLY("[" ITEM("0", "[null]") "," ITEM("1", "[1]") "]"),
        REPLY("[" ITEM("0", "[1e39]") "," ITEM("1", "[1]") "]"),
        REPLY("[" ITEM("0", "null") "," ITEM("1", "[1]") "]"),
        REPLY("[" ITEM("0", "5") "," ITEM("1", "[1]") "]"),
        REPLY("[" ITEM("0", "\"\"") "," ITEM("1", "[1]") "]"),
        REPLY("[" ITEM("0", "\"AAAA\"") "," ITEM("1", "[1]") "]"),
        REPLY("[" ITEM("0", "\"AABAQA\"") "," ITEM("1", "[1]") "]"),
        REPLY("[" ITEM("0", "\"AABA_A==\"") "," ITEM("1", "[1]") "]"),
        REPLY("[" ITEM("0", "\"AADAfw==\"") "," ITEM("1", "[1]") "]"),
        REPLY("[" ITEM("0", "\"AACA/w==\"") "," ITEM("1", "[1]") "]"),
        REPLY("[null," ITEM("1", "[1]") "]")
    };

    (void) state;

    for (i = 0; i < ROWS(replies); i++) {
        weir_outcome_init(&o);

        if (weir_openai_embed_reply(weir_str_of(replies[i]), 2, &o) != -1) {
            fail_msg("%s is taken", replies[i]);
        }

        assert_int_equal(o.error.kind, WEIR_FAIL_UPSTREAM);
        assert_string_equal(o.error.code, "upstream_invalid");
        assert_null(o.choices);
        weir_outcome_free(&o);
    }
}


/* Numbers of one digit are shorter than what is kept of them. */

static void
test_reply_large(void **state)
{
    size_t          i;
    weir_buf_t      b = { 0 };
    weir_outcome_t  o;

    (void) state;

    weir_buf_text(&b, "{\"data\":[{\"embedding\":[0");

    for (i = 0; i < WEIR_OUTCOME_MAX / 5; i++) {
        weir_buf_text(&b, ",0");
    }

    weir_buf_text(&b, "]}]}");

    weir_outcome_init(&o);
    assert_int_equal(weir_openai_embed_reply((weir_str_t) { b.data, b.len }, 1,
                                             &o), -2);
    assert_null(o.choices);
    assert_true(o.error.message[0]);

    weir_outcome_free(&o);
    weir_buf_free(&b);
}


static void
test_answer(void **state)
{
    size_t          i;
    weir_buf_t      b = { 0 };
    weir_jobdoc_t   d;
    weir_outcome_t  o;

    /* what nobody has written that knows the contract */

    static const char  *bad[] = {
        "[{\"parts\":[{\"type\":\"embedding\",\"data\":\"AAAA\"}]}]",
        "[{\"parts\":[{\"type\":\"embedding\",\"data\":\"AADAfw==\"}]}]",
        "[{\"parts\":[{\"type\":\"embedding\"}]}]",
        "[{\"parts\":[{\"type\":\"embedding\",\"data\":\"" ONE "\"}]},{}]"
    };

    (void) state;

    for (i = 0; i < ROWS(bad); i++) {
        weir_outcome_init(&o);
        o.choices = parse(bad[i]);
        assert_true(weir_outcome_embeds(&o));
        assert_int_equal(weir_openai_embeddings(&o, false, &b), -1);
        weir_outcome_free(&o);
        weir_buf_free(&b);
    }

    weir_outcome_init(&o);
    assert_false(weir_outcome_embeds(&o));
    o.choices = parse("[{\"parts\":[{\"type\":\"text\",\"text\":\"a\"}]}]");
    assert_false(weir_outcome_embeds(&o));
    weir_outcome_free(&o);

    /* a job shows the list */

    weir_outcome_init(&o);
    assert_int_equal(weir_openai_embed_reply(
        weir_str(REPLY("[" ITEM("0", "[0.5]") "]")), 1, &o), 0);

    memset(&d, 0, sizeof(weir_jobdoc_t));
    d.id = "ID";
    d.state = WEIR_COMPLETED;
    d.outcome = &o;
    weir_jobdoc_write(&d, &b);
    weir_buf_add(&b, "", 1);
    assert_false(b.failed);
    assert_non_null(strstr(b.data, "\"result\":{\"object\":\"list\",\"data\":"
                           "[{\"object\":\"embedding\",\"index\":0,"
                           "\"embedding\":[0.5]}],"));
    weir_buf_free(&b);
    weir_outcome_free(&o);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_base64_asked),
        cmocka_unit_test(test_need),
        cmocka_unit_test(test_reply),
        cmocka_unit_test(test_reply_invalid),
        cmocka_unit_test(test_reply_large),
        cmocka_unit_test(test_answer)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
