/*
 * The body of a submission: the members of a job, and the request of a dialect
 * in it made neutral.  Fills the context; asks nobody.
 */

#include "ngx_http_weir_dialect.h"


#define NGX_HTTP_WEIR_METADATA_MAX  4096


static ngx_int_t
ngx_http_weir_envelope_model(ngx_http_weir_ctx_t *ctx,
    const weir_json_t *neutral, weir_failure_t *f)
{
    weir_str_t  model;

    model = weir_json_str(weir_json_get(neutral, "model"));

    if (!weir_apikey_allows(ngx_http_weir_str(ctx->visit->models), model)) {
        weir_failure_set(f, WEIR_FAIL_FORBIDDEN,
                         "the API key does not allow this model");
        weir_failure_copy(f->code, sizeof(f->code),
                          weir_str("model_not_allowed"));
        weir_failure_copy(f->param, sizeof(f->param), weir_str("model"));
        return NGX_DECLINED;
    }

    if (ngx_http_weir_copy(ctx->request->pool, &ctx->job.model, model)
        != NGX_OK)
    {
        (void) weir_no_memory(f);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* How a held request is answered: in one piece, or in the form of a stream; of
 * a job nothing is asked. */

static void
ngx_http_weir_envelope_framing(ngx_http_weir_ctx_t *ctx,
    const weir_json_t *request)
{
    bool                            usage;
    const ngx_http_weir_dialect_t  *d;

    d = ctx->speech;
    usage = false;

    ctx->events = d->stream && d->stream(request, &usage);
    ctx->usage = ctx->events && usage;
    ctx->packed = ctx->speech->packed && ctx->speech->packed(request);
    ctx->packed = d->packed && d->packed(request);
}


/* a request of a dialect to the neutral one, as text, in ctx->payload */

static ngx_int_t
ngx_http_weir_envelope_neutral(ngx_http_weir_ctx_t *ctx,
    const ngx_http_weir_dialect_t *d, weir_json_t *request, weir_failure_t *f)
{
    ngx_int_t     rc;
    weir_json_t  *neutral;

    neutral = d->request(request, f);
    if (neutral == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_weir_envelope_framing(ctx, request);

    weir_neutral_need(neutral, &ctx->need);
    rc = ngx_http_weir_envelope_model(ctx, neutral, f);

    if (rc == NGX_OK && ctx->cache) {
        rc = ngx_http_weir_cache_question(ctx, neutral, f);
    }

    if (rc == NGX_OK && weir_json_write(neutral, &ctx->payload) != 0) {
        (void) weir_no_memory(f);
        rc = NGX_DECLINED;
    }

    weir_json_free(&neutral);

    return rc;
}


ngx_int_t
ngx_http_weir_envelope_read(ngx_http_weir_ctx_t *ctx, weir_json_t *request,
    weir_failure_t *f)
{
    return ngx_http_weir_envelope_neutral(ctx, ctx->speech, request, f);
}


static ngx_int_t
ngx_http_weir_envelope_invalid(weir_failure_t *f, const char *param,
    const char *what)
{
    weir_failure_set(f, WEIR_FAIL_INVALID, "\"%s\" %s", param, what);
    weir_failure_copy(f->param, sizeof(f->param), weir_str_of(param));

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_weir_envelope_dialect(ngx_http_weir_ctx_t *ctx, weir_json_t *value,
    weir_failure_t *f)
{
    return ngx_http_weir_dialect_find(weir_json_str(value))
           ? NGX_OK : ngx_http_weir_envelope_invalid(f, "dialect",
                              "must be \"openai\" or \"anthropic\"");
}


static ngx_int_t
ngx_http_weir_envelope_metadata(ngx_http_weir_ctx_t *ctx, weir_json_t *value,
    weir_failure_t *f)
{
    ngx_int_t   rc;
    weir_buf_t  text;

    if (!weir_json_is_object(value)) {
        return ngx_http_weir_envelope_invalid(f, "metadata",
                                              "must be an object");
    }

    weir_buf_init(&text, NGX_HTTP_WEIR_METADATA_MAX);

    if (weir_json_write(value, &text) != 0) {
        weir_buf_free(&text);
        return ngx_http_weir_envelope_invalid(f, "metadata",
                                       "must not be larger than 4096 bytes");
    }

    rc = ngx_http_weir_copy(ctx->request->pool, &ctx->job.metadata,
                            (weir_str_t) { text.data, text.len });
    weir_buf_free(&text);

    return rc;
}


static ngx_int_t
ngx_http_weir_envelope_priority(ngx_http_weir_ctx_t *ctx, weir_json_t *value,
    weir_failure_t *f)
{
    int  class;

    class = weir_class_parse(weir_json_str(value));
    ctx->class = class < 0 ? WEIR_NORMAL : (weir_class_e) class;

    return class >= 0 ? NGX_OK : ngx_http_weir_envelope_invalid(f, "priority",
                            "must be \"high\", \"normal\" or \"low\"");
}


/* Unix seconds, as in the job object */

static ngx_int_t
ngx_http_weir_envelope_time(const char *name, weir_json_t *value,
    int64_t *ms, weir_failure_t *f)
{
    long long  s;

    s = weir_json_int(value);

    if (!weir_json_is_int(value) || s < 1 || s > 253402300799LL) {
        return ngx_http_weir_envelope_invalid(f, name,
                       "must be a time in Unix seconds, an integer");
    }

    *ms = (int64_t) s * 1000;

    return NGX_OK;
}


static ngx_int_t
ngx_http_weir_envelope_run_at(ngx_http_weir_ctx_t *ctx, weir_json_t *value,
    weir_failure_t *f)
{
    return ngx_http_weir_envelope_time("run_at", value, &ctx->job.run_at, f);
}


static ngx_int_t
ngx_http_weir_envelope_deadline(ngx_http_weir_ctx_t *ctx, weir_json_t *value,
    weir_failure_t *f)
{
    return ngx_http_weir_envelope_time("deadline", value, &ctx->job.deadline,
                                       f);
}


static ngx_int_t
ngx_http_weir_envelope_secret(weir_failure_t *f)
{
    return ngx_http_weir_envelope_invalid(f, "webhook", "has a secret that is "
                              "not \"whsec_\" and 24 to 64 bytes in base64");
}


/* "https://..." or {"url": "https://...", "secret": "whsec_..."} */

static ngx_int_t
ngx_http_weir_envelope_webhook(ngx_http_weir_ctx_t *ctx, weir_json_t *value,
    weir_failure_t *f)
{
    void         *iter;
    const char   *key;
    ngx_pool_t   *pool;
    weir_str_t    url, secret;
    weir_json_t  *member;

    pool = ctx->request->pool;
    url = weir_json_str(value);
    secret = weir_str_null;

    if (weir_json_is_object(value)) {

        for (iter = weir_json_next(value, NULL, &key, &member);
             iter;
             iter = weir_json_next(value, iter, &key, &member))
        {
            if (ngx_strcmp(key, "url") == 0) {
                url = weir_json_str(member);

            } else if (ngx_strcmp(key, "secret") == 0) {
                secret = weir_json_str(member);

                if (secret.len == 0) {
                    return ngx_http_weir_envelope_secret(f);
                }

            } else {
                return ngx_http_weir_envelope_invalid(f, "webhook",
                                "has the members \"url\" and \"secret\"");
            }
        }
    }

    if (url.len == 0) {
        return ngx_http_weir_envelope_invalid(f, "webhook",
                                "must be a URL, or an object with one");
    }

    if (ngx_http_weir_copy(pool, &ctx->job.hook_url, url) != NGX_OK) {
        return NGX_DECLINED;
    }

    return secret.len == 0 ? NGX_OK
           : ngx_http_weir_copy(pool, &ctx->job.hook_secret, secret);
}


static ngx_int_t
ngx_http_weir_envelope_request(ngx_http_weir_ctx_t *ctx, weir_json_t *value,
    weir_failure_t *f)
{
    return weir_json_is_object(value) ? NGX_OK
           : ngx_http_weir_envelope_invalid(f, "request",
                       "must be an object: the body of a chat completion, "
                       "or of a message");
}


static ngx_int_t
ngx_http_weir_envelope_member(ngx_http_weir_ctx_t *ctx, const char *key,
    weir_json_t *value, weir_failure_t *f)
{
    char        word[64];
    ngx_uint_t  i;

    static const struct {
        const char  *name;
        ngx_int_t  (*read)(ngx_http_weir_ctx_t *ctx, weir_json_t *value,
                           weir_failure_t *f);
    } members[] = {
        { "request", ngx_http_weir_envelope_request },
        { "dialect", ngx_http_weir_envelope_dialect },
        { "metadata", ngx_http_weir_envelope_metadata },
        { "priority", ngx_http_weir_envelope_priority },
        { "run_at", ngx_http_weir_envelope_run_at },
        { "deadline", ngx_http_weir_envelope_deadline },
        { "webhook", ngx_http_weir_envelope_webhook }
    };

    static const char  *later[] = { "template", "input", NULL };

    for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (ngx_strcmp(key, members[i].name) == 0) {
            return members[i].read(ctx, value, f);
        }
    }

    weir_failure_copy(word, sizeof(word), weir_str_of(key));

    for (i = 0; later[i]; i++) {
        if (ngx_strcmp(key, later[i]) == 0) {
            return ngx_http_weir_envelope_invalid(f, word,
                                                  "is not supported yet");
        }
    }

    return ngx_http_weir_envelope_invalid(f, word, "is not a member of a job");
}


/* what concerns several members */

static ngx_int_t
ngx_http_weir_envelope_times(ngx_http_weir_ctx_t *ctx, weir_failure_t *f)
{
    int64_t               now, last, *run_at;
    ngx_http_weir_job_t  *job;

    job = &ctx->job;
    run_at = &job->run_at;
    now = ngx_http_weir_now(ctx->process);
    last = now + (int64_t) WEIR_DEADLINE_MAX * 1000;

    if (*run_at > last - (int64_t) WEIR_DEADLINE_DEFAULT * 1000) {
        return ngx_http_weir_envelope_invalid(f, "run_at",
                                   "must be within 29 days from now");
    }

    if (*run_at <= now) {
        *run_at = 0;                    /* that time has come */
    }

    if (job->deadline == 0) {
        return NGX_OK;
    }

    if (job->deadline <= now || job->deadline <= *run_at) {
        return ngx_http_weir_envelope_invalid(f, "deadline",
                     "must be in the future, and later than \"run_at\"");
    }

    if (job->deadline > last) {
        return ngx_http_weir_envelope_invalid(f, "deadline",
                                   "must be within 30 days from now");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_weir_envelope_hook(ngx_http_weir_ctx_t *ctx, weir_failure_t *f)
{
    ngx_int_t             rc;
    weir_buf_t            url;
    const char           *why;
    weir_secrets_t        secrets;
    ngx_http_weir_job_t  *job;

    job = &ctx->job;

    if (job->hook_url.len == 0) {
        job->hook_url = ctx->visit->hook_url;
    }

    if (job->hook_secret.len == 0) {
        job->hook_secret = ctx->visit->hook_secret;
    }

    if (job->hook_url.len == 0) {
        return NGX_OK;
    }

    if (job->hook_secret.len == 0) {
        return ngx_http_weir_envelope_invalid(f, "webhook",
                   "needs a \"secret\", its own or that of the API key");
    }

    if (!weir_secrets_read(ngx_http_weir_str(job->hook_secret), &secrets)) {
        return ngx_http_weir_envelope_secret(f);
    }

    weir_secrets_wipe(&secrets);
    weir_buf_init(&url, WEIR_URL_MAX);

    if (!weir_url_check(ngx_http_weir_str(job->hook_url),
                        &ctx->process->conf->webhooks, &url, &why))
    {
        weir_buf_free(&url);
        return ngx_http_weir_envelope_invalid(f, "webhook", why);
    }

    rc = ngx_http_weir_copy(ctx->request->pool, &job->hook_url,
                            (weir_str_t) { url.data, url.len });
    weir_buf_free(&url);

    return rc == NGX_OK ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_http_weir_envelope(ngx_http_weir_ctx_t *ctx, weir_json_t *body,
    weir_failure_t *f)
{
    void                           *iter;
    const char                     *key;
    weir_json_t                    *value;
    const ngx_http_weir_dialect_t  *d;

    if (!weir_json_is_object(body)) {
        weir_failure_set(f, WEIR_FAIL_INVALID, "a job must be a JSON object");
        return NGX_DECLINED;
    }

    (void) weir_no_memory(f);

    for (iter = weir_json_next(body, NULL, &key, &value);
         iter;
         iter = weir_json_next(body, iter, &key, &value))
    {
        if (ngx_http_weir_envelope_member(ctx, key, value, f) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    value = weir_json_get(body, "request");

    if (ngx_http_weir_envelope_request(ctx, value, f) != NGX_OK
        || ngx_http_weir_envelope_times(ctx, f) != NGX_OK
        || ngx_http_weir_envelope_hook(ctx, f) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    d = ngx_http_weir_dialect_find(weir_json_str(weir_json_get(body,
                                                               "dialect")));

    return ngx_http_weir_envelope_neutral(ctx,
               d ? d : &ngx_http_weir_dialect_chat, value, f);
}
