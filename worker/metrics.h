/*
 * The supervisor's HTTP server: /metrics, /livez, /readyz.
 */

#ifndef METRICS_H
#define METRICS_H


#include "counters.h"


typedef struct metrics_s  metrics_t;


/* address as in worker.conf; n slots of counters, of which the supervisor may
 * write to none meanwhile.  NULL: error_r, of CONF_ERROR bytes, says why. */
metrics_t *metrics_create(const char *address, const counters_t *counters,
    size_t n, char *error_r);
void metrics_destroy(metrics_t **m);

/* The descriptor to poll for input, and the ms until metrics_run() is wanted
 * anyway; -1: not. */
int metrics_fd(const metrics_t *m);
int metrics_timeout(const metrics_t *m);

void metrics_run(metrics_t *m);


#endif /* METRICS_H */
