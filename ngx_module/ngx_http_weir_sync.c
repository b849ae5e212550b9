/*
 * Sync mode: the view that a node has of a state, and the telling of Redis.
 *
 * What Redis acknowledged is in "state"; what was admitted since is "untold",
 * until a process takes it to tell it.  What nobody answered for is told again:
 * it may be charged twice, but never not at all, so that the bound holds.
 */

#include "ngx_http_weir_fleet_part.h"
#include "ngx_http_weir_sync.h"


#define NGX_HTTP_WEIR_SYNC_FAILED  1024         /* a power of two */
#define NGX_HTTP_WEIR_SYNC_TIME    1000000      /* us */


/* a telling under way, or one that failed and is tried again */

typedef struct {
    ngx_http_weir_fleet_t             *fleet;
    const ngx_http_weir_sync_table_t  *table;
    void                              *zone;
    u_char                             key[16];
    int64_t                            began;
    ngx_http_weir_fleet_item_t         item;
} ngx_http_weir_telling_t;

/* a key's place follows from it: one each, and none if another has it */

struct ngx_http_weir_failed_s {
    ngx_http_weir_telling_t  *tellings[NGX_HTTP_WEIR_SYNC_FAILED];
};


static void ngx_http_weir_sync_told(ngx_http_weir_fleet_op_t *op,
    ngx_int_t rc);


/* Others may give back, and an operator remove a state: what refuses is not
 * believed for longer than a second. */

static ngx_int_t
ngx_http_weir_sync_refuse(const ngx_http_weir_sync_t *view, int64_t now)
{
    int64_t  age;

    age = now - view->learned;

    return age > NGX_HTTP_WEIR_SYNC_TIME || age < -NGX_HTTP_WEIR_SYNC_TIME
           ? NGX_AGAIN : NGX_BUSY;
}


/*
 * What is ahead of Redis is taken as if it had been admitted just now.  While
 * there is any, the state may hold it already (another process learned it), so
 * a refusal is not certain.
 */

ngx_int_t
ngx_http_weir_sync_check(const ngx_http_weir_sync_t *view,
    const weir_limit_t *limit, int64_t n, int64_t now, int64_t cost,
    weir_limit_verdict_t *v)
{
    int64_t             ahead;
    weir_limit_state_t  state;

    ahead = view->untold + view->telling;

    if (ahead) {
        weir_limit_check(limit, &view->state, now, cost, v);

        if (!v->allowed) {
            return ngx_http_weir_sync_refuse(view, now);
        }
    }

    state = view->state;
    weir_limit_charge(limit, &state, now, ahead);
    weir_limit_check(limit, &state, now, cost, v);

    if (!v->allowed) {
        return ahead ? NGX_AGAIN : ngx_http_weir_sync_refuse(view, now);
    }

    return ahead + cost > n ? NGX_AGAIN : NGX_OK;
}


void
ngx_http_weir_sync_charge(ngx_http_weir_sync_t *view, int64_t cost)
{
    view->untold += cost;
}


/* Of several answers the latest counts, unless the clock was set.  Who only
 * read may have done so before this charge was written, and at a later time by
 * the clock: then the state lacks it. */

static ngx_uint_t
ngx_http_weir_sync_lacks(const ngx_http_weir_sync_t *view,
    const ngx_http_weir_fleet_item_t *item)
{
    return item->charged && item->state.at >= view->state.at
           && item->state.level > view->state.level;
}


void
ngx_http_weir_sync_learn(ngx_http_weir_sync_t *view,
    const ngx_http_weir_fleet_item_t *item)
{
    if (item->known
        && (item->now >= view->learned
            || view->learned - item->now > WEIR_LIMIT_SKEW
            || ngx_http_weir_sync_lacks(view, item)))
    {
        view->state = item->state;
        view->learned = item->now;
    }
}


/* Under the lock: takes what is untold, if nobody is telling.  Who has been
 * telling for so long was killed. */

static ngx_uint_t
ngx_http_weir_sync_take(ngx_http_weir_telling_t *telling,
    ngx_http_weir_sync_t *view)
{
    int64_t  timeout;

    timeout = (int64_t) telling->fleet->redis.conf->timeout;

    if (view->teller) {

        if ((int64_t) ngx_current_msec - view->began <= 3 * timeout) {
            return 0;
        }

        view->untold += view->telling;
        view->telling = 0;
        view->teller = 0;
    }

    if (view->untold == 0) {
        return 0;
    }

    view->telling = view->untold;
    view->untold = 0;
    view->teller = ngx_pid;
    view->began = (int64_t) ngx_current_msec;

    telling->began = view->began;
    telling->item.cost = view->telling;
    telling->item.at = view->state.at;

    return 1;
}


/* Ends the telling, if it still is the one that the view knows of; returns
 * whether there is more to tell.  answer: NULL if there was none. */

static ngx_uint_t
ngx_http_weir_sync_end(ngx_http_weir_telling_t *telling,
    const ngx_http_weir_fleet_item_t *answer)
{
    ngx_uint_t             more;
    ngx_http_weir_sync_t  *view;

    view = telling->table->lock(telling->zone, telling->key);

    if (view == NULL) {
        return 0;
    }

    if (view->teller == ngx_pid && view->began == telling->began) {

        if (answer) {
            ngx_http_weir_sync_learn(view, answer);

        } else {
            view->untold += view->telling;
        }

        view->telling = 0;
        view->teller = 0;
    }

    more = (view->untold != 0);

    telling->table->unlock(telling->zone);

    return more;
}


/* It is tried again when there is a connection, or by the next request of that
 * key, if that is earlier. */

static void
ngx_http_weir_sync_keep(ngx_http_weir_telling_t *telling)
{
    uint32_t                   hash;
    ngx_http_weir_telling_t  **slot;

    hash = weir_str_hash((weir_str_t) { (char *) telling->key,
                                        sizeof(telling->key) });
    slot = &telling->fleet->failed->tellings[hash
                                             & (NGX_HTTP_WEIR_SYNC_FAILED - 1)];

    if (*slot) {
        ngx_free(telling);
        return;
    }

    *slot = telling;
}


/* telling is of the heap, and what it was told about is taken */

static void
ngx_http_weir_sync_send(ngx_http_weir_telling_t *telling)
{
    if (ngx_http_weir_fleet_tell(telling->fleet, &telling->item,
                                 ngx_http_weir_sync_told, telling)
        == NGX_AGAIN)
    {
        return;
    }

    if (ngx_http_weir_sync_end(telling, NULL)) {
        ngx_http_weir_sync_keep(telling);

    } else {
        ngx_free(telling);
    }
}


static ngx_uint_t
ngx_http_weir_sync_begin(ngx_http_weir_telling_t *telling)
{
    ngx_uint_t             taken;
    ngx_http_weir_sync_t  *view;

    view = telling->table->lock(telling->zone, telling->key);

    if (view == NULL) {
        return 0;
    }

    taken = ngx_http_weir_sync_take(telling, view);
    telling->table->unlock(telling->zone);

    return taken;
}


/* what was admitted while the answer was on its way is told at once */

static void
ngx_http_weir_sync_told(ngx_http_weir_fleet_op_t *op, ngx_int_t rc)
{
    ngx_http_weir_telling_t  *telling = op->data;

    if (!ngx_http_weir_sync_end(telling, rc == NGX_OK ? op->items : NULL)
        || telling->fleet->process->exiting)
    {
        ngx_free(telling);
        return;
    }

    if (rc != NGX_OK) {
        ngx_http_weir_sync_keep(telling);

    } else if (ngx_http_weir_sync_begin(telling)) {
        ngx_http_weir_sync_send(telling);

    } else {
        ngx_free(telling);
    }
}


void
ngx_http_weir_sync_tell(ngx_http_weir_process_t *p,
    const ngx_http_weir_sync_table_t *table, void *zone, const u_char key[16],
    const ngx_http_weir_fleet_item_t *item)
{
    ngx_http_weir_telling_t  *telling;

    if (p->fleet == NULL || p->exiting) {
        return;
    }

    telling = ngx_calloc(sizeof(ngx_http_weir_telling_t), &p->fleet->redis.log);
    if (telling == NULL) {
        return;                         /* the next request tells */
    }

    telling->fleet = p->fleet;
    telling->table = table;
    telling->zone = zone;
    telling->item = *item;
    telling->item.final = 0;
    telling->item.dry_run = 0;
    ngx_memcpy(telling->key, key, sizeof(telling->key));

    if (ngx_http_weir_sync_begin(telling)) {
        ngx_http_weir_sync_send(telling);

    } else {
        ngx_free(telling);
    }
}


/* those that failed; called regularly, and when there is a connection */

void
ngx_http_weir_sync_again(ngx_http_weir_fleet_t *fleet)
{
    ngx_uint_t                i;
    ngx_http_weir_telling_t  *telling;

    if (!ngx_http_weir_fleet_usable(fleet)) {
        return;
    }

    for (i = 0; i < NGX_HTTP_WEIR_SYNC_FAILED; i++) {
        telling = fleet->failed->tellings[i];

        if (telling == NULL) {
            continue;
        }

        fleet->failed->tellings[i] = NULL;

        if (ngx_http_weir_sync_begin(telling)) {
            ngx_http_weir_sync_send(telling);

        } else {
            ngx_free(telling);
        }
    }
}


ngx_int_t
ngx_http_weir_sync_init(ngx_http_weir_fleet_t *fleet)
{
    fleet->failed = ngx_calloc(sizeof(ngx_http_weir_failed_t),
                               ngx_cycle->log);

    return fleet->failed ? NGX_OK : NGX_ERROR;
}


void
ngx_http_weir_sync_free(ngx_http_weir_fleet_t *fleet)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_WEIR_SYNC_FAILED; i++) {
        if (fleet->failed->tellings[i]) {
            ngx_free(fleet->failed->tellings[i]);
        }
    }

    ngx_free(fleet->failed);
    fleet->failed = NULL;
}
