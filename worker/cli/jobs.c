/*
 * The commands on jobs.  Reads the records and the outcome; never shows what
 * was asked, and what was answered only with --json.
 */

#include "again.h"
#include "cli.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>

#include "weir_apikey.h"


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
    weir_str_t    batch[JOBS_BATCH];
    unsigned      nbatch;
    size_t        page;             /* members that came */
} jobs_list_t;


typedef struct {
    weir_cancel_t  cancel;
    bool           found;
    bool           won;
    weir_state_e   state;
    char           owner[WEIR_OWNER_MAX + 1];
    char           fin[WEIR_NAME_MAX];
    weir_txn_t     mails;           /* to those who wait */
} jobs_cancel_t;


/* show */

int
jobs_show(int argc, char **argv)
{
    int              rc;
    bool             json = false;
    redis_t         *r;
    unsigned         shard;
    const char      *word, *id;
    weir_json_t     *doc;
    redis_options_t  o = { 0 };

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { "json", NULL, &json, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, &word, 1);
    rc = rc == CLI_OK ? redis_check(&o) : rc;
    rc = rc == CLI_OK ? record_id(word, &id, &shard) : rc;

    if (rc != CLI_OK) {
        return rc;
    }

    doc = NULL;
    rc = redis_open(&r, &o);
    rc = rc == CLI_OK ? record_read(r, shard, id, &doc) : rc;
    redis_close(&r);

    if (rc == CLI_OK && doc == NULL) {
        rc = record_missing(id);
    }

    if (rc == CLI_OK && json) {
        rc = record_print_json(doc);

    } else if (rc == CLI_OK) {
        record_print(doc);
    }

    weir_json_free(&doc);

    return rc == CLI_OK ? cli_flush() : rc;
}


/* list */

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

    printf(WEIR_JOB_PREFIX "%s %-11s %-24s %-6.*s %3lld %.*s %.*s\n", id,
           weir_state_name(run->state), record_time(created, job->created),
           (int) run->class.len, run->class.data ? run->class.data : "",
           run->attempts, (int) job->owner.len, job->owner.data,
           (int) job->model.len, job->model.data ? job->model.data : "");
}


static void
jobs_looked(void *data, const weir_answer_t *answer)
{
    unsigned      i;
    weir_job_t    job;
    weir_run_t    run;
    jobs_list_t  *l = data;

    for (i = 0; i < l->nbatch && l->shown < l->limit; i++) {

        /* a ticket, or its time is over */

        if (!weir_txn_looks_read(answer, i, &job, &run) || !job.found) {
            continue;
        }

        if (l->status == NULL
            || strcmp(l->status, weir_state_name(run.state)) == 0)
        {
            jobs_row(l, l->batch[i], &job, &run);
        }
    }
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
    redis_close(&l.redis);

    if (rc == CLI_OK && l.json) {
        rc = l.failed ? cli_failed("no memory") : record_print_json(l.docs);
    }

    weir_json_free(&l.docs);

    return rc == CLI_OK ? cli_flush() : rc;
}


/* cancel */

static void
jobs_cancel_looked(void *data, const weir_answer_t *answer)
{
    weir_job_t      job;
    weir_run_t      run;
    jobs_cancel_t  *c = data;

    if (!weir_txn_look_read(answer, &job, &run) || !job.found) {
        return;
    }

    c->found = true;
    c->cancel.hook = job.hook_url.len > 0;
    snprintf(c->owner, sizeof(c->owner), "%.*s", (int) job.owner.len,
             job.owner.data);
}


static void
jobs_cancelled(void *data, const weir_answer_t *answer)
{
    size_t               i;
    char                 box[WEIR_MAILBOX_LEN + 1];
    weir_str_t           name, token;
    jobs_cancel_t       *c = data;
    const weir_reply_t  *boxes;

    snprintf(c->fin, sizeof(c->fin), "%.*s",
             (int) weir_txn_cancel_fin(answer).len,
             weir_txn_cancel_fin(answer).data);

    if (!weir_fin_parse(weir_str_of(c->fin), &c->state, &token)) {
        c->state = WEIR_FAILED;
        return;
    }

    c->won = weir_str_eq(token, weir_str(WEIR_TOKEN_OPERATOR));
    boxes = weir_txn_cancel_mailboxes(answer);

    for (i = 0; c->won && i < weir_reply_count(boxes); i++) {
        name = weir_reply_str(weir_reply_at(boxes, i));

        if (name.len == WEIR_MAILBOX_LEN) {
            memcpy(box, name.data, name.len);
            box[name.len] = '\0';
            weir_txn_mail(&c->mails, box, c->cancel.id, c->fin, c->cancel.now,
                          weir_str_null);
        }
    }
}


static int
jobs_cancel_id(redis_t *r, jobs_cancel_t *c)
{
    int         rc;
    weir_txn_t  t;

    weir_txn_init(&t);
    weir_txn_init(&c->mails);

    weir_txn_look(&t, c->cancel.shard, c->cancel.id, NULL);
    rc = redis_ask(r, &t, jobs_cancel_looked, c);

    if (rc == CLI_OK && !c->found) {
        rc = record_missing(c->cancel.id);
    }

    rc = rc == CLI_OK ? redis_time(r, &c->cancel.now) : rc;

    if (rc == CLI_OK) {
        c->cancel.owner = weir_str_of(c->owner);
        weir_txn_reset(&t);
        weir_txn_cancel(&t, &c->cancel);
        rc = redis_ask(r, &t, jobs_cancelled, c);
    }

    if (rc == CLI_OK && c->mails.replies) {
        rc = redis_ask(r, &c->mails, NULL, NULL);
    }

    weir_txn_free(&c->mails);
    weir_txn_free(&t);

    return rc;
}


int
jobs_cancel(int argc, char **argv)
{
    int              rc;
    redis_t         *r;
    const char      *word;
    jobs_cancel_t    c = { .cancel = { .token = WEIR_TOKEN_OPERATOR,
                                       .tell = true } };
    redis_options_t  o = { 0 };

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, &word, 1);
    rc = rc == CLI_OK ? redis_check(&o) : rc;
    rc = rc == CLI_OK ? record_id(word, &c.cancel.id, &c.cancel.shard) : rc;

    if (rc != CLI_OK) {
        return rc;
    }

    rc = redis_open(&r, &o);
    rc = rc == CLI_OK ? jobs_cancel_id(r, &c) : rc;
    redis_close(&r);

    if (rc == CLI_OK && c.state != WEIR_CANCELLED) {
        return cli_failed("job " WEIR_JOB_PREFIX "%s had ended before: %s",
                          c.cancel.id, weir_state_name(c.state));
    }

    if (rc == CLI_OK) {
        fprintf(stderr, "%s job " WEIR_JOB_PREFIX "%s\n",
                c.won ? "cancelled" : "cancelled before:", c.cancel.id);
    }

    return rc;
}


/* retry */

int
jobs_retry(int argc, char **argv)
{
    int              rc;
    again_t          g = { 0 };
    redis_t         *r;
    const char      *word;
    redis_options_t  o = { 0 };

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { "force", NULL, &g.force, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, &word, 1);
    rc = rc == CLI_OK ? redis_check(&o) : rc;
    rc = rc == CLI_OK ? record_id(word, &g.id, &g.shard) : rc;

    if (rc != CLI_OK) {
        return rc;
    }

    rc = redis_open(&r, &o);
    rc = rc == CLI_OK ? again_submit(r, &g) : rc;
    redis_close(&r);

    if (rc == CLI_OK) {
        printf(WEIR_JOB_PREFIX "%s\n", g.as);
    }

    return rc == CLI_OK ? cli_flush() : rc;
}
