/*
 * The transactions of an operator, likewise.
 */

#include "txn.h"


#define AS  "00CCCCCCCCCCCCCCCCCCCCCC"


static void
test_pause(void **state)
{
    weir_txn_t  t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_pause(&t, 0, true);
    expect(&t,
           "MULTI\n"
           "SET weir:{0}:paused 1\n"
           "XADD weir:{0}:control MAXLEN ~ 1000 * op queue\n"
           "EXEC\n");

    weir_txn_pause(&t, 3, false);
    expect(&t,
           "MULTI\n"
           "DEL weir:{3}:paused\n"
           "XADD weir:{3}:control MAXLEN ~ 1000 * op queue\n"
           "EXEC\n");
    weir_txn_free(&t);
}


typedef struct {
    bool           ok;
    weir_stats_t   s;
    weir_stream_t  stream;
    char           consumers[64];
} stats_t;


static void
stats_read(void *data, const weir_answer_t *a)
{
    stats_t  *s = data;

    s->ok = weir_txn_stats_read(a, &s->s);
}


static void
stream_read(void *data, const weir_answer_t *a)
{
    size_t      i, n;
    stats_t    *s = data;
    long long   pending;
    weir_str_t  name;

    weir_txn_stream_read(a, &s->stream);
    s->consumers[0] = '\0';
    n = 0;

    for (i = 0; weir_txn_stream_consumer(&s->stream, i, &name, &pending); i++) {
        n += (size_t) snprintf(s->consumers + n, sizeof(s->consumers) - n,
                               "%.*s=%lld ", (int) name.len, name.data,
                               pending);
    }
}


#define HEAD                                                                  \
    "*2\r\n$4\r\n1000\r\n$6\r\n500123\r\n"                                    \
    "$60\r\n# Memory\r\nused_memory:50\r\nused_memory_rss:9\r\n"              \
    "maxmemory:200\r\n\r\n"                                                   \
    "$1\r\n1\r\n:1\r\n:2\r\n:3\r\n:4\r\n"

#define STREAM(lag)                                                           \
    "*6\r\n$6\r\nlength\r\n:5\r\n"                                            \
    "$7\r\nentries\r\n*1\r\n*2\r\n$8\r\n999000-1\r\n*0\r\n"                   \
    "$6\r\ngroups\r\n*2\r\n"                                                  \
    "*2\r\n$4\r\nname\r\n$5\r\nother\r\n"                                     \
    "*8\r\n$4\r\nname\r\n$4\r\nweir\r\n$3\r\nlag\r\n" lag                     \
    "$9\r\npel-count\r\n:2\r\n$9\r\nconsumers\r\n*2\r\n"                      \
    "*4\r\n$4\r\nname\r\n$1\r\na\r\n$9\r\npel-count\r\n:2\r\n"                \
    "*4\r\n$4\r\nname\r\n$1\r\nb\r\n$9\r\npel-count\r\n:0\r\n"


static void
test_stats(void **state)
{
    stats_t     s;
    weir_txn_t  t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_stats(&t, 0);
    expect(&t,
           "MULTI\n"
           "TIME\n"
           "INFO memory\n"
           "GET weir:{0}:paused\n"
           "ZCARD weir:{0}:delayed\n"
           "ZCARD " LINE "\n"
           "ZCARD weir:{0}:dead\n"
           "ZCARD weir:{0}:hooks\n"
           "EXISTS weir:{0}:ready:high\n"
           "EXISTS weir:{0}:ready:normal\n"
           "EXISTS weir:{0}:ready:low\n"
           "EXEC\n");

    weir_txn_is_live(&t, 0, "w-1");
    expect(&t, "EXISTS weir:{0}:live:w-1\n");
    weir_txn_free(&t);

    answer("*10\r\n" HEAD ":0\r\n:1\r\n:0\r\n", true, stats_read, &s);
    assert_true(s.ok);
    assert_int_equal(s.s.now, 1000500);
    assert_int_equal(s.s.used, 50);
    assert_int_equal(s.s.limit, 200);
    assert_true(s.s.paused);
    assert_int_equal(s.s.delayed, 1);
    assert_int_equal(s.s.unfinished, 2);
    assert_int_equal(s.s.dead, 3);
    assert_int_equal(s.s.hooks, 4);
    assert_false(s.s.exists[WEIR_HIGH]);
    assert_true(s.s.exists[WEIR_NORMAL]);
    assert_false(s.s.exists[WEIR_LOW]);

    answer("*7\r\n" HEAD, true, stats_read, &s);
    assert_false(s.ok);
    answer("*-1\r\n", true, stats_read, &s);
    assert_false(s.ok);
    answer(NULL, true, stats_read, &s);
    assert_false(s.ok);
}


static void
test_stream(void **state)
{
    stats_t     s;
    weir_txn_t  t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_stream(&t, 0, WEIR_NORMAL);
    expect(&t, "XINFO STREAM weir:{0}:ready:normal FULL COUNT 1\n");
    weir_txn_free(&t);

    answer(STREAM("$-1\r\n"), false, stream_read, &s);
    assert_int_equal(s.stream.length, 5);
    assert_int_equal(s.stream.pending, 2);
    assert_int_equal(s.stream.lag, 3);
    assert_int_equal(s.stream.oldest, 999000);
    assert_string_equal(s.consumers, "a=2 b=0 ");

    answer(STREAM(":4\r\n"), false, stream_read, &s);
    assert_int_equal(s.stream.lag, 4);

    /* no group, no entry */

    answer("*2\r\n$6\r\nlength\r\n:0\r\n", false, stream_read, &s);
    assert_int_equal(s.stream.length, 0);
    assert_int_equal(s.stream.oldest, 0);
    assert_string_equal(s.consumers, "");

    answer(NULL, false, stream_read, &s);
    assert_int_equal(s.stream.length, 0);
}


static void
test_lists(void **state)
{
    weir_txn_t  t;
    weir_str_t  token, run;

    (void) state;

    weir_txn_init(&t);
    weir_txn_unfinished(&t, 0, 100, 50);
    expect(&t, "ZRANGE " LINE " 100 149\n");

    weir_txn_dead(&t, 0, 0, 50);
    expect(&t, "ZREVRANGE weir:{0}:dead 0 49 WITHSCORES\n");

    weir_txn_dead_find(&t, 0, weir_str("7"), ID);
    expect(&t, "ZSCORE weir:{0}:dead 7:" ID "\n");

    weir_txn_dead_drop(&t, 0, weir_str("7"), ID, false);
    expect(&t,
           "MULTI\n"
           "ZREM weir:{0}:dead 7:" ID "\n"
           "EXEC\n");

    weir_txn_dead_drop(&t, 0, weir_str("7"), ID, true);
    expect(&t,
           "MULTI\n"
           "ZREM weir:{0}:dead 7:" ID "\n"
           "DEL " REQ "\n"
           "EXEC\n");

    weir_txn_request(&t, 0, ID);
    expect(&t, "GET " REQ "\n");
    weir_txn_free(&t);

    assert_true(weir_txn_dead_parse(weir_str("7:" ID), &token, &run));
    assert_true(weir_str_eq(token, weir_str("7")));
    assert_true(weir_str_eq(run, weir_str(ID)));
    assert_false(weir_txn_dead_parse(weir_str(":" ID), &token, &run));
    assert_false(weir_txn_dead_parse(weir_str("7:x"), &token, &run));
    assert_false(weir_txn_dead_parse(weir_str("7"), &token, &run));
    assert_false(weir_txn_dead_parse(weir_str_null, &token, &run));
}


typedef struct {
    bool          ok;
    bool          found;
    bool          open;
    bool          asked;
    weir_state_e  state;
    weir_txn_t    t;
} again_t;


static void
again_read(void *data, const weir_answer_t *a)
{
    again_t       *g = data;
    weir_again_t   again;

    g->ok = weir_txn_again_read(a, AS, &again);
    g->found = again.found;
    g->state = again.state;
    g->open = again.submission.open;
    g->asked = again.submission.payload.len > 0;

    if (g->found) {
        assert_true(weir_str_eq(again.retried_as, weir_str("x")));
    }

    if (g->asked) {
        weir_txn_submit(&g->t, &again.submission);
    }
}


static void
test_again(void **state)
{
    again_t     g;
    weir_txn_t  t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_again(&t, 0, ID, ID);
    expect(&t,
           "MULTI\n"
           "TIME\n"
           "HGETALL " JOB "\n"
           "HGETALL " RUN "\n"
           "GET " REQ "\n"
           "EXEC\n");
    weir_txn_free(&t);

    /* two seconds were left to it at its submission */

    weir_txn_init(&g.t);
    answer("*4\r\n*2\r\n$2\r\n50\r\n$6\r\n003000\r\n"
           "*6\r\n$5\r\nowner\r\n$2\r\nal\r\n$3\r\nkey\r\n$1\r\nk\r\n"
           "$10\r\nretried_as\r\n$1\r\nx\r\n"
           "*16\r\n$3\r\ngen\r\n$1\r\n2\r\n$3\r\nfin\r\n$8\r\nfailed:7\r\n"
           "$7\r\ncreated\r\n$4\r\n1000\r\n$8\r\ndeadline\r\n$4\r\n3000\r\n"
           "$5\r\nclass\r\n$3\r\nlow\r\n$4\r\nkeep\r\n$1\r\n1\r\n"
           "$6\r\nstream\r\n$1\r\n1\r\n$5\r\ntrace\r\n$2\r\nto\r\n"
           "$2\r\n{}\r\n", true, again_read, &g);
    assert_true(g.ok);
    assert_true(g.found);
    assert_int_equal(g.state, WEIR_FAILED);

    expect(&g.t,
           "MULTI\n"
           "SET weir:{0}:request:" AS " {} NX PXAT 55003\n"
           "PERSIST weir:{0}:request:" AS "\n"
           "HSET weir:{0}:job:" AS " owner al key k run " AS
           " route  request  model  created 50003\n"
           "HSETNX weir:{0}:run:" AS " gen 1\n"
           "HSET weir:{0}:run:" AS " job " AS " request  model  class low"
           " created 50003 deadline 52003 ttl 3600 records 86400 keep 1"
           " trace to stream 1\n"
           "ZADD " LINE " 52003 " AS "\n"
           "ZADD weir:{0}:jobs:al 50003 " AS "\n"
           "EXPIRE weir:{0}:jobs:al 2678400\n"
           "XADD weir:{0}:ready:low * run " AS " gen 1\n"
           "EXEC\n");

    /* counted among the owner's, if it was so before; no request */

    answer("*4\r\n*2\r\n$2\r\n50\r\n$1\r\n0\r\n"
           "*4\r\n$5\r\nowner\r\n$2\r\nal\r\n$10\r\nretried_as\r\n$1\r\nx\r\n"
           "*4\r\n$3\r\ngen\r\n$1\r\n1\r\n$5\r\nowner\r\n$2\r\nal\r\n"
           "$-1\r\n", true, again_read, &g);
    assert_true(g.found);
    assert_true(g.open);
    assert_false(g.asked);
    assert_int_equal(g.state, WEIR_QUEUED);

    answer("*4\r\n*2\r\n$2\r\n50\r\n$1\r\n0\r\n*0\r\n*0\r\n$-1\r\n", true,
           again_read, &g);
    assert_true(g.ok);
    assert_false(g.found);

    answer("*1\r\n:1\r\n", true, again_read, &g);
    assert_false(g.ok);
    answer("-OOM x\r\n", true, again_read, &g);
    assert_false(g.ok);
    weir_txn_free(&g.t);
}


static void
retried_read(void *data, const weir_answer_t *a)
{
    weir_str_t  id;

    id = weir_txn_retried_as(a);
    snprintf(data, 64, "%.*s", (int) id.len, id.len ? id.data : "");
}


static void
test_retried(void **state)
{
    char        id[64];
    weir_txn_t  t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_retried(&t, 0, ID, AS, false);
    expect(&t,
           "MULTI\n"
           "HSETNX " JOB " retried_as " AS "\n"
           "EXPIRE " JOB " 86400 NX\n"
           "HGET " JOB " retried_as\n"
           "EXEC\n");

    weir_txn_retried(&t, 0, ID, AS, true);
    expect(&t,
           "MULTI\n"
           "HSET " JOB " retried_as " AS "\n"
           "EXPIRE " JOB " 86400 NX\n"
           "HGET " JOB " retried_as\n"
           "EXEC\n");

    weir_txn_not_retried(&t, 0, ID);
    expect(&t, "HDEL " JOB " retried_as\n");
    weir_txn_free(&t);

    answer("*3\r\n:0\r\n:0\r\n$1\r\nx\r\n", true, retried_read, id);
    assert_string_equal(id, "x");
    answer("*3\r\n:0\r\n:0\r\n$-1\r\n", true, retried_read, id);
    assert_string_equal(id, "");
    answer(NULL, true, retried_read, id);
    assert_string_equal(id, "");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_retried)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
