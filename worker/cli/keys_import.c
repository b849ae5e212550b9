/*
 * The records of a key file, copied into Redis.  All lines are read before the
 * first is written; what is there already is left alone, unless it is to be
 * replaced.
 */

#include "cli.h"
#include "keyfile.h"
#include "record.h"
#include "redis.h"

#include <stdio.h>

#include "weir_apikey.h"
#include "weir_txn_keys.h"


#define IMPORT_SECONDS  60
#define IMPORT_NAMED    10          /* differing keys that are named */


typedef struct {
    redis_t     *redis;
    bool         replace;
    unsigned     added;
    unsigned     same;
    unsigned     changed;
    unsigned     differ;            /* left alone */

    /* of this batch: what is in the file, and what is to be written */
    weir_str_t   ids[WEIR_KEYS_BATCH];
    weir_str_t   lines[WEIR_KEYS_BATCH];
    unsigned     n;
    weir_str_t   put_ids[WEIR_KEYS_BATCH];
    weir_str_t   put_lines[WEIR_KEYS_BATCH];
    unsigned     nput;
    unsigned     batch_added;
    unsigned     batch_same;
    unsigned     batch_differ;
} import_t;


/* A file that is older than a revocation does not undo it. */

static bool
import_revives(weir_str_t there, weir_str_t line)
{
    char        error[WEIR_KEY_ERROR];
    weir_key_t  old, new;

    return weir_apikey_read(there, &old, error) && old.revoked
           && weir_apikey_read(line, &new, error) && new.revoked == 0;
}


static void
import_sort(import_t *m, unsigned i, weir_str_t there)
{
    if (weir_str_eq(there, m->lines[i])) {
        m->batch_same++;
        return;
    }

    if (there.len && (!m->replace || import_revives(there, m->lines[i]))) {
        if (m->differ + m->batch_differ < IMPORT_NAMED) {
            fprintf(stderr, "key %.*s %s\n", WEIR_KEY_ID_LEN, m->ids[i].data,
                    m->replace ? "was revoked in Redis, and stays so"
                               : "is another in Redis");
        }

        m->batch_differ++;
        return;
    }

    m->batch_added += (there.len == 0);
    m->put_ids[m->nput] = m->ids[i];
    m->put_lines[m->nput++] = m->lines[i];
}


static void
import_looked(void *data, const weir_answer_t *answer)
{
    unsigned   i;
    import_t  *m = data;

    m->nput = 0;
    m->batch_added = 0;
    m->batch_same = 0;
    m->batch_differ = 0;

    for (i = 0; i < m->n; i++) {
        import_sort(m, i, weir_reply_str(weir_reply_at(answer->reply, i)));
    }
}


static int
import_try(import_t *m, bool *done_r)
{
    int         rc;
    weir_txn_t  t;

    *done_r = true;

    /* of a batch before that had nothing to write */

    weir_txn_init(&t);
    weir_txn_unwatch(&t);
    weir_txn_keys_watch(&t, m->ids, m->n);
    rc = redis_ask(m->redis, &t, import_looked, m);

    if (rc == CLI_OK && m->nput) {
        weir_txn_reset(&t);
        weir_txn_keys_put(&t, m->put_ids, m->put_lines, m->nput);
        rc = redis_exec(m->redis, &t, done_r);
    }

    weir_txn_free(&t);

    return rc;
}


static int
import_batch(import_t *m)
{
    int   rc;
    bool  done;

    do {
        rc = import_try(m, &done);
    } while (rc == CLI_OK && !done);

    if (rc == CLI_OK) {
        m->added += m->batch_added;
        m->changed += m->nput - m->batch_added;
        m->same += m->batch_same;
        m->differ += m->batch_differ;
    }

    return rc;
}


/* The ids point into the lines: "v1:hmac-sha256:<id>:". */

static int
import_lines(import_t *m, weir_str_t text)
{
    int         rc;
    weir_str_t  line, rest;

    rc = CLI_OK;

    while (rc == CLI_OK && text.len) {

        for (m->n = 0;
             m->n < WEIR_KEYS_BATCH && keyfile_next_line(&text, &line);
             /* void */ )
        {
            if (keyfile_is_record(line)) {
                rest = line;
                weir_str_split(&rest, ':', &m->ids[m->n]);
                weir_str_split(&rest, ':', &m->ids[m->n]);
                weir_str_split(&rest, ':', &m->ids[m->n]);
                m->lines[m->n++] = line;
            }
        }

        rc = m->n ? import_batch(m) : rc;
    }

    return rc;
}


static int
import_check(const char *file, weir_str_t text)
{
    char             error[WEIR_KEY_ERROR];
    weir_keyring_t  *ring;

    ring = weir_keyring_create(text, weir_str("-"), error);
    if (ring == NULL) {
        return cli_failed("\"%s\": %s", file, error);
    }

    weir_keyring_destroy(&ring);

    return CLI_OK;
}


static int
import_said(const import_t *m, bool json)
{
    int           rc;
    weir_json_t  *doc;

    if (!json) {
        printf("added %u, same %u, changed %u, left %u\n", m->added, m->same,
               m->changed, m->differ);
        return cli_flush();
    }

    doc = weir_json_object();
    rc = record_set_int(doc, "added", m->added);
    rc |= record_set_int(doc, "same", m->same);
    rc |= record_set_int(doc, "changed", m->changed);
    rc |= record_set_int(doc, "left", m->differ);
    rc = rc ? cli_failed("no memory") : record_print_json(doc);
    weir_json_free(&doc);

    return rc == CLI_OK ? cli_flush() : rc;
}


static int
import_all(import_t *m, const redis_options_t *o, weir_str_t text, bool json)
{
    int  rc, said;

    rc = redis_open(&m->redis, o);

    if (rc == CLI_OK) {
        rc = import_lines(m, text);

        /* what was written is written, and may be imported again */

        said = import_said(m, json);
        rc = rc == CLI_OK ? said : rc;
    }

    redis_close(&m->redis);

    if (rc == CLI_OK && m->differ) {
        rc = m->replace
             ? cli_failed("%u keys stay revoked", m->differ)
             : cli_failed("%u keys differ: --replace writes the file's",
                          m->differ);
    }

    return rc;
}


int
keys_import(int argc, char **argv)
{
    int              rc;
    bool             json = false;
    import_t         m = { 0 };
    weir_buf_t       buf = { 0 };
    const char      *file = NULL;
    redis_options_t  o = { .seconds = IMPORT_SECONDS };

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { "file", &file, NULL, true },
        { "replace", NULL, &m.replace, false },
        { "json", NULL, &json, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, NULL, 0);
    rc = rc == CLI_OK ? redis_check(&o) : rc;
    rc = rc == CLI_OK ? keyfile_slurp(file, KEYFILE_MAX, &buf, NULL) : rc;
    rc = rc == CLI_OK ? import_check(file, (weir_str_t) { buf.data, buf.len })
                      : rc;
    rc = rc == CLI_OK ? import_all(&m, &o, (weir_str_t) { buf.data, buf.len },
                                   json)
                      : rc;

    weir_buf_free(&buf);

    return rc;
}
