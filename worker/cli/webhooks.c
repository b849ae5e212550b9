/*
 * The commands on webhooks: what waits to be delivered, and again from the
 * start.  Never shows a secret or a body.
 */

#include "cli.h"
#include "record.h"
#include "redis.h"

#include <stdio.h>
#include <stdlib.h>

#include "weir_json.h"
#include "weir_txn_hook.h"


#define WEBHOOKS_MOST  1000


typedef struct {
    bool           json;
    redis_t       *redis;
    weir_entry_t   entry;           /* the one that is asked for */
    int64_t        due;             /* ms */
    weir_json_t   *list;
    weir_str_t     members[WEBHOOKS_MOST];
    int64_t        dues[WEBHOOKS_MOST];
    size_t         n;
    weir_buf_t     text;            /* what members point into */

    /* for redeliver */
    bool           final;
    bool           hook;            /* it has a webhook */
    bool           busy;            /* it is being sent just now */
    char           endpoint[WEIR_HOOK_DIGEST_MAX];
} webhooks_t;


/* list */

static void
webhooks_print(const webhooks_t *w, const weir_hook_t *h, weir_str_t url)
{
    char  due[RECORD_TIME], status[16];

    snprintf(status, sizeof(status), h->status ? "%lld" : "-", h->status);

    printf(WEIR_JOB_PREFIX "%s  %s  %5lld  %6s  %.*s", w->entry.id,
           record_time(due, w->due), h->tries, status, (int) url.len,
           url.data ? url.data : "");

    if (h->error.len) {
        printf("  %.*s", (int) h->error.len, h->error.data);
    }

    putchar('\n');
}


static void
webhooks_on_look(void *data, const weir_answer_t *answer)
{
    int           rc;
    char          job[64];
    webhooks_t   *w = data;
    weir_str_t    url, owner;
    weir_hook_t   h;
    weir_json_t  *o;

    if (!weir_txn_hook_read(answer, &h)) {
        return;
    }

    url = h.url.len ? h.url : h.job.hook_url;
    owner = h.owner.len ? h.owner : h.job.owner;

    if (!w->json) {
        webhooks_print(w, &h, url);
        return;
    }

    snprintf(job, sizeof(job), WEIR_JOB_PREFIX "%s", w->entry.id);
    o = weir_json_object();

    rc = record_set(o, "job", weir_str_of(job));
    rc |= record_set(o, "owner", owner);
    rc |= record_set(o, "url", url);
    rc |= record_set_time(o, "due", w->due);
    rc |= record_set_int(o, "tries", h.tries);
    rc |= record_set_time(o, "last_try", h.at);
    rc |= h.status ? record_set_int(o, "last_status", h.status)
                   : record_set(o, "last_status", weir_str_null);
    rc |= record_set(o, "last_error", h.error);

    if (rc != 0) {
        weir_json_free(&o);
    }

    (void) weir_json_add_take(w->list, o);
}


/* members and scores in turn; the answer does not stay */

static void
webhooks_on_list(void *data, const weir_answer_t *answer)
{
    size_t       i, at;
    webhooks_t  *w = data;
    weir_str_t   s;

    for (i = 0; i < weir_reply_count(answer->reply); i += 2) {
        weir_buf_str(&w->text, weir_reply_str(weir_reply_at(answer->reply, i)));
    }

    for (i = at = 0; i + 1 < weir_reply_count(answer->reply)
                     && w->n < WEBHOOKS_MOST && !w->text.failed; i += 2)
    {
        s = weir_reply_str(weir_reply_at(answer->reply, i));
        w->members[w->n] = (weir_str_t) { w->text.data + at, s.len };
        at += s.len;

        s = weir_reply_str(weir_reply_at(answer->reply, i + 1));
        w->dues[w->n++] = s.len ? (int64_t) strtod(s.data, NULL) : 0;
    }
}


static int
webhooks_list_all(webhooks_t *w)
{
    int         rc;
    size_t      i;
    weir_txn_t  t;

    weir_txn_init(&t);
    weir_txn_hooks_list(&t, RECORD_SHARD, WEBHOOKS_MOST);
    rc = redis_ask(w->redis, &t, webhooks_on_list, w);

    if (rc == CLI_OK && w->n && !w->json) {
        printf("%-28s  %-24s  %s  %s  %s\n", "job", "due", "tries", "status",
               "url");
    }

    for (i = 0; i < w->n && rc == CLI_OK; i++) {
        if (!weir_entry_read(w->members[i], RECORD_SHARD, &w->entry)) {
            continue;
        }

        w->due = w->dues[i];
        weir_txn_reset(&t);
        weir_txn_hook_look(&t, &w->entry);
        rc = redis_ask(w->redis, &t, webhooks_on_look, w);
    }

    weir_txn_free(&t);

    return rc;
}


int
webhooks_list(int argc, char **argv)
{
    int                rc;
    redis_options_t    o = { 0 };
    static webhooks_t  w;               /* it is large */

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { "json", NULL, &w.json, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, NULL, 0);

    if (rc == CLI_OK) {
        rc = redis_open(&w.redis, &o);
    }

    if (rc != CLI_OK) {
        return rc;
    }

    w.list = weir_json_array();
    rc = webhooks_list_all(&w);
    redis_close(&w.redis);

    if (rc == CLI_OK && w.json) {
        rc = record_print_json(w.list);
    }

    weir_json_free(&w.list);
    weir_buf_free(&w.text);

    return rc == CLI_OK ? cli_flush() : rc;
}


/* redeliver */

static void
webhooks_on_found(void *data, const weir_answer_t *answer)
{
    bool          kept;
    webhooks_t   *w = data;
    weir_str_t    token, url, owner;
    weir_hook_t   h;

    if (!weir_txn_hook_read(answer, &h)) {
        return;
    }

    /* what was stored outlives the records; what was delivered is not */

    kept = (h.body.len > 0);
    token = kept ? h.token : h.run.token;
    url = kept ? h.url : h.job.hook_url;
    owner = kept ? h.owner : h.job.owner;

    w->final = (token.len > 0 && token.len <= WEIR_HOOK_TOKEN_MAX);
    w->hook = (url.len > 0 && weir_hook_endpoint(owner, url, w->endpoint) == 0);

    if (w->final) {
        memcpy(w->entry.token, token.data, token.len);
        w->entry.token[token.len] = '\0';
    }
}


static void
webhooks_on_locked(void *data, const weir_answer_t *answer)
{
    webhooks_t  *w = data;

    w->busy = weir_reply_int(answer->reply) == 1;
}


/* What comes of a try under way would undo ours. */

static int
webhooks_wait_turn(webhooks_t *w, weir_txn_t *t)
{
    int  rc;

    weir_txn_reset(t);
    weir_txn_hook_is_locked(t, &w->entry);
    rc = redis_ask(w->redis, t, webhooks_on_locked, w);

    if (rc == CLI_OK && w->busy) {
        rc = cli_failed("the webhook of job " WEIR_JOB_PREFIX "%s is being "
                        "sent just now; try again in a minute", w->entry.id);
    }

    return rc;
}


static int
webhooks_again(webhooks_t *w)
{
    int         rc;
    int64_t     now;
    weir_txn_t  t;

    weir_txn_init(&t);
    weir_txn_hook_look(&t, &w->entry);
    rc = redis_ask(w->redis, &t, webhooks_on_found, w);

    if (rc == CLI_OK && !w->hook) {
        rc = cli_failed("job " WEIR_JOB_PREFIX "%s has no webhook, or its time "
                        "is over", w->entry.id);

    } else if (rc == CLI_OK && !w->final) {
        rc = cli_failed("job " WEIR_JOB_PREFIX "%s has not ended yet",
                        w->entry.id);

    } else if (rc == CLI_OK) {
        rc = webhooks_wait_turn(w, &t);
    }

    rc = rc == CLI_OK ? redis_time(w->redis, &now) : rc;

    if (rc == CLI_OK) {
        weir_txn_reset(&t);
        weir_txn_hook_redeliver(&t, &w->entry, w->endpoint, now);
        rc = redis_ask(w->redis, &t, NULL, NULL);
    }

    weir_txn_free(&t);

    return rc;
}


int
webhooks_redeliver(int argc, char **argv)
{
    int                rc;
    const char        *word, *id;
    redis_options_t    o = { 0 };
    static webhooks_t  w;

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, &word, 1);
    if (rc != CLI_OK) {
        return rc;
    }

    rc = record_id(word, &id, &w.entry.shard);
    if (rc != CLI_OK) {
        return rc;
    }

    memcpy(w.entry.id, id, WEIR_ID_LEN);
    rc = redis_open(&w.redis, &o);

    if (rc == CLI_OK) {
        rc = webhooks_again(&w);
        redis_close(&w.redis);
    }

    return rc;
}
