/*
 * The transitions of a run that was tried: finish, tell, retry, promote,
 * expire.  Pure.
 */

#include "weir_txn_ask.h"
#include "weir_txn_limit.h"
#include "weir_txn_part.h"

#include <stdio.h>


#define WEIR_DIGITS_MAX  18


/* finish */

/* The newest are kept; what is older than its records goes too. */

static void
weir_add_dead(weir_txn_t *t, const weir_finish_t *f)
{
    char        key[WEIR_NAME_MAX], over[WEIR_DECIMAL_MAX];
    char        old[WEIR_DECIMAL_MAX];
    weir_str_t  dead;

    dead = weir_name(key, WEIR_KEY_DEAD, f->shard);

    weir_add_outbox(t, WEIR_KEY_DEAD, f->shard, f->token, f->run, f->now);
    weir_add(t, W("ZREMRANGEBYRANK"), dead, W("0"),
             weir_decimal(over, -(WEIR_DEAD_MAX + 1)));
    weir_add(t, W("ZREMRANGEBYSCORE"), dead, W("-inf"),
             weir_decimal(old, f->now - (int64_t) WEIR_TTL_DEAD * 1000));
}


/* The question is needed no longer, unless somebody may ask it again.  NX: who
 * loses the register must not take it from a dead letter. */

static void
weir_add_forget(weir_txn_t *t, const weir_finish_t *f, const weir_keys_t *k)
{
    char  ttl[WEIR_DECIMAL_MAX];

    weir_add(t, W("EXPIRE"), k->request,
             weir_decimal(ttl, f->dead ? WEIR_TTL_DEAD : 0), W("NX"));
}


void
weir_add_used(weir_txn_t *t, weir_str_t run, const weir_used_t *u)
{
    char  field[WEIR_NAME_MAX], used[3 * WEIR_DECIMAL_MAX];

    snprintf(used, sizeof(used), "%lld %lld %lld", u->input_tokens,
             u->output_tokens, u->cost);

    weir_add(t, W("HSET"), run, weir_name(field, WEIR_RUN_USAGE, u->token),
             weir_str_of(used));
}


/* An outcome without a word about tokens has none here either; that a delivery
 * without an outcome used nothing must be said. */

static void
weir_add_finish_used(weir_txn_t *t, const weir_finish_t *f,
    const weir_keys_t *k)
{
    weir_used_t  u = { f->outcome.len ? f->token : f->by, f->input_tokens,
                       f->output_tokens, f->cost };

    if (u.token && (f->outcome.len == 0 || u.input_tokens || u.output_tokens)) {
        weir_add_used(t, k->run, &u);
    }
}


/* What was asked has an answer, for those who ask later; a loser's is one as
 * well. */

static void
weir_add_answer(weir_txn_t *t, const weir_finish_t *f)
{
    char        key[WEIR_NAME_MAX], n[WEIR_DECIMAL_MAX];
    int64_t     ms;
    weir_str_t  name;

    if (f->ask == NULL || f->answer.len == 0 || f->answer_ms <= 0) {
        return;
    }

    ms = WEIR_ANSWER_MAX * 1000LL;
    ms = f->answer_ms < ms ? f->answer_ms : ms;

    name = weir_name(key, WEIR_KEY_ANSWER, f->shard, f->ask);

    if (f->answer_nx) {
        weir_add(t, W("SET"), name, f->answer, W("PX"), weir_decimal(n, ms),
                 W("NX"));

    } else {
        weir_add(t, W("SET"), name, f->answer, W("PX"), weir_decimal(n, ms));
    }

    weir_add(t, W("ZADD"), weir_name(key, WEIR_KEY_ANSWERS, f->shard),
             weir_decimal(n, f->now), weir_str_of(f->ask));
}


void
weir_txn_answer_keep(weir_txn_t *t, const weir_finish_t *f)
{
    weir_add(t, W("MULTI"));
    weir_add_answer(t, f);
    weir_add(t, W("EXEC"));
}


/* A run: its askers are to be told, where there may be any; a job that asks is
 * one of them, and was no run that is to be settled. */

static void
weir_add_finish_ask(weir_txn_t *t, const weir_finish_t *f)
{
    char  key[WEIR_NAME_MAX], ttl[WEIR_DECIMAL_MAX];

    if (f->asker == NULL) {
        weir_txn_settle_at(t, f->shard, f->run, f->now);

        weir_add_events_expiry(t, f->shard, f->run, f->while_read);

        if (f->ask || f->entry == NULL) {
            weir_add_ended(t, f->shard, f->run, f->now);
        }

        return;
    }

    weir_add_unasked(t, f->shard, f->asker, f->run);

    if (*f->asker && weir_token_has_outcome(weir_str_of(f->token))) {
        weir_add(t, W("EXPIRE"),
                 weir_name(key, WEIR_KEY_OUTCOME, f->shard, f->asker,
                           f->token),
                 weir_decimal(ttl, f->ttl), W("GT"));
    }

    if (*f->asker && f->left) {
        weir_txn_hand_on_now(t, f->shard, f->asker, f->now);
    }
}


void
weir_txn_finish(weir_txn_t *t, const weir_finish_t *f)
{
    char         fin[64], at[WEIR_DECIMAL_MAX], ttl[WEIR_DECIMAL_MAX];
    char         outcome[WEIR_NAME_MAX];
    int64_t      keep, records;
    weir_keys_t  k;

    weir_keys(&k, f->shard, f->run, f->job);
    snprintf(fin, sizeof(fin), "%s:%s", weir_state_name(f->state), f->token);

    keep = f->dead && f->ttl < WEIR_TTL_DEAD ? WEIR_TTL_DEAD : f->ttl;
    records = keep > f->records ? keep : f->records;

    weir_add(t, W("MULTI"));

    if (f->outcome.len) {
        weir_add(t, W("SET"),
                 weir_name(outcome, WEIR_KEY_OUTCOME, f->shard, f->run,
                           f->token),
                 f->outcome, W("EX"), weir_decimal(ttl, keep));
    }

    weir_add_finish_used(t, f, &k);
    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_FIN), weir_str_of(fin));
    weir_add(t, W("HSETNX"), k.run, W(WEIR_RUN_FIN_AT),
             weir_decimal(at, f->now));

    if (f->entry) {
        weir_add_ack(t, f->shard, f->class, f->entry);
    }

    weir_add(t, W("ZREM"), k.deadline, weir_str_of(f->run));
    weir_add_closed(t, f->shard, f->owner, f->run);
    weir_add_finish_ask(t, f);
    weir_add_answer(t, f);
    weir_add_expiry(t, &k, records);
    weir_add_forget(t, f, &k);

    if (f->hook) {
        weir_add_outbox(t, WEIR_KEY_HOOKS, f->shard, f->token, f->job, f->now);
    }

    if (f->dead) {
        weir_add_dead(t, f);
    }

    weir_add(t, W("HGET"), k.run, W(WEIR_RUN_FIN));
    weir_add(t, W("SMEMBERS"), k.waiting);
    weir_add(t, W("EXEC"));
}


bool
weir_txn_finish_won(const weir_answer_t *a, const weir_finish_t *f,
    const weir_reply_t **mailboxes_r)
{
    char    fin[64];
    size_t  n;

    n = weir_reply_count(a->reply);
    *mailboxes_r = NULL;

    if (a->code != WEIR_ANSWER_OK || n < 2) {
        return false;
    }

    snprintf(fin, sizeof(fin), "%s:%s", weir_state_name(f->state), f->token);

    if (!weir_str_eq(weir_reply_str(weir_reply_at(a->reply, n - 2)),
                     weir_str_of(fin)))
    {
        return false;
    }

    *mailboxes_r = weir_reply_at(a->reply, n - 1);

    return true;
}


/* mail: "<run> <fin> <fin_at>[ <last>]\n<outcome>" */

void
weir_txn_mail(weir_txn_t *t, const char *mailbox, const char *run,
    const char *fin, int64_t now, const char *last, weir_str_t outcome)
{
    char        channel[WEIR_NAME_MAX];
    weir_buf_t  body;

    weir_buf_init(&body, 0);
    weir_buf_printf(&body, "%s %s %lld%s%s\n", run, fin, (long long) now,
                    last[0] ? " " : "", last);

    if (outcome.len <= WEIR_MAIL_BODY_MAX) {
        weir_buf_str(&body, outcome);
    }

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
weir_mail_parse(weir_str_t body, weir_str_t *run_r, weir_str_t *fin_r,
    int64_t *fin_at_r, weir_str_t *last_r, weir_str_t *outcome_r)
{
    unsigned    shard;
    weir_str_t  at;

    if (!weir_word(&body, ' ', run_r) || !weir_word(&body, ' ', fin_r)
        || !weir_word(&body, '\n', last_r) || !weir_id_parse(*run_r, &shard))
    {
        return false;
    }

    if (!weir_word(last_r, ' ', &at)) {
        at = *last_r;
        *last_r = weir_str_null;
    }

    if (!weir_str_digits(at, WEIR_DIGITS_MAX, fin_at_r)) {
        return false;
    }

    *outcome_r = body;

    return true;
}


/* retry */

void
weir_txn_retry_watch(weir_txn_t *t, unsigned shard, const char *run,
    const char *entry)
{
    char        key[WEIR_NAME_MAX], deliveries[64];
    weir_str_t  name;

    name = weir_name(key, WEIR_KEY_RUN, shard, run);
    snprintf(deliveries, sizeof(deliveries), WEIR_RUN_DELIVERIES, entry);

    weir_add(t, W("WATCH"), name);
    weir_add(t, W("HMGET"), name, W(WEIR_RUN_FIN), W(WEIR_RUN_GEN),
             weir_str_of(deliveries));
}


bool
weir_txn_retry_ours(const weir_answer_t *a, long long gen, long long deliveries)
{
    return a->code == WEIR_ANSWER_OK
           && weir_reply_is_nil(weir_reply_at(a->reply, 0))
           && weir_reply_int(weir_reply_at(a->reply, 1)) == gen
           && weir_reply_int(weir_reply_at(a->reply, 2)) == deliveries;
}


bool
weir_txn_retry_final(const weir_answer_t *a)
{
    return a->code == WEIR_ANSWER_OK
           && weir_reply_str(weir_reply_at(a->reply, 0)).len > 0;
}


void
weir_txn_retry(weir_txn_t *t, unsigned shard, const char *run,
    weir_class_e class, const char *entry, long long next_gen, int64_t due,
    long long failures, long long back, const char *kind, weir_str_t error)
{
    char         gen[WEIR_DECIMAL_MAX], at[WEIR_DECIMAL_MAX];
    char         fails[WEIR_DECIMAL_MAX], member[WEIR_NAME_MAX];
    char         delayed[WEIR_NAME_MAX], deliveries[64];
    char         less[WEIR_DECIMAL_MAX];
    weir_keys_t  k;

    weir_keys(&k, shard, run, run);

    weir_add(t, W("MULTI"));
    weir_add(t, W("HSET"), k.run, W(WEIR_RUN_GEN), weir_decimal(gen, next_gen),
             W(WEIR_RUN_FAILURES), weir_decimal(fails, failures),
             W(WEIR_RUN_KIND), weir_str_of(kind), W(WEIR_RUN_ERROR), error);

    /* else the deliveries of the next entry would look like fewer: its runner
     * could die of it twice unsuspected */

    if (back > 0) {
        snprintf(deliveries, sizeof(deliveries), WEIR_RUN_DELIVERIES, entry);
        weir_add(t, W("HINCRBY"), k.run, weir_str_of(deliveries),
                 weir_decimal(less, -back));
        weir_add(t, W("HINCRBY"), k.run, W(WEIR_RUN_BACK),
                 weir_decimal(less, -back));
    }

    weir_add(t, W("ZADD"), weir_name(delayed, WEIR_KEY_DELAYED, shard),
             weir_decimal(at, due),
             weir_name(member, WEIR_DELAYED_MEMBER, weir_class_name(class),
                       next_gen, run));
    weir_add_ack(t, shard, class, entry);
    weir_add(t, W("EXEC"));
}


void
weir_txn_unwatch(weir_txn_t *t)
{
    weir_add(t, W("UNWATCH"));
}


/* deaths */

void
weir_txn_crash(weir_txn_t *t, unsigned shard, const char *run)
{
    char  key[WEIR_NAME_MAX];

    weir_add(t, W("HINCRBY"), weir_name(key, WEIR_KEY_RUN, shard, run),
             W(WEIR_RUN_CRASH), W("1"));
}


/* promote */

static void
weir_add_range(weir_txn_t *t, weir_str_t key, int64_t now, unsigned count)
{
    char  at[WEIR_DECIMAL_MAX], n[WEIR_DECIMAL_MAX];

    weir_add(t, W("ZRANGEBYSCORE"), key, W("-inf"), weir_decimal(at, now),
             W("LIMIT"), W("0"), weir_decimal(n, count));
}


void
weir_txn_due(weir_txn_t *t, unsigned shard, int64_t now, unsigned count)
{
    char  key[WEIR_NAME_MAX];

    weir_add_range(t, weir_name(key, WEIR_KEY_DELAYED, shard), now, count);
}


bool
weir_txn_promote(weir_txn_t *t, unsigned shard, weir_str_t member)
{
    int          class;
    int64_t      n;
    char         key[WEIR_NAME_MAX], ready[WEIR_NAME_MAX];
    unsigned     s;
    weir_str_t   delayed, name, gen, run;

    delayed = weir_name(key, WEIR_KEY_DELAYED, shard);
    run = member;

    if (!weir_word(&run, ':', &name) || !weir_word(&run, ':', &gen)
        || !weir_str_digits(gen, WEIR_DIGITS_MAX, &n)
        || !weir_id_parse(run, &s) || (class = weir_class_parse(name)) < 0)
    {
        weir_add(t, W("ZREM"), delayed, member);
        return false;
    }

    weir_add(t, W("MULTI"));
    weir_add(t, W("XADD"),
             weir_name(ready, WEIR_KEY_READY, shard, weir_class_name(class)),
             W("*"), W(WEIR_ENTRY_RUN), run, W(WEIR_ENTRY_GEN), gen);
    weir_add(t, W("ZREM"), delayed, member);
    weir_add(t, W("EXEC"));

    return true;
}


void
weir_txn_overdue(weir_txn_t *t, unsigned shard, int64_t now, unsigned count)
{
    char  key[WEIR_NAME_MAX];

    weir_add_range(t, weir_name(key, WEIR_KEY_DEADLINE, shard), now, count);
}
