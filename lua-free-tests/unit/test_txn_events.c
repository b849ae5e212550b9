/*
 * The transactions of a run's events, command by command, and what is made of
 * their answers.
 */

#include "txn.h"
#include "weir_txn_events.h"


#define EVENTS   "weir:{0}:events:" ID
#define READERS  "weir:{0}:readers:" ID
#define MAILBOX  "mailboxmailboxma"


static void
test_feed(void **state)
{
    weir_txn_t   t;
    weir_feed_t  f = { .run = ID, .token = "1000001",
                       .kind = WEIR_EVENT_START, .data = weir_str("1"),
                       .ttl = 60, .now = 5 };

    (void) state;

    weir_txn_init(&t);
    weir_txn_feed(&t, &f);
    expect(&t, "MULTI\n"
               "XADD " EVENTS " 1000001-0 start 1\n"
               "ZRANGEBYSCORE " READERS " 5 +inf\n"
               "EXPIRE " EVENTS " 60\n"
               "EXEC\n");

    f.kind = WEIR_EVENT_DELTAS;
    f.n = 7;
    f.data = weir_str("[]");
    weir_txn_feed(&t, &f);
    expect(&t, "MULTI\n"
               "XADD " EVENTS " NOMKSTREAM 1000001-7 d []\n"
               "ZRANGEBYSCORE " READERS " 5 +inf\n"
               "EXEC\n");

    weir_txn_mail_event(&t, MAILBOX, &f);
    expect_has(&t, "PUBLISH weir:mail:" MAILBOX " " ID " 1000001-7 d\n[]\n");

    weir_txn_feed_look(&t, 0, ID);
    expect(&t, "XREVRANGE " EVENTS " + - COUNT 1\n");

    weir_txn_feed_end(&t, 0, ID, weir_str("1000001-7"), false);
    expect(&t, "MULTI\n"
               "XADD " EVENTS " NOMKSTREAM 18446744073709551615-1 end "
               "1000001-7\n"
               "EXPIRE " EVENTS " 600 LT\n"
               "EXEC\n");

    weir_txn_feed_end(&t, 0, ID, weir_str_null, true);
    expect(&t, "MULTI\n"
               "XADD " EVENTS " NOMKSTREAM 18446744073709551615-1 end \n"
               "EXPIRE " EVENTS " 60 LT\n"
               "EXEC\n");
    weir_txn_free(&t);
}


typedef struct {
    weir_feed_e  got;
    size_t       mailboxes;
} fed_t;

static void
on_feed(void *data, const weir_answer_t *a)
{
    fed_t               *fed = data;
    const weir_reply_t  *mailboxes;

    mailboxes = NULL;
    fed->got = weir_txn_feed_read(a, &mailboxes);
    fed->mailboxes = weir_reply_count(mailboxes);
}


static void
test_feed_answers(void **state)
{
    fed_t   fed;
    size_t  i;

    static const struct {
        const char   *resp;
        weir_feed_e   want;
        size_t        mailboxes;
    } rows[] = {
        { "*2\r\n$3\r\n1-1\r\n*1\r\n$2\r\nmb\r\n", WEIR_FEED_DONE, 1 },
        { "*2\r\n$3\r\n1-1\r\n*0\r\n", WEIR_FEED_DONE, 0 },
        { "*3\r\n$3\r\n1-0\r\n*0\r\n:1\r\n", WEIR_FEED_DONE, 0 },
        { "*2\r\n$-1\r\n*0\r\n", WEIR_FEED_GONE, 0 },
        { "*2\r\n-ERR The ID specified in XADD is equal or smaller than the "
          "target stream top item\r\n*0\r\n", WEIR_FEED_FENCED, 0 },
        { "*2\r\n-OOM command not allowed\r\n*0\r\n", WEIR_FEED_FAILED, 0 },
        { "-LOADING\r\n", WEIR_FEED_FAILED, 0 },
        { "*0\r\n", WEIR_FEED_FAILED, 0 },
        { NULL, WEIR_FEED_FAILED, 0 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memset(&fed, 0, sizeof(fed_t));
        answer(rows[i].resp, true, on_feed, &fed);
        assert_int_equal(fed.got, rows[i].want);
        assert_int_equal(fed.mailboxes, rows[i].mailboxes);
    }
}


typedef struct {
    weir_feed_t  feed;
    weir_feed_e  got;
} look_t;


static void
on_look(void *data, const weir_answer_t *a)
{
    look_t  *l = data;

    l->got = weir_txn_feed_look_read(a, &l->feed);
}


#define ENTRY(len, id)                                                        \
    "*1\r\n*2\r\n$" len "\r\n" id "\r\n*2\r\n$1\r\nd\r\n$2\r\n[]\r\n"

static void
test_look(void **state)
{
    size_t  i;
    look_t  l;

    static const struct {
        const char   *resp;
        uint64_t      n;
        weir_feed_e   want;
    } rows[] = {
        { ENTRY("9", "1000001-7"), 7, WEIR_FEED_DONE },
        { ENTRY("9", "1000001-6"), 7, WEIR_FEED_MISSING },
        { ENTRY("9", "1000001-5"), 7, WEIR_FEED_FENCED },
        { ENTRY("9", "1000001-8"), 7, WEIR_FEED_FENCED },
        { ENTRY("9", "1000002-0"), 7, WEIR_FEED_FENCED },
        { ENTRY("8", "999999-6"), 7, WEIR_FEED_FENCED },
        { ENTRY("22", "18446744073709551615-1"), 7, WEIR_FEED_FENCED },
        { ENTRY("9", "1000001-0"), 0, WEIR_FEED_DONE },
        { ENTRY("8", "999999-6"), 0, WEIR_FEED_MISSING },
        { ENTRY("9", "1000002-0"), 0, WEIR_FEED_FENCED },
        { "*0\r\n", 7, WEIR_FEED_GONE },
        { "*0\r\n", 0, WEIR_FEED_MISSING },
        { NULL, 7, WEIR_FEED_FAILED },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        l.feed = (weir_feed_t) {
            .token = "1000001", .n = rows[i].n,
            .kind = rows[i].n ? WEIR_EVENT_DELTAS : WEIR_EVENT_START
        };

        answer(rows[i].resp, false, on_look, &l);
        assert_int_equal(l.got, rows[i].want);
    }
}


static void
test_mail(void **state)
{
    size_t        i;
    weir_str_t    run;
    weir_event_t  e;

    static const char *const  bad[] = {
        "", ID, ID " 1000001-7 d", ID " 1000001-7 x\n", ID " 1000001 d\n",
        ID " -7 d\n", ID " 1-x d\n", "short 1-1 d\n",
        ID " 1-1 end\n", ID " completed:1000001 5\n",
        ID " 1000001-99999999999999999999 d\n",
    };

    (void) state;

    assert_true(weir_mail_event_parse(weir_str(ID " 1000001-7 d\n[1,\n2]"),
                                      &run, &e));
    unit_str(run, ID);
    unit_str(e.token, "1000001");
    unit_str(e.data, "[1,\n2]");
    assert_int_equal(e.n, 7);
    assert_int_equal(e.kind, WEIR_EVENT_DELTAS);

    assert_true(weir_mail_event_parse(weir_str(ID " 1000001-8 over\ntimeout"),
                                      &run, &e));
    assert_int_equal(e.kind, WEIR_EVENT_OVER);

    for (i = 0; i < ROWS(bad); i++) {
        if (weir_mail_event_parse(weir_str_of(bad[i]), &run, &e)) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }
}


static void
test_read(void **state)
{
    weir_txn_t   t;
    weir_read_t  r = { .run = ID, .mailbox = MAILBOX, .until = 9,
                       .count = 8, .wish = true };

    (void) state;

    weir_txn_init(&t);
    weir_txn_events(&t, &r);
    expect(&t, "MULTI\n"
               "HGETALL " RUN "\n"
               "XRANGE " EVENTS " - + COUNT 8\n"
               "ZADD " READERS " GT 9 " MAILBOX "\n"
               "EXPIRE " READERS " 600\n"
               "XADD weir:{0}:control MAXLEN ~ 1000 * op stream run " ID "\n"
               "EXEC\n");

    r = (weir_read_t) { .run = ID, .after = weir_str("1000001-7"),
                        .count = 8 };
    weir_txn_events(&t, &r);
    expect(&t, "MULTI\n"
               "HGETALL " RUN "\n"
               "XRANGE " EVENTS " (1000001-7 + COUNT 8\n"
               "EXEC\n");

    weir_txn_unread(&t, 0, ID, MAILBOX);
    expect(&t, "MULTI\n"
               "ZREM " READERS " " MAILBOX "\n"
               "XADD weir:{0}:control MAXLEN ~ 1000 * op left run " ID "\n"
               "EXEC\n");
    weir_txn_free(&t);
}


static void
on_read(void *data, const weir_answer_t *a)
{
    size_t           i;
    weir_buf_t      *out = data;
    weir_event_t     e;
    weir_readings_t  r;

    if (!weir_txn_events_read(a, &r)) {
        weir_buf_text(out, "none");
        return;
    }

    weir_buf_text(out, weir_state_name(r.run.state));

    for (i = 0; weir_readings_at(&r, i, &e); i++) {
        weir_buf_printf(out, " %d:%.*s-%llu:%.*s", e.kind, (int) e.token.len,
                        e.token.len ? e.token.data : "",
                        (unsigned long long) e.n, (int) e.data.len,
                        e.data.len ? e.data.data : "");
    }
}


static void
test_readings(void **state)
{
    weir_buf_t  b = { 0 };

    (void) state;

    answer("*2\r\n*4\r\n$3\r\ngen\r\n$1\r\n1\r\n$3\r\nfin\r\n$17\r\n"
           "completed:1000001\r\n*4\r\n"
           "*2\r\n$9\r\n1000001-0\r\n*2\r\n$5\r\nstart\r\n$1\r\n1\r\n"
           "*2\r\n$9\r\n1000001-1\r\n*2\r\n$1\r\nd\r\n$2\r\n[]\r\n"
           "*2\r\n$22\r\n18446744073709551615-1\r\n*2\r\n$3\r\nend\r\n"
           "$9\r\n1000001-1\r\n"
           "*2\r\n$3\r\n1-9\r\n*2\r\n$4\r\nwhat\r\n$0\r\n\r\n",
           true, on_read, &b);
    unit_str(unit_buf(&b), "completed 0:1000001-0:1 1:1000001-1:[] "
                           "3:-0:1000001-1");

    weir_buf_reset(&b);
    answer("*2\r\n*0\r\n*0\r\n", true, on_read, &b);
    unit_str(unit_buf(&b), "queued");

    weir_buf_reset(&b);
    answer(NULL, true, on_read, &b);
    unit_str(unit_buf(&b), "none");
    weir_buf_free(&b);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_feed),
        cmocka_unit_test(test_feed_answers),
        cmocka_unit_test(test_look),
        cmocka_unit_test(test_mail),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_readings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
