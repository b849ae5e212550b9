/*
 * What comes before a submission, and the list of jobs, likewise.
 */

#include "txn.h"


#define OPEN  "weir:{0}:open:al"
#define IDEM  "weir:{0}:idem:d1"


static const weir_reserve_t  both = {
    .id = ID, .now = 7, .by = 100, .owner = { "al", 2 }, .idem = "d1", .n = 2,
    .fingerprint = "f1", .idem_ttl = 50, .open = true, .total = true
};


static void
test_reserve(void **state)
{
    weir_txn_t      t;
    weir_reserve_t  r;

    (void) state;

    weir_txn_init(&t);
    weir_txn_reserve(&t, &both);
    expect(&t,
           "MULTI\n"
           "ZREMRANGEBYSCORE " OPEN " -inf 7\n"
           "ZADD " OPEN " 5100 " ID "\n"
           "EXPIRE " OPEN " 2592000\n"
           "ZADD " LINE " 5100 " ID "\n"
           "HSETNX " IDEM " job:2 " ID " 100 f1\n"
           "EXPIRE " IDEM " 50 NX\n"
           "HGETALL " IDEM "\n"
           "ZCARD " OPEN "\n"
           "ZCARD " LINE "\n"
           "ZCARD weir:{0}:asked\n"
           "EXEC\n");

    r = both;
    r.open = r.total = false;
    weir_txn_reserve(&t, &r);
    expect(&t,
           "MULTI\n"
           "HSETNX " IDEM " job:2 " ID " 100 f1\n"
           "EXPIRE " IDEM " 50 NX\n"
           "HGETALL " IDEM "\n"
           "EXEC\n");

    r.n = 3;
    r.by = 3000;
    r.now = 1000;
    r.idem_ttl = 86400;
    weir_txn_reserve(&t, &r);
    expect(&t,
           "MULTI\n"
           "HSETNX " IDEM " job:3 " ID " 3000 f1\n"
           "EXPIRE " IDEM " 62 NX\n"
           "HDEL " IDEM " job:1\n"
           "HGETALL " IDEM "\n"
           "EXEC\n");

    weir_txn_unreserve(&t, &both, true);
    expect(&t,
           "MULTI\n"
           "ZREM " OPEN " " ID "\n"
           "ZREM " LINE " " ID "\n"
           "EXEC\n"
           "MULTI\n"
           "HSET " IDEM " job:2 " ID " 0 f1\n"
           "EXPIRE " IDEM " 60 NX\n"
           "EXEC\n");

    weir_txn_unreserve(&t, &both, false);
    expect(&t,
           "MULTI\n"
           "ZREM " OPEN " " ID "\n"
           "ZREM " LINE " " ID "\n"
           "EXEC\n");
    weir_txn_free(&t);
}


typedef struct {
    weir_reserve_t  r;
    bool            ok;
    long long       n;
    long long       open;
    long long       total;
    long long       asked;
    char            text[128];
} reserved_t;


static void
reserved_read(void *data, const weir_answer_t *a)
{
    reserved_t       *s = data;
    weir_reserved_t   reserved;

    s->ok = weir_txn_reserve_read(a, &s->r, &reserved);
    s->n = reserved.n;
    s->open = reserved.open;
    s->total = reserved.total;
    s->asked = reserved.asked;
    snprintf(s->text, sizeof(s->text), "%.*s %lld %.*s",
             (int) reserved.id.len, reserved.id.len ? reserved.id.data : "",
             (long long) reserved.by, (int) reserved.fingerprint.len,
             reserved.fingerprint.len ? reserved.fingerprint.data : "");
}


#define VALUE(n)  "$31\r\n" ID " " #n " f" #n "\r\n"

static void
test_reserved(void **state)
{
    size_t      i;
    reserved_t  s;

    static const struct {
        const char  *resp;
        bool         ok;
        long long    n;
        const char  *text;
    } rows[] = {
        { "*6\r\n:1\r\n:1\r\n*4\r\n$6\r\njob:10\r\n" VALUE(10)
          "$5\r\njob:9\r\n" "$28\r\n" ID " 9 f\r\n" ":3\r\n:4\r\n:6\r\n",
          true, 10, ID " 10 f10" },
        { "*4\r\n*4\r\n$2\r\nxx\r\n$1\r\ny\r\n$5\r\njob:1\r\n"
          "$28\r\n" ID " 9 f\r\n" ":3\r\n:4\r\n:6\r\n", true, 1, ID " 9 f" },
        { "*4\r\n*2\r\n$5\r\njob:1\r\n$5\r\nab 1 \r\n"
          ":3\r\n:4\r\n:6\r\n", false, 0, NULL },
        { "*4\r\n*2\r\n$5\r\njob:x\r\n" VALUE(10)
          ":3\r\n:4\r\n:6\r\n", false, 0, NULL },
        { "*4\r\n*0\r\n:3\r\n:4\r\n:6\r\n", false, 0, NULL },
        { "*3\r\n:3\r\n:4\r\n:6\r\n", false, 0, NULL },
        { "*-1\r\n", false, 0, NULL },
        { "-OOM x\r\n", false, 0, NULL },
        { NULL, false, 0, NULL },
    };

    (void) state;

    s.r = both;

    for (i = 0; i < ROWS(rows); i++) {
        answer(rows[i].resp, true, reserved_read, &s);
        assert_int_equal(s.ok, rows[i].ok);

        if (s.ok) {
            assert_int_equal(s.n, rows[i].n);
            assert_int_equal(s.open, 3);
            assert_int_equal(s.total, 4);
            assert_int_equal(s.asked, 6);
            assert_string_equal(s.text, rows[i].text);
        }
    }

    s.r.idem = NULL;
    s.r.total = false;
    answer("*3\r\n:0\r\n:1\r\n:8\r\n", true, reserved_read, &s);
    assert_true(s.ok && s.open == 8 && s.total == 0 && s.n == 0);
}


typedef struct {
    bool  ok;
    bool  none;
    bool  kept;
} joined_t;


static void
joined_read(void *data, const weir_answer_t *a)
{
    joined_t    *s = data;
    weir_job_t   job;
    weir_run_t   run;

    s->none = false;
    s->ok = weir_txn_join_read(a, &job, &run, &s->none);
    s->kept = weir_txn_fate_is(a, WEIR_FATE_KEPT);
}


static void
test_join(void **state)
{
    size_t       i;
    joined_t     s;
    weir_txn_t   t;

    static const struct {
        const char  *resp;
        bool         ok;
        bool         none;
    } rows[] = {
        { "*3\r\n:1\r\n*0\r\n*2\r\n$3\r\ngen\r\n$1\r\n1\r\n", true, false },
        { "*3\r\n:0\r\n*0\r\n*2\r\n$3\r\ngen\r\n$1\r\n1\r\n", true, true },
        { "*3\r\n:0\r\n*0\r\n*2\r\n$3\r\nfin\r\n$11\r\ncompleted:1\r\n",
          true, false },
        { "*3\r\n:0\r\n*0\r\n*0\r\n", true, false },
        { "*2\r\n*0\r\n*0\r\n", false, false },
        { "-OOM x\r\n", false, false },
        { NULL, false, false }
    };

    (void) state;

    weir_txn_init(&t);
    weir_txn_join(&t, 0, ID);
    expect(&t,
           "MULTI\n"
           "EXISTS " REQ "\n"
           "HMGET " JOB " owner run route request model metadata created"
           " prefix hook_url hook_secret retried_as ask part\n"
           "HGETALL " RUN "\n"
           "EXEC\n");

    weir_txn_fate(&t, 0, ID, WEIR_FATE_KEPT);
    expect(&t,
           "MULTI\n"
           "SET weir:{0}:fate:" ID " kept NX EX 86400\n"
           "GET weir:{0}:fate:" ID "\n"
           "EXEC\n");
    weir_txn_free(&t);

    for (i = 0; i < ROWS(rows); i++) {
        answer(rows[i].resp, true, joined_read, &s);
        assert_int_equal(s.ok, rows[i].ok);
        assert_int_equal(s.none, rows[i].none);
        assert_false(s.kept);
    }

    answer("*2\r\n$-1\r\n$4\r\nkept\r\n", true, joined_read, &s);
    assert_true(s.kept);
    answer("*2\r\n+OK\r\n$4\r\nedge\r\n", true, joined_read, &s);
    assert_false(s.kept);
}


static void
test_list(void **state)
{
    weir_txn_t  t;
    weir_str_t  ids[2];

    (void) state;

    weir_txn_init(&t);
    weir_txn_list(&t, 0, weir_str("al"), 0, 20);
    expect(&t, "ZREVRANGEBYSCORE weir:{0}:jobs:al +inf -inf WITHSCORES LIMIT "
               "0 20\n");

    weir_txn_list(&t, 0, weir_str("al"), 99, 20);
    expect(&t, "ZREVRANGEBYSCORE weir:{0}:jobs:al 99 -inf WITHSCORES LIMIT "
               "0 20\n");

    weir_txn_listed(&t, 0, weir_str("al"), weir_str(ID));
    expect(&t, "ZSCORE weir:{0}:jobs:al " ID "\n");

    ids[0] = weir_str(ID);
    ids[1] = weir_str("short");
    weir_txn_looks(&t, 0, ids, 1);
    expect(&t,
           "MULTI\n"
           "HMGET " JOB " owner run route request model metadata created"
           " prefix hook_url hook_secret retried_as ask part\n"
           "HGETALL " RUN "\n"
           "EXEC\n");

    weir_txn_looks(&t, 0, ids, 2);
    assert_true(t.out.failed);
    weir_txn_reset(&t);

    weir_txn_crash(&t, 0, ID);
    expect(&t, "HINCRBY " RUN " crash 1\n");
    weir_txn_free(&t);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_reserved),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_list)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
