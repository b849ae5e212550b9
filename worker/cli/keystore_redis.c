/*
 * The records in Redis.  One unit is in flight at a time, so that WATCH is
 * ours.  Never walks all names of the database.
 */

#include "keystore_part.h"
#include "cli.h"

#include <stdlib.h>

#include "weir_txn_keys.h"


#define KEYSTORE_CURSOR  24


/* all of them */

typedef struct {
    keystore_see_pt   fn;
    void             *data;
    int               rc;               /* of fn */
    int               broken;           /* records that cannot be read */
    char              cursor[KEYSTORE_CURSOR];
    weir_buf_t        ids;              /* of a page, one after the other */
    weir_str_t        batch[WEIR_KEYS_BATCH];
    unsigned          n;
} keystore_walk_t;


static int
keystore_redis_open(keystore_t *s, const keystore_options_t *o)
{
    s->name = o->redis.address ? o->redis.address : getenv("WEIR_REDIS");

    return redis_open(&s->redis, &o->redis);
}


static void
keystore_redis_close(keystore_t *s)
{
    redis_close(&s->redis);
}


static int
keystore_redis_now(keystore_t *s, int64_t *now_r)
{
    int  rc;

    rc = redis_time(s->redis, now_r);
    *now_r /= 1000;

    return rc;
}


static void
keystore_redis_paged(void *data, const weir_answer_t *answer)
{
    size_t               i;
    weir_str_t           id;
    keystore_walk_t     *w = data;
    const weir_reply_t  *ids;

    id = weir_reply_str(weir_reply_at(answer->reply, 0));

    if (id.len == 0 || id.len >= KEYSTORE_CURSOR) {
        id = weir_str("0");
    }

    memcpy(w->cursor, id.data, id.len);
    w->cursor[id.len] = '\0';

    ids = weir_reply_at(answer->reply, 1);

    for (i = 0; i < weir_reply_count(ids); i++) {
        id = weir_reply_str(weir_reply_at(ids, i));

        if (weir_apikey_id_valid(id)) {
            weir_buf_str(&w->ids, id);
        }
    }
}


static int
keystore_redis_page(keystore_t *s, keystore_walk_t *w)
{
    int         rc;
    weir_txn_t  t;

    weir_txn_init(&t);
    weir_buf_reset(&w->ids);
    weir_txn_key_ids(&t, weir_str_of(w->cursor), WEIR_KEYS_BATCH);
    rc = redis_ask(s->redis, &t, keystore_redis_paged, w);
    weir_txn_free(&t);

    return rc == CLI_OK && w->ids.failed ? cli_failed("no memory") : rc;
}


static int
keystore_redis_empty(keystore_t *s, bool *empty_r)
{
    int              rc;
    keystore_walk_t  w = { .cursor = "0" };

    rc = keystore_redis_page(s, &w);
    *empty_r = (w.ids.len == 0 && strcmp(w.cursor, "0") == 0);
    weir_buf_free(&w.ids);

    return rc;
}


/* one of them */

static void
keystore_redis_got(void *data, const weir_answer_t *answer)
{
    weir_buf_t  *line = data;

    weir_buf_str(line, weir_reply_str(weir_reply_at(answer->reply, 0)));
}


static int
keystore_redis_get(keystore_t *s, weir_str_t id, weir_buf_t *line)
{
    int         rc;
    weir_txn_t  t;

    weir_txn_init(&t);

    if (s->change) {
        weir_txn_keys_watch(&t, &id, 1);

    } else {
        weir_txn_keys_get(&t, &id, 1);
    }

    rc = redis_ask(s->redis, &t, keystore_redis_got, line);
    weir_txn_free(&t);

    return rc;
}


static int
keystore_redis_put(keystore_t *s, weir_str_t id, weir_str_t line, bool anyway,
    bool *done_r)
{
    int         rc;
    weir_txn_t  t;

    (void) anyway;

    weir_txn_init(&t);
    weir_txn_keys_put(&t, &id, &line, 1);
    rc = redis_exec(s->redis, &t, done_r);
    weir_txn_free(&t);

    return rc;
}


static void
keystore_redis_seen(void *data, const weir_answer_t *answer)
{
    unsigned          i;
    weir_str_t        line;
    weir_key_t        key;
    keystore_walk_t  *w = data;

    for (i = 0; i < w->n && w->rc == CLI_OK; i++) {
        line = weir_reply_str(weir_reply_at(answer->reply, i));

        if (line.len == 0) {
            continue;                       /* somebody removed it by hand */
        }

        if (keystore_read(line, w->batch[i], &key) == CLI_OK) {
            w->rc = w->fn(w->data, &key);

        } else {
            w->broken = CLI_FAILED;
        }
    }
}


static int
keystore_redis_see(keystore_t *s, keystore_walk_t *w)
{
    int         rc;
    size_t      at;
    weir_txn_t  t;

    rc = CLI_OK;
    weir_txn_init(&t);

    for (at = 0; rc == CLI_OK && at < w->ids.len; /* void */ ) {

        for (w->n = 0; w->n < WEIR_KEYS_BATCH && at < w->ids.len; w->n++) {
            w->batch[w->n] = (weir_str_t) { w->ids.data + at,
                                            WEIR_KEY_ID_LEN };
            at += WEIR_KEY_ID_LEN;
        }

        weir_txn_reset(&t);
        weir_txn_keys_get(&t, w->batch, w->n);
        rc = redis_ask(s->redis, &t, keystore_redis_seen, w);
        rc = rc == CLI_OK ? w->rc : rc;
    }

    weir_txn_free(&t);

    return rc;
}


static int
keystore_redis_each(keystore_t *s, keystore_see_pt fn, void *data)
{
    int              rc;
    keystore_walk_t  w = { .fn = fn, .data = data, .cursor = "0" };

    do {
        rc = keystore_redis_page(s, &w);
        rc = rc == CLI_OK ? keystore_redis_see(s, &w) : rc;
    } while (rc == CLI_OK && strcmp(w.cursor, "0") != 0);

    weir_buf_free(&w.ids);

    return rc == CLI_OK ? w.broken : rc;
}


const keystore_ops_t  keystore_redis_ops = {
    keystore_redis_open,
    keystore_redis_close,
    keystore_redis_now,
    keystore_redis_empty,
    keystore_redis_get,
    keystore_redis_put,
    keystore_redis_each
};
