/*
 * Histograms in shared memory: atomics, as counters are.
 */

#ifndef NGX_HTTP_WEIR_HISTOGRAM_H
#define NGX_HTTP_WEIR_HISTOGRAM_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "weir_buf.h"


#define NGX_HTTP_WEIR_BOUNDS  10


typedef struct {
    ngx_atomic_t  counts[NGX_HTTP_WEIR_BOUNDS + 1];
    ngx_atomic_t  sum;                  /* thousandths */
} ngx_http_weir_histogram_t;


/* thousandths of what the metric is in, rising */
typedef struct {
    const char  *name;
    const char  *help;
    ngx_uint_t   bounds[NGX_HTTP_WEIR_BOUNDS];
} ngx_http_weir_bounds_t;


extern const ngx_http_weir_bounds_t  ngx_http_weir_bounds_first;
extern const ngx_http_weir_bounds_t  ngx_http_weir_bounds_pace;


/* value: thousandths */
void ngx_http_weir_histogram_add(ngx_http_weir_histogram_t *h,
    const ngx_http_weir_bounds_t *bounds, uint64_t value);

void ngx_http_weir_histogram_write(const ngx_http_weir_histogram_t *h,
    const ngx_http_weir_bounds_t *bounds, weir_buf_t *out);


#endif /* NGX_HTTP_WEIR_HISTOGRAM_H */
