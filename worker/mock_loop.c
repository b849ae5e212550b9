/*
 * The event loop; see mock_loop.h.  Knows nothing of HTTP.  A handler may
 * watch and unwatch, but what an event belongs to must live until the turn
 * is over.
 */

#include "mock_loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>


#define NS_PER_S   1000000000ull
#define BATCH      256


static int
checked(int rc, const char *what)
{
    if (rc == -1) {
        fprintf(stderr, "weir-mock-llm: %s: %s\n", what, strerror(errno));
        exit(1);
    }

    return rc;
}


uint64_t
mock_loop_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * NS_PER_S + (uint64_t) ts.tv_nsec;
}


static void
loop_on_signal(struct mock_event *event)
{
    struct mock_loop  *loop;

    loop = mock_container(event, struct mock_loop, signal_event);
    loop->stop = true;
}


/* setting the clock again, which must happen, makes it unreadable */
static void
loop_on_clock(struct mock_event *event)
{
    struct mock_loop  *loop;

    loop = mock_container(event, struct mock_loop, clock_event);
    loop->armed = 0;
}


void
mock_loop_init(struct mock_loop *loop)
{
    sigset_t  set;

    *loop = (struct mock_loop) { .armed = UINT64_MAX };

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);

    loop->epoll = checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    loop->signals = checked(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
                            "signalfd");
    loop->clock = checked(timerfd_create(CLOCK_MONOTONIC,
                                         TFD_CLOEXEC | TFD_NONBLOCK),
                          "timerfd_create");

    loop->signal_event.handler = loop_on_signal;
    loop->clock_event.handler = loop_on_clock;

    mock_loop_watch(loop, loop->signals, EPOLLIN, &loop->signal_event);
    mock_loop_watch(loop, loop->clock, EPOLLIN, &loop->clock_event);
}


void
mock_loop_deinit(struct mock_loop *loop)
{
    mock_timers_free(&loop->timers);
    close(loop->clock);
    close(loop->signals);
    close(loop->epoll);
}


void
mock_loop_watch(struct mock_loop *loop, int fd, uint32_t events,
    struct mock_event *event)
{
    struct epoll_event  ee;

    ee = (struct epoll_event) { .events = events, .data.ptr = event };
    checked(epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &ee), "epoll_ctl");
}


void
mock_loop_unwatch(struct mock_loop *loop, int fd)
{
    checked(epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL), "epoll_ctl");
}


/* a deadline that has passed already is armed as well: it fires at once */
static void
loop_arm(struct mock_loop *loop)
{
    uint64_t           due;
    struct itimerspec  its;

    due = mock_timers_next(&loop->timers);
    if (due == loop->armed) {
        return;
    }

    /* it_value of zero disarms */
    its = (struct itimerspec) { 0 };

    if (due != UINT64_MAX) {
        its.it_value.tv_sec = (time_t) (due / NS_PER_S);
        its.it_value.tv_nsec = (long) (due % NS_PER_S);
    }

    checked(timerfd_settime(loop->clock, TFD_TIMER_ABSTIME, &its, NULL),
            "timerfd_settime");
    loop->armed = due;
}


void
mock_loop_turn(struct mock_loop *loop, bool busy)
{
    int                 i, n;
    struct mock_event  *event;
    struct epoll_event  ready[BATCH];

    loop_arm(loop);

    n = epoll_wait(loop->epoll, ready, BATCH, busy ? 0 : -1);
    if (n == -1 && errno == EINTR) {
        n = 0;
    }

    checked(n, "epoll_wait");

    for (i = 0; i < n; i++) {
        event = ready[i].data.ptr;
        event->handler(event);
    }

    if (loop->timers.used) {
        mock_timers_run(&loop->timers, mock_loop_now());
    }
}
