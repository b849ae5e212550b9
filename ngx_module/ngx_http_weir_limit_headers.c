/*
 * What clients are told of limits: RateLimit-Policy and RateLimit, the families
 * of OpenAI and Anthropic, when to come again.  Decides nothing.
 */

#include "ngx_http_weir_module.h"


/* names of draft-ietf-httpapi-ratelimit-headers, which may change yet */

#define NGX_HTTP_WEIR_RL_QUOTA      ";q="
#define NGX_HTTP_WEIR_RL_WINDOW     ";w="
#define NGX_HTTP_WEIR_RL_UNIT       ";qu=\""
#define NGX_HTTP_WEIR_RL_REMAINING  ";r="
#define NGX_HTTP_WEIR_RL_TIME       ";t="

/* members of a field, of the many that a request might meet on its way */
#define NGX_HTTP_WEIR_RL_MEMBERS    64
#define NGX_HTTP_WEIR_RL_FIELD      (NGX_HTTP_WEIR_RL_MEMBERS                 \
                                     * NGX_HTTP_WEIR_POLICY_MAX)

#define NGX_HTTP_WEIR_INTEGER_MAX   999999999999999LL   /* RFC 9651 */
#define NGX_HTTP_WEIR_DATE_MAX      253402300799LL      /* s: year 9999 */

/* us: who must wait longer should not try again by itself */
#define NGX_HTTP_WEIR_LIMIT_SOON    60000000


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


static u_char *
ngx_http_weir_limit_state(u_char *p, const ngx_http_weir_limit_item_t *item)
{
    ngx_str_t  *name;

    name = &item->rule->zone->name;

    *p++ = '"';
    p = ngx_cpymem(p, name->data, name->len);
    *p++ = '"';

    p = ngx_http_weir_put(p, NGX_HTTP_WEIR_RL_REMAINING);
    p = ngx_http_weir_put_int(p, item->verdict.remaining);

    /* nobody knows when requests end that are at once */

    if (item->verdict.more && item->size->limit.form != WEIR_LIMIT_AT_ONCE) {
        p = ngx_http_weir_put(p, NGX_HTTP_WEIR_RL_TIME);
        p = ngx_http_weir_put_int(p,
                                  ngx_http_weir_seconds(item->verdict.more));
    }

    return p;
}


/* What clients are told of: rules that apply, by what they really said.  Of
 * failures only who had too many. */

static ngx_uint_t
ngx_http_weir_limit_shown(const ngx_http_weir_limit_item_t *item)
{
    return item->known && !item->rule->dry_run
           && item->result != NGX_HTTP_WEIR_LIMIT_DENIED
           && item->result != NGX_HTTP_WEIR_LIMIT_SKIPPED
           && (item->rule->zone->unit != WEIR_UNIT_AUTH_FAILURES
               || item->result == NGX_HTTP_WEIR_LIMIT_REFUSED);
}


/* RateLimit-Policy and RateLimit: lists of RFC 9651, of strings that need no
 * escapes.  Made on the stack: the pool has room for what they are, not for
 * what they might be. */

static ngx_int_t
ngx_http_weir_limit_fields(ngx_http_request_t *r,
    const ngx_http_weir_limited_t *l, int64_t date)
{
    u_char                            *p, *q;
    u_char                             policies[NGX_HTTP_WEIR_RL_FIELD];
    u_char                             states[NGX_HTTP_WEIR_RL_FIELD];
    ngx_str_t                          policy, state;
    ngx_uint_t                         i, n;
    const ngx_http_weir_limit_item_t  *item;

    p = policies;
    q = states;
    n = 0;

    for ( /* void */ ; l; l = l->next) {
        for (i = 0; i < l->n; i++) {
            item = &l->items[i];

            if (!ngx_http_weir_limit_shown(item)
                || n == NGX_HTTP_WEIR_RL_MEMBERS)
            {
                continue;
            }

            if (n++) {
                p = ngx_http_weir_put(p, ", ");
                q = ngx_http_weir_put(q, ", ");
            }

            p = item->size->policy.len
                ? ngx_cpymem(p, item->size->policy.data,
                             item->size->policy.len)
                : ngx_http_weir_limit_policy(p, item->rule->zone,
                                             &item->size->limit, date);
            q = ngx_http_weir_limit_state(q, item);
        }
    }

    if (n == 0) {
        return NGX_OK;
    }

    policy.len = p - policies;
    state.len = q - states;
    policy.data = ngx_pnalloc(r->pool, policy.len + state.len);

    if (policy.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(policy.data, policies, policy.len);
    state.data = policy.data + policy.len;
    ngx_memcpy(state.data, states, state.len);

    return ngx_http_weir_header(r, "RateLimit-Policy", &policy) == NGX_OK
           ? ngx_http_weir_header(r, "RateLimit", &state) : NGX_ERROR;
}


/* of the rules that count a unit the one with the least left */

static const ngx_http_weir_limit_item_t *
ngx_http_weir_limit_tightest(const ngx_http_weir_limited_t *l,
    weir_unit_e unit)
{
    ngx_uint_t                         i;
    const ngx_http_weir_limit_item_t  *item, *least;

    least = NULL;

    for ( /* void */ ; l; l = l->next) {
        for (i = 0; i < l->n; i++) {
            item = &l->items[i];

            if (item->rule->zone->unit == unit
                && ngx_http_weir_limit_shown(item)
                && (least == NULL
                    || item->verdict.remaining < least->verdict.remaining))
            {
                least = item;
            }
        }
    }

    return least;
}


typedef struct {
    weir_unit_e  unit;
    const char  *limit;
    const char  *remaining;
    const char  *reset;
} ngx_http_weir_limit_names_t;


static const ngx_http_weir_limit_names_t  ngx_http_weir_limit_openai[] = {
    { WEIR_UNIT_REQUESTS, "x-ratelimit-limit-requests",
      "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests" },
    { WEIR_UNIT_TOKENS, "x-ratelimit-limit-tokens",
      "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens" },
    { WEIR_UNITS, NULL, NULL, NULL }
};

#define ngx_http_weir_limit_anthropic_row(unit, name)                         \
    { unit, "anthropic-ratelimit-" name "-limit",                             \
      "anthropic-ratelimit-" name "-remaining",                               \
      "anthropic-ratelimit-" name "-reset" }

static const ngx_http_weir_limit_names_t  ngx_http_weir_limit_anthropic[] = {
    ngx_http_weir_limit_anthropic_row(WEIR_UNIT_REQUESTS, "requests"),
    ngx_http_weir_limit_anthropic_row(WEIR_UNIT_TOKENS, "tokens"),
    ngx_http_weir_limit_anthropic_row(WEIR_UNIT_INPUT, "input-tokens"),
    ngx_http_weir_limit_anthropic_row(WEIR_UNIT_OUTPUT, "output-tokens"),
    { WEIR_UNITS, NULL, NULL, NULL }
};


/* "12ms", "7s", "6m0s", "1h0m0s": rounded up */

static ngx_int_t
ngx_http_weir_limit_duration(ngx_http_request_t *r, const char *name,
    int64_t us)
{
    int64_t  s;

    if (us && us <= 999000) {
        return ngx_http_weir_header_text(r, name, "%Lms", (us + 999) / 1000);
    }

    s = ngx_http_weir_seconds(us);

    if (s < 60) {
        return ngx_http_weir_header_text(r, name, "%Ls", s);
    }

    if (s < 3600) {
        return ngx_http_weir_header_text(r, name, "%Lm%Ls", s / 60, s % 60);
    }

    return ngx_http_weir_header_text(r, name, "%Lh%Lm%Ls", s / 3600,
                                     s / 60 % 60, s % 60);
}


static ngx_int_t
ngx_http_weir_limit_date_header(ngx_http_request_t *r, const char *name,
    int64_t us)
{
    ngx_tm_t  tm;

    ngx_gmtime((time_t) ngx_min(ngx_http_weir_seconds(us),
                                NGX_HTTP_WEIR_DATE_MAX), &tm);

    return ngx_http_weir_header_text(r, name, "%4d-%02d-%02dT%02d:%02d:%02dZ",
                                     tm.ngx_tm_year, tm.ngx_tm_mon,
                                     tm.ngx_tm_mday, tm.ngx_tm_hour,
                                     tm.ngx_tm_min, tm.ngx_tm_sec);
}


/* a family of the dialect: the limits of a unit in three fields */

static ngx_int_t
ngx_http_weir_limit_family(ngx_http_request_t *r,
    const ngx_http_weir_limited_t *l, weir_dialect_e dialect, int64_t date)
{
    ngx_int_t                           rc;
    const ngx_http_weir_limit_item_t   *item;
    const ngx_http_weir_limit_names_t  *names;

    names = dialect == WEIR_DIALECT_OPENAI ? ngx_http_weir_limit_openai
                                           : ngx_http_weir_limit_anthropic;

    for ( /* void */ ; names->limit; names++) {
        item = ngx_http_weir_limit_tightest(l, names->unit);

        if (item == NULL) {
            continue;
        }

        if (ngx_http_weir_header_text(r, names->limit, "%L",
                                      weir_limit_room(&item->size->limit))
            != NGX_OK
            || ngx_http_weir_header_text(r, names->remaining, "%L",
                                         item->verdict.remaining)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        rc = dialect == WEIR_DIALECT_OPENAI
             ? ngx_http_weir_limit_duration(r, names->reset,
                                            item->verdict.full)
             : ngx_http_weir_limit_date_header(r, names->reset,
                                               date + item->verdict.full);
        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* to whom we refuse: Retry-After is there already */

static ngx_int_t
ngx_http_weir_limit_again(ngx_http_request_t *r,
    ngx_http_weir_visit_t *visit)
{
    int64_t                         retry;
    const ngx_http_weir_limited_t  *l;

    l = visit->limited;

    while (l && !(l->rc == NGX_BUSY && !l->denied)) {
        l = l->next;
    }

    if (l == NULL || r->headers_out.status != NGX_HTTP_TOO_MANY_REQUESTS
        || (visit->again && visit->again->hash == 0))
    {
        return NGX_OK;
    }

    retry = ngx_http_weir_limit_retry(l);

    if ((retry < 0 || retry > NGX_HTTP_WEIR_LIMIT_SOON)
        && ngx_http_weir_header_text(r, "x-should-retry", "false") != NGX_OK)
    {
        return NGX_ERROR;
    }

    return retry < 0 ? NGX_OK
           : ngx_http_weir_header_text(r, "retry-after-ms", "%L",
                                       retry / 1000 + (retry % 1000 != 0));
}


/* A redirect is no answer, and a 304 tells of an older one: neither says what
 * is left. */

ngx_int_t
ngx_http_weir_limit_headers(ngx_http_request_t *r,
    ngx_http_weir_visit_t *visit)
{
    int64_t                        date;
    weir_dialect_e                 dialect;
    const ngx_http_weir_limited_t *l;

    l = visit->limited;

    if (r->headers_out.status >= NGX_HTTP_SPECIAL_RESPONSE
        && r->headers_out.status < NGX_HTTP_BAD_REQUEST)
    {
        return NGX_OK;
    }

    date = ngx_http_weir_limit_date(l->process->conf->counters);
    dialect = visit->last ? visit->last->dialect : WEIR_DIALECT_PROBLEM;

    if (ngx_http_weir_limit_fields(r, l, date) != NGX_OK
        || ngx_http_weir_limit_again(r, visit) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return dialect == WEIR_DIALECT_PROBLEM
           ? NGX_OK : ngx_http_weir_limit_family(r, l, dialect, date);
}
