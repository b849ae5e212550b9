/*
 * The commands on the queue as a whole: its state, stopping it, letting it go
 * on.  A pause keeps runners from claiming; what they have, they finish.
 */

#include "cli.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>


#define QUEUE_SECONDS    30         /* for the figures */
#define QUEUE_CONSUMERS  1024       /* names that are kept apart */
#define QUEUE_LOOK       100        /* ms between looks of a wait */
#define QUEUE_CALM       10         /* looks that must find nothing in hand */
#define QUEUE_WAIT       600        /* s */
#define QUEUE_WAIT_MAX   86400


typedef struct {
    char        name[WEIR_NAME_MAX];
    long long   pending;
    bool        live;
} queue_consumer_t;

typedef struct {
    weir_stats_t       stats;
    weir_stream_t      streams[WEIR_CLASSES];   /* consumers are below */
    weir_stream_t     *stream;      /* that is asked for */
    unsigned           n;
    queue_consumer_t  *consumers;
    queue_consumer_t  *asked;       /* is this one live? */
} queue_t;


/* reading */

static queue_consumer_t *
queue_consumer(queue_t *q, weir_str_t name)
{
    unsigned           i;
    queue_consumer_t  *c;

    for (i = 0; i < q->n; i++) {
        if (weir_str_eq(name, weir_str_of(q->consumers[i].name))) {
            return &q->consumers[i];
        }
    }

    if (q->n == QUEUE_CONSUMERS || name.len >= WEIR_NAME_MAX) {
        return NULL;
    }

    c = &q->consumers[q->n++];
    memcpy(c->name, name.data, name.len);

    return c;
}


static void
queue_read(void *data, const weir_answer_t *answer)
{
    queue_t  *q = data;

    (void) weir_txn_stats_read(answer, &q->stats);
}


static void
queue_read_stream(void *data, const weir_answer_t *answer)
{
    size_t             i;
    queue_t           *q = data;
    long long          pending;
    weir_str_t         name;
    queue_consumer_t  *c;

    weir_txn_stream_read(answer, q->stream);

    for (i = 0;
         weir_txn_stream_consumer(q->stream, i, &name, &pending);
         i++)
    {
        c = queue_consumer(q, name);

        if (c) {
            c->pending += pending;
        }
    }

    q->stream->consumers = NULL;
}


static void
queue_lives(void *data, const weir_answer_t *answer)
{
    queue_t  *q = data;

    q->asked->live = weir_reply_int(answer->reply) == 1;
}


static int
queue_ask(redis_t *r, queue_t *q)
{
    int         rc;
    unsigned    i;
    weir_txn_t  t;

    q->n = 0;
    memset(q->consumers, 0, QUEUE_CONSUMERS * sizeof(queue_consumer_t));

    weir_txn_init(&t);
    weir_txn_stats(&t, RECORD_SHARD);
    rc = redis_ask(r, &t, queue_read, q);

    for (i = 0; i < WEIR_CLASSES && rc == CLI_OK; i++) {
        q->stream = &q->streams[i];
        memset(q->stream, 0, sizeof(weir_stream_t));

        if (q->stats.exists[i]) {
            weir_txn_reset(&t);
            weir_txn_stream(&t, RECORD_SHARD, (weir_class_e) i);
            rc = redis_ask(r, &t, queue_read_stream, q);
        }
    }

    for (i = 0; i < q->n && rc == CLI_OK; i++) {
        q->asked = &q->consumers[i];
        weir_txn_reset(&t);
        weir_txn_is_live(&t, RECORD_SHARD, q->asked->name);
        rc = redis_ask(r, &t, queue_lives, q);
    }

    weir_txn_free(&t);

    return rc;
}


static long long
queue_pending(const queue_t *q)
{
    int        i;
    long long  n;

    n = 0;

    for (i = 0; i < WEIR_CLASSES; i++) {
        n += q->streams[i].pending;
    }

    return n;
}


/* in percent; -1: there is no limit */

static long long
queue_memory(const weir_stats_t *s)
{
    return s->limit > 0 ? s->used * 100 / s->limit : -1;
}


/* showing */

static int64_t
queue_age(const queue_t *q, int i)
{
    int64_t  age;

    age = q->stats.now - q->streams[i].oldest;

    return q->streams[i].oldest == 0 || age < 0 ? 0 : age;
}


static int
queue_print(const queue_t *q)
{
    int                  i;
    char                 age[32];
    unsigned             n;
    const weir_stats_t  *s = &q->stats;

    printf("%-8s %9s %9s %9s %9s\n", "class", "length", "pending", "lag",
           "oldest");

    for (i = 0; i < WEIR_CLASSES; i++) {
        snprintf(age, sizeof(age), "%.1fs", (double) queue_age(q, i) / 1000);

        printf("%-8s %9lld %9lld %9lld %9s\n", weir_class_name(i),
               q->streams[i].length, q->streams[i].pending,
               q->streams[i].lag, q->streams[i].length ? age : "-");
    }

    printf("\n%-12s %s\n", "paused", s->paused ? "yes" : "no");
    printf("%-12s %lld\n", "delayed", s->delayed);
    printf("%-12s %lld\n", "unfinished", s->unfinished);
    printf("%-12s %lld\n", "dead", s->dead);
    printf("%-12s %lld\n", "hooks", s->hooks);

    if (queue_memory(s) >= 0) {
        printf("%-12s %lld %% of %lld bytes\n", "memory", queue_memory(s),
               s->limit);

    } else {
        printf("%-12s %lld bytes, no limit\n", "memory", s->used);
    }

    for (n = 0; n < q->n; n++) {
        printf("%-12s %s %s, %lld in hand\n", "consumer",
               q->consumers[n].name, q->consumers[n].live ? "live" : "gone",
               q->consumers[n].pending);
    }

    return CLI_OK;
}


static weir_json_t *
queue_class_doc(const queue_t *q, int i)
{
    int           rc;
    weir_json_t  *to;

    to = weir_json_object();
    rc = record_set_int(to, "length", q->streams[i].length);
    rc |= record_set_int(to, "pending", q->streams[i].pending);
    rc |= record_set_int(to, "lag", q->streams[i].lag);
    rc |= record_set_int(to, "oldest_ms", queue_age(q, i));

    if (rc != 0) {
        weir_json_free(&to);
    }

    return to;
}


static weir_json_t *
queue_consumers_doc(const queue_t *q)
{
    int           rc;
    unsigned      i;
    weir_json_t  *to, *one;

    to = weir_json_array();
    rc = 0;

    for (i = 0; i < q->n; i++) {
        one = weir_json_object();
        rc |= record_set(one, "name", weir_str_of(q->consumers[i].name));
        rc |= weir_json_set_take(one, "live",
                                 weir_json_new_bool(q->consumers[i].live));
        rc |= record_set_int(one, "pending", q->consumers[i].pending);
        rc |= weir_json_add_take(to, one);
    }

    if (rc != 0) {
        weir_json_free(&to);
    }

    return to;
}


static int
queue_print_json(const queue_t *q)
{
    int                  i, rc;
    const weir_stats_t  *s = &q->stats;
    weir_json_t         *to, *classes;

    classes = weir_json_object();
    rc = 0;

    for (i = 0; i < WEIR_CLASSES; i++) {
        rc |= weir_json_set_take(classes, weir_class_name(i),
                                 queue_class_doc(q, i));
    }

    to = weir_json_object();
    rc |= weir_json_set_take(to, "classes", classes);
    rc |= weir_json_set_take(to, "paused", weir_json_new_bool(s->paused));
    rc |= record_set_int(to, "delayed", s->delayed);
    rc |= record_set_int(to, "unfinished", s->unfinished);
    rc |= record_set_int(to, "dead", s->dead);
    rc |= record_set_int(to, "hooks", s->hooks);
    rc |= record_set_int(to, "memory_used", s->used);
    rc |= record_set_int(to, "memory_limit", s->limit);
    rc |= weir_json_set_take(to, "memory_percent", queue_memory(s) >= 0
                                 ? weir_json_new_int(queue_memory(s))
                                 : weir_json_new_null());
    rc |= weir_json_set_take(to, "consumers", queue_consumers_doc(q));

    rc = rc == 0 ? record_print_json(to) : cli_failed("no memory");
    weir_json_free(&to);

    return rc;
}


int
queue_stats(int argc, char **argv)
{
    int              rc;
    bool             json = false;
    queue_t          q = { 0 };
    redis_t         *r;
    redis_options_t  o = { .seconds = QUEUE_SECONDS };

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { "json", NULL, &json, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, NULL, 0);
    rc = rc == CLI_OK ? redis_check(&o) : rc;

    if (rc != CLI_OK) {
        return rc;
    }

    q.consumers = calloc(QUEUE_CONSUMERS, sizeof(queue_consumer_t));
    if (q.consumers == NULL) {
        return cli_failed("no memory");
    }

    rc = redis_open(&r, &o);
    rc = rc == CLI_OK ? queue_ask(r, &q) : rc;
    redis_close(&r);

    if (rc == CLI_OK) {
        rc = json ? queue_print_json(&q) : queue_print(&q);
    }

    free(q.consumers);

    return rc == CLI_OK ? cli_flush() : rc;
}


/* pause, resume */

/* A runner learns of the pause a moment later: it is calm when nothing was in
 * hand for a while. */

static int
queue_wait(redis_t *r, unsigned seconds)
{
    int              rc, calm;
    queue_t          q = { 0 };
    unsigned long    looks;
    struct timespec  pause = { 0, QUEUE_LOOK * 1000000L };

    q.consumers = calloc(QUEUE_CONSUMERS, sizeof(queue_consumer_t));
    if (q.consumers == NULL) {
        return cli_failed("no memory");
    }

    rc = CLI_OK;
    calm = 0;

    for (looks = seconds * 1000UL / QUEUE_LOOK; looks; looks--) {
        rc = queue_ask(r, &q);

        if (rc == CLI_OK && !q.stats.paused) {
            rc = cli_failed("somebody has resumed the queue");
        }

        calm = rc == CLI_OK && queue_pending(&q) == 0 ? calm + 1 : 0;

        if (rc != CLI_OK || calm == QUEUE_CALM) {
            break;
        }

        nanosleep(&pause, NULL);
    }

    if (rc == CLI_OK && calm < QUEUE_CALM) {
        rc = cli_failed("paused, but after %u seconds %lld runs are in hand",
                        seconds, queue_pending(&q));
    }

    free(q.consumers);

    return rc;
}


static int
queue_set(redis_t *r, bool paused)
{
    int         rc;
    weir_txn_t  t;

    weir_txn_init(&t);
    weir_txn_pause(&t, RECORD_SHARD, paused);
    rc = redis_ask(r, &t, NULL, NULL);
    weir_txn_free(&t);

    if (rc == CLI_OK) {
        fprintf(stderr, "%s\n", paused ? "paused: nothing more is claimed"
                                       : "resumed");
    }

    return rc;
}


int
queue_pause(int argc, char **argv)
{
    int              rc;
    bool             wait = false;
    redis_t         *r;
    unsigned         seconds = QUEUE_WAIT;
    const char      *timeout = NULL;
    redis_options_t  o = { 0 };

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { "wait", NULL, &wait, false },
        { "timeout", &timeout, NULL, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, NULL, 0);
    rc = rc == CLI_OK ? redis_check(&o) : rc;
    rc = rc == CLI_OK ? args_number("timeout", timeout, QUEUE_WAIT_MAX,
                                    &seconds) : rc;

    if (rc != CLI_OK) {
        return rc;
    }

    o.seconds = wait ? seconds + QUEUE_SECONDS : 0;
    rc = redis_open(&r, &o);
    rc = rc == CLI_OK ? queue_set(r, true) : rc;

    if (rc == CLI_OK && wait) {
        rc = queue_wait(r, seconds);
    }

    redis_close(&r);

    return rc;
}


int
queue_resume(int argc, char **argv)
{
    int              rc;
    redis_t         *r;
    redis_options_t  o = { 0 };

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, NULL, 0);
    rc = rc == CLI_OK ? redis_check(&o) : rc;

    if (rc != CLI_OK) {
        return rc;
    }

    rc = redis_open(&r, &o);
    rc = rc == CLI_OK ? queue_set(r, false) : rc;
    redis_close(&r);

    return rc;
}
