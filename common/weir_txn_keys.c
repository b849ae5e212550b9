/*
 * The transactions of the key store.  Pure.
 */

#include "weir_txn_keys.h"
#include "weir_apikey.h"
#include "weir_txn_part.h"


#define WEIR_COUNT_DIGITS  18


static weir_str_t
weir_apikey_name(char buf[WEIR_NAME_MAX], weir_str_t id)
{
    return weir_name(buf, WEIR_KEY_APIKEY, (int) id.len, id.data);
}


void
weir_txn_key_get(weir_txn_t *t, weir_str_t id)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("GET"), weir_apikey_name(key, id));
}


/* a command on the records of n ids */

static void
weir_add_records(weir_txn_t *t, weir_str_t command, const weir_str_t *ids,
    unsigned n)
{
    char        names[WEIR_KEYS_BATCH][WEIR_NAME_MAX];
    unsigned    i;
    weir_str_t  args[1 + WEIR_KEYS_BATCH];

    if (n == 0 || n > WEIR_KEYS_BATCH) {
        t->out.failed = true;
        return;
    }

    args[0] = command;

    for (i = 0; i < n; i++) {
        args[1 + i] = weir_apikey_name(names[i], ids[i]);
    }

    weir_txn_add(t, 1 + n, args);
}


void
weir_txn_keys_get(weir_txn_t *t, const weir_str_t *ids, unsigned n)
{
    weir_add_records(t, W("MGET"), ids, n);
}


void
weir_txn_keys_watch(weir_txn_t *t, const weir_str_t *ids, unsigned n)
{
    weir_add_records(t, W("WATCH"), ids, n);
    weir_add_records(t, W("MGET"), ids, n);
}


void
weir_txn_keys_put(weir_txn_t *t, const weir_str_t *ids,
    const weir_str_t *lines, unsigned n)
{
    char      key[WEIR_NAME_MAX], most[WEIR_DECIMAL_MAX];
    unsigned  i;

    weir_add(t, W("MULTI"));

    for (i = 0; i < n; i++) {
        weir_add(t, W("SET"), weir_apikey_name(key, ids[i]), lines[i]);
        weir_add(t, W("SADD"), W(WEIR_KEY_APIKEYS), ids[i]);
        weir_add(t, W("INCR"), W(WEIR_KEY_CHANGES));
        weir_add(t, W("XADD"), W(WEIR_KEY_NEWS), W("MAXLEN"), W("~"),
                 weir_decimal(most, WEIR_NEWS_MAX), W("*"), W(WEIR_NEWS_ID),
                 ids[i]);
    }

    weir_add(t, W("EXEC"));
}


void
weir_txn_key_ids(weir_txn_t *t, weir_str_t cursor, unsigned count)
{
    char  n[WEIR_DECIMAL_MAX];

    weir_add(t, W("SSCAN"), W(WEIR_KEY_APIKEYS), cursor, W("COUNT"),
             weir_decimal(n, count));
}


/* The news and the count come from one moment: else a change between the two
 * would look like a loss, or hide one. */

void
weir_txn_news(weir_txn_t *t, const char *after)
{
    char        count[WEIR_DECIMAL_MAX], start[WEIR_NAME_MAX];
    weir_str_t  from;

    from = weir_name(start, "(%s", after);

    weir_add(t, W("MULTI"));
    weir_add(t, W("GET"), W(WEIR_KEY_CHANGES));
    weir_add(t, W("XRANGE"), W(WEIR_KEY_NEWS), from, W("+"), W("COUNT"),
             weir_decimal(count, WEIR_NEWS_BATCH));
    weir_add(t, W("EXEC"));
}


bool
weir_txn_news_read(const weir_answer_t *a, int64_t *changes_r)
{
    weir_str_t  text;

    if (a->code != WEIR_ANSWER_OK || weir_reply_count(a->reply) != 2
        || weir_reply_str(weir_reply_at(a->reply, 1)).len)
    {
        return false;
    }

    /* nil: there never was a change */

    text = weir_reply_str(weir_reply_at(a->reply, 0));
    *changes_r = 0;

    return text.len == 0 || weir_str_digits(text, WEIR_COUNT_DIGITS, changes_r);
}


bool
weir_txn_news_at(const weir_answer_t *a, size_t i, weir_str_t *entry_r,
    weir_str_t *id_r)
{
    const weir_reply_t  *entry;

    entry = weir_reply_at(weir_reply_at(a->reply, 1), i);

    if (entry == NULL) {
        return false;
    }

    *entry_r = weir_reply_str(weir_reply_at(entry, 0));
    *id_r = weir_reply_field(weir_reply_at(entry, 1), WEIR_NEWS_ID);

    if (!weir_apikey_id_valid(*id_r)) {
        *id_r = weir_str_null;
    }

    return true;
}
