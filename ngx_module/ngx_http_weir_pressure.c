/*
 * How full Redis is: asked about once a second by each worker process, so that
 * jobs are refused while there is still room to finish those that are there.
 */

#include "ngx_http_weir_module.h"

#include "weir_info.h"


#define NGX_HTTP_WEIR_MEMORY_STOP  75           /* percent */


static void
ngx_http_weir_pressure_answer(void *data, const weir_answer_t *a)
{
    unsigned                  percent;
    ngx_uint_t                was;
    ngx_http_weir_process_t  *p = data;

    if (p->exiting) {
        return;
    }

    was = ngx_http_weir_pressed(p);

    /* without an answer, or a right to it, nothing is known: what was known
     * last of a Redis that is gone does not count */

    p->memory = a->code == WEIR_ANSWER_OK
                && weir_info_memory(weir_reply_str(a->reply), &percent)
                ? percent : 0;

    if (ngx_http_weir_pressed(p) != was) {
        ngx_log_error(NGX_LOG_WARN, &p->cmd.log, 0,
                      "weir: the memory of redis is %ui%% full, jobs are %s",
                      p->memory, was ? "taken again" : "refused");
    }
}


void
ngx_http_weir_pressure_ask(ngx_http_weir_process_t *p)
{
    weir_txn_reset(&p->txn);
    weir_txn_words(&p->txn, 2, (const char *[]) { "INFO", "memory" });

    (void) ngx_http_weir_redis_send(&p->cmd, &p->txn,
                                    ngx_http_weir_pressure_answer, p);
}


ngx_uint_t
ngx_http_weir_pressed(ngx_http_weir_process_t *p)
{
    return p->memory >= NGX_HTTP_WEIR_MEMORY_STOP;
}
