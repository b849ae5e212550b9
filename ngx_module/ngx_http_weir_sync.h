/*
 * Sync mode ("sync=N"): a node answers from its own view of a state that the
 * fleet shares, and is never more than N units ahead of what Redis was told.
 * So all nodes together admit at most N x nodes too much.
 *
 * The view lies in the zone of the limit, under its lock, and all processes of
 * the node share it.  Who admits something tells Redis of it at once, unless
 * another process is just telling: then that one does, when it has its answer.
 */

#ifndef NGX_HTTP_WEIR_SYNC_H
#define NGX_HTTP_WEIR_SYNC_H


#include "ngx_http_weir_fleet.h"


/* all zero: nothing is known.  Must not be evicted while "owed" says so. */

typedef struct {
    weir_limit_state_t   state;         /* Redis's, when it answered last */
    int64_t              untold;        /* units admitted since */
    int64_t              telling;       /* units that somebody is telling */
    int64_t              began;         /* ms, ngx_current_msec: telling did */
    int64_t              teller;        /* pid; 0: nobody is */
    int64_t              learned;       /* us, Redis's clock: the state was */
} ngx_http_weir_sync_t;

#define ngx_http_weir_sync_owed(view)                                         \
    ((view)->untold != 0 || (view)->teller != 0)


/* how to find a view again, of the owner of the zones */

typedef struct {
    /* NULL: it is gone, and nothing is locked */
    ngx_http_weir_sync_t *(*lock)(void *zone, const u_char key[16]);
    void                  (*unlock)(void *zone);
} ngx_http_weir_sync_table_t;


/*
 * Under the zone's lock: may cost units be admitted at "now" (us, Redis's
 * clock)?  Nothing is charged yet.
 *     NGX_OK     yes: charge it, and after the unlocking tell
 *     NGX_BUSY   no
 *     NGX_AGAIN  too far ahead, or too long ago, to say: after the unlocking
 *                tell, then ask (ngx_http_weir_fleet_ask), and learn what was
 *                answered
 */
ngx_int_t ngx_http_weir_sync_check(const ngx_http_weir_sync_t *view,
    const weir_limit_t *limit, int64_t n, int64_t now, int64_t cost,
    weir_limit_verdict_t *v);

/* Under the lock.  A negative cost gives back what was charged. */
void ngx_http_weir_sync_charge(ngx_http_weir_sync_t *view, int64_t cost);

/* Under the lock: what an ask about this state was answered. */
void ngx_http_weir_sync_learn(ngx_http_weir_sync_t *view,
    const ngx_http_weir_fleet_item_t *item);

/* Not under the lock.  Of item only unit, limit and name count. */
void ngx_http_weir_sync_tell(struct ngx_http_weir_process_s *p,
    const ngx_http_weir_sync_table_t *table, void *zone, const u_char key[16],
    const ngx_http_weir_fleet_item_t *item);


#endif /* NGX_HTTP_WEIR_SYNC_H */
