/*
 * Who there is to be harmed, and the course of the harm.
 */

#ifndef NEMESIS_H
#define NEMESIS_H


#include <sys/types.h>

#include "chaos.h"


#define TARGETS_MAX  64


typedef enum {
    FAULT_KILL = 0,             /* a runner, kill -9 */
    FAULT_PAUSE,                /* a runner, SIGSTOP beyond its lease */
    FAULT_HOST,                 /* a worker and its runners; back at once */
    FAULT_AWAY,                 /* the same; back much later */
    FAULT_REDIS,                /* kill -9, restarted from its AOF */
    FAULT_FREEZE,               /* Redis, SIGSTOP */
    FAULT_CLIENTS,              /* CLIENT KILL */
    FAULT_DROP_EDGE,            /* nginx: EXEC succeeds, its reply is lost */
    FAULT_DROP_WORKER,          /* likewise of a runner */
    FAULT_STALL,                /* a network where nothing moves */
    FAULT_NGINX,                /* a worker process of nginx, kill -9 */
    FAULT_RELOAD,               /* nginx -s reload */
    FAULT_KINDS
} fault_e;


typedef struct {
    fault_e       kind;
    unsigned      at;           /* ms after the start */
    unsigned      dice;         /* who and how long */
} fault_t;


typedef struct {
    pid_t         pid;
    char          consumer[80]; /* of a runner, by the lock that it holds */
} target_t;


extern const char *const  fault_names[];

/* The faults of a seed in the order of their times; the caller frees them. */
fault_t *course_make(uint64_t seed, unsigned ms, size_t *n_r);

/* Runners that are alive now; children of both masters of nginx; a server's
 * process, or 0. */
size_t targets_runners(target_t targets_r[TARGETS_MAX]);
size_t targets_nginx(target_t targets_r[TARGETS_MAX]);
pid_t target_server(const char *name);

/* it is no target any more */
void targets_killed(pid_t pid);


#endif /* NEMESIS_H */
