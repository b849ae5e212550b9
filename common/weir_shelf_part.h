/*
 * The inside of a shelf: what lies in its memory.  For weir_shelf*.c and the
 * tests.
 */

#ifndef WEIR_SHELF_PART_H
#define WEIR_SHELF_PART_H


#include "weir_shelf.h"


typedef enum {
    WEIR_SHELF_NONE = 0,                    /* spare */
    WEIR_SHELF_ANSWER,
    WEIR_SHELF_ALIAS,
    WEIR_SHELF_USES
} weir_shelf_kind_e;


enum {
    WEIR_SHELF_LIGHT = 0,
    WEIR_SHELF_ANSWERS,
    WEIR_SHELF_LISTS
};


/* Nodes and blocks are named by an index from 1 on; 0 is none. */

typedef struct {
    unsigned char      key[WEIR_SHELF_DIGEST];
    uint32_t           chain;               /* the next of its bucket */
    uint32_t           newer;
    uint32_t           older;               /* or the next spare one */
    uint16_t           form;
    uint8_t            kind;
    int64_t            moved;               /* ms; to the front of its list */
    uint64_t           version;             /* changes before the blocks are
                                               given to others */
    union {
        struct {
            uint32_t   first;
            uint32_t   last;
            uint32_t   len;                 /* bytes of the body */
            int64_t    finished;
            int64_t    until;               /* the end of all its times */
            int64_t    from;                /* it is refreshed, from ... to */
            int64_t    to;
        } answer;

        struct {
            unsigned char  question[WEIR_SHELF_DIGEST];
            uint32_t   target;              /* where it was last; or 0 */
            uint16_t   form;
        } alias;

        uint32_t       uses;
    } u;
} __attribute__((aligned(64))) weir_shelf_node_t;


typedef struct {
    uint32_t           newest;
    uint32_t           oldest;
    uint32_t           count;
} weir_shelf_list_t;


/* Addresses are the same in all processes. */

struct weir_shelf_s {
    uint32_t           busy;                /* a change is under way */
    uint32_t           mask;                /* of the buckets */
    uint64_t           epoch;               /* grows when all is emptied */
    uint64_t           seed[2];
    uint32_t          *buckets;
    uint32_t          *next;                /* of a block */
    weir_shelf_node_t *nodes;
    unsigned char     *blocks;

    uint64_t           version;             /* the last one given */
    uint64_t           purges;
    uint32_t           nnodes;
    uint32_t           nblocks;
    uint32_t           node_top;            /* from here on: never used */
    uint32_t           node_spare;
    uint32_t           block_top;
    uint32_t           block_spare;
    uint32_t           block_used;
    weir_shelf_list_t  lists[WEIR_SHELF_LISTS];

    uint64_t           hits;
    uint64_t           misses;
    uint64_t           stores;
    uint64_t           evictions;
    uint64_t           too_large;
    uint64_t           purged;
    uint64_t           torn;
};


/* of an index that is not 0 */

#define weir_shelf_node(s, i)   (&(s)->nodes[(i) - 1])

#define weir_shelf_block(s, i)                                                \
    ((s)->blocks + (size_t) ((i) - 1) * WEIR_SHELF_BLOCK)

#define weir_shelf_next(s, i)   ((s)->next[(i) - 1])


/* what others read without the lock */

#define weir_shelf_load(p)      __atomic_load_n(p, __ATOMIC_RELAXED)
#define weir_shelf_store(p, v)  __atomic_store_n(p, v, __ATOMIC_RELAXED)


/* The start of whatever wants the lock; and of a change, and its end. */
void weir_shelf_enter(weir_shelf_t *s);
void weir_shelf_begin(weir_shelf_t *s);
void weir_shelf_end(weir_shelf_t *s);

uint32_t *weir_shelf_bucket(weir_shelf_t *s, const unsigned char *key);

/* 0: there is none. */
uint32_t weir_shelf_lookup(weir_shelf_t *s, weir_shelf_kind_e kind,
    const unsigned char *key, unsigned form);

/* It was used.  Not to be called between _begin and _end. */
void weir_shelf_touch(weir_shelf_t *s, uint32_t i, int64_t now);

/* Between _begin and _end: makes one, which may evict others; drops one; drops
 * the least recently used of a list, which is not empty; drops all. */
uint32_t weir_shelf_make(weir_shelf_t *s, weir_shelf_kind_e kind,
    const unsigned char *key, unsigned form, int64_t now);
void weir_shelf_drop(weir_shelf_t *s, uint32_t i);
void weir_shelf_evict(weir_shelf_t *s, unsigned list);
void weir_shelf_clear(weir_shelf_t *s);

/* that a body of so many bytes needs */
uint32_t weir_shelf_blocks(size_t len);


#endif /* WEIR_SHELF_PART_H */
