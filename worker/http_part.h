/*
 * What the files of HTTP calls share: the structures, and the handles of the
 * library, which note facts while it is at work.
 */

#ifndef HTTP_PART_H
#define HTTP_PART_H


#include "http.h"

#include <curl/curl.h>

#include "watch.h"
#include "weir_buf.h"


#define HTTP_BUFFER      16384L         /* bytes of a read */
#define HTTP_TRICKLE     2048L          /* where calls are many */


struct http_target_s {
    http_t               *http;
    uint64_t              serial;
    char                 *url;
    long                  buffer;       /* bytes of a read */
    struct curl_slist    *headers;
};


struct http_call_s {
    http_call_t          *prev;         /* among the active */
    http_call_t          *next;         /* among the active or resting */
    http_t               *http;
    http_target_t        *target;       /* while it is active */
    uint64_t              aimed;        /* what the handle is set up for */
    CURL                 *easy;
    http_reply_pt         fn;
    http_piece_pt         piece;        /* or NULL: the body is kept */
    void                 *data;

    http_call_t          *fresh_prev;   /* among those with bytes to hand out */
    http_call_t          *fresh_next;
    bool                  fresh;

    struct curl_slist     headers[HTTP_HEADERS_MAX];
    weir_buf_t            header_text;  /* each terminated */
    char                  error[CURL_ERROR_SIZE];

    weir_buf_t            body;
    size_t                head;         /* bytes of headers */
    bool                  body_full;
    bool                  head_full;
    bool                  headed;
    bool                  sent;
    const char           *refused;      /* by the guard: why */
    bool                  get;
    int64_t               retry_after;  /* ms */
    uint64_t              heard;        /* loop_now() of the last byte */
};


struct http_s {
    loop_t               *loop;
    http_options_t        o;
    char                 *proxy;
    char                 *ca_file;
    uint64_t              serial;       /* of the last target */
    CURLM                *multi;
    loop_timer_t          timer;        /* what the library asked for */
    loop_timer_t          sweep;
    loop_timer_t          pushed;       /* what came of calls pushed */
    bool                  reaping;
    watches_t            *watches;
    http_call_t          *active;
    http_call_t          *resting;
    http_call_t          *fresh;
    weir_buf_t            handed;       /* what is being handed out */
};


/* A handle at rest, set up for all but a target; aimed at one. */
http_call_t *http_handle_create(http_t *http);
void http_handle_aim(http_call_t *call, http_target_t *target, bool get);
void http_handle_destroy(http_call_t *call);

/* The call has bytes to hand out; it has none (any more). */
void http_freshen(http_call_t *call);
void http_unfreshen(http_call_t *call);

/* Is what comes an event stream, of status 2xx? */
bool http_handle_streams(http_call_t *call);


#endif /* HTTP_PART_H */
