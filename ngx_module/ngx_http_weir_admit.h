/*
 * A request before its job exists: shared by the reservation and the joining
 * of an earlier request's job, and by nobody else.
 */

#ifndef NGX_HTTP_WEIR_ADMIT_H
#define NGX_HTTP_WEIR_ADMIT_H


#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_IDEM_DIGEST  16           /* bytes */


struct ngx_http_weir_admit_s {
    weir_reserve_t       reserve;
    ngx_http_weir_job_t  job;                   /* to be, as it was asked */
    char                 digest[2 * NGX_HTTP_WEIR_IDEM_DIGEST + 1];
    char                 fingerprint[2 * NGX_HTTP_WEIR_IDEM_DIGEST + 1];
    long long            owner_limit;
    long long            total_limit;

    /* of the job that the key stands for */
    long long            n;
    int64_t              by;
    unsigned             same:1;                /* the same request */
};


extern const ngx_http_weir_step_t  ngx_http_weir_step_join;


#endif /* NGX_HTTP_WEIR_ADMIT_H */
