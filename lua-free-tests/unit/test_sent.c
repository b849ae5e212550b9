/*
 * What a reader was sent, and the rest of it: wherever a stream is left, the
 * outcome completes it, or it is said that it cannot.
 */

#include "unit.h"
#include "weir_collect.h"
#include "weir_sent.h"


#define LIMIT  (1024 * 1024)


static const char  document[] =
    "{\"v\":1,\"state\":\"completed\",\"model\":\"m\",\"usage\":"
    "{\"input_tokens\":3,\"output_tokens\":4},\"choices\":["
    "{\"index\":0,\"role\":\"assistant\",\"parts\":[{\"type\":\"thinking\","
    "\"text\":\"so\"},{\"type\":\"text\",\"text\":\"Hello, \\u00e9\"},"
    "{\"type\":\"tool_call\",\"id\":\"c\",\"name\":\"f\",\"arguments\":"
    "\"{\\\"a\\\":1}\"},{\"type\":\"openai\",\"tool_call\":{\"id\":\"d\"}}],"
    "\"stop\":\"tool\",\"openai\":{\"logprobs\":{}}},"
    "{\"index\":1,\"role\":\"assistant\",\"parts\":[{\"type\":\"text\","
    "\"text\":\"\"}],\"stop\":\"end\"}],\"extra\":{\"openai\":"
    "{\"system_fingerprint\":\"fp\"}}}";


typedef struct {
    weir_sent_t      sent;
    weir_collect_t   collect;
    size_t           left;              /* deltas until he is gone */
    uint64_t         seed;
    unsigned         kinds;             /* seen in the rest, as bits */
} reader_t;


static void
read_outcome(weir_outcome_t *o)
{
    assert_int_equal(weir_outcome_read(o, weir_str_of(document)), 0);
}


/* in pieces of any size, until it is enough */

static int
send_some(void *arg, const weir_delta_t *whole)
{
    size_t         n;
    reader_t      *r = arg;
    weir_str_t     rest;
    weir_delta_t   d = *whole;

    rest = d.s;

    do {
        if (r->left == 0) {
            return 1;
        }

        r->left--;

        if (d.kind == WEIR_DELTA_TEXT_OF && rest.len) {
            n = 1 + unit_random(&r->seed) % rest.len;
            d.s = (weir_str_t) { rest.data, n };
            rest.data += n;
            rest.len -= n;
        } else {
            rest.len = 0;
        }

        assert_int_equal(weir_sent_add(&r->sent, &d), 0);
        assert_int_equal(weir_collect_add(&r->collect, &d), 0);
        d.id = d.name = weir_str_null;

    } while (rest.len);

    return 0;
}


static int
send_rest(void *arg, const weir_delta_t *d)
{
    reader_t  *r = arg;

    r->kinds |= 1u << d->kind;

    return weir_collect_add(&r->collect, d);
}


static void
compare(const weir_collect_t *c, const weir_outcome_t *o)
{
    weir_buf_t      got = { 0 }, want = { 0 };
    weir_outcome_t  made;

    weir_outcome_init(&made);
    assert_int_equal(weir_collect_outcome(c, &made), 0);
    made.state = WEIR_COMPLETED;
    assert_int_equal(weir_outcome_write(&made, &got), 0);
    assert_int_equal(weir_outcome_write(o, &want), 0);
    weir_buf_add(&got, "", 1);
    weir_buf_add(&want, "", 1);
    assert_string_equal(got.data, want.data);

    weir_outcome_free(&made);
    weir_buf_free(&got);
    weir_buf_free(&want);
}


static void
test_anywhere(void **state)
{
    int             rc;
    size_t          n;
    uint64_t        seed;
    reader_t        r;
    weir_sent_t     all;
    weir_outcome_t  o;

    (void) state;

    read_outcome(&o);
    seed = unit_seed();

    for (n = 0; n < 2000; n++) {
        memset(&r, 0, sizeof(reader_t));
        memset(&all, 0, sizeof(weir_sent_t));
        weir_collect_init(&r.collect, LIMIT);
        r.left = unit_random(&seed) % 40;
        r.seed = unit_random(&seed);

        rc = weir_sent_rest(&all, &o, send_some, &r);
        assert_true(rc == 0 || rc == 1);

        assert_int_equal(weir_sent_rest(&r.sent, &o, send_rest, &r), 0);
        compare(&r.collect, &o);

        if (rc == 0) {                      /* all but the usage was there */
            assert_int_equal(r.kinds, 1u << WEIR_DELTA_USAGE);
        }

        weir_sent_free(&all);
        weir_sent_free(&r.sent);
        weir_collect_free(&r.collect);
    }

    weir_outcome_free(&o);
}


static int
never(void *arg, const weir_delta_t *d)
{
    (void) arg;
    (void) d;

    fail_msg("something was said");

    return 0;
}


static void
test_other(void **state)
{
    size_t          i;
    weir_sent_t     sent;
    weir_outcome_t  o;

    static const struct {
        weir_delta_t  d;
        weir_delta_t  then;
    } rows[] = {
        { { .kind = WEIR_DELTA_TEXT_OF, .part = 1, .type = { "text", 4 },
            .s = { "Hallo", 5 } }, { .kind = WEIR_DELTA_MODEL } },
        { { .kind = WEIR_DELTA_TEXT_OF, .part = 1, .type = { "text", 4 },
            .s = { "Hello, \xc3\xa9!", 10 } }, { .kind = WEIR_DELTA_MODEL } },
        { { .kind = WEIR_DELTA_TEXT_OF, .part = 9, .type = { "text", 4 },
            .s = { "H", 1 } }, { .kind = WEIR_DELTA_MODEL } },
        { { .kind = WEIR_DELTA_TEXT_OF, .part = 3, .type = { "text", 4 },
            .s = { "H", 1 } }, { .kind = WEIR_DELTA_MODEL } },
        { { .kind = WEIR_DELTA_PART, .part = 1 },
          { .kind = WEIR_DELTA_MODEL } },
        { { .kind = WEIR_DELTA_STOP, .choice = 2 },
          { .kind = WEIR_DELTA_MODEL } },
        { { .kind = WEIR_DELTA_TEXT_OF, .type = { "thinking", 8 },
            .s = { "so", 2 } }, { .kind = WEIR_DELTA_STOP } },
    };

    (void) state;

    read_outcome(&o);

    for (i = 0; i < ROWS(rows); i++) {
        memset(&sent, 0, sizeof(weir_sent_t));
        assert_int_equal(weir_sent_add(&sent, &rows[i].d), 0);
        assert_true(sent.content);
        assert_int_equal(weir_sent_add(&sent, &rows[i].then), 0);
        assert_int_equal(weir_sent_rest(&sent, &o, never, NULL), -2);
        weir_sent_free(&sent);
    }

    weir_outcome_free(&o);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_anywhere),
        cmocka_unit_test(test_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
