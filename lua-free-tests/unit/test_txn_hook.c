/*
 * The transactions of the outbox of webhooks, likewise.
 */

#include "txn.h"
#include "weir_txn_hook.h"


#define HOOKS   "weir:{0}:hooks"
#define HOOK    "weir:{0}:hook:" ID
#define LOCK    "weir:{0}:hooklock:" ID
#define MEMBER  "1000001:" ID

#define RECORDS                                                               \
    "HMGET " JOB " owner run route request model metadata created prefix "    \
    "hook_url hook_secret retried_as ask part\n"                              \
    "HGETALL " RUN "\n"

#define LOOK    RECORDS "HGETALL " HOOK "\n"


static weir_entry_t
entry(const char *member)
{
    weir_entry_t  e;

    assert_true(weir_entry_read(weir_str_of(member), 0, &e));

    return e;
}


static void
test_members(void **state)
{
    size_t        i;
    weir_entry_t  e;

    static const char *const  rows[] = {
        "", ":", ID, ":" ID, "1:", "1:" ID "x", "1:short", "A:" ID,
        "1 :" ID, "123456789012345678901234567890123:" ID,
        "1:01AAAAAAAAAAAAAAAAAAAAAA", "x:y:" ID
    };

    (void) state;

    e = entry("owner:" ID);
    assert_string_equal(e.id, ID);
    assert_string_equal(e.token, "owner");

    for (i = 0; i < ROWS(rows); i++) {
        if (weir_entry_read(weir_str_of(rows[i]), 0, &e)) {
            fail_msg("\"%s\" is taken", rows[i]);
        }
    }
}


static void
test_units(void **state)
{
    weir_txn_t       t;
    weir_entry_t     e = entry(MEMBER);
    weir_hook_try_t  what = { NULL, 9000, NULL, 2, 500, "no", 7 };

    (void) state;
    weir_txn_init(&t);

    weir_txn_hooks_due(&t, 0, 5, 64);
    expect(&t, "MULTI\nZCARD " HOOKS "\n"
               "ZRANGEBYSCORE " HOOKS " -inf 5 LIMIT 0 64\nEXEC\n");

    weir_txn_hooks_remove(&t, 0, weir_str("x"));
    expect(&t, "ZREM " HOOKS " x\n");

    weir_txn_hooks_list(&t, 0, 10);
    expect(&t, "ZRANGEBYSCORE " HOOKS " -inf +inf WITHSCORES LIMIT 0 10\n");

    weir_txn_hook_open(&t, &e, "w-0", 45000);
    expect(&t, "MULTI\nSET " LOCK " w-0 NX PX 45000\n" LOOK "EXEC\n");

    weir_txn_hook_look(&t, &e);
    expect(&t, "MULTI\n" LOOK "EXEC\n");

    weir_txn_hook_begin(&t, &e, 50, "d", true);
    expect(&t, "MULTI\nZADD " HOOKS " XX 50 " MEMBER "\n"
               "EXISTS weir:{0}:endpoint:d\n"
               "GET weir:{0}:outcome:" ID ":1000001\n" RECORDS "EXEC\n");

    weir_txn_hook_begin(&t, &e, 50, "d", false);
    expect(&t, "MULTI\nZADD " HOOKS " XX 50 " MEMBER "\n"
               "EXISTS weir:{0}:endpoint:d\nEXEC\n");

    /* a job that asks: its run has the outcome and the tries */

    weir_entry_run(&e, &(weir_job_t) { .run = weir_str("short") });
    assert_string_equal(e.run, ID);
    weir_entry_run(&e, &(weir_job_t) { .run = weir_str(OTHER) });
    weir_txn_hook_begin(&t, &e, 50, "d", true);
    expect(&t, "MULTI\nZADD " HOOKS " XX 50 " MEMBER "\n"
               "EXISTS weir:{0}:endpoint:d\n"
               "GET weir:{0}:outcome:" OTHER ":1000001\n" RECORDS
               "HGETALL weir:{0}:run:" OTHER "\nEXEC\n");

    weir_txn_hook_store(&t, &e, weir_str("o"), weir_str("u"), weir_str("s"),
                        weir_str("t"), weir_str("b"));
    expect(&t, "MULTI\n"
               "HSETNX " HOOK " body b\n"
               "HSETNX " HOOK " token 1000001\n"
               "HSETNX " HOOK " owner o\n"
               "HSETNX " HOOK " url u\n"
               "HSETNX " HOOK " secret s\n"
               "HSETNX " HOOK " trace t\n"
               "EXPIRE " HOOK " 345600\n"
               "EXEC\n");

    weir_txn_hook_record(&t, &e, &what);
    expect(&t, "MULTI\n"
               "HSET " HOOK " token 1000001 tries 2 status 500 error no at 7\n"
               "ZADD " HOOKS " XX 9000 " MEMBER "\n"
               "EXPIRE " HOOK " 345600\n"
               "DEL " LOCK "\n"
               "EXEC\n");

    what.state = WEIR_DELIVERY_DONE;
    what.status = 204;
    what.error = "";
    weir_txn_hook_record(&t, &e, &what);
    expect(&t, "MULTI\n"
               "HSET " HOOK " token 1000001 tries 2 status 204 error  at 7\n"
               "HDEL " HOOK " body secret\n"
               "HSET " HOOK " state delivered\n"
               "ZREM " HOOKS " " MEMBER "\n"
               "EXPIRE " HOOK " 86400\n"
               "DEL " LOCK "\n"
               "EXEC\n");

    what.state = WEIR_DELIVERY_DISABLED;
    what.status = 410;
    what.error = "gone";
    what.endpoint = "d";
    weir_txn_hook_record(&t, &e, &what);
    expect(&t, "MULTI\n"
               "HSET " HOOK " token 1000001 tries 2 status 410 error gone "
               "at 7\n"
               "HSET " HOOK " state disabled\n"
               "ZREM " HOOKS " " MEMBER "\n"
               "EXPIRE " HOOK " 345600\n"
               "SET weir:{0}:endpoint:d gone EX 604800\n"
               "DEL " LOCK "\n"
               "EXEC\n");

    weir_txn_hook_drop(&t, &e);
    expect(&t, "MULTI\nZREM " HOOKS " " MEMBER "\nDEL " LOCK "\nEXEC\n");

    weir_txn_hook_rest(&t, &e, 77);
    expect(&t, "MULTI\nZADD " HOOKS " XX 77 " MEMBER "\nDEL " LOCK "\nEXEC\n");

    weir_txn_hook_is_locked(&t, &e);
    expect(&t, "EXISTS " LOCK "\n");

    weir_txn_hook_redeliver(&t, &e, "d", 78);
    expect(&t, "MULTI\nDEL weir:{0}:endpoint:d\n"
               "HDEL " HOOK " state tries\n"
               "ZADD " HOOKS " 78 " MEMBER "\nEXEC\n");

    weir_txn_free(&t);
}


/* what an entry is worth: by what stands in run, job and delivery */

typedef struct {
    bool  read;
    bool  locked;
    bool  due;
} opened_t;


static void
opened_read(void *data, const weir_answer_t *a)
{
    opened_t      *o = data;
    weir_hook_t    h;
    weir_entry_t   e = entry(MEMBER);

    o->read = weir_txn_hook_read(a, &h);
    o->locked = h.locked;
    o->due = weir_hook_is_due(&h, &e);
}


#define NIL     "$-1\r\n"
#define JOB_    "*11\r\n$1\r\no\r\n$24\r\n" ID "\r\n" NIL NIL NIL NIL NIL NIL
#define WITH    JOB_ "$10\r\nhttps://h/\r\n$1\r\ns\r\n" NIL
#define BARE    JOB_ NIL NIL NIL
#define NONE    "*11\r\n" NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL
#define FIN(n, text)  "*2\r\n$3\r\nfin\r\n$" #n "\r\n" text "\r\n"
#define OURS    FIN(17, "completed:1000001")
#define EMPTY   "*0\r\n"
#define BODY(token)  "*4\r\n$5\r\ntoken\r\n$7\r\n" token "\r\n"               \
                     "$4\r\nbody\r\n$2\r\n{}\r\n"
#define OVER    "*4\r\n$5\r\ntoken\r\n$7\r\n1000001\r\n"                      \
                "$5\r\nstate\r\n$9\r\ndelivered\r\n"
#define BEGUN   "*2\r\n$5\r\ntoken\r\n$7\r\n1000001\r\n"


static void
test_open(void **state)
{
    char      resp[1024];
    size_t    i;
    opened_t  o;

    static const struct {
        const char  *name;
        const char  *reply;
        bool         due;
    } rows[] = {
        { "the winner's", WITH OURS EMPTY, true },
        { "a loser's", WITH FIN(17, "completed:1000002") EMPTY, false },
        { "cancelled in between", WITH FIN(15, "cancelled:owner") EMPTY,
          false },
        { "not final", WITH EMPTY EMPTY, false },
        { "no webhook", BARE OURS EMPTY, false },
        { "no job", NONE OURS EMPTY, false },
        { "begun, records gone", NONE EMPTY BODY("1000001"), true },
        { "begun by a loser", NONE EMPTY BODY("1000002"), false },
        { "over", WITH OURS OVER, false },
        { "again, to be made anew", WITH OURS BEGUN, true },
        { "again, records gone", NONE EMPTY BEGUN, false }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        snprintf(resp, sizeof(resp), "*4\r\n+OK\r\n%s", rows[i].reply);
        answer(resp, false, opened_read, &o);

        if (!o.read || !o.locked || o.due != rows[i].due) {
            fail_msg("%s", rows[i].name);
        }

        /* another holds it */

        snprintf(resp, sizeof(resp), "*4\r\n" NIL "%s", rows[i].reply);
        answer(resp, false, opened_read, &o);
        assert_true(o.read && !o.locked);

        /* a look takes none */

        snprintf(resp, sizeof(resp), "*3\r\n%s", rows[i].reply);
        answer(resp, false, opened_read, &o);
        assert_true(o.read && !o.locked && o.due == rows[i].due);
    }

    answer(NULL, false, opened_read, &o);
    assert_false(o.read || o.due);
    answer("*2\r\n+OK\r\n*0\r\n", false, opened_read, &o);
    assert_false(o.read || o.due);
}


static void
test_endpoint(void **state)
{
    char  one[WEIR_HOOK_DIGEST_MAX], two[WEIR_HOOK_DIGEST_MAX];

    (void) state;

    assert_int_equal(weir_hook_endpoint(weir_str("alice"),
                                        weir_str("https://h/"), one), 0);
    assert_int_equal(strlen(one), 32);
    assert_int_equal(weir_hook_endpoint(weir_str("bob"),
                                        weir_str("https://h/"), two), 0);
    assert_string_not_equal(one, two);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_endpoint)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
