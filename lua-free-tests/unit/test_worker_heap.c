/*
 * The heap of deadlines: order, and removal from anywhere.
 */

/* with: worker/heap.c worker/mem.c */

#include "unit.h"
#include "heap.h"


#define NODES  500


static void
test_order(void **state)
{
    size_t        i;
    heap_t        heap = { 0 };
    uint64_t      seed, last;
    heap_node_t   nodes[NODES], *first;

    (void) state;

    seed = unit_seed();
    memset(nodes, 0, sizeof(nodes));

    for (i = 0; i < NODES; i++) {
        nodes[i].at = unit_random(&seed) % 100;
        heap_add(&heap, &nodes[i]);
    }

    last = 0;

    for (i = 0; i < NODES; i++) {
        first = heap_first(&heap);
        assert_true(first->at >= last);
        last = first->at;
        heap_remove(&heap, first);
        assert_int_equal(first->place, 0);
    }

    assert_null(heap_first(&heap));
    heap_free(&heap);
}


/* against the plainest list: the earliest is always the earliest */

static void
test_model(void **state)
{
    int           step;
    size_t        i;
    heap_t        heap = { 0 };
    uint64_t      seed, least;
    heap_node_t   nodes[NODES];

    (void) state;

    seed = unit_seed();
    memset(nodes, 0, sizeof(nodes));

    for (step = 0; step < 20000; step++) {
        i = unit_random(&seed) % NODES;

        if (nodes[i].place) {
            heap_remove(&heap, &nodes[i]);

        } else {
            nodes[i].at = unit_random(&seed) % 1000;
            heap_add(&heap, &nodes[i]);
        }

        if (step % 16) {
            continue;
        }

        least = UINT64_MAX;

        for (i = 0; i < NODES; i++) {
            if (nodes[i].place && nodes[i].at < least) {
                least = nodes[i].at;
            }
        }

        assert_int_equal(heap_first(&heap) ? heap_first(&heap)->at
                                           : UINT64_MAX, least);
    }

    heap_free(&heap);
}


static void
test_absent(void **state)
{
    heap_t       heap = { 0 };
    heap_node_t  node = { 0 };

    (void) state;

    heap_remove(&heap, &node);
    assert_null(heap_first(&heap));

    heap_add(&heap, &node);
    heap_remove(&heap, &node);
    heap_remove(&heap, &node);
    assert_null(heap_first(&heap));

    heap_free(&heap);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_absent)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
