/*
 * What time does to runs that nobody holds: delayed ones become due, overdue
 * ones expire, as do jobs that ask for the run of another.  Every runner does
 * it; doing it twice is harmless.
 */

#include "runner.h"

#include <stdlib.h>

#include "fault.h"
#include "log.h"
#include "mem.h"
#include "weir_txn_ask.h"


#define REAPER_DUE_OFTEN   200          /* ms between looks if runs wait */
#define REAPER_DUE_SELDOM  1000         /* ms, else */
#define REAPER_OVERDUE     1000         /* ms */
#define REAPER_BATCH       100


struct reaper_s {
    runner_t      *runner;
    loop_timer_t   due;
    loop_timer_t   overdue;
    loop_timer_t   asked;               /* jobs that are overdue */
    bool           asking_due;          /* an answer is to come */
    bool           asking_overdue;
    bool           asking_asked;
    bool           stopped;
    bool           refused;             /* the last promotion was */
    int64_t        until;               /* ms, Redis's clock: the last due */
};


static uint64_t
reaper_jitter(uint64_t ms)
{
    return ms - ms / 8 + mem_chance() % (ms / 4 + 1);
}


/* promotion */

static void
reaper_set_due(reaper_t *p, bool at_once)
{
    uint64_t  ms;

    ms = runner_now(p->runner) < p->until + REAPER_DUE_SELDOM
         ? REAPER_DUE_OFTEN : REAPER_DUE_SELDOM;

    loop_timer_set(p->runner->loop, &p->due, at_once ? 1 : reaper_jitter(ms));
}


static void
reaper_on_promote(void *data, const weir_answer_t *answer)
{
    reaper_t  *p;

    p = data;

    p->refused = (answer->code != WEIR_ANSWER_OK);

    if (!p->refused) {
        counters_add(p->runner->counters, promoted, 1);
    }
}


static void
reaper_promote(reaper_t *p, weir_str_t member)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = p->runner;
    t = runner_txn(r);

    if (!weir_txn_promote(t, RUNNER_SHARD, member)) {
        LOG(LOG_ERROR, "delayed_invalid", log_str("member", member));
    }

    (void) redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout,
                      reaper_on_promote, p);
    FAULT_SENT("promote");
}


static void
reaper_on_due(void *data, const weir_answer_t *answer)
{
    size_t     i, n;
    reaper_t  *p;

    p = data;
    p->asking_due = false;
    n = 0;

    if (answer->code == WEIR_ANSWER_OK) {
        n = weir_reply_count(answer->reply);

        for (i = 0; i < n; i++) {
            reaper_promote(p, weir_reply_str(weir_reply_at(answer->reply, i)));
        }
    }

    if (n && p->until < runner_now(p->runner)) {
        p->until = runner_now(p->runner);       /* others delay runs too */
    }

    /* a full batch has more behind it; but where Redis does not take it, say
     * for want of memory, asking on would find the same again and again.  The
     * promotions before have been answered by now */

    reaper_set_due(p, n == REAPER_BATCH && !p->refused);
}


static void
reaper_ask_due(void *data)
{
    reaper_t    *p;
    runner_t    *r;
    weir_txn_t  *t;

    p = data;
    r = p->runner;

    if (p->stopped || p->asking_due) {
        return;
    }

    t = runner_txn(r);
    weir_txn_due(t, RUNNER_SHARD, runner_now(r), REAPER_BATCH);

    if (r->clock && redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout,
                               reaper_on_due, p) == 0)
    {
        p->asking_due = true;
        return;
    }

    reaper_set_due(p, false);
}


void
reaper_expect(reaper_t *p, int64_t due)
{
    int64_t  left;

    if (p->until < due) {
        p->until = due;
    }

    left = due - runner_now(p->runner);
    left = left > 0 ? left + 1 : 1;

    if (p->due.node.place
        && p->due.node.at > loop_now(p->runner->loop) + (uint64_t) left)
    {
        loop_timer_set(p->runner->loop, &p->due, (uint64_t) left);
    }
}


/* expiry */

static void
reaper_on_overdue(void *data, const weir_answer_t *answer)
{
    char         run[WEIR_ID_LEN + 1];
    size_t       i, n;
    reaper_t    *p;
    unsigned     shard;
    weir_str_t   id;

    p = data;
    p->asking_overdue = false;
    n = answer->code == WEIR_ANSWER_OK ? weir_reply_count(answer->reply) : 0;

    for (i = 0; i < n; i++) {
        id = weir_reply_str(weir_reply_at(answer->reply, i));

        if (weir_id_parse(id, &shard)) {
            memcpy(run, id.data, id.len);
            run[id.len] = '\0';
            finish_overdue(p->runner, run);

        } else {
            LOG(LOG_ERROR, "deadline_invalid", log_str("member", id));
        }
    }

    loop_timer_set(p->runner->loop, &p->overdue,
                   n == REAPER_BATCH ? 100 : reaper_jitter(REAPER_OVERDUE));
}


static void
reaper_ask_overdue(void *data)
{
    reaper_t    *p;
    runner_t    *r;
    weir_txn_t  *t;

    p = data;
    r = p->runner;

    if (p->stopped || p->asking_overdue) {
        return;
    }

    t = runner_txn(r);
    weir_txn_overdue(t, RUNNER_SHARD, runner_now(r), REAPER_BATCH);

    if (r->clock && redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout,
                               reaper_on_overdue, p) == 0)
    {
        p->asking_overdue = true;
        return;
    }

    loop_timer_set(r->loop, &p->overdue, reaper_jitter(REAPER_DUE_OFTEN));
}


/* expiry of jobs that ask */

static void
reaper_on_asked(void *data, const weir_answer_t *answer)
{
    size_t     n;
    reaper_t  *p;

    p = data;
    p->asking_asked = false;
    n = answer->code == WEIR_ANSWER_OK ? weir_reply_count(answer->reply) : 0;

    if (n) {
        askers_expire(p->runner, answer);
    }

    if (!p->stopped) {
        loop_timer_set(p->runner->loop, &p->asked,
                       n == REAPER_BATCH ? 100 : reaper_jitter(REAPER_OVERDUE));
    }
}


static void
reaper_ask_asked(void *data)
{
    reaper_t    *p;
    runner_t    *r;
    weir_txn_t  *t;

    p = data;
    r = p->runner;

    if (p->stopped || p->asking_asked) {
        return;
    }

    t = runner_txn(r);
    weir_txn_asked(t, RUNNER_SHARD, runner_now(r), REAPER_BATCH);

    if (r->clock && redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout,
                               reaper_on_asked, p) == 0)
    {
        p->asking_asked = true;
        return;
    }

    loop_timer_set(r->loop, &p->asked, reaper_jitter(REAPER_DUE_OFTEN));
}


reaper_t *
reaper_create(runner_t *r)
{
    reaper_t  *p;

    p = mem_alloc(sizeof(reaper_t));
    p->runner = r;

    p->due.fn = reaper_ask_due;
    p->due.data = p;
    p->overdue.fn = reaper_ask_overdue;
    p->overdue.data = p;
    p->asked.fn = reaper_ask_asked;
    p->asked.data = p;

    /* soon: where runners die young, nobody else would look in time */

    loop_timer_set(r->loop, &p->due, reaper_jitter(REAPER_DUE_OFTEN));
    loop_timer_set(r->loop, &p->overdue, reaper_jitter(REAPER_DUE_OFTEN));
    loop_timer_set(r->loop, &p->asked, reaper_jitter(REAPER_DUE_OFTEN));

    return p;
}


void
reaper_stop(reaper_t *p)
{
    p->stopped = true;
    loop_timer_stop(p->runner->loop, &p->due);
    loop_timer_stop(p->runner->loop, &p->overdue);
    loop_timer_stop(p->runner->loop, &p->asked);
}


void
reaper_destroy(reaper_t **pp)
{
    reaper_stop(*pp);
    free(*pp);
    *pp = NULL;
}
