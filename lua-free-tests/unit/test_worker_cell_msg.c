/*
 * The frames between a runner and its cells: whole, in pieces, and not at all.
 */

/* with: worker/cell_msg.c worker/mem.c */

#include "unit.h"
#include "cell_msg.h"

#include <unistd.h>
#include <sys/socket.h>


typedef struct {
    int            to;
    int            from;
    cell_reader_t  in;
} pair_t;


static void
pair_open(pair_t *p, size_t max)
{
    int  fds[2];

    memset(p, 0, sizeof(pair_t));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);

    p->to = fds[0];
    p->from = fds[1];
    p->in.max = max;
}


static void
pair_close(pair_t *p)
{
    close(p->to);
    close(p->from);
    cell_reader_free(&p->in);
}


static void
pair_write(pair_t *p, const void *data, size_t n)
{
    assert_int_equal(write(p->to, data, n), (ssize_t) n);
}


static void
fill_answer(cell_answer_t *a)
{
    memset(a, 0, sizeof(cell_answer_t));
    a->verdict = PROVIDER_AGAIN;
    a->provider = SIZE_MAX;
    snprintf(a->error.message, sizeof(a->error.message), "no");
}


static void
test_round(void **state)
{
    pair_t         p;
    cell_run_t     run, got;
    cell_msg_t     msg;
    weir_buf_t     out;

    (void) state;

    memset(&run, 0, sizeof(run));
    run.left = 1234;
    run.attempts = 5;
    snprintf(run.model, sizeof(run.model), "m");

    weir_buf_init(&out, 0);
    cell_msg_put(&out, CELL_RUN, 7, &run, weir_str("{\"a\":1}"));
    cell_msg_put(&out, CELL_BEAT, 0, NULL, weir_str_null);
    cell_msg_put(&out, CELL_CANCEL, 9, NULL, weir_str_null);

    pair_open(&p, CELL_MSG_RUN_MAX);
    pair_write(&p, out.data, out.len);

    assert_int_equal(cell_reader_fill(&p.in, p.from), CELL_EMPTY);
    assert_int_equal(cell_reader_take(&p.in, &msg), 1);
    assert_int_equal(msg.type, CELL_RUN);
    assert_int_equal(msg.index, 7);
    unit_str(msg.rest, "{\"a\":1}");
    memcpy(&got, msg.fixed, sizeof(got));
    assert_memory_equal(&got, &run, sizeof(run));

    assert_int_equal(cell_reader_take(&p.in, &msg), 1);
    assert_int_equal(msg.type, CELL_BEAT);
    assert_int_equal(cell_reader_take(&p.in, &msg), 1);
    assert_int_equal(msg.type, CELL_CANCEL);
    assert_int_equal(msg.index, 9);
    assert_int_equal(cell_reader_take(&p.in, &msg), 0);

    shutdown(p.to, SHUT_WR);
    assert_int_equal(cell_reader_fill(&p.in, p.from), CELL_CLOSED);

    weir_buf_free(&out);
    pair_close(&p);
}


/* any cut at all: frames come out whole and in order */

static void
test_pieces(void **state)
{
    char        text[64];
    size_t      i, n, at, taken;
    pair_t      p;
    uint64_t    seed;
    cell_run_t  run;
    cell_msg_t  msg;
    weir_buf_t  out;

    (void) state;

    seed = unit_seed();
    memset(&run, 0, sizeof(run));
    weir_buf_init(&out, 0);

    for (i = 0; i < 200; i++) {
        snprintf(text, sizeof(text), "payload %zu", i);
        cell_msg_put(&out, i % 3 ? CELL_RUN : CELL_BEAT, (uint32_t) i, &run,
                     i % 3 ? weir_str_of(text) : weir_str_null);
    }

    pair_open(&p, CELL_MSG_RUN_MAX);
    taken = 0;

    for (at = 0; at < out.len; at += n) {
        n = 1 + unit_random(&seed) % (at % 7 ? 40 : 4000);
        n = n < out.len - at ? n : out.len - at;
        pair_write(&p, out.data + at, n);

        assert_int_not_equal(cell_reader_fill(&p.in, p.from), CELL_CLOSED);

        while (cell_reader_take(&p.in, &msg) == 1) {
            assert_int_equal(msg.index, taken);

            if (taken % 3) {
                snprintf(text, sizeof(text), "payload %zu", taken);
                unit_str(msg.rest, text);
            }

            taken++;
        }
    }

    assert_int_equal(taken, 200);

    weir_buf_free(&out);
    pair_close(&p);
}


static void
test_garbage(void **state)
{
    int          rc;
    char         noise[256];
    size_t       i;
    pair_t       p;
    uint64_t     seed;
    uint32_t     word;
    cell_run_t   run;
    cell_msg_t   msg;
    weir_buf_t   out;

    (void) state;

    seed = unit_seed();

    for (i = 0; i < 200; i++) {
        unit_random_bytes(&seed, noise, sizeof(noise));
        pair_open(&p, CELL_MSG_MAX);
        pair_write(&p, noise, sizeof(noise));
        (void) cell_reader_fill(&p.in, p.from);
        assert_int_equal(cell_reader_take(&p.in, &msg), -1);
        pair_close(&p);
    }

    /* a good frame with one word of its head changed */

    memset(&run, 0, sizeof(run));
    weir_buf_init(&out, 0);
    cell_msg_put(&out, CELL_RUN, 1, &run, weir_str("x"));

    static const struct {
        size_t    at;
        uint32_t  word;
        int       rc;
    } rows[] = {
        { 0, 0, -1 },                           /* magic */
        { 4, 0, -1 }, { 4, CELL_TYPES, -1 }, { 4, UINT32_MAX, -1 },
        { 8, UINT32_MAX, 1 },                   /* index: the caller's */
        { 12, 0, -1 }, { 12, sizeof(cell_run_t) - 1, -1 },
        { 12, sizeof(cell_run_t), 1 }, { 12, 100 * 1024, 0 },
        { 12, 100 * 1024 + 1, -1 }, { 12, UINT32_MAX, -1 }
    };

    for (i = 0; i < ROWS(rows); i++) {
        pair_open(&p, 100 * 1024);
        memcpy(&word, out.data + rows[i].at, sizeof(word));
        memcpy(out.data + rows[i].at, &rows[i].word, sizeof(word));
        pair_write(&p, out.data, out.len);
        memcpy(out.data + rows[i].at, &word, sizeof(word));

        (void) cell_reader_fill(&p.in, p.from);
        rc = cell_reader_take(&p.in, &msg);
        assert_int_equal(rc, rows[i].rc);
        pair_close(&p);
    }

    weir_buf_free(&out);
}


static bool
answer_is_good(const cell_answer_t *a, weir_str_t document)
{
    bool            ok;
    pair_t          p;
    cell_msg_t      msg;
    weir_buf_t      out;
    cell_answer_t   got;

    weir_buf_init(&out, 0);
    cell_msg_put(&out, CELL_ANSWER, 0, a, document);
    pair_open(&p, CELL_MSG_MAX);
    pair_write(&p, out.data, out.len);
    (void) cell_reader_fill(&p.in, p.from);

    assert_int_equal(cell_reader_take(&p.in, &msg), 1);
    ok = cell_answer_read(&msg, 2, &got);

    weir_buf_free(&out);
    pair_close(&p);

    return ok;
}


/* each field that a damaged cell could set to something else */

static void
test_answer(void **state)
{
    cell_answer_t  a;

    (void) state;

#define BAD(document, ...)                                                    \
    do {                                                                      \
        fill_answer(&a);                                                      \
        __VA_ARGS__;                                                          \
        assert_false(answer_is_good(&a, document));                           \
    } while (0)

    fill_answer(&a);
    assert_true(answer_is_good(&a, weir_str_null));
    a.provider = 1;
    a.verdict = PROVIDER_DONE;
    assert_true(answer_is_good(&a, weir_str("any bytes")));

    BAD(weir_str_null, a.verdict = PROVIDER_DONE);
    BAD(weir_str("x"), a.verdict = PROVIDER_FAILED);
    BAD(weir_str_null, a.verdict = (provider_verdict_e) 3);
    BAD(weir_str_null, a.provider = 2);
    BAD(weir_str_null, a.wait = -1);
    BAD(weir_str_null, a.wait = INT64_MAX);
    BAD(weir_str_null, a.took.input_tokens = -1);
    BAD(weir_str_null, a.took.output_tokens = INT64_MAX);
    BAD(weir_str_null, a.took.cost = -1);
    BAD(weir_str_null, a.took.cost = INT64_MAX);
    BAD(weir_str_null, a.error.kind = WEIR_FAIL_KINDS);
    BAD(weir_str_null, a.error.message[0] = (char) 0xff);
    BAD(weir_str_null, memset(a.error.message, 'x', WEIR_FAILURE_TEXT));
    BAD(weir_str_null, memset(a.error.code, 'x', WEIR_FAILURE_WORD));
    BAD(weir_str_null, memset(a.error.param, 'x', WEIR_FAILURE_WORD));
    BAD(weir_str_null, memset(a.detail, 'x', sizeof(a.detail)));
}


static void
test_took(void **state)
{
    pair_t           p;
    size_t           i;
    cell_msg_t       msg;
    weir_buf_t       out;
    provider_took_t  got;

    static const struct {
        provider_took_t  took;
        bool             good;
    } rows[] = {
        { { 0, 0, 0 }, true },
        { { 5, 6, 7 }, true },
        { { -1, 6, 7 }, false },
        { { 5, -6, 7 }, false },
        { { 5, 6, INT64_MAX }, false }
    };

    (void) state;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        weir_buf_init(&out, 0);
        cell_msg_put(&out, CELL_TOOK, 4, &rows[i].took, weir_str_null);
        pair_open(&p, CELL_MSG_MAX);
        pair_write(&p, out.data, out.len);
        (void) cell_reader_fill(&p.in, p.from);

        assert_int_equal(cell_reader_take(&p.in, &msg), 1);
        assert_int_equal(msg.type, CELL_TOOK);
        assert_int_equal(msg.index, 4);
        assert_int_equal(cell_took_read(&msg, &got), rows[i].good);

        weir_buf_free(&out);
        pair_close(&p);
    }
}


/* more than the socket takes at once */

static void
test_write(void **state)
{
    char          *big;
    size_t         sent, n, i;
    pair_t         p;
    cell_msg_t     msg;
    weir_buf_t     out;
    cell_answer_t  a;

    (void) state;

    n = 8 * 1024 * 1024;
    big = malloc(n);
    memset(big, 'x', n);
    fill_answer(&a);

    weir_buf_init(&out, 0);
    cell_msg_put(&out, CELL_ANSWER, 3, &a, (weir_str_t) { big, n });
    cell_msg_put(&out, CELL_BEAT, 0, NULL, weir_str_null);

    pair_open(&p, CELL_MSG_MAX);
    sent = 0;
    i = 0;

    do {
        assert_int_equal(cell_write(&out, &sent, p.to), 0);
        assert_int_not_equal(cell_reader_fill(&p.in, p.from), CELL_CLOSED);
        i++;
    } while (cell_reader_take(&p.in, &msg) == 0);

    assert_true(i > 3);
    assert_int_equal(msg.rest.len, n);
    assert_memory_equal(msg.rest.data, big, n);

    assert_int_equal(cell_write(&out, &sent, p.to), 0);
    assert_int_equal(out.len, 0);
    (void) cell_reader_fill(&p.in, p.from);
    assert_int_equal(cell_reader_take(&p.in, &msg), 1);
    assert_int_equal(msg.type, CELL_BEAT);

    close(p.from);
    cell_msg_put(&out, CELL_BEAT, 0, NULL, weir_str_null);
    assert_int_equal(cell_write(&out, &sent, p.to), -1);
    p.from = dup(p.to);

    free(big);
    weir_buf_free(&out);
    pair_close(&p);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_round),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_took),
        cmocka_unit_test(test_write)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
