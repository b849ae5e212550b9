/*
 * Digests and chance on libcrypto.  Owns nothing.
 */

#include "weir_digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>


int
weir_digest_hmac(weir_str_t key, weir_str_t text,
    unsigned char out[WEIR_DIGEST_LEN])
{
    return HMAC(EVP_sha256(), key.data, (int) key.len,
                (const unsigned char *) text.data, text.len, out, NULL)
           ? 0 : -1;
}


int
weir_digest_sha256(weir_str_t text, unsigned char out[WEIR_DIGEST_LEN])
{
    return EVP_Digest(text.data, text.len, out, NULL, EVP_sha256(), NULL)
           ? 0 : -1;
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
