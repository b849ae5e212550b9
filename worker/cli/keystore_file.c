/*
 * The records of a key file.  Rewrites no line but the one that is meant.
 */

#include "keystore_part.h"
#include "cli.h"

#include <stdio.h>
#include <time.h>


static int
keystore_file_open(keystore_t *s, const keystore_options_t *o)
{
    s->name = o->file;
    s->file.dir = -1;

    return s->change ? keyfile_open(&s->file, o->file)
                     : keyfile_slurp(o->file, KEYFILE_MAX, &s->file.text,
                                     NULL);
}


static void
keystore_file_close(keystore_t *s)
{
    keyfile_close(&s->file);
}


static int
keystore_file_now(keystore_t *s, int64_t *now_r)
{
    (void) s;
    *now_r = time(NULL);

    return CLI_OK;
}


static weir_str_t
keystore_file_text(const keystore_t *s)
{
    return (weir_str_t) { s->file.text.data, s->file.text.len };
}


static int
keystore_file_empty(keystore_t *s, bool *empty_r)
{
    weir_str_t  rest, line;

    *empty_r = true;
    rest = keystore_file_text(s);

    while (keyfile_next_line(&rest, &line)) {
        *empty_r &= !keyfile_is_record(line);
    }

    return CLI_OK;
}


/* the line of a public id, whatever the others are like */

static bool
keystore_file_find(keystore_t *s, weir_str_t id, weir_str_t *line_r)
{
    char        error[WEIR_KEY_ERROR];
    weir_str_t  rest;
    weir_key_t  key;

    rest = keystore_file_text(s);

    while (keyfile_next_line(&rest, line_r)) {
        if (keyfile_is_record(*line_r) && weir_apikey_read(*line_r, &key, error)
            && weir_str_eq(id, weir_str_of(key.id)))
        {
            return true;
        }
    }

    return false;
}


static int
keystore_file_get(keystore_t *s, weir_str_t id, weir_buf_t *line)
{
    weir_str_t  found;

    if (keystore_file_find(s, id, &found)) {
        weir_buf_str(line, found);
    }

    return CLI_OK;
}


/* would a reader take this text? */

static int
keystore_file_check(const keystore_t *s)
{
    char             error[WEIR_KEY_ERROR];
    weir_keyring_t  *ring;

    ring = weir_keyring_create(keystore_file_text(s), weir_str("-"), error);
    if (ring == NULL) {
        return cli_failed("\"%s\": %s", s->file.path, error);
    }

    weir_keyring_destroy(&ring);

    return CLI_OK;
}


static int
keystore_file_put(keystore_t *s, weir_str_t id, weir_str_t line, bool anyway,
    bool *done_r)
{
    int          rc, checked;
    weir_buf_t   new = { 0 };
    weir_str_t   old, text;
    const char  *end;

    *done_r = true;
    text = keystore_file_text(s);

    if (keystore_file_find(s, id, &old)) {
        end = old.data + old.len;

        weir_buf_add(&new, text.data, (size_t) (old.data - text.data));
        weir_buf_str(&new, line);
        weir_buf_add(&new, end, (size_t) (text.data + text.len - end));

    } else {
        weir_buf_str(&new, text);
        weir_buf_text(&new, text.len && text.data[text.len - 1] != '\n' ? "\n"
                                                                        : "");
        weir_buf_str(&new, line);
        weir_buf_text(&new, "\n");
    }

    weir_buf_free(&s->file.text);
    s->file.text = new;

    if (new.failed) {
        return cli_failed("no memory");
    }

    checked = anyway ? CLI_OK : keystore_file_check(s);
    rc = checked == CLI_OK ? keyfile_save(&s->file) : checked;

    return rc == CLI_OK && anyway ? keystore_file_check(s) : rc;
}


static int
keystore_file_each(keystore_t *s, keystore_see_pt fn, void *data)
{
    int         rc;
    char        error[WEIR_KEY_ERROR];
    size_t      n;
    weir_str_t  rest, line;
    weir_key_t  key;

    rc = CLI_OK;
    rest = keystore_file_text(s);

    for (n = 1; rc == CLI_OK && keyfile_next_line(&rest, &line); n++) {
        if (!keyfile_is_record(line)) {
            continue;
        }

        if (!weir_apikey_read(line, &key, error)) {
            return cli_failed("\"%s\": line %zu: %s", s->name, n, error);
        }

        rc = fn(data, &key);
    }

    return rc;
}


const keystore_ops_t  keystore_file_ops = {
    keystore_file_open,
    keystore_file_close,
    keystore_file_now,
    keystore_file_empty,
    keystore_file_get,
    keystore_file_put,
    keystore_file_each
};
