/*
 * The process of a cell: a runner without Redis.  Owns the calls that it
 * makes; takes runs from its socket, parses them, asks the provider and sends
 * back the finished document.  Whatever it does wrong, it does to itself: its
 * memory and its time on the processor are limited, and when it dies the
 * runner knows which runs were in it.
 */

#include "cell.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "cell_msg.h"
#include "fault.h"
#include "log.h"
#include "mem.h"
#include "runner.h"
#include "watch.h"
#include "weir_money.h"


typedef struct cell_s      cell_t;
typedef struct cell_ask_s  cell_ask_t;

struct cell_ask_s {
    cell_ask_t        *prev;
    cell_ask_t        *next;
    cell_t            *cell;
    uint32_t           index;
    cell_run_t         run;
    weir_json_t       *request;
    provider_call_t    call;
    weir_outcome_t     outcome;
    size_t             provider;
};


struct cell_s {
    const conf_t      *conf;
    int                fd;
    loop_t            *loop;
    watches_t         *watches;
    loop_timer_t       beat;
    loop_turn_t        turn;
    provider_t       **providers;
    counters_t        *counters;        /* its own; told with each answer */
    cell_reader_t      in;
    weir_buf_t         out;
    size_t             sent;            /* bytes of it */
    cell_ask_t        *asks;
};


static cell_ask_t *
cell_ask_create(cell_t *c, uint32_t index)
{
    cell_ask_t  *ask;

    ask = mem_alloc(sizeof(cell_ask_t));
    ask->cell = c;
    ask->index = index;
    ask->provider = SIZE_MAX;
    weir_outcome_init(&ask->outcome);

    ask->next = c->asks;

    if (c->asks) {
        c->asks->prev = ask;
    }

    c->asks = ask;

    return ask;
}


static void
cell_ask_free(cell_ask_t *ask)
{
    if (ask->prev) {
        ask->prev->next = ask->next;

    } else {
        ask->cell->asks = ask->next;
    }

    if (ask->next) {
        ask->next->prev = ask->prev;
    }

    provider_cancel(&ask->call);
    provider_call_free(&ask->call);
    weir_outcome_free(&ask->outcome);
    weir_json_free(&ask->request);
    free(ask);
}


/* answers */

static void
cell_take_counts(cell_t *c, cell_calls_t *calls)
{
    calls->calls = c->counters->calls;
    calls->errors = c->counters->call_errors;
    calls->refused = c->counters->call_refused;
    calls->garbled = c->counters->call_garbled;
    calls->ms = c->counters->call_ms;

    memset(c->counters, 0, sizeof(counters_t));
}


static void
cell_write_document(cell_ask_t *ask, weir_buf_t *document)
{
    weir_outcome_t  *o;

    o = &ask->outcome;

    if (o->model.len == 0) {
        o->model = weir_str_of(ask->run.model);
    }

    o->state = WEIR_COMPLETED;
    o->started = ask->run.started;
    o->finished = ask->run.clock + (int64_t) loop_now(ask->cell->loop);
    o->attempts = ask->run.attempts;

    (void) weir_outcome_write(o, document);
}


static void
cell_answer(cell_ask_t *ask, provider_verdict_e verdict, int64_t wait)
{
    cell_t         *c;
    weir_buf_t      document;
    cell_answer_t   a;

    c = ask->cell;
    memset(&a, 0, sizeof(cell_answer_t));
    weir_buf_init(&document, WEIR_OUTCOME_MAX);

    if (verdict == PROVIDER_DONE) {
        cell_write_document(ask, &document);

        if (document.failed) {
            weir_buf_free(&document);
            weir_failure_set(&ask->outcome.error, WEIR_FAIL_UPSTREAM,
                             "the provider's reply is too large");
            verdict = PROVIDER_FAILED;
        }
    }

    a.verdict = verdict;
    a.wait = wait;
    a.took = ask->call.took;
    a.provider = ask->provider;
    a.error = ask->outcome.error;
    snprintf(a.detail, sizeof(a.detail), "%s", ask->call.detail);
    cell_take_counts(c, &a.calls);

    cell_msg_put(&c->out, CELL_ANSWER, ask->index, &a,
                 (weir_str_t) { document.data, document.len });
    mem_check(c->out.failed);

    weir_buf_free(&document);
    cell_ask_free(ask);
}


static void
cell_on_done(void *data, provider_verdict_e verdict, int64_t wait)
{
    cell_answer(data, verdict, wait);
}


/* It may be cancelled before there is an answer, or this process may die. */

static void
cell_took(cell_ask_t *ask)
{
    provider_took_t  took = { ask->call.input, 0, 0 };

    took.cost = weir_cost(took.input_tokens, 0, ask->call.conf->input_price,
                          0);

    cell_msg_put(&ask->cell->out, CELL_TOOK, ask->index, &took, weir_str_null);
    mem_check(ask->cell->out.failed);
}


/* messages */

static void
cell_on_run(cell_t *c, const cell_msg_t *msg)
{
    char                 error[WEIR_JSON_ERROR];
    cell_ask_t          *ask;
    const conf_model_t  *model;

    ask = cell_ask_create(c, msg->index);
    memcpy(&ask->run, msg->fixed, sizeof(cell_run_t));

    ask->request = weir_json_parse(msg->rest, error);

    if (ask->request == NULL) {
        ask_unreadable(&ask->outcome.error, error);
        cell_answer(ask, PROVIDER_FAILED, 0);
        return;
    }

    FAULT_REQUEST(msg->rest);

    model = ask_prepare(c->conf, ask->request, &ask->outcome, &ask->call);

    if (model == NULL) {
        cell_answer(ask, PROVIDER_FAILED, 0);
        return;
    }

    ask->provider = model->to;
    ask->call.request_id = ask->run.request_id;
    ask->call.trace = weir_str_of(ask->run.trace);
    ask->call.timeout = ask->run.left;
    ask->call.done = cell_on_done;
    ask->call.data = ask;

    provider_call(c->providers[model->to], &ask->call);
    cell_took(ask);
}


static void
cell_on_cancel(cell_t *c, const cell_msg_t *msg)
{
    cell_ask_t  *ask;

    for (ask = c->asks; ask; ask = ask->next) {
        if (ask->index == msg->index) {
            cell_ask_free(ask);
            return;
        }
    }
}


static void
cell_watch(cell_t *c)
{
    mem_check(watches_set(c->watches, c->fd, WATCH_READ
                          | (c->sent < c->out.len ? WATCH_WRITE : 0)) != 0);
}


static void
cell_flush(void *data)
{
    cell_t  *c;

    c = data;

    if (c->sent == c->out.len) {
        return;
    }

    if (cell_write(&c->out, &c->sent, c->fd) != 0) {
        loop_stop(c->loop);
        return;
    }

    cell_watch(c);
}


static void
cell_on_ready(void *data, int fd, unsigned what)
{
    cell_t       *c;
    cell_msg_t    msg;
    cell_fill_e   rc;

    (void) what;

    c = data;
    rc = cell_reader_fill(&c->in, fd);

    while (cell_reader_take(&c->in, &msg) == 1) {
        if (msg.type == CELL_RUN) {
            cell_on_run(c, &msg);

        } else if (msg.type == CELL_CANCEL) {
            cell_on_cancel(c, &msg);
        }
    }

    if (rc == CELL_CLOSED) {
        loop_stop(c->loop);             /* nobody wants an answer any more */
    }
}


static void
cell_on_beat(void *data)
{
    cell_t  *c;

    c = data;

    loop_timer_set(c->loop, &c->beat, CELL_BEAT_EVERY);
    cell_msg_put(&c->out, CELL_BEAT, 0, NULL, weir_str_null);
    mem_check(c->out.failed);
}


/* up and down */

static void
cell_limit(int resource, int64_t n, int64_t more)
{
    struct rlimit  limit;

    if (n > 0) {
        limit.rlim_cur = (rlim_t) n;
        limit.rlim_max = (rlim_t) (n + more);
        (void) setrlimit((__rlimit_resource_t) resource, &limit);
    }
}


static void
cell_limit_all(const conf_t *conf)
{
    struct rlimit  none;

    none.rlim_cur = none.rlim_max = 0;
    (void) setrlimit(RLIMIT_CORE, &none);

    cell_limit(RLIMIT_CPU, (conf->worker.isolation_cpu + 999) / 1000, 1);

    /* a sanitizer's shadow is larger than any limit */

#if !defined(__SANITIZE_ADDRESS__)
    cell_limit(RLIMIT_AS, conf->worker.isolation_memory, 0);
#endif
}


static void
cell_up(cell_t *c)
{
    size_t  i;

    http_init();
    c->loop = loop_create();
    c->counters = mem_alloc(sizeof(counters_t));
    c->providers = mem_alloc(c->conf->nproviders * sizeof(provider_t *));

    for (i = 0; i < c->conf->nproviders; i++) {
        c->providers[i] = provider_create(c->loop, &c->conf->providers[i],
                                          c->counters);
    }

    c->in.max = CELL_MSG_RUN_MAX;
    c->watches = watches_create(c->loop, cell_on_ready, c);
    cell_watch(c);

    c->beat.fn = cell_on_beat;
    c->beat.data = c;
    loop_timer_set(c->loop, &c->beat, CELL_BEAT_EVERY);

    c->turn.fn = cell_flush;
    c->turn.data = c;
    loop_turn_add(c->loop, &c->turn);
}


static void
cell_down(cell_t *c)
{
    size_t  i;

    while (c->asks) {
        cell_ask_free(c->asks);
    }

    for (i = 0; i < c->conf->nproviders; i++) {
        provider_destroy(&c->providers[i]);
    }

    loop_turn_remove(c->loop, &c->turn);
    loop_timer_stop(c->loop, &c->beat);
    watches_stop(c->watches, c->fd);
    watches_destroy(&c->watches);

    loop_destroy(&c->loop);
    http_deinit();

    cell_reader_free(&c->in);
    weir_buf_free(&c->out);
    free(c->providers);
    free(c->counters);
}


int
cell_main(const conf_t *conf, int fd)
{
    cell_t  c;

    memset(&c, 0, sizeof(cell_t));
    c.conf = conf;
    c.fd = fd;

    cell_limit_all(conf);
    cell_up(&c);
    FAULT("cell_started");

    loop_run(c.loop);
    cell_down(&c);

    return 0;
}
