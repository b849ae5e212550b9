/*
 * Keys, and the ring of a key file.
 */

#include "unit.h"
#include "weir_apikey.h"

#include <time.h>


#define DIGEST  "00112233445566778899aabbccddeeff"                            \
                "00112233445566778899aabbccddeeff"
#define RECORD  "v1:hmac-sha256:abcdefABCDEF:" DIGEST


static void
make(char *key, uint64_t *seed)
{
    unsigned char  random[WEIR_KEY_RANDOM];

    unit_random_bytes(seed, random, sizeof(random));
    weir_apikey_make(key, "live", NULL, random);
}


/* a line for the key; extra starts with ':' or is empty */

static void
record(weir_buf_t *out, const char *key, weir_str_t pepper, const char *extra)
{
    char           hex[2 * WEIR_DIGEST_LEN + 1];
    weir_str_t     id;
    unsigned char  digest[WEIR_DIGEST_LEN];

    assert_true(weir_apikey_parse(weir_str_of(key), &id));
    assert_int_equal(weir_digest_hmac(pepper, weir_str_of(key), digest), 0);
    weir_digest_hex(digest, sizeof(digest), hex);
    weir_buf_printf(out, "v1:hmac-sha256:%.*s:%s:owner=o%s\n",
                    WEIR_KEY_ID_LEN, id.data, hex, extra);
}


/* The checksum once more, bit by bit: the known vectors hold for this one, and
 * every key agrees with it. */

static uint32_t
crc(const char *s, size_t n)
{
    int       k;
    size_t    i;
    uint32_t  c;

    c = 0xffffffff;

    for (i = 0; i < n; i++) {
        for (k = 0; k < 8; k++) {
            c = (((c ^ (uint32_t) ((unsigned char) s[i] >> k)) & 1)
                 ? 0xedb88320 : 0) ^ (c >> 1);
        }
    }

    return ~c;
}


static void
base62(uint32_t n, char out[7])
{
    int  i;

    for (i = 5; i >= 0; i--) {
        out[i] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                 "abcdefghijklmnopqrstuvwxyz"[n % 62];
        n /= 62;
    }

    out[6] = '\0';
}


static void
test_checksum(void **state)
{
    char      want[7], key[WEIR_KEY_MAX + 1], zeros[31], as[31];
    int       i;
    uint64_t  seed;

    (void) state;

    memset(zeros, '0', 30);
    memset(as, 'a', 30);

    base62(crc(zeros, 30), want);
    assert_string_equal(want, "2C8GjS");
    base62(crc(as, 30), want);
    assert_string_equal(want, "1yLcDB");
    base62(crc("EXAMPLEEXAMPLEEXAMPLEEXAMPLE00", 30), want);
    assert_string_equal(want, "11UUE5");

    seed = unit_seed();

    for (i = 0; i < 500; i++) {
        make(key, &seed);
        base62(crc(key, strlen(key) - 7), want);
        assert_string_equal(key + strlen(key) - 6, want);
    }
}


static void
test_made(void **state)
{
    int            i;
    char           key[WEIR_KEY_MAX + 1];
    uint64_t       seed;
    weir_str_t     id;
    unsigned char  random[WEIR_KEY_RANDOM];
    static const char  *envs[] = { "live", "t", "0", "abcdefgh" };

    (void) state;

    seed = unit_seed();

    for (i = 0; i < 1000; i++) {
        unit_random_bytes(&seed, random, sizeof(random));
        weir_apikey_make(key, envs[i % 4], NULL, random);
        assert_true(weir_apikey_parse(weir_str_of(key), &id));
        assert_int_equal(id.len, WEIR_KEY_ID_LEN);
        assert_true(id.data == key + 5 + strlen(envs[i % 4]) + 1);
    }

    memset(random, 0xff, sizeof(random));
    weir_apikey_make(key, "live", NULL, random);
    assert_true(weir_apikey_parse(weir_str_of(key), &id));
}


/* any one character changed, removed or added is refused */

static void
test_changed(void **state)
{
    int         c;
    char        key[WEIR_KEY_MAX + 1], bad[WEIR_KEY_MAX + 3];
    size_t      i, n;
    uint64_t    seed;
    weir_str_t  id;

    (void) state;

    seed = unit_seed();
    make(key, &seed);
    n = strlen(key);

    for (i = 0; i < n; i++) {
        for (c = 0; c < 256; c++) {
            memcpy(bad, key, n);
            bad[i] = (char) c;

            if (bad[i] != key[i]) {
                assert_false(weir_apikey_parse((weir_str_t) { bad, n }, &id));
            }
        }

        memcpy(bad, key, i);
        memcpy(bad + i, key + i + 1, n - i - 1);
        assert_false(weir_apikey_parse((weir_str_t) { bad, n - 1 }, &id));

        memcpy(bad, key, i);
        bad[i] = 'x';
        memcpy(bad + i + 1, key + i, n - i);
        assert_false(weir_apikey_parse((weir_str_t) { bad, n + 1 }, &id));

        assert_false(weir_apikey_parse((weir_str_t) { key, i }, &id));
    }

    snprintf(bad, sizeof(bad), "%s ", key);
    assert_false(weir_apikey_parse(weir_str_of(bad), &id));
    assert_false(weir_apikey_parse(weir_str_null, &id));
    assert_false(weir_apikey_parse(weir_str("weir__"), &id));
}


/* one key, with what stands behind the owner, looked up at a time */

static weir_key_e
find_at(const char *extra, int64_t now)
{
    char               key[WEIR_KEY_MAX + 1], error[WEIR_KEY_ERROR];
    uint64_t           seed;
    weir_buf_t         b = { 0 };
    weir_key_e         rc;
    weir_keyring_t    *ring;
    const weir_key_t  *k;

    seed = unit_seed();
    make(key, &seed);
    record(&b, key, weir_str("pepper"), extra);

    ring = weir_keyring_create(unit_buf(&b), weir_str("pepper"), error);
    assert_non_null(ring);
    assert_int_equal(weir_keyring_count(ring), 1);
    rc = weir_keyring_find(ring, weir_str_of(key), now, &k);
    assert_non_null(k);
    assert_string_equal(k->owner, "o");

    weir_keyring_destroy(&ring);
    assert_null(ring);
    weir_keyring_destroy(&ring);
    weir_buf_free(&b);

    return rc;
}


static void
test_times(void **state)
{
    (void) state;

    assert_int_equal(find_at("", 1000), WEIR_KEY_OK);
    assert_int_equal(find_at(":expires=1000", 999), WEIR_KEY_OK);
    assert_int_equal(find_at(":expires=1000", 1000), WEIR_KEY_EXPIRED);
    assert_int_equal(find_at(":expires=1000", 1001), WEIR_KEY_EXPIRED);
    assert_int_equal(find_at(":revoked=1000", 999), WEIR_KEY_REVOKED);
    assert_int_equal(find_at(":revoked=1000", 1001), WEIR_KEY_REVOKED);
    assert_int_equal(find_at(":revoked=5:expires=5", 9), WEIR_KEY_REVOKED);

    /* "until" alone is no rotation */
    assert_int_equal(find_at(":until=1000", 1001), WEIR_KEY_OK);
}


static void
test_rotation(void **state)
{
    char               first[WEIR_KEY_MAX + 1], second[WEIR_KEY_MAX + 1];
    char               hex[2 * WEIR_DIGEST_LEN + 1], error[WEIR_KEY_ERROR];
    char               extra[128];
    uint64_t           seed;
    weir_buf_t         b = { 0 };
    weir_str_t         pepper, id;
    unsigned char      random[WEIR_KEY_RANDOM], digest[WEIR_DIGEST_LEN];
    weir_keyring_t    *ring;
    const weir_key_t  *k;

    (void) state;

    /* the same public id, another secret */

    seed = unit_seed();
    pepper = weir_str("pepper");
    unit_random_bytes(&seed, random, sizeof(random));
    weir_apikey_make(first, "live", NULL, random);
    unit_random_bytes(&seed, random, sizeof(random));
    weir_apikey_make(second, "live", first + 10, random);

    assert_true(weir_apikey_parse(weir_str_of(second), &id));
    assert_memory_equal(id.data, first + 10, WEIR_KEY_ID_LEN);
    assert_memory_not_equal(second + 23, first + 23, WEIR_KEY_SECRET_LEN);

    assert_int_equal(weir_digest_hmac(pepper, weir_str_of(second), digest), 0);
    weir_digest_hex(digest, sizeof(digest), hex);
    snprintf(extra, sizeof(extra), ":digest2=%s:until=1000", hex);
    record(&b, first, pepper, extra);

    ring = weir_keyring_create(unit_buf(&b), pepper, error);
    assert_non_null(ring);

    assert_int_equal(weir_keyring_find(ring, weir_str_of(first), 999, &k),
                     WEIR_KEY_OK);
    assert_int_equal(weir_keyring_find(ring, weir_str_of(second), 999, &k),
                     WEIR_KEY_OK);
    assert_int_equal(weir_keyring_find(ring, weir_str_of(first), 1001, &k),
                     WEIR_KEY_EXPIRED);
    assert_int_equal(weir_keyring_find(ring, weir_str_of(second), 1001, &k),
                     WEIR_KEY_OK);

    weir_keyring_destroy(&ring);
    weir_buf_free(&b);
}


/* the same answers without a ring; what judges must be told whose it is */

static void
test_judge(void **state)
{
    char           key[WEIR_KEY_MAX + 1], other[WEIR_KEY_MAX + 1];
    uint64_t       seed;
    weir_key_t     k, none;
    weir_str_t     pepper;
    unsigned char  random[WEIR_KEY_RANDOM];

    (void) state;

    seed = unit_seed();
    pepper = weir_str("pepper");
    unit_random_bytes(&seed, random, sizeof(random));
    weir_apikey_make(key, "live", NULL, random);
    random[95] ^= 1;
    random[60] ^= 1;
    weir_apikey_make(other, "live", key + 10, random);
    assert_string_not_equal(key, other);

    memset(&k, 0, sizeof(k));
    memset(&none, 0, sizeof(none));
    weir_digest_hmac(pepper, weir_str_of(key), k.digest);

    assert_int_equal(weir_apikey_judge(&k, pepper, weir_str_of(key), 1),
                     WEIR_KEY_OK);
    assert_int_equal(weir_apikey_judge(&k, pepper, weir_str_of(other), 1),
                     WEIR_KEY_UNKNOWN);
    assert_int_equal(weir_apikey_judge(&k, weir_str("salt"), weir_str_of(key),
                                       1), WEIR_KEY_UNKNOWN);
    assert_int_equal(weir_apikey_judge(NULL, pepper, weir_str_of(key), 1),
                     WEIR_KEY_UNKNOWN);
    assert_int_equal(weir_apikey_judge(&none, pepper, weir_str_of(key), 1),
                     WEIR_KEY_UNKNOWN);

    /* a second digest counts while it is one */

    weir_digest_hmac(pepper, weir_str_of(other), k.digest2);
    assert_int_equal(weir_apikey_judge(&k, pepper, weir_str_of(other), 1),
                     WEIR_KEY_UNKNOWN);
    k.rotating = true;
    assert_int_equal(weir_apikey_judge(&k, pepper, weir_str_of(other), 1),
                     WEIR_KEY_OK);

    /* who has no right to the record learns nothing of its times */

    k.revoked = 1;
    assert_int_equal(weir_apikey_judge(&k, weir_str("salt"), weir_str_of(key),
                                       1), WEIR_KEY_UNKNOWN);
    assert_int_equal(weir_apikey_judge(&k, pepper, weir_str_of(key), 0),
                     WEIR_KEY_REVOKED);
    assert_int_equal(weir_apikey_judge(&k, pepper, weir_str_of(other), 0),
                     WEIR_KEY_REVOKED);
}


/* the right id with another secret, another pepper, no record at all */

static void
test_unknown(void **state)
{
    char               key[WEIR_KEY_MAX + 1], other[WEIR_KEY_MAX + 1];
    char               error[WEIR_KEY_ERROR];
    uint64_t           seed;
    weir_buf_t         b = { 0 };
    unsigned char      random[WEIR_KEY_RANDOM];
    weir_keyring_t    *ring;
    const weir_key_t  *k;

    (void) state;

    seed = unit_seed();
    unit_random_bytes(&seed, random, sizeof(random));
    weir_apikey_make(key, "live", NULL, random);
    random[30] ^= 1;
    weir_apikey_make(other, "live", NULL, random);
    record(&b, key, weir_str("pepper"), "");

    ring = weir_keyring_create(unit_buf(&b), weir_str("pepper"), error);
    assert_int_equal(weir_keyring_find(ring, weir_str_of(other), 1, &k),
                     WEIR_KEY_UNKNOWN);
    assert_null(k);
    make(other, &seed);
    assert_int_equal(weir_keyring_find(ring, weir_str_of(other), 1, &k),
                     WEIR_KEY_UNKNOWN);
    assert_int_equal(weir_keyring_find(ring, weir_str("weir_x"), 1, &k),
                     WEIR_KEY_MALFORMED);
    weir_keyring_destroy(&ring);

    ring = weir_keyring_create(unit_buf(&b), weir_str("salt"), error);
    assert_int_equal(weir_keyring_find(ring, weir_str_of(key), 1, &k),
                     WEIR_KEY_UNKNOWN);
    weir_keyring_destroy(&ring);
    weir_buf_free(&b);

    /* a record without a second digest has none of zeros */
    ring = weir_keyring_create(weir_str_null, weir_str_null, error);
    assert_non_null(ring);
    assert_int_equal(weir_keyring_count(ring), 0);
    assert_int_equal(weir_keyring_find(ring, weir_str_of(key), 1, &k),
                     WEIR_KEY_UNKNOWN);
    weir_keyring_destroy(&ring);
}


static void
test_file(void **state)
{
    char             error[WEIR_KEY_ERROR];
    weir_keyring_t  *ring;

    (void) state;

    ring = weir_keyring_create(weir_str("# comment\r\n\r\n\n" RECORD
                                        ":owner=a\r\n#x\n"
                                        "v1:hmac-sha256:bbcdefABCDEF:" DIGEST
                                        ":owner=b"), weir_str("p"), error);
    assert_non_null(ring);
    assert_int_equal(weir_keyring_count(ring), 2);
    weir_keyring_destroy(&ring);

    assert_null(weir_keyring_create(weir_str(RECORD ":owner=a\n# x\n" RECORD
                                             ":owner=b\n"), weir_str("p"),
                                    error));
    assert_non_null(strstr(error, "abcdefABCDEF"));

    assert_null(weir_keyring_create(weir_str("\n#\n" RECORD ":owner=\n"),
                                    weir_str("p"), error));
    assert_non_null(strstr(error, "line 3:"));

    assert_null(weir_keyring_create(weir_str(RECORD ":owner=a\0b\n"),
                                    weir_str("p"), error));
}


static void
test_large_file(void **state)
{
    char               key[WEIR_KEY_MAX + 1], last[WEIR_KEY_MAX + 1];
    char               error[WEIR_KEY_ERROR];
    int                i;
    clock_t            start;
    uint64_t           seed;
    weir_buf_t         b = { 0 };
    weir_keyring_t    *ring;
    const weir_key_t  *k;

    (void) state;

    seed = unit_seed();

    for (i = 0; i < 100000; i++) {
        weir_buf_printf(&b, "v1:hmac-sha256:%012d:" DIGEST ":owner=o%d\n", i,
                        i);
    }

    make(last, &seed);
    record(&b, last, weir_str("p"), "");
    assert_false(b.failed);

    start = clock();
    ring = weir_keyring_create(unit_buf(&b), weir_str("p"), error);
    assert_non_null(ring);
    assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
    assert_int_equal(weir_keyring_count(ring), 100001);

    assert_int_equal(weir_keyring_find(ring, weir_str_of(last), 1, &k),
                     WEIR_KEY_OK);

    start = clock();

    for (i = 0; i < 20000; i++) {
        make(key, &seed);
        assert_int_equal(weir_keyring_find(ring, weir_str_of(key), 1, &k),
                         WEIR_KEY_UNKNOWN);
    }

    assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
    weir_keyring_destroy(&ring);
    weir_buf_free(&b);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_made),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_large_file)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
