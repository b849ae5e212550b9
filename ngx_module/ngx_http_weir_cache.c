/*
 * The cache: what a request asks, by which rules it may be answered from what
 * is stored, and the way there.  Nothing is parsed for a request whose bytes
 * were answered before.  What is sent and kept is in cache_answer.c.
 */

#include "ngx_http_weir_dialect.h"


#define NGX_HTTP_WEIR_CACHE_REFRESH  500        /* ms: then another looks */


static const ngx_http_weir_step_t *ngx_http_weir_cache_run(
    ngx_http_weir_ctx_t *ctx);


const ngx_http_weir_step_t  ngx_http_weir_step_cache = {
    "cache", ngx_http_weir_cache_run
};


/* what the client says; only who may go round the cache is listened to */

static void
ngx_http_weir_cache_control(ngx_http_weir_ctx_t *ctx, weir_cachectl_t *ctl)
{
    ngx_uint_t        i, only;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    weir_cachectl_init(ctl);

    for (part = &ctx->request->headers_in.headers.part;
         part;
         part = part->next)
    {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == sizeof("cache-control") - 1
                && ngx_strncasecmp(h[i].key.data, (u_char *) "cache-control",
                                   h[i].key.len)
                   == 0)
            {
                weir_cachectl_parse(ctl, ngx_http_weir_str(h[i].value));
            }
        }
    }

    if (ctx->visit->scopes & WEIR_SCOPE_CACHE) {
        return;
    }

    only = ctl->only_if_cached;
    weir_cachectl_init(ctl);
    ctl->only_if_cached = only;
}


/* NGX_DECLINED: there is no cache here. */

static ngx_int_t
ngx_http_weir_cache_make(ngx_http_weir_ctx_t *ctx)
{
    ngx_str_t                  key;
    ngx_http_weir_cache_t     *c;
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    if (ngx_http_weir_cache_conf(&wlcf->cache) == NULL) {
        return NGX_DECLINED;
    }

    c = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_weir_cache_t));
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->jobful = (ctx->dialect == WEIR_DIALECT_PROBLEM);
    c->began = ngx_http_weir_now(ctx->process);
    c->purges = ngx_http_weir_answers_purges(wlcf->cache.conf->answers);
    c->status = NGX_HTTP_WEIR_CACHE_MISS;
    c->store = 1;

    ngx_http_weir_cache_control(ctx, &c->ctl);

    /* an answer that is asked for by a key of the client's is that one */

    if (wlcf->idempotency == NGX_HTTP_WEIR_IDEM_REQUIRED
        || (wlcf->idempotency == NGX_HTTP_WEIR_IDEM_ON
            && ngx_http_weir_request_header(ctx->request, "idempotency-key",
                                            &key)))
    {
        c->bypass = 1;
    }

    if (c->ctl.no_store) {
        c->bypass = 1;
        c->store = 0;
    }

    if (c->bypass) {
        c->status = NGX_HTTP_WEIR_CACHE_BYPASS;
    }

    ctx->cache = c;

    return NGX_OK;
}


/* who shares: names of owners and of scopes are told apart */

static ngx_int_t
ngx_http_weir_cache_scope(ngx_http_weir_ctx_t *ctx,
    const ngx_http_weir_cache_conf_t *conf, weir_str_t *scope)
{
    u_char     *p;
    ngx_str_t  *owner;

    if (conf->scope.len) {
        *scope = ngx_http_weir_str(conf->scope);
        return NGX_OK;
    }

    owner = &ctx->visit->owner;

    p = ngx_pnalloc(ctx->request->pool, sizeof("owner:") - 1 + owner->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    scope->data = (char *) p;
    p = ngx_cpymem(p, "owner:", sizeof("owner:") - 1);
    p = ngx_cpymem(p, owner->data, owner->len);
    scope->len = (char *) p - scope->data;

    return NGX_OK;
}


static u_char *
ngx_http_weir_cache_field(u_char *p, const void *data, size_t len)
{
    p = ngx_sprintf(p, "%uz:", len);

    return ngx_cpymem(p, data, len);
}


/* All that decides what is found by these bytes: who asks, where, by which
 * rules, and what the key may ask for. */

static ngx_int_t
ngx_http_weir_cache_raw(ngx_http_weir_ctx_t *ctx, weir_str_t body,
    u_char *raw)
{
    u_char                    *p;
    ngx_str_t                 *models;
    weir_str_t                 scope, route, texts[2];
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    route = weir_str_of(ctx->route->name);
    models = &ctx->visit->models;

    if (ngx_http_weir_cache_scope(ctx, wlcf->cache.conf, &scope) != NGX_OK) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(ctx->request->pool,
                    scope.len + route.len + models->len + WEIR_DIGEST_LEN
                    + 4 * (NGX_SIZE_T_LEN + 1));
    if (p == NULL) {
        return NGX_ERROR;
    }

    texts[0].data = (char *) p;
    texts[1] = body;

    p = ngx_http_weir_cache_field(p, scope.data, scope.len);
    p = ngx_http_weir_cache_field(p, route.data, route.len);
    p = ngx_http_weir_cache_field(p, wlcf->cache.policy, WEIR_DIGEST_LEN);
    p = ngx_http_weir_cache_field(p, models->data, models->len);

    texts[0].len = (char *) p - texts[0].data;

    return weir_sha_digest(ctx->process->sha, texts, 2, raw) == 0
           ? NGX_OK : NGX_ERROR;
}


/* use */

static ngx_uint_t
ngx_http_weir_cache_satisfies(const weir_cachectl_t *ctl, int64_t age,
    int64_t left)
{
    return !ctl->no_cache && (ctl->max_age < 0 || age <= ctl->max_age * 1000)
           && (ctl->min_fresh == 0 || left >= ctl->min_fresh * 1000);
}


/* Void by a mark that matches who asks.  Another's record has marks of its own,
 * which are asked for before it is served. */

static ngx_uint_t
ngx_http_weir_cache_void(ngx_http_weir_ctx_t *ctx, const weir_cached_t *cached)
{
    ngx_http_weir_cache_t  *c;

    c = ctx->cache;

    return cached->created <= c->purged
           && weir_str_eq(cached->owner, ngx_http_weir_str(ctx->visit->owner))
           && weir_str_eq(cached->labels, ngx_http_weir_str(c->labels));
}


ngx_http_weir_cache_use_e
ngx_http_weir_cache_use(ngx_http_weir_ctx_t *ctx, const weir_cached_t *cached)
{
    int64_t                 now, age, left;
    ngx_http_weir_cache_t  *c;

    c = ctx->cache;
    now = ngx_http_weir_now(ctx->process);

    /* nor what is from the future, of a clock that was set back since */

    if (ngx_http_weir_cache_void(ctx, cached)
        || cached->finished - WEIR_SHELF_AHEAD > now)
    {
        return NGX_HTTP_WEIR_CACHE_UNUSABLE;
    }

    age = now > cached->finished ? now - cached->finished : 0;
    left = cached->fresh - now;

    if (left > 0) {
        if (ngx_http_weir_cache_satisfies(&c->ctl, age, left)) {
            return NGX_HTTP_WEIR_CACHE_FRESH;
        }

        c->passed = 1;
        return NGX_HTTP_WEIR_CACHE_UNUSABLE;
    }

    c->expired = 1;

    /* who says how old an answer may be wants none that is too old */

    if (c->ctl.no_cache || c->ctl.max_age >= 0 || c->ctl.min_fresh > 0) {
        return NGX_HTTP_WEIR_CACHE_UNUSABLE;
    }

    return now < cached->stale_while ? NGX_HTTP_WEIR_CACHE_WHILE
           : now < cached->stale_error ? NGX_HTTP_WEIR_CACHE_ERROR
                                       : NGX_HTTP_WEIR_CACHE_UNUSABLE;
}


static void
ngx_http_weir_cache_times(const ngx_http_weir_answer_meta_t *meta,
    weir_cached_t *cached)
{
    ngx_memzero(cached, sizeof(weir_cached_t));

    cached->created = meta->created;
    cached->finished = meta->finished;
    cached->fresh = meta->fresh;
    cached->stale_while = meta->stale_while;
    cached->stale_error = meta->stale_error;
    cached->input = meta->input;
    cached->output = meta->output;
    cached->cost = meta->cost;
    cached->kind = (weir_kind_e) meta->kind;
}


/* What L1 has.  NGX_OK: it is sent, with the result in *rc_r; NGX_DECLINED: it
 * was not, but may be in reserve. */

static ngx_int_t
ngx_http_weir_cache_found(ngx_http_weir_ctx_t *ctx,
    const ngx_http_weir_answer_t *found, ngx_int_t *rc_r)
{
    int64_t                     now;
    ngx_str_t                   run;
    weir_cached_t               cached;
    ngx_http_weir_cache_t      *c;
    ngx_http_weir_loc_conf_t   *wlcf;
    ngx_http_weir_cache_use_e   use;

    c = ctx->cache;
    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    ngx_http_weir_cache_times(&found->meta, &cached);
    use = ngx_http_weir_cache_use(ctx, &cached);

    if (use == NGX_HTTP_WEIR_CACHE_UNUSABLE) {
        return NGX_DECLINED;
    }

    ngx_memcpy(c->digest, found->question, WEIR_QUESTION_LEN);
    weir_digest_hex(c->digest, WEIR_QUESTION_LEN, c->question);
    c->form = found->form;

    /* of those who find it stale one asks, and the others do not wait */

    if (use == NGX_HTTP_WEIR_CACHE_WHILE && !c->ctl.only_if_cached) {
        now = ngx_http_weir_now(ctx->process);
        c->refresh = ngx_http_weir_answers_refresh(wlcf->cache.conf->answers,
                                  c->digest, c->form, now,
                                  now + NGX_HTTP_WEIR_CACHE_REFRESH);
    }

    if (use == NGX_HTTP_WEIR_CACHE_ERROR || c->refresh) {
        if (ngx_http_weir_copy(ctx->request->pool, &run,
                               weir_str_of(found->meta.run))
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        c->reserve = cached;
        c->reserve.run = ngx_http_weir_str(run);
        c->body = found->body;
        c->stale = 1;
        c->at_once = (use == NGX_HTTP_WEIR_CACHE_WHILE);
        return NGX_DECLINED;
    }

    *rc_r = ngx_http_weir_cache_send(ctx, &cached, &found->body);

    return NGX_OK;
}


ngx_int_t
ngx_http_weir_cache_start(ngx_http_weir_ctx_t *ctx, weir_str_t body,
    ngx_int_t *rc_r)
{
    ngx_int_t                  rc;
    ngx_http_weir_cache_t     *c;
    ngx_http_weir_answer_t     found;
    ngx_http_weir_loc_conf_t  *wlcf;

    rc = ngx_http_weir_cache_make(ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    c = ctx->cache;

    /* a hit makes a job too, which needs Redis */

    if (c->jobful || c->bypass || body.len == 0 || ctx->speech->apart) {
        return NGX_DECLINED;
    }

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    if (ngx_http_weir_cache_raw(ctx, body, c->raw) != NGX_OK) {
        return NGX_ERROR;
    }

    c->raw_set = 1;

    if (ngx_http_weir_answers_get_raw(wlcf->cache.conf->answers, c->raw,
                                      ngx_http_weir_now(ctx->process),
                                      ctx->request->pool, &found)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return ngx_http_weir_cache_found(ctx, &found, rc_r);
}


/* the question */

static void
ngx_http_weir_cache_label(ngx_http_weir_cache_t *c, const char *mark,
    ngx_str_t *name)
{
    int   n;
    char  label[WEIR_CACHED_LABELS_MAX];

    n = snprintf(label, sizeof(label), mark, (int) name->len, name->data);

    if (n < 0 || c->labels.len + n + 1 > WEIR_CACHED_LABELS_MAX) {
        return;
    }

    if (c->labels.len) {
        c->labels.data[c->labels.len++] = ' ';
    }

    ngx_memcpy(c->labels.data + c->labels.len, label, n);
    c->labels.len += n;
}


/* What it may be purged by: the tag, and classes as far as there is room. */

static ngx_int_t
ngx_http_weir_cache_labels(ngx_http_weir_ctx_t *ctx,
    const ngx_http_weir_limit_facts_t *facts,
    const ngx_http_weir_cache_conf_t *conf)
{
    ngx_str_t               tag;
    ngx_uint_t              i, n;
    ngx_http_weir_cache_t  *c;
    ngx_http_weir_class_t **classes;

    c = ctx->cache;

    c->labels.len = 0;
    c->labels.data = ngx_pnalloc(ctx->request->pool, WEIR_CACHED_LABELS_MAX);

    if (c->labels.data == NULL) {
        return NGX_ERROR;
    }

    if (conf->tag) {
        if (ngx_http_complex_value(ctx->request, conf->tag, &tag) != NGX_OK) {
            return NGX_ERROR;
        }

        if (weir_name_valid(ngx_http_weir_str(tag), NGX_HTTP_WEIR_CACHE_NAME)) {
            ngx_http_weir_cache_label(c, WEIR_MARK_TAG, &tag);
        }
    }

    classes = ctx->process->conf->limit.classes.elts;

    for (i = 0, n = 0; i < ctx->process->conf->limit.classes.nelts
                       && n < NGX_HTTP_WEIR_CACHE_CLASSES; i++)
    {
        if (ngx_http_weir_class_matches(classes[i], facts)) {
            n++;
            ngx_http_weir_cache_label(c, WEIR_MARK_CLASS, &classes[i]->name);
        }
    }

    return NGX_OK;
}


static void
ngx_http_weir_cache_bypass(ngx_http_weir_cache_t *c)
{
    c->bypass = 1;
    c->store = 0;
    c->status = NGX_HTTP_WEIR_CACHE_BYPASS;
}


/* Whether it may be stored at all: nothing else may be joined either. */

static void
ngx_http_weir_cache_judge(ngx_http_weir_ctx_t *ctx, const weir_json_t *neutral,
    const ngx_http_weir_limit_facts_t *facts,
    const ngx_http_weir_cache_loc_t *loc)
{
    int64_t                 longest;
    ngx_uint_t              i;
    ngx_http_weir_cache_t  *c;

    c = ctx->cache;

    ngx_http_weir_cache_policy(loc, facts, ctx->speech->route, &c->policy);
    weir_cache_policy_write(&c->policy, c->policy_text);

    for (i = 0, longest = 0; i < WEIR_KINDS; i++) {
        longest = ngx_max(longest, c->policy.fresh[i]);
    }

    if (longest == 0
        || (!loc->conf->any && weir_question_is_random(neutral)))
    {
        ngx_http_weir_cache_bypass(c);

    } else if (ctx->job.run_at) {
        c->bypass = 1;
        c->status = NGX_HTTP_WEIR_CACHE_BYPASS;
    }
}


ngx_int_t
ngx_http_weir_cache_question(ngx_http_weir_ctx_t *ctx,
    const weir_json_t *neutral, weir_failure_t *f)
{
    weir_question_t              q;
    ngx_http_weir_cache_t       *c;
    ngx_http_weir_loc_conf_t    *wlcf;
    ngx_http_weir_limit_facts_t  facts;

    c = ctx->cache;
    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    (void) weir_no_memory(f);
    ngx_memzero(&q, sizeof(weir_question_t));

    if (ngx_http_weir_cache_scope(ctx, wlcf->cache.conf, &q.scope) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (weir_question_digest(neutral, &q, c->digest, f) != 0) {
        return NGX_DECLINED;
    }

    weir_digest_hex(c->digest, WEIR_QUESTION_LEN, c->question);

    c->form = ngx_http_weir_dialect_form(ctx);

    ngx_memzero(&facts, sizeof(ngx_http_weir_limit_facts_t));
    facts.model = ngx_http_weir_str(ctx->job.model);
    facts.max_tokens = ctx->need.max_tokens;

    ngx_http_weir_cache_judge(ctx, neutral, &facts, &wlcf->cache);

    if (ngx_http_weir_cache_labels(ctx, &facts, wlcf->cache.conf) != NGX_OK) {
        (void) weir_no_memory(f);
        return NGX_DECLINED;
    }

    c->asked = 1;

    return NGX_OK;
}


/* by the question */

static ngx_int_t
ngx_http_weir_cache_look(ngx_http_weir_ctx_t *ctx, ngx_int_t *rc_r)
{
    ngx_http_weir_cache_t     *c;
    ngx_http_weir_answer_t     found;
    ngx_http_weir_answers_t   *answers;
    ngx_http_weir_loc_conf_t  *wlcf;

    c = ctx->cache;

    /* the bytes led to it already */

    if (c->jobful || c->expired || c->passed || ctx->speech->apart) {
        return NGX_DECLINED;
    }

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);
    answers = wlcf->cache.conf->answers;

    if (ngx_http_weir_answers_get(answers, c->digest, c->form,
                                  ngx_http_weir_now(ctx->process),
                                  ctx->request->pool, &found)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (c->raw_set) {
        ngx_http_weir_answers_alias(answers, c->raw, c->digest, c->form,
                                    ngx_http_weir_now(ctx->process));
    }

    return ngx_http_weir_cache_found(ctx, &found, rc_r);
}


static const ngx_http_weir_step_t *
ngx_http_weir_cache_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t                    rc;
    ngx_http_weir_cache_t       *c;
    ngx_http_weir_loc_conf_t    *wlcf;
    ngx_http_weir_cache_conf_t  *conf;

    c = ctx->cache;

    if (c->bypass) {

        /* nothing is stored for those who would have it from there only */

        if (c->ctl.only_if_cached) {
            return ngx_http_weir_done(ctx, ngx_http_weir_cache_only(ctx));
        }

        return &ngx_http_weir_step_begin;
    }

    switch (ngx_http_weir_cache_look(ctx, &rc)) {

    case NGX_OK:
        return ngx_http_weir_done(ctx, rc);

    case NGX_DECLINED:
        break;

    default:
        return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);
    conf = wlcf->cache.conf;

    /* what was worth it once still is */

    if (conf->min_uses > 1 && !c->expired && !c->passed
        && ngx_http_weir_answers_use(conf->answers, c->digest,
                                     ngx_http_weir_now(ctx->process))
           < conf->min_uses)
    {
        c->store = 0;
    }

    return &ngx_http_weir_step_ask;
}
