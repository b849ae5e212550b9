/*
 * The supervisor: starts runners, restarts what dies, passes signals on, and
 * answers for all of them.
 */

#ifndef SUPERVISOR_H
#define SUPERVISOR_H


#include "conf.h"


/* Runs until told to leave; takes *conf.  Returns the exit code. */
int supervisor_main(conf_t **conf, const char *path);


#endif /* SUPERVISOR_H */
