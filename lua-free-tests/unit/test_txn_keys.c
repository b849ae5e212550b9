/*
 * The transactions of the key store, likewise.
 */

#include "txn.h"
#include "weir_apikey.h"
#include "weir_txn_keys.h"


#define KEY    "weir:{keys}:key:abcdefABCDEF"
#define KEY2   "weir:{keys}:key:000000000000"
#define ID1    weir_str("abcdefABCDEF")
#define ID2    weir_str("000000000000")


static void
test_units(void **state)
{
    weir_txn_t        t;
    const weir_str_t  ids[] = { ID1, ID2 };
    const weir_str_t  lines[] = { weir_str("one"), weir_str("two") };

    (void) state;
    weir_txn_init(&t);

    weir_txn_key_get(&t, ID1);
    expect(&t, "GET " KEY "\n");

    weir_txn_keys_get(&t, ids, 2);
    expect(&t, "MGET " KEY " " KEY2 "\n");

    weir_txn_keys_watch(&t, ids, 1);
    expect(&t, "WATCH " KEY "\nMGET " KEY "\n");

    weir_txn_keys_put(&t, ids, lines, 2);
    expect(&t, "MULTI\n"
               "SET " KEY " one\n"
               "SADD weir:{keys}:ids abcdefABCDEF\n"
               "INCR weir:{keys}:changes\n"
               "XADD weir:{keys}:news MAXLEN ~ 1000 * id abcdefABCDEF\n"
               "SET " KEY2 " two\n"
               "SADD weir:{keys}:ids 000000000000\n"
               "INCR weir:{keys}:changes\n"
               "XADD weir:{keys}:news MAXLEN ~ 1000 * id 000000000000\n"
               "EXEC\n");

    weir_txn_key_ids(&t, weir_str("17"), 100);
    expect(&t, "SSCAN weir:{keys}:ids 17 COUNT 100\n");

    weir_txn_news(&t, "5-1");
    expect(&t, "MULTI\n"
               "GET weir:{keys}:changes\n"
               "XRANGE weir:{keys}:news (5-1 + COUNT 500\n"
               "EXEC\n");

    weir_txn_free(&t);
}


/* as many as go into one, and none at all */

static void
test_batch(void **state)
{
    char        text[WEIR_KEYS_BATCH][WEIR_KEY_ID_LEN + 1];
    unsigned    i;
    weir_txn_t  t;
    weir_str_t  ids[WEIR_KEYS_BATCH];

    (void) state;

    for (i = 0; i < WEIR_KEYS_BATCH; i++) {
        snprintf(text[i], sizeof(text[i]), "%012u", i);
        ids[i] = weir_str_of(text[i]);
    }

    weir_txn_init(&t);
    weir_txn_keys_watch(&t, ids, WEIR_KEYS_BATCH);
    expect_has(&t, " weir:{keys}:key:000000000099\nMGET "
                   "weir:{keys}:key:000000000000 ");

    weir_txn_keys_get(&t, ids, WEIR_KEYS_BATCH + 1);
    assert_true(t.out.failed);
    weir_txn_free(&t);

    weir_txn_init(&t);
    weir_txn_keys_get(&t, ids, 0);
    assert_true(t.out.failed);
    weir_txn_free(&t);
}


typedef struct {
    bool     ok;
    int64_t  changes;
    char     news[256];
} news_t;


static void
read_news(void *data, const weir_answer_t *a)
{
    news_t      *n = data;
    size_t       i;
    weir_str_t   entry, id;

    n->ok = weir_txn_news_read(a, &n->changes);

    for (i = 0; weir_txn_news_at(a, i, &entry, &id); i++) {
        snprintf(n->news + strlen(n->news), sizeof(n->news) - strlen(n->news),
                 "%.*s=%.*s ", (int) entry.len, entry.data, (int) id.len,
                 id.len ? id.data : "");
    }
}


static news_t
news(const char *resp)
{
    news_t  n = { 0 };

    answer(resp, true, read_news, &n);

    return n;
}


static void
test_news(void **state)
{
    news_t  n;

    (void) state;

    n = news("*2\r\n$1\r\n2\r\n*2\r\n"
             "*2\r\n$3\r\n1-0\r\n*2\r\n$2\r\nid\r\n$12\r\nabcdefABCDEF\r\n"
             "*2\r\n$3\r\n1-1\r\n*4\r\n$1\r\nx\r\n$1\r\ny\r\n"
             "$2\r\nid\r\n$12\r\n000000000000\r\n");
    assert_true(n.ok);
    assert_int_equal(n.changes, 2);
    assert_string_equal(n.news, "1-0=abcdefABCDEF 1-1=000000000000 ");

    /* nothing ever happened */

    n = news("*2\r\n$-1\r\n*0\r\n");
    assert_true(n.ok);
    assert_int_equal(n.changes, 0);
    assert_string_equal(n.news, "");

    /* entries of another form are counted, and name nobody */

    n = news("*2\r\n$1\r\n3\r\n*3\r\n"
             "*2\r\n$3\r\n1-0\r\n*2\r\n$2\r\nid\r\n$3\r\nabc\r\n"
             "*2\r\n$3\r\n1-1\r\n*2\r\n$2\r\nid\r\n$12\r\nabcdefABCDE:\r\n"
             "*2\r\n$3\r\n1-2\r\n*0\r\n");
    assert_true(n.ok);
    assert_string_equal(n.news, "1-0= 1-1= 1-2= ");

    /* no answer, an error, a transaction that was not executed */

    assert_false(news(NULL).ok);
    assert_false(news("-LOADING x\r\n").ok);
    assert_false(news("*-1\r\n").ok);
    assert_false(news("*1\r\n$1\r\n2\r\n").ok);
    assert_false(news("*2\r\n$1\r\n2\r\n$1\r\nx\r\n").ok);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_news)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
