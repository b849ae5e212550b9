/*
 * Isolation: runs that a process may have died of go on in cells.  Owns the
 * cohorts, which are the runs that share a cell, and decides who is to blame
 * for a death; never looks into a payload, nor into what came of one.
 *
 * Nearly all of these runs are innocent: they were in the hands of a runner
 * that was killed.  So they go together, many to a cell.  If a cell dies, those
 * without an answer go on in two halves, down to one alone; only a death alone
 * counts against a run.  That of the runner never does, nor that of a cell
 * which was not wanted any more.
 */

#include "runner.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "cell_link.h"
#include "fault.h"
#include "log.h"
#include "mem.h"


#define CELLS_OPEN      8       /* that take runs as they come */
#define CELLS_CLOSED    16      /* besides them: those of halves */
#define CELLS_COHORT    64      /* runs in one, or an eighth of the slots */
#define CELLS_SHARE     16      /* of its memory that payloads may take */
#define CELLS_SILENCE   15000   /* ms, without a hang_timeout */
#define CELLS_LEAST     5000    /* ms of silence: five of its beats */
#define CELLS_PAUSE     500     /* ms, after a cell that could not be started */


typedef struct cohort_s       cohort_t;
typedef struct cells_death_s  cells_death_t;

struct cohort_s {
    cohort_t        *next;
    cells_t         *cells;
    cell_link_t     *link;      /* NULL: it waits for a cell, or is over */
    bool             closed;    /* takes no more */
    uint32_t         n;         /* that were ever in it */
    uint32_t         sent;      /* of these, the first ones */
    uint32_t         left;      /* of these, without an answer */
    uint32_t         size;
    size_t           bytes;     /* of payloads */
    job_t          **jobs;      /* by place; NULL: answered or forgotten */
};


/* a death that is being counted */

struct cells_death_s {
    job_t           *job;
    uint64_t         serial;    /* the job's, then */
    int              status;
};


struct cells_s {
    runner_t        *runner;
    cell_links_t    *links;
    cohort_t        *first;     /* the oldest */
    loop_turn_t      turn;
    loop_timer_t     wake;      /* makes a turn happen */
    uint64_t         pause;     /* loop_now() to wait for */
    uint32_t         max;       /* runs in a cohort */
    size_t           max_bytes;
};


static void cells_put(job_t *job, cohort_t *h);


/* cohorts */

static cohort_t *
cohort_create(cells_t *c, bool closed)
{
    cohort_t  *h, **p;

    h = mem_alloc(sizeof(cohort_t));
    h->cells = c;
    h->closed = closed;

    for (p = &c->first; *p; p = &(*p)->next) { /* void */ }

    *p = h;

    return h;
}


/* Where a newcomer goes: to those of this turn; to a cell of its own turn
 * while there may be more; to the emptiest that runs; to those that wait. */

static cohort_t *
cohort_for_newcomer(cells_t *c)
{
    size_t     running;
    cohort_t  *h, *best;

    best = NULL;
    running = 0;

    for (h = c->first; h; h = h->next) {
        if (h->closed) {
            continue;
        }

        running += (h->link != NULL);

        if (h->n == c->max || h->bytes > c->max_bytes) {
            continue;
        }

        if (h->link == NULL) {
            return h;
        }

        if (best == NULL || h->n < best->n) {
            best = h;
        }
    }

    return best && running >= CELLS_OPEN ? best : cohort_create(c, false);
}


/* The job is in no cohort any more; an empty one goes at the turn's end. */

static void
cohort_remove(job_t *job)
{
    cohort_t  *h;

    h = job->cohort;

    h->jobs[job->place] = NULL;
    h->left--;
    job->cohort = NULL;

    if (h->left == 0) {
        h->closed = true;

        if (h->link) {
            cell_link_close(&h->link);
        }
    }
}


/* The first n that are left, in the order of their coming, to another one. */

static void
cohort_move(cohort_t *from, cohort_t *to, uint32_t n)
{
    job_t     *job;
    uint32_t   i;

    for (i = 0; n; i++) {
        job = from->jobs[i];

        if (job) {
            cohort_remove(job);
            cells_put(job, to);
            n--;
        }
    }
}


static void
cohort_send(cohort_t *h)
{
    job_t       *job;
    cell_run_t   run;

    for ( /* void */ ; h->link && h->sent < h->n; h->sent++) {
        job = h->jobs[h->sent];

        if (job == NULL) {
            continue;
        }

        memset(&run, 0, sizeof(cell_run_t));
        run.left = ask_left(job);

        if (run.left <= 0) {
            cohort_remove(job);
            finish_job(job, WEIR_EXPIRED, WEIR_TOKEN_REAPER);
            continue;
        }

        run.started = job->started;
        run.clock = job->runner->clock;
        run.attempts = job->failures + job->deliveries - job->back;
        snprintf(run.request_id, sizeof(run.request_id), "%s",
                 job->request_id);
        snprintf(run.trace, sizeof(run.trace), "%.*s", (int) job->trace.len,
                 job->trace.len ? job->trace.data : "");
        snprintf(run.model, sizeof(run.model), "%s", job->model);

        cell_link_run(h->link, h->sent, &run,
                      (weir_str_t) { job->payload.data, job->payload.len });
    }
}


/* answers */

static void
cells_on_took(void *data, uint32_t index, const provider_took_t *took)
{
    job_t     *job;
    cohort_t  *h;

    h = data;
    job = index < h->sent ? h->jobs[index] : NULL;

    if (job) {
        job->used = true;
        job->call.took = *took;
    }
}


static void
cells_on_answer(void *data, uint32_t index, const cell_answer_t *a,
    weir_str_t document)
{
    job_t       *job;
    cohort_t    *h;
    counters_t  *counters;

    h = data;
    job = index < h->sent ? h->jobs[index] : NULL;  /* else it made that up */
    counters = h->cells->runner->counters;

    counters_add(counters, calls, a->calls.calls);
    counters_add(counters, call_errors, a->calls.errors);
    counters_add(counters, call_refused, a->calls.refused);
    counters_add(counters, call_garbled, a->calls.garbled);
    counters_add(counters, call_ms, a->calls.ms);

    if (job == NULL) {
        return;
    }

    cohort_remove(job);
    weir_buf_free(&job->payload);

    if (a->provider != SIZE_MAX) {
        job->outcome.provider =
            weir_str_of(job->runner->conf->providers[a->provider].name);
    }

    job->used = true;
    job->call.took = a->took;
    job->outcome.error = a->error;
    snprintf(job->call.detail, sizeof(job->call.detail), "%s", a->detail);

    if (a->verdict == PROVIDER_DONE) {
        ask_took(job);
        finish_with(job, document);

    } else {
        ask_done(job, a->verdict, a->wait);
    }
}


/* deaths */

static const char *
cells_reason(char text[64], int status)
{
    if (WIFSIGNALED(status)) {
        snprintf(text, 64, " (signal %d)", WTERMSIG(status));

    } else {
        snprintf(text, 64, " (exit status %d)", WEXITSTATUS(status));
    }

    return text;
}


/* reason may be empty: another runner saw it */

static void
cells_judge(job_t *job, const char *reason)
{
    runner_t  *r;

    r = job->runner;

    if (job->crash < r->conf->worker.poison_deaths) {
        cells_put(job, cohort_create(r->cells, true));
        return;
    }

    LOG(LOG_ERROR, "run_poisoned", log_text("job", job->name),
        log_text("request", job->request_id), log_num("deaths", job->crash));

    weir_failure_set(&job->outcome.error, WEIR_FAIL_POISON,
                     "the request killed its process %lld times%s", job->crash,
                     reason);

    counters_add(r->counters, poisoned, 1);
    weir_buf_free(&job->payload);
    job->dead = true;
    finish_failed(job);
}


static void
cells_on_counted(void *data, const weir_answer_t *answer)
{
    bool            ours;
    char            reason[64];
    job_t          *job;
    long long       n;
    cells_death_t  *d;

    d = data;
    job = d->job;
    ours = (job->serial == d->serial && job->state == JOB_ISOLATED);
    cells_reason(reason, d->status);
    free(d);

    FAULT("crash_counted");

    if (!ours) {
        return;                         /* given up meanwhile */
    }

    /* an answer that is lost is not asked for again: to count one death twice
     * would be worse than not to remember it */

    n = answer->code == WEIR_ANSWER_OK ? weir_reply_int(answer->reply) : 0;

    if (n > job->crash) {
        job->crash = n;
    }

    cells_judge(job, reason);
}


static void
cells_count_death(job_t *job, int status)
{
    char            reason[64];
    runner_t       *r;
    weir_txn_t     *t;
    cells_death_t  *d;

    r = job->runner;
    job->crash++;
    cells_reason(reason, status);

    LOG(LOG_WARN, "run_crashed", log_text("job", job->name),
        log_num("deaths", job->crash), log_text("reason", reason + 1));

    d = mem_alloc(sizeof(cells_death_t));
    d->job = job;
    d->serial = job->serial;
    d->status = status;

    t = runner_txn(r);
    weir_txn_crash(t, RUNNER_SHARD, job->run);

    if (redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout,
                   cells_on_counted, d) != 0)
    {
        free(d);
        cells_judge(job, reason);
        return;
    }

    FAULT_SENT("crash_sent");
}


static void
cells_on_end(void *data, int status)
{
    job_t     *job;
    char       reason[64];
    cells_t   *c;
    cohort_t  *h;
    uint32_t   left;

    h = data;
    c = h->cells;
    h->link = NULL;

    if (status == ZYGOTE_NO_STATUS) {
        c->pause = loop_now(c->runner->loop) + CELLS_PAUSE;
        h->sent = 0;                    /* it waits again */
        return;
    }

    FAULT("cell_died");
    left = h->left;
    h->closed = true;

    counters_add(c->runner->counters, cell_deaths, 1);
    LOG(LOG_WARN, "cell_died", log_num("runs", h->n), log_num("left", left),
        log_text("reason", cells_reason(reason, status) + 1));

    if (h->n == 1) {
        job = h->jobs[0];
        cohort_remove(job);
        cells_count_death(job, status);
        return;
    }

    cohort_move(h, cohort_create(c, true), (left + 1) / 2);

    if (h->left) {
        cohort_move(h, cohort_create(c, true), h->left);
    }
}


static void
cells_on_gone(void *data)
{
    runner_give_up(((cells_t *) data)->runner);
}


/* the end of a turn */

static bool
cells_start(cohort_t *h)
{
    cells_t  *c;

    c = h->cells;

    if (loop_now(c->runner->loop) < c->pause) {
        return false;
    }

    h->link = cell_link_open(c->links, h->closed ? h->n : c->max, h);

    if (h->link == NULL) {
        c->pause = loop_now(c->runner->loop) + CELLS_PAUSE;
        return false;
    }

    counters_add(c->runner->counters, cell_starts, 1);

    return true;
}


static void
cells_free_empty(cells_t *c)
{
    cohort_t  *h, **p;

    for (p = &c->first; *p; /* void */ ) {
        h = *p;

        if (h->left) {
            p = &h->next;
            continue;
        }

        assert(h->link == NULL);
        *p = h->next;
        free(h->jobs);
        free(h);
    }
}


static void
cells_on_turn(void *data)
{
    size_t     running[2];
    cells_t   *c;
    cohort_t  *h;

    c = data;

    if (c->first == NULL) {
        return;
    }

    running[0] = running[1] = 0;

    for (h = c->first; h; h = h->next) {
        running[h->closed] += (h->link != NULL);
    }

    for (h = c->first; h; h = h->next) {

        if (h->link == NULL && h->left
            && running[h->closed] < (h->closed ? CELLS_CLOSED : CELLS_OPEN)
            && cells_start(h))
        {
            running[h->closed]++;
        }

        cohort_send(h);
    }

    cells_free_empty(c);
    cell_links_flush(c->links);
    counters_set(c->runner->counters, cells, running[0] + running[1]);

    if (c->pause > loop_now(c->runner->loop) && c->wake.node.place == 0) {
        loop_timer_set(c->runner->loop, &c->wake, CELLS_PAUSE + 1);
    }
}


static void
cells_on_wake(void *data)
{
    (void) data;                        /* the end of this turn does it */
}


/* runs */

static void
cells_put(job_t *job, cohort_t *h)
{
    if (h->n == h->size) {
        h->size = h->size ? h->size * 2 : 4;
        h->jobs = mem_grow(h->jobs, h->size * sizeof(job_t *));
    }

    job->cohort = h;
    job->place = h->n;

    h->jobs[h->n++] = job;
    h->left++;
    h->bytes += job->payload.len;
}


void
cells_add(job_t *job, weir_str_t payload)
{
    runner_t  *r;

    r = job->runner;
    job_move(job, JOB_ISOLATED);

    weir_buf_free(&job->payload);
    weir_buf_str(&job->payload, payload);
    mem_check(job->payload.failed);

    counters_add(r->counters, isolated, 1);

    if (job->crash) {
        cells_judge(job, "");

    } else {
        cells_put(job, cohort_for_newcomer(r->cells));
    }
}


void
cells_forget(job_t *job)
{
    cohort_t  *h;

    h = job->cohort;

    if (h == NULL) {
        return;
    }

    if (h->link && job->place < h->sent) {
        cell_link_cancel(h->link, job->place);
    }

    cohort_remove(job);
}


cells_t *
cells_create(runner_t *r)
{
    cells_t        *c;
    uint64_t        silence;
    cell_events_t   events;

    c = mem_alloc(sizeof(cells_t));
    c->runner = r;
    c->max = (uint32_t) r->conf->worker.slots / CELLS_OPEN;

    if (c->max < CELLS_COHORT) {
        c->max = CELLS_COHORT;
    }

    c->max_bytes = (size_t) r->conf->worker.isolation_memory / CELLS_SHARE;

    events.on_answer = cells_on_answer;
    events.on_took = cells_on_took;
    events.on_end = cells_on_end;
    events.on_gone = cells_on_gone;

    silence = (uint64_t) r->conf->worker.hang_timeout / 4;

    if (silence < CELLS_LEAST) {
        silence = silence ? CELLS_LEAST : CELLS_SILENCE;
    }

    c->links = cell_links_create(r->loop, r->zygote, r->conf->nproviders,
                                 silence, &events, c);

    c->wake.fn = cells_on_wake;
    c->wake.data = c;
    c->turn.fn = cells_on_turn;
    c->turn.data = c;
    loop_turn_add(r->loop, &c->turn);

    return c;
}


void
cells_destroy(cells_t **cp)
{
    uint32_t   i;
    cells_t   *c;
    cohort_t  *h;

    c = *cp;
    *cp = NULL;

    for (h = c->first; h; h = h->next) {
        for (i = 0; i < h->n; i++) {
            if (h->jobs[i]) {
                cells_forget(h->jobs[i]);
            }
        }
    }

    cells_free_empty(c);
    cell_links_destroy(&c->links);
    loop_timer_stop(c->runner->loop, &c->wake);
    loop_turn_remove(c->runner->loop, &c->turn);
    free(c);
}
