/*
 * Deltas that wait for their turn.  Pure.
 */

#include "weir_turns.h"

#include <stdlib.h>

#include "weir_reach.h"


/* bytes of a part that waits */
#define WEIR_TURN_MAX  (8 * 1024 * 1024)


struct weir_turn_s {
    unsigned       part;
    weir_buf_t     type;
    weir_buf_t     id;
    weir_buf_t     name;
    weir_buf_t     text;
    weir_json_t   *whole;               /* or NULL: it is a text */
};


static void
weir_turn_free(weir_turn_t *turn)
{
    weir_buf_free(&turn->type);
    weir_buf_free(&turn->id);
    weir_buf_free(&turn->name);
    weir_buf_free(&turn->text);
    weir_json_free(&turn->whole);
}


void
weir_turns_free(weir_turns_t *t)
{
    unsigned  i;

    for (i = 0; i < t->n; i++) {
        weir_turn_free(&t->turns[i]);
    }

    free(t->turns);
    memset(t, 0, sizeof(weir_turns_t));
}


static weir_str_t
weir_turn_str(const weir_buf_t *b)
{
    return (weir_str_t) { b->data ? b->data : "", b->len };
}


static weir_turn_t *
weir_turns_find(const weir_turns_t *t, const weir_delta_t *d)
{
    unsigned      i;
    weir_turn_t  *turn;

    for (i = t->next; i < t->n; i++) {
        turn = &t->turns[i];

        if (turn->whole == NULL && turn->part == d->part
            && weir_str_eq(weir_turn_str(&turn->type), d->type))
        {
            return turn;
        }
    }

    return NULL;
}


static weir_turn_t *
weir_turns_new(weir_turns_t *t, const weir_delta_t *d)
{
    weir_turn_t  *turns, *turn;

    turns = weir_reach(t->turns, &t->n, t->n, sizeof(weir_turn_t));
    if (turns == NULL) {
        return NULL;
    }

    t->turns = turns;
    turn = &turns[t->n - 1];
    turn->part = d->part;
    weir_buf_str(&turn->type, d->type);
    weir_buf_init(&turn->text, WEIR_TURN_MAX);

    return turn;
}


int
weir_turns_add(weir_turns_t *t, const weir_delta_t *d)
{
    weir_turn_t  *turn;

    turn = d->kind == WEIR_DELTA_PART ? NULL : weir_turns_find(t, d);

    if (turn == NULL) {
        turn = weir_turns_new(t, d);
    }

    if (turn == NULL) {
        return -1;
    }

    if (d->kind == WEIR_DELTA_PART) {
        turn->whole = weir_json_ref(d->x);
        return 0;
    }

    if (turn->id.len == 0) {
        weir_buf_str(&turn->id, d->id);
    }

    if (turn->name.len == 0) {
        weir_buf_str(&turn->name, d->name);
    }

    weir_buf_str(&turn->text, d->s);

    return turn->type.failed || turn->id.failed || turn->name.failed
           || turn->text.failed ? -1 : 0;
}


bool
weir_turns_next(weir_turns_t *t, weir_delta_t *d_r)
{
    weir_turn_t  *turn;

    if (t->next == t->n) {
        weir_turns_free(t);
        return false;
    }

    if (t->next) {
        weir_turn_free(&t->turns[t->next - 1]);
    }

    turn = &t->turns[t->next++];

    *d_r = (weir_delta_t) { .kind = turn->whole ? WEIR_DELTA_PART
                                                : WEIR_DELTA_TEXT_OF,
                            .part = turn->part,
                            .type = weir_turn_str(&turn->type),
                            .id = weir_turn_str(&turn->id),
                            .name = weir_turn_str(&turn->name),
                            .s = weir_turn_str(&turn->text),
                            .x = turn->whole };

    return true;
}
