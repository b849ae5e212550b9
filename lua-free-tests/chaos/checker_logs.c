/*
 * The checker's eyes: what driver, nemesis, proxy, mock and workers wrote down.
 */

#define _GNU_SOURCE

#include "checker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define STALLED  500            /* ms: the machine itself was held up */


void *
grown(void *array, size_t n, size_t size)
{
    /* at each power of two */

    if (n == 0 || (n & (n - 1)) == 0) {
        array = realloc(array, (n ? 2 * n : 1) * size);

        if (array == NULL) {
            chaos_die("out of memory");
        }
    }

    return array;
}


void
each_line(course_t *c, const char *name,
    void (*take)(course_t *c, long long at, char *line))
{
    char       *line, *rest;
    FILE       *f;
    size_t      size;
    ssize_t     n;
    long long   at;

    f = fopen(chaos_path(name), "r");
    line = NULL;
    size = 0;

    while (f && (n = getline(&line, &size, f)) > 0) {
        at = strtoll(line, &rest, 10);

        if (rest > line) {
            rest[strcspn(rest, "\n")] = '\0';
            take(c, at, rest + (*rest == ' '));
        }
    }

    free(line);

    if (f) {
        fclose(f);
    }
}


static job_t *
job_at(course_t *c, unsigned n)
{
    size_t  more;

    if (n > c->njobs) {
        more = n > 2 * c->njobs ? n : 2 * c->njobs;
        c->jobs = realloc(c->jobs, (more + 1) * sizeof(job_t));

        if (c->jobs == NULL) {
            chaos_die("out of memory");
        }

        memset(c->jobs + c->njobs + 1, 0, (more - c->njobs) * sizeof(job_t));
        c->njobs = more;
    }

    return &c->jobs[n];
}


static fault_t *
fault_add(course_t *c, const char *kind, int64_t begin, int64_t end)
{
    fault_t  *f;

    c->faults = grown(c->faults, c->nfaults, sizeof(fault_t));
    f = &c->faults[c->nfaults++];
    memset(f, 0, sizeof(fault_t));
    snprintf(f->kind, sizeof(f->kind), "%s", kind);
    f->begin = begin;
    f->end = end;

    return f;
}


/* the ledger */

static void
take_job(course_t *c, const char *line)
{
    char       kind[12], way[8], class[8];
    job_t     *job;
    unsigned   n, planned, keyed, question, words;
    long long  run_at, deadline;

    if (sscanf(line, "job %u %11s %7s %7s %u %lld %lld %u %u %u", &n, kind,
               way, class, &planned, &run_at, &deadline, &keyed, &question,
               &words) != 10)
    {
        return;
    }

    job = job_at(c, n);
    job->n = n;
    memcpy(job->kind, kind, sizeof(kind));
    memcpy(job->way, way, sizeof(way));
    job->planned = planned;
    job->keyed = keyed;
    job->question = question;
    job->words = words;
    job->run_at = run_at;
    job->deadline = deadline;
}


static void
take_ask(course_t *c, long long at, const char *line)
{
    char        op[12];
    unsigned    r, n;
    request_t  *q;

    if (sscanf(line, "ask %u %u %11s", &r, &n, op) != 3) {
        return;
    }

    /* they are numbered in the order of asking */

    while (c->nrequests <= r) {
        c->requests = grown(c->requests, c->nrequests, sizeof(request_t));
        memset(&c->requests[c->nrequests++], 0, sizeof(request_t));
    }

    q = &c->requests[r];
    q->job = n;
    q->asked = at;
    q->answered = FOREVER;
    memcpy(q->op, op, sizeof(op));
}


static bool
is_submission(const char *op)
{
    return strcmp(op, "submit") == 0 || strcmp(op, "wait") == 0
           || strcmp(op, "chat") == 0 || strcmp(op, "stream") == 0;
}


static void
take_answer(course_t *c, long long at, const char *line)
{
    int         status, curl;
    char        op[12], state[16], id[32], completion[32];
    long        text;
    job_t      *job;
    unsigned    r, n;
    request_t  *q;

    if (sscanf(line, "answer %u %u %11s %d %15s %ld %31s %d %31s", &r, &n, op,
               &status, state, &text, id, &curl, completion) != 9
        || r >= c->nrequests)
    {
        return;
    }

    q = &c->requests[r];
    q->answered = at;
    q->answers++;
    q->status = status;
    q->curl = curl;
    q->text = text;
    memcpy(q->state, state, sizeof(state));
    memcpy(q->id, id, sizeof(id));
    memcpy(q->completion, completion, sizeof(completion));

    job = job_at(c, n);

    if (is_submission(op)) {
        job->accepted = id[0] != '-';
        job->refused = id[0] == '-' && status != 0 && status != 200;
        job->answered_at = at;
        memcpy(job->id, id, sizeof(id));

    } else if (strcmp(op, "cancel") == 0 && status == 200
               && job->cancelled_at == 0)
    {
        job->cancelled_at = at;
        job->cancel_asked = q->asked;
    }
}


static void
take_ledger(course_t *c, long long at, char *line)
{
    fault_t    *f;
    long long   ms;

    switch (line[0]) {

    case 'j':
        take_job(c, line);
        break;

    case 'a':
        if (line[1] == 's') {
            take_ask(c, at, line);

        } else {
            take_answer(c, at, line);
        }
        break;

    case 'l':
        ms = strtoll(line + 5, NULL, 10);

        if (ms > c->late) {
            c->late = ms;
        }

        if (ms > STALLED) {
            f = fault_add(c, "late", at - ms, at);
            f->worker = true;
        }
        break;

    case 'e':
        c->drained = strcmp(line, "end drained") == 0;
        break;
    }
}


/* the faults */

static void
take_fault(course_t *c, long long at, char *line)
{
    int         n;
    char        kind[16];
    long        pid;
    fault_t    *f;
    long long   begin, end;

    (void) at;

    if (sscanf(line, "fault %15s %ld %lld %lld", kind, &pid, &begin, &end)
        == 4)
    {
        f = fault_add(c, kind, begin, end);
        f->pid = pid;
        f->edge = strcmp(kind, "nginx") == 0 || strcmp(kind, "reload") == 0
                  || strcmp(kind, "redis") == 0;
        f->worker = strcmp(kind, "nginx") != 0 && strcmp(kind, "reload") != 0;
        c->kills += strcmp(kind, "kill") == 0;

    } else if (sscanf(line, "held %ld %*s%n", &pid, &n) == 1) {

        /* its own line follows, now or when it is over */

        f = fault_add(c, "held", at, at);
        f->pid = pid;
        f->held = strdup(line + n);

    } else if (strncmp(line, "missed", 6) == 0) {
        violation("nemesis", "a fault found no target: %s", line);
    }
}


static void
take_proxy(course_t *c, long long at, char *line)
{
    char      kind[16], side[16];
    int       n;
    fault_t  *f;
    unsigned  ms;

    ms = 0;
    n = sscanf(line, "%15s %15s %u", kind, side, &ms);

    if (n < 2) {
        return;
    }

    f = fault_add(c, kind, at, at + ms);
    f->worker = strcmp(side, "worker") == 0;
    f->edge = !f->worker;
}


/* what the nemesis held against a victim goes to the victim's fault */

static void
join_held(course_t *c)
{
    size_t    i, k;
    fault_t  *h, *f;

    for (i = 0; i < c->nfaults; i++) {
        h = &c->faults[i];

        if (strcmp(h->kind, "held") != 0) {
            continue;
        }

        for (k = 0; k < c->nfaults; k++) {
            f = &c->faults[k];

            if (f->pid == h->pid && f->begin <= h->begin && !f->listed
                && h->begin - f->begin < 2000
                && (strcmp(f->kind, "kill") == 0
                    || strcmp(f->kind, "pause") == 0))
            {
                f->listed = true;
                f->held = h->held;
            }
        }
    }
}


/* A runner or a cell that died by itself, or by a named point.  The times of
 * the workers' logs are those of the same clock, as text; the order of the
 * lines is not needed, so their own minutes are read. */

static void
read_deaths(course_t *c, const char *name)
{
    char       *line, *p;
    int         part[7];
    long        pid;
    FILE       *f;
    size_t      i, size;
    fault_t    *fault;
    int64_t     at, days;

    f = fopen(chaos_path(name), "r");
    line = NULL;
    size = 0;

    while (f && getline(&line, &size, f) > 0) {

        if (strstr(line, "_died ") == NULL
            || sscanf(line, "%d-%d-%dT%d:%d:%d.%dZ", &part[0], &part[1],
                      &part[2], &part[3], &part[4], &part[5], &part[6]) != 7)
        {
            continue;
        }

        p = strstr(line, " pid=");
        pid = p ? strtol(p + 5, NULL, 10) : 0;

        for (i = 0; i < c->nfaults && (pid == 0 || c->faults[i].pid != pid
             || strcmp(c->faults[i].kind, "kill") != 0); i++) { /* void */ }

        if (i < c->nfaults) {
            continue;                   /* the nemesis has told of it */
        }

        /* days since 1970, the year beginning in March */

        part[0] -= part[1] <= 2;
        part[1] += part[1] <= 2 ? 9 : -3;
        days = 365ll * part[0] + part[0] / 4 - part[0] / 100 + part[0] / 400
               + (153 * part[1] + 2) / 5 + part[2] - 1 - 719468;
        at = ((days * 24 + part[3]) * 60 + part[4]) * 60 + part[5];
        at = at * 1000 + part[6];

        fault = fault_add(c, "died", at - 1000, at);
        fault->worker = true;
    }

    free(line);

    if (f) {
        fclose(f);
    }
}


/* the provider, and Redis's MONITOR */

static void
take_call(course_t *c, long long at, char *line)
{
    char      what[8], how[16];
    job_t    *job;
    size_t    i;
    call_t   *call;
    unsigned  n, turn;

    how[0] = '\0';

    if (sscanf(line, "%7s c%u %u %15s", what, &n, &turn, how) < 3) {
        return;
    }

    job = job_at(c, n);

    if (what[0] == 'b') {
        job->calls = grown(job->calls, job->ncalls, sizeof(call_t));
        call = &job->calls[job->ncalls++];
        *call = (call_t) { at, FOREVER, turn, false };
        return;
    }

    for (i = 0; i < job->ncalls; i++) {
        if (job->calls[i].turn == turn) {
            job->calls[i].end = at;
            job->calls[i].aborted = strcmp(how, "aborted") == 0;
        }
    }
}


/* the receiver of webhooks: those of a job are all the same, whoever sent
 * them */

static void
take_hook(course_t *c, long long at, char *line)
{
    char       id[40], type[24];
    job_t     *job;
    unsigned   n;

    (void) at;

    if (sscanf(line, "hook c%u %39s %23s", &n, id, type) != 3) {
        violation("Q4", "a webhook that is none: %s", line);
        return;
    }

    job = job_at(c, n);

    if (job->accepted && strcmp(id + strcspn(id, "_"),
                                job->id + strcspn(job->id, "_")) != 0)
    {
        violation("Q4", "job c%u is %s, and has a webhook %s", n, job->id, id);
    }

    if (job->hooks++ && strcmp(job->hook, type) != 0) {
        violation("Q4", "job c%u: webhooks said %s and %s", n, job->hook,
                  type);
    }

    memcpy(job->hook, type, sizeof(type));
}


static void
take_claim(course_t *c, long long at, char *line)
{
    char     *p, entry[ENTRY_MAX];
    claim_t  *claim;

    /* at: whole seconds, the rest follows: .123456 [0 unix:...] "HINCRBY" */

    p = strstr(line, "\"n:");

    if (p == NULL || line[0] != '.' || sscanf(p, "\"n:%43[0-9-]", entry) != 1) {
        return;
    }

    c->claims = grown(c->claims, c->nclaims, sizeof(claim_t));
    claim = &c->claims[c->nclaims++];
    claim->at = at * 1000 + strtoll(line + 1, NULL, 10) / 1000;
    memcpy(claim->entry, entry, sizeof(entry));
}


static int
claim_order(const void *a, const void *b)
{
    int             n;
    const claim_t  *x, *y;

    x = a;
    y = b;
    n = strcmp(x->entry, y->entry);

    return n ? n : (x->at > y->at) - (x->at < y->at);
}


void
logs_read(course_t *c)
{
    char      name[32];
    unsigned  w;

    c->jobs = calloc(1, sizeof(job_t));

    each_line(c, "ledger", take_ledger);
    each_line(c, "faults.log", take_fault);
    each_line(c, "proxy.log", take_proxy);
    each_line(c, "calls.log", take_call);
    each_line(c, "claims.log", take_claim);

    for (w = 0; w < (unsigned) chaos_env_number("CHAOS_WORKERS", 2); w++) {
        snprintf(name, sizeof(name), "worker%u.log", w);
        read_deaths(c, name);
    }

    join_held(c);

    if (c->nclaims) {
        qsort(c->claims, c->nclaims, sizeof(claim_t), claim_order);
    }
}


void
hooks_read(course_t *c)
{
    each_line(c, "hooks.log", take_hook);
}
