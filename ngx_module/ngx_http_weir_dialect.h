/*
 * What the routes that ask speak, as a table: who has a row of it need not know
 * which one it is.
 */

#ifndef NGX_HTTP_WEIR_DIALECT_H
#define NGX_HTTP_WEIR_DIALECT_H


#include "ngx_http_weir_module.h"

#include "weir_render.h"


/* how an answer is framed, in forms[] */

#define NGX_HTTP_WEIR_WHOLE         0
#define NGX_HTTP_WEIR_EVENTS        1
#define NGX_HTTP_WEIR_EVENTS_USAGE  2
#define NGX_HTTP_WEIR_PACKED        3           /* whole, in base64 */
#define NGX_HTTP_WEIR_FRAMINGS      4


/* That of jobs has no functions and no forms: their requests are another's, and
 * their answers are job objects. */

struct ngx_http_weir_dialect_s {
    const char                   *name;         /* of a job; NULL: of none */

    /* A body to a neutral request.  NULL: f says what is wrong with it. */
    weir_json_t                *(*request)(const weir_json_t *body,
                                           weir_failure_t *f);

    /* Does a valid body ask for a stream, and for the usage in it?  NULL:
     * there are none. */
    bool                        (*stream)(const weir_json_t *body,
                                          bool *usage_r);

    /* Does it ask for base64?  NULL: there is none. */
    bool                        (*packed)(const weir_json_t *body);

    /* ctx->outcome, which is completed: whole, or as the events of a stream
     * that ends with it.  -1: no memory. */
    int                         (*answer)(ngx_http_weir_ctx_t *ctx,
                                          weir_buf_t *out);
    int                         (*events)(ngx_http_weir_ctx_t *ctx,
                                          weir_buf_t *out);

    const weir_render_dialect_t  *render;       /* of a stream as it comes */

    /* Number of the first event of an attempt, by its token.  NULL: events
     * have none. */
    int64_t                     (*base)(int64_t token);

    /* NULL: not in the catalogue, or no memory */
    weir_json_t                *(*models)(const weir_json_t *catalogue);
    weir_json_t                *(*model)(const weir_json_t *catalogue,
                                         weir_str_t id);

    ngx_uint_t                    forms[NGX_HTTP_WEIR_FRAMINGS];
    ngx_http_weir_cache_route_e   route;        /* of weir_cache_ttl */

    unsigned                      apart:1;      /* an answer says what was
                                                   asked: it is for one */
};


extern const ngx_http_weir_dialect_t  ngx_http_weir_dialect_job;
extern const ngx_http_weir_dialect_t  ngx_http_weir_dialect_chat;
extern const ngx_http_weir_dialect_t  ngx_http_weir_dialect_messages;
extern const ngx_http_weir_dialect_t  ngx_http_weir_dialect_embeddings;
extern const ngx_http_weir_dialect_t  ngx_http_weir_dialect_responses;


/* By the name that a job calls it by; NULL: there is none. */
const ngx_http_weir_dialect_t *ngx_http_weir_dialect_find(weir_str_t name);

/* The form of the answer that a request is for; and how it is framed, if it is
 * of that form. */
ngx_uint_t ngx_http_weir_dialect_form(ngx_http_weir_ctx_t *ctx);
void ngx_http_weir_dialect_take_form(ngx_http_weir_ctx_t *ctx,
    ngx_uint_t form);


#endif /* NGX_HTTP_WEIR_DIALECT_H */
