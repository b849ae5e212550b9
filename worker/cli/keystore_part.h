/*
 * What a kind of store does for keystore.c; nobody else includes it.
 */

#ifndef KEYSTORE_PART_H
#define KEYSTORE_PART_H


#include "keyfile.h"
#include "keystore.h"


/* All return an exit status, after a message. */

typedef struct {
    int  (*open)(keystore_t *s, const keystore_options_t *o);
    void (*close)(keystore_t *s);
    int  (*now)(keystore_t *s, int64_t *now_r);
    int  (*empty)(keystore_t *s, bool *empty_r);

    /* the line of a public id, watched if the store was opened for a change;
     * left as it is: there is none */
    int  (*get)(keystore_t *s, weir_str_t id, weir_buf_t *line);

    /* its new line; *done_r is false if somebody else was faster */
    int  (*put)(keystore_t *s, weir_str_t id, weir_str_t line, bool anyway,
                bool *done_r);

    int  (*each)(keystore_t *s, keystore_see_pt fn, void *data);
} keystore_ops_t;

extern const keystore_ops_t  keystore_file_ops;
extern const keystore_ops_t  keystore_redis_ops;


struct keystore_s {
    const keystore_ops_t  *ops;
    const char            *name;
    bool                   change;
    bool                   wrote;           /* or tried to */
    keyfile_t              file;
    redis_t               *redis;
};


/* The record that stands under id. */
int keystore_read(weir_str_t line, weir_str_t id, weir_key_t *key);


#endif /* KEYSTORE_PART_H */
