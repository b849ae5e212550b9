/*
 * The checksum of keys: known values, and the same as bit by bit.
 */

#include "unit.h"
#include "weir_crc32.h"


static uint32_t
slow(weir_str_t s)
{
    int       bit;
    size_t    i;
    uint32_t  crc;

    crc = 0xffffffff;

    for (i = 0; i < s.len; i++) {
        crc ^= (unsigned char) s.data[i];

        for (bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
    }

    return ~crc;
}


static void
test_known(void **state)
{
    (void) state;

    assert_int_equal(weir_crc32(weir_str("")), 0);
    assert_int_equal(weir_crc32(weir_str("a")), 0xe8b7be43);
    assert_int_equal(weir_crc32(weir_str("123456789")), 0xcbf43926);
    assert_int_equal(weir_crc32(weir_str("The quick brown fox jumps over "
                                         "the lazy dog")), 0x414fa339);
}


static void
test_any(void **state)
{
    int         i;
    char        bytes[67];
    uint64_t    seed;
    weir_str_t  s;

    (void) state;

    seed = unit_seed();

    for (i = 0; i < 20000; i++) {
        unit_random_bytes(&seed, bytes, sizeof(bytes));
        s = (weir_str_t) { bytes, unit_random(&seed) % (sizeof(bytes) + 1) };
        assert_int_equal(weir_crc32(s), slow(s));
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_any)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
