/*
 * The news of the key store: one process of the node asks Redis five times a
 * second what has changed.  An answer proves that what is cached is as old as
 * the question at most; without one, every request asks for itself.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_NEWS_INTERVAL  200        /* ms between polls */
#define NGX_HTTP_WEIR_NEWS_SOON      20         /* ms, if nobody asks */


static void
ngx_http_weir_news_answer(void *data, const weir_answer_t *a)
{
    int64_t                   changes;
    ngx_http_weir_process_t  *p = data;

    p->polling = 0;

    if (p->exiting || a->code == WEIR_ANSWER_LOST) {
        return;
    }

    if (weir_txn_news_read(a, &changes)) {
        ngx_http_weir_store_news(&p->conf->store, &p->poll, a, changes);
        ngx_http_weir_count(p, key_polls);
        p->news_failed = 0;
        return;
    }

    /* said once */

    if (!p->news_failed) {
        p->news_failed = 1;
        ngx_log_error(NGX_LOG_ERR, &p->cmd.log, 0,
                      "weir: the news of keys cannot be read, each request "
                      "asks for its key: \"%*s\"", a->error.len,
                      a->error.data);
    }
}


static void
ngx_http_weir_news_ask(ngx_http_weir_process_t *p)
{
    weir_txn_t  *t;

    if (p->polling || p->cmd.state != NGX_HTTP_WEIR_REDIS_READY
        || !ngx_http_weir_store_poll(&p->conf->store,
                                     NGX_HTTP_WEIR_NEWS_INTERVAL, &p->poll))
    {
        return;
    }

    t = &p->txn;
    weir_txn_reset(t);
    weir_txn_news(t, p->poll.cursor);

    p->polling = ngx_http_weir_redis_send(&p->cmd, t,
                                          ngx_http_weir_news_answer, p)
                 == NGX_OK;
}


static void
ngx_http_weir_news_tick(ngx_event_t *ev)
{
    ngx_http_weir_process_t  *p = ev->data;

    ngx_http_weir_news_ask(p);

    ngx_add_timer(ev, ngx_max(ngx_http_weir_store_due(&p->conf->store,
                                  NGX_HTTP_WEIR_NEWS_INTERVAL),
                              NGX_HTTP_WEIR_NEWS_SOON));
}


void
ngx_http_weir_news_init(ngx_http_weir_process_t *p, ngx_log_t *log)
{
    p->news.handler = ngx_http_weir_news_tick;
    p->news.data = p;
    p->news.log = log;
    p->news.cancelable = 1;

    ngx_add_timer(&p->news, NGX_HTTP_WEIR_NEWS_SOON);
}
