/*
 * HTTP calls: libcurl's multi interface on libuv.  Owns the handles, their
 * sockets' watchers and the bytes of replies; knows nothing of what is asked.
 *
 * http.c and http_handle.c are the files that know libcurl.  It calls back from
 * inside our calls; those callbacks only note facts, and http_reap() acts
 * afterwards.  Handles are used again with all that stays the same, because
 * making one costs more than a call on a warm connection.
 */

#include "http_part.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"


#define HTTP_BODY_KEEP   (128 * 1024)   /* bytes a resting handle may hold */
#define HTTP_IDLE_MAX    1024L          /* connections kept open */
#define HTTP_SWEEP_MAX   1000           /* ms */


/* active and resting calls */

static void
http_activate(http_call_t *call)
{
    http_t  *http;

    http = call->http;

    call->prev = NULL;
    call->next = http->active;

    if (http->active) {
        http->active->prev = call;
    }

    http->active = call;
}


static void
http_deactivate(http_call_t *call)
{
    http_t  *http;

    http = call->http;

    if (call->prev) {
        call->prev->next = call->next;

    } else {
        http->active = call->next;
    }

    if (call->next) {
        call->next->prev = call->prev;
    }

    call->prev = call->next = NULL;
    http_unfreshen(call);
    curl_multi_remove_handle(http->multi, call->easy);
}


static void
http_rest(http_call_t *call)
{
    if (call->body.size > HTTP_BODY_KEEP) {
        weir_buf_free(&call->body);
    }

    call->next = call->http->resting;
    call->http->resting = call;
}


/* the end of calls */

static void
http_finish(http_call_t *call, CURLcode rc)
{
    long          status;
    http_reply_t  reply;

    memset(&reply, 0, sizeof(http_reply_t));

    status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);

    reply.status = (unsigned) status;
    reply.retry_after = call->retry_after;
    reply.body = (weir_str_t) { call->body.data ? call->body.data : "",
                                call->body.len };

    reply.headed = call->headed;
    reply.sent = call->sent;

    if (rc != CURLE_OK) {
        reply.too_large = call->body_full || call->head_full;
        reply.timed_out = (rc == CURLE_OPERATION_TIMEDOUT);
        reply.refused = (rc == CURLE_COULDNT_CONNECT && call->refused);
        reply.error = reply.too_large ? "the reply is too large"
                      : reply.refused ? call->refused
                      : call->error[0] ? call->error
                                       : curl_easy_strerror(rc);
    }

    http_deactivate(call);
    call->fn(call->data, &reply);
    http_rest(call);
}


/* The call may be gone when it was told, and any other too. */

static void
http_hand_out(http_t *http)
{
    weir_buf_t    handed;
    http_call_t  *call;

    while ((call = http->fresh) != NULL) {
        http_unfreshen(call);

        if (!http_handle_streams(call)) {
            call->piece = NULL;
            continue;
        }

        handed = call->body;
        call->body = http->handed;
        call->body.limit = handed.limit;
        http->handed = handed;

        call->piece(call->data, (weir_str_t) { handed.data, handed.len });

        weir_buf_reset(&http->handed);
    }
}


static void
http_reap(http_t *http)
{
    int           left;
    CURLMsg      *msg;
    http_call_t  *call;

    http->reaping = true;
    http_hand_out(http);

    while ((msg = curl_multi_info_read(http->multi, &left)) != NULL) {
        if (msg->msg == CURLMSG_DONE) {
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call);
            http_finish(call, msg->data.result);
        }
    }

    http->reaping = false;
}


/* sockets and time */

static void
http_on_ready(void *data, int fd, unsigned what)
{
    int      flags, running;
    http_t  *http;

    http = data;
    flags = 0;

    if (what & WATCH_READ) {
        flags |= CURL_CSELECT_IN;
    }

    if (what & WATCH_WRITE) {
        flags |= CURL_CSELECT_OUT;
    }

    if (what & WATCH_ERROR) {
        flags |= CURL_CSELECT_ERR;
    }

    curl_multi_socket_action(http->multi, fd, flags, &running);
    http_reap(http);
}


static int
http_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *own)
{
    http_t  *http;

    (void) easy;
    (void) own;

    http = arg;

    if (what == CURL_POLL_REMOVE) {
        watches_stop(http->watches, fd);
        return 0;
    }

    return watches_set(http->watches, fd,
                       (what & CURL_POLL_IN ? WATCH_READ : 0)
                       | (what & CURL_POLL_OUT ? WATCH_WRITE : 0));
}


static void
http_on_timer(void *data)
{
    int      running;
    http_t  *http;

    http = data;

    curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    http_reap(http);
}


static void
http_on_pushed(void *data)
{
    http_reap(data);
}


static int
http_on_timeout(CURLM *multi, long ms, void *arg)
{
    http_t  *http;

    (void) multi;

    http = arg;

    /* 0 means now, but never from in here */

    if (ms < 0) {
        loop_timer_stop(http->loop, &http->timer);

    } else {
        loop_timer_set(http->loop, &http->timer, (uint64_t) ms);
    }

    return 0;
}


static void
http_set_sweep(http_t *http)
{
    int64_t  ms;

    ms = http->o.idle_timeout / 4 + 1;
    loop_timer_set(http->loop, &http->sweep,
                   (uint64_t) (ms < HTTP_SWEEP_MAX ? ms : HTTP_SWEEP_MAX));
}


static void
http_on_sweep(void *data)
{
    http_t       *http;
    uint64_t      now;
    http_call_t  *call, *next;

    http = data;
    now = loop_now(http->loop);

    for (call = http->active; call; call = next) {
        next = call->next;

        if (now - call->heard >= (uint64_t) http->o.idle_timeout) {
            snprintf(call->error, sizeof(call->error),
                     "no byte within the idle timeout");
            http_finish(call, CURLE_OPERATION_TIMEDOUT);

            /* the callback may have changed the list */
            next = http->active;
        }
    }

    if (http->active) {
        http_set_sweep(http);
    }
}


/* The call's own headers, in front of the target's. */

static struct curl_slist *
http_headers(http_call_t *call, const char *const *headers)
{
    char    *text;
    size_t   i, n;

    weir_buf_reset(&call->header_text);

    for (n = 0; headers && headers[n] && n < HTTP_HEADERS_MAX; n++) {
        weir_buf_add(&call->header_text, headers[n], strlen(headers[n]) + 1);
    }

    mem_check(call->header_text.failed);

    text = call->header_text.data;

    for (i = 0; i < n; i++) {
        call->headers[i].data = text;
        call->headers[i].next = i + 1 < n ? &call->headers[i + 1]
                                          : call->target->headers;
        text += strlen(text) + 1;
    }

    return n ? call->headers : call->target->headers;
}


http_call_t *
http_call(http_target_t *target, weir_str_t body, const char *const *headers,
    int64_t timeout, http_reply_pt fn, void *data)
{
    http_t       *http;
    http_call_t  *call;

    http = target->http;
    call = http->resting;

    if (call) {
        http->resting = call->next;

    } else {
        call = http_handle_create(http);
    }

    call->fn = fn;
    call->piece = NULL;
    call->data = data;
    call->error[0] = '\0';
    call->body_full = call->head_full = call->headed = call->sent = false;
    call->head = 0;
    call->refused = NULL;
    call->retry_after = 0;
    call->heard = loop_now(http->loop);
    weir_buf_reset(&call->body);

    http_handle_aim(call, target, body.data == NULL);

    if (body.data) {
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, body.data);
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t) body.len);
    }

    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER,
                     http_headers(call, headers));

    /* more is an error to the library, and none is 0 there */

    curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS,
                     timeout > INT_MAX ? 0L : timeout > 0 ? (long) timeout
                                                          : 1L);

    if (http->active == NULL) {
        http_set_sweep(http);
    }

    http_activate(call);
    mem_check(curl_multi_add_handle(http->multi, call->easy) != CURLM_OK);

    return call;
}


void
http_pieces(http_call_t *call, http_piece_pt fn)
{
    call->piece = fn;
}


void
http_push(http_call_t *call)
{
    int      running;
    http_t  *http;

    http = call->http;

    if (!http->reaping) {
        curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0,
                                 &running);
        loop_timer_set(http->loop, &http->pushed, 0);
    }
}


bool
http_is_sent(const http_call_t *call)
{
    return call->sent;
}


void
http_cancel(http_call_t **callp)
{
    http_call_t  *call;

    call = *callp;
    *callp = NULL;

    if (call) {
        http_deactivate(call);
        http_rest(call);
    }
}


http_target_t *
http_target_create(http_t *http, const char *url, const char *const *headers)
{
    http_target_t      *target;
    struct curl_slist  *list;

    target = mem_alloc(sizeof(http_target_t));
    target->http = http;
    target->serial = ++http->serial;
    target->url = mem_text(url);
    target->buffer = HTTP_BUFFER;

    for ( /* void */ ; *headers; headers++) {
        list = curl_slist_append(target->headers, *headers);
        mem_check(list == NULL);
        target->headers = list;
    }

    return target;
}


void
http_target_trickles(http_target_t *target)
{
    target->buffer = HTTP_TRICKLE;
}


void
http_target_destroy(http_target_t **targetp)
{
    http_call_t         *call, *next;
    http_target_t       *target;
    struct curl_slist   *node;

    target = *targetp;
    *targetp = NULL;

    if (target == NULL) {
        return;
    }

    for (call = target->http->active; call; call = next) {
        next = call->next;

        if (call->target == target) {
            http_cancel(&call);
        }
    }

    for (node = target->headers; node; node = node->next) {
        explicit_bzero(node->data, strlen(node->data));     /* the key */
    }

    curl_slist_free_all(target->headers);
    free(target->url);
    free(target);
}


http_t *
http_create(loop_t *loop, const http_options_t *options)
{
    http_t  *http;

    http = mem_alloc(sizeof(http_t));

    http->loop = loop;
    http->o = *options;
    http->proxy = options->proxy ? mem_text(options->proxy) : NULL;
    http->ca_file = options->ca_file ? mem_text(options->ca_file) : NULL;

    http->timer.fn = http_on_timer;
    http->timer.data = http;
    http->sweep.fn = http_on_sweep;
    http->sweep.data = http;
    http->pushed.fn = http_on_pushed;
    http->pushed.data = http;

    http->watches = watches_create(loop, http_on_ready, http);
    http->multi = curl_multi_init();
    mem_check(http->multi == NULL);

    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, http_on_socket);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, http_on_timeout);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);

    /* curl would keep four for each call of the moment: between two bursts it
     * closed what the next one needs */

    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS,
                      options->connections ? (long) options->connections
                                           : HTTP_IDLE_MAX);

    if (options->connections) {
        curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                          (long) options->connections);
    }

    return http;
}


void
http_destroy(http_t **httpp)
{
    http_t       *http;
    http_call_t  *call;

    http = *httpp;
    *httpp = NULL;

    if (http == NULL) {
        return;
    }

    while (http->active) {
        call = http->active;
        http_cancel(&call);
    }

    while (http->resting) {
        call = http->resting;
        http->resting = call->next;
        http_handle_destroy(call);
    }

    curl_multi_cleanup(http->multi);    /* closes sockets, calls back */

    loop_timer_stop(http->loop, &http->timer);
    loop_timer_stop(http->loop, &http->sweep);
    loop_timer_stop(http->loop, &http->pushed);

    watches_destroy(&http->watches);

    weir_buf_free(&http->handed);
    free(http->proxy);
    free(http->ca_file);
    free(http);
}


void
http_init(void)
{
    mem_check(curl_global_init(CURL_GLOBAL_DEFAULT) != 0);
}


void
http_deinit(void)
{
    curl_global_cleanup();
}
