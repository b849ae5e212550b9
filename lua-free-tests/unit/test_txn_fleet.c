/*
 * The transactions of a fleet of workers: what they send, and how their answers
 * are read.
 */

#include "txn.h"


#define ID2    "00BBBBBBBBBBBBBBBBBBBBBB"
#define RUN2   "weir:{0}:run:" ID2
#define READY  "weir:{0}:ready:normal"


static void
test_control(void **state)
{
    weir_txn_t  t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_control_newest(&t, 0);
    expect(&t, "XREVRANGE weir:{0}:control + - COUNT 1\n");

    weir_txn_control_read(&t, 0, "5-1", 1000, 2000);
    expect(&t,
           "XREAD COUNT 1000 BLOCK 2000 STREAMS weir:{0}:control 5-1\n");

    weir_txn_paused(&t, 0);
    expect(&t, "GET weir:{0}:paused\n");
    weir_txn_free(&t);
}


typedef struct {
    unsigned    i;
    bool        known;
    char        fin[64];
    long long   deliveries;
    long long   readers;
} held_t;


static void
held_read(void *data, const weir_answer_t *a)
{
    held_t      *h = data;
    weir_str_t   fin;

    h->readers = weir_txn_held_readers(a, 2, 0);
    h->known = weir_txn_held_read(a, h->i, &fin, &h->deliveries);

    if (h->known) {
        snprintf(h->fin, sizeof(h->fin), "%.*s", (int) fin.len,
                 fin.data ? fin.data : "");
    }
}


static void
test_held(void **state)
{
    size_t      i;
    held_t      h;
    weir_txn_t  t;

    static const weir_held_t  both[] = { { ID, "5-1", false },
                                         { ID2, "6-0", true } };

    static const struct {
        unsigned     i;
        const char  *resp;
        bool         known;
        const char  *fin;
        long long    deliveries;
    } rows[] = {
        { 0, "*2\r\n*2\r\n$-1\r\n$1\r\n1\r\n*2\r\n$3\r\na:b\r\n$-1\r\n", true,
          "", 1 },
        { 1, "*2\r\n*2\r\n$-1\r\n$1\r\n1\r\n*2\r\n$3\r\na:b\r\n$-1\r\n", true,
          "a:b", 0 },
        { 2, "*2\r\n*2\r\n$-1\r\n$1\r\n1\r\n*2\r\n$3\r\na:b\r\n$-1\r\n", false,
          "", 0 },
        { 0, "*2\r\n-WRONGTYPE x\r\n*2\r\n$-1\r\n$2\r\n12\r\n", false, "", 0 },
        { 1, "*2\r\n-WRONGTYPE x\r\n*2\r\n$-1\r\n$2\r\n12\r\n", true, "", 12 },
        { 0, "*1\r\n*3\r\n$-1\r\n$-1\r\n$-1\r\n", false, "", 0 },
        { 0, "*-1\r\n", false, "", 0 },
        { 0, "-LOADING x\r\n", false, "", 0 },
        { 0, NULL, false, "", 0 },
    };

    (void) state;

    weir_txn_init(&t);
    weir_txn_held(&t, 0, both, 2, 77);
    expect(&t,
           "MULTI\n"
           "HMGET " RUN " fin n:5-1\n"
           "HMGET " RUN2 " fin n:6-0\n"
           "ZCOUNT weir:{0}:readers:" ID2 " 77 +inf\n"
           "EXEC\n");
    weir_txn_free(&t);

    for (i = 0; i < ROWS(rows); i++) {
        h.i = rows[i].i;
        answer(rows[i].resp, true, held_read, &h);
        assert_int_equal(h.known, rows[i].known);

        if (h.known) {
            assert_string_equal(h.fin, rows[i].fin);
            assert_int_equal(h.deliveries, rows[i].deliveries);
        }
    }
}


static void
test_held_readers(void **state)
{
    held_t  h = { 0 };
    size_t  i;

    static const struct {
        const char  *resp;
        long long    readers;
    } rows[] = {
        { "*3\r\n*2\r\n$-1\r\n$-1\r\n*2\r\n$-1\r\n$-1\r\n:3\r\n", 3 },
        { "*3\r\n*2\r\n$-1\r\n$-1\r\n*2\r\n$-1\r\n$-1\r\n:0\r\n", 0 },
        { "*3\r\n*2\r\n$-1\r\n$-1\r\n*2\r\n$-1\r\n$-1\r\n-WRONGTYPE\r\n",
          -1 },
        { "*2\r\n*2\r\n$-1\r\n$-1\r\n*2\r\n$-1\r\n$-1\r\n", -1 },
        { NULL, -1 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        answer(rows[i].resp, true, held_read, &h);
        assert_int_equal(h.readers, rows[i].readers);
    }
}


static void
test_hand_back(void **state)
{
    weir_txn_t  t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_hand_back(&t, 0, ID, "host-0", WEIR_NORMAL, "5-1", 30000);
    expect(&t,
           "MULTI\n"
           "HINCRBY " RUN " back 1\n"
           "XCLAIM " READY " weir host-0 0 5-1 IDLE 30000 JUSTID\n"
           "EXEC\n");
    weir_txn_free(&t);
}


static void
consumers_read(void *data, const weir_answer_t *a)
{
    size_t      i;
    long long   pending, *sum = data;
    weir_str_t  name;

    *sum = 0;

    for (i = 0; i < 4; i++) {
        if (weir_txn_consumers_read(a, i, &name, &pending)) {
            assert_true(weir_str_eq(name, weir_str("a-0"))
                        || weir_str_eq(name, weir_str("b")));
            *sum += pending;
        }
    }
}


static void
test_consumers(void **state)
{
    long long  sum;

    (void) state;

    answer("*2\r\n*6\r\n$4\r\nname\r\n$3\r\na-0\r\n$7\r\npending\r\n:12\r\n"
           "$4\r\nidle\r\n:7\r\n"
           "*8\r\n$4\r\nname\r\n$1\r\nb\r\n$4\r\nidle\r\n:7\r\n"
           "$7\r\npending\r\n:3\r\n$8\r\ninactive\r\n:9\r\n",
           false, consumers_read, &sum);
    assert_int_equal(sum, 15);

    answer("*1\r\n*2\r\n$4\r\nidle\r\n:7\r\n", false, consumers_read, &sum);
    assert_int_equal(sum, 0);

    answer("-ERR no such key\r\n", false, consumers_read, &sum);
    assert_int_equal(sum, 0);

    answer(NULL, false, consumers_read, &sum);
    assert_int_equal(sum, 0);
}


static void
test_take_over(void **state)
{
    unsigned    i;
    weir_str_t  many[WEIR_BATCH + 1];
    weir_txn_t  t;

    static const char *const  names[] = { "a-0", "b-1" };

    (void) state;

    weir_txn_init(&t);
    weir_txn_reap(&t, 0, "host-0", 900);
    expect(&t, "SET weir:{0}:reap host-0 NX PX 900\n");

    weir_txn_consumers(&t, 0, WEIR_NORMAL);
    expect(&t, "XINFO CONSUMERS " READY " weir\n");

    weir_txn_alive(&t, 0, names, 2);
    expect(&t, "MGET weir:{0}:live:a-0 weir:{0}:live:b-1\n");

    weir_txn_pending_of(&t, 0, WEIR_NORMAL, "a-0", 4000, 100);
    expect(&t, "XPENDING " READY " weir IDLE 4000 - + 100 a-0\n");

    for (i = 0; i < ROWS(many); i++) {
        many[i] = weir_str("5-1");
    }

    weir_txn_take_over(&t, 0, "host-0", WEIR_NORMAL, 4000, many, 2);
    expect(&t, "XCLAIM " READY " weir host-0 4000 5-1 5-1\n");

    /* never more than fits */

    weir_txn_take_over(&t, 0, "host-0", WEIR_NORMAL, 4000, many, ROWS(many));
    assert_false(t.out.failed);
    assert_int_equal(t.replies, 1);
    weir_txn_free(&t);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_held_readers),
        cmocka_unit_test(test_hand_back),
        cmocka_unit_test(test_consumers),
        cmocka_unit_test(test_take_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
