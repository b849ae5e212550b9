/*
 * The list of a key file.  Only reads; never shows a digest.
 */

#include "cli.h"
#include "keyfile.h"

#include <stdio.h>
#include <time.h>

#include "weir_apikey.h"
#include "weir_json.h"


static const char *
keys_state(const weir_key_t *key, int64_t now)
{
    if (key->revoked && key->revoked <= now) {
        return "revoked";
    }

    if (key->expires && key->expires <= now) {
        return "expired";
    }

    return key->rotating ? "rotating" : "active";
}


static void
keys_print_time(const char *before, int64_t t)
{
    char       text[32];
    time_t     seconds;
    struct tm  tm;

    seconds = (time_t) t;
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ",
             gmtime_r(&seconds, &tm));

    printf("%s%s", before, text);
}


static void
keys_print(const weir_key_t *key, int64_t now)
{
    weir_buf_t  scopes = { 0 };

    weir_scopes_write(key->scopes, &scopes);

    printf("%s  %-8s  %-16s  %-8s  %.*s", key->id, keys_state(key, now),
           key->owner, key->tier, (int) scopes.len, scopes.data);

    if (key->expires) {
        keys_print_time("  expires ", key->expires);
    }

    if (key->revoked) {
        keys_print_time("  revoked ", key->revoked);
    }

    putchar('\n');
    weir_buf_free(&scopes);
}


static weir_json_t *
keys_json_time(int64_t t)
{
    return t ? weir_json_new_int(t) : weir_json_new_null();
}


static weir_json_t *
keys_json_scopes(unsigned scopes)
{
    unsigned      bit;
    weir_buf_t    name = { 0 };
    weir_json_t  *list;

    list = weir_json_array();

    for (bit = 1; bit <= scopes; bit <<= 1) {
        if ((scopes & bit) == 0) {
            continue;
        }

        weir_buf_reset(&name);
        weir_scopes_write(bit, &name);
        weir_json_add_take(list, weir_json_new_str((weir_str_t) {
                                     name.data, name.len }));
    }

    weir_buf_free(&name);

    return list;
}


static weir_json_t *
keys_json_webhook(const weir_key_t *key)
{
    weir_buf_t    url = { 0 };
    weir_json_t  *v;

    if (key->webhook.len == 0) {
        return weir_json_new_null();
    }

    weir_apikey_unquote(key->webhook, &url);
    v = weir_json_new_str((weir_str_t) { url.data, url.len });
    weir_buf_free(&url);

    return v;
}


static weir_json_t *
keys_json(const weir_key_t *key, int64_t now)
{
    int           rc;
    weir_json_t  *o;

    o = weir_json_object();

    rc = weir_json_set_take(o, "id", weir_json_new_str(weir_str_of(key->id)));
    rc |= weir_json_set_take(o, "owner",
                             weir_json_new_str(weir_str_of(key->owner)));
    rc |= weir_json_set_take(o, "tier",
                             weir_json_new_str(weir_str_of(key->tier)));
    rc |= weir_json_set_take(o, "scopes", keys_json_scopes(key->scopes));
    rc |= weir_json_set_take(o, "state",
                             weir_json_new_str(weir_str_of(keys_state(key,
                                                                      now))));
    rc |= weir_json_set_take(o, "expires", keys_json_time(key->expires));
    rc |= weir_json_set_take(o, "revoked", keys_json_time(key->revoked));
    rc |= weir_json_set_take(o, "webhook", keys_json_webhook(key));

    if (rc != 0) {
        weir_json_free(&o);
    }

    return o;
}


static int
keys_walk(const char *path, weir_str_t rest, weir_json_t *list)
{
    char        error[WEIR_KEY_ERROR];
    size_t      n;
    int64_t     now;
    weir_str_t  line;
    weir_key_t  key;

    now = time(NULL);

    for (n = 1; keyfile_next_line(&rest, &line); n++) {
        if (!keyfile_is_record(line)) {
            continue;
        }

        if (!weir_apikey_read(line, &key, error)) {
            return cli_failed("\"%s\": line %zu: %s", path, n, error);
        }

        if (list == NULL) {
            keys_print(&key, now);

        } else if (weir_json_add_take(list, keys_json(&key, now)) != 0) {
            return cli_failed("no memory");
        }
    }

    return CLI_OK;
}


static int
keys_print_json(const char *path, weir_str_t text)
{
    int           rc;
    weir_buf_t    out = { 0 };
    weir_json_t  *list;

    list = weir_json_array();
    rc = keys_walk(path, text, list);

    if (rc == CLI_OK && weir_json_write(list, &out) != 0) {
        rc = cli_failed("no memory");
    }

    if (rc == CLI_OK) {
        printf("%.*s\n", (int) out.len, out.data);
    }

    weir_buf_free(&out);
    weir_json_free(&list);

    return rc;
}


int
keys_list(int argc, char **argv)
{
    int          rc;
    bool         json;
    weir_str_t   text;
    weir_buf_t   buf = { 0 };
    const char  *file;

    const cli_option_t  options[] = {
        { "file", &file, NULL, true },
        { "json", NULL, &json, false },
        { NULL, NULL, NULL, false }
    };

    file = NULL;
    json = false;

    rc = args_parse(argc, argv, options, NULL, 0);

    if (rc == CLI_OK) {
        rc = keyfile_slurp(file, KEYFILE_MAX, &buf, NULL);
    }

    if (rc == CLI_OK) {
        text = (weir_str_t) { buf.data, buf.len };
        rc = json ? keys_print_json(file, text) : keys_walk(file, text, NULL);
    }

    weir_buf_free(&buf);

    return rc == CLI_OK ? cli_flush() : rc;
}
