/*
 * A shelf from within: its memory, the nodes in their buckets and lists of use,
 * and how room is made.
 */

#include "weir_shelf_part.h"


#define WEIR_SHELF_TOUCH  1000              /* ms; what is used more often need
                                               not move again */


static size_t
weir_shelf_align(size_t n)
{
    return (n + 63) & ~(size_t) 63;
}


/* What is read without the lock is void before anything is reused. */

void
weir_shelf_clear(weir_shelf_t *s)
{
    weir_shelf_store(&s->epoch, s->epoch + 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);

    memset(s->buckets, 0, (s->mask + (size_t) 1) * sizeof(uint32_t));
    memset(s->lists, 0, sizeof(s->lists));

    s->node_top = 1;
    s->node_spare = 0;
    s->block_top = 1;
    s->block_spare = 0;
    s->block_used = 0;
}


weir_shelf_t *
weir_shelf_create(void *memory, size_t size,
    const unsigned char seed[WEIR_SHELF_SEED])
{
    size_t          n, buckets, need, head;
    weir_shelf_t   *s;
    unsigned char  *p;

    head = weir_shelf_align(sizeof(weir_shelf_t));
    s = memory;
    p = memory;

    if (size < head) {
        return NULL;
    }

    /* a node for each block, and one to two for each bucket */

    n = (size - head) / (WEIR_SHELF_BLOCK + sizeof(weir_shelf_node_t));
    n = n < 0x40000000 ? n : 0x40000000;

    for ( ;; ) {
        if (n < WEIR_SHELF_LEAST) {
            return NULL;
        }

        for (buckets = 1; 2 * buckets <= n; buckets *= 2) { /* void */ }

        need = head + weir_shelf_align(buckets * sizeof(uint32_t))
               + weir_shelf_align(n * sizeof(uint32_t))
               + n * (WEIR_SHELF_BLOCK + sizeof(weir_shelf_node_t));

        if (need <= size) {
            break;
        }

        n -= (need - size) / (WEIR_SHELF_BLOCK + sizeof(weir_shelf_node_t))
             + 1;
    }

    memset(s, 0, sizeof(weir_shelf_t));
    memcpy(s->seed, seed, WEIR_SHELF_SEED);

    s->nnodes = (uint32_t) n;
    s->nblocks = (uint32_t) n;
    s->mask = (uint32_t) buckets - 1;

    p += head;
    s->buckets = (void *) p;
    p += weir_shelf_align(buckets * sizeof(uint32_t));
    s->next = (void *) p;
    p += weir_shelf_align(n * sizeof(uint32_t));
    s->nodes = (void *) p;
    p += n * sizeof(weir_shelf_node_t);
    s->blocks = p;

    weir_shelf_clear(s);

    return s;
}


/* Whoever is killed has done what comes before in the program: only the
 * compiler must keep to it. */

#define weir_shelf_fence()  __atomic_signal_fence(__ATOMIC_SEQ_CST)


void
weir_shelf_enter(weir_shelf_t *s)
{
    if (s->busy) {
        weir_shelf_clear(s);
        s->torn++;
        weir_shelf_fence();
        s->busy = 0;
    }
}


void
weir_shelf_begin(weir_shelf_t *s)
{
    s->busy = 1;
    weir_shelf_fence();
}


void
weir_shelf_end(weir_shelf_t *s)
{
    weir_shelf_fence();
    s->busy = 0;
}


/* Keys are digests of what clients send: without the seed nobody can tell which
 * of them meet in a bucket. */

static uint64_t
weir_shelf_mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128  n;

    n = a;
    n *= b;

    return (uint64_t) n ^ (uint64_t) (n >> 64);
}


uint32_t *
weir_shelf_bucket(weir_shelf_t *s, const unsigned char *key)
{
    uint64_t  a, b;

    memcpy(&a, key, 8);
    memcpy(&b, key + 8, 8);

    a = weir_shelf_mix(a ^ s->seed[0], s->seed[1] | 1);
    b = weir_shelf_mix(b ^ a, s->seed[0] | 1);

    return &s->buckets[weir_shelf_mix(a ^ b, s->seed[1] | 1) & s->mask];
}


uint32_t
weir_shelf_lookup(weir_shelf_t *s, weir_shelf_kind_e kind,
    const unsigned char *key, unsigned form)
{
    uint32_t            i;
    weir_shelf_node_t  *node;

    for (i = *weir_shelf_bucket(s, key); i; i = node->chain) {
        node = weir_shelf_node(s, i);

        if (memcmp(node->key, key, WEIR_SHELF_DIGEST) == 0
            && node->kind == kind && node->form == form)
        {
            return i;
        }
    }

    return 0;
}


/* the lists of use */

static weir_shelf_list_t *
weir_shelf_list(weir_shelf_t *s, const weir_shelf_node_t *node)
{
    return &s->lists[node->kind == WEIR_SHELF_ANSWER ? WEIR_SHELF_ANSWERS
                                                     : WEIR_SHELF_LIGHT];
}


static void
weir_shelf_link(weir_shelf_t *s, uint32_t i, int64_t now)
{
    weir_shelf_list_t  *list;
    weir_shelf_node_t  *node;

    node = weir_shelf_node(s, i);
    list = weir_shelf_list(s, node);

    node->moved = now;
    node->newer = 0;
    node->older = list->newest;

    if (list->newest) {
        weir_shelf_node(s, list->newest)->newer = i;

    } else {
        list->oldest = i;
    }

    list->newest = i;
    list->count++;
}


static void
weir_shelf_unlink(weir_shelf_t *s, uint32_t i)
{
    weir_shelf_list_t  *list;
    weir_shelf_node_t  *node;

    node = weir_shelf_node(s, i);
    list = weir_shelf_list(s, node);

    if (node->newer) {
        weir_shelf_node(s, node->newer)->older = node->older;

    } else {
        list->newest = node->older;
    }

    if (node->older) {
        weir_shelf_node(s, node->older)->newer = node->newer;

    } else {
        list->oldest = node->newer;
    }

    list->count--;
}


void
weir_shelf_touch(weir_shelf_t *s, uint32_t i, int64_t now)
{
    weir_shelf_node_t  *node;

    node = weir_shelf_node(s, i);

    if (now >= node->moved && now - node->moved < WEIR_SHELF_TOUCH) {
        return;
    }

    weir_shelf_begin(s);
    weir_shelf_unlink(s, i);
    weir_shelf_link(s, i, now);
    weir_shelf_end(s);
}


uint32_t
weir_shelf_blocks(size_t len)
{
    return (uint32_t) ((sizeof(weir_shelf_meta_t) + len + WEIR_SHELF_BLOCK - 1)
                       / WEIR_SHELF_BLOCK);
}


void
weir_shelf_drop(weir_shelf_t *s, uint32_t i)
{
    uint32_t           *p;
    weir_shelf_node_t  *node;

    node = weir_shelf_node(s, i);
    p = weir_shelf_bucket(s, node->key);

    while (*p != i) {
        p = &weir_shelf_node(s, *p)->chain;
    }

    *p = node->chain;

    weir_shelf_unlink(s, i);

    if (node->kind == WEIR_SHELF_ANSWER) {
        weir_shelf_store(&node->version, ++s->version);
        __atomic_thread_fence(__ATOMIC_RELEASE);

        weir_shelf_store(&weir_shelf_next(s, node->u.answer.last),
                         s->block_spare);
        s->block_spare = node->u.answer.first;
        s->block_used -= weir_shelf_blocks(node->u.answer.len);
    }

    node->kind = WEIR_SHELF_NONE;
    node->older = s->node_spare;
    s->node_spare = i;
}


/* the least recently used of a list, which is not empty */

void
weir_shelf_evict(weir_shelf_t *s, unsigned list)
{
    s->evictions += list == WEIR_SHELF_ANSWERS;
    weir_shelf_drop(s, s->lists[list].oldest);
}


uint32_t
weir_shelf_make(weir_shelf_t *s, weir_shelf_kind_e kind,
    const unsigned char *key, unsigned form, int64_t now)
{
    uint32_t            i, *bucket, answer, light;
    weir_shelf_node_t  *node;

    light = s->lists[WEIR_SHELF_LIGHT].oldest;
    answer = s->lists[WEIR_SHELF_ANSWERS].oldest;

    if (kind != WEIR_SHELF_ANSWER
        && s->lists[WEIR_SHELF_LIGHT].count >= s->nnodes / 2)
    {
        weir_shelf_evict(s, WEIR_SHELF_LIGHT);

    } else if (s->node_spare == 0 && s->node_top > s->nnodes) {
        weir_shelf_evict(s, light
                            && (answer == 0
                                || weir_shelf_node(s, light)->moved
                                   <= weir_shelf_node(s, answer)->moved)
                            ? WEIR_SHELF_LIGHT : WEIR_SHELF_ANSWERS);
    }

    if (s->node_spare) {
        i = s->node_spare;
        s->node_spare = weir_shelf_node(s, i)->older;

    } else {
        i = s->node_top++;
    }

    node = weir_shelf_node(s, i);
    bucket = weir_shelf_bucket(s, key);

    weir_shelf_store(&node->version, ++s->version);
    memcpy(node->key, key, WEIR_SHELF_DIGEST);
    node->kind = kind;
    node->form = (uint16_t) form;
    node->chain = *bucket;
    *bucket = i;
    memset(&node->u, 0, sizeof(node->u));

    weir_shelf_link(s, i, now);

    return i;
}
