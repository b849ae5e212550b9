/*
 * The one event loop: descriptors by epoll, deadlines by one timer
 * descriptor (so that the pace of a stream is finer than a millisecond), and
 * the signals that ask for the end.
 */

#ifndef MOCK_LOOP_H
#define MOCK_LOOP_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mock_timer.h"


/* The struct that the member is embedded in. */
#define mock_container(pointer, type, member)                                 \
    ((type *) ((char *) (pointer) - offsetof(type, member)))

/* Embedded in whatever the descriptor belongs to. */
struct mock_event {
    void  (*handler)(struct mock_event *event);
};

struct mock_loop {
    int                 epoll;
    int                 clock;          /* timerfd, armed for "armed" */
    int                 signals;        /* signalfd of SIGTERM, SIGINT */
    uint64_t            armed;          /* ns; UINT64_MAX: not armed */
    bool                stop;           /* a signal came */
    struct mock_event   clock_event;
    struct mock_event   signal_event;
    struct mock_timers  timers;
};


/* Blocks SIGTERM and SIGINT; ends the process with a message on failure. */
void mock_loop_init(struct mock_loop *loop);
void mock_loop_deinit(struct mock_loop *loop);

/* events as for epoll_ctl(); the descriptor stays the caller's */
void mock_loop_watch(struct mock_loop *loop, int fd, uint32_t events,
    struct mock_event *event);
void mock_loop_unwatch(struct mock_loop *loop, int fd);

/* One turn; busy: look, but do not wait. */
void mock_loop_turn(struct mock_loop *loop, bool busy);

/* ns, of the monotonic clock */
uint64_t mock_loop_now(void);


#endif /* MOCK_LOOP_H */
