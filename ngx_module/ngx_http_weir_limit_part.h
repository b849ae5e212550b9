/*
 * Inside of the decision about limits: what its files share.
 */

#ifndef NGX_HTTP_WEIR_LIMIT_PART_H
#define NGX_HTTP_WEIR_LIMIT_PART_H


#include "ngx_http_weir_module.h"


/* the counters of a zone are changed under its lock, but for those of the
 * fleet, whose answers come without it */

#define ngx_http_weir_limit_count(zone, what)                                 \
    do {                                                                      \
        if ((zone)->fleet) {                                                  \
            (void) ngx_atomic_fetch_add(&(zone)->table->counters.what, 1);    \
                                                                              \
        } else {                                                              \
            (zone)->table->counters.what++;                                   \
        }                                                                     \
    } while (0)


/* Has the rule nothing to say of the visit any more? */
ngx_uint_t ngx_http_weir_limit_decided(ngx_http_weir_visit_t *visit,
    const ngx_http_weir_limit_rule_t *rule);

/*
 * Decides what is "here", and takes that mark away.  NGX_OK: all of it is
 * charged; NGX_BUSY: nothing is, and what refused is said by its result.  Rules
 * of which only Redis knows keep the result "open".
 */
ngx_int_t ngx_http_weir_limit_here(ngx_http_weir_limited_t *l);

/* What the node charged is given back; verdicts are then those of a look. */
void ngx_http_weir_limit_uncharge(ngx_http_weir_limited_t *l);
void ngx_http_weir_limit_release(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item);

/* It is one that the client is told of. */
void ngx_http_weir_limit_tells(ngx_http_weir_limited_t *l);

/* one is charged, if there is something left: failures */
void ngx_http_weir_limit_charge(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item);

/* results, and their counters */
void ngx_http_weir_limit_passed(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item);
void ngx_http_weir_limit_refused(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item);

/* its key, if its quota is of another window than that of the zone */
void ngx_http_weir_limit_window(ngx_http_weir_limit_item_t *item);

/* what an item is to Redis; telling it of a view of "sync=", learning of it */
void ngx_http_weir_limit_name(const ngx_http_weir_limit_item_t *item,
    ngx_http_weir_fleet_item_t *f);
void ngx_http_weir_limit_tell(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item);
void ngx_http_weir_limit_learn(ngx_http_weir_limited_t *l,
    ngx_http_weir_limit_item_t *item);


#endif /* NGX_HTTP_WEIR_LIMIT_PART_H */
