/*
 * What kind of Redis this is: its version, what it does when memory is full,
 * and its clock, by which deadlines are kept.  A Redis that may lose jobs is
 * refused before anything is claimed.
 */

#include "runner.h"

#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "weir_info.h"


#define SERVER_VERSION_MIN  7
#define SERVER_TIME_MAX     20          /* ms that a good answer takes */


struct server_s {
    runner_t  *runner;
    uint64_t   asked;           /* loop_now() of the question for the time */
};


static void
server_on_time(void *data, const weir_answer_t *answer)
{
    int64_t    ms;
    uint64_t   now;
    server_t  *s;

    s = data;

    if (answer->code != WEIR_ANSWER_OK || weir_reply_count(answer->reply) != 2)
    {
        return;
    }

    ms = weir_reply_int(weir_reply_at(answer->reply, 0)) * 1000
         + weir_reply_int(weir_reply_at(answer->reply, 1)) / 1000;

    /* the question took some time: the middle is nearest to the truth, unless
     * that was long */

    now = loop_now(s->runner->loop);

    if (s->runner->clock && now - s->asked > SERVER_TIME_MAX) {
        return;
    }

    s->runner->clock = ms - (int64_t) (s->asked + (now - s->asked) / 2);
}


static void
server_on_version(void *data, const weir_answer_t *answer)
{
    server_t    *s;
    weir_str_t   version;

    s = data;

    if (answer->code != WEIR_ANSWER_OK) {
        return;                 /* forbidden by an ACL, or lost */
    }

    version = weir_info_field(weir_reply_str(answer->reply), "redis_version");

    if (version.len && strtol(version.data, NULL, 10) < SERVER_VERSION_MIN) {
        LOG(LOG_ERROR, "redis_refused", log_str("version", version),
            log_text("reason", "Redis 7.0 or later is needed"));
        runner_refuse(s->runner);
    }
}


static void
server_check_memory(server_t *s, weir_str_t info)
{
    weir_str_t  max, policy;

    max = weir_info_field(info, "maxmemory");
    policy = weir_info_field(info, "maxmemory_policy");

    if (max.len == 0 || weir_str_eq(max, weir_str("0"))
        || weir_str_eq(policy, weir_str("noeviction")))
    {
        return;
    }

    if (s->runner->conf->redis.allow_eviction) {
        LOG(LOG_ERROR, "redis_may_evict", log_str("maxmemory_policy", policy),
            log_text("reason", "jobs can be lost; the setting allow_eviction "
                     "permits it"));
        return;
    }

    LOG(LOG_ERROR, "redis_refused", log_str("maxmemory_policy", policy),
        log_text("reason", "Redis would throw jobs away when its memory is "
                 "full: set maxmemory-policy noeviction there, or "
                 "allow_eviction = on in section redis here"));
    runner_refuse(s->runner);
}


static void
server_on_memory(void *data, const weir_answer_t *answer)
{
    server_t  *s;

    s = data;

    if (answer->code == WEIR_ANSWER_LOST) {
        return;
    }

    if (answer->code == WEIR_ANSWER_OK) {
        server_check_memory(s, weir_reply_str(answer->reply));
        gate_memory(s->runner->gate, weir_reply_str(answer->reply));

    } else {
        LOG(LOG_WARN, "redis_not_checked", log_str("reason", answer->error));
    }

    if (s->runner->code == 0) {
        queue_on_server(s->runner->queue);
    }
}


static void
server_ask(server_t *s, redis_t *by, weir_answer_pt fn, unsigned n,
    const char *const *words)
{
    weir_txn_t  *t;

    t = runner_txn(s->runner);
    weir_txn_words(t, n, words);

    (void) redis_send(by, t, (uint64_t) s->runner->conf->redis.timeout, fn, s);
}


void
server_ask_time(server_t *s, redis_t *by)
{
    s->asked = loop_now(s->runner->loop);
    server_ask(s, by, server_on_time, 1, (const char *[]) { "TIME" });
}


void
server_on_up(server_t *s)
{
    redis_t  *cmd;

    cmd = s->runner->cmd;

    server_ask_time(s, cmd);
    gate_ask(s->runner->gate);
    server_ask(s, cmd, server_on_version, 2,
               (const char *[]) { "INFO", "server" });
    server_ask(s, cmd, server_on_memory, 2,
               (const char *[]) { "INFO", "memory" });
}


server_t *
server_create(runner_t *r)
{
    server_t  *s;

    s = mem_alloc(sizeof(server_t));
    s->runner = r;

    return s;
}


void
server_destroy(server_t **s)
{
    free(*s);
    *s = NULL;
}
