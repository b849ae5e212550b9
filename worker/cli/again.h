/*
 * A finished job again, as a new one of the same owner.  The old one keeps its
 * end and learns what became of it.
 */

#ifndef AGAIN_H
#define AGAIN_H


#include "redis.h"

#include "weir_id.h"


typedef struct {
    const char  *id;                /* the old one, without "job_" */
    unsigned     shard;
    bool         force;             /* even if it completed, or was retried */
    char         as[WEIR_ID_LEN + 1];   /* the new one */
} again_t;


/* CLI_OK: g->as is in Redis and will run. */
int again_submit(redis_t *r, again_t *g);


#endif /* AGAIN_H */
