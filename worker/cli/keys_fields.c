/*
 * What the options of "weir keys" say about a record: read once, before
 * anything is opened, and put into it.
 */

#include "keys_fields.h"
#include "cli.h"

#include <stdlib.h>

#include "weir_limit.h"
#include "weir_url.h"


#define KEYS_TIME_MAX  100000000000LL       /* the year 5138 */


static bool
keys_is(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}


static weir_str_t
keys_buf(const weir_buf_t *b)
{
    return (weir_str_t) { b->data, b->len };
}


int64_t
keys_duration(const char *text, bool zero)
{
    char         *end;
    long long     n;
    const char   *unit;
    static const char  units[] = "smhdw";
    static const int   seconds[] = { 1, 60, 3600, 86400, 604800 };

    if (text[0] < '0' || text[0] > '9') {
        return -1;
    }

    n = strtoll(text, &end, 10);

    if (zero && n == 0 && *end == '\0') {
        return 0;
    }

    unit = *end ? strchr(units, *end) : NULL;

    if (unit == NULL || end[1] || n >= KEYS_TIME_MAX || (n == 0 && !zero)) {
        return -1;
    }

    return n * seconds[unit - units];
}


/* "30d" from now, a Unix time, "none" */

static int
keys_read_expires(keys_fields_t *f)
{
    f->in = 0;
    f->at = 0;

    if (f->expires == NULL || keys_is(f->expires, "none")) {
        return CLI_OK;
    }

    f->in = keys_duration(f->expires, false);

    if (f->in > 0) {
        return CLI_OK;
    }

    f->in = 0;

    if (!weir_str_digits(weir_str_of(f->expires), 12, &f->at) || f->at == 0) {
        return cli_usage("\"--expires\" must be a time like 30d or 12h, a Unix "
                         "time, or none");
    }

    return CLI_OK;
}


static int
keys_read_models(keys_fields_t *f)
{
    if (f->models == NULL || keys_is(f->models, "*")) {
        return CLI_OK;
    }

    weir_apikey_quote(weir_str_of(f->models), &f->models_read);

    return weir_apikey_models_valid(keys_buf(&f->models_read))
           ? CLI_OK
           : cli_usage("\"--models\" must be names with commas and without "
                       "spaces, of which one may end in *");
}


/* where it may go is for the edge to say */

static int
keys_read_webhook(keys_fields_t *f)
{
    bool             ok;
    weir_buf_t       url = { 0 };
    const char      *why;
    weir_secrets_t   secrets;

    if (f->webhook && !keys_is(f->webhook, "none")) {
        ok = weir_url_check(weir_str_of(f->webhook), &weir_url_anywhere, &url,
                            &why);
        weir_apikey_quote(keys_buf(&url), &f->webhook_read);
        weir_buf_free(&url);

        if (!ok) {
            return cli_usage("the URL of \"--webhook\" %s", why);
        }
    }

    if (f->webhook_secret == NULL || keys_is(f->webhook_secret, "none")) {
        return CLI_OK;
    }

    if (!weir_secrets_read(weir_str_of(f->webhook_secret), &secrets)) {
        return cli_usage("\"--webhook-secret\" must be \"whsec_\" and the "
                         "base64 of 24 to 64 bytes, or two of these with a "
                         "space between");
    }

    weir_secrets_wipe(&secrets);

    return CLI_OK;
}


int
keys_fields_read(keys_fields_t *f)
{
    int  rc, scopes;

    if (f->tier && !weir_name_valid(weir_str_of(f->tier), WEIR_TIER_MAX)) {
        return cli_usage("\"--tier\" must be 1 to %d letters, digits and "
                         ". _ - @", WEIR_TIER_MAX);
    }

    scopes = f->scopes ? weir_scopes_parse(weir_str_of(f->scopes)) : 0;
    f->scopes_read = (unsigned) scopes;

    if (scopes < 0) {
        return cli_usage("\"--scopes\" must be a list of submit, read, cancel, "
                         "admin, cache-bypass, metrics, with commas and "
                         "without spaces");
    }

    if (f->limits && !keys_is(f->limits, "none")
        && !weir_limits_valid(weir_str_of(f->limits)))
    {
        return cli_usage("\"--limits\" must be a list of ZONE=RATE[+BURST], "
                         "ZONE=QUOTA, ZONE=N or ZONE=unlimited, with commas "
                         "and without spaces");
    }

    rc = keys_read_expires(f);
    rc = rc == CLI_OK ? keys_read_models(f) : rc;

    return rc == CLI_OK ? keys_read_webhook(f) : rc;
}


void
keys_fields_free(keys_fields_t *f)
{
    weir_buf_free(&f->models_read);
    weir_buf_free(&f->webhook_read);
    weir_digest_wipe(f->drawn, sizeof(f->drawn));
}


bool
keys_fields_none(const keys_fields_t *f)
{
    return f->tier == NULL && f->scopes == NULL && f->models == NULL
           && f->limits == NULL && f->expires == NULL && f->webhook == NULL
           && f->webhook_secret == NULL;
}


static int
keys_apply_expires(const keys_fields_t *f, weir_key_t *key, int64_t now)
{
    if (f->expires == NULL) {
        return CLI_OK;
    }

    key->expires = f->in ? now + f->in : f->at;

    if (key->expires && (key->expires <= now || key->expires >= KEYS_TIME_MAX))
    {
        return cli_usage("\"--expires\" must lie in the future, before the "
                         "year 5138");
    }

    return CLI_OK;
}


static int
keys_apply_webhook(keys_fields_t *f, weir_key_t *key)
{
    f->drawn[0] = '\0';

    if (f->webhook) {
        key->webhook = keys_buf(&f->webhook_read);
    }

    if (keys_is(f->webhook_secret, "none")) {
        key->webhook_secret = weir_str_null;

    } else if (f->webhook_secret) {
        key->webhook_secret = weir_str_of(f->webhook_secret);
    }

    if (key->webhook.len == 0 || key->webhook_secret.len) {
        return CLI_OK;
    }

    if (f->webhook_secret) {
        return cli_usage("a webhook needs a secret");
    }

    if (weir_secret_draw(f->drawn) != 0) {
        return cli_failed("no random bytes for the secret");
    }

    key->webhook_secret = weir_str_of(f->drawn);

    return CLI_OK;
}


int
keys_fields_apply(keys_fields_t *f, weir_key_t *key, int64_t now)
{
    int  rc;

    if (f->tier) {
        strcpy(key->tier, f->tier);
    }

    if (f->scopes) {
        key->scopes = f->scopes_read;
    }

    if (f->models) {
        key->models = keys_buf(&f->models_read);
    }

    if (f->limits) {
        key->limits = keys_is(f->limits, "none") ? weir_str_null
                                                 : weir_str_of(f->limits);
    }

    rc = keys_apply_expires(f, key, now);

    return rc == CLI_OK ? keys_apply_webhook(f, key) : rc;
}
