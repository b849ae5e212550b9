/*
 * Records and states.  Pure: replies and strings in, structs out.
 */

#include "weir_job.h"

#include <stdlib.h>


static const char  *weir_states[] = {
    WEIR_STATE_QUEUED,
    WEIR_STATE_IN_PROGRESS,
    WEIR_STATE_COMPLETED,
    WEIR_STATE_FAILED,
    WEIR_STATE_CANCELLED,
    WEIR_STATE_EXPIRED
};

static const char  *weir_classes[] = {
    WEIR_CLASS_HIGH,
    WEIR_CLASS_NORMAL,
    WEIR_CLASS_LOW
};


const char *
weir_state_name(weir_state_e state)
{
    return weir_states[state];
}


const char *
weir_class_name(weir_class_e class)
{
    return weir_classes[class];
}


int
weir_class_parse(weir_str_t name)
{
    int  i;

    for (i = 0; i < WEIR_CLASSES; i++) {
        if (weir_str_eq(name, weir_str_of(weir_classes[i]))) {
            return i;
        }
    }

    return -1;
}


static bool
weir_token_valid(weir_str_t token)
{
    char    c;
    size_t  i;

    if (token.len == 0 || token.len > WEIR_TOKEN_MAX) {
        return false;
    }

    for (i = 0; i < token.len; i++) {
        c = token.data[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) {
            return false;
        }
    }

    return true;
}


bool
weir_fin_parse(weir_str_t fin, weir_state_e *state_r, weir_str_t *token_r)
{
    int          i;
    size_t       n;
    weir_str_t   token;
    const char  *colon;

    colon = fin.len ? memchr(fin.data, ':', fin.len) : NULL;
    if (colon == NULL) {
        return false;
    }

    n = (size_t) (colon - fin.data);
    token = (weir_str_t) { colon + 1, fin.len - n - 1 };

    if (!weir_token_valid(token)) {
        return false;
    }

    for (i = WEIR_COMPLETED; i <= WEIR_EXPIRED; i++) {
        if (weir_str_eq((weir_str_t) { fin.data, n },
                        weir_str_of(weir_states[i])))
        {
            *state_r = i;
            *token_r = token;
            return true;
        }
    }

    return false;
}


bool
weir_token_has_outcome(weir_str_t token)
{
    return token.len > 0 && token.data[0] >= '0' && token.data[0] <= '9';
}


/* the order is that of weir_txn_look() */

void
weir_job_read(weir_job_t *job, const weir_reply_t *hmget)
{
    memset(job, 0, sizeof(weir_job_t));

    job->owner = weir_reply_str(weir_reply_at(hmget, 0));
    job->run = weir_reply_str(weir_reply_at(hmget, 1));
    job->route = weir_reply_str(weir_reply_at(hmget, 2));
    job->request_id = weir_reply_str(weir_reply_at(hmget, 3));
    job->model = weir_reply_str(weir_reply_at(hmget, 4));
    job->metadata = weir_reply_str(weir_reply_at(hmget, 5));
    job->created = weir_reply_int(weir_reply_at(hmget, 6));
    job->prefix = weir_reply_str(weir_reply_at(hmget, 7));
    job->hook_url = weir_reply_str(weir_reply_at(hmget, 8));
    job->hook_secret = weir_reply_str(weir_reply_at(hmget, 9));
    job->retried_as = weir_reply_str(weir_reply_at(hmget, 10));
    job->ask = weir_reply_str(weir_reply_at(hmget, 11));
    job->part = weir_reply_str(weir_reply_at(hmget, 12));

    job->found = (job->owner.len > 0 && job->run.len == WEIR_ID_LEN);
}


static bool
weir_has_prefix(weir_str_t s, const char *prefix)
{
    size_t  n;

    n = strlen(prefix);

    return s.len > n && memcmp(s.data, prefix, n) == 0;
}


/* the field <prefix><rest>, or NULL */

static const weir_reply_t *
weir_run_prefixed(const weir_reply_t *hgetall, const char *prefix,
    weir_str_t rest)
{
    size_t      i, n;
    weir_str_t  name;

    n = strlen(prefix);

    for (i = 0; rest.len && i + 1 < weir_reply_count(hgetall); i += 2) {
        name = weir_reply_str(weir_reply_at(hgetall, i));

        if (name.len == n + rest.len && weir_has_prefix(name, prefix)
            && memcmp(name.data + n, rest.data, rest.len) == 0)
        {
            return weir_reply_at(hgetall, i + 1);
        }
    }

    return NULL;
}


static void
weir_run_claim(weir_run_t *run, const weir_reply_t *hgetall)
{
    const weir_reply_t  *entry, *n;

    entry = weir_run_prefixed(hgetall, WEIR_RUN_CLAIM_PREFIX,
                              weir_reply_field(hgetall, WEIR_RUN_GEN));
    n = weir_run_prefixed(hgetall, WEIR_RUN_DELIVERY_PREFIX,
                          weir_reply_str(entry));

    run->claimed = (entry != NULL);
    run->latest = run->gen * WEIR_TOKEN_GENERATION
                  + (n ? weir_reply_int(n) : 0);
}


/* numbers and texts of a run's hash, by name */

static void
weir_run_field(weir_run_t *run, weir_str_t name, const weir_reply_t *value)
{
    size_t  i;

    const struct {
        const char  *name;
        int64_t     *ms;
        long long   *n;
        weir_str_t  *text;
    } fields[] = {
        { WEIR_RUN_CREATED, &run->created, NULL, NULL },
        { WEIR_RUN_STARTED, &run->started, NULL, NULL },
        { WEIR_RUN_FIN_AT, &run->fin_at, NULL, NULL },
        { WEIR_RUN_RUN_AT, &run->run_at, NULL, NULL },
        { WEIR_RUN_DEADLINE, &run->deadline, NULL, NULL },
        { WEIR_RUN_ASKED, &run->asked, NULL, NULL },
        { WEIR_RUN_TTL, &run->ttl, NULL, NULL },
        { WEIR_RUN_RECORDS, &run->records, NULL, NULL },
        { WEIR_RUN_GEN, NULL, &run->gen, NULL },
        { WEIR_RUN_FAILURES, NULL, &run->failures, NULL },
        { WEIR_RUN_CRASH, NULL, &run->crash, NULL },
        { WEIR_RUN_CLASS, NULL, NULL, &run->class },
        { WEIR_RUN_FIN, NULL, NULL, &run->fin },
        { WEIR_RUN_KIND, NULL, NULL, &run->kind },
        { WEIR_RUN_ERROR, NULL, NULL, &run->error },
        { WEIR_RUN_OWNER, NULL, NULL, &run->owner },
        { WEIR_RUN_ASK, NULL, NULL, &run->ask },
        { WEIR_RUN_LABELS, NULL, NULL, &run->labels },
        { WEIR_RUN_TRACE, NULL, NULL, &run->trace }
    };

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {

        if (!weir_str_eq(name, weir_str_of(fields[i].name))) {
            continue;
        }

        if (fields[i].ms) {
            *fields[i].ms = weir_reply_int(value);

        } else if (fields[i].n) {
            *fields[i].n = weir_reply_int(value);

        } else {
            *fields[i].text = weir_reply_str(value);
        }

        return;
    }
}


void
weir_run_read(weir_run_t *run, const weir_reply_t *hgetall)
{
    size_t               i;
    weir_str_t           gen, name;
    const weir_reply_t  *value;

    memset(run, 0, sizeof(weir_run_t));

    for (i = 0; i + 1 < weir_reply_count(hgetall); i += 2) {
        name = weir_reply_str(weir_reply_at(hgetall, i));
        value = weir_reply_at(hgetall, i + 1);

        if (weir_has_prefix(name, WEIR_RUN_DELIVERY_PREFIX)) {
            run->attempts += weir_reply_int(value);

        } else if (weir_str_eq(name, weir_str(WEIR_RUN_BACK))) {
            run->attempts -= weir_reply_int(value);

        } else if (weir_str_eq(name, weir_str(WEIR_RUN_STREAM))) {
            run->stream = true;

        } else if (weir_str_eq(name, weir_str(WEIR_RUN_WHILE))) {
            run->while_read = true;

        } else {
            weir_run_field(run, name, value);
        }
    }

    gen = weir_reply_field(hgetall, WEIR_RUN_GEN);
    run->found = (gen.len > 0 || run->fin.len > 0);
    weir_run_claim(run, hgetall);

    if (run->attempts < 0) {
        run->attempts = 0;
    }

    if (run->fin.len) {
        if (!weir_fin_parse(run->fin, &run->state, &run->token)) {
            run->state = WEIR_FAILED;   /* never written by us */
        }

        return;
    }

    if (run->claimed) {
        run->state = WEIR_IN_PROGRESS;
    }
}


void
weir_run_complete(weir_run_t *own, const weir_job_t *job,
    const weir_run_t *run)
{
    if (!run->found) {
        return;
    }

    own->asked = run->created ? run->created : own->asked;

    if (weir_str_eq(job->part, weir_str(WEIR_PART_HIT))) {
        return;
    }

    own->stream = run->stream;
    own->while_read = run->while_read;
    own->started = run->started;
    own->gen = run->gen;
    own->attempts = run->attempts;
    own->failures = run->failures;
    own->crash = run->crash;
    own->kind = run->kind;
    own->error = run->error;

    /* the job ends when it is told, a moment after the run */

    if (!weir_state_is_final(own->state) && run->state != WEIR_QUEUED) {
        own->state = WEIR_IN_PROGRESS;
    }
}
