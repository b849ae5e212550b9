/*
 * Webhooks as Standard Webhooks says: secrets, and the signature of a body.
 *
 * A secret is "whsec_" and the base64 of 24 to 64 bytes.  While it is being
 * changed there are two, separated by a space; each gives a signature, and a
 * receiver takes a message if one of them is right.
 */

#ifndef WEIR_WEBHOOK_H
#define WEIR_WEBHOOK_H


#include <stdbool.h>

#include "weir_base64.h"
#include "weir_digest.h"


#define WEIR_SECRET_PREFIX     "whsec_"
#define WEIR_SECRET_MIN        24           /* bytes */
#define WEIR_SECRET_MAX        64
#define WEIR_SECRET_DRAWN      32

/* texts, with the NUL: one secret; all of them; all signatures */
#define WEIR_SECRET_TEXT       (6 + WEIR_BASE64_LEN(WEIR_SECRET_MAX) + 1)
#define WEIR_SECRETS_MAX       2
#define WEIR_SECRETS_TEXT      (WEIR_SECRETS_MAX * WEIR_SECRET_TEXT)
#define WEIR_SIGNATURES_TEXT                                                  \
    (WEIR_SECRETS_MAX * (3 + WEIR_BASE64_LEN(WEIR_DIGEST_LEN) + 1))


typedef struct {
    struct {
        unsigned char  bytes[WEIR_SECRET_MAX];
        size_t         len;
    } list[WEIR_SECRETS_MAX];
    unsigned           n;
} weir_secrets_t;


/* false: it is not one secret, or two.  Wipe what it gave when done. */
bool weir_secrets_read(weir_str_t text, weir_secrets_t *secrets_r);
void weir_secrets_wipe(weir_secrets_t *secrets);

/* A new one; -1: no random bytes. */
int weir_secret_draw(char text[WEIR_SECRET_TEXT]);

/* The header webhook-signature: "v1,<base64>", once for each secret.  -1: the
 * library failed, or no memory. */
int weir_webhook_sign(const weir_secrets_t *secrets, weir_str_t id,
    weir_str_t timestamp, weir_str_t body, char text[WEIR_SIGNATURES_TEXT]);


#endif /* WEIR_WEBHOOK_H */
