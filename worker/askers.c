/*
 * Askers: jobs that hang on to the run of a question, of which there may be
 * many, get its end.  Runs that may have ended stand in an outbox: who finished
 * a run tells its askers at once, and every runner looks for what others left
 * there.  Owns what is to be looked at; what a look does is in askers_look.c.
 */

#include "askers.h"

#include <stdlib.h>

#include "log.h"
#include "mem.h"


#define ASKERS_LOOK   250               /* ms between looks at what is due */
#define ASKERS_SOON   5                 /* ms, when there is more */
#define ASKERS_MOST   64                /* runs at once */
#define ASKERS_WAIT   1024              /* that wait; more are found due */


/* looks under way, and those to be made, the first one first */

typedef struct {
    look_t        *first;
    look_t       **last;
    unsigned       count;
} looks_t;


struct askers_s {
    runner_t      *runner;
    left_t        *left;
    loop_timer_t   poll;
    loop_turn_t    turn;
    bool           asking;              /* an answer is to come */
    bool           stopped;
    looks_t        active;
    looks_t        waiting;
};


/* lists of looks */

static void
looks_init(looks_t *list)
{
    list->last = &list->first;
}


static void
looks_add(looks_t *list, look_t *l)
{
    l->next = NULL;
    *list->last = l;
    list->last = &l->next;
    list->count++;
}


static look_t *
looks_find(const looks_t *list, weir_str_t run)
{
    look_t  *l;

    for (l = list->first; l && !weir_str_eq(weir_str_of(l->run), run);
         l = l->next)
    {
        /* void */
    }

    return l;
}


static void
looks_remove(looks_t *list, look_t *l)
{
    look_t  **p;

    for (p = &list->first; *p != l; p = &(*p)->next) { /* void */ }

    *p = l->next;

    if (*p == NULL) {
        list->last = p;
    }

    list->count--;
}


/* the end of a look */

void
askers_looked(look_t *l)
{
    askers_t  *a;

    a = l->runner->askers;
    looks_remove(&a->active, l);

    if (l->again) {
        l->again = false;
        looks_add(&a->waiting, l);

    } else {
        look_free(l);
    }
}


/* looking */

static void
askers_set_poll(askers_t *a, bool more)
{
    if (!a->stopped) {
        loop_timer_set(a->runner->loop, &a->poll,
                       more ? ASKERS_SOON
                            : ASKERS_LOOK - ASKERS_LOOK / 4
                              + mem_chance() % (ASKERS_LOOK / 2));
    }
}


/* at the end of a turn: looks begin and end within callbacks of others */

static void
askers_on_turn(void *data)
{
    look_t    *l;
    askers_t  *a;

    a = data;

    /* without a connection each would end at once */

    while (a->waiting.count && a->active.count < ASKERS_MOST
           && redis_is_up(a->runner->cmd))
    {
        l = a->waiting.first;

        looks_remove(&a->waiting, l);
        looks_add(&a->active, l);
        look_start(l);
    }
}


static void
askers_add(askers_t *a, weir_str_t run, weir_str_t outcome)
{
    look_t    *l;
    unsigned   shard;

    if (!weir_id_parse(run, &shard) || shard != RUNNER_SHARD) {
        LOG(LOG_ERROR, "ended_invalid", log_str("member", run));
        return;
    }

    l = mem_alloc(sizeof(look_t));
    l->runner = a->runner;
    l->left = a->left;
    memcpy(l->run, run.data, WEIR_ID_LEN);

    if (outcome.len && outcome.len <= WEIR_MAIL_BODY_MAX) {
        l->outcome = mem_copy(outcome);
    }

    looks_add(&a->waiting, l);
}


/* What is told: the one under way may have been too early. */

static void
askers_tell(askers_t *a, weir_str_t run, weir_str_t outcome)
{
    look_t  *l;

    l = looks_find(&a->active, run);

    if (l) {
        l->again = true;

    } else if (a->waiting.count < ASKERS_WAIT) {
        askers_add(a, run, outcome);
    }
}


static void
askers_on_due(void *data, const weir_answer_t *answer)
{
    size_t      i, n;
    askers_t   *a;
    weir_str_t  run;

    a = data;
    a->asking = false;
    n = answer->code == WEIR_ANSWER_OK ? weir_reply_count(answer->reply) : 0;

    for (i = 0; i < n && !a->stopped; i++) {
        run = weir_reply_str(weir_reply_at(answer->reply, i));

        if (looks_find(&a->active, run) == NULL
            && looks_find(&a->waiting, run) == NULL)
        {
            askers_add(a, run, weir_str_null);
        }
    }

    askers_set_poll(a, n == ASKERS_MOST);
}


static void
askers_poll(void *data)
{
    askers_t    *a;
    runner_t    *r;
    weir_txn_t  *t;

    a = data;
    r = a->runner;

    if (a->stopped || a->asking) {
        return;
    }

    if (r->clock && a->waiting.count == 0) {
        t = runner_txn(r);
        weir_txn_ended(t, RUNNER_SHARD, runner_now(r), ASKERS_MOST);

        if (redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout,
                       askers_on_due, a) == 0)
        {
            a->asking = true;
            return;
        }
    }

    askers_set_poll(a, false);
}


void
askers_kick(askers_t *a, const char *run, weir_str_t outcome)
{
    askers_tell(a, weir_str_of(run), outcome);
}


void
askers_left(askers_t *a, weir_str_t run)
{
    char      id[WEIR_ID_LEN + 1];
    unsigned  shard;

    if (weir_id_parse(run, &shard) && shard == RUNNER_SHARD) {
        memcpy(id, run.data, WEIR_ID_LEN);
        id[WEIR_ID_LEN] = '\0';
        left_look(a->left, id, false);
    }
}


bool
askers_is_idle(const askers_t *a)
{
    return (a->active.count == 0 && a->waiting.count == 0
            && left_is_idle(a->left))
           || !redis_is_up(a->runner->cmd);
}


void
askers_on_up(askers_t *a)
{
    left_on_up(a->left);
}


askers_t *
askers_create(runner_t *r)
{
    askers_t  *a;

    a = mem_alloc(sizeof(askers_t));
    a->runner = r;
    a->left = left_create(r);
    looks_init(&a->active);
    looks_init(&a->waiting);

    a->poll.fn = askers_poll;
    a->poll.data = a;
    a->turn.fn = askers_on_turn;
    a->turn.data = a;

    loop_turn_add(r->loop, &a->turn);
    askers_set_poll(a, false);

    return a;
}


void
askers_stop(askers_t *a)
{
    a->stopped = true;
    loop_timer_stop(a->runner->loop, &a->poll);
}


void
askers_destroy(askers_t **ap)
{
    look_t    *l;
    askers_t  *a;

    a = *ap;
    *ap = NULL;

    askers_stop(a);
    loop_turn_remove(a->runner->loop, &a->turn);

    while ((l = a->waiting.first) != NULL) {
        looks_remove(&a->waiting, l);
        look_free(l);
    }

    left_destroy(&a->left);
    free(a);
}
