/*
 * Where answers are kept.  The Redis that keeps them gets an id that stays, and
 * the queue is told that id, so that an edge that looks elsewhere can notice
 * it; and so can a worker whose neighbour keeps them elsewhere.  Nothing
 * depends on it: what fails is done at the next pass of the sweeper.
 */

#include "runner.h"

#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "weir_txn_ask.h"


#define PLACE_ID     32                 /* bytes */
#define PLACE_TIMES  3                  /* in a row, before it is said */


struct place_s {
    runner_t      *runner;
    char           id[PLACE_ID + 1];
    bool           busy;
    unsigned       others;              /* told elsewhere, in a row */
};


static void
place_on_told(void *data, const weir_answer_t *answer)
{
    place_t     *p;
    weir_str_t   before;

    p = data;
    p->busy = false;

    if (answer->code != WEIR_ANSWER_OK) {
        return;
    }

    before = weir_reply_str(answer->reply);

    if (before.len == 0 || weir_str_eq(before, weir_str_of(p->id))) {
        p->others = 0;
        return;
    }

    if (p->others < PLACE_TIMES && ++p->others == PLACE_TIMES) {
        LOG(LOG_ERROR, "answers_elsewhere",
            log_text("reason", "another worker keeps answers in another "
                     "Redis: \"cache_redis\" must be the same for all"));
    }
}


static void
place_on_id(void *data, const weir_answer_t *answer)
{
    place_t     *p;
    runner_t    *r;
    weir_str_t   id;
    weir_txn_t  *t;

    p = data;
    r = p->runner;
    p->busy = false;

    id = weir_txn_place_read(answer);

    if (id.len == 0 || id.len > PLACE_ID) {
        return;
    }

    snprintf(p->id, sizeof(p->id), "%.*s", (int) id.len, id.data);

    t = runner_txn(r);
    weir_txn_place_tell(t, RUNNER_SHARD, p->id);
    p->busy = redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout,
                         place_on_told, p) == 0;
}


void
place_tell(place_t *p)
{
    char         id[PLACE_ID + 1];
    runner_t    *r;
    weir_txn_t  *t;

    r = p->runner;

    if (p->busy) {
        return;
    }

    snprintf(id, sizeof(id), "%08x%08x%08x%08x", mem_chance(), mem_chance(),
             mem_chance(), mem_chance());

    t = runner_txn(r);
    weir_txn_place(t, RUNNER_SHARD, id);

    p->busy = (r->keeping
               ? redis_send(r->keeping, t, (uint64_t) r->conf->cache.timeout,
                            place_on_id, p)
               : redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout,
                            place_on_id, p)) == 0;
}


place_t *
place_create(runner_t *r)
{
    place_t  *p;

    p = mem_alloc(sizeof(place_t));
    p->runner = r;

    return p;
}


void
place_destroy(place_t **pp)
{
    free(*pp);
    *pp = NULL;
}
