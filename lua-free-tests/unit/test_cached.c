/*
 * Kept answers: the record, the policy, the kinds.
 */

#include "unit.h"
#include "weir_cached.h"


#define RUN  "00abcdefghijklmnopqrstuv"


static weir_cached_t
answer(void)
{
    return (weir_cached_t) {
        .run = weir_str(RUN), .token = weir_str("1000001"),
        .created = 1700000000000, .finished = 1700000005000,
        .fresh = 1700000605000, .stale_while = 1700000665000,
        .stale_error = 1700004205000, .input = 12, .output = 34, .cost = 56,
        .kind = WEIR_KIND_TRUNCATED, .owner = weir_str("acme"),
        .model = weir_str("gpt-4"), .labels = weir_str("class:a tag:b"),
        .outcome = weir_str("{\"v\":1}\n")
    };
}


static void
same(const weir_cached_t *a, const weir_cached_t *b)
{
    assert_true(weir_str_eq(a->run, b->run));
    assert_true(weir_str_eq(a->token, b->token));
    assert_true(a->created == b->created && a->finished == b->finished
                && a->fresh == b->fresh && a->stale_while == b->stale_while
                && a->stale_error == b->stale_error && a->input == b->input
                && a->output == b->output && a->cost == b->cost
                && a->kind == b->kind);
    assert_true(weir_str_eq(a->owner, b->owner));
    assert_true(weir_str_eq(a->model, b->model));
    assert_true(weir_str_eq(a->labels, b->labels));
}


static void
test_record(void **state)
{
    size_t         n, head;
    weir_buf_t     b = { 0 };
    weir_cached_t  c, got;

    (void) state;

    c = answer();
    assert_int_equal(weir_cached_write(&c, &b), 0);
    unit_str(unit_buf(&b), "v1 " RUN " 1000001 1700000000000 1700000005000 "
             "1700000605000 1700000665000 1700004205000 12 34 56 truncated "
             "4 5 13 8\nacmegpt-4class:a tag:b{\"v\":1}\n");

    assert_true(weir_cached_read(unit_buf(&b), &got));
    same(&c, &got);
    assert_true(weir_str_eq(c.outcome, got.outcome));
    assert_false(got.cut);

    /* cut in the outcome it reads, cut before it does not */

    head = b.len - c.outcome.len;

    for (n = 0; n < b.len; n++) {
        assert_int_equal(weir_cached_read((weir_str_t) { b.data, n }, &got),
                         n >= head);

        if (n >= head) {
            same(&c, &got);
            assert_true(got.cut);
            assert_int_equal(got.outcome.len, n - head);
        }
    }

    weir_buf_text(&b, "x");
    assert_false(weir_cached_read(unit_buf(&b), &got));

    c = (weir_cached_t) { .run = weir_str("r"), .token = weir_str("t") };
    weir_buf_reset(&b);
    assert_int_equal(weir_cached_write(&c, &b), 0);
    assert_true(weir_cached_read(unit_buf(&b), &got));
    same(&c, &got);
    assert_false(got.cut);

    weir_buf_free(&b);
}


/* the largest head is within its bound, and nothing above is written */

static void
test_bounds(void **state)
{
    size_t         i;
    char           text[512];
    weir_buf_t     b = { 0 };
    weir_cached_t  c, got, bad[14];

    (void) state;

    memset(text, 'x', sizeof(text));

    c.run = (weir_str_t) { text, WEIR_ID_LEN };
    c.token = (weir_str_t) { text, 32 };
    c.created = c.finished = c.fresh = c.stale_while = c.stale_error
        = c.input = c.output = c.cost = 999999999999999;
    c.kind = WEIR_KIND_TRUNCATED;
    c.owner = (weir_str_t) { text, 64 };
    c.model = (weir_str_t) { text, 256 };
    c.labels = (weir_str_t) { text, WEIR_CACHED_LABELS_MAX };
    c.outcome = weir_str_null;
    c.cut = false;

    assert_int_equal(weir_cached_write(&c, &b), 0);
    assert_true(weir_cached_read(unit_buf(&b), &got));
    same(&c, &got);
    assert_true(b.len <= WEIR_CACHED_HEAD - sizeof("33554432"));
    weir_buf_reset(&b);

    for (i = 0; i < ROWS(bad); i++) {
        bad[i] = c;
    }

    bad[0].run.len++;
    bad[1].run.len = 0;
    bad[2].run = weir_str("a b");
    bad[3].token.len++;
    bad[4].token = weir_str("a\nb");
    bad[5].created = -1;
    bad[6].stale_error++;
    bad[7].cost = -1;
    bad[8].output++;
    bad[9].kind = WEIR_KINDS;
    bad[10].owner.len++;
    bad[11].model.len++;
    bad[12].labels.len++;
    bad[13].outcome.len = WEIR_OUTCOME_MAX + 1;

    for (i = 0; i < ROWS(bad); i++) {
        assert_int_equal(weir_cached_write(&bad[i], &b), -1);
        assert_int_equal(b.len, 0);
    }

    weir_buf_free(&b);
}


static void
test_refused(void **state)
{
    size_t         i;
    weir_cached_t  got;

    static const char  *rows[] = {
        "", "\n", "v1\n", "v1 r t\n", "{}",
        "v2 r t 1 1 1 1 1 1 1 1 answer 0 0 0 0\n",
        "v1 r t 1 1 1 1 1 1 1 1 answer 0 0 0 0",
        "v1 r t 1 1 1 1 1 1 1 1 answer 0 0 0 0 0\n",
        "v1 r t 1 1 1 1 1 1 1 1 answer 0 0 0\n",
        "v1 r t 1 1 1 1 1 1 1 1 other 0 0 0 0\n",
        "v1  t 1 1 1 1 1 1 1 1 answer 0 0 0 0\n",
        "v1 r  1 1 1 1 1 1 1 1 answer 0 0 0 0\n",
        "v1 r t -1 1 1 1 1 1 1 1 answer 0 0 0 0\n",
        "v1 r t 1 1 1 1 1 1 1 1e0 answer 0 0 0 0\n",
        "v1 r t 1 1 1 1 1 1 1 1000000000000000 answer 0 0 0 0\n",
        "v1 r t 1 1 1 1 1 1 1 1 answer 0 0 0 99999999\n",
        "v1 r t 1 1 1 1 1 1 1 1 answer 999999999999999 0 0 0\n",
        "v1 r t 1 1 1 1 1 1 1 1 answer 1 1 1 0\nab",
        "v1 r t 1 1 1 1 1 1 1 1 answer 0 0 0 1\nab",
        "v1 r t 1 1 1 1 1 1 1 1 answer  0 0 0 1\na",
        "v1 r\x01 t 1 1 1 1 1 1 1 1 answer 0 0 0 1\na",
    };

    (void) state;

    assert_true(weir_cached_read(weir_str("v1 r t 1 1 1 1 1 1 1 1 answer 0 0 0"
                                          " 1\na"), &got));

    for (i = 0; i < ROWS(rows); i++) {
        if (weir_cached_read(weir_str_of(rows[i]), &got)) {
            fail_msg("read: %s", rows[i]);
        }
    }

    assert_false(weir_cached_read(weir_str_null, &got));
}


static void
test_policy(void **state)
{
    char                 text[WEIR_CACHE_POLICY_MAX];
    size_t               i;
    weir_cache_policy_t  p, got;

    static const char  *bad[] = {
        "", "1", "1 2 3 4 5", "1 2 3 4 5 6 7", "1 2 3 4 5 6 ", " 1 2 3 4 5 6",
        "1 2 3 4 5 -6", "1 2 3 4 5 2592001", "1 2 3 4 5 99999999999",
        "1  2 3 4 5", "a 2 3 4 5 6"
    };

    (void) state;

    p = (weir_cache_policy_t) { { 21600, 1, 2, 3 }, 60, 3600 };
    weir_cache_policy_write(&p, text);
    assert_string_equal(text, "21600 1 2 3 60 3600");
    assert_true(weir_cache_policy_read(weir_str_of(text), &got));
    assert_memory_equal(&p, &got, sizeof(p));

    p = (weir_cache_policy_t) { { INT64_MAX, INT64_MIN, -1, 2592001 },
                                INT64_MAX, -1 };
    weir_cache_policy_write(&p, text);
    assert_string_equal(text, "2592000 0 0 2592000 2592000 0");
    assert_true(weir_cache_policy_read(weir_str_of(text), &got));

    for (i = 0; i < ROWS(bad); i++) {
        assert_false(weir_cache_policy_read(weir_str_of(bad[i]), &got));
        assert_int_equal(got.fresh[WEIR_KIND_ANSWER], 0);
    }
}


static void
test_keep(void **state)
{
    weir_cached_t        c;
    weir_cache_policy_t  p = { { 600, 0, 0, 5 }, 60, 3600 };

    (void) state;

    c = answer();
    c.kind = WEIR_KIND_ANSWER;
    assert_true(weir_cached_keep(&c, &p) == c.finished + 4200000);
    assert_true(c.fresh == c.finished + 600000);
    assert_true(c.stale_while == c.finished + 660000);
    assert_true(c.stale_error == c.finished + 4200000);

    p.stale_while = 4000;
    assert_true(weir_cached_keep(&c, &p) == c.finished + 4600000);

    c.kind = WEIR_KIND_TRUNCATED;
    assert_true(weir_cached_keep(&c, &p) == 0);

    /* nobody is to have a failure that is past its time */

    c.kind = WEIR_KIND_FAILED;
    assert_true(weir_cached_keep(&c, &p) == c.finished + 5000);
    assert_true(c.fresh == c.finished + 5000);
    assert_true(c.stale_while == c.fresh && c.stale_error == c.fresh);
}


static void
test_kinds(void **state)
{
    int             kind;
    size_t          i;
    weir_buf_t      b = { 0 };
    weir_outcome_t  o;

    static const struct {
        const char   *choices;
        weir_kind_e   kind;
    } rows[] = {
        { "[{\"stop\":\"end\",\"parts\":[{\"type\":\"text\",\"text\":\"\"}]}]",
          WEIR_KIND_ANSWER },
        { "[{\"stop\":\"tool\",\"parts\":[]}]", WEIR_KIND_ANSWER },
        { "[{\"stop\":\"end\",\"parts\":[{\"type\":\"refusal\","
          "\"text\":\"\"}]}]", WEIR_KIND_ANSWER },
        { "[{\"stop\":\"end\",\"parts\":[{\"type\":\"text\",\"text\":\"a\"},"
          "{\"type\":\"refusal\",\"text\":\"no\"}]}]", WEIR_KIND_REFUSAL },
        { "[{\"stop\":\"length\"}]", WEIR_KIND_TRUNCATED },
        { "[{\"stop\":\"end\"},{\"stop\":\"length\"}]", WEIR_KIND_TRUNCATED },
        { "[{\"stop\":\"length\"},{\"stop\":\"end\"}]", WEIR_KIND_TRUNCATED },
        { "[{\"stop\":\"filter\"},{\"stop\":\"length\"}]", WEIR_KIND_REFUSAL },
        { "[{\"stop\":\"own word\"}]", WEIR_KIND_ANSWER },
        { "[7,null,{}]", WEIR_KIND_ANSWER },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        weir_buf_reset(&b);
        weir_buf_printf(&b, "{\"v\":1,\"state\":\"completed\",\"choices\":%s}",
                        rows[i].choices);
        assert_int_equal(weir_outcome_read(&o, unit_buf(&b)), 0);

        if (weir_kind_of(&o) != rows[i].kind) {
            fail_msg("%s", rows[i].choices);
        }

        o.state = WEIR_FAILED;
        assert_int_equal(weir_kind_of(&o), WEIR_KIND_FAILED);
        weir_outcome_free(&o);
    }

    weir_outcome_init(&o);
    o.state = WEIR_COMPLETED;
    assert_int_equal(weir_kind_of(&o), WEIR_KIND_FAILED);

    for (kind = 0; kind < WEIR_KINDS; kind++) {
        assert_int_equal(weir_kind_parse(weir_str_of(weir_kind_name(
                             (weir_kind_e) kind))), kind);
    }

    assert_int_equal(weir_kind_parse(weir_str("answers")), -1);
    assert_int_equal(weir_kind_parse(weir_str_null), -1);
    weir_buf_free(&b);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_kinds)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
