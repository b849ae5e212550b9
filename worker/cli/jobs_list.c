/*
 * The list of jobs: an owner's, or all that are not finished.
 */

#include "cli.h"
#include "record.h"

#include <stdio.h>

#include "weir_apikey.h"
#include "weir_txn_ask.h"


#define JOBS_PAGE     1000          /* ids asked for at once */
#define JOBS_BATCH    100           /* looked at in one transaction */
#define JOBS_LIMIT    50            /* shown, if nobody says otherwise */
#define JOBS_SECONDS  60            /* for a list */


typedef struct {
    redis_t      *redis;
    const char   *owner;            /* NULL: all that are not finished */
    const char   *status;           /* NULL: any */
    unsigned      limit;
    bool          json;

    unsigned      shown;
    weir_json_t  *docs;             /* of --json */
    bool          failed;           /* no memory */

    weir_buf_t    ids;              /* of a page, WEIR_ID_LEN bytes each */
    weir_str_t    batch[2 * JOBS_BATCH];        /* jobs, then their runs */
    unsigned      nbatch;           /* jobs */
    char          runs[JOBS_BATCH][WEIR_ID_LEN + 1];
    bool          apart;            /* a job has another's run */
    bool          both;             /* they were looked at too */
    bool          asked;            /* of jobs that ask; else of runs */
    size_t        page;             /* members that came */
} jobs_list_t;


static void
jobs_row(jobs_list_t *l, weir_str_t run_id, const weir_job_t *job,
    const weir_run_t *run)
{
    char          created[RECORD_TIME], id[WEIR_ID_LEN + 1];
    weir_json_t  *doc;

    memcpy(id, run_id.data, WEIR_ID_LEN);
    id[WEIR_ID_LEN] = '\0';
    l->shown++;

    if (l->json) {
        doc = record_doc(id, job, run);
        l->failed |= weir_json_add_take(l->docs, doc) != 0;
        return;
    }

    printf(WEIR_JOB_PREFIX "%s %-11s %-24s %-6.*s %3lld %.*s %.*s%s\n", id,
           weir_state_name(run->state), record_time(created, job->created),
           (int) run->class.len, run->class.data ? run->class.data : "",
           run->attempts, (int) job->owner.len, job->owner.data,
           (int) job->model.len, job->model.data ? job->model.data : "",
           job->ask.len ? " (run of a question)" : "");
}


/* the registers of a job that asks say little of its run */

static void
jobs_complete(const jobs_list_t *l, unsigned i, const weir_answer_t *answer,
    const weir_job_t *job, weir_run_t *own)
{
    weir_job_t  of;
    weir_run_t  run;

    if (l->both && job->part.len
        && weir_txn_looks_read(answer, l->nbatch + i, &of, &run))
    {
        weir_run_complete(own, job, &run);
    }
}


static void
jobs_runs(void *data, const weir_answer_t *answer)
{
    unsigned      i;
    weir_job_t    job;
    weir_run_t    run;
    jobs_list_t  *l = data;

    l->apart = false;

    for (i = 0; i < l->nbatch; i++) {
        if (weir_txn_looks_read(answer, i, &job, &run)) {
            l->apart |= record_run(l->batch[i].data, &job, l->runs[i]);
            l->batch[l->nbatch + i] = weir_str_of(l->runs[i]);
        }
    }
}


static void
jobs_show_batch(jobs_list_t *l, const weir_answer_t *answer)
{
    unsigned    i;
    weir_job_t  job;
    weir_run_t  run;

    for (i = 0; i < l->nbatch && l->shown < l->limit; i++) {

        /* a ticket, or its time is over */

        if (!weir_txn_looks_read(answer, i, &job, &run) || !job.found) {
            continue;
        }

        jobs_complete(l, i, answer, &job, &run);

        if (l->status == NULL
            || strcmp(l->status, weir_state_name(run.state)) == 0)
        {
            jobs_row(l, l->batch[i], &job, &run);
        }
    }
}


static void
jobs_looked(void *data, const weir_answer_t *answer)
{
    jobs_list_t  *l = data;

    jobs_runs(l, answer);

    if (!l->apart) {
        jobs_show_batch(l, answer);
    }
}


static void
jobs_looked_both(void *data, const weir_answer_t *answer)
{
    jobs_list_t  *l = data;

    l->both = true;
    jobs_show_batch(l, answer);
    l->both = false;
}


/* ids, or ids and times by turns */

static void
jobs_paged(void *data, const weir_answer_t *answer)
{
    size_t        i, step;
    unsigned      shard;
    weir_str_t    id;
    jobs_list_t  *l = data;

    step = l->owner ? 2 : 1;
    l->page = weir_reply_count(answer->reply) / step;

    for (i = 0; i < l->page; i++) {
        id = weir_reply_str(weir_reply_at(answer->reply, i * step));

        if (weir_id_parse(id, &shard)) {
            weir_buf_str(&l->ids, id);
        }
    }
}


/* looks at the ids of a page until there are as many as wanted */

static int
jobs_look(jobs_list_t *l)
{
    int         rc;
    size_t      at;
    weir_txn_t  t;

    rc = l->ids.failed ? cli_failed("no memory") : CLI_OK;
    at = 0;

    weir_txn_init(&t);

    while (rc == CLI_OK && at < l->ids.len && l->shown < l->limit) {

        for (l->nbatch = 0;
             l->nbatch < JOBS_BATCH && at < l->ids.len;
             at += WEIR_ID_LEN)
        {
            l->batch[l->nbatch].data = l->ids.data + at;
            l->batch[l->nbatch++].len = WEIR_ID_LEN;
        }

        weir_txn_reset(&t);
        weir_txn_looks(&t, RECORD_SHARD, l->batch, l->nbatch);
        rc = redis_ask(l->redis, &t, jobs_looked, l);

        if (rc == CLI_OK && l->apart) {
            weir_txn_reset(&t);
            weir_txn_looks(&t, RECORD_SHARD, l->batch, 2 * l->nbatch);
            rc = redis_ask(l->redis, &t, jobs_looked_both, l);
        }
    }

    weir_txn_free(&t);

    return rc;
}


/* An owner's list comes in one piece, since many may be of one moment. */

static int
jobs_pages(jobs_list_t *l)
{
    int         rc;
    long long   from;
    weir_txn_t  t;

    from = 0;
    weir_txn_init(&t);

    do {
        weir_txn_reset(&t);
        weir_buf_reset(&l->ids);

        if (l->owner) {
            weir_txn_list(&t, RECORD_SHARD, weir_str_of(l->owner), 0,
                          WEIR_LIST_MAX);

        } else if (l->asked) {
            weir_txn_asked_list(&t, RECORD_SHARD, from, JOBS_PAGE);

        } else {
            weir_txn_unfinished(&t, RECORD_SHARD, from, JOBS_PAGE);
        }

        rc = redis_ask(l->redis, &t, jobs_paged, l);
        rc = rc == CLI_OK ? jobs_look(l) : rc;
        from += JOBS_PAGE;

    } while (rc == CLI_OK && l->owner == NULL && l->page == JOBS_PAGE
             && l->shown < l->limit);

    weir_txn_free(&t);
    weir_buf_free(&l->ids);

    return rc;
}


static int
jobs_list_check(const jobs_list_t *l)
{
    int  i;

    if (l->owner && !weir_name_valid(weir_str_of(l->owner), WEIR_OWNER_MAX)) {
        return cli_usage("\"--owner\" must be 1 to %d letters, digits and "
                         ". _ - @", WEIR_OWNER_MAX);
    }

    if (l->status == NULL) {
        return CLI_OK;
    }

    for (i = WEIR_QUEUED; i <= WEIR_EXPIRED; i++) {
        if (strcmp(l->status, weir_state_name(i)) == 0) {
            return CLI_OK;
        }
    }

    return cli_usage("\"--status\" must be queued, in_progress, completed, "
                     "failed, cancelled or expired");
}


int
jobs_list(int argc, char **argv)
{
    int              rc;
    const char      *limit = NULL;
    jobs_list_t      l = { .limit = JOBS_LIMIT };
    redis_options_t  o = { .seconds = JOBS_SECONDS };

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { "owner", &l.owner, NULL, false },
        { "status", &l.status, NULL, false },
        { "limit", &limit, NULL, false },
        { "json", NULL, &l.json, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, NULL, 0);
    rc = rc == CLI_OK ? redis_check(&o) : rc;
    rc = rc == CLI_OK ? jobs_list_check(&l) : rc;
    rc = rc == CLI_OK ? args_number("limit", limit, WEIR_LIST_MAX, &l.limit)
                      : rc;

    if (rc != CLI_OK) {
        return rc;
    }

    l.docs = weir_json_array();
    rc = redis_open(&l.redis, &o);
    rc = rc == CLI_OK ? jobs_pages(&l) : rc;

    if (rc == CLI_OK && l.owner == NULL && l.shown < l.limit) {
        l.asked = true;
        rc = jobs_pages(&l);
    }

    redis_close(&l.redis);

    if (rc == CLI_OK && l.json) {
        rc = l.failed ? cli_failed("no memory") : record_print_json(l.docs);
    }

    weir_json_free(&l.docs);

    return rc == CLI_OK ? cli_flush() : rc;
}
