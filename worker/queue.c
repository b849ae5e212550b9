/*
 * Reading the queue.  One command at a time on a connection that does nothing
 * else: our own unfinished entries first, after a start and after each broken
 * connection; then, about every second, what others left (takeover.c); else new
 * ones, waiting for them.  What is asked for never exceeds the free slots, and
 * the next read goes out as soon as there are some.
 */

#include "queue.h"

#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "share.h"


#define QUEUE_BLOCK        2000         /* ms that a read waits in Redis */
#define QUEUE_BLOCK_GRACE  2000         /* ms until it counts as lost */
#define QUEUE_BLOCK_LATE   1500         /* ms until it counts as a stall */
#define QUEUE_PAUSE        1000         /* ms, after an error */


struct queue_s {
    runner_t      *runner;
    loop_turn_t    turn;
    loop_timer_t   wake;                /* makes a turn happen */
    bool           checked;             /* Redis is fit, cmd is up */
    bool           grouped;             /* the groups exist */
    bool           served;              /* checked once, at any time */
    bool           stopped;
    unsigned       outstanding;         /* answers to come on "read" */
    unsigned       groups;              /* answers to come about groups */
    uint64_t       pause;               /* loop_now() to wait for */

    /* our own unfinished entries */
    bool           scanning;
    weir_class_e   scan_class;
    char           scan_after[QUEUE_ID_MAX];
    uint64_t       rescan_at;           /* loop_now(); 0: not wanted */

    /* new ones: while there are more than slots, they are read class by class,
     * since a read of several streams takes as many from each */
    bool           backlog;
    share_t        share;
    unsigned       counts[WEIR_CLASSES];    /* asked of each class */
    weir_class_e   class;               /* of the answer to come */
    unsigned       asked;               /* of each stream, if of all at once */
    uint64_t       due;                 /* loop_now() of the answer, at most */
};


const weir_class_e  queue_classes[WEIR_CLASSES] = {
    WEIR_HIGH, WEIR_NORMAL, WEIR_LOW
};


static void
queue_wake(queue_t *q, uint64_t at)
{
    uint64_t  now;

    now = loop_now(q->runner->loop);

    if (q->wake.node.place == 0 || q->wake.node.at > at) {
        loop_timer_set(q->runner->loop, &q->wake, at > now ? at - now : 0);
    }
}


static void
queue_on_wake(void *data)
{
    (void) data;                        /* the end of this turn does it */
}


static void
queue_show(queue_t *q)
{
    counters_set(q->runner->counters, claiming,
                 q->checked && q->grouped && !q->stopped
                 && redis_is_up(q->runner->read));
}


static bool
queue_error_is(const weir_answer_t *answer, const char *word)
{
    size_t  n;

    n = strlen(word);

    return answer->error.len >= n && memcmp(answer->error.data, word, n) == 0;
}


static void
queue_later(queue_t *q, const char *what, const weir_answer_t *answer)
{
    LOG(LOG_WARN, "queue_later", log_text("at", what),
        log_str("reason", answer->error));

    q->pause = loop_now(q->runner->loop) + QUEUE_PAUSE;
    queue_wake(q, q->pause);
}


static void
queue_scan_start(queue_t *q)
{
    q->rescan_at = 0;
    q->scanning = true;
    q->scan_class = WEIR_HIGH;
    snprintf(q->scan_after, sizeof(q->scan_after), "0");
}


/* groups */

static void
queue_on_group(void *data, const weir_answer_t *answer)
{
    queue_t  *q;

    q = data;
    q->groups--;

    if (answer->code == WEIR_ANSWER_LOST) {
        return;
    }

    /* without memory nothing is created, but it may be there already: a read
     * tells */

    if (answer->code != WEIR_ANSWER_OK && !queue_error_is(answer, "BUSYGROUP")
        && !queue_error_is(answer, "OOM"))
    {
        queue_later(q, "group", answer);
        return;
    }

    if (q->groups == 0 && q->checked && q->pause <= loop_now(q->runner->loop)) {
        q->grouped = true;
        queue_scan_start(q);
    }
}


static void
queue_ensure_groups(queue_t *q)
{
    size_t       i;
    runner_t    *r;
    weir_txn_t  *t;

    r = q->runner;

    for (i = 0; i < WEIR_CLASSES; i++) {
        t = runner_txn(r);
        weir_txn_group(t, RUNNER_SHARD, queue_classes[i]);

        if (redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout,
                       queue_on_group, q) == 0)
        {
            q->groups++;
        }
    }
}


/* questions and answers on "read" */

void
queue_send(queue_t *q, weir_txn_t *t, uint64_t block, weir_answer_pt fn,
    void *data)
{
    runner_t  *r;

    r = q->runner;

    if (redis_send(r->read, t, block ? block + QUEUE_BLOCK_GRACE
                                     : (uint64_t) r->conf->redis.timeout,
                   fn, data) == 0)
    {
        q->outstanding++;
    }
}


bool
queue_answered(queue_t *q, const char *what, const weir_answer_t *answer)
{
    q->outstanding--;

    if (answer->code == WEIR_ANSWER_OK) {
        return true;
    }

    if (answer->code == WEIR_ANSWER_LOST) {
        return false;                   /* queue_on_down() */
    }

    if (queue_error_is(answer, "UNBLOCKED")) {
        return false;                   /* a failover, or the key is gone */
    }

    if (queue_error_is(answer, "NOGROUP")
        || queue_error_is(answer, "ERR no such key"))
    {
        LOG(LOG_ERROR, "group_missing",
            log_text("reason", "Redis was emptied; the groups are made anew"));
        q->grouped = false;
    }

    queue_later(q, what, answer);

    return false;
}


bool
queue_is_taking(const queue_t *q)
{
    return q->checked && !q->stopped && gate_is_open(q->runner->gate);
}


/* our own */

static void
queue_on_own(void *data, const weir_answer_t *answer)
{
    size_t               n;
    queue_t             *q;
    const weir_reply_t  *entries;

    q = data;

    if (!queue_answered(q, "read own", answer)) {
        return;
    }

    entries = weir_reply_at(weir_reply_at(answer->reply, 0), 1);
    n = entries_take(q->runner, q->scan_class, entries, q->scan_after);

    if (n) {
        counters_add(q->runner->counters, recovered_own, n);
        LOG(LOG_INFO, "entries_recovered", log_text("from", "self"),
            log_text("class", weir_class_name(q->scan_class)),
            log_num("entries", (long long) n));
    }

    if (weir_reply_count(entries)) {
        return;
    }

    snprintf(q->scan_after, sizeof(q->scan_after), "0");

    if (++q->scan_class == WEIR_CLASSES) {
        q->scanning = false;
    }
}


static void
queue_ask_own(queue_t *q, size_t free)
{
    weir_txn_t  *t;

    t = runner_txn(q->runner);
    weir_txn_read_own(t, RUNNER_SHARD, q->runner->consumer, q->scan_class,
                      q->scan_after,
                      (unsigned) (free < QUEUE_BATCH ? free : QUEUE_BATCH));

    queue_send(q, t, 0, queue_on_own, q);
}


/* new ones, while none are left behind: all streams at once, waiting */

static void
queue_on_new(void *data, const weir_answer_t *answer)
{
    int                  class;
    char                 after[QUEUE_ID_MAX];
    size_t               i;
    queue_t             *q;
    const weir_reply_t  *stream, *entries;

    q = data;

    if (!queue_answered(q, "read", answer)) {
        return;
    }

    if (loop_now(q->runner->loop) > q->due + QUEUE_BLOCK_LATE) {
        takeover_stalled(q->runner->takeover);
    }

    /* the streams come in the order of asking: the most urgent first */

    for (i = 0; i < weir_reply_count(answer->reply); i++) {
        stream = weir_reply_at(answer->reply, i);
        entries = weir_reply_at(stream, 1);
        class = entries_class(weir_reply_at(stream, 0));

        if (weir_reply_count(entries) >= q->asked) {
            q->backlog = true;
        }

        if (class >= 0) {
            (void) entries_take(q->runner, (weir_class_e) class, entries,
                                after);
        }
    }
}


static void
queue_ask_new(queue_t *q, size_t free)
{
    uint64_t     block, now, next;
    weir_txn_t  *t;

    q->asked = (unsigned) (free < QUEUE_BATCH ? free : QUEUE_BATCH);
    q->asked = q->asked < WEIR_CLASSES ? 1 : q->asked / WEIR_CLASSES;

    /* back in time for the next look at what others left */

    now = loop_now(q->runner->loop);
    next = takeover_next(q->runner->takeover);
    block = next > now ? next - now : 1;

    if (block > QUEUE_BLOCK) {
        block = QUEUE_BLOCK;
    }

    q->due = now + block;

    t = runner_txn(q->runner);
    weir_txn_read(t, RUNNER_SHARD, q->runner->consumer, queue_classes,
                  WEIR_CLASSES, q->asked, (unsigned) block);

    queue_send(q, t, block, queue_on_new, q);
}


/* with a backlog: each class its share */

static void
queue_on_share(void *data, const weir_answer_t *answer)
{
    char                 after[QUEUE_ID_MAX];
    queue_t             *q;
    weir_class_e         class;
    const weir_reply_t  *entries;

    q = data;

    while (q->class < WEIR_LOW && q->counts[q->class] == 0) {
        q->class++;
    }

    class = q->class++;

    if (!queue_answered(q, "read", answer)) {
        return;
    }

    entries = weir_reply_at(weir_reply_at(answer->reply, 0), 1);

    if (weir_reply_count(entries) < q->counts[class]) {
        share_empty(&q->share, class, loop_now(q->runner->loop));
    }

    (void) entries_take(q->runner, class, entries, after);
}


static void
queue_ask_share(queue_t *q, size_t free)
{
    unsigned       n;
    weir_txn_t    *t;
    weir_class_e   class;

    n = (unsigned) (free < QUEUE_BATCH ? free : QUEUE_BATCH);

    if (!share_out(&q->share, n, loop_now(q->runner->loop), q->counts)) {
        q->backlog = false;             /* all streams are empty */
        queue_ask_new(q, free);
        return;
    }

    q->class = WEIR_HIGH;

    for (class = 0; class < WEIR_CLASSES; class++) {
        if (q->counts[class]) {
            t = runner_txn(q->runner);
            weir_txn_read(t, RUNNER_SHARD, q->runner->consumer, &class, 1,
                          q->counts[class], 0);
            queue_send(q, t, 0, queue_on_share, q);
        }
    }
}


/* what to ask next */

static void
queue_on_turn(void *data)
{
    size_t     free;
    queue_t   *q;
    runner_t  *r;
    uint64_t   now;

    q = data;
    r = q->runner;
    now = loop_now(r->loop);

    if (!q->checked || q->stopped || q->outstanding || q->groups
        || !redis_is_up(r->read) || !redis_is_up(r->cmd) || now < q->pause)
    {
        return;
    }

    if (!q->grouped) {
        queue_ensure_groups(q);
        return;
    }

    queue_show(q);

    if (!gate_is_open(r->gate)) {
        return;
    }

    if (q->rescan_at && now >= q->rescan_at) {
        queue_scan_start(q);
    }

    free = jobs_free(r->jobs);

    if (free == 0) {
        return;
    }

    if (q->scanning) {
        queue_ask_own(q, free);
        return;
    }

    if (takeover_turn(r->takeover, free)) {
        return;
    }

    if (q->backlog) {
        queue_ask_share(q, free);
        return;
    }

    queue_ask_new(q, free);
}


void
queue_rescan(queue_t *q, uint64_t ms)
{
    uint64_t  at;

    at = loop_now(q->runner->loop) + ms;

    if (q->rescan_at == 0 || q->rescan_at > at) {
        q->rescan_at = at;
        queue_wake(q, at);
    }
}


void
queue_on_server(queue_t *q)
{
    /* during an outage all leases ran out: those who live renew theirs first */

    if (q->served) {
        takeover_stalled(q->runner->takeover);
    }

    q->served = true;
    q->checked = true;
    q->grouped = false;
    queue_wake(q, 0);
}


void
queue_on_up(queue_t *q)
{
    queue_scan_start(q);
    queue_wake(q, 0);
}


void
queue_on_down(queue_t *q)
{
    if (!redis_is_up(q->runner->cmd)) {
        q->checked = false;
        gate_on_down(q->runner->gate);
    }

    queue_show(q);
}


/* A read that waits in Redis ends at once with nothing. */

static void
queue_unblock(queue_t *q)
{
    char         id[24];
    runner_t    *r;
    weir_txn_t  *t;

    r = q->runner;

    if (q->outstanding && redis_client_id(r->read)) {
        snprintf(id, sizeof(id), "%lld", redis_client_id(r->read));

        t = runner_txn(r);
        weir_txn_words(t, 3, (const char *[]) { "CLIENT", "UNBLOCK", id });
        (void) redis_send(r->renew, t, (uint64_t) r->conf->redis.timeout, NULL,
                          NULL);
    }
}


void
queue_on_gate(queue_t *q)
{
    if (gate_is_open(q->runner->gate)) {
        takeover_now(q->runner->takeover);      /* what was handed back */
        queue_wake(q, 0);

    } else {
        queue_unblock(q);
    }
}


void
queue_stop(queue_t *q)
{
    q->stopped = true;
    queue_show(q);
    queue_unblock(q);
}


bool
queue_is_idle(const queue_t *q)
{
    return q->outstanding == 0;
}


queue_t *
queue_create(runner_t *r)
{
    queue_t  *q;

    q = mem_alloc(sizeof(queue_t));
    q->runner = r;

    q->wake.fn = queue_on_wake;
    q->wake.data = q;
    q->turn.fn = queue_on_turn;
    q->turn.data = q;

    loop_turn_add(r->loop, &q->turn);

    return q;
}


void
queue_destroy(queue_t **qp)
{
    queue_t  *q;

    q = *qp;
    *qp = NULL;

    loop_timer_stop(q->runner->loop, &q->wake);
    loop_turn_remove(q->runner->loop, &q->turn);
    free(q);
}
