/*
 * The Anthropic dialect: the blocks of a message as events.  Pure.
 */

#include "weir_dialect_anthropic_block.h"
#include "weir_dialect_anthropic_part.h"

#include "weir_render.h"


void
weir_blocks_free(weir_blocks_t *b)
{
    weir_toolcalls_free(&b->calls);
}


/* events as text */

int
weir_blocks_event(weir_blocks_t *b, const char *name, weir_json_t *data)
{
    int  rc;

    weir_buf_text(b->out, "event: ");
    weir_buf_text(b->out, name);
    weir_buf_text(b->out, "\ndata: ");
    rc = weir_json_write(data, b->out);
    weir_buf_text(b->out, "\n\n");
    weir_json_free(&data);

    return rc;
}


static void
weir_event_piece(weir_blocks_t *b, const char *type, const char *member,
    weir_str_t piece)
{
    weir_buf_printf(b->out, "event: content_block_delta\ndata: {\"type\":"
                    "\"content_block_delta\",\"index\":%u,\"delta\":{\"type\":"
                    "\"%s\",\"%s\":", b->index, type, member);
    weir_json_quote(b->out, piece);
    weir_buf_text(b->out, "}}\n\n");
}


static void
weir_events_pieces(weir_blocks_t *b, const char *type, const char *member,
    weir_str_t text)
{
    size_t      size;
    weir_str_t  piece;

    size = weir_render_piece_size(text.len);

    while (weir_render_piece(&text, size, &piece)) {
        weir_event_piece(b, type, member, piece);
    }
}


/* blocks */

static int
weir_block_begin(weir_blocks_t *b, weir_json_t *block)
{
    int             rc;
    weir_json_t    *event;

    event = weir_part_new("content_block_start");
    rc = weir_json_set_take(event, "index", weir_json_new_int(b->index));
    rc |= weir_json_set_take(event, "content_block", block);

    return weir_blocks_event(b, "content_block_start", event) | rc;
}


static void
weir_block_stop(weir_blocks_t *b)
{
    weir_buf_printf(b->out, "event: content_block_stop\ndata: {\"type\":"
                    "\"content_block_stop\",\"index\":%u}\n\n", b->index++);
    b->open = WEIR_BLOCK_NONE;
}


int
weir_blocks_close(weir_blocks_t *b)
{
    if (b->open == WEIR_BLOCK_NONE) {
        return 0;
    }

    if (b->open == WEIR_BLOCK_CALL
        && weir_toolcalls_end(&b->calls, b->part) != 0)
    {
        return -1;
    }

    weir_block_stop(b);

    return 0;
}


static int
weir_block_open(weir_blocks_t *b, weir_block_e kind, unsigned part,
    weir_str_t id, weir_str_t name)
{
    int             rc;
    weir_json_t    *block;

    if (weir_blocks_close(b) != 0) {
        return -1;
    }

    b->open = kind;
    b->part = part;
    weir_toolcalls_begin(&b->calls);

    block = weir_part_new(kind == WEIR_BLOCK_TEXT ? "text"
                          : kind == WEIR_BLOCK_CALL ? "tool_use" : "thinking");

    if (kind == WEIR_BLOCK_TEXT) {
        rc = weir_json_set_take(block, "text", weir_json_new_str(weir_str("")));

    } else if (kind == WEIR_BLOCK_CALL) {
        rc = weir_json_set_take(block, "id",
                                weir_json_new_str(id.data ? id
                                                          : weir_str("")));
        rc |= weir_json_set_take(block, "name",
                                 weir_json_new_str(name.data ? name
                                                             : weir_str("")));
        rc |= weir_json_set_take(block, "input", weir_json_object());

    } else {
        rc = weir_json_set_take(block, "thinking",
                                weir_json_new_str(weir_str("")));
        rc |= weir_json_set_take(block, "signature",
                                 weir_json_new_str(weir_str("")));
    }

    return weir_block_begin(b, block) | rc;
}


bool
weir_blocks_calls(const weir_blocks_t *b)
{
    return b->open == WEIR_BLOCK_CALL && !b->calls.whole;
}


static void
weir_block_say(weir_blocks_t *b, weir_str_t s)
{
    switch (b->open) {
    case WEIR_BLOCK_TEXT:
        weir_events_pieces(b, "text_delta", "text", s);
        break;

    case WEIR_BLOCK_THINKING:
        weir_events_pieces(b, "thinking_delta", "thinking", s);
        break;

    default: /* WEIR_BLOCK_CALL */
        weir_toolcalls_scan(&b->calls, s);

        if (s.len) {
            weir_event_piece(b, "input_json_delta", "partial_json", s);
        }

        break;
    }
}


/* A part begins or goes on.  -1: a call goes on that has ended. */

int
weir_blocks_text(weir_blocks_t *b, weir_block_e kind, const weir_delta_t *d)
{
    if (b->open != kind || b->part != d->part) {
        if (kind == WEIR_BLOCK_CALL
            && weir_toolcalls_ended(&b->calls, d->part))
        {
            return weir_toolcalls_late(d->s);
        }

        if (kind != WEIR_BLOCK_CALL && d->s.len == 0) {
            return 0;
        }

        if (weir_block_open(b, kind, d->part, d->id, d->name) != 0) {
            return -1;
        }
    }

    weir_block_say(b, d->s);

    return 0;
}


weir_block_e
weir_blocks_kind(weir_blocks_t *b, weir_str_t type)
{
    if (weir_str_eq(type, weir_str("tool_call"))) {
        return WEIR_BLOCK_CALL;
    }

    if (weir_str_eq(type, weir_str("thinking"))) {
        return WEIR_BLOCK_THINKING;
    }

    if (weir_str_eq(type, weir_str("refusal"))) {
        b->refused = true;
        return WEIR_BLOCK_TEXT;
    }

    return weir_str_eq(type, weir_str("text")) ? WEIR_BLOCK_TEXT
                                               : WEIR_BLOCK_NONE;
}


/* whole parts */

static int
weir_block_member(weir_blocks_t *b, const char *type, const char *member,
    weir_json_t *value)
{
    int             rc;
    weir_json_t    *event, *delta;

    event = weir_part_new("content_block_delta");
    delta = weir_part_new(type);

    rc = weir_json_set_take(delta, member, weir_json_ref(value));
    rc |= weir_json_set_take(event, "index", weir_json_new_int(b->index));
    rc |= weir_json_set_take(event, "delta", delta);

    return weir_blocks_event(b, "content_block_delta", event) | rc;
}


static int
weir_block_own(weir_blocks_t *b, unsigned n, weir_json_t *part)
{
    int             rc;
    weir_json_t    *value;

    value = weir_json_get(part, "signature");

    if (value) {
        /* reasoning that is not shown is signed nevertheless */

        rc = b->open == WEIR_BLOCK_THINKING ? 0
             : weir_block_open(b, WEIR_BLOCK_THINKING, n, weir_str_null,
                               weir_str_null);

        return rc ? rc : weir_block_member(b, "signature_delta", "signature",
                                           value);
    }

    value = weir_json_get(part, "citation");

    if (value) {
        return b->open != WEIR_BLOCK_TEXT ? 0
               : weir_block_member(b, "citations_delta", "citation", value);
    }

    value = weir_json_get(part, "part");

    if (value == NULL) {
        return 0;
    }

    rc = weir_blocks_close(b);
    rc = rc ? rc : weir_block_begin(b, weir_json_ref(value));
    weir_block_stop(b);

    return rc;
}


/* A part that the OpenAI dialect alone knows is not shown here. */

int
weir_blocks_whole(weir_blocks_t *b, unsigned n, weir_json_t *part)
{
    weir_block_e  kind;
    weir_delta_t  d = { .part = n };

    if (weir_part_is(part, "anthropic")) {
        return weir_block_own(b, n, part);
    }

    kind = weir_blocks_kind(b, weir_json_str(weir_json_get(part, "type")));

    if (kind == WEIR_BLOCK_NONE) {
        return 0;
    }

    d.id = weir_json_str(weir_json_get(part, "id"));
    d.name = weir_json_str(weir_json_get(part, "name"));
    d.s = weir_json_str(weir_json_get(part, kind == WEIR_BLOCK_CALL
                                            ? "arguments" : "text"));

    return weir_blocks_text(b, kind, &d);
}
