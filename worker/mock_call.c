/*
 * One call from the last byte of its request to the last of its answer.
 * A call that has to wait suspends its connection and holds a timer, and its
 * socket is watched meanwhile, because libmicrohttpd does not look at a
 * suspended one: a client that leaves is noticed at once.  Never blocks.
 */

#include "mock_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "mock_answer.h"
#include "mock_ask.h"
#include "mock_garbage.h"
#include "mock_http.h"
#include "mock_stream.h"


#define NS_PER_MS       1000000ull
#define TRICKLE_BYTES   16
#define BLOCK_SIZE      4096        /* of a paced answer's reads */


struct mock_call {
    struct mock_call       *prev;       /* of all live calls */
    struct mock_call       *next;
    struct mock_context    *context;
    struct MHD_Connection  *connection;
    struct mock_event       event;      /* the peer closed */
    struct mock_timer       timer;
    struct mock_ticket      ticket;
    struct mock_ask         ask;
    struct mock_answer      answer;
    struct mock_stream      stream;
    struct mock_buf         out;        /* the body, or some events of it */
    size_t                  sent;       /* bytes of out */
    uint64_t                number;
    uint64_t                due;        /* ns: no byte before that */
    int                     fd;         /* the connection's; -1: unwatched */
    bool                    delayed;    /* "delay" has been waited for */
    bool                    events;     /* out is of a stream */
    bool                    suspended;
    bool                    gone;       /* the peer closed, or we end */
    bool                    cut;        /* we closed, as the plan said */
};


static void
call_wake(struct mock_call *call)
{
    mock_timer_clear(&call->context->loop->timers, &call->timer);

    if (call->suspended) {
        call->suspended = false;
        MHD_resume_connection(call->connection);
    }
}


static void
call_on_timer(struct mock_timer *timer)
{
    call_wake(mock_container(timer, struct mock_call, timer));
}


static void
call_on_close(struct mock_event *event)
{
    struct mock_call  *call;

    call = mock_container(event, struct mock_call, event);
    call->gone = true;
    call_wake(call);
}


/* edge-triggered, as a peer that has closed stays closed */
static void
call_watch(struct mock_call *call)
{
    const union MHD_ConnectionInfo  *info;

    if (call->fd != -1) {
        return;
    }

    info = MHD_get_connection_info(call->connection,
                                   MHD_CONNECTION_INFO_CONNECTION_FD);
    call->fd = info->connect_fd;
    mock_loop_watch(call->context->loop, call->fd, EPOLLRDHUP | EPOLLET,
                    &call->event);
}


/* due UINT64_MAX: until the peer closes */
static void
call_suspend(struct mock_call *call, uint64_t due)
{
    call_watch(call);

    if (due != UINT64_MAX) {
        mock_timer_set(&call->context->loop->timers, &call->timer, due);
    }

    call->suspended = true;
    MHD_suspend_connection(call->connection);
}


/* the next bytes are needed; false: there are none, and *rc says what */
static bool
call_refill(struct mock_call *call, ssize_t *rc)
{
    enum mock_next  next;

    call->sent = 0;
    call->out.len = 0;

    next = call->events ? mock_stream_next(&call->stream, &call->out)
                        : MOCK_NEXT_END;

    switch (next) {

    case MOCK_NEXT_BYTES:
        return true;

    case MOCK_NEXT_PAUSE:
        call->due = mock_loop_now()
                    + (uint64_t) call->ask.plan.pause * NS_PER_MS;
        call_suspend(call, call->due);
        *rc = 0;
        return false;

    case MOCK_NEXT_CUT:
        call->cut = true;
        *rc = MHD_CONTENT_READER_END_WITH_ERROR;
        return false;

    default: /* MOCK_NEXT_END */
        *rc = MHD_CONTENT_READER_END_OF_STREAM;
        return false;
    }
}


/* what is no stream ends in the middle of its bytes */
static bool
call_is_cut(const struct mock_call *call)
{
    switch (call->ask.plan.cut) {

    case MOCK_CUT_HEADERS:
        return true;

    case MOCK_CUT_BODY:
    case MOCK_CUT_EVENT:
        return !call->events && call->sent == call->out.len / 2;

    default:
        return false;
    }
}


/* the clock of a stream does not drift: each deadline follows the one before,
 * however late that was served */
static void
call_pace(struct mock_call *call)
{
    const struct mock_plan  *plan;

    plan = &call->ask.plan;

    if (plan->trickle > 0) {
        call->due += (uint64_t) plan->trickle * NS_PER_MS;
    }

    if (plan->every > 0 && call->events && call->sent == call->out.len
        && mock_answer_at_word(&call->answer))
    {
        call->due += (uint64_t) plan->every * NS_PER_MS;
    }
}


static size_t
call_portion(const struct mock_call *call, size_t max)
{
    size_t                   n, end, piece;
    const struct mock_plan  *plan;

    plan = &call->ask.plan;
    end = call->out.len;

    if (!call->events
        && (plan->cut == MOCK_CUT_BODY || plan->cut == MOCK_CUT_EVENT))
    {
        end /= 2;
    }

    n = end - call->sent;
    piece = plan->piece > 0 ? (size_t) plan->piece
            : plan->trickle > 0 ? TRICKLE_BYTES : n;

    if (n > piece) {
        n = piece;
    }

    return n < max ? n : max;
}


/* the content reader of a paced answer */
static ssize_t
call_read(void *cls, uint64_t pos, char *buf, size_t max)
{
    size_t             n;
    ssize_t            rc;
    struct mock_call  *call;

    (void) pos;

    call = cls;

    if (call->gone) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }

    if (call->due > mock_loop_now()) {
        call_suspend(call, call->due);
        return 0;
    }

    if (call_is_cut(call)) {
        call->cut = true;
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }

    if (call->sent == call->out.len && !call_refill(call, &rc)) {
        return rc;
    }

    n = call_portion(call, max);
    memcpy(buf, call->out.data + call->sent, n);
    call->sent += n;

    call_pace(call);

    return (ssize_t) n;
}


static struct MHD_Response *
call_make_response(struct mock_call *call)
{
    uint64_t              size;
    struct MHD_Response  *response;

    if (!call->events && call->ask.plan.cut == MOCK_CUT_NONE
        && call->ask.plan.trickle <= 0 && call->ask.plan.piece <= 0)
    {
        return mock_http_make(&call->out);
    }

    /* of an empty body with a length, libmicrohttpd would not ask for any
     * byte, and it could not be cut */
    size = call->events || call->out.len == 0 ? MHD_SIZE_UNKNOWN
                                              : call->out.len;
    response = MHD_create_response_from_callback(size, BLOCK_SIZE, call_read,
                                                 call, NULL);
    if (response == NULL) {
        fputs("weir-mock-llm: out of memory\n", stderr);
        abort();
    }

    call->due = mock_loop_now();

    return response;
}


static enum MHD_Result
call_send(struct mock_call *call, unsigned status, const char *type)
{
    struct MHD_Response  *response;

    response = call_make_response(call);

    if (status >= 300 && call->ask.plan.retry_after[0] != '\0') {
        MHD_add_response_header(response, "Retry-After",
                                call->ask.plan.retry_after);
    }

    if (status >= 300 && call->ask.plan.retry_after_ms[0] != '\0') {
        MHD_add_response_header(response, "Retry-After-Ms",
                                call->ask.plan.retry_after_ms);
    }

    if (call->events) {
        MHD_add_response_header(response, "Cache-Control", "no-cache");
        MHD_add_response_header(response, "X-Accel-Buffering", "no");
    }

    return mock_http_send(call->connection, call->ask.dialect, status, type,
                          call->number, response);
}


static enum MHD_Result
call_send_status(struct mock_call *call)
{
    unsigned           status;
    struct mock_error  error;

    status = (unsigned) call->ask.plan.status;

    mock_error_set(&error, status, NULL, NULL, "status %u was planned",
                   status);
    mock_error_write(&error, call->ask.dialect, call->number, &call->out);

    return call_send(call, status, MOCK_HTTP_JSON);
}


static enum MHD_Result
call_send_garbage(struct mock_call *call)
{
    bool                streams;
    const char         *type;
    enum mock_garbage   garbage;

    garbage = (enum mock_garbage) call->ask.plan.garbage;
    streams = mock_ask_streams(&call->ask);
    mock_garbage_write(garbage, streams, &call->out);

    type = garbage == MOCK_GARBAGE_HTML ? MOCK_HTTP_HTML
           : streams ? MOCK_HTTP_STREAM : MOCK_HTTP_JSON;

    return call_send(call, MHD_HTTP_OK, type);
}


static enum MHD_Result
call_answer(struct mock_call *call)
{
    struct mock_ask  *ask;

    ask = &call->ask;

    if (ask->plan.status >= 300) {
        return call_send_status(call);
    }

    if (ask->plan.garbage != MOCK_GARBAGE_NONE) {
        return call_send_garbage(call);
    }

    if (ask->embeds) {
        mock_embed_write(&ask->embed, &ask->plan, &call->out);
        return call_send(call, MHD_HTTP_OK, MOCK_HTTP_JSON);
    }

    mock_answer_init(&call->answer, ask->dialect, &ask->chat, &ask->plan,
                     call->number, call->ticket.turn,
                     (int64_t) time(NULL));

    if (mock_ask_streams(ask)) {
        call->events = true;
        mock_stream_init(&call->stream, &call->answer);
        return call_send(call, MHD_HTTP_OK, MOCK_HTTP_STREAM);
    }

    mock_answer_write(&call->answer, &call->out);

    return call_send(call, MHD_HTTP_OK, MOCK_HTTP_JSON);
}


enum MHD_Result
mock_call_continue(struct mock_call *call)
{
    if (call->gone) {
        return MHD_NO;
    }

    if (!call->delayed) {
        call->delayed = true;

        if (call->ask.plan.delay > 0) {
            call_suspend(call, mock_loop_now()
                               + (uint64_t) call->ask.plan.delay * NS_PER_MS);
            return MHD_YES;
        }
    }

    if (call->ask.plan.hang) {
        call_suspend(call, UINT64_MAX);
        return MHD_YES;
    }

    if (call->ask.plan.cut == MOCK_CUT_BEFORE) {
        call->cut = true;
        return MHD_NO;
    }

    return call_answer(call);
}


static enum MHD_Result
record_header(void *cls, enum MHD_ValueKind kind, const char *name,
    const char *value)
{
    (void) kind;

    mock_last_header(cls, name, value);

    return MHD_YES;
}


static bool
call_count_tag(struct mock_call *call, struct mock_error *error_r)
{
    const struct mock_plan  *plan;

    plan = &call->ask.plan;

    if (!mock_calls_tag(call->context->calls, &call->ticket, plan->tag)) {
        mock_error_set(error_r, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL,
                       "mock_tags", "no room for more than %d tags",
                       MOCK_TAGS_MAX);
        return false;
    }

    if (plan->times >= 0 && call->ticket.turn > (uint64_t) plan->times) {
        mock_plan_behave(&call->ask.plan);
    }

    return true;
}


static struct mock_call *
call_make(struct mock_context *context, struct MHD_Connection *connection,
    const char *path)
{
    struct mock_call  *call;

    call = mock_alloc_zeroed(sizeof(struct mock_call));

    call->context = context;
    call->connection = connection;
    call->event.handler = call_on_close;
    call->timer.handler = call_on_timer;
    mock_ask_init(&call->ask, path, &context->plan);
    call->number = ++context->requests;
    call->fd = -1;

    call->next = context->live;
    if (call->next != NULL) {
        call->next->prev = call;
    }

    context->live = call;

    mock_calls_begin(context->calls, &call->ticket);

    return call;
}


enum MHD_Result
mock_call_begin(struct mock_context *context,
    struct MHD_Connection *connection, const char *path,
    struct mock_buf *body, struct mock_call **call_r)
{
    bool               good;
    struct mock_call  *call;
    struct mock_error  error;

    call = call_make(context, connection, path);
    *call_r = call;

    good = mock_ask_read(&call->ask, connection, body, &error);

    mock_last_begin(&context->last, MHD_HTTP_METHOD_POST, path);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, record_header,
                              &context->last);
    mock_last_body(&context->last, body);

    /* a call that was not understood counts for its tag all the same */
    if (good) {
        good = call_count_tag(call, &error)
               && mock_ask_allowed(&call->ask, connection, &error);

    } else {
        mock_calls_tag(context->calls, &call->ticket, call->ask.plan.tag);
    }

    if (!good) {
        return mock_http_send_error(connection, call->ask.dialect,
                                    call->number, &error);
    }

    return mock_call_continue(call);
}


void
mock_call_end(struct mock_call **call_x, bool whole)
{
    enum mock_end         end;
    struct mock_call     *call;
    struct mock_context  *context;

    call = *call_x;
    context = call->context;

    end = call->cut ? MOCK_END_CUT
          : whole ? MOCK_END_COMPLETED : MOCK_END_ABORTED;
    mock_calls_end(context->calls, &call->ticket, end);

    mock_timer_clear(&context->loop->timers, &call->timer);

    if (call->fd != -1) {
        mock_loop_unwatch(context->loop, call->fd);
    }

    if (call->prev != NULL) {
        call->prev->next = call->next;

    } else {
        context->live = call->next;
    }

    if (call->next != NULL) {
        call->next->prev = call->prev;
    }

    mock_answer_free(&call->answer);
    mock_stream_free(&call->stream);
    mock_ask_free(&call->ask);
    mock_buf_free(&call->out);
    free(call);
    *call_x = NULL;
}


void
mock_call_leave_all(struct mock_context *context)
{
    struct mock_call  *call;

    for (call = context->live; call != NULL; call = call->next) {
        call->gone = true;
        call_wake(call);
    }
}
