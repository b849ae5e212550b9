/*
 * Asking: which provider a run goes to, and what its answer means for the run:
 * the end, or another try later.
 */

#include "runner.h"

#include <stdio.h>

#include "fault.h"
#include "log.h"
#include "mem.h"
#include "weir_backoff.h"


static void
ask_log_failure(const job_t *job, const char *what, int64_t wait)
{
    const weir_failure_t  *f;

    f = &job->outcome.error;

    LOG(LOG_WARN, what, log_text("job", job->name),
        log_text("model", job->model), log_num("try", job->failures + 1),
        log_text("kind", weir_failure_name(f->kind)),
        log_text("code", f->code),
        log_text("detail", job->call.detail), log_num("wait_ms", wait));
}


/* Another try, if there is one left and its time is before the deadline. */

static bool
ask_again(job_t *job, int64_t least)
{
    int64_t              wait;
    const runner_t      *r;
    const conf_worker_t *w;

    r = job->runner;
    w = &r->conf->worker;

    if (job->failures + 1 >= w->attempts) {
        return false;
    }

    wait = (int64_t) weir_backoff((unsigned) job->failures + 1,
                                  (uint64_t) w->backoff,
                                  (uint64_t) w->backoff_max,
                                  (uint64_t) least, mem_chance());

    if (job->deadline > 0 && runner_now(r) + wait >= job->deadline) {
        return false;
    }

    ask_log_failure(job, "run_put_off", wait);
    retry_job(job, wait);

    return true;
}


static void
ask_on_done(void *data, provider_verdict_e verdict, int64_t wait)
{
    job_t     *job;
    runner_t  *r;

    job = data;
    r = job->runner;
    FAULT("reply_received");

    if (verdict == PROVIDER_DONE) {
        finish_job(job, WEIR_COMPLETED, job->token);
        return;
    }

    if (job->deadline > 0 && runner_now(r) >= job->deadline) {
        finish_job(job, WEIR_EXPIRED, WEIR_TOKEN_REAPER);
        return;
    }

    if (verdict == PROVIDER_AGAIN && ask_again(job, wait)) {
        return;
    }

    job->dead = (verdict == PROVIDER_AGAIN && job->keep);
    job->outcome.error.retry_after = (unsigned) ((wait + 999) / 1000);

    ask_log_failure(job, "run_failed", 0);
    finish_failed(job);
}


void
ask_start(job_t *job)
{
    int64_t              left;
    runner_t            *r;
    weir_str_t           name;
    provider_call_t     *call;
    const conf_model_t  *model;

    r = job->runner;
    job_move(job, JOB_ASKING);

    name = weir_json_str(weir_json_get(job->request, "model"));
    model = conf_model(r->conf, name.data ? name.data : "", name.len);

    if (model == NULL) {
        weir_failure_set(&job->outcome.error, WEIR_FAIL_MODEL_NOT_FOUND,
                         "The model \"%.*s\" does not exist",
                         name.len < 256 ? (int) name.len : 0,
                         name.data ? name.data : "");
        finish_failed(job);
        return;
    }

    job->outcome.provider = weir_str_of(model->provider);
    left = job->deadline > 0 ? job->deadline - runner_now(r) : INT64_MAX;

    call = &job->call;
    call->request = job->request;
    call->model = weir_str_of(model->upstream);
    call->request_id = job->request_id;
    call->timeout = left;
    call->outcome = &job->outcome;
    call->done = ask_on_done;
    call->data = job;

    provider_call(r->providers[model->to], call);
    FAULT("ask_started");
}


void
ask_cancel(job_t *job)
{
    provider_cancel(&job->call);
}
