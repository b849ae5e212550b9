/*
 * Histograms: their bounds, counting and text.  Owns no memory.
 */

#include "ngx_http_weir_histogram.h"


const ngx_http_weir_bounds_t  ngx_http_weir_bounds_first = {
    "weir_stream_first_seconds",
    "Time from a request for a stream to the first piece of its answer.",
    { 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000 }
};

const ngx_http_weir_bounds_t  ngx_http_weir_bounds_pace = {
    "weir_stream_tokens_per_second",
    "Tokens a second of whole streams, from their first piece on.",
    { 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000,
      2000000 }
};


void
ngx_http_weir_histogram_add(ngx_http_weir_histogram_t *h,
    const ngx_http_weir_bounds_t *bounds, uint64_t value)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_WEIR_BOUNDS; i++) {
        if (value <= bounds->bounds[i]) {
            break;
        }
    }

    (void) ngx_atomic_fetch_add(&h->counts[i], 1);
    (void) ngx_atomic_fetch_add(&h->sum, (ngx_atomic_int_t) value);
}


static void
ngx_http_weir_histogram_number(weir_buf_t *out, unsigned long thousandths)
{
    weir_buf_printf(out, "%lu.%03lu", thousandths / 1000, thousandths % 1000);
}


void
ngx_http_weir_histogram_write(const ngx_http_weir_histogram_t *h,
    const ngx_http_weir_bounds_t *bounds, weir_buf_t *out)
{
    ngx_uint_t     i;
    unsigned long  n;

    weir_buf_printf(out, "# HELP %s %s\n# TYPE %s histogram\n", bounds->name,
                    bounds->help, bounds->name);

    for (n = 0, i = 0; i < NGX_HTTP_WEIR_BOUNDS; i++) {
        n += (unsigned long) h->counts[i];

        weir_buf_printf(out, "%s_bucket{le=\"", bounds->name);
        ngx_http_weir_histogram_number(out, (unsigned long) bounds->bounds[i]);
        weir_buf_printf(out, "\"} %lu\n", n);
    }

    n += (unsigned long) h->counts[i];

    weir_buf_printf(out, "%s_bucket{le=\"+Inf\"} %lu\n%s_sum ", bounds->name,
                    n, bounds->name);
    ngx_http_weir_histogram_number(out, (unsigned long) h->sum);
    weir_buf_printf(out, "\n%s_count %lu\n", bounds->name, n);
}
