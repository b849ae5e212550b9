/*
 * The events of a stream with all that a plan does to them: faults in the
 * middle, other line ends, pings, several at once.
 */

#ifndef MOCK_STREAM_H
#define MOCK_STREAM_H


#include <stdbool.h>
#include <stdint.h>

#include "mock_answer.h"
#include "mock_buf.h"
#include "mock_plan.h"


enum mock_next {
    MOCK_NEXT_BYTES,            /* to be sent */
    MOCK_NEXT_PAUSE,            /* wait for "pause", then ask again */
    MOCK_NEXT_CUT,              /* close the connection */
    MOCK_NEXT_END
};

struct mock_stream {
    struct mock_answer      *answer;    /* borrowed, as the plan is */
    const struct mock_plan  *plan;
    struct mock_buf          event;
    uint64_t                 events;    /* of the answer, so far */
    uint64_t                 pinged;    /* events at the last ping */
    uint64_t                 commented;
    uint64_t                 lines;
    bool                     paused;    /* that is behind us */
    bool                     spoilt;    /* as the faults in the middle are */
    bool                     over;
};


/* A zeroed struct may be freed too. */
void mock_stream_init(struct mock_stream *stream, struct mock_answer *answer);
void mock_stream_free(struct mock_stream *stream);

/* Adds what comes next to out, which is empty. */
enum mock_next mock_stream_next(struct mock_stream *stream,
    struct mock_buf *out);


#endif /* MOCK_STREAM_H */
