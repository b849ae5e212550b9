/*
 * A cell as its runner sees it: a socket, what goes out and comes in over it,
 * and whether it is alive.
 */

#ifndef CELL_LINK_H
#define CELL_LINK_H


#include "cell_msg.h"
#include "zygote.h"


typedef struct cell_links_s  cell_links_t;
typedef struct cell_link_s   cell_link_t;

/* Called from the loop. */

typedef struct {

    /* index and fields are within bounds, document is any bytes */
    void  (*on_answer)(void *data, uint32_t index, const cell_answer_t *answer,
                       weir_str_t document);

    /* the call was begun, and is to be paid if it comes to nothing */
    void  (*on_took)(void *data, uint32_t index, const provider_took_t *took);

    /* The process has ended with this status of waitpid(), or was never there
     * (ZYGOTE_NO_STATUS); all that it had answered has been told.  The link is
     * gone. */
    void  (*on_end)(void *data, int status);

    /* None can be had any more; all links have ended. */
    void  (*on_gone)(void *all);
} cell_events_t;


/* silence: ms without a sign of life after which a cell is killed */
cell_links_t *cell_links_create(loop_t *loop, zygote_t *zygote,
    size_t nproviders, uint64_t silence, const cell_events_t *events,
    void *all);

/* Open links end without a call. */
void cell_links_destroy(cell_links_t **links);

/* What was put goes out. */
void cell_links_flush(cell_links_t *links);

/* NULL: not now.  n: indexes of runs will be below it. */
cell_link_t *cell_link_open(cell_links_t *links, uint32_t n, void *data);

void cell_link_run(cell_link_t *link, uint32_t index, const cell_run_t *run,
    weir_str_t payload);
void cell_link_cancel(cell_link_t *link, uint32_t index);

/* Nothing more is wanted of it: it ends by itself, and no event comes. */
void cell_link_close(cell_link_t **link);


#endif /* CELL_LINK_H */
