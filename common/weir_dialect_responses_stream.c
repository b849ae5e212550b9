/*
 * The Responses dialect: deltas, or an outcome, as the events of a stream.
 *
 * A provider may give several calls of tools in turns: what comes while the
 * arguments of a call are not whole waits until they are, so that items come
 * one after the other, and as they stand in the outcome.  Pure.
 */

#include "weir_dialect_responses.h"
#include "weir_dialect_responses_flow.h"

#include <stdlib.h>

#include "weir_contract.h"
#include "weir_merge.h"
#include "weir_render.h"
#include "weir_sent.h"
#include "weir_turns.h"


typedef struct {
    weir_flow_t    flow;
    int64_t        base;                /* of its numbers */
    weir_json_t   *extra;               /* of the outcome, so far */
    weir_json_t   *beside;              /* of the choice, by dialect */
    weir_buf_t     model;
    weir_buf_t     stop;                /* neutral */
    weir_turns_t   turns;               /* what waits for the call */
    long long      input;
    long long      output;
    bool           created;             /* was said; so are the next */
    bool           running;
    bool           ended;
} weir_events_t;


static weir_str_t
weir_events_str(const weir_buf_t *b)
{
    return (weir_str_t) { b->data ? b->data : "", b->len };
}


static weir_events_t *
weir_events_own(weir_render_t *r)
{
    weir_events_t  *e;

    if (r->own == NULL) {
        e = r->own = calloc(1, sizeof(weir_events_t));

        if (e == NULL) {
            return NULL;
        }

        e->flow.job = r->id;
        e->base = r->base;
        e->flow.next = r->base;
        e->flow.from = r->from;
        weir_buf_str(&e->model, r->model);
    }

    e = r->own;
    e->flow.out = r->out;

    /* an attempt after one that has said nothing */

    if (e->base < r->base) {
        e->flow.next += r->base - e->base;
        e->base = r->base;
    }

    return e;
}


/* the response, as events show it */

static int
weir_events_response(weir_render_t *r, const char *type, weir_response_t *d)
{
    int             rc;
    weir_json_t    *response;
    weir_events_t  *e = r->own;

    if (!weir_flow_begin(&e->flow, type)) {
        return 0;
    }

    d->id = r->id;
    d->model = weir_events_str(&e->model);
    d->echo = r->echo;
    d->created = r->created;

    response = weir_response_write(d);

    weir_buf_text(r->out, ",\"response\":");
    rc = response ? weir_json_write(response, r->out) : -1;
    weir_flow_end(&e->flow);
    weir_json_free(&response);

    return rc;
}


static bool
weir_events_background(const weir_render_t *r)
{
    bool          background;
    char          error[WEIR_JSON_ERROR];
    weir_json_t  *echo;

    echo = r->echo.len ? weir_json_parse(r->echo, error) : NULL;
    background = weir_json_true(weir_json_get(echo, "background"));
    weir_json_free(&echo);

    return background;
}


static int
weir_events_begin(weir_render_t *r)
{
    weir_response_t   d = { .status = "in_progress" };
    weir_events_t    *e;

    e = weir_events_own(r);

    if (e == NULL || e->created) {
        return e ? 0 : -1;
    }

    e->created = true;

    if (weir_events_background(r)) {
        d.status = "queued";
    }

    return weir_events_response(r, "response.created", &d);
}


static int
weir_events_run(weir_render_t *r)
{
    int               rc;
    weir_response_t   d = { .status = "in_progress" };
    weir_events_t    *e;

    rc = weir_events_begin(r);
    e = r->own;

    if (rc != 0 || e->running) {
        return rc;
    }

    e->running = true;

    return weir_events_response(r, "response.in_progress", &d);
}


/* deltas */

/* all: nothing goes on any more */

static int
weir_events_waiting(weir_events_t *e, bool all)
{
    int           rc;
    weir_delta_t  d;

    rc = 0;

    while (rc == 0 && (all || !weir_flow_calls(&e->flow))
           && weir_turns_next(&e->turns, &d))
    {
        rc = weir_flow_say(&e->flow, weir_item_kind(d.type), &d);
    }

    return rc;
}


static int
weir_events_text(weir_events_t *e, const weir_delta_t *d)
{
    int          rc;
    weir_item_e  kind;

    kind = weir_item_kind(d->type);

    if (kind == WEIR_ITEM_NONE) {
        return 0;
    }

    /* its own arguments do not wait, nor what comes too late for a call */

    if (weir_flow_calls(&e->flow)
        && !(kind == WEIR_ITEM_CALL
             && (e->flow.part == d->part
                 || weir_toolcalls_ended(&e->flow.calls, d->part))))
    {
        return weir_turns_add(&e->turns, d);
    }

    rc = weir_flow_say(&e->flow, kind, d);

    return rc ? rc : weir_events_waiting(e, false);
}


/* A whole part of the model has members beside, which are not shown here. */

static int
weir_events_whole(weir_events_t *e, const weir_delta_t *d)
{
    weir_delta_t  as = *d;
    weir_json_t  *text;

    text = weir_json_get(d->x, "text");

    as.kind = WEIR_DELTA_TEXT_OF;
    as.type = weir_json_str(weir_json_get(d->x, "type"));
    as.id = weir_json_str(weir_json_get(d->x, "id"));
    as.name = weir_json_str(weir_json_get(d->x, "name"));
    as.s = weir_json_str(text ? text : weir_json_get(d->x, "arguments"));

    return weir_events_text(e, &as);
}


static int
weir_events_members(weir_json_t **to, weir_json_t *from)
{
    if (*to == NULL) {
        *to = weir_json_object();
    }

    return *to ? weir_merge(*to, from) : -1;
}


static int
weir_events_close(weir_events_t *e)
{
    int  rc;

    if (e->ended) {
        return 0;
    }

    e->ended = true;
    rc = weir_events_waiting(e, true);

    return rc ? rc : weir_flow_close(&e->flow,
                         weir_items_cut(weir_events_str(&e->stop))
                         ? "incomplete" : "completed");
}


static int
weir_events_choice(weir_events_t *e, const weir_delta_t *d)
{
    if (d->choice != 0) {
        return 0;                       /* there is one in this dialect */
    }

    switch (d->kind) {

    case WEIR_DELTA_CHOICE:
        return weir_events_members(&e->beside, d->x);

    case WEIR_DELTA_STOP:
        weir_buf_reset(&e->stop);
        weir_buf_str(&e->stop, d->s);
        return e->stop.failed ? -1 : weir_events_close(e);

    case WEIR_DELTA_PART:
        return e->ended ? -1 : weir_events_whole(e, d);

    default: /* WEIR_DELTA_TEXT_OF */
        return e->ended ? -1 : weir_events_text(e, d);
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
        return e->model.failed ? -1 : weir_events_run(r);

    case WEIR_DELTA_EXTRA:
        return weir_events_run(r) | weir_events_members(&e->extra, d->x);

    case WEIR_DELTA_USAGE:
        e->input = d->input >= 0 ? d->input : e->input;
        e->output = d->output >= 0 ? d->output : e->output;
        return weir_events_run(r);

    default:
        return weir_events_run(r) != 0 ? -1 : weir_events_choice(e, d);
    }
}


static int
weir_events_end(weir_render_t *r)
{
    int               rc;
    weir_response_t   d = { .usage = true };
    weir_events_t    *e;

    e = weir_events_own(r);

    if (e == NULL || weir_events_run(r) != 0 || weir_events_close(e) != 0) {
        return -1;
    }

    d.cut = weir_items_cut(weir_events_str(&e->stop));
    d.status = d.cut ? "incomplete" : "completed";
    d.items = e->flow.items;
    d.extra = e->extra;
    d.input = e->input;
    d.output = e->output;

    rc = weir_items_logprobs(e->flow.items,
                             weir_json_get(weir_json_get(e->beside, "openai"),
                                           "logprobs"));

    return rc | weir_events_response(r, d.cut ? "response.incomplete"
                                              : "response.completed", &d);
}


/* the end of what is not whole */

static void
weir_events_failed(weir_render_t *r, const weir_failure_t *f)
{
    weir_events_t    *e = r->own;
    weir_response_t   d = { .status = "failed", .error = f,
                            .items = e->flow.items, .extra = e->extra,
                            .input = e->input, .output = e->output,
                            .usage = e->input + e->output > 0 };

    if (weir_events_response(r, "response.failed", &d) != 0) {
        r->out->failed = true;
    }
}


/* A member "error" makes clients throw what is only a kind of event to them
 * otherwise, and a stream that ends. */

static void
weir_events_broken(weir_render_t *r, const weir_failure_t *f)
{
    size_t          len;
    weir_str_t      code;
    weir_events_t  *e = r->own;

    (void) weir_flow_begin(&e->flow, "error");

    code = weir_failure_code(f);
    weir_buf_text(r->out, ",\"code\":");
    weir_json_quote(r->out, code);
    weir_buf_text(r->out, ",\"message\":");
    weir_json_quote(r->out, weir_str_of(f->message));
    weir_buf_text(r->out, ",\"param\":");

    if (f->param[0]) {
        weir_json_quote(r->out, weir_str_of(f->param));

    } else {
        weir_buf_text(r->out, "null");
    }

    /* the object without its last brace, whose first is a comma */

    len = r->out->len;
    weir_failure_body(f, WEIR_DIALECT_OPENAI, r->request_id, r->out);

    if (!r->out->failed) {
        r->out->data[len] = ',';

        do {
            r->out->len--;
        } while (r->out->data[r->out->len] != '}');
    }

    weir_flow_end(&e->flow);
}


static void
weir_events_fail(weir_render_t *r, const weir_failure_t *f)
{
    weir_events_t  *e;

    if (weir_events_begin(r) != 0) {
        r->out->failed = true;
        return;
    }

    /* whatever the reader has: he has not this */

    e = r->own;

    if (e->flow.next < e->flow.from) {
        e->flow.next = e->flow.from;
    }

    if (r->over) {
        weir_events_failed(r, f);

    } else {
        weir_events_broken(r, f);
    }
}


static void
weir_events_free(weir_render_t *r)
{
    weir_events_t  *e = r->own;

    if (e == NULL) {
        return;
    }

    weir_turns_free(&e->turns);
    weir_flow_free(&e->flow);
    weir_json_free(&e->extra);
    weir_json_free(&e->beside);
    weir_buf_free(&e->model);
    weir_buf_free(&e->stop);
    free(e);
    r->own = NULL;
}


const weir_render_dialect_t  weir_render_responses = {
    weir_events_delta,
    weir_events_end,
    weir_events_fail,
    weir_events_free,
    NULL,
    weir_events_begin
};


/* of a job */

/* Generations, deliveries, and what an answer has bytes: a number that any
 * client can hold. */

int64_t
weir_responses_base(int64_t token)
{
    int64_t  gen, n;

    gen = token / WEIR_TOKEN_GENERATION - 1;
    n = token % WEIR_TOKEN_GENERATION - 1;

    if (token < WEIR_TOKEN_GENERATION) {
        return 0;
    }

    n = n < 0 ? 0 : n > 1023 ? 1023 : n;
    gen = gen > 1023 ? 1023 : gen;

    return (gen << 10 | n) << 32;
}


static int
weir_events_on_delta(void *arg, const weir_delta_t *d)
{
    return weir_render_delta(arg, d);
}


int
weir_responses_events(const weir_responses_t *job, int64_t base, int64_t from,
    weir_buf_t *out)
{
    int              rc;
    weir_sent_t      sent = { 0 };
    weir_failure_t   f;
    weir_render_t    r = { .dialect = &weir_render_responses, .id = job->id,
                           .model = job->model, .created = job->created,
                           .out = out, .echo = job->echo, .base = base,
                           .from = from };

    rc = weir_render_begin(&r);

    if (rc == 0 && job->state == WEIR_COMPLETED && job->outcome) {
        rc = weir_sent_rest(&sent, job->outcome, weir_events_on_delta, &r);
        rc = rc ? rc : weir_render_end(&r);

    } else if (rc == 0 && weir_state_is_final(job->state)) {
        weir_responses_failure(job, &f);
        r.over = (job->state == WEIR_FAILED || job->state == WEIR_EXPIRED);
        weir_render_fail(&r, &f);
    }

    weir_sent_free(&sent);
    weir_render_free(&r);

    return rc != 0 || out->failed ? -1 : 0;
}
