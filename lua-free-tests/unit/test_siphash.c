/*
 * SipHash against libcrypto's, for every length of a tail, and against the
 * first vector of its authors.
 */

#include "unit.h"
#include "weir_siphash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>


static void
theirs(const unsigned char *key, const char *text, size_t len,
    unsigned char *out)
{
    size_t        n = 0;
    size_t        size = WEIR_SIPHASH_LEN;
    EVP_MAC      *mac;
    OSSL_PARAM    params[2];
    EVP_MAC_CTX  *ctx;

    mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    ctx = EVP_MAC_CTX_new(mac);
    assert_non_null(ctx);

    params[0] = OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size);
    params[1] = OSSL_PARAM_construct_end();

    assert_int_equal(EVP_MAC_init(ctx, key, WEIR_SIPHASH_LEN, params), 1);
    assert_int_equal(EVP_MAC_update(ctx, (const unsigned char *) text, len),
                     1);
    assert_int_equal(EVP_MAC_final(ctx, out, &n, WEIR_SIPHASH_LEN), 1);
    assert_int_equal(n, WEIR_SIPHASH_LEN);

    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
}


static void
test_vector(void **state)
{
    size_t         i;
    unsigned char  key[WEIR_SIPHASH_LEN], out[WEIR_SIPHASH_LEN];

    static const unsigned char  want[WEIR_SIPHASH_LEN] = {
        0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
        0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93
    };

    (void) state;

    for (i = 0; i < sizeof(key); i++) {
        key[i] = (unsigned char) i;
    }

    weir_siphash(key, weir_str_null, out);
    assert_memory_equal(out, want, sizeof(want));
}


static void
test_lengths(void **state)
{
    char           text[100];
    size_t         i, len;
    unsigned char  key[WEIR_SIPHASH_LEN];
    unsigned char  one[WEIR_SIPHASH_LEN], two[WEIR_SIPHASH_LEN];

    (void) state;

    for (i = 0; i < sizeof(text); i++) {
        text[i] = (char) (i * 37 + 200);
    }

    for (i = 0; i < sizeof(key); i++) {
        key[i] = (unsigned char) (i * 91 + 7);
    }

    for (len = 1; len <= sizeof(text); len++) {
        weir_siphash(key, (weir_str_t) { text, len }, one);
        theirs(key, text, len, two);
        assert_memory_equal(one, two, sizeof(one));
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_lengths)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
