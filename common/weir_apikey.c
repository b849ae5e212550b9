/*
 * API keys and the key file.  Pure: never reads a file or a clock, never
 * keeps a key.  The ring of all keys is weir_keyring.c.
 */

#include "weir_apikey.h"
#include "weir_base62.h"
#include "weir_url.h"
#include "weir_webhook.h"

#include <stdio.h>


#define WEIR_KEY_VENDOR   "weir_"
#define WEIR_RECORD_MARK  "v1:hmac-sha256:"
#define WEIR_LINE_MAX     8192
#define WEIR_TIME_DIGITS  12
#define WEIR_ID_BYTES     24         /* of chance, for the public id */


typedef struct {
    const char  *name;
    unsigned     bit;
} weir_scope_t;

static const weir_scope_t  weir_scopes[] = {
    { "submit", WEIR_SCOPE_SUBMIT },
    { "read",   WEIR_SCOPE_READ },
    { "cancel", WEIR_SCOPE_CANCEL },
    { "admin",  WEIR_SCOPE_ADMIN },
    { NULL, 0 }
};


/* CRC-32 as in zlib, ISO-HDLC */

static uint32_t
weir_crc32(weir_str_t s)
{
    int       k;
    size_t    i;
    uint32_t  crc;

    crc = 0xffffffff;

    for (i = 0; i < s.len; i++) {
        crc ^= (unsigned char) s.data[i];

        for (k = 0; k < 8; k++) {
            crc = (crc >> 1) ^ (0xedb88320 & (0 - (crc & 1)));
        }
    }

    return ~crc;
}


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
    size_t  n;
    char    c;

    for (n = 0; n < rest->len && n <= WEIR_KEY_ENV_MAX; n++) {
        c = rest->data[n];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) {
            break;
        }
    }

    if (n == 0 || n > WEIR_KEY_ENV_MAX) {
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
weir_apikey_make(char *key, const char *env,
    const unsigned char random[WEIR_KEY_RANDOM])
{
    int  n;

    n = snprintf(key, WEIR_KEY_MAX + 1, WEIR_KEY_VENDOR "%.*s_",
                 WEIR_KEY_ENV_MAX, env);

    weir_base62_fill(key + n, WEIR_KEY_ID_LEN, random, WEIR_ID_BYTES);
    n += WEIR_KEY_ID_LEN;
    key[n++] = '_';

    weir_base62_fill(key + n, WEIR_KEY_SECRET_LEN, random + WEIR_ID_BYTES,
                     WEIR_KEY_RANDOM - WEIR_ID_BYTES);
    n += WEIR_KEY_SECRET_LEN;

    weir_checksum((weir_str_t) { key, (size_t) n }, key + n + 1);
    key[n] = '_';
    key[n + 1 + WEIR_KEY_CRC_LEN] = '\0';
}


bool
weir_name_valid(weir_str_t name, size_t max)
{
    char    c;
    size_t  i;

    for (i = 0; i < name.len; i++) {
        c = name.data[i];

        if (weir_base62_value(c) < 0 && (c == '\0' || !strchr("._-@", c))) {
            return false;
        }
    }

    return name.len > 0 && name.len <= max;
}


/* cuts the part before sep off rest; the last part has no sep */

static bool
weir_split(weir_str_t *rest, char sep, weir_str_t *part_r)
{
    const char  *p;

    if (rest->data == NULL) {
        return false;
    }

    p = rest->len ? memchr(rest->data, sep, rest->len) : NULL;

    if (p == NULL) {
        *part_r = *rest;
        *rest = weir_str_null;
        return true;
    }

    *part_r = (weir_str_t) { rest->data, (size_t) (p - rest->data) };
    rest->len -= part_r->len + 1;
    rest->data = p + 1;

    return true;
}


int
weir_scopes_parse(weir_str_t text)
{
    unsigned             scopes;
    weir_str_t           word;
    const weir_scope_t  *s;

    scopes = 0;

    while (weir_split(&text, ',', &word)) {
        for (s = weir_scopes; s->name; s++) {
            if (weir_str_eq(word, weir_str_of(s->name))) {
                break;
            }
        }

        if (s->name == NULL) {
            return -1;
        }

        scopes |= s->bit;
    }

    return scopes ? (int) scopes : -1;
}


void
weir_scopes_write(unsigned scopes, weir_buf_t *out)
{
    const char          *sep;
    const weir_scope_t  *s;

    sep = "";

    for (s = weir_scopes; s->name; s++) {
        if (scopes & s->bit) {
            weir_buf_printf(out, "%s%s", sep, s->name);
            sep = ",";
        }
    }
}


static bool
weir_field_error(char error_r[WEIR_KEY_ERROR], const char *name,
    const char *what)
{
    snprintf(error_r, WEIR_KEY_ERROR, "\"%s\" must be %s", name, what);

    return false;
}


static bool
weir_field_time(weir_str_t value, const char *name, int64_t *t_r,
    char error_r[WEIR_KEY_ERROR])
{
    return weir_str_digits(value, WEIR_TIME_DIGITS, t_r)
           || weir_field_error(error_r, name, "a Unix time in seconds");
}


static bool
weir_field_name(weir_str_t value, const char *name, size_t max, char *to,
    char error_r[WEIR_KEY_ERROR])
{
    if (!weir_name_valid(value, max)) {
        return weir_field_error(error_r, name,
                                "of letters, digits and . _ - @, not too long");
    }

    memcpy(to, value.data, value.len);
    to[value.len] = '\0';

    return true;
}


void
weir_apikey_quote(weir_str_t url, weir_buf_t *out)
{
    size_t  i;

    for (i = 0; i < url.len; i++) {
        if (url.data[i] == '%') {
            weir_buf_text(out, "%25");

        } else if (url.data[i] == ':') {
            weir_buf_text(out, "%3A");

        } else {
            weir_buf_add(out, url.data + i, 1);
        }
    }
}


void
weir_apikey_unquote(weir_str_t webhook, weir_buf_t *out)
{
    size_t       i;
    weir_str_t   next;

    for (i = 0; i < webhook.len; i++) {
        next = (weir_str_t) { webhook.data + i, 3 };

        if (webhook.len - i >= 3 && weir_str_eq(next, weir_str("%25"))) {
            weir_buf_text(out, "%");
            i += 2;

        } else if (webhook.len - i >= 3 && weir_str_eq(next, weir_str("%3A"))) {
            weir_buf_text(out, ":");
            i += 2;

        } else {
            weir_buf_add(out, webhook.data + i, 1);
        }
    }
}


static bool
weir_field_webhook(weir_key_t *key, weir_str_t value,
    char error_r[WEIR_KEY_ERROR])
{
    bool         ok;
    weir_buf_t   url;
    const char  *why;

    /* where it may go is asked when a job wants to use it */

    weir_buf_init(&url, 0);
    weir_apikey_unquote(value, &url);
    ok = !url.failed && weir_url_check((weir_str_t) { url.data, url.len },
                                       &weir_url_anywhere, NULL, &why);
    weir_buf_free(&url);

    key->webhook = value;

    return ok || weir_field_error(error_r, "webhook",
                                  "an URL, with % and : as %25 and %3A");
}


static bool
weir_field_secret(weir_key_t *key, weir_str_t value,
    char error_r[WEIR_KEY_ERROR])
{
    bool            ok;
    weir_secrets_t  secrets;

    ok = weir_secrets_read(value, &secrets);
    weir_secrets_wipe(&secrets);

    key->webhook_secret = value;

    return ok || weir_field_error(error_r, "webhook_secret", "whsec_ and the "
                                  "base64 of 24 to 64 bytes, or two of these");
}


static bool
weir_field_read(weir_key_t *key, weir_str_t name, weir_str_t value,
    char error_r[WEIR_KEY_ERROR])
{
    int  scopes;

    if (weir_str_eq(name, weir_str("owner"))) {
        return weir_field_name(value, "owner", WEIR_OWNER_MAX, key->owner,
                               error_r);
    }

    if (weir_str_eq(name, weir_str("tier"))) {
        return weir_field_name(value, "tier", WEIR_TIER_MAX, key->tier,
                               error_r);
    }

    if (weir_str_eq(name, weir_str("expires"))) {
        return weir_field_time(value, "expires", &key->expires, error_r);
    }

    if (weir_str_eq(name, weir_str("until"))) {
        return weir_field_time(value, "until", &key->until, error_r);
    }

    if (weir_str_eq(name, weir_str("revoked"))) {
        return weir_field_time(value, "revoked", &key->revoked, error_r);
    }

    if (weir_str_eq(name, weir_str("digest2"))) {
        key->rotating = weir_digest_unhex(value, key->digest2,
                                          WEIR_DIGEST_LEN);

        return key->rotating
               || weir_field_error(error_r, "digest2",
                                   "64 hexadecimal digits in lower case");
    }

    if (weir_str_eq(name, weir_str("scopes"))) {
        scopes = weir_scopes_parse(value);
        key->scopes = scopes < 0 ? 0 : (unsigned) scopes;

        return scopes > 0
               || weir_field_error(error_r, "scopes", "a list of submit, read, "
                                   "cancel, admin");
    }

    if (weir_str_eq(name, weir_str("webhook"))) {
        return weir_field_webhook(key, value, error_r);
    }

    if (weir_str_eq(name, weir_str("webhook_secret"))) {
        return weir_field_secret(key, value, error_r);
    }

    return true;                    /* of a later version */
}


/* does the name stand in the fields before? */

static bool
weir_field_twice(weir_str_t before, weir_str_t name)
{
    weir_str_t  part;

    while (weir_split(&before, ':', &part)) {
        if (part.len > name.len && part.data[name.len] == '='
            && memcmp(part.data, name.data, name.len) == 0)
        {
            return true;
        }
    }

    return false;
}


static bool
weir_fields_read(weir_key_t *key, weir_str_t rest, char error_r[WEIR_KEY_ERROR])
{
    weir_str_t   all, part, name, value, before;
    const char  *eq;

    all = rest;

    while (weir_split(&rest, ':', &part)) {
        eq = part.len ? memchr(part.data, '=', part.len) : NULL;

        if (eq == NULL) {
            snprintf(error_r, WEIR_KEY_ERROR,
                     "after the digest only name=value may follow");
            return false;
        }

        name = (weir_str_t) { part.data, (size_t) (eq - part.data) };
        value = (weir_str_t) { eq + 1, part.len - name.len - 1 };
        before = (weir_str_t) { all.data, (size_t) (part.data - all.data) };

        if (weir_field_twice(before, name)) {
            snprintf(error_r, WEIR_KEY_ERROR, "\"%.*s\" is given twice",
                     name.len < 32 ? (int) name.len : 32, name.data);
            return false;
        }

        if (!weir_field_read(key, name, value, error_r)) {
            return false;
        }
    }

    return true;
}


bool
weir_apikey_read(weir_str_t line, weir_key_t *key_r,
    char error_r[WEIR_KEY_ERROR])
{
    size_t      n;
    weir_str_t  rest, part, id;

    memset(key_r, 0, sizeof(weir_key_t));
    key_r->scopes = WEIR_SCOPE_DEFAULT;
    strcpy(key_r->tier, "default");

    n = sizeof(WEIR_RECORD_MARK) - 1;

    if (line.len < n || line.len > WEIR_LINE_MAX
        || memcmp(line.data, WEIR_RECORD_MARK, n) != 0)
    {
        snprintf(error_r, WEIR_KEY_ERROR,
                 "a record must start with \"" WEIR_RECORD_MARK "\"");
        return false;
    }

    rest = (weir_str_t) { line.data + n, line.len - n };

    weir_split(&rest, ':', &id);
    part = id;

    if (id.len != WEIR_KEY_ID_LEN || !weir_take_alnum(&part, id.len)) {
        snprintf(error_r, WEIR_KEY_ERROR, "the public id must be %d letters "
                 "or digits", WEIR_KEY_ID_LEN);
        return false;
    }

    memcpy(key_r->id, id.data, id.len);

    if (!weir_split(&rest, ':', &part)
        || !weir_digest_unhex(part, key_r->digest, WEIR_DIGEST_LEN))
    {
        return weir_field_error(error_r, "digest",
                                "64 hexadecimal digits in lower case");
    }

    if (!weir_fields_read(key_r, rest, error_r)) {
        return false;
    }

    if (key_r->owner[0] == '\0') {
        return weir_field_error(error_r, "owner", "given");
    }

    if (key_r->webhook.len && key_r->webhook_secret.len == 0) {
        return weir_field_error(error_r, "webhook_secret",
                                "given with \"webhook\"");
    }

    return true;
}


void
weir_apikey_write(const weir_key_t *key, weir_buf_t *out)
{
    char  hex[2 * WEIR_DIGEST_LEN + 1];

    weir_digest_hex(key->digest, WEIR_DIGEST_LEN, hex);
    weir_buf_printf(out, WEIR_RECORD_MARK "%s:%s:owner=%s:tier=%s:scopes=",
                    key->id, hex, key->owner, key->tier);
    weir_scopes_write(key->scopes, out);

    if (key->expires) {
        weir_buf_printf(out, ":expires=%lld", (long long) key->expires);
    }

    if (key->rotating) {
        weir_digest_hex(key->digest2, WEIR_DIGEST_LEN, hex);
        weir_buf_printf(out, ":digest2=%s", hex);
    }

    if (key->until) {
        weir_buf_printf(out, ":until=%lld", (long long) key->until);
    }

    if (key->revoked) {
        weir_buf_printf(out, ":revoked=%lld", (long long) key->revoked);
    }

    if (key->webhook_secret.len) {
        weir_buf_text(out, ":webhook_secret=");
        weir_buf_str(out, key->webhook_secret);
    }

    if (key->webhook.len) {
        weir_buf_text(out, ":webhook=");
        weir_buf_str(out, key->webhook);
    }

    weir_buf_text(out, "\n");
}
