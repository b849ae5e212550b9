/*
 * The transactions: each builder's commands parsed back and compared with the
 * contract, each reader with good, short, nil and wrong replies.
 */

#include "unit.h"
#include "weir_txn.h"


#define ID    "00AAAAAAAAAAAAAAAAAAAAAA"
#define JOB   "weir:{0}:job:" ID
#define RUN   "weir:{0}:run:" ID
#define REQ   "weir:{0}:request:" ID
#define WAIT  "weir:{0}:waiting:" ID
#define LINE  "weir:{0}:deadline"


/* RESP back to lines of words */

static char *
plain(const weir_txn_t *t)
{
    long         n, len;
    char        *p, *end;
    weir_buf_t   b = { 0 }, in = { 0 };

    assert_false(t->out.failed);
    weir_buf_add(&in, t->out.data, t->out.len);
    weir_buf_add(&in, "", 1);

    for (p = in.data; *p; ) {
        assert_int_equal(*p, '*');

        for (n = strtol(p + 1, &end, 10), p = end + 2; n > 0; n--) {
            assert_int_equal(*p, '$');
            len = strtol(p + 1, &end, 10);
            weir_buf_add(&b, end + 2, (size_t) len);
            weir_buf_text(&b, n > 1 ? " " : "\n");
            p = end + 2 + len + 2;
        }
    }

    weir_buf_add(&b, "", 1);
    weir_buf_free(&in);

    return b.data;
}


static void
expect(weir_txn_t *t, const char *want)
{
    char        *got;
    unsigned     lines;
    const char  *p;

    got = plain(t);
    assert_string_equal(got, want);

    lines = 0;

    for (p = want; *p; p++) {
        lines += (*p == '\n');
    }

    assert_int_equal(t->replies, lines);

    free(got);
    weir_txn_free(t);
    weir_txn_init(t);
}


/* hands an answer to fn */

typedef void (*reader_pt)(void *data, const weir_answer_t *a);

static void
answer(const char *resp, bool multi, reader_pt fn, void *data)
{
    weir_txn_t    t;
    weir_pipe_t  *p;

    weir_txn_init(&t);
    weir_txn_words(&t, 1, (const char *[]) { multi ? "EXEC" : "GET" });

    p = weir_pipe_create(1, 100);
    assert_int_equal(weir_pipe_send(p, &t, 1, fn, data), 0);

    if (resp) {
        assert_int_equal(weir_pipe_feed(p, resp, strlen(resp)), 0);
    }

    weir_pipe_fail(p);
    weir_pipe_destroy(&p);
    weir_txn_free(&t);
}


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

    weir_txn_init(&t);
    weir_txn_submit(&t, &s);
    assert_true(t.multi);
    expect(&t,
           "MULTI\n"
           "HSET " JOB " owner alice key k run " ID
           " route chat request r model m created 1000\n"
           "HSETNX " RUN " gen 1\n"
           "HSET " RUN " job " ID " request r model m class high created 1000"
           " deadline 3000 ttl 60\n"
           "SET " REQ " {} NX PXAT 2000\n"
           "PERSIST " REQ "\n"
           "ZADD " LINE " 3000 " ID "\n"
           "XADD weir:{0}:ready:high * run " ID " gen 1\n"
           "EXISTS " REQ "\n"
           "EXEC\n");

    s.shard = 15;
    s.mailbox = weir_str("box");
    s.metadata = weir_str("{\"a\":1}");
    weir_txn_submit(&t, &s);
    expect(&t,
           "MULTI\n"
           "HSET weir:{15}:job:" ID " owner alice key k run " ID
           " route chat request r model m created 1000\n"
           "HSET weir:{15}:job:" ID " metadata {\"a\":1}\n"
           "HSETNX weir:{15}:run:" ID " gen 1\n"
           "HSET weir:{15}:run:" ID " job " ID " request r model m class high"
           " created 1000 deadline 3000 ttl 60\n"
           "SET weir:{15}:request:" ID " {} NX PXAT 2000\n"
           "PERSIST weir:{15}:request:" ID "\n"
           "SADD weir:{15}:waiting:" ID " box\n"
           "EXPIRE weir:{15}:waiting:" ID " 600\n"
           "ZADD weir:{15}:deadline 3000 " ID "\n"
           "XADD weir:{15}:ready:high * run " ID " gen 1\n"
           "EXISTS weir:{15}:request:" ID "\n"
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
        { "*3\r\n:8\r\n$3\r\n5-1\r\n:1\r\n", true },
        { "*3\r\n:8\r\n$3\r\n5-1\r\n:0\r\n", false },
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
    weir_txn_cancel(&t, 0, ID, WEIR_TOKEN_OWNER, 5);
    expect(&t,
           "MULTI\n"
           "HSETNX " RUN " fin cancelled:owner\n"
           "HSETNX " RUN " fin_at 5\n"
           "EXPIRE " RUN " 86400 NX\n"
           "EXPIRE " JOB " 86400 NX\n"
           "EXPIRE " REQ " 86400 NX\n"
           "ZREM " LINE " " ID "\n"
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
           "HMGET " JOB " owner run route request model metadata created\n"
           "HGETALL " RUN "\n"
           "EXEC\n");

    weir_txn_look(&t, 0, ID, "box");
    expect(&t,
           "MULTI\n"
           "SADD " WAIT " box\n"
           "EXPIRE " WAIT " 600\n"
           "HMGET " JOB " owner run route request model metadata created\n"
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


#define CLAIM_TAIL                                                            \
    "$1\r\n2\r\n$1\r\n3\r\n$3\r\n100\r\n$2\r\n50\r\n$2\r\n60\r\n"             \
    "$3\r\n900\r\n$2\r\n70\r\n$24\r\n" ID "\r\n$1\r\nr\r\n$1\r\nm\r\n"        \
    "$2\r\n{}\r\n"

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
           "HMGET " RUN " run:2 fin gen failures by created started deadline "
           "ttl job request model\n"
           "GET " REQ "\n"
           "EXEC\n");
    weir_txn_free(&t);

    answer("*5\r\n:1\r\n:4\r\n:0\r\n*12\r\n$3\r\n5-1\r\n$-1\r\n" CLAIM_TAIL,
           true, claim_read, &c);
    assert_true(c.ok && c.claim.found && c.claim.ours);
    assert_int_equal(c.claim.fin.len, 0);
    assert_int_equal(c.claim.gen, 2);
    assert_int_equal(c.claim.deliveries, 4);
    assert_int_equal(c.claim.failures, 3);
    assert_int_equal(c.claim.by, 100);
    assert_int_equal(c.claim.created, 50);
    assert_int_equal(c.claim.started, 60);
    assert_int_equal(c.claim.deadline, 900);
    assert_int_equal(c.claim.ttl, 70);
    assert_string_equal(c.model, "m");
    assert_string_equal(c.payload, "{}");

    answer("*5\r\n:0\r\n:1\r\n:0\r\n*12\r\n$3\r\n4-1\r\n$3\r\na:b\r\n"
           CLAIM_TAIL, true, claim_read, &c);
    assert_true(c.ok && c.claim.found && !c.claim.ours);
    assert_int_equal(c.claim.fin.len, 3);

    /* a ghost */
    answer("*5\r\n:1\r\n:1\r\n:1\r\n*12\r\n$3\r\n5-1\r\n$-1\r\n$-1\r\n$-1\r\n"
           "$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n",
           true, claim_read, &c);
    assert_true(c.ok && !c.claim.found && c.claim.ours);
    assert_int_equal(c.claim.payload.len, 0);

    /* of another form: not a ghost, which the worker would delete */
    answer("*0\r\n", true, claim_read, &c);
    assert_false(c.ok);
    answer("*5\r\n:1\r\n:1\r\n:1\r\n*0\r\n$-1\r\n", true, claim_read, &c);
    assert_false(c.ok);
    answer("*5\r\n:1\r\n:1\r\n:1\r\n$-1\r\n$-1\r\n", true, claim_read, &c);
    assert_false(c.ok);
    answer("*5\r\n:1\r\n:1\r\n:1\r\n-WRONGTYPE x\r\n$-1\r\n", true, claim_read,
           &c);
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


static void
test_drop(void **state)
{
    weir_txn_t  t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_drop(&t, 0, ID, WEIR_LOW, "5-1", false);
    expect(&t,
           "MULTI\n"
           "XACK weir:{0}:ready:low weir 5-1\n"
           "XDEL weir:{0}:ready:low 5-1\n"
           "EXEC\n");

    weir_txn_drop(&t, 0, ID, WEIR_LOW, "5-1", true);
    expect(&t,
           "MULTI\n"
           "XACK weir:{0}:ready:low weir 5-1\n"
           "XDEL weir:{0}:ready:low 5-1\n"
           "ZREM " LINE " " ID "\n"
           "EXPIRE " RUN " 86400 NX\n"
           "EXPIRE " JOB " 86400 NX\n"
           "EXPIRE " REQ " 86400 NX\n"
           "EXEC\n");

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

    weir_txn_init(&t);
    weir_txn_finish(&t, &f.f);
    expect(&t,
           "MULTI\n"
           "SET weir:{0}:outcome:" ID ":1000001 {} EX 60\n"
           "HSETNX " RUN " fin completed:1000001\n"
           "HSETNX " RUN " fin_at 9\n"
           "XACK weir:{0}:ready:normal weir 5-1\n"
           "XDEL weir:{0}:ready:normal 5-1\n"
           "ZREM " LINE " " ID "\n"
           "EXPIRE " RUN " 60 NX\n"
           "EXPIRE weir:{0}:job:00BBBBBBBBBBBBBBBBBBBBBB 60 NX\n"
           "EXPIRE " REQ " 60 NX\n"
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
           "EXPIRE " RUN " 60 NX\n"
           "EXPIRE " JOB " 60 NX\n"
           "EXPIRE " REQ " 60 NX\n"
           "HGET " RUN " fin\n"
           "SMEMBERS " WAIT "\n"
           "EXEC\n");
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
    weir_txn_mail(&t, "box", ID, "completed:1000001", 12, weir_str("{}"));
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
    weir_str_t  run, fin, outcome;
    weir_txn_t  t;
    static const char  *bad[] = {
        "", ID, ID " x", ID " x 1", ID " x \n", ID " x -1\n", ID " x 1a\n",
        "short x 1\n", ID " x 1234567890123456789\n", "\n", " \n",
        ID "\nx 1\n"
    };

    (void) state;

    assert_true(weir_mail_parse(weir_str(ID " completed:1 12\n{}\n"), &run,
                                &fin, &at, &outcome));
    unit_str(run, ID);
    unit_str(fin, "completed:1");
    assert_int_equal(at, 12);
    unit_str(outcome, "{}\n");

    assert_true(weir_mail_parse(weir_str(ID " expired:reaper 0\n"), &run, &fin,
                                &at, &outcome));
    assert_int_equal(outcome.len, 0);

    for (i = 0; i < ROWS(bad); i++) {
        assert_false(weir_mail_parse(weir_str_of(bad[i]), &run, &fin, &at,
                                     &outcome));
    }

    assert_false(weir_mail_parse(weir_str_null, &run, &fin, &at, &outcome));

    /* an outcome of the limit rides along, a larger one stays behind */

    memset(big, 'x', sizeof(big));
    weir_txn_init(&t);
    weir_txn_mail(&t, "b", ID, "completed:1", 1,
                  (weir_str_t) { big, WEIR_MAIL_BODY_MAX });
    assert_true(t.out.len > WEIR_MAIL_BODY_MAX);
    weir_txn_reset(&t);
    weir_txn_mail(&t, "b", ID, "completed:1", 1,
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

    weir_txn_retry(&t, 0, ID, WEIR_HIGH, "5-1", 3, 1234, 2, weir_str("why"));
    expect(&t,
           "MULTI\n"
           "HSET " RUN " gen 3 failures 2 error why\n"
           "ZADD weir:{0}:delayed 1234 high:3:" ID "\n"
           "XACK weir:{0}:ready:high weir 5-1\n"
           "XDEL weir:{0}:ready:high 5-1\n"
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
        cmocka_unit_test(test_submit),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_look),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_claim),
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
