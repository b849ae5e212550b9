/*
 * A connection to Redis.  Owns the pipe and one link at a time: a link is a
 * socket with all that libuv may still call back about, so that it can be left
 * behind; it frees itself when libuv has let go.
 *
 * Every command has a deadline.  When the oldest one is overdue the link is
 * closed, because later replies could not be told from it any more.
 */

#include "redis.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "value.h"
#include "weir_backoff.h"
#include "weir_txn.h"


#define REDIS_READ_SIZE    (64 * 1024)
#define REDIS_CHUNK_SIZE   (256 * 1024)
#define REDIS_RETRY_FIRST  100          /* ms */
#define REDIS_RETRY_MAX    2000         /* ms */
#define REDIS_RETRY_LEAST  50           /* ms */


typedef enum {
    REDIS_DOWN = 0,             /* waits for its next try */
    REDIS_RESOLVING,
    REDIS_CONNECTING,
    REDIS_GREETING,             /* AUTH, SELECT, CLIENT ID */
    REDIS_UP
} redis_state_e;


typedef struct {
    redis_t             *owner;         /* NULL: left behind */
    union {
        uv_handle_t      handle;
        uv_stream_t      stream;
        uv_tcp_t         tcp;
        uv_pipe_t        pipe;
    } u;
    uv_connect_t         connect;
    uv_getaddrinfo_t     resolve;
    uv_write_t           write;
    char                *chunk;         /* what a write in flight holds */
    bool                 writing;
    bool                 resolving;
    bool                 open;          /* the handle is libuv's */
} redis_link_t;


struct redis_s {
    loop_t              *loop;
    redis_options_t      o;
    weir_pipe_t         *pipe;
    redis_link_t        *link;
    redis_state_e        state;
    unsigned             failures;      /* tries since it was last up */
    bool                 broken;        /* close at the end of the turn */
    char                 reason[160];
    long long            client_id;
    loop_timer_t         retry;
    loop_timer_t         deadline;
    loop_turn_t          turn;
    char                *input;
};


static void redis_connect(void *data);


/* links */

static void
redis_link_release(redis_link_t *link)
{
    if (link->open || link->resolving) {
        return;
    }

    free(link->chunk);
    free(link);
}


static void
redis_link_on_close(uv_handle_t *handle)
{
    redis_link_t  *link;

    link = handle->data;
    link->open = false;

    redis_link_release(link);
}


static void
redis_link_leave(redis_t *r)
{
    redis_link_t  *link;

    link = r->link;
    r->link = NULL;

    if (link == NULL) {
        return;
    }

    link->owner = NULL;

    if (link->resolving) {
        uv_cancel((uv_req_t *) &link->resolve);
    }

    if (link->open) {
        uv_close(&link->u.handle, redis_link_on_close);
        return;
    }

    redis_link_release(link);
}


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

    redis_link_leave(r);
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


/* writing: one write a turn; what the kernel does not take is copied, since
 * the pipe's buffer moves */

static void
redis_on_write(uv_write_t *req, int status)
{
    redis_link_t  *link;

    link = req->data;
    link->writing = false;

    if (link->owner && status != 0) {
        redis_break(link->owner, uv_strerror(status));
    }
}


static void
redis_write_rest(redis_t *r, weir_str_t out)
{
    int            rc;
    size_t         len;
    uv_buf_t       buf;
    redis_link_t  *link;

    link = r->link;
    len = out.len < REDIS_CHUNK_SIZE ? out.len : REDIS_CHUNK_SIZE;

    if (link->chunk == NULL) {
        link->chunk = mem_alloc(REDIS_CHUNK_SIZE);
    }

    memcpy(link->chunk, out.data, len);
    buf = uv_buf_init(link->chunk, (unsigned) len);

    link->write.data = link;
    rc = uv_write(&link->write, &link->u.stream, &buf, 1, redis_on_write);

    if (rc != 0) {
        redis_break(r, uv_strerror(rc));
        return;
    }

    link->writing = true;
    weir_pipe_sent(r->pipe, len);
}


static void
redis_write(redis_t *r)
{
    int         n;
    uv_buf_t    buf;
    weir_str_t  out;

    while (!r->broken && !r->link->writing) {
        out = weir_pipe_out(r->pipe);

        if (out.len == 0) {
            return;
        }

        buf = uv_buf_init((char *) out.data,
                          (unsigned) (out.len < INT32_MAX ? out.len
                                                          : INT32_MAX));
        n = uv_try_write(&r->link->u.stream, &buf, 1);

        if (n > 0) {
            weir_pipe_sent(r->pipe, (size_t) n);

        } else if (n == UV_EAGAIN || n == 0) {
            redis_write_rest(r, out);

        } else {
            redis_break(r, uv_strerror(n));
        }
    }
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


/* reading */

static void
redis_on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    redis_link_t  *link;

    (void) size;

    link = handle->data;

    *buf = link->owner ? uv_buf_init(link->owner->input, REDIS_READ_SIZE)
                       : uv_buf_init(NULL, 0);
}


static void
redis_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    redis_t       *r;
    redis_link_t  *link;

    link = stream->data;
    r = link->owner;

    if (r == NULL || r->broken || n == 0) {
        return;
    }

    if (n < 0) {
        redis_break(r, n == UV_EOF ? "closed by Redis" : uv_strerror((int) n));
        return;
    }

    if (weir_pipe_feed(r->pipe, buf->base, (size_t) n) != 0) {
        redis_break(r, "a reply that was not expected");
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
redis_on_connect(uv_connect_t *req, int status)
{
    int            rc;
    redis_t       *r;
    redis_link_t  *link;

    link = req->data;
    r = link->owner;

    if (r == NULL) {
        return;
    }

    rc = status;

    if (rc == 0) {
        rc = uv_read_start(&link->u.stream, redis_on_alloc, redis_on_read);
    }

    if (rc != 0) {
        redis_break(r, uv_strerror(rc));
        return;
    }

    redis_greet(r);
}


static void
redis_connect_tcp(redis_t *r, const struct sockaddr *address)
{
    int            rc;
    redis_link_t  *link;

    link = r->link;
    r->state = REDIS_CONNECTING;

    uv_tcp_init(loop_uv(r->loop), &link->u.tcp);
    link->u.handle.data = link;
    link->open = true;

    uv_tcp_nodelay(&link->u.tcp, 1);
    uv_tcp_keepalive(&link->u.tcp, 1, 60);

    link->connect.data = link;
    rc = uv_tcp_connect(&link->connect, &link->u.tcp, address,
                        redis_on_connect);

    if (rc != 0) {
        redis_break(r, uv_strerror(rc));
    }
}


static void
redis_connect_unix(redis_t *r, weir_str_t path)
{
    redis_link_t  *link;

    link = r->link;
    r->state = REDIS_CONNECTING;

    uv_pipe_init(loop_uv(r->loop), &link->u.pipe, 0);
    link->u.handle.data = link;
    link->open = true;

    link->connect.data = link;
    uv_pipe_connect(&link->connect, &link->u.pipe, path.data, redis_on_connect);
}


static void
redis_on_resolve(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    unsigned          n, i;
    redis_t          *r;
    redis_link_t     *link;
    struct addrinfo  *ai;

    link = req->data;
    link->resolving = false;
    r = link->owner;

    if (r == NULL) {
        redis_link_release(link);

    } else if (status != 0) {
        redis_break(r, uv_strerror(status));

    } else {
        for (n = 0, ai = list; ai; ai = ai->ai_next) {
            n++;
        }

        /* another one of them at each try */

        for (i = r->failures % n, ai = list; i; i--) {
            ai = ai->ai_next;
        }

        redis_connect_tcp(r, ai->ai_addr);
    }

    uv_freeaddrinfo(list);
}


static void
redis_resolve(redis_t *r, const value_address_t *a)
{
    int              rc;
    char             host[256], port[8];
    struct addrinfo  hints;

    snprintf(host, sizeof(host), "%.*s", (int) a->host.len, a->host.data);
    snprintf(port, sizeof(port), "%u", a->port);

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;

    r->state = REDIS_RESOLVING;
    r->link->resolve.data = r->link;

    rc = uv_getaddrinfo(loop_uv(r->loop), &r->link->resolve, redis_on_resolve,
                        host, port, &hints);
    if (rc != 0) {
        redis_break(r, uv_strerror(rc));
        return;
    }

    r->link->resolving = true;
}


static void
redis_connect(void *data)
{
    char                  host[256];
    redis_t              *r;
    value_address_t       a;
    struct sockaddr_in    in;
    struct sockaddr_in6   in6;

    r = data;

    r->link = mem_alloc(sizeof(redis_link_t));
    r->link->owner = r;

    loop_timer_set(r->loop, &r->deadline, (uint64_t) r->o.conf->timeout);
    (void) value_address(r->o.conf->address, &a);

    if (a.path.len) {
        redis_connect_unix(r, a.path);
        return;
    }

    snprintf(host, sizeof(host), "%.*s", (int) a.host.len, a.host.data);

    if (uv_ip4_addr(host, (int) a.port, &in) == 0) {
        redis_connect_tcp(r, (struct sockaddr *) &in);

    } else if (uv_ip6_addr(host, (int) a.port, &in6) == 0) {
        redis_connect_tcp(r, (struct sockaddr *) &in6);

    } else {
        redis_resolve(r, &a);
    }
}


redis_t *
redis_create(loop_t *loop, const redis_options_t *options)
{
    redis_t  *r;

    r = mem_alloc(sizeof(redis_t));

    r->loop = loop;
    r->o = *options;
    r->input = mem_alloc(REDIS_READ_SIZE);
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

    redis_link_leave(r);
    loop_timer_stop(r->loop, &r->retry);
    loop_timer_stop(r->loop, &r->deadline);
    loop_turn_remove(r->loop, &r->turn);

    weir_pipe_fail(r->pipe);            /* calls back */
    weir_pipe_destroy(&r->pipe);

    *redisp = NULL;

    free(r->input);
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
