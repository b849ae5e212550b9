/*
 * URLs of webhooks: strangers write them, and our machines call them.  A
 * strict reading that gives back the one spelling which is stored and called,
 * and the rules of where a call may go.  The edge asks at registration, the
 * worker again before each call and, with the address, before each connection.
 */

#ifndef WEIR_URL_H
#define WEIR_URL_H


#include <stdbool.h>

#include "weir_buf.h"
#include "weir_net.h"


#define WEIR_URL_MAX    2048            /* bytes */
#define WEIR_URL_PORTS  16              /* besides 443 and 8443 */


/* Zeroed: the rules without exceptions. */
typedef struct {
    weir_cidrs_t    allow;              /* free of all rules */
    unsigned short  ports[WEIR_URL_PORTS];
    unsigned        nports;
} weir_url_policy_t;

/* Every address and port: only the form counts. */
extern const weir_url_policy_t  weir_url_anywhere;


/* Whether a webhook may be registered.  The canonical spelling is appended to
 * canonical, which may be NULL.  false: *why_r is a sentence without its
 * subject, "has a fragment"; canonical is as it was. */
bool weir_url_check(weir_str_t url, const weir_url_policy_t *policy,
    weir_buf_t *canonical, const char **why_r);

/* Whether a connection may be made: name resolution has been.  This decides;
 * the check of the text cannot know to what a name resolves. */
bool weir_url_may_connect(const weir_url_policy_t *policy, bool https,
    const struct sockaddr *sa, const char **why_r);

/* One more port from a word; *why_r as in weir_cidrs_add(). */
bool weir_url_policy_port(weir_url_policy_t *policy, weir_str_t word,
    const char **why_r);


#endif /* WEIR_URL_H */
