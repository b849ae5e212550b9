/*
 * The cache at the edge: what of a request decides whether it may be answered
 * from what was answered before, and how; and the verbs that answer it so.
 * How an answer comes to be is elsewhere: asking, leading and following.
 */

#ifndef NGX_HTTP_WEIR_CACHE_H
#define NGX_HTTP_WEIR_CACHE_H


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "weir_buf.h"
#include "weir_cached.h"
#include "weir_cachectl.h"
#include "weir_failure.h"
#include "weir_json.h"
#include "weir_question.h"


struct ngx_http_weir_ctx_s;
struct ngx_http_weir_step_s;


/* a rendering of an answer */

#define NGX_HTTP_WEIR_FORM_CHAT               0
#define NGX_HTTP_WEIR_FORM_EVENTS             1
#define NGX_HTTP_WEIR_FORM_EVENTS_USAGE       2
#define NGX_HTTP_WEIR_FORM_MESSAGE            3
#define NGX_HTTP_WEIR_FORM_MESSAGE_EVENTS     4
#define NGX_HTTP_WEIR_FORM_EMBEDDINGS         5
#define NGX_HTTP_WEIR_FORM_EMBEDDINGS_PACKED  6
#define NGX_HTTP_WEIR_FORMS                   7


/* what the cache did: $weir_cache_status, Cache-Status, the metrics */

typedef enum {
    NGX_HTTP_WEIR_CACHE_NONE = 0,               /* it was not asked (yet) */
    NGX_HTTP_WEIR_CACHE_HIT,
    NGX_HTTP_WEIR_CACHE_STALE,
    NGX_HTTP_WEIR_CACHE_MISS,
    NGX_HTTP_WEIR_CACHE_JOINED,
    NGX_HTTP_WEIR_CACHE_BYPASS,
    NGX_HTTP_WEIR_CACHE_REFRESH                 /* one was passed over */
} ngx_http_weir_cache_status_e;


/* what a stored answer is good for, by its times and by the request */

typedef enum {
    NGX_HTTP_WEIR_CACHE_UNUSABLE = 0,
    NGX_HTTP_WEIR_CACHE_FRESH,
    NGX_HTTP_WEIR_CACHE_WHILE,                  /* stale; while another runs */
    NGX_HTTP_WEIR_CACHE_ERROR                   /* stale; if all else fails */
} ngx_http_weir_cache_use_e;


/* Of a request in a location that has a cache; ctx->cache is NULL without one.
 * It lives in the request's pool.  "question" and what follows it are set once
 * the body is read. */

typedef struct ngx_http_weir_cache_s  ngx_http_weir_cache_t;

struct ngx_http_weir_cache_s {
    u_char                        raw[WEIR_QUESTION_LEN];
    unsigned char                 digest[WEIR_QUESTION_LEN];
    char                          question[WEIR_QUESTION_HEX + 1];
    ngx_uint_t                    form;
    weir_cachectl_t               ctl;          /* what this key may say */
    weir_cache_policy_t           policy;
    char                          policy_text[WEIR_CACHE_POLICY_MAX];
    ngx_str_t                     labels;       /* "class:a tag:b" */
    uint64_t                      purges;       /* L1's, when it was asked */
    ngx_http_weir_cache_status_e  status;
    int64_t                       ttl;          /* s left, of a stored one */
    int64_t                       age;          /* s, of a stored one */
    int64_t                       began;        /* ms */
    int64_t                       purged;       /* ms: the newest mark that
                                                   matches; runs up to then
                                                   are not kept */
    weir_cached_t                 reserve;      /* a stale record, in the pool;
                                                   or, with body, its times */
    ngx_str_t                     body;         /* a stale rendering */

    long long                     input;        /* what a hit has saved */
    long long                     output;
    long long                     cost;

    /* the register that is looked at */
    long long                     n;
    int64_t                       by;
    char                          run[25];

    /* the run that this request would lead; and what was found */
    char                          own[25];
    int64_t                       own_by;       /* ms */
    int64_t                       asking;       /* ms: since when; 0 */
    ngx_msec_t                    since;        /* the same */
    weir_cached_t                 found;        /* in the pool */
    ngx_str_t                     kept;         /* with weir_cache_redis: the
                                                   record there, or empty */
    char                          marked[25];   /* a run whose asker's marks
                                                   were looked at */

    char                          vetted[25];   /* another's run under way,
                                                   likewise; and who asked */
    weir_str_t                    vetted_owner;
    weir_str_t                    vetted_labels;
    int64_t                       vetted_at;    /* ms: when */

    unsigned                      asked:1;      /* question is set */
    unsigned                      raw_set:1;
    unsigned                      bypass:1;     /* the old way; see store */
    unsigned                      store:1;      /* what comes is stored */
    unsigned                      jobful:1;     /* it is to be a job */
    unsigned                      leading:1;
    unsigned                      following:1;
    unsigned                      again:1;      /* asked again once */
    unsigned                      refresh:1;    /* the refresh is ours */
    unsigned                      stale:1;      /* a stale one in reserve */
    unsigned                      at_once:1;    /* ... that may be served
                                                   while another runs */
    unsigned                      expired:1;    /* a stale one was found */
    unsigned                      passed:1;     /* the request refused one */
    unsigned                      served:1;     /* from what is stored */
    unsigned                      memory:1;     /* ... in L1 */
    unsigned                      counted:1;
    unsigned                      saved:1;      /* so is what that saved */
    unsigned                      reading:1;    /* without a register */
    unsigned                      owes:1;       /* others wait for us */
    unsigned                      told:1;       /* the end, too early */
    unsigned                      recorded:1;   /* a job nobody knows */
    unsigned                      broken:1;     /* a record is */
    unsigned                      voided:1;     /* "marked" was purged */
    unsigned                      vetoed:1;     /* "vetted" was */
    unsigned                      late:1;       /* the wait was over */
    unsigned                      looked:1;     /* "kept" is set */
};


/* Before the body is parsed.  Makes ctx->cache where the location has a cache.
 * NGX_OK: answered, *rc_r is for ngx_http_weir_done(); NGX_DECLINED: go on. */
ngx_int_t ngx_http_weir_cache_start(struct ngx_http_weir_ctx_s *ctx,
    weir_str_t body, ngx_int_t *rc_r);

/* What is asked, and by which rules: from the envelope, where ctx->cache is
 * there.  NGX_DECLINED: f says why it cannot be. */
ngx_int_t ngx_http_weir_cache_question(struct ngx_http_weir_ctx_s *ctx,
    const weir_json_t *neutral, weir_failure_t *f);

/* Looks into L1 by the question; then asks (step_ask), or goes the old way
 * where the cache is bypassed. */
extern const struct ngx_http_weir_step_s  ngx_http_weir_step_cache;

/* The old way: is there memory, is there room, may it be spent, submit. */
extern const struct ngx_http_weir_step_s  ngx_http_weir_step_begin;

/* Where it asks next: everything behind it is another file's. */
extern const struct ngx_http_weir_step_s  ngx_http_weir_step_ask;


/* What a stored answer is good for.  Notes in ctx->cache why it is not, which
 * Cache-Status says. */
ngx_http_weir_cache_use_e ngx_http_weir_cache_use(
    struct ngx_http_weir_ctx_s *ctx, const weir_cached_t *cached);

/* Sends a record, and puts it into L1 if it is fresh.  What is returned is for
 * ngx_http_weir_done(); NGX_DECLINED: it is of another version. */
ngx_int_t ngx_http_weir_cache_serve(struct ngx_http_weir_ctx_s *ctx,
    const weir_cached_t *cached);

/* Puts a copy of a stale record in reserve. */
ngx_int_t ngx_http_weir_cache_reserve(struct ngx_http_weir_ctx_s *ctx,
    const weir_cached_t *cached, ngx_http_weir_cache_use_e use);

/* Sends what is in reserve.  NGX_DECLINED: nothing is. */
ngx_int_t ngx_http_weir_cache_stale(struct ngx_http_weir_ctx_s *ctx);

/* What Cache-Status and Age say of a record that answers. */
void ngx_http_weir_cache_tell(struct ngx_http_weir_ctx_s *ctx,
    const weir_cached_t *c);

/* 504: only-if-cached, and nothing is. */
ngx_int_t ngx_http_weir_cache_only(struct ngx_http_weir_ctx_s *ctx);


/* for cache*.c, response.c and variables.c */

/* a rendering that is in the pool */
ngx_int_t ngx_http_weir_cache_send(struct ngx_http_weir_ctx_s *ctx,
    const weir_cached_t *cached, const ngx_str_t *body);

/* The outcome of a run that was asked for here has arrived (ctx->outcome; in
 * ctx->job the id, created and finished of the run) and is rendered: into L1
 * with it. */
void ngx_http_weir_cache_keep(struct ngx_http_weir_ctx_s *ctx,
    const weir_buf_t *body);

/* What it did; MISS becomes REFRESH where something was there. */
ngx_http_weir_cache_status_e ngx_http_weir_cache_status(
    const ngx_http_weir_cache_t *c);

/* Another's run was joined, and what that saved is not counted yet: the header
 * of a stream goes out before it is known. */
ngx_uint_t ngx_http_weir_cache_is_unsaved(
    const struct ngx_http_weir_ctx_s *ctx);

/* Counts it: tokens, and millionths of a dollar; or what the outcome says, once
 * that is there. */
void ngx_http_weir_cache_saved(struct ngx_http_weir_ctx_s *ctx, int64_t input,
    int64_t output, int64_t cost);
void ngx_http_weir_cache_saved_outcome(struct ngx_http_weir_ctx_s *ctx);

/* Cache-Status and Age; counts what the cache did, once. */
ngx_int_t ngx_http_weir_cache_headers(struct ngx_http_weir_ctx_s *ctx,
    ngx_uint_t status);


#endif /* NGX_HTTP_WEIR_CACHE_H */
