/*
 * What makes two requests the same question: checks RC-02, RC-04 to RC-07.
 */

#include "unit.h"
#include "weir_dialect_openai.h"
#include "weir_digest.h"
#include "weir_question.h"


#define ME  ((weir_question_t) { .scope = weir_str("owner:me") })


/* the digest of a neutral request */

static int
digest_of(const weir_json_t *neutral, weir_question_t q,
    unsigned char digest[WEIR_QUESTION_LEN])
{
    weir_failure_t  f;

    return weir_question_digest(neutral, &q, digest, &f);
}


/* that of the body of a chat completion */

static void
digest_chat(const char *body, weir_question_t q,
    unsigned char digest[WEIR_QUESTION_LEN])
{
    char             error[WEIR_JSON_ERROR];
    weir_json_t     *v, *neutral;
    weir_failure_t   f;

    v = weir_json_parse(weir_str_of(body), error);

    if (v == NULL) {
        fail_msg("%s: %s", body, error);
    }

    neutral = weir_openai_request(v, &f);

    if (neutral == NULL) {
        fail_msg("%s: %s", body, f.message);
    }

    assert_int_equal(digest_of(neutral, q, digest), 0);

    weir_json_free(&neutral);
    weir_json_free(&v);
}


static bool
same(const char *a, const char *b)
{
    unsigned char  one[WEIR_QUESTION_LEN], two[WEIR_QUESTION_LEN];

    digest_chat(a, ME, one);
    digest_chat(b, ME, two);

    return memcmp(one, two, sizeof(one)) == 0;
}


#define HI    "\"model\":\"m\",\"messages\":[{\"role\":\"user\"," \
              "\"content\":\"Hi\"}]"
#define ASK   "{" HI "}"
#define WITH(member)  "{" HI "," member "}"


static void
test_same(void **state)
{
    size_t  i;

    static const char  *rows[][2] = {
        { ASK, " { " HI "\n}\n" },
        { ASK, "{\"messages\":[{\"content\":\"\\u0048i\",\"role\":\"user\"}],"
               "\"model\":\"\\u006d\"}" },
        { ASK, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
               "\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]}]}" },
        { ASK, WITH("\"stop\":null,\"top_p\":null,\"user\":null") },
        { ASK, WITH("\"stream\":false") },
        { ASK, WITH("\"stream_options\":{\"include_usage\":true}") },
        { ASK, WITH("\"user\":\"alice\"") },
        { ASK, WITH("\"metadata\":{\"a\":\"b\"}") },
        { ASK, WITH("\"store\":true") },
        { ASK, WITH("\"safety_identifier\":\"x\"") },
        { ASK, WITH("\"prompt_cache_key\":\"x\"") },
        { ASK, WITH("\"prompt_cache_options\":{}") },
        { ASK, WITH("\"prompt_cache_retention\":\"24h\"") },
        { ASK, WITH("\"service_tier\":\"flex\"") },
        { WITH("\"temperature\":1"), WITH("\"temperature\":1.0") },
        { WITH("\"temperature\":0"), WITH("\"temperature\":-0.0") },
        { WITH("\"top_p\":0.5"), WITH("\"top_p\":5e-1") },
        { WITH("\"stop\":\"x\""), WITH("\"stop\":[\"x\"]") },
        { WITH("\"logit_bias\":{\"1\":2,\"10\":-3}"),
          WITH("\"logit_bias\":{\"10\":-3.0,\"1\":2}") },
        { WITH("\"x\":{\"user\":1,\"b\":2}"),
          WITH("\"x\":{\"b\":2,\"user\":1}") },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (!same(rows[i][0], rows[i][1])) {
            fail_msg("differ: %s and %s", rows[i][0], rows[i][1]);
        }
    }
}


static void
test_different(void **state)
{
    size_t         i, k;
    unsigned char  digests[40][WEIR_QUESTION_LEN];

    static const char  *rows[] = {
        ASK,
        "{\"model\":\"m2\",\"messages\":[{\"role\":\"user\","
        "\"content\":\"Hi\"}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
        "\"content\":\"hi\"}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"system\","
        "\"content\":\"Hi\"}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
        "\"content\":\"Hi\",\"name\":\"x\"}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
        "\"content\":\"Hi\",\"user\":\"x\"}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
        "\"content\":\"Hi\"},{\"role\":\"user\",\"content\":\"Hi\"}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":["
        "{\"type\":\"text\",\"text\":\"H\"},{\"type\":\"text\","
        "\"text\":\"i\"}]}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":["
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\"}}]}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":["
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"v\"}}]}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":["
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\","
        "\"detail\":\"low\"}}]}]}",
        WITH("\"max_tokens\":5"), WITH("\"max_tokens\":6"),
        WITH("\"max_completion_tokens\":5"), WITH("\"temperature\":0"),
        WITH("\"temperature\":0.5"), WITH("\"top_p\":0.5"), WITH("\"n\":1"),
        WITH("\"n\":2"), WITH("\"seed\":1"), WITH("\"seed\":-1"),
        WITH("\"stop\":[\"a\"]"), WITH("\"stop\":[\"a\",\"b\"]"),
        WITH("\"stop\":[\"b\",\"a\"]"), WITH("\"tools\":[]"),
        WITH("\"tools\":[{\"type\":\"function\",\"function\":"
             "{\"name\":\"f\"}}]"),
        WITH("\"tools\":[{\"type\":\"function\",\"function\":"
             "{\"name\":\"g\"}}]"),
        WITH("\"tool_choice\":\"auto\""),
        WITH("\"response_format\":{\"type\":\"json_object\"}"),
        WITH("\"logprobs\":true"), WITH("\"logprobs\":false"),
        WITH("\"reasoning_effort\":\"low\""), WITH("\"whatever\":1"),
        WITH("\"whatever\":\"1\""), WITH("\"whatever\":{\"user\":1}"),
        WITH("\"whatever\":{\"user\":2}"), WITH("\"whatever\":[1,2]"),
        WITH("\"whatever\":[2,1]"), WITH("\"User\":\"alice\""),
        WITH("\"users\":\"alice\""),
    };

    (void) state;

    assert_true(ROWS(rows) <= ROWS(digests));

    for (i = 0; i < ROWS(rows); i++) {
        digest_chat(rows[i], ME, digests[i]);

        for (k = 0; k < i; k++) {
            if (memcmp(digests[i], digests[k], WEIR_QUESTION_LEN) == 0) {
                fail_msg("the same: %s and %s", rows[i], rows[k]);
            }
        }
    }
}


/* nobody is answered out of another scope; no two lists of words meet */

static void
test_scope(void **state)
{
    size_t         i, k;
    unsigned char  digests[9][WEIR_QUESTION_LEN];

    const weir_question_t  rows[] = {
        { weir_str("owner:a"), weir_str_null, weir_str_null },
        { weir_str("owner:b"), weir_str_null, weir_str_null },
        { weir_str("shared:a"), weir_str_null, weir_str_null },
        { weir_str("owner:a"), weir_str("t1"), weir_str_null },
        { weir_str("owner:a"), weir_str("t2"), weir_str_null },
        { weir_str("owner:a"), weir_str_null, weir_str("t1") },
        { weir_str("owner:a"), weir_str("t"), weir_str("1") },
        { weir_str_null, weir_str_null, weir_str_null },
        { weir_str("owner:a4:chat"), weir_str_null, weir_str_null },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        digest_chat(ASK, rows[i], digests[i]);

        for (k = 0; k < i; k++) {
            assert_memory_not_equal(digests[i], digests[k],
                                    WEIR_QUESTION_LEN);
        }
    }
}


/* A change of what is hashed, or of how, must be meant: then the version of
 * the question changes too. */

static void
test_fixed(void **state)
{
    char           hex[WEIR_QUESTION_HEX + 1];
    unsigned char  digest[WEIR_QUESTION_LEN];

    (void) state;

    digest_chat("{" HI ",\"temperature\":0.5,\"user\":\"u\",\"x\":true}",
                (weir_question_t) { weir_str("owner:me"), weir_str("t"),
                                    weir_str("g") }, digest);
    weir_digest_hex(digest, sizeof(digest), hex);
    assert_string_equal(hex, "8e8050dca415250978a6794270218fcf"
                             "b72f62d3397a43dc5d0e99d073bc7f03");
}


static void
test_unsafe(void **state)
{
    char             error[WEIR_JSON_ERROR];
    size_t           i;
    weir_json_t     *v, *neutral;
    unsigned char    digest[WEIR_QUESTION_LEN];
    weir_failure_t   f;
    weir_question_t  q = ME;

    static const struct {
        const char  *text;
        int          rc;
    } rows[] = {
        { WITH("\"seed\":9007199254740991"), 0 },
        { WITH("\"seed\":9007199254740993"), -2 },
        { WITH("\"x\":[{\"y\":-9007199254740993}]"), -2 },
        { WITH("\"metadata\":{\"a\":9007199254740993}"), 0 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        v = weir_json_parse(weir_str_of(rows[i].text), error);
        neutral = weir_openai_request(v, &f);
        assert_non_null(neutral);

        assert_int_equal(weir_question_digest(neutral, &q, digest, &f),
                         rows[i].rc);

        if (rows[i].rc) {
            assert_int_equal(f.kind, WEIR_FAIL_INVALID);
            assert_string_equal(f.code, "unsafe_integer");
        }

        weir_json_free(&neutral);
        weir_json_free(&v);
    }
}


static void
test_random(void **state)
{
    size_t           i;
    char             error[WEIR_JSON_ERROR];
    weir_json_t     *v, *neutral;
    weir_failure_t   f;

    static const struct {
        const char  *text;
        bool         random;
    } rows[] = {
        { ASK, false },
        { WITH("\"temperature\":null"), false },
        { WITH("\"temperature\":0"), false },
        { WITH("\"temperature\":0.0"), false },
        { WITH("\"temperature\":-0.0"), false },
        { WITH("\"temperature\":1e-9"), true },
        { WITH("\"temperature\":1"), true },
        { WITH("\"top_p\":0.5,\"n\":3"), false },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        v = weir_json_parse(weir_str_of(rows[i].text), error);
        neutral = weir_openai_request(v, &f);
        assert_int_equal(weir_question_is_random(neutral), rows[i].random);
        weir_json_free(&neutral);
        weir_json_free(&v);
    }

    assert_false(weir_question_is_random(NULL));
}


/*
 * The property, over documents drawn at random: written in another way they
 * are the same question, and with one thing changed anywhere they are not.
 */

#define MEMBERS  4

typedef struct {
    uint64_t  seed;
    int       change;               /* the value that is changed; -1: none */
    int       value;                /* number of the value that comes next */
    uint64_t  spelling;             /* 0: the plain one */
    int       deep;
} drawn_t;


static void
draw_space(drawn_t *d, weir_buf_t *out)
{
    static const char  *spaces[] = { "", " ", "\n", "\t ", "\r\n" };

    if (d->spelling) {
        weir_buf_text(out, spaces[unit_random(&d->spelling) % ROWS(spaces)]);
    }
}


static void
draw_text(drawn_t *d, weir_buf_t *out, const char *text)
{
    weir_buf_text(out, "\"");

    for ( /* void */ ; *text; text++) {
        if (d->spelling && unit_random(&d->spelling) % 4 == 0) {
            weir_buf_printf(out, "\\u%04x", (unsigned) *text);

        } else {
            weir_buf_printf(out, "%c", *text);
        }
    }

    weir_buf_text(out, "\"");
}


static void
draw_number(drawn_t *d, weir_buf_t *out, unsigned n)
{
    static const char  *forms[] = {
        "%u", "%u.0", "%ue0", "%u0E-1", "%u.00e+0"
    };

    n++;                                /* 00E-1 is no number */
    weir_buf_printf(out, d->spelling ? forms[unit_random(&d->spelling)
                                             % ROWS(forms)] : "%u", n);
}


static void draw(drawn_t *d, weir_buf_t *out, uint64_t kind);


static void
draw_object(drawn_t *d, weir_buf_t *out, uint64_t seed)
{
    int         i, from, first;
    char        name[16];
    weir_buf_t  members[MEMBERS] = { { 0 } };

    for (i = 0; i < MEMBERS; i++) {
        snprintf(name, sizeof(name), "%c%d", (char) ('a' + seed % 26), i);
        draw_space(d, &members[i]);
        draw_text(d, &members[i], name);
        draw_space(d, &members[i]);
        weir_buf_text(&members[i], ":");
        draw(d, &members[i], seed >> (8 * i + 8));
    }

    first = d->spelling ? (int) (unit_random(&d->spelling) % MEMBERS) : 0;
    weir_buf_text(out, "{");

    for (i = 0; i < MEMBERS; i++) {
        from = (first + i) % MEMBERS;
        weir_buf_str(out, unit_buf(&members[from]));
        weir_buf_text(out, i < MEMBERS - 1 ? "," : "}");
        weir_buf_free(&members[from]);
    }
}


static void
draw(drawn_t *d, weir_buf_t *out, uint64_t kind)
{
    int         i;
    unsigned    changed;
    char        text[16];

    changed = (d->value++ == d->change);
    kind = kind * 0x9e3779b97f4a7c15 + 1;
    kind ^= kind >> 29;

    draw_space(d, out);

    if (d->deep < 3 && kind % 7 == 0 && !changed) {
        d->deep++;
        draw_object(d, out, kind);
        d->deep--;

    } else if (d->deep < 3 && kind % 7 == 1 && !changed) {
        d->deep++;

        for (i = 0; i < 3; i++) {
            weir_buf_text(out, i ? "," : "[");
            draw(d, out, kind >> (8 * i + 8));
        }

        weir_buf_text(out, "]");
        d->deep--;

    } else if (kind % 7 == 2) {
        weir_buf_text(out, changed ? "null" : "true");

    } else if (kind % 7 < 5) {
        draw_number(d, out, (unsigned) (kind >> 8) % 1000 + 1000 * changed);

    } else {
        snprintf(text, sizeof(text), "%c%u~%s", (char) ('A' + kind % 26),
                 (unsigned) (kind >> 8) % 10000, changed ? "." : "");
        draw_text(d, out, text);
    }

    draw_space(d, out);
}


/* returns how many values there are */

static int
draw_body(uint64_t seed, int change, uint64_t spelling, weir_buf_t *out)
{
    drawn_t  d = { seed, change, 0, spelling, 0 };

    weir_buf_reset(out);
    weir_buf_text(out, "{" HI ",\"logit_bias\":");
    draw(&d, out, unit_random(&d.seed));

    if (spelling) {
        weir_buf_printf(out, ",\"user\":\"u%u\"", (unsigned) spelling);
    }

    weir_buf_text(out, ",\"x\":");
    draw_object(&d, out, unit_random(&d.seed));
    weir_buf_text(out, "}");
    weir_buf_add(out, "", 1);

    return d.value;
}


static void
test_property(void **state)
{
    int            n, values;
    uint64_t       seed, doc;
    weir_buf_t     b = { 0 };
    unsigned char  plain[WEIR_QUESTION_LEN], other[WEIR_QUESTION_LEN];

    (void) state;

    seed = unit_seed();

    for (n = 0; n < 300; n++) {
        doc = unit_random(&seed);
        values = draw_body(doc, -1, 0, &b);
        digest_chat(b.data, ME, plain);

        (void) draw_body(doc, -1, unit_random(&seed) | 1, &b);
        digest_chat(b.data, ME, other);

        if (memcmp(plain, other, sizeof(plain)) != 0) {
            fail_msg("seed %llu: a spelling counts: %s",
                     (unsigned long long) unit_seed(), b.data);
        }

        (void) draw_body(doc, (int) (unit_random(&seed) % (unsigned) values),
                         0, &b);
        digest_chat(b.data, ME, other);

        if (memcmp(plain, other, sizeof(plain)) == 0) {
            fail_msg("seed %llu: a change does not count: %s",
                     (unsigned long long) unit_seed(), b.data);
        }
    }

    weir_buf_free(&b);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_different),
        cmocka_unit_test(test_scope),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_unsafe),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_property)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
