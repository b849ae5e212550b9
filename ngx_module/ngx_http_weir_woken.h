/*
 * What those who are woken together for one run have in common.
 */

#ifndef NGX_HTTP_WEIR_WOKEN_H
#define NGX_HTTP_WEIR_WOKEN_H


#include "ngx_http_weir_module.h"


typedef struct ngx_http_weir_body_s  ngx_http_weir_body_t;

struct ngx_http_weir_woken_s {
    weir_outcome_t               outcome;       /* doc is NULL: none */
    ngx_http_weir_body_t        *bodies[NGX_HTTP_WEIR_FORMS];
};


/* Between these two, those who are woken take the outcome.  Without one, or
 * with one that is none, each fetches it. */
void ngx_http_weir_woken_begin(ngx_http_weir_process_t *p,
    ngx_http_weir_woken_t *woken, weir_str_t outcome);
void ngx_http_weir_woken_take(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_woken_end(ngx_http_weir_process_t *p);

/* The answer to a request whose run is completed, in the form that it asked
 * for; it lives as long as the request's pool.  NULL: no memory. */
const weir_buf_t *ngx_http_weir_body(ngx_http_weir_ctx_t *ctx);


#endif /* NGX_HTTP_WEIR_WOKEN_H */
