/*
 * What readers and the clients of streams were told (I10), and that nothing of
 * it is left over (I6).
 *
 * Of a job's events: those since the last reset say what its result says, and
 * nothing that two attempts have said is put together; ids rise without gaps
 * within an attempt; "done" comes once, is the last, and is what GET shows; no
 * reader hangs when the run has ended.
 *
 * Of a dialect's stream: it ends in [DONE] and is the answer, or in an error
 * event, or is cut; it is never ended as if it were whole, and nothing comes
 * after its end.  Where the one call that was made was answered, it is whole.
 * When its client leaves the call is closed (I11).
 */

#define _GNU_SOURCE

#include "checker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define HANG_MAX   5000         /* ms after the end of the run */
#define LEAVE_MAX  1000         /* ms after the only client has left */
#define LEFT       23           /* CURLE_WRITE_ERROR: it wanted no more */
#define LINKS     ",\"links\":"


typedef struct {
    unsigned             job;           /* 0: there is no such reader */
    unsigned             request;       /* of a dialect's stream; 0: events */
    said_t               said;          /* since the last reset */
    unsigned long long   token;         /* of the last event with an id */
    unsigned long long   n;
    bool                 over;          /* that attempt is */
    bool                 ending;        /* it asks behind the end */
    unsigned             done;          /* ends, and errors of a stream */
    bool                 error;
    char                *last;          /* data of "done"; of a stream its
                                         * completion's id */
    int64_t              opened;        /* the connection; 0: it is closed */
    int                  curl;
} reader_t;

/* one connection, against the end of its run */

typedef struct {
    unsigned  s;
    int64_t   opened;
    int64_t   closed;
} visit_t;


static reader_t  *readers;
static size_t     nreaders;
static visit_t   *visits;
static size_t     nvisits;
static char     **got;                  /* by job: what GET has shown */
static size_t     ngot;
static size_t     resets, whole, broken, cut;


static reader_t *
reader_at(unsigned s)
{
    while (nreaders <= s) {
        readers = grown(readers, nreaders, sizeof(reader_t));
        memset(&readers[nreaders++], 0, sizeof(reader_t));
    }

    return &readers[s];
}


static void
check_one(const course_t *c, const reader_t *r, unsigned s)
{
    if (!said_by_one(&r->said, c->jobs[r->job].words, false)) {
        violation("I10", "job c%u: reader %u was told what no call said: "
                  "\"...%.60s\"", r->job, s,
                  r->said.text.len > 60
                  ? r->said.text.data + r->said.text.len - 60
                  : r->said.text.data);
    }
}


static void
start_anew(course_t *c, reader_t *r, unsigned s)
{
    check_one(c, r, s);
    said_clear(&r->said);
}


/* events of jobs */

static void
take_id(reader_t *r, unsigned s, const char *name, const char *id)
{
    bool                start;
    unsigned long long  token, n;

    if (sscanf(id, "%llu-%llu", &token, &n) != 2) {
        violation("I10", "job c%u: reader %u got an id \"%s\"", r->job, s, id);
        return;
    }

    start = strcmp(name, "status") == 0 && n == 0;

    if (token < r->token
        || (token == r->token ? n != r->n + 1 : !start || n != 0))
    {
        violation("I10", "job c%u: reader %u got %s after %llu-%llu", r->job,
                  s, id, r->token, r->n);
    }

    if (token > r->token && said_any(&r->said)) {
        violation("I10", "job c%u: reader %u got %s and no reset", r->job, s,
                  id);
    }

    if (token == r->token && r->over) {
        violation("I10", "job c%u: reader %u got %s of an attempt that was "
                  "over", r->job, s, id);
    }

    r->over = (strcmp(name, "status") == 0 && n > 0);
    r->token = token;
    r->n = n;
}


static void
take_event(course_t *c, reader_t *r, unsigned s, const char *name,
    const char *id, const char *data)
{
    if (r->done) {
        violation("I10", "job c%u: reader %u got \"%s\" after the end", r->job,
                  s, name);
        return;
    }

    if (strcmp(name, "done") == 0) {
        r->done++;
        r->last = strdup(data);

        if (strcmp(id, "end") != 0) {
            violation("I10", "job c%u: reader %u: done has the id \"%s\"",
                      r->job, s, id);
        }

        return;
    }

    if (strcmp(name, "reset") == 0) {
        resets++;
        start_anew(c, r, s);
        r->over = false;

        /* from another attempt, or from the start */

        r->token = r->n = 0;
        return;
    }

    if (id[0] != '-' && strcmp(id, "void") != 0) {
        take_id(r, s, name, id);
    }

    if (strcmp(name, "delta") == 0) {
        said_deltas(&r->said, data);
    }
}


/* streams of dialects */

static void
take_chunk(reader_t *r, unsigned s, const char *data)
{
    text_t       id;
    const char  *p;

    if (r->done) {
        violation("I10", "job c%u: stream %u went on after its end: %.40s",
                  r->job, s, data);
        return;
    }

    if (strcmp(data, "[DONE]") == 0) {
        r->done++;
        return;
    }

    if (json_member(data, "error")) {
        r->done++;
        r->error = true;
        return;
    }

    said_chat(&r->said, data);
    p = json_member(data, "id");

    if (p && r->last == NULL) {
        memset(&id, 0, sizeof(text_t));
        json_add(&id, p);
        r->last = id.data;

    } else if (p && r->last && !json_is(p, r->last)) {
        violation("I10", "job c%u: stream %u has two ids", r->job, s);
    }
}


/* streams.log */

static void
take_open(course_t *c, reader_t *r, unsigned s, const char *last)
{
    (void) c;

    r->ending = (strcmp(last, "end") == 0);

    if (last[0] == '-') {
        start_anew(c, r, s);
        r->token = r->n = 0;            /* it knows nothing of before */
        r->over = false;
    }
}


static void
take_head(const reader_t *r, unsigned s, int status)
{
    if (status != (r->ending ? 204 : 200) && status != 503) {
        violation("I10", "job c%u: reader %u was answered with %d", r->job, s,
                  status);
    }
}


static void
take_close(reader_t *r, unsigned s, int64_t at, int curl)
{
    visits = grown(visits, nvisits, sizeof(visit_t));
    visits[nvisits++] = (visit_t) { s, r->opened, at };
    r->opened = 0;
    r->curl = curl;
}


static void
take_got(course_t *c, const char *line)
{
    int       n;
    unsigned  job;

    (void) c;

    if (sscanf(line, "got %u %n", &job, &n) != 1) {
        return;
    }

    while (ngot <= job) {
        got = grown(got, ngot, sizeof(char *));
        got[ngot++] = NULL;
    }

    if (got[job] == NULL) {
        got[job] = strdup(line + n);
    }
}


static void
take_line(course_t *c, long long at, char *line)
{
    int        n, number;
    char       what[8], name[24], id[64];
    unsigned   s, job;
    reader_t  *r;

    if (strncmp(line, "got ", 4) == 0) {
        take_got(c, line);
        return;
    }

    if (sscanf(line, "%7s %u", what, &s) != 2) {
        return;
    }

    r = reader_at(s);

    if (sscanf(line, "reader %*u %u", &job) == 1) {
        r->job = job;

    } else if (sscanf(line, "stream %*u %u %u", &job, &r->request) == 2) {
        r->job = job;
        r->opened = at;

    } else if (sscanf(line, "open %*u %*u %63s", id) == 1) {
        r->opened = at;
        take_open(c, r, s, id);

    } else if (sscanf(line, "head %*u %d", &number) == 1) {
        take_head(r, s, number);

    } else if (sscanf(line, "close %*u %d", &number) == 1) {
        take_close(r, s, at, number);

    } else if (sscanf(line, "event %*u %23s %63s %n", name, id, &n) == 2) {

        if (r->request) {
            take_chunk(r, s, line + n);

        } else {
            take_event(c, r, s, name, id, line + n);
        }
    }
}


static void
take_rest(course_t *c, long long at, char *line)
{
    char  what[16];
    long  n;

    (void) c;
    (void) at;

    if (sscanf(line, "%15s %ld", what, &n) != 2 || n != 0) {
        violation("I6", "at rest: %s are open", line);
    }
}


void
streams_read(course_t *c)
{
    size_t     s;
    reader_t  *r;

    each_line(c, "streams.log", take_line);
    each_line(c, "rest.log", take_rest);

    for (s = 1; s < nreaders; s++) {
        r = &readers[s];

        if (r->request && r->done && !r->error) {
            c->jobs[r->job].whole = true;
        }
    }
}


/* against the results */

static void
check_reader(const course_t *c, const reader_t *r, unsigned s)
{
    char         state[32];
    said_t       result;
    const job_t *job;

    job = &c->jobs[r->job];
    check_one(c, r, s);

    if (r->done != 1) {
        violation("I10", "job c%u: reader %u has seen no end", r->job, s);
        return;
    }

    if (r->curl != 0) {
        violation("I10", "job c%u: reader %u was cut at the end (curl %d)",
                  r->job, s, r->curl);
    }

    if (job->run == NULL) {
        return;                         /* for I1 */
    }

    snprintf(state, sizeof(state), "%s", job->run->state);

    if (!json_is(json_member(r->last, "status"), state)) {
        violation("I10", "job c%u: reader %u was told of an end that is not "
                  "%s: %.80s", r->job, s, state, r->last);
    }

    /* The path differs by the way of asking.  Whoever has a run in hand that
     * was cancelled, or is late, may count another attempt. */

    if (r->job < ngot && got[r->job] && strcmp(state, "cancelled") != 0
        && strcmp(state, "expired") != 0
        && strncmp(got[r->job], r->last,
                   strlen(r->last) - strlen(strstr(r->last, LINKS)
                                            ? strstr(r->last, LINKS) : ""))
           != 0)
    {
        violation("I10", "job c%u: reader %u was told %.400s, and GET %.400s",
                  r->job, s, r->last, got[r->job]);
    }

    if (strcmp(state, "completed") != 0) {
        return;
    }

    memset(&result, 0, sizeof(said_t));
    said_chat(&result, json_member(r->last, "result"));

    if (!said_same(&r->said, &result) || !said_same(&r->said, &job->run->said))
    {
        violation("I10", "job c%u: reader %u was told \"%.200s\", the result "
                  "is \"%.200s\"", r->job, s,
                  r->said.text.data ? r->said.text.data : "",
                  result.text.data ? result.text.data : "");
    }

    said_clear(&result);
}


/* A stream whose content was all of the one call that was made has no reason
 * to break off. */

static bool
had_reason(const course_t *c, const reader_t *r, const job_t *job)
{
    (void) c;

    return job->question || job->ncalls != 1 || job->calls[0].aborted
           || job->run == NULL || strcmp(job->run->state, "completed") != 0
           || !said_any(&r->said);
}


static void
check_stream(const course_t *c, const reader_t *r, unsigned s)
{
    const job_t  *job;
    const run_t  *run;

    job = &c->jobs[r->job];
    check_one(c, r, s);

    if (r->done == 0) {
        cut += said_any(&r->said);

        if (r->curl == 0 && said_any(&r->said)) {
            violation("I10", "job c%u: stream %u ended cleanly, and is not "
                      "whole", r->job, s);
        }

        return;
    }

    if (r->error) {
        broken++;

        if (!had_reason(c, r, job)) {
            violation("I10", "job c%u: stream %u broke off, and its call was "
                      "answered (run %s)", r->job, s, job->run->id);
        }

        return;
    }

    whole++;
    run = job->question ? r->last && strlen(r->last) > 9
                          ? run_find(c, r->last + 9) : NULL
                        : job->run;

    if (job->question == 0
        && (run == NULL || strcmp(run->state, "completed") != 0))
    {
        violation("I10", "job c%u: stream %u is whole, and the run is %s",
                  r->job, s, run ? run->state : "gone");
        return;
    }

    if (!said_by_one(&r->said, job->words, true)
        || (run && run->state[0] && !said_same(&r->said, &run->said)))
    {
        violation("I10", "job c%u: stream %u said \"%.200s\", the answer is "
                  "\"%.200s\"", r->job, s,
                  r->said.text.data ? r->said.text.data : "",
                  run && run->said.text.data ? run->said.text.data : "");
    }
}


/* nginx itself was harmed when it was to tell of something */

static bool
was_nginx_harmed(const course_t *c, int64_t at)
{
    size_t          i;
    const fault_t  *f;

    for (i = 0; i < c->nfaults; i++) {
        f = &c->faults[i];

        if (strcmp(f->kind, "nginx") == 0 && f->begin <= at + LEAVE_MAX
            && f->end >= at - LEAVE_MAX)
        {
            return true;
        }
    }

    return false;
}


/* A stream's run is for its client alone: when that has left, the call is
 * closed.  If that could not be told, a lease of half a minute has to end. */

static void
check_left(const course_t *c, const visit_t *v)
{
    size_t           i;
    int64_t          limit;
    const job_t     *job;
    const call_t    *call;
    const reader_t  *r;

    r = &readers[v->s];
    job = &c->jobs[r->job];

    if (r->request == 0 || r->curl != LEFT || r->done || job->question
        || was_nginx_harmed(c, v->closed))
    {
        return;
    }

    limit = v->closed + LEAVE_MAX + 2 * c->late;

    if (excused(c, job, v->closed, limit, OF_READERS) > limit) {
        return;
    }

    for (i = 0; i < job->ncalls; i++) {
        call = &job->calls[i];

        if (call->end > limit) {
            violation("I11", "job c%u: call %u went on for %lld ms after the "
                      "client of stream %u had left", job->n, call->turn,
                      (long long) ((call->end == FOREVER ? c->now : call->end)
                                   - v->closed), v->s);
        }
    }
}


static void
check_visit(const course_t *c, const visit_t *v)
{
    int64_t          since, limit;
    const job_t     *job;
    const reader_t  *r;

    r = &readers[v->s];
    job = &c->jobs[r->job];

    if (job->run == NULL || job->run->state[0] == '\0' || job->question) {
        return;
    }

    since = v->opened > job->run->fin_at ? v->opened : job->run->fin_at;
    limit = excused(c, job, since, since + HANG_MAX + 2 * c->late,
                    OF_READERS);

    if (v->closed > limit) {
        violation("I10", "job c%u: reader %u hung for %lld ms after the end",
                  r->job, v->s, (long long) (v->closed - since));
    }
}


void
streams_check(course_t *c)
{
    size_t        i;
    const job_t  *job;

    for (i = 1; i < nreaders; i++) {

        if (readers[i].job == 0) {
            continue;
        }

        if (readers[i].request) {
            check_stream(c, &readers[i], (unsigned) i);

        } else {
            check_reader(c, &readers[i], (unsigned) i);
        }
    }

    for (i = 0; i < nvisits; i++) {
        check_visit(c, &visits[i]);
        check_left(c, &visits[i]);
    }

    for (i = 1; i <= c->njobs; i++) {
        job = &c->jobs[i];

        if (job->words && job->run && strcmp(job->run->state, "completed") == 0
            && !said_by_one(&job->run->said, job->words, true))
        {
            violation("I10", "job c%u: its result is not what one call said: "
                      "\"%.200s\"", job->n, job->run->said.text.data
                      ? job->run->said.text.data : "");
        }
    }
}


void
streams_print(void)
{
    size_t  i, n;

    for (n = 0, i = 1; i < nreaders; i++) {
        n += readers[i].job && readers[i].request == 0;
    }

    printf("readers %zu, connections %zu, resets %zu; streams that were whole "
           "%zu, broke off %zu, were cut %zu\n", n, nvisits, resets, whole,
           broken, cut);
}
