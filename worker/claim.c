/*
 * Claiming: one transaction for each queue entry tells whether it may run its
 * generation, and as which delivery.  Entries that have nothing to run are
 * dropped; entries whose claim was not answered are let go, since they are
 * still pending in our name and are found again.
 */

#include "runner.h"

#include <stdio.h>
#include <stdlib.h>

#include "fault.h"
#include "log.h"
#include "mem.h"
#include "weir_trace.h"


#define CLAIM_PAUSE  1000       /* ms, after "later" */


static uint64_t
claim_timeout(const runner_t *r)
{
    return (uint64_t) r->conf->redis.timeout;
}


/* Names from outside end up in the log and in a header of a call. */

static void
claim_copy(char *to, size_t size, weir_str_t from)
{
    size_t  i, n;

    n = from.len < size ? from.len : 0;

    for (i = 0; i < n; i++) {
        if (from.data[i] < ' ' || from.data[i] == 0x7f) {
            n = 0;
        }
    }

    memcpy(to, n ? from.data : "", n);
    to[n] = '\0';
}


static void
claim_on_drop(void *data, const weir_answer_t *answer)
{
    job_t     *job;
    runner_t  *r;

    job = data;
    r = job->runner;

    if (answer->code == WEIR_ANSWER_OK) {
        counters_add(r->counters, dropped, 1);

        if (job->cut) {
            finish_count_used(job);
            settle_kick(r->settle, job->run);
        }

    } else if (job->cut && answer->code != WEIR_ANSWER_ERROR) {
        finish_put_off(job, answer->code != WEIR_ANSWER_LOST);
        return;
    }

    /* not answered: it is still pending, and will be found again */

    job_release(job);
}


static void
claim_send_drop(job_t *job, weir_txn_t *t)
{
    runner_t  *r;

    r = job->runner;
    job_move(job, JOB_DROPPING);

    if (redis_send(r->cmd, t, claim_timeout(r), claim_on_drop, job) == 0) {
        return;
    }

    if (job->cut) {
        finish_put_off(job, redis_is_up(r->cmd));

    } else {
        job_release(job);
    }
}


void
claim_drop(job_t *job, bool final)
{
    weir_txn_t   *t;
    weir_used_t   used = { job->token, job->outcome.input_tokens,
                           job->outcome.output_tokens, job->outcome.cost };

    job->cut = final && job->used;

    t = runner_txn(job->runner);
    weir_txn_drop(t, RUNNER_SHARD, job->run, job->class, job->entry, final,
                  weir_str_of(job->owner), runner_now(job->runner),
                  job->cut ? &used : NULL);

    claim_send_drop(job, t);

    if (job->cut) {
        FAULT_SENT("cut_sent");
    }
}


static void
claim_drop_ghost(job_t *job)
{
    weir_txn_t  *t;

    t = runner_txn(job->runner);
    weir_txn_drop_ghost(t, RUNNER_SHARD, job->run, job->class, job->entry);

    claim_send_drop(job, t);
}


static void
claim_trace(job_t *job, weir_str_t record)
{
    weir_str_t    state;
    weir_trace_t  t;

    weir_buf_reset(&job->trace);

    if (weir_trace_read(record, &t, &state)) {
        weir_buf_str(&job->trace, record);
        mem_check(job->trace.failed);
    }
}


static void
claim_take(job_t *job, const weir_claim_t *c)
{
    weir_str_t  id;

    id = c->job;

    if (id.len != WEIR_ID_LEN) {
        id = weir_str_of(job->run);
    }

    memcpy(job->job, id.data, WEIR_ID_LEN);
    job->job[WEIR_ID_LEN] = '\0';
    snprintf(job->name, sizeof(job->name), WEIR_JOB_PREFIX "%s", job->job);

    job->gen = c->gen;
    job->deliveries = c->deliveries;
    job->failures = c->failures;
    job->created = c->created;
    job->started = c->started;
    job->deadline = c->deadline;
    job->ttl = c->ttl > 0 ? c->ttl : WEIR_TTL_DEFAULT;

    job->back = c->back;
    job->crash = c->crash;
    job->records = c->records;
    job->hook = c->hook;
    job->keep = c->keep;
    job->stream = c->stream;
    job->while_read = c->while_read;

    job->read |= c->read;

    claim_copy(job->ask, sizeof(job->ask), c->ask);
    claim_copy(job->cache, sizeof(job->cache), c->cache);
    claim_copy(job->labels, sizeof(job->labels), c->labels);
    claim_copy(job->request_id, sizeof(job->request_id), c->request_id);
    claim_copy(job->model, sizeof(job->model), c->model);
    claim_trace(job, c->trace);
}


static bool
claim_is_late(const weir_claim_t *c)
{
    /* the client has been told 503: it must not run */

    return c->gen == 1 && c->payload.data == NULL;
}


static void
claim_run(job_t *job, const weir_claim_t *c)
{
    char       error[WEIR_JSON_ERROR];
    runner_t  *r;

    r = job->runner;
    counters_add(r->counters, claimed, 1);

    if (job->read) {
        feed_wish(job);

    } else if (job->while_read) {
        askers_left(r->askers, weir_str_of(job->run));
    }

    if (job->deliveries - job->back > 1 || job->crash > 0) {
        cells_add(job, c->payload);     /* it may be what killed a process */
        return;
    }

    job->request = weir_json_parse(c->payload, error);

    if (job->request == NULL) {
        ask_unreadable(&job->outcome.error, error);
        finish_failed(job);
        return;
    }

    FAULT_REQUEST(c->payload);

    LOG(LOG_DEBUG, "run_claimed", log_text("run", job->run),
        log_text("token", job->token), log_text("entry", job->entry),
        log_text("model", job->model));

    ask_start(job);
}


static void
claim_decide(job_t *job, const weir_claim_t *c)
{
    claim_copy(job->owner, sizeof(job->owner), c->owner);

    /* this delivery of it is the first, and there was no other */

    job->used = c->found && c->ours && c->deliveries - c->back == 1;
    weir_token_make(job->token, c->gen, c->deliveries);

    if (c->fin.len || job->final) {
        claim_drop(job, true);
        return;
    }

    if (!c->found) {
        claim_drop_ghost(job);
        return;
    }

    if (!c->ours || c->gen != strtoll(job->gen_text, NULL, 10)) {
        claim_drop(job, false);
        return;
    }

    claim_take(job, c);

    if (claim_is_late(c)) {
        finish_job(job, WEIR_CANCELLED, WEIR_TOKEN_LATE);
        return;
    }

    if (c->deadline > 0 && c->deadline <= runner_now(job->runner)) {
        finish_job(job, WEIR_EXPIRED, WEIR_TOKEN_REAPER);
        return;
    }

    claim_run(job, c);
}


static void
claim_on_answer(void *data, const weir_answer_t *answer)
{
    job_t         *job;
    runner_t      *r;
    weir_claim_t   claim;

    job = data;
    r = job->runner;

    if (weir_txn_claim_read(answer, job->entry, &claim)) {
        FAULT("claim_answered");

        if (r->state == RUNNER_LEAVING) {
            lease_hand_back(r->lease, job);
            return;
        }

        claim_decide(job, &claim);
        return;
    }

    /* a lost answer means a lost connection, after which all is looked at */

    if (answer->code != WEIR_ANSWER_LOST) {
        LOG(LOG_ERROR, "claim_failed", log_text("run", job->run),
            log_str("reason", answer->error));
        queue_rescan(r->queue, CLAIM_PAUSE);
    }

    job_release(job);
}


void
claim_entry(runner_t *r, weir_class_e class, weir_str_t entry,
    weir_str_t run, weir_str_t gen)
{
    job_t       *job;
    unsigned     shard;
    weir_txn_t  *t;

    FAULT("entry_read");
    job = jobs_take(r->jobs, class, entry);

    if (!weir_id_parse(run, &shard) || shard != RUNNER_SHARD || gen.len == 0
        || gen.len >= JOB_NUMBER_MAX)
    {
        LOG(LOG_ERROR, "entry_invalid", log_text("entry", job->entry),
            log_str("run", run));

        claim_drop(job, false);
        return;
    }

    job_set_run(job, run);
    memcpy(job->gen_text, gen.data, gen.len);
    job->gen_text[gen.len] = '\0';

    t = runner_txn(r);
    weir_txn_claim(t, RUNNER_SHARD, job->run, job->entry, job->gen_text,
                   runner_now(r));

    if (redis_send(r->cmd, t, claim_timeout(r), claim_on_answer, job) != 0) {
        queue_rescan(r->queue, CLAIM_PAUSE);
        job_release(job);
        return;
    }

    FAULT_SENT("claim_sent");
}
