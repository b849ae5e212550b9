/*
 * The cache at the edge: what the directives say of a location.
 */

#ifndef NGX_HTTP_WEIR_CACHE_CONF_H
#define NGX_HTTP_WEIR_CACHE_CONF_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "weir_cached.h"
#include "weir_digest.h"
#include "weir_neutral.h"

#include "ngx_http_weir_answers.h"
#include "ngx_http_weir_limit.h"


#define NGX_HTTP_WEIR_CACHE_TTL      (6 * 3600)         /* s, of an answer */
#define NGX_HTTP_WEIR_CACHE_MAX      (30 * 24 * 3600)   /* s, of any time */
#define NGX_HTTP_WEIR_CACHE_LINES    64
#define NGX_HTTP_WEIR_CACHE_CLASSES  7          /* of one answer */
#define NGX_HTTP_WEIR_CACHE_NAME     64         /* of a scope, a tag */


typedef enum {
    NGX_HTTP_WEIR_CACHE_ROUTES = 0,             /* all of them */
    NGX_HTTP_WEIR_CACHE_CHAT,
    NGX_HTTP_WEIR_CACHE_JOBS,
    NGX_HTTP_WEIR_CACHE_MESSAGES,
    NGX_HTTP_WEIR_CACHE_EMBEDDINGS,
    NGX_HTTP_WEIR_CACHE_RESPONSES
} ngx_http_weir_cache_route_e;


/* weir_cache_ttl: the first line that matches */

typedef struct {
    time_t                        ttl;          /* s; 0: not stored */
    ngx_str_t                     model;        /* empty: any */
    ngx_http_weir_class_t        *class;        /* NULL: any */
    ngx_http_weir_cache_route_e   route;
    weir_kind_e                   kind;
} ngx_http_weir_cache_ttl_t;


/* weir_cache */

typedef struct {
    ngx_http_weir_answers_t      *answers;      /* NULL: off */
    ngx_str_t                     zone;
    ngx_str_t                     scope;        /* "shared:NAME"; empty: the
                                                   owner's own */
    time_t                        stale_while;  /* s */
    time_t                        stale_error;  /* s */
    ngx_uint_t                    min_uses;
    ngx_http_complex_value_t     *tag;          /* NULL: none */
    ngx_str_t                     file;         /* where it is */
    ngx_uint_t                    line;
    unsigned                      off:1;
    unsigned                      any:1;        /* temperature */
} ngx_http_weir_cache_conf_t;


/* of a location */

typedef struct {
    ngx_http_weir_cache_conf_t   *conf;         /* NULL: none (yet) */
    ngx_array_t                  *ttls;         /* ngx_http_weir_cache_ttl_t;
                                                   NULL: none */
    ngx_str_t                     ttl_file;     /* where the first one is */
    ngx_uint_t                    ttl_line;
    u_char                        policy[WEIR_DIGEST_LEN];  /* all of it */
} ngx_http_weir_cache_loc_t;


char *ngx_http_weir_set_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_weir_set_cache_ttl(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_weir_cache_merge(ngx_conf_t *cf,
    ngx_http_weir_cache_loc_t *conf, const ngx_http_weir_cache_loc_t *prev,
    ngx_uint_t api);

/* NULL: there is no cache here. */
#define ngx_http_weir_cache_conf(loc)                                         \
    ((loc)->conf && !(loc)->conf->off ? (loc)->conf : NULL)

/* How long what kind of an outcome is kept: stale times too. */
void ngx_http_weir_cache_policy(const ngx_http_weir_cache_loc_t *loc,
    const ngx_http_weir_limit_facts_t *facts,
    ngx_http_weir_cache_route_e route, weir_cache_policy_t *policy);


#endif /* NGX_HTTP_WEIR_CACHE_CONF_H */
