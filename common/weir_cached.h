/*
 * Answers that are kept: which of them are worth it, for how long, and the
 * record that Redis holds.
 *
 * A record is one line and what follows it:
 *
 * v1 <run> <token> <created> <finished> <fresh> <stale_while> <stale_error>
 * <input> <output> <cost> <kind> <length of owner> <of model> <of labels>
 * <of outcome>\n<owner><model><labels><outcome>
 *
 * with one space between two words of the line.  It and the three strings
 * behind it take no more than WEIR_CACHED_HEAD bytes.
 */

#ifndef WEIR_CACHED_H
#define WEIR_CACHED_H


#include "weir_outcome.h"


/* what came of a run, as far as a cache is concerned */

typedef enum {
    WEIR_KIND_ANSWER = 0,
    WEIR_KIND_TRUNCATED,            /* cut off by a limit of tokens */
    WEIR_KIND_REFUSAL,              /* by the model, or a filter of it */
    WEIR_KIND_FAILED,
    WEIR_KINDS
} weir_kind_e;


const char *weir_kind_name(weir_kind_e kind);
int weir_kind_parse(weir_str_t name);       /* -1: no such kind */

/* Of several choices the worst counts. */
weir_kind_e weir_kind_of(const weir_outcome_t *o);


/* How long answers are kept, in s: a run carries it as text. */

typedef struct {
    int64_t  fresh[WEIR_KINDS];     /* 0: not kept */
    int64_t  stale_while;           /* past fresh, while it is asked again */
    int64_t  stale_error;           /* past fresh, if asking again fails */
} weir_cache_policy_t;


#define WEIR_CACHE_TTL_MAX     2592000      /* s: 30 days */
#define WEIR_CACHE_POLICY_MAX  64           /* bytes of text, with its end */

/* What is out of range is brought into it. */
void weir_cache_policy_write(const weir_cache_policy_t *p,
    char text[WEIR_CACHE_POLICY_MAX]);

/* false: not of that form; the policy then keeps nothing. */
bool weir_cache_policy_read(weir_str_t text, weir_cache_policy_t *p);


/* the record; strings are borrowed */

typedef struct {
    weir_str_t   run;               /* id */
    weir_str_t   token;
    int64_t      created;           /* ms: the run was submitted */
    int64_t      finished;          /* ms */
    int64_t      fresh;             /* ms: until when; likewise the next two */
    int64_t      stale_while;
    int64_t      stale_error;
    long long    input;             /* tokens */
    long long    output;
    long long    cost;              /* millionths of a dollar */
    weir_kind_e  kind;
    weir_str_t   owner;
    weir_str_t   model;             /* as asked for */
    weir_str_t   labels;            /* marks: "class:a tag:b" */
    weir_str_t   outcome;           /* document */
    bool         cut;               /* reading: the outcome is not all there */
} weir_cached_t;


#define WEIR_CACHED_LABELS_MAX  384
#define WEIR_CACHED_HEAD        1024


/* The times until which what finished at c->finished is kept under a policy,
 * by c->kind.  Returns the latest of them; 0: it is not kept at all. */
int64_t weir_cached_keep(weir_cached_t *c, const weir_cache_policy_t *p);

/* -1: no memory, or something in c is beyond its bounds. */
int weir_cached_write(const weir_cached_t *c, weir_buf_t *out);

/* false: not a record of this version.  Strings point into text, of which the
 * first WEIR_CACHED_HEAD bytes are enough but for the outcome. */
bool weir_cached_read(weir_str_t text, weir_cached_t *c_r);


#endif /* WEIR_CACHED_H */
