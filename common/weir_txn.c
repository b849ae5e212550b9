/*
 * The transactions of the Redis contract: names, what all builders use, and
 * the units that belong to no run.  Each builder is one transition of
 * docs/redis-contract.md; the order of the commands in it matters and is
 * explained there.  Pure: bytes and replies, no socket, no clock.
 */

#include "weir_txn_part.h"

#include <stdarg.h>


/* Names are made for every command: the four conversions that they need, at a
 * tenth of what printf costs. */

static size_t
weir_digits(char *to, size_t room, long long n)
{
    char        text[WEIR_DECIMAL_MAX];
    weir_str_t  digits;

    digits = weir_decimal(text, n);

    if (digits.len > room) {
        return room + 1;
    }

    memcpy(to, digits.data, digits.len);

    return digits.len;
}


static size_t
weir_text(char *to, size_t room, const char *text, size_t len)
{
    if (len > room) {
        return room + 1;
    }

    memcpy(to, text, len);

    return len;
}


weir_str_t
weir_name(char buf[WEIR_NAME_MAX], const char *pattern, ...)
{
    int          len;
    size_t       used, room;
    va_list      args;
    const char  *p, *text;

    used = 0;
    va_start(args, pattern);

    for (p = pattern; *p && used < WEIR_NAME_MAX; p++) {
        room = WEIR_NAME_MAX - 1 - used;

        if (*p != '%') {
            used += weir_text(buf + used, room, p, 1);

        } else if (*++p == 's') {
            text = va_arg(args, const char *);
            used += weir_text(buf + used, room, text, strlen(text));

        } else if (*p == '.') {
            p += 2;                         /* "%.*s" */
            len = va_arg(args, int);
            text = va_arg(args, const char *);
            used += weir_text(buf + used, room, text, (size_t) len);

        } else if (*p == 'u') {
            used += weir_digits(buf + used, room, va_arg(args, unsigned));

        } else {
            p += 2;                         /* "%lld" */
            used += weir_digits(buf + used, room, va_arg(args, long long));
        }
    }

    va_end(args);

    if (used >= WEIR_NAME_MAX) {
        used = 0;                           /* too long: no name at all */
    }

    buf[used] = '\0';

    return (weir_str_t) { buf, used };
}


void
weir_add_expire(weir_txn_t *t, weir_str_t key, int64_t seconds)
{
    char  n[WEIR_DECIMAL_MAX];

    weir_add(t, W("EXPIRE"), key, weir_decimal(n, seconds));
}


void
weir_keys(weir_keys_t *k, unsigned shard, const char *run, const char *job)
{
    k->run = weir_name(k->buf[0], WEIR_KEY_RUN, shard, run);
    k->job = weir_name(k->buf[1], WEIR_KEY_JOB, shard, job);
    k->request = weir_name(k->buf[2], WEIR_KEY_REQUEST, shard, run);
    k->waiting = weir_name(k->buf[3], WEIR_KEY_WAITING, shard, run);
    k->deadline = weir_name(k->buf[4], WEIR_KEY_DEADLINE, shard);
}


void
weir_add_expiry(weir_txn_t *t, const weir_keys_t *k, int64_t ttl)
{
    char        n[WEIR_DECIMAL_MAX];
    weir_str_t  seconds;

    seconds = weir_decimal(n, ttl);

    /* NX: who loses the register must not move the winner's times either */

    weir_add(t, W("EXPIRE"), k->run, seconds, W("NX"));
    weir_add(t, W("EXPIRE"), k->job, seconds, W("NX"));
}


void
weir_add_tombstone(weir_txn_t *t, const weir_keys_t *k)
{
    char  n[WEIR_DECIMAL_MAX];

    weir_add_expiry(t, k, WEIR_TTL_TOMBSTONE);
    weir_add(t, W("EXPIRE"), k->request, weir_decimal(n, WEIR_TTL_TOMBSTONE),
             W("NX"));
}


void
weir_add_closed(weir_txn_t *t, unsigned shard, weir_str_t owner,
    const char *run)
{
    char  key[WEIR_NAME_MAX], name[WEIR_NAME_MAX];

    if (owner.len == 0 || owner.len >= WEIR_NAME_MAX) {
        return;
    }

    memcpy(name, owner.data, owner.len);
    name[owner.len] = '\0';

    weir_add(t, W("ZREM"), weir_name(key, WEIR_KEY_OPEN, shard, name),
             weir_str_of(run));
}


void
weir_add_outbox(weir_txn_t *t, const char *pattern, unsigned shard,
    const char *token, const char *id, int64_t now)
{
    char  key[WEIR_NAME_MAX], member[WEIR_NAME_MAX], at[WEIR_DECIMAL_MAX];

    weir_add(t, W("ZADD"), weir_name(key, pattern, shard), W("NX"),
             weir_decimal(at, now),
             weir_name(member, WEIR_OUTBOX_MEMBER, token, id));
}


void
weir_add_ack(weir_txn_t *t, unsigned shard, weir_class_e class,
    const char *entry)
{
    char        key[WEIR_NAME_MAX];
    weir_str_t  ready;

    ready = weir_name(key, WEIR_KEY_READY, shard, weir_class_name(class));

    weir_add(t, W("XACK"), ready, W(WEIR_GROUP), weir_str_of(entry));
    weir_add(t, W("XDEL"), ready, weir_str_of(entry));
}


bool
weir_word(weir_str_t *rest, char end, weir_str_t *word_r)
{
    size_t       n;
    const char  *p;

    p = rest->len ? memchr(rest->data, end, rest->len) : NULL;
    if (p == NULL) {
        return false;
    }

    n = (size_t) (p - rest->data);
    *word_r = (weir_str_t) { rest->data, n };
    *rest = (weir_str_t) { p + 1, rest->len - n - 1 };

    return true;
}


void
weir_txn_live(weir_txn_t *t, unsigned shard, const char *consumer, int64_t ms)
{
    char  key[WEIR_NAME_MAX], px[WEIR_DECIMAL_MAX];

    weir_add(t, W("SET"), weir_name(key, WEIR_KEY_LIVE, shard, consumer),
             W("1"), W("PX"), weir_decimal(px, ms));
}


void
weir_txn_catalogue_set(weir_txn_t *t, weir_str_t catalogue)
{
    weir_add(t, W("SET"), W(WEIR_KEY_CATALOGUE), catalogue);
}


void
weir_txn_catalogue_get(weir_txn_t *t)
{
    weir_add(t, W("GET"), W(WEIR_KEY_CATALOGUE));
}


void
weir_txn_words(weir_txn_t *t, unsigned n, const char *const *words)
{
    unsigned    i;
    weir_str_t  args[16];

    if (n > 16) {
        t->out.failed = true;
        return;
    }

    for (i = 0; i < n; i++) {
        args[i] = weir_str_of(words[i]);
    }

    weir_txn_add(t, n, args);
}
