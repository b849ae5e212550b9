/*
 * The texts of limits: in nginx.conf, in the record of a key, in Redis.
 */

#include "weir_limit.h"
#include "weir_money.h"

#include "weir_apikey.h"


typedef struct {
    const char  *name;
    const char  *qu;
} weir_unit_text_t;


static const weir_unit_text_t  weir_units[] = {
#define WEIR_LIMIT_TEXT(unit, name, qu)  { name, qu },
    WEIR_LIMIT_UNITS(WEIR_LIMIT_TEXT)
#undef WEIR_LIMIT_TEXT
};

static const char *const  weir_calendars[] = {
    [WEIR_MINUTE] = "minute",
    [WEIR_HOUR] = "hour",
    [WEIR_DAY] = "day",
    [WEIR_WEEK] = "week",
    [WEIR_MONTH] = "month"
};


const char *
weir_unit_name(weir_unit_e unit)
{
    return weir_units[unit].name;
}


const char *
weir_unit_qu(weir_unit_e unit)
{
    return weir_units[unit].qu;
}


int
weir_unit_parse(weir_str_t name)
{
    int  i;

    for (i = 0; i < WEIR_UNITS; i++) {
        if (weir_str_eq(name, weir_str_of(weir_units[i].name))) {
            return i;
        }
    }

    return -1;
}


const char *
weir_calendar_name(weir_calendar_e calendar)
{
    return weir_calendars[calendar];
}


bool
weir_limit_name_valid(weir_str_t zone)
{
    return weir_name_valid(zone, WEIR_LIMIT_NAME_MAX);
}


/* what is before the first c in *rest, and *rest what is behind it; false: no
 * c, and all of it was taken */

static bool
weir_limit_cut_at(weir_str_t *rest, char c, weir_str_t *head_r)
{
    const char  *p;

    p = rest->len ? memchr(rest->data, c, rest->len) : NULL;

    if (p == NULL) {
        *head_r = *rest;
        *rest = weir_str_null;
        return false;
    }

    *head_r = (weir_str_t) { rest->data, p - rest->data };
    rest->len -= head_r->len + 1;
    rest->data = p + 1;

    return true;
}


bool
weir_limit_amount(weir_unit_e unit, weir_str_t text, int64_t *amount_r)
{
    int64_t     n, micro, scale;
    weir_str_t  whole;

    scale = 1;

    if (text.len) {
        switch (text.data[text.len - 1]) {
        case 'k':
            scale = 1000;
            break;
        case 'M':
            scale = 1000000;
            break;
        case 'G':
            scale = 1000000000;
            break;
        }
    }

    text.len -= scale > 1;
    micro = 0;

    if (weir_limit_cut_at(&text, '.', &whole)
        && (unit != WEIR_UNIT_COST || !weir_dollars_decimals(text, &micro)))
    {
        return false;
    }

    if (!weir_str_digits(whole, 13, &n) || n > WEIR_LIMIT_AMOUNT_MAX) {
        return false;
    }

    /* n <= 10^12, micro < 10^6 */

    if (unit == WEIR_UNIT_COST) {
        n = n * WEIR_DOLLAR + micro;
    }

    if (n > WEIR_LIMIT_AMOUNT_MAX / scale) {
        return false;
    }

    *amount_r = n * scale;

    return true;
}


/* requests and failures come one at a time: their burst is on top of one */

static bool
weir_limit_ones(weir_unit_e unit)
{
    return unit == WEIR_UNIT_REQUESTS || unit == WEIR_UNIT_AUTH_FAILURES;
}


bool
weir_limit_rate(weir_limit_t *l, weir_unit_e unit, weir_str_t text,
    int64_t burst)
{
    weir_str_t  amount;

    memset(l, 0, sizeof(*l));

    if (!weir_limit_cut_at(&text, '/', &amount) || text.len != 1
        || burst > WEIR_LIMIT_AMOUNT_MAX)
    {
        return false;
    }

    switch (text.data[0]) {
    case 's':
        l->period = 1000000;
        break;
    case 'm':
        l->period = 60 * 1000000LL;
        break;
    case 'h':
        l->period = 3600 * 1000000LL;
        break;
    case 'd':
        l->period = 86400 * 1000000LL;
        break;
    default:
        return false;
    }

    if (weir_limit_ones(unit) && amount.len > 1
        && amount.data[amount.len - 1] == 'r')
    {
        amount.len--;
    }

    if (!weir_limit_amount(unit, amount, &l->amount) || l->amount == 0) {
        return false;
    }

    l->form = WEIR_LIMIT_RATE;

    if (weir_limit_ones(unit)) {
        l->capacity = burst < 0 ? 1 : burst + 1;

    } else {
        l->capacity = burst < 0 ? l->amount : burst;
    }

    return l->capacity > 0;
}


bool
weir_limit_quota(weir_limit_t *l, weir_unit_e unit, weir_str_t text)
{
    int         i;
    weir_str_t  amount;

    memset(l, 0, sizeof(*l));

    if (!weir_limit_cut_at(&text, '/', &amount)
        || !weir_limit_amount(unit, amount, &l->amount))
    {
        return false;
    }

    for (i = 0; i < WEIR_CALENDARS; i++) {
        if (weir_str_eq(text, weir_str_of(weir_calendars[i]))) {
            l->form = WEIR_LIMIT_QUOTA;
            l->calendar = i;
            return true;
        }
    }

    return false;
}


bool
weir_limit_at_once(weir_limit_t *l, weir_str_t text)
{
    memset(l, 0, sizeof(*l));

    l->form = WEIR_LIMIT_AT_ONCE;

    return weir_limit_amount(WEIR_UNIT_REQUESTS_AT_ONCE, text, &l->amount);
}


/* one item of a key's limits, in a form; unlimited is of any */

static bool
weir_limits_item(weir_str_t text, weir_unit_e unit, weir_limit_form_e form,
    weir_limit_t *l)
{
    int64_t     burst;
    weir_str_t  rate;

    if (weir_str_eq(text, weir_str("unlimited"))) {
        memset(l, 0, sizeof(*l));
        return true;
    }

    switch (form) {

    case WEIR_LIMIT_RATE:
        burst = -1;

        if (weir_limit_cut_at(&text, '+', &rate)
            && !weir_limit_amount(unit, text, &burst))
        {
            return false;
        }

        return weir_limit_rate(l, unit, rate, burst);

    case WEIR_LIMIT_QUOTA:
        return weir_limit_quota(l, unit, text);

    case WEIR_LIMIT_AT_ONCE:
        return weir_limit_at_once(l, text);

    default:
        return false;
    }
}


/* the text of the first item of that name */

static bool
weir_limits_named(weir_str_t limits, weir_str_t zone, weir_str_t *text_r)
{
    weir_str_t  item, name;

    while (limits.len) {
        (void) weir_limit_cut_at(&limits, ',', &item);

        if (weir_limit_cut_at(&item, '=', &name) && weir_str_eq(name, zone)) {
            *text_r = item;
            return true;
        }
    }

    return false;
}


bool
weir_limits_find(weir_str_t limits, weir_str_t zone, weir_unit_e unit,
    weir_limit_form_e form, weir_limit_t *limit_r)
{
    weir_str_t  text;

    return weir_limits_named(limits, zone, &text)
           && weir_limits_item(text, unit, form, limit_r);
}


/* dollars may have decimals, only requests end in r: two units cover all */

static bool
weir_limits_item_valid(weir_str_t text)
{
    weir_limit_t       l;
    weir_limit_form_e  form;

    for (form = WEIR_LIMIT_RATE; form <= WEIR_LIMIT_AT_ONCE; form++) {
        if (weir_limits_item(text, WEIR_UNIT_REQUESTS, form, &l)
            || weir_limits_item(text, WEIR_UNIT_TOKENS, form, &l)
            || weir_limits_item(text, WEIR_UNIT_COST, form, &l))
        {
            return true;
        }
    }

    return false;
}


bool
weir_limits_valid(weir_str_t limits)
{
    bool        more;
    weir_str_t  rest, item, name, first;

    rest = limits;

    do {
        more = weir_limit_cut_at(&rest, ',', &item);

        if (!weir_limit_cut_at(&item, '=', &name)
            || !weir_limit_name_valid(name)
            || !weir_limits_item_valid(item)
            || !weir_limits_named(limits, name, &first)
            || first.data != item.data)
        {
            return false;
        }

    } while (more);

    return true;
}


weir_str_t
weir_limit_state_write(const weir_limit_state_t *s,
    char buf[WEIR_LIMIT_STATE_MAX])
{
    char        text[WEIR_DECIMAL_MAX];
    size_t      len;
    weir_str_t  n;

    n = weir_decimal(text, s->level < 0 ? 0 : s->level);
    memcpy(buf, n.data, n.len);
    len = n.len;
    buf[len++] = ' ';

    n = weir_decimal(text, s->at < 0 ? 0 : s->at);
    memcpy(buf + len, n.data, n.len);

    return (weir_str_t) { buf, len + n.len };
}


/* up to 19 digits, as long as it fits */

static bool
weir_limit_number(weir_str_t text, int64_t *n_r)
{
    int64_t  high, low;

    if (text.len < 19) {
        return weir_str_digits(text, 18, n_r);
    }

    low = text.data[text.len - 1] - '0';
    text.len--;

    if (low < 0 || low > 9 || !weir_str_digits(text, 18, &high)
        || high > (INT64_MAX - low) / 10)
    {
        return false;
    }

    *n_r = high * 10 + low;

    return true;
}


bool
weir_limit_state_read(weir_str_t text, weir_limit_state_t *s)
{
    weir_str_t          level;
    weir_limit_state_t  read;

    if (!weir_limit_cut_at(&text, ' ', &level)
        || !weir_limit_number(level, &read.level)
        || !weir_limit_number(text, &read.at))
    {
        return false;
    }

    *s = read;

    return true;
}
