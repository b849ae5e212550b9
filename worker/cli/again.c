/*
 * Jobs again.  First it is noted in the old job what it becomes, so that of two
 * operators only one goes on; then comes the transaction with which the edge
 * submits.
 */

#include "again.h"
#include "cli.h"
#include "record.h"

#include <stdio.h>
#include <sys/random.h>


typedef struct {
    again_t       *g;
    bool           found;
    bool           asked;           /* the request is still there */
    bool           done;
    weir_state_e   state;
    char           run[WEIR_ID_LEN + 1];
    char           retried_as[WEIR_ID_LEN + 1];
    weir_txn_t     submit;
} again_job_t;


static void
again_copy_id(char to[WEIR_ID_LEN + 1], weir_str_t id)
{
    snprintf(to, WEIR_ID_LEN + 1, "%.*s", (int) id.len, id.len ? id.data : "");
}


static void
again_looked(void *data, const weir_answer_t *answer)
{
    weir_job_t    job;
    weir_run_t    run;
    again_job_t  *j = data;

    if (weir_txn_look_read(answer, &job, &run)) {
        (void) record_run(j->g->id, &job, j->run);
    }
}


/* the new submission points into this answer: it is built at once */

static void
again_read(void *data, const weir_answer_t *answer)
{
    again_job_t   *j = data;
    weir_again_t   a;

    if (!weir_txn_again_read(answer, j->g->as, &a)) {
        return;
    }

    j->found = a.found;
    j->state = a.state;
    j->asked = a.submission.payload.len > 0;
    again_copy_id(j->retried_as, a.retried_as);

    if (j->found && j->asked) {
        weir_txn_submit(&j->submit, &a.submission);
    }
}


static void
again_noted(void *data, const weir_answer_t *answer)
{
    again_job_t  *j = data;

    again_copy_id(j->retried_as, weir_txn_retried_as(answer));
}


static void
again_submitted(void *data, const weir_answer_t *answer)
{
    again_job_t  *j = data;

    j->done = weir_txn_submit_accepted(answer);
}


static int
again_retried(const again_job_t *j)
{
    return cli_failed("job " WEIR_JOB_PREFIX "%s was retried as "
                      WEIR_JOB_PREFIX "%s; --force does it again", j->g->id,
                      j->retried_as);
}


static int
again_allowed(const again_job_t *j)
{
    if (!j->found) {
        return record_missing(j->g->id);
    }

    if (!weir_state_is_final(j->state)) {
        return cli_failed("job " WEIR_JOB_PREFIX "%s has not ended: it is %s",
                          j->g->id, weir_state_name(j->state));
    }

    if (j->state == WEIR_COMPLETED && !j->g->force) {
        return cli_failed("job " WEIR_JOB_PREFIX "%s completed; --force does "
                          "it again", j->g->id);
    }

    if (!j->asked) {
        return cli_failed("what job " WEIR_JOB_PREFIX "%s asked is gone",
                          j->g->id);
    }

    return j->retried_as[0] && !j->g->force ? again_retried(j) : CLI_OK;
}


/* Where no answer came, the new job may be there: the note stays. */

static int
again_send(redis_t *r, again_job_t *j, weir_txn_t *t)
{
    int  rc;

    rc = redis_ask(r, &j->submit, again_submitted, j);

    if (rc == CLI_OK && !j->done) {
        rc = cli_failed("the new job came too late to Redis");
    }

    if (rc != CLI_OK && redis_is_lost(r)) {
        return cli_failed("whether job " WEIR_JOB_PREFIX "%s was submitted is "
                          "not known", j->g->as);
    }

    if (rc != CLI_OK) {
        weir_txn_reset(t);
        weir_txn_not_retried(t, j->g->shard, j->g->id);
        (void) redis_ask(r, t, NULL, NULL);
    }

    return rc;
}


static int
again_go(redis_t *r, again_job_t *j, weir_txn_t *t)
{
    int  rc;

    weir_txn_look(t, j->g->shard, j->g->id, NULL);
    rc = redis_ask(r, t, again_looked, j);

    if (rc == CLI_OK) {
        weir_txn_reset(t);
        weir_txn_again(t, j->g->shard, j->g->id, j->run);
        rc = redis_ask(r, t, again_read, j);
    }

    rc = rc == CLI_OK ? again_allowed(j) : rc;

    if (rc == CLI_OK && j->submit.out.failed) {
        rc = cli_failed("no memory");
    }

    if (rc != CLI_OK) {
        return rc;
    }

    weir_txn_reset(t);
    weir_txn_retried(t, j->g->shard, j->g->id, j->g->as, j->g->force);
    rc = redis_ask(r, t, again_noted, j);

    if (rc != CLI_OK) {
        return rc;
    }

    return strcmp(j->retried_as, j->g->as) == 0 ? again_send(r, j, t)
                                                : again_retried(j);
}


int
again_submit(redis_t *r, again_t *g)
{
    int            rc;
    weir_txn_t     t;
    again_job_t    j = { .g = g };
    unsigned char  chance[WEIR_ID_RANDOM];

    if (getrandom(chance, sizeof(chance), 0) != sizeof(chance)) {
        return cli_failed("no random bytes");
    }

    weir_id_make(g->as, g->shard, chance);

    weir_txn_init(&t);
    weir_txn_init(&j.submit);
    rc = again_go(r, &j, &t);
    weir_txn_free(&j.submit);
    weir_txn_free(&t);

    return rc;
}
