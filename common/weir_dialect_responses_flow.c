/*
 * The Responses dialect: items as events.  Pure.
 */

#include "weir_dialect_responses_flow.h"

#include "weir_render.h"


void
weir_flow_free(weir_flow_t *w)
{
    weir_json_free(&w->items);
    weir_json_free(&w->content);
    weir_toolcalls_free(&w->calls);
    weir_buf_free(&w->item);
    weir_buf_free(&w->type);
    weir_buf_free(&w->id);
    weir_buf_free(&w->name);
    weir_buf_free(&w->text);
}


static weir_str_t
weir_flow_str(const weir_buf_t *b)
{
    return (weir_str_t) { b->data ? b->data : "", b->len };
}


static int
weir_flow_set(weir_buf_t *b, weir_str_t s)
{
    weir_buf_reset(b);
    weir_buf_str(b, s);

    return b->failed ? -1 : 0;
}


/* events as text */

static void
weir_flow_head(weir_flow_t *w, const char *type)
{
    weir_buf_text(w->out, "event: ");
    weir_buf_text(w->out, type);
    weir_buf_text(w->out, "\ndata: {\"type\":\"");
    weir_buf_text(w->out, type);
    weir_buf_text(w->out, "\"");
}


static void
weir_flow_tail(weir_flow_t *w, int64_t number)
{
    char  decimal[WEIR_DECIMAL_MAX];

    weir_buf_text(w->out, ",\"sequence_number\":");
    weir_buf_str(w->out, weir_decimal(decimal, number));
    weir_buf_text(w->out, "}\n\n");
}


bool
weir_flow_begin(weir_flow_t *w, const char *type)
{
    if (w->next < w->from) {
        w->next++;
        return false;
    }

    weir_flow_head(w, type);

    return true;
}


void
weir_flow_end(weir_flow_t *w)
{
    weir_flow_tail(w, w->next++);
}


/* ,"output_index":0 */

static unsigned
weir_flow_index(const weir_flow_t *w)
{
    return (unsigned) weir_json_count(w->items);
}


static void
weir_flow_number(weir_flow_t *w, const char *member, size_t n)
{
    char  decimal[WEIR_DECIMAL_MAX];

    weir_buf_text(w->out, ",\"");
    weir_buf_text(w->out, member);
    weir_buf_text(w->out, "\":");
    weir_buf_str(w->out, weir_decimal(decimal, (long long) n));
}


/* where the part is */

static void
weir_flow_place(weir_flow_t *w)
{
    weir_buf_text(w->out, ",\"item_id\":");
    weir_json_quote(w->out, weir_flow_str(&w->item));
    weir_flow_number(w, "output_index", weir_flow_index(w));

    if (w->kind != WEIR_ITEM_CALL) {
        weir_flow_number(w, "content_index", weir_json_count(w->content));
    }
}


/* of the part that is open */

static bool
weir_flow_is_text(const weir_flow_t *w)
{
    return weir_str_eq(weir_flow_str(&w->type), weir_str("text"));
}


static const char *
weir_flow_delta_type(const weir_flow_t *w)
{
    switch (w->kind) {

    case WEIR_ITEM_CALL:
        return "response.function_call_arguments.delta";

    case WEIR_ITEM_REASONING:
        return "response.reasoning_text.delta";

    default:
        return weir_flow_is_text(w) ? "response.output_text.delta"
                                    : "response.refusal.delta";
    }
}


static const char *
weir_flow_done_type(const weir_flow_t *w)
{
    switch (w->kind) {

    case WEIR_ITEM_CALL:
        return "response.function_call_arguments.done";

    case WEIR_ITEM_REASONING:
        return "response.reasoning_text.done";

    default:
        return weir_flow_is_text(w) ? "response.output_text.done"
                                    : "response.refusal.done";
    }
}


/* the member that has all of its text at the end */

static const char *
weir_flow_member(const weir_flow_t *w)
{
    if (w->kind == WEIR_ITEM_CALL) {
        return "arguments";
    }

    return w->kind == WEIR_ITEM_REASONING || weir_flow_is_text(w) ? "text"
                                                                  : "refusal";
}


static void
weir_flow_logprobs(weir_flow_t *w)
{
    if (w->kind == WEIR_ITEM_MESSAGE && weir_flow_is_text(w)) {
        weir_buf_text(w->out, ",\"logprobs\":[]");
    }
}


/* pieces */

static void
weir_flow_piece(weir_flow_t *w, weir_str_t piece)
{
    weir_flow_head(w, weir_flow_delta_type(w));
    weir_flow_place(w);
    weir_buf_text(w->out, ",\"delta\":");
    weir_json_quote(w->out, piece);
    weir_flow_logprobs(w);

    w->next += (int64_t) piece.len;
    weir_flow_tail(w, w->next - 1);
}


/* The bytes whose numbers are below are there already; of a character that was
 * cut, none. */

static void
weir_flow_skip(weir_flow_t *w, weir_str_t *text)
{
    size_t  n;

    if (w->next >= w->from) {
        return;
    }

    n = w->from - w->next < (int64_t) text->len
        ? (size_t) (w->from - w->next) : text->len;

    while (n && n < text->len && ((unsigned char) text->data[n] & 0xc0) == 0x80)
    {
        n--;
    }

    text->data += n;
    text->len -= n;
    w->next += (int64_t) n;
}


static void
weir_flow_pieces(weir_flow_t *w, weir_str_t text)
{
    size_t      size;
    weir_str_t  piece;

    weir_flow_skip(w, &text);

    size = weir_render_piece_size(text.len);

    while (weir_render_piece(&text, size, &piece)) {
        weir_flow_piece(w, piece);
    }
}


bool
weir_flow_calls(const weir_flow_t *w)
{
    return w->open && w->kind == WEIR_ITEM_CALL && !w->calls.whole;
}


/* items; item is taken */

static int
weir_flow_item(weir_flow_t *w, const char *type, weir_json_t *item)
{
    int  rc;

    rc = item ? 0 : -1;

    if (rc == 0 && weir_flow_begin(w, type)) {
        weir_flow_number(w, "output_index", weir_flow_index(w));
        weir_buf_text(w->out, ",\"item\":");
        rc = weir_json_write(item, w->out);
        weir_flow_end(w);
    }

    weir_json_free(&item);

    return rc;
}


static weir_json_t *
weir_flow_written(weir_flow_t *w, const char *status)
{
    return w->kind == WEIR_ITEM_CALL
           ? weir_item_call(w->job, weir_flow_index(w), status,
                            weir_flow_str(&w->id), weir_flow_str(&w->name),
                            weir_flow_str(&w->text))
           : weir_item_new(w->kind, w->job, weir_flow_index(w), status,
                           w->content);
}


static int
weir_flow_item_begin(weir_flow_t *w, weir_item_e kind)
{
    if (w->items == NULL) {
        w->items = weir_json_array();
    }

    if (kind != WEIR_ITEM_CALL) {
        w->content = weir_json_array();
    }

    w->kind = kind;
    weir_buf_reset(&w->item);
    weir_item_id(&w->item, kind, w->job, weir_flow_index(w));

    if (w->items == NULL || w->item.failed) {
        return -1;
    }

    return weir_flow_item(w, "response.output_item.added",
                          weir_flow_written(w, "in_progress"));
}


/* parts; content is taken */

static int
weir_flow_content(weir_flow_t *w, const char *type, weir_json_t *content)
{
    int  rc;

    rc = content ? 0 : -1;

    if (rc == 0 && weir_flow_begin(w, type)) {
        weir_flow_place(w);
        weir_buf_text(w->out, ",\"part\":");
        rc = weir_json_write(content, w->out);
        weir_flow_end(w);
    }

    weir_json_free(&content);

    return rc;
}


static int
weir_flow_part_close(weir_flow_t *w)
{
    weir_json_t  *content;

    if (!w->open) {
        return 0;
    }

    w->open = false;

    if (weir_flow_begin(w, weir_flow_done_type(w))) {
        weir_flow_place(w);
        weir_buf_printf(w->out, ",\"%s\":", weir_flow_member(w));
        weir_json_quote(w->out, weir_flow_str(&w->text));
        weir_flow_logprobs(w);

        if (w->kind == WEIR_ITEM_CALL) {
            weir_buf_text(w->out, ",\"name\":");
            weir_json_quote(w->out, weir_flow_str(&w->name));
        }

        weir_flow_end(w);
    }

    if (w->kind == WEIR_ITEM_CALL) {
        return 0;
    }

    content = weir_item_content(weir_flow_str(&w->type),
                                weir_flow_str(&w->text));

    if (weir_flow_content(w, "response.content_part.done",
                          weir_json_ref(content)) != 0)
    {
        weir_json_free(&content);
        return -1;
    }

    return weir_json_add_take(w->content, content);
}


int
weir_flow_close(weir_flow_t *w, const char *status)
{
    int           rc;
    weir_json_t  *item;

    if (w->kind == WEIR_ITEM_NONE) {
        return 0;
    }

    rc = weir_flow_part_close(w);

    if (w->kind == WEIR_ITEM_CALL
        && weir_toolcalls_end(&w->calls, w->part) != 0)
    {
        return -1;
    }

    item = weir_flow_written(w, status);
    rc |= weir_flow_item(w, "response.output_item.done", weir_json_ref(item));
    rc |= weir_json_add_take(w->items, item);

    w->kind = WEIR_ITEM_NONE;
    weir_json_free(&w->content);

    return rc;
}


static int
weir_flow_part_begin(weir_flow_t *w, weir_item_e kind, const weir_delta_t *d)
{
    int  rc;

    /* texts go on in the item that is open */

    rc = kind == w->kind && kind != WEIR_ITEM_CALL
         ? weir_flow_part_close(w) : weir_flow_close(w, "completed");

    rc |= weir_flow_set(&w->type, d->type);
    rc |= weir_flow_set(&w->id, d->id);
    rc |= weir_flow_set(&w->name, d->name);
    rc |= weir_flow_set(&w->text, weir_str_null);

    rc = rc || w->kind != WEIR_ITEM_NONE ? rc : weir_flow_item_begin(w, kind);

    w->open = true;
    w->part = d->part;
    weir_toolcalls_begin(&w->calls);

    return rc || kind == WEIR_ITEM_CALL ? rc
           : weir_flow_content(w, "response.content_part.added",
                               weir_item_content(d->type, weir_str("")));
}


int
weir_flow_say(weir_flow_t *w, weir_item_e kind, const weir_delta_t *d)
{
    if (!(w->open && w->kind == kind && w->part == d->part)) {

        if (kind != WEIR_ITEM_CALL && d->s.len == 0) {
            return 0;
        }

        if (kind == WEIR_ITEM_CALL && weir_toolcalls_ended(&w->calls, d->part))
        {
            return weir_toolcalls_late(d->s);
        }

        if (weir_flow_part_begin(w, kind, d) != 0) {
            return -1;
        }
    }

    if (kind == WEIR_ITEM_CALL) {
        weir_toolcalls_scan(&w->calls, d->s);

        /* said late: its end has them */

        if ((w->id.len == 0 && weir_flow_set(&w->id, d->id) != 0)
            || (w->name.len == 0 && weir_flow_set(&w->name, d->name) != 0))
        {
            return -1;
        }
    }

    weir_buf_str(&w->text, d->s);
    weir_flow_pieces(w, d->s);

    return w->text.failed ? -1 : 0;
}
