/*
 * A blocking Redis client for commands that ask a few things and end.  Each
 * call has the deadline that was given at the start.
 */

#ifndef REDIS_H
#define REDIS_H


#include "weir_resp.h"


typedef struct {
    const char  *address;           /* "unix:/path" or "host:port"; NULL:
                                       WEIR_REDIS of the environment */
    const char  *password_file;     /* NULL: no AUTH */
    const char  *db;                /* NULL: 0 */
    unsigned     seconds;           /* for the whole command; 0: 5 */
} redis_options_t;

typedef struct redis_s  redis_t;


/* the rows of a table of cli_option_t that fill them */
#define REDIS_OPTIONS(o)                                                      \
    { "redis", &(o).address, NULL, false },                                   \
    { "password-file", &(o).password_file, NULL, false },                     \
    { "db", &(o).db, NULL, false }


/* Connects, authenticates, selects.  Returns an exit status, after a
 * message. */
int redis_open(redis_t **r, const redis_options_t *o);
void redis_close(redis_t **r);

/* Ready to be opened?  Said before anything is asked. */
int redis_check(const redis_options_t *o);

/* Sends and waits.  fn sees the answer if it is OK; another one is said, and
 * CLI_FAILED returned. */
int redis_ask(redis_t *r, const weir_txn_t *t, weir_answer_pt fn, void *data);

/* The same for a transaction under WATCH: *done_r is false if nothing was done,
 * since somebody else was faster. */
int redis_exec(redis_t *r, const weir_txn_t *t, bool *done_r);

/* The last answer did not come: what was asked may be done or not. */
bool redis_is_lost(const redis_t *r);

/* Its clock, in ms. */
int redis_time(redis_t *r, int64_t *ms_r);


#endif /* REDIS_H */
