/*
 * The commands that look at keys.  However many there are, a batch is in
 * memory at a time.
 */

#include "cli.h"
#include "keys_show.h"
#include "keystore.h"

#include <stdio.h>


#define KEYS_SECONDS  60


typedef struct {
    const char  *owner;
    const char  *state;
    bool         json;
    int64_t      now;
    unsigned     shown;
} keys_list_t;


static int
keys_list_json(keys_list_t *l, const weir_key_t *key)
{
    weir_buf_t    out = { 0 };
    weir_json_t  *doc;

    doc = keys_doc(key, l->now);

    if (weir_json_write(doc, &out) != 0) {
        out.failed = true;

    } else {
        printf("%s%.*s", l->shown ? ",\n" : "", (int) out.len, out.data);
    }

    weir_json_free(&doc);
    weir_buf_free(&out);

    return out.failed ? cli_failed("no memory") : CLI_OK;
}


static int
keys_list_one(void *data, const weir_key_t *key)
{
    int           rc;
    keys_list_t  *l = data;

    if ((l->owner && strcmp(l->owner, key->owner) != 0)
        || (l->state && strcmp(l->state, keys_state(key, l->now)) != 0))
    {
        return CLI_OK;
    }

    rc = CLI_OK;

    if (l->json) {
        rc = keys_list_json(l, key);

    } else {
        keys_row(key, l->now);
    }

    l->shown++;

    return rc;
}


static int
keys_list_check(const keys_list_t *l)
{
    if (l->owner && !weir_name_valid(weir_str_of(l->owner), WEIR_OWNER_MAX)) {
        return cli_usage("\"--owner\" must be 1 to %d letters, digits and "
                         ". _ - @", WEIR_OWNER_MAX);
    }

    if (l->state && !keys_is_state(l->state)) {
        return cli_usage("\"--state\" must be active, rotating, expired or "
                         "revoked");
    }

    return CLI_OK;
}


static int
keys_list_in(keys_list_t *l, keystore_t *s)
{
    int  rc;

    rc = keystore_now(s, &l->now);

    if (rc != CLI_OK) {
        return rc;
    }

    if (l->json) {
        putchar('[');
    }

    rc = keystore_each(s, keys_list_one, l);

    /* a list that is not complete must not look like one */

    if (l->json && rc == CLI_OK) {
        puts("]");
    }

    return rc;
}


int
keys_list(int argc, char **argv)
{
    int                 rc;
    keystore_t         *s = NULL;
    keys_list_t         l = { 0 };
    keystore_options_t  o = { .redis.seconds = KEYS_SECONDS };

    const cli_option_t  options[] = {
        KEYSTORE_OPTIONS(o),
        { "owner", &l.owner, NULL, false },
        { "state", &l.state, NULL, false },
        { "json", NULL, &l.json, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, NULL, 0);
    rc = rc == CLI_OK ? keystore_check(&o) : rc;
    rc = rc == CLI_OK ? keys_list_check(&l) : rc;
    rc = rc == CLI_OK ? keystore_open(&s, &o, false) : rc;
    rc = rc == CLI_OK ? keys_list_in(&l, s) : rc;

    keystore_close(&s);

    return rc == CLI_OK ? cli_flush() : rc;
}


/* show */

static int
keys_show_one(void *data, const weir_key_t *key)
{
    int           rc;
    weir_json_t  *doc;
    keys_list_t  *l = data;

    if (!l->json) {
        keys_print_all(key, l->now);
        return CLI_OK;
    }

    doc = keys_doc(key, l->now);
    rc = doc ? record_print_json(doc) : cli_failed("no memory");
    weir_json_free(&doc);

    return rc;
}


int
keys_show(int argc, char **argv)
{
    int                 rc;
    const char         *id;
    keystore_t         *s = NULL;
    keys_list_t         l = { 0 };
    keystore_options_t  o = { 0 };

    const cli_option_t  options[] = {
        KEYSTORE_OPTIONS(o),
        { "json", NULL, &l.json, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, &id, 1);
    rc = rc == CLI_OK ? keystore_check(&o) : rc;
    rc = rc == CLI_OK ? keystore_open(&s, &o, false) : rc;
    rc = rc == CLI_OK ? keystore_now(s, &l.now) : rc;
    rc = rc == CLI_OK ? keystore_see(s, id, keys_show_one, &l) : rc;

    keystore_close(&s);

    return rc == CLI_OK ? cli_flush() : rc;
}
