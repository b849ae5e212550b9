/*
 * A connection to Redis.  Owns the pipe, and a link as long as there is one.
 *
 * Every command has a deadline.  When the oldest one is overdue the link is
 * closed, because later replies could not be told from it any more.
 */

#include "redis.h"

#include <stdio.h>
#include <stdlib.h>

#include "link.h"
#include "log.h"
#include "mem.h"
#include "weir_backoff.h"
#include "weir_txn.h"


#define REDIS_RETRY_FIRST  100          /* ms */
#define REDIS_RETRY_MAX    2000         /* ms */
#define REDIS_RETRY_LEAST  50           /* ms */


typedef enum {
    REDIS_DOWN = 0,             /* waits for its next try */
    REDIS_CONNECTING,
    REDIS_GREETING,             /* AUTH, SELECT, CLIENT ID */
    REDIS_UP
} redis_state_e;


struct redis_s {
    loop_t              *loop;
    redis_options_t      o;
    weir_pipe_t         *pipe;
    link_t              *link;
    redis_state_e        state;
    unsigned             failures;      /* tries since it was last up */
    bool                 broken;        /* close at the end of the turn */
    char                 reason[160];
    long long            client_id;
    loop_timer_t         retry;
    loop_timer_t         deadline;
    loop_turn_t          turn;
};


/* going down */

static void
redis_down(redis_t *r, const char *reason)
{
    bool      was_up;
    uint64_t  wait;

    was_up = (r->state == REDIS_UP);

    if (was_up || r->failures == 0) {
        LOG(LOG_WARN, "redis_down", log_text("connection", r->o.name),
            log_text("address", r->o.conf->address),
            log_text("reason", reason));
    }

    counters_add(r->o.counters, redis_failures, 1);

    r->state = REDIS_DOWN;
    r->broken = false;
    r->failures++;

    link_leave(&r->link);
    loop_timer_stop(r->loop, &r->deadline);

    wait = weir_backoff(r->failures, REDIS_RETRY_FIRST, REDIS_RETRY_MAX,
                        REDIS_RETRY_LEAST, mem_chance());
    loop_timer_set(r->loop, &r->retry, wait);

    weir_pipe_fail(r->pipe);

    if (was_up) {
        counters_set(r->o.counters, connections,
                     r->o.counters->connections - 1);
        r->o.on_down(r->o.data);
    }
}


/* Notes the fact; the turn's end acts, since a callback of the pipe may be
 * running. */

static void
redis_break(redis_t *r, const char *reason)
{
    if (!r->broken) {
        r->broken = true;
        snprintf(r->reason, sizeof(r->reason), "%s", reason);
    }
}


static void
redis_on_deadline(void *data)
{
    redis_t   *r;
    uint64_t   now, at;

    r = data;

    if (r->state != REDIS_UP) {
        redis_break(r, "no connection in time");
        return;
    }

    now = loop_now(r->loop);
    at = weir_pipe_deadline(r->pipe);

    if (at == UINT64_MAX) {
        return;
    }

    if (at <= now) {
        redis_break(r, "no reply in time");
        return;
    }

    loop_timer_set(r->loop, &r->deadline, at - now);
}


static void
redis_write(redis_t *r)
{
    size_t      n;
    weir_str_t  out;

    do {
        out = weir_pipe_out(r->pipe);
        n = out.len ? link_write(r->link, out.data, out.len) : 0;
        weir_pipe_sent(r->pipe, n);

    } while (n && !r->broken);
}


static void
redis_on_turn(void *data)
{
    redis_t  *r;

    r = data;

    if (r->state >= REDIS_GREETING && !r->broken) {
        redis_write(r);
    }

    if (r->broken) {
        redis_down(r, r->reason);
    }
}


/* greeting */

static void
redis_on_greeting(void *data, const weir_answer_t *answer)
{
    char      text[160];
    redis_t  *r;

    r = data;

    if (answer->code != WEIR_ANSWER_OK) {
        snprintf(text, sizeof(text), "refused: %.*s", (int) answer->error.len,
                 answer->error.data);
        redis_break(r, answer->code == WEIR_ANSWER_LOST ? "closed by Redis"
                                                        : text);
    }
}


static void
redis_on_greeted(void *data, const weir_answer_t *answer)
{
    redis_t  *r;

    r = data;

    /* CLIENT may be forbidden; what it serves can be done without */

    if (r->broken || answer->code == WEIR_ANSWER_LOST) {
        redis_break(r, "closed by Redis");
        return;
    }

    if (answer->code == WEIR_ANSWER_LATER) {
        redis_break(r, "Redis is loading");
        return;
    }

    if (answer->error.len >= 6 && memcmp(answer->error.data, "NOAUTH", 6) == 0)
    {
        redis_break(r, "refused: Redis wants a password");
        return;
    }

    r->client_id = weir_reply_int(answer->reply);
    r->state = REDIS_UP;
    loop_timer_stop(r->loop, &r->deadline);

    if (r->failures) {
        LOG(LOG_WARN, "redis_up", log_text("connection", r->o.name),
            log_num("tries", r->failures));
    }

    r->failures = 0;
    counters_add(r->o.counters, redis_connects, 1);
    counters_set(r->o.counters, connections, r->o.counters->connections + 1);

    r->o.on_up(r->o.data);
}


static void
redis_greet_words(redis_t *r, weir_answer_pt fn, unsigned n,
    const char *const *words)
{
    weir_txn_t  t;

    weir_txn_init(&t);
    weir_txn_words(&t, n, words);

    mem_check(weir_pipe_send(r->pipe, &t,
                             loop_now(r->loop)
                             + (uint64_t) r->o.conf->timeout, fn, r) != 0);
    weir_txn_free(&t);
}


static void
redis_greet(redis_t *r)
{
    char                 database[24];
    const conf_redis_t  *conf;

    conf = r->o.conf;
    r->state = REDIS_GREETING;
    r->client_id = 0;

    if (conf->password && conf->user) {
        redis_greet_words(r, redis_on_greeting, 3, (const char *[])
                          { "AUTH", conf->user, conf->password });

    } else if (conf->password) {
        redis_greet_words(r, redis_on_greeting, 2, (const char *[])
                          { "AUTH", conf->password });
    }

    if (conf->database) {
        snprintf(database, sizeof(database), "%lld",
                 (long long) conf->database);
        redis_greet_words(r, redis_on_greeting, 2, (const char *[])
                          { "SELECT", database });
    }

    redis_greet_words(r, redis_on_greeted, 2, (const char *[])
                      { "CLIENT", "ID" });
}


/* connecting */

static void
redis_on_open(void *data)
{
    redis_greet(data);
}


static void
redis_on_read(void *data, const char *bytes, size_t n)
{
    redis_t  *r;

    r = data;

    if (!r->broken && weir_pipe_feed(r->pipe, bytes, n) != 0) {
        redis_break(r, "a reply that was not expected");
    }
}


static void
redis_on_fail(void *data, const char *reason)
{
    redis_break(data, reason);
}


static void
redis_connect(void *data)
{
    redis_t          *r;
    link_events_t     events;
    value_address_t   address;

    r = data;
    r->state = REDIS_CONNECTING;
    loop_timer_set(r->loop, &r->deadline, (uint64_t) r->o.conf->timeout);

    events.on_open = redis_on_open;
    events.on_read = redis_on_read;
    events.on_fail = redis_on_fail;
    events.data = r;

    (void) value_address(r->o.conf->address, &address);
    r->link = link_open(r->loop, &address, r->failures, &events);
}


redis_t *
redis_create(loop_t *loop, const redis_options_t *options)
{
    redis_t  *r;

    r = mem_alloc(sizeof(redis_t));

    r->loop = loop;
    r->o = *options;
    r->pipe = weir_pipe_create(options->pending, options->bytes);
    mem_check(r->pipe == NULL);

    r->retry.fn = redis_connect;
    r->retry.data = r;
    r->deadline.fn = redis_on_deadline;
    r->deadline.data = r;
    r->turn.fn = redis_on_turn;
    r->turn.data = r;

    loop_turn_add(loop, &r->turn);
    loop_timer_set(loop, &r->retry, 0);

    return r;
}


void
redis_destroy(redis_t **redisp)
{
    redis_t  *r;

    r = *redisp;

    if (r->state == REDIS_UP) {
        counters_set(r->o.counters, connections,
                     r->o.counters->connections - 1);
    }

    r->state = REDIS_DOWN;

    link_leave(&r->link);
    loop_timer_stop(r->loop, &r->retry);
    loop_timer_stop(r->loop, &r->deadline);
    loop_turn_remove(r->loop, &r->turn);

    weir_pipe_fail(r->pipe);            /* calls back */
    weir_pipe_destroy(&r->pipe);

    *redisp = NULL;

    free(r);
}


bool
redis_is_up(const redis_t *r)
{
    return r && r->state == REDIS_UP && !r->broken;
}


int
redis_send(redis_t *r, const weir_txn_t *t, uint64_t timeout,
    weir_answer_pt fn, void *data)
{
    mem_check(t->out.failed);

    if (!redis_is_up(r)) {
        return -1;
    }

    if (weir_pipe_send(r->pipe, t, loop_now(r->loop) + timeout, fn, data) != 0)
    {
        return -1;
    }

    if (r->deadline.node.place == 0) {
        loop_timer_set(r->loop, &r->deadline, timeout);
    }

    return 0;
}


size_t
redis_pending(const redis_t *r)
{
    return weir_pipe_pending(r->pipe);
}


long long
redis_client_id(const redis_t *r)
{
    return r->client_id;
}
