/*
 * The trace that a visit belongs to, as it goes into a job's records.  Owns the
 * visit's record of it; no answer tells of it.
 */

#include "ngx_http_weir_module.h"


/* Goes on with the client's if it is a good one, else starts another: a bad one
 * is no reason to refuse anything. */

ngx_int_t
ngx_http_weir_trace(ngx_http_request_t *r, ngx_http_weir_visit_t *visit)
{
    char                  record[WEIR_TRACE_MAX];
    size_t                n;
    ngx_uint_t            i;
    weir_trace_t          trace;
    unsigned char         random[WEIR_TRACE_RANDOM];
    ngx_list_part_t      *part;
    ngx_table_elt_t      *h;
    weir_trace_fields_t   fields;

    if (visit->trace.len) {
        return NGX_OK;
    }

    if (ngx_http_weir_random(ngx_http_weir_process(r), random, sizeof(random))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memzero(&fields, sizeof(weir_trace_fields_t));

    for (part = &r->main->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            weir_trace_fields_add(&fields, ngx_http_weir_str(h[i].key),
                                  ngx_http_weir_str(h[i].value));
        }
    }

    if (weir_trace_fields_read(&fields, &trace)) {
        weir_trace_child(&trace, random);

    } else {
        weir_trace_start(&trace, random);
    }

    n = weir_trace_write(&trace, &fields.state, record);

    return ngx_http_weir_copy(r->main->pool, &visit->trace,
                              (weir_str_t) { record, n });
}
