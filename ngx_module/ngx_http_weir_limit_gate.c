/*
 * Limits at the gate: which rules apply to a request, the steps that decide
 * them, and what is said to whom they refuse.
 */

#include "ngx_http_weir_limit_part.h"

#include <ngx_md5.h>


typedef enum {
    NGX_HTTP_WEIR_LIMIT_PEEK = 0,               /* failures to authenticate */
    NGX_HTTP_WEIR_LIMIT_GATE,
    NGX_HTTP_WEIR_LIMIT_BODY
} ngx_http_weir_limit_stage_e;


/* what a key is in the table: itself, or a digest of it */

static void
ngx_http_weir_limit_hash(const u_char *data, size_t len,
    u_char key[NGX_HTTP_WEIR_TABLE_KEY])
{
    ngx_md5_t  md5;

    if (len < NGX_HTTP_WEIR_TABLE_KEY) {
        ngx_memzero(key, NGX_HTTP_WEIR_TABLE_KEY);
        ngx_memcpy(key, data, len);
        key[NGX_HTTP_WEIR_TABLE_KEY - 1] = (u_char) len;
        return;
    }

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, data, len);
    ngx_md5_final(key, &md5);

    key[NGX_HTTP_WEIR_TABLE_KEY - 1] = 0xff;
}


/* NGX_DECLINED: the key is empty, nothing is counted */

static ngx_int_t
ngx_http_weir_limit_key(ngx_http_request_t *r,
    ngx_http_weir_limit_zone_t *zone, u_char key[NGX_HTTP_WEIR_TABLE_KEY])
{
    ngx_str_t                   text;
    ngx_http_variable_value_t  *vv;

    if (zone->variable != NGX_ERROR) {
        vv = ngx_http_get_flushed_variable(r, zone->variable);

        if (vv == NULL || vv->not_found) {
            return NGX_DECLINED;
        }

        text.data = vv->data;
        text.len = vv->len;

    } else if (ngx_http_complex_value(r, &zone->key, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    if (text.len == 0) {
        return NGX_DECLINED;
    }

    ngx_http_weir_limit_hash(text.data, text.len, key);

    return NGX_OK;
}


/* NGX_DECLINED: the rule is for other requests */

static ngx_int_t
ngx_http_weir_limit_condition(ngx_http_request_t *r,
    const ngx_http_weir_limit_rule_t *rule)
{
    ngx_str_t  value;

    if (rule->condition == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, rule->condition, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    return value.len == 0 || (value.len == 1 && value.data[0] == '0')
           ? NGX_DECLINED : NGX_OK;
}


/* How much: what the key says, else its tier, else the zone.  *size_r NULL: it
 * is not limited. */

static ngx_int_t
ngx_http_weir_limit_size(ngx_http_weir_ctx_t *ctx,
    ngx_http_weir_limit_zone_t *zone, const ngx_http_weir_limit_size_t **size_r)
{
    ngx_uint_t                   i;
    weir_limit_t                 limit;
    ngx_http_weir_visit_t       *visit;
    ngx_http_weir_limit_size_t  *size;

    visit = ctx->visit;
    size = NULL;

    if (visit->limits.len
        && weir_limits_find(ngx_http_weir_str(visit->limits),
                            ngx_http_weir_str(zone->name), zone->unit,
                            zone->size.limit.form, &limit))
    {
        size = ngx_pcalloc(ctx->request->pool,
                           sizeof(ngx_http_weir_limit_size_t));
        if (size == NULL) {
            return NGX_ERROR;
        }

        size->limit = limit;

    } else if (visit->tier.len) {
        size = zone->tiers.elts;

        for (i = 0; i < zone->tiers.nelts; i++) {
            if (size[i].tier.len == visit->tier.len
                && ngx_memcmp(size[i].tier.data, visit->tier.data,
                              visit->tier.len)
                   == 0)
            {
                break;
            }
        }

        size = i < zone->tiers.nelts ? &size[i] : NULL;
    }

    if (size == NULL) {
        size = &zone->size;
    }

    *size_r = size->limit.form == WEIR_LIMIT_NONE ? NULL : size;

    return NGX_OK;
}


static ngx_http_weir_limit_stage_e
ngx_http_weir_limit_stage(const ngx_http_weir_limit_rule_t *rule)
{
    if (rule->zone->unit == WEIR_UNIT_AUTH_FAILURES) {
        return NGX_HTTP_WEIR_LIMIT_PEEK;
    }

    return rule->body ? NGX_HTTP_WEIR_LIMIT_BODY : NGX_HTTP_WEIR_LIMIT_GATE;
}


/* NGX_OK: item, which was zeroed, is what the rule is to this request;
 * NGX_DECLINED: nothing, and the item may be another's */

static ngx_int_t
ngx_http_weir_limit_item(ngx_http_weir_ctx_t *ctx,
    const ngx_http_weir_limit_rule_t *rule,
    const ngx_http_weir_limit_facts_t *facts, ngx_http_weir_limit_item_t *item)
{
    ngx_int_t  rc;

    if (ngx_http_weir_limit_decided(ctx->visit, rule)) {
        return NGX_DECLINED;
    }

    if (rule->class && !ngx_http_weir_class_matches(rule->class, facts)) {
        return NGX_DECLINED;
    }

    rc = ngx_http_weir_limit_condition(ctx->request, rule);

    if (rc != NGX_OK) {
        return rc;
    }

    item->rule = rule;
    item->cost = facts && rule->body ? facts->costs[rule->zone->unit] : 1;

    if (rule->zone->unit == WEIR_UNIT_REQUESTS
        || rule->zone->unit == WEIR_UNIT_REQUESTS_AT_ONCE
        || rule->zone->unit == WEIR_UNIT_JOBS_AT_ONCE)
    {
        item->cost = 1;
    }

    rc = ngx_http_weir_limit_key(ctx->request, rule->zone, item->key);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_weir_limit_size(ctx, rule->zone, &item->size);
    ngx_http_weir_limit_window(item);

    return rc != NGX_OK ? rc : item->size ? NGX_OK : NGX_DECLINED;
}


/* NGX_DECLINED: none applies */

static ngx_int_t
ngx_http_weir_limit_collect(ngx_http_weir_ctx_t *ctx,
    ngx_http_weir_limit_stage_e stage,
    const ngx_http_weir_limit_facts_t *facts, ngx_http_weir_limited_t **l_r)
{
    ngx_int_t                    rc;
    ngx_uint_t                   i;
    ngx_http_weir_limited_t     *l;
    ngx_http_weir_loc_conf_t    *wlcf;
    ngx_http_weir_limit_rule_t  *rule;

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    if (wlcf->limits == NULL) {
        return NGX_DECLINED;
    }

    l = NULL;
    rule = wlcf->limits->elts;

    for (i = 0; i < wlcf->limits->nelts; i++) {

        if (ngx_http_weir_limit_stage(&rule[i]) != stage) {
            continue;
        }

        if (l == NULL) {
            l = ngx_pcalloc(ctx->request->pool,
                            sizeof(ngx_http_weir_limited_t)
                            + (wlcf->limits->nelts - i)
                              * sizeof(ngx_http_weir_limit_item_t));
            if (l == NULL) {
                return NGX_ERROR;
            }

            l->items = (ngx_http_weir_limit_item_t *) (l + 1);
        }

        rc = ngx_http_weir_limit_item(ctx, &rule[i], facts, &l->items[l->n]);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        l->n += (rc == NGX_OK);
    }

    if (l == NULL || l->n == 0) {
        return NGX_DECLINED;
    }

    l->ctx = ctx;
    l->process = ctx->process;
    l->rc = NGX_ERROR;
    l->identified = ctx->visit->key_id.len != 0;
    l->body = (stage == NGX_HTTP_WEIR_LIMIT_BODY);

    *l_r = l;

    return NGX_OK;
}


ngx_int_t
ngx_http_weir_limit_select(ngx_http_weir_ctx_t *ctx,
    const ngx_http_weir_limit_facts_t *facts, ngx_http_weir_limited_t **l_r)
{
    return ngx_http_weir_limit_collect(ctx,
                                       facts ? NGX_HTTP_WEIR_LIMIT_BODY
                                             : NGX_HTTP_WEIR_LIMIT_GATE,
                                       facts, l_r);
}


/* refusals */

int64_t
ngx_http_weir_limit_retry(const ngx_http_weir_limited_t *l)
{
    int64_t                            retry;
    ngx_uint_t                         i;
    const ngx_http_weir_limit_item_t  *item;

    retry = 1;

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (item->result != NGX_HTTP_WEIR_LIMIT_REFUSED || item->rule->dry_run)
        {
            continue;
        }

        if (item->verdict.retry < 0) {
            return -1;
        }

        retry = ngx_max(retry, item->verdict.retry);
    }

    return retry;
}


ngx_int_t
ngx_http_weir_limit_failure(ngx_http_weir_limited_t *l, weir_failure_t *f)
{
    size_t                             len;
    u_char                            *p;
    int64_t                            retry;
    ngx_str_t                          names;
    ngx_uint_t                         i;
    const ngx_http_weir_limit_item_t  *item;

    len = l->n * (WEIR_LIMIT_NAME_MAX + 1);
    names.data = ngx_pnalloc(l->ctx->request->pool, len ? len : 1);

    if (names.data == NULL) {
        return NGX_ERROR;
    }

    p = names.data;

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (!item->rule->dry_run
            && item->result == (l->denied ? NGX_HTTP_WEIR_LIMIT_DENIED
                                          : NGX_HTTP_WEIR_LIMIT_REFUSED))
        {
            if (p != names.data) {
                *p++ = ',';
            }

            p = ngx_cpymem(p, item->rule->zone->name.data,
                           item->rule->zone->name.len);
        }
    }

    names.len = p - names.data;

    if (l->denied) {
        weir_failure_set(f, WEIR_FAIL_UNAVAILABLE,
                         "the limit \"%.*s\" cannot be checked now",
                         (int) names.len, names.data);
        f->problem = WEIR_PROBLEM_REDUCED_CAPACITY;
        f->retry_after = 1;
        return NGX_OK;
    }

    retry = ngx_http_weir_limit_retry(l);

    if (retry < 0) {
        weir_failure_set(f, WEIR_FAIL_RATE_LIMITED,
                         "the request is more than the limit \"%.*s\" ever "
                         "allows", (int) names.len, names.data);
        retry = NGX_HTTP_WEIR_LIMIT_NEVER;

    } else {
        weir_failure_set(f, WEIR_FAIL_RATE_LIMITED,
                         "the limit \"%.*s\" is used up, try again in %lld s",
                         (int) names.len, names.data,
                         (long long) (retry + 999999) / 1000000);
    }

    f->problem = WEIR_PROBLEM_QUOTA_EXCEEDED;
    f->violated = ngx_http_weir_str(names);
    f->retry_after = (unsigned) ngx_min((retry + 999999) / 1000000,
                                        0x7fffffff);

    return NGX_OK;
}


static ngx_int_t
ngx_http_weir_limit_refuse(ngx_http_weir_limited_t *l)
{
    weir_failure_t  f;

    if (l->rc != NGX_BUSY || ngx_http_weir_limit_failure(l, &f) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_weir_refuse(l->ctx, &f);
}


/* what came of it: the worst, and the zone that said so */

typedef enum {
    NGX_HTTP_WEIR_LIMIT_RANK_NONE = 0,
    NGX_HTTP_WEIR_LIMIT_RANK_PASSED,
    NGX_HTTP_WEIR_LIMIT_RANK_DELAYED_DRY,
    NGX_HTTP_WEIR_LIMIT_RANK_REJECTED_DRY,
    NGX_HTTP_WEIR_LIMIT_RANK_DELAYED,
    NGX_HTTP_WEIR_LIMIT_RANK_REJECTED
} ngx_http_weir_limit_rank_e;

static const char *const  ngx_http_weir_limit_statuses[] = {
    NULL, "PASSED", "DELAYED_DRY_RUN", "REJECTED_DRY_RUN", "DELAYED",
    "REJECTED"
};


static ngx_http_weir_limit_rank_e
ngx_http_weir_limit_rank(const ngx_http_weir_limit_item_t *item)
{
    switch (item->result) {

    case NGX_HTTP_WEIR_LIMIT_REFUSED:
    case NGX_HTTP_WEIR_LIMIT_DENIED:
        return item->rule->dry_run ? NGX_HTTP_WEIR_LIMIT_RANK_REJECTED_DRY
                                   : NGX_HTTP_WEIR_LIMIT_RANK_REJECTED;

    case NGX_HTTP_WEIR_LIMIT_PASSED:
        return item->delay == 0 ? NGX_HTTP_WEIR_LIMIT_RANK_PASSED
               : item->rule->dry_run ? NGX_HTTP_WEIR_LIMIT_RANK_DELAYED_DRY
                                     : NGX_HTTP_WEIR_LIMIT_RANK_DELAYED;

    case NGX_HTTP_WEIR_LIMIT_SKIPPED:
        return NGX_HTTP_WEIR_LIMIT_RANK_PASSED;

    default:
        return NGX_HTTP_WEIR_LIMIT_RANK_NONE;
    }
}


static const ngx_http_weir_limit_zone_t *
ngx_http_weir_limit_worst(const ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_rank_e *rank_r)
{
    ngx_uint_t                         i;
    ngx_http_weir_limit_rank_e         rank;
    const ngx_http_weir_limit_zone_t  *zone;

    zone = NULL;
    *rank_r = NGX_HTTP_WEIR_LIMIT_RANK_NONE;

    for ( /* void */ ; l; l = l->next) {
        for (i = 0; i < l->n; i++) {
            rank = ngx_http_weir_limit_rank(&l->items[i]);

            if (rank > *rank_r) {
                *rank_r = rank;
                zone = l->items[i].rule->zone;
            }
        }
    }

    return zone;
}


const char *
ngx_http_weir_limit_status(ngx_http_weir_limited_t *l,
    const ngx_http_weir_limit_zone_t **zone_r)
{
    ngx_http_weir_limit_rank_e         rank;
    const ngx_http_weir_limit_zone_t  *zone;

    zone = ngx_http_weir_limit_worst(l, &rank);
    *zone_r = rank > NGX_HTTP_WEIR_LIMIT_RANK_PASSED ? zone : NULL;

    return ngx_http_weir_limit_statuses[rank];
}


static void
ngx_http_weir_limit_log(ngx_http_weir_limited_t *l)
{
    const char                        *verb;
    ngx_uint_t                         i, level;
    const ngx_http_weir_limit_item_t  *item;

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        switch (ngx_http_weir_limit_rank(item)) {

        case NGX_HTTP_WEIR_LIMIT_RANK_REJECTED:
        case NGX_HTTP_WEIR_LIMIT_RANK_REJECTED_DRY:
            level = NGX_LOG_WARN;
            verb = "limiting requests";
            break;

        case NGX_HTTP_WEIR_LIMIT_RANK_DELAYED:
        case NGX_HTTP_WEIR_LIMIT_RANK_DELAYED_DRY:
            level = NGX_LOG_NOTICE;
            verb = "delaying request";
            break;

        default:
            continue;
        }

        ngx_log_error(level, l->ctx->request->connection->log, 0,
                      "%s%s, excess: %L.%03L by zone \"%V\"", verb,
                      item->rule->dry_run ? ", dry run" : "",
                      item->verdict.excess / 1000000,
                      item->verdict.excess / 1000 % 1000,
                      &item->rule->zone->name);
    }
}


/* the steps */

static void
ngx_http_weir_limit_wake(ngx_http_weir_limited_t *l)
{
    ngx_http_weir_resume(l->ctx, &ngx_http_weir_step_gate);
}


/* Who has failed too often is suspect.  Who then comes with a good key that
 * this node knows is let pass all the same: others behind his address may not
 * lock him out. */

ngx_int_t
ngx_http_weir_limit_peek_gate(ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t                 rc;
    ngx_http_weir_limited_t  *l;

    rc = ngx_http_weir_limit_collect(ctx, NGX_HTTP_WEIR_LIMIT_PEEK, NULL, &l);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? rc : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    l->peek = 1;

    if (ngx_http_weir_limit_decide(l) != NGX_OK) {
        ctx->visit->suspect = l;
    }

    return NGX_DECLINED;
}


/* A suspect's key was not good, or nobody here knows it. */

ngx_int_t
ngx_http_weir_limit_refuse_suspect(ngx_http_weir_ctx_t *ctx)
{
    ngx_uint_t                   i;
    ngx_http_weir_limited_t     *l;
    ngx_http_weir_limit_item_t  *item;

    l = ctx->visit->suspect;
    l->ctx = ctx;

    if (!l->peek) {
        return ngx_http_weir_limit_refuse(l);   /* again, elsewhere */
    }

    for (i = 0; i < l->n; i++) {
        item = &l->items[i];

        if (item->result == NGX_HTTP_WEIR_LIMIT_REFUSED
            && !item->rule->dry_run)
        {
            (void) ngx_atomic_fetch_add(
                       &item->rule->zone->table->counters.rejected, 1);
        }
    }

    l->peek = 0;

    ngx_http_weir_limit_tells(l);
    ngx_http_weir_limit_log(l);

    return ngx_http_weir_limit_refuse(l);
}


ngx_int_t
ngx_http_weir_limit_gate(ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t                 rc;
    ngx_http_weir_limited_t  *l;

    l = ctx->limited;

    if (l == NULL) {
        rc = ngx_http_weir_limit_select(ctx, NULL, &l);

        if (rc != NGX_OK) {
            return rc == NGX_DECLINED ? rc : NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        l->handler = ngx_http_weir_limit_wake;

        if (ngx_http_weir_limit_decide(l) == NGX_AGAIN) {
            ctx->limited = l;
            return ngx_http_weir_gate_park(ctx, NGX_HTTP_WEIR_LIMIT_PATIENCE);
        }
    }

    if (!l->waited) {
        ngx_http_weir_limit_log(l);
    }

    if (l->rc == NGX_OK && l->delay && !l->waited) {
        l->waited = 1;
        ctx->limited = l;
        return ngx_http_weir_gate_park(ctx, l->delay);
    }

    ctx->limited = NULL;

    return l->rc == NGX_OK ? NGX_DECLINED : ngx_http_weir_limit_refuse(l);
}


/* The credentials of a request were bad: it counts.  That there were too many
 * is said by the suspicion, and here by a dry run. */

void
ngx_http_weir_limit_auth_failed(ngx_http_weir_ctx_t *ctx)
{
    ngx_uint_t                i;
    ngx_http_weir_limited_t  *l;

    if (ngx_http_weir_limit_collect(ctx, NGX_HTTP_WEIR_LIMIT_PEEK, NULL, &l)
        != NGX_OK)
    {
        return;
    }

    for (i = 0; i < l->n; i++) {
        ctx->visit->charged |= 1ull << l->items[i].rule->zone->bit;
        ngx_http_weir_limit_charge(l, &l->items[i]);
    }

    l->rc = NGX_OK;

    ngx_http_weir_limit_tells(l);
    ngx_http_weir_limit_log(l);
}
