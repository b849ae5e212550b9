/*
 * A table in shared memory; see the header.  Owns the form of what is in the
 * zone.  Nothing is allocated after its creation, and nothing is logged.
 */

#include "ngx_http_weir_table.h"

#include "weir_digest.h"


#define NGX_HTTP_WEIR_TABLE_LEAST    64         /* nodes */
#define NGX_HTTP_WEIR_TABLE_TRIES    16         /* pinned ones passed over */
#define NGX_HTTP_WEIR_TABLE_EXPIRES  0x3fffffff


/* whoever is killed has done what comes before in the program: only the
 * compiler must keep to it */

#define ngx_http_weir_table_fence()  __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* the node of an index that is not 0 */

#define ngx_http_weir_table_node(t, index)                                    \
    ((ngx_http_weir_node_t *) ((t)->memory                                    \
                               + (size_t) ((index) - 1) * (t)->size))

#define ngx_http_weir_table_index(t, node)                                    \
    ((uint32_t) (((u_char *) (node) - (t)->memory) / (t)->size) + 1)


ngx_http_weir_table_t *
ngx_http_weir_table_create(ngx_slab_pool_t *slab, size_t state,
    ngx_uint_t holders, int64_t now)
{
    size_t                  left, need;
    u_char                 *p;
    uint32_t                buckets;
    ngx_http_weir_table_t  *t;

    left = slab->pfree * ngx_pagesize;
    need = sizeof(ngx_http_weir_table_t)
           + (holders ? NGX_HTTP_WEIR_SLOTS * sizeof(ngx_http_weir_holder_t)
                      : 0);

    p = left > need ? ngx_slab_alloc(slab, left) : NULL;
    if (p == NULL) {
        return NULL;
    }

    t = (ngx_http_weir_table_t *) p;
    ngx_memzero(t, need);

    t->slab = slab;
    t->size = sizeof(ngx_http_weir_node_t) + state;
    t->epoch = 1;
    t->fresh = 1;
    t->base = now;

    if (holders) {
        t->holders = (ngx_http_weir_holder_t *) (t + 1);
    }

    /* one bucket for one to two nodes */

    left -= need;

    for (buckets = 1;
         (size_t) 2 * buckets * (t->size + sizeof(uint32_t)) <= left
         && buckets < 0x40000000;
         buckets *= 2)
    { /* void */ }

    t->mask = buckets - 1;
    t->buckets = (uint32_t *) (p + need);
    t->memory = ngx_align_ptr(p + need + buckets * sizeof(uint32_t), 8);
    left = p + need + left - t->memory;
    t->nodes = ngx_min(left / t->size, 0x7fffffff);

    if (t->nodes < NGX_HTTP_WEIR_TABLE_LEAST
        || weir_digest_random((unsigned char *) t->seed, sizeof(t->seed)) != 0)
    {
        ngx_slab_free(slab, t);
        return NULL;
    }

    ngx_memzero(t->buckets, buckets * sizeof(uint32_t));

    return t;
}


void
ngx_http_weir_table_clear(ngx_http_weir_table_t *t)
{
    ngx_uint_t  i;

    ngx_memzero(t->buckets, (t->mask + (size_t) 1) * sizeof(uint32_t));
    ngx_memzero(t->lists, sizeof(t->lists));

    t->fresh = 1;
    t->spare = 0;
    t->entries = 0;
    t->epoch++;

    for (i = 0; t->holders && i < NGX_HTTP_WEIR_SLOTS; i++) {
        t->holders[i].head = 0;
    }
}


void
ngx_http_weir_table_lock(ngx_http_weir_table_t *t)
{
    ngx_shmtx_lock(&t->slab->mutex);

    if (t->busy) {
        ngx_http_weir_table_clear(t);
        t->counters.torn++;
    }

    t->busy = 1;

    ngx_http_weir_table_fence();
}


void
ngx_http_weir_table_unlock(ngx_http_weir_table_t *t)
{
    ngx_http_weir_table_fence();

    t->busy = 0;

    ngx_shmtx_unlock(&t->slab->mutex);
}


/* Keys are whatever clients send: without the seed nobody can tell which of
 * them meet in a bucket. */

static uint64_t
ngx_http_weir_table_mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128  n;

    n = a;
    n *= b;

    return (uint64_t) n ^ (uint64_t) (n >> 64);
}


static uint32_t *
ngx_http_weir_table_bucket(ngx_http_weir_table_t *t, const u_char *key)
{
    uint64_t  a, b;

    ngx_memcpy(&a, key, 8);
    ngx_memcpy(&b, key + 8, 8);

    a = ngx_http_weir_table_mix(a ^ t->seed[0], t->seed[1] | 1);
    b = ngx_http_weir_table_mix(b ^ a, t->seed[0] | 1);

    return &t->buckets[ngx_http_weir_table_mix(a ^ b, t->seed[1] | 1)
                       & t->mask];
}


ngx_http_weir_node_t *
ngx_http_weir_table_find(ngx_http_weir_table_t *t, const u_char *key)
{
    uint32_t               i;
    ngx_http_weir_node_t  *node;

    for (i = *ngx_http_weir_table_bucket(t, key); i; i = node->chain) {
        node = ngx_http_weir_table_node(t, i);

        if (ngx_memcmp(node->key, key, NGX_HTTP_WEIR_TABLE_KEY) == 0) {
            return node;
        }
    }

    return NULL;
}


/* the lists of use: the head was used last */

static void
ngx_http_weir_table_link(ngx_http_weir_table_t *t, ngx_http_weir_node_t *node)
{
    uint32_t                     i;
    ngx_http_weir_table_list_t  *list;

    i = ngx_http_weir_table_index(t, node);
    list = &t->lists[node->identified];

    node->prev = 0;
    node->next = list->head;

    if (list->head) {
        ngx_http_weir_table_node(t, list->head)->prev = i;

    } else {
        list->tail = i;
    }

    list->head = i;
    list->count++;
}


static void
ngx_http_weir_table_unlink(ngx_http_weir_table_t *t,
    ngx_http_weir_node_t *node)
{
    ngx_http_weir_table_list_t  *list;

    list = &t->lists[node->identified];

    if (node->prev) {
        ngx_http_weir_table_node(t, node->prev)->next = node->next;

    } else {
        list->head = node->next;
    }

    if (node->next) {
        ngx_http_weir_table_node(t, node->next)->prev = node->prev;

    } else {
        list->tail = node->prev;
    }

    list->count--;
}


static void
ngx_http_weir_table_spare(ngx_http_weir_table_t *t, ngx_http_weir_node_t *node)
{
    node->next = t->spare;
    t->spare = ngx_http_weir_table_index(t, node);
}


void
ngx_http_weir_table_drop(ngx_http_weir_table_t *t, ngx_http_weir_node_t *node)
{
    uint32_t  i, *p;

    i = ngx_http_weir_table_index(t, node);
    p = ngx_http_weir_table_bucket(t, node->key);

    while (*p != i) {
        p = &ngx_http_weir_table_node(t, *p)->chain;
    }

    *p = node->chain;

    ngx_http_weir_table_unlink(t, node);
    ngx_http_weir_table_spare(t, node);
}


void
ngx_http_weir_table_expires(ngx_http_weir_table_t *t,
    ngx_http_weir_node_t *node, int64_t now, int64_t us)
{
    int64_t  s;

    s = ngx_max(now - t->base, 0);
    s += us / 1000000 + 1;

    node->expires = ngx_min(s, NGX_HTTP_WEIR_TABLE_EXPIRES);
}


/* the last of a list that may go; only_expired: that has nothing to say */

static ngx_uint_t
ngx_http_weir_table_evict(ngx_http_weir_table_t *t, ngx_uint_t identified,
    ngx_uint_t only_expired, int64_t now)
{
    uint32_t               i;
    ngx_uint_t             tries, expired;
    ngx_http_weir_node_t  *node;

    i = t->lists[identified].tail;

    for (tries = 0; i && tries < NGX_HTTP_WEIR_TABLE_TRIES; tries++) {
        node = ngx_http_weir_table_node(t, i);
        expired = (int64_t) node->expires <= now - t->base;

        if (!node->pinned && (expired || !only_expired)) {
            t->counters.evictions += !expired;
            ngx_http_weir_table_drop(t, node);
            return 1;
        }

        i = node->prev;
    }

    return 0;
}


/* Nothing evicts what is held: of a table of such an eighth is left for those
 * who are identified. */

static ngx_uint_t
ngx_http_weir_table_room(ngx_http_weir_table_t *t, ngx_uint_t identified,
    int64_t now)
{
    uint32_t  most;

    most = t->nodes / 8 * 7;

    if (identified && t->lists[1].count >= most) {
        return ngx_http_weir_table_evict(t, 1, 0, now);
    }

    if (t->holders && !identified && t->lists[0].count + t->entries >= most) {
        return 0;
    }

    if (t->spare || t->fresh <= t->nodes) {
        return 1;
    }

    return ngx_http_weir_table_evict(t, 0, 1, now)
           || ngx_http_weir_table_evict(t, 1, 1, now)
           || ngx_http_weir_table_evict(t, 0, 0, now)
           || (identified && ngx_http_weir_table_evict(t, 1, 0, now));
}


static ngx_http_weir_node_t *
ngx_http_weir_table_alloc(ngx_http_weir_table_t *t, ngx_uint_t identified,
    int64_t now)
{
    ngx_http_weir_node_t  *node;

    if (!ngx_http_weir_table_room(t, identified, now)) {
        return NULL;
    }

    if (t->spare) {
        node = ngx_http_weir_table_node(t, t->spare);
        t->spare = node->next;

    } else {
        node = ngx_http_weir_table_node(t, t->fresh);
        t->fresh++;
    }

    ngx_memzero(node, t->size);

    return node;
}


void
ngx_http_weir_table_touch(ngx_http_weir_table_t *t, ngx_http_weir_node_t *node,
    ngx_uint_t identified)
{
    identified = node->identified
                 || (identified && t->lists[1].count < t->nodes / 8 * 7);

    if (node->prev || identified != node->identified) {
        ngx_http_weir_table_unlink(t, node);
        node->identified = identified;
        ngx_http_weir_table_link(t, node);
    }
}


ngx_http_weir_node_t *
ngx_http_weir_table_make(ngx_http_weir_table_t *t, const u_char *key,
    ngx_uint_t identified, int64_t now)
{
    uint32_t              *bucket;
    ngx_http_weir_node_t  *node;

    node = ngx_http_weir_table_alloc(t, identified, now);
    if (node == NULL) {
        return NULL;
    }

    bucket = ngx_http_weir_table_bucket(t, key);

    ngx_memcpy(node->key, key, NGX_HTTP_WEIR_TABLE_KEY);
    node->identified = (identified != 0);
    node->chain = *bucket;
    *bucket = ngx_http_weir_table_index(t, node);

    ngx_http_weir_table_link(t, node);

    return node;
}


/* An entry is a node in no bucket: "chain" is what it holds, its key begins
 * with the slot in whose list it is. */

ngx_int_t
ngx_http_weir_table_hold(ngx_http_weir_table_t *t, ngx_http_weir_node_t *node,
    int64_t now, ngx_http_weir_held_t *held)
{
    uint32_t                 i;
    ngx_http_weir_node_t    *entry;
    ngx_http_weir_holder_t  *holder;

    node->pinned = 1;

    entry = ngx_http_weir_table_alloc(t, node->identified, now);
    if (entry == NULL) {
        return NGX_ERROR;
    }

    i = ngx_http_weir_table_index(t, entry);
    holder = &t->holders[ngx_process_slot];

    entry->chain = ngx_http_weir_table_index(t, node);
    entry->pinned = 1;
    entry->next = holder->head;
    ngx_memcpy(entry->key, &ngx_process_slot, sizeof(ngx_int_t));

    if (holder->head) {
        ngx_http_weir_table_node(t, holder->head)->prev = i;
    }

    holder->pid = ngx_pid;
    holder->head = i;
    t->entries++;

    held->index = i;
    held->epoch = t->epoch;

    return NGX_OK;
}


static ngx_http_weir_node_t *
ngx_http_weir_table_unhold(ngx_http_weir_table_t *t, uint32_t i)
{
    ngx_int_t              slot;
    ngx_http_weir_node_t  *entry, *node;

    entry = ngx_http_weir_table_node(t, i);
    node = ngx_http_weir_table_node(t, entry->chain);
    ngx_memcpy(&slot, entry->key, sizeof(ngx_int_t));

    if (entry->prev) {
        ngx_http_weir_table_node(t, entry->prev)->next = entry->next;

    } else {
        t->holders[slot].head = entry->next;
    }

    if (entry->next) {
        ngx_http_weir_table_node(t, entry->next)->prev = entry->prev;
    }

    ngx_http_weir_table_spare(t, entry);
    t->entries--;

    return node;
}


ngx_http_weir_node_t *
ngx_http_weir_table_release(ngx_http_weir_table_t *t,
    ngx_http_weir_held_t *held)
{
    uint32_t  i;

    i = held->index;
    held->index = 0;

    return i && held->epoch == t->epoch ? ngx_http_weir_table_unhold(t, i)
                                        : NULL;
}


ngx_http_weir_node_t *
ngx_http_weir_table_reap(ngx_http_weir_table_t *t, ngx_uint_t slot)
{
    uint32_t  i;

    i = t->holders[slot].head;

    return i ? ngx_http_weir_table_unhold(t, i) : NULL;
}
