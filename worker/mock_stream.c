/*
 * What a plan does to the events of an answer; see mock_stream.h.  Never
 * sends anything, never waits: who asks for the next bytes does.
 */

#include "mock_stream.h"

#include <string.h>

#include "mock_anthropic.h"
#include "mock_garbage.h"
#include "mock_openai.h"


void
mock_stream_init(struct mock_stream *stream, struct mock_answer *answer)
{
    *stream = (struct mock_stream) {
        .answer = answer,
        .plan = answer->plan
    };
}


void
mock_stream_free(struct mock_stream *stream)
{
    mock_buf_free(&stream->event);
}


/* the character at p, and its length in len_r; what is no UTF-8 is itself */
static uint32_t
utf8_read(const unsigned char *p, size_t len, size_t *len_r)
{
    size_t    n, i;
    uint32_t  c;

    n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc0 ? 2 : 1;
    *len_r = 1;

    if (n == 1 || n > len) {
        return *p;
    }

    c = *p & (0xffu >> (n + 1));

    for (i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return *p;
        }

        c = (c << 6) | (p[i] & 0x3f);
    }

    *len_r = n;

    return c;
}


/* beyond ASCII there are only strings in an event */
static size_t
escape_write(const char *data, size_t len, struct mock_buf *out)
{
    size_t    n;
    uint32_t  c;

    c = utf8_read((const unsigned char *) data, len, &n);

    if (n == 1) {
        mock_buf_add(out, data, 1);

    } else if (c < 0x10000) {
        mock_buf_printf(out, "\\u%04x", c);

    } else {
        c -= 0x10000;
        mock_buf_printf(out, "\\u%04x\\u%04x", 0xd800 + (c >> 10),
                        0xdc00 + (c & 0x3ff));
    }

    return n;
}


static const char *
stream_eol(struct mock_stream *stream)
{
    /* in turns no LF may follow upon CR: both together would end one line */
    static const char *const  turns[] = { "\n", "\r", "\r\n" };
    static const char *const  eols[] = { "\n", "\r\n", "\r" };

    if (stream->plan->eol == MOCK_EOL_MIXED) {
        return turns[stream->lines++ % 3];
    }

    return eols[stream->plan->eol];
}


/* whether "data: " or "event: " ends with this space */
static bool
space_is_optional(const char *data, size_t line, size_t i)
{
    size_t  n;

    n = i - line;

    return (n == 5 && memcmp(data + line, "data:", 5) == 0)
           || (n == 6 && memcmp(data + line, "event:", 6) == 0);
}


/* empties the event */
static void
event_frame(struct mock_stream *stream, struct mock_buf *event,
    struct mock_buf *out)
{
    size_t                   i, line;
    const char              *p;
    const struct mock_plan  *plan;

    plan = stream->plan;

    if (plan->eol == MOCK_EOL_LF && plan->space && !plan->escape) {
        mock_buf_add(out, event->data, event->len);
        event->len = 0;
        return;
    }

    for (i = 0, line = 0; i < event->len; /* void */ ) {
        p = event->data + i;

        if (*p == '\n') {
            mock_buf_text(out, stream_eol(stream));
            line = ++i;

        } else if (*p == ' ' && !plan->space
                   && space_is_optional(event->data, line, i))
        {
            i++;

        } else if (plan->escape) {
            i += escape_write(p, event->len - i, out);

        } else {
            mock_buf_add(out, p, 1);
            i++;
        }
    }

    event->len = 0;
}


static void
bad_write(struct mock_stream *stream)
{
    bool              named;
    struct mock_buf  *event;

    event = &stream->event;
    named = stream->answer->dialect == MOCK_ANTHROPIC;

    if (named && stream->plan->bad != MOCK_BAD_UNKNOWN) {
        mock_buf_text(event, "event: content_block_delta\n");
    }

    switch (stream->plan->bad) {

    case MOCK_BAD_JSON:
        mock_garbage_write(MOCK_GARBAGE_JSON, true, event);
        break;

    case MOCK_BAD_UTF8:
        mock_buf_printf(event, "data: %s\xff\xfe\xc3( \xed\xa0\x80%s\n\n",
                        named ? "{\"type\":\"content_block_delta\","
                                "\"index\":0,\"delta\":{"
                                "\"type\":\"text_delta\",\"text\":\""
                              : "{\"choices\":[{\"index\":0,\"delta\":{"
                                "\"content\":\"",
                        named ? "\"}}" : "\"},\"finish_reason\":null}]}");
        break;

    case MOCK_BAD_HUGE:
        mock_garbage_write(MOCK_GARBAGE_HUGE, true, event);
        break;

    case MOCK_BAD_ARRAY:
        mock_buf_text(event, "data: [1,2]\n\n");
        break;

    case MOCK_BAD_UNKNOWN:
        mock_buf_text(event, "event: mock_unknown\nmock: a field\n"
                      "data: {\"type\":\"mock_unknown\"}\n\n");
        break;

    default: /* MOCK_BAD_EMPTY */
        mock_buf_text(event, "data:\n\n");
    }
}


static bool
plan_has_fault(const struct mock_plan *plan)
{
    return plan->pause > 0
           || plan->bad != MOCK_BAD_NONE
           || plan->error[0] != '\0'
           || plan->cut == MOCK_CUT_BODY || plan->cut == MOCK_CUT_EVENT
           || plan->stop == MOCK_STOP_BODY || plan->stop == MOCK_STOP_EVENT;
}


static bool
stream_at_fault(const struct mock_stream *stream)
{
    if (stream->spoilt || !plan_has_fault(stream->plan)) {
        return false;
    }

    return stream->plan->after >= 0
           ? stream->events >= (uint64_t) stream->plan->after
           : mock_answer_past_half(stream->answer);
}


/* half of the next event is the last that is sent */
static void
stream_break(struct mock_stream *stream, struct mock_buf *out)
{
    size_t  before;

    before = out->len;

    if (mock_answer_write_event(stream->answer, &stream->event)) {
        event_frame(stream, &stream->event, out);
        out->len = before + (out->len - before) / 2;
    }
}


static void
stream_spoil(struct mock_stream *stream, struct mock_buf *out)
{
    const struct mock_plan  *plan;

    plan = stream->plan;
    stream->spoilt = true;

    if (plan->bad != MOCK_BAD_NONE) {
        bad_write(stream);
        event_frame(stream, &stream->event, out);
    }

    if (plan->error[0] != '\0') {
        if (stream->answer->dialect == MOCK_ANTHROPIC) {
            mock_anthropic_write_error(plan->error, &stream->event);

        } else {
            mock_openai_write_error(plan->error, &stream->event);
        }

        event_frame(stream, &stream->event, out);
    }

    if (plan->cut == MOCK_CUT_EVENT || plan->stop == MOCK_STOP_EVENT) {
        stream_break(stream, out);
    }

    stream->over = plan->error[0] != '\0'
                   || plan->cut == MOCK_CUT_BODY
                   || plan->cut == MOCK_CUT_EVENT
                   || plan->stop == MOCK_STOP_BODY
                   || plan->stop == MOCK_STOP_EVENT;
}


static bool
is_due(int64_t every, uint64_t events, uint64_t *last)
{
    if (every <= 0 || events == *last || events % (uint64_t) every != 0) {
        return false;
    }

    *last = events;

    return true;
}


/* these are no events of the answer */
static void
stream_ping(struct mock_stream *stream, struct mock_buf *out)
{
    struct mock_buf  ping;

    ping = (struct mock_buf) { 0 };

    if (is_due(stream->plan->ping, stream->events, &stream->pinged)) {
        mock_buf_text(&ping, stream->answer->dialect == MOCK_ANTHROPIC
                             ? "event: ping\ndata: {\"type\":\"ping\"}\n\n"
                             : ": ping\n\n");
    }

    if (is_due(stream->plan->comment, stream->events, &stream->commented)) {
        mock_buf_text(&ping, ": comment\n\n");
    }

    event_frame(stream, &ping, out);
    mock_buf_free(&ping);
}


static bool
stream_write_event(struct mock_stream *stream, struct mock_buf *out)
{
    if (!mock_answer_write_event(stream->answer, &stream->event)) {
        stream->over = true;
        return false;
    }

    stream_ping(stream, out);

    if (stream->plan->stop == MOCK_STOP_OPEN
        && stream->answer->tail == MOCK_STAGE_OVER)
    {
        stream->event.len--;
    }

    event_frame(stream, &stream->event, out);
    stream->events++;

    return true;
}


enum mock_next
mock_stream_next(struct mock_stream *stream, struct mock_buf *out)
{
    int64_t  n;

    for (n = 0; n < stream->plan->batch && !stream->over; n++) {

        if (stream_at_fault(stream)) {
            if (out->len > 0) {
                break;
            }

            if (stream->plan->pause > 0 && !stream->paused) {
                stream->paused = true;
                return MOCK_NEXT_PAUSE;
            }

            stream_spoil(stream, out);

            if (stream->over) {
                break;
            }
        }

        if (!stream_write_event(stream, out)) {
            break;
        }
    }

    if (out->len > 0) {
        return MOCK_NEXT_BYTES;
    }

    return stream->plan->cut != MOCK_CUT_NONE && stream->spoilt
           ? MOCK_NEXT_CUT : MOCK_NEXT_END;
}
