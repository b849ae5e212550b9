/*
 * What clients are told of limits: RateLimit-Policy and RateLimit, the families
 * of OpenAI and Anthropic, when to come again.  Decides nothing.
 */

#include "ngx_http_weir_module.h"


/* the names of draft-ietf-httpapi-ratelimit-headers may change: they are here */

#define NGX_HTTP_WEIR_RL_QUOTA      ";q="
#define NGX_HTTP_WEIR_RL_WINDOW     ";w="
#define NGX_HTTP_WEIR_RL_UNIT       ";qu=\""

#define NGX_HTTP_WEIR_INTEGER_MAX   999999999999999LL   /* RFC 9651 */


#define ngx_http_weir_put(p, literal)                                         \
    ngx_cpymem(p, literal, sizeof(literal) - 1)


static u_char *
ngx_http_weir_put_int(u_char *p, int64_t n)
{
    char        text[WEIR_DECIMAL_MAX];
    weir_str_t  s;

    s = weir_decimal(text, ngx_min(n, NGX_HTTP_WEIR_INTEGER_MAX));

    return ngx_cpymem(p, s.data, s.len);
}


/* s, rounded up */

static int64_t
ngx_http_weir_seconds(int64_t us)
{
    return us / 1000000 + (us % 1000000 != 0);
}


static int64_t
ngx_http_weir_limit_window(const weir_limit_t *limit, int64_t now)
{
    int64_t             start, end;
    weir_limit_state_t  full;

    switch (limit->form) {

    case WEIR_LIMIT_RATE:
        full.level = limit->capacity * WEIR_LIMIT_MICRO;
        full.at = 0;
        return ngx_http_weir_seconds(weir_limit_lasts(limit, &full, 0));

    case WEIR_LIMIT_QUOTA:
        weir_calendar_window(limit->calendar, now, &start, &end);
        return ngx_http_weir_seconds(end - start);

    default:
        return 0;
    }
}


u_char *
ngx_http_weir_limit_policy(u_char *p, const ngx_http_weir_limit_zone_t *zone,
    const weir_limit_t *limit, int64_t now)
{
    int64_t      window;
    const char  *unit;

    *p++ = '"';
    p = ngx_cpymem(p, zone->name.data, zone->name.len);
    *p++ = '"';

    p = ngx_http_weir_put(p, NGX_HTTP_WEIR_RL_QUOTA);
    p = ngx_http_weir_put_int(p, weir_limit_room(limit));

    window = ngx_http_weir_limit_window(limit, now);

    if (window) {
        p = ngx_http_weir_put(p, NGX_HTTP_WEIR_RL_WINDOW);
        p = ngx_http_weir_put_int(p, window);
    }

    if (zone->unit != WEIR_UNIT_REQUESTS) {
        unit = weir_unit_qu(zone->unit);

        p = ngx_http_weir_put(p, NGX_HTTP_WEIR_RL_UNIT);
        p = ngx_cpymem(p, unit, ngx_strlen(unit));
        *p++ = '"';
    }

    return p;
}
