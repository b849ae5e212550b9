/*
 * Keys of those who read a stream just now: one that is revoked, or expires,
 * ends what is read with it.  Owns who reads with which key; looks them up as
 * the gate does, for all readers of a key at once.
 */

#include "ngx_http_weir_reader.h"


struct ngx_http_weir_watch_s {
    ngx_queue_t               link;             /* in its bucket */
    ngx_queue_t               readers;
    ngx_http_weir_process_t  *process;
    ngx_uint_t                epoch;            /* of the question */
    ngx_msec_t                sent;
    char                      id[WEIR_KEY_ID_LEN];
    unsigned                  asking:1;         /* an answer is to come */
};


/* too large for a stack; used up before anything else can happen */

static ngx_http_weir_known_t  ngx_http_weir_watch_known;


static ngx_queue_t *
ngx_http_weir_watch_bucket(ngx_http_weir_process_t *p, const char *id)
{
    return &p->watched[ngx_crc32_short((u_char *) id, WEIR_KEY_ID_LEN)
                       & (NGX_HTTP_WEIR_WATCHES - 1)];
}


ngx_int_t
ngx_http_weir_watch(ngx_http_weir_reader_t *reader)
{
    ngx_str_t                *id;
    ngx_queue_t              *q, *bucket;
    ngx_http_weir_watch_t    *watch;
    ngx_http_weir_process_t  *p;

    p = reader->ctx->process;
    id = &reader->ctx->visit->key_id;

    if (reader->watch || id->len != WEIR_KEY_ID_LEN) {
        return NGX_OK;
    }

    bucket = ngx_http_weir_watch_bucket(p, (char *) id->data);
    watch = NULL;

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        watch = ngx_queue_data(q, ngx_http_weir_watch_t, link);

        if (ngx_memcmp(watch->id, id->data, WEIR_KEY_ID_LEN) == 0) {
            break;
        }

        watch = NULL;
    }

    if (watch == NULL) {
        watch = ngx_calloc(sizeof(ngx_http_weir_watch_t), &p->cmd.log);
        if (watch == NULL) {
            return NGX_ERROR;
        }

        watch->process = p;
        ngx_memcpy(watch->id, id->data, WEIR_KEY_ID_LEN);
        ngx_queue_init(&watch->readers);
        ngx_queue_insert_tail(bucket, &watch->link);
    }

    reader->watch = watch;
    ngx_queue_insert_tail(&watch->readers, &reader->watched);

    return NGX_OK;
}


static void
ngx_http_weir_watch_free(ngx_http_weir_watch_t *watch)
{
    if (ngx_queue_empty(&watch->readers) && !watch->asking) {
        ngx_queue_remove(&watch->link);
        ngx_free(watch);
    }
}


void
ngx_http_weir_unwatch(ngx_http_weir_reader_t *reader)
{
    ngx_http_weir_watch_t  *watch;

    watch = reader->watch;

    if (watch) {
        reader->watch = NULL;
        ngx_queue_remove(&reader->watched);
        ngx_http_weir_watch_free(watch);
    }
}


/* key NULL: nobody has it any more */

static void
ngx_http_weir_watch_judge(ngx_http_weir_watch_t *watch, const weir_key_t *key)
{
    ngx_queue_t             *q;
    ngx_http_weir_reader_t  *reader;

    if (key && !key->revoked && (!key->expires || key->expires > ngx_time())) {
        return;
    }

    for (q = ngx_queue_head(&watch->readers);
         q != ngx_queue_sentinel(&watch->readers);
         q = ngx_queue_next(q))
    {
        reader = ngx_queue_data(q, ngx_http_weir_reader_t, watched);
        ngx_http_weir_reader_revoke(reader);
    }
}


static void
ngx_http_weir_watch_answer(void *data, const weir_answer_t *a)
{
    char                      why[WEIR_KEY_ERROR];
    weir_str_t                id;
    weir_key_t                key;
    ngx_uint_t                found;
    ngx_http_weir_watch_t    *watch = data;
    ngx_http_weir_process_t  *p;

    p = watch->process;
    watch->asking = 0;

    if (p->exiting || a->code != WEIR_ANSWER_OK) {
        ngx_http_weir_watch_free(watch);
        return;                         /* asked again, at the next tick */
    }

    id = (weir_str_t) { watch->id, WEIR_KEY_ID_LEN };
    found = !weir_reply_is_nil(a->reply);

    if (!found
        || (weir_apikey_read(weir_reply_str(a->reply), &key, why)
            && ngx_memcmp(key.id, watch->id, WEIR_KEY_ID_LEN) == 0))
    {
        if (ngx_http_weir_store_put(&p->conf->store, id, found ? &key : NULL,
                                    watch->epoch, watch->sent)
            == NGX_OK)
        {
            ngx_http_weir_watch_judge(watch, found ? &key : NULL);
        }
    }

    ngx_http_weir_watch_free(watch);
}


static void
ngx_http_weir_watch_ask(ngx_http_weir_watch_t *watch,
    const ngx_http_weir_known_t *known)
{
    ngx_http_weir_process_t  *p;

    p = watch->process;

    if (watch->asking) {
        return;
    }

    watch->epoch = known->epoch;
    watch->sent = ngx_current_msec;

    weir_txn_reset(&p->txn);
    weir_txn_key_get(&p->txn, (weir_str_t) { watch->id, WEIR_KEY_ID_LEN });

    watch->asking = ngx_http_weir_redis_send(&p->cmd, &p->txn,
                                             ngx_http_weir_watch_answer, watch)
                    == NGX_OK;
}


/* The file's records count before the store's. */

static void
ngx_http_weir_watch_look(ngx_http_weir_watch_t *watch)
{
    weir_str_t                  id;
    const weir_key_t           *record;
    ngx_http_weir_known_t      *known;
    ngx_http_weir_main_conf_t  *wmcf;

    wmcf = watch->process->conf;
    known = &ngx_http_weir_watch_known;
    id = (weir_str_t) { watch->id, WEIR_KEY_ID_LEN };

    record = wmcf->keyring ? weir_keyring_record(wmcf->keyring, id) : NULL;

    if (record || wmcf->store.zone == NULL) {
        ngx_http_weir_watch_judge(watch, record);
        return;
    }

    switch (ngx_http_weir_store_get(&wmcf->store, id, known)) {

    case NGX_OK:
        ngx_http_weir_watch_judge(watch, &known->key);
        return;

    case NGX_DECLINED:
        ngx_http_weir_watch_judge(watch, NULL);
        return;

    default:
        ngx_http_weir_watch_ask(watch, known);
        return;
    }
}


void
ngx_http_weir_watch_tick(ngx_http_weir_process_t *p)
{
    ngx_uint_t    i;
    ngx_queue_t  *q;

    if (p->streams == 0) {
        return;
    }

    for (i = 0; i < NGX_HTTP_WEIR_WATCHES; i++) {

        for (q = ngx_queue_head(&p->watched[i]);
             q != ngx_queue_sentinel(&p->watched[i]);
             q = ngx_queue_next(q))
        {
            ngx_http_weir_watch_look(ngx_queue_data(q, ngx_http_weir_watch_t,
                                                    link));
        }
    }
}


void
ngx_http_weir_watch_init(ngx_http_weir_process_t *p)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_WEIR_WATCHES; i++) {
        ngx_queue_init(&p->watched[i]);
    }
}
