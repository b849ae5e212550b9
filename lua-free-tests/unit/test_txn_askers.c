/*
 * The transactions of those who hang on to a run, likewise.
 */

#include "txn.h"
#include "weir_txn_ask.h"


#define ASKERS   "weir:{0}:askers:" ID
#define ENDED    "weir:{0}:ended"
#define ANSWER   "weir:{0}:answer:" QUESTION
#define F        OTHER
#define F_RUN    "weir:{0}:run:" F
#define F_JOB    "weir:{0}:job:" F
#define MAILBOX  "mailboxmailboxma"


/* ends */

static void
test_cancel(void **state)
{
    weir_txn_t     t;
    weir_cancel_t  c = { .id = F, .run = ID, .token = WEIR_TOKEN_OWNER,
                         .now = 5, .tell = true };

    (void) state;

    weir_txn_init(&t);
    weir_txn_cancel(&t, &c);
    expect(&t,
           "MULTI\n"
           "HSETNX " F_RUN " fin cancelled:owner\n"
           "HSETNX " F_RUN " fin_at 5\n"
           "EXPIRE " F_RUN " 86400 NX\n"
           "EXPIRE " F_JOB " 86400 NX\n"
           "EXPIRE weir:{0}:request:" F " 86400 NX\n"
           "ZREM " LINE " " F "\n"
           "ZREM weir:{0}:asked " F "\n"
           "ZREM " ASKERS " " F "\n"
           "ZADD weir:{0}:ended 5 " ID "\n"
           "XADD weir:{0}:control MAXLEN ~ 1000 * op left run " ID "\n"
           "HGET " F_RUN " fin\n"
           "SMEMBERS weir:{0}:waiting:" F "\n"
           "EXEC\n");

    /* nobody was told of one that was finished from the start */

    c.hit = "1000001";
    weir_txn_cancel(&t, &c);
    expect_has(&t,
           "MULTI\n"
           "ZREM weir:{0}:hooks 1000001:" F "\n"
           "DEL " F_JOB " " F_RUN "\n"
           "HSETNX " F_RUN " fin cancelled:");
    weir_txn_free(&t);
}


#define ENDS                                                                  \
    "ZADD " ENDED " XX 9 " ID "\n"                                            \
    "EXPIRE " ASKERS " 86400 NX\n"

#define STORED(ms)                                                            \
    "SET " ANSWER " A PX " ms "\n"                                            \
    "ZADD weir:{0}:answers 9 " QUESTION "\n"                                  \

static void
test_finish(void **state)
{
    weir_txn_t     t;
    weir_finish_t  f = { .run = ID, .job = ID, .entry = "5-1", .now = 9,
                         .state = WEIR_COMPLETED, .token = "1000001",
                         .ttl = 60, .ask = QUESTION, .answer_ms = 70 };

    (void) state;

    f.answer = weir_str("A");

    weir_txn_init(&t);
    weir_txn_finish(&t, &f);
    expect_has(&t, "\nZADD " DUE " 9 " ID "\n" FADE ENDS STORED("70")
                   "EXPIRE " RUN " 60 NX\n");

    f.answer_ms = INT64_MAX;
    weir_txn_finish(&t, &f);
    expect_has(&t, STORED("2592000000"));

    /* a failure, not in the place of an answer */

    f.answer_ms = 70;
    f.answer_nx = true;
    weir_txn_finish(&t, &f);
    expect_has(&t, STORED("70 NX"));
    weir_txn_answer_keep(&t, &f);
    expect(&t, "MULTI\n" STORED("70 NX") "EXEC\n");
    f.answer_nx = false;

    /* nothing to store: the question is not forgotten early */

    f.answer_ms = 0;
    weir_txn_finish(&t, &f);
    expect_has(&t, ENDS "EXPIRE " RUN " 60 NX\n");
    f.answer_ms = 1;
    f.answer = weir_str_null;
    weir_txn_finish(&t, &f);
    expect_has(&t, ENDS "EXPIRE " RUN " 60 NX\n");

    /* handed on to a job */

    memset(&f, 0, sizeof(weir_finish_t));
    f.run = f.job = F;
    f.asker = ID;
    f.state = WEIR_COMPLETED;
    f.token = "1000001";
    f.now = 9;
    f.ttl = 60;
    f.records = 90;
    f.hook = true;
    weir_txn_finish(&t, &f);
    expect(&t,
           "MULTI\n"
           "HSETNX " F_RUN " fin completed:1000001\n"
           "HSETNX " F_RUN " fin_at 9\n"
           "ZREM " LINE " " F "\n"
           "ZREM weir:{0}:asked " F "\n"
           "ZREM " ASKERS " " F "\n"
           "EXPIRE weir:{0}:outcome:" ID ":1000001 60 GT\n"
           "EXPIRE " F_RUN " 90 NX\n"
           "EXPIRE " F_JOB " 90 NX\n"
           "EXPIRE weir:{0}:request:" F " 0 NX\n"
           "ZADD weir:{0}:hooks NX 9 1000001:" F "\n"
           "HGET " F_RUN " fin\n"
           "SMEMBERS weir:{0}:waiting:" F "\n"
           "EXEC\n");

    /* past its own deadline */

    f.state = WEIR_EXPIRED;
    f.token = WEIR_TOKEN_REAPER;
    f.left = true;
    weir_txn_finish(&t, &f);
    expect_has(&t,
           "ZREM " ASKERS " " F "\n"
           "ZADD weir:{0}:ended 9 " ID "\n"
           "EXPIRE " F_RUN " 90 NX\n");

    f.asker = "";
    weir_txn_finish(&t, &f);
    expect_has(&t, "ZREM weir:{0}:asked " F "\nEXPIRE " F_RUN " 90 NX\n");
    weir_txn_free(&t);
}


static void
test_hand_on(void **state)
{
    weir_txn_t  t;
    weir_str_t  members[WEIR_ASKERS_BATCH + 1] = {
        weir_str(F), weir_str(MAILBOX)
    };

    (void) state;

    weir_txn_init(&t);
    weir_txn_ended(&t, 0, 7, 50);
    expect(&t, "ZRANGEBYSCORE " ENDED " -inf 7 LIMIT 0 50\n");

    weir_txn_hand_on(&t, 0, ID, 5007, 100);
    expect(&t,
           "MULTI\n"
           "ZADD " ENDED " XX 5007 " ID "\n"
           "HGETALL " RUN "\n"
           "ZRANGE " ASKERS " 0 99\n"
           "EXEC\n");

    weir_txn_handed_on(&t, 0, ID, members, 2);
    expect(&t, "ZREM " ASKERS " " F " " MAILBOX "\n");

    weir_txn_handed_on(&t, 0, ID, members, 0);
    assert_true(t.out.failed);
    weir_txn_reset(&t);
    weir_txn_handed_on(&t, 0, ID, members, WEIR_ASKERS_BATCH + 1);
    assert_true(t.out.failed);
    weir_txn_reset(&t);

    weir_txn_hand_on_end(&t, 0, ID);
    expect(&t,
           "MULTI\n"
           "ZREM " ENDED " " ID "\n"
           "EXEC\n");
    weir_txn_hand_on_watch(&t, 0, ID);
    expect(&t, "WATCH " ASKERS "\nZCARD " ASKERS "\n");

    weir_txn_asked(&t, 0, 7, 50);
    expect(&t, "ZRANGEBYSCORE weir:{0}:asked -inf 7 LIMIT 0 50\n");
    weir_txn_asked_list(&t, 0, 10, 5);
    expect(&t, "ZRANGE weir:{0}:asked 10 14\n");
    weir_txn_free(&t);
}


static void
handed_read(void *data, const weir_answer_t *a)
{
    bool            job;
    char           *text = data;
    size_t          i, n;
    weir_str_t      member;
    weir_hand_on_t  h;

    text[0] = '\0';

    if (!weir_txn_hand_on_read(a, &h)) {
        return;
    }

    n = (size_t) snprintf(text, 128, "%s", h.run.found
                                           ? weir_state_name(h.run.state)
                                           : "none");

    for (i = 0; weir_txn_hand_on_asker(&h, i, &member, &job); i++) {
        n += (size_t) snprintf(text + n, 128 - n, " %s:%zu",
                               job ? "job" : "box", member.len);
    }
}


static void
test_handed(void **state)
{
    char    text[128];
    size_t  i;

    static const struct {
        const char  *resp;
        const char  *text;
    } rows[] = {
        { "*3\r\n:1\r\n*2\r\n$3\r\nfin\r\n$11\r\ncompleted:1\r\n*2\r\n$24\r\n"
          F "\r\n$16\r\n" MAILBOX "\r\n", "completed job:24 box:16" },
        { "*3\r\n:0\r\n*2\r\n$3\r\ngen\r\n$1\r\n1\r\n*0\r\n", "queued" },
        { "*3\r\n:0\r\n*0\r\n*1\r\n$3\r\nxyz\r\n", "none box:3" },
        { "*2\r\n:0\r\n*0\r\n", "" },
        { "*3\r\n:0\r\n-WRONGTYPE x\r\n*0\r\n", "" },
        { "*-1\r\n", "" },
        { "-OOM x\r\n", "" },
        { NULL, "" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        answer(rows[i].resp, true, handed_read, text);
        assert_string_equal(text, rows[i].text);
    }
}


static void
test_takes(void **state)
{
    weir_job_t      job;
    weir_run_t      own;
    weir_hand_on_t  h;

    (void) state;

    memset(&job, 0, sizeof(job));
    memset(&own, 0, sizeof(own));
    memset(&h, 0, sizeof(h));

    job.found = own.found = h.run.found = true;
    job.run = weir_str(ID);
    job.part = weir_str(WEIR_PART_JOINED);

    assert_false(weir_hand_on_takes(&h, ID, &job, &own));
    h.run.state = WEIR_FAILED;
    h.run.token = weir_str("1000001");
    assert_true(weir_hand_on_takes(&h, ID, &job, &own));
    assert_false(weir_hand_on_takes(&h, OTHER, &job, &own));

    own.state = WEIR_CANCELLED;
    assert_false(weir_hand_on_takes(&h, ID, &job, &own));
    own.state = WEIR_QUEUED;
    own.found = false;
    assert_false(weir_hand_on_takes(&h, ID, &job, &own));
    own.found = true;
    job.found = false;
    assert_false(weir_hand_on_takes(&h, ID, &job, &own));
    job.found = true;

    h.run.state = WEIR_CANCELLED;
    h.run.token = weir_str(WEIR_TOKEN_OPERATOR);
    assert_true(weir_hand_on_takes(&h, ID, &job, &own));
    h.run.token = weir_str(WEIR_TOKEN_LATE);
    assert_false(weir_hand_on_takes(&h, ID, &job, &own));
    job.part = weir_str(WEIR_PART_LED);
    assert_true(weir_hand_on_takes(&h, ID, &job, &own));
}


/* jobs that ask, as their end is decided */

#define OWNER   "*13\r\n$2\r\nal\r\n$24\r\n" ID "\r\n" NIL NIL NIL NIL     \
                "$4\r\n1000\r\n" NIL NIL NIL NIL NIL "$6\r\njoined\r\n"
#define NIL     "$-1\r\n"
#define LIVES   "*4\r\n$3\r\ngen\r\n$1\r\n1\r\n$8\r\ndeadline\r\n$4\r\n9000"   \
                "\r\n"
#define FINAL   "*4\r\n$3\r\ngen\r\n$1\r\n1\r\n$3\r\nfin\r\n$8\r\nfailed:1"   \
                "\r\n"


static void
asked_read(void *data, const weir_answer_t *a)
{
    bool        late;
    char       *text = data;
    size_t      n;
    unsigned    i;
    weir_job_t  job;
    weir_run_t  own;

    n = 0;
    text[0] = '\0';

    for (i = 0; i < 3 && weir_txn_asked_looks_read(a, i, &job, &own, &late);
         i++)
    {
        n += (size_t) snprintf(text + n, 128 - n, "%s%s %s%s",
                               i ? ", " : "",
                               job.found ? "job" : "-",
                               own.found ? weir_state_name(own.state) : "-",
                               late ? " late" : "");
    }
}


static void
test_asked_looks(void **state)
{
    char        text[128];
    size_t      i;
    weir_txn_t  t;
    weir_str_t  ids[] = { weir_str(F), weir_str(ID), weir_str("short") };

    static const struct {
        const char  *resp;
        const char  *text;
    } rows[] = {
        { "*3\r\n" OWNER LIVES ":1\r\n", "job queued" },
        { "*3\r\n" OWNER LIVES ":0\r\n", "job queued late" },
        { "*3\r\n" OWNER FINAL ":0\r\n", "job failed" },
        { "*6\r\n" OWNER "*0\r\n" ":0\r\n" OWNER LIVES ":0\r\n",
          "job -, job queued late" },
        { "*5\r\n" OWNER LIVES ":0\r\n" OWNER LIVES, "job queued late" },
        { "*2\r\n" OWNER LIVES, "" },
        { "*-1\r\n", "" },
        { "-OOM x\r\n", "" },
        { NULL, "" }
    };

    (void) state;

    weir_txn_init(&t);
    weir_txn_asked_looks(&t, 0, ids, 2);
    expect_has(&t, "HGETALL " F_RUN "\nEXISTS weir:{0}:request:" F "\n"
                   "HMGET " JOB " owner run ");
    weir_txn_asked_looks(&t, 0, ids, 3);
    assert_true(t.out.failed);
    weir_txn_reset(&t);

    weir_txn_asked_until(&t, 0, F, 9000);
    expect(&t, "ZADD weir:{0}:asked XX 9000 " F "\n");
    weir_txn_free(&t);

    for (i = 0; i < ROWS(rows); i++) {
        answer(rows[i].resp, true, asked_read, text);
        assert_string_equal(text, rows[i].text);
    }
}


typedef struct {
    bool  nobody;
    bool  goes_on;
    bool  while_read;
    bool  own;
    char  owner[8];
} left_t;


static void
left_read(void *data, const weir_answer_t *a)
{
    left_t       *s = data;
    weir_left_t   l;

    s->nobody = weir_txn_left_nobody(a);
    s->own = weir_txn_left_job_read(a);
    s->goes_on = weir_txn_left_read(a, &l);
    s->while_read = l.while_read;
    snprintf(s->owner, sizeof(s->owner), "%.*s", (int) l.owner.len,
             l.owner.len ? l.owner.data : "");
}


static void
test_left(void **state)
{
    weir_txn_t  t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_left_watch(&t, 0, ID);
    expect(&t, "WATCH " RUN " " ASKERS " weir:{0}:readers:" ID "\n"
               "HMGET " RUN " gen fin ask while owner\n");
    weir_txn_left_askers(&t, 0, ID, 7);
    expect(&t, "ZCOUNT " ASKERS " (7 +inf\n");
    weir_txn_left_readers(&t, 0, ID, 7);
    expect(&t, "ZCOUNT weir:{0}:readers:" ID " (7 +inf\n");
    weir_txn_left_job(&t, 0, ID);
    expect(&t, "HGET " JOB " ask\n");
    weir_txn_left_later(&t, 0, ID, 600007);
    expect(&t,
           "MULTI\n"
           "ZADD " ENDED " XX GT 600007 " ID "\n"
           "EXEC\n");
    weir_txn_free(&t);
}


static void
test_left_answers(void **state)
{
    size_t  i;
    left_t  s;

    static const struct {
        const char  *resp;
        bool         nobody;
        bool         own;
    } counts[] = {
        { ":0\r\n", true, true },
        { ":1\r\n", false, true },
        { "$-1\r\n", false, true },
        { "$1\r\nq\r\n", false, false },
        { "-WRONGTYPE x\r\n", false, false },
        { NULL, false, false }
    };

    static const struct {
        const char  *resp;
        bool         goes_on;
        bool         while_read;
        const char  *owner;
    } runs[] = {
        { "*5\r\n$1\r\n1\r\n$-1\r\n$1\r\nq\r\n$-1\r\n$2\r\nal\r\n",
          true, false, "al" },
        { "*5\r\n$1\r\n1\r\n$-1\r\n$-1\r\n$1\r\n1\r\n$-1\r\n",
          true, true, "" },
        { "*5\r\n$1\r\n1\r\n$3\r\na:b\r\n$1\r\nq\r\n$1\r\n1\r\n"
          "$-1\r\n", false, true, "" },
        { "*5\r\n$1\r\n1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n",
          false, false, "" },
        { "*5\r\n$-1\r\n$-1\r\n$-1\r\n$1\r\n1\r\n$-1\r\n",
          false, true, "" },
        { "*4\r\n$1\r\n1\r\n$-1\r\n$1\r\nq\r\n$-1\r\n", false, false,
          "" },
        { ":0\r\n", false, false, "" },
        { NULL, false, false, "" }
    };

    (void) state;

    for (i = 0; i < ROWS(counts); i++) {
        answer(counts[i].resp, false, left_read, &s);
        assert_int_equal(s.nobody, counts[i].nobody);
        assert_int_equal(s.own, counts[i].own);
    }

    for (i = 0; i < ROWS(runs); i++) {
        answer(runs[i].resp, false, left_read, &s);
        assert_int_equal(s.goes_on, runs[i].goes_on);
        assert_int_equal(s.while_read, runs[i].while_read);
        assert_string_equal(s.owner, runs[i].owner);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_hand_on),
        cmocka_unit_test(test_handed),
        cmocka_unit_test(test_takes),
        cmocka_unit_test(test_asked_looks),
        cmocka_unit_test(test_left),
        cmocka_unit_test(test_left_answers)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
