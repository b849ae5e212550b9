/*
 * Word from outside: a stream that edge and tool write to and that every
 * runner reads from a place of its own, on a connection that does nothing else.
 * An entry only says where to look; what is so stands in the records, so that
 * an entry may come twice or be lost.  After a connection was made anew, all
 * that is in hand is looked at.
 */

#include "runner.h"

#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"


#define CONTROL_BLOCK   2000            /* ms that a read waits in Redis */
#define CONTROL_GRACE   2000            /* ms until it counts as lost */
#define CONTROL_PAUSE   1000            /* ms, after an error */
#define CONTROL_BATCH   1000            /* entries of a read */
#define CONTROL_ID_MAX  48


struct control_s {
    runner_t      *runner;
    loop_timer_t   again;
    bool           stopped;
    bool           placed;              /* the cursor has been set */
    char           cursor[CONTROL_ID_MAX];
};


static void control_ask(control_t *c);


static void
control_send(control_t *c, weir_txn_t *t, uint64_t block, weir_answer_pt fn)
{
    uint64_t   timeout;
    runner_t  *r;

    r = c->runner;
    timeout = block ? block + CONTROL_GRACE : (uint64_t) r->conf->redis.timeout;

    (void) redis_send(r->word, t, timeout, fn, c);
}


/* true: the answer is no error */

static bool
control_is_good(control_t *c, const weir_answer_t *answer)
{
    if (answer->code == WEIR_ANSWER_OK) {
        return true;
    }

    if (answer->code != WEIR_ANSWER_LOST) {         /* control_on_up() */
        LOG(LOG_WARN, "control_failed", log_str("reason", answer->error));
        loop_timer_set(c->runner->loop, &c->again, CONTROL_PAUSE);
    }

    return false;
}


static void
control_set_cursor(control_t *c, weir_str_t id)
{
    if (id.len && id.len < CONTROL_ID_MAX) {
        memcpy(c->cursor, id.data, id.len);
        c->cursor[id.len] = '\0';
    }
}


/* Is the first id, "<ms>-<number>", smaller? */

static bool
control_is_before(weir_str_t a, weir_str_t b)
{
    char                ids[2][CONTROL_ID_MAX];
    unsigned long long  ms[2], n[2];

    snprintf(ids[0], CONTROL_ID_MAX, "%.*s", (int) a.len, a.data);
    snprintf(ids[1], CONTROL_ID_MAX, "%.*s", (int) b.len, b.data);

    if (sscanf(ids[0], "%llu-%llu", &ms[0], &n[0]) != 2) {
        return true;                    /* none at all */
    }

    if (sscanf(ids[1], "%llu-%llu", &ms[1], &n[1]) != 2) {
        return false;
    }

    return ms[0] < ms[1] || (ms[0] == ms[1] && n[0] < n[1]);
}


static void
control_wish(control_t *c, weir_str_t run)
{
    job_t  *job;

    for (job = jobs_of_run(c->runner->jobs, run, NULL);
         job;
         job = jobs_of_run(c->runner->jobs, run, job))
    {
        feed_heard(job);
    }
}


/* reading */

static void
control_entry(control_t *c, const weir_reply_t *fields)
{
    runner_t    *r;
    weir_str_t   op;

    r = c->runner;
    op = weir_reply_field(fields, WEIR_CONTROL_OP);

    if (weir_str_eq(op, weir_str(WEIR_CONTROL_CANCEL))) {
        lease_check_run(r->lease, weir_reply_field(fields, WEIR_CONTROL_RUN),
                        r->word);

    } else if (weir_str_eq(op, weir_str(WEIR_CONTROL_LEFT))) {
        askers_left(r->askers, weir_reply_field(fields, WEIR_CONTROL_RUN));

    } else if (weir_str_eq(op, weir_str(WEIR_CONTROL_STREAM))) {
        control_wish(c, weir_reply_field(fields, WEIR_CONTROL_RUN));

    } else if (weir_str_eq(op, weir_str(WEIR_CONTROL_QUEUE))) {
        gate_ask(r->gate);
    }
}


static void
control_on_read(void *data, const weir_answer_t *answer)
{
    size_t               i;
    control_t           *c;
    const weir_reply_t  *entries, *entry;

    c = data;

    if (!control_is_good(c, answer)) {
        return;
    }

    entries = weir_reply_at(weir_reply_at(answer->reply, 0), 1);

    for (i = 0; i < weir_reply_count(entries); i++) {
        entry = weir_reply_at(entries, i);

        control_set_cursor(c, weir_reply_str(weir_reply_at(entry, 0)));
        control_entry(c, weir_reply_at(entry, 1));
    }

    control_ask(c);
}


static void
control_on_newest(void *data, const weir_answer_t *answer)
{
    control_t   *c;
    weir_str_t   id;

    c = data;

    if (!control_is_good(c, answer)) {
        return;
    }

    /* a stream that ends before our place is another one: Redis was emptied */

    id = weir_reply_str(weir_reply_at(weir_reply_at(answer->reply, 0), 0));

    if (!c->placed || control_is_before(id, weir_str_of(c->cursor))) {
        snprintf(c->cursor, sizeof(c->cursor), "0");

        if (!c->placed) {
            control_set_cursor(c, id);
        }

        c->placed = true;
    }

    /* what was said meanwhile may be gone already */

    lease_check_all(c->runner->lease, c->runner->word);
    control_ask(c);
}


static void
control_ask(control_t *c)
{
    weir_txn_t  *t;

    if (c->stopped) {
        return;
    }

    t = runner_txn(c->runner);
    weir_txn_control_read(t, RUNNER_SHARD, c->cursor, CONTROL_BATCH,
                          CONTROL_BLOCK);
    control_send(c, t, CONTROL_BLOCK, control_on_read);
}


static void
control_start(void *data)
{
    control_t   *c;
    weir_txn_t  *t;

    c = data;

    if (c->stopped) {
        return;
    }

    t = runner_txn(c->runner);
    weir_txn_control_newest(t, RUNNER_SHARD);
    control_send(c, t, 0, control_on_newest);
}


void
control_on_up(control_t *c)
{
    loop_timer_stop(c->runner->loop, &c->again);
    control_start(c);
}


control_t *
control_create(runner_t *r)
{
    control_t  *c;

    c = mem_alloc(sizeof(control_t));
    c->runner = r;
    c->again.fn = control_start;
    c->again.data = c;

    return c;
}


void
control_stop(control_t *c)
{
    c->stopped = true;
    loop_timer_stop(c->runner->loop, &c->again);
}


void
control_destroy(control_t **cp)
{
    control_stop(*cp);
    free(*cp);
    *cp = NULL;
}
