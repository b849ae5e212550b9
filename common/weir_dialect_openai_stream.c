/*
 * The OpenAI dialect: deltas, or an outcome, as the events of a stream.  Pure.
 */

#include "weir_dialect_openai.h"
#include "weir_dialect_openai_part.h"

#include <stdlib.h>

#include "weir_reach.h"
#include "weir_render.h"
#include "weir_sent.h"


typedef struct {
    unsigned  *parts;                   /* of the calls that have begun */
    unsigned   calls;
    bool       begun;                   /* its role was said */
} weir_events_choice_t;


/* what all events have is text already */

typedef struct {
    weir_json_t            *members;    /* of all events */
    weir_buf_t              head;       /* the same as text */
    weir_buf_t              first;      /* members of the next; or empty */
    weir_json_t            *shown;      /* the provider's own usage, or NULL */
    weir_events_choice_t   *choices;
    unsigned                n;
    long long               input;
    long long               output;
} weir_events_t;


/* events as text */

/* an object without its braces */

static void
weir_event_members(weir_buf_t *out, const weir_buf_t *object)
{
    if (object->len > 2) {
        weir_buf_add(out, object->data + 1, object->len - 2);
    }
}


static void
weir_event_begin(weir_render_t *r, bool last)
{
    weir_events_t  *e = r->own;

    weir_buf_text(r->out, "data: {");
    weir_event_members(r->out, &e->head);

    if (e->first.len) {
        weir_buf_text(r->out, ",");
        weir_event_members(r->out, &e->first);
        weir_buf_reset(&e->first);
    }

    if (r->usage && !last) {
        weir_buf_text(r->out, ",\"usage\":null");
    }
}


static void
weir_event_end(weir_render_t *r)
{
    weir_buf_text(r->out, "}\n\n");
}


/* "delta" is open between the two */

static void
weir_event_open(weir_render_t *r, unsigned index)
{
    weir_event_begin(r, false);
    weir_buf_printf(r->out, ",\"choices\":[{\"index\":%u,\"delta\":{", index);
}


static void
weir_event_close(weir_render_t *r)
{
    weir_buf_text(r->out, "},\"logprobs\":null,\"finish_reason\":null}]");
    weir_event_end(r);
}


static void
weir_event_piece(weir_render_t *r, unsigned index, const char *member,
    weir_str_t piece)
{
    weir_event_open(r, index);
    weir_buf_text(r->out, "\"");
    weir_buf_text(r->out, member);
    weir_buf_text(r->out, "\":");
    weir_json_quote(r->out, piece);
    weir_event_close(r);
}


static void
weir_events_text(weir_render_t *r, unsigned index, const char *member,
    weir_str_t text)
{
    size_t      size;
    weir_str_t  piece;

    size = weir_render_piece_size(text.len);

    while (weir_render_piece(&text, size, &piece)) {
        weir_event_piece(r, index, member, piece);
    }
}


/* choices */

static weir_events_choice_t *
weir_events_choice(weir_events_t *e, unsigned i)
{
    weir_events_choice_t  *choices;

    if (i >= WEIR_DELTA_CHOICES) {
        return NULL;
    }

    choices = weir_reach(e->choices, &e->n, i, sizeof(weir_events_choice_t));
    if (choices == NULL) {
        return NULL;
    }

    e->choices = choices;

    return &choices[i];
}


/* what comes before all else: the role, and whether there will be a text */

static void
weir_events_role(weir_render_t *r, const weir_delta_t *d,
    weir_events_choice_t *choice)
{
    bool  text;

    choice->begun = true;
    text = d->kind == WEIR_DELTA_TEXT_OF
           && (weir_str_eq(d->type, weir_str("text"))
               || weir_str_eq(d->type, weir_str("thinking")));

    weir_event_open(r, d->choice);
    weir_buf_text(r->out, text ? "\"role\":\"assistant\",\"content\":\"\","
                                 "\"refusal\":null"
                               : "\"role\":\"assistant\",\"content\":null,"
                                 "\"refusal\":null");
    weir_event_close(r);
}


/* The number of a call among those of its choice; *new_r: it begins.  -1: no
 * memory. */

static int
weir_events_call_of(weir_events_choice_t *choice, unsigned part, bool *new_r)
{
    unsigned  i, *parts;

    for (i = choice->calls; i > 0; i--) {
        if (choice->parts[i - 1] == part) {
            *new_r = false;
            return (int) i - 1;
        }
    }

    parts = weir_reach(choice->parts, &choice->calls, choice->calls,
                       sizeof(unsigned));
    if (parts == NULL) {
        return -1;
    }

    choice->parts = parts;
    parts[choice->calls - 1] = part;
    *new_r = true;

    return (int) choice->calls - 1;
}


/* A call begins with its name, and its arguments go on. */

static int
weir_events_call(weir_render_t *r, const weir_delta_t *d,
    weir_events_choice_t *choice)
{
    int   n;
    bool  begins;

    n = weir_events_call_of(choice, d->part, &begins);
    if (n < 0) {
        return -1;
    }

    weir_event_open(r, d->choice);
    weir_buf_printf(r->out, "\"tool_calls\":[{\"index\":%d", n);

    if (d->id.data) {
        weir_buf_text(r->out, ",\"id\":");
        weir_json_quote(r->out, d->id);
    }

    if (begins) {
        weir_buf_text(r->out, ",\"type\":\"function\"");
    }

    weir_buf_text(r->out, ",\"function\":{");

    if (d->name.data) {
        weir_buf_text(r->out, "\"name\":");
        weir_json_quote(r->out, d->name);
        weir_buf_text(r->out, ",");
    }

    weir_buf_text(r->out, "\"arguments\":");
    weir_json_quote(r->out, d->s);
    weir_buf_text(r->out, "}}]");
    weir_event_close(r);

    return 0;
}


/* A whole part is a call, or of another dialect, and then not shown here. */

static int
weir_events_part(weir_render_t *r, const weir_delta_t *d,
    weir_events_choice_t *choice)
{
    int           n, rc;
    bool          begins;
    weir_json_t  *call, *written;

    if (!weir_part_is_call(d->x)) {
        return 0;
    }

    n = weir_events_call_of(choice, d->part, &begins);
    call = weir_json_object();
    written = weir_call_write(d->x);

    rc = n < 0 || written == NULL ? -1 : weir_json_copy(call, written, NULL);
    rc |= weir_json_set_take(call, "index", weir_json_new_int(n));

    weir_event_open(r, d->choice);
    weir_buf_text(r->out, "\"tool_calls\":[");
    rc |= weir_json_write(call, r->out);
    weir_buf_text(r->out, "]");
    weir_event_close(r);

    weir_json_free(&call);
    weir_json_free(&written);

    return rc;
}


/* an event of a choice whose members are given */

static int
weir_events_other(weir_render_t *r, unsigned index, weir_json_t *delta,
    weir_json_t *members, weir_json_t *reason)
{
    int           rc;
    weir_json_t  *choice;

    choice = weir_json_object();

    rc = weir_json_set_take(choice, "logprobs", weir_json_new_null());
    rc |= members ? weir_json_copy(choice, members, NULL) : 0;
    rc |= weir_json_set_take(choice, "index", weir_json_new_int(index));
    rc |= weir_json_set_take(choice, "delta",
                             delta ? weir_json_ref(delta)
                                   : weir_json_object());
    rc |= weir_json_set_take(choice, "finish_reason", reason);

    weir_event_begin(r, false);
    weir_buf_text(r->out, ",\"choices\":[");
    rc |= weir_json_write(choice, r->out);
    weir_buf_text(r->out, "]");
    weir_event_end(r);

    weir_json_free(&choice);

    return rc;
}


static bool
weir_events_says(weir_json_t *members)
{
    void         *iter;
    const char   *name;
    weir_json_t  *value;

    for (iter = weir_json_next(members, NULL, &name, &value);
         iter;
         iter = weir_json_next(members, iter, &name, &value))
    {
        if (!weir_json_is_null(value)) {
            return true;
        }
    }

    return false;
}


/* members that are not neutral: of the message, and beside it */

static int
weir_events_beside(weir_render_t *r, const weir_delta_t *d)
{
    int                 rc;
    weir_json_t        *delta, *from, *beside;
    static const char  *but[] = {
        "role", "content", "refusal", "tool_calls", NULL
    };

    from = weir_json_get(d->x, "openai_message");
    beside = weir_json_get(d->x, "openai");
    delta = weir_json_object();

    rc = from ? weir_json_copy(delta, from, but) : 0;

    if (weir_events_says(delta) || weir_events_says(beside)) {
        rc |= weir_events_other(r, d->choice, delta, beside,
                                weir_json_new_null());
    }

    weir_json_free(&delta);

    return rc;
}


static int
weir_events_choice_delta(weir_render_t *r, const weir_delta_t *d)
{
    weir_events_choice_t  *choice;

    choice = weir_events_choice(r->own, d->choice);
    if (choice == NULL) {
        return -1;
    }

    if (!choice->begun) {
        weir_events_role(r, d, choice);
    }

    switch (d->kind) {

    case WEIR_DELTA_PART:
        return weir_events_part(r, d, choice);

    case WEIR_DELTA_CHOICE:
        return weir_events_beside(r, d);

    case WEIR_DELTA_STOP:
        return weir_events_other(r, d->choice, NULL, NULL,
                                 weir_json_new_str(weir_reason_of(d->s)));

    default: /* WEIR_DELTA_TEXT_OF */
        break;
    }

    if (weir_str_eq(d->type, weir_str("tool_call"))) {
        return weir_events_call(r, d, choice);
    }

    if (weir_str_eq(d->type, weir_str("text"))) {
        weir_events_text(r, d->choice, "content", d->s);

    } else if (weir_str_eq(d->type, weir_str("refusal"))) {
        weir_events_text(r, d->choice, "refusal", d->s);

    } else if (weir_str_eq(d->type, weir_str("thinking"))) {
        weir_events_text(r, d->choice, "reasoning_content", d->s);
    }

    return 0;
}


/* members of the completion */

static const char  *weir_events_all[] = {
    "system_fingerprint", "service_tier", NULL
};

static const char  *weir_events_not_first[] = {
    "id", "object", "created", "model", "choices", "usage",
    "system_fingerprint", "service_tier", NULL
};


static int
weir_events_head(weir_events_t *e, const char *name, weir_json_t *value)
{
    int  rc;

    rc = name ? weir_json_set_take(e->members, name, value) : 0;
    weir_buf_reset(&e->head);

    return rc | weir_json_write(e->members, &e->head);
}


/* The first delta finds nothing yet. */

static weir_events_t *
weir_events_own(weir_render_t *r)
{
    int             rc;
    weir_events_t  *e;

    if (r->own) {
        return r->own;
    }

    e = r->own = calloc(1, sizeof(weir_events_t));
    if (e == NULL) {
        return NULL;
    }

    e->members = weir_json_object();

    rc = weir_json_set_take(e->members, "id", weir_completion_id(r->id));
    rc |= weir_json_set_take(e->members, "object",
              weir_json_new_str(weir_str("chat.completion.chunk")));
    rc |= weir_json_set_take(e->members, "created",
                             weir_json_new_int(r->created));
    rc |= weir_json_set_take(e->members, "model",
              weir_json_new_str(r->model.data ? r->model : weir_str("")));

    return (rc | weir_events_head(e, NULL, NULL)) == 0 ? e : NULL;
}


/* What only the provider knows may be large: it comes once. */

static int
weir_events_extra(weir_events_t *e, const weir_json_t *all)
{
    int            rc;
    weir_json_t   *extra, *first, *value;
    const char   **name;

    value = weir_other_usage(all);

    if (weir_json_is_object(value)) {
        weir_json_free(&e->shown);
        e->shown = weir_json_ref(value);
    }

    weir_json_free(&value);

    extra = weir_json_get(all, "openai");
    if (extra == NULL) {
        return 0;
    }

    rc = 0;

    for (name = weir_events_all; *name; name++) {
        value = weir_json_get(extra, *name);

        if (value) {
            rc |= weir_events_head(e, *name, weir_json_ref(value));
        }
    }

    first = weir_json_object();
    rc |= weir_json_copy(first, extra, weir_events_not_first);

    if (weir_json_count(first)) {
        weir_buf_reset(&e->first);
        rc |= weir_json_write(first, &e->first);
    }

    weir_json_free(&first);

    return rc;
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
        return weir_events_head(e, "model", weir_json_new_str(d->s));

    case WEIR_DELTA_EXTRA:
        return weir_events_extra(e, d->x);

    case WEIR_DELTA_USAGE:
        e->input = d->input >= 0 ? d->input : e->input;
        e->output = d->output >= 0 ? d->output : e->output;
        return 0;

    default:
        return weir_events_choice_delta(r, d);
    }
}


static int
weir_events_end(weir_render_t *r)
{
    int             rc;
    weir_json_t    *usage;
    weir_events_t  *e;

    rc = 0;
    e = weir_events_own(r);

    if (e == NULL) {
        return -1;
    }

    if (r->usage) {
        usage = weir_usage_write(e->shown, e->input, e->output);

        weir_event_begin(r, true);
        weir_buf_text(r->out, ",\"choices\":[],\"usage\":");
        rc = weir_json_write(usage, r->out);
        weir_event_end(r);

        weir_json_free(&usage);
    }

    weir_buf_text(r->out, "data: [DONE]\n\n");

    return rc;
}


/* No [DONE] behind it: clients take that for a clean end. */

static void
weir_events_fail(weir_render_t *r, const weir_failure_t *f)
{
    weir_buf_text(r->out, "data: ");
    weir_failure_body(f, WEIR_DIALECT_OPENAI, r->request_id, r->out);

    while (r->out->len && r->out->data[r->out->len - 1] == '\n') {
        r->out->len--;
    }

    weir_buf_text(r->out, "\n\n");
}


static void
weir_events_free(weir_render_t *r)
{
    unsigned        i;
    weir_events_t  *e = r->own;

    if (e == NULL) {
        return;
    }

    for (i = 0; i < e->n; i++) {
        free(e->choices[i].parts);
    }

    free(e->choices);
    weir_json_free(&e->members);
    weir_json_free(&e->shown);
    weir_buf_free(&e->head);
    weir_buf_free(&e->first);
    free(e);
    r->own = NULL;
}


const weir_render_dialect_t  weir_render_openai = {
    weir_events_delta,
    weir_events_end,
    weir_events_fail,
    weir_events_free,
    NULL,
    NULL
};


/* outcomes */

static int
weir_events_on_delta(void *arg, const weir_delta_t *d)
{
    return weir_render_delta(arg, d);
}


int
weir_openai_events(const weir_outcome_t *o, weir_str_t id, int64_t created,
    bool usage, weir_buf_t *out)
{
    int            rc;
    weir_sent_t    sent = { 0 };
    weir_render_t  r = { .dialect = &weir_render_openai, .id = id,
                         .created = created, .usage = usage, .out = out };

    rc = weir_sent_rest(&sent, o, weir_events_on_delta, &r);
    rc = rc ? rc : weir_render_end(&r);

    weir_sent_free(&sent);
    weir_render_free(&r);

    return rc != 0 || out->failed ? -1 : 0;
}


bool
weir_openai_stream(const weir_json_t *body, bool *usage_r)
{
    *usage_r = weir_json_true(weir_json_get(weir_json_get(body,
                                                          "stream_options"),
                                            "include_usage"));

    return weir_json_true(weir_json_get(body, "stream"));
}
