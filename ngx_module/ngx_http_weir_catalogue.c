/*
 * The catalogue of models in a worker process: the last one that was seen, also
 * for the time without Redis.  Asked for when the connection is ready and some
 * seconds after; what it says is read in common/.
 */

#include "ngx_http_weir_module.h"


/* One that cannot be read leaves the last one in force. */

void
ngx_http_weir_catalogue_take(ngx_http_weir_process_t *p,
    const weir_answer_t *a)
{
    weir_str_t         text;
    weir_catalogue_t  *c;

    text = weir_reply_str(a->reply);

    if (a->code != WEIR_ANSWER_OK || text.len == 0) {
        return;
    }

    c = weir_catalogue_read(text);

    if (c == NULL) {
        ngx_log_error(NGX_LOG_ERR, &p->cmd.log, 0,
                      "weir: the catalogue of models cannot be read");
        return;
    }

    weir_catalogue_free(&p->catalogue);
    p->catalogue = c;
}


static void
ngx_http_weir_catalogue_answer(void *data, const weir_answer_t *a)
{
    ngx_http_weir_process_t  *p = data;

    if (!p->exiting) {
        ngx_http_weir_catalogue_take(p, a);
    }
}


void
ngx_http_weir_catalogue_ask(ngx_http_weir_process_t *p)
{
    weir_txn_reset(&p->txn);
    weir_txn_catalogue_get(&p->txn);

    (void) ngx_http_weir_redis_send(&p->cmd, &p->txn,
                                    ngx_http_weir_catalogue_answer, p);
}
