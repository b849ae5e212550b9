/*
 * The arithmetic of limits.  Pure: no clock, no memory of its own.
 *
 * Levels and times are cut to WEIR_LIMIT_FAR, so that sums of two fit into 64
 * bits; products have 128.  Whatever is rounded is rounded against the client,
 * by less than a millionth of a unit, or less than a microsecond, a charge.
 */

#include "weir_limit.h"


#define WEIR_LIMIT_FAR       4000000000000000000LL
#define WEIR_LIMIT_COST_MAX  (2 * WEIR_LIMIT_AMOUNT_MAX)

#define WEIR_SECOND          1000000LL
#define WEIR_DAY_US          (86400 * WEIR_SECOND)


__extension__ typedef __int128  weir_wide_t;


/* a state as of now, and how it changes from there on */

typedef struct {
    int64_t  level;
    int64_t  at;                        /* a quota's: start of the window */
    int64_t  end;                       /* a quota's: of the window */
} weir_limit_view_t;


static int64_t
weir_limit_cut(weir_wide_t n, int64_t least, int64_t most)
{
    return n < least ? least : n > most ? most : (int64_t) n;
}


/* Usual numbers fit into 64 bits, where division is many times faster. */

static bool
weir_limit_product(int64_t a, int64_t b, int64_t *product_r)
{
    return !__builtin_mul_overflow(a, b, product_r)
           && *product_r <= WEIR_LIMIT_FAR;
}


/* micro units that leak in us; what is left of one is not counted */

static weir_wide_t
weir_limit_leak(const weir_limit_t *l, weir_wide_t us)
{
    int64_t  micro;

    if (us <= WEIR_LIMIT_FAR
        && weir_limit_product((int64_t) us, l->amount * WEIR_LIMIT_MICRO,
                              &micro))
    {
        return micro / l->period;
    }

    return us * l->amount * WEIR_LIMIT_MICRO / l->period;
}


/* us in which so many micro units leak, rounded up */

static int64_t
weir_limit_time(const weir_limit_t *l, int64_t micro)
{
    int64_t  a_period, us;

    if (micro <= 0) {
        return 0;
    }

    a_period = l->amount * WEIR_LIMIT_MICRO;

    if (weir_limit_product(micro, l->period, &us)) {
        return (us + a_period - 1) / a_period;
    }

    return weir_limit_cut(((weir_wide_t) micro * l->period + a_period - 1)
                          / a_period,
                          0, WEIR_LIMIT_FAR);
}


bool
weir_limit_ahead(const weir_limit_state_t *s, int64_t now)
{
    return s->at > now && (weir_wide_t) s->at - now > WEIR_LIMIT_SKEW;
}


/*
 * Below one unit a second a micro unit takes longer than a microsecond, and
 * many small steps would each lose the rest of one: time then goes on only by
 * what has leaked.
 */

static void
weir_limit_view_rate(const weir_limit_t *l, const weir_limit_state_t *s,
    int64_t now, weir_limit_view_t *view)
{
    weir_wide_t  leak;

    view->at = weir_limit_ahead(s, now) ? now : s->at;
    view->level = weir_limit_cut(s->level, 0, WEIR_LIMIT_FAR);

    if (view->at >= now) {
        return;
    }

    leak = weir_limit_leak(l, (weir_wide_t) now - view->at);

    if (leak >= view->level) {
        view->level = 0;
        view->at = now;
        return;
    }

    view->level -= (int64_t) leak;

    if ((weir_wide_t) l->amount * WEIR_LIMIT_MICRO >= l->period) {
        view->at = now;

    } else {
        view->at += weir_limit_time(l, (int64_t) leak);
    }
}


static void
weir_limit_view_quota(const weir_limit_t *l, const weir_limit_state_t *s,
    int64_t now, weir_limit_view_t *view)
{
    weir_calendar_window(l->calendar, now, &view->at, &view->end);

    view->level = s->at < view->at ? 0
                                   : weir_limit_cut(s->level, 0,
                                                    WEIR_LIMIT_FAR);

    if (s->at >= view->end && !weir_limit_ahead(s, now)) {
        weir_calendar_window(l->calendar, s->at, &view->at, &view->end);
    }
}


static void
weir_limit_view(const weir_limit_t *l, const weir_limit_state_t *s,
    int64_t now, weir_limit_view_t *view)
{
    switch (l->form) {

    case WEIR_LIMIT_RATE:
        weir_limit_view_rate(l, s, now, view);
        break;

    case WEIR_LIMIT_QUOTA:
        weir_limit_view_quota(l, s, now, view);
        break;

    default: /* AT_ONCE, NONE */
        view->level = weir_limit_cut(s->level, 0, WEIR_LIMIT_FAR);
        view->at = now;
        break;
    }
}


/* us from now until the view has come down to level; it is above */

static int64_t
weir_limit_until(const weir_limit_t *l, const weir_limit_view_t *view,
    int64_t now, int64_t level)
{
    weir_wide_t  us;

    switch (l->form) {

    case WEIR_LIMIT_RATE:
        us = (weir_wide_t) weir_limit_time(l, view->level - level)
             + view->at - now;
        break;

    case WEIR_LIMIT_QUOTA:
        us = (weir_wide_t) view->end - now;
        break;

    default: /* AT_ONCE */
        us = WEIR_SECOND;
        break;
    }

    return weir_limit_cut(us, 1, WEIR_LIMIT_FAR);
}


int64_t
weir_limit_room(const weir_limit_t *l)
{
    switch (l->form) {

    case WEIR_LIMIT_NONE:
        return WEIR_LIMIT_AMOUNT_MAX;

    case WEIR_LIMIT_RATE:
        return l->capacity;

    default:
        return l->amount;
    }
}


/* As it stands, nothing is charged: times are then reckoned from the state
 * itself, which stays, and not from its rounded view. */

static void
weir_limit_refuse(const weir_limit_t *l, const weir_limit_state_t *s,
    int64_t now, int64_t cost, weir_limit_view_t *view,
    weir_limit_verdict_t *v)
{
    int64_t  room;

    room = weir_limit_room(l);

    if (l->form == WEIR_LIMIT_RATE && !weir_limit_ahead(s, now)) {
        view->level = weir_limit_cut(s->level, 0, WEIR_LIMIT_FAR);
        view->at = s->at;
    }

    v->retry = cost > room
               ? -1
               : weir_limit_until(l, view, now,
                                  (room - cost) * WEIR_LIMIT_MICRO);
}


void
weir_limit_try(const weir_limit_t *l, const weir_limit_state_t *s, int64_t now,
    int64_t cost, weir_limit_verdict_t *v, weir_limit_state_t *after_r)
{
    bool               empty;
    int64_t            room, price, left;
    weir_limit_view_t  view;

    memset(v, 0, sizeof(*v));
    *after_r = *s;

    room = weir_limit_room(l);

    if (l->form == WEIR_LIMIT_NONE) {
        v->allowed = true;
        v->remaining = room;
        return;
    }

    cost = weir_limit_cut(cost, 0, WEIR_LIMIT_COST_MAX);
    price = cost * WEIR_LIMIT_MICRO;

    weir_limit_view(l, s, now, &view);

    v->allowed = cost == 0 || view.level + price <= room * WEIR_LIMIT_MICRO;
    v->excess = weir_limit_cut((weir_wide_t) view.level + price
                               - WEIR_LIMIT_MICRO, 0, WEIR_LIMIT_FAR);

    if (v->allowed) {
        view.level += price;
        after_r->level = view.level;
        after_r->at = view.at;
    }

    left = room * WEIR_LIMIT_MICRO - view.level;
    v->remaining = left > 0 ? left / WEIR_LIMIT_MICRO : 0;
    empty = view.level == 0;

    if (!v->allowed) {
        weir_limit_refuse(l, s, now, cost, &view, v);
    }

    if (empty) {
        return;
    }

    v->full = weir_limit_until(l, &view, now, 0);

    if (v->remaining < room) {
        v->more = weir_limit_until(l, &view, now,
                              (room - v->remaining - 1) * WEIR_LIMIT_MICRO);
    }
}


void
weir_limit_check(const weir_limit_t *l, const weir_limit_state_t *s,
    int64_t now, int64_t cost, weir_limit_verdict_t *v)
{
    weir_limit_state_t  after;

    weir_limit_try(l, s, now, cost, v, &after);
}


void
weir_limit_charge(const weir_limit_t *l, weir_limit_state_t *s, int64_t now,
    int64_t cost)
{
    weir_limit_view_t  view;

    if (l->form == WEIR_LIMIT_NONE) {
        return;
    }

    weir_limit_view(l, s, now, &view);

    cost = weir_limit_cut(cost, -WEIR_LIMIT_COST_MAX, WEIR_LIMIT_COST_MAX);

    s->level = weir_limit_cut((weir_wide_t) view.level
                              + cost * WEIR_LIMIT_MICRO, 0, WEIR_LIMIT_FAR);
    s->at = view.at;
}


void
weir_limit_settle(const weir_limit_t *l, weir_limit_state_t *s, int64_t now,
    int64_t at, int64_t units)
{
    weir_limit_view_t  view;

    if (l->form == WEIR_LIMIT_QUOTA) {
        weir_limit_view(l, s, now, &view);

        /* a state of another window length would be begun anew by ours */

        if (at < view.at || at >= view.end || (s->level && s->at != at)) {
            return;
        }
    }

    weir_limit_charge(l, s, now, units);
}


int64_t
weir_limit_due(const weir_limit_t *l, int64_t at, int64_t level, int64_t now,
    int64_t units)
{
    weir_wide_t  left;

    if (l->form != WEIR_LIMIT_RATE || units >= 0 || now <= at) {
        return units;
    }

    left = (level - weir_limit_leak(l, (weir_wide_t) now - at))
           / WEIR_LIMIT_MICRO;

    return -weir_limit_cut(left, 0, -weir_limit_cut(units,
                                                    -WEIR_LIMIT_COST_MAX, 0));
}


int64_t
weir_limit_lasts(const weir_limit_t *l, const weir_limit_state_t *s,
    int64_t now)
{
    weir_limit_view_t  view;

    if (l->form == WEIR_LIMIT_NONE) {
        return 0;
    }

    weir_limit_view(l, s, now, &view);

    if (view.level == 0) {
        return 0;
    }

    if (l->form == WEIR_LIMIT_AT_ONCE) {
        return INT64_MAX;
    }

    return weir_limit_until(l, &view, now, 0);
}


int64_t
weir_limit_delay(const weir_limit_t *l, int64_t excess, int64_t delay)
{
    if (l->form != WEIR_LIMIT_RATE) {
        return 0;
    }

    return weir_limit_time(l, weir_limit_cut((weir_wide_t) excess
                                 - (weir_wide_t) delay * WEIR_LIMIT_MICRO,
                                 0, WEIR_LIMIT_FAR));
}


/*
 * Civil dates, in days since 1970-01-01 and years that begin in March, so that
 * the day of a leap year is its last one.
 */

static int64_t
weir_calendar_days(int64_t year, int64_t month)
{
    int64_t  era, y, m;

    y = year - (month <= 2);
    m = (month + 9) % 12;                       /* March: 0 */
    era = (y >= 0 ? y : y - 399) / 400;
    y -= era * 400;

    return era * 146097 + y * 365 + y / 4 - y / 100 + (153 * m + 2) / 5
           - 719468;
}


static void
weir_calendar_month(int64_t days, int64_t *start_r, int64_t *end_r)
{
    int64_t  era, day, y, m, year, month;

    days += 719468;
    era = (days >= 0 ? days : days - 146096) / 146097;
    day = days - era * 146097;

    y = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    m = (5 * (day - (365 * y + y / 4 - y / 100)) + 2) / 153;

    month = m < 10 ? m + 3 : m - 9;
    year = era * 400 + y + (month <= 2);

    *start_r = weir_calendar_days(year, month);
    *end_r = month < 12 ? weir_calendar_days(year, month + 1)
                        : weir_calendar_days(year + 1, 1);
}


static int64_t
weir_calendar_floor(int64_t n, int64_t step)
{
    int64_t  rest;

    rest = n % step;

    return n - rest - (rest < 0 ? step : 0);
}


void
weir_calendar_window(weir_calendar_e calendar, int64_t now, int64_t *start_r,
    int64_t *end_r)
{
    int64_t  start, end;

    now = weir_limit_cut(now, -WEIR_LIMIT_FAR, WEIR_LIMIT_FAR);

    switch (calendar) {

    case WEIR_MINUTE:
        start = weir_calendar_floor(now, 60 * WEIR_SECOND);
        end = start + 60 * WEIR_SECOND;
        break;

    case WEIR_HOUR:
        start = weir_calendar_floor(now, 3600 * WEIR_SECOND);
        end = start + 3600 * WEIR_SECOND;
        break;

    case WEIR_WEEK:
        /* 1970-01-01 was a Thursday */
        start = weir_calendar_floor(now + 3 * WEIR_DAY_US, 7 * WEIR_DAY_US)
                - 3 * WEIR_DAY_US;
        end = start + 7 * WEIR_DAY_US;
        break;

    case WEIR_MONTH:
        weir_calendar_month(weir_calendar_floor(now, WEIR_DAY_US) / WEIR_DAY_US,
                            &start, &end);
        start *= WEIR_DAY_US;
        end *= WEIR_DAY_US;
        break;

    default: /* WEIR_DAY */
        start = weir_calendar_floor(now, WEIR_DAY_US);
        end = start + WEIR_DAY_US;
        break;
    }

    *start_r = start;
    *end_r = end;
}
