/*
 * The routes that look after the cache: what this node has, and purges, which
 * are for all nodes.  For keys with the scope "admin".
 */

#include "ngx_http_weir_module.h"

#include "weir_txn_ask.h"


static const ngx_http_weir_step_t *ngx_http_weir_purge_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_purge_write_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_purged_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_purge_failed_run(
    ngx_http_weir_ctx_t *ctx);


static const ngx_http_weir_step_t  ngx_http_weir_step_purge = {
    "purge", ngx_http_weir_purge_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_purge_write = {
    "purge, write", ngx_http_weir_purge_write_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_purged = {
    "purged", ngx_http_weir_purged_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_purge_failed = {
    "purge failed", ngx_http_weir_purge_failed_run
};


static const ngx_http_weir_step_t *
ngx_http_weir_cache_reply(ngx_http_weir_ctx_t *ctx, weir_buf_t *body)
{
    ngx_int_t  rc;

    rc = ngx_http_weir_header_text(ctx->request, "Cache-Control", "no-store");

    if (rc == NGX_OK) {
        rc = ngx_http_weir_send(ctx, NGX_HTTP_OK, "application/json", body);
    }

    weir_buf_free(body);

    return ngx_http_weir_done(ctx, rc);
}


/* GET /v1/cache */

const ngx_http_weir_step_t *
ngx_http_weir_cache_stats(ngx_http_weir_ctx_t *ctx)
{
    weir_buf_t                  body;
    ngx_uint_t                  i;
    weir_shelf_stats_t          s;
    ngx_http_weir_answers_t   **zones;
    ngx_http_weir_main_conf_t  *wmcf;

    wmcf = ctx->process->conf;
    zones = wmcf->answers.elts;

    weir_buf_init(&body, 0);
    weir_buf_text(&body, "{\"object\":\"cache\",\"zones\":[");

    for (i = 0; i < wmcf->answers.nelts; i++) {
        weir_shelf_stats(zones[i]->shelf, &s);

        weir_buf_printf(&body, "%s{\"name\":\"%.*s\",\"entries\":%llu,"
                        "\"used_bytes\":%llu,\"bytes\":%llu,\"hits\":%llu,"
                        "\"misses\":%llu,\"stores\":%llu,\"evictions\":%llu,"
                        "\"too_large\":%llu,\"purged\":%llu,\"resets\":%llu}",
                        i ? "," : "", (int) zones[i]->name.len,
                        zones[i]->name.data, (unsigned long long) s.entries,
                        (unsigned long long) s.used,
                        (unsigned long long) s.size,
                        (unsigned long long) s.hits,
                        (unsigned long long) s.misses,
                        (unsigned long long) s.stores,
                        (unsigned long long) s.evictions,
                        (unsigned long long) s.too_large,
                        (unsigned long long) s.purged,
                        (unsigned long long) s.torn);
    }

    weir_buf_text(&body, "]}");

    return ngx_http_weir_cache_reply(ctx, &body);
}


/* POST /v1/cache/purge: {"all":true}, or one of these with what it names */

static const struct {
    const char  *name;
    const char  *mark;
} ngx_http_weir_purge_marks[] = {
    { "key", WEIR_MARK_QUESTION },
    { "owner", WEIR_MARK_OWNER },
    { "model", WEIR_MARK_MODEL },
    { "class", WEIR_MARK_CLASS },
    { "tag", WEIR_MARK_TAG },
    { NULL, NULL }
};


static ngx_int_t
ngx_http_weir_purge_invalid(weir_failure_t *f, const char *param,
    const char *what)
{
    weir_failure_set(f, WEIR_FAIL_INVALID, "%s", what);
    weir_failure_copy(f->param, sizeof(f->param), weir_str_of(param));

    return NGX_DECLINED;
}


static void
ngx_http_weir_purge_write(const char *mark, weir_str_t value, weir_buf_t *out)
{
    const char  *p;

    p = ngx_strchr(mark, '%');

    weir_buf_add(out, mark, p - mark);
    weir_buf_str(out, value);
}


static ngx_int_t
ngx_http_weir_purge_read(ngx_http_weir_ctx_t *ctx, weir_json_t *body,
    weir_failure_t *f)
{
    ngx_int_t     rc;
    const char   *key;
    weir_buf_t    mark;
    ngx_uint_t    i;
    weir_json_t  *value;

    if (!weir_json_is_object(body) || weir_json_count(body) != 1
        || weir_json_next(body, NULL, &key, &value) == NULL)
    {
        return ngx_http_weir_purge_invalid(f, "", "a purge is an object with "
                   "one of \"all\", \"key\", \"owner\", \"model\", \"class\" "
                   "and \"tag\"");
    }

    weir_buf_init(&mark, WEIR_NAME_MAX);

    if (ngx_strcmp(key, "all") == 0) {
        if (!weir_json_true(value)) {
            return ngx_http_weir_purge_invalid(f, key, "\"all\" must be true");
        }

        weir_buf_text(&mark, WEIR_MARK_ALL);
    }

    for (i = 0; ngx_http_weir_purge_marks[i].name; i++) {
        if (ngx_strcmp(key, ngx_http_weir_purge_marks[i].name) == 0) {
            ngx_http_weir_purge_write(ngx_http_weir_purge_marks[i].mark,
                                      weir_json_str(value), &mark);
        }
    }

    if (mark.failed || !weir_mark_valid((weir_str_t) { mark.data, mark.len }))
    {
        rc = ngx_http_weir_purge_invalid(f, key, mark.len
                 ? "this names nothing that can be purged"
                 : "a purge has one of the members \"all\", \"key\", "
                   "\"owner\", \"model\", \"class\" and \"tag\"");

    } else {
        rc = ngx_http_weir_copy(ctx->request->pool, &ctx->tail,
                                (weir_str_t) { mark.data, mark.len });
    }

    weir_buf_free(&mark);

    return rc;
}


const ngx_http_weir_step_t *
ngx_http_weir_cache_purge(ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t        rc;
    weir_str_t       text;
    weir_json_t     *body;
    weir_failure_t   f;

    body = ngx_http_weir_request_text(ctx, &text, &f) == NGX_OK
           ? ngx_http_weir_request_json(text, &f) : NULL;

    if (body == NULL) {
        return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
    }

    rc = ngx_http_weir_purge_read(ctx, body, &f);
    weir_json_free(&body);

    if (rc == NGX_DECLINED) {
        return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
    }

    return rc == NGX_OK ? &ngx_http_weir_step_purge
           : ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
}


/* The others are told by the stream; this node need not wait for it. */

static void
ngx_http_weir_purge_done(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    if (a->code != WEIR_ANSWER_OK) {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_purge_failed);
        return;
    }

    ngx_http_weir_purge_mark(ctx->process, ngx_http_weir_str(ctx->tail));
    ngx_http_weir_resume(ctx, &ngx_http_weir_step_purged);
}


static const ngx_http_weir_step_t *
ngx_http_weir_purge_write_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_purge(&p->txn, 0, ngx_http_weir_str(ctx->tail),
                   ctx->job.created);

    return ngx_http_weir_ask(ctx, ngx_http_weir_purge_done,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_purge_write,
                             &ngx_http_weir_step_purge_failed);
}


/* To be sure of all that was asked before: both times are rounded. */

static void
ngx_http_weir_purge_time(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    if (a->code != WEIR_ANSWER_OK || weir_reply_count(a->reply) != 2) {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_purge_failed);
        return;
    }

    ctx->job.created = weir_reply_int(weir_reply_at(a->reply, 0)) * 1000
                       + weir_reply_int(weir_reply_at(a->reply, 1)) / 1000 + 1;

    ngx_http_weir_resume(ctx, &ngx_http_weir_step_purge_write);
}


/* Redis's clock as this process knows it may be behind what others know: what
 * was asked there a moment ago would be newer than the purge. */

static const ngx_http_weir_step_t *
ngx_http_weir_purge_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_add(&p->txn, 1, (weir_str_t[]) { weir_str("TIME") });

    return ngx_http_weir_ask(ctx, ngx_http_weir_purge_time,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_purge,
                             &ngx_http_weir_step_purge_failed);
}


static const ngx_http_weir_step_t *
ngx_http_weir_purged_run(ngx_http_weir_ctx_t *ctx)
{
    weir_buf_t  body;

    weir_buf_init(&body, 0);
    weir_buf_text(&body, "{\"object\":\"cache.purge\",\"purged\":");
    weir_json_quote(&body, ngx_http_weir_str(ctx->tail));
    weir_buf_printf(&body, ",\"at\":%lld}",
                    (long long) ctx->job.created / 1000);

    return ngx_http_weir_cache_reply(ctx, &body);
}


static const ngx_http_weir_step_t *
ngx_http_weir_purge_failed_run(ngx_http_weir_ctx_t *ctx)
{
    weir_failure_t  f;

    ngx_http_weir_forget(ctx);
    ctx->status = "UNAVAILABLE";

    weir_failure_set(&f, WEIR_FAIL_UNAVAILABLE,
                     "nothing is known to be purged: ask again");
    f.retry_after = 1;

    return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
}
