/*
 * The answer of a question's run, as those who ask later find it: whether it
 * is kept at all, for how long, and its record.  The policy came with the run.
 */

#include "runner.h"

#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "weir_cached.h"
#include "weir_txn_ask.h"


/* an answer on its way to a Redis of their own */

typedef struct {
    runner_t     *runner;
    weir_kind_e   kind;
} answer_sent_t;


/* Said once, until one is taken again: each run would say the same. */

static void
answer_not_kept(runner_t *r, weir_str_t reason)
{
    counters_add(r->counters, not_kept, 1);

    if (!r->refused) {
        r->refused = true;
        LOG(LOG_WARN, "answers_not_kept", log_str("reason", reason));
    }
}


/* A cell has sent the document only. */

static weir_kind_e
answer_kind(const job_t *job)
{
    weir_kind_e     kind;
    weir_outcome_t  o;

    if (job->end == WEIR_FAILED || job->outcome.choices) {
        return weir_kind_of(&job->outcome);
    }

    if (weir_outcome_read(&o, (weir_str_t) { job->document.data,
                                             job->document.len })
        != 0)
    {
        return WEIR_KIND_FAILED;        /* nor can anybody else */
    }

    kind = weir_kind_of(&o);
    weir_outcome_free(&o);

    return kind;
}


/* A stream that broke off says nothing about the question. */

static bool
answer_is_half(const job_t *job)
{
    return job->end == WEIR_FAILED
           && strcmp(job->outcome.error.code, "upstream_truncated") == 0;
}


static void
answer_fill(const job_t *job, weir_cached_t *c)
{
    memset(c, 0, sizeof(weir_cached_t));

    c->run = weir_str_of(job->run);
    c->token = weir_str_of(job->end_token);
    c->created = job->created;
    c->finished = job->end_at;
    c->input = job->outcome.input_tokens;
    c->output = job->outcome.output_tokens;
    c->cost = job->outcome.cost;
    c->owner = weir_str_of(job->owner);
    c->model = weir_str_of(job->model);
    c->labels = weir_str_of(job->labels);
    c->outcome = (weir_str_t) { job->document.data, job->document.len };
}


void
answer_make(job_t *job)
{
    weir_cached_t        c;
    weir_cache_policy_t  policy;

    answer_drop(job);

    if (job->ask[0] == '\0' || job->document.len == 0 || answer_is_half(job)
        || !weir_cache_policy_read(weir_str_of(job->cache), &policy))
    {
        return;
    }

    answer_fill(job, &c);
    c.kind = answer_kind(job);
    job->answer_kind = c.kind;
    job->answer_until = weir_cached_keep(&c, &policy);

    if (job->answer_until && weir_cached_write(&c, &job->answer) != 0) {
        LOG(LOG_WARN, "answer_not_kept", log_text("run", job->run),
            log_text("reason", "its record would be too large"));
        answer_drop(job);
    }
}


void
answer_drop(job_t *job)
{
    weir_buf_free(&job->answer);
    job->answer_until = 0;
}


static void
answer_count_kind(counters_t *c, weir_kind_e kind)
{
    switch (kind) {

    case WEIR_KIND_ANSWER:
        counters_add(c, stored_answer, 1);
        break;

    case WEIR_KIND_TRUNCATED:
        counters_add(c, stored_truncated, 1);
        break;

    case WEIR_KIND_REFUSAL:
        counters_add(c, stored_refusal, 1);
        break;

    default: /* WEIR_KIND_FAILED */
        counters_add(c, stored_failed, 1);
        break;
    }
}


void
answer_count(const job_t *job)
{
    if (job->answer.len) {
        answer_count_kind(job->runner->counters, job->answer_kind);
    }
}


/* in a Redis of their own */

static void
answer_on_kept(void *data, const weir_answer_t *answer)
{
    answer_sent_t  *sent;

    sent = data;

    if (answer->code == WEIR_ANSWER_OK) {
        sent->runner->refused = false;
        answer_count_kind(sent->runner->counters, sent->kind);

    } else {
        answer_not_kept(sent->runner, answer->error);
    }

    free(sent);
}


void
answer_send(job_t *job)
{
    runner_t       *r;
    weir_txn_t     *t;
    weir_finish_t   f;
    answer_sent_t  *sent;

    r = job->runner;

    if (r->keeping == NULL || job->answer.len == 0) {
        return;
    }

    finish_fill(job, &f);
    t = runner_txn(r);
    weir_txn_answer_keep(t, &f);

    sent = mem_alloc(sizeof(answer_sent_t));
    sent->runner = r;
    sent->kind = job->answer_kind;

    if (redis_send(r->keeping, t, (uint64_t) r->conf->cache.timeout,
                   answer_on_kept, sent) != 0)
    {
        answer_not_kept(r, weir_str("the Redis for answers is not connected"));
        free(sent);
    }

    answer_drop(job);
}
