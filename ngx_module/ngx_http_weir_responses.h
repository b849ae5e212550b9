/*
 * What the steps of a request need to know of responses that are jobs.
 */

#ifndef NGX_HTTP_WEIR_RESPONSES_H
#define NGX_HTTP_WEIR_RESPONSES_H


/* a body of POST /v1/responses */
ngx_int_t ngx_http_weir_responses_read(ngx_http_weir_ctx_t *ctx,
    weir_json_t *body, weir_failure_t *f);

/* Whose stream it is has left, or it has ended. */
void ngx_http_weir_responses_left(ngx_http_weir_ctx_t *ctx,
    const ngx_http_weir_reader_t *reader);

/* routes of a response by its id */
const ngx_http_weir_step_t *ngx_http_weir_responses_get(
    ngx_http_weir_ctx_t *ctx);
const ngx_http_weir_step_t *ngx_http_weir_responses_change(
    ngx_http_weir_ctx_t *ctx);
const ngx_http_weir_step_t *ngx_http_weir_responses_input(
    ngx_http_weir_ctx_t *ctx);

/* It was looked at, and is not only to be shown. */
extern const ngx_http_weir_step_t  ngx_http_weir_step_response;

/* The response as it is now, in any state of its job: the object, or all of
 * its events.  For ngx_http_weir_done(). */
ngx_int_t ngx_http_weir_responses_send(ngx_http_weir_ctx_t *ctx);


#endif /* NGX_HTTP_WEIR_RESPONSES_H */
