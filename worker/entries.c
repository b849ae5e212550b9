/*
 * Entries of the ready streams: from a reply to jobs.  What is pending in our
 * name and cannot be run now is handed back at once, for others to take.
 */

#define _GNU_SOURCE                 /* memrchr */

#include "queue.h"

#include "log.h"


int
entries_class(const weir_reply_t *stream)
{
    weir_str_t   name;
    const char  *colon;

    name = weir_reply_str(stream);
    colon = name.len ? memrchr(name.data, ':', name.len) : NULL;

    if (colon == NULL) {
        return -1;
    }

    name.len -= (size_t) (colon + 1 - name.data);
    name.data = colon + 1;

    return weir_class_parse(name);
}


static void
entries_drop_nil(runner_t *r, weir_class_e class, const char *entry)
{
    weir_txn_t  *t;

    t = runner_txn(r);
    weir_txn_drop(t, RUNNER_SHARD, "", class, entry, false, weir_str_null, 0,
                  NULL);
    (void) redis_send(r->cmd, t, (uint64_t) r->conf->redis.timeout, NULL, NULL);
}


size_t
entries_take(runner_t *r, weir_class_e class, const weir_reply_t *entries,
    char after_r[QUEUE_ID_MAX])
{
    size_t               i, n;
    weir_str_t           id;
    const weir_reply_t  *entry, *fields;

    n = 0;

    for (i = 0; i < weir_reply_count(entries); i++) {
        entry = weir_reply_at(entries, i);
        fields = weir_reply_at(entry, 1);
        id = weir_reply_str(weir_reply_at(entry, 0));

        if (id.len == 0 || id.len >= QUEUE_ID_MAX) {
            continue;
        }

        memcpy(after_r, id.data, id.len);
        after_r[id.len] = '\0';

        if (jobs_holds(r->jobs, class, id)) {
            continue;
        }

        if (weir_reply_is_nil(fields)) {
            entries_drop_nil(r, class, after_r);
            continue;
        }

        if (r->state == RUNNER_LEAVING || !gate_is_open(r->gate)
            || jobs_free(r->jobs) == 0)
        {
            lease_hand_back_entry(r->lease, class, id);
            continue;
        }

        claim_entry(r, class, id, weir_reply_field(fields, WEIR_ENTRY_RUN),
                    weir_reply_field(fields, WEIR_ENTRY_GEN));
        n++;
    }

    lease_hand_back_flush(r->lease);

    return n;
}
