/*
 * Points where a test lets the worker fail.  Without -DWEIR_FAULTS ("make
 * FAULTS=1 BUILD=build/faults") they are nothing at all.
 *
 * WEIR_FAULT=NAME:ACTION[:WHEN][,...] in the environment of the worker
 *
 *   ACTION  kill (SIGKILL to itself), stop (SIGSTOP), abort
 *   WHEN    "7": the 7th time that any process of this worker comes by;
 *           "0.01": with this chance each time; nothing: every time
 *
 * A request whose text holds one of these does it when it has been parsed:
 *
 *   [[poison]]         abort
 *   [[poison hang]]    loops for ever
 *   [[poison memory]]  takes memory until there is none, then aborts
 */

#ifndef FAULT_H
#define FAULT_H


#include "weir_str.h"


#ifdef WEIR_FAULTS

#define FAULT(name)          fault_point(name, false)
#define FAULT_SENT(name)     fault_point(name, true)
#define FAULT_TURN()         fault_turn()
#define FAULT_REQUEST(text)  fault_request(text)

#else

#define FAULT(name)          ((void) 0)
#define FAULT_SENT(name)     ((void) 0)
#define FAULT_TURN()         ((void) 0)
#define FAULT_REQUEST(text)  ((void) 0)

#endif


/* Once, before the first fork.  -1: error_r, of size bytes, says what is wrong
 * with WEIR_FAULT. */
int fault_init(char *error_r, size_t size);

/* late: not before fault_turn(), when what this turn wrote has left. */
void fault_point(const char *name, bool late);
void fault_turn(void);
void fault_request(weir_str_t text);


#endif /* FAULT_H */
