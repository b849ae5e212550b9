/*
 * The parameters of the directives of limits: internal to their setters.
 */

#ifndef NGX_HTTP_WEIR_LIMIT_PARAMS_H
#define NGX_HTTP_WEIR_LIMIT_PARAMS_H


#include "ngx_http_weir_module.h"


/* "name=value" parameters of these directives, each at most once */

typedef struct {
    ngx_str_t  zone;
    ngx_str_t  count;
    ngx_str_t  rate;
    ngx_str_t  burst;
    ngx_str_t  quota;
    ngx_str_t  max;
    ngx_str_t  scope;
    ngx_str_t  sync;
    ngx_str_t  tier;
    ngx_str_t  class;
    ngx_str_t  condition;
    ngx_str_t  delay;
    ngx_str_t  on_error;
    ngx_str_t  model;
    ngx_str_t  max_tokens;
    ngx_str_t  word;                            /* one without "=" */
} ngx_http_weir_limit_params_t;


#define NGX_HTTP_WEIR_IN_ZONE   1
#define NGX_HTTP_WEIR_IN_TIER   2
#define NGX_HTTP_WEIR_IN_LIMIT  4
#define NGX_HTTP_WEIR_IN_CLASS  8

#define NGX_HTTP_WEIR_IN_SIZE   (NGX_HTTP_WEIR_IN_ZONE|NGX_HTTP_WEIR_IN_TIER)


/* Reads the arguments from "first" on; word: one without "=", or NULL. */
char *ngx_http_weir_limit_read(ngx_conf_t *cf, ngx_uint_t first,
    ngx_uint_t directive, const char *word, const char *allowed,
    ngx_http_weir_limit_params_t *params);

/* By name; made if it is new: what is used may be declared below.  NULL: no
 * memory. */
ngx_http_weir_limit_zone_t *ngx_http_weir_limit_zone_find(ngx_conf_t *cf,
    ngx_str_t *name);
ngx_http_weir_class_t *ngx_http_weir_class_find(ngx_conf_t *cf,
    ngx_str_t *name);


#endif /* NGX_HTTP_WEIR_LIMIT_PARAMS_H */
