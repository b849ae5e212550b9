/*
 * The counters of the edge: one table, from which the struct in shared memory
 * and the text of /metrics are made.
 */

#ifndef NGX_HTTP_WEIR_METRICS_H
#define NGX_HTTP_WEIR_METRICS_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_weir_histogram.h"


/* member, name, help; counters, summed over all worker processes */

#define NGX_HTTP_WEIR_COUNTERS(X)                                             \
    X(requests, "weir_requests_total",                                        \
      "Requests to locations of the API.")                                    \
    X(unauthenticated, "weir_requests_unauthenticated_total",                 \
      "Requests refused for want of a good API key.")                         \
    X(submitted, "weir_jobs_submitted_total",                                 \
      "Submissions that Redis acknowledged.")                                 \
    X(submit_failed, "weir_submissions_failed_total",                         \
      "Submissions answered with 503.")                                       \
    X(replayed, "weir_requests_replayed_total",                               \
      "Requests answered for an earlier one with the same key.")              \
    X(refused_owner, "weir_jobs_refused_owner_total",                         \
      "Jobs refused since the owner has too many unfinished.")                \
    X(refused_total, "weir_jobs_refused_limit_total",                         \
      "Jobs refused since there are too many unfinished.")                    \
    X(refused_memory, "weir_jobs_refused_memory_total",                       \
      "Jobs refused since Redis is short of memory.")                         \
    X(abandoned, "weir_submissions_abandoned_total",                          \
      "Submissions without an answer in time, then cancelled.")               \
    X(answered, "weir_waits_answered_total",                                  \
      "Held requests whose job finished.")                                    \
    X(timed_out, "weir_waits_timed_out_total",                                \
      "Held requests whose wait ended first.")                                \
    X(mail, "weir_mail_received_total",                                       \
      "Messages about finished runs.")                                        \
    X(entries, "weir_stream_entries_total",                                   \
      "Messages about runs that are read, before their end.")                 \
    X(rechecks, "weir_rechecks_total",                                        \
      "Parked requests looked up because no message came yet.")               \
    X(recheck_hits, "weir_recheck_hits_total",                                \
      "Finished runs that a re-check found and no message told.")             \
    X(redis_connects, "weir_redis_connects_total",                            \
      "Connections to Redis that became ready.")                              \
    X(redis_failures, "weir_redis_failures_total",                            \
      "Connections to Redis that failed or were lost.")                       \
    X(redis_timeouts, "weir_redis_timeouts_total",                            \
      "Commands without an answer in time.")                                  \
    X(dressed, "weir_errors_dressed_total",                                   \
      "Errors of nginx itself that got a body in the route's dialect.")       \
    X(fleet_transactions, "weir_limit_fleet_transactions_total",              \
      "Looks at limits in Redis, each for all requests that wait.")           \
    X(fleet_aborted, "weir_limit_fleet_aborted_total",                        \
      "Of them, those that another edge came before.")                        \
    X(fleet_undecided, "weir_limit_fleet_undecided_total",                    \
      "Decisions that Redis did not make, or not in time.")                   \
    X(fleet_remembered, "weir_limit_fleet_remembered_total",                  \
      "Refusals of keys that Redis had just refused.")                        \
    X(key_reloads, "weir_key_file_reloads_total",                             \
      "Times that a worker process read a changed key file.")                 \
    X(key_polls, "weir_key_polls_total",                                      \
      "Answers to the question what has changed in the key store.")           \
    X(key_evictions, "weir_key_cache_evictions_total",                        \
      "Records forgotten before their time, since the cache was full.")       \
    X(key_torn, "weir_key_cache_resets_total",                                \
      "Times that the cache was emptied, after a process died in it.")


/* member, name, label, value, help; those of a name follow each other */

#define NGX_HTTP_WEIR_FAILURES_HELP                                           \
    "Requests refused for want of a good API key, by reason."
#define NGX_HTTP_WEIR_LOOKUPS_HELP                                            \
    "Keys looked for in the key store, by what its cache knew."

#define NGX_HTTP_WEIR_CACHE_HELP                                              \
    "Requests to routes that have a cache, by what it did."
#define NGX_HTTP_WEIR_HITS_HELP                                               \
    "Answers from the cache, by where they were."
#define NGX_HTTP_WEIR_KEPT_HELP                                               \
    "Looks for answers in the Redis of weir_cache_redis."
#define NGX_HTTP_WEIR_SAVED_HELP                                              \
    "Tokens of answers that no LLM was asked for."

#define NGX_HTTP_WEIR_CUT_HELP                                                \
    "Streams that ended before all was sent, by cause."

#define NGX_HTTP_WEIR_LABELLED(X)                                             \
    X(cut_client, "weir_streams_cut_total", "cause", "client",                \
      NGX_HTTP_WEIR_CUT_HELP)                                                 \
    X(cut_slow, "weir_streams_cut_total", "cause", "slow",                    \
      NGX_HTTP_WEIR_CUT_HELP)                                                 \
    X(cut_interrupted, "weir_streams_cut_total", "cause", "interrupted",      \
      NGX_HTTP_WEIR_CUT_HELP)                                                 \
    X(cut_revoked, "weir_streams_cut_total", "cause", "revoked",              \
      NGX_HTTP_WEIR_CUT_HELP)                                                 \
    X(cut_failed, "weir_streams_cut_total", "cause", "failed",                \
      NGX_HTTP_WEIR_CUT_HELP)                                                 \
    X(auth_missing, "weir_auth_failures_total", "reason", "missing",          \
      NGX_HTTP_WEIR_FAILURES_HELP)                                            \
    X(auth_several, "weir_auth_failures_total", "reason", "several",          \
      NGX_HTTP_WEIR_FAILURES_HELP)                                            \
    X(auth_malformed, "weir_auth_failures_total", "reason", "malformed",      \
      NGX_HTTP_WEIR_FAILURES_HELP)                                            \
    X(auth_unknown, "weir_auth_failures_total", "reason", "unknown",          \
      NGX_HTTP_WEIR_FAILURES_HELP)                                            \
    X(auth_revoked, "weir_auth_failures_total", "reason", "revoked",          \
      NGX_HTTP_WEIR_FAILURES_HELP)                                            \
    X(auth_expired, "weir_auth_failures_total", "reason", "expired",          \
      NGX_HTTP_WEIR_FAILURES_HELP)                                            \
    X(auth_scope, "weir_auth_failures_total", "reason", "scope",              \
      NGX_HTTP_WEIR_FAILURES_HELP)                                            \
    X(auth_unavailable, "weir_auth_failures_total", "reason", "unavailable",  \
      NGX_HTTP_WEIR_FAILURES_HELP)                                            \
    X(key_hits, "weir_key_lookups_total", "cache", "hit",                     \
      NGX_HTTP_WEIR_LOOKUPS_HELP)                                             \
    X(key_misses, "weir_key_lookups_total", "cache", "miss",                  \
      NGX_HTTP_WEIR_LOOKUPS_HELP)                                             \
    X(key_negative, "weir_key_lookups_total", "cache", "negative",            \
      NGX_HTTP_WEIR_LOOKUPS_HELP)                                             \
    X(key_unproven, "weir_key_lookups_total", "cache", "unproven",            \
      NGX_HTTP_WEIR_LOOKUPS_HELP)                                             \
    X(key_stale, "weir_key_stale_total", NULL, NULL,                          \
      "Keys taken from the cache, since Redis did not answer.")               \
    X(cache_chat_hit, "weir_cache_requests_total",                            \
      "route=\"chat\",result", "hit", NGX_HTTP_WEIR_CACHE_HELP)               \
    X(cache_chat_stale, "weir_cache_requests_total",                          \
      "route=\"chat\",result", "stale", NGX_HTTP_WEIR_CACHE_HELP)             \
    X(cache_chat_miss, "weir_cache_requests_total",                           \
      "route=\"chat\",result", "miss", NGX_HTTP_WEIR_CACHE_HELP)              \
    X(cache_chat_joined, "weir_cache_requests_total",                         \
      "route=\"chat\",result", "joined", NGX_HTTP_WEIR_CACHE_HELP)            \
    X(cache_chat_bypass, "weir_cache_requests_total",                         \
      "route=\"chat\",result", "bypass", NGX_HTTP_WEIR_CACHE_HELP)            \
    X(cache_chat_refresh, "weir_cache_requests_total",                        \
      "route=\"chat\",result", "refresh", NGX_HTTP_WEIR_CACHE_HELP)           \
    X(cache_jobs_hit, "weir_cache_requests_total",                            \
      "route=\"jobs\",result", "hit", NGX_HTTP_WEIR_CACHE_HELP)               \
    X(cache_jobs_stale, "weir_cache_requests_total",                          \
      "route=\"jobs\",result", "stale", NGX_HTTP_WEIR_CACHE_HELP)             \
    X(cache_jobs_miss, "weir_cache_requests_total",                           \
      "route=\"jobs\",result", "miss", NGX_HTTP_WEIR_CACHE_HELP)              \
    X(cache_jobs_joined, "weir_cache_requests_total",                         \
      "route=\"jobs\",result", "joined", NGX_HTTP_WEIR_CACHE_HELP)            \
    X(cache_jobs_bypass, "weir_cache_requests_total",                         \
      "route=\"jobs\",result", "bypass", NGX_HTTP_WEIR_CACHE_HELP)            \
    X(cache_jobs_refresh, "weir_cache_requests_total",                        \
      "route=\"jobs\",result", "refresh", NGX_HTTP_WEIR_CACHE_HELP)           \
    X(cache_messages_hit, "weir_cache_requests_total",                        \
      "route=\"messages\",result", "hit", NGX_HTTP_WEIR_CACHE_HELP)           \
    X(cache_messages_stale, "weir_cache_requests_total",                      \
      "route=\"messages\",result", "stale", NGX_HTTP_WEIR_CACHE_HELP)         \
    X(cache_messages_miss, "weir_cache_requests_total",                       \
      "route=\"messages\",result", "miss", NGX_HTTP_WEIR_CACHE_HELP)          \
    X(cache_messages_joined, "weir_cache_requests_total",                     \
      "route=\"messages\",result", "joined", NGX_HTTP_WEIR_CACHE_HELP)        \
    X(cache_messages_bypass, "weir_cache_requests_total",                     \
      "route=\"messages\",result", "bypass", NGX_HTTP_WEIR_CACHE_HELP)        \
    X(cache_messages_refresh, "weir_cache_requests_total",                    \
      "route=\"messages\",result", "refresh", NGX_HTTP_WEIR_CACHE_HELP)       \
    X(cache_embeddings_hit, "weir_cache_requests_total",                      \
      "route=\"embeddings\",result", "hit", NGX_HTTP_WEIR_CACHE_HELP)         \
    X(cache_embeddings_stale, "weir_cache_requests_total",                    \
      "route=\"embeddings\",result", "stale", NGX_HTTP_WEIR_CACHE_HELP)       \
    X(cache_embeddings_miss, "weir_cache_requests_total",                     \
      "route=\"embeddings\",result", "miss", NGX_HTTP_WEIR_CACHE_HELP)        \
    X(cache_embeddings_joined, "weir_cache_requests_total",                   \
      "route=\"embeddings\",result", "joined", NGX_HTTP_WEIR_CACHE_HELP)      \
    X(cache_embeddings_bypass, "weir_cache_requests_total",                   \
      "route=\"embeddings\",result", "bypass", NGX_HTTP_WEIR_CACHE_HELP)      \
    X(cache_embeddings_refresh, "weir_cache_requests_total",                  \
      "route=\"embeddings\",result", "refresh", NGX_HTTP_WEIR_CACHE_HELP)     \
    X(cache_responses_hit, "weir_cache_requests_total",                       \
      "route=\"responses\",result", "hit", NGX_HTTP_WEIR_CACHE_HELP)          \
    X(cache_responses_stale, "weir_cache_requests_total",                     \
      "route=\"responses\",result", "stale", NGX_HTTP_WEIR_CACHE_HELP)        \
    X(cache_responses_miss, "weir_cache_requests_total",                      \
      "route=\"responses\",result", "miss", NGX_HTTP_WEIR_CACHE_HELP)         \
    X(cache_responses_joined, "weir_cache_requests_total",                    \
      "route=\"responses\",result", "joined", NGX_HTTP_WEIR_CACHE_HELP)       \
    X(cache_responses_bypass, "weir_cache_requests_total",                    \
      "route=\"responses\",result", "bypass", NGX_HTTP_WEIR_CACHE_HELP)       \
    X(cache_responses_refresh, "weir_cache_requests_total",                   \
      "route=\"responses\",result", "refresh", NGX_HTTP_WEIR_CACHE_HELP)      \
    X(cache_l1, "weir_cache_hits_total",                                      \
      "level", "memory", NGX_HTTP_WEIR_HITS_HELP)                             \
    X(cache_l2, "weir_cache_hits_total",                                      \
      "level", "redis", NGX_HTTP_WEIR_HITS_HELP)                              \
    X(kept_found, "weir_cache_redis_lookups_total",                           \
      "result", "found", NGX_HTTP_WEIR_KEPT_HELP)                             \
    X(kept_none, "weir_cache_redis_lookups_total",                            \
      "result", "none", NGX_HTTP_WEIR_KEPT_HELP)                              \
    X(kept_late, "weir_cache_redis_lookups_total",                            \
      "result", "late", NGX_HTTP_WEIR_KEPT_HELP)                              \
    X(kept_failed, "weir_cache_redis_lookups_total",                          \
      "result", "failed", NGX_HTTP_WEIR_KEPT_HELP)                            \
    X(kept_skipped, "weir_cache_redis_lookups_total",                         \
      "result", "skipped", NGX_HTTP_WEIR_KEPT_HELP)                           \
    X(cache_input, "weir_cache_saved_tokens_total",                           \
      "kind", "input", NGX_HTTP_WEIR_SAVED_HELP)                              \
    X(cache_output, "weir_cache_saved_tokens_total",                          \
      "kind", "output", NGX_HTTP_WEIR_SAVED_HELP)                             \
    X(cache_cost, "weir_cache_saved_cost_microdollars_total", NULL, NULL,     \
      "What these answers had cost, in millionths of a dollar.")              \
    X(cache_polls, "weir_cache_purge_polls_total", NULL, NULL,                \
      "Answers to the question what was purged.")

/* member, name, help; gauges, one value a process */

#define NGX_HTTP_WEIR_GAUGES(X)                                               \
    X(parked, "weir_requests_parked",                                         \
      "Requests that are held for a job now.")                                \
    X(streams, "weir_streams_open",                                           \
      "Answers that are sent as they come now.")                              \
    X(redis_ready, "weir_redis_ready",                                        \
      "Connections to Redis that are ready now.")                             \
    X(kept_ready, "weir_cache_redis_ready",                                   \
      "Connections to the Redis of weir_cache_redis that are ready now.")     \
    X(misplaced, "weir_cache_misplaced",                                      \
      "Processes that look for answers where no worker keeps them.")          \
    X(fleet_ready, "weir_limit_fleet_ready",                                  \
      "Connections for limits over the fleet that are ready now.")            \
    X(fleet_waiting, "weir_limit_fleet_waiting",                              \
      "Decisions that wait for Redis now.")                                   \
    X(fleet_slots, "weir_limit_fleet_slots",                                  \
      "Requests at once that hold a place in Redis now.")


/* member, name, result or NULL, help; counters of each zone of limits, in its
 * own memory.  Those of a name follow each other. */

#define NGX_HTTP_WEIR_LIMIT_COUNTERS(X)                                       \
    X(passed, "weir_limit_decisions_total", "passed",                         \
      "Decisions of a limit.")                                                \
    X(delayed, "weir_limit_decisions_total", "delayed",                       \
      "Decisions of a limit.")                                                \
    X(rejected, "weir_limit_decisions_total", "rejected",                     \
      "Decisions of a limit.")                                                \
    X(delayed_dry, "weir_limit_decisions_total", "delayed_dry_run",           \
      "Decisions of a limit.")                                                \
    X(rejected_dry, "weir_limit_decisions_total", "rejected_dry_run",         \
      "Decisions of a limit.")                                                \
    X(local, "weir_limit_undecided_total", "local",                           \
      "Limits that Redis did not decide in time, by what was done then.")     \
    X(denied, "weir_limit_undecided_total", "deny",                           \
      "Limits that Redis did not decide in time, by what was done then.")     \
    X(failopen, "weir_limit_failopen_total", NULL,                            \
      "Limits not applied, since Redis did not decide in time.")              \
    X(evictions, "weir_limit_zone_evictions_total", NULL,                     \
      "Keys forgotten before their time, since the zone was full.")           \
    X(full, "weir_limit_zone_full_total", NULL,                               \
      "Requests refused since the zone had no room left.")                    \
    X(torn, "weir_limit_zone_resets_total", NULL,                             \
      "Times that a zone was emptied, after a process died in it.")

#define NGX_HTTP_WEIR_LIMIT_KEYS  "weir_limit_zone_keys"


typedef struct {
#define NGX_HTTP_WEIR_MEMBER(member, name, label, help)  ngx_atomic_t  member;
    NGX_HTTP_WEIR_LIMIT_COUNTERS(NGX_HTTP_WEIR_MEMBER)
#undef NGX_HTTP_WEIR_MEMBER
} ngx_http_weir_limit_counters_t;


/* member of weir_shelf_stats_t, name, type, result or NULL, help; of each zone
 * of answers.  Those of a name follow each other. */

#define NGX_HTTP_WEIR_ANSWERS_METRICS(X)                                      \
    X(hits, "weir_cache_zone_lookups_total", "counter", "hit",                \
      "Requests whose answer was looked for in a cache zone.")                \
    X(misses, "weir_cache_zone_lookups_total", "counter", "miss",             \
      "Requests whose answer was looked for in a cache zone.")                \
    X(stores, "weir_cache_zone_stores_total", "counter", NULL,                \
      "Answers put into a cache zone.")                                       \
    X(too_large, "weir_cache_zone_too_large_total", "counter", NULL,          \
      "Answers not put there since they are too large.")                      \
    X(evictions, "weir_cache_zone_evictions_total", "counter", NULL,          \
      "Answers dropped before their time, to make room.")                     \
    X(purged, "weir_cache_zone_purged_total", "counter", NULL,                \
      "Answers dropped by a purge.")                                          \
    X(torn, "weir_cache_zone_resets_total", "counter", NULL,                  \
      "Times that a zone was emptied, after a process died in it.")           \
    X(entries, "weir_cache_zone_entries", "gauge", NULL,                      \
      "Answers in a cache zone now.")                                         \
    X(used, "weir_cache_zone_used_bytes", "gauge", NULL,                      \
      "Bytes of a cache zone that are in use.")                               \
    X(size, "weir_cache_zone_bytes", "gauge", NULL,                           \
      "Bytes of a cache zone that can be used.")


/* what is known of purges: cache_purge.c */

typedef struct {
    ngx_atomic_t  source;           /* which Redis, which zones */
    ngx_atomic_t  polled_at;
    int64_t       count;            /* -1: nothing is known */
    int64_t       since;            /* ms: there is nothing older; 0: there may
                                       be */
    char          after[64];        /* the last entry; empty: not set */
} ngx_http_weir_past_t;


#define NGX_HTTP_WEIR_SLOTS  NGX_MAX_PROCESSES


typedef struct {
#define NGX_HTTP_WEIR_MEMBER(member, name, help)  ngx_atomic_t  member;
    NGX_HTTP_WEIR_COUNTERS(NGX_HTTP_WEIR_MEMBER)
#undef NGX_HTTP_WEIR_MEMBER

#define NGX_HTTP_WEIR_MEMBER(member, name, label, value, help)                \
    ngx_atomic_t  member;
    NGX_HTTP_WEIR_LABELLED(NGX_HTTP_WEIR_MEMBER)
#undef NGX_HTTP_WEIR_MEMBER

    ngx_http_weir_histogram_t  first;
    ngx_http_weir_histogram_t  pace;

    ngx_atomic_t     date;          /* us, UTC minus the monotonic clock */

    ngx_http_weir_past_t  purges;   /* the zone's mutex is for them */

    /* written by the process of that slot only; not counted if that process
     * is no more, so that a kill leaves nothing behind */
    struct {
        ngx_atomic_t  pid;
#define NGX_HTTP_WEIR_MEMBER(member, name, help)  ngx_atomic_t  member;
        NGX_HTTP_WEIR_GAUGES(NGX_HTTP_WEIR_MEMBER)
#undef NGX_HTTP_WEIR_MEMBER
    } slots[NGX_HTTP_WEIR_SLOTS];
} ngx_http_weir_counters_t;


/* Called for the zone at start and at reload. */
ngx_int_t ngx_http_weir_metrics_init_zone(ngx_shm_zone_t *zone, void *data);

void ngx_http_weir_metrics_clear_slot(ngx_http_weir_counters_t *counters);


#endif /* NGX_HTTP_WEIR_METRICS_H */
