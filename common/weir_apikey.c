/*
 * API keys: how one is made and read, and whether it is the one that a record
 * is for.  Pure: never reads a file or a clock, never keeps a key.  Records
 * are weir_apikey_record.c, the ring of all keys is weir_keyring.c.
 */

#include "weir_apikey.h"
#include "weir_base62.h"
#include "weir_crc32.h"

#include <stdio.h>


#define WEIR_KEY_VENDOR   "weir_"
#define WEIR_ID_BYTES     24         /* of chance, for the public id */


static void
weir_checksum(weir_str_t s, char out[WEIR_KEY_CRC_LEN])
{
    int       i;
    uint32_t  crc;

    crc = weir_crc32(s);

    for (i = WEIR_KEY_CRC_LEN - 1; i >= 0; i--) {
        out[i] = weir_base62[crc % 62];
        crc /= 62;
    }
}


static bool
weir_take_alnum(weir_str_t *rest, size_t n)
{
    size_t  i;

    if (rest->len < n) {
        return false;
    }

    for (i = 0; i < n; i++) {
        if (weir_base62_value(rest->data[i]) < 0) {
            return false;
        }
    }

    rest->data += n;
    rest->len -= n;

    return true;
}


static bool
weir_take_char(weir_str_t *rest, char c)
{
    if (rest->len == 0 || rest->data[0] != c) {
        return false;
    }

    rest->data++;
    rest->len--;

    return true;
}


static bool
weir_take_env(weir_str_t *rest)
{
    size_t       n;
    const char  *end;

    end = memchr(rest->data, '_', rest->len);
    n = end ? (size_t) (end - rest->data) : 0;

    if (!weir_env_valid((weir_str_t) { rest->data, n })) {
        return false;
    }

    rest->data += n;
    rest->len -= n;

    return true;
}


bool
weir_apikey_parse(weir_str_t key, weir_str_t *id_r)
{
    char        crc[WEIR_KEY_CRC_LEN];
    size_t      n;
    weir_str_t  rest;

    n = sizeof(WEIR_KEY_VENDOR) - 1;

    if (key.len < n || key.len > WEIR_KEY_MAX
        || memcmp(key.data, WEIR_KEY_VENDOR, n) != 0)
    {
        return false;
    }

    rest = (weir_str_t) { key.data + n, key.len - n };

    if (!weir_take_env(&rest) || !weir_take_char(&rest, '_')) {
        return false;
    }

    *id_r = (weir_str_t) { rest.data, WEIR_KEY_ID_LEN };

    if (!weir_take_alnum(&rest, WEIR_KEY_ID_LEN) || !weir_take_char(&rest, '_')
        || !weir_take_alnum(&rest, WEIR_KEY_SECRET_LEN)
        || !weir_take_char(&rest, '_') || rest.len != WEIR_KEY_CRC_LEN)
    {
        return false;
    }

    weir_checksum((weir_str_t) { key.data, key.len - WEIR_KEY_CRC_LEN - 1 },
                  crc);

    return memcmp(crc, rest.data, WEIR_KEY_CRC_LEN) == 0;
}


void
weir_apikey_make(char *key, const char *env, const char *id,
    const unsigned char random[WEIR_KEY_RANDOM])
{
    int  n;

    n = snprintf(key, WEIR_KEY_MAX + 1, WEIR_KEY_VENDOR "%.*s_",
                 WEIR_KEY_ENV_MAX, env);

    if (id) {
        memcpy(key + n, id, WEIR_KEY_ID_LEN);

    } else {
        weir_base62_fill(key + n, WEIR_KEY_ID_LEN, random, WEIR_ID_BYTES);
    }

    n += WEIR_KEY_ID_LEN;
    key[n++] = '_';

    weir_base62_fill(key + n, WEIR_KEY_SECRET_LEN, random + WEIR_ID_BYTES,
                     WEIR_KEY_RANDOM - WEIR_ID_BYTES);
    n += WEIR_KEY_SECRET_LEN;

    weir_checksum((weir_str_t) { key, (size_t) n }, key + n + 1);
    key[n] = '_';
    key[n + 1 + WEIR_KEY_CRC_LEN] = '\0';
}


weir_key_e
weir_apikey_verdict(const weir_key_t *record,
    const unsigned char digest[WEIR_DIGEST_LEN], int64_t now)
{
    bool                      first, second;
    const weir_key_t         *k;
    static const weir_key_t   nobody;

    /* nobody's key costs as much time as a wrong secret */

    k = record ? record : &nobody;

    first = weir_digest_equal(digest, k->digest);
    second = k->rotating && weir_digest_equal(digest, k->digest2);

    if (record == NULL || !(first || second)) {
        return WEIR_KEY_UNKNOWN;
    }

    /* whatever the clock of this host says */

    if (k->revoked) {
        return WEIR_KEY_REVOKED;
    }

    if (k->expires && k->expires <= now) {
        return WEIR_KEY_EXPIRED;
    }

    if (first && k->rotating && k->until && k->until <= now) {
        return WEIR_KEY_EXPIRED;
    }

    return WEIR_KEY_OK;
}


weir_key_e
weir_apikey_judge(const weir_key_t *record, weir_str_t pepper, weir_str_t key,
    int64_t now)
{
    weir_key_e     rc;
    unsigned char  digest[WEIR_DIGEST_LEN];

    if (weir_digest_hmac(pepper, key, digest) != 0) {
        return WEIR_KEY_UNKNOWN;
    }

    rc = weir_apikey_verdict(record, digest, now);
    weir_digest_wipe(digest, sizeof(digest));

    return rc;
}
