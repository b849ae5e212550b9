/*
 * Reading a text/event-stream: whatever the pieces, the events are the same.
 */

#include "unit.h"
#include "weir_sse.h"


#define MAX  64


/* events as text: "name|data;" */

static int
note(void *arg, weir_str_t name, weir_str_t data)
{
    weir_buf_t  *out = arg;

    weir_buf_str(out, name);
    weir_buf_text(out, "|");
    weir_buf_str(out, data);
    weir_buf_text(out, ";");

    return weir_str_eq(data, weir_str("stop")) ? 7 : 0;
}


/* Each piece is a copy of its own, so that a look at the last one is seen. */

static int
feed(weir_sse_t *s, const char *data, size_t len, weir_buf_t *out)
{
    int    rc;
    char  *copy;

    copy = malloc(len ? len : 1);
    memcpy(copy, data, len);
    rc = weir_sse_feed(s, (weir_str_t) { copy, len }, note, out);
    free(copy);

    return rc;
}


static int
read_cut(const char *text, size_t first, size_t second, weir_buf_t *out)
{
    int         rc;
    size_t      len;
    weir_sse_t  s;

    len = strlen(text);
    weir_sse_init(&s, MAX);
    weir_buf_reset(out);

    rc = feed(&s, text, first, out);
    rc = rc ? rc : feed(&s, text + first, second - first, out);
    rc = rc ? rc : feed(&s, text + second, len - second, out);

    weir_sse_free(&s);

    return rc;
}


static const struct {
    const char  *text;
    const char  *events;
} streams[] = {
    { "", "" },
    { "data: a\n\n", "|a;" },
    { "data:a\n\n", "|a;" },
    { "data:  a\n\n", "| a;" },
    { "data: a\r\rdata: b\r\n\r\ndata: c\n\n", "|a;|b;|c;" },
    { "data: a\n\r\ndata: b\r\n\n", "|a;|b;" },
    { "data: a\n", "" },
    { "data: a", "" },
    { "data: a\n\ndata: b\n", "|a;" },
    { "data: a\ndata: b\n\n", "|a\nb;" },
    { "data\n\n", "|;" },
    { "data:\n\n", "|;" },
    { "data\ndata\n\n", "|\n;" },
    { "data:\ndata: b\n\n", "|\nb;" },
    { "\n\n\n", "" },
    { ": ping\n\n", "" },
    { ":\n\ndata: a\n: c\n\n", "|a;" },
    { "event: e\ndata: a\n\ndata: b\n\n", "e|a;|b;" },
    { "event: e\n\ndata: b\n\n", "|b;" },
    { "event: e\nevent: f\ndata: a\n\n", "f|a;" },
    { "data: a\nevent: e\n\n", "e|a;" },
    { "id: 1\nretry: 5\nunknown: x\nnothing\ndata: a\n\n", "|a;" },
    { "Data: a\n data: b\n\n", "" },
    { "\xef\xbb\xbf" "data: a\n\n", "|a;" },
    { "\xef\xbb\xbf\n\ndata: a\n\n", "|a;" },
    { "data: \xef\xbb\xbf" "a\n\n\xef\xbb\xbf" "data: b\n\n",
      "|\xef\xbb\xbf" "a;" },
    { "data: \xf0\x9f\x8c\x8a \xc3\xa9\r\n\r\n",
      "|\xf0\x9f\x8c\x8a \xc3\xa9;" },
    { "data: stop\n\ndata: b\n\n", "|stop;" },
};


/* S4 */

static void
test_every_split(void **state)
{
    int         rc;
    size_t      i, k, n, len;
    weir_buf_t  out = { 0 };

    (void) state;

    for (i = 0; i < ROWS(streams); i++) {
        len = strlen(streams[i].text);

        for (k = 0; k <= len; k++) {
            for (n = k; n <= len; n++) {
                rc = read_cut(streams[i].text, k, n, &out);

                assert_int_equal(rc, strncmp(streams[i].events, "|stop", 5)
                                     == 0 ? 7 : 0);
                unit_str(unit_buf(&out), streams[i].events);
            }
        }
    }

    weir_buf_free(&out);
}


static void
test_byte_by_byte(void **state)
{
    size_t      i, k;
    weir_buf_t  out = { 0 };
    weir_sse_t  s;

    (void) state;

    for (i = 0; i < ROWS(streams); i++) {
        weir_sse_init(&s, MAX);
        weir_buf_reset(&out);

        for (k = 0; streams[i].text[k]; k++) {
            if (feed(&s, streams[i].text + k, 1, &out) != 0) {
                break;
            }
        }

        unit_str(unit_buf(&out), streams[i].events);
        weir_sse_free(&s);
    }

    weir_buf_free(&out);
}


/* A line, and the data of an event, have a bound; a stream has none. */

static void
test_bounds(void **state)
{
    char        text[3 * MAX];
    size_t      i;
    weir_buf_t  out = { 0 };
    weir_sse_t  s;

    (void) state;

    memset(text, 'x', sizeof(text));
    memcpy(text, "data: ", 6);
    text[MAX] = '\n';
    text[MAX + 1] = '\n';
    text[MAX + 2] = '\0';

    weir_sse_init(&s, MAX);

    for (i = 0; i < 100; i++) {
        assert_int_equal(feed(&s, text, MAX + 2, &out), 0);
    }

    weir_sse_free(&s);

    for (i = 0; i <= MAX + 1; i++) {
        memset(text + MAX, 'x', 2);
        text[MAX + 1] = '\n';
        assert_int_equal(read_cut(text, i, i, &out), -1);
    }

    weir_sse_init(&s, MAX);
    assert_int_equal(feed(&s, text, MAX, &out), 0);
    assert_int_equal(feed(&s, "x", 1, &out), -1);
    weir_sse_free(&s);

    /* of many lines */

    weir_sse_init(&s, MAX);

    for (i = 0; i < MAX / 2; i++) {
        assert_int_equal(feed(&s, "data: a\n", 8, &out), 0);
    }

    assert_int_equal(feed(&s, "data: a\n", 8, &out), -1);
    weir_sse_free(&s);
    weir_buf_free(&out);
}


static void
test_long_name(void **state)
{
    char        text[256];
    weir_buf_t  out = { 0 };
    weir_sse_t  s;

    (void) state;

    snprintf(text, sizeof(text), "event: %0100d\ndata: a\n\n", 0);
    weir_sse_init(&s, 4096);
    assert_int_equal(feed(&s, text, strlen(text), &out), 0);
    assert_int_equal(out.len, WEIR_SSE_NAME_MAX - 1 + 3);
    weir_sse_free(&s);
    weir_buf_free(&out);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_long_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
