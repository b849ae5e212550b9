/*
 * Taking over: what others left pending.  About every second entries whose
 * lease is over are asked for, and one runner of all, for whom a key with a
 * short life decides, looks for consumers that hold entries and no longer say
 * that they live: their entries are taken without waiting for the lease.
 *
 * After an outage, or when Redis stood still for a moment, all signs of life
 * are old: those who live renew theirs first.
 *
 * Consumers are never deleted: that would delete what is pending with them.
 */

#include "queue.h"

#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"


#define TAKEOVER_EVERY   1000           /* ms between looks */
#define TAKEOVER_AFTER   3000           /* ms after an outage */
#define TAKEOVER_IDLE    4000           /* ms: what the dead held */
#define TAKEOVER_REAP    900            /* ms of the key */
#define TAKEOVER_STALL   1500           /* ms: a late answer */
#define TAKEOVER_SOME    (WEIR_BATCH * 10)


/* a consumer with entries in hand */

typedef struct {
    char           name[RUNNER_CONSUMER_MAX];
    bool           in[WEIR_CLASSES];
    bool           dead;
} takeover_consumer_t;


struct takeover_s {
    runner_t             *runner;
    unsigned              expected;     /* answers of the same kind to come */
    weir_class_e          class;        /* of the next of these */
    uint64_t              sent;         /* loop_now() of the last question */

    /* leases that are over */
    uint64_t              old_at;       /* loop_now() of the next look */
    char                  cursors[WEIR_CLASSES][QUEUE_ID_MAX];
    unsigned              turn;         /* when there are few slots */

    /* the dead */
    uint64_t              dead_at;      /* loop_now() of the next look */
    takeover_consumer_t  *consumers;
    size_t                n;
    size_t                size;
    size_t                next;         /* to be asked about, or emptied */
    size_t                most;         /* consumers of a stream */
    bool                  more;         /* this one has more than was asked */
};


static void takeover_empty(takeover_t *k);


static uint64_t
takeover_soon(uint64_t now)
{
    return now + TAKEOVER_EVERY / 2 + mem_chance() % TAKEOVER_EVERY;
}


void
takeover_stalled(takeover_t *k)
{
    uint64_t  at;

    at = loop_now(k->runner->loop) + TAKEOVER_AFTER;

    if (k->old_at < at) {
        k->old_at = at;
    }

    if (k->dead_at < at) {
        k->dead_at = at;
    }
}


static void
takeover_send(takeover_t *k, weir_txn_t *t, weir_answer_pt fn)
{
    k->sent = loop_now(k->runner->loop);
    queue_send(k->runner->queue, t, 0, fn, k);
}


/* false: an error, or so late that nobody's sign of life means anything */

static bool
takeover_answered(takeover_t *k, const weir_answer_t *answer)
{
    if (!queue_answered(k->runner->queue, "take over", answer)) {
        return false;
    }

    if (loop_now(k->runner->loop) - k->sent > TAKEOVER_STALL) {
        takeover_stalled(k);
        return false;
    }

    return true;
}


static void
takeover_took(takeover_t *k, weir_class_e class, const char *from, size_t n)
{
    (void) k;

    if (n) {
        LOG(LOG_INFO, "entries_recovered", log_text("from", from),
            log_text("class", weir_class_name(class)),
            log_num("entries", (long long) n));
    }
}


/* leases that are over */

static void
takeover_on_old(void *data, const weir_answer_t *answer)
{
    char           after[QUEUE_ID_MAX];
    size_t         n;
    weir_str_t     cursor;
    takeover_t    *k;
    weir_class_e   class;

    k = data;
    class = k->class;
    k->class = (k->class + 1) % WEIR_CLASSES;

    if (!queue_answered(k->runner->queue, "take over", answer)) {
        return;
    }

    cursor = weir_reply_str(weir_reply_at(answer->reply, 0));

    if (cursor.len == 0 || cursor.len >= QUEUE_ID_MAX) {
        return;
    }

    memcpy(k->cursors[class], cursor.data, cursor.len);
    k->cursors[class][cursor.len] = '\0';

    n = entries_take(k->runner, class, weir_reply_at(answer->reply, 1), after);
    counters_add(k->runner->counters, recovered, n);
    takeover_took(k, class, "lease", n);

    /* not the end yet */

    if (!weir_str_eq(cursor, weir_str("0-0"))) {
        k->old_at = 0;
    }
}


static void
takeover_ask_old(takeover_t *k, weir_class_e class, unsigned count)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = k->runner;

    t = runner_txn(r);
    weir_txn_autoclaim(t, RUNNER_SHARD, r->consumer, class,
                       r->conf->worker.lease, k->cursors[class], count);
    takeover_send(k, t, takeover_on_old);
}


static void
takeover_old(takeover_t *k, unsigned free)
{
    weir_class_e  class;

    k->old_at = takeover_soon(loop_now(k->runner->loop));

    if (free < WEIR_CLASSES) {
        k->class = (weir_class_e) (k->turn++ % WEIR_CLASSES);
        takeover_ask_old(k, k->class, free);
        return;
    }

    k->class = WEIR_HIGH;

    for (class = 0; class < WEIR_CLASSES; class++) {
        takeover_ask_old(k, class, free / WEIR_CLASSES);
    }
}


/* emptying the dead: XPENDING, then XCLAIM of what it told, in batches */

static void
takeover_on_claim(void *data, const weir_answer_t *answer)
{
    bool         good;
    char         after[QUEUE_ID_MAX];
    size_t       n;
    takeover_t  *k;

    k = data;
    k->expected--;
    good = takeover_answered(k, answer);

    if (answer->code == WEIR_ANSWER_OK) {
        n = entries_take(k->runner, k->class, answer->reply, after);
        counters_add(k->runner->counters, recovered_dead, n);
        takeover_took(k, k->class, k->consumers[k->next].name, n);
    }

    if (k->expected == 0 && good) {
        if (!k->more) {
            k->next++;
        }

        takeover_empty(k);
    }
}


static void
takeover_on_pending(void *data, const weir_answer_t *answer)
{
    size_t               i, n;
    runner_t            *r;
    takeover_t          *k;
    unsigned             some;
    weir_txn_t          *t;
    weir_str_t           ids[WEIR_BATCH];
    const weir_reply_t  *reply;

    k = data;
    r = k->runner;

    if (!takeover_answered(k, answer)) {
        return;
    }

    reply = answer->reply;
    n = weir_reply_count(reply);
    k->more = n >= k->expected;
    k->expected = 0;

    if (n == 0) {
        k->next++;
        takeover_empty(k);
        return;
    }

    for (i = 0, some = 0; i < n; i++) {
        ids[some++] = weir_reply_str(weir_reply_at(weir_reply_at(reply, i), 0));

        if (some == WEIR_BATCH || i == n - 1) {
            t = runner_txn(r);
            weir_txn_take_over(t, RUNNER_SHARD, r->consumer, k->class,
                               TAKEOVER_IDLE, ids, some);
            k->expected++;
            some = 0;
            takeover_send(k, t, takeover_on_claim);
        }
    }
}


static void
takeover_empty(takeover_t *k)
{
    size_t               free;
    runner_t            *r;
    weir_txn_t          *t;
    takeover_consumer_t *c;

    r = k->runner;
    free = jobs_free(r->jobs);

    if (free == 0 || !queue_is_taking(r->queue)) {
        return;                         /* others, or the next look */
    }

    /* the most urgent class of all of them first */

    for ( ;; ) {
        if (k->next == k->n) {
            k->next = 0;

            if (++k->class == WEIR_CLASSES) {
                return;
            }
        }

        c = &k->consumers[k->next];

        if (c->dead && c->in[k->class]) {
            break;
        }

        k->next++;
    }

    k->expected = free < TAKEOVER_SOME ? (unsigned) free : TAKEOVER_SOME;

    t = runner_txn(r);
    weir_txn_pending_of(t, RUNNER_SHARD, k->class, c->name, TAKEOVER_IDLE,
                        k->expected);
    takeover_send(k, t, takeover_on_pending);
}


/* who is dead */

static void
takeover_bury(takeover_t *k)
{
    size_t  i, dead;

    dead = 0;

    for (i = 0; i < k->n; i++) {
        if (k->consumers[i].dead) {
            dead++;
            LOG(LOG_WARN, "consumer_dead",
                log_text("consumer", k->consumers[i].name));
        }
    }

    if (dead) {
        k->class = WEIR_HIGH;
        k->next = 0;
        takeover_empty(k);
    }
}


static void
takeover_on_alive(void *data, const weir_answer_t *answer)
{
    bool         good;
    size_t       i, n;
    takeover_t  *k;

    k = data;
    k->expected--;
    good = takeover_answered(k, answer);
    n = weir_reply_count(answer->reply);

    for (i = 0; good && i < n && k->next < k->n; i++) {
        k->consumers[k->next++].dead =
            weir_reply_is_nil(weir_reply_at(answer->reply, i));
    }

    if (k->expected == 0 && good && k->next == k->n) {
        takeover_bury(k);
    }
}


static void
takeover_ask_alive(takeover_t *k)
{
    size_t       i;
    unsigned     n;
    weir_txn_t  *t;
    const char  *names[WEIR_BATCH];

    k->next = 0;

    for (i = 0, n = 0; i < k->n; i++) {
        names[n++] = k->consumers[i].name;

        if (n == WEIR_BATCH || i == k->n - 1) {
            t = runner_txn(k->runner);
            weir_txn_alive(t, RUNNER_SHARD, names, n);
            k->expected++;
            n = 0;
            takeover_send(k, t, takeover_on_alive);
        }
    }
}


static void
takeover_add(takeover_t *k, weir_str_t name, weir_class_e class)
{
    size_t                i;
    takeover_consumer_t  *c;

    if (name.len == 0 || name.len >= RUNNER_CONSUMER_MAX
        || weir_str_eq(name, weir_str_of(k->runner->consumer)))
    {
        return;
    }

    for (i = 0; i < k->n; i++) {
        if (weir_str_eq(weir_str_of(k->consumers[i].name), name)) {
            k->consumers[i].in[class] = true;
            return;
        }
    }

    if (k->n == k->size) {
        k->size = k->size ? k->size * 2 : WEIR_BATCH;
        k->consumers = mem_grow(k->consumers,
                                k->size * sizeof(takeover_consumer_t));
    }

    c = &k->consumers[k->n++];
    memset(c, 0, sizeof(takeover_consumer_t));
    memcpy(c->name, name.data, name.len);
    c->in[class] = true;
}


static void
takeover_on_consumers(void *data, const weir_answer_t *answer)
{
    bool         good;
    size_t       i, n;
    long long    pending;
    takeover_t  *k;
    weir_str_t   name;

    k = data;
    k->expected--;
    good = takeover_answered(k, answer);
    n = good ? weir_reply_count(answer->reply) : 0;

    for (i = 0; i < n; i++) {
        if (weir_txn_consumers_read(answer, i, &name, &pending) && pending) {
            takeover_add(k, name, k->class);
        }
    }

    if (n > k->most) {
        k->most = n;
    }

    k->class++;

    if (k->expected == 0 && good) {
        counters_set(k->runner->counters, consumers, k->most);
        takeover_ask_alive(k);
    }
}


static void
takeover_on_reap(void *data, const weir_answer_t *answer)
{
    takeover_t    *k;
    weir_txn_t    *t;
    weir_class_e   class;

    k = data;

    if (!takeover_answered(k, answer)
        || weir_reply_str(answer->reply).len == 0)
    {
        return;                         /* another one looks */
    }

    k->n = 0;
    k->most = 0;
    k->class = WEIR_HIGH;
    k->expected = WEIR_CLASSES;

    for (class = 0; class < WEIR_CLASSES; class++) {
        t = runner_txn(k->runner);
        weir_txn_consumers(t, RUNNER_SHARD, class);
        takeover_send(k, t, takeover_on_consumers);
    }
}


static void
takeover_dead(takeover_t *k)
{
    runner_t    *r;
    weir_txn_t  *t;

    r = k->runner;
    k->dead_at = takeover_soon(loop_now(r->loop));

    t = runner_txn(r);
    weir_txn_reap(t, RUNNER_SHARD, r->consumer, TAKEOVER_REAP);
    takeover_send(k, t, takeover_on_reap);
}


bool
takeover_turn(takeover_t *k, size_t free)
{
    uint64_t  now;

    now = loop_now(k->runner->loop);
    k->expected = 0;

    if (free == 0) {
        return false;
    }

    if (now >= k->old_at) {
        takeover_old(k, free < QUEUE_BATCH ? (unsigned) free : QUEUE_BATCH);
        return true;
    }

    if (now >= k->dead_at) {
        takeover_dead(k);
        return true;
    }

    return false;
}


uint64_t
takeover_next(const takeover_t *k)
{
    return k->old_at < k->dead_at ? k->old_at : k->dead_at;
}


void
takeover_now(takeover_t *k)
{
    k->old_at = 0;
}


takeover_t *
takeover_create(runner_t *r)
{
    size_t       i;
    takeover_t  *k;

    k = mem_alloc(sizeof(takeover_t));
    k->runner = r;

    for (i = 0; i < WEIR_CLASSES; i++) {
        snprintf(k->cursors[i], QUEUE_ID_MAX, "0-0");
    }

    return k;
}


void
takeover_destroy(takeover_t **k)
{
    free((*k)->consumers);
    free(*k);
    *k = NULL;
}
