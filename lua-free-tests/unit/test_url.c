/*
 * URLs of webhooks: checks SE-03, SE-05, SE-06 (the decision) and SE-08.
 */

#include "unit.h"
#include "weir_url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>


static const weir_url_policy_t  strict;


static weir_url_policy_t
lenient(void)
{
    const char         *why;
    weir_url_policy_t   p = { 0 };

    assert_true(weir_cidrs_add(&p.allow, weir_str("127.0.0.0/8"), &why));
    assert_true(weir_cidrs_add(&p.allow, weir_str("fd00:1::/32"), &why));
    assert_true(weir_url_policy_port(&p, weir_str("9443"), &why));

    return p;
}


static void
taken(const weir_url_policy_t *p, const char *url, const char *want)
{
    weir_buf_t   b = { 0 };
    weir_buf_t   again = { 0 };
    const char  *why;

    if (!weir_url_check(weir_str_of(url), p, &b, &why)) {
        fail_msg("\"%s\" %s", url, why);
    }

    unit_str(unit_buf(&b), want);

    /* the canonical spelling is its own */

    assert_true(weir_url_check(unit_buf(&b), p, &again, &why));
    unit_str(unit_buf(&again), want);

    weir_buf_free(&b);
    weir_buf_free(&again);
}


static void
refused(const weir_url_policy_t *p, const char *url, const char *word)
{
    weir_buf_t   b = { 0 };
    const char  *why;

    if (weir_url_check(weir_str_of(url), p, &b, &why)) {
        fail_msg("\"%s\" is taken", url);
    }

    if (strstr(why, word) == NULL) {
        fail_msg("\"%s\" %s, not %s", url, why, word);
    }

    assert_int_equal(b.len, 0);
    weir_buf_free(&b);
}


static void
test_taken(void **state)
{
    size_t  i;

    static const struct {
        const char  *url;
        const char  *want;
    } rows[] = {
        { "https://example.com", "https://example.com/" },
        { "HTTPS://Example.COM/A/b?C=d", "https://example.com/A/b?C=d" },
        { "https://example.com:443/x", "https://example.com/x" },
        { "https://example.com:8443/x", "https://example.com:8443/x" },
        { "https://example.com?x=1", "https://example.com/?x=1" },
        { "https://example.com/?", "https://example.com/?" },
        { "https://example.com/a@b:c", "https://example.com/a@b:c" },
        { "https://example.com/?u=http://127.0.0.1/",
          "https://example.com/?u=http://127.0.0.1/" },
        { "https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/" },
        { "https://receiver/", "https://receiver/" },
        { "https://a-b.c1/%41", "https://a-b.c1/%41" },
        { "https://1.2.3.4a/", "https://1.2.3.4a/" },
        { "https://8.8.8.8/x", "https://8.8.8.8/x" },
        { "https://100.63.255.254/", "https://100.63.255.254/" },
        { "https://100.128.0.1/", "https://100.128.0.1/" },
        { "https://[2001:4860:4860:0:0:0:0:8888]:8443/",
          "https://[2001:4860:4860::8888]:8443/" },
        { "https://[64:FF9C::1]/", "https://[64:ff9c::1]/" },
        { "https://localhost.example.com/", "https://localhost.example.com/" },
        { "https://mylocalhost/", "https://mylocalhost/" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        taken(&strict, rows[i].url, rows[i].want);
    }
}


static void
test_refused(void **state)
{
    size_t  i;

    static const struct {
        const char  *url;
        const char  *why;
    } rows[] = {
        { "", "https" }, { "https", "https" }, { "https:", "https" },
        { "https:/example.com/", "https" }, { "//example.com/", "https" },
        { "http://example.com/", "https" }, { "http://8.8.8.8/", "https" },
        { "ftp://example.com/", "https" }, { "file:///etc/passwd", "https" },
        { "gopher://127.0.0.1:6379/_x", "https" },
        { "httpsx://example.com/", "https" },

        { "https://", "no host" }, { "https:///", "no host" },
        { "https://?x", "no host" }, { "https://:443/", "no host" },

        { "https://a@b/", "user" }, { "https://a:b@c/", "user" },
        { "https://@b/", "user" }, { "https://example.com:443@127.0.0.1/",
                                     "user" },
        { "https://host#@127.0.0.1/", "fragment" },
        { "https://host/#", "fragment" },

        { "https://host:22/", "not allowed" },
        { "https://host:6379/", "not allowed" },
        { "https://host:80/", "not allowed" },
        { "https://host:9443/", "not allowed" },
        { "https://host:/", "port" }, { "https://host:0/", "port" },
        { "https://host:65536/", "port" }, { "https://host:0443/", "port" },
        { "https://host:+443/", "port" }, { "https://host:443:443/", "port" },
        { "https://8.8.8.8:22/", "not allowed" },

        { "https://host name/", "percent" }, { "https://host\t/", "percent" },
        { "https://host/\r\nX: y", "percent" },
        { "https://host\\@evil/", "percent" }, { "https://host/\\", "percent" },
        { "https://b\303\274cher.example/", "percent" },
        { "https://host/\303\274", "percent" },
        { "https://host/\177", "percent" },
        { " https://host/", "percent" }, { "https://host/ ", "percent" },
        { "https://host/{a}", "percent" },

        { "https://ex_ample.com/", "plain name" },
        { "https://ex%61mple.com/", "plain name" },
        { "https://-a.com/", "plain name" },
        { "https://a-.com/", "plain name" },
        { "https://a..b/", "plain name" }, { "https://.a/", "plain name" },
        { "https://./", "plain name" }, { "https://a./", "plain name" },
        { "https://127.0.0.1./", "plain name" },
        { "https://a,b/", "plain name" }, { "https://*/", "plain name" },

        { "https://localhost/", "local" }, { "https://LOCALHOST/", "local" },
        { "https://localhost./", "plain name" },
        { "https://x.localhost/", "local" },
        { "https://printer.local/", "local" },
        { "https://metadata.google.internal/", "local" },
        { "https://local/", "local" }, { "https://localhost.localdomain/",
                                         "local" },

        { "https://2130706433/", "four decimal" },
        { "https://017700000001/", "four decimal" },
        { "https://0x7f000001/", "four decimal" },
        { "https://0X7F000001/", "four decimal" },
        { "https://0x7f.0.0.0x1/", "four decimal" },
        { "https://0177.0.0.1/", "four decimal" },
        { "https://127.1/", "four decimal" }, { "https://127.0.1/",
                                                "four decimal" },
        { "https://127.0.0.01/", "four decimal" },
        { "https://1.2.3.4.5/", "four decimal" },
        { "https://1.2.3.256/", "four decimal" },
        { "https://example.1/", "four decimal" },
        { "https://example.0x/", "four decimal" },
        { "https://0/", "four decimal" },

        { "https://[::1", "IPv6" }, { "https://[]/", "IPv6" },
        { "https://[127.0.0.1]/", "IPv6" },
        { "https://[fe80::1%25lo]/", "IPv6" },
        { "https://[v1.a]/", "IPv6" },
        { "https://[2001:4860:4860::8888]x/", "port" },
        { "https://::1/", "no host" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        refused(&strict, rows[i].url, rows[i].why);
    }
}


/* http.md 6.3, each as a literal */

static void
test_refused_addresses(void **state)
{
    char    url[128];
    size_t  i;

    static const char *const  rows[] = {
        "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "100.64.0.1", "100.127.255.254", "127.0.0.1", "127.255.255.254",
        "169.254.169.254", "255.255.255.255", "0.0.0.0", "192.0.0.1",
        "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
        "203.0.113.1", "224.0.0.1", "239.1.2.3", "240.0.0.1",
        "[::1]", "[::]", "[fc00::1]", "[fdff::1]", "[fe80::1]", "[ff02::1]",
        "[64:ff9b::808:808]", "[64:ff9b::7f00:1]", "[2002:808:808::1]",
        "[2001::1]", "[::ffff:7f00:1]", "[::ffff:127.0.0.1]",
        "[::ffff:8.8.8.8]", "[::127.0.0.1]", "[0:0:0:0:0:0:0:1]"
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        snprintf(url, sizeof(url), "https://%s/", rows[i]);
        refused(&strict, url, "not public");

        snprintf(url, sizeof(url), "http://%s:8080/", rows[i]);
        refused(&strict, url, "not public");
    }
}


static void
test_allowed(void **state)
{
    weir_url_policy_t  p = lenient();

    (void) state;

    taken(&p, "http://127.0.0.1:80/", "http://127.0.0.1/");
    taken(&p, "http://127.9.9.9:6379/x", "http://127.9.9.9:6379/x");
    taken(&p, "https://[fd00:1::5]:22", "https://[fd00:1::5]:22/");
    taken(&p, "https://example.com:9443/", "https://example.com:9443/");
    taken(&p, "https://8.8.8.8:9443/", "https://8.8.8.8:9443/");

    refused(&p, "http://8.8.8.8/", "https");
    refused(&p, "https://8.8.8.8:22/", "not allowed");
    refused(&p, "https://10.0.0.1/", "not public");
    refused(&p, "https://[fd00:2::1]/", "not public");
    refused(&p, "https://[::ffff:127.0.0.1]/", "not public");
    refused(&p, "https://localhost/", "local");
    refused(&p, "https://127.1/", "four decimal");
    refused(&p, "https://a@127.0.0.1/", "user");

    /* a name may be that of an allowed address: the connection decides */

    taken(&p, "http://receiver:8080/", "http://receiver:8080/");
}


static bool
connects(const weir_url_policy_t *p, bool https, const char *ip, unsigned port)
{
    const char           *why;
    struct sockaddr_in    in = { .sin_family = AF_INET };
    struct sockaddr_in6   in6 = { .sin6_family = AF_INET6 };

    in.sin_port = in6.sin6_port = htons((uint16_t) port);

    if (inet_pton(AF_INET, ip, &in.sin_addr) == 1) {
        return weir_url_may_connect(p, https, (struct sockaddr *) &in, &why);
    }

    assert_int_equal(inet_pton(AF_INET6, ip, &in6.sin6_addr), 1);

    return weir_url_may_connect(p, https, (struct sockaddr *) &in6, &why);
}


static void
test_connect(void **state)
{
    const char         *why;
    struct sockaddr     local = { .sa_family = AF_UNIX };
    weir_url_policy_t   p = lenient();

    (void) state;

    assert_true(connects(&strict, true, "93.184.216.34", 443));
    assert_true(connects(&strict, true, "2001:4860::1", 8443));
    assert_false(connects(&strict, true, "93.184.216.34", 22));
    assert_false(connects(&strict, false, "93.184.216.34", 80));
    assert_false(connects(&strict, true, "127.0.0.1", 443));
    assert_false(connects(&strict, true, "::1", 443));
    assert_false(connects(&strict, true, "::ffff:127.0.0.1", 443));
    assert_false(connects(&strict, true, "169.254.169.254", 443));

    assert_true(connects(&p, false, "127.0.0.1", 8080));
    assert_true(connects(&p, true, "93.184.216.34", 9443));
    assert_false(connects(&p, false, "93.184.216.34", 9443));
    assert_false(connects(&p, true, "::1", 443));
    assert_false(connects(&p, true, "10.0.0.1", 443));

    assert_false(weir_url_may_connect(&p, true, &local, &why));
}


static void
test_length(void **state)
{
    char         url[WEIR_URL_MAX + 2];
    weir_buf_t   b = { 0 };
    const char  *why;

    (void) state;

    memset(url, 'a', sizeof(url));
    memcpy(url, "https://h.example/", 18);

    url[WEIR_URL_MAX] = '\0';
    assert_true(weir_url_check(weir_str_of(url), &strict, &b, &why));
    assert_int_equal(b.len, WEIR_URL_MAX);

    url[9] = '?';                       /* a slash is put before it */
    refused(&strict, url, "longer");
    url[9] = '.';

    url[WEIR_URL_MAX] = 'a';
    url[WEIR_URL_MAX + 1] = '\0';
    refused(&strict, url, "longer");

    /* a label of 63 and of 64, a name of 253 and of 254 */

    strcpy(url, "https://");
    memset(url + 8, 'a', 64);
    strcpy(url + 8 + 63, ".example/");
    assert_true(weir_url_check(weir_str_of(url), &strict, NULL, &why));
    memset(url + 8, 'a', 64);
    strcpy(url + 8 + 64, ".example/");
    refused(&strict, url, "plain name");

    memset(url + 8, 'a', 254);
    url[8 + 60] = url[8 + 120] = url[8 + 180] = url[8 + 240] = '.';
    strcpy(url + 8 + 253, "/");
    assert_true(weir_url_check(weir_str_of(url), &strict, NULL, &why));
    strcpy(url + 8 + 253, "a/");
    refused(&strict, url, "long");

    /* NUL */

    assert_false(weir_url_check(weir_str("https://h\0.example/"), &strict, NULL,
                                &why));
    assert_false(weir_url_check(weir_str_null, &strict, NULL, &why));

    weir_buf_free(&b);
}


static void
test_ports(void **state)
{
    unsigned            i;
    const char         *why;
    weir_url_policy_t   p = { 0 };

    (void) state;

    assert_false(weir_url_policy_port(&p, weir_str("0"), &why));
    assert_false(weir_url_policy_port(&p, weir_str("65536"), &why));
    assert_false(weir_url_policy_port(&p, weir_str(""), &why));
    assert_false(weir_url_policy_port(&p, weir_str("https"), &why));

    for (i = 0; i < WEIR_URL_PORTS; i++) {
        assert_true(weir_url_policy_port(&p, weir_str("65535"), &why));
    }

    assert_false(weir_url_policy_port(&p, weir_str("1"), &why));
    assert_true(weir_url_check(weir_str("https://h:65535/"), &p, NULL, &why));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_addresses),
        cmocka_unit_test(test_allowed),
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_ports)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
