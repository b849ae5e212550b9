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


/* ms: libcurl's clock is ahead of the loop's by a part of a turn.  A call that
 * it gives up at the deadline must find that over. */
#define ASK_LATE  100


static void
ask_log_failure(const job_t *job, const char *what, int64_t wait)
{
    weir_str_t             trace;
    const weir_failure_t  *f;

    f = &job->outcome.error;
    trace = job_trace_id(job);

    LOG(LOG_WARN, what, log_text("job", job->name),
        log_text("model", job->model), log_num("try", job->failures + 1),
        log_text("kind", weir_failure_name(f->kind)),
        log_text("code", f->code),
        log_text("detail", job->call.detail), log_num("wait_ms", wait),
        log_str(trace.len ? "trace" : NULL, trace));
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
    feed_over(job, weir_failure_name(job->outcome.error.kind));
    fence_retry(job, wait);

    return true;
}


/* It comes to nothing more, but it may have to be paid. */

void
ask_took(job_t *job)
{
    const provider_took_t  *t;

    t = &job->call.took;

    job->outcome.input_tokens = t->input_tokens;
    job->outcome.output_tokens = t->output_tokens;
    job->outcome.cost = t->cost;
}


void
ask_done(job_t *job, provider_verdict_e verdict, int64_t wait)
{
    runner_t  *r;

    r = job->runner;
    FAULT("reply_received");

    if (verdict == PROVIDER_DONE) {
        finish_job(job, WEIR_COMPLETED, job->token);
        return;
    }

    if (job->deadline > 0 && runner_now(r) >= job->deadline) {
        ask_took(job);
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


static void
ask_on_delta(void *data, const weir_delta_t *d)
{
    feed_delta(data, d);
}


static void
ask_on_done(void *data, provider_verdict_e verdict, int64_t wait)
{
    ask_done(data, verdict, wait);
}


void
ask_unreadable(weir_failure_t *f, const char *error)
{
    weir_failure_set(f, WEIR_FAIL_INTERNAL,
                     "the request in the queue cannot be read: %s", error);
}


const conf_model_t *
ask_prepare(const conf_t *conf, const weir_json_t *request,
    weir_outcome_t *outcome, provider_call_t *call)
{
    weir_str_t           name;
    const conf_model_t  *model;

    name = weir_json_str(weir_json_get(request, "model"));
    model = conf_model(conf, name.data ? name.data : "", name.len);

    if (model == NULL) {
        weir_failure_set(&outcome->error, WEIR_FAIL_MODEL_NOT_FOUND,
                         "The model \"%.*s\" does not exist",
                         name.len < 256 ? (int) name.len : 0,
                         name.data ? name.data : "");
        return NULL;
    }

    outcome->provider = weir_str_of(model->provider);

    call->request = request;
    call->model = weir_str_of(model->upstream);
    call->conf = model;
    call->outcome = outcome;

    return model;
}


int64_t
ask_left(const job_t *job)
{
    return job->deadline > 0 ? job->deadline - runner_now(job->runner)
                             : INT64_MAX;
}


void
ask_start(job_t *job)
{
    runner_t            *r;
    provider_call_t     *call;
    const conf_model_t  *model;

    r = job->runner;
    call = &job->call;
    job_move(job, JOB_ASKING);

    model = ask_prepare(r->conf, job->request, &job->outcome, call);

    if (model == NULL) {
        finish_failed(job);
        return;
    }

    job->used = true;
    call->request_id = job->request_id;
    call->trace = (weir_str_t) { job->trace.data, job->trace.len };
    call->timeout = ask_left(job);

    if (job->deadline > 0) {
        call->timeout += ASK_LATE;
    }

    call->done = ask_on_done;
    call->streamed = job->stream;
    call->delta = ask_on_delta;
    call->data = job;

    provider_call(r->providers[model->to], call);

    if (call->request == NULL) {
        weir_json_free(&job->request);  /* thousands of them wait for long */
    }

    FAULT("ask_started");
}


void
ask_cancel(job_t *job)
{
    provider_cancel(&job->call);
    cells_forget(job);
    ask_took(job);
}
