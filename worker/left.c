/*
 * Left: whether anybody still wants a run.  A job that asks for it may be
 * cancelled, or pass its deadline, and who waits for it, or reads it, may go:
 * whoever it was, the run goes on as long as one is left, and is cancelled when
 * it was the last.  And when a run has ended, it stays in the outbox until its
 * last asker was told.
 *
 * WATCH says that none came in between; it belongs to a connection, so there is
 * one for this, with one run in hand.  What is lost is looked at again, because
 * the run is due in the outbox, or because its lease is renewed.
 */

#include "askers.h"

#include <stdio.h>
#include <stdlib.h>

#include "fault.h"
#include "log.h"
#include "mem.h"


#define LEFT_QUEUE  4096                /* runs */
#define LEFT_AGAIN  500                 /* ms, after "later" */
#define LEFT_LATER  600000              /* ms, of a run that somebody wants */


typedef void (*left_pt)(left_t *l, const weir_answer_t *answer);

typedef struct {
    char           run[WEIR_ID_LEN + 1];
    bool           ended;
} left_task_t;


struct left_s {
    runner_t      *runner;
    bool           busy;                /* an answer is to come, */
    left_pt        on;                  /* and if it is good goes there */
    bool           while_read;          /* of the one in hand, */
    char           owner[JOB_OWNER_MAX];        /* as it was read */
    unsigned       first;               /* the one in hand, then the others */
    unsigned       count;
    left_task_t    tasks[LEFT_QUEUE];
    loop_timer_t   again;
};


static void left_next(void *data);


static const char *
left_run(const left_t *l)
{
    return l->tasks[l->first].run;
}


/* The one in hand is over, whatever came of it. */

static void
left_done(left_t *l)
{
    l->busy = false;
    l->first = (l->first + 1) % LEFT_QUEUE;
    l->count--;

    left_next(l);
}


static void
left_fail(left_t *l, const weir_answer_t *answer)
{
    l->busy = false;

    switch (answer->code) {

    case WEIR_ANSWER_LOST:
        return;                         /* left_on_up() goes on */

    case WEIR_ANSWER_ABORTED:
        left_next(l);                   /* somebody came: look again */
        return;

    case WEIR_ANSWER_ERROR:
        LOG(LOG_ERROR, "left_failed", log_text("run", left_run(l)),
            log_str("reason", answer->error));
        left_done(l);
        return;

    default: /* LATER, DENIED */
        LOG(LOG_WARN, "left_later", log_text("run", left_run(l)),
            log_str("reason", answer->error));
        loop_timer_set(l->runner->loop, &l->again, LEFT_AGAIN);
        return;
    }
}


static void
left_on_answer(void *data, const weir_answer_t *answer)
{
    left_t  *l;

    l = data;

    if (answer->code == WEIR_ANSWER_OK) {
        l->on(l, answer);

    } else {
        left_fail(l, answer);
    }
}


static void
left_send(left_t *l, const weir_txn_t *t, left_pt on)
{
    runner_t  *r;

    r = l->runner;
    l->on = on;
    l->busy = redis_send(r->asking, t, (uint64_t) r->conf->redis.timeout,
                         left_on_answer, l)
              == 0;
}


static void
left_stays(left_t *l)
{
    weir_txn_t  *t;

    t = runner_txn(l->runner);
    weir_txn_unwatch(t);
    (void) redis_send(l->runner->asking, t,
                      (uint64_t) l->runner->conf->redis.timeout, NULL, NULL);

    left_done(l);
}


/* nobody: it is cancelled */

static void
left_tell(left_t *l, const weir_reply_t *mailboxes)
{
    runner_t       *r;
    weir_finish_t   f;

    r = l->runner;
    memset(&f, 0, sizeof(weir_finish_t));

    f.shard = RUNNER_SHARD;
    f.run = left_run(l);
    f.state = WEIR_CANCELLED;
    f.token = WEIR_TOKEN_LEFT;
    f.now = runner_now(r);

    counters_add(r->counters, left, 1);
    LOG(LOG_INFO, "run_left", log_text("run", f.run));

    finish_tell(r, &f, mailboxes, weir_str_null);
    askers_kick(r->askers, f.run, weir_str_null);
}


static void
left_on_cancel(left_t *l, const weir_answer_t *answer)
{
    FAULT("left_executed");

    if (weir_str_eq(weir_txn_cancel_fin(answer),
                    weir_str(WEIR_STATE_CANCELLED ":" WEIR_TOKEN_LEFT)))
    {
        left_tell(l, weir_txn_cancel_mailboxes(answer));
    }

    left_done(l);
}


/* Who leaves, and the end of the run, make it due before that: WATCH says that
 * neither was in between. */

static void
left_on_later(left_t *l, const weir_answer_t *answer)
{
    (void) answer;

    left_done(l);
}


static void
left_later(left_t *l)
{
    weir_txn_t  *t;

    t = runner_txn(l->runner);
    weir_txn_left_later(t, RUNNER_SHARD, left_run(l),
                        runner_now(l->runner) + LEFT_LATER);
    left_send(l, t, left_on_later);
}


static void
left_cancel(left_t *l)
{
    weir_txn_t     *t;
    weir_cancel_t   c;

    memset(&c, 0, sizeof(weir_cancel_t));

    c.shard = RUNNER_SHARD;
    c.id = left_run(l);
    c.token = WEIR_TOKEN_LEFT;
    c.now = runner_now(l->runner);
    c.owner = weir_str_of(l->owner);
    c.tell = true;
    c.while_read = l->while_read;

    t = runner_txn(l->runner);
    weir_txn_cancel(t, &c);
    left_send(l, t, left_on_cancel);
}


/* A question's run has those who ask for it; that of a job, of which only the
 * answer is kept, has none, and goes on. */

static void
left_on_job(left_t *l, const weir_answer_t *answer)
{
    if (weir_txn_left_job_read(answer)) {
        left_stays(l);

    } else {
        left_cancel(l);
    }
}


static void
left_on_readers(left_t *l, const weir_answer_t *answer)
{
    weir_txn_t  *t;

    if (!weir_txn_left_nobody(answer)) {
        left_later(l);

    } else if (l->while_read) {
        left_cancel(l);

    } else {
        t = runner_txn(l->runner);
        weir_txn_left_job(t, RUNNER_SHARD, left_run(l));
        left_send(l, t, left_on_job);
    }
}


static void
left_on_askers(left_t *l, const weir_answer_t *answer)
{
    weir_txn_t  *t;

    if (!weir_txn_left_nobody(answer)) {
        left_later(l);

    } else {
        t = runner_txn(l->runner);
        weir_txn_left_readers(t, RUNNER_SHARD, left_run(l),
                              runner_now(l->runner));
        left_send(l, t, left_on_readers);
    }
}


static void
left_on_watch(left_t *l, const weir_answer_t *answer)
{
    weir_txn_t   *t;
    weir_left_t   left;

    if (!weir_txn_left_read(answer, &left)) {
        left_stays(l);                      /* it has ended, say */
        return;
    }

    FAULT("left_watched");

    l->while_read = left.while_read;
    snprintf(l->owner, sizeof(l->owner), "%.*s", (int) left.owner.len,
             left.owner.len ? left.owner.data : "");

    t = runner_txn(l->runner);
    weir_txn_left_askers(t, RUNNER_SHARD, left_run(l), runner_now(l->runner));
    left_send(l, t, left_on_askers);
}


/* all have been told: it leaves the outbox */

static void
left_on_end(left_t *l, const weir_answer_t *answer)
{
    (void) answer;

    FAULT("left_closed");
    left_done(l);
}


static void
left_on_end_watch(left_t *l, const weir_answer_t *answer)
{
    weir_txn_t  *t;

    if (weir_txn_left_nobody(answer)) {
        t = runner_txn(l->runner);
        weir_txn_hand_on_end(t, RUNNER_SHARD, left_run(l));
        left_send(l, t, left_on_end);

    } else {
        /* who came to one that has ended is told, too */

        askers_kick(l->runner->askers, left_run(l), weir_str_null);
        left_stays(l);
    }
}


static void
left_next(void *data)
{
    left_t      *l;
    weir_txn_t  *t;

    l = data;

    if (l->busy || l->count == 0 || l->again.node.place
        || !redis_is_up(l->runner->asking))
    {
        return;
    }

    t = runner_txn(l->runner);

    if (l->tasks[l->first].ended) {
        weir_txn_hand_on_watch(t, RUNNER_SHARD, left_run(l));
        left_send(l, t, left_on_end_watch);

    } else {
        weir_txn_left_watch(t, RUNNER_SHARD, left_run(l));
        left_send(l, t, left_on_watch);
    }
}


void
left_look(left_t *l, const char *run, bool ended)
{
    left_task_t  *task;

    if (l->count < LEFT_QUEUE) {
        task = &l->tasks[(l->first + l->count++) % LEFT_QUEUE];
        snprintf(task->run, sizeof(task->run), "%s", run);
        task->ended = ended;

        left_next(l);
    }
}


bool
left_is_idle(const left_t *l)
{
    return l->count == 0 || !redis_is_up(l->runner->asking);
}


void
left_on_up(left_t *l)
{
    left_next(l);
}


left_t *
left_create(runner_t *r)
{
    left_t  *l;

    l = mem_alloc(sizeof(left_t));
    l->runner = r;
    l->again.fn = left_next;
    l->again.data = l;

    return l;
}


void
left_destroy(left_t **lp)
{
    left_t  *l;

    l = *lp;
    *lp = NULL;

    loop_timer_stop(l->runner->loop, &l->again);
    free(l);
}
