/*
 * A key as it is shown.  Never touches a digest or a secret.
 */

#include "keys_show.h"

#include <stdio.h>
#include <time.h>


static const char *const  keys_states[] = {
    "active", "rotating", "expired", "revoked", NULL
};


bool
keys_is_rotating(const weir_key_t *key, int64_t now)
{
    return key->rotating && (key->until == 0 || key->until > now);
}


const char *
keys_state(const weir_key_t *key, int64_t now)
{
    if (key->revoked) {
        return "revoked";
    }

    if (key->expires && key->expires <= now) {
        return "expired";
    }

    return keys_is_rotating(key, now) ? "rotating" : "active";
}


bool
keys_is_state(const char *word)
{
    const char *const  *s;

    for (s = keys_states; *s; s++) {
        if (strcmp(*s, word) == 0) {
            return true;
        }
    }

    return false;
}


/* documents */

static weir_json_t *
keys_json_time(int64_t t)
{
    return t ? weir_json_new_int(t) : weir_json_new_null();
}


/* words with commas, in the spelling of a record; none: null */

static weir_json_t *
keys_json_words(weir_str_t words)
{
    weir_str_t    word;
    weir_buf_t    plain = { 0 };
    weir_json_t  *list;

    if (words.len == 0) {
        return weir_json_new_null();
    }

    list = weir_json_array();

    while (list && weir_str_split(&words, ',', &word)) {
        weir_buf_reset(&plain);
        weir_apikey_unquote(word, &plain);

        word = (weir_str_t) { plain.data, plain.len };

        if (plain.failed
            || weir_json_add_take(list, weir_json_new_str(word)) != 0)
        {
            weir_json_free(&list);
        }
    }

    weir_buf_free(&plain);

    return list;
}


static weir_json_t *
keys_json_scopes(unsigned scopes)
{
    weir_buf_t    names = { 0 };
    weir_json_t  *list;

    weir_scopes_write(scopes, &names);
    list = keys_json_words((weir_str_t) { names.data, names.len });
    weir_buf_free(&names);

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


weir_json_t *
keys_doc(const weir_key_t *key, int64_t now)
{
    int           rc;
    weir_json_t  *o;

    o = weir_json_object();

    rc = record_set(o, "id", weir_str_of(key->id));
    rc |= record_set(o, "owner", weir_str_of(key->owner));
    rc |= record_set(o, "tier", weir_str_of(key->tier));
    rc |= record_set(o, "env", weir_str_of(key->env));
    rc |= weir_json_set_take(o, "scopes", keys_json_scopes(key->scopes));
    rc |= weir_json_set_take(o, "models", keys_json_words(key->models));
    rc |= record_set(o, "limits", key->limits);
    rc |= record_set(o, "state", weir_str_of(keys_state(key, now)));
    rc |= weir_json_set_take(o, "expires", keys_json_time(key->expires));
    rc |= weir_json_set_take(o, "until",
                             keys_json_time(keys_is_rotating(key, now)
                                            ? key->until : 0));
    rc |= weir_json_set_take(o, "revoked", keys_json_time(key->revoked));
    rc |= weir_json_set_take(o, "webhook", keys_json_webhook(key));

    if (rc != 0) {
        weir_json_free(&o);
    }

    return o;
}


int
keys_doc_text(weir_json_t *doc, const char *name, const char *text)
{
    return text[0] ? record_set(doc, name, weir_str_of(text)) : 0;
}


/* text */

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


void
keys_row(const weir_key_t *key, int64_t now)
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


static void
keys_print_text(const char *name, weir_str_t text)
{
    weir_buf_t  plain = { 0 };

    weir_apikey_unquote(text, &plain);

    if (plain.len) {
        printf("%-12s %.*s\n", name, (int) plain.len, plain.data);
    }

    weir_buf_free(&plain);
}


static void
keys_print_when(const char *name, int64_t t)
{
    if (t) {
        printf("%-12s", name);
        keys_print_time(" ", t);
        putchar('\n');
    }
}


void
keys_print_all(const weir_key_t *key, int64_t now)
{
    weir_buf_t  scopes = { 0 };

    weir_scopes_write(key->scopes, &scopes);

    keys_print_text("id", weir_str_of(key->id));
    keys_print_text("state", weir_str_of(keys_state(key, now)));
    keys_print_text("owner", weir_str_of(key->owner));
    keys_print_text("tier", weir_str_of(key->tier));
    keys_print_text("env", weir_str_of(key->env));
    keys_print_text("scopes", (weir_str_t) { scopes.data, scopes.len });
    keys_print_text("models", key->models);
    keys_print_text("limits", key->limits);
    keys_print_when("expires", key->expires);
    keys_print_when("until", keys_is_rotating(key, now) ? key->until : 0);
    keys_print_when("revoked", key->revoked);
    keys_print_text("webhook", key->webhook);

    weir_buf_free(&scopes);
}
