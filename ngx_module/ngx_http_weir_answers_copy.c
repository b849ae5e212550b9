/*
 * Copies of large answers, which a process keeps for its next requests: memory
 * for each of them would cost more than all the rest of a hit.  An answer that
 * was just found in the zone, under its lock, is the one that was copied if it
 * has the same version.
 *
 * A copy lives as long as it is kept, and as a request sends it.
 */

#include "ngx_http_weir_answers.h"


#define NGX_HTTP_WEIR_COPIES_PAGE     4096      /* sizes are multiples of it */
#define NGX_HTTP_WEIR_COPIES_BUCKETS  256       /* a power of two */


typedef struct {
    ngx_queue_t                  queue;         /* while it is kept; */
    ngx_queue_t                  bucket;        /* by its node */
    ngx_uint_t                   users;         /* requests; and being kept */
    size_t                       size;
    uint32_t                     index;
    uint64_t                     version;
    uint64_t                     epoch;
    ngx_http_weir_answer_meta_t  meta;
    u_char                       body[];
} ngx_http_weir_copy_t;


struct ngx_http_weir_copies_s {
    ngx_queue_t                  queue;         /* used last: the first */
    ngx_queue_t                  buckets[NGX_HTTP_WEIR_COPIES_BUCKETS];
    size_t                       size;
    size_t                       most;
};


static void
ngx_http_weir_copy_release(void *data)
{
    ngx_http_weir_copy_t  *copy = data;

    if (--copy->users == 0) {
        ngx_free(copy);
    }
}


static void
ngx_http_weir_copies_drop(ngx_http_weir_copies_t *copies,
    ngx_http_weir_copy_t *copy)
{
    ngx_queue_remove(&copy->queue);
    ngx_queue_remove(&copy->bucket);
    copies->size -= copy->size;

    ngx_http_weir_copy_release(copy);
}


static void
ngx_http_weir_copies_cleanup(void *data)
{
    ngx_queue_t             *q;
    ngx_http_weir_copies_t  *copies = data;

    while (!ngx_queue_empty(&copies->queue)) {
        q = ngx_queue_head(&copies->queue);
        ngx_http_weir_copies_drop(copies, ngx_queue_data(q,
                                              ngx_http_weir_copy_t, queue));
    }
}


ngx_http_weir_copies_t *
ngx_http_weir_copies_create(ngx_pool_t *pool, size_t most)
{
    ngx_uint_t               i;
    ngx_pool_cleanup_t      *cln;
    ngx_http_weir_copies_t  *copies;

    copies = ngx_pcalloc(pool, sizeof(ngx_http_weir_copies_t));
    cln = ngx_pool_cleanup_add(pool, 0);

    if (copies == NULL || cln == NULL) {
        return NULL;
    }

    for (i = 0; i < NGX_HTTP_WEIR_COPIES_BUCKETS; i++) {
        ngx_queue_init(&copies->buckets[i]);
    }

    ngx_queue_init(&copies->queue);
    copies->most = most;

    cln->handler = ngx_http_weir_copies_cleanup;
    cln->data = copies;

    return copies;
}


ngx_uint_t
ngx_http_weir_copies_may(const ngx_http_weir_copies_t *copies, size_t len)
{
    return len >= NGX_HTTP_WEIR_COPIES_LEAST && len <= copies->most / 4;
}


#define ngx_http_weir_copies_bucket(copies, i)                                \
    (&(copies)->buckets[(i) & (NGX_HTTP_WEIR_COPIES_BUCKETS - 1)])


/* An older version of what is in the same node is of no use any more. */

static ngx_http_weir_copy_t *
ngx_http_weir_copies_find(ngx_http_weir_copies_t *copies,
    const weir_shelf_found_t *found)
{
    ngx_queue_t           *bucket, *q;
    ngx_http_weir_copy_t  *copy;

    bucket = ngx_http_weir_copies_bucket(copies, found->index);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        copy = ngx_queue_data(q, ngx_http_weir_copy_t, bucket);

        if (copy->index != found->index) {
            continue;
        }

        if (copy->version != found->version || copy->epoch != found->epoch) {
            ngx_http_weir_copies_drop(copies, copy);
            return NULL;
        }

        ngx_queue_remove(&copy->queue);
        ngx_queue_insert_head(&copies->queue, &copy->queue);

        return copy;
    }

    return NULL;
}


/* Memory for one more; that of the one it takes the place of, where it fits. */

static ngx_http_weir_copy_t *
ngx_http_weir_copies_make(ngx_http_weir_copies_t *copies,
    const weir_shelf_found_t *found, ngx_log_t *log)
{
    size_t                 size;
    ngx_queue_t           *q;
    ngx_http_weir_copy_t  *copy, *last;

    size = ngx_align(sizeof(ngx_http_weir_copy_t) + found->len,
                     NGX_HTTP_WEIR_COPIES_PAGE);
    copy = NULL;

    while (copies->size + size > copies->most) {
        q = ngx_queue_last(&copies->queue);
        last = ngx_queue_data(q, ngx_http_weir_copy_t, queue);

        if (copy == NULL && last->size == size && last->users == 1) {
            ngx_queue_remove(&last->queue);
            ngx_queue_remove(&last->bucket);
            copies->size -= size;
            copy = last;
            continue;
        }

        ngx_http_weir_copies_drop(copies, last);
    }

    if (copy == NULL) {
        copy = ngx_alloc(size, log);
        if (copy == NULL) {
            return NULL;
        }
    }

    copy->users = 1;
    copy->size = size;
    copy->index = found->index;
    copy->version = found->version;
    copy->epoch = found->epoch;

    copies->size += size;
    ngx_queue_insert_head(&copies->queue, &copy->queue);
    ngx_queue_insert_head(ngx_http_weir_copies_bucket(copies, copy->index),
                          &copy->bucket);

    return copy;
}


ngx_int_t
ngx_http_weir_copies_get(ngx_http_weir_copies_t *copies,
    const weir_shelf_t *shelf, const weir_shelf_found_t *found,
    ngx_pool_t *pool, ngx_http_weir_answer_t *answer)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_weir_copy_t  *copy;

    cln = ngx_pool_cleanup_add(pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    copy = ngx_http_weir_copies_find(copies, found);

    if (copy == NULL) {
        copy = ngx_http_weir_copies_make(copies, found, pool->log);
        if (copy == NULL) {
            return NGX_ERROR;
        }

        if (!weir_shelf_read(shelf, found, &copy->meta, copy->body)) {
            ngx_http_weir_copies_drop(copies, copy);
            return NGX_DECLINED;
        }
    }

    copy->users++;
    cln->handler = ngx_http_weir_copy_release;
    cln->data = copy;

    answer->meta = copy->meta;
    answer->body.data = copy->body;
    answer->body.len = found->len;

    return NGX_OK;
}
