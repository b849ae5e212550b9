/*
 * A delta: a piece of what an answer will be, in no dialect, as soon as the
 * provider has said it.  What Redis carries of a run that is under way is a
 * JSON array of these, and part of the Redis contract:
 *
 * {"model":"m"}                            who answers
 * {"i":0,"p":1,"t":"text","s":"Hi"}        part p of choice i goes on
 * {"i":0,"p":2,"t":"tool_call","id":"c","name":"f","s":""}   and begins
 * {"i":0,"p":3,"part":{...}}               a whole part, as an outcome has it
 * {"i":0,"x":{...}}                        other members of the choice
 * {"i":0,"stop":"end"}                     as in an outcome
 * {"usage":{"input":3,"output":4}}         either may be missing
 * {"x":{...}}                              members of "extra"
 *
 * s is text, and for a tool call its arguments.
 */

#ifndef WEIR_DELTA_H
#define WEIR_DELTA_H


#include "weir_json.h"


/* what a provider may count up to */
#define WEIR_DELTA_CHOICES  128
#define WEIR_DELTA_PARTS    4096

/* bytes of text in one delta of a list */
#define WEIR_DELTA_TEXT     8192


typedef enum {
    WEIR_DELTA_MODEL = 0,       /* s */
    WEIR_DELTA_TEXT_OF,         /* choice, part, type, s; id and name */
    WEIR_DELTA_PART,            /* choice, part, x */
    WEIR_DELTA_CHOICE,          /* choice, x */
    WEIR_DELTA_STOP,            /* choice, s */
    WEIR_DELTA_USAGE,           /* input, output */
    WEIR_DELTA_EXTRA            /* x */
} weir_delta_e;


/* All is borrowed. */

typedef struct {
    weir_delta_e   kind;
    unsigned       choice;
    unsigned       part;
    weir_str_t     type;        /* of the part, as an outcome has it */
    weir_str_t     id;          /* of a tool call; data NULL: not said now */
    weir_str_t     name;        /* likewise */
    weir_str_t     s;
    long long      input;       /* tokens; -1: not said */
    long long      output;      /* likewise */
    weir_json_t   *x;           /* an object */
} weir_delta_t;


/* Other than 0: no more of them. */
typedef int (*weir_delta_pt)(void *arg, const weir_delta_t *d);


/*
 * Deltas on their way, as text.  Neighbours that go on in the same part become
 * one, a long text several.
 */

typedef struct {
    weir_buf_t  text;           /* each ends with a newline */
    unsigned    choice;
    unsigned    part;
    size_t      room;           /* bytes that the last one may still get; 0:
                                   nothing can be added to it */
} weir_deltas_t;


void weir_deltas_init(weir_deltas_t *list, size_t limit);
void weir_deltas_free(weir_deltas_t *list);
void weir_deltas_reset(weir_deltas_t *list);

/* -1: no memory, or above the limit. */
int weir_deltas_add(weir_deltas_t *list, const weir_delta_t *d);

/* Moves the first ones into out, as an array: as many as have max bytes, but
 * one at least.  false: there are none. */
bool weir_deltas_take(weir_deltas_t *list, size_t max, weir_buf_t *out);

/* Calls fn for each delta of an array; those of a form that it does not know
 * are passed over.  0, or what fn returned; -1: it is none. */
int weir_deltas_read(weir_str_t array, weir_delta_pt fn, void *arg);


#endif /* WEIR_DELTA_H */
