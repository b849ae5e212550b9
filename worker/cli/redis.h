/*
 * A blocking Redis client for commands that ask a few things and end.  Each
 * call has the deadline that was given at the start.
 */

#ifndef REDIS_H
#define REDIS_H


#include "weir_resp.h"


typedef struct {
    const char  *address;           /* "unix:/path" or "host:port" */
    const char  *password_file;     /* NULL: no AUTH */
    const char  *db;                /* NULL: 0 */
    unsigned     seconds;           /* for the whole command; 0: 5 */
} redis_options_t;

typedef struct redis_s  redis_t;


/* Connects, authenticates, selects.  Returns an exit status, after a
 * message. */
int redis_open(redis_t **r, const redis_options_t *o);
void redis_close(redis_t **r);

/* Sends and waits.  fn sees the answer if it is OK; another one is said, and
 * CLI_FAILED returned. */
int redis_ask(redis_t *r, const weir_txn_t *t, weir_answer_pt fn, void *data);


#endif /* REDIS_H */
