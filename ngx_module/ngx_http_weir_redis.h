/*
 * One connection to Redis: an nginx socket round the pipeline of weir_resp.
 * It connects, says who it is, and connects again; it knows no transaction.
 */

#ifndef NGX_HTTP_WEIR_REDIS_H
#define NGX_HTTP_WEIR_REDIS_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include "weir_resp.h"


typedef struct {
    ngx_addr_t      *addrs;                 /* resolved at configuration */
    ngx_uint_t       naddrs;
    ngx_str_t        name;                  /* as written, for logs */
    ngx_str_t        user;
    ngx_str_t        password;
    ngx_str_t        password_file;
    ngx_int_t        database;
    ngx_msec_t       timeout;               /* of a command */
    ngx_msec_t       connect_timeout;       /* with the handshake */
} ngx_http_weir_redis_conf_t;


typedef enum {
    NGX_HTTP_WEIR_REDIS_DOWN = 0,           /* waits for the next try */
    NGX_HTTP_WEIR_REDIS_CONNECTING,         /* connect and handshake */
    NGX_HTTP_WEIR_REDIS_READY
} ngx_http_weir_redis_e;


typedef struct ngx_http_weir_redis_s  ngx_http_weir_redis_t;

typedef void (*ngx_http_weir_redis_pt)(ngx_http_weir_redis_t *redis);


struct ngx_http_weir_redis_s {
    ngx_http_weir_redis_conf_t  *conf;
    const char                  *role;      /* "commands", "mailbox" */
    void                        *data;      /* of the owner */

    /* adds the owner's part to the handshake, whose last command tells that
     * all before it was accepted */
    void                       (*greet)(ngx_http_weir_redis_t *redis,
                                        weir_txn_t *t);
    /* answer: of the greeting's last command, see greet */
    void                       (*on_ready)(ngx_http_weir_redis_t *redis,
                                           const weir_answer_t *answer);
    ngx_http_weir_redis_pt       on_down;   /* every answer was LOST before */
    ngx_http_weir_redis_pt       on_leave;  /* nginx wants to go */

    weir_pipe_t                 *pipe;
    ngx_peer_connection_t        peer;
    ngx_http_weir_redis_e        state;
    ngx_uint_t                   failures;  /* in a row */
    ngx_uint_t                   next;      /* address */
    ngx_msec_t                   progress;  /* last bytes in or out */
    ngx_event_t                  timer;     /* handshake, or the next try */
    ngx_event_t                  flush;     /* posted: there is output */
    ngx_log_t                    log;
    unsigned                     closing:1; /* no more tries */
    unsigned                     broken:1;  /* to be closed, not from here */
};


/* The struct is zeroed, and conf, role, data and the callbacks are set. */
ngx_int_t ngx_http_weir_redis_init(ngx_http_weir_redis_t *redis,
    ngx_log_t *log);

/* No callback is called any more but for pending answers, which are LOST. */
void ngx_http_weir_redis_destroy(ngx_http_weir_redis_t *redis);

/* NGX_OK: fn (NULL: none) will be called once, never before this returns.
 * NGX_BUSY: not ready, or too much is pending; nothing was sent. */
ngx_int_t ngx_http_weir_redis_send(ngx_http_weir_redis_t *redis,
    const weir_txn_t *t, weir_answer_pt fn, void *data);

/* This Redis is not the one that is wanted (any more): closes the connection,
 * not from here, and tries the next address.  May be called in an answer. */
void ngx_http_weir_redis_drop(ngx_http_weir_redis_t *redis);

/* Called regularly: closes the connection if the oldest answer is overdue and
 * nothing moves.  Returns true if it did. */
ngx_uint_t ngx_http_weir_redis_check(ngx_http_weir_redis_t *redis);

/* Not ready, but the next try may well succeed, so that waiting for it is
 * better than an error: the process has just started, or a good connection was
 * lost. */
#define ngx_http_weir_redis_hopeful(redis)                                    \
    ((redis)->state != NGX_HTTP_WEIR_REDIS_READY && (redis)->failures == 0)


#endif /* NGX_HTTP_WEIR_REDIS_H */
