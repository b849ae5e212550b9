/*
 * HTTP calls on the loop, without a type of the library that makes them.  One
 * http_t per provider: its connections and their limit; a target is an address
 * there with the headers that never change.
 */

#ifndef HTTP_H
#define HTTP_H


#include <stdbool.h>

#include "loop.h"
#include "weir_str.h"


#define HTTP_HEADERS_MAX  3             /* of one call */


typedef struct http_s         http_t;
typedef struct http_target_s  http_target_t;
typedef struct http_call_s    http_call_t;


struct sockaddr;

/* May this address be connected to?  Asked once names are resolved, with the
 * scheme of the target.  *why_r: a reason, if not. */
typedef bool (*http_guard_pt)(void *data, bool https, const struct sockaddr *sa,
    const char **why_r);


typedef struct {
    const char   *proxy;            /* NULL: none, whatever the environment */
    const char   *ca_file;          /* NULL: the system's */
    int64_t       connections;      /* 0: no limit */
    int64_t       connect_timeout;  /* ms */
    int64_t       idle_timeout;     /* ms without a byte */
    bool          http2;            /* where TLS offers it */
    size_t        body_max;         /* bytes of a reply */
    size_t        head_max;         /* bytes of its headers; 0: no limit */
    http_guard_pt guard;            /* NULL: everywhere.  With a proxy it is
                                       the proxy that it is asked about */
    void         *guard_data;
} http_options_t;


typedef struct {
    unsigned      status;           /* 0: none came */
    bool          headed;           /* all headers came, whatever then */
    bool          sent;             /* the request, or a part of it */
    int64_t       retry_after;      /* ms; 0: not said */
    weir_str_t    body;
    const char   *error;            /* NULL: the reply is whole */
    bool          timed_out;        /* with error: the call's or idle time */
    bool          too_large;        /* with error: head or body */
    bool          refused;          /* with error: by the guard */
} http_reply_t;

/* The reply lives until the callback returns.  The callback may make calls
 * and cancel others; it must not destroy the http_t. */
typedef void (*http_reply_pt)(void *data, const http_reply_t *reply);


/* Bytes of a reply that is under way; they live until it returns.  It may make
 * calls and cancel any, this one too. */
typedef void (*http_piece_pt)(void *data, weir_str_t bytes);


/* Once in the process, before and after all else. */
void http_init(void);
void http_deinit(void);

http_t *http_create(loop_t *loop, const http_options_t *options);

/* Calls in flight end without a callback; targets must be gone. */
void http_destroy(http_t **http);

/* headers: "Name: value" texts, NULL at the end; all is copied. */
http_target_t *http_target_create(http_t *http, const char *url,
    const char *const *headers);
/* Its replies come in small pieces, from very many calls at once. */
void http_target_trickles(http_target_t *target);

void http_target_destroy(http_target_t **target);

/* A POST of body, which must live until the end; body.data NULL: a GET.
 * headers: HTTP_HEADERS_MAX more at most, NULL at the end; copied; may be NULL.
 * timeout: ms for the whole call.  The callback comes from the loop, never from
 * within. */
http_call_t *http_call(http_target_t *target, weir_str_t body,
    const char *const *headers, int64_t timeout, http_reply_pt fn, void *data);

/* Of a call that was just made: if the reply is an event stream of status 2xx,
 * its body is handed out as it comes, and the reply has none. */
void http_pieces(http_call_t *call, http_piece_pt fn);

/* Of a call that was just made: it leaves now, and not when the loop comes
 * round to it.  What comes of that is told later, as ever. */
void http_push(http_call_t *call);

/* Has any of it left? */
bool http_is_sent(const http_call_t *call);

/* No callback will come. */
void http_cancel(http_call_t **call);


#endif /* HTTP_H */
