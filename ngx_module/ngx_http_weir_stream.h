/*
 * What the steps of a request need to know of answers that are sent as they
 * come.
 */

#ifndef NGX_HTTP_WEIR_STREAM_H
#define NGX_HTTP_WEIR_STREAM_H


/* feed: runs that are read here */
void ngx_http_weir_feed_init(ngx_http_weir_process_t *p);
void ngx_http_weir_feed_deliver(ngx_http_weir_process_t *p, weir_str_t run,
    const weir_event_t *e);
void ngx_http_weir_feed_tick(ngx_http_weir_process_t *p, ngx_uint_t buckets);
void ngx_http_weir_feed_again(ngx_http_weir_process_t *p);

/* watch: the keys of those who read */
void ngx_http_weir_watch_init(ngx_http_weir_process_t *p);
void ngx_http_weir_watch_tick(ngx_http_weir_process_t *p);

/* reader: an answer that is sent as it comes */
ngx_int_t ngx_http_weir_reader_lead(ngx_http_weir_ctx_t *ctx,
    int64_t *until_r);
ngx_int_t ngx_http_weir_reader_join(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_reader_leave(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_reader_done(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_reader_destroy(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_reader_last(ngx_http_weir_ctx_t *ctx, weir_str_t last);
ngx_uint_t ngx_http_weir_reader_settled(ngx_http_weir_ctx_t *ctx);
const ngx_http_weir_step_t *ngx_http_weir_reader_settle(
    ngx_http_weir_ctx_t *ctx);
ngx_uint_t ngx_http_weir_reader_whole(ngx_http_weir_ctx_t *ctx);

/* Of one that has joined: what that saved is asked for, then it ends. */
extern const ngx_http_weir_step_t  ngx_http_weir_step_used;
ngx_int_t ngx_http_weir_reader_answer(ngx_http_weir_ctx_t *ctx);
ngx_uint_t ngx_http_weir_streams(ngx_http_weir_ctx_t *ctx);
ngx_uint_t ngx_http_weir_streamed(ngx_http_weir_ctx_t *ctx);
ngx_int_t ngx_http_weir_stream_fail(ngx_http_weir_ctx_t *ctx,
    const weir_failure_t *f);
void ngx_http_weir_stream_handler(ngx_http_request_t *r);

/* events: of a job, as they are */
const ngx_http_weir_step_t *ngx_http_weir_events_start(
    ngx_http_weir_ctx_t *ctx);
const ngx_http_weir_step_t *ngx_http_weir_events_leave(
    ngx_http_weir_ctx_t *ctx);
ngx_int_t ngx_http_weir_events_answer(ngx_http_weir_ctx_t *ctx);
extern const ngx_http_weir_step_t  ngx_http_weir_step_events;


#endif /* NGX_HTTP_WEIR_STREAM_H */
