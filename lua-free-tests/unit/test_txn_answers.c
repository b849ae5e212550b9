/*
 * The transactions of the answers that stay, likewise.
 */

#include "txn.h"
#include "weir_txn_ask.h"


#define ANSWER   "weir:{0}:answer:" QUESTION


static void
test_sweep(void **state)
{
    char        text[100];
    weir_txn_t  t;
    weir_str_t  questions[WEIR_ANSWERS_BATCH + 1] = {
        weir_str(QUESTION), weir_str("x")
    };

    (void) state;

    weir_txn_init(&t);
    weir_txn_sweep(&t, 0, "me", 900);
    expect(&t, "SET weir:{0}:sweep me NX PX 900\n");
    weir_txn_sweep_keep(&t, 0, 800);
    expect(&t, "PEXPIRE weir:{0}:sweep 800\n");
    weir_txn_answers(&t, 0, 100, 50);
    expect(&t, "ZRANGE weir:{0}:answers 100 149\n");
    weir_txn_answer(&t, 0, QUESTION);
    expect(&t, "GET " ANSWER "\n");

    weir_txn_answers_sizes(&t, 0, questions, 2);
    expect(&t, "MULTI\nSTRLEN " ANSWER "\nSTRLEN weir:{0}:answer:x\nEXEC\n");
    weir_txn_answers_heads(&t, 0, questions, 2);
    expect(&t, "MULTI\nGETRANGE " ANSWER " 0 1023\n"
               "GETRANGE weir:{0}:answer:x 0 1023\nEXEC\n");
    weir_txn_answers_drop(&t, 0, questions, 2);
    expect(&t, "MULTI\nDEL " ANSWER " weir:{0}:answer:x\n"
               "ZREM weir:{0}:answers " QUESTION " x\nEXEC\n");

    weir_txn_answers_drop(&t, 0, questions, 0);
    assert_true(t.out.failed);
    weir_txn_reset(&t);
    weir_txn_answers_drop(&t, 0, questions, WEIR_ANSWERS_BATCH + 1);
    assert_true(t.out.failed);
    weir_txn_reset(&t);

    memset(text, 'x', sizeof(text));
    questions[0] = (weir_str_t) { text, sizeof(text) };
    weir_txn_answers_sizes(&t, 0, questions, 1);
    assert_true(t.out.failed);
    weir_txn_free(&t);
}


static void
test_purge(void **state)
{
    size_t      i;
    weir_txn_t  t;

    static const struct {
        const char  *mark;
        bool         valid;
    } rows[] = {
        { "all", true },
        { "key:" QUESTION, true },
        { "owner:al", true },
        { "model:gpt 4", true },
        { "class:low", true },
        { "tag:x", true },
        { "", false },
        { "alle", false },
        { "key:", false },
        { "key:0123", false },
        { "key:" QUESTION "0", false },
        { "key:0123456789ABCDEF0123456789abcdef"
          "0123456789abcdef0123456789abcdef", false },
        { "owner:", false },
        { "owner:a\nb", false },
        { "model:\x7f", false },
        { "tag:a b", false },
        { "class:", false },
        { "other:a", false }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(weir_mark_valid(weir_str_of(rows[i].mark)),
                         rows[i].valid);
    }

    weir_txn_init(&t);
    weir_txn_purge(&t, 0, weir_str("model:m"), 7);
    expect(&t,
           "MULTI\n"
           "ZADD weir:{0}:marks GT 7 model:m\n"
           "EXPIRE weir:{0}:marks 2678400\n"
           "INCR weir:{0}:purgecount\n"
           "XADD weir:{0}:purges MAXLEN ~ 1000 * mark model:m at 7\n"
           "EXEC\n");

    weir_txn_purge(&t, 0, weir_str("nothing"), 7);
    assert_true(t.out.failed);
    weir_txn_reset(&t);

    weir_txn_purges(&t, 0, "5-1");
    expect(&t,
           "MULTI\n"
           "GET weir:{0}:purgecount\n"
           "XRANGE weir:{0}:purges (5-1 + COUNT 500\n"
           "EXEC\n");

    weir_txn_marks(&t, 0);
    expect(&t, "ZRANGE weir:{0}:marks 0 -1 WITHSCORES\n");
    weir_txn_marks_forget(&t, 0, 70);
    expect(&t, "ZREMRANGEBYSCORE weir:{0}:marks -inf (70\n");
    weir_txn_free(&t);
}


static void
place_read(void *data, const weir_answer_t *a)
{
    weir_str_t  id;

    id = weir_txn_place_read(a);
    snprintf(data, 128, "%.*s", (int) id.len, id.len ? id.data : "");
}


static void
test_place(void **state)
{
    char        text[128];
    weir_txn_t  t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_place(&t, 0, "abc");
    expect(&t, "MULTI\n"
               "SET weir:{0}:answersid abc NX\n"
               "GET weir:{0}:answersid\n"
               "EXEC\n");
    weir_txn_place_tell(&t, 0, "abc");
    expect(&t, "SET weir:{0}:answersat abc EX 3600 GET\n");
    weir_txn_place_told(&t, 0);
    expect(&t, "GET weir:{0}:answersat\n");
    weir_txn_place_look(&t, 0);
    expect(&t, "GET weir:{0}:answersid\n");
    weir_txn_free(&t);

    answer("*2\r\n$-1\r\n$2\r\nxy\r\n", true, place_read, text);
    assert_string_equal(text, "xy");
    answer("*2\r\n+OK\r\n$-1\r\n", true, place_read, text);
    assert_string_equal(text, "");
    answer("-OOM x\r\n", true, place_read, text);
    assert_string_equal(text, "");
}


static void
purges_read(void *data, const weir_answer_t *a)
{
    char        *text = data;
    size_t       i, n;
    int64_t      count, at;
    weir_str_t   entry, mark;

    text[0] = '\0';

    if (!weir_txn_purges_read(a, &count)) {
        return;
    }

    n = (size_t) snprintf(text, 128, "%lld", (long long) count);

    for (i = 0; weir_txn_purges_at(a, i, &entry, &mark, &at); i++) {
        n += (size_t) snprintf(text + n, 128 - n, " %.*s=%.*s@%lld",
                               (int) entry.len, entry.data, (int) mark.len,
                               mark.len ? mark.data : "", (long long) at);
    }
}


#define PURGE(n, mark, m, at)                                                 \
    "*2\r\n$3\r\n5-1\r\n*4\r\n$4\r\nmark\r\n$" n "\r\n" mark "\r\n"            \
    "$2\r\nat\r\n$" m "\r\n" at "\r\n"

static void
test_purges(void **state)
{
    char    text[128];
    size_t  i;

    static const struct {
        const char  *resp;
        const char  *text;
    } rows[] = {
        { "*2\r\n$2\r\n12\r\n*1\r\n" PURGE("3", "all", "2", "70"),
          "12 5-1=all@70" },
        { "*2\r\n$-1\r\n*0\r\n", "0" },
        { "*2\r\n$1\r\n1\r\n*1\r\n" PURGE("3", "xyz", "2", "70"), "1 5-1=@0" },
        { "*2\r\n$1\r\n1\r\n*1\r\n" PURGE("3", "all", "1", "x"), "1 5-1=@0" },
        { "*2\r\n$1\r\nx\r\n*0\r\n", "" },
        { "*2\r\n$1\r\n1\r\n$1\r\nx\r\n", "" },
        { "*1\r\n$1\r\n1\r\n", "" },
        { "*-1\r\n", "" },
        { "-OOM x\r\n", "" },
        { NULL, "" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        answer(rows[i].resp, true, purges_read, text);
        assert_string_equal(text, rows[i].text);
    }
}


static void
marks_read(void *data, const weir_answer_t *a)
{
    char        *text = data;
    size_t       i, n;
    int64_t      at;
    weir_str_t   mark;

    text[0] = '\0';
    n = 0;

    for (i = 0; weir_txn_marks_at(a, i, &mark, &at); i++) {
        n += (size_t) snprintf(text + n, 128 - n, "%.*s@%lld ", (int) mark.len,
                               mark.len ? mark.data : "", (long long) at);
    }
}


static void
marked_read(void *data, const weir_answer_t *a)
{
    char      *text = data;
    size_t     n;
    unsigned   i;

    n = 0;

    for (i = 0; i < 3; i++) {
        n += (size_t) snprintf(text + n, 128 - n, "%lld ",
                               (long long) weir_txn_marked_at(a, i));
    }
}


static void
test_marks(void **state)
{
    char         text[128];
    weir_ask_t   asks[2] = {
        { .question = QUESTION, .owner = { "al", 2 }, .model = { "m", 1 },
          .labels = { "class:a tag:b", 13 } },
        { .question = QUESTION }
    };
    weir_txn_t   t;

    (void) state;

    weir_txn_init(&t);
    weir_txn_marked(&t, asks, 2);
    expect(&t,
           "MULTI\n"
           "ZMSCORE weir:{0}:marks all key:" QUESTION
           " owner:al model:m class:a tag:b\n"
           "ZMSCORE weir:{0}:marks all key:" QUESTION " owner: model:\n"
           "EXEC\n");
    weir_txn_free(&t);

    answer("*3\r\n*3\r\n$-1\r\n$13\r\n1795228071123\r\n$1\r\n9\r\n"
           "*1\r\n$7\r\n1.8e+12\r\n*1\r\n$-1\r\n", true, marked_read, text);
    assert_string_equal(text, "1795228071123 1800000000000 0 ");

    answer("*4\r\n$3\r\nall\r\n$2\r\n60\r\n$5\r\ntag:b\r\n$7\r\n1.8e+12\r\n",
           false, marks_read, text);
    assert_string_equal(text, "all@60 tag:b@1800000000000 ");

    answer("-OOM x\r\n", false, marks_read, text);
    assert_string_equal(text, "");
    answer("*0\r\n", false, marks_read, text);
    assert_string_equal(text, "");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_purge),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_purges),
        cmocka_unit_test(test_marks)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
