/*
 * The answer of a question's run, as those who ask later find it: whether it
 * is kept at all, for how long, and its record.  The policy came with the run.
 */

#include "runner.h"

#include "log.h"
#include "weir_cached.h"


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

    if (job->ask[0] == '\0' || job->document.len == 0
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


void
answer_count(const job_t *job)
{
    counters_t  *c;

    c = job->runner->counters;

    if (job->answer.len == 0) {
        return;
    }

    switch (job->answer_kind) {

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
