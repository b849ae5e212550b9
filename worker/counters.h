/*
 * What the worker counts, as one table.  Each runner has a slot in memory that
 * it shares with the supervisor, which adds the slots up; only the runner (or
 * the supervisor, for its own slot) writes to it.
 */

#ifndef COUNTERS_H
#define COUNTERS_H


#include <stddef.h>

#include "weir_buf.h"


/* field, family, labels, type, help; rows of one family stand together.
 * A gauge goes back to 0 when its runner ends.  "highest" is a gauge of what
 * all runners see alike: the greatest counts, not the sum. */

#define COUNTERS(X)                                                           \
    X(claimed, "runs_claimed", "", counter,                                   \
      "Queue entries that were claimed to be run")                            \
    X(completed, "runs_finished", "state=\"completed\"", counter,             \
      "Runs that this worker finalised")                                      \
    X(failed, "runs_finished", "state=\"failed\"", counter, "")               \
    X(cancelled, "runs_finished", "state=\"cancelled\"", counter, "")         \
    X(expired, "runs_finished", "state=\"expired\"", counter, "")             \
    X(retried, "runs_retried", "", counter,                                   \
      "Runs put off to be tried again")                                       \
    X(fenced, "runs_fenced", "", counter,                                     \
      "Results dropped because another had finalised the run, or was at it")  \
    X(cut_ended, "runs_cut", "reason=\"ended\"", counter,                     \
      "Calls closed because the run had ended, or was taken by another")      \
    X(cut_taken, "runs_cut", "reason=\"taken\"", counter, "")                 \
    X(recovered_own, "entries_recovered", "from=\"self\"", counter,           \
      "Queue entries taken over after a crash or a lost reply")               \
    X(recovered, "entries_recovered", "from=\"lease\"", counter, "")          \
    X(recovered_dead, "entries_recovered", "from=\"dead\"", counter, "")      \
    X(handed_back, "entries_handed_back", "", counter,                        \
      "Queue entries given back at a drain or a pause")                       \
    X(dropped, "entries_dropped", "", counter,                                \
      "Queue entries that had nothing to run any more")                       \
    X(promoted, "entries_promoted", "", counter,                              \
      "Delayed runs whose time had come")                                     \
    X(abandoned, "results_abandoned", "", counter,                            \
      "Results that could not be written before the worker left")             \
    X(mails, "mails", "", counter, "Completions told to nginx")               \
    X(fed, "events", "", counter, "Entries added to streams of runs")         \
    X(calls, "provider_calls", "", counter, "Calls of providers")             \
    X(call_errors, "provider_errors", "cause=\"transport\"", counter,         \
      "Calls that failed, by cause")                                          \
    X(call_refused, "provider_errors", "cause=\"status\"", counter, "")       \
    X(call_garbled, "provider_errors", "cause=\"reply\"", counter, "")        \
    X(call_ms, "provider_call_milliseconds", "", counter,                     \
      "Time spent in calls of providers, added up")                           \
    X(stream_whole, "provider_streams", "end=\"whole\"", counter,             \
      "Calls that were answered by events, by how they ended")                \
    X(stream_truncated, "provider_streams", "end=\"truncated\"", counter, "") \
    X(stream_cut, "provider_streams", "end=\"cut\"", counter, "")             \
    X(stream_failed, "provider_streams", "end=\"failed\"", counter, "")       \
    X(input_tokens, "tokens", "direction=\"input\"", counter,                 \
      "Tokens that were paid for")                                            \
    X(output_tokens, "tokens", "direction=\"output\"", counter, "")           \
    X(cost, "cost_microdollars", "", counter,                                 \
      "What they cost, in millionths of a dollar")                            \
    X(isolated, "runs_isolated", "", counter,                                 \
      "Runs given to a cell, because a process may have died of them")        \
    X(poisoned, "runs_poisoned", "", counter,                                 \
      "Runs that killed their cell as often as one may")                      \
    X(cell_starts, "cell_starts", "", counter, "Cells started")               \
    X(cell_deaths, "cell_deaths", "", counter,                                \
      "Cells that died with runs in them")                                    \
    X(hook_sent, "webhooks_delivered", "", counter,                           \
      "Webhooks that their receiver took")                                    \
    X(hook_status, "webhook_failures", "cause=\"status\"", counter,           \
      "Tries to deliver a webhook that failed, by cause")                     \
    X(hook_transport, "webhook_failures", "cause=\"transport\"", counter, "") \
    X(hook_timeout, "webhook_failures", "cause=\"timeout\"", counter, "")     \
    X(hook_refused, "webhook_failures", "cause=\"refused\"", counter, "")     \
    X(hook_gone, "webhook_failures", "cause=\"gone\"", counter, "")           \
    X(hook_retried, "webhooks_put_off", "", counter,                          \
      "Webhooks put off to be tried again")                                   \
    X(hook_given_up, "webhooks_given_up", "", counter,                        \
      "Webhooks whose last try failed")                                       \
    X(settled, "runs_settled", "", counter,                                   \
      "Runs whose end was brought to the ledger and to their limits")         \
    X(given_back, "holds_given_back", "", counter,                            \
      "Reservations of which nothing was used")                               \
    X(not_reported, "holds_not_reported", "", counter,                        \
      "Runs that completed without a word about usage: what was reserved "    \
      "for them stands")                                                      \
    X(settle_aborts, "settlements_aborted", "", counter,                      \
      "Settlements begun again because another was faster")                   \
    X(handed_on, "jobs_handed_on", "", counter,                               \
      "Jobs that got the end of a run that they shared")                      \
    X(left, "runs_left", "", counter,                                         \
      "Runs cancelled because nobody asked for them any more")                \
    X(stored_answer, "answers_stored", "outcome=\"answer\"", counter,         \
      "Answers kept for those who ask the same, by what came of the run")     \
    X(stored_truncated, "answers_stored", "outcome=\"truncated\"", counter,   \
      "")                                                                     \
    X(stored_refusal, "answers_stored", "outcome=\"refusal\"", counter, "")   \
    X(stored_failed, "answers_stored", "outcome=\"failed\"", counter, "")     \
    X(not_kept, "answers_not_kept", "", counter,                              \
      "Answers that the Redis for them did not take, or not in time")         \
    X(evicted, "answers_evicted", "", counter,                                \
      "Answers given up because they took more room than they may")           \
    X(voided, "answers_voided", "", counter,                                  \
      "Answers deleted after a purge")                                        \
    X(redis_connects, "redis_connections", "", counter,                       \
      "Connections to Redis that were made")                                  \
    X(redis_failures, "redis_failures", "", counter,                          \
      "Connections to Redis that failed or were given up")                    \
    X(starts, "runner_starts", "", counter, "Runner processes started")       \
    X(deaths, "runner_deaths", "", counter,                                   \
      "Runner processes that ended without being told to")                    \
    X(reloads, "reloads", "result=\"ok\"", counter,                           \
      "Times that the configuration was read again")                          \
    X(reload_failures, "reloads", "result=\"failed\"", counter, "")           \
    X(runners, "runners", "", gauge, "Runner processes")                      \
    X(claiming, "runners_claiming", "", gauge,                                \
      "Runners that are connected to Redis and take work")                    \
    X(slots, "slots", "", gauge, "Runs that may be in hand")                  \
    X(cells, "cells", "", gauge, "Cells that have runs")                      \
    X(in_hand, "runs_in_hand", "", gauge, "Runs that are in hand")            \
    X(hooks_pending, "webhooks_pending", "", gauge,                           \
      "Webhooks in the outbox: one of the runners counts them")               \
    X(answers, "answers", "", gauge,                                          \
      "Answers that are kept: the runner that sweeps counts them")            \
    X(answer_bytes, "answer_bytes", "", gauge,                                \
      "Bytes that they take, about")                                          \
    X(connections, "redis_connected", "", gauge,                              \
      "Connections to Redis that are up")                                     \
    X(keeping, "cache_redis_connected", "", gauge,                            \
      "Connections to the Redis of the answers that are up")                  \
    X(queue_paused, "queue_paused", "", highest,                              \
      "1: an operator has paused the queue")                                  \
    X(queue_full, "queue_full", "", highest,                                  \
      "1: Redis's memory is nearly full, nothing is claimed")                 \
    X(redis_memory, "redis_memory_percent", "", highest,                      \
      "Redis's memory in use, in percent of its limit")                       \
    X(consumers, "queue_consumers", "", highest,                              \
      "Consumers that Redis remembers")


/* field, family, what one unit of it is shown as, help, bounds: integers */

#define HISTOGRAMS(X)                                                         \
    X(first_token, "provider_first_token_seconds", 0.001,                     \
      "From a call to the first piece of an answer that comes as events",     \
      50, 100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10000,       \
      20000, 30000, 60000, 120000)                                            \
    X(token_rate, "provider_tokens_per_second", 1.,                           \
      "Output tokens of such an answer by the time from there to its end",    \
      1, 2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000)

#define HISTOGRAM_BOUNDS  16

typedef struct {
    uint64_t  n[HISTOGRAM_BOUNDS + 1];  /* not cumulated; the last: above all */
    uint64_t  sum;
} histogram_t;


typedef struct {
#define COUNTERS_FIELD(field, ...)  uint64_t  field;
    COUNTERS(COUNTERS_FIELD)
#undef COUNTERS_FIELD
#define HISTOGRAMS_FIELD(field, ...)  histogram_t  field;
    HISTOGRAMS(HISTOGRAMS_FIELD)
#undef HISTOGRAMS_FIELD
    uint64_t  beat;             /* ms, monotonic: the loop's last turn; no
                                 * metric, it tells the supervisor of a hang */
} counters_t;


/* n slots of zeros that survive fork(); NULL: errno says why. */
counters_t *counters_map(size_t n);
void counters_unmap(counters_t **c, size_t n);

/* A counter has one writer, so that a plain sum is enough. */
#define counters_add(c, field, n)                                             \
    __atomic_store_n(&(c)->field, (c)->field + (uint64_t) (n),                \
                     __ATOMIC_RELAXED)
#define counters_set(c, field, n)                                             \
    __atomic_store_n(&(c)->field, (uint64_t) (n), __ATOMIC_RELAXED)
#define counters_get(c, field)                                                \
    __atomic_load_n(&(c)->field, __ATOMIC_RELAXED)

void histogram_add(counters_t *c, size_t field, uint64_t value);

#define counters_observe(c, field, value)                                     \
    histogram_add(c, offsetof(counters_t, field), (uint64_t) (value))

/* The runner of this slot is gone. */
void counters_clear_gauges(counters_t *c);

/* The exposition text of n slots added up. */
void counters_write(const counters_t *c, size_t n, weir_buf_t *out);


#endif /* COUNTERS_H */
