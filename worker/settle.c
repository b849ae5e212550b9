/*
 * Settlement: what was reserved for a run is corrected by what it used, its
 * slots are free, and the ledger of its owner grows; once, whoever does it and
 * however often.  Every end of a run leaves it in a set of those that are due.
 * Who finished a run settles it at once; every runner looks for what others
 * left there, or what was reserved and never submitted.
 *
 * WATCH says that nobody else did it in between: run and reservation first,
 * then the states of what was charged, then all of a batch in one EXEC.  It
 * belongs to a connection, so there is one for this, with one batch in flight.
 * What is lost stays due.
 */

#include "settle.h"

#include <stdlib.h>

#include "fault.h"
#include "log.h"
#include "mem.h"


#define SETTLE_LOOK     1000            /* ms between looks at what is due */
#define SETTLE_OTHERS   500             /* ms that an end is left to its own */
#define SETTLE_AGAIN    500             /* ms, after "later" */
#define SETTLE_JITTER   8               /* ms, after an abort; doubled */
#define SETTLE_DOUBLED  5               /* times, at most */
#define SETTLE_QUEUE    4096            /* runs; what is more is found due */


/* runs that wait for their batch, in a ring */

typedef struct {
    char           run[WEIR_ID_LEN + 1];
    int64_t        due;                 /* ms; 0: it ended here */
} settle_wait_t;


struct settle_s {
    runner_t      *runner;
    loop_turn_t    turn;
    loop_timer_t   look;
    loop_timer_t   again;
    bool           looks;               /* the next thing is to look */
    bool           stopped;             /* no more looks */

    settle_wait_t *waits;
    size_t         first;
    size_t         count;

    bool           busy;                /* answers are to come */
    unsigned       pending;             /* units of the batch's first half */
    bool           failed;              /* one of them was not answered */
    unsigned       aborts;              /* of this batch, in a row */
    settle_batch_t batch;
};


/* the queue */

static void
settle_push(settle_t *s, const char *run, int64_t due)
{
    settle_wait_t  *w;

    if (s->count == SETTLE_QUEUE) {
        return;
    }

    w = &s->waits[(s->first + s->count++) % SETTLE_QUEUE];
    memcpy(w->run, run, WEIR_ID_LEN + 1);
    w->due = due;
}


static void
settle_fill(settle_t *s)
{
    settle_wait_t  *w;

    while (s->count && s->batch.n < WEIR_SETTLE_BATCH) {
        w = &s->waits[s->first];
        settle_batch_add(&s->batch, w->run, w->due);

        s->first = (s->first + 1) % SETTLE_QUEUE;
        s->count--;
    }
}


/* sending */

static bool
settle_send(settle_t *s, const weir_txn_t *t, weir_answer_pt fn, void *data)
{
    runner_t  *r;

    r = s->runner;

    return redis_send(r->settling, t, (uint64_t) r->conf->redis.timeout, fn,
                      data) == 0;
}


/* The batch is over, or given up: then it is found due again. */

static void
settle_end(settle_t *s)
{
    s->busy = false;
    s->aborts = 0;
    s->batch.n = 0;
}


static void
settle_log(const weir_answer_t *answer)
{
    if (answer->code != WEIR_ANSWER_LOST) {
        LOG(answer->code == WEIR_ANSWER_ERROR ? LOG_ERROR : LOG_WARN,
            "settle_later", log_str("reason", answer->error));
    }
}


static void
settle_rest(settle_t *s)
{
    settle_end(s);
    loop_timer_set(s->runner->loop, &s->again, SETTLE_AGAIN);
}


static void
settle_on_error(settle_t *s, const weir_answer_t *answer)
{
    settle_log(answer);
    settle_rest(s);
}


/* Somebody was faster: at the same runs, or at the same limits. */

static void
settle_on_abort(settle_t *s)
{
    unsigned  n;

    counters_add(s->runner->counters, settle_aborts, 1);

    n = s->aborts < SETTLE_DOUBLED ? s->aborts++ : s->aborts;
    loop_timer_set(s->runner->loop, &s->again,
                   1 + mem_chance() % ((uint32_t) SETTLE_JITTER << n));
}


/* the second half: what was decided */

static void
settle_on_exec(void *data, const weir_answer_t *answer)
{
    settle_t    *s;
    counters_t  *c;

    s = data;
    c = s->runner->counters;

    if (answer->code == WEIR_ANSWER_ABORTED) {
        settle_on_abort(s);
        return;
    }

    if (answer->code != WEIR_ANSWER_OK) {
        settle_on_error(s, answer);
        return;
    }

    FAULT("settle_executed");

    counters_add(c, settled, s->batch.settled);
    counters_add(c, given_back, s->batch.back);
    counters_add(c, not_reported, s->batch.stands);
    settle_end(s);
}


static void
settle_write(settle_t *s)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = s->runner;
    FAULT("settle_watched");

    t = runner_txn(r);
    settle_batch_write(&s->batch, t, runner_now(r));

    if (!settle_send(s, t, settle_on_exec, s)) {
        settle_end(s);
        return;
    }

    FAULT_SENT("settle_sent");
}


static void
settle_on_states(void *data, const weir_answer_t *answer)
{
    settle_t  *s;

    s = data;

    if (answer->code != WEIR_ANSWER_OK) {
        settle_on_error(s, answer);
        return;
    }

    settle_batch_states(&s->batch, answer);
    settle_write(s);
}


static void
settle_decide(settle_t *s)
{
    weir_txn_t  *t;

    settle_batch_judge(&s->batch);

    if (s->batch.nstates == 0) {
        settle_write(s);
        return;
    }

    t = runner_txn(s->runner);
    settle_batch_watch(&s->batch, t);

    if (!settle_send(s, t, settle_on_states, s)) {
        settle_end(s);
    }
}


/* the first half: what is known */

static void
settle_took(settle_t *s, const weir_answer_t *answer)
{
    if (answer->code != WEIR_ANSWER_OK && answer->code != WEIR_ANSWER_ERROR
        && !s->failed)
    {
        s->failed = true;
        settle_log(answer);
    }

    if (--s->pending) {
        return;
    }

    if (s->failed) {
        settle_rest(s);

    } else {
        settle_decide(s);
    }
}


static void
settle_on_watch(void *data, const weir_answer_t *answer)
{
    settle_took(data, answer);
}


/* Of what is no record of ours nothing follows but to keep away from it. */

static void
settle_took_item(settle_item_t *item, const weir_answer_t *answer, bool ok)
{
    settle_t  *s;

    s = item->settle;

    if (!ok && answer->code == WEIR_ANSWER_ERROR) {
        item->away = true;
        LOG(LOG_ERROR, "settle_invalid", log_text("run", item->run),
            log_str("reason", answer->error));
    }

    settle_took(s, answer);
}


static void
settle_on_run(void *data, const weir_answer_t *answer)
{
    settle_item_t  *item;

    item = data;
    settle_took_item(item, answer, weir_txn_settle_run_read(answer, &item->s));
}


static void
settle_on_job(void *data, const weir_answer_t *answer)
{
    settle_item_t  *item;

    item = data;
    settle_took_item(item, answer, weir_txn_settle_job_read(answer, &item->s));
}


static void
settle_on_hold(void *data, const weir_answer_t *answer)
{
    settle_item_t  *item;

    item = data;
    settle_took_item(item, answer, weir_txn_settle_hold_read(answer, &item->s));
}


static void
settle_ask(settle_t *s, settle_item_t *item,
    void (*build)(weir_txn_t *, unsigned, const char *), weir_answer_pt fn)
{
    weir_txn_t  *t;

    t = runner_txn(s->runner);
    build(t, RUNNER_SHARD, item->run);

    if (settle_send(s, t, fn, item)) {
        s->pending++;
    }
}


static void
settle_read(settle_t *s)
{
    unsigned        i;
    weir_txn_t     *t;
    settle_item_t  *item;

    s->busy = true;
    s->failed = false;
    s->pending = 0;

    t = runner_txn(s->runner);

    for (i = 0; i < s->batch.n; i++) {
        s->batch.items[i].settle = s;
        s->batch.items[i].away = false;
        weir_settle_init(&s->batch.items[i].s);
        weir_txn_settle_watch(t, RUNNER_SHARD, s->batch.items[i].run);
    }

    if (!settle_send(s, t, settle_on_watch, s)) {
        settle_end(s);
        return;
    }

    s->pending++;

    for (i = 0; i < s->batch.n; i++) {
        item = &s->batch.items[i];

        settle_ask(s, item, weir_txn_settle_run, settle_on_run);
        settle_ask(s, item, weir_txn_settle_job, settle_on_job);
        settle_ask(s, item, weir_txn_settle_hold, settle_on_hold);
    }

    /* what could not be asked has not been read */

    s->failed = (s->pending != 1 + 3 * s->batch.n);
}


/* looking */

static void
settle_set_look(settle_t *s)
{
    if (!s->stopped) {
        loop_timer_set(s->runner->loop, &s->look,
                       SETTLE_LOOK - SETTLE_LOOK / 4
                       + mem_chance() % (SETTLE_LOOK / 2));
    }
}


static void
settle_take_due(settle_t *s, weir_str_t member, int64_t due)
{
    char         run[WEIR_ID_LEN + 1];
    unsigned     shard;
    weir_txn_t  *t;

    if (weir_id_parse(member, &shard)) {
        memcpy(run, member.data, member.len);
        run[member.len] = '\0';
        settle_push(s, run, due);
        return;
    }

    LOG(LOG_ERROR, "settle_invalid", log_str("member", member));

    t = runner_txn(s->runner);
    weir_txn_settle_off(t, RUNNER_SHARD, &member, 1);
    (void) settle_send(s, t, NULL, NULL);
}


static void
settle_on_due(void *data, const weir_answer_t *answer)
{
    size_t     i, n;
    settle_t  *s;

    s = data;

    if (answer->code != WEIR_ANSWER_OK) {
        settle_on_error(s, answer);
        settle_set_look(s);
        return;
    }

    settle_end(s);
    n = weir_reply_count(answer->reply) / 2;

    for (i = 0; i < n; i++) {
        settle_take_due(s, weir_reply_str(weir_reply_at(answer->reply, 2 * i)),
                        weir_reply_int(weir_reply_at(answer->reply,
                                                     2 * i + 1)));
    }

    /* behind a full batch there is more, once it is done */

    s->looks = (n == WEIR_SETTLE_BATCH && !s->stopped);

    if (!s->looks) {
        settle_set_look(s);
    }
}


static void
settle_look(settle_t *s)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = s->runner;
    s->looks = false;

    t = runner_txn(r);
    weir_txn_settle_due(t, RUNNER_SHARD, runner_now(r) - SETTLE_OTHERS,
                        WEIR_SETTLE_BATCH);

    if (r->clock && settle_send(s, t, settle_on_due, s)) {
        s->busy = true;
        return;
    }

    settle_set_look(s);
}


static void
settle_on_look(void *data)
{
    ((settle_t *) data)->looks = true;
}


/* at the end of a turn: what ended in it makes one batch */

static void
settle_on_turn(void *data)
{
    settle_t  *s;

    s = data;

    if (s->busy || s->again.node.place || !redis_is_up(s->runner->settling)) {
        return;
    }

    settle_fill(s);

    if (s->batch.n) {
        settle_read(s);

    } else if (s->looks) {
        settle_look(s);
    }
}


/* after a pause: the batch that was aborted, or the next one */

static void
settle_on_again(void *data)
{
    settle_t  *s;

    s = data;

    if (s->busy && redis_is_up(s->runner->settling)) {
        settle_read(s);

    } else {
        settle_end(s);
    }
}


void
settle_kick(settle_t *s, const char *run)
{
    settle_push(s, run, 0);
}


bool
settle_is_idle(const settle_t *s)
{
    return (!s->busy && s->count == 0) || !redis_is_up(s->runner->settling);
}


settle_t *
settle_create(runner_t *r)
{
    settle_t  *s;

    s = mem_alloc(sizeof(settle_t));
    s->runner = r;
    s->waits = mem_alloc(SETTLE_QUEUE * sizeof(settle_wait_t));

    s->look.fn = settle_on_look;
    s->look.data = s;
    s->again.fn = settle_on_again;
    s->again.data = s;
    s->turn.fn = settle_on_turn;
    s->turn.data = s;

    loop_turn_add(r->loop, &s->turn);
    settle_set_look(s);

    return s;
}


void
settle_stop(settle_t *s)
{
    s->stopped = true;
    s->looks = false;
    loop_timer_stop(s->runner->loop, &s->look);
}


void
settle_destroy(settle_t **sp)
{
    settle_t  *s;

    s = *sp;
    *sp = NULL;

    settle_stop(s);
    loop_timer_stop(s->runner->loop, &s->again);
    loop_turn_remove(s->runner->loop, &s->turn);
    free(s->waits);
    free(s);
}
