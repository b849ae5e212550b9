/*
 * Secrets and signatures of webhooks, check AP-20, and the base64 below them.
 */

#include "unit.h"
#include "weir_webhook.h"


#define SECRET  "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define VECTOR  "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

/* 24 bytes of 0, and 64 */
#define ZERO24  "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define ZERO64  "whsec_" \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
    "AAAAAAAAAAAAAAAAAAAAAA=="


static void
test_base64_vectors(void **state)
{
    char            text[16];
    size_t          i, len;
    unsigned char   out[16];

    /* RFC 4648, section 10 */

    static const char *const  rows[][2] = {
        { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" }, { "\373\377\276", "+/++" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        weir_base64_write((const unsigned char *) rows[i][0],
                          strlen(rows[i][0]), text);
        assert_string_equal(text, rows[i][1]);

        assert_true(weir_base64_read(weir_str_of(rows[i][1]), out,
                                     sizeof(out), &len));
        assert_int_equal(len, strlen(rows[i][0]));
        assert_memory_equal(out, rows[i][0], len);
    }
}


static void
test_base64_refused(void **state)
{
    size_t          i, len;
    unsigned char   out[16];

    static const char *const  rows[] = {
        "Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm8", "====", "=",
        "Zg==Zg==", "Zm9v\n", "Zm 9", "Zm-9", "Zm_9", "Z=g=", "Zm9v===="
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (weir_base64_read(weir_str_of(rows[i]), out, sizeof(out), &len)) {
            fail_msg("\"%s\" is taken", rows[i]);
        }
    }

    assert_false(weir_base64_read(weir_str("Zm9v"), out, 2, &len));
    assert_true(weir_base64_read(weir_str("Zm9v"), out, 3, &len));
}


static void
test_base64_round(void **state)
{
    char            text[WEIR_BASE64_LEN(90) + 1];
    size_t          len, got;
    uint64_t        seed = unit_seed();
    unsigned char   in[90], out[90];

    (void) state;

    for (len = 0; len <= sizeof(in); len++) {
        unit_random_bytes(&seed, in, len);
        weir_base64_write(in, len, text);
        assert_int_equal(strlen(text), WEIR_BASE64_LEN(len));
        assert_true(weir_base64_read(weir_str_of(text), out, sizeof(out),
                                     &got));
        assert_int_equal(got, len);
        assert_memory_equal(in, out, len);
    }
}


static void
test_secrets(void **state)
{
    size_t          i;
    weir_secrets_t  s;

    static const struct {
        const char  *text;
        unsigned     n;                 /* 0: refused */
    } rows[] = {
        { SECRET, 1 }, { ZERO24, 1 }, { ZERO64, 1 },
        { SECRET " " ZERO64, 2 }, { SECRET " " SECRET, 2 },
        { SECRET " " ZERO24 " " ZERO64, 0 },
        { "", 0 }, { " ", 0 }, { "whsec_", 0 }, { " " SECRET, 0 },
        { SECRET " ", 0 }, { SECRET "  " SECRET, 0 }, { SECRET "," SECRET, 0 },
        { "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 0 },
        { "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 0 },
        { "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", 0 },
        { "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=", 0 },
        { "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa==", 0 },     /* 22 bytes */
        { ZERO64 "AAAA", 0 },                                   /* 67 bytes */
        { SECRET "\n", 0 }, { SECRET ":x", 0 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (weir_secrets_read(weir_str_of(rows[i].text), &s)
            != (rows[i].n > 0))
        {
            fail_msg("\"%s\"", rows[i].text);
        }

        assert_int_equal(s.n, rows[i].n);
        weir_secrets_wipe(&s);
    }

    assert_false(weir_secrets_read(weir_str_null, &s));
}


static void
test_draw(void **state)
{
    char            one[WEIR_SECRET_TEXT], two[WEIR_SECRET_TEXT];
    weir_secrets_t  s;

    (void) state;

    assert_int_equal(weir_secret_draw(one), 0);
    assert_int_equal(weir_secret_draw(two), 0);
    assert_string_not_equal(one, two);

    assert_true(weir_secrets_read(weir_str_of(one), &s));
    assert_int_equal(s.list[0].len, WEIR_SECRET_DRAWN);
}


static void
sign(const char *secrets, char text[WEIR_SIGNATURES_TEXT])
{
    weir_secrets_t  s;

    assert_true(weir_secrets_read(weir_str_of(secrets), &s));
    assert_int_equal(weir_webhook_sign(&s,
                         weir_str("msg_p5jXN8AQM9LWM0D4loKWxJek"),
                         weir_str("1614265330"),
                         weir_str("{\"test\": 2432232314}"), text),
                     0);
}


static void
test_sign(void **state)
{
    char  text[WEIR_SIGNATURES_TEXT], other[WEIR_SIGNATURES_TEXT];

    (void) state;

    sign(SECRET, text);
    assert_string_equal(text, VECTOR);

    /* while a secret is changed, both sign, in their order */

    sign(ZERO64, other);
    sign(SECRET " " ZERO64, text);
    assert_int_equal(strlen(text), WEIR_SIGNATURES_TEXT - 1);
    assert_memory_equal(text, VECTOR " ", sizeof(VECTOR));
    assert_string_equal(text + sizeof(VECTOR), other);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_base64_vectors),
        cmocka_unit_test(test_base64_refused),
        cmocka_unit_test(test_base64_round),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_draw),
        cmocka_unit_test(test_sign)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
