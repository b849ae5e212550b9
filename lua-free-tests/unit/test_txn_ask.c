/*
 * The transactions of who asks a question, likewise.
 */

#include "txn.h"
#include "weir_txn_ask.h"


#define ASK     "weir:{0}:ask:" QUESTION
#define ANSWER  "weir:{0}:answer:" QUESTION
#define MARKS   "weir:{0}:marks"
#define FATE    "weir:{0}:fate:" ID
#define ASKERS  "weir:{0}:askers:" ID
#define ENDED   "weir:{0}:ended"
#define F       OTHER
#define F_JOB   "weir:{0}:job:" F
#define F_RUN   "weir:{0}:run:" F
#define F_REQ   "weir:{0}:request:" F
#define MAILBOX "mailboxmailboxma"

#define LOOK                                                                  \
    "HGETALL " ASK "\n"                                                       \
    "ZMSCORE " MARKS " all key:" QUESTION " owner:al model:m class:a tag:b\n"

#define READS                                                                 \
    LOOK                                                                      \
    "GET " ANSWER "\n"                                                        \
    "EXEC\n"


static const weir_ask_t  first = {
    .question = QUESTION, .n = 1, .run = ID, .by = 3000, .now = 1000,
    .owner = { "al", 2 }, .model = { "m", 1 },
    .labels = { "class:a  tag:b", 14 }
};


static void
test_ask(void **state)
{
    char        long_name[300];
    weir_ask_t  a;
    weir_txn_t  t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_ask(&t, &first);
    expect(&t,
           "MULTI\n"
           "HSETNX " ASK " run:1 " ID " 3000\n"
           "EXPIRE " ASK " 62 NX\n"
           "EXPIRE " ASK " 62 GT\n"
           READS);

    a = first;
    a.n = 3;
    weir_txn_ask(&t, &a);
    expect(&t,
           "MULTI\n"
           "HSETNX " ASK " run:3 " ID " 3000\n"
           "EXPIRE " ASK " 62 NX\n"
           "EXPIRE " ASK " 62 GT\n"
           "HDEL " ASK " run:1\n"
           READS);

    a.n = 0;
    a.run = NULL;
    weir_txn_ask(&t, &a);
    expect(&t, "MULTI\n" READS);

    /* answers are in another Redis */

    a.apart = true;
    weir_txn_ask(&t, &a);
    expect(&t, "MULTI\n" LOOK "EXEC\n");
    a.apart = false;

    /* no such mark can be set; and no more labels than there is room for */

    memset(long_name, 'x', sizeof(long_name));
    a.owner = (weir_str_t) { long_name, sizeof(long_name) };
    a.model = weir_str_null;
    a.labels = weir_str("1 2 3 4 5 6 7 8 9");
    weir_txn_ask(&t, &a);
    expect_has(&t, "ZMSCORE " MARKS " all key:" QUESTION "  model: 1 2 3 4 5 6 "
                   "7 8\nGET ");

    weir_txn_unask(&t, &first);
    expect(&t,
           "MULTI\n"
           "HSET " ASK " run:1 " ID " 0\n"
           "EXPIRE " ASK " 60 NX\n"
           "EXEC\n");
    weir_txn_free(&t);
}


typedef struct {
    weir_ask_t  ask;
    bool        ok;
    char        text[256];
} asked_t;


static void
asked_read(void *data, const weir_answer_t *a)
{
    asked_t       *s = data;
    weir_asked_t   r;

    s->ok = weir_txn_ask_read(a, &s->ask, &r);
    snprintf(s->text, sizeof(s->text), "%lld %.*s %lld %s %lld %.*s", r.n,
             (int) r.run.len, r.run.len ? r.run.data : "", (long long) r.by,
             r.ours ? "ours" : "-", (long long) r.purged, (int) r.answer.len,
             r.answer.len ? r.answer.data : "");
}


#define OWN(n)    "$5\r\nrun:" n "\r\n$29\r\n" ID " 3000\r\n"
#define OTHERS(n) "$5\r\nrun:" n "\r\n$26\r\n" OTHER " 0\r\n"
#define NO_MARKS  "*2\r\n$-1\r\n$-1\r\n"

static void
test_asked(void **state)
{
    size_t   i;
    asked_t  s;

    static const struct {
        const char  *resp;
        long long    n;
        const char  *text;              /* NULL: not to be read */
    } rows[] = {
        { "*6\r\n:1\r\n:1\r\n:0\r\n*2\r\n" OWN("1") NO_MARKS "$-1\r\n", 1,
          "1 " ID " 3000 ours 0 " },
        { "*4\r\n:1\r\n*2\r\n" OTHERS("1") NO_MARKS "$1\r\nA\r\n", 1,
          "1 " OTHER " 0 - 0 A" },
        { "*3\r\n*4\r\n" OTHERS("2") OWN("1") NO_MARKS "$-1\r\n", 1,
          "2 " OTHER " 0 - 0 " },
        { "*3\r\n*4\r\n" OTHERS("1") OWN("2") NO_MARKS "$-1\r\n", 2,
          "2 " ID " 3000 ours 0 " },

        /* ours of an earlier number is not the one that was asked for */
        { "*3\r\n*2\r\n" OWN("2") NO_MARKS "$-1\r\n", 1,
          "2 " ID " 3000 - 0 " },
        { "*3\r\n*2\r\n" OWN("1") "*3\r\n$2\r\n70\r\n$-1\r\n$2\r\n80\r\n"
          "$-1\r\n", 1, "1 " ID " 3000 ours 80 " },
        { "*3\r\n*4\r\n$1\r\nx\r\n$1\r\ny\r\n" OWN("1") NO_MARKS "$-1\r\n", 1,
          "1 " ID " 3000 ours 0 " },
        { "*3\r\n*0\r\n" NO_MARKS "$1\r\nA\r\n", 0, "0  0 - 0 A" },
        { "*3\r\n*2\r\n" OTHERS("7") NO_MARKS "$-1\r\n", 0,
          "7 " OTHER " 0 - 0 " },

        { "*3\r\n*0\r\n" NO_MARKS "$-1\r\n", 1, NULL },
        { "*3\r\n*2\r\n$5\r\nrun:1\r\n$4\r\nab 1\r\n" NO_MARKS "$-1\r\n", 1,
          NULL },
        { "*3\r\n*2\r\n$5\r\nrun:1\r\n$24\r\n" ID "\r\n" NO_MARKS "$-1\r\n", 1,
          NULL },
        { "*3\r\n*2\r\n$5\r\nrun:1\r\n$26\r\n" ID " x\r\n" NO_MARKS "$-1\r\n",
          1, NULL },
        { "*2\r\n" NO_MARKS "$-1\r\n", 1, NULL },
        { "*0\r\n", 0, NULL },
        { "*3\r\n-WRONGTYPE x\r\n" NO_MARKS "$-1\r\n", 0, NULL },
        { "*-1\r\n", 1, NULL },
        { "-OOM x\r\n", 1, NULL },
        { NULL, 1, NULL },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        s.ask = first;
        s.ask.n = rows[i].n;
        answer(rows[i].resp, true, asked_read, &s);
        assert_int_equal(s.ok, rows[i].text != NULL);

        if (s.ok) {
            assert_string_equal(s.text, rows[i].text);
        }
    }

    s.ask = first;
    s.ask.apart = true;
    answer("*2\r\n*2\r\n" OWN("1") "*1\r\n$2\r\n70\r\n", true, asked_read,
           &s);
    assert_true(s.ok);
    assert_string_equal(s.text, "1 " ID " 3000 ours 70 ");

    answer("*1\r\n*0\r\n", true, asked_read, &s);
    assert_false(s.ok);
}


/* the records of job F */

static void
job_of(weir_submission_t *job)
{
    memset(job, 0, sizeof(weir_submission_t));

    memcpy(job->id, F, WEIR_ID_LEN);
    job->class = WEIR_NORMAL;
    job->owner = weir_str("al");
    job->key_id = weir_str("k");
    job->request_id = weir_str("r");
    job->route = weir_str("jobs");
    job->model = weir_str("m");
    job->created = 1000;
    job->by = 2000;
    job->deadline = 91000;
    job->ttl = 60;
    job->records = 90;
}


#define F_RECORDS(part)                                                       \
    "HSET " F_JOB " owner al key k run " ID                                   \
    " route jobs request r model m created 1000\n"                            \
    "HSET " F_JOB " part " part "\n"                                          \
    "HSETNX " F_RUN " gen 1\n"                                                \
    "HSET " F_RUN " job " F " request r model m class normal created 1000"    \
    " deadline 91000 ttl 60 records 90\n"

#define F_BY                                                                  \
    "SET " F_REQ " 1 NX PXAT 2000\n"                                          \
    "PERSIST " F_REQ "\n"

#define F_ASKS                                                                \
    "ZADD weir:{0}:asked 2000 " F "\n"                                        \
    "ZADD " ASKERS " 91000 " F "\n"                                           \
    "EXPIRE " ASKERS " 172890 NX\n"                                           \
    "EXPIRE " ASKERS " 172890 GT\n"                                           \
    "ZREM " LINE " " F "\n"


static void
test_lead(void **state)
{
    weir_txn_t         t;
    weir_submission_t  s = { .id = ID }, job;

    (void) state;

    job_of(&job);
    s.class = WEIR_NORMAL;
    s.owner = weir_str("al");
    s.key_id = weir_str("k");
    s.request_id = weir_str("r");
    s.route = weir_str("jobs");
    s.model = weir_str("m");
    s.payload = weir_str("{}");
    s.created = 1000;
    s.by = 2000;
    s.deadline = 86401000;
    s.ttl = 60;
    s.records = 90;
    s.ask = QUESTION;
    s.n = 2;
    s.cache = weir_str("p");
    s.labels = weir_str("class:a");
    s.asker = &job;
    s.stream = job.stream = true;               /* the run's alone */

    weir_txn_init(&t);
    weir_txn_submit(&t, &s);
    expect(&t,
           "MULTI\n"
           "SET " REQ " {} NX PXAT 2000\n"
           "PERSIST " REQ "\n"
           "HSET " JOB " owner al key k run " ID
           " route jobs request r model m created 1000\n"
           "HSET " JOB " ask " QUESTION "\n"
           "HSETNX " RUN " gen 1\n"
           "HSET " RUN " job " ID " request r model m class normal created 1000"
           " deadline 86401000 ttl 60 records 90 owner al ask " QUESTION
           " cache p labels class:a stream 1\n"
           "ZADD " LINE " GT 86401000 " ID "\n"
           "HSET " ASK " run:2 " ID " 2000 run\n"
           "EXPIRE " ASK " 660 NX\n"
           "EXPIRE " ASK " 660 GT\n"
           "ZADD " ENDED " NX 86461000 " ID "\n"
           F_BY F_RECORDS("led") F_ASKS
           "XADD weir:{0}:ready:normal * run " ID " gen 1\n"
           "EXEC\n");

    /* without a job: its mailbox asks, or nobody does */

    s.asker = NULL;
    s.stream = false;
    s.until = 5000;
    s.mailbox = weir_str(MAILBOX);
    weir_txn_submit(&t, &s);
    expect_has(&t,
           "SADD " WAIT " " MAILBOX "\n"
           "EXPIRE " WAIT " 600\n"
           "ZADD " LINE " GT 86401000 " ID "\n"
           "HSET " ASK " run:2 " ID " 2000 run\n"
           "EXPIRE " ASK " 660 NX\n"
           "EXPIRE " ASK " 660 GT\n"
           "ZADD " ENDED " NX 86461000 " ID "\n"
           "ZADD " ASKERS " GT 5000 " MAILBOX "\n"
           "EXPIRE " ASKERS " 172800 NX\n"
           "EXPIRE " ASKERS " 172800 GT\n"
           "XADD ");

    s.mailbox = weir_str_null;
    weir_txn_submit(&t, &s);
    expect_has(&t, "\nZADD " ASKERS " GT 5000 " ID "\n"
                   "EXPIRE " ASKERS " 172800 NX\n"
                   "EXPIRE " ASKERS " 172800 GT\nXADD ");

    /* an answer that is stored, of a run that nobody else asks for */

    s.n = 0;
    s.until = 0;
    weir_txn_submit(&t, &s);
    expect_has(&t, " records 90 owner al ask " QUESTION " cache p"
                   " labels class:a\nZADD " LINE " 86401000 " ID "\nXADD ");
    weir_txn_free(&t);
}


static void
test_follow(void **state)
{
    weir_txn_t         t;
    weir_follow_t      f = { .question = QUESTION, .run = ID };
    weir_submission_t  job;

    (void) state;

    job_of(&job);
    f.job = &job;
    f.part = WEIR_PART_JOINED;

    weir_txn_init(&t);
    weir_txn_follow(&t, &f);
    expect(&t,
           "MULTI\n"
           "SET " FATE " kept NX EX 86400\n"
           "GET " FATE "\n"
           F_BY F_RECORDS("joined") F_ASKS
           "ZADD " LINE " XX GT 91000 " ID "\n"
           "EXPIRE " ASK " 150 GT\n"
           "ZADD " ENDED " NX 6000 " ID "\n"
           "EXISTS " REQ "\n"
           "HGETALL " RUN "\n"
           "EXEC\n");

    job.mailbox = weir_str(MAILBOX);
    job.open = job.listed = true;
    job.hook_url = weir_str("https://h/");
    job.hook_secret = weir_str("s");
    weir_txn_follow(&t, &f);
    expect(&t,
           "MULTI\n"
           "SET " FATE " kept NX EX 86400\n"
           "GET " FATE "\n"
           F_BY
           "HSET " F_JOB " owner al key k run " ID
           " route jobs request r model m created 1000\n"
           "HSET " F_JOB " hook_url https://h/ hook_secret s\n"
           "HSET " F_JOB " part joined\n"
           "HSETNX " F_RUN " gen 1\n"
           "HSET " F_RUN " job " F " request r model m class normal created "
           "1000 deadline 91000 ttl 60 records 90 owner al hook 1\n"
           "SADD weir:{0}:waiting:" F " " MAILBOX "\n"
           "EXPIRE weir:{0}:waiting:" F " 600\n"
           F_ASKS
           "ZADD weir:{0}:open:al 91000 " F "\n"
           "ZADD weir:{0}:jobs:al 1000 " F "\n"
           "EXPIRE weir:{0}:jobs:al 2678400\n"
           "ZADD " LINE " XX GT 91000 " ID "\n"
           "EXPIRE " ASK " 150 GT\n"
           "ZADD " ENDED " NX 6000 " ID "\n"
           "EXISTS " REQ "\n"
           "HGETALL " RUN "\n"
           "EXEC\n");

    f.job = NULL;
    f.mailbox = MAILBOX;
    f.until = 7000;
    weir_txn_follow(&t, &f);
    expect(&t,
           "MULTI\n"
           "SET " FATE " kept NX EX 86400\n"
           "GET " FATE "\n"
           "ZADD " ASKERS " GT 7000 " MAILBOX "\n"
           "EXPIRE " ASKERS " 172800 NX\n"
           "EXPIRE " ASKERS " 172800 GT\n"
           "SADD " WAIT " " MAILBOX "\n"
           "EXPIRE " WAIT " 600\n"
           "EXISTS " REQ "\n"
           "HGETALL " RUN "\n"
           "EXEC\n");

    weir_txn_follow_look(&t, &f);
    expect(&t, "MULTI\nEXISTS " REQ "\nHGETALL " RUN "\nEXEC\n");

    weir_txn_unfollow(&t, 0, ID, F);
    expect(&t, "ZREM " ASKERS " " F "\n");

    weir_txn_leave(&t, 0, ID, MAILBOX);
    expect(&t,
           "MULTI\n"
           "ZREM " ASKERS " " MAILBOX "\n"
           "XADD weir:{0}:control MAXLEN ~ 1000 * op left run " ID "\n"
           "EXEC\n");

    weir_txn_hand_on_now(&t, 0, ID, 9);
    expect(&t, "ZADD " ENDED " 9 " ID "\n");
    weir_txn_free(&t);
}


typedef struct {
    bool  job;
    bool  ok;
    char  text[128];
} followed_t;


static void
followed_read(void *data, const weir_answer_t *a)
{
    followed_t       *s = data;
    weir_followed_t   r;

    s->ok = weir_txn_follow_read(a, s->job, &r);
    snprintf(s->text, sizeof(s->text), "%s%s %s %s %s%s%s",
             r.kept ? "kept" : "edge", r.late ? " late" : "",
             r.request ? "request" : "-",
             r.run.found ? "found" : "-", weir_state_name(r.run.state),
             weir_followed_is_void(&r) ? " void" : "",
             weir_run_is_given_up(&r.run) ? " given up" : "");
}


#define GEN       "*2\r\n$3\r\ngen\r\n$1\r\n1\r\n"
#define FIN(n, s) "*4\r\n$3\r\ngen\r\n$1\r\n1\r\n$3\r\nfin\r\n$" n "\r\n" s   \
                  "\r\n"
#define TOLD(w)   "*8\r\n$-1\r\n$4\r\n" w "\r\n:1\r\n:1\r\n:1\r\n:1\r\n"
#define SET(s, p) "*8\r\n$-1\r\n$4\r\nkept\r\n" s "\r\n" p "\r\n:1\r\n:1"  \
                  "\r\n:1\r\n" GEN

static void
test_followed(void **state)
{
    size_t      i;
    followed_t  s;

    static const struct {
        const char  *resp;
        const char  *text;
    } rows[] = {
        { TOLD("kept") ":1\r\n" GEN, "kept request found queued" },
        { TOLD("edge") ":1\r\n" GEN, "edge request found queued" },
        { TOLD("kept") ":0\r\n" GEN, "kept - found queued void" },
        { TOLD("kept") ":0\r\n*0\r\n", "kept - - queued" },
        { TOLD("kept") ":0\r\n" FIN("17", "completed:1000001"),
          "kept - found completed" },
        { TOLD("kept") ":0\r\n" FIN("14", "failed:1000001"),
          "kept - found failed" },
        { TOLD("kept") ":0\r\n" FIN("14", "cancelled:edge"),
          "kept - found cancelled given up" },
        { TOLD("kept") ":0\r\n" FIN("14", "cancelled:late"),
          "kept - found cancelled given up" },
        { TOLD("kept") ":0\r\n" FIN("14", "cancelled:left"),
          "kept - found cancelled given up" },
        { TOLD("kept") ":0\r\n" FIN("15", "cancelled:owner"),
          "kept - found cancelled" },
        { "*2\r\n:1\r\n" GEN, "kept request found queued" },
        { "*2\r\n:0\r\n*0\r\n", "kept - - queued" },
        { "*1\r\n*0\r\n", NULL },
        { "*0\r\n", NULL },
        { TOLD("kept") ":0\r\n-WRONGTYPE x\r\n", NULL },
        { "*-1\r\n", NULL },
        { "-OOM x\r\n", NULL },
        { NULL, NULL }
    };

    (void) state;

    s.job = false;

    for (i = 0; i < ROWS(rows); i++) {
        answer(rows[i].resp, true, followed_read, &s);
        assert_int_equal(s.ok, rows[i].text != NULL);

        if (s.ok) {
            assert_string_equal(s.text, rows[i].text);
        }
    }

    /* a job: did it come in time? */

    s.job = true;
    answer(SET("+OK", ":1"), true, followed_read, &s);
    assert_string_equal(s.text, "kept request found queued");
    answer(SET("$-1", ":0"), true, followed_read, &s);
    assert_string_equal(s.text, "kept request found queued");
    answer(SET("+OK", ":0"), true, followed_read, &s);
    assert_string_equal(s.text, "kept late request found queued");
    answer("*2\r\n:1\r\n" GEN, true, followed_read, &s);
    assert_string_equal(s.text, "kept request found queued");

    s.job = false;
    answer(SET("+OK", ":0"), true, followed_read, &s);
    assert_string_equal(s.text, "kept request found queued");
}


static void
hit_read(void *data, const weir_answer_t *a)
{
    weir_hit_t  h = { .token = weir_str("1000001"), .state = WEIR_COMPLETED };

    *(bool *) data = weir_txn_hit_done(a, &h);
}


static void
test_hit(void **state)
{
    bool               done;
    size_t             i;
    weir_hit_t         h;
    weir_txn_t         t;
    weir_submission_t  job;

    static const struct {
        const char  *resp;
        bool         done;
    } rows[] = {
        { "*2\r\n:1\r\n$17\r\ncompleted:1000001\r\n", true },
        { "*2\r\n:1\r\n$17\r\ncompleted:1000002\r\n", false },
        { "*2\r\n:1\r\n$14\r\ncancelled:edge\r\n", false },
        { "*2\r\n:1\r\n$-1\r\n", false },
        { "*2\r\n-WRONGTYPE x\r\n$17\r\ncompleted:1000001\r\n", false },
        { "*0\r\n", false },
        { "*-1\r\n", false },
        { "-OOM x\r\n", false },
        { NULL, false }
    };

    (void) state;

    job_of(&job);
    memset(&h, 0, sizeof(weir_hit_t));
    h.job = &job;
    h.run = weir_str(ID);
    h.token = weir_str("1000001");
    h.state = WEIR_COMPLETED;
    h.asked = 900;
    h.now = 1005;
    h.hook = 8005;
    h.outcome = weir_str("{}");

    weir_txn_init(&t);
    weir_txn_hit(&t, &h);
    expect(&t,
           "MULTI\n"
           F_RECORDS("hit")
           "SET weir:{0}:outcome:" ID ":1000001 {} NX EX 60\n"
           "EXPIRE weir:{0}:outcome:" ID ":1000001 60 GT\n"
           "HSET " F_RUN " asked 900\n"
           "HSETNX " F_RUN " fin completed:1000001\n"
           "HSETNX " F_RUN " fin_at 1005\n"
           "PEXPIREAT " F_JOB " 2000\n"
           "PEXPIREAT " F_RUN " 2000\n"
           "PERSIST " F_JOB "\n"
           "PERSIST " F_RUN "\n"
           "ZREM " LINE " " F "\n"
           "ZREM weir:{0}:asked " F "\n"
           "EXPIRE " F_RUN " 90 NX\n"
           "EXPIRE " F_JOB " 90 NX\n"
           "HGET " F_RUN " fin\n"
           "EXEC\n");

    job.open = job.listed = true;
    job.hook_url = weir_str("https://h/");
    job.ttl = 100;
    weir_txn_hit(&t, &h);
    expect_has(&t,
           "ZREM weir:{0}:asked " F "\n"
           "ZREM weir:{0}:open:al " F "\n"
           "ZADD weir:{0}:jobs:al 1000 " F "\n"
           "EXPIRE weir:{0}:jobs:al 2678400\n"
           "EXPIRE " F_RUN " 100 NX\n"
           "EXPIRE " F_JOB " 100 NX\n"
           "ZADD weir:{0}:hooks NX 8005 1000001:" F "\n"
           "HGET " F_RUN " fin\n");

    weir_txn_hit_hook(&t, 0, F, "1000001", 1007);
    expect(&t, "ZADD weir:{0}:hooks XX 1007 1000001:" F "\n");

    h.run = weir_str("short");
    weir_txn_hit(&t, &h);
    assert_true(t.out.failed);
    weir_txn_reset(&t);

    h.run = weir_str(ID);
    h.token = weir_str("123456789012345678901234567890123");
    weir_txn_hit(&t, &h);
    assert_true(t.out.failed);
    weir_txn_free(&t);

    for (i = 0; i < ROWS(rows); i++) {
        answer(rows[i].resp, true, hit_read, &done);
        assert_int_equal(done, rows[i].done);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_ask),
        cmocka_unit_test(test_asked),
        cmocka_unit_test(test_lead),
        cmocka_unit_test(test_follow),
        cmocka_unit_test(test_followed),
        cmocka_unit_test(test_hit)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
