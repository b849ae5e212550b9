/*
 * The daemon of libmicrohttpd, driven by the loop, and its routes.  Collects
 * request bodies, up to a limit; calls of the LLM themselves are mock_call.c.
 */

#include "mock_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "mock_ask.h"
#include "mock_buf.h"
#include "mock_call.h"
#include "mock_calls.h"
#include "mock_http.h"
#include "mock_last.h"
#include "mock_models.h"


#define BODY_MAX  (64 * 1024 * 1024)
#define BACKLOG   4096


struct mock_server {
    struct MHD_Daemon    *daemon;
    struct mock_event     event;        /* of the daemon's epoll descriptor */
    struct mock_context   context;
};

/* One request of any route. */
struct exchange {
    struct mock_server     *server;
    struct MHD_Connection  *connection;
    const char             *path;       /* valid within the access handler */
    enum mock_dialect       dialect;
    struct mock_buf         body;
    struct mock_call       *call;       /* of the LLM */
    bool                    too_large;
};

struct route {
    const char        *path;
    const char        *method;
    enum MHD_Result  (*handler)(struct exchange *e);
};


static enum MHD_Result route_llm(struct exchange *e);
static enum MHD_Result route_models(struct exchange *e);
static enum MHD_Result route_calls(struct exchange *e);
static enum MHD_Result route_calls_reset(struct exchange *e);
static enum MHD_Result route_plan(struct exchange *e);
static enum MHD_Result route_last(struct exchange *e);
static enum MHD_Result route_livez(struct exchange *e);


static const struct route  routes[] = {
    { "/v1/chat/completions", "POST",   route_llm },
    { "/v1/messages",         "POST",   route_llm },
    { "/v1/embeddings",       "POST",   route_llm },
    { "/v1/models",           "GET",    route_models },
    { "/mock/calls",          "GET",    route_calls },
    { "/mock/calls",          "DELETE", route_calls_reset },
    { "/mock/plan",           "PUT",    route_plan },
    { "/mock/last",           "GET",    route_last },
    { "/livez",               "GET",    route_livez },
    { NULL, NULL, NULL }
};


static enum MHD_Result
send_json(struct exchange *e, struct mock_buf *body)
{
    return mock_http_send(e->connection, e->dialect, MHD_HTTP_OK,
                          MOCK_HTTP_JSON, ++e->server->context.requests,
                          mock_http_make(body));
}


static enum MHD_Result
send_error(struct exchange *e, const struct mock_error *error)
{
    return mock_http_send_error(e->connection, e->dialect,
                                ++e->server->context.requests, error);
}


static enum MHD_Result
route_llm(struct exchange *e)
{
    return mock_call_begin(&e->server->context, e->connection, e->path,
                           &e->body, &e->call);
}


/* those that the default plan allows, if it names any; in the dialect of who
 * names a version of it */
static enum MHD_Result
route_models(struct exchange *e)
{
    const char       *models, *limit, *after;
    struct mock_buf   body;

    body = (struct mock_buf) { 0 };
    models = e->server->context.plan.models;

    limit = MHD_lookup_connection_value(e->connection, MHD_GET_ARGUMENT_KIND,
                                        "limit");
    after = MHD_lookup_connection_value(e->connection, MHD_GET_ARGUMENT_KIND,
                                        "after_id");

    if (MHD_lookup_connection_value(e->connection, MHD_HEADER_KIND,
                                    "anthropic-version") != NULL)
    {
        e->dialect = MOCK_ANTHROPIC;
    }

    mock_models_write(*models ? models : "mock-1,mock-large", e->dialect,
                      limit ? strtoul(limit, NULL, 10) : 0, after, &body);

    return send_json(e, &body);
}


static enum MHD_Result
route_calls(struct exchange *e)
{
    size_t             i;
    const char        *tag;
    struct mock_buf    body;
    struct mock_error  error;

    body = (struct mock_buf) { 0 };

    tag = MHD_lookup_connection_value(e->connection, MHD_GET_ARGUMENT_KIND,
                                      "tag");
    if (tag == NULL) {
        mock_calls_write(e->server->context.calls, &body);
        return send_json(e, &body);
    }

    for (i = 0; tag[i] > ' ' && tag[i] <= '~'; i++) { /* void */ }

    if (i == 0 || tag[i] != '\0') {
        mock_error_set(&error, MHD_HTTP_BAD_REQUEST, "tag", NULL,
                       "that is no tag");
        return send_error(e, &error);
    }

    mock_calls_write_tag(e->server->context.calls, tag, &body);

    return send_json(e, &body);
}


static enum MHD_Result
route_calls_reset(struct exchange *e)
{
    struct mock_buf  body;

    mock_calls_reset(e->server->context.calls);

    body = (struct mock_buf) { 0 };
    mock_calls_write(e->server->context.calls, &body);

    return send_json(e, &body);
}


static enum MHD_Result
route_plan(struct exchange *e)
{
    char               reason[MOCK_PLAN_ERROR];
    struct mock_buf    body;
    struct mock_plan   plan;
    struct mock_error  error;

    mock_plan_init(&plan);

    if (!mock_plan_parse(&plan, e->body.data, e->body.len, reason,
                         sizeof(reason)))
    {
        mock_error_set(&error, MHD_HTTP_BAD_REQUEST, NULL, "mock_plan",
                       "mock plan: %s", reason);
        return send_error(e, &error);
    }

    e->server->context.plan = plan;

    body = (struct mock_buf) { 0 };
    mock_buf_text(&body, "{\"plan\":");
    mock_buf_json(&body, e->body.data, e->body.len);
    mock_buf_text(&body, "}");

    return send_json(e, &body);
}


static enum MHD_Result
route_last(struct exchange *e)
{
    struct mock_buf  body;

    body = (struct mock_buf) { 0 };
    mock_last_write(&e->server->context.last, &body);

    return send_json(e, &body);
}


static enum MHD_Result
route_livez(struct exchange *e)
{
    struct mock_buf  body;

    body = (struct mock_buf) { 0 };
    mock_buf_text(&body, "{\"status\":\"ok\"}");

    return send_json(e, &body);
}


static enum MHD_Result
send_not_allowed(struct exchange *e, const char *allow)
{
    uint64_t              number;
    struct mock_buf       body;
    struct mock_error     error;
    struct MHD_Response  *response;

    number = ++e->server->context.requests;

    mock_error_set(&error, MHD_HTTP_METHOD_NOT_ALLOWED, NULL,
                   "method_not_allowed", "\"%s\" allows %s only", e->path,
                   allow);

    body = (struct mock_buf) { 0 };
    mock_error_write(&error, e->dialect, number, &body);

    response = mock_http_make(&body);
    MHD_add_response_header(response, "Allow", allow);

    return mock_http_send(e->connection, e->dialect, error.status,
                          MOCK_HTTP_JSON, number, response);
}


static enum MHD_Result
send_too_large(struct exchange *e)
{
    struct mock_error  error;

    mock_error_set(&error, MHD_HTTP_CONTENT_TOO_LARGE, NULL, NULL,
                   "the body is larger than %d bytes", BODY_MAX);

    return send_error(e, &error);
}


static enum MHD_Result
exchange_route(struct exchange *e, const char *method)
{
    char                 allow[32];
    size_t               n;
    struct mock_error    error;
    const struct route  *route;

    n = 0;

    /* libmicrohttpd leaves the body out by itself */
    if (strcmp(method, MHD_HTTP_METHOD_HEAD) == 0) {
        method = MHD_HTTP_METHOD_GET;
    }

    for (route = routes; route->path != NULL; route++) {
        if (strcmp(route->path, e->path) != 0) {
            continue;
        }

        if (strcmp(route->method, method) == 0) {
            return route->handler(e);
        }

        n += (size_t) snprintf(allow + n, sizeof(allow) - n, "%s%s",
                               n ? ", " : "", route->method);
    }

    if (n > 0) {
        return send_not_allowed(e, allow);
    }

    mock_error_set(&error, MHD_HTTP_NOT_FOUND, NULL, NULL,
                   "unknown path \"%s\"", e->path);

    return send_error(e, &error);
}


/* only the headers are here; an answer now ends the connection afterwards */
static enum MHD_Result
exchange_begin(struct mock_server *server, struct MHD_Connection *connection,
    const char *path, void **context)
{
    const char       *length;
    struct exchange  *e;

    e = mock_alloc_zeroed(sizeof(struct exchange));
    e->server = server;
    e->connection = connection;
    e->dialect = mock_ask_dialect(path);
    *context = e;

    length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                         "Content-Length");

    if (length != NULL && strtoull(length, NULL, 10) > BODY_MAX) {
        return send_too_large(e);
    }

    return MHD_YES;
}


static enum MHD_Result
exchange_feed(struct exchange *e, const char *data, size_t *size)
{
    /* what comes in chunks is read to its end before it is refused */
    if (*size > BODY_MAX - e->body.len) {
        e->too_large = true;
    }

    if (e->too_large) {
        mock_buf_free(&e->body);

    } else {
        mock_buf_add(&e->body, data, *size);
    }

    *size = 0;

    return MHD_YES;
}


static enum MHD_Result
on_access(void *cls, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *size,
    void **context)
{
    struct exchange  *e;

    (void) version;

    e = *context;

    if (e == NULL) {
        return exchange_begin(cls, connection, url, context);
    }

    if (*size > 0) {
        return exchange_feed(e, data, size);
    }

    if (e->call != NULL) {
        return mock_call_continue(e->call);
    }

    if (e->too_large) {
        return send_too_large(e);
    }

    e->path = url;

    return exchange_route(e, method);
}


static void
on_completed(void *cls, struct MHD_Connection *connection, void **context,
    enum MHD_RequestTerminationCode code)
{
    struct exchange  *e;

    (void) cls;
    (void) connection;

    e = *context;
    if (e == NULL) {
        return;
    }

    if (e->call != NULL) {
        mock_call_end(&e->call, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    }

    mock_buf_free(&e->body);
    free(e);
    *context = NULL;
}


/* the turn of the loop is followed by mock_server_run() in any case */
static void
on_daemon_ready(struct mock_event *event)
{
    (void) event;
}


struct mock_server *
mock_server_init(struct mock_loop *loop, int listener, unsigned connections,
    const struct mock_plan *plan)
{
    struct mock_server           *server;
    const union MHD_DaemonInfo   *info;

    server = mock_alloc_zeroed(sizeof(struct mock_server));
    server->event.handler = on_daemon_ready;
    server->context.loop = loop;
    server->context.calls = mock_calls_init();
    server->context.plan = *plan;

    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0,
        NULL, NULL, on_access, server,
        MHD_OPTION_LISTEN_SOCKET, listener,
        MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned) BACKLOG,
        MHD_OPTION_CONNECTION_LIMIT, connections,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_END);

    if (server->daemon == NULL) {
        mock_calls_deinit(&server->context.calls);
        free(server);
        return NULL;
    }

    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    mock_loop_watch(loop, info->epoll_fd, EPOLLIN, &server->event);

    return server;
}


void
mock_server_log(struct mock_server *server, int fd)
{
    mock_calls_log(server->context.calls, fd);
}


void
mock_server_deinit(struct mock_server **server_x)
{
    struct mock_server  *server;

    server = *server_x;

    /* libmicrohttpd must not be stopped while a connection is suspended */
    mock_call_leave_all(&server->context);
    MHD_run(server->daemon);
    MHD_stop_daemon(server->daemon);

    mock_calls_deinit(&server->context.calls);
    mock_last_free(&server->context.last);
    free(server);
    *server_x = NULL;
}


void
mock_server_run(struct mock_server *server)
{
    MHD_run(server->daemon);
}


bool
mock_server_busy(struct mock_server *server)
{
    unsigned long long  ms;

    /* no timeouts are set: there is work now, or there is none */
    return MHD_get_timeout(server->daemon, &ms) == MHD_YES;
}
