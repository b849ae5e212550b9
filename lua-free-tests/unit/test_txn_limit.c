/*
 * The transactions of limits over the fleet, reservations and settlement.
 */

#include "txn.h"
#include "weir_txn_limit.h"


#define HEX     "00000000000000000000000000000001"
#define RPM     "weir:{0}:limit:rpm:" HEX
#define SLOTS   "weir:{0}:slots:jobs:" HEX
#define HOLD    "weir:{0}:hold:" ID
#define SETTLE  "weir:{0}:settle"


static const weir_charge_t  tokens = {
    .unit = WEIR_UNIT_TOKENS, .name = { "rpm:" HEX, 36 }, .units = 500,
    .at = 77, .level = 88,
    .limit = { .form = WEIR_LIMIT_RATE, .amount = 1000, .period = 60000000,
               .capacity = 2000 }
};


static void
test_decide(void **state)
{
    weir_txn_t          t;
    weir_limit_state_t  s = { .level = 5, .at = 9 };

    (void) state;

    weir_txn_init(&t);
    weir_txn_limits_watch(&t, 0, (weir_str_t[]) { weir_str("rpm:" HEX),
                                                  weir_str("x:" HEX) }, 2);
    expect(&t,
           "WATCH " RPM " weir:{0}:limit:x:" HEX "\n"
           "MGET " RPM " weir:{0}:limit:x:" HEX "\n");

    weir_txn_slots_watch(&t, 0, weir_str("jobs:" HEX), 7);
    expect(&t,
           "WATCH " SLOTS "\n"
           "ZCOUNT " SLOTS " 8 +inf\n");

    weir_txn_limits_begin(&t);
    weir_txn_limits_set(&t, 0, weir_str("rpm:" HEX), &s, 40);
    weir_txn_slots_take(&t, 0, weir_str("jobs:" HEX), ID, 3, 50);
    weir_txn_limits_end(&t);
    expect(&t,
           "MULTI\n"
           "SET " RPM " 5 9 PX 60040\n"
           "ZREMRANGEBYSCORE " SLOTS " -inf 3\n"
           "ZADD " SLOTS " 50 " ID "\n"
           "PEXPIREAT " SLOTS " 60050 NX\n"
           "PEXPIREAT " SLOTS " 60050 GT\n"
           "EXEC\n");

    weir_txn_slots_leave(&t, 0, weir_str("jobs:" HEX), ID);
    weir_txn_slots_renew(&t, 0, weir_str("jobs:" HEX), ID, 60);
    expect(&t,
           "ZREM " SLOTS " " ID "\n"
           "ZADD " SLOTS " XX 60 " ID "\n"
           "PEXPIREAT " SLOTS " 60060 NX\n"
           "PEXPIREAT " SLOTS " 60060 GT\n");
    weir_txn_free(&t);
}


static void
test_too_many(void **state)
{
    unsigned     i;
    weir_txn_t   t;
    weir_str_t   names[WEIR_LIMITS_BATCH + 1];
    weir_hold_t  h = { .run = ID, .n = WEIR_HOLD_CHARGES + 1 };

    (void) state;

    for (i = 0; i <= WEIR_LIMITS_BATCH; i++) {
        names[i] = weir_str("rpm:" HEX);
    }

    weir_txn_init(&t);
    weir_txn_limits_watch(&t, 0, names, WEIR_LIMITS_BATCH);
    assert_false(t.out.failed);

    weir_txn_limits_watch(&t, 0, names, WEIR_LIMITS_BATCH + 1);
    assert_true(t.out.failed);
    weir_txn_free(&t);

    weir_txn_init(&t);
    weir_txn_limits_hold(&t, &h);
    assert_true(t.out.failed);
    weir_txn_free(&t);
}


typedef struct {
    unsigned            i;
    bool                found;
    weir_limit_state_t  s;
} states_t;


static void
read_states(void *data, const weir_answer_t *a)
{
    states_t  *st = data;

    st->found = weir_txn_limits_read(a, st->i, &st->s);
}


static void
test_states(void **state)
{
    unsigned  i;

    static const struct {
        bool     found;
        int64_t  level, at;
    } want[] = { { true, 5, 9 }, { false, 0, 0 }, { false, 0, 0 },
                 { false, 0, 0 } };

    (void) state;

    for (i = 0; i < 4; i++) {
        states_t  st = { .i = i };

        answer("*3\r\n$3\r\n5 9\r\n$-1\r\n$4\r\nrust\r\n", false, read_states,
               &st);
        assert_int_equal(st.found, want[i].found);
        assert_int_equal(st.s.level, want[i].level);
        assert_int_equal(st.s.at, want[i].at);
    }
}


static void
test_hold(void **state)
{
    weir_txn_t   t;
    weir_hold_t  h = { .run = ID, .owner = weir_str("al"), .by = 100, .n = 1 };

    (void) state;

    h.charges[0] = tokens;

    weir_txn_init(&t);
    weir_txn_limits_hold(&t, &h);
    expect(&t,
           "HSET " HOLD " owner al by 100\n"
           "HSET " HOLD " charge:0 1 1 1000 60000000 2000 0 500 77 88 rpm:" HEX
           "\n"
           "ZADD " SETTLE " 5100 " ID "\n");

    weir_txn_settle_later(&t, 0, ID, 9);
    weir_txn_settle_due(&t, 0, 10, 32);
    weir_txn_settle_watch(&t, 0, ID);
    weir_txn_settle_run(&t, 0, ID);
    weir_txn_settle_job(&t, 0, ID);
    weir_txn_settle_hold(&t, 0, ID);
    expect(&t,
           "ZADD " SETTLE " XX 9 " ID "\n"
           "ZRANGEBYSCORE " SETTLE " -inf 10 WITHSCORES LIMIT 0 32\n"
           "WATCH " RUN " " HOLD "\n"
           "HGETALL " RUN "\n"
           "HGET " JOB " owner\n"
           "HGETALL " HOLD "\n");
    weir_txn_free(&t);
}


static void
read_run(void *data, const weir_answer_t *a)
{
    assert_true(weir_txn_settle_run_read(a, data));
}


static void
read_job(void *data, const weir_answer_t *a)
{
    assert_true(weir_txn_settle_job_read(a, data));
}


static void
read_hold(void *data, const weir_answer_t *a)
{
    assert_true(weir_txn_settle_hold_read(a, data));
}


/* Others have ended it: what the last one used who had it in hand. */

static void
test_settle_cut(void **state)
{
    size_t         i;
    weir_settle_t  s;

    static const struct {
        const char  *resp;
        bool         cut;
        bool         reported;
        long long    input;
    } rows[] = {
#define CUT(n, fin, more)                                                     \
    "*" n "\r\n$3\r\ngen\r\n$1\r\n1\r\n$3\r\nfin\r\n" fin                  \
    "$6\r\nfin_at\r\n$2\r\n20\r\n" more
#define LEFT     "$14\r\ncancelled:left\r\n"
#define STARTED  "$5\r\nrun:1\r\n$3\r\n5-1\r\n$7\r\nstarted\r\n$2\r\n20\r\n"

        { CUT("6", LEFT, ""), false, false, 0 },
        { CUT("10", LEFT, STARTED), true, false, 0 },
        { CUT("12", LEFT, STARTED "$13\r\nusage:1000001\r\n$5\r\n7 8 9\r\n"),
          true, true, 7 },
        { CUT("14", LEFT, STARTED "$13\r\nusage:1000002\r\n$5\r\n1 1 1\r\n"
          "$13\r\nusage:1000001\r\n$5\r\n7 8 9\r\n"), true, true, 1 },
        { CUT("12", LEFT, STARTED "$13\r\nusage:1000001\r\n$5\r\n0 0 0\r\n"),
          true, true, 0 },
        { CUT("10", LEFT, "$5\r\nrun:1\r\n$3\r\n5-1\r\n$7\r\nstarted\r\n"
          "$2\r\n21\r\n"), false, false, 0 },
        { CUT("10", LEFT, "$5\r\nrun:2\r\n$3\r\n5-1\r\n$7\r\nstarted\r\n"
          "$2\r\n20\r\n"), false, false, 0 },
        { CUT("12", "$14\r\ncancelled:edge\r\n", STARTED
          "$13\r\nusage:1000001\r\n$5\r\n7 8 9\r\n"), false, false, 0 },
        { CUT("12", "$14\r\nfailed:1000002\r\n", STARTED
          "$13\r\nusage:1000001\r\n$5\r\n7 8 9\r\n"), false, false, 0 },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        weir_settle_init(&s);
        answer(rows[i].resp, false, read_run, &s);

        if (s.cut != rows[i].cut || s.reported != rows[i].reported
            || s.input_tokens != rows[i].input)
        {
            fail_msg("row %zu", i);
        }
    }
}


static void
test_settle(void **state)
{
    weir_txn_t     t;
    weir_settle_t  s;

    (void) state;

    weir_settle_init(&s);

    answer("*10\r\n$3\r\ngen\r\n$1\r\n1\r\n"
           "$3\r\nfin\r\n$17\r\ncompleted:1000001\r\n"
           "$6\r\nfin_at\r\n$13\r\n1582934400000\r\n"
           "$13\r\nusage:1000001\r\n$8\r\n12 34 56\r\n"
           "$13\r\nusage:1000002\r\n$5\r\n1 1 1\r\n", false, read_run, &s);
    answer("$2\r\nal\r\n", false, read_job, &s);
    answer("*8\r\n$5\r\nowner\r\n$3\r\nbob\r\n$2\r\nby\r\n$3\r\n100\r\n"
           "$8\r\ncharge:0\r\n"
           "$71\r\n1 1 1000 60000000 2000 0 500 77 88 rpm:" HEX "\r\n"
           "$8\r\ncharge:1\r\n$4\r\nrust\r\n", false, read_hold, &s);

    assert_true(s.found && s.hold && s.reported && s.counts && !s.settled);
    assert_int_equal(s.state, WEIR_COMPLETED);
    assert_int_equal(s.input_tokens, 12);
    assert_int_equal(s.output_tokens, 34);
    assert_int_equal(s.cost, 56);
    assert_true(weir_str_eq(s.owner, weir_str("al")));
    assert_int_equal(s.h.by, 100);
    assert_int_equal(s.h.n, 1);
    assert_int_equal(s.h.charges[0].unit, WEIR_UNIT_TOKENS);
    assert_int_equal(s.h.charges[0].units, 500);
    assert_int_equal(s.h.charges[0].at, 77);
    assert_int_equal(s.h.charges[0].level, 88);
    assert_int_equal(s.h.charges[0].limit.capacity, 2000);
    assert_true(weir_str_eq(s.h.charges[0].name, tokens.name));

    weir_txn_init(&t);
    weir_txn_settle_done(&t, 0, ID, &s);
    expect(&t,
           "DEL " HOLD "\n"
           "HSET " RUN " settled 1\n");

    /* once only; and nothing of what is not over, or never was */

    s.settled = true;
    weir_txn_settle_done(&t, 0, ID, &s);
    expect(&t, "DEL " HOLD "\n");

    s.settled = s.found = false;
    weir_txn_settle_done(&t, 0, ID, &s);
    expect(&t, "DEL " HOLD "\n");

    s.found = true;
    s.hold = false;
    s.state = WEIR_IN_PROGRESS;
    weir_txn_settle_done(&t, 0, ID, &s);
    expect(&t, "");

    weir_txn_settle_off(&t, 0, (weir_str_t[]) { weir_str(ID), weir_str("b") },
                        2);
    expect(&t, "ZREM " SETTLE " " ID " b\n");
    weir_txn_free(&t);
}


static void
test_used(void **state)
{
    weir_txn_t    t;
    weir_usage_t  u = { weir_str("al"), "20200229", 1, 12, 34, 56 };

    (void) state;

    weir_txn_init(&t);
    weir_txn_settle_used(&t, 0, &u);
    expect(&t,
           "HINCRBY weir:{0}:usage:20200229 al:jobs 1\n"
           "HINCRBY weir:{0}:usage:20200229 al:input 12\n"
           "HINCRBY weir:{0}:usage:20200229 al:output 34\n"
           "HINCRBY weir:{0}:usage:20200229 al:cost 56\n"
           "EXPIRE weir:{0}:usage:20200229 34560000\n");

    u.input_tokens = u.output_tokens = u.cost = 0;
    weir_txn_settle_used(&t, 0, &u);
    expect(&t,
           "HINCRBY weir:{0}:usage:20200229 al:jobs 1\n"
           "EXPIRE weir:{0}:usage:20200229 34560000\n");
    weir_txn_free(&t);
}


/* what counts as a job, and what is a word about usage */

static void
test_ends(void **state)
{
    size_t         i;
    weir_settle_t  s;

    static const struct {
        const char  *resp;
        bool         counts;
        bool         reported;
    } rows[] = {
        { "*4\r\n$3\r\ngen\r\n$1\r\n1\r\n"
          "$3\r\nfin\r\n$15\r\ncancelled:owner\r\n", true, false },
        { "*4\r\n$3\r\ngen\r\n$1\r\n1\r\n"
          "$3\r\nfin\r\n$14\r\ncancelled:edge\r\n", false, false },
        { "*4\r\n$3\r\ngen\r\n$1\r\n1\r\n"
          "$3\r\nfin\r\n$14\r\ncancelled:late\r\n", false, false },
        { "*2\r\n$3\r\nfin\r\n$14\r\nexpired:reaper\r\n", false, false },
        { "*6\r\n$3\r\ngen\r\n$1\r\n1\r\n"
          "$3\r\nfin\r\n$11\r\ncompleted:7\r\n"
          "$7\r\nusage:7\r\n$5\r\n0 0 0\r\n", true, true },
        { "*6\r\n$3\r\ngen\r\n$1\r\n1\r\n"
          "$3\r\nfin\r\n$11\r\ncompleted:7\r\n"
          "$7\r\nusage:8\r\n$5\r\n1 1 1\r\n", true, false },
        { "*6\r\n$3\r\ngen\r\n$1\r\n1\r\n"
          "$3\r\nfin\r\n$11\r\ncompleted:7\r\n"
          "$7\r\nusage:7\r\n$6\r\n1 1 -1\r\n", true, false }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        weir_settle_init(&s);
        answer(rows[i].resp, false, read_run, &s);
        assert_int_equal(s.counts, rows[i].counts);
        assert_int_equal(s.reported, rows[i].reported);
        assert_int_equal(s.input_tokens, 0);
    }
}


static void
test_nothing(void **state)
{
    weir_settle_t  s;

    (void) state;

    weir_settle_init(&s);

    answer("*0\r\n", false, read_run, &s);
    answer("$-1\r\n", false, read_job, &s);
    answer("*0\r\n", false, read_hold, &s);

    assert_false(s.found || s.hold || s.settled);
    assert_int_equal(s.owner.len, 0);
    assert_int_equal(s.h.n, 0);
}


static void
read_used(void *data, const weir_answer_t *a)
{
    assert_int_equal(weir_txn_used_read(a, data), a->code == WEIR_ANSWER_OK
                     && weir_reply_str(a->reply).len == 5);
}


static void
test_run_used(void **state)
{
    weir_txn_t     t;
    weir_settle_t  s;

    (void) state;

    weir_txn_init(&t);
    weir_txn_used(&t, 0, ID, weir_str("1000001"));
    expect(&t, "HGET " RUN " usage:1000001\n");
    weir_txn_free(&t);

    answer("$5\r\n7 8 9\r\n", false, read_used, &s);
    assert_int_equal(s.input_tokens, 7);
    assert_int_equal(s.output_tokens, 8);
    assert_int_equal(s.cost, 9);

    answer("$-1\r\n", false, read_used, &s);
    answer("$4\r\n7 8 \r\n", false, read_used, &s);
    answer("-ERR no\r\n", false, read_used, &s);
}


static void
test_usage(void **state)
{
    weir_str_t  owner, what;

    (void) state;

    assert_true(weir_usage_field(weir_str("al:cost"), &owner, &what));
    assert_true(weir_str_eq(owner, weir_str("al")));
    assert_true(weir_str_eq(what, weir_str("cost")));
    assert_false(weir_usage_field(weir_str("al"), &owner, &what));
    assert_false(weir_usage_field(weir_str(":cost"), &owner, &what));
    assert_false(weir_usage_field(weir_str("al:"), &owner, &what));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_decide),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_settle_cut),
        cmocka_unit_test(test_settle),
        cmocka_unit_test(test_used),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_run_used),
        cmocka_unit_test(test_usage)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
