/*
 * The commands that draw a secret: a new key, or another one for a key that is
 * there.  Prints a key once, when it is made; never prints a digest.
 */

#include "cli.h"
#include "keyfile.h"
#include "keys_fields.h"
#include "keys_show.h"
#include "keystore.h"

#include <stdio.h>


#define KEYS_OVERLAP  86400             /* s */


typedef struct {
    keystore_options_t   where;
    keys_fields_t        fields;
    const char          *pepper;
    const char          *owner;
    const char          *env;
    bool                 json;
    int64_t              now;
    char                 text[WEIR_KEY_MAX + 1];
} keys_create_t;

typedef enum {
    KEYS_END_NONE = 0,
    KEYS_END_FIRST,
    KEYS_END_SECOND
} keys_end_e;

typedef struct {
    keystore_options_t   where;
    const char          *pepper_file;
    const char          *env;
    const char          *overlap_text;
    const char          *end_text;
    bool                 json;

    keys_end_e           end;           /* of the two that there are */
    int64_t              overlap;       /* s */
    int64_t              now;
    weir_buf_t           pepper;
    char                 text[WEIR_KEY_MAX + 1];
    weir_json_t         *doc;           /* of the record as it was written */
    int64_t              until;
} keys_rotate_t;


static void
keys_forget(weir_buf_t *secret)
{
    if (secret->data) {
        weir_digest_wipe(secret->data, secret->size);
    }

    weir_buf_free(secret);
}


/* a key of env, for a public id or a new one, and its digest */

static int
keys_draw(const char *env, const char *id, weir_str_t pepper,
    char text[WEIR_KEY_MAX + 1], unsigned char digest[WEIR_DIGEST_LEN])
{
    unsigned char  random[WEIR_KEY_RANDOM];

    if (weir_digest_random(random, sizeof(random)) != 0) {
        return cli_failed("no random bytes for the key");
    }

    weir_apikey_make(text, env, id, random);
    weir_digest_wipe(random, sizeof(random));

    return weir_digest_hmac(pepper, weir_str_of(text), digest) == 0
           ? CLI_OK : cli_failed("cannot compute the key's digest");
}


/* The key, and below it the secret of its webhooks if one was drawn; or both
 * in the document of the key. */

static int
keys_print(weir_json_t *doc, const char *text, const char *drawn, bool json)
{
    int  rc;

    rc = CLI_OK;

    if (!json) {
        puts(text);

        if (drawn[0]) {
            puts(drawn);
        }

    } else if (keys_doc_text(doc, "key", text) != 0
               || keys_doc_text(doc, "webhook_secret", drawn) != 0)
    {
        rc = cli_failed("no memory");

    } else {
        rc = record_print_json(doc);
    }

    return rc == CLI_OK ? cli_flush() : rc;
}


static int
keys_env(const char *env)
{
    return env == NULL || weir_env_valid(weir_str_of(env))
           ? CLI_OK
           : cli_usage("\"--env\" must be 1 to %d characters of a-z and 0-9",
                       WEIR_KEY_ENV_MAX);
}


/* create */

static int
keys_create_check(keys_create_t *c)
{
    int  rc;

    if (!weir_name_valid(weir_str_of(c->owner), WEIR_OWNER_MAX)) {
        return cli_usage("\"--owner\" must be 1 to %d letters, digits and "
                         ". _ - @", WEIR_OWNER_MAX);
    }

    rc = keys_env(c->env);

    return rc == CLI_OK ? keys_fields_read(&c->fields) : rc;
}


static int
keys_create_fill(keys_create_t *c, keystore_t *s, weir_key_t *key)
{
    int  rc;

    rc = keystore_now(s, &c->now);

    memset(key, 0, sizeof(weir_key_t));
    strcpy(key->owner, c->owner);
    strcpy(key->env, c->env ? c->env : "live");
    strcpy(key->tier, "default");
    key->scopes = WEIR_SCOPE_DEFAULT;

    return rc == CLI_OK ? keys_fields_apply(&c->fields, key, c->now) : rc;
}


static int
keys_create_in(keys_create_t *c, keystore_t *s, weir_key_t *key)
{
    int         rc;
    weir_str_t  id;
    weir_buf_t  pepper = { 0 };

    rc = keys_create_fill(c, s, key);
    rc = rc == CLI_OK ? keystore_pepper(s, c->pepper, &pepper) : rc;

    if (rc == CLI_OK) {
        rc = keys_draw(key->env, NULL,
                       (weir_str_t) { pepper.data, pepper.len }, c->text,
                       key->digest);
    }

    keys_forget(&pepper);

    if (rc != CLI_OK) {
        return rc;
    }

    weir_apikey_parse(weir_str_of(c->text), &id);
    memcpy(key->id, id.data, WEIR_KEY_ID_LEN);

    return keystore_add(s, key);
}


int
keys_create(int argc, char **argv)
{
    int            rc;
    weir_key_t     key;
    keystore_t    *s = NULL;
    weir_json_t   *doc;
    keys_create_t  c = { 0 };

    const cli_option_t  options[] = {
        KEYSTORE_OPTIONS(c.where),
        KEYS_FIELDS(c.fields),
        { "pepper", &c.pepper, NULL, true },
        { "owner", &c.owner, NULL, true },
        { "env", &c.env, NULL, false },
        { "json", NULL, &c.json, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, NULL, 0);
    rc = rc == CLI_OK ? keystore_check(&c.where) : rc;
    rc = rc == CLI_OK ? keys_create_check(&c) : rc;
    rc = rc == CLI_OK ? keystore_open(&s, &c.where, true) : rc;
    rc = rc == CLI_OK ? keys_create_in(&c, s, &key) : rc;

    if (rc == CLI_OK) {
        fprintf(stderr, "created key %s of %s in %s; it is not shown again\n",
                key.id, key.owner, keystore_name(s));

        doc = keys_doc(&key, c.now);
        rc = keys_print(doc, c.text, c.fields.drawn, c.json);
        weir_json_free(&doc);
    }

    weir_digest_wipe(c.text, sizeof(c.text));
    keys_fields_free(&c.fields);
    keystore_close(&s);

    return rc;
}


/* rotate */

static int
keys_rotate_check(keys_rotate_t *r)
{
    int  rc;

    rc = keys_env(r->env);
    if (rc != CLI_OK) {
        return rc;
    }

    r->overlap = r->overlap_text ? keys_duration(r->overlap_text, true)
                                 : KEYS_OVERLAP;

    if (r->overlap < 0) {
        return cli_usage("\"--overlap\" must be a time like 24h, or 0");
    }

    if (r->end_text == NULL) {
        return CLI_OK;
    }

    r->end = strcmp(r->end_text, "first") == 0 ? KEYS_END_FIRST
             : strcmp(r->end_text, "second") == 0 ? KEYS_END_SECOND
             : KEYS_END_NONE;

    return r->end ? CLI_OK
                  : cli_usage("\"--end\" must be first or second");
}


/* A key has two secrets at most: who wants a third one says which of them
 * ends now.  With no overlap both do. */

static int
keys_rotate_may(const keys_rotate_t *r, const weir_key_t *key)
{
    char  text[RECORD_TIME];

    if (key->revoked) {
        return cli_failed("key %s was revoked: it needs no secret", key->id);
    }

    if (key->expires && key->expires <= r->now) {
        return cli_failed("key %s has expired: \"weir keys update --expires\" "
                          "comes first", key->id);
    }

    if (keys_is_rotating(key, r->now) && r->overlap && r->end == KEYS_END_NONE)
    {
        return cli_failed("key %s has two secrets already, the first up to "
                          "%s; \"--end first\" or \"--end second\" says "
                          "which one ends now", key->id,
                          key->until ? record_time(text, key->until * 1000)
                                     : "any time");
    }

    return CLI_OK;
}


/* The digests; of a rotation that is over only the second one is left. */

static void
keys_rotate_digests(const keys_rotate_t *r, weir_key_t *key,
    const unsigned char digest[WEIR_DIGEST_LEN])
{
    if (key->rotating
        && (!keys_is_rotating(key, r->now) || r->end != KEYS_END_SECOND))
    {
        memcpy(key->digest, key->digest2, WEIR_DIGEST_LEN);
    }

    key->rotating = (r->overlap > 0);
    key->until = key->rotating ? r->now + r->overlap : 0;

    memcpy(key->rotating ? key->digest2 : key->digest, digest,
           WEIR_DIGEST_LEN);
}


static int
keys_rotate_change(void *data, weir_key_t *key, bool *changed_r)
{
    int             rc;
    keys_rotate_t  *r = data;
    unsigned char   digest[WEIR_DIGEST_LEN];

    rc = keys_rotate_may(r, key);
    if (rc != CLI_OK) {
        return rc;
    }

    if (r->env) {
        strcpy(key->env, r->env);
    }

    rc = keys_draw(key->env, key->id,
                   (weir_str_t) { r->pepper.data, r->pepper.len }, r->text,
                   digest);
    if (rc != CLI_OK) {
        return rc;
    }

    keys_rotate_digests(r, key, digest);
    *changed_r = true;
    r->until = key->until;

    weir_json_free(&r->doc);
    r->doc = keys_doc(key, r->now);

    return CLI_OK;
}


static int
keys_rotate_in(keys_rotate_t *r, keystore_t *s, const char *id)
{
    int  rc;

    rc = keystore_now(s, &r->now);

    /* not made anew: there is a key under the old one */

    rc = rc == CLI_OK ? keyfile_pepper(r->pepper_file, false, &r->pepper) : rc;
    rc = rc == CLI_OK ? keystore_change(s, id, false, keys_rotate_change, r)
                      : rc;

    if (rc != CLI_OK && keystore_is_lost(s)) {
        return cli_failed("whether key %s has a new secret is not known: "
                          "\"weir keys show\" tells, and \"--end second\" "
                          "draws it again", id);
    }

    return rc;
}


static int
keys_rotate_said(keys_rotate_t *r, const char *id)
{
    char  text[RECORD_TIME];

    if (r->until) {
        fprintf(stderr, "key %s has a new secret, which is not shown again; "
                "the old one ends at %s\n", id,
                record_time(text, r->until * 1000));

    } else {
        fprintf(stderr, "key %s has a new secret, which is not shown again; "
                "the old one has ended\n", id);
    }

    return keys_print(r->doc, r->text, "", r->json);
}


int
keys_rotate(int argc, char **argv)
{
    int             rc;
    const char     *id;
    keystore_t     *s = NULL;
    keys_rotate_t   r = { 0 };

    const cli_option_t  options[] = {
        KEYSTORE_OPTIONS(r.where),
        { "pepper", &r.pepper_file, NULL, true },
        { "overlap", &r.overlap_text, NULL, false },
        { "end", &r.end_text, NULL, false },
        { "env", &r.env, NULL, false },
        { "json", NULL, &r.json, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, &id, 1);
    rc = rc == CLI_OK ? keystore_check(&r.where) : rc;
    rc = rc == CLI_OK ? keys_rotate_check(&r) : rc;
    rc = rc == CLI_OK ? keystore_open(&s, &r.where, true) : rc;
    rc = rc == CLI_OK ? keys_rotate_in(&r, s, id) : rc;
    rc = rc == CLI_OK ? keys_rotate_said(&r, id) : rc;

    weir_digest_wipe(r.text, sizeof(r.text));
    keys_forget(&r.pepper);
    weir_json_free(&r.doc);
    keystore_close(&s);

    return rc;
}
