/*
 * The Anthropic dialect: deltas, or an outcome, as the events of a stream.
 *
 * A provider of another dialect may give several calls of tools in turns: what
 * comes while the arguments of a call are not whole waits until they are.
 * Pure.
 */

#include "weir_dialect_anthropic.h"
#include "weir_dialect_anthropic_block.h"
#include "weir_dialect_anthropic_part.h"

#include <stdlib.h>

#include "weir_merge.h"
#include "weir_render.h"
#include "weir_sent.h"
#include "weir_turns.h"


typedef struct {
    weir_json_t   *extra;               /* of the outcome, so far */
    weir_json_t   *late;                /* of it, after the beginning */
    weir_json_t   *beside;              /* the choice's own members */
    weir_buf_t     model;
    weir_buf_t     stop;                /* neutral */
    weir_turns_t   turns;               /* what waits for the call */
    weir_blocks_t  blocks;
    long long      input;
    long long      output;
    bool           begun;
} weir_events_t;


/* the message */

static weir_events_t *
weir_events_own(weir_render_t *r)
{
    weir_events_t  *e;

    if (r->own == NULL) {
        e = r->own = calloc(1, sizeof(weir_events_t));

        if (e == NULL) {
            return NULL;
        }

        weir_buf_str(&e->model, r->model);
    }

    e = r->own;
    e->blocks.out = r->out;

    return e;
}


static weir_str_t
weir_events_str(const weir_buf_t *b)
{
    return (weir_str_t) { b->data ? b->data : "", b->len };
}


static int
weir_events_begin(weir_render_t *r)
{
    int             rc;
    weir_json_t    *event, *message, *own;
    weir_events_t  *e = r->own;

    if (e->begun) {
        return 0;
    }

    e->begun = true;
    event = weir_part_new("message_start");
    message = weir_json_object();
    own = weir_json_get(e->extra, "anthropic");

    rc = own ? weir_json_copy(message, own, NULL) : 0;
    rc |= weir_json_set_take(message, "id", weir_anthropic_id(r->id));
    rc |= weir_json_set_take(message, "type",
                             weir_json_new_str(weir_str("message")));
    rc |= weir_json_set_take(message, "role",
                             weir_json_new_str(weir_str("assistant")));
    rc |= weir_json_set_take(message, "model",
                             weir_json_new_str(weir_events_str(&e->model)));
    rc |= weir_json_set_take(message, "content", weir_json_array());
    rc |= weir_json_set_take(message, "stop_reason", weir_json_new_null());
    rc |= weir_json_set_take(message, "stop_sequence", weir_json_new_null());
    rc |= weir_json_set_take(message, "usage",
                             weir_anthropic_usage(e->extra, e->input, 0));
    rc |= weir_json_set_take(event, "message", message);

    return weir_blocks_event(&e->blocks, "message_start", event) | rc;
}


/* deltas */

static int
weir_events_say(weir_events_t *e, const weir_delta_t *d)
{
    return d->kind == WEIR_DELTA_PART
           ? weir_blocks_whole(&e->blocks, d->part, d->x)
           : weir_blocks_text(&e->blocks, weir_blocks_kind(&e->blocks, d->type),
                              d);
}


/* all: the choice has ended, and nothing goes on any more */

static int
weir_events_waiting(weir_events_t *e, bool all)
{
    int           rc;
    weir_delta_t  d;

    rc = 0;

    while (rc == 0 && (all || !weir_blocks_calls(&e->blocks))
           && weir_turns_next(&e->turns, &d))
    {
        rc = weir_events_say(e, &d);
    }

    return rc;
}


static int
weir_events_text(weir_events_t *e, const weir_delta_t *d)
{
    int           rc;
    weir_block_e  kind;

    kind = weir_blocks_kind(&e->blocks, d->type);

    if (d->kind != WEIR_DELTA_PART && kind == WEIR_BLOCK_NONE) {
        return 0;
    }

    /* its own arguments do not wait */

    if (weir_blocks_calls(&e->blocks)
        && !(kind == WEIR_BLOCK_CALL && e->blocks.part == d->part))
    {
        return weir_turns_add(&e->turns, d);
    }

    rc = weir_events_say(e, d);

    return rc ? rc : weir_events_waiting(e, false);
}


static int
weir_events_members(weir_json_t **to, weir_json_t *from)
{
    if (from == NULL) {
        return 0;
    }

    if (*to == NULL) {
        *to = weir_json_object();
    }

    return *to ? weir_merge(*to, from) : -1;
}


static int
weir_events_extra(weir_events_t *e, weir_json_t *x)
{
    int  rc;

    rc = weir_events_members(&e->extra, x);

    return e->begun ? rc | weir_events_members(&e->late,
                                               weir_json_get(x, "anthropic"))
                    : rc;
}


static int
weir_events_choice(weir_render_t *r, const weir_delta_t *d)
{
    int             rc;
    weir_events_t  *e = r->own;

    if (d->choice != 0) {
        return 0;                       /* there is one in this dialect */
    }

    rc = weir_events_begin(r);

    switch (d->kind) {

    case WEIR_DELTA_CHOICE:
        return rc | weir_events_members(&e->beside,
                                        weir_json_get(d->x, "anthropic"));

    case WEIR_DELTA_STOP:
        weir_buf_reset(&e->stop);
        weir_buf_str(&e->stop, d->s);
        return rc | weir_events_waiting(e, true);

    default: /* WEIR_DELTA_TEXT_OF, WEIR_DELTA_PART */
        return rc ? rc : weir_events_text(e, d);
    }
}


static int
weir_events_delta(weir_render_t *r, const weir_delta_t *d)
{
    weir_events_t  *e;

    e = weir_events_own(r);
    if (e == NULL) {
        return -1;
    }

    switch (d->kind) {

    case WEIR_DELTA_MODEL:
        weir_buf_reset(&e->model);
        weir_buf_str(&e->model, d->s);
        return e->model.failed ? -1 : 0;

    case WEIR_DELTA_EXTRA:
        return weir_events_extra(e, d->x);

    case WEIR_DELTA_USAGE:
        e->input = d->input >= 0 ? d->input : e->input;
        e->output = d->output >= 0 ? d->output : e->output;
        return 0;

    default:
        return weir_events_choice(r, d);
    }
}


static int
weir_events_end(weir_render_t *r)
{
    int             rc;
    weir_json_t    *event, *delta;
    weir_events_t  *e;

    static const char  *but[] = { "usage", NULL };

    e = weir_events_own(r);
    if (e == NULL) {
        return -1;
    }

    rc = weir_events_begin(r);
    rc = rc ? rc : weir_events_waiting(e, true);
    rc = rc ? rc : weir_blocks_close(&e->blocks);

    event = weir_part_new("message_delta");
    delta = weir_json_object();

    rc |= weir_json_set_take(delta, "stop_reason",
              weir_json_new_str(weir_anthropic_reason_of(
                  weir_events_str(&e->stop), e->blocks.refused)));
    rc |= weir_json_set_take(delta, "stop_sequence", weir_json_new_null());
    rc |= e->beside ? weir_json_copy(delta, e->beside, NULL) : 0;
    rc |= e->late ? weir_json_copy(event, e->late, but) : 0;
    rc |= weir_json_set_take(event, "delta", delta);
    rc |= weir_json_set_take(event, "usage",
                             weir_anthropic_usage(e->extra, e->input,
                                                  e->output));
    rc |= weir_blocks_event(&e->blocks, "message_delta", event);

    weir_buf_text(r->out, "event: message_stop\ndata: {\"type\":"
                  "\"message_stop\"}\n\n");

    return rc;
}


/* No message_stop behind it: clients take that for a clean end. */

static void
weir_events_fail(weir_render_t *r, const weir_failure_t *f)
{
    weir_buf_text(r->out, "event: error\ndata: ");
    weir_failure_body(f, WEIR_DIALECT_ANTHROPIC, r->request_id, r->out);

    while (r->out->len && r->out->data[r->out->len - 1] == '\n') {
        r->out->len--;
    }

    weir_buf_text(r->out, "\n\n");
}


static void
weir_events_free(weir_render_t *r)
{
    weir_events_t  *e = r->own;

    if (e == NULL) {
        return;
    }

    weir_turns_free(&e->turns);
    weir_blocks_free(&e->blocks);
    weir_json_free(&e->extra);
    weir_json_free(&e->late);
    weir_json_free(&e->beside);
    weir_buf_free(&e->model);
    weir_buf_free(&e->stop);
    free(e);
    r->own = NULL;
}


const weir_render_dialect_t  weir_render_anthropic = {
    weir_events_delta,
    weir_events_end,
    weir_events_fail,
    weir_events_free,
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    NULL
};


/* outcomes */

static int
weir_events_on_delta(void *arg, const weir_delta_t *d)
{
    return weir_render_delta(arg, d);
}


/* The usage is known, so that its beginning says it too. */

int
weir_anthropic_events(const weir_outcome_t *o, weir_str_t id, weir_buf_t *out)
{
    int            rc;
    weir_sent_t    sent = { 0 };
    weir_delta_t   usage = { .kind = WEIR_DELTA_USAGE,
                             .input = o->input_tokens,
                             .output = o->output_tokens };
    weir_render_t  r = { .dialect = &weir_render_anthropic, .id = id,
                         .out = out };

    rc = weir_render_delta(&r, &usage);
    rc = rc ? rc : weir_sent_rest(&sent, o, weir_events_on_delta, &r);
    rc = rc ? rc : weir_render_end(&r);

    weir_sent_free(&sent);
    weir_render_free(&r);

    return rc != 0 || out->failed ? -1 : 0;
}
