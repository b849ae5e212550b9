/*
 * Whether anything may be claimed: not while an operator has paused the queue,
 * and not while Redis's memory is nearly full, since the results could not be
 * written any more.  Both are asked for every second, and the pause at once
 * when the control stream says so.
 */

#include "runner.h"

#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "weir_info.h"


#define GATE_EVERY  1000        /* ms */
#define GATE_STOP   90          /* % of the memory */
#define GATE_GO     88          /* %, afterwards */


struct gate_s {
    runner_t      *runner;
    loop_timer_t   every;
    bool           known;       /* "paused" has been read on this connection */
    bool           paused;
    bool           full;
    bool           warned;      /* that there is no limit */
    int64_t        limit;       /* maxmemory; 0: there is none */
};


bool
gate_is_open(const gate_t *g)
{
    return g->known && !g->paused && !g->full;
}


bool
gate_is_full(const gate_t *g)
{
    return g->full;
}


int64_t
gate_limit(const gate_t *g)
{
    return g->limit;
}


static void
gate_set(gate_t *g, bool *what, bool value)
{
    bool  was_open;

    was_open = gate_is_open(g);
    *what = value;

    counters_set(g->runner->counters, queue_paused, g->paused);
    counters_set(g->runner->counters, queue_full, g->full);

    if (gate_is_open(g) != was_open) {
        queue_on_gate(g->runner->queue);
    }
}


/* the pause */

static void
gate_on_paused(void *data, const weir_answer_t *answer)
{
    bool     paused;
    gate_t  *g;

    g = data;

    if (answer->code == WEIR_ANSWER_LOST || answer->code == WEIR_ANSWER_LATER) {
        return;                         /* the next second asks again */
    }

    paused = answer->code == WEIR_ANSWER_OK
             && weir_reply_str(answer->reply).len > 0;

    if (paused != g->paused) {
        if (paused) {
            LOG(LOG_WARN, "claims_paused",
                log_text("reason", "an operator has paused the queue"));

        } else {
            LOG(LOG_WARN, "claims_resumed", log_text("reason", "resumed"));
        }
    }

    gate_set(g, &g->paused, paused);
    gate_set(g, &g->known, true);
}


void
gate_ask(gate_t *g)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = g->runner;

    t = runner_txn(r);
    weir_txn_paused(t, RUNNER_SHARD);
    (void) redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout,
                      gate_on_paused, g);
}


/* memory */

static void
gate_warn(gate_t *g)
{
    if (g->warned || !g->runner->leader) {
        return;
    }

    g->warned = true;

    LOG(LOG_WARN, "redis_unlimited", log_text("reason",
        "Redis has no maxmemory: a full queue takes the whole machine's "
        "memory.  Set maxmemory and maxmemory-policy noeviction there"));
}


void
gate_memory(gate_t *g, weir_str_t info)
{
    bool      full;
    unsigned  percent;

    g->limit = weir_info_number(info, "maxmemory");

    if (g->limit == 0) {
        gate_warn(g);
    }

    if (!weir_info_memory(info, &percent)) {
        return;                         /* not told */
    }

    full = percent >= (g->full ? GATE_GO : GATE_STOP);
    counters_set(g->runner->counters, redis_memory, percent);

    if (full != g->full) {
        if (full) {
            LOG(LOG_ERROR, "claims_stopped", log_num("percent", percent),
                log_text("reason", "Redis's memory is nearly full"));

        } else {
            LOG(LOG_WARN, "claims_resumed", log_num("percent", percent),
                log_text("reason", "Redis has memory again"));
        }
    }

    gate_set(g, &g->full, full);
}


static void
gate_on_memory(void *data, const weir_answer_t *answer)
{
    if (answer->code == WEIR_ANSWER_OK) {
        gate_memory(data, weir_reply_str(answer->reply));
    }
}


static void
gate_on_every(void *data)
{
    gate_t      *g;
    runner_t    *r;
    weir_txn_t  *t;

    g = data;
    r = g->runner;

    loop_timer_set(r->loop, &g->every, GATE_EVERY);
    gate_ask(g);

    t = runner_txn(r);
    weir_txn_words(t, 2, (const char *[]) { "INFO", "memory" });
    (void) redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout,
                      gate_on_memory, g);
}


gate_t *
gate_create(runner_t *r)
{
    gate_t  *g;

    g = mem_alloc(sizeof(gate_t));
    g->runner = r;
    g->every.fn = gate_on_every;
    g->every.data = g;

    loop_timer_set(r->loop, &g->every, GATE_EVERY);

    return g;
}


void
gate_destroy(gate_t **gp)
{
    loop_timer_stop((*gp)->runner->loop, &(*gp)->every);
    free(*gp);
    *gp = NULL;
}


void
gate_on_down(gate_t *g)
{
    gate_set(g, &g->known, false);
}
