/*
 * The commands that change key files.  Prints a key once, when it is made;
 * never prints a digest, and rewrites no line but the one that is meant.
 */

#include "cli.h"
#include "keyfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "weir_apikey.h"
#include "weir_url.h"
#include "weir_webhook.h"


typedef struct {
    const char  *file;
    const char  *pepper;
    const char  *owner;
    const char  *tier;
    const char  *scopes;
    const char  *env;
    const char  *expires;
    const char  *webhook;
    const char  *webhook_secret;
    char         drawn[WEIR_SECRET_TEXT];       /* empty: one was given */
    weir_buf_t   quoted;                        /* the URL, for the record */
} keys_create_t;


/* would a reader take this text? */

static int
keys_check(const char *path, weir_str_t text, weir_str_t pepper)
{
    char             error[WEIR_KEY_ERROR];
    weir_keyring_t  *ring;

    ring = weir_keyring_create(text, pepper, error);
    if (ring == NULL) {
        return cli_failed("\"%s\": %s", path, error);
    }

    weir_keyring_destroy(&ring);

    return CLI_OK;
}


/* create */

/* "30d", "12h", "2w" from now, or a Unix time */

static int
keys_expiry(const char *text, int64_t now, int64_t *t_r)
{
    char         *end;
    long long     n;
    const char   *unit;
    static const char  units[] = "smhdw";
    static const int   seconds[] = { 1, 60, 3600, 86400, 604800 };

    n = strtoll(text, &end, 10);
    unit = *end ? strchr(units, *end) : NULL;

    if (end == text || text[0] == '-' || text[0] == '+' || n <= 0
        || n >= 100000000000LL || (*end && (unit == NULL || end[1])))
    {
        return cli_usage("\"--expires\" must be a time like 30d or 12h, or a "
                         "Unix time");
    }

    *t_r = unit ? now + n * seconds[unit - units] : n;

    if (*t_r <= now || *t_r >= 100000000000LL) {
        return cli_usage("\"--expires\" must lie in the future, before the "
                         "year 5138");
    }

    return CLI_OK;
}


static bool
keys_env_valid(const char *env)
{
    size_t  n;

    n = strspn(env, "abcdefghijklmnopqrstuvwxyz0123456789");

    return n > 0 && n <= WEIR_KEY_ENV_MAX && env[n] == '\0';
}


/* what the options say, into the record */

static int
keys_fill(weir_key_t *key, const keys_create_t *c, int64_t now)
{
    int  scopes;

    memset(key, 0, sizeof(weir_key_t));

    if (!weir_name_valid(weir_str_of(c->owner), WEIR_OWNER_MAX)) {
        return cli_usage("\"--owner\" must be 1 to %d letters, digits and "
                         ". _ - @", WEIR_OWNER_MAX);
    }

    if (!weir_name_valid(weir_str_of(c->tier), WEIR_TIER_MAX)) {
        return cli_usage("\"--tier\" must be 1 to %d letters, digits and "
                         ". _ - @", WEIR_TIER_MAX);
    }

    if (!keys_env_valid(c->env)) {
        return cli_usage("\"--env\" must be 1 to %d characters of a-z and 0-9",
                         WEIR_KEY_ENV_MAX);
    }

    scopes = weir_scopes_parse(weir_str_of(c->scopes));
    if (scopes < 0) {
        return cli_usage("\"--scopes\" must be a list of submit, read, cancel, "
                         "admin, with commas and without spaces");
    }

    snprintf(key->owner, sizeof(key->owner), "%s", c->owner);
    snprintf(key->tier, sizeof(key->tier), "%s", c->tier);
    key->scopes = (unsigned) scopes;

    return c->expires ? keys_expiry(c->expires, now, &key->expires) : CLI_OK;
}


/* the webhook and its secret; where it may go is for the edge to say */

static int
keys_webhook(weir_key_t *key, keys_create_t *c)
{
    weir_buf_t       url;
    const char      *why;
    weir_secrets_t   secrets;

    if (c->webhook) {
        weir_buf_init(&url, 0);

        if (!weir_url_check(weir_str_of(c->webhook), &weir_url_anywhere, &url,
                            &why))
        {
            return cli_usage("the URL of \"--webhook\" %s", why);
        }

        weir_apikey_quote((weir_str_t) { url.data, url.len }, &c->quoted);
        weir_buf_free(&url);

        key->webhook = (weir_str_t) { c->quoted.data, c->quoted.len };

        if (c->webhook_secret == NULL) {
            if (weir_secret_draw(c->drawn) != 0) {
                return cli_failed("no random bytes for the secret");
            }

            c->webhook_secret = c->drawn;
        }
    }

    if (c->webhook_secret == NULL) {
        return CLI_OK;
    }

    key->webhook_secret = weir_str_of(c->webhook_secret);

    if (!weir_secrets_read(key->webhook_secret, &secrets)) {
        return cli_usage("\"--webhook-secret\" must be \"whsec_\" and the "
                         "base64 of 24 to 64 bytes, or two of these with a "
                         "space between");
    }

    weir_secrets_wipe(&secrets);

    return CLI_OK;
}


static int
keys_draw(weir_key_t *key, const char *env, weir_str_t pepper,
    char text[WEIR_KEY_MAX + 1])
{
    weir_str_t     id;
    unsigned char  random[WEIR_KEY_RANDOM];

    if (weir_digest_random(random, sizeof(random)) != 0) {
        return cli_failed("no random bytes for the key");
    }

    weir_apikey_make(text, env, NULL, random);
    weir_digest_wipe(random, sizeof(random));

    if (!weir_apikey_parse(weir_str_of(text), &id)
        || weir_digest_hmac(pepper, weir_str_of(text), key->digest) != 0)
    {
        return cli_failed("cannot compute the key's digest");
    }

    memcpy(key->id, id.data, WEIR_KEY_ID_LEN);
    snprintf(key->env, sizeof(key->env), "%s", env);

    return CLI_OK;
}


/* A pepper that is missing beside existing keys is a wrong path: to make a new
 * one would give a key that no reader of this file accepts. */

static int
keys_pepper(const keyfile_t *k, const char *path, weir_buf_t *pepper)
{
    bool        records;
    weir_str_t  rest, line;

    records = false;
    rest = (weir_str_t) { k->text.data, k->text.len };

    while (keyfile_next_line(&rest, &line)) {
        records |= keyfile_is_record(line);
    }

    return keyfile_pepper(path, !records, pepper);
}


static int
keys_append(keyfile_t *k, const weir_key_t *key, weir_str_t pepper)
{
    int  rc;

    if (k->text.len && k->text.data[k->text.len - 1] != '\n') {
        weir_buf_text(&k->text, "\n");
    }

    weir_apikey_write(key, weir_str_null, &k->text);

    rc = keys_check(k->path, (weir_str_t) { k->text.data, k->text.len },
                    pepper);

    return rc == CLI_OK ? keyfile_save(k) : rc;
}


static int
keys_add(const keys_create_t *c, weir_key_t *key, char text[WEIR_KEY_MAX + 1])
{
    int         rc;
    keyfile_t   k;
    weir_str_t  secret;
    weir_buf_t  pepper = { 0 };

    rc = keyfile_open(&k, c->file);
    if (rc != CLI_OK) {
        return rc;
    }

    rc = keys_pepper(&k, c->pepper, &pepper);
    secret = (weir_str_t) { pepper.data, pepper.len };

    if (rc == CLI_OK) {
        rc = keys_draw(key, c->env, secret, text);
    }

    if (rc == CLI_OK) {
        rc = keys_append(&k, key, secret);
    }

    if (pepper.data) {
        weir_digest_wipe(pepper.data, pepper.size);
    }

    weir_buf_free(&pepper);
    keyfile_close(&k);

    return rc;
}


int
keys_create(int argc, char **argv)
{
    int            rc;
    char           text[WEIR_KEY_MAX + 1];
    weir_key_t     key;
    keys_create_t  c = { 0 };

    const cli_option_t  options[] = {
        { "file", &c.file, NULL, true },
        { "pepper", &c.pepper, NULL, true },
        { "owner", &c.owner, NULL, true },
        { "tier", &c.tier, NULL, false },
        { "scopes", &c.scopes, NULL, false },
        { "env", &c.env, NULL, false },
        { "expires", &c.expires, NULL, false },
        { "webhook", &c.webhook, NULL, false },
        { "webhook-secret", &c.webhook_secret, NULL, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, NULL, 0);
    if (rc != CLI_OK) {
        return rc;
    }

    c.tier = c.tier ? c.tier : "default";
    c.scopes = c.scopes ? c.scopes : "submit,read,cancel";
    c.env = c.env ? c.env : "live";

    rc = keys_fill(&key, &c, time(NULL));

    if (rc == CLI_OK) {
        rc = keys_webhook(&key, &c);
    }

    if (rc == CLI_OK) {
        rc = keys_add(&c, &key, text);
    }

    weir_buf_free(&c.quoted);

    if (rc != CLI_OK) {
        return rc;
    }

    fprintf(stderr, "created key %s of %s in %s; it is not shown again\n",
            key.id, key.owner, c.file);

    puts(text);
    weir_digest_wipe(text, sizeof(text));

    if (c.drawn[0]) {
        puts(c.drawn);
        weir_digest_wipe(c.drawn, sizeof(c.drawn));
    }

    return cli_flush();
}


/* revoke */

/* the line of a public id; only the mark and the id are looked at, so that a
 * key can be revoked even if another line is broken */

static bool
keys_find(weir_str_t text, weir_str_t id, weir_str_t *line_r)
{
    weir_key_t  key;
    weir_str_t  line;
    char        error[WEIR_KEY_ERROR];

    while (keyfile_next_line(&text, &line)) {
        if (keyfile_is_record(line) && weir_apikey_read(line, &key, error)
            && weir_str_eq(id, weir_str_of(key.id)))
        {
            *line_r = line;
            return true;
        }
    }

    return false;
}


/* the new text: everything as it was, ":revoked=" of that line replaced or
 * added */

static void
keys_mark(weir_str_t text, weir_str_t line, int64_t now, weir_buf_t *out)
{
    const char  *p, *end, *next;

    end = line.data + line.len;
    weir_buf_add(out, text.data, (size_t) (line.data - text.data));

    for (p = line.data; p < end; p = next) {
        next = memchr(p + 1, ':', (size_t) (end - p - 1));
        next = next ? next : end;

        if (next - p < 9 || memcmp(p, ":revoked=", 9) != 0) {
            weir_buf_add(out, p, (size_t) (next - p));
        }
    }

    weir_buf_printf(out, ":revoked=%lld", (long long) now);
    weir_buf_add(out, end, (size_t) (text.data + text.len - end));
}


static int
keys_end(keyfile_t *k, weir_str_t line, int64_t now)
{
    int         rc;
    char        error[WEIR_KEY_ERROR];
    weir_buf_t  old;
    weir_key_t  key;

    weir_apikey_read(line, &key, error);

    if (key.revoked && key.revoked <= now) {
        fprintf(stderr, "key %s was revoked before\n", key.id);
        return CLI_OK;
    }

    old = k->text;
    memset(&k->text, 0, sizeof(weir_buf_t));
    keys_mark((weir_str_t) { old.data, old.len }, line, now, &k->text);
    weir_buf_free(&old);

    rc = keyfile_save(k);

    if (rc == CLI_OK) {
        fprintf(stderr, "revoked key %s of %s\n", key.id, key.owner);
        rc = keys_check(k->path, (weir_str_t) { k->text.data, k->text.len },
                        weir_str("-"));
    }

    return rc;
}


int
keys_revoke(int argc, char **argv)
{
    int          rc;
    keyfile_t    k;
    weir_str_t   line;
    const char  *file, *id;

    const cli_option_t  options[] = {
        { "file", &file, NULL, true },
        { NULL, NULL, NULL, false }
    };

    file = NULL;
    rc = args_parse(argc, argv, options, &id, 1);

    if (rc == CLI_OK) {
        rc = keyfile_open(&k, file);
    }

    if (rc != CLI_OK) {
        return rc;
    }

    if (!k.exists) {
        rc = cli_failed("no key file \"%s\"", file);

    } else if (!keys_find((weir_str_t) { k.text.data, k.text.len },
                          weir_str_of(id), &line))
    {
        rc = cli_failed("no key with the public id \"%s\" in \"%s\"", id,
                        file);

    } else {
        rc = keys_end(&k, line, time(NULL));
    }

    keyfile_close(&k);

    return rc;
}
