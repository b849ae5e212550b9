/*
 * The HTTP server: the routes of both dialects and those under /mock/.
 */

#ifndef MOCK_SERVER_H
#define MOCK_SERVER_H


#include <stdbool.h>

#include "mock_loop.h"
#include "mock_plan.h"


struct mock_server;


/* Takes the listening socket over; NULL: libmicrohttpd did not start. */
struct mock_server *mock_server_init(struct mock_loop *loop, int listener,
    unsigned connections, const struct mock_plan *plan);

/* See mock_calls_log(). */
void mock_server_log(struct mock_server *server, int fd);

/* Ends all connections at once. */
void mock_server_deinit(struct mock_server **server);

/* To be called after each turn of the loop. */
void mock_server_run(struct mock_server *server);

/* Whether there is something to do before the loop may wait. */
bool mock_server_busy(struct mock_server *server);


#endif /* MOCK_SERVER_H */
