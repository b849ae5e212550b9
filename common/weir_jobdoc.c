/*
 * The job object as text.  Owns its members and their order; knows neither
 * HTTP nor Redis.
 */

#include "weir_jobdoc.h"

#include "weir_dialect_openai.h"
#include "weir_dialect_openai_embed.h"
#include "weir_money.h"


static bool
weir_jobdoc_is(const weir_jobdoc_t *d, const char *part)
{
    return weir_str_eq(d->part, weir_str_of(part));
}


/* who led has asked, and pays; nobody else does */

static long long
weir_jobdoc_cost(const weir_jobdoc_t *d)
{
    return weir_jobdoc_is(d, WEIR_PART_HIT)
           || weir_jobdoc_is(d, WEIR_PART_JOINED) ? 0 : d->outcome->cost;
}


static void
weir_jobdoc_time(weir_buf_t *out, const char *name, int64_t ms)
{
    if (ms) {
        weir_buf_printf(out, ",\"%s\":%lld", name, (long long) ms / 1000);

    } else {
        weir_buf_printf(out, ",\"%s\":null", name);
    }
}


static void
weir_jobdoc_result(const weir_jobdoc_t *d, weir_buf_t *out)
{
    int64_t       asked;
    weir_str_t    id;
    weir_json_t  *doc;

    weir_buf_text(out, ",\"result\":");

    if (d->state != WEIR_COMPLETED || d->outcome->choices == NULL
        || d->no_result)
    {
        weir_buf_text(out, "null");
        return;
    }

    if (weir_outcome_embeds(d->outcome)) {
        if (weir_openai_embeddings(d->outcome, false, out) != 0) {
            out->failed = true;
        }

        return;
    }

    /* all who asked see the same bytes */

    id = d->run.len ? d->run : weir_str_of(d->id);
    asked = d->asked ? d->asked : d->created;
    doc = weir_openai_completion(d->outcome, id, asked / 1000);

    if (weir_json_write(doc, out) != 0) {
        out->failed = true;
    }

    weir_json_free(&doc);
}


void
weir_jobdoc_failure(weir_state_e state, const weir_outcome_t *outcome,
    weir_failure_t *f)
{
    switch (state) {

    case WEIR_CANCELLED:
        weir_failure_set(f, WEIR_FAIL_CANCELLED, "the job was cancelled");
        break;

    case WEIR_EXPIRED:
        weir_failure_set(f, WEIR_FAIL_EXPIRED,
                         "the job did not finish before its deadline");
        break;

    default:
        if (state == WEIR_FAILED && outcome->doc) {
            *f = outcome->error;
            break;
        }

        weir_failure_set(f, WEIR_FAIL_GONE, "the result has expired");
        break;
    }
}


static void
weir_jobdoc_error(const weir_jobdoc_t *d, weir_buf_t *out)
{
    weir_failure_t  f;

    weir_buf_text(out, ",\"error\":");

    if (!weir_state_is_final(d->state) || d->state == WEIR_CANCELLED
        || (d->state == WEIR_COMPLETED && d->outcome->choices))
    {
        weir_buf_text(out, "null");
        return;
    }

    weir_jobdoc_failure(d->state, d->outcome, &f);

    weir_buf_printf(out, "{\"status\":%u,\"code\":",
                    weir_failure_status(f.kind));
    weir_json_quote(out, weir_failure_code(&f));
    weir_buf_text(out, ",\"message\":");
    weir_json_quote(out, weir_str_of(f.message));
    weir_buf_text(out, "}");
}


/* of the last try that failed and was followed by another */

static void
weir_jobdoc_last_error(const weir_jobdoc_t *d, weir_buf_t *out)
{
    int             kind;
    weir_failure_t  f;

    weir_buf_text(out, ",\"last_error\":");

    if (d->kind.len == 0) {
        weir_buf_text(out, "null");
        return;
    }

    kind = weir_failure_kind(d->kind);
    weir_failure_set(&f, kind < 0 ? WEIR_FAIL_UPSTREAM : (weir_fail_e) kind,
                     "%s", "");

    weir_buf_text(out, "{\"code\":");
    weir_json_quote(out, weir_failure_code(&f));
    weir_buf_text(out, ",\"message\":");
    weir_json_quote(out, d->error);
    weir_buf_text(out, "}");
}


/* A job that hangs on another's run was never started itself; one that was
 * answered from the cache started nothing. */

static void
weir_jobdoc_tried(const weir_jobdoc_t *d, weir_buf_t *out)
{
    int64_t    started;
    long long  attempts;

    started = d->started;
    attempts = d->attempts;

    if (weir_jobdoc_is(d, WEIR_PART_HIT)) {
        started = 0;
        attempts = 0;

    } else if (d->run.len && d->outcome) {
        started = started ? started : d->outcome->started;
        attempts = attempts ? attempts : d->outcome->attempts;
    }

    weir_jobdoc_time(out, "started_at", started);
    weir_jobdoc_time(out, "finished_at",
                     weir_state_is_final(d->state) ? d->finished : 0);

    weir_buf_printf(out, ",\"attempts\":%lld,\"model\":", attempts);
    weir_json_quote(out, d->model);
}


void
weir_jobdoc_write(const weir_jobdoc_t *d, weir_buf_t *out)
{
    char  cost[WEIR_DOLLARS_MAX];

    weir_buf_printf(out, "{\"id\":\"" WEIR_JOB_PREFIX "%s\","
                    "\"object\":\"job\",\"status\":\"%s\"",
                    d->id, weir_state_name(d->state));

    weir_jobdoc_time(out, "created_at", d->created);
    weir_jobdoc_time(out, "run_at", d->run_at);
    weir_jobdoc_time(out, "deadline", d->deadline);
    weir_jobdoc_tried(d, out);

    if (!d->brief) {
        weir_buf_printf(out, ",\"cached\":%s,\"usage\":"
                        "{\"input_tokens\":%lld,\"output_tokens\":%lld},"
                        "\"cost_usd\":\"%s\"",
                        weir_jobdoc_is(d, WEIR_PART_HIT) ? "true" : "false",
                        d->outcome->input_tokens, d->outcome->output_tokens,
                        weir_dollars_text(cost, weir_jobdoc_cost(d)));
    }

    weir_buf_text(out, ",\"metadata\":");
    weir_buf_str(out, d->metadata.len ? d->metadata : weir_str("{}"));

    if (!d->brief) {
        weir_jobdoc_result(d, out);
        weir_jobdoc_error(d, out);
    }

    weir_jobdoc_last_error(d, out);

    weir_buf_text(out, ",\"links\":{\"self\":\"");
    weir_buf_str(out, d->prefix);
    weir_buf_printf(out, "/v1/jobs/" WEIR_JOB_PREFIX "%s\"}}", d->id);
}
