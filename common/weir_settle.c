/*
 * Settlement: the rules.  Pure.
 */

#include "weir_settle.h"

#include <stddef.h>


bool
weir_unit_reserved(weir_unit_e unit)
{
    switch (unit) {

    case WEIR_UNIT_TOKENS:
    case WEIR_UNIT_INPUT:
    case WEIR_UNIT_OUTPUT:
    case WEIR_UNIT_COST:
    case WEIR_UNIT_JOBS_AT_ONCE:
        return true;

    default:
        return false;
    }
}


void
weir_settle_init(weir_settle_t *s)
{
    memset(s, 0, offsetof(weir_settle_t, text));
}


weir_settle_e
weir_settle_judge(const weir_settle_t *s, int64_t due)
{
    if (!s->found) {

        /* never submitted; or so long ago that its records are gone */

        return due <= s->h.by + WEIR_RESERVED ? WEIR_SETTLE_BACK
                                              : WEIR_SETTLE_STANDS;
    }

    if (s->settled) {
        return WEIR_SETTLE_BACK;        /* held anew, for what has ended */
    }

    if (!weir_state_is_final(s->state)) {
        return WEIR_SETTLE_WAIT;
    }

    /* the score is put off to then, when it was found too early */

    if (s->cut && !s->reported && due < s->fin_at + WEIR_SETTLE_CUT) {
        return WEIR_SETTLE_WAIT;
    }

    return s->state == WEIR_COMPLETED && !s->reported ? WEIR_SETTLE_STANDS
                                                      : WEIR_SETTLE_USED;
}


static int64_t
weir_settle_actual(const weir_settle_t *s, const weir_charge_t *c)
{
    switch (c->unit) {

    case WEIR_UNIT_TOKENS:
        return s->input_tokens + s->output_tokens;

    case WEIR_UNIT_INPUT:
        return s->input_tokens;

    case WEIR_UNIT_OUTPUT:
        return s->output_tokens;

    case WEIR_UNIT_COST:
        return s->cost;

    default:
        return c->units;                /* not of a kind that is used up */
    }
}


int64_t
weir_settle_units(const weir_settle_t *s, const weir_charge_t *c,
    weir_settle_e verdict)
{
    if (c->limit.form == WEIR_LIMIT_AT_ONCE) {
        return 0;                       /* a member of a set: it leaves */
    }

    switch (verdict) {

    case WEIR_SETTLE_USED:
        return weir_settle_actual(s, c) - c->units;

    case WEIR_SETTLE_BACK:
        return -c->units;

    default: /* WAIT, STANDS */
        return 0;
    }
}


int64_t
weir_settle_next(const weir_settle_t *s, int64_t now)
{
    int64_t  then;

    if (weir_state_is_final(s->state)) {
        then = s->fin_at + WEIR_SETTLE_CUT;

        return then > now ? then : now;
    }

    return (s->deadline > now ? s->deadline : now) + WEIR_SETTLE_GRACE;
}


unsigned
weir_usage_add(weir_usage_t *list, unsigned n, const weir_settle_t *s)
{
    char           day[WEIR_DAY_LEN + 1];
    unsigned       i;
    weir_usage_t  *u;

    if (!s->found || !s->counts || s->owner.len == 0) {
        return n;
    }

    weir_day(s->fin_at, day);

    for (i = 0; i < n; i++) {
        if (weir_str_eq(list[i].owner, s->owner)
            && memcmp(list[i].day, day, WEIR_DAY_LEN) == 0)
        {
            break;
        }
    }

    u = &list[i];

    if (i == n) {
        memset(u, 0, sizeof(weir_usage_t));
        memcpy(u->day, day, sizeof(day));
        u->owner = s->owner;
        n++;
    }

    u->jobs++;
    u->input_tokens += s->input_tokens;
    u->output_tokens += s->output_tokens;
    u->cost += s->cost;

    return n;
}


void
weir_day(int64_t ms, char day[WEIR_DAY_LEN + 1])
{
    int64_t  start, end, days, era, yoe, doy, mp, y, m, d;

    weir_calendar_window(WEIR_DAY, ms * 1000, &start, &end);

    /* civil from days, by the 400 years after which the calendar repeats */

    days = start / 1000000 / 86400 + 719468;
    era = days / 146097;
    days -= era * 146097;
    yoe = (days - days / 1460 + days / 36524 - days / 146096) / 365;
    doy = days - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    d = doy - (153 * mp + 2) / 5 + 1;
    m = mp < 10 ? mp + 3 : mp - 9;
    y = yoe + era * 400 + (m <= 2);

    day[0] = (char) ('0' + y / 1000 % 10);
    day[1] = (char) ('0' + y / 100 % 10);
    day[2] = (char) ('0' + y / 10 % 10);
    day[3] = (char) ('0' + y % 10);
    day[4] = (char) ('0' + m / 10);
    day[5] = (char) ('0' + m % 10);
    day[6] = (char) ('0' + d / 10);
    day[7] = (char) ('0' + d % 10);
    day[8] = '\0';
}
