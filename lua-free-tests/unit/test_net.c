/*
 * Addresses and ranges: the table of what is not public, both of its edges,
 * and the words of an allow list.
 */

#include "unit.h"
#include "weir_net.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>


static weir_addr_t
addr(const char *text)
{
    weir_addr_t  a;

    if (!weir_addr_parse(weir_str_of(text), &a)) {
        fail_msg("\"%s\" is no address", text);
    }

    return a;
}


static void
test_special(void **state)
{
    size_t       i;
    weir_addr_t  a;

    static const struct {
        const char  *text;
        bool         special;
    } rows[] = {
        { "0.0.0.0", true }, { "0.255.255.255", true },
        { "1.0.0.0", false },
        { "9.255.255.255", false }, { "10.0.0.0", true },
        { "10.255.255.255", true }, { "11.0.0.0", false },
        { "100.63.255.254", false }, { "100.63.255.255", false },
        { "100.64.0.0", true }, { "100.100.100.200", true },
        { "100.127.255.255", true }, { "100.128.0.1", false },
        { "126.255.255.255", false }, { "127.0.0.1", true },
        { "127.255.255.255", true }, { "128.0.0.0", false },
        { "168.63.129.15", false }, { "168.63.129.16", true },
        { "168.63.129.17", false },
        { "169.253.255.255", false }, { "169.254.0.0", true },
        { "169.254.169.254", true }, { "169.255.0.0", false },
        { "172.15.255.255", false }, { "172.16.0.0", true },
        { "172.31.255.255", true }, { "172.32.0.0", false },
        { "192.0.0.1", true }, { "192.0.1.0", false },
        { "192.0.2.255", true }, { "192.0.3.0", false },
        { "192.88.98.255", false }, { "192.88.99.1", true },
        { "192.167.255.255", false }, { "192.168.0.1", true },
        { "192.169.0.0", false },
        { "198.17.255.255", false }, { "198.18.0.0", true },
        { "198.19.255.255", true }, { "198.20.0.0", false },
        { "198.51.99.255", false }, { "198.51.100.1", true },
        { "203.0.112.255", false }, { "203.0.113.1", true },
        { "203.0.114.0", false },
        { "223.255.255.255", false }, { "224.0.0.1", true },
        { "239.255.255.255", true }, { "240.0.0.0", true },
        { "255.255.255.255", true },
        { "8.8.8.8", false }, { "93.184.216.34", false },

        { "::", true }, { "::1", true }, { "::7f00:1", true },
        { "::127.0.0.1", true }, { "::8.8.8.8", true },
        { "::ffff:127.0.0.1", true }, { "::ffff:7f00:1", true },
        { "::ffff:8.8.8.8", true }, { "::fffe:8.8.8.8", false },
        { "64:ff9b::8.8.8.8", true }, { "64:ff9b::7f00:1", true },
        { "64:ff9b:1::1", true }, { "64:ff9c::1", false },
        { "100::1", true }, { "100:0:0:1::1", false },
        { "2001::1", true }, { "2001:0:4136:e378::", true },
        { "2001:1ff::", true }, { "2001:200::1", false },
        { "2001:db8::1", true }, { "2001:db9::1", false },
        { "2001:4860:4860::8888", false },
        { "2002:7f00:1::", true }, { "2002:808:808::1", true },
        { "2003::1", false },
        { "3fff::1", true }, { "3fff:1000::1", false },
        { "5f00::1", true }, { "5f01::1", false },
        { "fbff::1", false }, { "fc00::1", true },
        { "fd00:ec2::254", true }, { "fdff::1", true },
        { "fe00::1", false }, { "fe80::1", true },
        { "febf::1", true }, { "fec0::1", true },
        { "ff02::1", true }, { "ffff::1", true }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        a = addr(rows[i].text);

        if (weir_addr_special(&a) != rows[i].special) {
            fail_msg("\"%s\" is taken for %s", rows[i].text,
                     rows[i].special ? "public" : "special");
        }
    }
}


static void
test_no_address(void **state)
{
    size_t       i;
    weir_addr_t  a;

    static const char *const  rows[] = {
        "", ".", ":", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4",
        "0177.0.0.1", "0x7f.0.0.1", "2130706433", "127.1", "1.2.3.4 ",
        " 1.2.3.4", "1.2.3.4:80", "[::1]", "::1%lo", ":::", "1::2::3",
        "12345::", "::ffff:1.2.3", "g::1",
        "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111"
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        if (weir_addr_parse(weir_str_of(rows[i]), &a)) {
            fail_msg("\"%s\" is taken for an address", rows[i]);
        }
    }

    assert_false(weir_addr_parse(weir_str("::1\0"), &a));
    assert_false(weir_addr_parse(weir_str_null, &a));
}


static void
test_cidrs(void **state)
{
    size_t         i;
    weir_addr_t    a;
    const char    *why;
    weir_cidrs_t   c = { 0 };

    static const char *const  words[] = {
        "10.1.2.3/8", "192.168.7.1", "172.16.0.0/13", "fd00::1/9",
        "2001:db8::1", "::ffff:10.0.0.0/104"
    };

    static const struct {
        const char  *text;
        bool         in;
    } rows[] = {
        { "10.0.0.0", true }, { "10.255.0.1", true }, { "11.0.0.0", false },
        { "192.168.7.1", true }, { "192.168.7.0", false },
        { "172.23.255.255", true }, { "172.24.0.0", false },
        { "fd00::2", true }, { "fd7f::1", true }, { "fd80::1", false },
        { "2001:db8::1", true }, { "2001:db8::2", false },
        { "::ffff:10.9.9.9", true }, { "::ffff:192.168.7.1", false },
        { "::10.0.0.1", false }
    };

    (void) state;

    for (i = 0; i < ROWS(words); i++) {
        assert_true(weir_cidrs_add(&c, weir_str_of(words[i]), &why));
    }

    for (i = 0; i < ROWS(rows); i++) {
        a = addr(rows[i].text);

        if (weir_cidrs_have(&c, &a) != rows[i].in) {
            fail_msg("\"%s\"", rows[i].text);
        }
    }
}


static void
test_cidrs_refused(void **state)
{
    size_t         i;
    weir_addr_t    a;
    const char    *why;
    weir_cidrs_t   c = { 0 };

    static const char *const  words[] = {
        "", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10/8",
        "10.0.0.0/8/8", "::/129", "::/1000", "host", "10.0.0.0/a", "[::1]/128"
    };

    (void) state;

    for (i = 0; i < ROWS(words); i++) {
        why = NULL;
        assert_false(weir_cidrs_add(&c, weir_str_of(words[i]), &why));
        assert_non_null(why);
        assert_int_equal(c.n, 0);
    }

    for (i = 0; i < WEIR_CIDRS_MAX; i++) {
        assert_true(weir_cidrs_add(&c, weir_str("0.0.0.0/0"), &why));
    }

    assert_false(weir_cidrs_add(&c, weir_str("0.0.0.0/0"), &why));

    a = addr("255.1.2.3");
    assert_true(weir_cidrs_have(&c, &a));
    a = addr("::1");
    assert_false(weir_cidrs_have(&c, &a));
}


static void
test_sockaddr(void **state)
{
    char                  text[WEIR_ADDR_TEXT];
    unsigned              port;
    weir_addr_t           a;
    struct sockaddr_un    un = { .sun_family = AF_UNIX };
    struct sockaddr_in    in = { .sin_family = AF_INET };
    struct sockaddr_in6   in6 = { .sin6_family = AF_INET6 };

    (void) state;

    in.sin_port = htons(8443);
    in.sin_addr.s_addr = htonl(0x7f000001);
    assert_true(weir_addr_of((struct sockaddr *) &in, &a, &port));
    weir_addr_text(&a, text);
    assert_string_equal(text, "127.0.0.1");
    assert_int_equal(port, 8443);

    in6.sin6_addr.s6_addr[15] = 1;
    assert_true(weir_addr_of((struct sockaddr *) &in6, &a, NULL));
    weir_addr_text(&a, text);
    assert_string_equal(text, "::1");

    assert_false(weir_addr_of((struct sockaddr *) &un, &a, &port));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_special),
        cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_cidrs),
        cmocka_unit_test(test_cidrs_refused),
        cmocka_unit_test(test_sockaddr)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
