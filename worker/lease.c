/*
 * Leases: as long as an entry is in hand its idle time is set back every third
 * of a lease, in batches, on a connection of their own, so that results and
 * renewals do not wait for each other.  Handing back is the same command with
 * an idle time that invites others.
 *
 * All that is in hand makes progress: a call without a byte for its idle
 * timeout has been given up by then.
 */

#include "runner.h"

#include <stdlib.h>

#include "fault.h"
#include "log.h"
#include "mem.h"


#define LEASE_LIVE_EVERY   3000         /* ms */
#define LEASE_LIVE_FOR     10000        /* ms */
#define LEASE_CLOCK_EVERY  10000        /* ms */


typedef struct {
    char           text[WEIR_BATCH][JOB_ENTRY_MAX];
    weir_str_t     entries[WEIR_BATCH];
    unsigned       n;
} lease_batch_t;


struct lease_s {
    runner_t      *runner;
    loop_timer_t   renewal;
    loop_timer_t   live;
    uint64_t       clock_at;            /* loop_now() of the next question */
    lease_batch_t  back[WEIR_CLASSES];  /* to be handed back */
};


static uint64_t
lease_timeout(const lease_t *l)
{
    return (uint64_t) l->runner->conf->redis.timeout;
}


static void
lease_on_touch(void *data, const weir_answer_t *answer)
{
    (void) data;

    if (answer->code != WEIR_ANSWER_OK && answer->code != WEIR_ANSWER_LOST) {
        LOG(LOG_WARN, "lease_failed", log_str("reason", answer->error));
    }
}


static void
lease_touch(lease_t *l, weir_class_e class, int64_t idle,
    const weir_str_t *entries, unsigned n)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = l->runner;

    if (n == 0) {
        return;
    }

    t = runner_txn(r);
    weir_txn_touch(t, RUNNER_SHARD, r->consumer, class, idle, entries, n);

    (void) redis_send(r->renew, t, lease_timeout(l), lease_on_touch, l);
}


static void
lease_renew_class(lease_t *l, weir_class_e class)
{
    int          state;
    unsigned     n;
    const job_t *job;
    weir_str_t   entries[WEIR_BATCH];

    n = 0;

    for (state = 0; state < JOB_STATES; state++) {

        for (job = jobs_first(l->runner->jobs, (job_state_e) state); job;
             job = job->next)
        {
            if (job->class != class) {
                continue;
            }

            entries[n++] = weir_str_of(job->entry);

            if (n == WEIR_BATCH) {
                lease_touch(l, class, 0, entries, n);
                n = 0;
            }
        }
    }

    lease_touch(l, class, 0, entries, n);
}


static void
lease_renew(void *data)
{
    lease_t       *l;
    weir_class_e   class;

    l = data;

    loop_timer_set(l->runner->loop, &l->renewal,
                   (uint64_t) l->runner->conf->worker.lease / 3);

    if (l->runner->state == RUNNER_LEAVING || !redis_is_up(l->runner->renew)) {
        return;
    }

    FAULT_SENT("renew");

    for (class = 0; class < WEIR_CLASSES; class++) {
        lease_renew_class(l, class);
    }
}


static void
lease_live(void *data)
{
    lease_t     *l;
    runner_t    *r;
    weir_txn_t  *t;

    l = data;
    r = l->runner;

    loop_timer_set(r->loop, &l->live, LEASE_LIVE_EVERY);

    if (!redis_is_up(r->renew)) {
        return;
    }

    t = runner_txn(r);
    weir_txn_live(t, RUNNER_SHARD, r->consumer, LEASE_LIVE_FOR);
    (void) redis_send(r->renew, t, lease_timeout(l), NULL, NULL);

    if (loop_now(r->loop) >= l->clock_at) {
        l->clock_at = loop_now(r->loop) + LEASE_CLOCK_EVERY;
        server_ask_time(r->server, r->renew);
    }
}


void
lease_hand_back(lease_t *l, job_t *job)
{
    lease_batch_t  *b;

    b = &l->back[job->class];

    if (b->n == WEIR_BATCH) {
        lease_hand_back_flush(l);
    }

    memcpy(b->text[b->n], job->entry, JOB_ENTRY_MAX);
    b->entries[b->n] = weir_str_of(b->text[b->n]);
    b->n++;

    FAULT_SENT("hand_back");
    counters_add(l->runner->counters, handed_back, 1);
    LOG(LOG_INFO, "run_handed_back", log_text("run", job->run),
        log_text("entry", job->entry));

    job_release(job);
}


void
lease_hand_back_flush(lease_t *l)
{
    weir_class_e    class;
    lease_batch_t  *b;

    for (class = 0; class < WEIR_CLASSES; class++) {
        b = &l->back[class];
        lease_touch(l, class, l->runner->conf->worker.lease, b->entries, b->n);
        b->n = 0;
    }
}


lease_t *
lease_create(runner_t *r)
{
    lease_t  *l;

    l = mem_alloc(sizeof(lease_t));
    l->runner = r;

    l->renewal.fn = lease_renew;
    l->renewal.data = l;
    l->live.fn = lease_live;
    l->live.data = l;

    loop_timer_set(r->loop, &l->renewal, (uint64_t) r->conf->worker.lease / 3);

    return l;
}


void
lease_destroy(lease_t **lp)
{
    lease_t  *l;

    l = *lp;
    *lp = NULL;

    loop_timer_stop(l->runner->loop, &l->renewal);
    loop_timer_stop(l->runner->loop, &l->live);
    free(l);
}


void
lease_on_up(lease_t *l)
{
    lease_renew(l);
    lease_live(l);
}
