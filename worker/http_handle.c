/*
 * The library's handles: what they are set up for, and its callbacks about a
 * transfer, which come from inside our calls and only note facts.
 */

#include "http_part.h"

#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <sys/socket.h>

#include "mem.h"
#include "retry_after.h"


#define HTTP_GUARDED_AGE     60L        /* s that a connection is used */

/* a peer that is gone is noticed after these and the kernel's nine probes */
#define HTTP_KEEPALIVE_IDLE   30L       /* s */
#define HTTP_KEEPALIVE_PAUSE  10L       /* s, between two probes */


static bool
http_is_https(const char *url)
{
    return strncasecmp(url, "https:", 6) == 0;
}


/* calls with bytes to hand out */

void
http_freshen(http_call_t *call)
{
    http_t  *http;

    if (call->fresh) {
        return;
    }

    http = call->http;

    call->fresh = true;
    call->fresh_prev = NULL;
    call->fresh_next = http->fresh;

    if (http->fresh) {
        http->fresh->fresh_prev = call;
    }

    http->fresh = call;
}


void
http_unfreshen(http_call_t *call)
{
    if (!call->fresh) {
        return;
    }

    call->fresh = false;

    if (call->fresh_prev) {
        call->fresh_prev->fresh_next = call->fresh_next;

    } else {
        call->http->fresh = call->fresh_next;
    }

    if (call->fresh_next) {
        call->fresh_next->fresh_prev = call->fresh_prev;
    }
}


/* the library's callbacks about a transfer: facts only */

static size_t
http_on_body(char *data, size_t size, size_t n, void *arg)
{
    http_call_t  *call;

    call = arg;
    call->heard = loop_now(call->http->loop);

    weir_buf_add(&call->body, data, size * n);

    if (call->body.failed) {
        call->body_full = true;
        return 0;
    }

    if (call->piece) {
        http_freshen(call);
    }

    return size * n;
}


static size_t
http_on_header(char *data, size_t size, size_t n, void *arg)
{
    size_t        max;
    weir_str_t    line;
    http_call_t  *call;

    call = arg;
    call->heard = loop_now(call->http->loop);
    line = (weir_str_t) { data, size * n };

    max = call->http->o.head_max;
    call->head += line.len;

    if (max && call->head > max) {
        call->head_full = true;
        return 0;
    }

    if (line.len > 5 && memcmp(line.data, "HTTP/", 5) == 0) {
        call->headed = false;               /* those of a 1xx were not all */

    } else if (line.len <= 2 && data[line.len - 1] == '\n') {
        call->headed = true;                /* some send no CR */
    }

    retry_after_line(line, time(NULL), &call->retry_after);

    return line.len;
}


/* The one place that knows the address which is connected to. */

static curl_socket_t
http_on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    http_t       *http;
    const char   *why;
    http_call_t  *call;

    (void) purpose;

    call = arg;
    http = call->http;

    if (http->o.guard
        && !http->o.guard(http->o.guard_data, http_is_https(call->target->url),
                          &a->addr, &why))
    {
        call->refused = why;
        return CURL_SOCKET_BAD;
    }

    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}


/* There is a connection for it. */

static int
http_on_begin(void *arg, char *to, char *from, int to_port, int from_port)
{
    (void) to;
    (void) from;
    (void) to_port;
    (void) from_port;

    ((http_call_t *) arg)->sent = true;

    return CURL_PREREQFUNC_OK;
}


bool
http_handle_streams(http_call_t *call)
{
    long         status;
    const char  *type;

    static const char  events[] = "text/event-stream";

    status = 0;
    type = NULL;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &type);

    return status >= 200 && status <= 299 && type
           && strncasecmp(type, events, sizeof(events) - 1) == 0;
}


/* handles */

http_call_t *
http_handle_create(http_t *http)
{
    CURL         *e;
    http_call_t  *call;

    call = mem_alloc(sizeof(http_call_t));
    call->http = http;
    call->easy = e = curl_easy_init();
    mem_check(e == NULL);

    weir_buf_init(&call->body, http->o.body_max);

    curl_easy_setopt(e, CURLOPT_PRIVATE, call);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, http_on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, http_on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, http_on_open);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, http_on_begin);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, call);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, HTTP_KEEPALIVE_IDLE);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, HTTP_KEEPALIVE_PAUSE);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
                     (long) http->o.connect_timeout);
    curl_easy_setopt(e, CURLOPT_PROXY, http->proxy ? http->proxy : "");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
                     http->o.http2 ? (long) CURL_HTTP_VERSION_2TLS
                                   : (long) CURL_HTTP_VERSION_1_1);

    if (http->ca_file) {
        curl_easy_setopt(e, CURLOPT_CAINFO, http->ca_file);
    }

    if (http->o.guard) {

        /* what was checked is what is sent; and names are resolved again, so
         * that a connection does not outlive the answer that was allowed */

        curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
        curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, HTTP_GUARDED_AGE);
    }

    return call;
}


void
http_handle_destroy(http_call_t *call)
{
    curl_easy_cleanup(call->easy);
    weir_buf_free(&call->body);
    weir_buf_free(&call->header_text);
    free(call);
}


void
http_handle_aim(http_call_t *call, http_target_t *target, bool get)
{
    call->target = target;

    if (call->aimed != target->serial) {
        call->aimed = target->serial;
        curl_easy_setopt(call->easy, CURLOPT_URL, target->url);
        curl_easy_setopt(call->easy, CURLOPT_BUFFERSIZE, target->buffer);

        /* to wait for a shared connection pays where there may be one */
        curl_easy_setopt(call->easy, CURLOPT_PIPEWAIT,
                         call->http->o.http2
                         && http_is_https(target->url) ? 1L : 0L);
    }

    if (get) {
        curl_easy_setopt(call->easy, CURLOPT_HTTPGET, 1L);

    } else if (call->get) {
        curl_easy_setopt(call->easy, CURLOPT_POST, 1L);
    }

    call->get = get;
}
