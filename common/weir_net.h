/*
 * Internet addresses, ranges of them ("10.0.0.0/8", "fd00::/8"), and the
 * ranges that are no place on the public Internet.  Nothing is resolved here.
 */

#ifndef WEIR_NET_H
#define WEIR_NET_H


#include <stdbool.h>

#include "weir_str.h"


struct sockaddr;


#define WEIR_CIDRS_MAX  32
#define WEIR_ADDR_TEXT  48              /* bytes, with the NUL */


typedef struct {
    unsigned char   family;             /* 4 or 6 */
    unsigned char   bytes[16];          /* network order; 4: the first four */
} weir_addr_t;

typedef struct {
    weir_addr_t     addr;               /* the bits behind are zero */
    unsigned        bits;
} weir_cidr_t;

/* Zeroed: empty. */
typedef struct {
    weir_cidr_t     list[WEIR_CIDRS_MAX];
    unsigned        n;
} weir_cidrs_t;


/* A dotted quad without leading zeros, or IPv6 without brackets and zone. */
bool weir_addr_parse(weir_str_t text, weir_addr_t *addr_r);
void weir_addr_text(const weir_addr_t *addr, char text[WEIR_ADDR_TEXT]);

/* false: of another family.  port_r may be NULL. */
bool weir_addr_of(const struct sockaddr *sa, weir_addr_t *addr_r,
    unsigned *port_r);

/* Adds one word, "addr" or "addr/bits".  *why_r: a sentence if it is false. */
bool weir_cidrs_add(weir_cidrs_t *cidrs, weir_str_t word, const char **why_r);

/* An IPv4-mapped address is IPv6 and nothing else. */
bool weir_cidrs_have(const weir_cidrs_t *cidrs, const weir_addr_t *addr);

/* Loopback, private, link-local, multicast, reserved, for documentation, and
 * all that embeds an IPv4 address in an IPv6 one. */
bool weir_addr_special(const weir_addr_t *addr);


#endif /* WEIR_NET_H */
