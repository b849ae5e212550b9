/*
 * The stream of a run's deltas.  Pure.
 */

#include "weir_txn_events.h"
#include "weir_txn_part.h"

#include <stdio.h>


#define WEIR_EVENT_DIGITS  18


enum {
    WEIR_FEED_ADDED = 0,
    WEIR_FEED_READERS,
    WEIR_FEED_REPLIES
};

/* the fields, by kind */

static const char *const  weir_event_fields[] = {
    [WEIR_EVENT_START] = WEIR_EVENT_START_FIELD,
    [WEIR_EVENT_DELTAS] = WEIR_EVENT_DELTAS_FIELD,
    [WEIR_EVENT_OVER] = WEIR_EVENT_OVER_FIELD,
    [WEIR_EVENT_END] = WEIR_EVENT_END_FIELD
};

#define WEIR_EVENT_KINDS                                                      \
    (sizeof(weir_event_fields) / sizeof(weir_event_fields[0]))


/* ids */

void
weir_event_id(char text[WEIR_EVENT_ID_MAX], const char *token, uint64_t n)
{
    snprintf(text, WEIR_EVENT_ID_MAX, "%s-%llu", token,
             (unsigned long long) n);
}


bool
weir_event_id_parse(weir_str_t text, weir_str_t *token_r, uint64_t *n_r)
{
    int64_t     n, token;
    weir_str_t  rest;

    rest = text;

    if (!weir_word(&rest, '-', token_r)
        || !weir_str_digits(*token_r, WEIR_EVENT_DIGITS, &token)
        || !weir_str_digits(rest, WEIR_EVENT_DIGITS, &n))
    {
        return false;
    }

    *n_r = (uint64_t) n;

    return true;
}


static bool
weir_event_kind(weir_str_t field, weir_event_e *kind_r)
{
    size_t  i;

    for (i = 0; i < WEIR_EVENT_KINDS; i++) {
        if (weir_str_eq(field, weir_str_of(weir_event_fields[i]))) {
            *kind_r = (weir_event_e) i;
            return true;
        }
    }

    return false;
}


/* feed */

static void
weir_add_readers(weir_txn_t *t, unsigned shard, const char *run, int64_t now)
{
    char  key[WEIR_NAME_MAX], from[WEIR_DECIMAL_MAX];

    weir_add(t, W("ZRANGEBYSCORE"),
             weir_name(key, WEIR_KEY_READERS, shard, run),
             weir_decimal(from, now), W("+inf"));
}


void
weir_txn_feed(weir_txn_t *t, const weir_feed_t *f)
{
    char        key[WEIR_NAME_MAX], id[WEIR_EVENT_ID_MAX];
    weir_str_t  name, field;

    name = weir_name(key, WEIR_KEY_EVENTS, f->shard, f->run);
    field = weir_str_of(weir_event_fields[f->kind]);
    weir_event_id(id, f->token, f->n);

    weir_add(t, W("MULTI"));

    if (f->kind == WEIR_EVENT_START) {
        weir_add(t, W("XADD"), name, weir_str_of(id), field, f->data);

    } else {
        weir_add(t, W("XADD"), name, W("NOMKSTREAM"), weir_str_of(id), field,
                 f->data);
    }

    weir_add_readers(t, f->shard, f->run, f->now);

    if (f->kind == WEIR_EVENT_START) {
        weir_add_expire(t, name, f->ttl);
    }

    weir_add(t, W("EXEC"));
}


/* What Redis says of an id that is not above the last one.  Such an error does
 * not stop the rest of the transaction, but its answer. */

static bool
weir_feed_is_fenced(const weir_answer_t *a)
{
    static const char  text[] = "ERR The ID specified in XADD is equal or "
                                "smaller";

    return a->code == WEIR_ANSWER_ERROR && a->error.len >= sizeof(text) - 1
           && memcmp(a->error.data, text, sizeof(text) - 1) == 0;
}


weir_feed_e
weir_txn_feed_read(const weir_answer_t *a, const weir_reply_t **mailboxes_r)
{
    if (weir_feed_is_fenced(a)) {
        return WEIR_FEED_FENCED;
    }

    if (a->code != WEIR_ANSWER_OK
        || weir_reply_count(a->reply) < WEIR_FEED_REPLIES)
    {
        return WEIR_FEED_FAILED;
    }

    if (weir_reply_is_nil(weir_reply_at(a->reply, WEIR_FEED_ADDED))) {
        return WEIR_FEED_GONE;
    }

    *mailboxes_r = weir_reply_at(a->reply, WEIR_FEED_READERS);

    return WEIR_FEED_DONE;
}


void
weir_txn_feed_look(weir_txn_t *t, unsigned shard, const char *run)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("XREVRANGE"), weir_name(key, WEIR_KEY_EVENTS, shard, run),
             W("+"), W("-"), W("COUNT"), W("1"));
}


/* It follows the one before, or begins; all that has a greater token is
 * another's. */

weir_feed_e
weir_txn_feed_look_read(const weir_answer_t *a, const weir_feed_t *f)
{
    int64_t     own, of;
    uint64_t    n;
    weir_str_t  last, token;

    if (a->code != WEIR_ANSWER_OK) {
        return WEIR_FEED_FAILED;
    }

    last = weir_reply_str(weir_reply_at(weir_reply_at(a->reply, 0), 0));

    if (last.len == 0) {
        return f->kind == WEIR_EVENT_START ? WEIR_FEED_MISSING
                                           : WEIR_FEED_GONE;
    }

    if (!weir_event_id_parse(last, &token, &n)
        || !weir_str_digits(token, WEIR_EVENT_DIGITS, &of)
        || !weir_str_digits(weir_str_of(f->token), WEIR_EVENT_DIGITS, &own))
    {
        return WEIR_FEED_FENCED;
    }

    if (own == of && n == f->n) {
        return WEIR_FEED_DONE;
    }

    return f->kind == WEIR_EVENT_START ? (of < own ? WEIR_FEED_MISSING
                                                   : WEIR_FEED_FENCED)
           : own == of && n + 1 == f->n ? WEIR_FEED_MISSING
                                        : WEIR_FEED_FENCED;
}


void
weir_add_events_expiry(weir_txn_t *t, unsigned shard, const char *run,
    bool while_read)
{
    char  key[WEIR_NAME_MAX], ttl[WEIR_DECIMAL_MAX];

    weir_add(t, W("EXPIRE"), weir_name(key, WEIR_KEY_EVENTS, shard, run),
             weir_decimal(ttl, while_read ? WEIR_TTL_EVENTS_WHILE
                                          : WEIR_TTL_EVENTS), W("LT"));
}


void
weir_txn_feed_end(weir_txn_t *t, unsigned shard, const char *run,
    weir_str_t last, bool while_read)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("MULTI"));
    weir_add(t, W("XADD"), weir_name(key, WEIR_KEY_EVENTS, shard, run),
             W("NOMKSTREAM"), W(WEIR_EVENT_LAST), W(WEIR_EVENT_END_FIELD),
             last.data ? last : W(""));
    weir_add_events_expiry(t, shard, run, while_read);
    weir_add(t, W("EXEC"));
}


/* messages: "<run> <id> <field>\n<data>" */

void
weir_txn_mail_event(weir_txn_t *t, const char *mailbox, const weir_feed_t *f)
{
    char        channel[WEIR_NAME_MAX], id[WEIR_EVENT_ID_MAX];
    weir_buf_t  body = { 0 };

    weir_event_id(id, f->token, f->n);
    weir_buf_printf(&body, "%s %s %s\n", f->run, id,
                    weir_event_fields[f->kind]);
    weir_buf_str(&body, f->data);

    if (body.failed) {
        t->out.failed = true;

    } else {
        weir_add(t, W("PUBLISH"),
                 weir_name(channel, WEIR_CHANNEL_MAIL, mailbox),
                 ((weir_str_t) { body.data, body.len }));
    }

    weir_buf_free(&body);
}


bool
weir_mail_event_parse(weir_str_t body, weir_str_t *run_r, weir_event_t *e)
{
    unsigned    shard;
    weir_str_t  id, field;

    memset(e, 0, sizeof(weir_event_t));

    if (!weir_word(&body, ' ', run_r) || !weir_word(&body, ' ', &id)
        || !weir_word(&body, '\n', &field) || !weir_id_parse(*run_r, &shard)
        || !weir_event_kind(field, &e->kind) || e->kind == WEIR_EVENT_END
        || !weir_event_id_parse(id, &e->token, &e->n))
    {
        return false;
    }

    e->data = body;

    return true;
}


/* read */

enum {
    WEIR_READ_RUN = 0,
    WEIR_READ_ENTRIES,
    WEIR_READ_REPLIES
};


void
weir_txn_events(weir_txn_t *t, const weir_read_t *r)
{
    char        key[WEIR_NAME_MAX], ms[WEIR_DECIMAL_MAX];
    char        from[WEIR_EVENT_ID_MAX + 1], count[WEIR_DECIMAL_MAX];
    weir_str_t  name;

    snprintf(from, sizeof(from), "%s%.*s", r->after.len ? "(" : "-",
             (int) r->after.len, r->after.len ? r->after.data : "");

    weir_add(t, W("MULTI"));
    weir_add(t, W("HGETALL"), weir_name(key, WEIR_KEY_RUN, r->shard, r->run));
    weir_add(t, W("XRANGE"), weir_name(key, WEIR_KEY_EVENTS, r->shard, r->run),
             weir_str_of(from), W("+"), W("COUNT"),
             weir_decimal(count, r->count));

    if (r->mailbox) {
        name = weir_name(key, WEIR_KEY_READERS, r->shard, r->run);

        weir_add(t, W("ZADD"), name, W("GT"), weir_decimal(ms, r->until),
                 weir_str_of(r->mailbox));
        weir_add_expire(t, name, WEIR_TTL_READERS);
    }

    if (r->wish) {
        weir_add_control(t, r->shard, WEIR_CONTROL_STREAM, r->run);
    }

    weir_add(t, W("EXEC"));
}


bool
weir_txn_events_read(const weir_answer_t *a, weir_readings_t *r)
{
    memset(r, 0, sizeof(weir_readings_t));

    if (a->code != WEIR_ANSWER_OK
        || weir_reply_count(a->reply) < WEIR_READ_REPLIES)
    {
        return false;
    }

    weir_run_read(&r->run, weir_reply_at(a->reply, WEIR_READ_RUN));
    r->entries = weir_reply_at(a->reply, WEIR_READ_ENTRIES);

    return true;
}


bool
weir_readings_at(const weir_readings_t *r, size_t i, weir_event_t *e)
{
    weir_str_t           id;
    const weir_reply_t  *entry, *fields;

    memset(e, 0, sizeof(weir_event_t));

    if (i >= weir_reply_count(r->entries)) {
        return false;
    }

    entry = weir_reply_at(r->entries, i);
    id = weir_reply_str(weir_reply_at(entry, 0));
    fields = weir_reply_at(entry, 1);

    e->data = weir_reply_str(weir_reply_at(fields, 1));

    if (!weir_event_kind(weir_reply_str(weir_reply_at(fields, 0)), &e->kind)) {
        return false;
    }

    return e->kind == WEIR_EVENT_END
           ? weir_str_eq(id, W(WEIR_EVENT_LAST))
           : weir_event_id_parse(id, &e->token, &e->n);
}


void
weir_txn_unread(weir_txn_t *t, unsigned shard, const char *run,
    const char *mailbox)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("MULTI"));
    weir_add(t, W("ZREM"), weir_name(key, WEIR_KEY_READERS, shard, run),
             weir_str_of(mailbox));
    weir_add_control(t, shard, WEIR_CONTROL_LEFT, run);
    weir_add(t, W("EXEC"));
}
