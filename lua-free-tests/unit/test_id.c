/*
 * Ids, mailboxes, shards.
 */

#include "unit.h"
#include "weir_base62.h"
#include "weir_id.h"


static void
test_made_is_parsed(void **state)
{
    int            i;
    char           id[WEIR_ID_LEN + 1], job[64];
    unsigned       shard, got;
    uint64_t       seed;
    weir_str_t     inner;
    unsigned char  random[WEIR_ID_RANDOM];

    (void) state;

    seed = unit_seed();

    for (i = 0; i < 2000; i++) {
        unit_random_bytes(&seed, random, sizeof(random));
        shard = unit_random(&seed) % WEIR_SHARDS_MAX;

        weir_id_make(id, shard, random);
        assert_int_equal(strlen(id), WEIR_ID_LEN);
        assert_true(weir_id_parse(weir_str_of(id), &got));
        assert_int_equal(got, shard);

        snprintf(job, sizeof(job), "job_%s", id);
        assert_true(weir_job_id_parse(weir_str_of(job), &inner, &got));
        unit_str(inner, id);
        assert_int_equal(got, shard);
    }
}


/* even without chance there is an id */

static void
test_no_chance(void **state)
{
    char           id[WEIR_ID_LEN + 1], mailbox[WEIR_MAILBOX_LEN + 1];
    unsigned       shard;
    unsigned char  random[WEIR_ID_RANDOM];

    (void) state;

    memset(random, 0xff, sizeof(random));
    weir_id_make(id, 3, random);
    assert_true(weir_id_parse(weir_str_of(id), &shard));
    assert_int_equal(shard, 3);

    weir_mailbox_make(mailbox, random);
    assert_int_equal(strlen(mailbox), WEIR_MAILBOX_LEN);
}


static void
test_refused(void **state)
{
    size_t        i;
    unsigned      shard;
    weir_str_t    id;
    static const char  *bad[] = {
        "", "00", "0000000000000000000000000", "00000000000000000000000",
        "0G0000000000000000000000",             /* shard 16 */
        "100000000000000000000000", "zz0000000000000000000000",
        "00000000000000000000000-", "00000000000000000000000 ",
        "0000000000000000000000\xc3\xa9"
    };

    (void) state;

    for (i = 0; i < ROWS(bad); i++) {
        assert_false(weir_id_parse(weir_str_of(bad[i]), &shard));
    }

    assert_false(weir_id_parse(weir_str("00000000000000000000000\0"), &shard));
    assert_false(weir_id_parse(weir_str_null, &shard));
    assert_true(weir_id_parse(weir_str("0F0000000000000000000000"), &shard));
    assert_int_equal(shard, 15);

    assert_false(weir_job_id_parse(weir_str("job_"), &id, &shard));
    assert_false(weir_job_id_parse(weir_str("000000000000000000000000"), &id,
                                   &shard));
    assert_false(weir_job_id_parse(weir_str("jobx000000000000000000000000"),
                                   &id, &shard));
}


/* all characters, about equally often, at every place behind the shard */

static void
test_spread(void **state)
{
    int            i, k, n[62];
    char           id[WEIR_ID_LEN + 1];
    uint64_t       seed;
    unsigned char  random[WEIR_ID_RANDOM];

    (void) state;

    seed = unit_seed();
    memset(n, 0, sizeof(n));

    for (i = 0; i < 62 * 1000; i++) {
        unit_random_bytes(&seed, random, sizeof(random));
        weir_id_make(id, 0, random);
        n[weir_base62_value(id[WEIR_ID_LEN - 1])]++;
    }

    for (k = 0; k < 62; k++) {
        assert_in_range(n[k], 800, 1200);
    }
}


static void
test_shards(void **state)
{
    char      owner[32];
    int       i, n[4] = { 0 };

    (void) state;

    assert_int_equal(weir_shard_of(weir_str("alice"), 1), 0);
    assert_int_equal(weir_shard_of(weir_str("alice"), 0), 0);

    for (i = 0; i < 4000; i++) {
        snprintf(owner, sizeof(owner), "owner-%d", i);
        n[weir_shard_of(weir_str_of(owner), 4)]++;
    }

    for (i = 0; i < 4; i++) {
        assert_in_range(n[i], 800, 1200);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_made_is_parsed),
        cmocka_unit_test(test_no_chance),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_shards)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
