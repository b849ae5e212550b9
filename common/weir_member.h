/*
 * Members of a client's body: the forms that they may have, and what is said of
 * one that has another.
 */

#ifndef WEIR_MEMBER_H
#define WEIR_MEMBER_H


#include "weir_failure.h"
#include "weir_json.h"


typedef enum {
    WEIR_MEMBER_INTEGER = 0,        /* min to max */
    WEIR_MEMBER_NUMBER,             /* likewise */
    WEIR_MEMBER_STRING,
    WEIR_MEMBER_BOOL,
    WEIR_MEMBER_OBJECT,
    WEIR_MEMBER_TYPED,              /* an object that has a "type" */
    WEIR_MEMBER_OTHER,              /* it is checked where it is read */
    WEIR_MEMBER_UNSUPPORTED         /* likewise */
} weir_member_e;

/* where it goes under its own name */

typedef enum {
    WEIR_TO_NONE = 0,
    WEIR_TO_PARAMS,
    WEIR_TO_EXTRA
} weir_member_to_e;


typedef struct {
    const char        *name;
    weir_member_e      form;
    weir_member_to_e   to;
    double             min;
    double             max;
} weir_member_t;


/* What is asked of any body: it is an object, and names a model as a model may
 * be named.  0; -1: f says what is wrong. */
int weir_member_body(const weir_json_t *body, weir_failure_t *f);

/* Of a table that ends with a NULL; NULL: it is not there. */
const weir_member_t *weir_member_find(const weir_member_t *table,
    const char *name);

/* 0; -1: f says what it must be. */
int weir_member_check(const weir_member_t *m, const weir_json_t *value,
    weir_failure_t *f);

/* -1; f: "<param>" <what>, and it is to blame. */
int weir_member_wrong(weir_failure_t *f, const char *param, const char *what);


#endif /* WEIR_MEMBER_H */
