/*
 * What the files of the edge share: configuration, the state of a worker
 * process, the context of a request, and the verbs of each file.
 */

#ifndef NGX_HTTP_WEIR_MODULE_H
#define NGX_HTTP_WEIR_MODULE_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "weir_apikey.h"
#include "weir_catalogue.h"
#include "weir_jobdoc.h"
#include "weir_prefer.h"
#include "weir_txn.h"
#include "weir_txn_events.h"
#include "weir_trace.h"
#include "weir_url.h"
#include "weir_webhook.h"

#include "ngx_http_weir_answers.h"
#include "ngx_http_weir_cache.h"
#include "ngx_http_weir_cache_conf.h"
#include "ngx_http_weir_fleet.h"
#include "ngx_http_weir_limit.h"
#include "ngx_http_weir_metrics.h"
#include "ngx_http_weir_redis.h"
#include "ngx_http_weir_store.h"


#define NGX_HTTP_WEIR_REQUEST_ID_MAX  128
#define NGX_HTTP_WEIR_BUCKETS         1024          /* a power of two */
#define NGX_HTTP_WEIR_WATCHES         64            /* a power of two */
#define NGX_HTTP_WEIR_HIDDEN          8


typedef struct ngx_http_weir_ctx_s      ngx_http_weir_ctx_t;
typedef struct ngx_http_weir_visit_s    ngx_http_weir_visit_t;
typedef struct ngx_http_weir_gate_s     ngx_http_weir_gate_t;
typedef struct ngx_http_weir_fetch_s    ngx_http_weir_fetch_t;
typedef struct ngx_http_weir_step_s     ngx_http_weir_step_t;
typedef struct ngx_http_weir_route_s    ngx_http_weir_route_t;
typedef struct ngx_http_weir_dialect_s  ngx_http_weir_dialect_t;
typedef struct ngx_http_weir_call_s     ngx_http_weir_call_t;
typedef struct ngx_http_weir_process_s  ngx_http_weir_process_t;
typedef struct ngx_http_weir_admit_s    ngx_http_weir_admit_t;
typedef struct ngx_http_weir_spend_s    ngx_http_weir_spend_t;
typedef struct ngx_http_weir_memo_s     ngx_http_weir_memo_t;
typedef struct ngx_http_weir_memos_s    ngx_http_weir_memos_t;
typedef struct ngx_http_weir_list_s     ngx_http_weir_list_t;
typedef struct ngx_http_weir_kept_s     ngx_http_weir_kept_t;
typedef struct ngx_http_weir_woken_s    ngx_http_weir_woken_t;
typedef struct ngx_http_weir_reader_s   ngx_http_weir_reader_t;


/* configuration */

typedef struct {
    ngx_http_weir_redis_conf_t   redis;
    ngx_http_weir_redis_conf_t   cache_redis;   /* no address: redis */

    ngx_str_t                    key_file;
    ngx_str_t                    pepper_file;
    weir_keyring_t              *keyring;
    ngx_file_info_t              key_info;      /* of the file read last */
    ngx_http_weir_store_t        store;

    ngx_shm_zone_t              *zone;
    ngx_http_weir_counters_t    *counters;      /* in the zone */
    ngx_uint_t                   max_waiting;   /* requests, per process */
    weir_url_policy_t            webhooks;      /* where they may go */
    ngx_http_weir_limit_conf_t   limit;
    ngx_array_t                  answers;       /* zones: pointers */

    ngx_http_weir_process_t     *process;       /* NULL in the master */

    ngx_str_t                    api_file;      /* where weir_api is */
    ngx_uint_t                   api_line;
    ngx_str_t                    auth_file;     /* and the first weir_auth */
    ngx_uint_t                   auth_line;

    unsigned                     used:1;        /* any directive was */
    unsigned                     api:1;         /* weir_api somewhere */
    unsigned                     gate:1;        /* a request may be refused */
    unsigned                     fleet:1;       /* a limit over the fleet */
} ngx_http_weir_main_conf_t;


typedef struct {
    ngx_str_t                    prefix;        /* of a location of the API */
    unsigned                     api:1;
} ngx_http_weir_srv_conf_t;


/* weir_idempotency */

#define NGX_HTTP_WEIR_IDEM_OFF       0
#define NGX_HTTP_WEIR_IDEM_ON        1
#define NGX_HTTP_WEIR_IDEM_REQUIRED  2


typedef struct {
    ngx_str_t                    prefix;        /* what precedes the route */
    ngx_http_handler_pt          handler;       /* of this location */
    ngx_msec_t                   max_wait;
    ngx_msec_t                   heartbeat;     /* of streams */
    ngx_flag_t                   ignore_abort;  /* a run needs no reader */
    time_t                       result_ttl;
    time_t                       records_ttl;
    ngx_uint_t                   idempotency;
    time_t                       idempotency_ttl;
    ngx_uint_t                   total_limit;   /* unfinished; 0: none */
    ngx_uint_t                   owner_limit;
    ngx_uint_t                   output_estimate;       /* tokens */
    ngx_uint_t                   auth;          /* weir_auth */
    ngx_uint_t                   scope;         /* a bit; 0: none */
    ngx_array_t                 *limits;        /* weir_limit: the rules */
    ngx_http_weir_cache_loc_t    cache;
    unsigned                     auth_set:1;    /* here, not above */
    unsigned                     api:1;         /* these: not inherited */
    unsigned                     answers:1;     /* api, or a health route */
} ngx_http_weir_loc_conf_t;


/* a step returns the next one, or NULL: the request is then parked or
 * finalized, and nobody touches it or its context any more */

struct ngx_http_weir_step_s {
    const char                  *name;
    const ngx_http_weir_step_t  *(*run)(ngx_http_weir_ctx_t *ctx);
};


/* a step of the gate: NGX_DECLINED: the next one; NGX_DONE: it has parked the
 * request, and is run again; else what the phase's handler returns */

struct ngx_http_weir_gate_s {
    const char                  *name;
    ngx_int_t                  (*run)(ngx_http_weir_ctx_t *ctx);
};


struct ngx_http_weir_route_s {
    const char                  *path;          /* "{id}" is a segment */
    ngx_uint_t                   methods;
    weir_dialect_e               dialect;       /* of errors */
    const ngx_http_weir_dialect_t  *speech;     /* NULL: none of the table */
    const char                  *name;          /* in Redis, logs, metrics */
    ngx_uint_t                   scope;         /* 0: any */
    const ngx_http_weir_step_t  *(*start)(ngx_http_weir_ctx_t *ctx);
};


/*
 * A command under way.  It belongs to the pipeline; the request that asked may
 * be gone before the answer comes, and then ctx is NULL.
 */

typedef void (*ngx_http_weir_answer_pt)(ngx_http_weir_ctx_t *ctx,
    const weir_answer_t *a);

/* of a submission, what giving it up needs */

typedef struct {
    char                         id[WEIR_ID_LEN + 1];
    char                         run[WEIR_ID_LEN + 1];  /* or empty: its own */
    char                         hit[WEIR_TOKEN_MAX + 1];   /* or empty */
    char                         owner[WEIR_OWNER_MAX + 1];
    unsigned                     shard;
    unsigned                     keyed:1;       /* others may ask for it */
} ngx_http_weir_sent_t;

struct ngx_http_weir_call_s {
    ngx_http_weir_ctx_t         *ctx;
    ngx_http_weir_process_t     *process;
    ngx_http_weir_answer_pt      handler;
    ngx_http_weir_sent_t         sent;
    unsigned                     submission:1;
};


/* what is known of a job: from our own submission, or from a look */

typedef struct {
    char                         id[WEIR_ID_LEN + 1];
    char                         run[WEIR_ID_LEN + 1];  /* or empty: its own */
    unsigned                     shard;
    weir_state_e                 state;
    int64_t                      created;       /* ms */
    int64_t                      asked;         /* ms: its run; 0: like it */
    int64_t                      started;       /* ms; 0: not yet */
    int64_t                      finished;      /* ms; 0: not yet */
    int64_t                      run_at;        /* ms; 0: at once */
    int64_t                      deadline;      /* ms */
    long long                    attempts;
    ngx_str_t                    model;
    ngx_str_t                    part;          /* in its run; or empty */
    ngx_str_t                    metadata;      /* JSON, or empty */
    ngx_str_t                    echo;          /* of a response; or empty */
    ngx_str_t                    kind;          /* of the last error */
    ngx_str_t                    error;
    ngx_str_t                    hook_url;      /* of a submission */
    ngx_str_t                    hook_secret;
    char                         token[33];     /* of the terminal state */
    unsigned                     hook:1;        /* it has a webhook */
} ngx_http_weir_job_t;


/*
 * What is known of a client's request, whatever becomes of it: internal
 * redirects and subrequests have contexts of their own, but the visit is the
 * same.  Lives as long as the main request.
 */

struct ngx_http_weir_visit_s {
    ngx_str_t                    request_id;    /* empty: none made yet */
    ngx_str_t                    trace;         /* a record, likewise */

    ngx_str_t                    key;           /* as sent, once hidden */
    ngx_uint_t                   credentials;   /* how many were sent */

    /* whose key it is; the strings are copies in the request's pool */
    ngx_str_t                    key_id;        /* empty: nobody's (yet) */
    ngx_str_t                    owner;
    ngx_str_t                    tier;
    ngx_uint_t                   scopes;
    ngx_str_t                    models;        /* weir_apikey_allows() */
    ngx_str_t                    limits;        /* weir_limits_find() */
    ngx_str_t                    hook_url;      /* or empty */
    ngx_str_t                    hook_secret;

    const char                  *auth;          /* $weir_auth_status */
    weir_failure_t              *refusal;       /* of the credentials */
    const char                  *challenge;     /* with it */

    ngx_uint_t                   refused;       /* the status, or 0 */
    ngx_table_elt_t             *again;         /* Retry-After of that */
    ngx_table_elt_t             *never;         /* x-should-retry */

    /* of the limits: which zones were charged, as bits, and what they said */
    uint64_t                     charged;
    uint64_t                     tried;         /* refused by a dry run */
    ngx_http_weir_limited_t     *limited;
    ngx_http_weir_limited_t     *suspect;       /* too many failures; or NULL */
    ngx_queue_t                  turn;          /* contexts that wait for it */

    ngx_http_weir_ctx_t         *last;          /* of the main request */

    unsigned                     looked:1;      /* for credentials */
    unsigned                     foreign:1;     /* another scheme's too */
    unsigned                     hidden:1;      /* headers say whose it is */
};


struct ngx_http_weir_ctx_s {
    ngx_http_request_t          *request;
    ngx_http_weir_visit_t       *visit;
    ngx_http_weir_process_t     *process;
    const ngx_http_weir_step_t  *step;          /* where to go on */
    const ngx_http_weir_step_t  *overdue;       /* where, if time is up */
    const ngx_http_weir_gate_t  *gate;          /* where; NULL: not in it */
    ngx_http_weir_fetch_t       *fetch;         /* NULL: Redis not asked */

    const ngx_http_weir_route_t *route;         /* NULL: unknown */
    ngx_str_t                    tail;          /* the "{id}" of the path */
    weir_dialect_e               dialect;       /* of errors */
    const ngx_http_weir_dialect_t  *speech;     /* NULL: none of the table */

    weir_prefer_t                prefer;
    ngx_http_weir_job_t          job;
    weir_buf_t                   payload;       /* until it is submitted */
    weir_need_t                  need;          /* of its request */
    weir_class_e                 class;
    int64_t                      hold;          /* s; -1: the longest */
    ngx_http_weir_admit_t       *admit;         /* NULL: nothing to ask */
    ngx_http_weir_spend_t       *spend;         /* NULL: nothing to limit */
    ngx_http_weir_list_t        *list;
    ngx_http_weir_cache_t       *cache;         /* NULL: off, or no question */
    weir_outcome_t               outcome;
    ngx_http_weir_reader_t      *reader;        /* NULL: not a stream (yet) */
    int64_t                      reads_until;   /* ms; 0: it is none */
    int64_t                      from;          /* the first event to send */

    ngx_event_t                  timer;
    ngx_msec_t                   wait_end;      /* ngx_current_msec */
    ngx_http_weir_call_t        *call;

    ngx_queue_t                  waiter;        /* in a bucket */
    ngx_queue_t                  held;          /* while Redis connects, or by
                                                   the visit: its turn */

    ngx_http_weir_limited_t     *limited;       /* while the gate waits */
    weir_failure_t              *failure;       /* the gate's; or NULL */
    ngx_str_t                    dressed;       /* body in nginx's place */
    const char                  *status;        /* $weir_status */

    unsigned                     waiting:1;     /* waiter is linked */
    unsigned                     holding:1;     /* held is linked */
    unsigned                     recheck:1;     /* the run exists */
    unsigned                     late:1;        /* the gate waited too long */
    unsigned                     sent:1;        /* the answer is ours */
    unsigned                     submitting:1;  /* calls are submissions */
    unsigned                     priced:1;      /* prices were asked for */
    unsigned                     has_job:1;     /* job.id is one */
    unsigned                     poll:1;        /* may be answered early */
    unsigned                     lost:1;        /* Redis lost the run */
    unsigned                     told:1;        /* its end: a look may fail */
    unsigned                     replayed:1;    /* of an earlier request */
    unsigned                     ended:1;       /* it had ended already */
    unsigned                     events:1;      /* "stream" */
    unsigned                     entries:1;     /* of entries as they are */
    unsigned                     brief:1;       /* ends with its readers */
    unsigned                     usage:1;       /* with the usage in it */
    unsigned                     packed:1;      /* "encoding_format" */
    unsigned                     stored:1;      /* can be asked for later */
    unsigned                     background:1;  /* not for its client alone */
    unsigned                     response:1;    /* a job, as a response */
    unsigned                     detached:1;    /* a stream of what goes on
                                                   without it */
};


/* the state of a worker process */

/* where answers are kept: place.c */

typedef struct {
    char                         told[64];      /* the id, by the queue */
    ngx_uint_t                   wrong;         /* times in a row */
    unsigned                     asking:1;
} ngx_http_weir_place_t;


struct ngx_http_weir_process_s {
    ngx_http_weir_main_conf_t   *conf;
    ngx_http_weir_redis_t        cmd;
    ngx_http_weir_redis_t        mail;
    char                         mailbox[WEIR_MAILBOX_LEN + 1];

    ngx_queue_t                  buckets[NGX_HTTP_WEIR_BUCKETS];
    ngx_uint_t                   waiters;
    ngx_http_weir_woken_t       *woken;         /* NULL: nobody just now */
    ngx_queue_t                  held;

    ngx_queue_t                  feeds[NGX_HTTP_WEIR_BUCKETS];
    ngx_queue_t                  wanted;        /* feeds that are to read */
    ngx_uint_t                   reads;         /* of feeds, under way */
    ngx_uint_t                   feed_cursor;
    ngx_uint_t                   streams;
    ngx_queue_t                  watched[NGX_HTTP_WEIR_WATCHES];

    ngx_http_weir_fleet_t       *fleet;       /* NULL: not wanted */
    ngx_http_weir_kept_t        *kept;        /* NULL: answers are in cmd's */
    ngx_http_weir_place_t        place;

    ngx_queue_t                  orphans;       /* submissions to cancel */
    ngx_uint_t                   norphans;

    ngx_event_t                  tick;
    ngx_uint_t                   ticks;
    int64_t                      clock;         /* ms: Redis's time minus
                                                   ngx_current_msec */
    ngx_msec_t                   clock_asked;
    ngx_uint_t                   owing;         /* ticks, when leaving */
    ngx_uint_t                   cursor;        /* bucket to re-check next */
    weir_txn_t                   txn;           /* scratch */

    weir_catalogue_t            *catalogue;     /* the last one seen */
    ngx_http_weir_memos_t       *memos;         /* of good keys */
    weir_sha_t                  *sha;
    ngx_uint_t                   memory;        /* Redis's, in percent */

    ngx_event_t                  news;
    ngx_http_weir_poll_t         poll;          /* under way, if polling */

    ngx_event_t                  purge;
    ngx_atomic_t                 purge_source;
    int64_t                      purge_count;   /* what the poll started with */
    char                         purge_after[64];

    ngx_uint_t                   hidden[NGX_HTTP_WEIR_HIDDEN];
    ngx_uint_t                   nhidden;       /* variables, by index */

    unsigned char                random[1024];  /* the first ones are left */
    size_t                       random_left;
    unsigned                     polling:1;
    unsigned                     news_failed:1; /* it was said */
    unsigned                     purging:1;     /* a poll is under way */
    unsigned                     purge_failed:1;
    unsigned                     leaving:1;
    unsigned                     exiting:1;     /* answers nobody any more */
};


/* module */
extern ngx_module_t  ngx_http_weir_module;

/* route */
void ngx_http_weir_route_find(ngx_http_request_t *r, ngx_http_weir_ctx_t *ctx);
ngx_uint_t ngx_http_weir_route_methods(ngx_http_weir_ctx_t *ctx);
const char *ngx_http_weir_route_missing(ngx_http_weir_ctx_t *ctx);

/* visit: who comes; and the context of each request of theirs */
ngx_http_weir_visit_t *ngx_http_weir_visit(ngx_http_request_t *r);
ngx_http_weir_ctx_t *ngx_http_weir_ctx(ngx_http_request_t *r);
ngx_int_t ngx_http_weir_request_id(ngx_http_request_t *r,
    ngx_http_weir_visit_t *visit);

/* trace: where the visit stands in one */
ngx_int_t ngx_http_weir_trace(ngx_http_request_t *r,
    ngx_http_weir_visit_t *visit);

/* gate */
ngx_int_t ngx_http_weir_gate_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_weir_gate_park(ngx_http_weir_ctx_t *ctx,
    ngx_msec_t timeout);
void ngx_http_weir_gate_post(ngx_http_weir_ctx_t *ctx);
ngx_int_t ngx_http_weir_refuse(ngx_http_weir_ctx_t *ctx,
    const weir_failure_t *f);
ngx_uint_t ngx_http_weir_failure_status(const weir_failure_t *f);
extern const ngx_http_weir_step_t  ngx_http_weir_step_gate;

/* auth */
ngx_int_t ngx_http_weir_auth_gate(ngx_http_weir_ctx_t *ctx);
ngx_int_t ngx_http_weir_auth_scope_gate(ngx_http_weir_ctx_t *ctx);
ngx_uint_t ngx_http_weir_auth_is_bearer(ngx_str_t *value);
void ngx_http_weir_auth_wipe(ngx_http_weir_visit_t *visit);

/* fetch: from the key store; news: what changes there */
ngx_int_t ngx_http_weir_fetch(ngx_http_weir_ctx_t *ctx, weir_str_t id,
    const weir_key_t **key_r, ngx_msec_t *wait_r);
void ngx_http_weir_news_init(ngx_http_weir_process_t *p, ngx_log_t *log);

/* memo */
ngx_int_t ngx_http_weir_memo_init(ngx_http_weir_process_t *p,
    ngx_cycle_t *cycle);
const unsigned char *ngx_http_weir_memo_digest(ngx_http_weir_process_t *p,
    weir_str_t key, weir_str_t *id_r, const weir_hmac_t **pepper_r);
void ngx_http_weir_memo_keep(ngx_http_weir_process_t *p, weir_str_t key,
    const char id[WEIR_KEY_ID_LEN], const weir_hmac_t *pepper,
    const unsigned char digest[WEIR_DIGEST_LEN]);
void ngx_http_weir_memo_forget(ngx_http_weir_process_t *p);

/* hide */
ngx_int_t ngx_http_weir_hide(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_hide_init(ngx_http_weir_process_t *p, ngx_cycle_t *cycle);

/* api */
ngx_int_t ngx_http_weir_api_handler(ngx_http_request_t *r);
void ngx_http_weir_resume(ngx_http_weir_ctx_t *ctx,
    const ngx_http_weir_step_t *step);
const ngx_http_weir_step_t *ngx_http_weir_park(ngx_http_weir_ctx_t *ctx,
    ngx_msec_t timeout, const ngx_http_weir_step_t *overdue);
const ngx_http_weir_step_t *ngx_http_weir_done(ngx_http_weir_ctx_t *ctx,
    ngx_int_t rc);
ngx_int_t ngx_http_weir_copy(ngx_pool_t *pool, ngx_str_t *to,
    weir_str_t from);

/* process: the link to Redis */
ngx_int_t ngx_http_weir_init_process(ngx_cycle_t *cycle);
void ngx_http_weir_exit_process(ngx_cycle_t *cycle);
int64_t ngx_http_weir_now(ngx_http_weir_process_t *p);
ngx_uint_t ngx_http_weir_answer_is(const weir_answer_t *a, const char *error);
ngx_int_t ngx_http_weir_call(ngx_http_weir_ctx_t *ctx, weir_txn_t *t,
    ngx_http_weir_answer_pt handler);
void ngx_http_weir_forget(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_hold(ngx_http_weir_ctx_t *ctx,
    const ngx_http_weir_step_t *step);
void ngx_http_weir_tell(ngx_http_weir_process_t *p,
    const weir_reply_t *mailboxes, const char *run, weir_str_t fin,
    int64_t at);

/* random */
ngx_int_t ngx_http_weir_random(ngx_http_weir_process_t *p, unsigned char *out,
    size_t len);

/* orphan: submissions that were given up */
void ngx_http_weir_sent(ngx_http_weir_ctx_t *ctx, ngx_http_weir_sent_t *sent);
void ngx_http_weir_abandon(ngx_http_weir_process_t *p,
    const ngx_http_weir_sent_t *sent);
ngx_uint_t ngx_http_weir_may_submit(ngx_http_weir_process_t *p);
void ngx_http_weir_orphans_send(ngx_http_weir_process_t *p);
void ngx_http_weir_orphans_free(ngx_http_weir_process_t *p);

/* pressure */
void ngx_http_weir_pressure_ask(ngx_http_weir_process_t *p);
ngx_uint_t ngx_http_weir_pressed(ngx_http_weir_process_t *p);

/* catalogue */
void ngx_http_weir_catalogue_ask(ngx_http_weir_process_t *p);
void ngx_http_weir_catalogue_take(ngx_http_weir_process_t *p,
    const weir_answer_t *a);

/* keys */
ngx_int_t ngx_http_weir_keys_load(ngx_http_weir_main_conf_t *wmcf,
    ngx_log_t *log, char error[WEIR_KEY_ERROR]);
ngx_int_t ngx_http_weir_keys_secret(ngx_pool_t *pool, ngx_str_t *name,
    ngx_str_t *secret);
void ngx_http_weir_keys_check(ngx_http_weir_process_t *p);

/* wait */
ngx_int_t ngx_http_weir_wait_add(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_wait_remove(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_wait_deliver(ngx_http_weir_process_t *p, weir_str_t run,
    weir_str_t fin, int64_t at, weir_str_t last, weir_str_t outcome);
ngx_uint_t ngx_http_weir_waits(ngx_http_weir_process_t *p, const char *run);
void ngx_http_weir_wait_recheck(ngx_http_weir_process_t *p,
    ngx_uint_t buckets);
void ngx_http_weir_wait_release(ngx_http_weir_process_t *p);

/* envelope */
ngx_int_t ngx_http_weir_envelope(ngx_http_weir_ctx_t *ctx, weir_json_t *body,
    weir_failure_t *f);
ngx_int_t ngx_http_weir_envelope_read(ngx_http_weir_ctx_t *ctx,
    weir_json_t *request, weir_failure_t *f);

/* admit */
ngx_int_t ngx_http_weir_admit(ngx_http_weir_ctx_t *ctx, weir_json_t *body,
    weir_failure_t *f);
const ngx_http_weir_step_t *ngx_http_weir_admit_again(
    ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_admit_release(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_admit_rename(ngx_http_weir_ctx_t *ctx);
ngx_uint_t ngx_http_weir_admit_keyed(ngx_http_weir_ctx_t *ctx);
ngx_uint_t ngx_http_weir_admit_submission(ngx_http_weir_ctx_t *ctx,
    weir_submission_t *s);
extern const ngx_http_weir_step_t  ngx_http_weir_step_reserve;
extern const ngx_http_weir_step_t  ngx_http_weir_step_hold;

/* ask: who answers a question that is not stored here */
const ngx_http_weir_step_t *ngx_http_weir_ask_answered(
    ngx_http_weir_ctx_t *ctx);
const ngx_http_weir_step_t *ngx_http_weir_ask_admitted(
    ngx_http_weir_ctx_t *ctx);
ngx_uint_t ngx_http_weir_ask_submission(ngx_http_weir_ctx_t *ctx,
    weir_submission_t *s, weir_submission_t *asker);
void ngx_http_weir_ask_sent(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_ask_release(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_ask_cleanup(ngx_http_weir_ctx_t *ctx);

/* kept: answers in a Redis of their own */
ngx_int_t ngx_http_weir_kept_init(ngx_http_weir_process_t *p);
void ngx_http_weir_kept_exit(ngx_http_weir_process_t *p);
void ngx_http_weir_kept_tick(ngx_http_weir_process_t *p);
ngx_http_weir_redis_t *ngx_http_weir_kept_redis(ngx_http_weir_process_t *p);
void ngx_http_weir_place_tick(ngx_http_weir_process_t *p);

/* stale: what is in reserve */
ngx_uint_t ngx_http_weir_may_spare(ngx_http_weir_ctx_t *ctx);
ngx_int_t ngx_http_weir_spare(ngx_http_weir_ctx_t *ctx,
    const weir_failure_t *f);
extern const ngx_http_weir_step_t  ngx_http_weir_step_stale;

/* follow: to hang on to another's run */
ngx_uint_t ngx_http_weir_follow_told(ngx_http_weir_ctx_t *ctx);
extern const ngx_http_weir_step_t  ngx_http_weir_step_follow;
extern const ngx_http_weir_step_t  ngx_http_weir_step_wait_late;

/* spend */
ngx_uint_t ngx_http_weir_spend_submission(ngx_http_weir_ctx_t *ctx,
    weir_submission_t *s);
void ngx_http_weir_spend_release(ngx_http_weir_ctx_t *ctx);
const ngx_http_weir_step_t *ngx_http_weir_spend_waited(
    ngx_http_weir_ctx_t *ctx, ngx_msec_t since);
extern const ngx_http_weir_step_t  ngx_http_weir_step_spend;

/* cache_purge, cache_admin */
void ngx_http_weir_purge_init(ngx_http_weir_process_t *p, ngx_log_t *log);
void ngx_http_weir_purge_mark(ngx_http_weir_process_t *p, weir_str_t mark);
const ngx_http_weir_step_t *ngx_http_weir_cache_stats(
    ngx_http_weir_ctx_t *ctx);
const ngx_http_weir_step_t *ngx_http_weir_cache_purge(
    ngx_http_weir_ctx_t *ctx);

/* list */
const ngx_http_weir_step_t *ngx_http_weir_list_start(ngx_http_weir_ctx_t *ctx);

/* submit, look, job, cancel, models */
ngx_int_t ngx_http_weir_submit_id(ngx_http_weir_ctx_t *ctx);
const ngx_http_weir_step_t *ngx_http_weir_submit_failed(
    ngx_http_weir_ctx_t *ctx);
const ngx_http_weir_step_t *ngx_http_weir_submit_full(
    ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_submit_record(ngx_http_weir_ctx_t *ctx,
    weir_submission_t *s);
const ngx_http_weir_step_t *ngx_http_weir_submit_job(
    ngx_http_weir_ctx_t *ctx);
const ngx_http_weir_step_t *ngx_http_weir_submit_held(
    ngx_http_weir_ctx_t *ctx);
const ngx_http_weir_step_t *ngx_http_weir_submit_response(
    ngx_http_weir_ctx_t *ctx);
const ngx_http_weir_step_t *ngx_http_weir_job_start(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_look_wait(ngx_http_weir_ctx_t *ctx);
const ngx_http_weir_step_t *ngx_http_weir_look_start(ngx_http_weir_ctx_t *ctx,
    bool (*parse)(weir_str_t s, weir_str_t *id_r, unsigned *shard_r));
const ngx_http_weir_step_t *ngx_http_weir_look_told(ngx_http_weir_ctx_t *ctx);
ngx_int_t ngx_http_weir_job_take(ngx_http_weir_ctx_t *ctx,
    const weir_job_t *job, const weir_run_t *run);
void ngx_http_weir_cancel_write(ngx_http_weir_ctx_t *ctx);
const ngx_http_weir_step_t *ngx_http_weir_models_start(
    ngx_http_weir_ctx_t *ctx);
const ngx_http_weir_step_t *ngx_http_weir_ask(ngx_http_weir_ctx_t *ctx,
    ngx_http_weir_answer_pt handler, ngx_msec_t timeout,
    const ngx_http_weir_step_t *again, const ngx_http_weir_step_t *failed);
extern const ngx_http_weir_step_t  ngx_http_weir_step_submit_refused;
extern const ngx_http_weir_step_t  ngx_http_weir_step_look;
extern const ngx_http_weir_step_t  ngx_http_weir_step_cancel;
extern const ngx_http_weir_step_t  ngx_http_weir_step_wait;
extern const ngx_http_weir_step_t  ngx_http_weir_step_accepted;
extern const ngx_http_weir_step_t  ngx_http_weir_step_outcome;
extern const ngx_http_weir_step_t  ngx_http_weir_step_answer;
extern const ngx_http_weir_step_t  ngx_http_weir_step_released;
extern const ngx_http_weir_step_t  ngx_http_weir_step_unavailable;
extern const ngx_http_weir_step_t  ngx_http_weir_step_not_found;

/* request: the body */
ngx_int_t ngx_http_weir_request_text(ngx_http_weir_ctx_t *ctx,
    weir_str_t *body, weir_failure_t *f);
weir_json_t *ngx_http_weir_request_json(weir_str_t body, weir_failure_t *f);
void ngx_http_weir_request_prefer(ngx_http_weir_ctx_t *ctx);
ngx_uint_t ngx_http_weir_request_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);

/* response */
ngx_int_t ngx_http_weir_send(ngx_http_weir_ctx_t *ctx, ngx_uint_t status,
    const char *type, weir_buf_t *body);
ngx_int_t ngx_http_weir_send_header(ngx_http_weir_ctx_t *ctx,
    ngx_uint_t status, const char *type, off_t length);
ngx_int_t ngx_http_weir_send_text(ngx_http_weir_ctx_t *ctx, ngx_uint_t status,
    const char *type, const ngx_str_t *body);
ngx_int_t ngx_http_weir_send_json(ngx_http_weir_ctx_t *ctx, ngx_uint_t status,
    weir_json_t *doc);
ngx_int_t ngx_http_weir_fail(ngx_http_weir_ctx_t *ctx,
    const weir_failure_t *f);
ngx_int_t ngx_http_weir_send_job(ngx_http_weir_ctx_t *ctx, ngx_uint_t status);
ngx_int_t ngx_http_weir_record_headers(ngx_http_weir_ctx_t *ctx,
    weir_buf_t *body);
void ngx_http_weir_job_write(ngx_http_weir_ctx_t *ctx, weir_buf_t *out);
ngx_int_t ngx_http_weir_send_outcome(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_outcome_write(ngx_http_weir_ctx_t *ctx, weir_buf_t *out);
ngx_int_t ngx_http_weir_answer_headers(ngx_http_weir_ctx_t *ctx);
const char *ngx_http_weir_answer_type(ngx_http_weir_ctx_t *ctx);
ngx_int_t ngx_http_weir_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);
ngx_int_t ngx_http_weir_header_text(ngx_http_request_t *r, const char *name,
    const char *fmt, ...);
ngx_table_elt_t *ngx_http_weir_header_find(ngx_http_request_t *r,
    const char *name);
ngx_table_elt_t *ngx_http_weir_header_set(ngx_http_request_t *r,
    const char *name, const char *fmt, ...);
ngx_str_t *ngx_http_weir_prefix(ngx_http_request_t *r);
void ngx_http_weir_allow(ngx_http_weir_ctx_t *ctx, ngx_uint_t methods);

/* filter */
void ngx_http_weir_filter_init(void);

/* health */
ngx_int_t ngx_http_weir_livez_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_weir_readyz_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_weir_metrics_handler(ngx_http_request_t *r);

/* variables */
ngx_int_t ngx_http_weir_add_variables(ngx_conf_t *cf);

#include "ngx_http_weir_conf.h"
#include "ngx_http_weir_responses.h"
#include "ngx_http_weir_stream.h"


/* the id of a job's run */
#define ngx_http_weir_run_id(job)                                             \
    ((job)->run[0] ? (job)->run : (job)->id)

/* a request that asks a question; and one that has no job for it */
#define ngx_http_weir_asks(ctx)                                               \
    ((ctx)->cache && (ctx)->cache->asked && !(ctx)->cache->bypass)

#define ngx_http_weir_jobless(ctx)                                            \
    (ngx_http_weir_asks(ctx) && !(ctx)->cache->jobful)

#define ngx_http_weir_str(s)                                                  \
    ((weir_str_t) { (const char *) (s).data, (s).len })

#define ngx_http_weir_process(r)                                              \
    (((ngx_http_weir_main_conf_t *)                                           \
      ngx_http_get_module_main_conf(r, ngx_http_weir_module))->process)

/* counters are atomics in shared memory; "what" is a name of the table */
#define ngx_http_weir_count(p, what)                                          \
    (void) ngx_atomic_fetch_add(&(p)->conf->counters->what, 1)


#endif /* NGX_HTTP_WEIR_MODULE_H */
