/*
 * A cell: a process that asks providers on behalf of a runner, for runs that
 * may be what killed a process before.
 */

#ifndef CELL_H
#define CELL_H


#include "conf.h"


#define CELL_BEAT_EVERY  1000           /* ms */

/* Until the other end of fd is closed; the exit code. */
int cell_main(const conf_t *conf, int fd);


#endif /* CELL_H */
