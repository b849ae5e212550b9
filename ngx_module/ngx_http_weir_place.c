/*
 * Where workers keep answers, and whether this process looks for them there:
 * if "weir_cache_redis" and "cache_redis" of the worker name different ones, no
 * answer is ever found, and nothing else would tell.  Each Redis that keeps
 * answers has an id, and the queue's says which one it is.
 */

#include "ngx_http_weir_module.h"

#include "weir_txn_ask.h"


#define NGX_HTTP_WEIR_PLACE_TIMES  3    /* in a row: it may just be moved */


static void
ngx_http_weir_place_compare(ngx_http_weir_process_t *p, weir_str_t id)
{
    ngx_http_weir_place_t  *place;

    place = &p->place;

    if (weir_str_eq(id, weir_str_of(place->told))) {
        place->wrong = 0;

    } else if (place->wrong < NGX_HTTP_WEIR_PLACE_TIMES
               && ++place->wrong == NGX_HTTP_WEIR_PLACE_TIMES)
    {
        ngx_log_error(NGX_LOG_ERR, &p->cmd.log, 0,
                      "weir: answers are looked for in redis %V, and workers "
                      "keep them in another: \"weir_cache_redis\" and "
                      "\"cache_redis\" of the worker must name the same",
                      p->kept ? &p->conf->cache_redis.name
                              : &p->conf->redis.name);
    }

    p->conf->counters->slots[ngx_process_slot].misplaced =
        (place->wrong == NGX_HTTP_WEIR_PLACE_TIMES);
}


static void
ngx_http_weir_place_id(void *data, const weir_answer_t *a)
{
    ngx_http_weir_process_t  *p = data;

    p->place.asking = 0;

    if (!p->exiting && a->code == WEIR_ANSWER_OK) {
        ngx_http_weir_place_compare(p, weir_reply_str(a->reply));
    }
}


/* None told: no worker keeps answers now, or it is too old to tell. */

static void
ngx_http_weir_place_told(void *data, const weir_answer_t *a)
{
    weir_str_t                at;
    weir_txn_t               *t;
    ngx_http_weir_process_t  *p = data;

    p->place.asking = 0;

    if (p->exiting || a->code != WEIR_ANSWER_OK) {
        return;
    }

    at = weir_reply_str(a->reply);

    if (at.len == 0 || at.len >= sizeof(p->place.told)) {
        return;
    }

    ngx_memcpy(p->place.told, at.data, at.len);
    p->place.told[at.len] = '\0';

    t = &p->txn;
    weir_txn_reset(t);
    weir_txn_place_look(t, 0);

    p->place.asking = ngx_http_weir_redis_send(ngx_http_weir_kept_redis(p), t,
                                               ngx_http_weir_place_id, p)
                      == NGX_OK;
}


void
ngx_http_weir_place_tick(ngx_http_weir_process_t *p)
{
    weir_txn_t  *t;

    if (p->conf->answers.nelts == 0 || p->place.asking) {
        return;
    }

    t = &p->txn;
    weir_txn_reset(t);
    weir_txn_place_told(t, 0);

    p->place.asking = ngx_http_weir_redis_send(&p->cmd, t,
                                               ngx_http_weir_place_told, p)
                      == NGX_OK;
}
