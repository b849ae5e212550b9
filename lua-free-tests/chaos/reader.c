/*
 * The readers: follow the events of jobs through either nginx, and come again
 * with the id of the last event that they have seen: some when they are cut,
 * some now and then, some at every event.  What they are told goes into
 * streams.log, as it is:
 *
 *     <ms> reader S N mode             S is a reader of job N
 *     <ms> stream S N R                S is the client of request R, a stream
 *     <ms> open S edge last            a connection; last: the id it sends
 *     <ms> head S status
 *     <ms> event S name id data        "-": none; id "void": an empty one
 *     <ms> close S curl
 *     <ms> got N body                  the job object, when it has ended
 */

#define _GNU_SOURCE

#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define CONNECTION_MAX  60          /* s */


typedef enum {
    MODE_STAYS = 0,
    MODE_SOMETIMES,                 /* leaves at a quarter of its events */
    MODE_ALWAYS                     /* at each */
} mode_e;


typedef struct reader_s  reader_t;

struct reader_s {
    transfer_t      transfer;
    reader_t       *next;
    unsigned        s;
    char            id[32];
    mode_e          mode;
    chaos_dice_t    dice;
    sse_t           sse;
    char            last[SSE_ID_MAX];
    long            status;
    int64_t         at;             /* when it connects; 0: it is connected */
    bool            done;
};


static const clients_t  *clients;
static uint64_t          seed;
static int               streams;
static unsigned          nstreams;
static reader_t         *readers;
static size_t            nopen;

static const char *const  mode_names[] = { "stays", "sometimes", "always" };


void
readers_init(const clients_t *c, uint64_t s)
{
    clients = c;
    seed = s;
    streams = chaos_log_open("streams.log");
}


size_t
readers_open(void)
{
    return nopen;
}


void
readers_follow(const job_t *job)
{
    unsigned   i;
    reader_t  *r;

    for (i = 0; i < job->readers; i++) {
        r = calloc(1, sizeof(reader_t));
        if (r == NULL) {
            chaos_die("out of memory");
        }

        chaos_dice(&r->dice, seed * 1000003 + job->n, i ? "two" : "one");

        r->s = ++nstreams;
        r->mode = (mode_e) chaos_roll(&r->dice, 3);
        snprintf(r->id, sizeof(r->id), "%s", job->id);

        /* some come when all is over */

        r->at = chaos_now() + (chaos_roll(&r->dice, 3) ? 1
                               : chaos_roll(&r->dice, 4000));
        r->next = readers;
        readers = r;
        nopen++;

        chaos_log(streams, "reader %u %u %s", r->s, job->n,
                  mode_names[r->mode]);
    }
}


/* what they are told */

static bool
on_event(void *arg, const sse_event_t *e)
{
    reader_t  *r;

    r = arg;
    reader_event(r->s, e);

    if (e->id[0] != '-') {
        snprintf(r->last, sizeof(r->last), "%s", e->id);
    }

    /* what follows would be one event too many: it is to be seen */

    if (r->done || strcmp(e->name, "done") == 0) {
        r->done = true;
        return true;
    }

    /* leaving always where there is no id would lead nowhere */

    return r->mode == MODE_STAYS
           || (r->mode == MODE_SOMETIMES && chaos_roll(&r->dice, 4) != 0)
           || (r->mode == MODE_ALWAYS && (!e->id[0] || e->id[0] == '-'));
}


static size_t
on_body(char *data, size_t size, size_t n, void *cls)
{
    reader_t  *r;

    r = cls;

    if (r->status == 0) {
        curl_easy_getinfo(r->transfer.easy, CURLINFO_RESPONSE_CODE,
                          &r->status);
        chaos_log(streams, "head %u %ld", r->s, r->status);
    }

    if (r->status == 200 && !sse_feed(&r->sse, data, n * size, on_event, r)) {
        return 0;
    }

    return n * size;
}


static void
on_done(transfer_t *t, CURLcode code)
{
    long       status;
    reader_t  *r;

    r = (reader_t *) t;
    sse_reset(&r->sse);
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);

    if (r->status == 0 && status) {
        chaos_log(streams, "head %u %ld", r->s, status);
    }

    chaos_log(streams, "close %u %d", r->s, (int) code);

    /* whoever was told of the end asks once more, and is told to go */

    if (r->done && (r->mode != MODE_ALWAYS || status == 204)) {
        nopen--;
        return;
    }

    r->at = chaos_now() + (status == 200 ? 5 + chaos_roll(&r->dice, 60)
                           : 200 + chaos_roll(&r->dice, 200));
}


static void
connect_to(reader_t *r)
{
    char      url[192], line[SSE_ID_MAX + 32];
    unsigned  edge;

    edge = chaos_roll(&r->dice, EDGES);
    r->at = 0;
    r->status = 0;
    r->transfer.done = on_done;
    snprintf(url, sizeof(url), "%s/v1/jobs/%s/events", clients->base[edge],
             r->id);
    transfer_begin(clients, &r->transfer, url);

    if (r->last[0]) {
        snprintf(line, sizeof(line), "Last-Event-ID: %s", r->last);
        r->transfer.headers = curl_slist_append(r->transfer.headers, line);
    }

    curl_easy_setopt(r->transfer.easy, CURLOPT_HTTPHEADER,
                     r->transfer.headers);
    curl_easy_setopt(r->transfer.easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(r->transfer.easy, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(r->transfer.easy, CURLOPT_TIMEOUT,
                     (long) CONNECTION_MAX);

    chaos_log(streams, "open %u %u %s", r->s, edge,
              r->last[0] ? r->last : "-");
    curl_multi_add_handle(clients->multi, r->transfer.easy);
}


void
readers_poll(int64_t now)
{
    reader_t  *r, **link;

    for (link = &readers; (r = *link) != NULL; ) {

        if (r->at == 0 && r->transfer.easy == NULL) {
            *link = r->next;
            free(r);
            continue;
        }

        if (r->at && r->at <= now) {
            connect_to(r);
        }

        link = &r->next;
    }
}


/* the streams of dialects */

unsigned
reader_stream(const job_t *job, unsigned request)
{
    chaos_log(streams, "stream %u %u %u", ++nstreams, job->n, request);

    return nstreams;
}


void
reader_event(unsigned s, const sse_event_t *e)
{
    chaos_log(streams, "event %u %s %s %s", s, e->name,
              e->id[0] ? e->id : "void", e->data);
}


void
reader_closed(unsigned s, int code)
{
    chaos_log(streams, "close %u %d", s, code);
}


void
reader_got(const job_t *job, const char *body)
{
    if (job->readers) {
        chaos_log(streams, "got %u %.*s", job->n,
                  (int) strcspn(body, "\r\n"), body);
    }
}
