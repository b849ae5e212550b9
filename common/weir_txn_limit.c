/*
 * The transactions of limits over the fleet: decide, reserve, settle.  Pure.
 */

#include "weir_txn_limit.h"
#include "weir_txn_part.h"

#include <stdio.h>
#include <string.h>


#define WEIR_CHARGE_TEXT    256
#define WEIR_CHARGE_DIGITS  18


static weir_str_t
weir_limit_name(char buf[WEIR_NAME_MAX], const char *pattern, unsigned shard,
    weir_str_t name)
{
    return weir_name(buf, pattern, shard, (int) name.len, name.data);
}


/* the first half of a decision */

void
weir_txn_limits_watch(weir_txn_t *t, unsigned shard, const weir_str_t *names,
    unsigned n)
{
    char        buf[WEIR_LIMITS_BATCH][WEIR_NAME_MAX];
    unsigned    i;
    weir_str_t  args[WEIR_LIMITS_BATCH + 1];

    if (n == 0 || n > WEIR_LIMITS_BATCH) {
        t->out.failed = true;
        return;
    }

    for (i = 0; i < n; i++) {
        args[i + 1] = weir_limit_name(buf[i], WEIR_KEY_LIMIT, shard, names[i]);
    }

    args[0] = W("WATCH");
    weir_txn_add(t, n + 1, args);

    args[0] = W("MGET");
    weir_txn_add(t, n + 1, args);
}


bool
weir_txn_limits_read(const weir_answer_t *a, unsigned i,
    weir_limit_state_t *state_r)
{
    memset(state_r, 0, sizeof(weir_limit_state_t));

    return weir_limit_state_read(weir_reply_str(weir_reply_at(a->reply, i)),
                                 state_r);
}


void
weir_txn_slots_watch(weir_txn_t *t, unsigned shard, weir_str_t name,
    int64_t now)
{
    char        key[WEIR_NAME_MAX], at[WEIR_DECIMAL_MAX];
    weir_str_t  slots;

    slots = weir_limit_name(key, WEIR_KEY_SLOTS, shard, name);

    weir_add(t, W("WATCH"), slots);

    /* from the next ms on: a lease ends at its time */

    weir_add(t, W("ZCOUNT"), slots, weir_decimal(at, now + 1), W("+inf"));
}


/* the second half */

void
weir_txn_limits_begin(weir_txn_t *t)
{
    weir_add(t, W("MULTI"));
}


void
weir_txn_limits_set(weir_txn_t *t, unsigned shard, weir_str_t name,
    const weir_limit_state_t *state, int64_t ttl)
{
    char  key[WEIR_NAME_MAX], text[WEIR_LIMIT_STATE_MAX];
    char  px[WEIR_DECIMAL_MAX];

    ttl += (int64_t) WEIR_TTL_LIMIT * 1000;

    weir_add(t, W("SET"), weir_limit_name(key, WEIR_KEY_LIMIT, shard, name),
             weir_limit_state_write(state, text), W("PX"),
             weir_decimal(px, ttl));
}


static void
weir_add_lease(weir_txn_t *t, weir_str_t slots, const char *member,
    int64_t lease, bool renew)
{
    char  at[WEIR_DECIMAL_MAX];

    if (renew) {
        weir_add(t, W("ZADD"), slots, W("XX"), weir_decimal(at, lease),
                 weir_str_of(member));

    } else {
        weir_add(t, W("ZADD"), slots, weir_decimal(at, lease),
                 weir_str_of(member));
    }

    /* the set outlives its last lease: no other than the longest is shorter */

    weir_add(t, W("PEXPIREAT"), slots,
             weir_decimal(at, lease + (int64_t) WEIR_TTL_LIMIT * 1000),
             W("NX"));
    weir_add(t, W("PEXPIREAT"), slots,
             weir_decimal(at, lease + (int64_t) WEIR_TTL_LIMIT * 1000),
             W("GT"));
}


void
weir_txn_slots_take(weir_txn_t *t, unsigned shard, weir_str_t name,
    const char *member, int64_t now, int64_t lease)
{
    char        key[WEIR_NAME_MAX], at[WEIR_DECIMAL_MAX];
    weir_str_t  slots;

    slots = weir_limit_name(key, WEIR_KEY_SLOTS, shard, name);

    weir_add(t, W("ZREMRANGEBYSCORE"), slots, W("-inf"),
             weir_decimal(at, now));
    weir_add_lease(t, slots, member, lease, false);
}


void
weir_txn_limits_end(weir_txn_t *t)
{
    weir_add(t, W("EXEC"));
}


void
weir_txn_slots_leave(weir_txn_t *t, unsigned shard, weir_str_t name,
    const char *member)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("ZREM"), weir_limit_name(key, WEIR_KEY_SLOTS, shard, name),
             weir_str_of(member));
}


void
weir_txn_slots_renew(weir_txn_t *t, unsigned shard, weir_str_t name,
    const char *member, int64_t lease)
{
    char  key[WEIR_NAME_MAX];

    weir_add_lease(t, weir_limit_name(key, WEIR_KEY_SLOTS, shard, name),
                   member, lease, true);
}


/* reservations: "<unit> <form> <amount> <period> <capacity> <calendar> <units>
 * <at> <level> <name>", numbers all but the name */

static void
weir_add_charge(weir_txn_t *t, weir_str_t hold, unsigned i,
    const weir_charge_t *c)
{
    char                 field[WEIR_NAME_MAX], text[WEIR_CHARGE_TEXT];
    const weir_limit_t  *l;

    l = &c->limit;

    snprintf(text, sizeof(text), "%d %d %lld %lld %lld %d %lld %lld %lld %.*s",
             (int) c->unit, (int) l->form, (long long) l->amount,
             (long long) l->period, (long long) l->capacity,
             (int) l->calendar, (long long) c->units, (long long) c->at,
             (long long) c->level, (int) c->name.len, c->name.data);

    weir_add(t, W("HSET"), hold, weir_name(field, WEIR_HOLD_CHARGE, i),
             weir_str_of(text));
}


void
weir_txn_limits_hold(weir_txn_t *t, const weir_hold_t *h)
{
    char        key[WEIR_NAME_MAX], by[WEIR_DECIMAL_MAX];
    unsigned    i;
    weir_str_t  hold;

    if (h->n > WEIR_HOLD_CHARGES) {
        t->out.failed = true;
        return;
    }

    hold = weir_name(key, WEIR_KEY_HOLD, h->shard, h->run);

    weir_add(t, W("HSET"), hold, W(WEIR_HOLD_OWNER), h->owner,
             W(WEIR_HOLD_BY), weir_decimal(by, h->by));

    for (i = 0; i < h->n; i++) {
        weir_add_charge(t, hold, i, &h->charges[i]);
    }

    weir_txn_settle_at(t, h->shard, h->run, h->by + WEIR_RESERVED);
}


void
weir_txn_settle_at(weir_txn_t *t, unsigned shard, const char *run, int64_t at)
{
    char  key[WEIR_NAME_MAX], ms[WEIR_DECIMAL_MAX];

    weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_SETTLE, shard),
             weir_decimal(ms, at), weir_str_of(run));
}


void
weir_txn_settle_later(weir_txn_t *t, unsigned shard, const char *run,
    int64_t at)
{
    char  key[WEIR_NAME_MAX], ms[WEIR_DECIMAL_MAX];

    weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_SETTLE, shard), W("XX"),
             weir_decimal(ms, at), weir_str_of(run));
}


/* settlement */

void
weir_txn_settle_due(weir_txn_t *t, unsigned shard, int64_t now, unsigned count)
{
    char  key[WEIR_NAME_MAX], at[WEIR_DECIMAL_MAX], n[WEIR_DECIMAL_MAX];

    weir_add(t, W("ZRANGEBYSCORE"), weir_name(key, WEIR_KEY_SETTLE, shard),
             W("-inf"), weir_decimal(at, now), W("WITHSCORES"), W("LIMIT"),
             W("0"), weir_decimal(n, count));
}


void
weir_txn_settle_watch(weir_txn_t *t, unsigned shard, const char *run)
{
    char  key[WEIR_NAME_MAX], hold[WEIR_NAME_MAX];

    weir_add(t, W("WATCH"), weir_name(key, WEIR_KEY_RUN, shard, run),
             weir_name(hold, WEIR_KEY_HOLD, shard, run));
}


void
weir_txn_settle_run(weir_txn_t *t, unsigned shard, const char *run)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("HGETALL"), weir_name(key, WEIR_KEY_RUN, shard, run));
}


void
weir_txn_settle_job(weir_txn_t *t, unsigned shard, const char *run)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("HGET"), weir_name(key, WEIR_KEY_JOB, shard, run),
             W(WEIR_JOB_OWNER));
}


void
weir_txn_settle_hold(weir_txn_t *t, unsigned shard, const char *run)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("HGETALL"), weir_name(key, WEIR_KEY_HOLD, shard, run));
}


/* the answers of several units are read into one struct: it keeps copies */

static weir_str_t
weir_settle_keep(weir_settle_t *s, weir_str_t text)
{
    char  *p;

    if (text.len == 0 || text.len > sizeof(s->text) - s->used) {
        return weir_str_null;
    }

    p = s->text + s->used;
    memcpy(p, text.data, text.len);
    s->used += text.len;

    return (weir_str_t) { p, text.len };
}


static bool
weir_number(weir_str_t *rest, char end, int64_t *n_r)
{
    weir_str_t  word;

    return weir_word(rest, end, &word)
           && weir_str_digits(word, WEIR_CHARGE_DIGITS, n_r);
}


/* "<in> <out> <cost>" */

static void
weir_usage_read(weir_str_t text, weir_settle_t *s)
{
    int64_t  in, out, cost;

    if (weir_number(&text, ' ', &in) && weir_number(&text, ' ', &out)
        && weir_str_digits(text, WEIR_CHARGE_DIGITS, &cost))
    {
        s->input_tokens = in;
        s->output_tokens = out;
        s->cost = cost;
        s->reported = true;
    }
}


void
weir_txn_used(weir_txn_t *t, unsigned shard, const char *run, weir_str_t token)
{
    char  key[WEIR_NAME_MAX], field[WEIR_NAME_MAX], tok[33];

    snprintf(tok, sizeof(tok), "%.*s", (int) token.len,
             token.data ? token.data : "");

    weir_add(t, W("HGET"), weir_name(key, WEIR_KEY_RUN, shard, run),
             weir_name(field, WEIR_RUN_USAGE, tok));
}


bool
weir_txn_used_read(const weir_answer_t *a, weir_settle_t *s)
{
    weir_settle_init(s);

    if (a->code == WEIR_ANSWER_OK) {
        weir_usage_read(weir_reply_str(a->reply), s);
    }

    return s->reported;
}


/* What the last of those who had it in hand says, when others have ended it:
 * the token is a number, and grows. */

static void
weir_settle_cut_read(const weir_reply_t *hgetall, weir_settle_t *s)
{
    size_t      i, n;
    int64_t     token, last;
    weir_str_t  name;

    n = sizeof(WEIR_RUN_USAGE_PREFIX) - 1;
    last = 0;

    for (i = 0; i + 1 < weir_reply_count(hgetall); i += 2) {
        name = weir_reply_str(weir_reply_at(hgetall, i));

        if (name.len > n && memcmp(name.data, WEIR_RUN_USAGE_PREFIX, n) == 0
            && weir_str_digits((weir_str_t) { name.data + n, name.len - n },
                               WEIR_CHARGE_DIGITS, &token)
            && token > last)
        {
            last = token;
            weir_usage_read(weir_reply_str(weir_reply_at(hgetall, i + 1)), s);
        }
    }
}


bool
weir_txn_settle_run_read(const weir_answer_t *a, weir_settle_t *s)
{
    char        field[WEIR_NAME_MAX], token[33];
    weir_run_t  run;

    if (a->code != WEIR_ANSWER_OK) {
        return false;
    }

    weir_run_read(&run, a->reply);

    s->found = run.found;
    s->state = run.state;
    s->fin_at = run.fin_at;
    s->deadline = run.deadline;
    s->settled = weir_reply_field(a->reply, WEIR_RUN_SETTLED).len > 0;
    s->counts = run.gen > 0
                && !weir_str_eq(run.token, weir_str(WEIR_TOKEN_EDGE))
                && !weir_str_eq(run.token, weir_str(WEIR_TOKEN_LATE));

    snprintf(token, sizeof(token), "%.*s", (int) run.token.len,
             run.token.data ? run.token.data : "");

    if (run.token.len) {
        (void) weir_name(field, WEIR_RUN_USAGE, token);
        weir_usage_read(weir_reply_field(a->reply, field), s);
    }

    if (weir_state_is_final(s->state) && s->counts
        && !weir_token_has_outcome(run.token))
    {
        s->cut = run.claimed && run.started <= run.fin_at;
        weir_settle_cut_read(a->reply, s);
    }

    return true;
}


bool
weir_txn_settle_job_read(const weir_answer_t *a, weir_settle_t *s)
{
    if (a->code != WEIR_ANSWER_OK) {
        return false;
    }

    if (weir_reply_str(a->reply).len) {
        s->owner = weir_settle_keep(s, weir_reply_str(a->reply));
    }

    return true;
}


static bool
weir_charge_read(weir_str_t text, weir_charge_t *c)
{
    int64_t  unit, form, calendar;

    if (!weir_number(&text, ' ', &unit) || !weir_number(&text, ' ', &form)
        || !weir_number(&text, ' ', &c->limit.amount)
        || !weir_number(&text, ' ', &c->limit.period)
        || !weir_number(&text, ' ', &c->limit.capacity)
        || !weir_number(&text, ' ', &calendar)
        || !weir_number(&text, ' ', &c->units)
        || !weir_number(&text, ' ', &c->at)
        || !weir_number(&text, ' ', &c->level)
        || unit >= WEIR_UNITS || form > WEIR_LIMIT_AT_ONCE
        || calendar >= WEIR_CALENDARS
        || text.len == 0 || text.len > WEIR_LIMIT_KEY_MAX
        || (form == WEIR_LIMIT_RATE && (c->limit.amount == 0
                                        || c->limit.period == 0)))
    {
        return false;
    }

    c->unit = (weir_unit_e) unit;
    c->limit.form = (weir_limit_form_e) form;
    c->limit.calendar = (weir_calendar_e) calendar;
    c->name = text;

    return true;
}


bool
weir_txn_settle_hold_read(const weir_answer_t *a, weir_settle_t *s)
{
    char            field[WEIR_NAME_MAX];
    unsigned        i;
    weir_str_t      text;
    weir_charge_t  *c;

    if (a->code != WEIR_ANSWER_OK) {
        return false;
    }

    memset(&s->h, 0, sizeof(weir_hold_t));

    s->hold = weir_reply_count(a->reply) > 0;
    s->h.owner = weir_settle_keep(s, weir_reply_field(a->reply,
                                                      WEIR_HOLD_OWNER));
    (void) weir_str_digits(weir_reply_field(a->reply, WEIR_HOLD_BY),
                           WEIR_CHARGE_DIGITS, &s->h.by);

    if (s->owner.len == 0) {
        s->owner = s->h.owner;
    }

    for (i = 0; i < WEIR_HOLD_CHARGES; i++) {
        (void) weir_name(field, WEIR_HOLD_CHARGE, i);
        text = weir_reply_field(a->reply, field);

        if (text.len == 0) {
            break;
        }

        /* one that is not ours is left as it was charged */

        c = &s->h.charges[s->h.n];

        if (weir_charge_read(text, c)) {
            c->name = weir_settle_keep(s, c->name);
            s->h.n += (c->name.len > 0);
        }
    }

    return true;
}


static void
weir_add_usage(weir_txn_t *t, weir_str_t ledger, weir_str_t owner,
    const char *what, long long n)
{
    char  field[WEIR_NAME_MAX], by[WEIR_DECIMAL_MAX];

    if (n > 0) {
        weir_add(t, W("HINCRBY"), ledger,
                 weir_name(field, WEIR_USAGE_FIELD, (int) owner.len,
                           owner.data, what),
                 weir_decimal(by, n));
    }
}


void
weir_txn_settle_done(weir_txn_t *t, unsigned shard, const char *run,
    const weir_settle_t *s)
{
    char  key[WEIR_NAME_MAX];

    if (s->hold) {
        weir_add(t, W("DEL"), weir_name(key, WEIR_KEY_HOLD, shard, run));
    }

    /* found under WATCH, so that this makes no ghost of it */

    if (s->found && !s->settled && weir_state_is_final(s->state)) {
        weir_add(t, W("HSET"), weir_name(key, WEIR_KEY_RUN, shard, run),
                 W(WEIR_RUN_SETTLED), W("1"));
    }
}


void
weir_txn_settle_off(weir_txn_t *t, unsigned shard, const weir_str_t *members,
    unsigned n)
{
    char        key[WEIR_NAME_MAX];
    weir_str_t  args[WEIR_SETTLE_BATCH + 2];

    if (n > WEIR_SETTLE_BATCH) {
        t->out.failed = true;
        return;
    }

    args[0] = W("ZREM");
    args[1] = weir_name(key, WEIR_KEY_SETTLE, shard);
    memcpy(args + 2, members, n * sizeof(weir_str_t));

    weir_txn_add(t, n + 2, args);
}


void
weir_txn_settle_used(weir_txn_t *t, unsigned shard, const weir_usage_t *used)
{
    char        key[WEIR_NAME_MAX];
    weir_str_t  ledger;

    ledger = weir_name(key, WEIR_KEY_USAGE, shard, used->day);

    weir_add_usage(t, ledger, used->owner, WEIR_USAGE_JOBS, used->jobs);
    weir_add_usage(t, ledger, used->owner, WEIR_USAGE_INPUT,
                   used->input_tokens);
    weir_add_usage(t, ledger, used->owner, WEIR_USAGE_OUTPUT,
                   used->output_tokens);
    weir_add_usage(t, ledger, used->owner, WEIR_USAGE_COST, used->cost);
    weir_add_expire(t, ledger, WEIR_TTL_USAGE);
}


/* the ledger */

void
weir_txn_usage(weir_txn_t *t, unsigned shard, const char *day)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("HGETALL"), weir_name(key, WEIR_KEY_USAGE, shard, day));
}


bool
weir_usage_field(weir_str_t field, weir_str_t *owner_r, weir_str_t *what_r)
{
    *what_r = field;

    return weir_word(what_r, ':', owner_r) && owner_r->len && what_r->len;
}
