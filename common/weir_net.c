/*
 * Internet addresses and their ranges.  Pure.
 *
 * The table of ranges follows IANA's special-purpose registries (RFC 6890 and
 * what came after it); the one that is no registry's is marked.
 */

#include "weir_net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>


static const weir_cidr_t  weir_special[] = {

    { { 4, { 0 } }, 8 },                        /* this network */
    { { 4, { 10 } }, 8 },                       /* private */
    { { 4, { 100, 64 } }, 10 },                 /* carrier's NAT */
    { { 4, { 127 } }, 8 },                      /* loopback */
    { { 4, { 168, 63, 129, 16 } }, 32 },        /* Azure's host; no registry */
    { { 4, { 169, 254 } }, 16 },                /* link-local, metadata */
    { { 4, { 172, 16 } }, 12 },                 /* private */
    { { 4, { 192, 0, 0 } }, 24 },               /* IETF protocols */
    { { 4, { 192, 0, 2 } }, 24 },               /* documentation */
    { { 4, { 192, 88, 99 } }, 24 },             /* 6to4 relays */
    { { 4, { 192, 168 } }, 16 },                /* private */
    { { 4, { 198, 18 } }, 15 },                 /* benchmarks */
    { { 4, { 198, 51, 100 } }, 24 },            /* documentation */
    { { 4, { 203, 0, 113 } }, 24 },             /* documentation */
    { { 4, { 224 } }, 4 },                      /* multicast */
    { { 4, { 240 } }, 4 },                      /* reserved, broadcast */

    { { 6, { 0 } }, 96 },                       /* ::, ::1, IPv4-compatible */
    { { 6, { [10] = 0xff, [11] = 0xff } }, 96 },        /* IPv4-mapped */
    { { 6, { 0, 0x64, 0xff, 0x9b } }, 96 },             /* NAT64 */
    { { 6, { 0, 0x64, 0xff, 0x9b, 0, 1 } }, 48 },       /* NAT64, local */
    { { 6, { 1 } }, 64 },                       /* 100::, discard */
    { { 6, { 0x20, 0x01 } }, 23 },              /* IETF protocols, Teredo */
    { { 6, { 0x20, 0x01, 0x0d, 0xb8 } }, 32 },  /* documentation */
    { { 6, { 0x20, 0x02 } }, 16 },              /* 6to4 */
    { { 6, { 0x3f, 0xff } }, 20 },              /* documentation */
    { { 6, { 0x5f } }, 16 },                    /* segment routing */
    { { 6, { 0xfc } }, 7 },                     /* private */
    { { 6, { 0xfe, 0x80 } }, 10 },              /* link-local */
    { { 6, { 0xfe, 0xc0 } }, 10 },              /* site-local */
    { { 6, { 0xff } }, 8 }                      /* multicast */
};

#define WEIR_SPECIAL  (sizeof(weir_special) / sizeof(weir_special[0]))


bool
weir_addr_parse(weir_str_t text, weir_addr_t *addr_r)
{
    char  copy[WEIR_ADDR_TEXT];

    if (text.len == 0 || text.len >= sizeof(copy)
        || memchr(text.data, '\0', text.len))
    {
        return false;
    }

    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';

    memset(addr_r, 0, sizeof(weir_addr_t));
    addr_r->family = memchr(copy, ':', text.len) ? 6 : 4;

    return inet_pton(addr_r->family == 6 ? AF_INET6 : AF_INET, copy,
                     addr_r->bytes) == 1;
}


void
weir_addr_text(const weir_addr_t *addr, char text[WEIR_ADDR_TEXT])
{
    (void) inet_ntop(addr->family == 6 ? AF_INET6 : AF_INET, addr->bytes, text,
                     WEIR_ADDR_TEXT);
}


bool
weir_addr_of(const struct sockaddr *sa, weir_addr_t *addr_r, unsigned *port_r)
{
    unsigned                     port;
    const struct sockaddr_in    *in;
    const struct sockaddr_in6   *in6;

    memset(addr_r, 0, sizeof(weir_addr_t));

    switch (sa->sa_family) {

    case AF_INET:
        in = (const struct sockaddr_in *) sa;
        addr_r->family = 4;
        memcpy(addr_r->bytes, &in->sin_addr, 4);
        port = ntohs(in->sin_port);
        break;

    case AF_INET6:
        in6 = (const struct sockaddr_in6 *) sa;
        addr_r->family = 6;
        memcpy(addr_r->bytes, &in6->sin6_addr, 16);
        port = ntohs(in6->sin6_port);
        break;

    default:
        return false;
    }

    if (port_r) {
        *port_r = port;
    }

    return true;
}


/* the last byte that the range knows in part */

static unsigned char
weir_cidr_mask(unsigned bits)
{
    return (unsigned char) (0xff00 >> (bits % 8));
}


static bool
weir_cidr_has(const weir_cidr_t *cidr, const weir_addr_t *addr)
{
    unsigned  whole;

    whole = cidr->bits / 8;

    return cidr->addr.family == addr->family
           && memcmp(cidr->addr.bytes, addr->bytes, whole) == 0
           && (cidr->bits % 8 == 0
               || ((cidr->addr.bytes[whole] ^ addr->bytes[whole])
                   & weir_cidr_mask(cidr->bits)) == 0);
}


bool
weir_cidrs_add(weir_cidrs_t *cidrs, weir_str_t word, const char **why_r)
{
    int64_t       bits, max;
    weir_str_t    text;
    const char   *slash;
    weir_cidr_t  *cidr;

    if (cidrs->n == WEIR_CIDRS_MAX) {
        *why_r = "there are more than 32 of them";
        return false;
    }

    cidr = &cidrs->list[cidrs->n];
    slash = word.len ? memchr(word.data, '/', word.len) : NULL;
    text = word;

    if (slash) {
        text.len = (size_t) (slash - word.data);
    }

    if (!weir_addr_parse(text, &cidr->addr)) {
        *why_r = "it is not an IPv4 or IPv6 address, with or without \"/bits\"";
        return false;
    }

    bits = max = cidr->addr.family == 6 ? 128 : 32;

    if (slash) {
        text = (weir_str_t) { slash + 1, word.len - text.len - 1 };

        if (!weir_str_digits(text, 3, &bits) || bits > max) {
            *why_r = "the number of bits is out of range";
            return false;
        }
    }

    cidr->bits = (unsigned) bits;

    if (bits % 8) {
        cidr->addr.bytes[bits / 8] &= weir_cidr_mask(cidr->bits);
        bits += 8 - bits % 8;
    }

    memset(cidr->addr.bytes + bits / 8, 0, (size_t) (16 - bits / 8));
    cidrs->n++;

    return true;
}


bool
weir_cidrs_have(const weir_cidrs_t *cidrs, const weir_addr_t *addr)
{
    unsigned  i;

    for (i = 0; i < cidrs->n; i++) {
        if (weir_cidr_has(&cidrs->list[i], addr)) {
            return true;
        }
    }

    return false;
}


bool
weir_addr_special(const weir_addr_t *addr)
{
    size_t  i;

    for (i = 0; i < WEIR_SPECIAL; i++) {
        if (weir_cidr_has(&weir_special[i], addr)) {
            return true;
        }
    }

    return false;
}
