/*
 * A look at one run of a question: what it came to, and who asks for it.
 *
 * It puts the run off in the outbox, so that others leave it alone for a while;
 * each job of a page gets its end by a transaction that may be repeated; then
 * the page leaves the askers, and when there are none, the run leaves the
 * outbox.  Who dies in between leaves the rest to another, and two at once do
 * the same twice, of which once counts.
 */

#include "askers.h"

#include <stdio.h>
#include <stdlib.h>

#include "fault.h"
#include "log.h"


#define LOOK_HOLD  5000                 /* ms that others leave a run alone */
#define LOOK_LOST  60000                /* ms that a run may not be there */


/* What was not answered, or refused, is due again when its time is over. */

static void
look_fail(look_t *l, const weir_answer_t *answer)
{
    if (answer && answer->code != WEIR_ANSWER_LOST) {
        LOG(answer->code == WEIR_ANSWER_ERROR ? LOG_ERROR : LOG_WARN,
            "askers_later", log_text("run", l->run),
            log_str("reason", answer->error));
    }

    askers_looked(l);
}


static void
look_ask(look_t *l, const weir_txn_t *t, weir_answer_pt fn)
{
    runner_t  *r;

    r = l->runner;

    if (redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout, fn, l) != 0) {
        look_fail(l, NULL);
    }
}


/* nobody asks any more: the run leaves the outbox */

static void
look_close(look_t *l)
{
    left_look(l->left, l->run, true);
    askers_looked(l);
}


/* a page is done */

static void
look_on_off(void *data, const weir_answer_t *answer)
{
    look_t    *l;
    unsigned   i;

    l = data;

    if (answer->code != WEIR_ANSWER_OK) {
        look_fail(l, answer);
        return;
    }

    for (i = 0; i < l->n; i++) {
        if (!l->of[i].gone) {
            askers_looked(l);           /* it is tried again in a while */
            return;
        }
    }

    if (l->n == WEIR_ASKERS_BATCH) {
        look_start(l);

    } else {
        look_close(l);
    }
}


static void
look_off(look_t *l)
{
    unsigned     i, n;
    weir_txn_t  *t;
    weir_str_t   members[WEIR_ASKERS_BATCH];

    FAULT("askers_told");
    n = 0;

    for (i = 0; i < l->n; i++) {
        if (l->of[i].gone) {
            members[n++] = weir_str_of(l->of[i].name);
        }
    }

    if (n == 0) {
        askers_looked(l);
        return;
    }

    t = runner_txn(l->runner);
    weir_txn_handed_on(t, RUNNER_SHARD, l->run, members, n);
    look_ask(l, t, look_on_off);
}


/* the jobs of a page */

static void
look_took(void *data, unsigned i, bool gone)
{
    look_t  *l;

    l = data;
    l->of[i].gone |= gone;

    if (--l->pending == 0) {
        look_off(l);
    }
}


static void
look_end_job(look_t *l, unsigned i, const weir_job_t *job,
    const weir_run_t *own, weir_state_e state, const char *token)
{
    asker_end_t  e;

    memset(&e, 0, sizeof(asker_end_t));

    e.id = l->of[i].name;
    e.run = l->run;
    e.job = job;
    e.own = own;
    e.state = state;
    e.token = token;
    e.outcome = l->outcome;
    e.fn = look_took;
    e.data = l;
    e.i = i;

    l->pending++;
    asker_end(l->runner, &e);
}


/* The end of a job: nobody was told of one that came too late, and nobody is.
 * Where the run is not there, it may come yet, or never came, or is long gone,
 * and nobody will ever have its end. */

static void
look_job(look_t *l, unsigned i, const weir_job_t *job, const weir_run_t *own,
    bool late)
{
    bool  asks;

    asks = job->found && own->found && !weir_state_is_final(own->state)
           && weir_str_eq(job->run, weir_str_of(l->run));

    if (asks && late) {
        look_end_job(l, i, job, own, WEIR_CANCELLED, WEIR_TOKEN_LATE);

    } else if (asks && !l->end.run.found) {

        if (job->created + LOOK_LOST < runner_now(l->runner)) {
            look_end_job(l, i, job, own, WEIR_CANCELLED, WEIR_TOKEN_LATE);
        }

    } else if (weir_hand_on_takes(&l->end, l->run, job, own)) {
        look_end_job(l, i, job, own, l->end.run.state, l->token);

    } else {
        l->of[i].gone = true;
    }
}


static void
look_on_jobs(void *data, const weir_answer_t *answer)
{
    bool         late;
    look_t      *l;
    unsigned     i, k;
    weir_job_t   job;
    weir_run_t   own;

    l = data;
    l->pending = 1;

    if (answer->code != WEIR_ANSWER_OK) {
        look_fail(l, answer);
        return;
    }

    for (i = 0, k = 0; i < l->n; i++) {
        if (!l->of[i].job) {
            continue;
        }

        if (weir_txn_asked_looks_read(answer, k++, &job, &own, &late)) {
            look_job(l, i, &job, &own, late);
        }
    }

    look_took(l, 0, false);
}


static void
look_jobs(look_t *l)
{
    unsigned     i, n;
    weir_str_t   ids[WEIR_ASKERS_BATCH];
    weir_txn_t  *t;

    n = 0;

    for (i = 0; i < l->n; i++) {
        if (l->of[i].job) {
            ids[n++] = weir_str_of(l->of[i].name);

        } else if (l->of[i].name[0]) {
            l->of[i].gone = true;       /* a mailbox, which has been told */
        }
    }

    if (n == 0) {
        look_off(l);
        return;
    }

    t = runner_txn(l->runner);
    weir_txn_asked_looks(t, RUNNER_SHARD, ids, n);
    look_ask(l, t, look_on_jobs);
}


/* the run */

static void
look_take(look_t *l, const weir_hand_on_t *h)
{
    size_t      i;
    weir_str_t  member;

    snprintf(l->token, sizeof(l->token), "%.*s", (int) h->run.token.len,
             h->run.token.data ? h->run.token.data : "");

    memset(&l->end, 0, sizeof(weir_hand_on_t));
    l->end.run.found = h->run.found;
    l->end.run.state = h->run.state;
    l->end.run.token = weir_str_of(l->token);

    memset(l->of, 0, sizeof(l->of));

    for (i = 0;
         i < WEIR_ASKERS_BATCH
         && weir_txn_hand_on_asker(h, i, &member, &l->of[i].job);
         i++)
    {
        if (member.len > WEIR_ID_LEN) {
            LOG(LOG_ERROR, "asker_invalid", log_str("member", member));
            continue;
        }

        memcpy(l->of[i].name, member.data, member.len);
    }

    l->n = (unsigned) i;
}


static void
look_on_run(void *data, const weir_answer_t *answer)
{
    look_t          *l;
    weir_hand_on_t   h;

    l = data;

    if (!weir_txn_hand_on_read(answer, &h)) {
        look_fail(l, answer);
        return;
    }

    FAULT("askers_read");

    if (h.run.found && !weir_state_is_final(h.run.state)) {
        left_look(l->left, l->run, false);
        askers_looked(l);
        return;
    }

    look_take(l, &h);

    if (l->n == 0) {
        look_close(l);

    } else {
        look_jobs(l);
    }
}


void
look_start(look_t *l)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = l->runner;
    t = runner_txn(r);
    weir_txn_hand_on(t, RUNNER_SHARD, l->run, runner_now(r) + LOOK_HOLD,
                     WEIR_ASKERS_BATCH);
    look_ask(l, t, look_on_run);
}


void
look_free(look_t *l)
{
    free(l->outcome);
    free(l);
}
