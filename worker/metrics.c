/*
 * The supervisor's HTTP server.  Owns the listening socket; reads the shared
 * counters and nothing else.
 *
 * metrics.c is the one file that knows libmicrohttpd.  The server has no
 * thread: it is driven by the supervisor's poll().
 */

#include "metrics.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "conf.h"
#include "mem.h"
#include "value.h"


#define METRICS_BACKLOG      64
#define METRICS_CONNECTIONS  64
#define METRICS_TIMEOUT      10         /* s, of a connection without a byte */


struct metrics_s {
    struct MHD_Daemon  *daemon;
    const counters_t   *counters;
    size_t              n;
    char               *path;           /* of a unix socket, to be removed */
};


/* answers */

static unsigned
metrics_livez(const metrics_t *m, weir_buf_t *out)
{
    (void) m;
    weir_buf_text(out, "{\"status\":\"ok\"}\n");

    return MHD_HTTP_OK;
}


static unsigned
metrics_readyz(const metrics_t *m, weir_buf_t *out)
{
    size_t    i;
    uint64_t  claiming;

    claiming = 0;

    for (i = 0; i < m->n; i++) {
        claiming += counters_get(&m->counters[i], claiming);
    }

    weir_buf_printf(out, "{\"status\":\"%s\",\"runners_claiming\":%llu}\n",
                    claiming ? "ok" : "not ready",
                    (unsigned long long) claiming);

    return claiming ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}


static unsigned
metrics_metrics(const metrics_t *m, weir_buf_t *out)
{
    counters_write(m->counters, m->n, out);

    return MHD_HTTP_OK;
}


static const struct {
    const char  *path;
    const char  *type;
    unsigned   (*answer)(const metrics_t *m, weir_buf_t *out);
} metrics_routes[] = {
    { "/livez", "application/json", metrics_livez },
    { "/readyz", "application/json", metrics_readyz },
    { "/metrics", "text/plain; version=0.0.4; charset=utf-8", metrics_metrics },
    { NULL, "text/plain", NULL }
};


static enum MHD_Result
metrics_reply(struct MHD_Connection *c, unsigned status, const char *type,
    const weir_buf_t *body)
{
    enum MHD_Result       rc;
    struct MHD_Response  *r;

    r = MHD_create_response_from_buffer(body->len, body->data,
                                        MHD_RESPMEM_MUST_COPY);
    if (r == NULL) {
        return MHD_NO;
    }

    MHD_add_response_header(r, "Content-Type", type);
    MHD_add_response_header(r, "Cache-Control", "no-store");

    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        MHD_add_response_header(r, "Allow", "GET, HEAD");
    }

    rc = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);

    return rc;
}


static enum MHD_Result
metrics_on_request(void *cls, struct MHD_Connection *c, const char *url,
    const char *method, const char *version, const char *upload,
    size_t *upload_size, void **state)
{
    size_t           i;
    unsigned         status;
    metrics_t       *m;
    weir_buf_t       body;
    enum MHD_Result  rc;

    static int  seen;

    (void) version;
    (void) upload;

    m = cls;

    if (*state == NULL) {
        *state = &seen;                 /* the headers only */
        return MHD_YES;
    }

    if (*upload_size) {
        *upload_size = 0;
        return MHD_YES;
    }

    for (i = 0; metrics_routes[i].path; i++) {
        if (strcmp(metrics_routes[i].path, url) == 0) {
            break;
        }
    }

    weir_buf_init(&body, 0);

    if (metrics_routes[i].path == NULL) {
        status = MHD_HTTP_NOT_FOUND;
        weir_buf_text(&body, "not found\n");

    } else if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        status = MHD_HTTP_METHOD_NOT_ALLOWED;
        weir_buf_text(&body, "method not allowed\n");

    } else {
        status = metrics_routes[i].answer(m, &body);
    }

    mem_check(body.failed);
    rc = metrics_reply(c, status, metrics_routes[i].type, &body);
    weir_buf_free(&body);

    return rc;
}


/* listening */

static int
metrics_listen(int family, const struct sockaddr *address, socklen_t len)
{
    int  fd, one, error;

    fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }

    one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));

    if (bind(fd, address, len) != 0 || listen(fd, METRICS_BACKLOG) != 0) {
        error = errno;
        close(fd);
        errno = error;
        return -1;
    }

    return fd;
}


static int
metrics_listen_unix(metrics_t *m, weir_str_t path)
{
    struct stat         st;
    struct sockaddr_un  un;

    memset(&un, 0, sizeof(un));
    un.sun_family = AF_UNIX;
    memcpy(un.sun_path, path.data, path.len);

    /* a socket left behind by a killed supervisor; nothing else is removed */

    if (lstat(un.sun_path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        unlink(un.sun_path);
    }

    m->path = mem_copy(path);

    return metrics_listen(AF_UNIX, (struct sockaddr *) &un, sizeof(un));
}


static int
metrics_listen_tcp(const value_address_t *a, const char **reason_r)
{
    int               fd, rc;
    char              host[256], port[8];
    struct addrinfo   hints, *list;

    snprintf(host, sizeof(host), "%.*s", (int) a->host.len, a->host.data);
    snprintf(port, sizeof(port), "%u", a->port);

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;

    rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0) {
        *reason_r = gai_strerror(rc);
        return -1;
    }

    fd = metrics_listen(list->ai_family, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);

    return fd;
}


metrics_t *
metrics_create(const char *address, const counters_t *counters, size_t n,
    char *error_r)
{
    int               fd;
    metrics_t        *m;
    const char       *reason;
    value_address_t   a;

    m = mem_alloc(sizeof(metrics_t));
    m->counters = counters;
    m->n = n;

    (void) value_address(address, &a);
    reason = NULL;

    fd = a.path.len ? metrics_listen_unix(m, a.path)
                    : metrics_listen_tcp(&a, &reason);

    if (fd < 0) {
        snprintf(error_r, CONF_ERROR, "cannot listen on \"%.200s\" for "
                 "metrics: %s", address, reason ? reason : strerror(errno));
        free(m->path);
        free(m);
        return NULL;
    }

    m->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL,
                                 metrics_on_request, m,
                                 MHD_OPTION_LISTEN_SOCKET, fd,
                                 MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned) METRICS_CONNECTIONS,
                                 MHD_OPTION_CONNECTION_TIMEOUT,
                                 (unsigned) METRICS_TIMEOUT,
                                 MHD_OPTION_END);

    if (m->daemon == NULL) {
        snprintf(error_r, CONF_ERROR, "the HTTP server does not start");
        close(fd);
        free(m->path);
        free(m);
        return NULL;
    }

    return m;
}


void
metrics_destroy(metrics_t **mp)
{
    metrics_t  *m;

    m = *mp;
    *mp = NULL;

    if (m == NULL) {
        return;
    }

    MHD_stop_daemon(m->daemon);         /* closes the socket */

    if (m->path) {
        unlink(m->path);
    }

    free(m->path);
    free(m);
}


int
metrics_fd(const metrics_t *m)
{
    return MHD_get_daemon_info(m->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}


int
metrics_timeout(const metrics_t *m)
{
    MHD_UNSIGNED_LONG_LONG  ms;

    if (MHD_get_timeout(m->daemon, &ms) != MHD_YES) {
        return -1;
    }

    return ms > 60000 ? 60000 : (int) ms;
}


void
metrics_run(metrics_t *m)
{
    MHD_run(m->daemon);
}
