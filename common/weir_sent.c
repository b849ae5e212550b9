/*
 * What a reader of a stream was sent.  Owns the counts.
 */

#include "weir_sent.h"

#include <stdlib.h>

#include "weir_reach.h"


#define WEIR_SENT_SEED   14695981039346656037ull
#define WEIR_SENT_PRIME  1099511628211ull


typedef struct {
    uint64_t   len;
    uint64_t   hash;            /* FNV-1a of so many bytes */
    bool       begun;
    bool       whole;
} weir_sent_part_t;


struct weir_sent_choice_s {
    weir_sent_part_t  *parts;
    unsigned           n;
    bool               members;
    bool               stopped;
};


void
weir_sent_free(weir_sent_t *sent)
{
    unsigned  i;

    for (i = 0; i < sent->n; i++) {
        free(sent->choices[i].parts);
    }

    free(sent->choices);
    memset(sent, 0, sizeof(weir_sent_t));
}


static uint64_t
weir_sent_hash(uint64_t hash, weir_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        hash = (hash ^ (unsigned char) s.data[i]) * WEIR_SENT_PRIME;
    }

    return hash;
}


/* NULL: no memory, or beyond what there may be */

static weir_sent_choice_t *
weir_sent_choice(weir_sent_t *sent, unsigned i)
{
    weir_sent_choice_t  *choices;

    if (i >= WEIR_DELTA_CHOICES) {
        return NULL;
    }

    choices = weir_reach(sent->choices, &sent->n, i,
                         sizeof(weir_sent_choice_t));
    if (choices == NULL) {
        return NULL;
    }

    sent->choices = choices;

    return &choices[i];
}


static weir_sent_part_t *
weir_sent_part(weir_sent_choice_t *choice, unsigned p)
{
    weir_sent_part_t  *parts;

    if (choice == NULL || p >= WEIR_DELTA_PARTS) {
        return NULL;
    }

    parts = weir_reach(choice->parts, &choice->n, p,
                       sizeof(weir_sent_part_t));
    if (parts == NULL) {
        return NULL;
    }

    choice->parts = parts;

    return &parts[p];
}


int
weir_sent_add(weir_sent_t *sent, const weir_delta_t *d)
{
    weir_sent_part_t    *part;
    weir_sent_choice_t  *choice;

    switch (d->kind) {

    case WEIR_DELTA_MODEL:
        sent->model = true;
        return 0;

    case WEIR_DELTA_EXTRA:
        sent->extra = true;
        return 0;

    case WEIR_DELTA_USAGE:
        return 0;

    default:
        break;
    }

    sent->content = true;
    choice = weir_sent_choice(sent, d->choice);

    if (choice == NULL) {
        return -1;
    }

    if (d->kind == WEIR_DELTA_STOP) {
        choice->stopped = true;
        return 0;
    }

    if (d->kind == WEIR_DELTA_CHOICE) {
        choice->members = true;
        return 0;
    }

    part = weir_sent_part(choice, d->part);

    if (part == NULL) {
        return -1;
    }

    if (!part->begun) {
        part->begun = true;
        part->hash = WEIR_SENT_SEED;
    }

    part->whole = (d->kind == WEIR_DELTA_PART);
    part->len += d->s.len;
    part->hash = weir_sent_hash(part->hash, d->s);

    return 0;
}


/* the outcome */

static bool
weir_sent_is_text(const weir_json_t *part)
{
    return weir_json_get(part, "openai") == NULL
           && (weir_json_is_string(weir_json_get(part, "text"))
               || weir_json_is_string(weir_json_get(part, "arguments")));
}


static weir_str_t
weir_sent_text(const weir_json_t *part)
{
    weir_json_t  *text;

    text = weir_json_get(part, "text");

    return weir_json_str(text ? text : weir_json_get(part, "arguments"));
}


static bool
weir_sent_begins(const weir_sent_part_t *part, const weir_json_t *with)
{
    weir_str_t  text;

    if (!part->begun) {
        return true;
    }

    if (part->whole || !weir_sent_is_text(with)) {
        return part->whole && !weir_sent_is_text(with);
    }

    text = weir_sent_text(with);

    if (part->len > text.len) {
        return false;
    }

    text.len = part->len;

    return weir_sent_hash(WEIR_SENT_SEED, text) == part->hash;
}


static bool
weir_sent_choice_begins(const weir_sent_choice_t *choice,
    const weir_json_t *with)
{
    unsigned      p;
    weir_json_t  *parts;

    parts = weir_json_get(with, "parts");

    for (p = 0; p < choice->n; p++) {
        if (choice->parts[p].begun
            && !weir_sent_begins(&choice->parts[p], weir_json_at(parts, p)))
        {
            return false;
        }
    }

    /* after its end nothing can be said of a choice any more */

    if (choice->stopped) {
        if (choice->n != weir_json_count(parts)) {
            return false;
        }

        for (p = 0; p < choice->n; p++) {
            if (!choice->parts[p].whole
                && choice->parts[p].len
                   != weir_sent_text(weir_json_at(parts, p)).len)
            {
                return false;
            }
        }
    }

    return true;
}


/* saying what is missing */

typedef struct {
    weir_sent_t    *sent;
    weir_delta_pt   fn;
    void           *arg;
} weir_sent_rest_t;


static int
weir_sent_say(weir_sent_rest_t *r, const weir_delta_t *d)
{
    int  rc;

    rc = r->fn(r->arg, d);

    return rc ? rc : weir_sent_add(r->sent, d);
}


static int
weir_sent_say_part(weir_sent_rest_t *r, unsigned i, unsigned p,
    weir_json_t *from)
{
    bool               begun;
    uint64_t           len;
    weir_delta_t       d = { .choice = i, .part = p, .x = from };
    weir_sent_part_t  *part;

    part = weir_sent_part(weir_sent_choice(r->sent, i), p);
    if (part == NULL) {
        return -1;
    }

    begun = part->begun;
    len = part->len;

    if (!weir_sent_is_text(from)) {
        d.kind = WEIR_DELTA_PART;
        return begun ? 0 : weir_sent_say(r, &d);
    }

    d.kind = WEIR_DELTA_TEXT_OF;
    d.type = weir_json_str(weir_json_get(from, "type"));
    d.s = weir_sent_text(from);

    if (!begun) {
        d.id = weir_json_str(weir_json_get(from, "id"));
        d.name = weir_json_str(weir_json_get(from, "name"));

    } else if (len == d.s.len) {
        return 0;
    }

    d.s.data += len;
    d.s.len -= len;

    return weir_sent_say(r, &d);
}


static weir_json_t *
weir_sent_members(weir_json_t *choice)
{
    weir_json_t        *x;
    static const char  *but[] = { "index", "role", "parts", "stop", NULL };

    x = weir_json_object();

    if (weir_json_copy(x, choice, but) != 0) {
        weir_json_free(&x);
    }

    return x;
}


static int
weir_sent_say_choice(weir_sent_rest_t *r, unsigned i, weir_json_t *from)
{
    int           rc;
    size_t        p;
    weir_json_t  *parts;
    weir_delta_t  d = { .choice = i };

    if (weir_sent_choice(r->sent, i) == NULL) {
        return -1;
    }

    if (r->sent->choices[i].stopped) {
        return 0;
    }

    parts = weir_json_get(from, "parts");

    for (p = 0, rc = 0; rc == 0 && p < weir_json_count(parts); p++) {
        rc = weir_sent_say_part(r, i, (unsigned) p, weir_json_at(parts, p));
    }

    if (rc == 0 && !r->sent->choices[i].members) {
        d.kind = WEIR_DELTA_CHOICE;
        d.x = weir_sent_members(from);

        if (d.x == NULL) {
            return -1;
        }

        rc = weir_json_count(d.x) ? weir_sent_say(r, &d) : 0;
        weir_json_free(&d.x);
    }

    if (rc == 0) {
        d.kind = WEIR_DELTA_STOP;
        d.s = weir_json_str(weir_json_get(from, "stop"));
        rc = weir_sent_say(r, &d);
    }

    return rc;
}


int
weir_sent_rest(weir_sent_t *sent, const weir_outcome_t *o, weir_delta_pt fn,
    void *arg)
{
    int               rc;
    unsigned          i, n;
    weir_delta_t      d = { .kind = WEIR_DELTA_MODEL, .s = o->model };
    weir_sent_rest_t  r = { sent, fn, arg };

    n = (unsigned) weir_json_count(o->choices);

    if (sent->n > n) {
        return -2;
    }

    for (i = 0; i < sent->n; i++) {
        if (!weir_sent_choice_begins(&sent->choices[i],
                                     weir_json_at(o->choices, i)))
        {
            return -2;
        }
    }

    rc = sent->model ? 0 : weir_sent_say(&r, &d);

    if (rc == 0 && !sent->extra && o->extra) {
        d.kind = WEIR_DELTA_EXTRA;
        d.x = o->extra;
        rc = weir_sent_say(&r, &d);
    }

    for (i = 0; rc == 0 && i < n; i++) {
        rc = weir_sent_say_choice(&r, i, weir_json_at(o->choices, i));
    }

    d = (weir_delta_t) { .kind = WEIR_DELTA_USAGE, .input = o->input_tokens,
                         .output = o->output_tokens };

    return rc ? rc : fn(arg, &d);
}
