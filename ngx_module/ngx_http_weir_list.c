/*
 * GET /v1/jobs: the owner's jobs, newest first, a page at a time.  Owns the
 * walk along the list; a job whose records are gone is passed over, so a page
 * may take several looks.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_LIST_DEFAULT  20
#define NGX_HTTP_WEIR_LIST_MAX      100
#define NGX_HTTP_WEIR_LIST_BATCH    101
#define NGX_HTTP_WEIR_LIST_ROUNDS   30          /* looks for a page, at most */


struct ngx_http_weir_list_s {
    ngx_uint_t    limit;
    ngx_int_t     status;                       /* -1: any */
    char          after[WEIR_ID_LEN + 1];       /* empty: from the newest */
    int64_t       from;                         /* ms, of "after" */

    /* the batch at hand */
    char          ids[NGX_HTTP_WEIR_LIST_BATCH][WEIR_ID_LEN + 1];
    char          runs[NGX_HTTP_WEIR_LIST_BATCH][WEIR_ID_LEN + 1];
    ngx_uint_t    n;
    ngx_uint_t    nruns;                        /* of jobs that share one */
    ngx_uint_t    ties;                         /* read past them */
    ngx_uint_t    asked;
    ngx_uint_t    rounds;

    ngx_uint_t    rows;
    char          first[WEIR_ID_LEN + 1];
    weir_buf_t    text;                         /* of the rows */
    unsigned      more:1;
};


static const ngx_http_weir_step_t *ngx_http_weir_list_find_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_list_read_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_list_look_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_list_send_run(
    ngx_http_weir_ctx_t *ctx);
static const ngx_http_weir_step_t *ngx_http_weir_list_unknown_run(
    ngx_http_weir_ctx_t *ctx);


static const ngx_http_weir_step_t  ngx_http_weir_step_list_find = {
    "list find", ngx_http_weir_list_find_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_list_read = {
    "list read", ngx_http_weir_list_read_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_list_look = {
    "list look", ngx_http_weir_list_look_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_list_send = {
    "list send", ngx_http_weir_list_send_run
};

static const ngx_http_weir_step_t  ngx_http_weir_step_list_unknown = {
    "list unknown", ngx_http_weir_list_unknown_run
};


static const ngx_http_weir_step_t *
ngx_http_weir_list_invalid(ngx_http_weir_ctx_t *ctx, const char *param,
    const char *what)
{
    weir_failure_t  f;

    weir_failure_set(&f, WEIR_FAIL_INVALID, "\"%s\" %s", param, what);
    weir_failure_copy(f.param, sizeof(f.param), weir_str_of(param));

    return ngx_http_weir_done(ctx, ngx_http_weir_fail(ctx, &f));
}


static void
ngx_http_weir_list_cleanup(void *data)
{
    ngx_http_weir_list_t  *l = data;

    weir_buf_free(&l->text);
}


static ngx_int_t
ngx_http_weir_list_status(ngx_str_t *name)
{
    int  state;

    for (state = WEIR_QUEUED; state <= WEIR_EXPIRED; state++) {
        if (weir_str_eq(ngx_http_weir_str(*name),
                        weir_str_of(weir_state_name(state))))
        {
            return state;
        }
    }

    return -1;
}


const ngx_http_weir_step_t *
ngx_http_weir_list_start(ngx_http_weir_ctx_t *ctx)
{
    unsigned               shard;
    ngx_int_t              n;
    ngx_str_t              value;
    weir_str_t             id;
    ngx_pool_cleanup_t    *cln;
    ngx_http_request_t    *r;
    ngx_http_weir_list_t  *l;

    r = ctx->request;

    l = ngx_pcalloc(r->pool, sizeof(ngx_http_weir_list_t));
    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (l == NULL || cln == NULL) {
        return ngx_http_weir_done(ctx, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    cln->handler = ngx_http_weir_list_cleanup;
    cln->data = l;

    weir_buf_init(&l->text, 0);
    l->limit = NGX_HTTP_WEIR_LIST_DEFAULT;
    l->status = -1;
    ctx->list = l;

    if (ngx_http_arg(r, (u_char *) "limit", 5, &value) == NGX_OK) {
        n = ngx_atoi(value.data, value.len);

        if (n == NGX_ERROR || n < 1 || n > NGX_HTTP_WEIR_LIST_MAX) {
            return ngx_http_weir_list_invalid(ctx, "limit",
                                   "must be a number from 1 to 100");
        }

        l->limit = n;
    }

    if (ngx_http_arg(r, (u_char *) "status", 6, &value) == NGX_OK) {
        l->status = ngx_http_weir_list_status(&value);

        if (l->status < 0) {
            return ngx_http_weir_list_invalid(ctx, "status",
                                   "must be a status of jobs");
        }
    }

    if (ngx_http_arg(r, (u_char *) "after", 5, &value) != NGX_OK) {
        return &ngx_http_weir_step_list_read;
    }

    if (!weir_job_id_parse(ngx_http_weir_str(value), &id, &shard)) {
        return ngx_http_weir_list_invalid(ctx, "after",
                                          "must be the id of a job");
    }

    ngx_memcpy(l->after, id.data, id.len);

    return &ngx_http_weir_step_list_find;
}


/* where the last page ended */

static void
ngx_http_weir_list_found(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    const ngx_http_weir_step_t  *next;

    next = &ngx_http_weir_step_list_read;

    if (a->code != WEIR_ANSWER_OK) {
        next = &ngx_http_weir_step_unavailable;

    } else if (weir_reply_is_nil(a->reply)) {
        next = &ngx_http_weir_step_list_unknown;

        /* the client's word, or ours: a list loses its oldest, so that this
         * one was the last */

        if (ctx->list->rounds) {
            ctx->list->more = 0;
            next = &ngx_http_weir_step_list_send;
        }

    } else {
        ctx->list->from = weir_reply_int(a->reply);
    }

    ngx_http_weir_resume(ctx, next);
}


static const ngx_http_weir_step_t *
ngx_http_weir_list_unknown_run(ngx_http_weir_ctx_t *ctx)
{
    return ngx_http_weir_list_invalid(ctx, "after",
                                      "is no job of this list (any more)");
}


static const ngx_http_weir_step_t *
ngx_http_weir_list_find_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_process_t  *p;

    p = ctx->process;

    weir_txn_reset(&p->txn);
    weir_txn_listed(&p->txn, 0, ngx_http_weir_str(ctx->visit->owner),
                    weir_str_of(ctx->list->after));

    return ngx_http_weir_ask(ctx, ngx_http_weir_list_found,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_list_find,
                             &ngx_http_weir_step_unavailable);
}


/* the next ids: of those of one moment, the greater come first */

static void
ngx_http_weir_list_take(ngx_http_weir_list_t *l, const weir_reply_t *reply)
{
    size_t      i;
    int64_t     at;
    weir_str_t  id;

    l->n = 0;
    l->nruns = 0;
    l->ties = 0;
    ngx_memzero(l->runs, sizeof(l->runs));

    for (i = 0; i + 1 < weir_reply_count(reply); i += 2) {
        id = weir_reply_str(weir_reply_at(reply, i));
        at = weir_reply_int(weir_reply_at(reply, i + 1));

        if (id.len != WEIR_ID_LEN || l->n == NGX_HTTP_WEIR_LIST_BATCH) {
            continue;
        }

        if (l->after[0] && at == l->from
            && ngx_memcmp(id.data, l->after, WEIR_ID_LEN) >= 0)
        {
            l->ties++;                  /* of the page before */
            continue;
        }

        ngx_memcpy(l->ids[l->n], id.data, WEIR_ID_LEN);
        l->ids[l->n++][WEIR_ID_LEN] = '\0';
    }
}


static void
ngx_http_weir_list_answer(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    ngx_http_weir_list_t        *l;
    const ngx_http_weir_step_t  *next;

    l = ctx->list;
    next = &ngx_http_weir_step_unavailable;

    if (a->code == WEIR_ANSWER_OK) {
        l->more = (weir_reply_count(a->reply) / 2 >= l->asked);
        ngx_http_weir_list_take(l, a->reply);

        next = l->n ? &ngx_http_weir_step_list_look
                    : &ngx_http_weir_step_list_send;

        if (l->n == 0 && l->more) {
            next = &ngx_http_weir_step_list_read;       /* nothing but ties */
        }
    }

    ngx_http_weir_resume(ctx, next);
}


static const ngx_http_weir_step_t *
ngx_http_weir_list_read_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_http_weir_list_t     *l;
    ngx_http_weir_process_t  *p;

    l = ctx->list;
    p = ctx->process;

    if (++l->rounds > NGX_HTTP_WEIR_LIST_ROUNDS) {
        return &ngx_http_weir_step_list_send;
    }

    /* one more than the page tells whether there is another */

    l->asked = ngx_min(l->limit + 1, NGX_HTTP_WEIR_LIST_BATCH)
               + (l->after[0] ? 2 * l->ties + 1 : 0);

    weir_txn_reset(&p->txn);
    weir_txn_list(&p->txn, 0, ngx_http_weir_str(ctx->visit->owner), l->from,
                  (unsigned) l->asked);

    return ngx_http_weir_ask(ctx, ngx_http_weir_list_answer,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_list_read,
                             &ngx_http_weir_step_unavailable);
}


/* the jobs themselves */

static void
ngx_http_weir_list_row(ngx_http_weir_ctx_t *ctx, const char *id,
    const weir_job_t *job, const weir_run_t *run)
{
    weir_jobdoc_t          d;
    ngx_http_weir_list_t  *l;

    l = ctx->list;
    ngx_memzero(&d, sizeof(weir_jobdoc_t));

    d.id = id;
    d.run = job->part.len ? job->run : weir_str_null;
    d.part = job->part;
    d.asked = run->asked;
    d.state = run->state;
    d.created = job->created;
    d.run_at = run->run_at;
    d.deadline = run->deadline;
    d.started = run->started;
    d.finished = run->fin_at;
    d.attempts = run->attempts;
    d.model = job->model;
    d.metadata = job->metadata;
    d.kind = run->kind;
    d.error = run->error;
    d.prefix = ngx_http_weir_str(*ngx_http_weir_prefix(ctx->request));
    d.brief = 1;

    if (l->rows++) {
        weir_buf_text(&l->text, ",");

    } else {
        ngx_memcpy(l->first, id, sizeof(l->first));
    }

    weir_jobdoc_write(&d, &l->text);
}


static ngx_uint_t
ngx_http_weir_list_shows(ngx_http_weir_ctx_t *ctx, const weir_job_t *job,
    const weir_run_t *run)
{
    return job->found && run->found
           && weir_str_eq(job->owner, ngx_http_weir_str(ctx->visit->owner))
           && !weir_str_eq(run->token, weir_str(WEIR_TOKEN_EDGE))
           && !weir_str_eq(run->token, weir_str(WEIR_TOKEN_LATE))
           && (ctx->list->status < 0
               || (ngx_int_t) run->state == ctx->list->status);
}


/* Of jobs whose run others ask for too, the runs are to be looked at. */

static ngx_uint_t
ngx_http_weir_list_runs(ngx_http_weir_list_t *l, const weir_answer_t *a)
{
    ngx_uint_t  i;
    weir_job_t  job;
    weir_run_t  run;

    for (i = 0; i < l->n; i++) {

        if (weir_txn_looks_read(a, (unsigned) i, &job, &run) && job.found
            && run.found
            && !weir_str_eq(job.run, weir_str_of(l->ids[i])))
        {
            ngx_memcpy(l->runs[i], job.run.data, WEIR_ID_LEN);
            l->runs[i][WEIR_ID_LEN] = '\0';
            l->nruns++;
        }
    }

    return l->nruns;
}


/* the i-th; k: how many runs were passed before */

static ngx_uint_t
ngx_http_weir_list_at(ngx_http_weir_list_t *l, const weir_answer_t *a,
    ngx_uint_t i, ngx_uint_t *k, weir_job_t *job, weir_run_t *run)
{
    weir_job_t  none;
    weir_run_t  shared;

    if (!weir_txn_looks_read(a, (unsigned) i, job, run)) {
        return 0;
    }

    if (l->runs[i][0] == '\0') {
        return 1;
    }

    if (!weir_txn_looks_read(a, (unsigned) (l->n + (*k)++), &none, &shared)) {
        return 0;
    }

    weir_run_complete(run, job, &shared);

    return 1;
}


static void
ngx_http_weir_list_looked(ngx_http_weir_ctx_t *ctx, const weir_answer_t *a)
{
    ngx_uint_t             i, k;
    weir_job_t             job;
    weir_run_t             run;
    ngx_http_weir_list_t  *l;

    l = ctx->list;

    if (l->nruns == 0 && ngx_http_weir_list_runs(l, a)) {
        ngx_http_weir_resume(ctx, &ngx_http_weir_step_list_look);
        return;
    }

    for (i = 0, k = 0; i < l->n; i++) {

        if (!ngx_http_weir_list_at(l, a, i, &k, &job, &run)) {
            ngx_http_weir_resume(ctx, &ngx_http_weir_step_unavailable);
            return;
        }

        if (ngx_http_weir_list_shows(ctx, &job, &run)) {

            if (l->rows == l->limit) {
                l->more = 1;
                break;
            }

            ngx_http_weir_list_row(ctx, l->ids[i], &job, &run);
        }

        ngx_memcpy(l->after, l->ids[i], sizeof(l->after));

        if (job.found) {
            l->from = job.created;
        }
    }

    /* where a job is that has no record any more only the list knows */

    ngx_http_weir_resume(ctx, l->rows == l->limit || !l->more
                              ? &ngx_http_weir_step_list_send
                              : &ngx_http_weir_step_list_find);
}


static const ngx_http_weir_step_t *
ngx_http_weir_list_look_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_uint_t                i, n;
    weir_str_t                ids[2 * NGX_HTTP_WEIR_LIST_BATCH];
    ngx_http_weir_list_t     *l;
    ngx_http_weir_process_t  *p;

    l = ctx->list;
    p = ctx->process;

    for (i = 0; i < l->n; i++) {
        ids[i] = weir_str_of(l->ids[i]);
    }

    for (i = 0, n = l->n; l->nruns && i < l->n; i++) {
        if (l->runs[i][0]) {
            ids[n++] = weir_str_of(l->runs[i]);
        }
    }

    weir_txn_reset(&p->txn);
    weir_txn_looks(&p->txn, 0, ids, (unsigned) n);

    return ngx_http_weir_ask(ctx, ngx_http_weir_list_looked,
                             p->conf->redis.timeout,
                             &ngx_http_weir_step_list_look,
                             &ngx_http_weir_step_unavailable);
}


/* {"object":"list","data":[..],"first_id":..,"last_id":..,"has_more":..} */

static const ngx_http_weir_step_t *
ngx_http_weir_list_send_run(ngx_http_weir_ctx_t *ctx)
{
    ngx_int_t              rc;
    weir_buf_t             body;
    ngx_http_weir_list_t  *l;

    l = ctx->list;

    weir_buf_init(&body, 0);
    weir_buf_text(&body, "{\"object\":\"list\",\"data\":[");
    weir_buf_str(&body, (weir_str_t) { l->text.data, l->text.len });

    if (l->rows || l->more) {
        weir_buf_text(&body, "],\"first_id\":");
        weir_buf_printf(&body, l->rows ? "\"" WEIR_JOB_PREFIX "%s\"" : "null",
                        l->first);
        weir_buf_printf(&body, ",\"last_id\":\"" WEIR_JOB_PREFIX "%s\"",
                        l->after);

    } else {
        weir_buf_text(&body, "],\"first_id\":null,\"last_id\":null");
    }

    weir_buf_printf(&body, ",\"has_more\":%s}", l->more ? "true" : "false");

    if (l->text.failed) {
        body.failed = true;
    }

    rc = ngx_http_weir_header_text(ctx->request, "Cache-Control", "no-store");

    if (rc == NGX_OK) {
        rc = ngx_http_weir_send(ctx, NGX_HTTP_OK, "application/json", &body);
    }

    weir_buf_free(&body);

    return ngx_http_weir_done(ctx, rc);
}
