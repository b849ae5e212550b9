/*
 * Decisions about limits that are made together.  Pure.
 */

#include "weir_batch.h"


void
weir_batch_init(weir_batch_t *b)
{
    b->n = 0;
    memset(b->table, 0, sizeof(b->table));
}


/* where the name is, or would be: the table is never full */

static unsigned
weir_batch_slot(const weir_batch_t *b, weir_str_t name, bool slots)
{
    unsigned                   h;
    const weir_batch_state_t  *s;

    h = weir_str_hash(name) & (WEIR_BATCH_TABLE - 1);

    while (b->table[h]) {
        s = &b->states[b->table[h] - 1];

        if (s->slots == slots
            && weir_str_eq((weir_str_t) { s->name, s->len }, name))
        {
            break;
        }

        h = (h + 1) & (WEIR_BATCH_TABLE - 1);
    }

    return h;
}


int
weir_batch_add(weir_batch_t *b, const char *text, bool slots)
{
    unsigned             h;
    weir_str_t           name;
    weir_batch_state_t  *s;

    name = weir_str_of(text);

    if (name.len == 0 || name.len > WEIR_LIMIT_KEY_MAX) {
        return -1;
    }

    h = weir_batch_slot(b, name, slots);

    if (b->table[h]) {
        return b->table[h] - 1;
    }

    if (b->n == WEIR_LIMITS_BATCH) {
        return -1;
    }

    s = &b->states[b->n];
    memset(s, 0, sizeof(*s));
    memcpy(s->name, name.data, name.len);
    s->len = name.len;
    s->slots = slots;

    b->table[h] = (unsigned char) ++b->n;

    return (int) b->n - 1;
}


/* the newest names were put in last: nobody was moved aside by them */

void
weir_batch_cut(weir_batch_t *b, unsigned n)
{
    weir_batch_state_t  *s;

    while (b->n > n) {
        s = &b->states[b->n - 1];
        b->table[weir_batch_slot(b, (weir_str_t) { s->name, s->len },
                                 s->slots)] = 0;
        b->n--;
    }
}


static void
weir_batch_change(weir_batch_state_t *s, const weir_limit_t *limit,
    int64_t now)
{
    int64_t  lasts;

    s->changed = !s->slots;

    if (s->slots) {
        return;
    }

    lasts = weir_limit_lasts(limit, &s->state, now);

    if (lasts > s->lasts) {
        s->lasts = lasts;
    }
}


bool
weir_batch_decide(weir_batch_t *b, const weir_batch_part_t *parts, unsigned n,
    int64_t now)
{
    bool                      allowed;
    unsigned                  i;
    weir_batch_state_t       *s;
    const weir_batch_part_t  *p;

    allowed = true;

    for (i = 0; i < n; i++) {
        p = &parts[i];
        weir_limit_check(p->limit, &b->states[p->i].state, now, p->cost,
                         p->verdict);
        allowed = allowed && p->verdict->allowed;
    }

    for (i = 0; i < n; i++) {
        p = &parts[i];
        s = &b->states[p->i];

        if (allowed) {

            if (p->cost) {
                weir_limit_charge(p->limit, &s->state, now, p->cost);
                weir_batch_change(s, p->limit, now);
            }

            continue;
        }

        if (p->verdict->allowed) {              /* nothing is charged */
            weir_limit_check(p->limit, &s->state, now, 0, p->verdict);
        }

        /* time counts again only for what was written as of now */

        if (weir_limit_ahead(&s->state, now)) {
            weir_limit_charge(p->limit, &s->state, now, 0);
            weir_batch_change(s, p->limit, now);
        }
    }

    return allowed;
}


void
weir_batch_charge(weir_batch_t *b, int i, const weir_limit_t *limit,
    int64_t now, int64_t cost, int64_t at)
{
    weir_batch_state_t  *s;

    s = &b->states[i];

    if (cost < 0) {
        weir_limit_settle(limit, &s->state, now, at, cost);

    } else {
        weir_limit_charge(limit, &s->state, now, cost);
    }

    weir_batch_change(s, limit, now);
}
