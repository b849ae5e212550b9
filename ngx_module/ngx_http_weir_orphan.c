/*
 * Submissions that were given up: the client got, or will get, 503, and the
 * job must not run.  Owns what is still to be cancelled, until Redis says that
 * it is.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_ORPHANS  8192


typedef struct {
    ngx_queue_t               queue;
    ngx_http_weir_process_t  *process;
    ngx_http_weir_sent_t      sent;
} ngx_http_weir_orphan_t;


void
ngx_http_weir_sent(ngx_http_weir_ctx_t *ctx, ngx_http_weir_sent_t *sent)
{
    ngx_memzero(sent, sizeof(ngx_http_weir_sent_t));

    sent->shard = ctx->job.shard;
    ngx_memcpy(sent->id, ctx->job.id, sizeof(sent->id));
    ngx_memcpy(sent->run, ctx->job.run, sizeof(sent->run));

    if (weir_str_eq(ngx_http_weir_str(ctx->job.part),
                    weir_str(WEIR_PART_HIT)))
    {
        ngx_memcpy(sent->hit, ctx->job.token, sizeof(sent->hit));
    }

    ngx_memcpy(sent->owner, ctx->visit->owner.data,
               ngx_min(ctx->visit->owner.len, sizeof(sent->owner) - 1));

    sent->keyed = ngx_http_weir_admit_keyed(ctx)
                  || (ctx->cache && ctx->cache->leading);
}


static void
ngx_http_weir_orphan_end(ngx_http_weir_orphan_t *orphan)
{
    orphan->process->norphans--;
    ngx_free(orphan);
}


static void
ngx_http_weir_orphan_answer(void *data, const weir_answer_t *a)
{
    ngx_http_weir_orphan_t   *orphan = data;
    ngx_http_weir_process_t  *p;

    p = orphan->process;

    if (a->code != WEIR_ANSWER_OK) {
        ngx_queue_insert_tail(&p->orphans, &orphan->queue);
        return;
    }

    if (!orphan->sent.keyed || weir_txn_fate_is(a, WEIR_FATE_KEPT)) {
        ngx_http_weir_orphan_end(orphan);
        return;
    }

    /* nobody was told of it, and nobody will be */

    orphan->sent.keyed = 0;
    ngx_queue_insert_tail(&p->orphans, &orphan->queue);

    ngx_http_weir_orphans_send(p);
}


static void
ngx_http_weir_orphan_write(ngx_http_weir_process_t *p,
    ngx_http_weir_sent_t *sent)
{
    weir_cancel_t  cancel;

    weir_txn_reset(&p->txn);

    if (sent->keyed) {
        weir_txn_fate(&p->txn, sent->shard, sent->id, WEIR_FATE_GIVEN_UP);
        return;
    }

    ngx_memzero(&cancel, sizeof(weir_cancel_t));

    cancel.shard = sent->shard;
    cancel.id = sent->id;
    cancel.token = WEIR_TOKEN_EDGE;
    cancel.now = ngx_http_weir_now(p);
    cancel.owner = weir_str_of(sent->owner);
    cancel.run = sent->run[0] ? sent->run : NULL;
    cancel.hit = sent->hit[0] ? sent->hit : NULL;

    weir_txn_cancel(&p->txn, &cancel);
}


void
ngx_http_weir_orphans_send(ngx_http_weir_process_t *p)
{
    ngx_queue_t              all, *q;
    ngx_http_weir_orphan_t  *orphan;

    if (ngx_queue_empty(&p->orphans)
        || p->cmd.state != NGX_HTTP_WEIR_REDIS_READY)
    {
        return;
    }

    ngx_queue_init(&all);
    ngx_queue_add(&all, &p->orphans);
    ngx_queue_init(&p->orphans);

    while (!ngx_queue_empty(&all)) {
        q = ngx_queue_head(&all);
        ngx_queue_remove(q);
        orphan = ngx_queue_data(q, ngx_http_weir_orphan_t, queue);

        ngx_http_weir_orphan_write(p, &orphan->sent);

        if (ngx_http_weir_redis_send(&p->cmd, &p->txn,
                                     ngx_http_weir_orphan_answer, orphan)
            != NGX_OK)
        {
            ngx_queue_insert_head(&all, &orphan->queue);
            ngx_queue_add(&p->orphans, &all);
            return;
        }
    }
}


void
ngx_http_weir_orphans_free(ngx_http_weir_process_t *p)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&p->orphans)) {
        q = ngx_queue_head(&p->orphans);
        ngx_queue_remove(q);
        ngx_http_weir_orphan_end(ngx_queue_data(q, ngx_http_weir_orphan_t,
                                                queue));
    }
}


static void
ngx_http_weir_orphan_add(ngx_http_weir_process_t *p,
    const ngx_http_weir_sent_t *sent)
{
    ngx_http_weir_orphan_t  *orphan;

    orphan = NULL;

    if (p->norphans < NGX_HTTP_WEIR_ORPHANS) {
        orphan = ngx_calloc(sizeof(ngx_http_weir_orphan_t), &p->cmd.log);
    }

    if (orphan == NULL) {
        ngx_log_error(NGX_LOG_ERR, &p->cmd.log, 0,
                      "weir: too many submissions without an answer, job_%s "
                      "will not be cancelled", sent->id);
        return;
    }

    orphan->process = p;
    orphan->sent = *sent;

    p->norphans++;
    ngx_queue_insert_tail(&p->orphans, &orphan->queue);
}


/* The cancellation goes over the same connection, behind the submission, or
 * over the next connection; it works in either order (see the contract).  With
 * a key the first question is whether another request was told of the job; so
 * with the run of a question, but not with the job that was to lead it. */

void
ngx_http_weir_abandon(ngx_http_weir_process_t *p,
    const ngx_http_weir_sent_t *sent)
{
    ngx_http_weir_sent_t  part;

    ngx_http_weir_count(p, abandoned);

    part = *sent;

    if (sent->run[0] && sent->keyed) {
        ngx_memcpy(part.id, sent->run, sizeof(part.id));
        part.run[0] = '\0';
        ngx_http_weir_orphan_add(p, &part);

        part = *sent;
        part.keyed = 0;
    }

    ngx_http_weir_orphan_add(p, &part);

    ngx_http_weir_orphans_send(p);
}


/* Is there room to give up what is submitted now? */

ngx_uint_t
ngx_http_weir_may_submit(ngx_http_weir_process_t *p)
{
    return p->norphans + weir_pipe_pending(p->cmd.pipe)
           < NGX_HTTP_WEIR_ORPHANS;
}
