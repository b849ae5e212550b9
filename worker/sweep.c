/*
 * The answers that are kept: how much room they take, and that it is no more
 * than they may.  One runner of all, for whom a key with a short life decides,
 * counts them in passes: those whose time is over leave the index, and when
 * there are too many bytes, the oldest go.  After a purge a pass of its own
 * deletes what is void; nobody serves that meanwhile.
 *
 * A pass goes page by page with a pause after each, so that Redis has time for
 * others.  Answers come and go under it: what it misses, the next one finds.
 */

#include "runner.h"

#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "weir_cached.h"
#include "weir_info.h"
#include "weir_txn_ask.h"


#define SWEEP_EVERY     2000            /* ms between passes */
#define SWEEP_PACE      5               /* ms between pages */
#define SWEEP_HOLD      10000           /* ms of the key */
#define SWEEP_FORGET    3600000         /* ms between looks for old marks */
#define SWEEP_OLD       (WEIR_TTL_MARKS * 1000LL)       /* ms, a mark */
#define SWEEP_OVERHEAD  400             /* bytes that an answer takes besides */
#define SWEEP_DEFAULT   (256LL * 1024 * 1024)


typedef enum {
    SWEEP_VOID = 0,                     /* what was purged goes */
    SWEEP_COUNT,
    SWEEP_EVICT                         /* the oldest go */
} sweep_stage_e;


struct sweep_s {
    runner_t       *runner;
    loop_timer_t    next;               /* of the pass, or of the page */
    bool            stopped;
    uint64_t        held;               /* loop_now(): until then it is us */
    uint64_t        forget;             /* likewise: the next look at marks */
    long long       purges;             /* as counted before this pass */
    long long       purged;             /* the last that was dealt with */

    sweep_stage_e   stage;
    long long       rank;               /* of the page */
    int64_t         entries;
    int64_t         bytes;
    int64_t         budget;
    int64_t         limit;              /* maxmemory of a Redis of their own */

    size_t          shown;              /* of it; not all may be answers */
    unsigned        n;
    char            page[WEIR_ANSWERS_BATCH][WEIR_QUESTION_TEXT + 1];
    weir_str_t      questions[WEIR_ANSWERS_BATCH];
    int64_t         created[WEIR_ANSWERS_BATCH];    /* ms, of their runs */
    unsigned        ndrop;
    weir_str_t      drop[WEIR_ANSWERS_BATCH];       /* in page */
};


static void sweep_page(void *data);
static void sweep_look(void *data);


/* what is told */

static void
sweep_tell(const sweep_t *s)
{
    counters_set(s->runner->counters, answers, s->entries);
    counters_set(s->runner->counters, answer_bytes, s->bytes);
}


/* the end of a pass */

static void
sweep_rest(sweep_t *s)
{
    if (!s->stopped) {
        s->next.fn = sweep_look;
        loop_timer_set(s->runner->loop, &s->next,
                       SWEEP_EVERY - SWEEP_EVERY / 8
                       + mem_chance() % (SWEEP_EVERY / 4));
    }
}


static void
sweep_fail(sweep_t *s, const weir_answer_t *answer)
{
    if (answer && answer->code != WEIR_ANSWER_LOST) {
        LOG(answer->code == WEIR_ANSWER_ERROR ? LOG_ERROR : LOG_WARN,
            "sweep_later", log_str("reason", answer->error));
    }

    sweep_rest(s);
}


static void
sweep_ask_by(sweep_t *s, redis_t *redis, const conf_redis_t *conf,
    const weir_txn_t *t, weir_answer_pt fn)
{
    if (s->stopped
        || redis_send(redis, t, (uint64_t) conf->timeout, fn, s) != 0)
    {
        sweep_fail(s, NULL);
    }
}


/* where the answers are */

static void
sweep_ask(sweep_t *s, const weir_txn_t *t, weir_answer_pt fn)
{
    runner_t  *r;

    r = s->runner;

    if (r->keeping) {
        sweep_ask_by(s, r->keeping, &r->conf->cache, t, fn);

    } else {
        sweep_ask_by(s, r->cmd, &r->conf->redis, t, fn);
    }
}


/* where the purges are: with the queue */

static void
sweep_ask_queue(sweep_t *s, const weir_txn_t *t, weir_answer_pt fn)
{
    sweep_ask_by(s, s->runner->cmd, &s->runner->conf->redis, t, fn);
}


/* stages */

static int64_t
sweep_budget(const sweep_t *s)
{
    int64_t  limit, setting;

    setting = s->runner->conf->worker.cache_budget;
    limit = s->runner->keeping ? s->limit : gate_limit(s->runner->gate);

    if (setting >= 0) {
        return setting;
    }

    return limit > 0 ? limit / 100 * -setting : SWEEP_DEFAULT;
}


static void
sweep_begin(sweep_t *s, sweep_stage_e stage)
{
    s->stage = stage;
    s->rank = 0;

    if (stage == SWEEP_COUNT) {
        s->entries = 0;
        s->bytes = 0;
    }

    sweep_page(s);
}


static void
sweep_counted(sweep_t *s)
{
    s->budget = sweep_budget(s);

    /* jobs need the memory more */

    if (s->runner->keeping == NULL && gate_is_full(s->runner->gate)
        && s->budget > s->bytes / 2)
    {
        s->budget = s->bytes / 2;
    }

    sweep_tell(s);

    if (s->bytes > s->budget) {
        sweep_begin(s, SWEEP_EVICT);

    } else {
        sweep_rest(s);
    }
}


static void
sweep_stage_over(sweep_t *s)
{
    switch (s->stage) {

    case SWEEP_VOID:
        s->purged = s->purges;
        sweep_begin(s, SWEEP_COUNT);
        return;

    case SWEEP_COUNT:
        sweep_counted(s);
        return;

    default: /* SWEEP_EVICT */
        sweep_tell(s);
        sweep_rest(s);
        return;
    }
}


/* the end of a page */

static void
sweep_turn(sweep_t *s)
{
    s->rank += (long long) s->shown - s->ndrop;

    if (s->shown < WEIR_ANSWERS_BATCH
        || (s->stage == SWEEP_EVICT && s->bytes <= s->budget))
    {
        sweep_stage_over(s);
        return;
    }

    s->next.fn = sweep_page;
    loop_timer_set(s->runner->loop, &s->next, SWEEP_PACE);
}


static void
sweep_on_drop(void *data, const weir_answer_t *answer)
{
    sweep_t  *s;

    s = data;

    if (answer->code != WEIR_ANSWER_OK) {
        sweep_fail(s, answer);
        return;
    }

    switch (s->stage) {

    case SWEEP_VOID:
        counters_add(s->runner->counters, voided, s->ndrop);
        break;

    case SWEEP_EVICT:
        counters_add(s->runner->counters, evicted, s->ndrop);
        break;

    default: /* they were gone */
        break;
    }

    sweep_turn(s);
}


static void
sweep_drop(sweep_t *s)
{
    weir_txn_t  *t;

    if (s->ndrop == 0) {
        sweep_turn(s);
        return;
    }

    t = runner_txn(s->runner);
    weir_txn_answers_drop(t, RUNNER_SHARD, s->drop, s->ndrop);
    sweep_ask(s, t, sweep_on_drop);
}


/* counting, and what goes because there is too much */

static void
sweep_on_sizes(void *data, const weir_answer_t *answer)
{
    int64_t    size;
    sweep_t   *s;
    unsigned   i;

    s = data;

    if (answer->code != WEIR_ANSWER_OK) {
        sweep_fail(s, answer);
        return;
    }

    for (i = 0; i < s->n; i++) {
        size = weir_reply_int(weir_reply_at(answer->reply, i));
        size = size > 0 ? size + SWEEP_OVERHEAD : 0;

        if (s->stage == SWEEP_COUNT) {
            s->entries += (size > 0);
            s->bytes += size;

            if (size == 0) {
                s->drop[s->ndrop++] = s->questions[i];
            }

        } else if (s->bytes > s->budget) {
            s->entries -= (size > 0);
            s->bytes -= size;
            s->drop[s->ndrop++] = s->questions[i];
        }
    }

    sweep_drop(s);
}


/* What was purged: of each answer the marks that would match are read, so that
 * it does not matter how many there are. */

static void
sweep_on_marks(void *data, const weir_answer_t *answer)
{
    sweep_t   *s;
    unsigned   i;

    s = data;

    if (answer->code != WEIR_ANSWER_OK) {
        sweep_fail(s, answer);
        return;
    }

    for (i = 0; i < s->n; i++) {
        if (s->created[i] <= weir_txn_marked_at(answer, i)) {
            s->drop[s->ndrop++] = s->questions[i];
        }
    }

    sweep_drop(s);
}


static void
sweep_on_heads(void *data, const weir_answer_t *answer)
{
    sweep_t        *s;
    unsigned        i;
    weir_ask_t     *ask, asks[WEIR_ANSWERS_BATCH];
    weir_txn_t     *t;
    weir_cached_t   c;

    s = data;

    if (answer->code != WEIR_ANSWER_OK) {
        sweep_fail(s, answer);
        return;
    }

    memset(asks, 0, sizeof(asks));

    for (i = 0; i < s->n; i++) {
        ask = &asks[i];
        ask->shard = RUNNER_SHARD;
        ask->question = s->page[i];
        s->created[i] = 0;              /* older than any mark, and than none */

        /* what nobody can read is of use to nobody */

        if (weir_cached_read(weir_reply_str(weir_reply_at(answer->reply, i)),
                             &c))
        {
            ask->owner = c.owner;
            ask->model = c.model;
            ask->labels = c.labels;
            s->created[i] = c.created;
        }
    }

    t = runner_txn(s->runner);
    weir_txn_marked(t, asks, s->n);
    sweep_ask_queue(s, t, sweep_on_marks);
}


/* a page */

static void
sweep_take(sweep_t *s, weir_str_t question)
{
    if (question.len != WEIR_QUESTION_TEXT) {
        LOG(LOG_ERROR, "answer_invalid", log_str("member", question));
        return;
    }

    memcpy(s->page[s->n], question.data, question.len);
    s->page[s->n][question.len] = '\0';
    s->questions[s->n] = weir_str_of(s->page[s->n]);
    s->n++;
}


static void
sweep_on_page(void *data, const weir_answer_t *answer)
{
    size_t       i;
    sweep_t     *s;
    weir_txn_t  *t;

    s = data;

    if (answer->code != WEIR_ANSWER_OK) {
        sweep_fail(s, answer);
        return;
    }

    s->n = 0;
    s->ndrop = 0;
    s->shown = weir_reply_count(answer->reply);

    for (i = 0; i < s->shown && i < WEIR_ANSWERS_BATCH; i++) {
        sweep_take(s, weir_reply_str(weir_reply_at(answer->reply, i)));
    }

    if (s->n == 0) {
        sweep_turn(s);
        return;
    }

    t = runner_txn(s->runner);

    if (s->stage == SWEEP_VOID) {
        weir_txn_answers_heads(t, RUNNER_SHARD, s->questions, s->n);
        sweep_ask(s, t, sweep_on_heads);

    } else {
        weir_txn_answers_sizes(t, RUNNER_SHARD, s->questions, s->n);
        sweep_ask(s, t, sweep_on_sizes);
    }
}


static void
sweep_page(void *data)
{
    sweep_t     *s;
    weir_txn_t  *t;

    s = data;
    s->held = loop_now(s->runner->loop) + SWEEP_HOLD;

    t = runner_txn(s->runner);
    weir_txn_sweep_keep(t, RUNNER_SHARD, SWEEP_HOLD);
    weir_txn_answers(t, RUNNER_SHARD, s->rank, WEIR_ANSWERS_BATCH);
    sweep_ask(s, t, sweep_on_page);
}


/* the beginning of a pass */

static void
sweep_on_count(void *data, const weir_answer_t *answer)
{
    sweep_t  *s;

    s = data;

    if (answer->code != WEIR_ANSWER_OK) {
        sweep_fail(s, answer);
        return;
    }

    s->purges = weir_reply_int(answer->reply);
    sweep_begin(s, s->purges == s->purged ? SWEEP_COUNT : SWEEP_VOID);
}


static void
sweep_purges(sweep_t *s)
{
    weir_txn_t  *t;

    t = runner_txn(s->runner);
    weir_txn_purgecount(t, RUNNER_SHARD);
    sweep_ask_queue(s, t, sweep_on_count);
}


/* of a Redis of their own */

static void
sweep_on_memory(void *data, const weir_answer_t *answer)
{
    sweep_t  *s;

    s = data;

    if (answer->code != WEIR_ANSWER_OK) {
        sweep_fail(s, answer);
        return;
    }

    s->limit = weir_info_number(weir_reply_str(answer->reply), "maxmemory");
    sweep_purges(s);
}


/* marks that are older than any answer; what fails is done in an hour */

static void
sweep_forget(sweep_t *s)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = s->runner;
    s->forget = loop_now(r->loop) + SWEEP_FORGET;

    t = runner_txn(r);
    weir_txn_marks_forget(t, RUNNER_SHARD, runner_now(r) - SWEEP_OLD);
    (void) redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout, NULL,
                      NULL);
}


static void
sweep_on_look(void *data, const weir_answer_t *answer)
{
    sweep_t     *s;
    weir_txn_t  *t;

    s = data;

    if (answer->code != WEIR_ANSWER_OK) {
        sweep_fail(s, answer);
        return;
    }

    /* who had it goes on, so that one tells how many there are */

    if (weir_reply_is_nil(answer->reply)
        && loop_now(s->runner->loop) >= s->held)
    {
        s->entries = 0;
        s->bytes = 0;
        sweep_tell(s);
        sweep_rest(s);
        return;
    }

    if (loop_now(s->runner->loop) >= s->forget) {
        sweep_forget(s);
    }

    place_tell(s->runner->place);

    if (s->runner->keeping == NULL) {
        sweep_purges(s);
        return;
    }

    t = runner_txn(s->runner);
    weir_txn_words(t, 2, (const char *[]) { "INFO", "memory" });
    sweep_ask(s, t, sweep_on_memory);
}


static void
sweep_look(void *data)
{
    sweep_t     *s;
    weir_txn_t  *t;

    s = data;

    t = runner_txn(s->runner);
    weir_txn_sweep(t, RUNNER_SHARD, s->runner->consumer, SWEEP_HOLD);
    sweep_ask(s, t, sweep_on_look);
}


sweep_t *
sweep_create(runner_t *r)
{
    sweep_t  *s;

    s = mem_alloc(sizeof(sweep_t));
    s->runner = r;
    s->purged = -1;                     /* what came before is not known */
    s->next.data = s;
    sweep_rest(s);

    return s;
}


void
sweep_stop(sweep_t *s)
{
    s->stopped = true;
    loop_timer_stop(s->runner->loop, &s->next);

    s->entries = 0;
    s->bytes = 0;
    sweep_tell(s);
}


void
sweep_destroy(sweep_t **sp)
{
    sweep_t  *s;

    s = *sp;
    *sp = NULL;

    sweep_stop(s);
    free(s);
}
