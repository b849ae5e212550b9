/*
 * Jobs in hand.  Owns the job objects, their lists and the tables that find a
 * queue entry or a run.  What happens to a job is decided by claim.c, ask.c,
 * fence.c and finish.c; this file only knows where it is.
 */

#include "job.h"

#include <assert.h>
#include <stdlib.h>

#include "mem.h"
#include "runner.h"
#include "trace.h"


#define JOB_DOCUMENT_KEEP  (64 * 1024)          /* bytes */


typedef struct {
    job_t           *first;
    job_t           *last;
    size_t           count;
} jobs_list_t;


struct jobs_s {
    struct runner_s *runner;
    size_t           max;
    size_t           in_hand;
    jobs_list_t      lists[JOB_STATES];
    job_t          **table;             /* by entry; size is a power of two */
    job_t          **runs;              /* by run, likewise */
    uint64_t         serial;
    size_t           size;
    job_t           *resting;           /* may be taken */
    job_t           *leaving;           /* may be taken after the turn */
    loop_turn_t      turn;
};


static size_t
jobs_hash(const jobs_t *jobs, weir_class_e class, weir_str_t entry)
{
    size_t    i;
    uint32_t  hash;

    hash = 2166136261u + (uint32_t) class;      /* FNV-1a */

    for (i = 0; i < entry.len; i++) {
        hash = (hash ^ (unsigned char) entry.data[i]) * 16777619u;
    }

    return hash & (jobs->size - 1);
}


static bool
job_is(const job_t *job, weir_class_e class, weir_str_t entry)
{
    return job->class == class && weir_str_eq(weir_str_of(job->entry), entry);
}


static void
jobs_unlist(jobs_t *jobs, job_t *job)
{
    jobs_list_t  *list;

    list = &jobs->lists[job->state];

    if (job->prev) {
        job->prev->next = job->next;

    } else {
        list->first = job->next;
    }

    if (job->next) {
        job->next->prev = job->prev;

    } else {
        list->last = job->prev;
    }

    list->count--;
}


static void
jobs_list(jobs_t *jobs, job_t *job, job_state_e state)
{
    jobs_list_t  *list;

    list = &jobs->lists[state];

    job->state = state;
    job->next = NULL;
    job->prev = list->last;

    if (list->last) {
        list->last->next = job;

    } else {
        list->first = job;
    }

    list->last = job;
    list->count++;
}


static void
jobs_on_turn(void *data)
{
    job_t   *job;
    jobs_t  *jobs;

    jobs = data;

    while (jobs->leaving) {
        job = jobs->leaving;
        jobs->leaving = job->next;

        job->next = jobs->resting;
        jobs->resting = job;
    }

    counters_set(jobs->runner->counters, in_hand, jobs->in_hand);
}


static void
job_clear(job_t *job)
{
    weir_json_free(&job->request);
    weir_outcome_free(&job->outcome);
    weir_buf_free(&job->payload);
    weir_buf_free(&job->answer);

    if (job->document.size > JOB_DOCUMENT_KEEP) {
        weir_buf_free(&job->document);
    }

    weir_buf_reset(&job->document);
    weir_buf_reset(&job->trace);
}


static void
job_free(job_t *job)
{
    job_clear(job);
    provider_call_free(&job->call);
    weir_buf_free(&job->document);
    weir_buf_free(&job->trace);
    free(job);
}


jobs_t *
jobs_create(struct runner_s *r, size_t max)
{
    jobs_t  *jobs;

    jobs = mem_alloc(sizeof(jobs_t));
    jobs->runner = r;
    jobs->max = max;

    for (jobs->size = 16; jobs->size < max * 2; jobs->size *= 2) { /* void */ }

    jobs->table = mem_alloc(jobs->size * sizeof(job_t *));
    jobs->runs = mem_alloc(jobs->size * sizeof(job_t *));

    jobs->turn.fn = jobs_on_turn;
    jobs->turn.data = jobs;
    loop_turn_add(r->loop, &jobs->turn);

    return jobs;
}


void
jobs_destroy(jobs_t **jobsp)
{
    int      i;
    job_t   *job;
    jobs_t  *jobs;

    jobs = *jobsp;
    *jobsp = NULL;

    for (i = 0; i < JOB_STATES; i++) {
        while ((job = jobs->lists[i].first) != NULL) {
            provider_cancel(&job->call);
            job_release(job);
        }
    }

    jobs_on_turn(jobs);

    while ((job = jobs->resting) != NULL) {
        jobs->resting = job->next;
        job_free(job);
    }

    loop_turn_remove(jobs->runner->loop, &jobs->turn);
    free(jobs->table);
    free(jobs->runs);
    free(jobs);
}


job_t *
jobs_take(jobs_t *jobs, weir_class_e class, weir_str_t entry)
{
    job_t   *job;
    size_t   i;

    assert(jobs->in_hand < jobs->max && entry.len < JOB_ENTRY_MAX);

    job = jobs->resting;

    if (job) {
        jobs->resting = job->next;

    } else {
        job = mem_alloc(sizeof(job_t));
        job->runner = jobs->runner;
        weir_outcome_init(&job->outcome);
        weir_buf_init(&job->document, WEIR_OUTCOME_MAX);
    }

    job->class = class;
    memcpy(job->entry, entry.data, entry.len);
    job->entry[entry.len] = '\0';

    job->run[0] = '\0';
    job->token[0] = '\0';
    job->used = false;
    memset(&job->call.took, 0, sizeof(provider_took_t));
    job->cut = false;
    job->serial = ++jobs->serial;
    job->begun = loop_now(jobs->runner->loop);
    job->held = job->begun;
    job->final = false;
    job->read = false;
    job->errors = 0;
    job->failures = 0;
    job->back = 0;
    job->crash = 0;
    job->records = 0;
    job->owner[0] = '\0';
    job->ask[0] = '\0';
    job->hook = false;
    job->keep = false;
    job->stream = false;
    job->while_read = false;
    job->dead = false;

    i = jobs_hash(jobs, class, entry);
    job->chained = jobs->table[i];
    jobs->table[i] = job;

    jobs_list(jobs, job, JOB_CLAIMING);
    jobs->in_hand++;

    return job;
}


void
job_set_run(job_t *job, weir_str_t run)
{
    job_t   **p;
    jobs_t   *jobs;

    memcpy(job->run, run.data, run.len);
    job->run[run.len] = '\0';

    jobs = job->runner->jobs;
    p = &jobs->runs[jobs_hash(jobs, 0, run)];

    job->namesake = *p;
    *p = job;
}


job_t *
jobs_of_run(const jobs_t *jobs, weir_str_t run, const job_t *after)
{
    job_t  *job;

    job = after ? after->namesake : jobs->runs[jobs_hash(jobs, 0, run)];

    while (job && !weir_str_eq(weir_str_of(job->run), run)) {
        job = job->namesake;
    }

    return job;
}


weir_str_t
job_trace_id(const job_t *job)
{
    return trace_id((weir_str_t) { job->trace.data, job->trace.len });
}


bool
jobs_holds(const jobs_t *jobs, weir_class_e class, weir_str_t entry)
{
    const job_t  *job;

    for (job = jobs->table[jobs_hash(jobs, class, entry)]; job;
         job = job->chained)
    {
        if (job_is(job, class, entry)) {
            return true;
        }
    }

    return false;
}


size_t
jobs_in_hand(const jobs_t *jobs)
{
    return jobs->in_hand;
}


size_t
jobs_free(const jobs_t *jobs)
{
    return jobs->max - jobs->in_hand;
}


size_t
jobs_count(const jobs_t *jobs, job_state_e state)
{
    return jobs->lists[state].count;
}


job_t *
jobs_first(const jobs_t *jobs, job_state_e state)
{
    return jobs->lists[state].first;
}


void
job_move(job_t *job, job_state_e state)
{
    jobs_t  *jobs;

    jobs = job->runner->jobs;

    jobs_unlist(jobs, job);
    jobs_list(jobs, job, state);
}


static void
job_unset_run(jobs_t *jobs, job_t *job)
{
    job_t  **p;

    if (job->run[0] == '\0') {
        return;
    }

    p = &jobs->runs[jobs_hash(jobs, 0, weir_str_of(job->run))];

    while (*p != job) {
        p = &(*p)->namesake;
    }

    *p = job->namesake;
}


void
job_release(job_t *job)
{
    job_t   **p;
    jobs_t   *jobs;

    jobs = job->runner->jobs;
    assert(job->call.provider == NULL && job->cohort == NULL);

    p = &jobs->table[jobs_hash(jobs, job->class, weir_str_of(job->entry))];

    while (*p != job) {
        p = &(*p)->chained;
    }

    *p = job->chained;

    feed_leave(job);
    job_unset_run(jobs, job);
    jobs_unlist(jobs, job);
    jobs->in_hand--;
    job->serial = 0;

    job_clear(job);

    job->next = jobs->leaving;
    jobs->leaving = job;
}
