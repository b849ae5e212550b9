/*
 * The commands that change a key and draw nothing: what it may do, and its
 * end.
 */

#include "cli.h"
#include "keys_fields.h"
#include "keystore.h"

#include <stdio.h>


typedef struct {
    keystore_options_t   where;
    keys_fields_t        fields;
    const char          *owner;
    int64_t              now;
    bool                 changed;
    char                 said[WEIR_OWNER_MAX + 1];      /* the owner */
} keys_change_t;


/* update */

static int
keys_update_check(keys_change_t *c)
{
    if (c->owner) {
        return cli_usage("a key stays its owner's, whose jobs and limits it "
                         "reaches: revoke it, and create another");
    }

    if (keys_fields_none(&c->fields)) {
        return cli_usage("nothing is to be changed: \"weir help keys update\" "
                         "says what can be");
    }

    return keys_fields_read(&c->fields);
}


static int
keys_update_change(void *data, weir_key_t *key, bool *changed_r)
{
    int             rc;
    weir_buf_t      before = { 0 }, after = { 0 };
    keys_change_t  *c = data;

    strcpy(c->said, key->owner);
    weir_apikey_write(key, weir_str_null, &before);

    rc = keys_fields_apply(&c->fields, key, c->now);

    weir_apikey_write(key, weir_str_null, &after);

    if (rc == CLI_OK && (before.failed || after.failed)) {
        rc = cli_failed("no memory");
    }

    *changed_r = !weir_str_eq((weir_str_t) { before.data, before.len },
                              (weir_str_t) { after.data, after.len });
    c->changed = *changed_r;

    weir_buf_free(&before);
    weir_buf_free(&after);

    return rc;
}


int
keys_update(int argc, char **argv)
{
    int             rc;
    const char     *id;
    keystore_t     *s = NULL;
    keys_change_t   c = { 0 };

    const cli_option_t  options[] = {
        KEYSTORE_OPTIONS(c.where),
        KEYS_FIELDS(c.fields),
        { "owner", &c.owner, NULL, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, &id, 1);
    rc = rc == CLI_OK ? keystore_check(&c.where) : rc;
    rc = rc == CLI_OK ? keys_update_check(&c) : rc;
    rc = rc == CLI_OK ? keystore_open(&s, &c.where, true) : rc;
    rc = rc == CLI_OK ? keystore_now(s, &c.now) : rc;
    rc = rc == CLI_OK ? keystore_change(s, id, false, keys_update_change, &c)
                      : rc;

    if (rc == CLI_OK) {
        fprintf(stderr, c.changed ? "updated key %s of %s\n"
                                  : "key %s of %s is as it was\n", id, c.said);

        if (c.fields.drawn[0]) {
            puts(c.fields.drawn);
        }

        rc = cli_flush();
    }

    keys_fields_free(&c.fields);
    keystore_close(&s);

    return rc;
}


/* revoke */

static int
keys_revoke_change(void *data, weir_key_t *key, bool *changed_r)
{
    keys_change_t  *c = data;

    strcpy(c->said, key->owner);
    c->changed = (key->revoked == 0);
    *changed_r = c->changed;

    if (c->changed) {
        key->revoked = c->now;
    }

    return CLI_OK;
}


int
keys_revoke(int argc, char **argv)
{
    int             rc;
    const char     *id;
    keystore_t     *s = NULL;
    keys_change_t   c = { 0 };

    const cli_option_t  options[] = {
        KEYSTORE_OPTIONS(c.where),
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, &id, 1);
    rc = rc == CLI_OK ? keystore_check(&c.where) : rc;
    rc = rc == CLI_OK ? keystore_open(&s, &c.where, true) : rc;
    rc = rc == CLI_OK ? keystore_now(s, &c.now) : rc;

    /* a line that is broken keeps nobody from ending another key */

    rc = rc == CLI_OK ? keystore_change(s, id, true, keys_revoke_change, &c)
                      : rc;

    if (rc == CLI_OK) {
        fprintf(stderr, c.changed ? "revoked key %s of %s\n"
                                  : "key %s of %s was revoked before\n", id,
                c.said);
    }

    keystore_close(&s);

    return rc;
}
