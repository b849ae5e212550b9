/*
 * An outcome that is put together of deltas.  Owns what it collects.
 */

#include "weir_collect.h"

#include <stdlib.h>

#include "weir_merge.h"
#include "weir_reach.h"


struct weir_collect_part_s {
    weir_buf_t    type;                 /* empty: it has not begun */
    weir_buf_t    id;
    weir_buf_t    name;
    weir_buf_t    text;
    weir_json_t  *whole;                /* in place of all of these */
    bool          has_id;
    bool          has_name;
};


struct weir_collect_choice_s {
    weir_collect_part_t  *parts;
    unsigned              n;
    weir_json_t          *members;      /* beside the parts; or NULL */
    weir_buf_t            stop;
    bool                  stopped;
};


void
weir_collect_init(weir_collect_t *c, size_t max)
{
    memset(c, 0, sizeof(weir_collect_t));

    c->max = max;
    c->input = c->output = -1;
}


static void
weir_collect_part_free(weir_collect_part_t *part)
{
    weir_buf_free(&part->type);
    weir_buf_free(&part->id);
    weir_buf_free(&part->name);
    weir_buf_free(&part->text);
    weir_json_free(&part->whole);
}


void
weir_collect_free(weir_collect_t *c)
{
    unsigned                i, k;
    weir_collect_choice_t  *choice;

    for (i = 0; i < c->n; i++) {
        choice = &c->choices[i];

        for (k = 0; k < choice->n; k++) {
            weir_collect_part_free(&choice->parts[k]);
        }

        free(choice->parts);
        weir_json_free(&choice->members);
        weir_buf_free(&choice->stop);
    }

    free(c->choices);
    weir_buf_free(&c->model);
    weir_json_free(&c->extra);
    weir_collect_init(c, c->max);
}


/* places; NULL: no memory, or beyond what there may be */

static weir_collect_choice_t *
weir_collect_choice(weir_collect_t *c, unsigned i)
{
    weir_collect_choice_t  *choices;

    if (i >= WEIR_DELTA_CHOICES) {
        return NULL;
    }

    choices = weir_reach(c->choices, &c->n, i, sizeof(weir_collect_choice_t));
    if (choices == NULL) {
        return NULL;
    }

    c->choices = choices;

    return &choices[i];
}


static weir_collect_part_t *
weir_collect_part(weir_collect_t *c, const weir_delta_t *d)
{
    weir_collect_part_t    *parts;
    weir_collect_choice_t  *choice;

    choice = weir_collect_choice(c, d->choice);

    if (choice == NULL || d->part >= WEIR_DELTA_PARTS) {
        return NULL;
    }

    parts = weir_reach(choice->parts, &choice->n, d->part,
                       sizeof(weir_collect_part_t));
    if (parts == NULL) {
        return NULL;
    }

    choice->parts = parts;

    return &parts[d->part];
}


static weir_str_t
weir_collect_str(const weir_buf_t *b)
{
    return (weir_str_t) { b->data ? b->data : "", b->len };
}


static int
weir_collect_count(weir_collect_t *c, size_t n)
{
    c->bytes += n;

    return c->bytes > c->max ? -1 : 0;
}


/* adding */

static int
weir_collect_text(weir_collect_t *c, const weir_delta_t *d)
{
    weir_collect_part_t  *part;

    part = weir_collect_part(c, d);

    if (part == NULL || part->whole
        || weir_collect_count(c, d->s.len + d->id.len + d->name.len) != 0)
    {
        return -1;
    }

    if (part->type.len == 0) {
        weir_buf_str(&part->type, d->type);

    } else if (!weir_str_eq(weir_collect_str(&part->type), d->type)) {
        return -1;
    }

    if (d->id.data && !part->has_id) {
        weir_buf_str(&part->id, d->id);
        part->has_id = true;
    }

    if (d->name.data && !part->has_name) {
        weir_buf_str(&part->name, d->name);
        part->has_name = true;
    }

    weir_buf_str(&part->text, d->s);
    c->text += d->s.len;

    return part->type.failed || part->id.failed || part->name.failed
           || part->text.failed ? -1 : 0;
}


static int
weir_collect_whole(weir_collect_t *c, const weir_delta_t *d)
{
    weir_buf_t            text = { 0 };
    weir_collect_part_t  *part;

    part = weir_collect_part(c, d);

    if (part == NULL || part->type.len || weir_json_write(d->x, &text) != 0
        || weir_collect_count(c, text.len) != 0)
    {
        weir_buf_free(&text);
        return -1;
    }

    weir_buf_free(&text);
    weir_json_free(&part->whole);
    part->whole = weir_json_ref(d->x);

    return 0;
}


static int
weir_collect_members(weir_collect_t *c, weir_json_t **to, weir_json_t *from)
{
    int         rc;
    weir_buf_t  text = { 0 };

    rc = weir_json_write(from, &text) | weir_collect_count(c, text.len);
    weir_buf_free(&text);

    if (rc == 0 && *to == NULL) {
        *to = weir_json_object();
    }

    return rc == 0 && *to ? weir_merge(*to, from) : -1;
}


static int
weir_collect_stop(weir_collect_t *c, const weir_delta_t *d)
{
    weir_collect_choice_t  *choice;

    choice = weir_collect_choice(c, d->choice);

    if (choice == NULL || weir_collect_count(c, d->s.len) != 0) {
        return -1;
    }

    weir_buf_reset(&choice->stop);
    weir_buf_str(&choice->stop, d->s);
    choice->stopped = true;

    return choice->stop.failed ? -1 : 0;
}


int
weir_collect_add(weir_collect_t *c, const weir_delta_t *d)
{
    weir_collect_choice_t  *choice;

    switch (d->kind) {

    case WEIR_DELTA_MODEL:
        weir_buf_reset(&c->model);
        weir_buf_str(&c->model, d->s);
        return c->model.failed ? -1 : weir_collect_count(c, d->s.len);

    case WEIR_DELTA_TEXT_OF:
        return weir_collect_text(c, d);

    case WEIR_DELTA_PART:
        return weir_collect_whole(c, d);

    case WEIR_DELTA_CHOICE:
        choice = weir_collect_choice(c, d->choice);
        return choice ? weir_collect_members(c, &choice->members, d->x) : -1;

    case WEIR_DELTA_STOP:
        return weir_collect_stop(c, d);

    case WEIR_DELTA_USAGE:
        c->input = d->input >= 0 ? d->input : c->input;
        c->output = d->output >= 0 ? d->output : c->output;
        return 0;

    default: /* WEIR_DELTA_EXTRA */
        return weir_collect_members(c, &c->extra, d->x);
    }
}


unsigned
weir_collect_stopped(const weir_collect_t *c, bool *all_r)
{
    unsigned  i, n;

    for (i = 0, n = 0; i < c->n; i++) {
        n += c->choices[i].stopped;
    }

    *all_r = (n == c->n);

    return n;
}


/* again */

static int
weir_collect_replay_choice(const weir_collect_choice_t *choice, unsigned i,
    weir_delta_pt fn, void *arg)
{
    int                         rc;
    unsigned                    k;
    weir_delta_t                d;
    const weir_collect_part_t  *part;

    for (k = 0, rc = 0; rc == 0 && k < choice->n; k++) {
        part = &choice->parts[k];
        memset(&d, 0, sizeof(weir_delta_t));
        d.choice = i;
        d.part = k;

        if (part->whole) {
            d.kind = WEIR_DELTA_PART;
            d.x = part->whole;
            rc = fn(arg, &d);

        } else if (part->type.len) {
            d.kind = WEIR_DELTA_TEXT_OF;
            d.type = weir_collect_str(&part->type);
            d.id = part->has_id ? weir_collect_str(&part->id) : d.id;
            d.name = part->has_name ? weir_collect_str(&part->name) : d.name;
            d.s = weir_collect_str(&part->text);
            rc = fn(arg, &d);
        }
    }

    memset(&d, 0, sizeof(weir_delta_t));
    d.choice = i;

    if (rc == 0 && choice->members) {
        d.kind = WEIR_DELTA_CHOICE;
        d.x = choice->members;
        rc = fn(arg, &d);
    }

    if (rc == 0 && choice->stopped) {
        d.kind = WEIR_DELTA_STOP;
        d.s = weir_collect_str(&choice->stop);
        rc = fn(arg, &d);
    }

    return rc;
}


int
weir_collect_replay(const weir_collect_t *c, weir_delta_pt fn, void *arg)
{
    int           rc;
    unsigned      i;
    weir_delta_t  d;

    memset(&d, 0, sizeof(weir_delta_t));
    rc = 0;

    if (c->model.len) {
        d.kind = WEIR_DELTA_MODEL;
        d.s = weir_collect_str(&c->model);
        rc = fn(arg, &d);
    }

    if (rc == 0 && c->extra) {
        d.kind = WEIR_DELTA_EXTRA;
        d.x = c->extra;
        rc = fn(arg, &d);
    }

    for (i = 0; rc == 0 && i < c->n; i++) {
        rc = weir_collect_replay_choice(&c->choices[i], i, fn, arg);
    }

    if (rc == 0 && (c->input >= 0 || c->output >= 0)) {
        d.kind = WEIR_DELTA_USAGE;
        d.input = c->input;
        d.output = c->output;
        rc = fn(arg, &d);
    }

    return rc;
}


/* the outcome */

static weir_json_t *
weir_collect_part_write(const weir_collect_part_t *part)
{
    int           rc;
    bool          call;
    weir_str_t    type;
    weir_json_t  *to;

    if (part->whole) {
        return weir_json_ref(part->whole);
    }

    to = weir_json_object();
    type = weir_collect_str(&part->type);
    call = weir_str_eq(type, weir_str("tool_call"));

    rc = weir_json_set_take(to, "type", weir_json_new_str(type));

    if (part->has_id) {
        rc |= weir_json_set_take(to, "id",
                  weir_json_new_str(weir_collect_str(&part->id)));
    }

    if (part->has_name) {
        rc |= weir_json_set_take(to, "name",
                  weir_json_new_str(weir_collect_str(&part->name)));
    }

    rc |= weir_json_set_take(to, call ? "arguments" : "text",
                             weir_json_new_str(weir_collect_str(&part->text)));

    if (rc != 0) {
        weir_json_free(&to);
    }

    return to;
}


static weir_json_t *
weir_collect_choice_write(const weir_collect_choice_t *choice, unsigned i)
{
    int           rc;
    unsigned      k;
    weir_json_t  *to, *parts;

    to = weir_json_object();
    parts = weir_json_array();
    rc = 0;

    for (k = 0; k < choice->n; k++) {
        if (choice->parts[k].whole || choice->parts[k].type.len) {
            rc |= weir_json_add_take(parts,
                      weir_collect_part_write(&choice->parts[k]));
        }
    }

    rc |= weir_json_set_take(to, "index", weir_json_new_int(i));
    rc |= weir_json_set_take(to, "role",
                             weir_json_new_str(weir_str("assistant")));
    rc |= weir_json_set_take(to, "parts", parts);
    rc |= weir_json_set_take(to, "stop",
                             weir_json_new_str(weir_collect_str(
                                                   &choice->stop)));

    if (choice->members) {
        rc |= weir_json_copy(to, choice->members, NULL);
    }

    if (rc != 0) {
        weir_json_free(&to);
    }

    return to;
}


int
weir_collect_outcome(const weir_collect_t *c, weir_outcome_t *o)
{
    int       rc;
    unsigned  i;

    o->choices = weir_json_array();
    rc = 0;

    for (i = 0; i < c->n; i++) {
        rc |= weir_json_add_take(o->choices,
                                 weir_collect_choice_write(&c->choices[i], i));
    }

    o->extra = c->extra ? weir_json_ref(c->extra) : NULL;
    o->input_tokens = c->input > 0 ? c->input : 0;
    o->output_tokens = c->output > 0 ? c->output : 0;

    o->doc = weir_json_object();
    rc |= weir_json_set_take(o->doc, "model",
                             weir_json_new_str(weir_collect_str(&c->model)));
    o->model = weir_json_str(weir_json_get(o->doc, "model"));

    if (rc != 0) {
        weir_json_free(&o->choices);
        return -1;
    }

    return 0;
}
