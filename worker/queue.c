/*
 * Reading the queue.  One command at a time on a connection that does nothing
 * else: our own unfinished entries first, after a start and after each broken
 * connection; then, about every second, those whose lease is over; else new
 * ones, waiting for them.  What is asked for never exceeds the free slots, and
 * the next read goes out as soon as there are some.
 */

#define _GNU_SOURCE                 /* memrchr */

#include "runner.h"

#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"


#define QUEUE_BLOCK        2000         /* ms that a read waits in Redis */
#define QUEUE_BLOCK_GRACE  2000         /* ms until it counts as lost */
#define QUEUE_CLAIM_EVERY  1000         /* ms between looks at old leases */
#define QUEUE_CLAIM_AFTER  3000         /* ms after an outage: see below */
#define QUEUE_BATCH        256          /* entries of a read, at most */
#define QUEUE_PAUSE        1000         /* ms, after an error */
#define QUEUE_ID_MAX       JOB_ENTRY_MAX


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
    unsigned       class;               /* of the next such read */
    unsigned       asked;               /* entries of each stream, at most */

    /* leases that are over */
    uint64_t       claim_at;            /* loop_now() of the next look */
    weir_class_e   claim_class;         /* of the answer to come */
    char           cursors[WEIR_CLASSES][QUEUE_ID_MAX];
};


static const weir_class_e  queue_classes[] = {
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


static void
queue_pause(queue_t *q, const char *what, const weir_answer_t *answer)
{
    LOG(LOG_WARN, "queue_paused", log_text("at", what),
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

    if (answer->code != WEIR_ANSWER_OK
        && !(answer->error.len >= 9
             && memcmp(answer->error.data, "BUSYGROUP", 9) == 0))
    {
        queue_pause(q, "group", answer);
        return;
    }

    if (q->groups == 0 && q->checked) {
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


/* true: the answer is no error */

static bool
queue_is_good(queue_t *q, const char *what, const weir_answer_t *answer)
{
    if (answer->code == WEIR_ANSWER_OK) {
        return true;
    }

    if (answer->code == WEIR_ANSWER_LOST) {
        return false;                   /* queue_on_down() */
    }

    if (answer->error.len >= 7 && memcmp(answer->error.data, "NOGROUP", 7) == 0)
    {
        LOG(LOG_ERROR, "group_missing",
            log_text("reason", "Redis was emptied; the groups are made anew"));
        q->grouped = false;
    }

    queue_pause(q, what, answer);

    return false;
}


/* entries */

static int
queue_class_of(const weir_reply_t *stream)
{
    weir_str_t   name;
    const char  *colon;

    name = weir_reply_str(stream);
    colon = name.len ? memrchr(name.data, ':', name.len) : NULL;

    if (colon == NULL) {
        return -1;
    }

    name.len -= (size_t) (colon + 1 - name.data);
    name.data = colon + 1;

    return weir_class_parse(name);
}


static void
queue_drop_nil(queue_t *q, weir_class_e class, weir_str_t entry)
{
    char         text[JOB_ENTRY_MAX];
    runner_t    *r;
    weir_txn_t  *t;

    r = q->runner;
    memcpy(text, entry.data, entry.len);
    text[entry.len] = '\0';

    t = runner_txn(r);
    weir_txn_drop(t, RUNNER_SHARD, "", class, text, false);
    (void) redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout, NULL, NULL);
}


/* Entries of one stream into jobs; after_r: the id of the last one.  Returns
 * how many were new to us. */

static size_t
queue_take(queue_t *q, weir_class_e class, const weir_reply_t *entries,
    char after_r[QUEUE_ID_MAX])
{
    size_t               i, n;
    runner_t            *r;
    weir_str_t           id;
    const weir_reply_t  *entry, *fields;

    r = q->runner;
    n = 0;

    for (i = 0; i < weir_reply_count(entries); i++) {
        entry = weir_reply_at(entries, i);
        fields = weir_reply_at(entry, 1);
        id = weir_reply_str(weir_reply_at(entry, 0));

        if (id.len == 0 || id.len >= JOB_ENTRY_MAX) {
            continue;
        }

        memcpy(after_r, id.data, id.len);
        after_r[id.len] = '\0';

        if (jobs_holds(r->jobs, class, id)) {
            continue;
        }

        if (weir_reply_is_nil(fields)) {
            queue_drop_nil(q, class, id);
            continue;
        }

        if (r->state == RUNNER_LEAVING) {
            lease_hand_back_entry(r->lease, class, id);
            continue;
        }

        if (jobs_free(r->jobs) == 0) {
            queue_rescan(q, 0);         /* pending in our name: found again */
            break;
        }

        claim_entry(r, class, id, weir_reply_field(fields, WEIR_ENTRY_RUN),
                    weir_reply_field(fields, WEIR_ENTRY_GEN));
        n++;
    }

    lease_hand_back_flush(r->lease);

    return n;
}


static void
queue_on_new(void *data, const weir_answer_t *answer)
{
    int                  class;
    bool                 full;
    char                 after[QUEUE_ID_MAX];
    size_t               i;
    queue_t             *q;
    const weir_reply_t  *stream, *entries;

    q = data;
    q->outstanding--;

    if (!queue_is_good(q, "read", answer)) {
        return;
    }

    /* the streams come in the order of asking: the most urgent first */

    full = false;

    for (i = 0; i < weir_reply_count(answer->reply); i++) {
        stream = weir_reply_at(answer->reply, i);
        entries = weir_reply_at(stream, 1);
        class = queue_class_of(weir_reply_at(stream, 0));

        if (weir_reply_count(entries) >= q->asked) {
            full = true;
        }

        if (class >= 0) {
            (void) queue_take(q, (weir_class_e) class, entries, after);
        }
    }

    if (full) {
        q->backlog = true;
        q->class = 0;

    } else if (q->backlog && ++q->class == WEIR_CLASSES) {
        q->backlog = false;             /* all streams are empty */
        q->class = 0;
    }
}


static void
queue_on_own(void *data, const weir_answer_t *answer)
{
    size_t               n;
    queue_t             *q;
    const weir_reply_t  *entries;

    q = data;
    q->outstanding--;

    if (!queue_is_good(q, "read own", answer)) {
        return;
    }

    entries = weir_reply_at(weir_reply_at(answer->reply, 0), 1);
    n = queue_take(q, q->scan_class, entries, q->scan_after);

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
queue_on_old(void *data, const weir_answer_t *answer)
{
    char           after[QUEUE_ID_MAX];
    size_t         n;
    queue_t       *q;
    weir_str_t     cursor;
    weir_class_e   class;

    q = data;
    q->outstanding--;
    class = q->claim_class++;

    if (!queue_is_good(q, "take over", answer)) {
        return;
    }

    cursor = weir_reply_str(weir_reply_at(answer->reply, 0));

    if (cursor.len == 0 || cursor.len >= QUEUE_ID_MAX) {
        return;
    }

    memcpy(q->cursors[class], cursor.data, cursor.len);
    q->cursors[class][cursor.len] = '\0';

    n = queue_take(q, class, weir_reply_at(answer->reply, 1), after);

    if (n) {
        counters_add(q->runner->counters, recovered, n);
        LOG(LOG_INFO, "entries_recovered", log_text("from", "lease"),
            log_text("class", weir_class_name(class)),
            log_num("entries", (long long) n));
    }

    /* not the end yet */

    if (!weir_str_eq(cursor, weir_str("0-0"))) {
        q->claim_at = 0;
    }
}


/* what to ask next */

static void
queue_send(queue_t *q, weir_txn_t *t, uint64_t block, weir_answer_pt fn)
{
    runner_t  *r;

    r = q->runner;

    if (redis_send(r->read, t, block ? block + QUEUE_BLOCK_GRACE
                                     : (uint64_t) r->conf->redis.timeout,
                   fn, q) == 0)
    {
        q->outstanding++;
    }
}


static void
queue_ask_own(queue_t *q, unsigned count)
{
    weir_txn_t  *t;

    t = runner_txn(q->runner);
    weir_txn_read_own(t, RUNNER_SHARD, q->runner->consumer, q->scan_class,
                      q->scan_after, count);

    queue_send(q, t, 0, queue_on_own);
}


static void
queue_ask_old(queue_t *q, unsigned count)
{
    size_t       i;
    runner_t    *r;
    weir_txn_t  *t;

    r = q->runner;

    q->claim_class = WEIR_HIGH;
    q->claim_at = loop_now(r->loop) + QUEUE_CLAIM_EVERY / 2
                  + mem_chance() % QUEUE_CLAIM_EVERY;

    for (i = 0; i < WEIR_CLASSES; i++) {
        t = runner_txn(r);
        weir_txn_autoclaim(t, RUNNER_SHARD, r->consumer, queue_classes[i],
                           r->conf->worker.lease, q->cursors[i], count);
        queue_send(q, t, 0, queue_on_old);
    }
}


static void
queue_ask_new(queue_t *q, unsigned count)
{
    uint64_t     block, now;
    weir_txn_t  *t;

    q->asked = count;
    t = runner_txn(q->runner);

    if (q->backlog) {
        weir_txn_read(t, RUNNER_SHARD, q->runner->consumer,
                      &queue_classes[q->class], 1, count, 0);
        queue_send(q, t, 0, queue_on_new);
        return;
    }

    /* back in time for the next look at old leases */

    now = loop_now(q->runner->loop);
    block = q->claim_at > now ? q->claim_at - now : 1;

    if (block > QUEUE_BLOCK) {
        block = QUEUE_BLOCK;
    }

    weir_txn_read(t, RUNNER_SHARD, q->runner->consumer, queue_classes,
                  WEIR_CLASSES, count, (unsigned) block);

    queue_send(q, t, block, queue_on_new);
}


static void
queue_on_turn(void *data)
{
    size_t     free, count;
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

    if (q->rescan_at && now >= q->rescan_at) {
        queue_scan_start(q);
    }

    free = jobs_free(r->jobs);

    if (q->scanning && free) {
        queue_ask_own(q, (unsigned) (free < QUEUE_BATCH ? free : QUEUE_BATCH));
        return;
    }

    count = free / WEIR_CLASSES;

    if (count == 0 || q->scanning) {
        return;
    }

    if (count > QUEUE_BATCH) {
        count = QUEUE_BATCH;
    }

    if (now >= q->claim_at) {
        queue_ask_old(q, (unsigned) count);
        return;
    }

    if (q->backlog) {
        count = free < QUEUE_BATCH ? free : QUEUE_BATCH;
    }

    queue_ask_new(q, (unsigned) count);
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
        q->claim_at = loop_now(q->runner->loop) + QUEUE_CLAIM_AFTER;
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
    }

    queue_show(q);
}


void
queue_stop(queue_t *q)
{
    char         id[24];
    runner_t    *r;
    weir_txn_t  *t;

    r = q->runner;
    q->stopped = true;
    queue_show(q);

    /* a read that waits in Redis ends at once with nothing */

    if (q->outstanding && redis_client_id(r->read)) {
        snprintf(id, sizeof(id), "%lld", redis_client_id(r->read));

        t = runner_txn(r);
        weir_txn_words(t, 3, (const char *[]) { "CLIENT", "UNBLOCK", id });
        (void) redis_send(r->renew, t, (uint64_t) r->conf->redis.timeout, NULL,
                          NULL);
    }
}


bool
queue_is_idle(const queue_t *q)
{
    return q->outstanding == 0;
}


queue_t *
queue_create(runner_t *r)
{
    size_t    i;
    queue_t  *q;

    q = mem_alloc(sizeof(queue_t));
    q->runner = r;

    for (i = 0; i < WEIR_CLASSES; i++) {
        snprintf(q->cursors[i], QUEUE_ID_MAX, "0-0");
    }

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
