/*
 * Askers: jobs that hang on to the run of a question, of which there may be
 * many, get its end.  Runs that may have ended stand in an outbox: who finished
 * a run tells its askers at once, and every runner looks for what others left
 * there.
 *
 * A run is looked at page by page.  The look puts it off in the outbox, so that
 * others leave it alone for a while; each job of the page gets its end by a
 * transaction that may be repeated; then the page leaves the askers, and when
 * there are none, the run leaves the outbox.  Who dies in between leaves the
 * rest to another, and two at once do the same twice, of which once counts.
 */

#include "askers.h"

#include <stdio.h>
#include <stdlib.h>

#include "fault.h"
#include "log.h"
#include "mem.h"


#define ASKERS_LOOK   250               /* ms between looks at what is due */
#define ASKERS_SOON   5                 /* ms, when there is more */
#define ASKERS_HOLD   5000              /* ms that others leave a run alone */
#define ASKERS_MOST   64                /* runs at once */
#define ASKERS_WAIT   1024              /* that wait; more are found due */
#define ASKERS_LOST   60000             /* ms that a run may not be there */


/* a run that is looked at */

typedef struct look_s  look_t;

struct look_s {
    look_t        *next;
    askers_t      *askers;
    char           run[WEIR_ID_LEN + 1];
    char          *outcome;             /* a small one; NULL: not known */
    bool           again;               /* once more, when this is over */

    /* its end, as far as it is read: strings are in token */
    weir_hand_on_t  end;
    char           token[ASKERS_TOKEN_MAX];

    /* a page of those who ask */
    unsigned       n;
    unsigned       pending;
    struct {
        char       name[WEIR_ID_LEN + 1];
        bool       job;
        bool       gone;
    } of[WEIR_ASKERS_BATCH];
};


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


static void
look_free(look_t *l)
{
    free(l->outcome);
    free(l);
}


/* the end of a look */

static void
look_end(look_t *l)
{
    askers_t  *a;

    a = l->askers;
    looks_remove(&a->active, l);

    if (l->again) {
        l->again = false;
        looks_add(&a->waiting, l);

    } else {
        look_free(l);
    }
}


/* What was not answered, or refused, is due again when its time is over. */

static void
look_fail(look_t *l, const weir_answer_t *answer)
{
    if (answer && answer->code != WEIR_ANSWER_LOST) {
        LOG(answer->code == WEIR_ANSWER_ERROR ? LOG_ERROR : LOG_WARN,
            "askers_later", log_text("run", l->run),
            log_str("reason", answer->error));
    }

    look_end(l);
}


static void
look_ask(look_t *l, const weir_txn_t *t, weir_answer_pt fn)
{
    runner_t  *r;

    r = l->askers->runner;

    if (redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout, fn, l) != 0) {
        look_fail(l, NULL);
    }
}


/* nobody asks any more: the run leaves the outbox */

static void
look_close(look_t *l)
{
    left_look(l->askers->left, l->run, true);
    look_end(l);
}


/* a page is done */

static void look_start(look_t *l);


static void
look_on_off(void *data, const weir_answer_t *answer)
{
    look_t    *l;
    unsigned   i;

    l = data;

    if (answer->code != WEIR_ANSWER_OK) {
        look_fail(l, answer);
        return;
    }

    for (i = 0; i < l->n; i++) {
        if (!l->of[i].gone) {
            look_end(l);                /* it is tried again in a while */
            return;
        }
    }

    if (l->n == WEIR_ASKERS_BATCH) {
        look_start(l);

    } else {
        look_close(l);
    }
}


static void
look_off(look_t *l)
{
    unsigned     i, n;
    weir_txn_t  *t;
    weir_str_t   members[WEIR_ASKERS_BATCH];

    FAULT("askers_told");
    n = 0;

    for (i = 0; i < l->n; i++) {
        if (l->of[i].gone) {
            members[n++] = weir_str_of(l->of[i].name);
        }
    }

    if (n == 0) {
        look_end(l);
        return;
    }

    t = runner_txn(l->askers->runner);
    weir_txn_handed_on(t, RUNNER_SHARD, l->run, members, n);
    look_ask(l, t, look_on_off);
}


/* the jobs of a page */

static void
look_took(void *data, unsigned i, bool gone)
{
    look_t  *l;

    l = data;
    l->of[i].gone |= gone;

    if (--l->pending == 0) {
        look_off(l);
    }
}


static void
look_end_job(look_t *l, unsigned i, const weir_job_t *job,
    const weir_run_t *own, weir_state_e state, const char *token)
{
    asker_end_t  e;

    memset(&e, 0, sizeof(asker_end_t));

    e.id = l->of[i].name;
    e.run = l->run;
    e.job = job;
    e.own = own;
    e.state = state;
    e.token = token;
    e.outcome = l->outcome;
    e.fn = look_took;
    e.data = l;
    e.i = i;

    l->pending++;
    asker_end(l->askers->runner, &e);
}


/* The run is not there: it may come yet, or never came, or is long gone, and
 * nobody will ever have its end. */

static void
look_lost_job(look_t *l, unsigned i, const weir_job_t *job,
    const weir_run_t *own)
{
    if (!job->found || !own->found || weir_state_is_final(own->state)
        || !weir_str_eq(job->run, weir_str_of(l->run)))
    {
        l->of[i].gone = true;

    } else if (job->created + ASKERS_LOST < runner_now(l->askers->runner)) {
        look_end_job(l, i, job, own, WEIR_CANCELLED, WEIR_TOKEN_LATE);
    }
}


static void
look_on_jobs(void *data, const weir_answer_t *answer)
{
    look_t      *l;
    unsigned     i, k;
    weir_job_t   job;
    weir_run_t   own;

    l = data;
    l->pending = 1;

    if (answer->code != WEIR_ANSWER_OK) {
        look_fail(l, answer);
        return;
    }

    for (i = 0, k = 0; i < l->n; i++) {
        if (!l->of[i].job) {
            continue;
        }

        if (!weir_txn_looks_read(answer, k++, &job, &own)) {
            continue;
        }

        if (!l->end.run.found) {
            look_lost_job(l, i, &job, &own);

        } else if (weir_hand_on_takes(&l->end, l->run, &job, &own)) {
            look_end_job(l, i, &job, &own, l->end.run.state, l->token);

        } else {
            l->of[i].gone = true;
        }
    }

    look_took(l, 0, false);
}


static void
look_jobs(look_t *l)
{
    unsigned     i, n;
    weir_str_t   ids[WEIR_ASKERS_BATCH];
    weir_txn_t  *t;

    n = 0;

    for (i = 0; i < l->n; i++) {
        if (l->of[i].job) {
            ids[n++] = weir_str_of(l->of[i].name);

        } else if (l->of[i].name[0]) {
            l->of[i].gone = true;       /* a mailbox, which has been told */
        }
    }

    if (n == 0) {
        look_off(l);
        return;
    }

    t = runner_txn(l->askers->runner);
    weir_txn_looks(t, RUNNER_SHARD, ids, n);
    look_ask(l, t, look_on_jobs);
}


/* the run */

static void
look_take(look_t *l, const weir_hand_on_t *h)
{
    size_t      i;
    weir_str_t  member;

    snprintf(l->token, sizeof(l->token), "%.*s", (int) h->run.token.len,
             h->run.token.data ? h->run.token.data : "");

    memset(&l->end, 0, sizeof(weir_hand_on_t));
    l->end.run.found = h->run.found;
    l->end.run.state = h->run.state;
    l->end.run.token = weir_str_of(l->token);

    memset(l->of, 0, sizeof(l->of));

    for (i = 0;
         i < WEIR_ASKERS_BATCH
         && weir_txn_hand_on_asker(h, i, &member, &l->of[i].job);
         i++)
    {
        if (member.len > WEIR_ID_LEN) {
            LOG(LOG_ERROR, "asker_invalid", log_str("member", member));
            continue;
        }

        memcpy(l->of[i].name, member.data, member.len);
    }

    l->n = (unsigned) i;
}


static void
look_on_run(void *data, const weir_answer_t *answer)
{
    look_t          *l;
    weir_hand_on_t   h;

    l = data;

    if (!weir_txn_hand_on_read(answer, &h)) {
        look_fail(l, answer);
        return;
    }

    FAULT("askers_read");

    if (h.run.found && !weir_state_is_final(h.run.state)) {
        left_look(l->askers->left, l->run, false);
        look_end(l);
        return;
    }

    look_take(l, &h);

    if (l->n == 0) {
        look_close(l);

    } else {
        look_jobs(l);
    }
}


static void
look_start(look_t *l)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = l->askers->runner;
    t = runner_txn(r);
    weir_txn_hand_on(t, RUNNER_SHARD, l->run, runner_now(r) + ASKERS_HOLD,
                     WEIR_ASKERS_BATCH);
    look_ask(l, t, look_on_run);
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
    l->askers = a;
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
