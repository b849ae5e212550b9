/*
 * A webhook's delivery, from the outbox to the receiver, as the files of
 * webhook*.c share it.
 */

#ifndef WEBHOOK_H
#define WEBHOOK_H


#include "http.h"
#include "runner.h"
#include "weir_txn_hook.h"
#include "weir_webhook.h"


#define WEBHOOK_MOST        64                  /* deliveries in flight */
#define WEBHOOK_OWNER_MAX   80
#define WEBHOOK_ERROR_MAX   128
#define WEBHOOK_RESULT_MAX  (256 * 1024)        /* bytes of a body with one */


typedef struct delivery_s  delivery_t;

struct delivery_s {
    delivery_t     *prev;
    delivery_t     *next;
    webhook_t      *webhook;
    weir_entry_t    entry;

    char            owner[WEBHOOK_OWNER_MAX];
    char            endpoint[WEIR_HOOK_DIGEST_MAX];
    char           *url;                /* canonical, once it was judged */
    char           *secret;
    char           *trace;              /* a record, or empty */
    weir_buf_t      body;
    long long       tries;              /* so far */

    http_target_t  *target;             /* while it is sent */
    http_call_t    *call;
    uint64_t        begun;              /* loop_now() of the call */
};


struct webhook_s {
    runner_t       *runner;
    http_t         *http;
    loop_timer_t    look;
    bool            looking;            /* an answer is to come */
    bool            kicked;             /* look again at once */
    bool            more;               /* than one look could show */
    bool            stopped;
    delivery_t     *deliveries;
    size_t          count;
};


/* what came of a try */

typedef enum {
    WEBHOOK_DELIVERED = 0,
    WEBHOOK_STATUS,                     /* not 2xx */
    WEBHOOK_TRANSPORT,
    WEBHOOK_TIMEOUT,
    WEBHOOK_REFUSED,                    /* by our rules */
    WEBHOOK_GONE                        /* 410, now or before */
} webhook_verdict_e;

typedef struct {
    webhook_verdict_e   verdict;
    bool                tried;          /* a call was made */
    unsigned            status;         /* 0: none came */
    int64_t             retry_after;    /* ms; 0: not said, or not heeded */
    char                error[WEBHOOK_ERROR_MAX];
} webhook_result_t;


/* webhook.c */
void delivery_free(delivery_t *d);

static inline uint64_t
webhook_timeout(const runner_t *r)
{
    return (uint64_t) r->conf->redis.timeout;
}


/* webhook_record.c: the try is over; frees the delivery. */
void webhook_done(delivery_t *d, const webhook_result_t *result);

/* webhook_send.c */
http_t *webhook_http_create(runner_t *r);

/* Ends in webhook_done(), perhaps from within. */
void webhook_send(delivery_t *d);
void webhook_send_cancel(delivery_t *d);

/* webhook_body.c: what is sent about a job's end; false: no memory. */
bool webhook_body(const weir_entry_t *e, const weir_job_t *job,
    const weir_run_t *run, weir_str_t outcome, weir_buf_t *out);


#endif /* WEBHOOK_H */
