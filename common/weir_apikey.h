/*
 * API keys: their syntax, the records of the key file, and the table that
 * answers "whose key is this?".
 *
 * A key: weir_<env>_<public id>_<secret>_<checksum>, for example
 * weir_live_3fJq..., with an env of 1 to 8 characters of a-z and 0-9, a public
 * id of 12 base62 characters (may be logged), a secret of 43 (256 bits) and a
 * checksum of 6: the CRC-32 of everything before the last underscore, in
 * base62 (0-9 A-Z a-z), padded with zeros on the left.
 *
 * A record, one a line; '#' starts a comment line:
 *
 * v1:hmac-sha256:<public id>:<digest>[:name=value]...
 *
 * digest: 64 hexadecimal digits, HMAC-SHA-256 of the whole key under the
 * pepper.  Names: owner (required), tier, scopes (comma separated), env (of the
 * key; live if it is not there), expires (Unix time), digest2 (a second digest
 * during rotation), until (Unix time at which the first digest then ends),
 * revoked (Unix time: since when; ended it is in any case), webhook (an URL, in
 * which '%' is written %25 and ':' %3A), webhook_secret (one or two, separated
 * by a space; an URL needs one), models (comma separated; a '*' at the end of
 * one stands for any rest; ':' is written %3A and '%' %25; not there: all),
 * limits (weir_limit.h), and those that later versions add, which are ignored.
 */

#ifndef WEIR_APIKEY_H
#define WEIR_APIKEY_H


#include <stdbool.h>
#include <stdint.h>

#include "weir_buf.h"
#include "weir_digest.h"


#define WEIR_KEY_ID_LEN      12
#define WEIR_KEY_SECRET_LEN  43
#define WEIR_KEY_CRC_LEN     6
#define WEIR_KEY_ENV_MAX     8
#define WEIR_KEY_MAX         (5 + WEIR_KEY_ENV_MAX + 1 + WEIR_KEY_ID_LEN + 1  \
                              + WEIR_KEY_SECRET_LEN + 1 + WEIR_KEY_CRC_LEN)
#define WEIR_KEY_RANDOM      96

#define WEIR_OWNER_MAX       64
#define WEIR_TIER_MAX        32
#define WEIR_KEYS_MAX        1000000


/* scopes, as bits */

#define WEIR_SCOPE_SUBMIT    0x01
#define WEIR_SCOPE_READ      0x02
#define WEIR_SCOPE_CANCEL    0x04
#define WEIR_SCOPE_ADMIN     0x08
#define WEIR_SCOPE_CACHE     0x10           /* cache-bypass */
#define WEIR_SCOPE_METRICS   0x20
#define WEIR_SCOPE_DEFAULT   (WEIR_SCOPE_SUBMIT|WEIR_SCOPE_READ               \
                              |WEIR_SCOPE_CANCEL)


typedef struct {
    char           id[WEIR_KEY_ID_LEN + 1];
    char           owner[WEIR_OWNER_MAX + 1];
    char           tier[WEIR_TIER_MAX + 1];         /* "default" if unset */
    char           env[WEIR_KEY_ENV_MAX + 1];       /* "live" if unset */
    unsigned       scopes;
    int64_t        expires;                         /* s; 0: never */
    int64_t        until;                           /* s; 0: no rotation */
    int64_t        revoked;                         /* s; 0: not */
    bool           rotating;                        /* digest2 is set */
    unsigned char  digest[WEIR_DIGEST_LEN];
    unsigned char  digest2[WEIR_DIGEST_LEN];
    weir_str_t     webhook;                         /* as in the record */
    weir_str_t     webhook_secret;
    weir_str_t     models;                          /* empty: all */
    weir_str_t     limits;                          /* empty: its tier's */
} weir_key_t;


typedef enum {
    WEIR_KEY_OK = 0,
    WEIR_KEY_MALFORMED,             /* syntax or checksum: no look-up made */
    WEIR_KEY_UNKNOWN,
    WEIR_KEY_REVOKED,
    WEIR_KEY_EXPIRED
} weir_key_e;


typedef struct weir_keys_s  weir_keyring_t;


/* The syntax and the checksum; id_r points into key. */
bool weir_apikey_parse(weir_str_t key, weir_str_t *id_r);

/* A new key of env from WEIR_KEY_RANDOM random bytes; room for WEIR_KEY_MAX +
 * 1.  id: another secret for this public id; NULL: an id is drawn. */
void weir_apikey_make(char *key, const char *env, const char *id,
    const unsigned char random[WEIR_KEY_RANDOM]);

/* One line of a key file; the strings of *key_r point into it.  false: error_r
 * says what is wrong with it, never quoting a digest or a secret. */
#define WEIR_KEY_ERROR  160
bool weir_apikey_read(weir_str_t line, weir_key_t *key_r,
    char error_r[WEIR_KEY_ERROR]);

/* The line of key and its end; with what stands in the old line, which may be
 * empty, and only a later version knows. */
void weir_apikey_write(const weir_key_t *key, weir_str_t line,
    weir_buf_t *out);

/* The spelling of an URL or of models in a record, and back. */
void weir_apikey_quote(weir_str_t text, weir_buf_t *out);
void weir_apikey_unquote(weir_str_t text, weir_buf_t *out);

/* Is the secret of key that of the record, at time now (s)?  In time that does
 * not depend on the record; NULL: nobody's, UNKNOWN.  Not MALFORMED: the
 * caller has parsed it. */
weir_key_e weir_apikey_judge(const weir_key_t *record, weir_str_t pepper,
    weir_str_t key, int64_t now);

/* The same with the digest of the key, which was computed before. */
weir_key_e weir_apikey_verdict(const weir_key_t *record,
    const unsigned char digest[WEIR_DIGEST_LEN], int64_t now);

/* Does the record allow the model?  "models" as in the record. */
bool weir_apikey_models_valid(weir_str_t models);
bool weir_apikey_allows(weir_str_t models, weir_str_t model);

/* "submit,read" and back; -1: an unknown word. */
int weir_scopes_parse(weir_str_t text);
void weir_scopes_write(unsigned scopes, weir_buf_t *out);

/* Is it a public id, an env? */
bool weir_apikey_id_valid(weir_str_t id);
bool weir_env_valid(weir_str_t env);

/* Is it a name for an owner or a tier: 1 to max of A-Z a-z 0-9 . _ - @? */
bool weir_name_valid(weir_str_t name, size_t max);


/* A table of all records of a file's text; the text may go away afterwards.
 * NULL: error_r names the line.  pepper is not kept. */
weir_keyring_t *weir_keyring_create(weir_str_t text, weir_str_t pepper,
    char error_r[WEIR_KEY_ERROR]);
void weir_keyring_destroy(weir_keyring_t **ring);
size_t weir_keyring_count(const weir_keyring_t *ring);

/* The ring's pepper, which lives as long. */
weir_hmac_t *weir_keyring_pepper(const weir_keyring_t *ring);

/* The record of a public id, of WEIR_KEY_ID_LEN characters; NULL: none. */
const weir_key_t *weir_keyring_record(const weir_keyring_t *ring,
    weir_str_t id);

/* Whose key is it, at time now (s)?  *record_r is set for every answer but
 * MALFORMED and UNKNOWN, and lives as long as the ring. */
weir_key_e weir_keyring_find(const weir_keyring_t *ring, weir_str_t key,
    int64_t now, const weir_key_t **record_r);


#endif /* WEIR_APIKEY_H */
