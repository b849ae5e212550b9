/*
 * The processes of the runners: starts them, starts again what dies, tells them
 * to leave, and kills what hangs.
 */

#ifndef SLOTS_H
#define SLOTS_H


#include <signal.h>

#include "conf.h"
#include "counters.h"


#define SLOTS_MAX   (4 * CONF_RUNNERS_MAX)
#define SLOTS_LOOK  1000            /* ms between looks at them, at most */


typedef struct slots_s  slots_t;


/* counters: one for each slot and, behind them, the supervisor's own, which
 * is told of starts and deaths.  mask: of signals, for runners. */
slots_t *slots_create(counters_t *counters, const sigset_t *mask);

/* All must have ended. */
void slots_destroy(slots_t **slots);

/* Runners of conf, which from here on is that of all who are started; those
 * there are leave.  -1: too many are still leaving. */
int slots_renew(slots_t *slots, conf_t *conf);

void slots_stop(slots_t *slots);
bool slots_is_done(const slots_t *slots);

/* Each that runs gets the signal. */
void slots_signal(const slots_t *slots, int signo);

/* Some process has ended. */
void slots_reap(slots_t *slots);

/* Does what is due; returns the ms until the next time. */
int slots_due(slots_t *slots);

/* A runner has refused to run before any did: all have been told to leave. */
bool slots_are_refused(const slots_t *slots);


#endif /* SLOTS_H */
