/*
 * The body of a webhook: which end, when, and the job object.
 */

#include "webhook.h"

#include <stdio.h>
#include <time.h>

#include "weir_jobdoc.h"


static void
webhook_time(weir_buf_t *out, int64_t ms)
{
    char        text[32];
    time_t      s;
    struct tm   tm;

    s = (time_t) (ms / 1000);

    if (gmtime_r(&s, &tm) == NULL
        || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
    {
        out->failed = true;
        return;
    }

    weir_buf_printf(out, "%s.%03dZ", text, (int) (ms % 1000));
}


static void
webhook_write(const weir_jobdoc_t *doc, weir_buf_t *out)
{
    weir_buf_reset(out);
    weir_buf_printf(out, "{\"type\":\"job.%s\",\"timestamp\":\"",
                    weir_state_name(doc->state));
    webhook_time(out, doc->finished);
    weir_buf_text(out, "\",\"data\":");
    weir_jobdoc_write(doc, out);
    weir_buf_text(out, "}");
}


bool
webhook_body(const weir_entry_t *e, const weir_job_t *job,
    const weir_run_t *run, weir_str_t outcome, weir_buf_t *out)
{
    weir_jobdoc_t   doc;
    weir_outcome_t  o;

    memset(&doc, 0, sizeof(weir_jobdoc_t));
    weir_outcome_init(&o);

    if (outcome.len) {
        (void) weir_outcome_read(&o, outcome);      /* else: as expired */
    }

    doc.id = e->id;

    if (job->part.len) {
        doc.run = job->run;
        doc.part = job->part;
        doc.asked = run->asked;
    }

    doc.state = run->state;
    doc.created = job->created;
    doc.run_at = run->run_at;
    doc.deadline = run->deadline;
    doc.started = run->started;
    doc.finished = run->fin_at;
    doc.attempts = run->attempts;
    doc.model = job->model;
    doc.metadata = job->metadata;
    doc.kind = run->kind;
    doc.error = run->error;
    doc.prefix = job->prefix;
    doc.outcome = &o;

    webhook_write(&doc, out);

    /* who wants a large result fetches it: links.self */

    if (out->len > WEBHOOK_RESULT_MAX) {
        doc.no_result = true;
        webhook_write(&doc, out);
    }

    weir_outcome_free(&o);

    return !out->failed;
}
