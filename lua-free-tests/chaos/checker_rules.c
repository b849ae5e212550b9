/*
 * The rules: what must be true of every job, whoever was harmed.  Numbers are
 * those of docs/internals.md; I3 is a part of I10, in checker_streams.c.
 */

#define _GNU_SOURCE

#include "checker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define EXPIRY_MAX   5000       /* ms after a deadline */
#define CLOSE_MAX    1000       /* ms after an acknowledged cancel */
#define SETTLE       3000       /* ms: connections are made again */
#define RECOVERY_MAX 1500       /* ms: as a lease is over */
#define RECOVERED_MIN 8         /* kills, for half of them to mean anything */


static int64_t   *closings;
static size_t     nclosings;


static bool
is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}


/* which faults may have cost a job an execution */

static bool
was_held(const course_t *c, const fault_t *f, const job_t *job)
{
    char         entry[ENTRY_MAX];
    const char  *p;
    size_t       low, high, mid;
    int          used;

    for (p = f->held; p && sscanf(p, " %43s%n", entry, &used) == 1; p += used) {

        for (low = 0, high = c->nentries; low < high; ) {
            mid = (low + high) / 2;

            if (strcmp(c->entries[mid].entry, entry) < 0) {
                low = mid + 1;

            } else {
                high = mid;
            }
        }

        for (; low < c->nentries && is(c->entries[low].entry, entry); low++) {
            if (c->entries[low].job == job->n) {
                return true;
            }
        }
    }

    return false;
}


/* ms after the end of a fault in which runners, or those at the edge, may still
 * be deaf: connections are found dead, made again, and what was missed is read;
 * -1: never.  Those of a killed runner are closed by the kernel; a killed nginx
 * worker forgets what it owed, but not to readers, who come again. */

static int64_t
deaf_for(const fault_t *f, whose_e whose)
{
    size_t  i;
    static const struct { const char *kind; int64_t ms; }  kinds[] = {
        { "redis", 2500 }, { "freeze", 2500 }, { "stall", 2500 },
        { "clients", 1500 }, { "drop", 1000 }, { "pause", 500 },
        { "late", 500 }, { "nginx", 60000 }
    };

    if ((!f->worker && !(whose != OF_RUNNERS && f->edge))
        || (whose == OF_READERS && is(f->kind, "nginx")))
    {
        return -1;
    }

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (is(f->kind, kinds[i].kind)) {
            return kinds[i].ms;
        }
    }

    return -1;
}


int64_t
excused(const course_t *c, const job_t *job, int64_t since, int64_t limit,
    whose_e whose)
{
    bool            moved;
    size_t          i;
    int64_t         until, deaf;
    const fault_t  *f;

    do {
        moved = false;

        for (i = 0; i < c->nfaults; i++) {
            f = &c->faults[i];
            deaf = deaf_for(f, whose);
            until = f->end + CLOSE_MAX + deaf;

            if (deaf >= 0 && f->begin <= limit && f->end + deaf >= since
                && until > limit && (!f->listed || was_held(c, f, job)))
            {
                limit = until;
                moved = true;
            }
        }
    } while (moved);

    return limit;
}


static void
count_hits(const course_t *c, job_t *job)
{
    size_t          i;
    int64_t         first, last;
    const fault_t  *f;

    if (job->ncalls < 2) {
        return;
    }

    first = job->calls[0].begin;
    last = job->calls[job->ncalls - 1].begin;

    for (i = 0; i < c->nfaults; i++) {
        f = &c->faults[i];

        if (!f->worker || is(f->kind, "held") || f->end + SETTLE < first
            || f->begin > last)
        {
            continue;
        }

        if (!f->listed || was_held(c, f, job)) {
            job->hits++;
        }
    }
}


/* one rule each */

static void
check_end(const course_t *c, const job_t *job)
{
    const run_t  *run;

    run = job->run;

    if (job->runs > 1 + (job->keyed || job->question ? job->given_up : 0)) {
        violation("I1", "job c%u: %u runs of one submission, %u given up",
                  job->n, job->runs, job->given_up);
    }

    if (job->accepted && run == NULL && job->id[0] != '-') {
        violation("I1", "job c%u (%s) was accepted, and Redis has no run",
                  job->n, job->kind);
    }

    if (run == NULL) {
        return;
    }

    if (run->state[0] == '\0') {
        violation("I1", "job c%u (%s, run %s, %s) has no end", job->n,
                  job->kind, run->id, job->accepted ? "accepted"
                  : job->refused ? "refused" : "not answered");
        return;
    }

    /* One whose acceptance was lost on the way may have completed before it
     * was given up: see 10.1 of the contract.  After that it may not. */

    if (job->refused && is(run->state, "completed")
        && run->fin_at > excused(c, job, job->answered_at,
                                 job->answered_at + CLOSE_MAX,
                                 OF_CLIENTS))
    {
        violation("I1", "job c%u completed %lld ms after it was refused (run "
                  "%s)", job->n, (long long) (run->fin_at - job->answered_at),
                  run->id);
    }

    if (job->accepted && (is(run->token, "edge") || is(run->token, "late"))) {
        violation("I1", "job c%u was accepted, and is %s:%s (run %s)", job->n,
                  run->state, run->token, run->id);
    }

    if (job->accepted && job->deadline
        && run->fin_at > excused(c, job, job->deadline * 1000,
                                 job->deadline * 1000 + EXPIRY_MAX,
                                 OF_RUNNERS))
    {
        violation("I1", "job c%u ended %lld ms after its deadline", job->n,
                  (long long) (run->fin_at - job->deadline * 1000));
    }
}


static void
check_register(const job_t *job)
{
    const run_t  *run;

    run = job->run;

    if (run->overwrites || (run->state[0] && run->fins != 1)) {
        violation("I2", "run %s (job c%u): fin was set %u times, changed %u",
                  run->id, job->n, run->fins, run->overwrites);
    }
}


/* I8, and what the other kinds are to become */

static void
check_kind(const course_t *c, const job_t *job)
{
    bool          dead, bad;
    size_t        i;
    const char   *s;
    const run_t  *run;

    run = job->run;
    s = run->state;
    dead = false;

    for (i = 0; i < c->ndead; i++) {
        dead |= is(c->dead[i], run->id);
    }

    if (dead && !is(job->kind, "poison") && !is(job->kind, "doomed")) {
        violation("I8", "job c%u (%s, run %s) is a dead letter", job->n,
                  job->kind, run->id);
    }

    if (!job->accepted || s[0] == '\0') {
        return;
    }

    /* what a stream's client did not stay for is for nobody */

    if (is(job->way, "stream") && !job->whole && is(s, "cancelled")) {
        return;
    }

    bad = is(job->kind, "innocent") ? !is(s, "completed")
          : is(job->kind, "cancel") ? is(s, "failed") || is(s, "expired")
          : is(job->kind, "deadline") ? is(s, "failed") || is(s, "cancelled")
          : /* poison, doomed */ !is(s, "failed");

    if (bad) {
        violation("I8", "job c%u (%s, run %s) is %s:%s", job->n, job->kind,
                  run->id, s, run->token);
    }

    if (is(s, "expired") && run->fin_at < job->deadline * 1000) {
        violation("I8", "job c%u expired before its deadline", job->n);
    }
}


static void
check_executions(const job_t *job)
{
    unsigned  planned;

    planned = (1 + job->planned) * (job->runs > 1 ? job->runs : 1);

    if (job->ncalls > planned + job->hits) {
        violation("I9", "job c%u (%s): %zu executions, %u planned, %u faults",
                  job->n, job->kind, job->ncalls, planned, job->hits);
    }

    if (job->run_at && job->ncalls
        && job->calls[0].begin < job->run_at * 1000)
    {
        violation("I9", "job c%u ran %lld ms before its time", job->n,
                  (long long) (job->run_at * 1000 - job->calls[0].begin));
    }
}


static void
check_cancel(const course_t *c, const job_t *job)
{
    size_t         i;
    int64_t        limit, at;
    const call_t  *call;

    at = job->cancelled_at;

    if (at == 0) {
        return;
    }

    if (job->run == NULL || !is(job->run->state, "cancelled")) {
        violation("I11", "job c%u was cancelled, and is %s", job->n,
                  job->run ? job->run->state : "gone");
    }

    limit = excused(c, job, at, at + CLOSE_MAX + 2 * c->late,
                    OF_RUNNERS);

    for (i = 0; i < job->ncalls; i++) {
        call = &job->calls[i];

        if (call->begin <= at && call->end >= job->cancel_asked
            && call->end != FOREVER)
        {
            closings = grown(closings, nclosings, sizeof(int64_t));
            closings[nclosings++] = call->end > at ? call->end - at : 0;
        }

        if (call->end <= at) {
            continue;
        }

        if (call->end > limit) {
            violation("I11", "job c%u: call %u went on for %lld ms after the "
                      "cancel%s", job->n, call->turn,
                      (long long) ((call->end == FOREVER ? c->now : call->end)
                                   - at),
                      call->begin > at ? ", and began after it" : "");
        }
    }
}


/* what clients were told */

static void
check_request(const course_t *c, const request_t *q)
{
    size_t          i;
    const job_t    *job;
    const fault_t  *f;

    job = &c->jobs[q->job];

    if (q->answers != 1) {
        violation("I7", "job c%u: %s had %u answers", q->job, q->op,
                  q->answers);
        return;
    }

    if (q->text >= 0
        && q->text != (long) (job->question ? job->question : q->job))
    {
        violation("I5", "job c%u: %s was answered with %s%ld", q->job, q->op,
                  job->question ? "question q" : "job c", q->text);
    }

    if (q->status == 200 && is(q->op, "chat") && q->text < 0) {
        violation("I5", "job c%u: an answer without the text", q->job);
    }

    if (q->status == 422 || (job->accepted && q->id[0] == 'j'
                             && !is(q->id, job->id)))
    {
        violation("I1", "job c%u: %s was answered with %d and %s, it is %s",
                  q->job, q->op, q->status, q->id, job->id);
    }

    if (q->status == 404 || q->status == 410) {
        violation("I1", "job c%u: %s was answered with %d", q->job, q->op,
                  q->status);
    }

    if (job->run && (is(q->state, "completed") || is(q->state, "failed")
                     || is(q->state, "cancelled") || is(q->state, "expired"))
        && !is(q->state, job->run->state))
    {
        violation("I2", "job c%u: a client was told %s, it is %s:%s", q->job,
                  q->state, job->run->state, job->run->token);
    }

    if (q->status == 0 && is(q->op, "stream") && q->curl == 23) {
        return;                         /* the client has left */
    }

    if (q->status == 0) {
        for (i = 0; i < c->nfaults; i++) {
            f = &c->faults[i];

            if (f->begin <= q->answered + 500 && f->end >= q->asked - 500
                && is(f->kind, "nginx") && q->curl != 28)
            {
                return;
            }
        }

        violation("I7", "job c%u: %s got no answer in %lld ms (curl %d)",
                  q->job, q->op, (long long) (q->answered - q->asked),
                  q->curl);
    }
}


static void
join_runs(course_t *c)
{
    size_t  i;
    run_t  *run;
    job_t  *job;

    for (i = 0; i < c->nruns; i++) {
        run = &c->runs[i];

        if (run->job == 0 || run->job > c->njobs) {
            continue;
        }

        job = &c->jobs[run->job];
        job->runs++;
        job->given_up += is(run->token, "edge") || is(run->token, "late");

        if (job->run == NULL
            || (job->accepted ? is(job->id + 4, run->id)
                              : is(run->state, "completed")))
        {
            job->run = run;
        }
    }
}


void
rules_check(course_t *c)
{
    size_t  i;
    job_t  *job;

    join_runs(c);

    for (i = 1; i <= c->njobs; i++) {
        job = &c->jobs[i];

        if (job->n == 0) {
            continue;
        }

        count_hits(c, job);
        check_end(c, job);

        if (job->run) {
            check_register(job);
            check_kind(c, job);
        }

        check_executions(job);
        check_cancel(c, job);
    }

    for (i = 1; i < c->nrequests; i++) {
        check_request(c, &c->requests[i]);
    }

    if (!c->drained) {
        violation("I1", "some jobs had no end when the clients gave up");
    }
}


/* figures */

static int
number_order(const void *a, const void *b)
{
    const int64_t  *x, *y;

    x = a;
    y = b;

    return (*x > *y) - (*x < *y);
}


static long long
percentile(int64_t *n, size_t count, unsigned p)
{
    if (count == 0) {
        return 0;
    }

    qsort(n, count, sizeof(int64_t), number_order);

    return (long long) n[(count - 1) * p / 100];
}


/* kill -9 to the first claim of what was in hand */

static int64_t
recovery(const course_t *c, const fault_t *f)
{
    int          used;
    char         entry[ENTRY_MAX];
    size_t       low, high, mid;
    int64_t      best;
    const char  *p;

    best = FOREVER;

    for (p = f->held; p && sscanf(p, " %43s%n", entry, &used) == 1; p += used) {

        for (low = 0, high = c->nclaims; low < high; ) {
            mid = (low + high) / 2;

            if (strcmp(c->claims[mid].entry, entry) < 0) {
                low = mid + 1;

            } else {
                high = mid;
            }
        }

        for (; low < c->nclaims && is(c->claims[low].entry, entry); low++) {
            if (c->claims[low].at > f->begin) {
                if (c->claims[low].at < best) {
                    best = c->claims[low].at;
                }
                break;
            }
        }
    }

    return best == FOREVER ? -1 : best - f->begin;
}


static bool
is_quiet(const course_t *c, int64_t begin, int64_t end)
{
    size_t          i;
    const fault_t  *f;

    for (i = 0; i < c->nfaults; i++) {
        f = &c->faults[i];

        if (deaf_for(f, OF_RUNNERS) >= 0 && f->begin <= end
            && f->end + SETTLE >= begin)
        {
            return false;
        }
    }

    return true;
}


static void
print_recovery(const course_t *c)
{
    size_t          i, n, alone;
    int64_t         ms, *all, *quiet;
    const fault_t  *f;

    all = calloc(c->nfaults + 1, sizeof(int64_t));
    quiet = calloc(c->nfaults + 1, sizeof(int64_t));
    n = alone = 0;

    for (i = 0; i < c->nfaults && all && quiet; i++) {
        f = &c->faults[i];

        if (!is(f->kind, "kill") || (ms = recovery(c, f)) < 0) {
            continue;
        }

        all[n++] = ms;

        if (is_quiet(c, f->begin, f->begin + ms)) {
            quiet[alone++] = ms;
        }
    }

    if (n >= RECOVERED_MIN && percentile(all, n, 50) > RECOVERY_MAX) {
        violation("R", "half of the killed runners' work waited for "
                  "more than %d ms", RECOVERY_MAX);
    }

    printf("recovery after kill -9: %zu, p50 %lld ms, p99 %lld ms; without "
           "another fault near: %zu, p50 %lld ms, p99 %lld ms\n",
           n, percentile(all, n, 50), percentile(all, n, 99), alone,
           percentile(quiet, alone, 50), percentile(quiet, alone, 99));

    free(all);
    free(quiet);
}


void
figures_print(const course_t *c)
{
    size_t        i, accepted, executions, extra, planned, innocents, k;
    const job_t  *job;

    accepted = executions = extra = planned = innocents = 0;

    for (i = 1; i <= c->njobs; i++) {
        job = &c->jobs[i];
        accepted += job->accepted;
        executions += job->ncalls;

        if (job->ncalls > 1) {
            k = job->ncalls - 1;
            planned += k < job->planned ? k : job->planned;
            extra += k < job->planned ? 0 : k - job->planned;
        }

        for (k = 0; k < c->ndead && job->run; k++) {
            innocents += is(c->dead[k], job->run->id)
                         && is(job->kind, "innocent");
        }
    }

    printf("kills %zu, jobs %zu, executions %zu, planned retries %zu, "
           "duplicate executions %zu (%.2f per kill)\n",
           c->kills, accepted, executions, planned, extra,
           c->kills ? (double) extra / (double) c->kills : 0.0);
    print_recovery(c);
    printf("cancel to closed transfer: %zu, p50 %lld ms, p99 %lld ms\n",
           nclosings, percentile(closings, nclosings, 50),
           percentile(closings, nclosings, 99));
    printf("innocents dead-lettered %zu, dead letters %zu, fenced results "
           "%zu, driver late by %lld ms at most\n",
           innocents, c->ndead, c->fenced, (long long) c->late);
}
