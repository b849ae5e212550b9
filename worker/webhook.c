/*
 * Webhooks: takes what is due from the outbox and sees it delivered, or put
 * off, or given up.  Every runner does it; a lock in Redis says who sends.
 *
 * A delivery is opened (lock, records), begun (the entry rests for as long as
 * the lock holds), stored (the first time: the body), sent, recorded.  A
 * process that dies in between leaves lock and entry to their times: another
 * sends again, the same bytes under the same id.
 */

#include "webhook.h"

#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"


#define WEBHOOK_LOOK       500          /* ms between looks */
#define WEBHOOK_LOCK       45000        /* ms; a call takes 30 s at most */
#define WEBHOOK_SOON       5            /* ms, when there is more to do */
#define WEBHOOK_MOST_OF    32           /* in flight, of one owner */

/* ms that one more of that owner rests; where a receiver does not answer, it
 * is long, for his are the oldest entries, and would hide all others */
#define WEBHOOK_REST       100
#define WEBHOOK_REST_SLOW  5000
#define WEBHOOK_SLOW       1000         /* ms without an answer */


static void webhook_look(void *data);


/* deliveries */

static delivery_t *
delivery_create(webhook_t *w, const weir_entry_t *e)
{
    delivery_t  *d;

    d = mem_alloc(sizeof(delivery_t));
    d->webhook = w;
    d->entry = *e;
    weir_buf_init(&d->body, 0);

    d->next = w->deliveries;

    if (d->next) {
        d->next->prev = d;
    }

    w->deliveries = d;
    w->count++;

    return d;
}


void
delivery_free(delivery_t *d)
{
    webhook_t  *w;

    w = d->webhook;

    if (d->prev) {
        d->prev->next = d->next;

    } else {
        w->deliveries = d->next;
    }

    if (d->next) {
        d->next->prev = d->prev;
    }

    w->count--;
    webhook_send_cancel(d);

    if (d->secret) {
        explicit_bzero(d->secret, strlen(d->secret));
    }

    weir_buf_free(&d->body);
    free(d->secret);
    free(d->trace);
    free(d->url);
    free(d);
}


static bool
delivery_is_known(const webhook_t *w, const weir_entry_t *e)
{
    const delivery_t  *d;

    for (d = w->deliveries; d; d = d->next) {
        if (strcmp(d->entry.id, e->id) == 0) {
            return true;
        }
    }

    return false;
}


/* Has its owner too many?  Then for how long it rests; else 0. */

static int64_t
delivery_must_rest(const delivery_t *d)
{
    bool               slow;
    unsigned           n;
    uint64_t           now;
    const delivery_t  *other;

    n = 0;
    slow = false;
    now = loop_now(d->webhook->runner->loop);

    for (other = d->webhook->deliveries; other; other = other->next) {
        if (strcmp(other->owner, d->owner) == 0) {
            n++;
            slow |= other->call && now - other->begun >= WEBHOOK_SLOW;
        }
    }

    return n <= WEBHOOK_MOST_OF ? 0 : slow ? WEBHOOK_REST_SLOW : WEBHOOK_REST;
}


/* The last word about a delivery here, whether it arrives or not. */

static void
delivery_drop(delivery_t *d)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = d->webhook->runner;
    t = runner_txn(r);
    weir_txn_hook_drop(t, &d->entry);
    (void) redis_send(r->cmd, t, webhook_timeout(r), NULL, NULL);

    delivery_free(d);
}


static void
delivery_rest(delivery_t *d, int64_t ms)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = d->webhook->runner;
    t = runner_txn(r);
    weir_txn_hook_rest(t, &d->entry, runner_now(r) + ms);
    (void) redis_send(r->cmd, t, webhook_timeout(r), NULL, NULL);

    delivery_free(d);
}


/* a unit that was not sent or not answered: lock and entry have their times */

static void
delivery_ask(delivery_t *d, const weir_txn_t *t, weir_answer_pt fn)
{
    runner_t  *r;

    r = d->webhook->runner;

    if (redis_send(r->cmd, t, webhook_timeout(r), fn, d) != 0) {
        delivery_free(d);
    }
}


static bool
delivery_is_off(const delivery_t *d)
{
    return d->webhook->runner->state == RUNNER_LEAVING;
}


/* store */

static void
webhook_on_store(void *data, const weir_answer_t *answer)
{
    delivery_t  *d;

    d = data;

    if (!weir_txn_hook_stored(answer)) {
        delivery_free(d);

    } else if (delivery_is_off(d)) {
        delivery_rest(d, 0);

    } else {
        webhook_send(d);
    }
}


static void
webhook_store(delivery_t *d, weir_str_t outcome, const weir_job_t *job,
    const weir_run_t *run)
{
    weir_txn_t  *t;

    mem_check(!webhook_body(&d->entry, job, run, outcome, &d->body));

    t = runner_txn(d->webhook->runner);
    weir_txn_hook_store(t, &d->entry, weir_str_of(d->owner),
                        weir_str_of(d->url), weir_str_of(d->secret),
                        weir_str_of(d->trace),
                        (weir_str_t) { d->body.data, d->body.len });
    delivery_ask(d, t, webhook_on_store);
}


/* begin */

static void
webhook_on_begin(void *data, const weir_answer_t *answer)
{
    bool               gone;
    delivery_t        *d;
    weir_job_t         job;
    weir_run_t         run;
    weir_str_t         outcome;
    webhook_result_t   result;

    d = data;

    if (!weir_txn_hook_begin_read(answer, &gone, &outcome, &job, &run)) {
        delivery_free(d);
        return;
    }

    if (delivery_is_off(d)) {
        delivery_rest(d, 0);
        return;
    }

    if (gone) {
        memset(&result, 0, sizeof(webhook_result_t));
        result.verdict = WEBHOOK_GONE;
        snprintf(result.error, sizeof(result.error),
                 "the receiver answered 410 before");
        webhook_done(d, &result);
        return;
    }

    if (d->body.len) {
        webhook_send(d);
        return;
    }

    if (!job.found || !weir_str_eq(run.token, weir_str_of(d->entry.token))) {
        delivery_drop(d);               /* the records have just gone */
        return;
    }

    webhook_store(d, outcome, &job, &run);
}


static void
webhook_begin(delivery_t *d)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = d->webhook->runner;
    t = runner_txn(r);
    weir_txn_hook_begin(t, &d->entry, runner_now(r) + WEBHOOK_LOCK,
                        d->endpoint, d->body.len == 0);
    delivery_ask(d, t, webhook_on_begin);
}


/* open */

static void
webhook_fill(delivery_t *d, const weir_hook_t *h)
{
    bool        begun;
    weir_str_t  owner, url;

    begun = (h->body.len > 0);
    owner = begun ? h->owner : h->job.owner;
    url = begun ? h->url : h->job.hook_url;

    snprintf(d->owner, sizeof(d->owner), "%.*s", (int) owner.len, owner.data);
    d->url = mem_copy(url);
    d->secret = mem_copy(begun ? h->secret : h->job.hook_secret);
    d->trace = mem_copy(begun ? h->trace : h->run.trace);
    d->tries = h->tries;
    weir_entry_run(&d->entry, &h->job);

    if (begun) {
        weir_buf_str(&d->body, h->body);
        mem_check(d->body.failed);
    }

    mem_check(weir_hook_endpoint(owner, url, d->endpoint) != 0);
}


static void
webhook_on_open(void *data, const weir_answer_t *answer)
{
    int64_t       rest;
    webhook_t    *w;
    delivery_t   *d;
    weir_hook_t   h;

    d = data;
    w = d->webhook;

    if (!weir_txn_hook_read(answer, &h) || !h.locked) {
        delivery_free(d);
        return;
    }

    if (!weir_hook_is_due(&h, &d->entry)) {
        delivery_drop(d);
        return;
    }

    webhook_fill(d, &h);
    rest = delivery_must_rest(d);

    if (delivery_is_off(d)) {
        delivery_rest(d, 0);

    } else if (rest) {
        delivery_rest(d, rest);

        if (w->more) {
            webhook_kick(w);            /* there may be some of others */
        }

    } else {
        webhook_begin(d);
    }
}


static void
webhook_open(webhook_t *w, weir_str_t member)
{
    runner_t      *r;
    delivery_t    *d;
    weir_txn_t    *t;
    weir_entry_t   e;

    r = w->runner;
    t = runner_txn(r);

    if (!weir_entry_read(member, RUNNER_SHARD, &e)) {
        LOG(LOG_ERROR, "webhook_invalid", log_str("member", member));
        weir_txn_hooks_remove(t, RUNNER_SHARD, member);
        (void) redis_send(r->cmd, t, webhook_timeout(r), NULL, NULL);
        return;
    }

    if (w->count == WEBHOOK_MOST || delivery_is_known(w, &e)) {
        return;
    }

    d = delivery_create(w, &e);
    weir_txn_hook_open(t, &e, r->consumer, WEBHOOK_LOCK);
    delivery_ask(d, t, webhook_on_open);
}


/* looking */

static void
webhook_set_look(webhook_t *w)
{
    uint64_t  ms;

    if (w->stopped) {
        return;
    }

    ms = w->kicked ? WEBHOOK_SOON
                   : WEBHOOK_LOOK - WEBHOOK_LOOK / 8
                     + mem_chance() % (WEBHOOK_LOOK / 4);
    loop_timer_set(w->runner->loop, &w->look, ms);
}


static void
webhook_on_due(void *data, const weir_answer_t *answer)
{
    size_t               i;
    webhook_t           *w;
    long long            total;
    const weir_reply_t  *due;

    w = data;
    w->looking = false;
    due = weir_txn_hooks_due_read(answer, &total);

    if (due && w->runner->leader && !w->stopped) {
        counters_set(w->runner->counters, hooks_pending, total);
    }

    w->more = (weir_reply_count(due) == WEBHOOK_MOST);

    for (i = 0; i < weir_reply_count(due) && !w->stopped; i++) {
        webhook_open(w, weir_reply_str(weir_reply_at(due, i)));
    }

    webhook_set_look(w);
}


static void
webhook_look(void *data)
{
    runner_t    *r;
    webhook_t   *w;
    weir_txn_t  *t;

    w = data;
    r = w->runner;

    if (w->looking || w->stopped) {
        return;
    }

    w->kicked = false;

    if (r->clock && w->count < WEBHOOK_MOST) {
        t = runner_txn(r);
        weir_txn_hooks_due(t, RUNNER_SHARD, runner_now(r), WEBHOOK_MOST);

        if (redis_send(r->cmd, t, webhook_timeout(r), webhook_on_due, w) == 0) {
            w->looking = true;
            return;
        }
    }

    webhook_set_look(w);
}


void
webhook_kick(webhook_t *w)
{
    if (!w->kicked) {
        w->kicked = true;

        if (!w->looking) {
            webhook_set_look(w);
        }
    }
}


webhook_t *
webhook_create(runner_t *r)
{
    webhook_t  *w;

    w = mem_alloc(sizeof(webhook_t));
    w->runner = r;
    w->http = webhook_http_create(r);
    w->look.fn = webhook_look;
    w->look.data = w;
    webhook_set_look(w);

    return w;
}


void
webhook_stop(webhook_t *w)
{
    w->stopped = true;
    loop_timer_stop(w->runner->loop, &w->look);

    /* after a reload another one tells how many there are */

    if (w->runner->leader) {
        counters_set(w->runner->counters, hooks_pending, 0);
    }
}


bool
webhook_is_idle(const webhook_t *w)
{
    return w->count == 0;
}


void
webhook_leave(webhook_t *w)
{
    delivery_t  *d, *next;

    webhook_stop(w);

    for (d = w->deliveries; d; d = next) {
        next = d->next;

        if (d->call) {
            delivery_rest(d, 0);
        }
    }
}


void
webhook_destroy(webhook_t **wp)
{
    webhook_t  *w;

    w = *wp;
    *wp = NULL;

    webhook_stop(w);

    while (w->deliveries) {
        delivery_free(w->deliveries);
    }

    http_destroy(&w->http);
    free(w);
}
