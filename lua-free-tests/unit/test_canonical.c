/*
 * The canonical form of JSON: checks RC-04, RC-07 and RC-08.
 */

#include "unit.h"
#include "weir_digest.h"
#include "weir_json.h"

#include <math.h>


static int
canonical(const char *text, weir_buf_t *out)
{
    int           rc;
    char          error[WEIR_JSON_ERROR];
    weir_json_t  *v;

    v = weir_json_parse(weir_str_of(text), error);

    if (v == NULL) {
        fail_msg("%s: %s", text, error);
    }

    weir_buf_reset(out);
    rc = weir_json_write_canonical(v, out);
    weir_json_free(&v);

    return rc;
}


/* spelled otherwise than in the test data of RFC 8785, to the same text */

static void
test_digests(void **state)
{
    char           hex[2 * WEIR_DIGEST_LEN + 1];
    size_t         i;
    weir_buf_t     b = { 0 };
    unsigned char  digest[WEIR_DIGEST_LEN];

    static const struct {
        const char  *text;
        const char  *digest;
    } rows[] = {
        { "[5.6e1 ,{\"\\u0064\":true,\"1\":[\n],\"1\\u0030\":null}]",
          "099601b171cafed97c333f8878d68e7f8c8f795412adb34b2fdcf0e7c7beac42" },

        { "{\"sin\":\"ignore\\u0020locale\",\"p\\u00eache\":"
          "\"but canonicalization MUST\",\"p\xc3\xa9" "ch\\u00E9\":"
          "\"is wrong according to French\"\r\n,"
          "\"peach\" :\"This sorting order\"}",
          "d99d0ebdcb0033cb858cfa830ae46bc0fb3309413b271f1da828c89901a27ed5" },

        { "{\"A\":{},\"a\":{},\"111\":[{\"E\":\"no\",\"e\":\"yes\"}],"
          "\"10\":{},\"1\":{\"\\u000a\":560e-1,\"f\":{\"F\":5.0,"
          "\"f\":\"hi\"}},\"\":\"empty\"}",
          "605f65004ec2db7692522a0852c22f1c989e036d547e88963d1a3143cf3195d5" },

        { "\t{ \"Unnormalized\\u0020Unicode\" : \"\\u0041\xcc\x8a\" }",
          "0d99aad92a125196ff887876643fd3206786a84ddce2cee52ba4ad256d2381d3" },

        { "{\"string\":\"\xe2\x82\xac\\u0024\\u000f\\n\\u0041'B\\\"\\\\\\u005c"
          "\\u0022/\",\"numbers\":[333333333.333333300,1000000000000000e15,"
          "45E-1,0.0020,1.0e-27],\"literals\":[null,true,false]}",
          "2d5e01a318d0f0879ab568c4be289c8b1f64ef8921a53c6277d5e069978baacb" },

        { "{\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\","
          "\"\xf0\x9f\x98\x82\":\"Smiley\",\"\\u20AC\":\"Euro Sign\","
          "\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\","
          "\"\xc2\x80\":\"Control\x7f\",\"<\\/script>\":"
          "\"Browser Challenge\",\"1\":\"One\",\"\\r\":\"Carriage Return\","
          "\"\\n\":\"Newline\"}",
          "6af595a9aa80110b964b4de3f82a05fa6ae7423005019bacfa2620dddc4e94d1" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(canonical(rows[i].text, &b), 0);
        assert_int_equal(weir_digest_sha256(unit_buf(&b), digest), 0);
        weir_digest_hex(digest, sizeof(digest), hex);
        assert_string_equal(hex, rows[i].digest);
    }

    weir_buf_free(&b);
}


static void
test_numbers(void **state)
{
    char    text[WEIR_JSON_NUMBER_MAX];
    size_t  i;
    double  x;

    static const struct {
        uint64_t     bits;
        const char  *text;
    } rows[] = {
        { 0x0000000000000000, "0" },
        { 0x8000000000000000, "0" },
        { 0x3ff0000000000000, "1" },
        { 0xbff8000000000000, "-1.5" },
        { 0x4340000000000001, "9007199254740994" },
        { 0x4340000000000002, "9007199254740996" },
        { 0x444b1ae4d6e2ef50, "1e+21" },
        { 0x444b1ae4d6e2ef4f, "999999999999999900000" },
        { 0x3eb0c6f7a0b5ed8d, "0.000001" },
        { 0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7" },
        { 0x3e7ad7f29abcaf48, "1e-7" },
        { 0xbe7ad7f29abcaf48, "-1e-7" },
        { 0x46293e5939a08cea, "1e+30" },
        { 0x3fb999999999999a, "0.1" },
        { 0x3fd3333333333334, "0.30000000000000004" },
        { 0x4415af1d78b58c40, "100000000000000000000" },
        { 0x0000000000000001, "5e-324" },
        { 0x8000000000000001, "-5e-324" },
        { 0x0010000000000000, "2.2250738585072014e-308" },
        { 0x000fffffffffffff, "2.225073858507201e-308" },
        { 0x7fefffffffffffff, "1.7976931348623157e+308" },
        { 0xffefffffffffffff, "-1.7976931348623157e+308" },
        { 0x41b3de4355555555, "333333333.3333333" },

        /* the nearest of 16 digits is not this number, the next one is */
        { 0x3d30000000000000, "5.684341886080802e-14" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        memcpy(&x, &rows[i].bits, sizeof(x));
        weir_json_number(x, text);

        if (strcmp(text, rows[i].text) != 0) {
            fail_msg("got %s, want %s", text, rows[i].text);
        }
    }
}


/* digits but for the zeros at both ends */

static int
significant(const char *text)
{
    int  n, zeros;

    n = zeros = 0;

    for ( /* void */ ; *text && *text != 'e'; text++) {
        if (*text >= '1' && *text <= '9') {
            n += zeros + 1;
            zeros = 0;

        } else if (*text == '0' && n) {
            zeros++;
        }
    }

    return n;
}


/* what is written reads back, and nothing shorter does */

static void
test_numbers_random(void **state)
{
    int       n;
    char      text[WEIR_JSON_NUMBER_MAX], shorter[64];
    double    x;
    size_t    i;
    uint64_t  seed, bits;

    (void) state;

    seed = unit_seed();

    for (i = 0; i < 30000; i++) {
        bits = unit_random(&seed);

        if (i % 3 == 0) {
            bits &= ~(0x7ffULL << 52);          /* near zero */
            bits >>= unit_random(&seed) % 52;
        }

        memcpy(&x, &bits, sizeof(x));

        if (i % 3 == 1) {
            x = (double) (bits % 10000000) / 1000;
        }

        if (!isfinite(x)) {
            continue;
        }

        weir_json_number(x, text);

        if (strtod(text, NULL) != x || strlen(text) > 25) {
            fail_msg("%.17g: %s", x, text);
        }

        for (n = 1; n < significant(text); n++) {
            snprintf(shorter, sizeof(shorter), "%.*e", n - 1, x);

            if (strtod(shorter, NULL) == x) {
                fail_msg("%.17g: %s, not %s", x, text, shorter);
            }
        }
    }
}


static void
test_same(void **state)
{
    size_t      i, k;
    weir_buf_t  one = { 0 }, two = { 0 };

    static const char  *rows[][4] = {
        { "1", "1.0", "1e0", "10E-1" },
        { "0", "-0", "-0.0", "0e9" },
        { "100", "1e2", "1E+2", "100.000" },
        { "-2.5", "-25e-1", "-2.50", "-0.25e1" },
        { "\"A/\\n\"", "\"\\u0041\\/\\u000a\"", "\"\\u0041/\\n\"",
          "\"A\\u002f\\u000A\"" },
        { "{\"a\":1,\"b\":[2]}", "{\"b\":[2.0],\"a\":1e0}",
          " { \"\\u0062\" : [ 2 ] , \"a\" : 1 } ", "{\"b\":[2],\"a\":1}" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(canonical(rows[i][0], &one), 0);

        for (k = 1; k < ROWS(rows[i]); k++) {
            assert_int_equal(canonical(rows[i][k], &two), 0);
            assert_true(weir_str_eq(unit_buf(&one), unit_buf(&two)));
        }
    }

    weir_buf_free(&one);
    weir_buf_free(&two);
}


static void
test_other(void **state)
{
    weir_buf_t    b = { 0 };
    weir_json_t  *v;

    (void) state;

    /* by UTF-16: what needs two units comes before U+E000 and after U+D7FF */

    assert_int_equal(canonical("{\"\\ue000\":1,\"\\uffff\":2,"
                               "\"\\ud800\\udc00\":3,\"\\udbff\\udfff\":4,"
                               "\"\\ud7ff\":5,\"aa\":6,\"a\":7,\"\":8}", &b),
                     0);
    unit_str(unit_buf(&b), "{\"\":8,\"a\":7,\"aa\":6,\"\xed\x9f\xbf\":5,"
             "\"\xf0\x90\x80\x80\":3,\"\xf4\x8f\xbf\xbf\":4,"
             "\"\xee\x80\x80\":1,\"\xef\xbf\xbf\":2}");

    v = NULL;
    assert_int_equal(weir_json_write_canonical(v, &b), -1);
    assert_true(b.failed);

    weir_buf_free(&b);
    weir_buf_init(&b, 5);
    v = weir_json_new_str(weir_str("longer"));
    assert_int_equal(weir_json_write_canonical(v, &b), -1);

    weir_json_free(&v);
    weir_buf_free(&b);
}


static void
test_unsafe(void **state)
{
    size_t      i;
    weir_buf_t  b = { 0 };

    static const struct {
        const char  *text;
        int          rc;
    } rows[] = {
        { "9007199254740991", 0 },
        { "-9007199254740991", 0 },
        { "9007199254740992", -2 },
        { "-9007199254740992", -2 },
        { "9007199254740993", -2 },
        { "9223372036854775807", -2 },
        { "[[{\"a\":[1,9007199254740993]}]]", -2 },
        { "{\"a\":[9007199254740993],\"b\":2}", -2 },
        { "1e300", 0 },
        { "9007199254740993.0", 0 },            /* a double, and kept as one */
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_int_equal(canonical(rows[i].text, &b), rows[i].rc);
        assert_false(b.failed);
    }

    weir_buf_free(&b);
}


/* nothing of this has a canonical form, since it is no document */

static void
test_refused(void **state)
{
    char    error[WEIR_JSON_ERROR];
    size_t  i;

    static const char  *rows[] = {
        "{\"a\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":2}",
        "[{\"b\":{\"a\":1,\"c\":2,\"a\":1}}]",
        "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800x\"", "\"\\ud800\\ud800\"",
        "\"\\udc00\\ud800\"", "{\"\\udfff\":1}", "\"\xed\xa0\x80\"",
        "NaN", "[NaN]", "Infinity", "-Infinity", "[-NaN]", "1e400", "+1", ".5",
        "\xef\xbb\xbf{}", "\xef\xbb\xbf", "{}\xef\xbb\xbf", "0x10", "1.",
        "\xff\xfe{\0}\0"
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_null(weir_json_parse(weir_str_of(rows[i]), error));
        assert_true(error[0] != '\0');
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_numbers_random),
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_other),
        cmocka_unit_test(test_unsafe),
        cmocka_unit_test(test_refused)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
