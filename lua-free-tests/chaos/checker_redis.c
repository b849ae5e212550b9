/*
 * The checker's view of Redis: all runs, their outcomes, and that nothing is
 * left over.  Key names are those of docs/redis-contract.md.
 */

#define _GNU_SOURCE

#include "checker.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>


#define PREFIX  "weir:{0}:"


static const char *const  ready[] = { "high", "normal", "low" };

/* those that end with the run that they belong to */

static const char *const  mortal[] = {
    "job:", "run:", "request:", "waiting:", "outcome:", "idem:", "hook:",
    "fate:", "ask:", "askers:", "answer:", "events:", "readers:"
};


__attribute__((format(printf, 2, 3)))
static redisReply *
ask(redisContext *c, const char *fmt, ...)
{
    va_list      args;
    redisReply  *reply;

    va_start(args, fmt);
    reply = redisvCommand(c, fmt, args);
    va_end(args);

    if (reply == NULL) {
        chaos_die("Redis: %s", c->errstr);
    }

    if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOGROUP", 7)) {
        chaos_die("Redis: %s", reply->str);
    }

    return reply;
}


static long long
ask_number(redisContext *c, const char *command, const char *key)
{
    long long    n;
    redisReply  *reply;

    reply = ask(c, "%s %s", command, key);
    n = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
    freeReplyObject(reply);

    return n;
}


/* rest: what a worker has still to do; the first trouble is told in what_r */

static long long
left_over(redisContext *c, char what_r[96])
{
    char         key[64];
    size_t       i;
    long long    n, sum;
    redisReply  *reply;
    static const char *const  sets[] = {
        "delayed", "deadline", "hooks", "asked", "ended"
    };

    sum = 0;
    what_r[0] = '\0';

    for (i = 0; i < 3; i++) {
        snprintf(key, sizeof(key), PREFIX "ready:%s", ready[i]);
        n = ask_number(c, "XLEN", key);

        if (n) {
            snprintf(what_r, 96, "%s has %lld entries", key, n);
        }

        sum += n;
        reply = ask(c, "XPENDING %s weir", key);
        n = reply->type == REDIS_REPLY_ARRAY ? reply->element[0]->integer : 0;
        freeReplyObject(reply);

        if (n) {
            snprintf(what_r, 96, "%s has %lld pending entries", key, n);
        }

        sum += n;
    }

    for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        snprintf(key, sizeof(key), PREFIX "%s", sets[i]);
        n = ask_number(c, "ZCARD", key);

        if (n) {
            snprintf(what_r, 96, "%s has %lld members", key, n);
        }

        sum += n;
    }

    return sum;
}


static void
await_rest(redisContext *c)
{
    char       what[96];
    int64_t    end;
    long long  n;

    end = chaos_now() + chaos_env_number("CHAOS_REST", 20000);

    while ((n = left_over(c, what)) > 0 && chaos_now() < end) {
        nanosleep(&(struct timespec) { 0, 100000000 }, NULL);
    }

    while (n-- > 0) {
        violation("I6", "at rest: %s", what);
    }
}


/* runs */

static run_t *
add_run(course_t *c, const char *id)
{
    run_t  *run;

    c->runs = grown(c->runs, c->nruns, sizeof(run_t));
    run = &c->runs[c->nruns++];
    memset(run, 0, sizeof(run_t));
    snprintf(run->id, sizeof(run->id), "%.24s", id);

    return run;
}


/* whose end it gets, if it is a job that asks */

static void
read_asks(redisContext *redis, run_t *run)
{
    redisReply  *reply;

    reply = ask(redis, "HMGET " PREFIX "job:%s run part", run->id);

    if (reply->elements == 2 && reply->element[0]->type == REDIS_REPLY_STRING
        && reply->element[1]->type == REDIS_REPLY_STRING)
    {
        snprintf(run->asks, sizeof(run->asks), "%.24s",
                 reply->element[0]->str);
        snprintf(run->part, sizeof(run->part), "%.7s", reply->element[1]->str);
    }

    freeReplyObject(reply);
}


static void
read_run(course_t *c, redisContext *redis, const char *key)
{
    run_t       *run;
    size_t       i;
    entry_t     *entry;
    redisReply  *reply;
    const char  *name, *value, *colon;

    run = add_run(c, key + sizeof(PREFIX "run:") - 1);
    run->question = -1;
    reply = ask(redis, "HGETALL %s", key);

    for (i = 0; i + 1 < reply->elements; i += 2) {
        name = reply->element[i]->str;
        value = reply->element[i + 1]->str;

        if (strcmp(name, "fin") == 0) {
            colon = strchr(value, ':');

            if (colon == NULL) {
                violation("I2", "run %s: fin is \"%s\"", run->id, value);
                continue;
            }

            snprintf(run->state, sizeof(run->state), "%.*s",
                     (int) (colon - value), value);
            snprintf(run->token, sizeof(run->token), "%s", colon + 1);

        } else if (strcmp(name, "fin_at") == 0) {
            run->fin_at = strtoll(value, NULL, 10);

        } else if (strcmp(name, "request") == 0) {
            if (sscanf(value, "c%u", &run->job) != 1) {
                run->job = 0;
            }

        } else if (strcmp(name, "ask") == 0) {
            run->shared = true;

        } else if (strncmp(name, "n:", 2) == 0) {
            run->claims += strtoll(value, NULL, 10);
            c->entries = grown(c->entries, c->nentries, sizeof(entry_t));
            entry = &c->entries[c->nentries++];
            snprintf(entry->entry, sizeof(entry->entry), "%s", name + 2);
            entry->job = (unsigned) (c->nruns - 1);
        }
    }

    freeReplyObject(reply);

    /* that of a question is nobody's own */

    if (run->shared) {
        run->job = 0;

    } else {
        read_asks(redis, run);
    }
}


static void
read_key(course_t *c, redisContext *redis, const char *key)
{
    size_t       i;
    const char  *name;

    name = key + sizeof(PREFIX) - 1;

    for (i = 0; i < sizeof(mortal) / sizeof(mortal[0]); i++) {
        if (strncmp(name, mortal[i], strlen(mortal[i])) == 0) {
            break;
        }
    }

    if (i < sizeof(mortal) / sizeof(mortal[0])
        && ask_number(redis, "PTTL", key) == -1)
    {
        violation("I6", "%s has no TTL", key);
    }

    if (strncmp(name, "open:", 5) == 0 && ask_number(redis, "ZCARD", key) != 0)
    {
        violation("I6", "%s is not empty", key);
    }

    if (strncmp(name, "outcome:", 8) == 0) {
        c->fenced++;                    /* those that count are taken off */
    }

    if (strncmp(name, "run:", 4) == 0) {
        read_run(c, redis, key);
    }
}


static int
key_order(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}


static void
read_all(course_t *c, redisContext *redis)
{
    char         cursor[32], **keys;
    size_t       i, n;
    redisReply  *reply;

    snprintf(cursor, sizeof(cursor), "0");
    keys = NULL;
    n = 0;

    do {
        reply = ask(redis, "SCAN %s MATCH " PREFIX "* COUNT 1000", cursor);
        snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);

        for (i = 0; i < reply->element[1]->elements; i++) {
            keys = grown(keys, n, sizeof(char *));
            keys[n++] = strdup(reply->element[1]->element[i]->str);
        }

        freeReplyObject(reply);
    } while (strcmp(cursor, "0") != 0);

    /* a key may come twice */

    if (n) {
        qsort(keys, n, sizeof(char *), key_order);
    }

    for (i = 0; i < n; i++) {
        if (i == 0 || strcmp(keys[i], keys[i - 1]) != 0) {
            read_key(c, redis, keys[i]);
        }
    }

    while (n) {
        free(keys[--n]);
    }

    free(keys);
}


/* outcomes */

static void
check_outcome(course_t *c, redisContext *redis, run_t *run)
{
    long         n;
    redisReply  *reply;
    const char  *p, *of;

    if (run->token[strspn(run->token, "0123456789")] != '\0') {
        if (strcmp(run->state, "completed") == 0) {
            violation("I4", "run %s: completed by \"%s\"", run->id, run->token);
        }
        return;
    }

    of = run->asks[0] ? run->asks : run->id;
    reply = ask(redis, "GET " PREFIX "outcome:%s:%s", of, run->token);

    if (reply->type != REDIS_REPLY_STRING) {
        violation("I4", "run %s (job c%u) is %s, and there is no outcome %s",
                  run->id, run->job, run->state, run->token);

    } else if (run->shared || run->asks[0]) {
        said_outcome(&run->said, reply->str);
        c->fenced -= run->shared;
        p = strstr(reply->str, "question q");

        if (p == NULL || sscanf(p, "question q%ld.", &run->question) != 1) {
            run->question = -1;
        }

    } else {
        c->fenced--;

        if (strcmp(run->state, "completed") == 0 && run->job) {
            said_outcome(&run->said, reply->str);
            p = strstr(reply->str, "job c");
            p = p ? p : strstr(reply->str, "job-c");    /* of a call */

            if (p == NULL || sscanf(p, "job%*[ -]c%ld.", &n) != 1
                || n != (long) run->job)
            {
                violation("I5", "run %s: the outcome of job c%u says \"%.12s\"",
                          run->id, run->job, p ? p : "nothing");
            }
        }
    }

    freeReplyObject(reply);
}


static int
run_order(const void *a, const void *b)
{
    return strcmp(((const run_t *) a)->id, ((const run_t *) b)->id);
}


static int
entry_order(const void *a, const void *b)
{
    return strcmp(((const entry_t *) a)->entry, ((const entry_t *) b)->entry);
}


static void
read_dead(course_t *c, redisContext *redis)
{
    size_t       i;
    redisReply  *reply;
    const char  *colon;

    reply = ask(redis, "ZRANGE " PREFIX "dead 0 -1");

    for (i = 0; i < reply->elements; i++) {
        colon = strchr(reply->element[i]->str, ':');
        c->dead = grown(c->dead, c->ndead, sizeof(char *));
        c->dead[c->ndead++] = strdup(colon ? colon + 1 : "");
    }

    freeReplyObject(reply);
}


run_t *
run_find(const course_t *c, const char *id)
{
    run_t  key;

    snprintf(key.id, sizeof(key.id), "%s", id);

    return c->nruns ? bsearch(&key, c->runs, c->nruns, sizeof(run_t),
                              run_order)
                    : NULL;
}


void
redis_read(course_t *c)
{
    size_t         i;
    redisContext  *redis;

    redis = redisConnectUnix(chaos_path("redis.sock"));

    if (redis == NULL || redis->err) {
        chaos_die("Redis is gone");
    }

    await_rest(redis);
    read_all(c, redis);

    /* entries know the place of their run, and then its job */

    for (i = 0; i < c->nentries; i++) {
        c->entries[i].job = c->runs[c->entries[i].job].job;
    }

    if (c->nentries) {
        qsort(c->entries, c->nentries, sizeof(entry_t), entry_order);
    }

    if (c->nruns) {
        qsort(c->runs, c->nruns, sizeof(run_t), run_order);
    }

    for (i = 0; i < c->nruns; i++) {
        if (c->runs[i].state[0]) {
            check_outcome(c, redis, &c->runs[i]);
        }
    }

    read_dead(c, redis);
    redisFree(redis);
    c->now = chaos_now();
}
