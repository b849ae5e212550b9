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
ngx_http_weir_metrics_line(weir_buf_t *out, const char *name,
    const char *label, const char *value, ngx_atomic_t n)
{
    weir_buf_text(out, name);

    if (label) {
        weir_buf_printf(out, "{%s=\"%s\"}", label, value);
    }

    weir_buf_printf(out, " %lu\n", (unsigned long) n);
}


static void
ngx_http_weir_metrics_labelled(ngx_http_weir_counters_t *c, weir_buf_t *out)
{
    const char  *last;

    last = "";

#define NGX_HTTP_WEIR_LABELLED_WRITE(member, name, label, value, help)        \
    if (ngx_strcmp(last, name) != 0) {                                        \
        weir_buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n", name, help, \
                        name);                                                \
        last = name;                                                          \
    }                                                                         \
    ngx_http_weir_metrics_line(out, name, label, value, c->member);
    NGX_HTTP_WEIR_LABELLED(NGX_HTTP_WEIR_LABELLED_WRITE)
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

    ngx_http_weir_metrics_labelled(c, out);

    ngx_http_weir_histogram_write(&c->first, &ngx_http_weir_bounds_first, out);
    ngx_http_weir_histogram_write(&c->pace, &ngx_http_weir_bounds_pace, out);

#define NGX_HTTP_WEIR_GAUGE_WRITE(member, name, help)                         \
    for (sum = 0, i = 0; i < NGX_HTTP_WEIR_SLOTS; i++) {                      \
        sum += ngx_http_weir_metrics_lives(c->slots[i].pid)                   \
               ? (unsigned long) c->slots[i].member : 0;                      \
    }                                                                         \
    weir_buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %lu\n",           \
                    name, help, name, name, sum);
    NGX_HTTP_WEIR_GAUGES(NGX_HTTP_WEIR_GAUGE_WRITE)
}


/* the zones of limits */

static const struct {
    const char  *name;
    const char  *label;
    const char  *help;
    size_t       offset;
} ngx_http_weir_limit_counters[] = {
#define NGX_HTTP_WEIR_LIMIT_ROW(member, name, label, help)                    \
    { name, label, help, offsetof(ngx_http_weir_limit_counters_t, member) },
    NGX_HTTP_WEIR_LIMIT_COUNTERS(NGX_HTTP_WEIR_LIMIT_ROW)
    { NULL, NULL, NULL, 0 }
};


static void
ngx_http_weir_metrics_zones(ngx_http_weir_limit_conf_t *conf, weir_buf_t *out)
{
    ngx_uint_t                    i, n;
    const char                   *name, *label;
    ngx_atomic_t                 *counter;
    ngx_http_weir_limit_zone_t  **zones;

    zones = conf->zones.elts;
    name = "";

    for (n = 0; conf->zones.nelts && ngx_http_weir_limit_counters[n].name; n++)
    {
        label = ngx_http_weir_limit_counters[n].label;

        if (ngx_strcmp(ngx_http_weir_limit_counters[n].name, name) != 0) {
            name = ngx_http_weir_limit_counters[n].name;
            weir_buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n", name,
                            ngx_http_weir_limit_counters[n].help, name);
        }

        for (i = 0; i < conf->zones.nelts; i++) {
            counter = (ngx_atomic_t *)
                          ((u_char *) &zones[i]->table->counters
                           + ngx_http_weir_limit_counters[n].offset);

            weir_buf_printf(out, "%s{zone=\"%.*s\"%s%s%s} %lu\n", name,
                            (int) zones[i]->name.len, zones[i]->name.data,
                            label ? ",result=\"" : "", label ? label : "",
                            label ? "\"" : "", (unsigned long) *counter);
        }
    }

    if (conf->zones.nelts) {
        weir_buf_text(out, "# HELP " NGX_HTTP_WEIR_LIMIT_KEYS " Keys that a "
                      "zone remembers.\n# TYPE " NGX_HTTP_WEIR_LIMIT_KEYS
                      " gauge\n");
    }

    for (i = 0; i < conf->zones.nelts; i++) {
        weir_buf_printf(out, NGX_HTTP_WEIR_LIMIT_KEYS "{zone=\"%.*s\"} %lu\n",
                        (int) zones[i]->name.len, zones[i]->name.data,
                        (unsigned long) (zones[i]->table->lists[0].count
                                         + zones[i]->table->lists[1].count));
    }
}


/* the zones of answers */

static const struct {
    const char  *name;
    const char  *type;
    const char  *result;
    const char  *help;
    size_t       offset;
} ngx_http_weir_answers_metrics[] = {
#define NGX_HTTP_WEIR_ANSWERS_ROW(member, name, type, result, help)           \
    { name, type, result, help, offsetof(weir_shelf_stats_t, member) },
    NGX_HTTP_WEIR_ANSWERS_METRICS(NGX_HTTP_WEIR_ANSWERS_ROW)
    { NULL, NULL, NULL, NULL, 0 }
};


static void
ngx_http_weir_metrics_answers(ngx_array_t *array, weir_buf_t *out)
{
    uint64_t                   *n;
    ngx_uint_t                  i, k;
    const char                 *name, *result;
    weir_shelf_stats_t          stats;
    ngx_http_weir_answers_t   **zones;

    zones = array->elts;
    name = "";

    for (k = 0; array->nelts && ngx_http_weir_answers_metrics[k].name; k++) {
        result = ngx_http_weir_answers_metrics[k].result;

        if (ngx_strcmp(ngx_http_weir_answers_metrics[k].name, name) != 0) {
            name = ngx_http_weir_answers_metrics[k].name;
            weir_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name,
                            ngx_http_weir_answers_metrics[k].help, name,
                            ngx_http_weir_answers_metrics[k].type);
        }

        for (i = 0; i < array->nelts; i++) {
            weir_shelf_stats(zones[i]->shelf, &stats);

            n = (uint64_t *) ((u_char *) &stats
                              + ngx_http_weir_answers_metrics[k].offset);

            weir_buf_printf(out, "%s{zone=\"%.*s\"%s%s%s} %lu\n", name,
                            (int) zones[i]->name.len, zones[i]->name.data,
                            result ? ",result=\"" : "", result ? result : "",
                            result ? "\"" : "", (unsigned long) *n);
        }
    }
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
    ngx_http_weir_metrics_zones(&wmcf->limit, &body);
    ngx_http_weir_metrics_answers(&wmcf->answers, &body);

    rc = ngx_http_weir_health_send(r, NGX_HTTP_OK,
                                   "text/plain; version=0.0.4", &body);

    weir_buf_free(&body);

    return rc;
}
