/*
 * What the tests of the shelf share: bodies that tell whether they are whole,
 * and a look at all that a shelf is made of.
 */

#ifndef SHELF_H
#define SHELF_H


#include "unit.h"
#include "weir_shelf_part.h"


#define SHELF_SIZE  (512 * 1024)
#define SHELF_NOW   1700000000000
#define SHELF_FAR   (SHELF_NOW + 3600000)


static const unsigned char  shelf_seed[WEIR_SHELF_SEED] = "0123456789abcde";


static inline void
shelf_digest(unsigned char d[WEIR_SHELF_DIGEST], uint64_t n)
{
    unit_random_bytes(&n, d, WEIR_SHELF_DIGEST);
}


static inline weir_shelf_meta_t
shelf_meta(int64_t fresh)
{
    weir_shelf_meta_t  meta;

    memset(&meta, 0, sizeof(meta));
    meta.created = SHELF_NOW - 10;
    meta.finished = SHELF_NOW;
    meta.fresh = fresh;

    return meta;
}


/* a body that tells whether it is whole, and whose it is */

static inline void
shelf_fill(char *body, size_t len, uint64_t key, uint64_t chance)
{
    size_t    i;
    uint64_t  z;

    z = chance;

    for (i = 0; i + 8 <= len; i += 8) {
        z = i == 0 ? chance : i == 8 ? key : z * 6364136223846793005 + len;
        memcpy(body + i, &z, 8);
    }

    memset(body + i, (int) len & 0xff, len - i);
}


static inline bool
shelf_whole(const char *body, size_t len, uint64_t key)
{
    static char  want[SHELF_SIZE];

    uint64_t  chance;

    if (len < 16) {
        return false;
    }

    memcpy(&chance, body, 8);
    shelf_fill(want, len, key, chance);

    return memcmp(body, want, len) == 0;
}


/* All nodes are in the right bucket and list, all blocks in one chain. */

static inline const char *
shelf_check_chain(const weir_shelf_t *s, unsigned char *seen, uint32_t i,
    uint32_t last, uint32_t count)
{
    for ( ; count; count--) {
        if (i == 0 || i >= s->block_top || seen[i]) {
            return "a chain of blocks";
        }

        seen[i] = 1;

        if (count == 1 && last && i != last) {
            return "the last block";
        }

        i = weir_shelf_next(s, i);
    }

    return NULL;
}


static inline void
shelf_check(weir_shelf_t *s)
{
    uint32_t            i, b, nodes = 0, used = 0, spare = 0, n;
    const char         *bad = NULL;
    unsigned char      *seen;
    weir_shelf_node_t  *node;

    assert_int_equal(s->busy, 0);

    seen = calloc(1, s->nblocks + 1);
    assert_non_null(seen);

    for (b = 0; b <= s->mask; b++) {
        for (i = s->buckets[b]; i; i = node->chain, nodes++) {
            assert_true(i < s->node_top);
            node = weir_shelf_node(s, i);
            assert_true(weir_shelf_bucket(s, node->key) == &s->buckets[b]);
            assert_int_not_equal(node->kind, WEIR_SHELF_NONE);

            if (node->kind == WEIR_SHELF_ANSWER) {
                n = weir_shelf_blocks(node->u.answer.len);
                bad = shelf_check_chain(s, seen, node->u.answer.first,
                                  node->u.answer.last, n);
                assert_null(bad);
                used += n;
            }
        }
    }

    for (i = s->node_spare; i; i = weir_shelf_node(s, i)->older) {
        assert_int_equal(weir_shelf_node(s, i)->kind, WEIR_SHELF_NONE);
        spare++;
    }

    assert_int_equal(nodes + spare, s->node_top - 1);
    assert_int_equal(used, s->block_used);
    assert_null(shelf_check_chain(s, seen, s->block_spare, 0,
                            s->block_top - 1 - used));
    free(seen);

    for (b = 0, n = 0; b < WEIR_SHELF_LISTS; b++) {
        for (i = s->lists[b].newest, spare = 0; i; i = node->older, spare++) {
            node = weir_shelf_node(s, i);
            assert_true(node->older ? weir_shelf_node(s, node->older)->newer
                                      == i
                                    : s->lists[b].oldest == i);
        }

        assert_int_equal(spare, s->lists[b].count);
        n += spare;
    }

    assert_int_equal(n, nodes);
    assert_true(s->lists[WEIR_SHELF_LIGHT].count <= s->nnodes / 2);
}


#endif /* SHELF_H */
