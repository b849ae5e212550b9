/*
 * Reading a text/event-stream as it comes.  Pure.
 */

#include "weir_sse.h"


#define WEIR_SSE_KEEP  4096         /* bytes that a resting buffer may have */


void
weir_sse_init(weir_sse_t *s, size_t max)
{
    memset(s, 0, sizeof(weir_sse_t));

    s->max = max;
    weir_buf_init(&s->line, max);
    weir_buf_init(&s->data, max);
}


void
weir_sse_free(weir_sse_t *s)
{
    weir_buf_free(&s->line);
    weir_buf_free(&s->data);
}


static void
weir_sse_empty(weir_buf_t *b)
{
    if (b->size > WEIR_SSE_KEEP) {
        weir_buf_free(b);
    }

    weir_buf_reset(b);
}


/* What lies in the piece at hand will not be there in the next one. */

static int
weir_sse_spill(weir_sse_t *s)
{
    if (s->only.data) {
        weir_buf_str(&s->data, s->only);
        s->only = weir_str_null;
    }

    return s->data.failed ? -1 : 0;
}


static int
weir_sse_data(weir_sse_t *s, weir_str_t value, bool here)
{
    s->held += value.len + s->has_data;

    if (s->held > s->max) {
        return -1;
    }

    if (!s->has_data && here) {
        s->only = value;
        s->has_data = true;
        return 0;
    }

    if (weir_sse_spill(s) != 0) {
        return -1;
    }

    if (s->has_data) {
        weir_buf_text(&s->data, "\n");
    }

    weir_buf_str(&s->data, value);
    s->has_data = true;

    return s->data.failed ? -1 : 0;
}


static int
weir_sse_dispatch(weir_sse_t *s, weir_sse_pt fn, void *arg)
{
    int         rc;
    weir_str_t  data;

    rc = 0;

    if (s->has_data) {
        data = s->only.data ? s->only
                            : (weir_str_t) { s->data.data, s->data.len };
        rc = fn(arg, weir_str_of(s->name), data);
    }

    weir_sse_empty(&s->data);
    s->only = weir_str_null;
    s->name[0] = '\0';
    s->held = 0;
    s->has_data = false;

    return rc;
}


/* here: the line lies in the piece at hand */

static int
weir_sse_line(weir_sse_t *s, weir_str_t line, bool here, weir_sse_pt fn,
    void *arg)
{
    size_t       n;
    weir_str_t   field, value;
    const char  *colon;

    if (!s->begun) {
        s->begun = true;

        if (line.len >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0) {
            line.data += 3;
            line.len -= 3;
        }
    }

    if (line.len == 0) {
        return weir_sse_dispatch(s, fn, arg);
    }

    colon = memchr(line.data, ':', line.len);
    field = line;
    value = (weir_str_t) { line.data + line.len, 0 };

    if (colon) {
        field.len = (size_t) (colon - line.data);
        value.data = colon + 1;
        value.len = line.len - field.len - 1;

        if (value.len && value.data[0] == ' ') {
            value.data++;
            value.len--;
        }
    }

    if (weir_str_eq(field, weir_str("data"))) {
        return weir_sse_data(s, value, here);
    }

    if (weir_str_eq(field, weir_str("event"))) {
        n = value.len < WEIR_SSE_NAME_MAX ? value.len : WEIR_SSE_NAME_MAX - 1;
        memcpy(s->name, value.data, n);
        s->name[n] = '\0';
    }

    return 0;                           /* a comment, or not for us */
}


/* The line that ends at the first bytes, together with what came of it. */

static int
weir_sse_complete(weir_sse_t *s, weir_str_t part, weir_sse_pt fn, void *arg)
{
    int  rc;

    if (s->line.len == 0) {
        return part.len > s->max ? -1 : weir_sse_line(s, part, true, fn, arg);
    }

    weir_buf_str(&s->line, part);

    if (s->line.failed) {
        return -1;
    }

    rc = weir_sse_line(s, (weir_str_t) { s->line.data, s->line.len }, false,
                       fn, arg);
    weir_sse_empty(&s->line);

    return rc;
}


int
weir_sse_feed(weir_sse_t *s, weir_str_t bytes, weir_sse_pt fn, void *arg)
{
    int          rc;
    size_t       i, from;

    for (i = 0, from = 0; i < bytes.len; i++) {

        if (s->cr) {
            s->cr = false;

            if (bytes.data[i] == '\n') {
                from = i + 1;
                continue;
            }
        }

        if (bytes.data[i] != '\n' && bytes.data[i] != '\r') {
            continue;
        }

        s->cr = (bytes.data[i] == '\r');

        rc = weir_sse_complete(s, (weir_str_t) { bytes.data + from, i - from },
                               fn, arg);
        if (rc != 0) {
            return rc;
        }

        from = i + 1;
    }

    weir_buf_str(&s->line, (weir_str_t) { bytes.data + from,
                                          bytes.len - from });

    return s->line.failed || weir_sse_spill(s) != 0 ? -1 : 0;
}
