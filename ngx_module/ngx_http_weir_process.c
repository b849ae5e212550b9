/*
 * A worker process and its link to Redis: two connections, the calls that
 * requests make over them, and the tick that watches over all.  Owns struct
 * ngx_http_weir_process_s; never answers a client.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_TICK         500          /* ms */
#define NGX_HTTP_WEIR_TICKS_CHECK  4            /* re-check of the parked */
#define NGX_HTTP_WEIR_TICKS_PING   10
#define NGX_HTTP_WEIR_TICKS_KEYS   2
#define NGX_HTTP_WEIR_TICKS_MODELS 20
#define NGX_HTTP_WEIR_TICKS_OWING  60


static void ngx_http_weir_greet_mail(ngx_http_weir_redis_t *redis,
    weir_txn_t *t);
static void ngx_http_weir_greet_cmd(ngx_http_weir_redis_t *redis,
    weir_txn_t *t);
static void ngx_http_weir_cmd_ready(ngx_http_weir_redis_t *redis,
    const weir_answer_t *a);
static void ngx_http_weir_mail_ready(ngx_http_weir_redis_t *redis,
    const weir_answer_t *a);
static void ngx_http_weir_link_down(ngx_http_weir_redis_t *redis);
static void ngx_http_weir_leave(ngx_http_weir_redis_t *redis);
static void ngx_http_weir_message(void *data, weir_str_t channel,
    weir_str_t body);
static void ngx_http_weir_tick(ngx_event_t *ev);
static void ngx_http_weir_clock_ask(ngx_http_weir_process_t *p);
static void ngx_http_weir_release_held(ngx_http_weir_process_t *p);


/* A gate of keys from a file and limits of the node needs no Redis. */

static ngx_int_t
ngx_http_weir_link(ngx_http_weir_process_t *p, ngx_log_t *log)
{
    p->cmd.conf = &p->conf->redis;
    p->cmd.role = "commands";
    p->cmd.data = p;
    p->cmd.greet = ngx_http_weir_greet_cmd;
    p->cmd.on_ready = ngx_http_weir_cmd_ready;
    p->cmd.on_down = ngx_http_weir_link_down;
    p->cmd.on_leave = ngx_http_weir_leave;

    p->mail.conf = &p->conf->redis;
    p->mail.role = "mailbox";
    p->mail.data = p;
    p->mail.greet = ngx_http_weir_greet_mail;
    p->mail.on_ready = ngx_http_weir_mail_ready;
    p->mail.on_down = ngx_http_weir_link_down;
    p->mail.on_leave = ngx_http_weir_leave;

    if ((p->conf->api || p->conf->fleet || p->conf->store.zone)
        && (ngx_http_weir_redis_init(&p->cmd, log) != NGX_OK
            || ngx_http_weir_fleet_init(p) != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (!p->conf->api) {
        return NGX_OK;
    }

    if (ngx_http_weir_redis_init(&p->mail, log) != NGX_OK
        || ngx_http_weir_kept_init(p) != NGX_OK)
    {
        return NGX_ERROR;
    }

    weir_pipe_on_message(p->mail.pipe, ngx_http_weir_message, p);

    return NGX_OK;
}


ngx_int_t
ngx_http_weir_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                  i;
    unsigned char               random[WEIR_MAILBOX_RANDOM];
    ngx_http_weir_process_t    *p;
    ngx_http_weir_main_conf_t  *wmcf;

    wmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_weir_module);

    if (wmcf == NULL || !(wmcf->api || wmcf->gate)
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    ngx_http_weir_metrics_clear_slot(wmcf->counters);
    wmcf->counters->slots[ngx_process_slot].pid = ngx_pid;

    p = ngx_pcalloc(cycle->pool, sizeof(ngx_http_weir_process_t));
    if (p == NULL || weir_digest_random(random, sizeof(random)) != 0) {
        return NGX_ERROR;
    }

    weir_mailbox_make(p->mailbox, random);
    weir_txn_init(&p->txn);

    for (i = 0; i < NGX_HTTP_WEIR_BUCKETS; i++) {
        ngx_queue_init(&p->buckets[i]);
    }

    ngx_queue_init(&p->held);
    ngx_queue_init(&p->orphans);
    ngx_http_weir_feed_init(p);
    ngx_http_weir_watch_init(p);

    p->conf = wmcf;
    p->clock = (int64_t) ngx_time() * 1000 - (int64_t) ngx_current_msec;
    wmcf->process = p;

    p->sha = weir_sha_create();

    if (p->sha == NULL || ngx_http_weir_memo_init(p, cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_weir_hide_init(p, cycle);

    if (ngx_http_weir_link(p, cycle->log) != NGX_OK) {
        return NGX_ERROR;
    }

    if (wmcf->store.zone) {
        ngx_http_weir_store_init(&wmcf->store, wmcf->counters);
        ngx_http_weir_news_init(p, &p->cmd.log);
    }

    ngx_http_weir_purge_init(p, &p->cmd.log);
    ngx_http_weir_limit_init(&wmcf->limit);

    p->tick.handler = ngx_http_weir_tick;
    p->tick.data = p;
    p->tick.log = cycle->log;
    p->tick.cancelable = 1;

    ngx_add_timer(&p->tick, NGX_HTTP_WEIR_TICK);

    return NGX_OK;
}


void
ngx_http_weir_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_weir_process_t    *p;
    ngx_http_weir_main_conf_t  *wmcf;

    wmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_weir_module);

    if (wmcf == NULL || wmcf->process == NULL) {
        return;
    }

    p = wmcf->process;

    /* nobody is answered any more: that a submission failed would be a guess,
     * while a closed connection says what is known */

    p->exiting = 1;
    p->cmd.on_down = NULL;
    p->mail.on_down = NULL;

    ngx_http_weir_fleet_exit(p);
    ngx_http_weir_kept_exit(p);
    ngx_http_weir_redis_destroy(&p->cmd);
    ngx_http_weir_redis_destroy(&p->mail);

    ngx_http_weir_orphans_free(p);
    weir_txn_free(&p->txn);

    weir_catalogue_free(&p->catalogue);
    weir_sha_destroy(&p->sha);

    ngx_http_weir_metrics_clear_slot(wmcf->counters);
    wmcf->process = NULL;
}


/* ms on Redis's clock, as far as we know it; our own may be set meanwhile */

int64_t
ngx_http_weir_now(ngx_http_weir_process_t *p)
{
    return (int64_t) ngx_current_msec + p->clock;
}


static void
ngx_http_weir_clock_set(ngx_http_weir_process_t *p, const weir_answer_t *a)
{
    int64_t  theirs;

    if (a->code != WEIR_ANSWER_OK || weir_reply_count(a->reply) != 2) {
        return;
    }

    theirs = weir_reply_int(weir_reply_at(a->reply, 0)) * 1000
             + weir_reply_int(weir_reply_at(a->reply, 1)) / 1000;

    p->clock = theirs - (int64_t) ngx_current_msec;

    ngx_http_weir_limit_set_date(p->conf->counters,
        weir_reply_int(weir_reply_at(a->reply, 0)) * 1000000
        + weir_reply_int(weir_reply_at(a->reply, 1)));
}


static void
ngx_http_weir_greet_cmd(ngx_http_weir_redis_t *redis, weir_txn_t *t)
{
    /* PING is refused while Redis loads, TIME is not */

    weir_txn_add(t, 1, (weir_str_t[]) { weir_str("PING") });
    weir_txn_add(t, 1, (weir_str_t[]) { weir_str("TIME") });
}


static void
ngx_http_weir_greet_mail(ngx_http_weir_redis_t *redis, weir_txn_t *t)
{
    char                      channel[WEIR_NAME_MAX];
    ngx_http_weir_process_t  *p = redis->data;

    weir_txn_add(t, 2, (weir_str_t[]) {
        weir_str("SUBSCRIBE"),
        weir_name(channel, WEIR_CHANNEL_MAIL, p->mailbox) });
    weir_txn_add(t, 1, (weir_str_t[]) { weir_str("PING") });
}


static void
ngx_http_weir_link_gauge(ngx_http_weir_process_t *p)
{
    ngx_uint_t  n;

    n = (p->cmd.state == NGX_HTTP_WEIR_REDIS_READY)
        + (p->mail.state == NGX_HTTP_WEIR_REDIS_READY);

    p->conf->counters->slots[ngx_process_slot].redis_ready = n;
}


static void
ngx_http_weir_cmd_ready(ngx_http_weir_redis_t *redis, const weir_answer_t *a)
{
    ngx_http_weir_process_t  *p = redis->data;

    ngx_http_weir_count(p, redis_connects);
    ngx_http_weir_link_gauge(p);

    ngx_http_weir_clock_set(p, a);
    ngx_http_weir_pressure_ask(p);
    ngx_http_weir_catalogue_ask(p);
    ngx_http_weir_orphans_send(p);
    ngx_http_weir_wait_recheck(p, NGX_HTTP_WEIR_BUCKETS);
    ngx_http_weir_feed_again(p);
    ngx_http_weir_release_held(p);
}


static void
ngx_http_weir_mail_ready(ngx_http_weir_redis_t *redis, const weir_answer_t *a)
{
    ngx_http_weir_process_t  *p = redis->data;

    ngx_http_weir_count(p, redis_connects);
    ngx_http_weir_link_gauge(p);

    /* what was told while nobody listened */

    ngx_http_weir_wait_recheck(p, NGX_HTTP_WEIR_BUCKETS);
    ngx_http_weir_feed_again(p);
}


static void
ngx_http_weir_link_down(ngx_http_weir_redis_t *redis)
{
    ngx_http_weir_process_t  *p = redis->data;

    ngx_http_weir_count(p, redis_failures);
    ngx_http_weir_link_gauge(p);

    if (redis == &p->cmd && redis->failures) {
        ngx_http_weir_release_held(p);
    }
}


/* nginx wants this process to go: long polls are answered at once */

static void
ngx_http_weir_leave(ngx_http_weir_redis_t *redis)
{
    ngx_http_weir_process_t  *p = redis->data;

    if (p->leaving) {
        return;
    }

    p->leaving = 1;

    ngx_http_weir_wait_release(p);
}


static void
ngx_http_weir_message(void *data, weir_str_t channel, weir_str_t body)
{
    int64_t                   at;
    weir_str_t                run, fin, last, outcome;
    weir_event_t              e;
    ngx_http_weir_process_t  *p = data;

    if (weir_mail_event_parse(body, &run, &e)) {
        ngx_http_weir_count(p, entries);
        ngx_http_weir_feed_deliver(p, run, &e);
        return;
    }

    if (!weir_mail_parse(body, &run, &fin, &at, &last, &outcome)) {
        ngx_log_error(NGX_LOG_ERR, &p->mail.log, 0,
                      "weir: a message in the mailbox that is none");
        return;
    }

    ngx_http_weir_count(p, mail);
    ngx_http_weir_wait_deliver(p, run, fin, at, last, outcome);
}


/* the tick */

static void
ngx_http_weir_pong(void *data, const weir_answer_t *a)
{
    /* that it came in time is all that matters: ngx_http_weir_redis_check() */
}


static void
ngx_http_weir_tick(ngx_event_t *ev)
{
    weir_txn_t               *t;
    ngx_http_weir_process_t  *p = ev->data;

    p->ticks++;

    if (ngx_http_weir_redis_check(&p->cmd)) {
        ngx_http_weir_count(p, redis_timeouts);
    }

    if (ngx_http_weir_redis_check(&p->mail)) {
        ngx_http_weir_count(p, redis_timeouts);
    }

    ngx_http_weir_watch_tick(p);
    ngx_http_weir_fleet_tick(p);
    ngx_http_weir_kept_tick(p);

    if (p->ticks % NGX_HTTP_WEIR_TICKS_KEYS == 0) {
        ngx_http_weir_limit_tick(&p->conf->limit);
        ngx_http_weir_pressure_ask(p);

        if (p->conf->keyring) {
            ngx_http_weir_keys_check(p);
        }
    }

    if (p->ticks % NGX_HTTP_WEIR_TICKS_MODELS == 0) {
        ngx_http_weir_catalogue_ask(p);
    }

    if (p->ticks % NGX_HTTP_WEIR_TICKS_PING == 0) {
        ngx_http_weir_clock_ask(p);
        ngx_http_weir_place_tick(p);

        t = &p->txn;
        weir_txn_reset(t);
        weir_txn_add(t, 1, (weir_str_t[]) { weir_str("PING") });
        (void) ngx_http_weir_redis_send(&p->mail, t, ngx_http_weir_pong, NULL);
    }

    ngx_http_weir_wait_recheck(p, NGX_HTTP_WEIR_BUCKETS
                                  / NGX_HTTP_WEIR_TICKS_CHECK);
    ngx_http_weir_feed_tick(p, NGX_HTTP_WEIR_BUCKETS
                               / NGX_HTTP_WEIR_TICKS_CHECK);

    if (p->ticks % NGX_HTTP_WEIR_TICKS_CHECK == 0) {
        ngx_http_weir_orphans_send(p);
    }

    if (ngx_exiting) {

        /* without a ready connection nobody else has told */

        ngx_http_weir_leave(&p->cmd);

        /* cancellations that are owed keep the process for a while */

        ev->cancelable = (p->norphans == 0
                          || ++p->owing > NGX_HTTP_WEIR_TICKS_OWING);
    }

    ngx_add_timer(&p->tick, NGX_HTTP_WEIR_TICK);
}


/* an answer that was long on its way tells an old time */

static void
ngx_http_weir_clock_answer(void *data, const weir_answer_t *a)
{
    ngx_http_weir_process_t  *p = data;

    if (ngx_current_msec - p->clock_asked <= p->conf->redis.timeout / 4) {
        ngx_http_weir_clock_set(p, a);
    }
}


static void
ngx_http_weir_clock_ask(ngx_http_weir_process_t *p)
{
    weir_txn_t  *t;

    t = &p->txn;
    weir_txn_reset(t);
    weir_txn_add(t, 1, (weir_str_t[]) { weir_str("TIME") });

    p->clock_asked = ngx_current_msec;

    (void) ngx_http_weir_redis_send(&p->cmd, t, ngx_http_weir_clock_answer, p);
}


/* requests that wait for the connection: they try again, whatever it is */

static void
ngx_http_weir_release_held(ngx_http_weir_process_t *p)
{
    ngx_queue_t           all, *q;
    ngx_http_weir_ctx_t  *ctx;

    if (ngx_queue_empty(&p->held)) {
        return;
    }

    ngx_queue_init(&all);
    ngx_queue_add(&all, &p->held);
    ngx_queue_init(&p->held);

    while (!ngx_queue_empty(&all)) {
        q = ngx_queue_head(&all);
        ngx_queue_remove(q);

        ctx = ngx_queue_data(q, ngx_http_weir_ctx_t, held);
        ctx->holding = 0;

        ngx_http_weir_resume(ctx, ctx->step);
    }
}


/* The request waits for the connection: the caller parks it. */

void
ngx_http_weir_hold(ngx_http_weir_ctx_t *ctx, const ngx_http_weir_step_t *step)
{
    ctx->step = step;
    ctx->holding = 1;
    ngx_queue_insert_tail(&ctx->process->held, &ctx->held);
}


/* calls */

ngx_uint_t
ngx_http_weir_answer_is(const weir_answer_t *a, const char *error)
{
    size_t  n;

    n = ngx_strlen(error);

    return a->error.len >= n && ngx_memcmp(a->error.data, error, n) == 0;
}


static void
ngx_http_weir_call_answer(void *data, const weir_answer_t *a)
{
    ngx_http_weir_ctx_t      *ctx;
    ngx_http_weir_call_t     *call = data;
    ngx_http_weir_process_t  *p;
    ngx_http_weir_answer_pt   handler;

    p = call->process;
    ctx = call->ctx;
    handler = call->handler;

    if (p->exiting) {
        ngx_free(call);
        return;
    }

    if (ngx_http_weir_answer_is(a, "READONLY")
        || ngx_http_weir_answer_is(a, "MASTERDOWN"))
    {
        ngx_http_weir_redis_drop(&p->cmd);      /* it is a replica now */
    }

    if (call->submission && a->code == WEIR_ANSWER_LOST) {
        ngx_http_weir_abandon(p, &call->sent);
    }

    ngx_free(call);

    if (ctx == NULL) {
        return;
    }

    ctx->call = NULL;
    handler(ctx, a);
}


/* The request must be parked by the caller with a time limit; the handler ends
 * in ngx_http_weir_resume().  NGX_BUSY: Redis is not to be had now. */

ngx_int_t
ngx_http_weir_call(ngx_http_weir_ctx_t *ctx, weir_txn_t *t,
    ngx_http_weir_answer_pt handler)
{
    ngx_http_weir_call_t     *call;
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    call = ngx_calloc(sizeof(ngx_http_weir_call_t), &p->cmd.log);
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->ctx = ctx;
    call->process = p;
    call->handler = handler;
    call->submission = ctx->submitting;

    if (call->submission) {
        ngx_http_weir_sent(ctx, &call->sent);
    }

    if (ngx_http_weir_redis_send(&p->cmd, t, ngx_http_weir_call_answer, call)
        != NGX_OK)
    {
        ngx_free(call);
        return NGX_BUSY;
    }

    ctx->call = call;

    if (call->submission) {
        ngx_http_weir_ask_sent(ctx);
    }

    return NGX_OK;
}


/* The answer no longer interests the request. */

void
ngx_http_weir_forget(ngx_http_weir_ctx_t *ctx)
{
    if (ctx->call) {
        ctx->call->ctx = NULL;
        ctx->call = NULL;
    }
}


/* The winner of a cancellation tells those who wait. */

void
ngx_http_weir_tell(ngx_http_weir_process_t *p, const weir_reply_t *mailboxes,
    const char *run, weir_str_t fin, int64_t at)
{
    char        mailbox[WEIR_MAILBOX_LEN + 1], text[65];
    size_t      i;
    weir_str_t  name;

    ngx_snprintf((u_char *) text, sizeof(text), "%*s%Z",
                 ngx_min(fin.len, sizeof(text) - 1), fin.data);

    for (i = 0; i < weir_reply_count(mailboxes); i++) {
        name = weir_reply_str(weir_reply_at(mailboxes, i));

        if (name.len != WEIR_MAILBOX_LEN) {
            continue;
        }

        ngx_memcpy(mailbox, name.data, name.len);
        mailbox[name.len] = '\0';

        weir_txn_reset(&p->txn);
        weir_txn_mail(&p->txn, mailbox, run, text, at, "", weir_str_null);

        (void) ngx_http_weir_redis_send(&p->cmd, &p->txn, ngx_http_weir_pong,
                                        NULL);
    }
}
