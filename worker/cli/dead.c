/*
 * The commands on dead letters: runs that failed for good, with what they
 * asked.  An entry whose run was decided by another token is of a worker that
 * lost: it is removed and not shown.
 */

#include "again.h"
#include "cli.h"
#include "record.h"

#include <stdio.h>
#include <stdlib.h>


#define DEAD_LIMIT    50            /* shown, if nobody says otherwise */
#define DEAD_SECONDS  60            /* for many */


/* an entry, and what is known about it */

typedef struct {
    char          token[WEIR_NAME_MAX];
    char          id[WEIR_ID_LEN + 1];
    int64_t       at;               /* ms */
    weir_json_t  *doc;
} dead_t;

typedef struct {
    redis_t      *redis;
    unsigned      limit;
    unsigned      n;                /* entries in letters */
    dead_t       *letters;
    bool          failed;           /* no memory */
} dead_list_t;


/* reading */

static void
dead_listed(void *data, const weir_answer_t *answer)
{
    size_t        i, n;
    dead_t       *d;
    weir_str_t    token, id;
    dead_list_t  *l = data;

    n = weir_reply_count(answer->reply) / 2;

    l->letters = calloc(n ? n : 1, sizeof(dead_t));
    l->failed = (l->letters == NULL);

    for (i = 0; i < n && l->letters; i++) {
        d = &l->letters[l->n];

        if (!weir_txn_dead_parse(weir_reply_str(weir_reply_at(answer->reply,
                                                              i * 2)),
                                 &token, &id))
        {
            continue;
        }

        snprintf(d->token, sizeof(d->token), "%.*s", (int) token.len,
                 token.data);
        snprintf(d->id, sizeof(d->id), "%.*s", (int) id.len, id.data);
        d->at = weir_reply_int(weir_reply_at(answer->reply, i * 2 + 1));
        l->n++;
    }
}


static int
dead_drop_one(redis_t *r, const dead_t *d, bool request)
{
    int         rc;
    weir_txn_t  t;

    weir_txn_init(&t);
    weir_txn_dead_drop(&t, RECORD_SHARD, weir_str_of(d->token), d->id,
                       request);
    rc = redis_ask(r, &t, NULL, NULL);
    weir_txn_free(&t);

    return rc;
}


/* the run's register is the truth */

static bool
dead_is_stale(const dead_t *d)
{
    weir_str_t    token;
    weir_state_e  state;

    return d->doc == NULL
           || !weir_fin_parse(record_text(d->doc, "decided"), &state, &token)
           || state != WEIR_FAILED
           || !weir_str_eq(token, weir_str_of(d->token));
}


/* why it failed: the outcome says it, or the last try */

static int
dead_explain(dead_t *d)
{
    int            rc;
    weir_str_t     reason, kind;
    weir_json_t   *error;

    error = weir_json_get(weir_json_get(d->doc, "outcome"), "error");
    reason = weir_json_str(weir_json_get(error, "message"));
    kind = weir_json_str(weir_json_get(error, "kind"));

    rc = record_set(d->doc, "reason",
                    reason.len ? reason : record_text(d->doc, "last_error"));
    rc |= record_set(d->doc, "kind",
                     kind.len ? kind : record_text(d->doc, "last_kind"));
    rc |= record_set_time(d->doc, "buried", d->at);

    return rc == 0 ? CLI_OK : cli_failed("no memory");
}


/* d->doc: NULL if it was stale and is removed */

static int
dead_read(redis_t *r, dead_t *d)
{
    int  rc;

    rc = record_read(r, RECORD_SHARD, d->id, &d->doc);
    if (rc != CLI_OK) {
        return rc;
    }

    if (dead_is_stale(d)) {
        weir_json_free(&d->doc);
        return dead_drop_one(r, d, false);
    }

    return dead_explain(d);
}


/* The newest, up to the limit; stale ones leave holes. */

static int
dead_fetch(dead_list_t *l)
{
    int         rc;
    unsigned    i;
    weir_txn_t  t;

    weir_txn_init(&t);
    weir_txn_dead(&t, RECORD_SHARD, 0, l->limit);
    rc = redis_ask(l->redis, &t, dead_listed, l);
    weir_txn_free(&t);

    if (rc == CLI_OK && l->failed) {
        rc = cli_failed("no memory");
    }

    for (i = 0; i < l->n && rc == CLI_OK; i++) {
        rc = dead_read(l->redis, &l->letters[i]);
    }

    return rc;
}


static void
dead_free(dead_list_t *l)
{
    unsigned  i;

    for (i = 0; i < l->n; i++) {
        weir_json_free(&l->letters[i].doc);
    }

    free(l->letters);
    redis_close(&l->redis);
}


/* list */

static void
dead_print(const dead_t *d)
{
    char        at[RECORD_TIME];
    weir_str_t  owner, model, reason;

    owner = record_text(d->doc, "owner");
    model = record_text(d->doc, "model");
    reason = record_text(d->doc, "reason");

    printf(WEIR_JOB_PREFIX "%s %s %lld tries %lld deaths %.*s %.*s: %.*s\n",
           d->id, record_time(at, d->at),
           weir_json_int(weir_json_get(d->doc, "attempts")),
           weir_json_int(weir_json_get(d->doc, "deaths")),
           (int) owner.len, owner.data, (int) model.len, model.data,
           (int) reason.len, reason.data);
}


static int
dead_print_json(dead_list_t *l)
{
    int           rc;
    unsigned      i;
    weir_json_t  *all;

    all = weir_json_array();
    rc = 0;

    for (i = 0; i < l->n; i++) {
        if (l->letters[i].doc) {
            rc |= weir_json_add_take(all, weir_json_ref(l->letters[i].doc));
        }
    }

    rc = rc == 0 ? record_print_json(all) : cli_failed("no memory");
    weir_json_free(&all);

    return rc;
}


int
dead_list(int argc, char **argv)
{
    int              rc;
    bool             json = false;
    unsigned         i;
    const char      *limit = NULL;
    dead_list_t      l = { .limit = DEAD_LIMIT };
    redis_options_t  o = { .seconds = DEAD_SECONDS };

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { "limit", &limit, NULL, false },
        { "json", NULL, &json, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, NULL, 0);
    rc = rc == CLI_OK ? redis_check(&o) : rc;
    rc = rc == CLI_OK ? args_number("limit", limit, WEIR_DEAD_MAX, &l.limit)
                      : rc;

    if (rc != CLI_OK) {
        return rc;
    }

    rc = redis_open(&l.redis, &o);
    rc = rc == CLI_OK ? dead_fetch(&l) : rc;

    if (rc == CLI_OK && json) {
        rc = dead_print_json(&l);
    }

    for (i = 0; i < l.n && rc == CLI_OK && !json; i++) {
        if (l.letters[i].doc) {
            dead_print(&l.letters[i]);
        }
    }

    dead_free(&l);

    return rc == CLI_OK ? cli_flush() : rc;
}


/* one, by its id */

static void
dead_found(void *data, const weir_answer_t *answer)
{
    dead_t  *d = data;

    d->at = weir_reply_int(answer->reply);
}


static int
dead_find(redis_t *r, const char *id, dead_t *d)
{
    int           rc;
    weir_str_t    token;
    weir_txn_t    t;
    weir_state_e  state;

    snprintf(d->id, sizeof(d->id), "%s", id);
    rc = record_read(r, RECORD_SHARD, id, &d->doc);

    if (rc != CLI_OK) {
        return rc;
    }

    if (d->doc == NULL) {
        return record_missing(id);
    }

    if (weir_fin_parse(record_text(d->doc, "decided"), &state, &token)) {
        snprintf(d->token, sizeof(d->token), "%.*s", (int) token.len,
                 token.data);

        weir_txn_init(&t);
        weir_txn_dead_find(&t, RECORD_SHARD, token, id);
        rc = redis_ask(r, &t, dead_found, d);
        weir_txn_free(&t);
    }

    if (rc == CLI_OK && (d->at == 0 || dead_is_stale(d))) {
        return cli_failed("job " WEIR_JOB_PREFIX "%s is no dead letter", id);
    }

    return rc == CLI_OK ? dead_explain(d) : rc;
}


/* show */

static void
dead_asked(void *data, const weir_answer_t *answer)
{
    char          error[WEIR_JSON_ERROR];
    dead_t       *d = data;
    weir_str_t    text;
    weir_json_t  *v;

    text = weir_reply_str(answer->reply);
    v = text.len ? weir_json_parse(text, error) : NULL;

    weir_json_set_take(d->doc, "request", v ? v : weir_json_new_null());
}


static int
dead_payload(redis_t *r, dead_t *d)
{
    int         rc;
    weir_txn_t  t;

    weir_txn_init(&t);
    weir_txn_request(&t, RECORD_SHARD, d->id);
    rc = redis_ask(r, &t, dead_asked, d);
    weir_txn_free(&t);

    return rc;
}


int
dead_show(int argc, char **argv)
{
    int              rc;
    bool             json = false, payload = false;
    dead_t           d = { 0 };
    redis_t         *r;
    unsigned         shard;
    const char      *word, *id;
    redis_options_t  o = { 0 };

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { "payload", NULL, &payload, false },
        { "json", NULL, &json, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, &word, 1);
    rc = rc == CLI_OK ? redis_check(&o) : rc;
    rc = rc == CLI_OK ? record_id(word, &id, &shard) : rc;

    if (rc != CLI_OK) {
        return rc;
    }

    rc = redis_open(&r, &o);
    rc = rc == CLI_OK ? dead_find(r, id, &d) : rc;
    rc = rc == CLI_OK && payload ? dead_payload(r, &d) : rc;
    redis_close(&r);

    if (rc == CLI_OK && json) {
        rc = record_print_json(d.doc);

    } else if (rc == CLI_OK) {
        record_print(d.doc);
    }

    weir_json_free(&d.doc);

    return rc == CLI_OK ? cli_flush() : rc;
}


/* retry, drop: one or all */

typedef int (*dead_pt)(redis_t *r, const dead_t *d);


static int
dead_retry_one(redis_t *r, const dead_t *d)
{
    int      rc;
    again_t  g = { .id = d->id, .shard = RECORD_SHARD };

    rc = again_submit(r, &g);

    if (rc == CLI_OK) {
        printf(WEIR_JOB_PREFIX "%s " WEIR_JOB_PREFIX "%s\n", d->id, g.as);
        rc = dead_drop_one(r, d, false);
    }

    return rc;
}


static int
dead_drop_it(redis_t *r, const dead_t *d)
{
    int  rc;

    rc = dead_drop_one(r, d, true);

    if (rc == CLI_OK) {
        printf(WEIR_JOB_PREFIX "%s\n", d->id);
    }

    return rc;
}


/* one that cannot be done does not keep the others from it */

static int
dead_do_all(redis_t *r, dead_pt fn)
{
    int          rc, bad;
    unsigned     i;
    dead_list_t  l = { .redis = r, .limit = WEIR_DEAD_MAX };

    rc = dead_fetch(&l);
    bad = CLI_OK;

    for (i = 0; i < l.n && rc == CLI_OK; i++) {
        if (l.letters[i].doc && fn(r, &l.letters[i]) != CLI_OK) {
            bad = CLI_FAILED;
        }
    }

    l.redis = NULL;
    dead_free(&l);

    return rc == CLI_OK ? bad : rc;
}


static int
dead_do_one(redis_t *r, const char *id, dead_pt fn)
{
    int     rc;
    dead_t  d = { 0 };

    rc = dead_find(r, id, &d);
    rc = rc == CLI_OK ? fn(r, &d) : rc;
    weir_json_free(&d.doc);

    return rc;
}


static int
dead_do(int argc, char **argv, dead_pt fn)
{
    int              rc;
    bool             all = false, yes = false;
    redis_t         *r;
    unsigned         shard;
    const char      *word, *id;
    redis_options_t  o = { .seconds = DEAD_SECONDS };

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { "all", NULL, &all, false },
        { "yes", NULL, &yes, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse_some(argc, argv, options, &word, 0, 1);
    rc = rc == CLI_OK ? redis_check(&o) : rc;

    if (rc != CLI_OK) {
        return rc;
    }

    if (all == (word != NULL)) {
        return cli_usage("either the id of a job or \"--all\" is required");
    }

    if (all && !yes) {
        return cli_usage("\"--all\" is done with \"--yes\" only");
    }

    rc = word ? record_id(word, &id, &shard) : CLI_OK;
    if (rc != CLI_OK) {
        return rc;
    }

    rc = redis_open(&r, &o);

    if (rc == CLI_OK) {
        rc = all ? dead_do_all(r, fn) : dead_do_one(r, id, fn);
    }

    redis_close(&r);

    return cli_flush() == CLI_OK ? rc : CLI_FAILED;
}


int
dead_retry(int argc, char **argv)
{
    return dead_do(argc, argv, dead_retry_one);
}


int
dead_drop(int argc, char **argv)
{
    return dead_do(argc, argv, dead_drop_it);
}
