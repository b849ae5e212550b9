/*
 * Finished answers in shared memory, as they are sent.  Knows no request, and
 * not what may be answered with what: it keeps times and hands them out.
 *
 * An answer is named by its question and its form.  The digest of a request as
 * it came (raw) is a short way to it.  Times are ms, UTC, as Redis has it.
 */

#ifndef NGX_HTTP_WEIR_ANSWERS_H
#define NGX_HTTP_WEIR_ANSWERS_H


#include <ngx_config.h>
#include <ngx_core.h>

#include "weir_shelf.h"


#define NGX_HTTP_WEIR_ANSWERS_MIN    (256 * 1024)
#define NGX_HTTP_WEIR_ANSWERS_ENTRY  (1024 * 1024)


/* Bodies from here on are copied once for many requests; and what of them a
 * process keeps at the most, but no more than a quarter of the zone. */
#define NGX_HTTP_WEIR_COPIES_LEAST   (8 * 1024)
#define NGX_HTTP_WEIR_COPIES_MOST    (8 * 1024 * 1024)


typedef struct ngx_http_weir_copies_s  ngx_http_weir_copies_t;


/* weir_cache_zone */

typedef struct {
    ngx_str_t           name;
    size_t              size;
    size_t              max_entry;      /* bytes of a body */
    ngx_shm_zone_t     *shm_zone;       /* NULL: not declared (yet) */
    ngx_slab_pool_t    *slab;           /* whose mutex is the lock */
    weir_shelf_t       *shelf;
    ngx_http_weir_copies_t  *copies;    /* of this process */

    ngx_str_t           file;           /* where it is used first */
    ngx_uint_t          line;
} ngx_http_weir_answers_t;


/* what lies with an answer: run, times, cost, marks, and so on */

typedef weir_shelf_meta_t  ngx_http_weir_answer_meta_t;


/* the body lives as long as the pool it was asked for */

typedef struct {
    u_char                       question[WEIR_SHELF_DIGEST];
    ngx_uint_t                   form;
    ngx_http_weir_answer_meta_t  meta;
    ngx_str_t                    body;
} ngx_http_weir_answer_t;


/*
 * NGX_OK: there is one that is not past all its times, and it counts as a hit;
 * NGX_DECLINED: there is none; NGX_ERROR: no memory.  A miss counts only where
 * it is looked for by the question, which comes last.
 */
ngx_int_t ngx_http_weir_answers_get_raw(ngx_http_weir_answers_t *z,
    const u_char raw[WEIR_SHELF_DIGEST], int64_t now, ngx_pool_t *pool,
    ngx_http_weir_answer_t *answer);
ngx_int_t ngx_http_weir_answers_get(ngx_http_weir_answers_t *z,
    const u_char question[WEIR_SHELF_DIGEST], ngx_uint_t form, int64_t now,
    ngx_pool_t *pool, ngx_http_weir_answer_t *answer);

/* What a put is told: take it before the question is asked, of whomever. */
uint64_t ngx_http_weir_answers_purges(ngx_http_weir_answers_t *z);

/* Puts an answer in place of one with the same name, and a short way to it; raw
 * may be NULL.  NGX_DECLINED: it is too large, or there was a purge since. */
ngx_int_t ngx_http_weir_answers_put(ngx_http_weir_answers_t *z,
    const u_char *raw, const u_char question[WEIR_SHELF_DIGEST],
    ngx_uint_t form, const ngx_http_weir_answer_meta_t *meta, weir_str_t body,
    uint64_t purges, int64_t now);

/* A short way to what is there, or will be. */
void ngx_http_weir_answers_alias(ngx_http_weir_answers_t *z,
    const u_char raw[WEIR_SHELF_DIGEST],
    const u_char question[WEIR_SHELF_DIGEST], ngx_uint_t form, int64_t now);

/* For min_uses: how often a question was asked, this time included.  It is
 * forgotten when the zone needs the room. */
ngx_uint_t ngx_http_weir_answers_use(ngx_http_weir_answers_t *z,
    const u_char question[WEIR_SHELF_DIGEST], int64_t now);

/* 1: the caller is to refresh this answer, and nobody else until then; a put
 * ends it, and so does until = 0. */
ngx_uint_t ngx_http_weir_answers_refresh(ngx_http_weir_answers_t *z,
    const u_char question[WEIR_SHELF_DIGEST], ngx_uint_t form, int64_t now,
    int64_t until);

/* Adds the name of a purge ("owner:...", "tag:...") that is for this answer.
 * With more than WEIR_SHELF_MARKS of them every one is. */
void ngx_http_weir_answers_mark(ngx_http_weir_answers_t *z,
    ngx_http_weir_answer_meta_t *meta, weir_str_t mark);

/* Purges what has the mark; a question in all its forms; all.  When they return
 * it is done, and what was asked before will not be put. */
void ngx_http_weir_answers_purge(ngx_http_weir_answers_t *z, weir_str_t mark);
void ngx_http_weir_answers_purge_question(ngx_http_weir_answers_t *z,
    const u_char question[WEIR_SHELF_DIGEST]);
void ngx_http_weir_answers_purge_all(ngx_http_weir_answers_t *z);


/* answers_copy: the bodies that may be kept; one of them, which was just found:
 * NGX_DECLINED: it was replaced meanwhile */
ngx_http_weir_copies_t *ngx_http_weir_copies_create(ngx_pool_t *pool,
    size_t most);
ngx_uint_t ngx_http_weir_copies_may(const ngx_http_weir_copies_t *copies,
    size_t len);
ngx_int_t ngx_http_weir_copies_get(ngx_http_weir_copies_t *copies,
    const weir_shelf_t *shelf, const weir_shelf_found_t *found,
    ngx_pool_t *pool, ngx_http_weir_answer_t *answer);


/* answers_zone: the directive; the zone of a name, which may be declared
 * further below: _complete says where it never was */
char *ngx_http_weir_set_cache_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_http_weir_answers_t *ngx_http_weir_answers_zone(ngx_conf_t *cf,
    ngx_str_t *name);
char *ngx_http_weir_answers_complete(ngx_conf_t *cf, ngx_array_t *zones);


#endif /* NGX_HTTP_WEIR_ANSWERS_H */
