/*
 * What a batch of settlements comes to: from what was read to the commands of
 * one transaction.  Sends nothing.
 */

#include "settle.h"

#include <stdio.h>


#define SETTLE_AWAY  3600000            /* ms, for what cannot be read */


void
settle_batch_add(settle_batch_t *b, const char *run, int64_t due)
{
    unsigned        i;
    settle_item_t  *item;

    /* twice in one transaction would be charged twice */

    for (i = 0; i < b->n; i++) {
        if (memcmp(b->items[i].run, run, WEIR_ID_LEN) == 0) {
            return;
        }
    }

    item = &b->items[b->n++];
    memcpy(item->run, run, WEIR_ID_LEN + 1);
    item->due = due;
}


/* NULL: there is no room for one more */

static settle_state_t *
settle_batch_state(settle_batch_t *b, weir_str_t name)
{
    unsigned         i;
    settle_state_t  *state;

    for (i = 0; i < b->nstates; i++) {
        if (weir_str_eq(b->states[i].name, name)) {
            return &b->states[i];
        }
    }

    if (b->nstates == WEIR_LIMITS_BATCH) {
        return NULL;
    }

    state = &b->states[b->nstates++];
    memset(state, 0, sizeof(settle_state_t));
    state->name = name;

    return state;
}


/* Takes places for the states of an item, all or none. */

static bool
settle_batch_places(settle_batch_t *b, const settle_item_t *item)
{
    unsigned              i, before;
    const weir_charge_t  *c;

    before = b->nstates;

    for (i = 0; i < item->s.h.n; i++) {
        c = &item->s.h.charges[i];

        if (weir_settle_units(&item->s, c, item->verdict)
            && settle_batch_state(b, c->name) == NULL)
        {
            b->nstates = before;
            return false;
        }
    }

    return true;
}


void
settle_batch_judge(settle_batch_t *b)
{
    unsigned        i;
    settle_item_t  *item;

    b->nstates = 0;

    for (i = 0; i < b->n; i++) {
        item = &b->items[i];
        item->verdict = weir_settle_judge(&item->s, item->due);

        /* one that ended here and is not there any more is left to a look,
         * which knows since when it is due */

        item->skipped = item->away || (!item->s.found && item->due == 0)
                        || !settle_batch_places(b, item);
    }
}


void
settle_batch_watch(const settle_batch_t *b, weir_txn_t *t)
{
    unsigned    i;
    weir_str_t  names[WEIR_LIMITS_BATCH];

    for (i = 0; i < b->nstates; i++) {
        names[i] = b->states[i].name;
    }

    weir_txn_limits_watch(t, RUNNER_SHARD, names, b->nstates);
}


void
settle_batch_states(settle_batch_t *b, const weir_answer_t *answer)
{
    unsigned  i;

    for (i = 0; i < b->nstates; i++) {
        (void) weir_txn_limits_read(answer, i, &b->states[i].state);
    }
}


static void
settle_batch_charge(settle_batch_t *b, const settle_item_t *item, weir_txn_t *t,
    int64_t now)
{
    int64_t               units, lasts;
    unsigned              i;
    settle_state_t       *state;
    const weir_charge_t  *c;

    for (i = 0; i < item->s.h.n; i++) {
        c = &item->s.h.charges[i];

        if (c->limit.form == WEIR_LIMIT_AT_ONCE) {
            weir_txn_slots_leave(t, RUNNER_SHARD, c->name, item->run);
            continue;
        }

        units = weir_limit_due(&c->limit, c->at, c->level, now * 1000,
                               weir_settle_units(&item->s, c,
                                                 item->verdict));

        if (units == 0) {
            continue;
        }

        state = settle_batch_state(b, c->name);
        weir_limit_settle(&c->limit, &state->state, now * 1000, c->at, units);

        lasts = weir_limit_lasts(&c->limit, &state->state, now * 1000);

        if (state->lasts < lasts) {
            state->lasts = lasts;
        }
    }
}


static void
settle_batch_count(settle_batch_t *b, const settle_item_t *item)
{
    const weir_settle_t  *s;

    s = &item->s;
    b->settled += s->found && !s->settled;

    if (item->verdict == WEIR_SETTLE_STANDS) {
        b->stands++;

    } else if (item->verdict == WEIR_SETTLE_BACK
               || s->input_tokens + s->output_tokens == 0)
    {
        b->back += s->hold;
    }
}


void
settle_batch_write(settle_batch_t *b, weir_txn_t *t, int64_t now)
{
    unsigned        i, noff, nused;
    weir_str_t      off[WEIR_SETTLE_BATCH];
    weir_usage_t    used[WEIR_SETTLE_BATCH];
    settle_item_t  *item;

    noff = nused = 0;
    b->settled = b->back = b->stands = 0;

    weir_txn_limits_begin(t);

    for (i = 0; i < b->n; i++) {
        item = &b->items[i];

        if (item->away) {
            weir_txn_settle_later(t, RUNNER_SHARD, item->run,
                                  now + SETTLE_AWAY);

        } else if (item->skipped) {
            continue;

        } else if (item->verdict == WEIR_SETTLE_WAIT) {
            weir_txn_settle_later(t, RUNNER_SHARD, item->run,
                                  weir_settle_next(&item->s, now));

        } else {
            settle_batch_charge(b, item, t, now);
            weir_txn_settle_done(t, RUNNER_SHARD, item->run, &item->s);
            settle_batch_count(b, item);
            off[noff++] = weir_str_of(item->run);

            if (!item->s.settled) {
                nused = weir_usage_add(used, nused, &item->s);
            }
        }
    }

    for (i = 0; i < b->nstates; i++) {
        weir_txn_limits_set(t, RUNNER_SHARD, b->states[i].name,
                            &b->states[i].state,
                            (b->states[i].lasts + 999) / 1000);
    }

    if (noff) {
        weir_txn_settle_off(t, RUNNER_SHARD, off, noff);
    }

    for (i = 0; i < nused; i++) {
        weir_txn_settle_used(t, RUNNER_SHARD, &used[i]);
    }

    weir_txn_limits_end(t);
}
