/*
 * What came of a try to deliver a webhook: whether there is another and when,
 * what is counted and logged, and what Redis is told.
 */

#include "webhook.h"

#include <stdio.h>

#include "fault.h"
#include "log.h"
#include "mem.h"


static void
webhook_count(runner_t *r, const webhook_result_t *result)
{
    switch (result->verdict) {

    case WEBHOOK_DELIVERED:
        counters_add(r->counters, hook_sent, 1);
        break;

    case WEBHOOK_STATUS:
        counters_add(r->counters, hook_status, 1);
        break;

    case WEBHOOK_TRANSPORT:
        counters_add(r->counters, hook_transport, 1);
        break;

    case WEBHOOK_TIMEOUT:
        counters_add(r->counters, hook_timeout, 1);
        break;

    case WEBHOOK_REFUSED:
        counters_add(r->counters, hook_refused, 1);
        break;

    default: /* WEBHOOK_GONE */
        counters_add(r->counters, hook_gone, 1);
        break;
    }
}


static const char *
webhook_next(const delivery_t *d, const webhook_result_t *result,
    int64_t *wait_r)
{
    int64_t                 wait;
    const conf_schedule_t  *schedule;

    schedule = &d->webhook->runner->conf->webhook.schedule;
    *wait_r = 0;

    if (result->verdict == WEBHOOK_DELIVERED) {
        return WEIR_DELIVERY_DONE;
    }

    if (result->verdict == WEBHOOK_GONE) {
        return WEIR_DELIVERY_DISABLED;
    }

    if (d->tries > (long long) schedule->n) {
        return WEIR_DELIVERY_FAILED;
    }

    wait = schedule->ms[d->tries - 1];
    wait = wait > result->retry_after ? wait : result->retry_after;

    /* not all that failed together come back together */

    *wait_r = wait + (int64_t) (mem_chance() % ((uint64_t) wait / 10 + 1));

    return NULL;
}


static void
webhook_log(const delivery_t *d, const webhook_result_t *result,
    const char *state, int64_t wait)
{
    char       name[WEIR_ID_LEN + sizeof(WEIR_JOB_PREFIX)];
    long long  ms;

    snprintf(name, sizeof(name), WEIR_JOB_PREFIX "%s", d->entry.id);
    ms = result->tried ? (long long) (loop_now(d->webhook->runner->loop)
                                      - d->begun)
                       : 0;

    if (result->verdict == WEBHOOK_DELIVERED) {
        LOG(LOG_INFO, "webhook_delivered", log_text("job", name),
            log_num("status", result->status), log_num("try", d->tries),
            log_num("ms", ms));
        return;
    }

    if (state == NULL) {
        LOG(LOG_WARN, "webhook_put_off", log_text("job", name),
            log_num("status", result->status), log_num("try", d->tries),
            log_text("reason", result->error), log_num("ms", ms),
            log_num("wait_ms", wait));
        return;
    }

    LOG(LOG_WARN, strcmp(state, WEIR_DELIVERY_FAILED) == 0
                  ? "webhook_given_up" : "webhook_disabled",
        log_text("job", name), log_num("status", result->status),
        log_num("try", d->tries), log_text("reason", result->error),
        log_num("ms", ms));
}


static void
webhook_on_record(void *data, const weir_answer_t *answer)
{
    webhook_t  *w;

    w = data;

    /* unknown: it is sent again in time */

    if (answer->code != WEIR_ANSWER_OK && answer->code != WEIR_ANSWER_LOST) {
        LOG(LOG_WARN, "webhook_not_recorded", log_str("reason", answer->error));
    }

    if (w->more) {
        webhook_kick(w);
    }
}


void
webhook_done(delivery_t *d, const webhook_result_t *result)
{
    int64_t           wait;
    runner_t         *r;
    weir_txn_t       *t;
    weir_hook_try_t   what;

    r = d->webhook->runner;
    d->tries++;

    memset(&what, 0, sizeof(weir_hook_try_t));
    what.state = webhook_next(d, result, &wait);
    what.now = runner_now(r);
    what.due = what.now + wait;
    what.tries = d->tries;
    what.status = result->status;
    what.error = result->error;

    if (result->verdict == WEBHOOK_GONE && result->tried) {
        what.endpoint = d->endpoint;
    }

    webhook_count(r, result);
    webhook_log(d, result, what.state, wait);

    if (what.state == NULL) {
        counters_add(r->counters, hook_retried, 1);

    } else if (strcmp(what.state, WEIR_DELIVERY_FAILED) == 0) {
        counters_add(r->counters, hook_given_up, 1);
    }

    t = runner_txn(r);
    weir_txn_hook_record(t, &d->entry, &what);
    (void) redis_send(r->cmd, t, webhook_timeout(r), webhook_on_record,
                      d->webhook);
    FAULT_SENT("webhook_recorded");

    delivery_free(d);
}
