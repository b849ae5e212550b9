/*
 * The events of a stream in a client's dialect, made of deltas as they come.
 * Each dialect has a row of functions; who streams calls what is declared here.
 */

#ifndef WEIR_RENDER_H
#define WEIR_RENDER_H


#include "weir_delta.h"
#include "weir_failure.h"


typedef struct weir_render_s  weir_render_t;


typedef struct {
    int   (*delta)(weir_render_t *r, const weir_delta_t *d);
    int   (*end)(weir_render_t *r);
    void  (*fail)(weir_render_t *r, const weir_failure_t *f);
    void  (*free)(weir_render_t *r);
    const char  *ping;                  /* what says nothing, once it has begun;
                                           NULL: a comment */
    int   (*begin)(weir_render_t *r);   /* NULL: it says nothing then */
} weir_render_dialect_t;


/* The texts must live as long; all but dialect and out may be empty. */

struct weir_render_s {
    const weir_render_dialect_t  *dialect;
    weir_str_t                    id;           /* of the job, or the run */
    weir_str_t                    request_id;
    weir_str_t                    model;        /* until it is said */
    int64_t                       created;      /* s */
    bool                          usage;        /* it is to be shown */
    weir_buf_t                   *out;

    /* of a dialect that numbers its events */
    weir_str_t                    echo;         /* of the request, as kept */
    int64_t                       base;         /* number of the first; may
                                                   grow until there is text */
    int64_t                       from;         /* those below are not said */
    bool                          over;         /* what fails is the job, not
                                                   its stream alone */

    void                         *own;          /* the dialect's */
};


/* What can be said before there is an answer; once, or not at all. */
int weir_render_begin(weir_render_t *r);

/* What a delta says, appended to out.  -1: no memory, or a delta that cannot be
 * after what came before. */
int weir_render_delta(weir_render_t *r, const weir_delta_t *d);

/* The clean end; once, after all choices have stopped. */
int weir_render_end(weir_render_t *r);

/* The end of a stream that is not whole. */
void weir_render_fail(weir_render_t *r, const weir_failure_t *f);

/* Gives back what the dialect holds; not out. */
void weir_render_free(weir_render_t *r);


/* A text goes out in pieces of about 64 bytes, and no more than 64 pieces: each
 * has all of an event round it.  How many bytes they have, of a text of so
 * many. */
size_t weir_render_piece_size(size_t len);

/* The first piece of the rest, cut between characters; false: there is none. */
bool weir_render_piece(weir_str_t *rest, size_t size, weir_str_t *piece_r);


extern const weir_render_dialect_t  weir_render_openai;
extern const weir_render_dialect_t  weir_render_anthropic;
extern const weir_render_dialect_t  weir_render_responses;


#endif /* WEIR_RENDER_H */
