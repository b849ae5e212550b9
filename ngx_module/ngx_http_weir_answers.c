/*
 * Finished answers in shared memory: a shelf (weir_shelf.c) and nginx's mutex,
 * which is the only lock that is freed when its process is killed.  Nothing but
 * memory is touched under it, and bodies are copied out without it.
 */

#include "ngx_http_weir_answers.h"


#define NGX_HTTP_WEIR_ANSWERS_TRIES  3
#define NGX_HTTP_WEIR_ANSWERS_SLICE  512        /* nodes, of a purge */


#define ngx_http_weir_answers_lock(z)    ngx_shmtx_lock(&(z)->slab->mutex)
#define ngx_http_weir_answers_unlock(z)  ngx_shmtx_unlock(&(z)->slab->mutex)


static ngx_int_t
ngx_http_weir_answers_read(ngx_http_weir_answers_t *z,
    const weir_shelf_found_t *found, ngx_pool_t *pool,
    ngx_http_weir_answer_t *answer)
{
    ngx_memcpy(answer->question, found->question, WEIR_SHELF_DIGEST);
    answer->form = found->form;

    if (ngx_http_weir_copies_may(z->copies, found->len)) {
        return ngx_http_weir_copies_get(z->copies, z->shelf, found, pool,
                                        answer);
    }

    answer->body.len = found->len;
    answer->body.data = ngx_pnalloc(pool, found->len);

    if (answer->body.data == NULL) {
        return NGX_ERROR;
    }

    return weir_shelf_read(z->shelf, found, &answer->meta, answer->body.data)
           ? NGX_OK : NGX_DECLINED;
}


/* raw, or question and form; what was replaced while it was read is there
 * again */

static ngx_int_t
ngx_http_weir_answers_find(ngx_http_weir_answers_t *z, const u_char *raw,
    const u_char *question, ngx_uint_t form, int64_t now, ngx_pool_t *pool,
    ngx_http_weir_answer_t *answer)
{
    bool                there;
    ngx_int_t           rc;
    ngx_uint_t          tries;
    weir_shelf_found_t  found;

    for (tries = 0; tries < NGX_HTTP_WEIR_ANSWERS_TRIES; tries++) {

        ngx_http_weir_answers_lock(z);

        there = raw ? weir_shelf_find_raw(z->shelf, raw, now, &found)
                    : weir_shelf_find(z->shelf, question, form, now, &found);

        ngx_http_weir_answers_unlock(z);

        if (!there) {
            return NGX_DECLINED;
        }

        rc = ngx_http_weir_answers_read(z, &found, pool, answer);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_weir_answers_get_raw(ngx_http_weir_answers_t *z,
    const u_char raw[WEIR_SHELF_DIGEST], int64_t now, ngx_pool_t *pool,
    ngx_http_weir_answer_t *answer)
{
    return ngx_http_weir_answers_find(z, raw, NULL, 0, now, pool, answer);
}


ngx_int_t
ngx_http_weir_answers_get(ngx_http_weir_answers_t *z,
    const u_char question[WEIR_SHELF_DIGEST], ngx_uint_t form, int64_t now,
    ngx_pool_t *pool, ngx_http_weir_answer_t *answer)
{
    return ngx_http_weir_answers_find(z, NULL, question, form, now, pool,
                                      answer);
}


uint64_t
ngx_http_weir_answers_purges(ngx_http_weir_answers_t *z)
{
    return weir_shelf_purges(z->shelf);
}


ngx_int_t
ngx_http_weir_answers_put(ngx_http_weir_answers_t *z, const u_char *raw,
    const u_char question[WEIR_SHELF_DIGEST], ngx_uint_t form,
    const ngx_http_weir_answer_meta_t *meta, weir_str_t body, uint64_t purges,
    int64_t now)
{
    weir_shelf_put_e  put;

    ngx_http_weir_answers_lock(z);

    if (body.len > z->max_entry) {
        weir_shelf_refuse(z->shelf, question, form);
        put = WEIR_SHELF_TOO_LARGE;

    } else {
        put = weir_shelf_put(z->shelf, question, form, meta, body, purges,
                             now);
    }

    if (put == WEIR_SHELF_STORED && raw) {
        weir_shelf_alias(z->shelf, raw, question, form, now);
    }

    ngx_http_weir_answers_unlock(z);

    return put == WEIR_SHELF_STORED ? NGX_OK : NGX_DECLINED;
}


void
ngx_http_weir_answers_alias(ngx_http_weir_answers_t *z,
    const u_char raw[WEIR_SHELF_DIGEST],
    const u_char question[WEIR_SHELF_DIGEST], ngx_uint_t form, int64_t now)
{
    ngx_http_weir_answers_lock(z);
    weir_shelf_alias(z->shelf, raw, question, form, now);
    ngx_http_weir_answers_unlock(z);
}


ngx_uint_t
ngx_http_weir_answers_use(ngx_http_weir_answers_t *z,
    const u_char question[WEIR_SHELF_DIGEST], int64_t now)
{
    ngx_uint_t  uses;

    ngx_http_weir_answers_lock(z);
    uses = weir_shelf_use(z->shelf, question, now);
    ngx_http_weir_answers_unlock(z);

    return uses;
}


ngx_uint_t
ngx_http_weir_answers_refresh(ngx_http_weir_answers_t *z,
    const u_char question[WEIR_SHELF_DIGEST], ngx_uint_t form, int64_t now,
    int64_t until)
{
    ngx_uint_t  mine;

    ngx_http_weir_answers_lock(z);
    mine = weir_shelf_refresh(z->shelf, question, form, now, until);
    ngx_http_weir_answers_unlock(z);

    return mine;
}


void
ngx_http_weir_answers_mark(ngx_http_weir_answers_t *z,
    ngx_http_weir_answer_meta_t *meta, weir_str_t mark)
{
    weir_shelf_mark_add(z->shelf, meta, mark);
}


/* in slices, between which others come in */

void
ngx_http_weir_answers_purge(ngx_http_weir_answers_t *z, weir_str_t mark)
{
    uint32_t  cursor;
    uint64_t  hash;

    hash = weir_shelf_mark(z->shelf, mark);
    cursor = 0;

    do {
        ngx_http_weir_answers_lock(z);
        weir_shelf_purge(z->shelf, hash, &cursor, NGX_HTTP_WEIR_ANSWERS_SLICE);
        ngx_http_weir_answers_unlock(z);

    } while (cursor);
}


void
ngx_http_weir_answers_purge_question(ngx_http_weir_answers_t *z,
    const u_char question[WEIR_SHELF_DIGEST])
{
    ngx_http_weir_answers_lock(z);
    weir_shelf_purge_question(z->shelf, question);
    ngx_http_weir_answers_unlock(z);
}


void
ngx_http_weir_answers_purge_all(ngx_http_weir_answers_t *z)
{
    ngx_http_weir_answers_lock(z);
    weir_shelf_purge_all(z->shelf);
    ngx_http_weir_answers_unlock(z);
}
