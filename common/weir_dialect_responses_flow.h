/*
 * The items of a response as numbered events, one item after the other.  Shared
 * by the files of the Responses dialect, nobody else includes it.
 *
 * An event has one number, and a piece of text one for each byte, of which its
 * event has the last: so numbers depend on what was said, and not on how it was
 * cut, and whoever has read up to a number can be sent exactly the rest.
 */

#ifndef WEIR_DIALECT_RESPONSES_FLOW_H
#define WEIR_DIALECT_RESPONSES_FLOW_H


#include "weir_delta.h"
#include "weir_dialect_responses_item.h"
#include "weir_toolcalls.h"


typedef struct {
    weir_buf_t    *out;                 /* borrowed */
    weir_str_t     job;                 /* borrowed */
    int64_t        next;                /* number */
    int64_t        from;                /* numbers below are not said */

    weir_json_t   *items;               /* that have ended */
    weir_json_t   *content;             /* of the item: parts that have */
    weir_item_e    kind;                /* of the item that is open */
    weir_buf_t     item;                /* its id */
    bool           open;                /* a part of it is */
    unsigned       part;                /* its number */
    weir_buf_t     type;
    weir_buf_t     id;
    weir_buf_t     name;
    weir_buf_t     text;

    weir_toolcalls_t  calls;
} weir_flow_t;


void weir_flow_free(weir_flow_t *w);

/* A part begins or goes on.  -1: no memory, or a call goes on that has
 * ended. */
int weir_flow_say(weir_flow_t *w, weir_item_e kind, const weir_delta_t *d);

/* Is a call open whose arguments are not whole? */
bool weir_flow_calls(const weir_flow_t *w);

/* Ends the item that is open, if one is. */
int weir_flow_close(weir_flow_t *w, const char *status);

/* An event with a number, and members between the two; false: it is not to be
 * said, and has been counted. */
bool weir_flow_begin(weir_flow_t *w, const char *type);
void weir_flow_end(weir_flow_t *w);


#endif /* WEIR_DIALECT_RESPONSES_FLOW_H */
