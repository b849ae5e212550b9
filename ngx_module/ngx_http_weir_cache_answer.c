/*
 * What the cache sends and keeps: renderings of answers in shared memory, made
 * of records in Redis or of outcomes that have just come; and what it says of
 * itself.  Nothing that belongs to one request is in a rendering.
 */

#include "ngx_http_weir_dialect.h"


/* counters: of the routes, by what the cache did */

#define ngx_http_weir_cache_counter(member)                                   \
    offsetof(ngx_http_weir_counters_t, member)

/* in the order of ngx_http_weir_cache_status_e */

#define ngx_http_weir_cache_counters(route)                                   \
    { 0,                                                                      \
      ngx_http_weir_cache_counter(cache_##route##_hit),                       \
      ngx_http_weir_cache_counter(cache_##route##_stale),                     \
      ngx_http_weir_cache_counter(cache_##route##_miss),                      \
      ngx_http_weir_cache_counter(cache_##route##_joined),                    \
      ngx_http_weir_cache_counter(cache_##route##_bypass),                    \
      ngx_http_weir_cache_counter(cache_##route##_refresh) }


static void
ngx_http_weir_cache_add(ngx_http_weir_ctx_t *ctx, size_t counter, int64_t n)
{
    u_char  *base;

    if (n > 0) {
        base = (u_char *) ctx->process->conf->counters;
        (void) ngx_atomic_fetch_add((ngx_atomic_t *) (base + counter),
                                    (ngx_atomic_int_t) n);
    }
}


/* What was not joined was paid for. */

ngx_uint_t
ngx_http_weir_cache_is_unsaved(const ngx_http_weir_ctx_t *ctx)
{
    return ctx->cache && ctx->cache->status == NGX_HTTP_WEIR_CACHE_JOINED
           && !ctx->cache->saved;
}


void
ngx_http_weir_cache_saved(ngx_http_weir_ctx_t *ctx, int64_t input,
    int64_t output, int64_t cost)
{
    ctx->cache->saved = 1;

    ngx_http_weir_cache_add(ctx, ngx_http_weir_cache_counter(cache_input),
                            input);
    ngx_http_weir_cache_add(ctx, ngx_http_weir_cache_counter(cache_output),
                            output);
    ngx_http_weir_cache_add(ctx, ngx_http_weir_cache_counter(cache_cost),
                            cost);
}


void
ngx_http_weir_cache_saved_outcome(ngx_http_weir_ctx_t *ctx)
{
    const weir_outcome_t  *o;

    o = &ctx->outcome;

    if (o->doc && ngx_http_weir_cache_is_unsaved(ctx)) {
        ngx_http_weir_cache_saved(ctx, o->input_tokens, o->output_tokens,
                                  o->cost);
    }
}


ngx_http_weir_cache_status_e
ngx_http_weir_cache_status(const ngx_http_weir_cache_t *c)
{
    return c->status == NGX_HTTP_WEIR_CACHE_MISS && (c->passed || c->expired)
           ? NGX_HTTP_WEIR_CACHE_REFRESH : c->status;
}


static void
ngx_http_weir_cache_count(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_cache_t         *c;
    ngx_http_weir_cache_status_e   status;

    static const size_t  counters[][7] = {
        [NGX_HTTP_WEIR_CACHE_CHAT] = ngx_http_weir_cache_counters(chat),
        [NGX_HTTP_WEIR_CACHE_JOBS] = ngx_http_weir_cache_counters(jobs),
        [NGX_HTTP_WEIR_CACHE_MESSAGES]
            = ngx_http_weir_cache_counters(messages),
        [NGX_HTTP_WEIR_CACHE_EMBEDDINGS]
            = ngx_http_weir_cache_counters(embeddings),
        [NGX_HTTP_WEIR_CACHE_RESPONSES]
            = ngx_http_weir_cache_counters(responses)
    };

    c = ctx->cache;
    status = ngx_http_weir_cache_status(c);

    if (status == NGX_HTTP_WEIR_CACHE_NONE || c->counted) {
        return;
    }

    c->counted = 1;
    ngx_http_weir_cache_add(ctx, counters[ctx->speech->route][status], 1);

    if (status == NGX_HTTP_WEIR_CACHE_HIT
        || status == NGX_HTTP_WEIR_CACHE_STALE)
    {
        ngx_http_weir_cache_add(ctx, c->memory
                                ? ngx_http_weir_cache_counter(cache_l1)
                                : ngx_http_weir_cache_counter(cache_l2), 1);
        ngx_http_weir_cache_saved(ctx, c->input, c->output, c->cost);

    } else {
        ngx_http_weir_cache_saved_outcome(ctx);
    }
}


/* headers */

/* Whether the run of another is stored, he has said: too early, perhaps, to be
 * worth it, where that counts. */

static ngx_uint_t
ngx_http_weir_cache_stores(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_cache_t     *c;
    ngx_http_weir_loc_conf_t  *wlcf;

    c = ctx->cache;
    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);

    if (c->status == NGX_HTTP_WEIR_CACHE_JOINED
        && wlcf->cache.conf->min_uses > 1)
    {
        return 0;
    }

    return c->asked && c->store && !ctx->replayed && ctx->outcome.doc
           && c->policy.fresh[weir_kind_of(&ctx->outcome)] > 0;
}


/* Not of what is refused before anything is looked for (RFC 9211, 2); what the
 * LLM said is no refusal of ours. */

ngx_int_t
ngx_http_weir_cache_headers(ngx_http_weir_ctx_t *ctx, ngx_uint_t status)
{
    u_char                        *p, *last, text[256];
    ngx_http_request_t            *r;
    ngx_http_weir_cache_t         *c;
    ngx_http_weir_cache_status_e   what;

    c = ctx->cache;
    r = ctx->request;

    if (c->status == NGX_HTTP_WEIR_CACHE_NONE
        || (status >= NGX_HTTP_BAD_REQUEST
            && status < NGX_HTTP_INTERNAL_SERVER_ERROR
            && ctx->outcome.doc == NULL))
    {
        return NGX_OK;
    }

    ngx_http_weir_cache_count(ctx);

    what = ngx_http_weir_cache_status(c);
    p = text;
    last = text + sizeof(text) - 1;

    if (what == NGX_HTTP_WEIR_CACHE_HIT || what == NGX_HTTP_WEIR_CACHE_STALE) {

        p = ngx_slprintf(p, last, "weir; hit; ttl=%L", c->ttl);

        if (ngx_http_weir_header_text(r, "Age", "%L", c->age) != NGX_OK) {
            return NGX_ERROR;
        }

    } else {
        p = ngx_slprintf(p, last, "weir; fwd=%s%s%s",
                         what == NGX_HTTP_WEIR_CACHE_BYPASS ? "bypass"
                         : c->passed ? "request"
                         : c->expired ? "stale" : "uri-miss",
                         what == NGX_HTTP_WEIR_CACHE_JOINED ? "; collapsed"
                                                            : "",
                         ngx_http_weir_cache_stores(ctx) ? "; stored" : "");
    }

    if ((ctx->visit->scopes & WEIR_SCOPE_ADMIN) && c->question[0]) {
        p = ngx_slprintf(p, last, "; key=\"%s\"", c->question);
    }

    *p = '\0';

    return ngx_http_weir_header_text(r, "Cache-Status", "%s", text);
}


/* sending */

void
ngx_http_weir_cache_tell(ngx_http_weir_ctx_t *ctx, const weir_cached_t *cached)
{
    int64_t                 now, left;
    ngx_http_weir_cache_t  *c;

    c = ctx->cache;
    now = ngx_http_weir_now(ctx->process);
    left = cached->fresh - now;

    /* what is past its time by a moment is past it */

    c->ttl = left > 0 ? left / 1000 : -((999 - left) / 1000);
    c->age = now > cached->finished ? (now - cached->finished) / 1000 : 0;
    c->status = left > 0 ? NGX_HTTP_WEIR_CACHE_HIT : NGX_HTTP_WEIR_CACHE_STALE;

    c->input = cached->input;
    c->output = cached->output;
    c->cost = cached->cost;
    c->served = 1;
}


/* a rendering; body is in the pool */

ngx_int_t
ngx_http_weir_cache_send(ngx_http_weir_ctx_t *ctx, const weir_cached_t *cached,
    const ngx_str_t *body)
{
    ngx_http_weir_cache_tell(ctx, cached);

    ctx->cache->memory = 1;
    ngx_http_weir_dialect_take_form(ctx, ctx->cache->form);
    ctx->status = "COMPLETED";

    if (ngx_http_weir_answer_headers(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_weir_send_text(ctx, NGX_HTTP_OK,
                                   ngx_http_weir_answer_type(ctx), body);
}


/* into L1 */

static void
ngx_http_weir_cache_marks(ngx_http_weir_answers_t *answers,
    ngx_http_weir_answer_meta_t *meta, const weir_cached_t *cached)
{
    weir_buf_t  mark;
    weir_str_t  rest, label;

    weir_buf_init(&mark, 0);

    weir_buf_printf(&mark, WEIR_MARK_OWNER, (int) cached->owner.len,
                    cached->owner.data);
    ngx_http_weir_answers_mark(answers, meta,
                               (weir_str_t) { mark.data, mark.len });

    weir_buf_reset(&mark);
    weir_buf_printf(&mark, WEIR_MARK_MODEL, (int) cached->model.len,
                    cached->model.data);
    ngx_http_weir_answers_mark(answers, meta,
                               (weir_str_t) { mark.data, mark.len });

    if (mark.failed) {
        meta->nmarks = WEIR_SHELF_MARKS + 1;        /* any purge is for it */
    }

    weir_buf_free(&mark);
    rest = cached->labels;

    while (weir_str_split(&rest, ' ', &label)) {
        if (label.len) {
            ngx_http_weir_answers_mark(answers, meta, label);
        }
    }
}


static void
ngx_http_weir_cache_shelve(ngx_http_weir_ctx_t *ctx,
    const weir_cached_t *cached, weir_str_t body)
{
    int64_t                    now;
    ngx_http_weir_answer_meta_t          meta;
    ngx_http_weir_cache_t     *c;
    ngx_http_weir_answers_t   *answers;
    ngx_http_weir_loc_conf_t  *wlcf;

    c = ctx->cache;
    now = ngx_http_weir_now(ctx->process);
    wlcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_weir_module);
    answers = wlcf->cache.conf->answers;

    if (cached->created <= c->purged || ctx->speech->apart) {
        return;
    }

    ngx_memzero(&meta, sizeof(ngx_http_weir_answer_meta_t));

    if (cached->run.len == WEIR_ID_LEN) {
        ngx_memcpy(meta.run, cached->run.data, WEIR_ID_LEN);
    }

    meta.kind = cached->kind;
    meta.status = NGX_HTTP_OK;
    meta.created = cached->created;
    meta.finished = cached->finished;
    meta.fresh = cached->fresh;
    meta.stale_while = cached->stale_while;
    meta.stale_error = cached->stale_error;
    meta.input = cached->input;
    meta.output = cached->output;
    meta.cost = cached->cost;

    ngx_http_weir_cache_marks(answers, &meta, cached);

    (void) ngx_http_weir_answers_put(answers,
                                     c->raw_set && !c->bypass ? c->raw : NULL,
                                     c->digest, c->form, &meta, body,
                                     c->purges, now);
}


void
ngx_http_weir_cache_keep(ngx_http_weir_ctx_t *ctx, const weir_buf_t *body)
{
    weir_cached_t           cached;
    weir_outcome_t         *o;
    ngx_http_weir_cache_t  *c;

    c = ctx->cache;
    o = &ctx->outcome;

    /* another's run is kept by other rules, and purged by another's name: its
     * record says so */

    if (c->served || c->jobful || c->following || body->failed
        || !ngx_http_weir_cache_stores(ctx))
    {
        return;
    }

    ngx_memzero(&cached, sizeof(weir_cached_t));

    cached.run = weir_str_of(ctx->job.id);
    cached.created = ctx->job.created;
    cached.finished = ctx->job.finished;
    cached.input = o->input_tokens;
    cached.output = o->output_tokens;
    cached.cost = o->cost;
    cached.kind = weir_kind_of(o);
    cached.owner = ngx_http_weir_str(ctx->visit->owner);
    cached.model = ngx_http_weir_str(ctx->job.model);
    cached.labels = ngx_http_weir_str(c->labels);

    if (weir_cached_keep(&cached, &c->policy)) {
        ngx_http_weir_cache_shelve(ctx, &cached,
                                   (weir_str_t) { body->data, body->len });
    }
}


/* records */

ngx_int_t
ngx_http_weir_cache_serve(ngx_http_weir_ctx_t *ctx,
    const weir_cached_t *cached)
{
    ngx_int_t               rc;
    weir_buf_t              body;
    ngx_http_weir_cache_t  *c;

    c = ctx->cache;

    weir_outcome_free(&ctx->outcome);           /* of a run that failed */

    if (weir_outcome_read(&ctx->outcome, cached->outcome) != 0) {
        return NGX_DECLINED;            /* of another version */
    }

    ngx_http_weir_cache_tell(ctx, cached);

    ngx_snprintf((u_char *) ctx->job.id, sizeof(ctx->job.id), "%*s%Z",
                 cached->run.len, cached->run.data);
    ctx->job.created = cached->created;
    ctx->job.finished = cached->finished;
    ctx->job.state = ctx->outcome.state;
    ctx->status = ctx->job.state == WEIR_COMPLETED ? "COMPLETED" : "FAILED";

    if (ctx->job.state != WEIR_COMPLETED || ctx->outcome.choices == NULL
        || ngx_http_weir_streams(ctx))
    {
        return ngx_http_weir_send_outcome(ctx);
    }

    weir_buf_init(&body, 0);
    ngx_http_weir_outcome_write(ctx, &body);

    if (!body.failed && c->status == NGX_HTTP_WEIR_CACHE_HIT) {
        ngx_http_weir_cache_shelve(ctx, cached,
                                   (weir_str_t) { body.data, body.len });
    }

    rc = ngx_http_weir_answer_headers(ctx);

    if (rc == NGX_OK) {
        rc = ngx_http_weir_send(ctx, NGX_HTTP_OK,
                                ngx_http_weir_answer_type(ctx), &body);
    }

    weir_buf_free(&body);

    return rc;
}


ngx_int_t
ngx_http_weir_cache_reserve(ngx_http_weir_ctx_t *ctx,
    const weir_cached_t *cached, ngx_http_weir_cache_use_e use)
{
    size_t                  i;
    ngx_str_t               copy;
    weir_cached_t          *to;
    ngx_http_weir_cache_t  *c;

    c = ctx->cache;

    weir_str_t *const  texts[] = { &c->reserve.run, &c->reserve.token,
                                   &c->reserve.owner, &c->reserve.model,
                                   &c->reserve.labels, &c->reserve.outcome };

    to = &c->reserve;
    *to = *cached;
    c->body.len = 0;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (ngx_http_weir_copy(ctx->request->pool, &copy, *texts[i])
            != NGX_OK)
        {
            c->stale = 0;
            return NGX_ERROR;
        }

        *texts[i] = ngx_http_weir_str(copy);
    }

    c->stale = 1;
    c->at_once = (use == NGX_HTTP_WEIR_CACHE_WHILE);

    return NGX_OK;
}


/* The request is answered so, whatever else was to be said of it. */

ngx_int_t
ngx_http_weir_cache_stale(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_cache_t  *c;

    c = ctx->cache;

    if (c == NULL || !c->stale) {
        return NGX_DECLINED;
    }

    c->stale = 0;

    if (c->body.len) {
        return ngx_http_weir_cache_send(ctx, &c->reserve, &c->body);
    }

    return ngx_http_weir_cache_serve(ctx, &c->reserve);
}


ngx_int_t
ngx_http_weir_cache_only(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    ctx->cache->stale = 0;              /* nothing has failed */
    ctx->status = "TIMEOUT";

    weir_failure_set(&f, WEIR_FAIL_TIMEOUT, "only-if-cached was asked for, "
                     "and nothing that is stored answers it");

    if (ctx->dialect != WEIR_DIALECT_PROBLEM) {
        (void) ngx_http_weir_header_text(ctx->request, "x-should-retry",
                                         "false");
    }

    return ngx_http_weir_fail(ctx, &f);
}
