/*
 * The few cryptographic primitives that Weir needs.  weir_digest.c is the one
 * file in common/ that knows libcrypto.
 */

#ifndef WEIR_DIGEST_H
#define WEIR_DIGEST_H


#include <stdbool.h>

#include "weir_str.h"


#define WEIR_DIGEST_LEN  32         /* SHA-256 */


typedef struct weir_hmac_s  weir_hmac_t;
typedef struct weir_sha_s   weir_sha_t;


/* -1: the library failed. */
int weir_digest_hmac(weir_str_t key, weir_str_t text,
    unsigned char out[WEIR_DIGEST_LEN]);
int weir_digest_sha256(weir_str_t text, unsigned char out[WEIR_DIGEST_LEN]);

/* HMAC under one key for many texts, much faster than one at a time.  key is
 * not kept.  NULL: the library failed. */
weir_hmac_t *weir_hmac_create(weir_str_t key);
void weir_hmac_destroy(weir_hmac_t **h);
int weir_hmac_digest(weir_hmac_t *h, weir_str_t text,
    unsigned char out[WEIR_DIGEST_LEN]);

/* SHA-256 of what the n texts are together, likewise faster than one at a time.
 * NULL, -1: the library failed. */
weir_sha_t *weir_sha_create(void);
void weir_sha_destroy(weir_sha_t **h);
int weir_sha_digest(weir_sha_t *h, const weir_str_t *texts, size_t n,
    unsigned char out[WEIR_DIGEST_LEN]);

/* In time that does not depend on the content. */
bool weir_digest_equal(const unsigned char a[WEIR_DIGEST_LEN],
    const unsigned char b[WEIR_DIGEST_LEN]);

/* Cryptographically strong random bytes; -1: the library failed. */
int weir_digest_random(unsigned char *out, size_t len);

/* Overwrites in a way that no compiler removes. */
void weir_digest_wipe(void *data, size_t len);

/* Hexadecimal, lower case, terminated: hex has room for 2 * len + 1. */
void weir_digest_hex(const unsigned char *data, size_t len, char *hex);
bool weir_digest_unhex(weir_str_t hex, unsigned char *out, size_t len);


#endif /* WEIR_DIGEST_H */
