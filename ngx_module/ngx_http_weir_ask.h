/*
 * A question under way: shared by those who ask, follow, refresh and are late,
 * and by nobody else.
 */

#ifndef NGX_HTTP_WEIR_ASK_H
#define NGX_HTTP_WEIR_ASK_H


#include "ngx_http_weir_module.h"

#include "weir_txn_ask.h"


#define NGX_HTTP_WEIR_ASK_GRACE  1000           /* ms, of unequal clocks */


/* ask */
const ngx_http_weir_step_t *ngx_http_weir_ask_next(ngx_http_weir_ctx_t *ctx);
extern const ngx_http_weir_step_t  ngx_http_weir_step_ask_failed;

/* follow */
const ngx_http_weir_step_t *ngx_http_weir_follow(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_follow_end(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_follow_take(ngx_http_weir_ctx_t *ctx,
    const weir_run_t *run);
int64_t ngx_http_weir_follow_until(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_run_set(ngx_http_weir_ctx_t *ctx, const char *run);

/* kept: in a Redis of its own */
extern const ngx_http_weir_step_t  ngx_http_weir_step_kept;

/* hit */
extern const ngx_http_weir_step_t  ngx_http_weir_step_hit;

/* marks: of what was found */
ngx_uint_t ngx_http_weir_marks_open(ngx_http_weir_ctx_t *ctx);
ngx_uint_t ngx_http_weir_marks_void(ngx_http_weir_ctx_t *ctx);
extern const ngx_http_weir_step_t  ngx_http_weir_step_marks;

/* stale */
const ngx_http_weir_step_t *ngx_http_weir_refresh(ngx_http_weir_ctx_t *ctx,
    const weir_asked_t *asked);


#endif /* NGX_HTTP_WEIR_ASK_H */
