/*
 * Limits at the gate.
 */

#include "ngx_http_weir_module.h"


ngx_int_t
ngx_http_weir_limit_peek_gate(ngx_http_weir_ctx_t *ctx)
{
    return NGX_DECLINED;
}


ngx_int_t
ngx_http_weir_limit_gate(ngx_http_weir_ctx_t *ctx)
{
    return NGX_DECLINED;
}


void
ngx_http_weir_limit_auth_failed(ngx_http_weir_ctx_t *ctx)
{
}
