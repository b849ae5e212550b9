/*
 * One call of an LLM: understood, delayed, answered or not, as its plan says.
 */

#ifndef MOCK_CALL_H
#define MOCK_CALL_H


#include <stdbool.h>
#include <stdint.h>
#include <microhttpd.h>

#include "mock_buf.h"
#include "mock_calls.h"
#include "mock_last.h"
#include "mock_loop.h"
#include "mock_plan.h"


struct mock_call;

/* What all calls share; the server owns it. */
struct mock_context {
    struct mock_loop   *loop;
    struct mock_calls  *calls;
    struct mock_last    last;
    struct mock_plan    plan;       /* of calls that do not say more */
    struct mock_call   *live;       /* list of all calls */
    uint64_t            requests;   /* numbers the answers of all routes */
};


/*
 * Begins the call whose body has arrived (and which is taken over); may queue
 * the answer, or suspend the connection, or want it closed: the result is
 * what libmicrohttpd's access handler shall return.
 */
enum MHD_Result mock_call_begin(struct mock_context *context,
    struct MHD_Connection *connection, const char *path,
    struct mock_buf *body, struct mock_call **call_r);

/* Goes on after the connection was resumed; result as above. */
enum MHD_Result mock_call_continue(struct mock_call *call);

/* whole: the last byte of the answer was sent.  Frees the call. */
void mock_call_end(struct mock_call **call, bool whole);

/* Resumes all suspended calls for the server's end. */
void mock_call_leave_all(struct mock_context *context);


#endif /* MOCK_CALL_H */
