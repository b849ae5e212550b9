/*
 * What a runner and a cell say to each other: frames over a stream socket, a
 * head, a part of fixed size, and bytes that whoever passes them on does not
 * look into.  Both ends are the same program on the same machine.
 */

#ifndef CELL_MSG_H
#define CELL_MSG_H


#include "provider.h"
#include "weir_trace.h"


/* longest frame from a cell: an outcome and what stands before it */
#define CELL_MSG_MAX      (WEIR_OUTCOME_MAX + 64 * 1024)

/* longest frame to a cell: Redis keeps no longer payload */
#define CELL_MSG_RUN_MAX  (1024UL * 1024 * 1024)

#define CELL_TEXT_MAX     256
#define CELL_DETAIL_MAX   128


typedef enum {
    CELL_RUN = 1,               /* cell_run_t, the payload */
    CELL_CANCEL,                /* no answer is wanted any more */
    CELL_BEAT,                  /* from the cell: its loop turns */
    CELL_ANSWER,                /* cell_answer_t, the outcome document */
    CELL_TOOK,                  /* provider_took_t: it is asked, and takes so
                                   much if nothing comes of it */
    CELL_TYPES
} cell_type_e;


typedef struct {
    int64_t             left;           /* ms to the deadline */
    int64_t             started;        /* ms, for the document */
    int64_t             clock;          /* Redis's ms less loop_now() */
    long long           attempts;       /* likewise */
    char                request_id[CELL_TEXT_MAX];
    char                trace[WEIR_TRACE_MAX + 1];
    char                model[CELL_TEXT_MAX];
} cell_run_t;


/* calls of the provider since the last answer */

typedef struct {
    uint64_t            calls;
    uint64_t            errors;
    uint64_t            refused;
    uint64_t            garbled;
    uint64_t            ms;
} cell_calls_t;


typedef struct {
    provider_verdict_e  verdict;        /* DONE: the document follows */
    int64_t             wait;           /* ms */
    provider_took_t     took;
    size_t              provider;       /* its index in conf; else SIZE_MAX */
    cell_calls_t        calls;
    weir_failure_t      error;          /* if not done */
    char                detail[CELL_DETAIL_MAX];
} cell_answer_t;


/* a frame that was taken; points into the reader until its next call */

typedef struct {
    cell_type_e         type;
    uint32_t            index;          /* of the run in its cell */
    const void         *fixed;          /* may not be aligned: copy it */
    weir_str_t          rest;
} cell_msg_t;


/* Zeroed with max set: empty. */

typedef struct {
    weir_buf_t          in;
    size_t              done;           /* bytes of it that were taken */
    size_t              max;            /* of a frame */
} cell_reader_t;


void cell_msg_put(weir_buf_t *out, cell_type_e type, uint32_t index,
    const void *fixed, weir_str_t rest);

typedef enum {
    CELL_EMPTY = 0,             /* that was all for now */
    CELL_MORE,                  /* there may be more: others first */
    CELL_CLOSED                 /* by the other end, or broken */
} cell_fill_e;

/* Reads what is there. */
cell_fill_e cell_reader_fill(cell_reader_t *r, int fd);
void cell_reader_free(cell_reader_t *r);

/* 1: a frame; 0: not yet; -1: that is none, and nothing after it is. */
int cell_reader_take(cell_reader_t *r, cell_msg_t *msg_r);

/* Writes what fits.  -1: the other end is gone. */
int cell_write(weir_buf_t *out, size_t *done, int fd);

/* Within its bounds. */
bool cell_took_read(const cell_msg_t *msg, provider_took_t *took_r);

/* An answer whose fields are within their bounds and whose texts end. */
bool cell_answer_read(const cell_msg_t *msg, size_t nproviders,
    cell_answer_t *answer_r);


#endif /* CELL_MSG_H */
