/*
 * What a call asks for: its plan, its request, and whether it may.
 */

#ifndef MOCK_ASK_H
#define MOCK_ASK_H


#include <stdbool.h>
#include <microhttpd.h>

#include "mock_chat.h"
#include "mock_embed.h"
#include "mock_error.h"
#include "mock_plan.h"


struct mock_ask {
    enum mock_dialect  dialect;
    bool               embeds;      /* embed is used, and not chat */
    struct mock_plan   plan;
    struct mock_chat   chat;
    struct mock_embed  embed;
};


/* The dialect of the path, also of one that there is not. */
enum mock_dialect mock_ask_dialect(const char *path);

/* plan: what is not said otherwise */
void mock_ask_init(struct mock_ask *ask, const char *path,
    const struct mock_plan *plan);
void mock_ask_free(struct mock_ask *ask);

/* Reads headers and body; on failure error_r is filled. */
bool mock_ask_read(struct mock_ask *ask, struct MHD_Connection *connection,
    const struct mock_buf *body, struct mock_error *error_r);

/* Whether key, version and model are such as the plan wants them. */
bool mock_ask_allowed(const struct mock_ask *ask,
    struct MHD_Connection *connection, struct mock_error *error_r);

/* Whether the answer is to be a stream. */
bool mock_ask_streams(const struct mock_ask *ask);


#endif /* MOCK_ASK_H */
