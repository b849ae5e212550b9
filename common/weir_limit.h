/*
 * The arithmetic of limits: a state and a time in, a decision and a state out.
 * Pure: who keeps the state, and under which lock, is not known here.
 *
 * A rate is a bucket that leaks (GCRA): of capacity units, filled by what is
 * charged, leaking amount units a period.  A quota is a count in a window of
 * the calendar (UTC).  Units: requests, tokens, or millionths of a dollar.
 */

#ifndef WEIR_LIMIT_H
#define WEIR_LIMIT_H


#include <stdbool.h>
#include <stdint.h>

#include "weir_buf.h"


#define WEIR_LIMIT_MICRO       1000000      /* of a unit, in a level */
#define WEIR_LIMIT_AMOUNT_MAX  1000000000000LL
#define WEIR_LIMIT_NAME_MAX    32           /* of a zone */
#define WEIR_LIMIT_SKEW        10000000     /* us that clocks may differ */


/* what is counted: unit, name in the configuration, "qu" of RateLimit-Policy */

#define WEIR_LIMIT_UNITS(X)                                                   \
    X(REQUESTS, "requests", "requests")                                       \
    X(TOKENS, "tokens", "weir-tokens")                                        \
    X(INPUT, "input-tokens", "weir-input-tokens")                             \
    X(OUTPUT, "output-tokens", "weir-output-tokens")                          \
    X(COST, "cost", "weir-microdollars")                                      \
    X(REQUESTS_AT_ONCE, "requests-at-once", "concurrent-requests")            \
    X(JOBS_AT_ONCE, "jobs-at-once", "weir-concurrent-jobs")                   \
    X(AUTH_FAILURES, "auth-failures", "weir-auth-failures")

typedef enum {
#define WEIR_LIMIT_ENUM(unit, name, qu)  WEIR_UNIT_##unit,
    WEIR_LIMIT_UNITS(WEIR_LIMIT_ENUM)
#undef WEIR_LIMIT_ENUM
    WEIR_UNITS
} weir_unit_e;


typedef enum {
    WEIR_LIMIT_NONE = 0,            /* "unlimited" */
    WEIR_LIMIT_RATE,
    WEIR_LIMIT_QUOTA,
    WEIR_LIMIT_AT_ONCE
} weir_limit_form_e;


typedef enum {
    WEIR_MINUTE = 0,
    WEIR_HOUR,
    WEIR_DAY,
    WEIR_WEEK,                      /* from Monday on */
    WEIR_MONTH,
    WEIR_CALENDARS
} weir_calendar_e;


typedef struct {
    weir_limit_form_e  form;
    int64_t            amount;      /* units: a period, a window, or at once */
    int64_t            period;      /* us; of a rate */
    int64_t            capacity;    /* units at a stroke; of a rate */
    weir_calendar_e    calendar;    /* of a quota */
} weir_limit_t;


/* all zero: nothing was charged yet */

typedef struct {
    int64_t            level;       /* WEIR_LIMIT_MICRO a unit; used so far */
    int64_t            at;          /* us: of level; a quota's window's start */
} weir_limit_state_t;


/* remaining, more and full: with the cost charged if it is allowed, as it is
 * if not */

typedef struct {
    bool               allowed;
    int64_t            remaining;   /* whole units, never negative */
    int64_t            retry;       /* us until it is allowed; 0: now; -1:
                                       never, it costs more than there is */
    int64_t            more;        /* us until remaining grows; 0: is full */
    int64_t            full;        /* us until all of it remains */
    int64_t            excess;      /* micro units above the first one, if it
                                       is charged: what "delay" compares */
} weir_limit_verdict_t;


/*
 * May cost units be charged at "now" (us)?  cost 0 looks only.
 *
 * A state that is ahead of now by up to WEIR_LIMIT_SKEW was written by a clock
 * that is: it stands still until then.  One from a later time (a clock was set
 * back) is taken as of now; it must be written so for time to count again,
 * also if nothing is charged: weir_limit_ahead() says so, and a charge of 0
 * does it.
 *
 * AT_ONCE knows no time: what is refused may be tried in a second.
 */
void weir_limit_check(const weir_limit_t *l, const weir_limit_state_t *s,
    int64_t now, int64_t cost, weir_limit_verdict_t *v);
bool weir_limit_ahead(const weir_limit_state_t *s, int64_t now);

/* The same, and the state that it leaves if it is charged now. */
void weir_limit_try(const weir_limit_t *l, const weir_limit_state_t *s,
    int64_t now, int64_t cost, weir_limit_verdict_t *v,
    weir_limit_state_t *after_r);

/* Charges whatever the verdict was; a debt may follow.  A negative cost gives
 * back, down to an empty level; to a quota of an earlier window it gives
 * nothing, see weir_limit_settle(). */
void weir_limit_charge(const weir_limit_t *l, weir_limit_state_t *s,
    int64_t now, int64_t cost);

/* The most that is charged at a stroke: capacity, or amount. */
int64_t weir_limit_room(const weir_limit_t *l);

/* Corrects what was charged before, when the state was that of window "at" (of
 * a quota; else ignored), by units more or fewer. */
void weir_limit_settle(const weir_limit_t *l, weir_limit_state_t *s,
    int64_t now, int64_t at, int64_t units);

/*
 * Of units by which a charge is to be corrected (negative: given back), those
 * that are in order: what has leaked out of a bucket since cannot be taken out
 * of it once more, else who reserves early could use twice as much later.  What
 * came first leaks first.  at, level: the state's, just after the charge.
 */
int64_t weir_limit_due(const weir_limit_t *l, int64_t at, int64_t level,
    int64_t now, int64_t units);

/* us from "now" until the state says no more than none at all does; AT_ONCE:
 * INT64_MAX, unless it is empty. */
int64_t weir_limit_lasts(const weir_limit_t *l, const weir_limit_state_t *s,
    int64_t now);

/* us that "excess" takes to leak down to "delay" units (RATE only). */
int64_t weir_limit_delay(const weir_limit_t *l, int64_t excess, int64_t delay);

/* The window of the calendar in which "now" (us) lies: its start and end. */
void weir_calendar_window(weir_calendar_e calendar, int64_t now,
    int64_t *start_r, int64_t *end_r);


/*
 * Texts.  A rate is AMOUNT/PERIOD with a period of s, m, h or d ("10r/m" is
 * "10/m"); a quota AMOUNT/WINDOW with minute, hour, day, week or month; at
 * once is a number.  AMOUNT may end in k, M or G; of a cost it is in dollars,
 * with up to 6 decimals.  A rate is never 0.  false: not of that form, or out
 * of range.
 *
 * burst: what capacity has above one unit (requests, failures), or all of it;
 * -1: not said: none (requests, failures), or one amount.
 */
bool weir_limit_rate(weir_limit_t *l, weir_unit_e unit, weir_str_t text,
    int64_t burst);
bool weir_limit_quota(weir_limit_t *l, weir_unit_e unit, weir_str_t text);
bool weir_limit_at_once(weir_limit_t *l, weir_str_t text);
bool weir_limit_amount(weir_unit_e unit, weir_str_t text, int64_t *amount_r);

const char *weir_unit_name(weir_unit_e unit);
const char *weir_unit_qu(weir_unit_e unit);
int weir_unit_parse(weir_str_t name);           /* -1: unknown */
const char *weir_calendar_name(weir_calendar_e calendar);
bool weir_limit_name_valid(weir_str_t zone);

/*
 * The limits that a key carries: ZONE=RATE[+BURST], ZONE=QUOTA, ZONE=N or
 * ZONE=unlimited, with commas.  Valid: each item has a good name, once, and is
 * of one of these forms for some unit.  Find: for the zone of that name, in the
 * form that the zone has (NONE where it says unlimited); false: it is not
 * named, or in another form.
 */
bool weir_limits_valid(weir_str_t limits);
bool weir_limits_find(weir_str_t limits, weir_str_t zone, weir_unit_e unit,
    weir_limit_form_e form, weir_limit_t *limit_r);

/* "level at", as Redis holds it, and back; false: not of that form. */
#define WEIR_LIMIT_STATE_MAX  48

weir_str_t weir_limit_state_write(const weir_limit_state_t *s,
    char buf[WEIR_LIMIT_STATE_MAX]);
bool weir_limit_state_read(weir_str_t text, weir_limit_state_t *s);


#endif /* WEIR_LIMIT_H */
