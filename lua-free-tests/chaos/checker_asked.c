/*
 * Jobs that ask the same: they share runs, or get an answer that is kept, while
 * everybody is killed.
 *
 * Q1  each has the end of one run, which answers its question
 * Q2  a client is never shown two different answers for one job
 * Q3  the run itself ends, once, and is no dead letter
 * Q4  each job has its webhook: sent twice perhaps, but about one end, its own;
 *     and one that was given up has none
 *
 * That a job ends once, completes unless it was cancelled or was late, and that
 * nothing is left over, are I1, I2, I6 and I8 as for all.
 */

#define _GNU_SOURCE

#include "checker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static size_t  parts[3];        /* led, joined, hit */


static void
check_asker(const course_t *c, const job_t *job)
{
    const run_t  *run, *shared;

    run = job->run;

    if (run->asks[0] == '\0') {
        violation("Q1", "job c%u asks for no run", job->n);
        return;
    }

    parts[0] += strcmp(run->part, "led") == 0;
    parts[1] += strcmp(run->part, "joined") == 0;
    parts[2] += strcmp(run->part, "hit") == 0;

    if (strcmp(run->state, "completed") != 0) {
        return;
    }

    if (run->question != (long) job->question) {
        violation("Q1", "job c%u asked q%u, and run %s answers q%ld", job->n,
                  job->question, run->asks, run->question);
    }

    shared = run_find(c, run->asks);

    if (shared && (strcmp(shared->state, run->state) != 0
                   || strcmp(shared->token, run->token) != 0))
    {
        violation("Q1", "job c%u is %s:%s, and its run %s is %s:%s", job->n,
                  run->state, run->token, shared->id, shared->state,
                  shared->token);
    }
}


static void
check_hook(const job_t *job)
{
    char  type[32];

    if (job->run == NULL || job->run->state[0] == '\0') {
        return;
    }

    snprintf(type, sizeof(type), "job.%s", job->run->state);

    if (job->hooks == 0) {
        if (job->accepted && strcmp(job->way, "chat") != 0) {
            violation("Q4", "job c%u is %s, and had no webhook", job->n,
                      job->run->state);
        }

    } else if (strcmp(job->hook, type) != 0) {
        violation("Q4", "job c%u is %s, and its webhook said %s", job->n,
                  job->run->state, job->hook);
    }

    /* one whose acceptance was lost may have completed before it was given up,
     * which is for I1 */

    if (job->hooks && job->refused
        && strcmp(job->run->state, "completed") != 0)
    {
        violation("Q4", "job c%u was refused, is %s, and had a webhook",
                  job->n, job->run->state);
    }
}


static void
check_shared(const course_t *c, const run_t *run)
{
    size_t  i;

    if (run->state[0] == '\0') {
        violation("Q3", "run %s of a question has no end", run->id);

    } else if (run->fins != 1 || run->overwrites) {
        violation("Q3", "run %s of a question: fin was set %u times, changed "
                  "%u", run->id, run->fins, run->overwrites);
    }

    for (i = 0; i < c->ndead; i++) {
        if (strcmp(c->dead[i], run->id) == 0) {
            violation("Q3", "run %s of a question is a dead letter", run->id);
        }
    }
}


/* by the first completion that a client of the job was shown */

static void
check_shown(const course_t *c)
{
    char             (*shown)[32];
    size_t             i;
    const job_t       *job;
    const run_t       *run;
    const request_t   *q;

    shown = calloc(c->njobs + 1, sizeof(*shown));

    for (i = 1; shown && i < c->nrequests; i++) {
        q = &c->requests[i];
        job = &c->jobs[q->job];

        if (job->question == 0 || q->status != 200 || q->completion[0] == '-'
            || (strcmp(q->op, "stream") == 0 && !job->whole))
        {
            continue;                   /* what broke off is no answer */
        }

        if (shown[q->job][0] && strcmp(shown[q->job], q->completion) != 0) {
            violation("Q2", "job c%u was shown %s and %s", q->job,
                      shown[q->job], q->completion);
        }

        memcpy(shown[q->job], q->completion, sizeof(*shown));
        run = run_find(c, q->completion);

        if (run && run->shared && run->question != (long) job->question) {
            violation("Q2", "job c%u asked q%u, and was shown the answer of "
                      "q%ld", q->job, job->question, run->question);
        }

        if (job->id[0] == 'j' && job->run && job->run->asks[0]
            && strcmp(job->run->asks, q->completion) != 0)
        {
            violation("Q2", "job c%u was shown %s, and has the end of %s",
                      q->job, q->completion, job->run->asks);
        }
    }

    free(shown);
}


void
asked_check(course_t *c)
{
    size_t  i;
    job_t  *job;

    for (i = 1; i <= c->njobs; i++) {
        job = &c->jobs[i];

        if (job->question == 0) {
            continue;
        }

        check_hook(job);

        if (job->accepted && job->run) {
            check_asker(c, job);
        }
    }

    for (i = 0; i < c->nruns; i++) {
        if (c->runs[i].shared) {
            check_shared(c, &c->runs[i]);
        }
    }

    check_shown(c);
}


void
asked_print(const course_t *c)
{
    size_t  i, askers, hooks, runs;

    askers = hooks = runs = 0;

    for (i = 1; i <= c->njobs; i++) {
        askers += c->jobs[i].question != 0;
        hooks += c->jobs[i].hooks;
    }

    for (i = 0; i < c->nruns; i++) {
        runs += c->runs[i].shared;
    }

    printf("asked what others ask: %zu, runs %zu; jobs that led %zu, joined "
           "%zu, hit %zu; webhooks %zu\n", askers, runs, parts[0], parts[1],
           parts[2], hooks);

    if (parts[1] == 0 || parts[2] == 0) {
        violation("Q1", "no job has joined, or none was answered from what is "
                  "kept");
    }
}
