/*
 * What the tests of transactions share: commands parsed back, and answers
 * handed to a reader.
 */

#ifndef TXN_H
#define TXN_H


#include "unit.h"
#include "weir_txn.h"


#define ID    "00AAAAAAAAAAAAAAAAAAAAAA"
#define JOB   "weir:{0}:job:" ID
#define RUN   "weir:{0}:run:" ID
#define REQ   "weir:{0}:request:" ID
#define WAIT  "weir:{0}:waiting:" ID
#define LINE  "weir:{0}:deadline"
#define DUE   "weir:{0}:settle"
#define FADE  "EXPIRE weir:{0}:events:" ID " 600 LT\n"
#define OTHER "00BBBBBBBBBBBBBBBBBBBBBB"
#define QUESTION "0123456789abcdef0123456789abcdef"                        \
                 "0123456789abcdef0123456789abcdef"


/* RESP back to lines of words */

static inline char *
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


static inline void
expect_has(weir_txn_t *t, const char *line)
{
    char  *got;

    got = plain(t);
    assert_non_null(strstr(got, line));

    free(got);
    weir_txn_reset(t);
}


static inline void
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

static inline void
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


#endif /* TXN_H */
