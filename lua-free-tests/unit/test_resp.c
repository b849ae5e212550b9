/*
 * The protocol pipe: pipelining, classification of errors, subscriptions.
 * Every conversation is fed whole, and cut at each byte.
 */

#include "unit.h"
#include "weir_resp.h"
#include "weir_txn.h"


#define LOG_MAX  16


typedef struct {
    weir_pipe_t    *pipe;
    unsigned        count;
    weir_answer_e   code[LOG_MAX];
    char            error[LOG_MAX][64];
    char            text[LOG_MAX][64];      /* the reply, if it is a string */
    size_t          elements[LOG_MAX];
    unsigned        messages;
    char            body[64];
    bool            again;                  /* the callback sends once more */
} log_t;


static void
noted(void *data, const weir_answer_t *a)
{
    log_t       *l = data;
    weir_str_t   s;
    weir_txn_t   t;

    assert_true(l->count < LOG_MAX);

    s = weir_reply_str(a->reply);
    l->code[l->count] = a->code;
    l->elements[l->count] = weir_reply_count(a->reply);
    snprintf(l->error[l->count], 64, "%.*s", (int) a->error.len,
             a->error.data);
    snprintf(l->text[l->count], 64, "%.*s", (int) s.len, s.len ? s.data : "");
    l->count++;

    if (l->again) {
        l->again = false;
        weir_txn_init(&t);
        weir_txn_words(&t, 1, (const char *[]) { "PING" });
        assert_int_equal(weir_pipe_send(l->pipe, &t, 7, noted, l), 0);
        weir_txn_free(&t);
    }
}


static void
heard(void *data, weir_str_t channel, weir_str_t body)
{
    log_t  *l = data;

    unit_str(channel, "ch");
    snprintf(l->body, sizeof(l->body), "%.*s", (int) body.len, body.data);
    l->messages++;
}


/* units as words: "MULTI,SET,EXEC" is one unit of three commands */

static void
ask(log_t *l, const char *unit, uint64_t deadline)
{
    char        *word, *rest, copy[128];
    weir_txn_t   t;

    weir_txn_init(&t);
    snprintf(copy, sizeof(copy), "%s", unit);

    for (word = strtok_r(copy, ",", &rest);
         word;
         word = strtok_r(NULL, ",", &rest))
    {
        weir_txn_words(&t, 1, (const char *[]) { word });
    }

    assert_int_equal(weir_pipe_send(l->pipe, &t, deadline, noted, l), 0);
    weir_txn_free(&t);
}


static void
begin(log_t *l)
{
    memset(l, 0, sizeof(log_t));
    l->pipe = weir_pipe_create(100, 1024 * 1024);
    assert_non_null(l->pipe);
}


/* asks, then feeds the answer in two pieces cut at "cut"; the rc of both */

static int
converse(log_t *l, const char *const *units, const char *answer, size_t cut)
{
    int     rc;
    size_t  n;

    begin(l);

    for ( /* void */ ; *units; units++) {
        ask(l, *units, 1);
    }

    n = strlen(answer);
    rc = weir_pipe_feed(l->pipe, answer, cut);

    return rc ? rc : weir_pipe_feed(l->pipe, answer + cut, n - cut);
}


static void
end(log_t *l)
{
    weir_pipe_fail(l->pipe);
    weir_pipe_destroy(&l->pipe);
    assert_null(l->pipe);
}


/* one unit and what its answer is taken for */

static void
test_classes(void **state)
{
    size_t       i, cut;
    log_t        l;
    const char  *units[2] = { NULL, NULL };

    static const struct {
        const char     *unit;
        const char     *answer;
        weir_answer_e   code;
        const char     *error;
    } rows[] = {
        { "GET", "$2\r\nhi\r\n", WEIR_ANSWER_OK, "" },
        { "GET", "$-1\r\n", WEIR_ANSWER_OK, "" },
        { "GET", "*-1\r\n", WEIR_ANSWER_OK, "" },
        { "GET", "$0\r\n\r\n", WEIR_ANSWER_OK, "" },
        { "GET", ":-5\r\n", WEIR_ANSWER_OK, "" },
        { "GET", "+OK\r\n", WEIR_ANSWER_OK, "" },
        { "GET", "-LOADING Redis is loading\r\n", WEIR_ANSWER_LATER,
          "LOADING Redis is loading" },
        { "GET", "-READONLY You can't write\r\n", WEIR_ANSWER_LATER,
          "READONLY You can't write" },
        { "GET", "-OOM command not allowed\r\n", WEIR_ANSWER_LATER,
          "OOM command not allowed" },
        { "GET", "-MISCONF x\r\n", WEIR_ANSWER_LATER, "MISCONF x" },
        { "GET", "-OOM\r\n", WEIR_ANSWER_LATER, "OOM" },
        { "GET", "-OOMPH x\r\n", WEIR_ANSWER_ERROR, "OOMPH x" },
        { "GET", "-NOAUTH Authentication required.\r\n", WEIR_ANSWER_DENIED,
          "NOAUTH Authentication required." },
        { "GET", "-WRONGPASS x\r\n", WEIR_ANSWER_DENIED, "WRONGPASS x" },
        { "GET", "-NOPERM x\r\n", WEIR_ANSWER_DENIED, "NOPERM x" },
        { "GET", "-ERR unknown\r\n", WEIR_ANSWER_ERROR, "ERR unknown" },
        { "WATCH,HMGET", "+OK\r\n*2\r\n$1\r\na\r\n$-1\r\n", WEIR_ANSWER_OK,
          "" },
        { "WATCH,HMGET", "-OOM x\r\n*0\r\n", WEIR_ANSWER_LATER, "OOM x" },
        { "MULTI,SET,EXEC", "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n",
          WEIR_ANSWER_OK, "" },
        { "MULTI,SET,EXEC", "+OK\r\n+QUEUED\r\n*-1\r\n", WEIR_ANSWER_ABORTED,
          "" },
        { "MULTI,SET,EXEC", "+OK\r\n+QUEUED\r\n$-1\r\n", WEIR_ANSWER_ABORTED,
          "" },
        { "MULTI,SET,EXEC",
          "+OK\r\n-OOM not allowed\r\n-EXECABORT discarded\r\n",
          WEIR_ANSWER_LATER, "OOM not allowed" },
        { "MULTI,SET,EXEC",
          "+OK\r\n-ERR wrong number\r\n-EXECABORT discarded\r\n",
          WEIR_ANSWER_ERROR, "ERR wrong number" },
        { "MULTI,SET,EXEC", "-NOAUTH x\r\n-NOAUTH x\r\n-NOAUTH x\r\n",
          WEIR_ANSWER_DENIED, "NOAUTH x" },
        { "MULTI,SET,EXEC",
          "+OK\r\n-MOVED 1 h:1\r\n-EXECABORT discarded\r\n",
          WEIR_ANSWER_LATER, "MOVED 1 h:1" },

        /* inside EXEC the rest was done: never "later" */
        { "MULTI,SET,GET,EXEC",
          "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n-OOM x\r\n$1\r\na\r\n",
          WEIR_ANSWER_ERROR, "OOM x" },
        { "MULTI,SET,GET,EXEC",
          "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n-WRONGTYPE x\r\n",
          WEIR_ANSWER_ERROR, "WRONGTYPE x" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        units[0] = rows[i].unit;

        for (cut = 0; cut <= strlen(rows[i].answer); cut++) {
            assert_int_equal(converse(&l, units, rows[i].answer, cut), 0);
            assert_int_equal(l.count, 1);
            assert_int_equal(l.code[0], rows[i].code);
            assert_string_equal(l.error[0], rows[i].error);
            assert_int_equal(weir_pipe_pending(l.pipe), 0);
            end(&l);
        }
    }
}


/* an error of one unit does not stick to the next */

static void
test_sequence(void **state)
{
    size_t              cut;
    log_t               l;
    static const char  *units[] = { "GET", "MULTI,SET,EXEC", "GET", NULL };
    static const char   answer[] =
        "-LOADING x\r\n"
        "+OK\r\n+QUEUED\r\n*1\r\n*2\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n"
        "$3\r\nend\r\n";

    (void) state;

    for (cut = 0; cut < sizeof(answer); cut++) {
        assert_int_equal(converse(&l, units, answer, cut), 0);
        assert_int_equal(l.count, 3);
        assert_int_equal(l.code[0], WEIR_ANSWER_LATER);
        assert_int_equal(l.code[1], WEIR_ANSWER_OK);
        assert_int_equal(l.elements[1], 1);
        assert_int_equal(l.code[2], WEIR_ANSWER_OK);
        assert_string_equal(l.error[2], "");
        assert_string_equal(l.text[2], "end");
        end(&l);
    }
}


static void
test_messages(void **state)
{
    log_t        l;
    size_t       cut, n;
    const char  *p;
    static const char  answer[] =
        "*3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n"
        "*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$2\r\nm1\r\n"
        "*2\r\n$4\r\npong\r\n$0\r\n\r\n"
        "*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$2\r\nm2\r\n";

    (void) state;

    for (cut = 0; cut < sizeof(answer); cut++) {
        begin(&l);
        weir_pipe_on_message(l.pipe, heard, &l);
        ask(&l, "SUBSCRIBE", 1);
        ask(&l, "PING", 2);

        n = sizeof(answer) - 1;
        p = answer;
        assert_int_equal(weir_pipe_feed(l.pipe, p, cut < n ? cut : n), 0);

        if (cut < n) {
            assert_int_equal(weir_pipe_feed(l.pipe, p + cut, n - cut), 0);
        }

        assert_int_equal(l.count, 2);
        assert_int_equal(l.elements[0], 3);
        assert_int_equal(l.elements[1], 2);
        assert_int_equal(l.messages, 2);
        assert_string_equal(l.body, "m2");
        end(&l);
    }
}


static void
test_protocol_errors(void **state)
{
    size_t       i;
    log_t        l;
    static const char  *units[] = { "GET", NULL };
    static const char  *none[] = { NULL };
    static const char  *bad[] = {
        "hello\r\n", "?\r\n", "\r\n", "HTTP/1.1 400 Bad Request\r\n"
    };

    (void) state;

    for (i = 0; i < ROWS(bad); i++) {
        assert_int_equal(converse(&l, units, bad[i], 0), -1);
        assert_int_equal(l.count, 0);
        weir_pipe_fail(l.pipe);
        assert_int_equal(l.count, 1);
        assert_int_equal(l.code[0], WEIR_ANSWER_LOST);

        /* the pipe is as new */
        ask(&l, "GET", 1);
        assert_int_equal(weir_pipe_feed(l.pipe, "$1\r\nx\r\n", 7), 0);
        assert_string_equal(l.text[1], "x");
        end(&l);
    }

    assert_int_equal(converse(&l, none, "+OK\r\n", 0), -1);
    end(&l);
}


/* half a reply, or half a unit, must not meet the next connection */

static void
test_fail_forgets(void **state)
{
    size_t       cut;
    log_t        l;
    static const char  *units[] = { "MULTI,SET,EXEC", "GET", NULL };
    static const char   answer[] = "+OK\r\n-OOM x\r\n-EXECABORT x\r\n";

    (void) state;

    for (cut = 0; cut < sizeof(answer) - 1; cut++) {
        begin(&l);
        ask(&l, units[0], 1);
        ask(&l, units[1], 2);
        assert_int_equal(weir_pipe_feed(l.pipe, answer, cut), 0);
        weir_pipe_fail(l.pipe);

        assert_int_equal(l.count, 2);
        assert_int_equal(l.code[0], WEIR_ANSWER_LOST);
        assert_int_equal(l.code[1], WEIR_ANSWER_LOST);
        assert_int_equal(weir_pipe_out(l.pipe).len, 0);

        ask(&l, "GET", 3);
        assert_int_equal(weir_pipe_feed(l.pipe, "+fine\r\n", 7), 0);
        assert_int_equal(l.code[2], WEIR_ANSWER_OK);
        assert_string_equal(l.error[2], "");
        end(&l);
    }
}


static void
test_callback_sends(void **state)
{
    log_t  l;

    (void) state;

    begin(&l);
    ask(&l, "GET", 1);
    ask(&l, "GET", 1);
    l.again = true;
    weir_pipe_fail(l.pipe);

    /* both are lost; what was sent by the first belongs to the next one */
    assert_int_equal(l.count, 2);
    assert_int_equal(weir_pipe_pending(l.pipe), 1);
    unit_str(weir_pipe_out(l.pipe), "*1\r\n$4\r\nPING\r\n");
    assert_int_equal(weir_pipe_deadline(l.pipe), 7);

    l.again = true;
    assert_int_equal(weir_pipe_feed(l.pipe, "+PONG\r\n", 7), 0);
    assert_int_equal(l.count, 3);
    assert_int_equal(weir_pipe_pending(l.pipe), 1);
    end(&l);
    assert_int_equal(l.count, 4);
}


static void
test_bounds(void **state)
{
    int         i;
    log_t       l = { 0 };
    weir_txn_t  t;

    (void) state;

    weir_txn_init(&t);
    l.pipe = weir_pipe_create(2, 60);

    assert_int_equal(weir_pipe_send(l.pipe, &t, 1, noted, &l), -1);

    weir_txn_words(&t, 1, (const char *[]) { "PING" });
    assert_int_equal(weir_pipe_send(l.pipe, &t, 5, noted, &l), 0);
    assert_int_equal(weir_pipe_send(l.pipe, &t, 6, noted, &l), 0);
    assert_int_equal(weir_pipe_send(l.pipe, &t, 7, noted, &l), -1);
    assert_int_equal(weir_pipe_pending(l.pipe), 2);
    assert_int_equal(weir_pipe_out(l.pipe).len, 28);

    /* room for the count, none for the bytes: nothing is queued by halves */
    assert_int_equal(weir_pipe_feed(l.pipe, "+PONG\r\n", 7), 0);
    weir_txn_reset(&t);

    for (i = 0; i < 3; i++) {
        weir_txn_words(&t, 1, (const char *[]) { "PING" });
    }

    assert_int_equal(weir_pipe_send(l.pipe, &t, 7, noted, &l), -1);
    assert_int_equal(weir_pipe_out(l.pipe).len, 28);
    assert_int_equal(weir_pipe_pending(l.pipe), 1);
    assert_int_equal(weir_pipe_deadline(l.pipe), 6);

    weir_pipe_sent(l.pipe, 28);
    assert_int_equal(weir_pipe_send(l.pipe, &t, 7, noted, &l), 0);
    weir_pipe_sent(l.pipe, 42);
    assert_int_equal(weir_pipe_out(l.pipe).len, 0);

    assert_int_equal(weir_pipe_feed(l.pipe, "+1\r\n+2\r\n+3\r\n+4\r\n", 16), 0);
    assert_int_equal(l.count, 3);
    assert_true(weir_pipe_deadline(l.pipe) == UINT64_MAX);

    weir_txn_free(&t);
    end(&l);
}


static void
count_up(void *data, const weir_answer_t *a)
{
    long long  *want = data;

    assert_int_equal(a->code, WEIR_ANSWER_OK);
    assert_int_equal(weir_reply_int(a->reply), *want);
    (*want)++;
}


/* any number of units in flight, answered in order, written in pieces */

static void
test_many(void **state)
{
    int          i, sent;
    char         text[32];
    size_t       n;
    uint64_t     seed;
    long long    want;
    weir_str_t   out;
    weir_txn_t   t;
    weir_pipe_t *p;

    (void) state;

    seed = unit_seed();
    want = sent = 0;
    p = weir_pipe_create(5000, 1024 * 1024);
    weir_txn_init(&t);
    weir_txn_words(&t, 1, (const char *[]) { "INCR" });

    for (i = 0; i < 20000; i++) {
        if (unit_random(&seed) % 2 && sent < 4000 + want) {
            assert_int_equal(weir_pipe_send(p, &t, 1, count_up, &want), 0);
            sent++;

        } else if (want < sent) {
            n = (size_t) snprintf(text, sizeof(text), ":%lld\r\n", want);
            assert_int_equal(weir_pipe_feed(p, text, n), 0);
        }

        out = weir_pipe_out(p);
        weir_pipe_sent(p, out.len ? unit_random(&seed) % (out.len + 1) : 0);
    }

    assert_int_equal(weir_pipe_pending(p), sent - want);

    while (want < sent) {
        n = (size_t) snprintf(text, sizeof(text), ":%lld\r\n", want);
        assert_int_equal(weir_pipe_feed(p, text, n), 0);
    }

    weir_txn_free(&t);
    weir_pipe_destroy(&p);
}


/* every accessor with nothing, and with a reply of another type */

static void
accessed(void *data, const weir_answer_t *a)
{
    const weir_reply_t  *r = a->reply;

    *(int *) data = 1;

    assert_int_equal(weir_reply_count(r), 4);
    unit_str(weir_reply_str(weir_reply_at(r, 0)), "12x");
    assert_int_equal(weir_reply_int(weir_reply_at(r, 0)), 12);
    assert_int_equal(weir_reply_int(weir_reply_at(r, 1)), 34);
    assert_true(weir_reply_is_nil(weir_reply_at(r, 2)));
    assert_false(weir_reply_is_nil(weir_reply_at(r, 1)));
    assert_int_equal(weir_reply_count(weir_reply_at(r, 0)), 0);
    assert_null(weir_reply_str(weir_reply_at(r, 1)).data);
    assert_int_equal(weir_reply_int(r), 0);
    assert_null(weir_reply_at(r, 4));
    assert_null(weir_reply_at(weir_reply_at(r, 0), 0));
    assert_true(weir_reply_is_error(weir_reply_at(r, 3)));
    assert_false(weir_reply_is_error(r));

    assert_null(weir_reply_at(NULL, 0));
    assert_int_equal(weir_reply_int(NULL), 0);
    assert_int_equal(weir_reply_count(NULL), 0);
    assert_null(weir_reply_str(NULL).data);
    assert_true(weir_reply_is_nil(NULL));
    assert_false(weir_reply_is_error(NULL));
    assert_null(weir_reply_field(NULL, "a").data);
    assert_null(weir_reply_field(r, "a").data);
}


static void
test_accessors(void **state)
{
    int                 called;
    weir_txn_t          t;
    weir_pipe_t        *p;
    static const char   answer[] =
        "*4\r\n$3\r\n12x\r\n:34\r\n$-1\r\n-ERR x\r\n";

    (void) state;

    called = 0;
    p = weir_pipe_create(1, 100);
    weir_txn_init(&t);
    weir_txn_words(&t, 1, (const char *[]) { "X" });
    assert_int_equal(weir_pipe_send(p, &t, 1, accessed, &called), 0);
    assert_int_equal(weir_pipe_feed(p, answer, sizeof(answer) - 1), 0);
    assert_int_equal(called, 1);

    weir_txn_free(&t);
    weir_pipe_destroy(&p);
    weir_pipe_destroy(&p);
}


static void
test_formatting(void **state)
{
    unsigned    i;
    weir_str_t  many[161];
    weir_txn_t  t;
    static const char  want[] =
        "*3\r\n$3\r\nSET\r\n$5\r\na\0b\r\n\r\n$0\r\n\r\n";

    (void) state;

    weir_txn_init(&t);
    weir_txn_add(&t, 3, (weir_str_t[]) { weir_str("SET"), weir_str("a\0b\r\n"),
                                         weir_str_null });
    assert_int_equal(t.out.len, sizeof(want) - 1);
    assert_memory_equal(t.out.data, want, sizeof(want) - 1);
    assert_int_equal(t.replies, 1);
    assert_false(t.multi);

    weir_txn_words(&t, 1, (const char *[]) { "exec" });
    assert_true(t.multi);
    assert_int_equal(t.replies, 2);

    weir_txn_reset(&t);
    assert_int_equal(t.out.len + t.replies + t.multi, 0);

    /* no command, and one that is too long */

    weir_txn_add(&t, 0, many);
    assert_true(t.out.failed);

    for (i = 0; i < 161; i++) {
        many[i] = weir_str("x");
    }

    weir_txn_reset(&t);
    weir_txn_add(&t, 160, many);
    assert_false(t.out.failed);
    weir_txn_add(&t, 161, many);
    assert_true(t.out.failed);

    weir_txn_free(&t);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_sequence),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_protocol_errors),
        cmocka_unit_test(test_fail_forgets),
        cmocka_unit_test(test_callback_sends),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_accessors),
        cmocka_unit_test(test_formatting)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
