/*
 * The shelf: what is put is read again or is not there, whatever else is put,
 * and what it is made of always fits together.
 */

#include "shelf.h"


static unsigned char  memory[SHELF_SIZE] __attribute__((aligned(64)));


static weir_shelf_put_e
put(weir_shelf_t *s, uint64_t key, unsigned form, size_t len, uint64_t chance)
{
    static char  body[SHELF_SIZE];

    unsigned char      q[WEIR_SHELF_DIGEST];
    weir_shelf_meta_t  meta;

    meta = shelf_meta(SHELF_FAR);
    meta.input = (int64_t) key;
    shelf_digest(q, key);
    shelf_fill(body, len, key, chance);

    return weir_shelf_put(s, q, form, &meta, (weir_str_t) { body, len },
                          weir_shelf_purges(s), SHELF_NOW);
}


/* its length, after a look at all of it; -1: it is not there */

static int64_t
got(weir_shelf_t *s, uint64_t key, unsigned form, int64_t now)
{
    static char  body[SHELF_SIZE];

    unsigned char       q[WEIR_SHELF_DIGEST];
    weir_shelf_meta_t   meta;
    weir_shelf_found_t  found;

    shelf_digest(q, key);

    if (!weir_shelf_find(s, q, form, now, &found)) {
        return -1;
    }

    assert_true(weir_shelf_read(s, &found, &meta, body));
    assert_int_equal(meta.input, key);
    assert_memory_equal(found.question, q, WEIR_SHELF_DIGEST);
    assert_int_equal(found.form, form);
    assert_true(found.len < 16 || shelf_whole(body, found.len, key));

    return found.len;
}


static uint64_t
entries(weir_shelf_t *s)
{
    weir_shelf_stats_t  stats;

    weir_shelf_stats(s, &stats);
    assert_true(stats.used <= stats.size);
    assert_true(stats.size < SHELF_SIZE);

    return stats.entries;
}


static void
test_sizes(void **state)
{
    size_t         i, len;
    weir_shelf_t  *s;

    (void) state;

    for (len = 0; len < SHELF_SIZE; len += 1 + len / 7) {
        s = weir_shelf_create(memory, len, shelf_seed);

        if (s) {
            put(s, 1, 0, 100, 1);
            assert_int_equal(got(s, 1, 0, SHELF_NOW), 100);
            assert_true((unsigned char *) s->blocks
                        + (size_t) s->nblocks * WEIR_SHELF_BLOCK
                        <= memory + len);

        } else {
            assert_true(len < 100 * 1024);
        }
    }

    s = weir_shelf_create(memory, SHELF_SIZE, shelf_seed);
    assert_non_null(s);

    for (i = 0; i < 60; i++) {
        len = 3 * WEIR_SHELF_BLOCK - sizeof(weir_shelf_meta_t) - 30 + i;
        assert_int_equal(put(s, i, 0, len, i), WEIR_SHELF_STORED);
        assert_int_equal(got(s, i, 0, SHELF_NOW), len);
        assert_int_equal(put(s, i, 1, i, i), WEIR_SHELF_STORED);
        assert_int_equal(got(s, i, 1, SHELF_NOW), i);
        assert_int_equal(got(s, i, 0, SHELF_NOW), len);
        shelf_check(s);
    }

    assert_int_equal(put(s, 7, 1, 0, 0), WEIR_SHELF_STORED);
    assert_int_equal(got(s, 7, 1, SHELF_NOW), 0);
    assert_int_equal(got(s, 7, 2, SHELF_NOW), -1);
    assert_int_equal(got(s, 61, 0, SHELF_NOW), -1);
}


static void
test_room(void **state)
{
    size_t               i, most;
    weir_shelf_t        *s;
    weir_shelf_stats_t   stats;

    (void) state;

    s = weir_shelf_create(memory, SHELF_SIZE, shelf_seed);
    most = s->nblocks / 2 * WEIR_SHELF_BLOCK - sizeof(weir_shelf_meta_t);

    /* too large: what stood there is not the answer any more */

    assert_int_equal(put(s, 1, 0, 10, 1), WEIR_SHELF_STORED);
    assert_int_equal(put(s, 1, 0, most + 1, 1), WEIR_SHELF_TOO_LARGE);
    assert_int_equal(got(s, 1, 0, SHELF_NOW), -1);
    assert_int_equal(put(s, 1, 0, most, 1), WEIR_SHELF_STORED);
    assert_int_equal(put(s, 2, 0, most, 1), WEIR_SHELF_STORED);
    assert_int_equal(put(s, 2, 0, most, 2), WEIR_SHELF_STORED);
    assert_int_equal(got(s, 1, 0, SHELF_NOW), most);
    assert_int_equal(got(s, 2, 0, SHELF_NOW), most);
    shelf_check(s);

    /* the one used last stays */

    assert_int_equal(got(s, 1, 0, SHELF_NOW + 5000), most);
    assert_int_equal(put(s, 3, 0, 5000, 1), WEIR_SHELF_STORED);
    assert_int_equal(got(s, 2, 0, SHELF_NOW), -1);
    assert_int_equal(got(s, 1, 0, SHELF_NOW), most);
    shelf_check(s);

    for (i = 10; i < 2000; i++) {
        assert_int_equal(put(s, i, 0, i % 4000, i), WEIR_SHELF_STORED);
    }

    shelf_check(s);
    assert_int_equal(got(s, 1999, 0, SHELF_NOW), 1999);
    assert_int_equal(got(s, 10, 0, SHELF_NOW), -1);

    weir_shelf_stats(s, &stats);
    assert_int_equal(stats.too_large, 1);
    assert_int_equal(stats.stores, 5 + 1990);
    assert_int_equal(stats.evictions + stats.entries, stats.stores - 1 - 1);
    assert_int_equal(stats.torn, 0);
}


static void
test_aliases(void **state)
{
    uint64_t             i;
    unsigned char        raw[WEIR_SHELF_DIGEST], q[WEIR_SHELF_DIGEST];
    weir_shelf_t        *s;
    weir_shelf_meta_t    meta;
    weir_shelf_found_t   found;

    (void) state;

    s = weir_shelf_create(memory, SHELF_SIZE, shelf_seed);
    shelf_digest(raw, 1000);
    shelf_digest(q, 1);

    assert_false(weir_shelf_find_raw(s, raw, SHELF_NOW, &found));
    weir_shelf_alias(s, raw, q, 1, SHELF_NOW);
    assert_false(weir_shelf_find_raw(s, raw, SHELF_NOW, &found));
    put(s, 1, 0, 20, 1);
    assert_false(weir_shelf_find_raw(s, raw, SHELF_NOW, &found));
    put(s, 1, 1, 21, 1);
    assert_true(weir_shelf_find_raw(s, raw, SHELF_NOW, &found));
    assert_int_equal(found.len, 21);
    put(s, 1, 1, 22, 2);
    assert_true(weir_shelf_find_raw(s, raw, SHELF_NOW, &found));
    assert_int_equal(found.len, 22);

    /* its node becomes another's, and it comes back elsewhere */

    weir_shelf_purge_question(s, q);
    assert_false(weir_shelf_find_raw(s, raw, SHELF_NOW, &found));
    put(s, 2, 1, 30, 1);
    put(s, 3, 1, 30, 1);
    assert_false(weir_shelf_find_raw(s, raw, SHELF_NOW, &found));
    put(s, 1, 1, 23, 1);
    assert_true(weir_shelf_find_raw(s, raw, SHELF_NOW, &found));
    assert_int_equal(found.len, 23);
    assert_memory_equal(found.question, q, WEIR_SHELF_DIGEST);

    /* the same words may come to mean something else */

    shelf_digest(q, 2);
    weir_shelf_alias(s, raw, q, 1, SHELF_NOW);
    assert_true(weir_shelf_find_raw(s, raw, SHELF_NOW, &found));
    assert_int_equal(found.len, 30);
    assert_true(weir_shelf_read(s, &found, &meta, NULL));
    assert_int_equal(meta.input, 2);

    /* any number of them leave room for answers */

    for (i = 0; i < 5000; i++) {
        shelf_digest(raw, 10000 + i);
        weir_shelf_alias(s, raw, q, 1, SHELF_NOW);
        weir_shelf_use(s, raw, SHELF_NOW);
    }

    shelf_check(s);
    assert_int_equal(entries(s), 3);

    for (i = 10; i < 10 + s->nnodes / 2; i++) {
        put(s, i, 0, 10, 1);
    }

    shelf_check(s);
    assert_int_equal(got(s, 10, 0, SHELF_NOW), 10);

    for ( ; i < 5000; i++) {
        put(s, i, 0, 10, 1);
        assert_int_equal(got(s, i, 0, SHELF_NOW), 10);
    }

    shelf_check(s);
    assert_true(entries(s) > s->nnodes / 2);
}


static void
test_times(void **state)
{
    int64_t              behind;
    unsigned char        q[WEIR_SHELF_DIGEST], other[WEIR_SHELF_DIGEST];
    weir_shelf_t        *s;
    weir_shelf_meta_t    meta;
    weir_shelf_found_t   found;

    (void) state;

    s = weir_shelf_create(memory, SHELF_SIZE, shelf_seed);
    shelf_digest(q, 1);
    shelf_digest(other, 2);

    meta = shelf_meta(SHELF_NOW + 10);
    meta.stale_error = SHELF_NOW + 30;
    meta.stale_while = SHELF_NOW + 20;
    weir_shelf_put(s, q, 0, &meta, weir_str("x"), 0, SHELF_NOW);

    assert_true(weir_shelf_find(s, q, 0, SHELF_NOW + 29, &found));
    behind = SHELF_NOW - WEIR_SHELF_AHEAD;
    assert_true(weir_shelf_find(s, q, 0, behind, &found));
    assert_false(weir_shelf_find(s, q, 0, behind - 1, &found));
    assert_true(weir_shelf_find(s, q, 0, SHELF_NOW, &found));

    /* one refreshes; until it is late, or back, or over */

    assert_false(weir_shelf_refresh(s, other, 0, SHELF_NOW, SHELF_NOW + 10));
    assert_true(weir_shelf_refresh(s, q, 0, SHELF_NOW, SHELF_NOW + 10));
    assert_false(weir_shelf_refresh(s, q, 0, SHELF_NOW, SHELF_NOW + 10));
    assert_false(weir_shelf_refresh(s, q, 0, SHELF_NOW + 9, SHELF_NOW + 100));
    assert_true(weir_shelf_refresh(s, q, 0, SHELF_NOW + 10, SHELF_NOW + 20));
    assert_false(weir_shelf_refresh(s, q, 0, SHELF_NOW + 10, SHELF_NOW + 20));
    assert_true(weir_shelf_refresh(s, q, 0, SHELF_NOW - 1, SHELF_NOW + 20));
    assert_false(weir_shelf_refresh(s, q, 0, SHELF_NOW, SHELF_NOW + 20));
    assert_false(weir_shelf_refresh(s, q, 0, SHELF_NOW, 0));
    assert_true(weir_shelf_refresh(s, q, 0, SHELF_NOW, SHELF_NOW + 20));
    weir_shelf_put(s, q, 0, &meta, weir_str("y"), 0, SHELF_NOW);
    assert_true(weir_shelf_refresh(s, q, 0, SHELF_NOW, SHELF_NOW + 20));

    assert_int_equal(entries(s), 1);
    assert_false(weir_shelf_find(s, q, 0, SHELF_NOW + 30, &found));
    assert_int_equal(entries(s), 0);

    assert_int_equal(weir_shelf_use(s, q, SHELF_NOW), 1);
    assert_int_equal(weir_shelf_use(s, q, SHELF_NOW + 5000), 2);
    assert_int_equal(weir_shelf_use(s, q, SHELF_NOW - 5000), 3);
    assert_int_equal(weir_shelf_use(s, other, SHELF_NOW), 1);
    shelf_check(s);
}


static unsigned
purge(weir_shelf_t *s, const char *mark, uint32_t slice)
{
    uint32_t            cursor = 0;
    uint64_t            before;
    weir_shelf_stats_t  stats;

    weir_shelf_stats(s, &stats);
    before = stats.purged;

    do {
        weir_shelf_purge(s, weir_shelf_mark(s, weir_str_of(mark)), &cursor,
                         slice);
    } while (cursor);

    weir_shelf_stats(s, &stats);

    return (unsigned) (stats.purged - before);
}


static void
test_purge(void **state)
{
    char                 name[32];
    uint64_t             i, k, purges;
    unsigned char        q[WEIR_SHELF_DIGEST];
    weir_shelf_t        *s;
    weir_shelf_meta_t    meta;
    weir_shelf_found_t   found;

    (void) state;

    s = weir_shelf_create(memory, SHELF_SIZE, shelf_seed);
    assert_int_equal(purge(s, "tag:a", 1), 0);
    purges = weir_shelf_purges(s);

    for (i = 0; i < 100; i++) {
        meta = shelf_meta(SHELF_FAR);
        snprintf(name, sizeof(name), "owner:%d", (int) (i % 10));
        weir_shelf_mark_add(s, &meta, weir_str_of(name));

        for (k = 0; k < i % 14; k++) {
            snprintf(name, sizeof(name), "tag:%d", (int) k);
            weir_shelf_mark_add(s, &meta, weir_str_of(name));
        }

        shelf_digest(q, i);
        assert_int_equal(weir_shelf_put(s, q, 0, &meta, weir_str("x"), purges,
                                        SHELF_NOW), WEIR_SHELF_STORED);
    }

    /* 12 and 13 tags of 14: not all of them found room */

    assert_int_equal(purge(s, "tag:none", 7), 14);
    assert_int_equal(purge(s, "tag:none", 7), 0);
    assert_int_equal(purge(s, "tag:10", 1000), 7);
    assert_true(purge(s, "owner:3", 1) > 5);
    shelf_check(s);

    assert_int_equal(weir_shelf_put(s, q, 0, &meta, weir_str("x"), purges,
                                    SHELF_NOW), WEIR_SHELF_PURGED);

    purges = weir_shelf_purges(s);
    put(s, 1, 0, 20, 1);
    put(s, 1, 5, 20, 1);
    shelf_digest(q, 1);
    i = entries(s);
    weir_shelf_purge_question(s, q);
    assert_int_equal(entries(s), i - 2);
    assert_false(weir_shelf_find(s, q, 5, SHELF_NOW, &found));
    assert_int_not_equal(weir_shelf_purges(s), purges);
    shelf_check(s);

    put(s, 1, 0, 20, 1);
    assert_true(weir_shelf_find(s, q, 0, SHELF_NOW, &found));
    purges = weir_shelf_purges(s);
    weir_shelf_purge_all(s);
    assert_int_equal(entries(s), 0);
    assert_int_not_equal(weir_shelf_purges(s), purges);
    assert_false(weir_shelf_read(s, &found, &meta, name));
    shelf_check(s);
}


/* what is read is void once it is replaced, dropped, evicted, or the shelf was
 * emptied because somebody died in it */

static void
test_void(void **state)
{
    int                  way;
    char                 body[100];
    uint64_t             i;
    unsigned char        q[WEIR_SHELF_DIGEST];
    weir_shelf_t        *s;
    weir_shelf_meta_t    meta;
    weir_shelf_stats_t   stats;
    weir_shelf_found_t   found;

    (void) state;

    shelf_digest(q, 1);

    for (way = 0; way < 5; way++) {
        s = weir_shelf_create(memory, SHELF_SIZE, shelf_seed);
        put(s, 1, 0, 50, 1);
        assert_true(weir_shelf_find(s, q, 0, SHELF_NOW, &found));
        assert_true(weir_shelf_read(s, &found, &meta, body));

        switch (way) {
        case 0:
            put(s, 1, 0, 50, 2);
            break;

        case 1:
            weir_shelf_purge_question(s, q);
            break;

        case 2:
            for (i = 2; i < 1000; i++) {
                put(s, i, 0, 50, 1);
            }
            break;

        case 3:
            s->busy = 1;
            assert_int_equal(weir_shelf_use(s, q, SHELF_NOW), 1);
            assert_int_equal(got(s, 1, 0, SHELF_NOW), -1);
            weir_shelf_stats(s, &stats);
            assert_int_equal(stats.torn, 1);
            break;

        default:
            assert_int_equal(got(s, 1, 0, SHELF_FAR), -1);
        }

        assert_false(weir_shelf_read(s, &found, &meta, body));
        shelf_check(s);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_purge),
        cmocka_unit_test(test_void)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
