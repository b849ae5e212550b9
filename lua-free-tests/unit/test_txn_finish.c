/*
 * The transactions that end a run or plan another try, likewise.
 */

#include "txn.h"


static void
test_drop(void **state)
{
    weir_txn_t  t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_drop(&t, 0, ID, WEIR_LOW, "5-1", false, weir_str("al"), 7,
                  NULL);
    expect(&t,
           "MULTI\n"
           "XACK weir:{0}:ready:low weir 5-1\n"
           "XDEL weir:{0}:ready:low 5-1\n"
           "EXEC\n");

    weir_txn_drop(&t, 0, ID, WEIR_LOW, "5-1", true, weir_str_null, 7, NULL);
    expect(&t,
           "MULTI\n"
           "XACK weir:{0}:ready:low weir 5-1\n"
           "XDEL weir:{0}:ready:low 5-1\n"
           "ZADD " DUE " XX 7 " ID "\n"
           "ZREM " LINE " " ID "\n"
           "EXPIRE " RUN " 86400 NX\n"
           "EXPIRE " JOB " 86400 NX\n"
           "EXPIRE " REQ " 86400 NX\n"
           "EXEC\n");

    weir_txn_drop(&t, 0, ID, WEIR_LOW, "5-1", true, weir_str("al"), 7,
                  NULL);
    expect(&t,
           "MULTI\n"
           "XACK weir:{0}:ready:low weir 5-1\n"
           "XDEL weir:{0}:ready:low 5-1\n"
           "ZADD " DUE " XX 7 " ID "\n"
           "ZREM " LINE " " ID "\n"
           "ZREM weir:{0}:open:al " ID "\n"
           "EXPIRE " RUN " 86400 NX\n"
           "EXPIRE " JOB " 86400 NX\n"
           "EXPIRE " REQ " 86400 NX\n"
           "EXEC\n");

    weir_txn_drop(&t, 0, ID, WEIR_LOW, "5-1", true, weir_str_null, 7,
                  &(weir_used_t) { "1000001", 3, 4, 5 });
    expect_has(&t, "XDEL weir:{0}:ready:low 5-1\n"
                   "HSET " RUN " usage:1000001 3 4 5\n"
                   "ZADD " DUE " XX 7 " ID "\n");

    weir_txn_drop_ghost(&t, 0, ID, WEIR_LOW, "5-1");
    expect(&t,
           "MULTI\n"
           "XACK weir:{0}:ready:low weir 5-1\n"
           "XDEL weir:{0}:ready:low 5-1\n"
           "ZREM " LINE " " ID "\n"
           "DEL " RUN "\n"
           "EXEC\n");
    weir_txn_free(&t);
}


typedef struct {
    weir_finish_t  f;
    bool           won;
    size_t         boxes;
} finished_t;


static void
finish_read(void *data, const weir_answer_t *a)
{
    finished_t          *f = data;
    const weir_reply_t  *boxes;

    f->won = weir_txn_finish_won(a, &f->f, &boxes);
    f->boxes = weir_reply_count(boxes);

    if (!f->won) {
        assert_null(boxes);
    }
}


static void
test_finish(void **state)
{
    char       *got;
    size_t      i;
    weir_txn_t  t;
    finished_t  f = { 0 };

    static const struct {
        const char  *resp;
        bool         won;
        size_t       boxes;
    } rows[] = {
        { "*3\r\n:1\r\n$17\r\ncompleted:1000001\r\n*1\r\n$1\r\na\r\n", true,
          1 },
        { "*2\r\n$17\r\ncompleted:1000001\r\n*0\r\n", true, 0 },
        { "*2\r\n$17\r\ncompleted:1000002\r\n*0\r\n", false, 0 },
        { "*2\r\n$18\r\ncompleted:10000011\r\n*0\r\n", false, 0 },
        { "*2\r\n$14\r\nfailed:1000001\r\n*0\r\n", false, 0 },
        { "*2\r\n$-1\r\n*0\r\n", false, 0 },
        { "*1\r\n$17\r\ncompleted:1000001\r\n", false, 0 },
        { "*3\r\n-WRONGTYPE x\r\n$17\r\ncompleted:1000001\r\n*0\r\n", false,
          0 },
        { "*0\r\n", false, 0 },
        { "*-1\r\n", false, 0 },
        { "-OOM x\r\n", false, 0 },
        { NULL, false, 0 },
    };

    (void) state;

    f.f.run = ID;
    f.f.job = "00BBBBBBBBBBBBBBBBBBBBBB";
    f.f.class = WEIR_NORMAL;
    f.f.entry = "5-1";
    f.f.state = WEIR_COMPLETED;
    f.f.token = "1000001";
    f.f.now = 9;
    f.f.ttl = 60;
    f.f.outcome = weir_str("{}");
    f.f.input_tokens = 3;
    f.f.output_tokens = 4;
    f.f.cost = 7;

    weir_txn_init(&t);
    weir_txn_finish(&t, &f.f);
    expect(&t,
           "MULTI\n"
           "SET weir:{0}:outcome:" ID ":1000001 {} EX 60\n"
           "HSET " RUN " usage:1000001 3 4 7\n"
           "HSETNX " RUN " fin completed:1000001\n"
           "HSETNX " RUN " fin_at 9\n"
           "XACK weir:{0}:ready:normal weir 5-1\n"
           "XDEL weir:{0}:ready:normal 5-1\n"
           "ZREM " LINE " " ID "\n"
           "ZADD " DUE " 9 " ID "\n"
           FADE
           "EXPIRE " RUN " 60 NX\n"
           "EXPIRE weir:{0}:job:00BBBBBBBBBBBBBBBBBBBBBB 60 NX\n"
           "EXPIRE " REQ " 0 NX\n"
           "HGET " RUN " fin\n"
           "SMEMBERS " WAIT "\n"
           "EXEC\n");

    for (i = 0; i < ROWS(rows); i++) {
        answer(rows[i].resp, true, finish_read, &f);
        assert_int_equal(f.won, rows[i].won);
        assert_int_equal(f.boxes, rows[i].boxes);
    }

    f.f.job = ID;
    f.f.entry = NULL;
    f.f.state = WEIR_EXPIRED;
    f.f.token = WEIR_TOKEN_REAPER;
    f.f.outcome = weir_str_null;

    weir_txn_finish(&t, &f.f);
    expect(&t,
           "MULTI\n"
           "HSETNX " RUN " fin expired:reaper\n"
           "HSETNX " RUN " fin_at 9\n"
           "ZREM " LINE " " ID "\n"
           "ZADD " DUE " 9 " ID "\n"
           FADE
           "ZADD weir:{0}:ended XX 9 " ID "\n"
           "EXPIRE weir:{0}:askers:" ID " 86400 NX\n"
           "EXPIRE " RUN " 60 NX\n"
           "EXPIRE " JOB " 60 NX\n"
           "EXPIRE " REQ " 0 NX\n"
           "HGET " RUN " fin\n"
           "SMEMBERS " WAIT "\n"
           "EXEC\n");

    /* no outcome, no usage; nor where nothing was reported */

    f.f.state = WEIR_FAILED;
    f.f.token = "3000001";
    f.f.records = 700000;
    f.f.owner = weir_str("al");
    f.f.hook = f.f.dead = true;

    weir_txn_finish(&t, &f.f);
    expect(&t,
           "MULTI\n"
           "HSETNX " RUN " fin failed:3000001\n"
           "HSETNX " RUN " fin_at 9\n"
           "ZREM " LINE " " ID "\n"
           "ZREM weir:{0}:open:al " ID "\n"
           "ZADD " DUE " 9 " ID "\n"
           FADE
           "ZADD weir:{0}:ended XX 9 " ID "\n"
           "EXPIRE weir:{0}:askers:" ID " 86400 NX\n"
           "EXPIRE " RUN " 700000 NX\n"
           "EXPIRE " JOB " 700000 NX\n"
           "EXPIRE " REQ " 604800 NX\n"
           "ZADD weir:{0}:hooks NX 9 3000001:" ID "\n"
           "ZADD weir:{0}:dead NX 9 3000001:" ID "\n"
           "ZREMRANGEBYRANK weir:{0}:dead 0 -10001\n"
           "ZREMRANGEBYSCORE weir:{0}:dead -inf -604799991\n"
           "HGET " RUN " fin\n"
           "SMEMBERS " WAIT "\n"
           "EXEC\n");

    f.f.input_tokens = f.f.output_tokens = 0;
    f.f.outcome = weir_str("{}");
    weir_txn_finish(&t, &f.f);
    got = plain(&t);
    assert_null(strstr(got, "usage:"));
    free(got);
    weir_txn_free(&t);
}


/* the newline inside of the message counts as a line here */

static void
test_mail(void **state)
{
    char        *got;
    weir_txn_t   t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_mail(&t, "box", ID, "completed:1000001", 12, "",
                  weir_str("{}"));
    got = plain(&t);
    assert_string_equal(got, "PUBLISH weir:mail:box " ID
                             " completed:1000001 12\n{}\n");
    assert_int_equal(t.replies, 1);
    free(got);
    weir_txn_free(&t);
}


static void
test_mail_parse(void **state)
{
    char        big[WEIR_MAIL_BODY_MAX + 1];
    size_t      i;
    int64_t     at;
    weir_str_t  run, fin, last, outcome;
    weir_txn_t  t;
    static const char  *bad[] = {
        "", ID, ID " x", ID " x 1", ID " x \n", ID " x -1\n", ID " x 1a\n",
        "short x 1\n", ID " x 1234567890123456789\n", "\n", " \n",
        ID "\nx 1\n"
    };

    (void) state;

    assert_true(weir_mail_parse(weir_str(ID " completed:1 12\n{}\n"), &run,
                                &fin, &at, &last, &outcome));
    assert_int_equal(last.len, 0);
    unit_str(run, ID);
    unit_str(fin, "completed:1");
    assert_int_equal(at, 12);
    unit_str(outcome, "{}\n");

    assert_true(weir_mail_parse(weir_str(ID " expired:reaper 0\n"), &run, &fin,
                                &at, &last, &outcome));
    assert_int_equal(outcome.len, 0);

    assert_true(weir_mail_parse(weir_str(ID " completed:1 12 1-7\n{}"), &run,
                                &fin, &at, &last, &outcome));
    unit_str(last, "1-7");
    unit_str(outcome, "{}");
    assert_int_equal(at, 12);

    for (i = 0; i < ROWS(bad); i++) {
        assert_false(weir_mail_parse(weir_str_of(bad[i]), &run, &fin, &at,
                                     &last, &outcome));
    }

    assert_false(weir_mail_parse(weir_str_null, &run, &fin, &at, &last,
                                 &outcome));

    /* an outcome of the limit rides along, a larger one stays behind */

    memset(big, 'x', sizeof(big));
    weir_txn_init(&t);
    weir_txn_mail(&t, "b", ID, "completed:1", 1, "",
                  (weir_str_t) { big, WEIR_MAIL_BODY_MAX });
    assert_true(t.out.len > WEIR_MAIL_BODY_MAX);
    weir_txn_reset(&t);
    weir_txn_mail(&t, "b", ID, "completed:1", 1, "",
                  (weir_str_t) { big, WEIR_MAIL_BODY_MAX + 1 });
    assert_true(t.out.len < 200);
    weir_txn_free(&t);
}


/* 1: ours, 2: final, 0: neither */

static void
ours_read(void *data, const weir_answer_t *a)
{
    *(int *) data = weir_txn_retry_ours(a, 2, 3)
                    + 2 * weir_txn_retry_final(a);
}


static void
test_retry(void **state)
{
    int         ours;
    size_t      i;
    weir_txn_t  t;

    static const struct {
        const char  *resp;
        int          ours;
    } rows[] = {
        { "*3\r\n$-1\r\n$1\r\n2\r\n$1\r\n3\r\n", 1 },
        { "*3\r\n$3\r\na:b\r\n$1\r\n2\r\n$1\r\n3\r\n", 2 },
        { "*3\r\n$-1\r\n$1\r\n3\r\n$1\r\n3\r\n", 0 },
        { "*3\r\n$-1\r\n$1\r\n2\r\n$1\r\n4\r\n", 0 },
        { "*3\r\n$-1\r\n$-1\r\n$-1\r\n", 0 },
        { "*0\r\n", 0 },
        { "*-1\r\n", 0 },
        { "$1\r\n2\r\n", 0 },
        { "-OOM x\r\n", 0 },
        { NULL, 0 },
    };

    (void) state;

    weir_txn_init(&t);
    weir_txn_retry_watch(&t, 0, ID, "5-1");
    assert_false(t.multi);
    expect(&t, "WATCH " RUN "\nHMGET " RUN " fin gen n:5-1\n");

    weir_txn_retry(&t, 0, ID, WEIR_HIGH, "5-1", 3, 1234, 2, 0, "TIMEOUT",
                   weir_str("why"));
    expect(&t,
           "MULTI\n"
           "HSET " RUN " gen 3 failures 2 kind TIMEOUT error why\n"
           "ZADD weir:{0}:delayed 1234 high:3:" ID "\n"
           "XACK weir:{0}:ready:high weir 5-1\n"
           "XDEL weir:{0}:ready:high 5-1\n"
           "EXEC\n");

    weir_txn_retry(&t, 0, ID, WEIR_LOW, "5-1", 3, 1234, 2, 4, "TIMEOUT",
                   weir_str("why"));
    expect(&t,
           "MULTI\n"
           "HSET " RUN " gen 3 failures 2 kind TIMEOUT error why\n"
           "HINCRBY " RUN " n:5-1 -4\n"
           "HINCRBY " RUN " back -4\n"
           "ZADD weir:{0}:delayed 1234 low:3:" ID "\n"
           "XACK weir:{0}:ready:low weir 5-1\n"
           "XDEL weir:{0}:ready:low 5-1\n"
           "EXEC\n");

    weir_txn_unwatch(&t);
    expect(&t, "UNWATCH\n");
    weir_txn_free(&t);

    for (i = 0; i < ROWS(rows); i++) {
        answer(rows[i].resp, false, ours_read, &ours);
        assert_int_equal(ours, rows[i].ours);
    }
}


static void
test_promote(void **state)
{
    char        want[128];
    size_t      i;
    weir_txn_t  t;
    static const char  *bad[] = {
        "high", "high:2", "high:2:short", "huge:2:" ID, ":2:" ID,
        "high:2:" ID "x", "", "high::" ID, "high:x:" ID
    };

    (void) state;

    weir_txn_init(&t);
    weir_txn_due(&t, 0, 55, 100);
    expect(&t, "ZRANGEBYSCORE weir:{0}:delayed -inf 55 LIMIT 0 100\n");
    weir_txn_overdue(&t, 0, 55, 100);
    expect(&t, "ZRANGEBYSCORE weir:{0}:deadline -inf 55 LIMIT 0 100\n");

    assert_true(weir_txn_promote(&t, 0, weir_str("low:2:" ID)));
    expect(&t,
           "MULTI\n"
           "XADD weir:{0}:ready:low * run " ID " gen 2\n"
           "ZREM weir:{0}:delayed low:2:" ID "\n"
           "EXEC\n");

    for (i = 0; i < ROWS(bad); i++) {
        assert_false(weir_txn_promote(&t, 0, weir_str_of(bad[i])));
        snprintf(want, sizeof(want), "ZREM weir:{0}:delayed %s\n", bad[i]);
        expect(&t, want);
    }

    weir_txn_free(&t);
}


static void
test_rest(void **state)
{
    char        name[WEIR_NAME_MAX], consumer[300];
    weir_txn_t  t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_recheck(&t, 0, ID);
    expect(&t, "HMGET " RUN " fin fin_at gen\n");
    weir_txn_outcome(&t, 0, ID, weir_str("1000001"));
    expect(&t, "GET weir:{0}:outcome:" ID ":1000001\n");
    weir_txn_live(&t, 0, "me", 10000);
    expect(&t, "SET weir:{0}:live:me 1 PX 10000\n");
    weir_txn_catalogue_set(&t, weir_str("{}"));
    expect(&t, "SET weir:catalogue {}\n");
    weir_txn_catalogue_get(&t);
    expect(&t, "GET weir:catalogue\n");
    weir_txn_words(&t, 2, (const char *[]) { "AUTH", "x" });
    expect(&t, "AUTH x\n");

    weir_txn_words(&t, 17, NULL);
    assert_true(t.out.failed);
    weir_txn_free(&t);

    /* a name that is too long becomes none, and no other name */

    memset(consumer, 'c', sizeof(consumer) - 1);
    consumer[sizeof(consumer) - 1] = '\0';
    assert_int_equal(weir_name(name, WEIR_KEY_LIVE, 0, consumer).len, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_mail),
        cmocka_unit_test(test_mail_parse),
        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_promote),
        cmocka_unit_test(test_rest)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
