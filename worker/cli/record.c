/*
 * A job's records: read, made into a document, printed.
 */

#include "record.h"
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "weir_outcome.h"
#include "weir_trace.h"


typedef struct {
    const char   *id;
    bool          found;
    char          run[WEIR_ID_LEN + 1];         /* whose outcome it is */
    char          token[WEIR_NAME_MAX];
    weir_json_t  *doc;              /* NULL: no memory */
} record_t;


int
record_id(const char *word, const char **id_r, unsigned *shard_r)
{
    weir_str_t  id;

    if (!weir_job_id_parse(weir_str_of(word), &id, shard_r)) {
        id = weir_str_of(word);

        if (!weir_id_parse(id, shard_r)) {
            return cli_usage("\"%s\" is not the id of a job", word);
        }
    }

    *id_r = id.data;

    return CLI_OK;
}


int
record_missing(const char *id)
{
    return cli_failed("no job " WEIR_JOB_PREFIX "%s: it never was, or its "
                      "time is over", id);
}


/* members */

int
record_set(weir_json_t *to, const char *name, weir_str_t s)
{
    weir_json_t  *v;

    v = s.len ? weir_json_new_str(s) : weir_json_new_null();
    if (v == NULL) {
        v = weir_json_new_str(weir_str("(not UTF-8)"));
    }

    return weir_json_set_take(to, name, v);
}


int
record_set_int(weir_json_t *to, const char *name, long long n)
{
    return weir_json_set_take(to, name, weir_json_new_int(n));
}


int
record_set_time(weir_json_t *to, const char *name, int64_t ms)
{
    return weir_json_set_take(to, name, ms ? weir_json_new_int(ms)
                                           : weir_json_new_null());
}


weir_str_t
record_text(const weir_json_t *doc, const char *name)
{
    weir_str_t  s;

    s = weir_json_str(weir_json_get(doc, name));

    return s.len ? s : weir_str("-");
}


/* reading */

weir_json_t *
record_doc(const char *id, const weir_job_t *job, const weir_run_t *run)
{
    int           rc;
    char          name[64];
    weir_str_t    state;
    weir_json_t  *to;
    weir_trace_t  trace;

    to = weir_json_object();
    snprintf(name, sizeof(name), WEIR_JOB_PREFIX "%s", id);

    rc = record_set(to, "id", weir_str_of(name));
    rc |= record_set(to, "state", weir_str_of(weir_state_name(run->state)));
    rc |= record_set(to, "decided", run->fin);
    rc |= record_set(to, "owner", job->owner);
    rc |= record_set(to, "model", job->model);
    rc |= record_set(to, "class", run->class);
    rc |= record_set(to, "stream", run->while_read ? weir_str("while read")
                                   : run->stream ? weir_str("yes")
                                   : weir_str_null);
    rc |= record_set(to, "route", job->route);
    rc |= record_set(to, "request_id", job->request_id);
    rc |= record_set(to, "trace_id", weir_trace_read(run->trace, &trace, &state)
                                     ? weir_str_of(trace.trace_id)
                                     : weir_str_null);
    rc |= record_set(to, "metadata", job->metadata);
    rc |= record_set(to, "webhook", job->hook_url);
    rc |= record_set_time(to, "created", job->created);
    rc |= record_set_time(to, "run_at", run->run_at);
    rc |= record_set_time(to, "deadline", run->deadline);
    rc |= record_set_time(to, "started", run->started);
    rc |= record_set_time(to, "finished", run->fin_at);
    rc |= record_set_int(to, "generation", run->gen);
    rc |= record_set_int(to, "attempts", run->attempts);
    rc |= record_set_int(to, "failures", run->failures);
    rc |= record_set_int(to, "deaths", run->crash);
    rc |= record_set(to, "last_kind", run->kind);
    rc |= record_set(to, "last_error", run->error);

    snprintf(name, sizeof(name), WEIR_JOB_PREFIX "%.*s",
             (int) job->retried_as.len, job->retried_as.data);
    rc |= record_set(to, "retried_as", job->retried_as.len
                                       ? weir_str_of(name) : weir_str_null);

    snprintf(name, sizeof(name), WEIR_JOB_PREFIX "%.*s",
             (int) job->run.len, job->run.data);
    rc |= record_set(to, "run", job->part.len ? weir_str_of(name)
                                              : weir_str_null);
    rc |= record_set(to, "part", job->part);
    rc |= record_set(to, "question", job->ask);

    if (rc != 0) {
        weir_json_free(&to);
    }

    return to;
}


bool
record_run(const char *id, const weir_job_t *job, char run[WEIR_ID_LEN + 1])
{
    unsigned    shard;
    weir_str_t  name;

    name = weir_id_parse(job->run, &shard) ? job->run : weir_str_of(id);

    memcpy(run, name.data, WEIR_ID_LEN);
    run[WEIR_ID_LEN] = '\0';

    return memcmp(run, id, WEIR_ID_LEN) != 0;
}


static void
record_note(record_t *j, const weir_job_t *job, const weir_run_t *run)
{
    j->doc = record_doc(j->id, job, run);

    if (weir_token_has_outcome(run->token)) {
        snprintf(j->token, sizeof(j->token), "%.*s", (int) run->token.len,
                 run->token.data);
    }
}


static void
record_looked(void *data, const weir_answer_t *answer)
{
    record_t    *j = data;
    weir_job_t   job;
    weir_run_t   run;

    if (!weir_txn_look_read(answer, &job, &run) || !job.found) {
        return;
    }

    j->found = true;

    if (!record_run(j->id, &job, j->run)) {
        record_note(j, &job, &run);
    }
}


/* a job that asks, and its run, which knows of tries */

static void
record_looked_both(void *data, const weir_answer_t *answer)
{
    record_t    *j = data;
    weir_job_t   job, of;
    weir_run_t   own, run;

    if (!weir_txn_looks_read(answer, 0, &job, &own) || !job.found
        || !weir_txn_looks_read(answer, 1, &of, &run))
    {
        j->found = false;                       /* its time was just over */
        return;
    }

    weir_run_complete(&own, &job, &run);
    record_note(j, &job, &own);
}


static int
record_look_both(redis_t *r, record_t *j, unsigned shard, weir_txn_t *t)
{
    weir_str_t  ids[2] = { { j->id, WEIR_ID_LEN }, { j->run, WEIR_ID_LEN } };

    weir_txn_reset(t);
    weir_txn_looks(t, shard, ids, 2);

    return redis_ask(r, t, record_looked_both, j);
}


static void
record_fetched(void *data, const weir_answer_t *answer)
{
    char          error[WEIR_JSON_ERROR];
    record_t     *j = data;
    weir_str_t    text;
    weir_json_t  *v;

    text = weir_reply_str(answer->reply);
    v = text.len ? weir_json_parse(text, error) : NULL;

    weir_json_set_take(j->doc, "outcome", v ? v : weir_json_new_null());
}


int
record_read(redis_t *r, unsigned shard, const char *id, weir_json_t **doc_r)
{
    int         rc;
    record_t    j = { .id = id };
    weir_txn_t  t;

    weir_txn_init(&t);
    weir_txn_look(&t, shard, id, NULL);
    rc = redis_ask(r, &t, record_looked, &j);

    if (rc == CLI_OK && j.found && j.doc == NULL && strcmp(j.run, id) != 0) {
        rc = record_look_both(r, &j, shard, &t);
    }

    if (rc == CLI_OK && j.doc && j.token[0]) {
        weir_txn_reset(&t);
        weir_txn_outcome(&t, shard, j.run, weir_str_of(j.token));
        rc = redis_ask(r, &t, record_fetched, &j);
    }

    weir_txn_free(&t);

    if (rc == CLI_OK && j.found && j.doc == NULL) {
        rc = cli_failed("no memory");
    }

    if (rc != CLI_OK) {
        weir_json_free(&j.doc);
    }

    *doc_r = j.doc;

    return rc;
}


/* showing */

const char *
record_time(char text[RECORD_TIME], int64_t ms)
{
    size_t     n;
    time_t     seconds;
    struct tm  tm;

    seconds = (time_t) (ms / 1000);

    if (ms <= 0 || gmtime_r(&seconds, &tm) == NULL) {
        return "-";
    }

    n = strftime(text, RECORD_TIME - 8, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, RECORD_TIME - n, ".%03dZ", (int) (ms % 1000));

    return text;
}


static void
record_print_time(const char *name, int64_t ms)
{
    char  text[RECORD_TIME];

    printf("%-12s %s\n", name, record_time(text, ms));
}


static bool
record_is_time(const char *name)
{
    static const char   *names[] = {
        "created", "run_at", "deadline", "started", "finished", "buried", NULL
    };
    const char         **n;

    for (n = names; *n; n++) {
        if (strcmp(name, *n) == 0) {
            return true;
        }
    }

    return false;
}


/* the answer itself may be private: its measures only */

static void
record_print_outcome(weir_json_t *outcome)
{
    weir_str_t    provider, message;
    weir_json_t  *usage;

    usage = weir_json_get(outcome, "usage");
    provider = weir_json_str(weir_json_get(outcome, "provider"));
    message = weir_json_str(weir_json_get(weir_json_get(outcome, "error"),
                                          "message"));

    if (!weir_json_is_object(outcome)) {
        printf("%-12s gone\n", "outcome");
        return;
    }

    printf("%-12s %zu choices, %lld tokens in, %lld out, by %.*s\n", "outcome",
           weir_json_count(weir_json_get(outcome, "choices")),
           weir_json_int(weir_json_get(usage, "input_tokens")),
           weir_json_int(weir_json_get(usage, "output_tokens")),
           (int) provider.len, provider.data ? provider.data : "");

    if (message.len) {
        printf("%-12s %.*s\n", "error", (int) message.len, message.data);
    }
}


void
record_print(weir_json_t *doc)
{
    void         *iter;
    weir_str_t    s;
    const char   *name;
    weir_json_t  *value;

    for (iter = weir_json_next(doc, NULL, &name, &value);
         iter;
         iter = weir_json_next(doc, iter, &name, &value))
    {
        s = weir_json_str(value);

        if (strcmp(name, "outcome") == 0) {
            record_print_outcome(value);

        } else if (weir_json_is_object(value)) {
            printf("%-12s ", name);
            (void) record_print_json(value);

        } else if (record_is_time(name) && weir_json_is_int(value)) {
            record_print_time(name, weir_json_int(value));

        } else if (weir_json_is_int(value)) {
            printf("%-12s %lld\n", name, weir_json_int(value));

        } else if (s.len) {
            printf("%-12s %.*s\n", name, (int) s.len, s.data);
        }
    }
}


int
record_print_json(const weir_json_t *doc)
{
    weir_buf_t  out = { 0 };

    if (weir_json_write(doc, &out) != 0) {
        weir_buf_free(&out);
        return cli_failed("no memory");
    }

    printf("%.*s\n", (int) out.len, out.data);
    weir_buf_free(&out);

    return CLI_OK;
}
