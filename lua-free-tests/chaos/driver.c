/*
 * The clients.  Submits jobs at an even pace until enough were accepted and the
 * nemesis has ended, cancels some, asks for each until it has seen its end;
 * reader.c follows some.  Whatever was asked and answered goes into the ledger,
 * nothing else does:
 *
 *     <ms> job N kind way class planned run_at deadline keyed question words
 *          tools
 *     <ms> ask R N op
 *     <ms> answer R N op status state text id curl completion
 *     <ms> late MS                    how long the driver itself was held up
 *     <ms> end drained|undrained
 *
 * R numbers the requests; op is submit, wait, chat, stream, poll, hold, cancel,
 * or replay, which is a submission that was accepted already; status 0: no
 * answer; state: of a job object; text: the number in "job cN.", or "question
 * qN.", of an answer, -1 if there is none; completion: its id, which names the
 * run.  A run is known by its request's id, "cN".
 *
 * Each request has a connection of its own: libcurl repeats what fails on one
 * that was used before, and the ledger would not know.
 */

#define _GNU_SOURCE

#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


#define STEP           20           /* ms of a turn */
#define OPEN_MAX       400          /* jobs without an end */
#define TRIES_MAX      60           /* of a submission with a key */
#define ANSWER_MAX     60           /* s; whoever waits longer was forgotten */
#define TEXT_MAX       (64 * 1024)


typedef struct {
    transfer_t           transfer;
    unsigned             r;
    const char          *op;
    job_t               *job;
    unsigned             s;                 /* a stream, by this number */
    unsigned             events;
    bool                 whole;             /* its last event was [DONE] */
    sse_t                sse;
    char                 id[32];            /* X-Weir-Job */
    size_t               len;
    char                 text[TEXT_MAX];    /* of the answer */
} request_t;


static clients_t   clients;
static int         ledger;
static plan_t      plan;
static job_t     **jobs;
static size_t      njobs, jobs_size;
static size_t      naccepted, nopen;
static unsigned    nrequests, nrunning;


static void on_done(transfer_t *t, CURLcode code);


/* answers */

static bool
on_event(void *arg, const sse_event_t *e)
{
    request_t  *q;

    q = arg;
    reader_event(q->s, e);
    q->whole = (strcmp(e->data, "[DONE]") == 0);

    return ++q->events != q->job->leave_after;
}


static size_t
on_body(char *data, size_t size, size_t n, void *cls)
{
    long        status;
    size_t      room;
    request_t  *q;

    q = cls;
    room = TEXT_MAX - 1 - q->len;
    n *= size;

    if (q->s) {
        curl_easy_getinfo(q->transfer.easy, CURLINFO_RESPONSE_CODE, &status);

        if (status == 200 && !sse_feed(&q->sse, data, n, on_event, q)) {
            return 0;
        }
    }

    memcpy(q->text + q->len, data, n < room ? n : room);
    q->len += n < room ? n : room;

    return n;
}


static size_t
on_header(char *data, size_t size, size_t n, void *cls)
{
    request_t  *q;

    q = cls;

    if (n * size > 12 && strncasecmp(data, "X-Weir-Job: ", 12) == 0) {
        sscanf(data + 12, "%31[A-Za-z0-9_]", q->id);
    }

    return n * size;
}


/* The value of a member of a flat part of a job object; "-": none.  Only what
 * stands before the result is looked for. */

static void
member(const char *text, const char *name, char value[32])
{
    char         quoted[32];
    const char  *p;

    snprintf(value, 32, "-");
    snprintf(quoted, sizeof(quoted), "\"%s\"", name);
    p = strstr(text, quoted);

    if (p) {
        p += strlen(quoted);
        p += strspn(p, ": ");
        (void) sscanf(p, "\"%31[A-Za-z0-9_]", value);
    }
}


static long
text_of(const job_t *job, const char *text)
{
    long         n;
    const char  *p;

    if (job->question) {
        p = strstr(text, "question q");
        return p && sscanf(p, "question q%ld.", &n) == 1 ? n : -1;
    }

    p = strstr(text, "job c");

    return p && sscanf(p, "job c%ld.", &n) == 1 ? n : -1;
}


static void
completion_of(const char *text, char id[32])
{
    const char  *p;

    snprintf(id, 32, "-");
    p = strstr(text, "\"chatcmpl-");

    if (p) {
        (void) sscanf(p, "\"chatcmpl-%31[A-Za-z0-9]", id);
    }
}


static bool
is_final(const char *state)
{
    return strcmp(state, "completed") == 0 || strcmp(state, "failed") == 0
           || strcmp(state, "cancelled") == 0 || strcmp(state, "expired") == 0;
}


/* requests */

void
transfer_begin(const clients_t *c, transfer_t *t, const char *url)
{
    t->easy = curl_easy_init();
    t->headers = curl_slist_append(NULL, c->authorization);
    t->headers = curl_slist_append(t->headers, "Expect:");

    curl_easy_setopt(t->easy, CURLOPT_URL, url);
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_PROXY, "");
}


/* t itself may be gone after done() */

void
transfer_end(const clients_t *c, transfer_t *t, CURLcode code)
{
    CURL               *easy;
    struct curl_slist  *headers;

    easy = t->easy;
    headers = t->headers;
    curl_multi_remove_handle(c->multi, easy);
    t->done(t, code);
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
}


static void
ask(job_t *job, const char *op, const char *method, const char *path,
    const char *body, unsigned wait)
{
    char         url[256], line[64];
    request_t   *q;
    transfer_t  *t;

    q = calloc(1, sizeof(request_t));
    if (q == NULL) {
        chaos_die("out of memory");
    }

    q->r = ++nrequests;
    q->op = op;
    q->job = job;
    q->s = strcmp(op, "stream") == 0 ? reader_stream(job, q->r) : 0;
    t = &q->transfer;
    t->done = on_done;

    /* what others ask too goes where answers are kept */

    snprintf(url, sizeof(url), "%s%s%s", clients.base[q->s % EDGES],
             body && job->question ? "/asked" : "", path);
    transfer_begin(&clients, t, url);

    if (body) {
        snprintf(line, sizeof(line), "X-Request-Id: c%u", job->n);
        t->headers = curl_slist_append(t->headers, line);
        t->headers = curl_slist_append(t->headers,
                                       "Content-Type: application/json");
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, body);
    }

    if (body && job->keyed) {
        snprintf(line, sizeof(line), "Idempotency-Key: %skey-%u%s",
                 job->tries % 2 ? "\"" : "", job->n,
                 job->tries % 2 ? "\"" : "");
        t->headers = curl_slist_append(t->headers, line);
        job->tries++;
    }

    if (wait) {
        snprintf(line, sizeof(line), "Prefer: wait=%u", wait);
        t->headers = curl_slist_append(t->headers, line);
    }

    curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, q);
    curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, q);
    curl_easy_setopt(t->easy, CURLOPT_TIMEOUT, (long) ANSWER_MAX);

    chaos_log(ledger, "ask %u %u %s", q->r, job->n, op);
    curl_multi_add_handle(clients.multi, t->easy);
    nrunning++;
}


static void
send_job(job_t *job)
{
    switch (job->way) {

    case WAY_CHAT:
        ask(job, "chat", "POST", "/v1/chat/completions", job->body, 0);
        break;

    case WAY_STREAM:
        ask(job, "stream", "POST", "/v1/chat/completions", job->body, 0);
        break;

    case WAY_WAIT:
        ask(job, "wait", "POST", "/v1/jobs", job->body, 5 + job->n % 15);
        break;

    default: /* WAY_JOB */
        ask(job, "submit", "POST", "/v1/jobs", job->body, 0);
        break;
    }
}


static void
submit(unsigned n)
{
    job_t  *job;

    job = plan_job(&plan, n);

    if (njobs == jobs_size) {
        jobs_size = jobs_size ? 2 * jobs_size : 1024;
        jobs = realloc(jobs, jobs_size * sizeof(job_t *));

        if (jobs == NULL) {
            chaos_die("out of memory");
        }
    }

    jobs[njobs++] = job;
    nopen++;

    chaos_log(ledger, "job %u %s %s %s %u %lld %lld %d %u %u %d", n,
              kind_names[job->kind], way_names[job->way], job->class,
              job->planned, (long long) job->run_at,
              (long long) job->deadline, job->keyed, job->question,
              job->words, job->tools);

    send_job(job);
}


static void
settle(job_t *job, job_state_e state)
{
    if (job->state != JOB_FINAL && job->state != JOB_REFUSED
        && job->state != JOB_UNKNOWN)
    {
        nopen--;
    }

    job->state = state;
    job->poll_at = 0;

    if (!job->keyed) {
        free(job->body);
        job->body = NULL;
    }
}


static void
on_submitted(request_t *q, long status, const char *state, const char *id)
{
    job_t  *job;

    job = q->job;

    if (id[0] == '-' && job->question && status == 200
        && (job->way == WAY_CHAT || job->way == WAY_STREAM))
    {
        naccepted++;                        /* it has no job */
        settle(job, JOB_FINAL);
        return;
    }

    if (id[0] == '-') {

        /* a question may end its wait with no job: it can be asked again */

        if (status && status != 503 && status != 429
            && !(status == 504 && job->question
                 && (job->way == WAY_CHAT || job->way == WAY_STREAM)))
        {
            chaos_die("job %u: status %ld: %s", job->n, status, q->text);
        }

        if (job->keyed && job->tries < TRIES_MAX) {
            job->again_at = chaos_now() + 100 + job->n % 400;
            return;
        }

        settle(job, status ? JOB_REFUSED : JOB_UNKNOWN);
        return;
    }

    naccepted++;
    job->again_at = job->keyed ? chaos_now() + job->n * 37 % 2000 : 0;
    snprintf(job->id, sizeof(job->id), "%s", id);
    job->state = JOB_ACCEPTED;

    readers_follow(job);

    /* what readers are told of the end must be what GET shows */

    if ((job->way == WAY_CHAT && status == 200) || q->whole
        || (is_final(state) && job->readers == 0))
    {
        settle(job, JOB_FINAL);
        return;
    }

    job->poll_at = chaos_now() + 1 + job->n % 200;

    if (job->kind == KIND_CANCEL) {
        job->cancel_at = chaos_now() + job->cancel_after;
    }
}


static void
on_asked(request_t *q, long status, const char *state)
{
    job_t  *job;

    job = q->job;

    if (strcmp(q->op, "cancel") == 0) {

        if (status != 200 && status != 409 && status != 404) {
            job->cancel_at = chaos_now() + 100;     /* not acknowledged */
        }

        return;
    }

    if (job->state != JOB_ACCEPTED || strcmp(q->op, "replay") == 0) {
        return;
    }

    if ((status == 200 && is_final(state)) || status == 404 || status == 410) {
        if (status == 200) {
            reader_got(job, q->text);
        }

        settle(job, JOB_FINAL);
        return;
    }

    job->poll_at = chaos_now() + (status == 200 ? 100 + job->n % 400 : 300);
}


static void
on_done(transfer_t *t, CURLcode code)
{
    char        state[32], id[32], completion[32];
    long        status;
    request_t  *q;

    q = (request_t *) t;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);

    if (code != CURLE_OK) {
        status = 0;                         /* a part of an answer is none */
    }

    q->text[q->len] = '\0';
    member(q->text, "status", state);
    member(q->text, "id", id);

    if (q->id[0]) {
        snprintf(id, sizeof(id), "%s", q->id);
    }

    /* whose header came is known, however its stream ended */

    if ((status == 0 && !q->events) || strncmp(id, "job_", 4) != 0) {
        snprintf(id, sizeof(id), "-");
    }

    if (q->s) {
        reader_closed(q->s, (int) code);
    }

    completion_of(q->text, completion);
    chaos_log(ledger, "answer %u %u %s %ld %s %ld %s %d %s", q->r, q->job->n,
              q->op, status, status == 200 || status == 202 ? state : "-",
              text_of(q->job, q->text), id, (int) code, completion);

    if (q->job->state == JOB_NEW) {
        on_submitted(q, status, state, id);

    } else {
        on_asked(q, status, state);
    }

    sse_reset(&q->sse);
    free(q);
    nrunning--;
}


/* what is due */

static void
poll_jobs(int64_t now)
{
    char    path[64];
    size_t  i;
    job_t  *job;

    for (i = 0; i < njobs; i++) {
        job = jobs[i];
        snprintf(path, sizeof(path), "/v1/jobs/%s", job->id);

        if (job->again_at && job->again_at <= now) {
            job->again_at = 0;

            if (job->state == JOB_NEW) {
                send_job(job);

            } else {
                ask(job, "replay", "POST", "/v1/jobs", job->body, 0);
            }
        }

        if (job->cancel_at && job->cancel_at <= now) {
            job->cancel_at = 0;
            ask(job, "cancel", "DELETE", path, NULL, 0);
        }

        if (job->state == JOB_ACCEPTED && job->poll_at && job->poll_at <= now) {
            job->poll_at = 0;

            if (job->n % 10 < 7) {
                ask(job, "hold", "GET", path, NULL, 2 + job->n % 13);

            } else {
                ask(job, "poll", "GET", path, NULL, 0);
            }
        }
    }
}


static void
turn(void)
{
    int          left;
    char        *private;
    int64_t      before;
    CURLMsg     *message;

    curl_multi_perform(clients.multi, &left);

    while ((message = curl_multi_info_read(clients.multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
                              &private);
            transfer_end(&clients, (transfer_t *) private,
                         message->data.result);
        }
    }

    before = chaos_now();
    curl_multi_poll(clients.multi, NULL, 0, STEP, &left);
    before = chaos_now() - before;

    if (before > 2 * STEP) {
        chaos_log(ledger, "late %lld", (long long) before - STEP);
    }
}


static void
drive(size_t wanted, unsigned per_second)
{
    bool      ended;
    int64_t   now, next, drain;
    unsigned  n;

    n = 0;
    drain = 0;
    ended = false;
    next = chaos_now();

    while (1) {
        now = chaos_now();

        if (!ended && access(chaos_path("nemesis.done"), F_OK) == 0
            && naccepted >= wanted)
        {
            ended = true;
            drain = now + chaos_env_number("CHAOS_DRAIN", 90000);
        }

        while (!ended && next <= now) {
            next += 1000 / per_second;

            if (nopen < OPEN_MAX) {
                submit(++n);
            }
        }

        if (ended && ((nopen == 0 && nrunning == 0 && readers_open() == 0)
                      || now > drain))
        {
            break;
        }

        poll_jobs(now);
        readers_poll(now);
        turn();
    }

    chaos_log(ledger, "end %s", nopen + nrunning + readers_open() ? "undrained"
                                                                  : "drained");
}


int
main(void)
{
    ledger = chaos_log_open("ledger");
    plan.seed = (uint64_t) chaos_env_number("CHAOS_SEED", 1);
    plan.poison = chaos_env_number("CHAOS_POISON", 0) != 0;
    plan.times = chaos_env_number("CHAOS_TIMES", 0) != 0;
    plan.askers = (unsigned) chaos_env_number("CHAOS_ASKERS", 20);
    plan.readers = (unsigned) chaos_env_number("CHAOS_READERS", 30);
    plan.hooks = chaos_env("CHAOS_HOOKS");

    snprintf(clients.base[0], sizeof(clients.base[0]), "http://127.0.0.1:%s",
             chaos_env("CHAOS_PORT"));
    snprintf(clients.base[1], sizeof(clients.base[1]), "http://127.0.0.1:%s",
             chaos_env("CHAOS_PORT2"));
    snprintf(clients.authorization, sizeof(clients.authorization),
             "Authorization: Bearer %s", chaos_env("CHAOS_KEY"));

    curl_global_init(CURL_GLOBAL_DEFAULT);
    clients.multi = curl_multi_init();
    readers_init(&clients, plan.seed);

    drive((size_t) chaos_env_number("CHAOS_JOBS", 400),
          (unsigned) chaos_env_number("CHAOS_RATE", 20));

    return 0;
}
