/*
 * The records of API keys: what a line of a key file, or of the store, says.
 * Pure; never shows a digest or a secret.
 */

#include "weir_apikey.h"
#include "weir_base62.h"
#include "weir_limit.h"
#include "weir_url.h"
#include "weir_webhook.h"

#include <stdio.h>


#define WEIR_RECORD_MARK  "v1:hmac-sha256:"
#define WEIR_LINE_MAX     8192
#define WEIR_TIME_DIGITS  12


typedef struct {
    const char  *name;
    unsigned     bit;
} weir_scope_t;

static const weir_scope_t  weir_scopes[] = {
    { "submit",       WEIR_SCOPE_SUBMIT },
    { "read",         WEIR_SCOPE_READ },
    { "cancel",       WEIR_SCOPE_CANCEL },
    { "admin",        WEIR_SCOPE_ADMIN },
    { "cache-bypass", WEIR_SCOPE_CACHE },
    { "metrics",      WEIR_SCOPE_METRICS },
    { NULL, 0 }
};


/* what weir_apikey_write() writes */

static const char *const  weir_fields[] = {
    "owner", "tier", "scopes", "env", "models", "limits", "expires", "digest2",
    "until", "revoked", "webhook_secret", "webhook", NULL
};


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


bool
weir_env_valid(weir_str_t env)
{
    size_t  i;

    for (i = 0; i < env.len; i++) {
        if (!(env.data[i] >= 'a' && env.data[i] <= 'z')
            && !(env.data[i] >= '0' && env.data[i] <= '9'))
        {
            return false;
        }
    }

    return env.len > 0 && env.len <= WEIR_KEY_ENV_MAX;
}


int
weir_scopes_parse(weir_str_t text)
{
    unsigned             scopes;
    weir_str_t           word;
    const weir_scope_t  *s;

    scopes = 0;

    while (weir_str_split(&text, ',', &word)) {
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
weir_field_env(weir_key_t *key, weir_str_t value, char error_r[WEIR_KEY_ERROR])
{
    if (!weir_env_valid(value)) {
        return weir_field_error(error_r, "env", "of a-z and 0-9, not too long");
    }

    memcpy(key->env, value.data, value.len);
    key->env[value.len] = '\0';

    return true;
}


static bool
weir_field_models(weir_key_t *key, weir_str_t value,
    char error_r[WEIR_KEY_ERROR])
{
    key->models = value;

    return weir_apikey_models_valid(value)
           || weir_field_error(error_r, "models", "names with commas, of which "
                               "one may end in *, with % and : as %25 and "
                               "%3A");
}


static bool
weir_field_limits(weir_key_t *key, weir_str_t value,
    char error_r[WEIR_KEY_ERROR])
{
    if (!weir_limits_valid(value)) {
        return weir_field_error(error_r, "limits", "a list of ZONE=RATE[+BURST]"
                                ", ZONE=QUOTA, ZONE=N or ZONE=unlimited");
    }

    key->limits = value;

    return true;
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
                                   "cancel, admin, cache-bypass, metrics");
    }

    if (weir_str_eq(name, weir_str("env"))) {
        return weir_field_env(key, value, error_r);
    }

    if (weir_str_eq(name, weir_str("models"))) {
        return weir_field_models(key, value, error_r);
    }

    if (weir_str_eq(name, weir_str("limits"))) {
        return weir_field_limits(key, value, error_r);
    }

    if (weir_str_eq(name, weir_str("webhook"))) {
        return weir_field_webhook(key, value, error_r);
    }

    if (weir_str_eq(name, weir_str("webhook_secret"))) {
        return weir_field_secret(key, value, error_r);
    }

    return true;                    /* of a later version */
}


/* is it name=value? */

static bool
weir_field_is(weir_str_t part, weir_str_t name)
{
    return part.len > name.len && part.data[name.len] == '='
           && memcmp(part.data, name.data, name.len) == 0;
}


/* does the name stand in the fields before? */

static bool
weir_field_twice(weir_str_t before, weir_str_t name)
{
    weir_str_t  part;

    while (weir_str_split(&before, ':', &part)) {
        if (weir_field_is(part, name)) {
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

    while (weir_str_split(&rest, ':', &part)) {
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
weir_apikey_id_valid(weir_str_t id)
{
    size_t  i;

    for (i = 0; i < id.len; i++) {
        if (weir_base62_value(id.data[i]) < 0) {
            return false;
        }
    }

    return id.len == WEIR_KEY_ID_LEN;
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
    strcpy(key_r->env, "live");

    n = sizeof(WEIR_RECORD_MARK) - 1;

    if (line.len < n || line.len > WEIR_LINE_MAX
        || memcmp(line.data, WEIR_RECORD_MARK, n) != 0)
    {
        snprintf(error_r, WEIR_KEY_ERROR,
                 "a record must start with \"" WEIR_RECORD_MARK "\"");
        return false;
    }

    rest = (weir_str_t) { line.data + n, line.len - n };

    weir_str_split(&rest, ':', &id);

    if (!weir_apikey_id_valid(id)) {
        snprintf(error_r, WEIR_KEY_ERROR, "the public id must be %d letters "
                 "or digits", WEIR_KEY_ID_LEN);
        return false;
    }

    memcpy(key_r->id, id.data, id.len);

    if (!weir_str_split(&rest, ':', &part)
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


/* the fields of line that this version does not know */

static void
weir_fields_keep(weir_str_t line, weir_buf_t *out)
{
    unsigned            i;
    weir_str_t          part;
    const char *const  *known;

    for (i = 0; weir_str_split(&line, ':', &part); i++) {
        for (known = weir_fields; *known; known++) {
            if (weir_field_is(part, weir_str_of(*known))) {
                break;
            }
        }

        /* the first four are the mark, the id and the digest */

        if (i >= 4 && *known == NULL) {
            weir_buf_text(out, ":");
            weir_buf_str(out, part);
        }
    }
}


void
weir_apikey_write(const weir_key_t *key, weir_str_t line, weir_buf_t *out)
{
    char  hex[2 * WEIR_DIGEST_LEN + 1];

    weir_digest_hex(key->digest, WEIR_DIGEST_LEN, hex);
    weir_buf_printf(out, WEIR_RECORD_MARK "%s:%s:owner=%s:tier=%s:scopes=",
                    key->id, hex, key->owner, key->tier);
    weir_scopes_write(key->scopes, out);

    if (key->env[0] && strcmp(key->env, "live") != 0) {
        weir_buf_printf(out, ":env=%s", key->env);
    }

    if (key->models.len) {
        weir_buf_text(out, ":models=");
        weir_buf_str(out, key->models);
    }

    if (key->limits.len) {
        weir_buf_text(out, ":limits=");
        weir_buf_str(out, key->limits);
    }

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

    weir_fields_keep(line, out);
    weir_buf_text(out, "\n");
}
