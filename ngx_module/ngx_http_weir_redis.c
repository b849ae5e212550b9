/*
 * A non-blocking connection to Redis.  Owns the socket, its events and the
 * pipeline; knows no key and no transaction.  A callback of the pipeline may
 * send, but nothing is closed from inside one: "broken" is noted and the
 * posted flush event closes.
 */

#include "ngx_http_weir_redis.h"

#include "weir_backoff.h"
#include "weir_txn.h"


#define NGX_HTTP_WEIR_REDIS_PENDING  65536
#define NGX_HTTP_WEIR_REDIS_BYTES    (64 * 1024 * 1024)
#define NGX_HTTP_WEIR_REDIS_READ     65536
#define NGX_HTTP_WEIR_REDIS_FIRST    50         /* ms, backoff */
#define NGX_HTTP_WEIR_REDIS_MAX      2000


static void ngx_http_weir_redis_connect(ngx_http_weir_redis_t *redis);
static void ngx_http_weir_redis_down(ngx_http_weir_redis_t *redis);
static void ngx_http_weir_redis_greet(ngx_http_weir_redis_t *redis);
static void ngx_http_weir_redis_greeted(void *data, const weir_answer_t *a);
static void ngx_http_weir_redis_timer(ngx_event_t *ev);
static void ngx_http_weir_redis_flush(ngx_event_t *ev);
static void ngx_http_weir_redis_read(ngx_event_t *rev);
static void ngx_http_weir_redis_write(ngx_event_t *wev);


static u_char  ngx_http_weir_redis_buf[NGX_HTTP_WEIR_REDIS_READ];


ngx_int_t
ngx_http_weir_redis_init(ngx_http_weir_redis_t *redis, ngx_log_t *log)
{
    redis->pipe = weir_pipe_create(NGX_HTTP_WEIR_REDIS_PENDING,
                                   NGX_HTTP_WEIR_REDIS_BYTES);
    if (redis->pipe == NULL) {
        return NGX_ERROR;
    }

    /* no request and no connection of a client: a log of our own */

    redis->log = *log;
    redis->log.handler = NULL;
    redis->log.data = NULL;
    redis->log.action = NULL;

    redis->timer.handler = ngx_http_weir_redis_timer;
    redis->timer.data = redis;
    redis->timer.log = &redis->log;
    redis->timer.cancelable = 1;

    redis->flush.handler = ngx_http_weir_redis_flush;
    redis->flush.data = redis;
    redis->flush.log = &redis->log;

    ngx_http_weir_redis_connect(redis);

    return NGX_OK;
}


void
ngx_http_weir_redis_destroy(ngx_http_weir_redis_t *redis)
{
    redis->closing = 1;

    if (redis->pipe == NULL) {
        return;
    }

    ngx_http_weir_redis_down(redis);
    weir_pipe_destroy(&redis->pipe);
}


static void
ngx_http_weir_redis_post(ngx_http_weir_redis_t *redis)
{
    if (!redis->flush.posted) {
        ngx_post_event(&redis->flush, &ngx_posted_events);
    }
}


ngx_int_t
ngx_http_weir_redis_send(ngx_http_weir_redis_t *redis, const weir_txn_t *t,
    weir_answer_pt fn, void *data)
{
    if (redis->state != NGX_HTTP_WEIR_REDIS_READY || redis->broken) {
        return NGX_BUSY;
    }

    if (weir_pipe_send(redis->pipe, t, ngx_current_msec + redis->conf->timeout,
                       fn, data)
        != 0)
    {
        return NGX_BUSY;
    }

    ngx_http_weir_redis_post(redis);

    return NGX_OK;
}


void
ngx_http_weir_redis_drop(ngx_http_weir_redis_t *redis)
{
    redis->broken = 1;
    ngx_http_weir_redis_post(redis);
}


ngx_uint_t
ngx_http_weir_redis_check(ngx_http_weir_redis_t *redis)
{
    if (redis->state != NGX_HTTP_WEIR_REDIS_READY
        || weir_pipe_deadline(redis->pipe) > ngx_current_msec
        || ngx_current_msec - redis->progress < redis->conf->timeout)
    {
        return 0;
    }

    /* later replies could no longer be matched */

    ngx_log_error(NGX_LOG_ERR, &redis->log, NGX_ETIMEDOUT,
                  "weir: no answer from redis %V in time (%s)",
                  &redis->conf->name, redis->role);

    ngx_http_weir_redis_down(redis);

    return 1;
}


/* connecting */

static void
ngx_http_weir_redis_connect(ngx_http_weir_redis_t *redis)
{
    ngx_err_t               err;
    ngx_int_t               rc;
    ngx_uint_t              level;
    ngx_addr_t             *addr;
    ngx_connection_t       *c;
    ngx_peer_connection_t  *pc;

    addr = &redis->conf->addrs[redis->next++ % redis->conf->naddrs];
    pc = &redis->peer;

    ngx_memzero(pc, sizeof(ngx_peer_connection_t));

    pc->sockaddr = addr->sockaddr;
    pc->socklen = addr->socklen;
    pc->name = &addr->name;
    pc->get = ngx_event_get_peer;
    pc->log = &redis->log;
    pc->log_error = NGX_ERROR_ERR;

    redis->state = NGX_HTTP_WEIR_REDIS_CONNECTING;
    redis->broken = 0;

    /* nginx would log every try, some of them as critical */

    level = redis->log.log_level;
    redis->log.log_level = NGX_LOG_ALERT;

    rc = ngx_event_connect_peer(pc);

    err = ngx_socket_errno;
    redis->log.log_level = level;

    if (rc == NGX_ERROR || rc == NGX_BUSY || rc == NGX_DECLINED) {

        if (redis->failures == 0) {
            ngx_log_error(NGX_LOG_ERR, &redis->log, err,
                          "weir: cannot connect to redis %V (%s)",
                          &redis->conf->name, redis->role);
        }

        ngx_http_weir_redis_down(redis);
        return;
    }

    /* rc == NGX_OK || rc == NGX_AGAIN */

    c = pc->connection;

    c->data = redis;
    c->log = &redis->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_http_weir_redis_read;
    c->write->handler = ngx_http_weir_redis_write;

    ngx_add_timer(&redis->timer, redis->conf->connect_timeout);

    ngx_http_weir_redis_greet(redis);
}


/* the handshake */

static void
ngx_http_weir_redis_greet(ngx_http_weir_redis_t *redis)
{
    char                         database[NGX_INT_T_LEN + 1];
    weir_txn_t                   t;
    ngx_http_weir_redis_conf_t  *conf;

    conf = redis->conf;
    weir_txn_init(&t);

    if (conf->user.len) {
        weir_txn_add(&t, 3, (weir_str_t[]) {
            weir_str("AUTH"),
            { (char *) conf->user.data, conf->user.len },
            { (char *) conf->password.data, conf->password.len } });

    } else if (conf->password.len) {
        weir_txn_add(&t, 2, (weir_str_t[]) {
            weir_str("AUTH"),
            { (char *) conf->password.data, conf->password.len } });
    }

    if (conf->database) {
        ngx_sprintf((u_char *) database, "%i%Z", conf->database);
        weir_txn_add(&t, 2, (weir_str_t[]) {
            weir_str("SELECT"), weir_str_of(database) });
    }

    redis->greet(redis, &t);

    if (weir_pipe_send(redis->pipe, &t, (uint64_t) -1,
                       ngx_http_weir_redis_greeted, redis)
        != 0)
    {
        redis->broken = 1;
    }

    weir_txn_free(&t);

    ngx_http_weir_redis_post(redis);
}


static void
ngx_http_weir_redis_greeted(void *data, const weir_answer_t *a)
{
    ngx_http_weir_redis_t  *redis = data;

    if (a->code == WEIR_ANSWER_LOST) {
        return;                     /* whoever closed it tries again */
    }

    if (a->code != WEIR_ANSWER_OK) {

        if (redis->failures == 0) {
            ngx_log_error(NGX_LOG_ERR, &redis->log, 0,
                          "weir: redis %V refused the connection (%s): \"%*s\"",
                          &redis->conf->name, redis->role, a->error.len,
                          a->error.data);
        }

        redis->broken = 1;
        ngx_http_weir_redis_post(redis);
        return;
    }

    if (redis->failures) {
        ngx_log_error(NGX_LOG_NOTICE, &redis->log, 0,
                      "weir: connected to redis %V again (%s)",
                      &redis->conf->name, redis->role);
    }

    ngx_del_timer(&redis->timer);

    redis->state = NGX_HTTP_WEIR_REDIS_READY;
    redis->failures = 0;
    redis->progress = ngx_current_msec;
    redis->peer.connection->idle = 1;

    redis->on_ready(redis, a);
}


/* the connection is gone, or given up: tell everybody, plan the next try */

static void
ngx_http_weir_redis_down(ngx_http_weir_redis_t *redis)
{
    ngx_uint_t         was_ready;
    ngx_connection_t  *c;

    was_ready = (redis->state == NGX_HTTP_WEIR_REDIS_READY);
    redis->state = NGX_HTTP_WEIR_REDIS_DOWN;
    redis->broken = 0;

    c = redis->peer.connection;
    redis->peer.connection = NULL;

    if (c) {
        ngx_close_connection(c);
    }

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    if (redis->flush.posted) {
        ngx_delete_posted_event(&redis->flush);
    }

    redis->failures = was_ready ? 0 : redis->failures + 1;

    weir_pipe_fail(redis->pipe);

    if (redis->on_down) {
        redis->on_down(redis);
    }

    if (redis->closing) {
        return;
    }

    ngx_add_timer(&redis->timer,
                  (ngx_msec_t) weir_backoff(redis->failures + 1,
                                            NGX_HTTP_WEIR_REDIS_FIRST,
                                            NGX_HTTP_WEIR_REDIS_MAX, 1,
                                            (uint32_t) ngx_random() << 1));
}


static void
ngx_http_weir_redis_timer(ngx_event_t *ev)
{
    ngx_http_weir_redis_t  *redis = ev->data;

    if (redis->state == NGX_HTTP_WEIR_REDIS_DOWN) {
        ngx_http_weir_redis_connect(redis);
        return;
    }

    /* redis->state == NGX_HTTP_WEIR_REDIS_CONNECTING */

    if (redis->failures == 0) {
        ngx_log_error(NGX_LOG_ERR, &redis->log, NGX_ETIMEDOUT,
                      "weir: no connection to redis %V in time (%s)",
                      &redis->conf->name, redis->role);
    }

    ngx_http_weir_redis_down(redis);
}


/* input and output */

static void
ngx_http_weir_redis_flush(ngx_event_t *ev)
{
    ssize_t                 n;
    weir_str_t              out;
    ngx_connection_t       *c;
    ngx_http_weir_redis_t  *redis = ev->data;

    c = redis->peer.connection;

    if (c == NULL) {
        return;
    }

    if (redis->broken) {
        ngx_http_weir_redis_down(redis);
        return;
    }

    while (c->write->ready) {
        out = weir_pipe_out(redis->pipe);

        if (out.len == 0) {
            return;
        }

        n = c->send(c, (u_char *) out.data, out.len);

        if (n == NGX_ERROR || n == 0) {
            ngx_http_weir_redis_down(redis);
            return;
        }

        if (n > 0) {
            weir_pipe_sent(redis->pipe, (size_t) n);
            redis->progress = ngx_current_msec;
        }
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        ngx_http_weir_redis_down(redis);
    }
}


static void
ngx_http_weir_redis_write(ngx_event_t *wev)
{
    int                     err;
    socklen_t               len;
    ngx_connection_t       *c;
    ngx_http_weir_redis_t  *redis;

    c = wev->data;
    redis = c->data;

    if (redis->state == NGX_HTTP_WEIR_REDIS_CONNECTING) {
        err = 0;
        len = sizeof(int);

        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1)
        {
            err = ngx_socket_errno;
        }

        if (err) {

            if (redis->failures == 0) {
                ngx_log_error(NGX_LOG_ERR, &redis->log, err,
                              "weir: cannot connect to redis %V (%s)",
                              &redis->conf->name, redis->role);
            }

            ngx_http_weir_redis_down(redis);
            return;
        }
    }

    ngx_http_weir_redis_post(redis);
}


static void
ngx_http_weir_redis_read(ngx_event_t *rev)
{
    ssize_t                 n;
    ngx_connection_t       *c;
    ngx_http_weir_redis_t  *redis;

    c = rev->data;
    redis = c->data;

    if (c->close) {
        c->close = 0;               /* asked once; on_leave decides */

        if (redis->on_leave) {
            redis->on_leave(redis);
        }

        return;
    }

    for ( ;; ) {
        n = c->recv(c, ngx_http_weir_redis_buf, NGX_HTTP_WEIR_REDIS_READ);

        if (n == NGX_AGAIN) {
            break;
        }

        redis->progress = ngx_current_msec;

        if (n <= 0
            || weir_pipe_feed(redis->pipe, (char *) ngx_http_weir_redis_buf,
                              (size_t) n)
               != 0)
        {
            if (redis->state == NGX_HTTP_WEIR_REDIS_READY) {
                ngx_log_error(NGX_LOG_ERR, &redis->log, 0,
                              n > 0 ? "weir: redis %V sent what is no reply "
                                      "(%s)"
                                    : "weir: redis %V closed the connection "
                                      "(%s)",
                              &redis->conf->name, redis->role);
            }

            ngx_http_weir_redis_down(redis);
            return;
        }

        if (redis->peer.connection != c) {
            return;                 /* closed meanwhile */
        }
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_http_weir_redis_down(redis);
    }
}
