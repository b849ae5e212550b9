/*
 * How many calls came and how they ended, in all and for each tag.
 */

#ifndef MOCK_CALLS_H
#define MOCK_CALLS_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mock_buf.h"


enum {
    MOCK_TAGS_MAX = 100000
};

enum mock_end {
    MOCK_END_COMPLETED,         /* the answer was sent to its last byte */
    MOCK_END_ABORTED,           /* the client left before */
    MOCK_END_CUT                /* the plan wanted the connection closed */
};

struct mock_calls;

/* What a call remembers between its begin and its end. */
struct mock_ticket {
    const char  *tag;           /* of the table; NULL: none */
    uint64_t     era;           /* resets before the call */
    uint64_t     turn;          /* 1..: calls of the tag up to this one */
};


struct mock_calls *mock_calls_init(void);
void mock_calls_deinit(struct mock_calls **calls);

/* From now on each call with a tag leaves two lines in this file:
 *
 *     <ms since 1970> begin <tag> <turn>
 *     <ms since 1970> end <tag> <turn> completed|aborted|cut
 *
 * Each is one write.  The descriptor stays the caller's; -1: none. */
void mock_calls_log(struct mock_calls *calls, int fd);

/* Counts a call; the ticket has no tag yet. */
void mock_calls_begin(struct mock_calls *calls, struct mock_ticket *ticket);

/* Counts it for the tag, or "" for calls without one; false: the table is
 * full and the tag is new. */
bool mock_calls_tag(struct mock_calls *calls, struct mock_ticket *ticket,
    const char *tag);

void mock_calls_end(struct mock_calls *calls, struct mock_ticket *ticket,
    enum mock_end end);

/* Forgets all but the calls that are open. */
void mock_calls_reset(struct mock_calls *calls);

/* As JSON: all, and one tag. */
void mock_calls_write(const struct mock_calls *calls, struct mock_buf *out);
void mock_calls_write_tag(const struct mock_calls *calls, const char *tag,
    struct mock_buf *out);


#endif /* MOCK_CALLS_H */
