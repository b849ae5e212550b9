/*
 * What runs say, to those who read it just now: their deltas become entries of
 * a stream in Redis, one unit of a job at a time, and messages to the mailboxes
 * that Redis names (contract, 10.31).  What is not told so comes with the
 * outcome; so nothing here is tried for long, and no job waits for it.
 */

#include "runner.h"

#include <stdio.h>
#include <stdlib.h>

#include "fault.h"
#include "mem.h"
#include "provider_stream.h"
#include "weir_txn_events.h"


#define FEED_ENTRY  (16 * 1024)         /* bytes of deltas, about */
#define FEED_MOST   (1024 * 1024)       /* of those that wait */
#define FEED_LOOK   1000                /* ms between looks who is left */
#define FEED_KNOWN  4                   /* mailboxes that are told at once */


struct feed_job_s {
    feed_job_t      *prev;              /* among those with something to send */
    feed_job_t      *next;
    feed_t          *feed;
    job_t           *job;               /* NULL: it is out of hand */
    char             run[WEIR_ID_LEN + 1];
    char             token[JOB_TOKEN_MAX];
    char             data[JOB_NUMBER_MAX];      /* of a start */
    int64_t          ttl;               /* s */
    bool             while_read;        /* the run lives so long */
    uint64_t         looked;            /* loop_now(): whether anybody wants
                                           it; 0: never */

    weir_deltas_t    deltas;            /* that wait */
    const char      *why;               /* the attempt is over; or NULL */
    bool             won;               /* the run is: the end follows */

    uint64_t         n;                 /* of the entry under way, or next */
    weir_event_e     kind;              /* of that */
    weir_buf_t       entry;             /* its deltas */
    char             known[FEED_KNOWN][WEIR_MAILBOX_LEN + 1];   /* who read the
                                           one before */
    unsigned         nknown;
    bool             sent;              /* an answer is awaited */
    bool             lost;              /* it will not come */
    bool             listed;
    bool             ended;             /* nothing is fed any more */
};


struct feed_s {
    runner_t        *runner;
    loop_turn_t      turn;
    feed_job_t      *ready;
    size_t           alone;             /* that are out of hand */
};


static void feed_pump(feed_job_t *f);
static void feed_send(feed_job_t *f);
static int feed_on_delta(void *arg, const weir_delta_t *d);


/* those to be looked after at the end of the turn, or when Redis is back */

static void
feed_list(feed_job_t *f)
{
    if (f->listed) {
        return;
    }

    f->listed = true;
    f->prev = NULL;
    f->next = f->feed->ready;

    if (f->next) {
        f->next->prev = f;
    }

    f->feed->ready = f;
}


static void
feed_unlist(feed_job_t *f)
{
    if (!f->listed) {
        return;
    }

    f->listed = false;

    if (f->prev) {
        f->prev->next = f->next;

    } else {
        f->feed->ready = f->next;
    }

    if (f->next) {
        f->next->prev = f->prev;
    }
}


static void
feed_free(feed_job_t *f)
{
    f->feed->alone -= (f->job == NULL);
    feed_unlist(f);
    weir_deltas_free(&f->deltas);
    weir_buf_free(&f->entry);
    free(f);
}


/* What is under way is told yet. */

static void
feed_end(feed_job_t *f)
{
    f->ended = true;
    weir_deltas_free(&f->deltas);

    if (!f->sent && !f->lost) {
        weir_buf_free(&f->entry);
    }
}


/* a unit, as it is sent, and as it is told */

static void
feed_fill(const feed_job_t *f, weir_feed_t *unit)
{
    memset(unit, 0, sizeof(weir_feed_t));

    unit->shard = RUNNER_SHARD;
    unit->run = f->run;
    unit->token = f->token;
    unit->n = f->n;
    unit->kind = f->kind;
    unit->ttl = f->ttl;
    unit->now = runner_now(f->feed->runner);
    unit->data = f->kind == WEIR_EVENT_START ? weir_str_of(f->data)
                 : f->kind == WEIR_EVENT_OVER ? weir_str_of(f->why)
                 : (weir_str_t) { f->entry.data, f->entry.len };
}


static bool
feed_knows(const feed_job_t *f, weir_str_t name)
{
    unsigned  i;

    for (i = 0; i < f->nknown; i++) {
        if (memcmp(f->known[i], name.data, WEIR_MAILBOX_LEN) == 0) {
            return true;
        }
    }

    return false;
}


/* Those who read the entry before get this one right behind it: that saves a
 * way to Redis and back for each token.  Where it was not added, since another
 * attempt has begun, they are told of that in its turn. */

static void
feed_tell_known(const feed_job_t *f, const weir_feed_t *unit)
{
    unsigned     i;
    runner_t    *r;
    weir_txn_t  *t;

    if (f->nknown == 0) {
        return;
    }

    r = f->feed->runner;
    t = runner_txn(r);

    for (i = 0; i < f->nknown; i++) {
        weir_txn_mail_event(t, f->known[i], unit);
    }

    (void) redis_send(r->feeding, t, (uint64_t) r->conf->redis.timeout, NULL,
                      NULL);
}


/* The others, who are known from now on. */

static void
feed_tell(feed_job_t *f, const weir_reply_t *mailboxes)
{
    char         mailbox[WEIR_MAILBOX_LEN + 1];
    char         known[FEED_KNOWN][WEIR_MAILBOX_LEN + 1];
    size_t       i;
    unsigned     n, told;
    runner_t    *r;
    weir_str_t   name;
    weir_txn_t  *t;
    weir_feed_t  unit;

    n = told = 0;
    r = f->feed->runner;
    t = runner_txn(r);
    feed_fill(f, &unit);

    for (i = 0; i < weir_reply_count(mailboxes); i++) {
        name = weir_reply_str(weir_reply_at(mailboxes, i));

        if (name.len != WEIR_MAILBOX_LEN) {
            continue;
        }

        memcpy(mailbox, name.data, name.len);
        mailbox[name.len] = '\0';

        if (!feed_knows(f, name)) {
            weir_txn_mail_event(t, mailbox, &unit);
            told++;
        }

        if (n < FEED_KNOWN) {
            memcpy(known[n++], mailbox, sizeof(mailbox));
        }
    }

    memcpy(f->known, known, n * sizeof(known[0]));
    f->nknown = n;

    if (told) {
        (void) redis_send(r->feeding, t, (uint64_t) r->conf->redis.timeout,
                          NULL, NULL);
    }
}


/* Nobody reads it any more, and it may be for nobody else: the leave was lost,
 * or its edge has died. */

static void
feed_unread(feed_job_t *f)
{
    uint64_t   now;
    runner_t  *r;

    r = f->feed->runner;
    now = loop_now(r->loop);

    if (f->job && f->while_read
        && (f->looked == 0 || now - f->looked >= FEED_LOOK))
    {
        f->looked = now;
        askers_left(r->askers, weir_str_of(f->run));
    }
}


/* The entry is there; nothing follows an attempt that is over. */

static void
feed_done(feed_job_t *f)
{
    f->n++;
    counters_add(f->feed->runner->counters, fed, 1);

    if (f->kind == WEIR_EVENT_OVER) {
        feed_end(f);
    }
}


static void
feed_on_answer(void *data, const weir_answer_t *answer)
{
    feed_job_t          *f;
    const weir_reply_t  *mailboxes;

    f = data;
    f->sent = false;

    switch (weir_txn_feed_read(answer, &mailboxes)) {

    case WEIR_FEED_DONE:
        FAULT("feed_answered");
        feed_tell(f, mailboxes);

        if (weir_reply_count(mailboxes) == 0) {
            feed_unread(f);
        }

        feed_done(f);
        break;

    case WEIR_FEED_FAILED:
        if (answer->code == WEIR_ANSWER_LOST) {
            f->lost = true;
            break;
        }

        /* fall through */

    default: /* fenced, gone, or Redis has no room */
        feed_end(f);
        break;
    }

    feed_pump(f);
}


/* Is the entry there whose answer was lost? */

static void
feed_on_look(void *data, const weir_answer_t *answer)
{
    feed_job_t   *f;
    weir_feed_t   unit;

    f = data;
    f->sent = false;
    feed_fill(f, &unit);

    if (answer->code == WEIR_ANSWER_LOST) {
        f->lost = true;
        feed_pump(f);
        return;
    }

    switch (weir_txn_feed_look_read(answer, &unit)) {

    case WEIR_FEED_DONE:
        feed_done(f);                   /* who missed the message looks */
        break;

    case WEIR_FEED_MISSING:
        feed_send(f);                   /* the same once more */
        return;

    default:
        feed_end(f);                    /* the outcome will tell */
        break;
    }

    feed_pump(f);
}


static void
feed_send(feed_job_t *f)
{
    runner_t        *r;
    weir_txn_t      *t;
    weir_feed_t      unit;
    weir_answer_pt   fn;

    r = f->feed->runner;
    t = runner_txn(r);

    if (f->lost) {
        weir_txn_feed_look(t, RUNNER_SHARD, f->run);
        fn = feed_on_look;

    } else {
        feed_fill(f, &unit);
        weir_txn_feed(t, &unit);
        fn = feed_on_answer;
    }

    if (redis_send(r->feeding, t, (uint64_t) r->conf->redis.timeout, fn, f)
        == 0)
    {
        f->sent = true;
        f->lost = false;
        FAULT_SENT("feed_sent");

        if (fn == feed_on_answer) {
            feed_tell_known(f, &unit);
        }

        return;
    }

    /* full: the outcome will tell */

    f->lost = false;
    feed_end(f);
    feed_pump(f);
}


/* Nothing more comes of it.  whole: all was said that was to be. */

static void
feed_close(feed_job_t *f, bool whole)
{
    char         last[WEIR_EVENT_ID_MAX];
    runner_t    *r;
    weir_txn_t  *t;

    if (f->won) {
        FAULT("feed_won");
        r = f->feed->runner;
        t = runner_txn(r);
        weir_event_id(last, f->token, f->n - 1);

        weir_txn_feed_end(t, RUNNER_SHARD, f->run,
                          whole && f->n > 1 ? weir_str_of(last)
                                            : weir_str_null,
                          f->while_read);
        (void) redis_send(r->feeding, t, (uint64_t) r->conf->redis.timeout,
                          NULL, NULL);
    }

    feed_free(f);
}


/* What is next, if nothing is under way; an out-of-hand one that has nothing
 * to say is freed. */

static void
feed_pump(feed_job_t *f)
{
    if (f->sent) {
        return;
    }

    if (f->lost) {
        feed_list(f);
        return;
    }

    if (!f->ended && f->n > 0) {
        weir_buf_reset(&f->entry);

        if (f->why) {
            f->kind = WEIR_EVENT_OVER;

        } else if (weir_deltas_take(&f->deltas, FEED_ENTRY, &f->entry)) {
            f->kind = WEIR_EVENT_DELTAS;

        } else if (f->job) {
            return;                     /* until more is said */

        } else {
            feed_close(f, true);
            return;
        }
    }

    if (!f->ended) {
        feed_send(f);

    } else if (f->job == NULL) {
        feed_close(f, false);
    }
}


/* by jobs */

void
feed_wish(job_t *job)
{
    int64_t      left;
    feed_job_t  *f;

    if (job->feed || job->token[0] == '\0') {
        return;
    }

    f = mem_alloc(sizeof(feed_job_t));
    job->feed = f;

    f->feed = job->runner->feed;
    f->job = job;
    f->kind = WEIR_EVENT_START;
    memcpy(f->run, job->run, sizeof(f->run));
    memcpy(f->token, job->token, sizeof(f->token));
    snprintf(f->data, sizeof(f->data), "%lld",
             job->failures + job->deliveries - job->back);

    left = job->deadline > 0 ? (job->deadline - runner_now(job->runner)) / 1000
                             : WEIR_DEADLINE_MAX;
    f->while_read = job->while_read;
    f->ttl = (left > 0 ? left : 0) + WEIR_TTL_EVENTS;

    weir_deltas_init(&f->deltas, FEED_MOST);

    /* what was said before anybody listened */

    (void) provider_stream_replay(&job->call, feed_on_delta, f);
    feed_list(f);
}


/* Of one that is being claimed the claim's answer may be older than that. */

void
feed_heard(job_t *job)
{
    job->read = true;

    if (job->state == JOB_ASKING || job->state == JOB_ISOLATED) {
        feed_wish(job);
    }
}


static int
feed_on_delta(void *arg, const weir_delta_t *d)
{
    feed_job_t  *f;

    f = arg;

    if (!f->ended && weir_deltas_add(&f->deltas, d) != 0) {
        feed_end(f);                    /* Redis is far behind */
    }

    return 0;
}


void
feed_delta(job_t *job, const weir_delta_t *d)
{
    feed_job_t  *f;

    f = job->feed;

    if (f && !f->ended) {
        feed_on_delta(f, d);

        if (!f->sent) {
            feed_list(f);
        }
    }
}


void
feed_over(job_t *job, const char *why)
{
    feed_job_t  *f;

    f = job->feed;

    if (f && !f->ended) {
        weir_deltas_reset(&f->deltas);
        f->why = why;

        if (!f->sent) {
            feed_list(f);
        }
    }
}


void
feed_won(job_t *job, char *last_r)
{
    uint64_t     n;
    feed_job_t  *f;

    f = job->feed;
    last_r[0] = '\0';

    if (f == NULL) {
        return;
    }

    f->won = true;

    /* what is under way counts, and what waits if that is one entry: whoever
     * does not find it in the end looks elsewhere */

    n = f->n + (f->sent || f->lost) + (f->deltas.text.len > 0);

    if (!f->ended && n > 1 && f->deltas.text.len < FEED_ENTRY) {
        weir_event_id(last_r, f->token, n - 1);
    }
}


/* It waits for Redis, if that is away, unless as many do as there may be in
 * hand. */

void
feed_leave(job_t *job)
{
    feed_job_t  *f;

    f = job->feed;
    job->feed = NULL;

    if (f == NULL) {
        return;
    }

    f->job = NULL;
    f->feed->alone++;

    if (!f->won) {
        weir_deltas_reset(&f->deltas);          /* of no use to anybody */
    }

    if (f->sent) {
        return;
    }

    if (redis_is_up(job->runner->feeding)
        || f->feed->alone <= (size_t) job->runner->conf->worker.slots)
    {
        feed_list(f);

    } else {
        feed_free(f);
    }
}


/* the feed */

static void
feed_on_turn(void *data)
{
    feed_t      *feed;
    feed_job_t  *f, *list;

    feed = data;

    if (feed->ready == NULL || !redis_is_up(feed->runner->feeding)) {
        return;
    }

    list = feed->ready;
    feed->ready = NULL;

    for (f = list; f; f = f->next) {
        f->listed = false;
    }

    while (list) {
        f = list;
        list = f->next;

        if (f->lost && !f->sent) {
            feed_send(f);

        } else {
            feed_pump(f);
        }
    }
}


feed_t *
feed_create(runner_t *r)
{
    feed_t  *feed;

    feed = mem_alloc(sizeof(feed_t));
    feed->runner = r;
    feed->turn.fn = feed_on_turn;
    feed->turn.data = feed;
    loop_turn_add(r->loop, &feed->turn);

    return feed;
}


/* The connection is gone, and with it all that was under way; jobs are too. */

void
feed_destroy(feed_t **feedp)
{
    feed_t  *feed;

    feed = *feedp;
    *feedp = NULL;

    while (feed->ready) {
        feed_free(feed->ready);
    }

    loop_turn_remove(feed->runner->loop, &feed->turn);
    free(feed);
}
