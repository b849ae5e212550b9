/*
 * The transitions of the answers that stay: what the sweeper reads and
 * removes, and what was purged.  Pure.
 */

#include "weir_txn_ask.h"
#include "weir_txn_part.h"


#define WEIR_COUNT_DIGITS  18


/* the sweeper */

void
weir_txn_sweep(weir_txn_t *t, unsigned shard, const char *consumer, int64_t ms)
{
    char  key[WEIR_NAME_MAX], px[WEIR_DECIMAL_MAX];

    weir_add(t, W("SET"), weir_name(key, WEIR_KEY_SWEEP, shard),
             weir_str_of(consumer), W("NX"), W("PX"), weir_decimal(px, ms));
}


void
weir_txn_sweep_keep(weir_txn_t *t, unsigned shard, int64_t ms)
{
    char  key[WEIR_NAME_MAX], px[WEIR_DECIMAL_MAX];

    weir_add(t, W("PEXPIRE"), weir_name(key, WEIR_KEY_SWEEP, shard),
             weir_decimal(px, ms));
}


void
weir_txn_answers(weir_txn_t *t, unsigned shard, long long from, unsigned count)
{
    char  key[WEIR_NAME_MAX], a[WEIR_DECIMAL_MAX], b[WEIR_DECIMAL_MAX];

    weir_add(t, W("ZRANGE"), weir_name(key, WEIR_KEY_ANSWERS, shard),
             weir_decimal(a, from), weir_decimal(b, from + count - 1));
}


/* A member of "answers" is a question; others name no key.  false: it is none,
 * and the unit fails. */

static bool
weir_answer_name(weir_txn_t *t, char key[WEIR_NAME_MAX], unsigned shard,
    weir_str_t question, weir_str_t *name_r)
{
    char  text[WEIR_NAME_MAX];

    if (question.len >= sizeof(text) / 2) {
        t->out.failed = true;
        return false;
    }

    memcpy(text, question.len ? question.data : "", question.len);
    text[question.len] = '\0';

    *name_r = weir_name(key, WEIR_KEY_ANSWER, shard, text);

    return true;
}


void
weir_txn_answers_sizes(weir_txn_t *t, unsigned shard,
    const weir_str_t *questions, unsigned n)
{
    char        key[WEIR_NAME_MAX];
    unsigned    i;
    weir_str_t  name;

    weir_add(t, W("MULTI"));

    for (i = 0; i < n; i++) {
        if (!weir_answer_name(t, key, shard, questions[i], &name)) {
            return;
        }

        weir_add(t, W("STRLEN"), name);
    }

    weir_add(t, W("EXEC"));
}


void
weir_txn_answers_heads(weir_txn_t *t, unsigned shard,
    const weir_str_t *questions, unsigned n)
{
    char        key[WEIR_NAME_MAX], last[WEIR_DECIMAL_MAX];
    unsigned    i;
    weir_str_t  name;

    weir_add(t, W("MULTI"));

    for (i = 0; i < n; i++) {
        if (!weir_answer_name(t, key, shard, questions[i], &name)) {
            return;
        }

        weir_add(t, W("GETRANGE"), name, W("0"),
                 weir_decimal(last, WEIR_ANSWER_HEAD - 1));
    }

    weir_add(t, W("EXEC"));
}


/* One that has just come in the place of another may go with it: it was only
 * kept. */

void
weir_txn_answers_drop(weir_txn_t *t, unsigned shard,
    const weir_str_t *questions, unsigned n)
{
    char        keys[WEIR_ANSWERS_BATCH][WEIR_NAME_MAX], key[WEIR_NAME_MAX];
    unsigned    i;
    weir_str_t  del[1 + WEIR_ANSWERS_BATCH], zrem[2 + WEIR_ANSWERS_BATCH];

    if (n == 0 || n > WEIR_ANSWERS_BATCH) {
        t->out.failed = true;
        return;
    }

    del[0] = W("DEL");
    zrem[0] = W("ZREM");
    zrem[1] = weir_name(key, WEIR_KEY_ANSWERS, shard);

    for (i = 0; i < n; i++) {
        if (!weir_answer_name(t, keys[i], shard, questions[i], &del[1 + i])) {
            return;
        }

        zrem[2 + i] = questions[i];
    }

    weir_add(t, W("MULTI"));
    weir_txn_add(t, 1 + n, del);
    weir_txn_add(t, 2 + n, zrem);
    weir_add(t, W("EXEC"));
}


void
weir_txn_answer(weir_txn_t *t, unsigned shard, const char *question)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("GET"), weir_name(key, WEIR_KEY_ANSWER, shard, question));
}


/* where they are kept */

void
weir_txn_place(weir_txn_t *t, unsigned shard, const char *id)
{
    char        key[WEIR_NAME_MAX];
    weir_str_t  name;

    name = weir_name(key, WEIR_KEY_ANSWERS_ID, shard);

    weir_add(t, W("MULTI"));
    weir_add(t, W("SET"), name, weir_str_of(id), W("NX"));
    weir_add(t, W("GET"), name);
    weir_add(t, W("EXEC"));
}


weir_str_t
weir_txn_place_read(const weir_answer_t *a)
{
    return a->code == WEIR_ANSWER_OK
           ? weir_reply_str(weir_reply_at(a->reply, 1)) : weir_str_null;
}


void
weir_txn_place_tell(weir_txn_t *t, unsigned shard, const char *id)
{
    char  key[WEIR_NAME_MAX], ttl[WEIR_DECIMAL_MAX];

    weir_add(t, W("SET"), weir_name(key, WEIR_KEY_ANSWERS_AT, shard),
             weir_str_of(id), W("EX"), weir_decimal(ttl, WEIR_TTL_ANSWERS_AT),
             W("GET"));
}


void
weir_txn_place_told(weir_txn_t *t, unsigned shard)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("GET"), weir_name(key, WEIR_KEY_ANSWERS_AT, shard));
}


void
weir_txn_place_look(weir_txn_t *t, unsigned shard)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("GET"), weir_name(key, WEIR_KEY_ANSWERS_ID, shard));
}


/* marks */

static bool
weir_mark_text(weir_str_t text, bool word)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if ((unsigned char) text.data[i] < ' ' || text.data[i] == 0x7f
            || (word && text.data[i] == ' '))
        {
            return false;
        }
    }

    return text.len > 0;
}


static bool
weir_mark_digest(weir_str_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (!(text.data[i] >= '0' && text.data[i] <= '9')
            && !(text.data[i] >= 'a' && text.data[i] <= 'f'))
        {
            return false;
        }
    }

    return text.len == WEIR_QUESTION_TEXT;
}


bool
weir_mark_valid(weir_str_t mark)
{
    weir_str_t  kind;

    if (weir_str_eq(mark, W(WEIR_MARK_ALL))) {
        return true;
    }

    if (mark.len > WEIR_MARK_LEN || !weir_word(&mark, ':', &kind)) {
        return false;
    }

    if (weir_str_eq(kind, W("key"))) {
        return weir_mark_digest(mark);
    }

    if (weir_str_eq(kind, W("owner")) || weir_str_eq(kind, W("model"))) {
        return weir_mark_text(mark, false);
    }

    return (weir_str_eq(kind, W("class")) || weir_str_eq(kind, W("tag")))
           && weir_mark_text(mark, true);
}


void
weir_txn_purge(weir_txn_t *t, unsigned shard, weir_str_t mark, int64_t now)
{
    char        key[WEIR_NAME_MAX], at[WEIR_DECIMAL_MAX];
    char        most[WEIR_DECIMAL_MAX];
    weir_str_t  ms, marks;

    if (!weir_mark_valid(mark)) {
        t->out.failed = true;
        return;
    }

    ms = weir_decimal(at, now);
    marks = weir_name(key, WEIR_KEY_MARKS, shard);

    /* GT: if the clock was set back, what was void stays void */

    weir_add(t, W("MULTI"));
    weir_add(t, W("ZADD"), marks, W("GT"), ms, mark);
    weir_add_expire(t, marks, WEIR_TTL_MARKS);
    weir_add(t, W("INCR"), weir_name(key, WEIR_KEY_PURGECOUNT, shard));
    weir_add(t, W("XADD"), weir_name(key, WEIR_KEY_PURGES, shard),
             W("MAXLEN"), W("~"), weir_decimal(most, WEIR_PURGES_MAX), W("*"),
             W(WEIR_PURGE_MARK), mark, W(WEIR_PURGE_AT), ms);
    weir_add(t, W("EXEC"));
}


void
weir_txn_marks(weir_txn_t *t, unsigned shard)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("ZRANGE"), weir_name(key, WEIR_KEY_MARKS, shard), W("0"),
             W("-1"), W("WITHSCORES"));
}


void
weir_txn_marks_forget(weir_txn_t *t, unsigned shard, int64_t before)
{
    char  key[WEIR_NAME_MAX], to[WEIR_NAME_MAX];

    weir_add(t, W("ZREMRANGEBYSCORE"), weir_name(key, WEIR_KEY_MARKS, shard),
             W("-inf"), weir_name(to, "(%lld", (long long) before));
}


bool
weir_txn_marks_at(const weir_answer_t *a, size_t i, weir_str_t *mark_r,
    int64_t *at_r)
{
    if (a->code != WEIR_ANSWER_OK || 2 * i + 1 >= weir_reply_count(a->reply)) {
        return false;
    }

    *mark_r = weir_reply_str(weir_reply_at(a->reply, 2 * i));
    *at_r = weir_reply_int(weir_reply_at(a->reply, 2 * i + 1));

    return true;
}


/* what was purged, as it comes */

void
weir_txn_purges(weir_txn_t *t, unsigned shard, const char *after)
{
    char  key[WEIR_NAME_MAX], from[WEIR_NAME_MAX], n[WEIR_DECIMAL_MAX];

    weir_add(t, W("MULTI"));
    weir_txn_purgecount(t, shard);
    weir_add(t, W("XRANGE"), weir_name(key, WEIR_KEY_PURGES, shard),
             weir_name(from, "(%s", after), W("+"), W("COUNT"),
             weir_decimal(n, WEIR_PURGES_BATCH));
    weir_add(t, W("EXEC"));
}


bool
weir_txn_purges_read(const weir_answer_t *a, int64_t *count_r)
{
    weir_str_t  text;

    if (a->code != WEIR_ANSWER_OK || weir_reply_count(a->reply) != 2
        || weir_reply_str(weir_reply_at(a->reply, 1)).len)
    {
        return false;
    }

    /* nil: nothing was purged yet */

    text = weir_reply_str(weir_reply_at(a->reply, 0));
    *count_r = 0;

    return text.len == 0 || weir_str_digits(text, WEIR_COUNT_DIGITS, count_r);
}


bool
weir_txn_purges_at(const weir_answer_t *a, size_t i, weir_str_t *entry_r,
    weir_str_t *mark_r, int64_t *at_r)
{
    const weir_reply_t  *entry, *fields;

    entry = weir_reply_at(weir_reply_at(a->reply, 1), i);

    if (entry == NULL) {
        return false;
    }

    fields = weir_reply_at(entry, 1);

    *entry_r = weir_reply_str(weir_reply_at(entry, 0));
    *mark_r = weir_reply_field(fields, WEIR_PURGE_MARK);

    if (!weir_mark_valid(*mark_r)
        || !weir_str_digits(weir_reply_field(fields, WEIR_PURGE_AT),
                            WEIR_COUNT_DIGITS, at_r))
    {
        *mark_r = weir_str_null;
        *at_r = 0;
    }

    return true;
}


void
weir_txn_purgecount(weir_txn_t *t, unsigned shard)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("GET"), weir_name(key, WEIR_KEY_PURGECOUNT, shard));
}
