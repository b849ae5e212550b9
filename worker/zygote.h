/*
 * The zygote: a process that a runner forks before it has a thread, and that
 * forks cells for it, which a process with threads must not do.
 *
 * Runner, zygote and cells end in this order whatever happens: the kernel
 * kills each when the one above it dies.
 */

#ifndef ZYGOTE_H
#define ZYGOTE_H


#include "conf.h"
#include "loop.h"


typedef struct zygote_s  zygote_t;

#define ZYGOTE_NO_STATUS  (-1)          /* it did not start at all */

typedef struct {
    /* status as from waitpid(), or ZYGOTE_NO_STATUS */
    void    (*on_death)(void *data, uint32_t id, int status);

    /* The zygote is gone, and all its cells with it. */
    void    (*on_gone)(void *data);
    void     *data;
} zygote_events_t;


/* In a process without threads.  NULL: errno says why. */
zygote_t *zygote_start(const conf_t *conf);

void zygote_attach(zygote_t *z, loop_t *loop, const zygote_events_t *events);

/* Ends it and what it forked, and waits for that; the loop is still there. */
void zygote_stop(zygote_t **z);

/* A cell at the other end of fd, which stays the caller's.  -1: not now. */
int zygote_spawn(zygote_t *z, uint32_t id, int fd);

/* SIGKILL, if it is still there. */
void zygote_kill(zygote_t *z, uint32_t id);

/* The log has been moved away. */
void zygote_reopen_log(zygote_t *z);


#endif /* ZYGOTE_H */
