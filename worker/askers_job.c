/*
 * The end of a job that asks for the run of another: the finish of every run,
 * without an outcome of its own.  And of those whose time has come: their
 * deadline has passed, or they came too late from the start.
 */

#include "askers.h"

#include <stdio.h>
#include <stdlib.h>

#include "fault.h"
#include "log.h"
#include "mem.h"


/* an end under way, with copies of all that it needs */

typedef struct {
    runner_t      *runner;
    char           id[WEIR_ID_LEN + 1];
    char           run[WEIR_ID_LEN + 1];
    char           owner[JOB_OWNER_MAX];
    char           token[ASKERS_TOKEN_MAX];
    weir_state_e   state;
    int64_t        now;
    int64_t        ttl;
    int64_t        records;
    bool           hook;
    bool           leaves;
    char          *outcome;
    void         (*fn)(void *data, unsigned i, bool gone);
    void          *data;
    unsigned       i;
} asker_t;


static void
asker_fill(const asker_t *a, weir_finish_t *f)
{
    memset(f, 0, sizeof(weir_finish_t));

    f->shard = RUNNER_SHARD;
    f->run = a->id;
    f->job = a->id;
    f->state = a->state;
    f->token = a->token;
    f->now = a->now;
    f->ttl = a->ttl;
    f->records = a->records;
    f->owner = weir_str_of(a->owner);
    f->hook = a->hook;
    f->asker = a->run;
    f->left = a->leaves;
}


static void
asker_free(asker_t *a, bool gone)
{
    if (a->fn) {
        a->fn(a->data, a->i, gone);
    }

    free(a->outcome);
    free(a);
}


static void
asker_told(asker_t *a, const weir_finish_t *f, const weir_reply_t *mailboxes)
{
    char  name[WEIR_ID_LEN + sizeof(WEIR_JOB_PREFIX)];

    snprintf(name, sizeof(name), WEIR_JOB_PREFIX "%s", a->id);
    counters_add(a->runner->counters, handed_on, 1);

    LOG(LOG_INFO, "job_handed_on", log_text("job", name),
        log_text("run", a->run), log_text("state", weir_state_name(a->state)));

    finish_tell(a->runner, f, mailboxes, weir_str_of(a->outcome));
}


static void
asker_on_answer(void *data, const weir_answer_t *answer)
{
    asker_t             *a;
    weir_finish_t        f;
    const weir_reply_t  *mailboxes;

    a = data;

    if (answer->code == WEIR_ANSWER_OK) {
        asker_fill(a, &f);

        if (weir_txn_finish_won(answer, &f, &mailboxes)) {
            asker_told(a, &f, mailboxes);
        }

        asker_free(a, true);            /* it has its end, this or another */
        return;
    }

    if (answer->code != WEIR_ANSWER_LOST) {
        LOG(answer->code == WEIR_ANSWER_ERROR ? LOG_ERROR : LOG_WARN,
            "askers_later", log_text("run", a->run), log_text("job", a->id),
            log_str("reason", answer->error));
    }

    asker_free(a, false);
}


void
asker_end(runner_t *r, const asker_end_t *e)
{
    asker_t        *a;
    weir_str_t      owner;
    weir_txn_t     *t;
    weir_finish_t   f;

    a = mem_alloc(sizeof(asker_t));
    owner = e->own->owner;

    a->runner = r;
    snprintf(a->id, sizeof(a->id), "%s", e->id);
    snprintf(a->run, sizeof(a->run), "%s", e->run);
    snprintf(a->token, sizeof(a->token), "%s", e->token);
    snprintf(a->owner, sizeof(a->owner), "%.*s", (int) owner.len,
             owner.data ? owner.data : "");

    a->state = e->state;
    a->now = runner_now(r);
    a->ttl = e->own->ttl > 0 ? e->own->ttl : WEIR_TTL_DEFAULT;
    a->records = e->own->records;
    a->hook = (e->job->hook_url.len > 0);

    /* its request was refused: nobody knows of it */

    if (strcmp(e->token, WEIR_TOKEN_LATE) == 0
        || strcmp(e->token, WEIR_TOKEN_EDGE) == 0)
    {
        a->hook = false;
    }

    a->leaves = e->leaves;
    a->outcome = e->outcome ? mem_text(e->outcome) : NULL;
    a->fn = e->fn;
    a->data = e->data;
    a->i = e->i;

    asker_fill(a, &f);
    t = runner_txn(r);
    weir_txn_finish(t, &f);

    if (redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout,
                   asker_on_answer, a) != 0)
    {
        asker_free(a, false);
        return;
    }

    FAULT_SENT("asker_sent");
}


/* jobs whose time has come */

typedef struct {
    runner_t      *runner;
    unsigned       n;
    char           ids[WEIR_ASKERS_BATCH][WEIR_ID_LEN + 1];
} overdue_t;


static void
overdue_end(const overdue_t *o, unsigned i, const weir_job_t *job,
    const weir_run_t *own, bool late)
{
    char         run[WEIR_ID_LEN + 1];
    asker_end_t  e;

    memset(&e, 0, sizeof(asker_end_t));
    snprintf(run, sizeof(run), "%.*s", (int) job->run.len,
             job->run.data ? job->run.data : "");

    e.id = o->ids[i];
    e.run = run;
    e.job = job;
    e.own = own;
    e.state = late ? WEIR_CANCELLED : WEIR_EXPIRED;
    e.token = late ? WEIR_TOKEN_LATE : WEIR_TOKEN_REAPER;
    e.leaves = true;

    asker_end(o->runner, &e);
}


/* It was in time, and is looked at for that reason once. */

static void
overdue_later(const overdue_t *o, unsigned i, const weir_run_t *own)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = o->runner;
    t = runner_txn(r);
    weir_txn_asked_until(t, RUNNER_SHARD, o->ids[i], own->deadline);
    (void) redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout, NULL,
                      NULL);
}


static void
overdue_on_jobs(void *data, const weir_answer_t *answer)
{
    bool         late;
    unsigned     i;
    overdue_t   *o;
    weir_job_t   job;
    weir_run_t   own;

    o = data;

    for (i = 0; i < o->n; i++) {
        if (!weir_txn_asked_looks_read(answer, i, &job, &own, &late)) {
            continue;
        }

        if (!late && own.found && !weir_state_is_final(own.state)
            && own.deadline > runner_now(o->runner))
        {
            overdue_later(o, i, &own);

        } else {
            overdue_end(o, i, &job, &own, late);
        }
    }

    free(o);
}


void
askers_expire(runner_t *r, const weir_answer_t *due)
{
    size_t       i;
    unsigned     shard;
    overdue_t   *o;
    weir_str_t   id, ids[WEIR_ASKERS_BATCH];
    weir_txn_t  *t;

    o = mem_alloc(sizeof(overdue_t));
    o->runner = r;

    for (i = 0; i < weir_reply_count(due->reply) && o->n < WEIR_ASKERS_BATCH;
         i++)
    {
        id = weir_reply_str(weir_reply_at(due->reply, i));

        if (!weir_id_parse(id, &shard)) {
            LOG(LOG_ERROR, "deadline_invalid", log_str("member", id));
            continue;
        }

        memcpy(o->ids[o->n], id.data, WEIR_ID_LEN);
        ids[o->n] = weir_str_of(o->ids[o->n]);
        o->n++;
    }

    t = runner_txn(r);
    weir_txn_asked_looks(t, RUNNER_SHARD, ids, o->n);

    if (o->n == 0
        || redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout,
                      overdue_on_jobs, o) != 0)
    {
        free(o);                /* the next look finds them again */
    }
}
