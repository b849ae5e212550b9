/*
 * The spelling of values in worker.conf.
 */

/* with: worker/value.c */

#include "unit.h"
#include "value.h"


static void
test_time(void **state)
{
    size_t   i;
    int64_t  ms;

    static const struct {
        const char  *text;
        int64_t      ms;            /* -1: refused */
    } rows[] = {
        { "0", 0 }, { "500ms", 500 }, { "30s", 30000 }, { "30", 30000 },
        { "2m", 120000 }, { "1h", 3600000 }, { "1d", 86400000 },
        { "1D", 86400000 }, { "", -1 }, { "s", -1 }, { "-1s", -1 },
        { "1 s", -1 }, { "1.5s", -1 }, { "30x", -1 }, { "0x10", -1 },
        { "9223372036854775807ms", -1 }, { "99999999999999999999", -1 },
        { "9223372036854775807d", -1 }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        ms = -1;
        assert_int_equal(value_time(rows[i].text, &ms), rows[i].ms >= 0);
        assert_int_equal(ms, rows[i].ms);
    }
}


static void
test_size(void **state)
{
    int64_t  n;

    (void) state;

    assert_true(value_size("16m", &n));
    assert_int_equal(n, 16 * 1024 * 1024);
    assert_true(value_size("4096", &n));
    assert_int_equal(n, 4096);
    assert_true(value_size("1G", &n));
    assert_int_equal(n, 1 << 30);
    assert_false(value_size("1t", &n));
    assert_true(value_share("16m", &n));
    assert_int_equal(n, 16 * 1024 * 1024);
    assert_true(value_share("1%", &n));
    assert_int_equal(n, -1);
    assert_true(value_share("100%", &n));
    assert_int_equal(n, -100);
    assert_false(value_share("0%", &n));
    assert_false(value_share("101%", &n));
    assert_false(value_share("%", &n));
    assert_false(value_share("5%5", &n));
    assert_true(value_int("65535", &n));
    assert_int_equal(n, 65535);
    assert_false(value_int("1k", &n));
    assert_false(value_int("+1", &n));
}


static void
test_bool(void **state)
{
    int64_t  n;

    (void) state;

    assert_true(value_bool("on", &n) && n == 1);
    assert_true(value_bool("Yes", &n) && n == 1);
    assert_true(value_bool("true", &n) && n == 1);
    assert_true(value_bool("off", &n) && n == 0);
    assert_true(value_bool("no", &n) && n == 0);
    assert_false(value_bool("1", &n));
    assert_false(value_bool("", &n));
}


static void
test_name(void **state)
{
    char  text[80];

    (void) state;

    assert_true(value_is_name("host-1.example_x"));
    assert_false(value_is_name(""));
    assert_false(value_is_name("a b"));
    assert_false(value_is_name("a/b"));
    assert_false(value_is_name("\xc3\xa4"));

    memset(text, 'a', sizeof(text));
    text[64] = '\0';
    assert_true(value_is_name(text));
    text[64] = 'a';
    text[65] = '\0';
    assert_false(value_is_name(text));
}


static void
test_address(void **state)
{
    size_t           i;
    char             path[160];
    value_address_t  a;

    static const char  *bad[] = {
        "", ":", "host", "host:", ":1", "host:0", "host:65536", "host:1x",
        "host:-1", "a b:1", "::1:80", "[::1]", "[]:1", "unix:", "h/x:1",
        "host:123456"
    };

    (void) state;

    assert_true(value_address("127.0.0.1:6379", &a));
    assert_true(weir_str_eq(a.host, weir_str("127.0.0.1")));
    assert_int_equal(a.port, 6379);
    assert_int_equal(a.path.len, 0);

    assert_true(value_address("[::1]:80", &a));
    assert_true(weir_str_eq(a.host, weir_str("::1")));

    assert_true(value_address("unix:/run/redis.sock", &a));
    assert_true(weir_str_eq(a.path, weir_str("/run/redis.sock")));
    assert_int_equal(a.host.len, 0);

    for (i = 0; i < ROWS(bad); i++) {
        assert_false(value_address(bad[i], &a));
    }

    memset(path, 'p', sizeof(path));
    memcpy(path, "unix:/", 6);
    path[5 + 107] = '\0';
    assert_true(value_address(path, &a));
    path[5 + 107] = 'p';
    path[5 + 108] = '\0';
    assert_false(value_address(path, &a));
}


static void
test_url(void **state)
{
    size_t  i;

    static const char  *good[] = {
        "http://h", "https://h/", "http://h:8080/v1", "HTTPS://h.example/a/b",
        "http://[::1]:80/v1", "http://[::1]/v1", "http://10.0.0.1"
    };

    static const char  *bad[] = {
        "", "h", "ftp://h", "http://", "http:///v1", "http://u:p@h/",
        "http://h/?q", "http://h/#f", "http://h /", "http://h:0/",
        "http://h:99999/", "http://h:/", "http://h\n/", "http://\xc3\xa4/",
        "file:///etc/passwd", "http://h\"x"
    };

    (void) state;

    for (i = 0; i < ROWS(good); i++) {
        assert_true(value_is_url(good[i]));
    }

    for (i = 0; i < ROWS(bad); i++) {
        assert_false(value_is_url(bad[i]));
    }
}


static void
test_text(void **state)
{
    char     buf[VALUE_TEXT_MAX];
    size_t   i;
    int64_t  ms;

    static const int64_t  times[] = {
        0, 1, 999, 1000, 1500, 60000, 3600000, 86400000, 86400001
    };

    (void) state;

    assert_string_equal(value_time_text(buf, 30000), "30s");
    assert_string_equal(value_time_text(buf, 100), "100ms");
    assert_string_equal(value_time_text(buf, 3600000), "1h");
    assert_string_equal(value_size_text(buf, 16 << 20), "16m");

    for (i = 0; i < ROWS(times); i++) {
        assert_true(value_time(value_time_text(buf, times[i]), &ms));
        assert_int_equal(ms, times[i]);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_bool),
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_text)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
