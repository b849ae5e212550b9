/*
 * The records of API keys, wherever they are kept: in a key file, or in Redis.
 * A change reads one record and writes it as a whole, and of two at once none
 * is lost: a file is locked, Redis watches.
 */

#ifndef KEYSTORE_H
#define KEYSTORE_H


#include "redis.h"
#include "weir_apikey.h"


typedef struct keystore_s  keystore_t;

typedef struct {
    const char       *file;
    redis_options_t   redis;
} keystore_options_t;


/* the rows of a table of cli_option_t that fill them */
#define KEYSTORE_OPTIONS(o)                                                   \
    REDIS_OPTIONS((o).redis),                                                 \
    { "file", &(o).file, NULL, false }


/* What is to be done with a record, whose strings live as long as the call; an
 * exit status, after a message.  A change may be made again, if somebody else
 * was faster; *changed_r is false before. */
typedef int (*keystore_see_pt)(void *data, const weir_key_t *key);
typedef int (*keystore_change_pt)(void *data, weir_key_t *key,
    bool *changed_r);


/* Is it said where the keys are?  Before anything is opened. */
int keystore_check(const keystore_options_t *o);

/* To look only, or to change too.  Returns an exit status, after a message. */
int keystore_open(keystore_t **s, const keystore_options_t *o, bool change);
void keystore_close(keystore_t **s);

/* The name of the file, or the address. */
const char *keystore_name(const keystore_t *s);

/* The time, in s, by the clock that the records are for. */
int keystore_now(keystore_t *s, int64_t *now_r);

/* The pepper; a missing file is made only if there is no record yet: beside
 * records it is a wrong path, and a new pepper would give keys that nobody
 * accepts. */
int keystore_pepper(keystore_t *s, const char *path, weir_buf_t *pepper);

/* A record with a new public id. */
int keystore_add(keystore_t *s, const weir_key_t *key);

/* The last change failed, and may have been made nevertheless. */
bool keystore_is_lost(const keystore_t *s);

/* anyway: even if the rest of the file cannot be read. */
int keystore_change(keystore_t *s, const char *id, bool anyway,
    keystore_change_pt fn, void *data);

/* One record; all of them, up to the first failure of fn. */
int keystore_see(keystore_t *s, const char *id, keystore_see_pt fn,
    void *data);
int keystore_each(keystore_t *s, keystore_see_pt fn, void *data);


#endif /* KEYSTORE_H */
