/*
 * The records of API keys: what is the same for a key file and for Redis.
 * Never shows a digest or a secret.
 */

#include "keystore_part.h"
#include "cli.h"

#include <stdlib.h>


int
keystore_check(const keystore_options_t *o)
{
    if (o->file && o->redis.address) {
        return cli_usage("either \"--file\" or \"--redis\": keys are in one "
                         "of them");
    }

    if (o->file == NULL && o->redis.address == NULL
        && getenv("WEIR_REDIS") == NULL)
    {
        return cli_usage("option \"--file\", \"--redis\" or WEIR_REDIS in the "
                         "environment is required");
    }

    return CLI_OK;
}


int
keystore_open(keystore_t **store, const keystore_options_t *o, bool change)
{
    keystore_t  *s;

    s = calloc(1, sizeof(keystore_t));
    *store = s;

    if (s == NULL) {
        return cli_failed("no memory");
    }

    s->change = change;
    s->ops = o->file ? &keystore_file_ops : &keystore_redis_ops;

    return s->ops->open(s, o);
}


void
keystore_close(keystore_t **s)
{
    if (*s) {
        (*s)->ops->close(*s);
    }

    free(*s);
    *s = NULL;
}


const char *
keystore_name(const keystore_t *s)
{
    return s->name;
}


bool
keystore_is_lost(const keystore_t *s)
{
    return s->wrote && s->redis && redis_is_lost(s->redis);
}


int
keystore_now(keystore_t *s, int64_t *now_r)
{
    return s->ops->now(s, now_r);
}


int
keystore_pepper(keystore_t *s, const char *path, weir_buf_t *pepper)
{
    int   rc;
    bool  empty;

    rc = s->ops->empty(s, &empty);

    return rc == CLI_OK ? keyfile_pepper(path, empty, pepper) : rc;
}


/* the record as it will be read */

static int
keystore_line(const weir_key_t *key, weir_str_t old, weir_buf_t *out)
{
    char        error[WEIR_KEY_ERROR];
    weir_key_t  got;

    weir_apikey_write(key, old, out);

    if (out->failed) {
        return cli_failed("no memory");
    }

    out->len--;                             /* the line feed */

    return weir_apikey_read((weir_str_t) { out->data, out->len }, &got, error)
           ? CLI_OK : cli_failed("key %s: %s", key->id, error);
}


int
keystore_add(keystore_t *s, const weir_key_t *key)
{
    int          rc;
    bool         done;
    weir_buf_t   line = { 0 };
    weir_str_t   id;

    id = weir_str_of(key->id);
    rc = s->ops->get(s, id, &line);

    if (rc == CLI_OK && line.len) {
        rc = cli_failed("there is a key %s: try again", key->id);
    }

    rc = rc == CLI_OK ? keystore_line(key, weir_str_null, &line) : rc;

    if (rc == CLI_OK) {
        s->wrote = true;
        rc = s->ops->put(s, id, (weir_str_t) { line.data, line.len }, false,
                         &done);

        if (rc != CLI_OK && keystore_is_lost(s)) {
            rc = cli_failed("whether there is a key %s now is not known; it "
                            "is not shown, and may be revoked", key->id);
        }

        if (rc == CLI_OK && !done) {
            rc = cli_failed("there is a key %s: try again", key->id);
        }
    }

    weir_buf_free(&line);

    return rc;
}


int
keystore_read(weir_str_t line, weir_str_t id, weir_key_t *key)
{
    char  error[WEIR_KEY_ERROR];

    if (!weir_apikey_read(line, key, error)) {
        return cli_failed("key %.*s: %s", (int) id.len, id.data, error);
    }

    if (!weir_str_eq(id, weir_str_of(key->id))) {
        return cli_failed("key %.*s: the record is of key %s", (int) id.len,
                          id.data, key->id);
    }

    return CLI_OK;
}


/* the record of a public id; its strings point into line */

static int
keystore_find(keystore_t *s, const char *id, weir_buf_t *line, weir_key_t *key)
{
    int  rc;

    if (!weir_apikey_id_valid(weir_str_of(id))) {
        return cli_failed("\"%s\" is not the public id of a key", id);
    }

    rc = s->ops->get(s, weir_str_of(id), line);

    if (rc != CLI_OK) {
        return rc;
    }

    if (line->len == 0) {
        return cli_failed("no key with the public id \"%s\" in %s", id,
                          s->name);
    }

    if (line->failed) {
        return cli_failed("no memory");
    }

    return keystore_read((weir_str_t) { line->data, line->len },
                         weir_str_of(id), key);
}


/* One try, from the look to the writing. */

static int
keystore_try(keystore_t *s, const char *id, bool anyway, keystore_change_pt fn,
    void *data, bool *done_r)
{
    int         rc;
    bool        changed;
    weir_key_t  key;
    weir_buf_t  old = { 0 }, new = { 0 };

    *done_r = true;
    changed = false;

    rc = keystore_find(s, id, &old, &key);
    rc = rc == CLI_OK ? fn(data, &key, &changed) : rc;

    if (rc == CLI_OK && changed) {
        rc = keystore_line(&key, (weir_str_t) { old.data, old.len }, &new);

        if (rc == CLI_OK) {
            s->wrote = true;
            rc = s->ops->put(s, weir_str_of(id),
                             (weir_str_t) { new.data, new.len }, anyway,
                             done_r);
        }
    }

    weir_buf_free(&old);
    weir_buf_free(&new);

    return rc;
}


int
keystore_change(keystore_t *s, const char *id, bool anyway,
    keystore_change_pt fn, void *data)
{
    int   rc;
    bool  done;

    /* who is slower looks again: each time another change was made, and the
     * command has its deadline */

    do {
        rc = keystore_try(s, id, anyway, fn, data, &done);
    } while (rc == CLI_OK && !done);

    return rc;
}


int
keystore_see(keystore_t *s, const char *id, keystore_see_pt fn, void *data)
{
    int         rc;
    weir_key_t  key;
    weir_buf_t  line = { 0 };

    rc = keystore_find(s, id, &line, &key);
    rc = rc == CLI_OK ? fn(data, &key) : rc;
    weir_buf_free(&line);

    return rc;
}


int
keystore_each(keystore_t *s, keystore_see_pt fn, void *data)
{
    return s->ops->each(s, fn, data);
}
