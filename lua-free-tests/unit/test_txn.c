/*
 * The transactions of a submission and of a queue entry: each builder's
 * commands parsed back and compared with the contract, each reader with good,
 * short, nil and wrong replies.
 */

#include "txn.h"


static void
test_submit(void **state)
{
    weir_txn_t         t;
    weir_submission_t  s = { .id = ID };

    (void) state;

    s.class = WEIR_HIGH;
    s.owner = weir_str("alice");
    s.key_id = weir_str("k");
    s.request_id = weir_str("r");
    s.route = weir_str("chat");
    s.model = weir_str("m");
    s.payload = weir_str("{}");
    s.created = 1000;
    s.by = 2000;
    s.deadline = 3000;
    s.ttl = 60;
    s.records = 90;

    weir_txn_init(&t);
    weir_txn_submit(&t, &s);
    assert_true(t.multi);
    expect(&t,
           "MULTI\n"
           "SET " REQ " {} NX PXAT 2000\n"
           "PERSIST " REQ "\n"
           "HSET " JOB " owner alice key k run " ID
           " route chat request r model m created 1000\n"
           "HSETNX " RUN " gen 1\n"
           "HSET " RUN " job " ID " request r model m class high created 1000"
           " deadline 3000 ttl 60 records 90\n"
           "ZADD " LINE " 3000 " ID "\n"
           "XADD weir:{0}:ready:high * run " ID " gen 1\n"
           "EXEC\n");

    s.run_at = 2500;
    s.listed = s.open = s.keep = true;
    s.prefix = weir_str("/x");
    s.hook_url = weir_str("https://h/");
    s.hook_secret = weir_str("whsec_a");
    weir_txn_submit(&t, &s);
    expect(&t,
           "MULTI\n"
           "SET " REQ " {} NX PXAT 2000\n"
           "PERSIST " REQ "\n"
           "HSET " JOB " owner alice key k run " ID
           " route chat request r model m created 1000\n"
           "HSET " JOB " prefix /x\n"
           "HSET " JOB " hook_url https://h/ hook_secret whsec_a\n"
           "HSETNX " RUN " gen 1\n"
           "HSET " RUN " job " ID " request r model m class high created 1000"
           " deadline 3000 ttl 60 records 90 run_at 2500 owner alice hook 1"
           " keep 1\n"
           "ZADD " LINE " 3000 " ID "\n"
           "ZADD weir:{0}:open:alice 3000 " ID "\n"
           "ZADD weir:{0}:jobs:alice 1000 " ID "\n"
           "EXPIRE weir:{0}:jobs:alice 2678400\n"
           "ZADD weir:{0}:delayed 2500 high:1:" ID "\n"
           "EXEC\n");

    s.idem = "d1";
    s.idem_ttl = 86400;
    weir_txn_submit(&t, &s);
    expect_has(&t, "EXPIRE weir:{0}:jobs:alice 2678400\n"
                   "EXPIRE weir:{0}:idem:d1 86400 GT\n"
                   "ZADD weir:{0}:delayed ");
    s.idem = NULL;

    s.stream = s.while_read = true;
    s.trace = weir_str("00-a b=1");
    s.reader = weir_str("mb");
    s.read_until = 9000;
    weir_txn_submit(&t, &s);
    expect_has(&t, " keep 1 trace 00-a b=1 stream 1 while 1\n"
                   "ZADD weir:{0}:readers:" ID " GT 9000 mb\n"
                   "EXPIRE weir:{0}:readers:" ID " 600\n"
                   "ZADD " LINE);
    s.stream = s.while_read = false;
    s.reader = s.trace = weir_str_null;

    s.hold = true;
    weir_txn_submit(&t, &s);
    expect_has(&t, "EXPIRE weir:{0}:jobs:alice 2678400\n"
                   "ZADD " DUE " XX 63000 " ID "\n"
                   "ZADD weir:{0}:delayed ");
    s.hold = false;

    s.id[WEIR_ID_LEN - 1] = '0';
    s.open = false;
    s.run_at = 0;
    s.hook_url = weir_str_null;
    weir_txn_submit(&t, &s);
    expect_has(&t, "ZREMRANGEBYRANK weir:{0}:jobs:alice 0 -10001\n");
    s.id[WEIR_ID_LEN - 1] = 'A';

    s.listed = s.open = s.keep = false;
    s.prefix = s.hook_url = s.hook_secret = weir_str_null;

    s.shard = 15;
    s.mailbox = weir_str("box");
    s.metadata = weir_str("{\"a\":1}");
    s.echo = weir_str("{}");
    weir_txn_submit(&t, &s);
    expect(&t,
           "MULTI\n"
           "SET weir:{15}:request:" ID " {} NX PXAT 2000\n"
           "PERSIST weir:{15}:request:" ID "\n"
           "HSET weir:{15}:job:" ID " owner alice key k run " ID
           " route chat request r model m created 1000\n"
           "HSET weir:{15}:job:" ID " metadata {\"a\":1}\n"
           "HSET weir:{15}:job:" ID " echo {}\n"
           "HSETNX weir:{15}:run:" ID " gen 1\n"
           "HSET weir:{15}:run:" ID " job " ID " request r model m class high"
           " created 1000 deadline 3000 ttl 60 records 90\n"
           "SADD weir:{15}:waiting:" ID " box\n"
           "EXPIRE weir:{15}:waiting:" ID " 600\n"
           "ZADD weir:{15}:deadline 3000 " ID "\n"
           "XADD weir:{15}:ready:high * run " ID " gen 1\n"
           "EXEC\n");
    weir_txn_free(&t);
}


static void
accepted_read(void *data, const weir_answer_t *a)
{
    *(bool *) data = weir_txn_submit_accepted(a);
}


static void
test_accepted(void **state)
{
    bool    accepted;
    size_t  i;

    static const struct {
        const char  *resp;
        bool         accepted;
    } rows[] = {
        { "*7\r\n+OK\r\n:1\r\n:8\r\n:1\r\n:1\r\n:1\r\n:1\r\n", true },
        { "*7\r\n$-1\r\n:0\r\n:8\r\n:1\r\n:1\r\n:1\r\n:1\r\n", true },
        { "*7\r\n+OK\r\n:0\r\n:8\r\n:1\r\n:1\r\n:1\r\n:1\r\n", false },
        { "*3\r\n$-1\r\n$-1\r\n$-1\r\n", false },
        { "*2\r\n-WRONGTYPE x\r\n:1\r\n", false },
        { "*1\r\n$-1\r\n", false },
        { "*0\r\n", false },
        { "*-1\r\n", false },
        { ":1\r\n", false },
        { "-OOM x\r\n", false },
        { NULL, false },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        answer(rows[i].resp, true, accepted_read, &accepted);
        assert_int_equal(accepted, rows[i].accepted);
    }
}


static void
cancel_read(void *data, const weir_answer_t *a)
{
    const weir_reply_t  *boxes;

    boxes = weir_txn_cancel_mailboxes(a);
    snprintf(data, 64, "%.*s/%zu", (int) weir_txn_cancel_fin(a).len,
             weir_txn_cancel_fin(a).len ? weir_txn_cancel_fin(a).data : "",
             weir_reply_count(boxes));
}


static void
test_cancel(void **state)
{
    size_t      i;
    char        got[64];
    weir_txn_t  t;

    static const struct {
        const char  *resp;
        const char  *want;
    } rows[] = {
        { "*8\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n$15\r\ncancelled:owner"
          "\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", "cancelled:owner/2" },
        { "*2\r\n$6\r\nx:yyyy\r\n*0\r\n", "x:yyyy/0" },
        { "*2\r\n$-1\r\n$-1\r\n", "/0" },
        { "*1\r\n:1\r\n", "/0" },
        { "*0\r\n", "/0" },
        { "*-1\r\n", "/0" },
        { "-OOM x\r\n", "/0" },
        { NULL, "/0" },
    };

    (void) state;

    weir_txn_init(&t);
    weir_txn_cancel(&t, &(weir_cancel_t) { .id = ID, .now = 5,
                                           .token = WEIR_TOKEN_OWNER });
    expect(&t,
           "MULTI\n"
           "HSETNX " RUN " fin cancelled:owner\n"
           "HSETNX " RUN " fin_at 5\n"
           "EXPIRE " RUN " 86400 NX\n"
           "EXPIRE " JOB " 86400 NX\n"
           "EXPIRE " REQ " 86400 NX\n"
           "ZREM " LINE " " ID "\n"
           "ZADD " DUE " 5 " ID "\n"
           FADE
           "ZADD weir:{0}:ended XX 5 " ID "\n"
           "EXPIRE weir:{0}:askers:" ID " 86400 NX\n"
           "HGET " RUN " fin\n"
           "SMEMBERS " WAIT "\n"
           "EXEC\n");

    weir_txn_cancel(&t, &(weir_cancel_t) { .id = ID, .now = 5, .hook = true,
                                           .tell = true,
                                           .owner = weir_str("al"),
                                           .token = WEIR_TOKEN_OPERATOR });
    expect(&t,
           "MULTI\n"
           "HSETNX " RUN " fin cancelled:operator\n"
           "HSETNX " RUN " fin_at 5\n"
           "EXPIRE " RUN " 86400 NX\n"
           "EXPIRE " JOB " 86400 NX\n"
           "EXPIRE " REQ " 86400 NX\n"
           "ZREM " LINE " " ID "\n"
           "ZREM weir:{0}:open:al " ID "\n"
           "ZADD " DUE " 5 " ID "\n"
           FADE
           "ZADD weir:{0}:ended XX 5 " ID "\n"
           "EXPIRE weir:{0}:askers:" ID " 86400 NX\n"
           "ZADD weir:{0}:hooks NX 5 operator:" ID "\n"
           "XADD weir:{0}:control MAXLEN ~ 1000 * op cancel run " ID "\n"
           "HGET " RUN " fin\n"
           "SMEMBERS " WAIT "\n"
           "EXEC\n");
    weir_txn_free(&t);

    for (i = 0; i < ROWS(rows); i++) {
        answer(rows[i].resp, true, cancel_read, got);
        assert_string_equal(got, rows[i].want);
    }
}


typedef struct {
    bool        ok;
    bool        found;
    char        text[128];
} look_t;


static void
look_read(void *data, const weir_answer_t *a)
{
    look_t      *l = data;
    weir_job_t   job;
    weir_run_t   run;

    memset(l, 0, sizeof(look_t));
    l->ok = weir_txn_look_read(a, &job, &run);

    if (!l->ok) {
        return;
    }

    l->found = job.found;
    snprintf(l->text, sizeof(l->text), "%.*s %s %.*s %lld",
             (int) job.owner.len, job.owner.len ? job.owner.data : "",
             weir_state_name(run.state), (int) run.token.len,
             run.token.len ? run.token.data : "", (long long) job.created);
}


static void
test_look(void **state)
{
    look_t      l;
    weir_txn_t  t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_look(&t, 0, ID, NULL);
    expect(&t,
           "MULTI\n"
           "HMGET " JOB " owner run route request model metadata created"
           " prefix hook_url hook_secret retried_as ask part\n"
           "HGETALL " RUN "\n"
           "EXEC\n");

    weir_txn_look(&t, 0, ID, "box");
    expect(&t,
           "MULTI\n"
           "SADD " WAIT " box\n"
           "EXPIRE " WAIT " 600\n"
           "HMGET " JOB " owner run route request model metadata created"
           " prefix hook_url hook_secret retried_as ask part\n"
           "HGETALL " RUN "\n"
           "EXEC\n");
    weir_txn_free(&t);

    answer("*4\r\n:1\r\n:1\r\n*7\r\n$1\r\na\r\n$24\r\n" ID "\r\n$-1\r\n$-1\r\n"
           "$-1\r\n$-1\r\n$2\r\n99\r\n*4\r\n$3\r\ngen\r\n$1\r\n1\r\n"
           "$3\r\nfin\r\n$17\r\ncompleted:1000001\r\n", true, look_read, &l);
    assert_true(l.ok && l.found);
    assert_string_equal(l.text, "a completed 1000001 99");

    answer("*2\r\n*7\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"
           "*0\r\n", true, look_read, &l);
    assert_true(l.ok && !l.found);

    answer("*2\r\n:1\r\n$1\r\nx\r\n", true, look_read, &l);
    assert_true(l.ok && !l.found);

    answer("*2\r\n*0\r\n-WRONGTYPE x\r\n", true, look_read, &l);
    assert_false(l.ok);
    answer("*1\r\n*0\r\n", true, look_read, &l);
    assert_false(l.ok);
    answer("*-1\r\n", true, look_read, &l);
    assert_false(l.ok);
    answer("-LOADING x\r\n", true, look_read, &l);
    assert_false(l.ok);
    answer(NULL, true, look_read, &l);
    assert_false(l.ok);
}


static void
echo_read(void *data, const weir_answer_t *a)
{
    weir_str_t  echo;

    echo = weir_txn_look_echo(a);
    snprintf(data, 128, "%.*s %d", (int) echo.len, echo.len ? echo.data : "",
             weir_txn_unrespond_done(a));
}


static void
test_response(void **state)
{
    char        got[128];
    size_t      i;
    weir_txn_t  t;

    static const struct {
        const char  *resp;
        const char  *want;
    } rows[] = {
        { "*3\r\n$2\r\n{}\r\n*0\r\n*0\r\n", "{} 0" },
        { "*5\r\n:1\r\n:1\r\n$2\r\n{}\r\n*0\r\n*0\r\n", "{} 1" },
        { "*3\r\n$-1\r\n*0\r\n*0\r\n", " 0" },
        { "*4\r\n:1\r\n:1\r\n*0\r\n*0\r\n", " 1" },
        { "*2\r\n*0\r\n*0\r\n", " 0" },
        { "*2\r\n:1\r\n:1\r\n", " 1" },
        { "*1\r\n:0\r\n", " 0" },
        { "*-1\r\n", " 0" },
        { "-LOADING x\r\n", " 0" },
        { NULL, " 0" }
    };

    (void) state;

    weir_txn_init(&t);
    weir_txn_look_response(&t, 0, ID, "box");
    expect(&t,
           "MULTI\n"
           "SADD " WAIT " box\n"
           "EXPIRE " WAIT " 600\n"
           "HGET " JOB " echo\n"
           "HMGET " JOB " owner run route request model metadata created"
           " prefix hook_url hook_secret retried_as ask part\n"
           "HGETALL " RUN "\n"
           "EXEC\n");

    weir_txn_unrespond(&t, 0, ID, weir_str_null);
    expect(&t, "MULTI\nHDEL " JOB " echo\nEXEC\n");
    weir_txn_unrespond(&t, 0, ID, weir_str("1000001"));
    expect(&t,
           "MULTI\n"
           "HDEL " JOB " echo\n"
           "DEL weir:{0}:outcome:" ID ":1000001 weir:{0}:events:" ID "\n"
           "EXEC\n");
    weir_txn_free(&t);

    for (i = 0; i < ROWS(rows); i++) {
        answer(rows[i].resp, true, echo_read, got);
        assert_string_equal(got, rows[i].want);
    }
}


static void
test_streams(void **state)
{
    unsigned      i;
    weir_txn_t    t;
    weir_str_t    entries[WEIR_BATCH];
    weir_class_e  all[] = { WEIR_HIGH, WEIR_NORMAL, WEIR_LOW };

    (void) state;

    weir_txn_init(&t);
    weir_txn_group(&t, 0, WEIR_LOW);
    expect(&t, "XGROUP CREATE weir:{0}:ready:low weir 0 MKSTREAM\n");

    weir_txn_read(&t, 0, "me", all, 3, 7, 2000);
    expect(&t, "XREADGROUP GROUP weir me COUNT 7 BLOCK 2000 STREAMS "
               "weir:{0}:ready:high weir:{0}:ready:normal weir:{0}:ready:low "
               "> > >\n");

    weir_txn_read(&t, 0, "me", all + 1, 1, 1, 0);
    expect(&t, "XREADGROUP GROUP weir me COUNT 1 STREAMS "
               "weir:{0}:ready:normal >\n");

    weir_txn_read_own(&t, 0, "me", WEIR_HIGH, "5-1", 9);
    expect(&t, "XREADGROUP GROUP weir me COUNT 9 STREAMS "
               "weir:{0}:ready:high 5-1\n");

    weir_txn_autoclaim(&t, 0, "me", WEIR_HIGH, 30000, "0-0", 9);
    expect(&t, "XAUTOCLAIM weir:{0}:ready:high weir me 30000 0-0 COUNT 9\n");

    entries[0] = weir_str("1-1");
    entries[1] = weir_str("2-1");
    weir_txn_touch(&t, 0, "me", WEIR_HIGH, 0, entries, 2);
    expect(&t, "XCLAIM weir:{0}:ready:high weir me 0 1-1 2-1 JUSTID\n");

    weir_txn_touch(&t, 0, "me", WEIR_HIGH, 60000, entries, 1);
    expect(&t, "XCLAIM weir:{0}:ready:high weir me 0 1-1 IDLE 60000 JUSTID\n");

    for (i = 0; i < WEIR_BATCH; i++) {
        entries[i] = weir_str("1-1");
    }

    weir_txn_touch(&t, 0, "me", WEIR_HIGH, 1, entries, WEIR_BATCH);
    assert_false(t.out.failed);
    weir_txn_free(&t);
}


typedef struct {
    bool          ok;
    weir_claim_t  claim;
    char          model[16];
    char          payload[16];
} claimed_t;


static void
claim_read(void *data, const weir_answer_t *a)
{
    claimed_t  *c = data;

    c->ok = weir_txn_claim_read(a, "5-1", &c->claim);
    snprintf(c->model, sizeof(c->model), "%.*s", (int) c->claim.model.len,
             c->claim.model.len ? c->claim.model.data : "");
    snprintf(c->payload, sizeof(c->payload), "%.*s",
             (int) c->claim.payload.len,
             c->claim.payload.len ? c->claim.payload.data : "");
}


#define CLAIM_HEAD                                                            \
    "$1\r\n2\r\n$1\r\n3\r\n$2\r\n50\r\n$2\r\n60\r\n"                         \
    "$3\r\n900\r\n$2\r\n70\r\n$24\r\n" ID "\r\n$1\r\nr\r\n$1\r\nm\r\n"        \
    "$1\r\n1\r\n$1\r\n2\r\n$2\r\n90\r\n$1\r\n1\r\n$-1\r\n$2\r\nal\r\n"

#define CLAIM_TAIL  CLAIM_HEAD                                                \
    "$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"                            \
    "$4\r\n2000\r\n$2\r\n{}\r\n:0\r\n"

#define CLAIM_ASK(score)                                                      \
    CLAIM_HEAD "$1\r\nq\r\n$1\r\np\r\n$7\r\nclass:a\r\n"                     \
    "$1\r\n1\r\n$1\r\n1\r\n$2\r\nto\r\n" score "$2\r\n{}\r\n:1\r\n"


static void
test_claim(void **state)
{
    char        token[32];
    weir_txn_t  t;
    claimed_t   c;

    (void) state;

    weir_txn_init(&t);
    weir_txn_claim(&t, 0, ID, "5-1", "2", 77);
    expect(&t,
           "MULTI\n"
           "HSETNX " RUN " run:2 5-1\n"
           "HINCRBY " RUN " n:5-1 1\n"
           "HSETNX " RUN " started 77\n"
           "HMGET " RUN " run:2 fin gen failures created started deadline "
           "ttl job request model back crash records hook keep owner "
           "ask cache labels stream while trace\n"
           "ZSCORE " LINE " " ID "\n"
           "GET " REQ "\n"
           "ZCOUNT weir:{0}:readers:" ID " 77 +inf\n"
           "EXEC\n");
    weir_txn_free(&t);

    answer("*7\r\n:1\r\n:4\r\n:0\r\n*23\r\n$3\r\n5-1\r\n$-1\r\n" CLAIM_TAIL,
           true, claim_read, &c);
    assert_true(c.ok && c.claim.found && c.claim.ours);
    assert_int_equal(c.claim.fin.len, 0);
    assert_int_equal(c.claim.back, 1);
    assert_int_equal(c.claim.crash, 2);
    assert_int_equal(c.claim.records, 90);
    assert_true(c.claim.hook && !c.claim.keep);
    assert_int_equal(c.claim.owner.len, 2);
    assert_int_equal(c.claim.gen, 2);
    assert_int_equal(c.claim.deliveries, 4);
    assert_int_equal(c.claim.failures, 3);
    assert_int_equal(c.claim.created, 50);
    assert_int_equal(c.claim.started, 60);
    assert_int_equal(c.claim.deadline, 900);
    assert_int_equal(c.claim.ttl, 70);
    assert_string_equal(c.model, "m");
    assert_string_equal(c.payload, "{}");
    assert_false(c.claim.read || c.claim.stream || c.claim.while_read);
    assert_int_equal(c.claim.trace.len, 0);

    answer("*7\r\n:0\r\n:1\r\n:0\r\n*23\r\n$3\r\n4-1\r\n$3\r\na:b\r\n"
           CLAIM_TAIL, true, claim_read, &c);
    assert_true(c.ok && c.claim.found && !c.claim.ours);
    assert_int_equal(c.claim.fin.len, 3);

    /* only a question's run has its deadline moved */
    assert_int_equal(c.claim.deadline, 900);

    answer("*7\r\n:1\r\n:4\r\n:0\r\n*23\r\n$3\r\n5-1\r\n$-1\r\n"
           CLAIM_ASK("$4\r\n2000\r\n"), true, claim_read, &c);
    assert_true(c.ok);
    assert_int_equal(c.claim.deadline, 2000);
    assert_true(c.claim.read && c.claim.stream && c.claim.while_read);
    assert_int_equal(c.claim.ask.len, 1);
    assert_int_equal(c.claim.cache.len, 1);
    assert_int_equal(c.claim.labels.len, 7);
    assert_int_equal(c.claim.trace.len, 2);

    answer("*7\r\n:1\r\n:4\r\n:0\r\n*23\r\n$3\r\n5-1\r\n$-1\r\n"
           CLAIM_ASK("$3\r\n800\r\n"), true, claim_read, &c);
    assert_int_equal(c.claim.deadline, 900);
    answer("*7\r\n:1\r\n:4\r\n:0\r\n*23\r\n$3\r\n5-1\r\n$-1\r\n"
           CLAIM_ASK("$-1\r\n"), true, claim_read, &c);
    assert_int_equal(c.claim.deadline, 900);

    /* a ghost */
    answer("*7\r\n:1\r\n:1\r\n:1\r\n*23\r\n$3\r\n5-1\r\n$-1\r\n$-1\r\n$-1\r\n"
           "$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"
           "$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"
           "$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n:0\r\n",
           true, claim_read, &c);
    assert_true(c.ok && !c.claim.found && c.claim.ours);
    assert_int_equal(c.claim.payload.len, 0);

    /* of another form: not a ghost, which the worker would delete */
    answer("*0\r\n", true, claim_read, &c);
    assert_false(c.ok);
    answer("*7\r\n:1\r\n:1\r\n:1\r\n*0\r\n$-1\r\n$-1\r\n:0\r\n", true,
           claim_read, &c);
    assert_false(c.ok);
    answer("*7\r\n:1\r\n:1\r\n:1\r\n$-1\r\n$-1\r\n$-1\r\n:0\r\n", true,
           claim_read, &c);
    assert_false(c.ok);
    answer("*7\r\n:1\r\n:1\r\n:1\r\n-WRONGTYPE x\r\n$-1\r\n$-1\r\n:0\r\n", true,
           claim_read, &c);
    assert_false(c.ok);
    answer("*-1\r\n", true, claim_read, &c);
    assert_false(c.ok);
    answer("-OOM x\r\n", true, claim_read, &c);
    assert_false(c.ok);
    answer(NULL, true, claim_read, &c);
    assert_false(c.ok);

    weir_token_make(token, 3, 17);
    assert_string_equal(token, "3000017");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_submit),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_look),
        cmocka_unit_test(test_response),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_claim)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
