/*
 * The records of API keys.
 */

#include "unit.h"
#include "weir_apikey.h"


#define DIGEST  "00112233445566778899aabbccddeeff"                            \
                "00112233445566778899aabbccddeeff"
#define SECRET  "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define RECORD  "v1:hmac-sha256:abcdefABCDEF:" DIGEST


static void
test_records(void **state)
{
    char        error[WEIR_KEY_ERROR];
    weir_key_t  k;

    (void) state;

    assert_true(weir_apikey_read(weir_str(RECORD ":owner=alice"), &k, error));
    assert_string_equal(k.id, "abcdefABCDEF");
    assert_string_equal(k.owner, "alice");
    assert_string_equal(k.tier, "default");
    assert_string_equal(k.env, "live");
    assert_true(k.models.len == 0 && k.limits.len == 0);
    assert_int_equal(k.scopes, WEIR_SCOPE_DEFAULT);
    assert_true(k.expires == 0 && k.revoked == 0 && k.until == 0);
    assert_false(k.rotating);
    assert_int_equal(k.digest[1], 0x11);

    assert_true(weir_apikey_read(weir_str(RECORD ":owner=a@b.c-d_1:tier=gold"
                                          ":scopes=read,admin:expires=5"
                                          ":digest2=" DIGEST ":until=6"
                                          ":revoked=7:env=t3st:y=:z="),
                                 &k, error));
    assert_string_equal(k.owner, "a@b.c-d_1");
    assert_string_equal(k.tier, "gold");
    assert_int_equal(k.scopes, WEIR_SCOPE_READ|WEIR_SCOPE_ADMIN);
    assert_true(k.rotating && k.expires == 5 && k.until == 6
                && k.revoked == 7);
    assert_string_equal(k.env, "t3st");
    assert_true(k.webhook.len == 0 && k.webhook_secret.len == 0);
}


static void
test_webhooks(void **state)
{
    char             error[WEIR_KEY_ERROR];
    char             line[] = RECORD ":owner=a:webhook_secret=" SECRET " "
                              SECRET ":webhook=https%3A//h.example%3A8443/"
                              "%2541";
    weir_key_t       k;
    weir_buf_t       b = { 0 };
    weir_keyring_t  *ring;

    (void) state;

    assert_true(weir_apikey_read(weir_str_of(line), &k, error));
    unit_str(k.webhook_secret, SECRET " " SECRET);

    weir_apikey_unquote(k.webhook, &b);
    unit_str(unit_buf(&b), "https://h.example:8443/%41");

    weir_buf_reset(&b);
    weir_apikey_quote(weir_str("https://h.example:8443/%41"), &b);
    unit_str(unit_buf(&b), "https%3A//h.example%3A8443/%2541");

    /* what is no quotation stays as it is */

    weir_buf_reset(&b);
    weir_apikey_unquote(weir_str("%3a%41%2525%3A%3"), &b);
    unit_str(unit_buf(&b), "%3a%41%25:%3");

    weir_buf_reset(&b);
    weir_apikey_write(&k, weir_str_null, &b);
    assert_true(weir_apikey_read((weir_str_t) { b.data, b.len - 1 }, &k,
                                 error));
    unit_str(k.webhook, "https%3A//h.example%3A8443/%2541");
    unit_str(k.webhook_secret, SECRET " " SECRET);

    /* a secret alone: for URLs that come with jobs; the ring keeps a copy */

    assert_true(weir_apikey_read(weir_str(RECORD ":owner=a:webhook_secret="
                                          SECRET), &k, error));
    ring = weir_keyring_create(weir_str_of(line), weir_str("p"), error);
    assert_non_null(ring);
    memset(line, 0, sizeof(line));
    weir_keyring_destroy(&ring);

    weir_buf_free(&b);
}


static void
test_models_and_limits(void **state)
{
    char               error[WEIR_KEY_ERROR];
    char               line[] = RECORD ":owner=a:models=gpt-*,org/m%3A7b"
                                ":limits=per-key=10r/m+5,day=unlimited";
    weir_buf_t         b = { 0 };
    weir_key_t         k;
    weir_keyring_t    *ring;

    (void) state;

    assert_true(weir_apikey_read(weir_str_of(line), &k, error));
    unit_str(k.models, "gpt-*,org/m%3A7b");
    unit_str(k.limits, "per-key=10r/m+5,day=unlimited");

    weir_apikey_write(&k, weir_str_null, &b);
    assert_true(weir_apikey_read((weir_str_t) { b.data, b.len - 1 }, &k,
                                 error));
    unit_str(k.models, "gpt-*,org/m%3A7b");
    unit_str(k.limits, "per-key=10r/m+5,day=unlimited");
    weir_buf_free(&b);

    assert_true(weir_apikey_read(weir_str(RECORD ":owner=a:models=\xc3\xa9"),
                                 &k, error));

    /* the ring keeps copies */

    ring = weir_keyring_create(weir_str_of(line), weir_str("p"), error);
    assert_non_null(ring);
    memset(line, 0, sizeof(line));
    weir_keyring_destroy(&ring);
}


static void
test_allows(void **state)
{
    size_t  i;

    static const struct {
        const char  *models;
        const char  *model;
        bool         allowed;
    } rows[] = {
        { "", "m", true },
        { "*", "m", true },
        { "*", "", true },
        { "m", "m", true },
        { "m", "n", false },
        { "m", "mm", false },
        { "mm", "m", false },
        { "m", "M", false },
        { "m", "", false },
        { "a,b,c", "a", true },
        { "a,b,c", "b", true },
        { "a,b,c", "c", true },
        { "a,b,c", "a,b", false },
        { "gpt-*", "gpt-", true },
        { "gpt-*", "gpt-4o", true },
        { "gpt-*", "gpt", false },
        { "gpt-*", "xgpt-4o", false },
        { "a,gpt-*", "gpt-4o", true },
        { "gpt-*,a", "b", false },
        { "org/m%3A7b", "org/m:7b", true },
        { "org/m%3A7b", "org/m%3A7b", false },
        { "org/m%3A*", "org/m:13b", true },
        { "a%25", "a%", true },
        { "a%253A", "a%3A", true },
        { "a%253A", "a:", false }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (weir_apikey_allows(weir_str_of(rows[i].models),
                               weir_str_of(rows[i].model))
            != rows[i].allowed)
        {
            fail_msg("\"%s\", \"%s\"", rows[i].models, rows[i].model);
        }
    }
}


static void
test_bad_records(void **state)
{
    char        error[WEIR_KEY_ERROR], line[10000];
    size_t      i;
    weir_key_t  k;

    static const struct {
        const char  *line;
        const char  *says;
    } rows[] = {
        { "", "v1:" },
        { "v2:hmac-sha256:abcdefABCDEF:" DIGEST ":owner=a", "v1:" },
        { "v1:hmac-sha256:", "public id" },
        { "v1:hmac-sha256:short:" DIGEST ":owner=a", "public id" },
        { "v1:hmac-sha256:abcdefABCDE-:" DIGEST ":owner=a", "public id" },
        { "v1:hmac-sha256:abcdefABCDEF", "digest" },
        { "v1:hmac-sha256:abcdefABCDEF:", "digest" },
        { "v1:hmac-sha256:abcdefABCDEF:00:owner=a", "digest" },
        { RECORD, "owner" },
        { RECORD ":", "name=value" },
        { RECORD ":owner", "name=value" },
        { RECORD ":owner=", "owner" },
        { RECORD ":owner=a b", "owner" },
        { RECORD ":owner=a/b", "owner" },
        { RECORD ":tier=x", "owner" },
        { RECORD ":owner=a:tier=", "tier" },
        { RECORD ":owner=a:tier=123456789012345678901234567890123", "tier" },
        { RECORD ":owner=a:scopes=", "scopes" },
        { RECORD ":owner=a:scopes=read,", "scopes" },
        { RECORD ":owner=a:scopes=root", "scopes" },
        { RECORD ":owner=a:expires=", "expires" },
        { RECORD ":owner=a:expires=-1", "expires" },
        { RECORD ":owner=a:expires=1e9", "expires" },
        { RECORD ":owner=a:expires=1234567890123", "expires" },
        { RECORD ":owner=a:expires=99999999999999999999999999", "expires" },
        { RECORD ":owner=a:revoked=soon", "revoked" },
        { RECORD ":owner=a:until=x", "until" },
        { RECORD ":owner=a:digest2=00", "digest2" },
        { RECORD ":owner=a:", "name=value" },
        { RECORD ":owner=a:env=", "env" },
        { RECORD ":owner=a:env=Live", "env" },
        { RECORD ":owner=a:env=abcdefghi", "env" },
        { RECORD ":owner=a:models=", "models" },
        { RECORD ":owner=a:models=,", "models" },
        { RECORD ":owner=a:models=a,", "models" },
        { RECORD ":owner=a:models=a,,b", "models" },
        { RECORD ":owner=a:models=a b", "models" },
        { RECORD ":owner=a:models=a\tb", "models" },
        { RECORD ":owner=a:models=a\x7f", "models" },
        { RECORD ":owner=a:models=*a", "models" },
        { RECORD ":owner=a:models=b,**", "models" },
        { RECORD ":owner=a:models=a%", "models" },
        { RECORD ":owner=a:models=a%3", "models" },
        { RECORD ":owner=a:models=a%2A", "models" },
        { RECORD ":owner=a:models=a%3a", "models" },
        { RECORD ":owner=a:models=a:b", "name=value" },
        { RECORD ":owner=a:models=a:models=b", "twice" },
        { RECORD ":owner=a:limits=", "limits" },
        { RECORD ":owner=a:limits=a b", "limits" },
        { RECORD ":owner=a:limits=per-key=5r/s\x80", "limits" },
        { RECORD ":owner=a:webhook=https%3A//h/", "webhook_secret" },
        { RECORD ":owner=a:webhook_secret=", "webhook_secret" },
        { RECORD ":owner=a:webhook_secret=00112233", "webhook_secret" },
        { RECORD ":owner=a:webhook_secret=" SECRET ":webhook=", "webhook\"" },
        { RECORD ":owner=a:webhook_secret=" SECRET ":webhook=ftp%3A//h/",
          "webhook\"" },
        { RECORD ":owner=a:webhook_secret=" SECRET ":webhook=https://h/",
          "webhook" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (weir_apikey_read(weir_str_of(rows[i].line), &k, error)
            || strstr(error, rows[i].says) == NULL
            || strstr(error, "00112233"))
        {
            fail_msg("%s: %s", rows[i].line, error);
        }
    }

    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    memcpy(line, RECORD ":owner=a:n=", sizeof(RECORD ":owner=a:n=") - 1);
    assert_false(weir_apikey_read(weir_str_of(line), &k, error));
    assert_true(weir_apikey_read((weir_str_t) { line, 8192 }, &k, error));
}


static void
test_written_is_read(void **state)
{
    int         i;
    char        error[WEIR_KEY_ERROR];
    uint64_t    seed;
    weir_buf_t  b = { 0 };
    weir_key_t  k, got;

    (void) state;

    seed = unit_seed();

    for (i = 0; i < 500; i++) {
        memset(&k, 0, sizeof(k));
        strcpy(k.id, "abcdefABCDEF");
        strcpy(k.owner, "alice");
        strcpy(k.tier, i % 3 ? "default" : "gold");
        strcpy(k.env, i % 4 == 0 ? "test" : i % 4 == 1 ? "" : "live");
        k.scopes = 1 + unit_random(&seed) % 63;
        k.models = i % 2 ? weir_str("a,b*") : weir_str_null;
        k.limits = i % 3 ? weir_str_null : weir_str("z=5");
        k.expires = i % 2 ? (int64_t) (unit_random(&seed) % 1000000000) : 0;
        k.revoked = i % 5 ? 0 : 77;
        k.rotating = i % 7 == 0;
        k.until = k.rotating ? 99 : 0;
        unit_random_bytes(&seed, k.digest, sizeof(k.digest));

        if (k.rotating) {
            unit_random_bytes(&seed, k.digest2, sizeof(k.digest2));
        }

        weir_buf_reset(&b);
        weir_apikey_write(&k, weir_str_null, &b);
        assert_int_equal(b.data[b.len - 1], '\n');
        assert_true(weir_apikey_read((weir_str_t) { b.data, b.len - 1 }, &got,
                                     error));
        assert_memory_equal(k.digest, got.digest, sizeof(k.digest));
        assert_memory_equal(k.digest2, got.digest2, sizeof(k.digest2));
        assert_string_equal(k.tier, got.tier);
        assert_string_equal(k.env[0] ? k.env : "live", got.env);
        assert_true(weir_str_eq(k.models, got.models)
                    && weir_str_eq(k.limits, got.limits));
        assert_true(k.scopes == got.scopes && k.expires == got.expires
                    && k.revoked == got.revoked && k.until == got.until
                    && k.rotating == got.rotating);
    }

    weir_buf_free(&b);
}


/* what only a later version knows stays, and nothing twice */

static void
test_written_over(void **state)
{
    char         error[WEIR_KEY_ERROR];
    weir_buf_t   b = { 0 };
    weir_key_t   k;
    const char  *line = RECORD ":later=1:owner=a:tier=t:scopes=read:env=e:"
                        "own=2:models=m:limits=z=1:expires=5:digest2=" DIGEST
                        ":until=6:revoked=7:webhook_secret=" SECRET
                        ":webhook=https%3A//h/:owners=3";

    (void) state;

    assert_true(weir_apikey_read(weir_str_of(line), &k, error));
    strcpy(k.tier, "u");
    k.expires = 0;
    weir_apikey_write(&k, weir_str_of(line), &b);
    unit_str(unit_buf(&b), RECORD ":owner=a:tier=u:scopes=read:env=e:models=m"
             ":limits=z=1:digest2=" DIGEST ":until=6:revoked=7:webhook_secret="
             SECRET ":webhook=https%3A//h/:later=1:own=2:owners=3\n");
    assert_true(weir_apikey_read((weir_str_t) { b.data, b.len - 1 }, &k,
                                 error));
    weir_buf_free(&b);
}


static void
test_scopes(void **state)
{
    weir_buf_t  b = { 0 };

    (void) state;

    assert_int_equal(weir_scopes_parse(weir_str("submit,read")), 3);
    assert_int_equal(weir_scopes_parse(weir_str("admin,admin")), 8);
    assert_int_equal(weir_scopes_parse(weir_str("")), -1);
    assert_int_equal(weir_scopes_parse(weir_str_null), -1);
    assert_int_equal(weir_scopes_parse(weir_str(",")), -1);
    assert_int_equal(weir_scopes_parse(weir_str("read, submit")), -1);
    assert_int_equal(weir_scopes_parse(weir_str("Read")), -1);

    weir_scopes_write(63, &b);
    unit_str(unit_buf(&b), "submit,read,cancel,admin,cache-bypass,metrics");
    assert_int_equal(weir_scopes_parse(unit_buf(&b)), 63);
    assert_int_equal(weir_scopes_parse(weir_str("cache")), -1);
    weir_buf_free(&b);

    assert_true(weir_name_valid(weir_str("aZ09._-@"), 8));
    assert_false(weir_name_valid(weir_str("aZ09._-@"), 7));
    assert_false(weir_name_valid(weir_str("a\0b"), 8));
    assert_false(weir_name_valid(weir_str("\xc3\xa9"), 8));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_webhooks),
        cmocka_unit_test(test_models_and_limits),
        cmocka_unit_test(test_allows),
        cmocka_unit_test(test_bad_records),
        cmocka_unit_test(test_written_is_read),
        cmocka_unit_test(test_written_over),
        cmocka_unit_test(test_scopes)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
