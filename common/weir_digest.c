/*
 * Digests and chance on libcrypto.  Owns nothing.
 */

#include "weir_digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <stdlib.h>


struct weir_hmac_s {
    EVP_MAC      *mac;
    EVP_MAC_CTX  *ctx;              /* holds the key; begun anew each time */
};


struct weir_sha_s {
    EVP_MD       *md;
    EVP_MD_CTX   *ctx;
};


int
weir_digest_hmac(weir_str_t key, weir_str_t text,
    unsigned char out[WEIR_DIGEST_LEN])
{
    return HMAC(EVP_sha256(), key.data, (int) key.len,
                (const unsigned char *) text.data, text.len, out, NULL)
           ? 0 : -1;
}


static int
weir_hmac_start(weir_hmac_t *h, weir_str_t key)
{
    OSSL_PARAM   params[2];
    const char  *data;

    data = key.len ? key.data : "";             /* NULL: the key as before */
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 (char *) "SHA256", 0);
    params[1] = OSSL_PARAM_construct_end();

    h->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    h->ctx = h->mac ? EVP_MAC_CTX_new(h->mac) : NULL;

    return h->ctx && EVP_MAC_init(h->ctx, (const unsigned char *) data, key.len,
                                  params)
           ? 0 : -1;
}


weir_hmac_t *
weir_hmac_create(weir_str_t key)
{
    weir_hmac_t  *h;

    h = calloc(1, sizeof(weir_hmac_t));

    if (h && weir_hmac_start(h, key) != 0) {
        weir_hmac_destroy(&h);
    }

    return h;
}


void
weir_hmac_destroy(weir_hmac_t **h)
{
    if (*h) {
        EVP_MAC_CTX_free((*h)->ctx);
        EVP_MAC_free((*h)->mac);
        free(*h);
        *h = NULL;
    }
}


int
weir_hmac_digest(weir_hmac_t *h, weir_str_t text,
    unsigned char out[WEIR_DIGEST_LEN])
{
    size_t  len;

    return EVP_MAC_init(h->ctx, NULL, 0, NULL)
           && EVP_MAC_update(h->ctx, (const unsigned char *) text.data,
                             text.len)
           && EVP_MAC_final(h->ctx, out, &len, WEIR_DIGEST_LEN)
           && len == WEIR_DIGEST_LEN
           ? 0 : -1;
}


int
weir_digest_sha256(weir_str_t text, unsigned char out[WEIR_DIGEST_LEN])
{
    return EVP_Digest(text.data, text.len, out, NULL, EVP_sha256(), NULL)
           ? 0 : -1;
}


weir_sha_t *
weir_sha_create(void)
{
    weir_sha_t  *h;

    h = calloc(1, sizeof(weir_sha_t));
    if (h == NULL) {
        return NULL;
    }

    h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    h->ctx = h->md ? EVP_MD_CTX_new() : NULL;

    if (h->ctx == NULL) {
        weir_sha_destroy(&h);
    }

    return h;
}


void
weir_sha_destroy(weir_sha_t **h)
{
    if (*h) {
        EVP_MD_CTX_free((*h)->ctx);
        EVP_MD_free((*h)->md);
        free(*h);
        *h = NULL;
    }
}


int
weir_sha_digest(weir_sha_t *h, const weir_str_t *texts, size_t n,
    unsigned char out[WEIR_DIGEST_LEN])
{
    size_t  i;

    if (!EVP_DigestInit_ex(h->ctx, h->md, NULL)) {
        return -1;
    }

    for (i = 0; i < n; i++) {
        if (!EVP_DigestUpdate(h->ctx, texts[i].data, texts[i].len)) {
            return -1;
        }
    }

    return EVP_DigestFinal_ex(h->ctx, out, NULL) ? 0 : -1;
}


bool
weir_digest_equal(const unsigned char a[WEIR_DIGEST_LEN],
    const unsigned char b[WEIR_DIGEST_LEN])
{
    return CRYPTO_memcmp(a, b, WEIR_DIGEST_LEN) == 0;
}


int
weir_digest_random(unsigned char *out, size_t len)
{
    return RAND_bytes(out, (int) len) == 1 ? 0 : -1;
}


void
weir_digest_wipe(void *data, size_t len)
{
    OPENSSL_cleanse(data, len);
}


void
weir_digest_hex(const unsigned char *data, size_t len, char *hex)
{
    size_t              i;
    static const char   digits[] = "0123456789abcdef";

    for (i = 0; i < len; i++) {
        hex[2 * i] = digits[data[i] >> 4];
        hex[2 * i + 1] = digits[data[i] & 15];
    }

    hex[2 * len] = '\0';
}


static int
weir_unhex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    return -1;
}


bool
weir_digest_unhex(weir_str_t hex, unsigned char *out, size_t len)
{
    int     high, low;
    size_t  i;

    if (hex.len != 2 * len) {
        return false;
    }

    for (i = 0; i < len; i++) {
        high = weir_unhex_digit(hex.data[2 * i]);
        low = weir_unhex_digit(hex.data[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }

        out[i] = (unsigned char) (high << 4 | low);
    }

    return true;
}
