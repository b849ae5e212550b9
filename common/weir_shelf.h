/*
 * Finished answers in a piece of memory of fixed size that processes share, and
 * short ways to them.  Knows no request and no lock: whoever calls has one,
 * unless it says otherwise.
 *
 * Bodies lie in chains of blocks of one size, so that nothing is fragmented and
 * nothing is searched for; what was not used for long makes room.  There are
 * two lists of use: answers, and what is light (short ways, counts of use),
 * which never has more than half of the nodes.
 *
 * A process that is killed in the middle of a change leaves a shelf nobody can
 * trust: the next call empties it, and counts that.
 */

#ifndef WEIR_SHELF_H
#define WEIR_SHELF_H


#include <stdbool.h>
#include <stdint.h>

#include "weir_contract.h"
#include "weir_str.h"


#define WEIR_SHELF_DIGEST  32
#define WEIR_SHELF_SEED    16
#define WEIR_SHELF_MARKS   12
#define WEIR_SHELF_BLOCK   1024
#define WEIR_SHELF_LEAST   64               /* blocks */
#define WEIR_SHELF_MOST    0x40000000       /* bytes of a body */

/* ms; an answer from so far in the future is none: the clock was set */
#define WEIR_SHELF_AHEAD   60000


typedef struct weir_shelf_s  weir_shelf_t;


/* what lies with an answer; times are ms, UTC */

typedef struct {
    char           run[WEIR_ID_LEN + 1];
    uint8_t        kind;                    /* weir_kind_e */
    uint8_t        nmarks;                  /* beyond WEIR_SHELF_MARKS: there
                                               was no room for all, and any
                                               purge is for it */
    uint16_t       status;                  /* of HTTP */
    uint32_t       flags;                   /* the caller's */
    int64_t        created;                 /* the run was submitted */
    int64_t        finished;
    int64_t        fresh;                   /* until then */
    int64_t        stale_while;
    int64_t        stale_error;
    int64_t        input;
    int64_t        output;
    int64_t        cost;
    uint64_t       marks[WEIR_SHELF_MARKS]; /* weir_shelf_mark() */
} weir_shelf_meta_t;


/* of an answer that was found, to be read without the lock */

typedef struct {
    unsigned char  question[WEIR_SHELF_DIGEST];
    unsigned       form;
    uint32_t       index;
    uint32_t       first;
    uint32_t       len;                     /* bytes of the body */
    uint64_t       version;
    uint64_t       epoch;
} weir_shelf_found_t;


/* may be read without the lock */

typedef struct {
    uint64_t       hits;
    uint64_t       misses;
    uint64_t       stores;
    uint64_t       evictions;               /* of answers */
    uint64_t       too_large;
    uint64_t       purged;
    uint64_t       torn;
    uint64_t       entries;                 /* answers now */
    uint64_t       used;                    /* bytes now */
    uint64_t       size;                    /* bytes that can be used */
} weir_shelf_stats_t;


typedef enum {
    WEIR_SHELF_STORED = 0,
    WEIR_SHELF_TOO_LARGE,
    WEIR_SHELF_PURGED                       /* since the question was asked */
} weir_shelf_put_e;


/* In memory that is aligned to 64 bytes.  NULL: it is too small. */
weir_shelf_t *weir_shelf_create(void *memory, size_t size,
    const unsigned char seed[WEIR_SHELF_SEED]);

/* Finds an answer by the digest of a request, or by its question, and marks it
 * as used.  What is past all its times is no answer.  A hit counts; a miss
 * counts where it is looked for by the question, which comes last. */
bool weir_shelf_find_raw(weir_shelf_t *s,
    const unsigned char raw[WEIR_SHELF_DIGEST], int64_t now,
    weir_shelf_found_t *found_r);
bool weir_shelf_find(weir_shelf_t *s,
    const unsigned char question[WEIR_SHELF_DIGEST], unsigned form,
    int64_t now, weir_shelf_found_t *found_r);

/* Without the lock.  body: room for found->len bytes.  False: it was replaced
 * or dropped meanwhile, what was read means nothing. */
bool weir_shelf_read(const weir_shelf_t *s, const weir_shelf_found_t *found,
    weir_shelf_meta_t *meta_r, void *body);

/* Puts an answer, in place of one of the same question and form.  purges: what
 * weir_shelf_purges() said when the question was asked.  An answer of more than
 * half of the shelf is too large. */
weir_shelf_put_e weir_shelf_put(weir_shelf_t *s,
    const unsigned char question[WEIR_SHELF_DIGEST], unsigned form,
    const weir_shelf_meta_t *meta, weir_str_t body, uint64_t purges,
    int64_t now);

/* The caller would not have it: the one that is there goes, and it counts. */
void weir_shelf_refuse(weir_shelf_t *s,
    const unsigned char question[WEIR_SHELF_DIGEST], unsigned form);

/* Makes a short way from the digest of a request to an answer. */
void weir_shelf_alias(weir_shelf_t *s,
    const unsigned char raw[WEIR_SHELF_DIGEST],
    const unsigned char question[WEIR_SHELF_DIGEST], unsigned form,
    int64_t now);

/* One more use of a question; how many these are, as far as it is known. */
unsigned weir_shelf_use(weir_shelf_t *s,
    const unsigned char question[WEIR_SHELF_DIGEST], int64_t now);

/* Whoever is told true refreshes the answer; nobody else is, until then, or
 * until it is put.  until 0: it is not refreshed after all. */
bool weir_shelf_refresh(weir_shelf_t *s,
    const unsigned char question[WEIR_SHELF_DIGEST], unsigned form,
    int64_t now, int64_t until);

/* What a purge is told by; without the lock. */
uint64_t weir_shelf_mark(const weir_shelf_t *s, weir_str_t text);
void weir_shelf_mark_add(const weir_shelf_t *s, weir_shelf_meta_t *meta,
    weir_str_t text);

/* How many purges there were; without the lock. */
uint64_t weir_shelf_purges(const weir_shelf_t *s);

/* Purges what has the mark, "count" nodes from *cursor on, which is 0 at first
 * and 0 again when all is done.  From the first of these calls on nothing is
 * put that was asked before. */
void weir_shelf_purge(weir_shelf_t *s, uint64_t mark, uint32_t *cursor,
    uint32_t count);

/* Purges a question in all forms; all there is. */
void weir_shelf_purge_question(weir_shelf_t *s,
    const unsigned char question[WEIR_SHELF_DIGEST]);
void weir_shelf_purge_all(weir_shelf_t *s);

void weir_shelf_stats(const weir_shelf_t *s, weir_shelf_stats_t *stats_r);


#endif /* WEIR_SHELF_H */
