/*
 * The commands on jobs.  Reads the records and the outcome; never shows what
 * was asked, and what was answered only with --json.
 */

#include "cli.h"
#include "redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "weir_outcome.h"
#include "weir_txn.h"


typedef struct {
    bool           json;
    bool           found;
    unsigned       shard;
    const char    *id;              /* without "job_" */
    char           token[WEIR_NAME_MAX];
    weir_json_t   *doc;             /* what is shown; NULL: no memory */
} jobs_t;


static int
jobs_set(weir_json_t *to, const char *name, weir_str_t s)
{
    weir_json_t  *v;

    v = s.len ? weir_json_new_str(s) : weir_json_new_null();
    if (v == NULL) {
        v = weir_json_new_str(weir_str("(not UTF-8)"));
    }

    return weir_json_set_take(to, name, v);
}


static int
jobs_set_number(weir_json_t *to, const char *name, long long n)
{
    return weir_json_set_take(to, name, weir_json_new_int(n));
}


/* ms since 1970; 0: it has not happened */

static int
jobs_set_time(weir_json_t *to, const char *name, int64_t t)
{
    return weir_json_set_take(to, name, t ? weir_json_new_int(t)
                                          : weir_json_new_null());
}


static long long
jobs_number(const weir_reply_t *run, const char *field)
{
    weir_str_t  s;

    s = weir_reply_field(run, field);

    return s.len ? strtoll(s.data, NULL, 10) : 0;
}


static weir_json_t *
jobs_doc(const char *id, const weir_job_t *job, const weir_run_t *run,
    const weir_reply_t *record)
{
    int           rc;
    char          name[64];
    weir_json_t  *to;

    to = weir_json_object();
    snprintf(name, sizeof(name), WEIR_JOB_PREFIX "%s", id);

    rc = jobs_set(to, "id", weir_str_of(name));
    rc |= jobs_set(to, "state", weir_str_of(weir_state_name(run->state)));
    rc |= jobs_set(to, "decided", run->fin);
    rc |= jobs_set(to, "owner", job->owner);
    rc |= jobs_set(to, "model", job->model);
    rc |= jobs_set(to, "class", weir_reply_field(record, WEIR_RUN_CLASS));
    rc |= jobs_set(to, "route", job->route);
    rc |= jobs_set(to, "request_id", job->request_id);
    rc |= jobs_set(to, "metadata", job->metadata);
    rc |= jobs_set_time(to, "created", job->created);
    rc |= jobs_set_time(to, "deadline", jobs_number(record,
                                                    WEIR_RUN_DEADLINE));
    rc |= jobs_set_time(to, "started", run->started);
    rc |= jobs_set_time(to, "finished", run->fin_at);
    rc |= jobs_set_number(to, "generation", run->gen);
    rc |= jobs_set_number(to, "attempts", run->attempts);
    rc |= jobs_set_number(to, "failures", jobs_number(record,
                                                      WEIR_RUN_FAILURES));
    rc |= jobs_set(to, "last_error", weir_reply_field(record,
                                                      WEIR_RUN_ERROR));
    if (rc != 0) {
        weir_json_free(&to);
    }

    return to;
}


static void
jobs_looked(void *data, const weir_answer_t *answer)
{
    size_t               n;
    jobs_t              *j = data;
    weir_job_t           job;
    weir_run_t           run;
    const weir_reply_t  *record;

    if (!weir_txn_look_read(answer, &job, &run) || !job.found) {
        return;
    }

    n = weir_reply_count(answer->reply);
    record = weir_reply_at(answer->reply, n - 1);

    j->found = true;
    j->doc = jobs_doc(j->id, &job, &run, record);

    if (weir_token_has_outcome(run.token)) {
        snprintf(j->token, sizeof(j->token), "%.*s", (int) run.token.len,
                 run.token.data);
    }
}


static void
jobs_fetched(void *data, const weir_answer_t *answer)
{
    char         error[WEIR_JSON_ERROR];
    jobs_t      *j = data;
    weir_str_t   text;
    weir_json_t  *v;

    text = weir_reply_str(answer->reply);
    v = text.len ? weir_json_parse(text, error) : NULL;

    weir_json_set_take(j->doc, "outcome", v ? v : weir_json_new_null());
}


static int
jobs_ask(redis_t *r, jobs_t *j)
{
    int         rc;
    weir_txn_t  t;

    weir_txn_init(&t);
    weir_txn_look(&t, j->shard, j->id, NULL);
    rc = redis_ask(r, &t, jobs_looked, j);

    if (rc == CLI_OK && j->doc && j->token[0]) {
        weir_txn_reset(&t);
        weir_txn_outcome(&t, j->shard, j->id, weir_str_of(j->token));
        rc = redis_ask(r, &t, jobs_fetched, j);
    }

    weir_txn_free(&t);

    return rc;
}


/* showing */

static void
jobs_print_time(const char *name, int64_t ms)
{
    char       text[32];
    time_t     seconds;
    struct tm  tm;

    seconds = (time_t) (ms / 1000);

    if (gmtime_r(&seconds, &tm) == NULL) {
        return;
    }

    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    printf("%-12s %s.%03dZ\n", name, text, (int) (ms % 1000));
}


static bool
jobs_is_time(const char *name)
{
    static const char   *names[] = {
        "created", "deadline", "started", "finished", NULL
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
jobs_print_outcome(weir_json_t *outcome)
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


static void
jobs_print(weir_json_t *doc)
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
            jobs_print_outcome(value);

        } else if (jobs_is_time(name) && weir_json_is_int(value)) {
            jobs_print_time(name, weir_json_int(value));

        } else if (weir_json_is_int(value)) {
            printf("%-12s %lld\n", name, weir_json_int(value));

        } else if (s.len) {
            printf("%-12s %.*s\n", name, (int) s.len, s.data);
        }
    }
}


static int
jobs_print_json(const weir_json_t *doc)
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


static int
jobs_show_id(const redis_options_t *o, jobs_t *j)
{
    int       rc;
    redis_t  *r;

    rc = redis_open(&r, o);

    if (rc == CLI_OK) {
        rc = jobs_ask(r, j);
    }

    redis_close(&r);

    if (rc == CLI_OK && !j->found) {
        return cli_failed("no job " WEIR_JOB_PREFIX "%s: it never was, or its "
                          "time is over", j->id);
    }

    if (rc == CLI_OK && j->doc == NULL) {
        return cli_failed("no memory");
    }

    if (rc == CLI_OK && j->json) {
        return jobs_print_json(j->doc);
    }

    if (rc == CLI_OK) {
        jobs_print(j->doc);
    }

    return rc;
}


int
jobs_show(int argc, char **argv)
{
    int              rc;
    jobs_t           j = { 0 };
    weir_str_t       id;
    const char      *word;
    redis_options_t  o = { 0 };

    const cli_option_t  options[] = {
        { "redis", &o.address, NULL, false },
        { "password-file", &o.password_file, NULL, false },
        { "db", &o.db, NULL, false },
        { "json", NULL, &j.json, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, &word, 1);
    if (rc != CLI_OK) {
        return rc;
    }

    o.address = o.address ? o.address : getenv("WEIR_REDIS");

    if (o.address == NULL) {
        return cli_usage("option \"--redis\" or WEIR_REDIS in the environment "
                         "is required");
    }

    if (!weir_job_id_parse(weir_str_of(word), &id, &j.shard)) {
        id = weir_str_of(word);

        if (!weir_id_parse(id, &j.shard)) {
            return cli_usage("\"%s\" is not the id of a job", word);
        }
    }

    j.id = id.data;
    rc = jobs_show_id(&o, &j);
    weir_json_free(&j.doc);

    return rc == CLI_OK ? cli_flush() : rc;
}
