/*
 * The transactions of an operator: stopping and looking at the queue, lists,
 * dead letters.  Pure.
 */

#include "weir_txn_part.h"
#include "weir_info.h"

#include <stdlib.h>


/* the replies of weir_txn_stats(); those of the classes last */

enum {
    WEIR_STATS_TIME = 0,
    WEIR_STATS_MEMORY,
    WEIR_STATS_PAUSED,
    WEIR_STATS_DELAYED,
    WEIR_STATS_UNFINISHED,
    WEIR_STATS_DEAD,
    WEIR_STATS_HOOKS,
    WEIR_STATS_EXISTS
};


void
weir_txn_pause(weir_txn_t *t, unsigned shard, bool paused)
{
    char        key[WEIR_NAME_MAX], most[WEIR_DECIMAL_MAX];
    weir_str_t  name;

    weir_add(t, W("MULTI"));
    name = weir_name(key, WEIR_KEY_PAUSED, shard);

    if (paused) {
        weir_add(t, W("SET"), name, W("1"));

    } else {
        weir_add(t, W("DEL"), name);
    }

    weir_add(t, W("XADD"), weir_name(key, WEIR_KEY_CONTROL, shard),
             W("MAXLEN"), W("~"), weir_decimal(most, WEIR_CONTROL_MAX),
             W("*"), W(WEIR_CONTROL_OP), W(WEIR_CONTROL_QUEUE));
    weir_add(t, W("EXEC"));
}


/* the state of the queue */

void
weir_txn_stats(weir_txn_t *t, unsigned shard)
{
    int   i;
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("MULTI"));
    weir_add(t, W("TIME"));
    weir_add(t, W("INFO"), W("memory"));
    weir_add(t, W("GET"), weir_name(key, WEIR_KEY_PAUSED, shard));
    weir_add(t, W("ZCARD"), weir_name(key, WEIR_KEY_DELAYED, shard));
    weir_add(t, W("ZCARD"), weir_name(key, WEIR_KEY_DEADLINE, shard));
    weir_add(t, W("ZCARD"), weir_name(key, WEIR_KEY_DEAD, shard));
    weir_add(t, W("ZCARD"), weir_name(key, WEIR_KEY_HOOKS, shard));

    for (i = 0; i < WEIR_CLASSES; i++) {
        weir_add(t, W("EXISTS"), weir_name(key, WEIR_KEY_READY, shard,
                                           weir_class_name(i)));
    }

    weir_add(t, W("EXEC"));
}


void
weir_txn_stream(weir_txn_t *t, unsigned shard, weir_class_e class)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("XINFO"), W("STREAM"),
             weir_name(key, WEIR_KEY_READY, shard, weir_class_name(class)),
             W("FULL"), W("COUNT"), W("1"));
}


/* the reply behind a name in a flat array */

static const weir_reply_t *
weir_stats_value(const weir_reply_t *array, const char *name)
{
    size_t  i;

    for (i = 0; i + 1 < weir_reply_count(array); i += 2) {
        if (weir_str_eq(weir_reply_str(weir_reply_at(array, i)),
                        weir_str_of(name)))
        {
            return weir_reply_at(array, i + 1);
        }
    }

    return NULL;
}


bool
weir_txn_stats_read(const weir_answer_t *a, weir_stats_t *s)
{
    size_t               i;
    weir_str_t           memory;
    const weir_reply_t  *r, *time;

    memset(s, 0, sizeof(weir_stats_t));
    r = a->reply;

    if (a->code != WEIR_ANSWER_OK
        || weir_reply_count(r) != WEIR_STATS_EXISTS + WEIR_CLASSES)
    {
        return false;
    }

    time = weir_reply_at(r, WEIR_STATS_TIME);
    s->now = weir_reply_int(weir_reply_at(time, 0)) * 1000
             + weir_reply_int(weir_reply_at(time, 1)) / 1000;

    memory = weir_reply_str(weir_reply_at(r, WEIR_STATS_MEMORY));
    s->used = weir_info_number(memory, "used_memory");
    s->limit = weir_info_number(memory, "maxmemory");

    s->paused = weir_reply_str(weir_reply_at(r, WEIR_STATS_PAUSED)).len > 0;
    s->delayed = weir_reply_int(weir_reply_at(r, WEIR_STATS_DELAYED));
    s->unfinished = weir_reply_int(weir_reply_at(r, WEIR_STATS_UNFINISHED));
    s->dead = weir_reply_int(weir_reply_at(r, WEIR_STATS_DEAD));
    s->hooks = weir_reply_int(weir_reply_at(r, WEIR_STATS_HOOKS));

    for (i = 0; i < WEIR_CLASSES; i++) {
        s->exists[i] = weir_reply_int(weir_reply_at(r, WEIR_STATS_EXISTS + i))
                       == 1;
    }

    return true;
}


void
weir_txn_stream_read(const weir_answer_t *a, weir_stream_t *s)
{
    size_t               i;
    weir_str_t           id;
    const weir_reply_t  *groups, *group, *lag;

    memset(s, 0, sizeof(weir_stream_t));

    s->length = weir_reply_int(weir_stats_value(a->reply, "length"));
    s->lag = s->length;

    id = weir_reply_str(weir_reply_at(
             weir_reply_at(weir_stats_value(a->reply, "entries"), 0), 0));
    s->oldest = id.len ? strtoll(id.data, NULL, 10) : 0;

    groups = weir_stats_value(a->reply, "groups");

    for (i = 0; i < weir_reply_count(groups); i++) {
        group = weir_reply_at(groups, i);

        if (!weir_str_eq(weir_reply_str(weir_stats_value(group, "name")),
                         weir_str(WEIR_GROUP)))
        {
            continue;
        }

        s->pending = weir_reply_int(weir_stats_value(group, "pel-count"));
        s->consumers = weir_stats_value(group, "consumers");

        /* entries leave stream and list together, so that the rest is unread:
         * where entries were deleted, Redis itself has no figure */

        lag = weir_stats_value(group, "lag");
        s->lag = !weir_reply_is_nil(lag) ? weir_reply_int(lag)
                 : s->length > s->pending ? s->length - s->pending : 0;
    }
}


bool
weir_txn_stream_consumer(const weir_stream_t *s, size_t i, weir_str_t *name_r,
    long long *pending_r)
{
    const weir_reply_t  *consumer;

    consumer = weir_reply_at(s->consumers, i);

    *name_r = weir_reply_str(weir_stats_value(consumer, "name"));
    *pending_r = weir_reply_int(weir_stats_value(consumer, "pel-count"));

    return consumer != NULL;
}


void
weir_txn_is_live(weir_txn_t *t, unsigned shard, const char *consumer)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("EXISTS"), weir_name(key, WEIR_KEY_LIVE, shard, consumer));
}


/* lists */

static void
weir_add_slice(weir_txn_t *t, weir_str_t command, weir_str_t key,
    long long from, unsigned count, bool scores)
{
    char        first[WEIR_DECIMAL_MAX], last[WEIR_DECIMAL_MAX];
    weir_str_t  a, b;

    a = weir_decimal(first, from);
    b = weir_decimal(last, from + count - 1);

    if (scores) {
        weir_add(t, command, key, a, b, W("WITHSCORES"));

    } else {
        weir_add(t, command, key, a, b);
    }
}


void
weir_txn_unfinished(weir_txn_t *t, unsigned shard, long long from,
    unsigned count)
{
    char  key[WEIR_NAME_MAX];

    weir_add_slice(t, W("ZRANGE"), weir_name(key, WEIR_KEY_DEADLINE, shard),
                   from, count, false);
}


void
weir_txn_dead(weir_txn_t *t, unsigned shard, long long from, unsigned count)
{
    char  key[WEIR_NAME_MAX];

    weir_add_slice(t, W("ZREVRANGE"), weir_name(key, WEIR_KEY_DEAD, shard),
                   from, count, true);
}


/* the member of a dead letter */

static weir_str_t
weir_dead_member(char buf[WEIR_NAME_MAX], weir_str_t token, const char *run)
{
    char  text[64];

    if (token.len >= sizeof(text)) {
        return weir_str_null;
    }

    memcpy(text, token.data, token.len);
    text[token.len] = '\0';

    return weir_name(buf, WEIR_OUTBOX_MEMBER, text, run);
}


void
weir_txn_dead_find(weir_txn_t *t, unsigned shard, weir_str_t token,
    const char *run)
{
    char  key[WEIR_NAME_MAX], member[WEIR_NAME_MAX];

    weir_add(t, W("ZSCORE"), weir_name(key, WEIR_KEY_DEAD, shard),
             weir_dead_member(member, token, run));
}


bool
weir_txn_dead_parse(weir_str_t member, weir_str_t *token_r, weir_str_t *run_r)
{
    unsigned  shard;

    *run_r = member;

    return weir_word(run_r, ':', token_r) && token_r->len
           && weir_id_parse(*run_r, &shard);
}


void
weir_txn_dead_drop(weir_txn_t *t, unsigned shard, weir_str_t token,
    const char *run, bool request)
{
    char  key[WEIR_NAME_MAX], member[WEIR_NAME_MAX];

    weir_add(t, W("MULTI"));
    weir_add(t, W("ZREM"), weir_name(key, WEIR_KEY_DEAD, shard),
             weir_dead_member(member, token, run));

    if (request) {
        weir_add(t, W("DEL"), weir_name(key, WEIR_KEY_REQUEST, shard, run));
    }

    weir_add(t, W("EXEC"));
}


void
weir_txn_request(weir_txn_t *t, unsigned shard, const char *run)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("GET"), weir_name(key, WEIR_KEY_REQUEST, shard, run));
}
