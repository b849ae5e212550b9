/*
 * The blocks of a message as events, one after the other: one that has ended
 * cannot go on.  Shared by the files of the Anthropic dialect, nobody else
 * includes it.
 */

#ifndef WEIR_DIALECT_ANTHROPIC_BLOCK_H
#define WEIR_DIALECT_ANTHROPIC_BLOCK_H


#include "weir_delta.h"
#include "weir_toolcalls.h"


typedef enum {
    WEIR_BLOCK_NONE = 0,
    WEIR_BLOCK_TEXT,
    WEIR_BLOCK_THINKING,
    WEIR_BLOCK_CALL
} weir_block_e;


typedef struct {
    weir_buf_t        *out;             /* borrowed */
    weir_toolcalls_t   calls;
    unsigned           index;           /* of the block */
    weir_block_e       open;
    unsigned           part;            /* that the block says */
    bool               refused;         /* a part was a refusal */
} weir_blocks_t;


void weir_blocks_free(weir_blocks_t *b);

/* NONE: no block of this dialect shows it. */
weir_block_e weir_blocks_kind(weir_blocks_t *b, weir_str_t type);

/* A part begins or goes on.  -1: no memory, or a call goes on that has
 * ended. */
int weir_blocks_text(weir_blocks_t *b, weir_block_e kind,
    const weir_delta_t *d);

/* A whole part, the n-th.  What the OpenAI dialect alone knows is not shown
 * here. */
int weir_blocks_whole(weir_blocks_t *b, unsigned n, weir_json_t *part);

/* Is a call open whose arguments are not whole? */
bool weir_blocks_calls(const weir_blocks_t *b);

/* Ends the block that is open, if one is. */
int weir_blocks_close(weir_blocks_t *b);

/* data is taken */
int weir_blocks_event(weir_blocks_t *b, const char *name, weir_json_t *data);


#endif /* WEIR_DIALECT_ANTHROPIC_BLOCK_H */
