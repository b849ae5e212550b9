/*
 * /livez, /readyz and /metrics: what machines ask about the edge itself.
 * Never asks Redis; tells what the process knows.
 */

#include "ngx_http_weir_module.h"


static ngx_int_t
ngx_http_weir_health_send(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, weir_buf_t *body)
{
    ngx_int_t             rc;
    weir_failure_t        f;
    ngx_http_weir_ctx_t  *ctx;

    ctx = ngx_http_weir_ctx(r);

    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        ngx_http_weir_allow(ctx, NGX_HTTP_GET|NGX_HTTP_HEAD);
        weir_failure_set(&f, WEIR_FAIL_METHOD, "only GET and HEAD are known");
        return ngx_http_weir_fail(ctx, &f);
    }

    if (ngx_http_weir_header_text(r, "Cache-Control", "no-store") != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_weir_send(ctx, status, type, body);
}


static ngx_int_t
ngx_http_weir_health_text(ngx_http_request_t *r, ngx_uint_t status,
    const char *text)
{
    ngx_int_t   rc;
    weir_buf_t  body;

    weir_buf_init(&body, 0);
    weir_buf_text(&body, text);

    rc = ngx_http_weir_health_send(r, status, "text/plain", &body);

    weir_buf_free(&body);

    return rc;
}


ngx_int_t
ngx_http_weir_livez_handler(ngx_http_request_t *r)
{
    return ngx_http_weir_health_text(r, NGX_HTTP_OK, "ok\n");
}


ngx_int_t
ngx_http_weir_readyz_handler(ngx_http_request_t *r)
{
    ngx_http_weir_process_t  *p;

    p = ngx_http_weir_process(r);

    if (ngx_exiting || (p && p->leaving)) {
        return ngx_http_weir_health_text(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                         "leaving\n");
    }

    if (p && p->conf->api && (p->cmd.state != NGX_HTTP_WEIR_REDIS_READY
              || p->mail.state != NGX_HTTP_WEIR_REDIS_READY))
    {
        return ngx_http_weir_health_text(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                         "no connection to redis\n");
    }

    return ngx_http_weir_health_text(r, NGX_HTTP_OK, "ok\n");
}


static ngx_uint_t
ngx_http_weir_metrics_lives(ngx_atomic_t pid)
{
    return pid && (kill((ngx_pid_t) pid, 0) == 0 || ngx_errno != NGX_ESRCH);
}


static void
ngx_http_weir_metrics_write(ngx_http_weir_counters_t *c, weir_buf_t *out)
{
    ngx_uint_t     i;
    unsigned long  sum;

#define NGX_HTTP_WEIR_COUNTER_WRITE(member, name, help)                       \
    weir_buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n%s %lu\n",         \
                    name, help, name, name, (unsigned long) c->member);
    NGX_HTTP_WEIR_COUNTERS(NGX_HTTP_WEIR_COUNTER_WRITE)

#define NGX_HTTP_WEIR_GAUGE_WRITE(member, name, help)                         \
    for (sum = 0, i = 0; i < NGX_HTTP_WEIR_SLOTS; i++) {                      \
        sum += ngx_http_weir_metrics_lives(c->slots[i].pid)                   \
               ? (unsigned long) c->slots[i].member : 0;                      \
    }                                                                         \
    weir_buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %lu\n",           \
                    name, help, name, name, sum);
    NGX_HTTP_WEIR_GAUGES(NGX_HTTP_WEIR_GAUGE_WRITE)
}


ngx_int_t
ngx_http_weir_metrics_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    weir_buf_t                  body;
    ngx_http_weir_main_conf_t  *wmcf;

    wmcf = ngx_http_get_module_main_conf(r, ngx_http_weir_module);

    weir_buf_init(&body, 0);
    ngx_http_weir_metrics_write(wmcf->counters, &body);

    rc = ngx_http_weir_health_send(r, NGX_HTTP_OK,
                                   "text/plain; version=0.0.4", &body);

    weir_buf_free(&body);

    return rc;
}
