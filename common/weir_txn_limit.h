/*
 * The transactions of limits over the fleet: exact decisions under WATCH,
 * reservations of what a run may use, and their settlement.
 *
 * All of them want a connection with one transaction in flight.  The states
 * lie in one slot (shard 0), so that a decision about several is one.
 */

#ifndef WEIR_TXN_LIMIT_H
#define WEIR_TXN_LIMIT_H


#include "weir_limit.h"
#include "weir_settle.h"
#include "weir_txn.h"


/* A state's name: "<zone>:<32 hexadecimal digits of the key>". */
#define WEIR_LIMIT_KEY_MAX   (WEIR_LIMIT_NAME_MAX + 1 + 32)

#define WEIR_LIMITS_BATCH    128            /* names in one transaction */


/*
 * First half of a decision (edge).  The states of n names, up to
 * WEIR_LIMITS_BATCH, are watched and read in one unit; sets of the jobs that
 * run at once are watched likewise, and counted each in a unit of its own.
 */
void weir_txn_limits_watch(weir_txn_t *t, unsigned shard,
    const weir_str_t *names, unsigned n);
bool weir_txn_limits_read(const weir_answer_t *a, unsigned i,
    weir_limit_state_t *state_r);       /* false: none is stored, all zero */

void weir_txn_slots_watch(weir_txn_t *t, unsigned shard, weir_str_t name,
    int64_t now);                       /* ms; the reply is the count */

/*
 * Second half: between begin and end whatever was decided.  end is EXEC;
 * ABORTED: somebody else was faster, look again.
 */
void weir_txn_limits_begin(weir_txn_t *t);
void weir_txn_limits_set(weir_txn_t *t, unsigned shard, weir_str_t name,
    const weir_limit_state_t *state, int64_t ttl);              /* ms */
void weir_txn_slots_take(weir_txn_t *t, unsigned shard, weir_str_t name,
    const char *member, int64_t now, int64_t lease);            /* ms, times */
void weir_txn_limits_end(weir_txn_t *t);

/* Alone: a member leaves; n members stay until lease. */
void weir_txn_slots_leave(weir_txn_t *t, unsigned shard, weir_str_t name,
    const char *member);
void weir_txn_slots_renew(weir_txn_t *t, unsigned shard, weir_str_t name,
    const char *member, int64_t lease);


/*
 * A reservation: what was charged for a run before anybody knew what it would
 * use.  It is written by the decision itself, and due by+WEIR_RESERVED ms (the
 * submission never came); the submission puts that off to the deadline, every
 * end makes it due at once.  Who settles it removes it, under WATCH.
 */
void weir_txn_limits_hold(weir_txn_t *t, const weir_hold_t *h);

/* A run is to be settled at "at" (ms), whatever was known; and: only if it was
 * to be settled some time anyway. */
void weir_txn_settle_at(weir_txn_t *t, unsigned shard, const char *run,
    int64_t at);
void weir_txn_settle_later(weir_txn_t *t, unsigned shard, const char *run,
    int64_t at);


/* What a run has used, as its end says; token as in fin.  false: nobody knows;
 * else tokens and cost of s are set (edge). */
void weir_txn_used(weir_txn_t *t, unsigned shard, const char *run,
    weir_str_t token);
bool weir_txn_used_read(const weir_answer_t *a, weir_settle_t *s);


/*
 * Settlement (worker).  Runs that are due, WITHSCORES; then of one run: watched
 * and read, in several units: what the decision needs.  The states of the
 * charges are watched by weir_txn_limits_watch() when the hold was read.
 */
void weir_txn_settle_due(weir_txn_t *t, unsigned shard, int64_t now,
    unsigned count);

/* One unit that watches run and hold and reads nothing; one each for the run,
 * the job and the hold, read by the functions of the same names into one
 * struct, emptied before, which keeps copies.  It must not be moved then. */
void weir_txn_settle_watch(weir_txn_t *t, unsigned shard, const char *run);
void weir_txn_settle_run(weir_txn_t *t, unsigned shard, const char *run);
void weir_txn_settle_job(weir_txn_t *t, unsigned shard, const char *run);
void weir_txn_settle_hold(weir_txn_t *t, unsigned shard, const char *run);
bool weir_txn_settle_run_read(const weir_answer_t *a, weir_settle_t *s);
bool weir_txn_settle_job_read(const weir_answer_t *a, weir_settle_t *s);
bool weir_txn_settle_hold_read(const weir_answer_t *a, weir_settle_t *s);

/*
 * Between begin and end, after the states were set.  The reservation is gone
 * and a run that has ended is marked; n members, up to WEIR_SETTLE_BATCH, wait
 * for nothing any more; the ledger of a day grows by what an owner used.
 */
#define WEIR_SETTLE_BATCH  64

void weir_txn_settle_done(weir_txn_t *t, unsigned shard, const char *run,
    const weir_settle_t *s);
void weir_txn_settle_off(weir_txn_t *t, unsigned shard,
    const weir_str_t *members, unsigned n);
void weir_txn_settle_used(weir_txn_t *t, unsigned shard,
    const weir_usage_t *used);

/* The ledger of a day ("20261121"): a hash, "<owner>:<what>" and numbers by
 * turns; what: jobs, input, output, cost (tool). */
void weir_txn_usage(weir_txn_t *t, unsigned shard, const char *day);
bool weir_usage_field(weir_str_t field, weir_str_t *owner_r,
    weir_str_t *what_r);


#endif /* WEIR_TXN_LIMIT_H */
