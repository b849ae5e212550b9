/*
 * Calls of tools that come one after the other: whether the arguments of the
 * one that is open are whole, and which have ended.
 */

#ifndef WEIR_TOOLCALLS_H
#define WEIR_TOOLCALLS_H


#include <stdbool.h>

#include "weir_str.h"


/* A zeroed struct has none. */

typedef struct {
    unsigned  *ended;                   /* their parts */
    unsigned   n;

    unsigned   depth;                   /* of the arguments */
    bool       quoted;
    bool       escaped;
    bool       whole;                   /* they are */
} weir_toolcalls_t;


void weir_toolcalls_free(weir_toolcalls_t *c);

/* A call begins, its arguments go on, and it ends.  -1: no memory. */
void weir_toolcalls_begin(weir_toolcalls_t *c);
void weir_toolcalls_scan(weir_toolcalls_t *c, weir_str_t s);
int weir_toolcalls_end(weir_toolcalls_t *c, unsigned part);

bool weir_toolcalls_ended(const weir_toolcalls_t *c, unsigned part);

/* Arguments of a call that has ended: space behind them says nothing.  -1: it
 * is not space alone. */
int weir_toolcalls_late(weir_str_t s);


#endif /* WEIR_TOOLCALLS_H */
