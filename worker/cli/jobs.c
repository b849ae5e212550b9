/*
 * The commands on one job: showing, cancelling, submitting again.  Never shows
 * what was asked, and what was answered only with --json.
 */

#include "again.h"
#include "cli.h"
#include "record.h"

#include <stdio.h>

#include "weir_apikey.h"


typedef struct {
    weir_cancel_t  cancel;
    bool           found;
    bool           question;        /* it is the run of one */
    bool           won;
    weir_state_e   state;
    char           owner[WEIR_OWNER_MAX + 1];
    char           run[WEIR_ID_LEN + 1];
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
    c->question = job.ask.len > 0;
    c->cancel.hook = job.hook_url.len > 0;

    /* its run may be others' too: who has it looks whether it goes on */

    if (record_run(c->cancel.id, &job, c->run)) {
        c->cancel.run = c->run;
    }

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
                          "", weir_str_null);
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
        return cli_failed("%s " WEIR_JOB_PREFIX "%s had ended before: %s",
                          c.question ? "run" : "job", c.cancel.id,
                          weir_state_name(c.state));
    }

    if (rc == CLI_OK) {
        fprintf(stderr, "%s %s " WEIR_JOB_PREFIX "%s\n",
                c.won ? "cancelled" : "cancelled before:",
                c.question ? "run" : "job", c.cancel.id);
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
