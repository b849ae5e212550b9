/*
 * The Redis protocol without a socket.  Owns the output bytes, the reader and
 * the queue of expected answers; never does I/O, never reads a clock.
 *
 * hiredis parses.  Its reader treats a subscription's messages
 * like any reply; here they are told apart by their first element, because
 * while a PING is pending on a subscribed connection a message may come first.
 */

#include "weir_resp.h"

#include <stdlib.h>
#include <strings.h>
#include <hiredis/hiredis.h>


#define WEIR_PIPE_RING     64
#define WEIR_ERROR_MAX     127
#define WEIR_EXACT         9e15         /* no larger score is exact */
#define WEIR_ARGS_MAX      160

/* the parsing position of a half-read reply is hiredis's; a reply larger than
 * this cannot be one of ours */
#define WEIR_READER_MAX    (256 * 1024 * 1024)

/* an array is allocated as soon as its length is read; ours nest twice, and
 * are given back by recursion */
#define WEIR_ELEMENTS_MAX  (1024 * 1024)
#define WEIR_NESTING_MAX   7


typedef struct {
    unsigned         left;      /* replies still to come */
    bool             multi;
    uint64_t         deadline;
    weir_answer_pt   fn;
    void            *data;
} weir_expect_t;


struct weir_pipe_s {
    redisReader     *reader;
    redisReplyObjectFunctions  functions;   /* the reader's */
    weir_buf_t       out;
    size_t           written;   /* bytes of out that are gone already */

    weir_expect_t   *ring;      /* size is a power of two */
    size_t           size;
    size_t           head;
    size_t           count;
    size_t           max;

    char             error[WEIR_ERROR_MAX + 1];  /* of the unit at the head */
    size_t           error_len;

    weir_message_pt  on_message;
    void            *message_data;
};


/* errors after which the same command may succeed later; nothing was done */
static const char  *weir_later[] = {
    "LOADING", "BUSY", "READONLY", "MASTERDOWN", "MISCONF", "OOM",
    "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK", NULL
};

static const char  *weir_denied[] = { "NOAUTH", "WRONGPASS", "NOPERM", NULL };


/* units */

void
weir_txn_init(weir_txn_t *t)
{
    memset(t, 0, sizeof(weir_txn_t));
}


void
weir_txn_free(weir_txn_t *t)
{
    weir_buf_free(&t->out);
}


void
weir_txn_reset(weir_txn_t *t)
{
    weir_buf_reset(&t->out);
    t->replies = 0;
    t->multi = false;
}


static void
weir_txn_line(weir_buf_t *out, const char *mark, size_t n)
{
    char  text[WEIR_DECIMAL_MAX];

    weir_buf_add(out, mark, 1);
    weir_buf_str(out, weir_decimal(text, (long long) n));
    weir_buf_add(out, "\r\n", 2);
}


/* A command is an array of strings.  redisFormatCommandArgv() would make the
 * same bytes with a printf for each argument and an allocation for each
 * command: a tenth of the edge's time and of the worker's. */

void
weir_txn_add(weir_txn_t *t, unsigned n, const weir_str_t *args)
{
    unsigned  i;

    if (n == 0 || n > WEIR_ARGS_MAX) {
        t->out.failed = true;
        return;
    }

    weir_txn_line(&t->out, "*", n);

    for (i = 0; i < n; i++) {
        weir_txn_line(&t->out, "$", args[i].len);
        weir_buf_str(&t->out, args[i]);
        weir_buf_add(&t->out, "\r\n", 2);
    }

    t->replies++;
    t->multi = (args[0].len == 4 && strncasecmp(args[0].data, "EXEC", 4) == 0);
}


/* the pipeline */

#if HIREDIS_MAJOR < 1
typedef int     weir_elements_t;
#else
typedef size_t  weir_elements_t;
#endif


/* Bounds that hiredis has in some versions and not in others.  privdata: the
 * library's own functions. */

static void *
weir_reader_array(const redisReadTask *task, weir_elements_t n)
{
    unsigned                          depth;
    const redisReadTask              *t;
    const redisReplyObjectFunctions  *own = task->privdata;

    depth = 1;

    for (t = task->parent; t; t = t->parent) {
        depth++;
    }

    if ((size_t) n > WEIR_ELEMENTS_MAX || depth > WEIR_NESTING_MAX) {
        return NULL;
    }

    return own->createArray(task, n);
}


static redisReader *
weir_reader_create(weir_pipe_t *p)
{
    redisReader  *reader;

    reader = redisReaderCreate();
    if (reader == NULL) {
        return NULL;
    }

    p->functions = *reader->fn;
    p->functions.createArray = weir_reader_array;

    reader->privdata = reader->fn;
    reader->fn = &p->functions;

    return reader;
}


weir_pipe_t *
weir_pipe_create(size_t pending, size_t bytes)
{
    weir_pipe_t  *p;

    p = calloc(1, sizeof(weir_pipe_t));
    if (p == NULL) {
        return NULL;
    }

    weir_buf_init(&p->out, bytes);
    p->max = pending;
    p->size = WEIR_PIPE_RING;
    p->ring = calloc(p->size, sizeof(weir_expect_t));
    p->reader = weir_reader_create(p);

    if (p->ring == NULL || p->reader == NULL) {
        weir_pipe_destroy(&p);
    }

    return p;
}


void
weir_pipe_destroy(weir_pipe_t **pipe)
{
    weir_pipe_t  *p;

    p = *pipe;
    *pipe = NULL;

    if (p == NULL) {
        return;
    }

    if (p->reader) {
        redisReaderFree(p->reader);
    }

    weir_buf_free(&p->out);
    free(p->ring);
    free(p);
}


void
weir_pipe_on_message(weir_pipe_t *p, weir_message_pt fn, void *data)
{
    p->on_message = fn;
    p->message_data = data;
}


static int
weir_pipe_grow(weir_pipe_t *p)
{
    size_t          i;
    weir_expect_t  *ring;

    ring = calloc(p->size * 2, sizeof(weir_expect_t));
    if (ring == NULL) {
        return -1;
    }

    for (i = 0; i < p->count; i++) {
        ring[i] = p->ring[(p->head + i) & (p->size - 1)];
    }

    free(p->ring);
    p->ring = ring;
    p->size *= 2;
    p->head = 0;

    return 0;
}


int
weir_pipe_send(weir_pipe_t *p, const weir_txn_t *t, uint64_t deadline,
    weir_answer_pt fn, void *data)
{
    weir_expect_t  *e;

    if (t->out.failed || t->replies == 0 || p->count >= p->max) {
        return -1;
    }

    if (p->count == p->size && weir_pipe_grow(p) != 0) {
        return -1;
    }

    weir_buf_add(&p->out, t->out.data, t->out.len);
    if (p->out.failed) {
        p->out.failed = false;
        return -1;
    }

    e = &p->ring[(p->head + p->count) & (p->size - 1)];

    e->left = t->replies;
    e->multi = t->multi;
    e->deadline = deadline;
    e->fn = fn;
    e->data = data;

    p->count++;

    return 0;
}


weir_str_t
weir_pipe_out(const weir_pipe_t *p)
{
    if (p->out.len == p->written) {
        return weir_str_null;
    }

    return (weir_str_t) { p->out.data + p->written, p->out.len - p->written };
}


void
weir_pipe_sent(weir_pipe_t *p, size_t n)
{
    p->written += n;

    if (p->written >= p->out.len) {
        p->written = 0;
        weir_buf_reset(&p->out);
        return;
    }

    /* keep the unwritten tail near the front; moved rarely, so cheap */

    if (p->written > p->out.len / 2) {
        weir_buf_consume(&p->out, p->written);
        p->written = 0;
    }
}


static bool
weir_error_in(const char *text, size_t len, const char **words)
{
    size_t  n;

    for ( /* void */ ; *words; words++) {
        n = strlen(*words);

        if (len >= n && memcmp(text, *words, n) == 0
            && (len == n || text[n] == ' '))
        {
            return true;
        }
    }

    return false;
}


static void
weir_pipe_note_error(weir_pipe_t *p, const redisReply *r)
{
    if (p->error_len) {
        return;
    }

    if (r->len <= 0) {                          /* "-\r\n" */
        p->error_len = sizeof("ERR") - 1;
        memcpy(p->error, "ERR", p->error_len);
        return;
    }

    p->error_len = (size_t) r->len < WEIR_ERROR_MAX ? (size_t) r->len
                                                    : WEIR_ERROR_MAX;
    memcpy(p->error, r->str, p->error_len);
}


static void
weir_pipe_note_nested(weir_pipe_t *p, const redisReply *r)
{
    size_t  i;

    if (r->type == REDIS_REPLY_ERROR) {
        weir_pipe_note_error(p, r);
        return;
    }

    if (r->type == REDIS_REPLY_ARRAY) {
        for (i = 0; i < r->elements; i++) {
            if (r->element[i]->type == REDIS_REPLY_ERROR) {
                weir_pipe_note_error(p, r->element[i]);
            }
        }
    }
}


static weir_answer_e
weir_pipe_classify(weir_pipe_t *p, const weir_expect_t *e, const redisReply *r)
{
    if (p->error_len == 0) {
        return (e->multi && r->type == REDIS_REPLY_NIL) ? WEIR_ANSWER_ABORTED
                                                        : WEIR_ANSWER_OK;
    }

    if (e->multi && r->type == REDIS_REPLY_ARRAY) {
        return WEIR_ANSWER_ERROR;       /* inside EXEC: the rest was done */
    }

    if (weir_error_in(p->error, p->error_len, weir_later)) {
        return WEIR_ANSWER_LATER;
    }

    if (weir_error_in(p->error, p->error_len, weir_denied)) {
        return WEIR_ANSWER_DENIED;
    }

    return WEIR_ANSWER_ERROR;
}


static bool
weir_pipe_is_message(const weir_pipe_t *p, const redisReply *r)
{
    weir_str_t  kind;

    if (p->on_message == NULL || r->type != REDIS_REPLY_ARRAY
        || r->elements != 3)
    {
        return false;
    }

    kind = weir_reply_str(r->element[0]);

    return weir_str_eq(kind, weir_str("message"));
}


static int
weir_pipe_take(weir_pipe_t *p, const redisReply *r)
{
    weir_expect_t   e;
    weir_answer_t   answer;
    weir_expect_t  *head;

    if (weir_pipe_is_message(p, r)) {
        p->on_message(p->message_data, weir_reply_str(r->element[1]),
                      weir_reply_str(r->element[2]));
        return 0;
    }

    if (p->count == 0) {
        return -1;                      /* a reply that nobody asked for */
    }

    head = &p->ring[p->head];
    weir_pipe_note_nested(p, r);

    if (--head->left) {
        return 0;
    }

    e = *head;
    p->head = (p->head + 1) & (p->size - 1);
    p->count--;

    answer.code = weir_pipe_classify(p, &e, r);
    answer.reply = r;
    p->error[p->error_len] = '\0';
    answer.error = (weir_str_t) { p->error, p->error_len };

    if (e.fn) {
        e.fn(e.data, &answer);
    }

    p->error_len = 0;

    return 0;
}


int
weir_pipe_feed(weir_pipe_t *p, const char *data, size_t len)
{
    int    rc;
    void  *reply;

    if (redisReaderFeed(p->reader, data, len) != REDIS_OK) {
        return -1;
    }

    for ( ;; ) {
        if (redisReaderGetReply(p->reader, &reply) != REDIS_OK) {
            return -1;
        }

        if (reply == NULL) {
            return p->reader->len > WEIR_READER_MAX ? -1 : 0;
        }

        rc = weir_pipe_take(p, reply);
        freeReplyObject(reply);

        if (rc != 0) {
            return -1;
        }
    }
}


void
weir_pipe_fail(weir_pipe_t *p)
{
    size_t          n;
    redisReader    *reader;
    weir_expect_t   e;
    weir_answer_t   answer = { WEIR_ANSWER_LOST, NULL, { "", 0 } };

    /* a half-read reply of the old connection must not meet the new one */

    reader = weir_reader_create(p);
    if (reader) {
        redisReaderFree(p->reader);
        p->reader = reader;
    }

    weir_buf_reset(&p->out);
    p->written = 0;
    p->error_len = 0;

    /* what a callback sends now belongs to the next connection */

    for (n = p->count; n > 0; n--) {
        e = p->ring[p->head];
        p->head = (p->head + 1) & (p->size - 1);
        p->count--;

        if (e.fn) {
            e.fn(e.data, &answer);
        }
    }
}


size_t
weir_pipe_pending(const weir_pipe_t *p)
{
    return p->count;
}


uint64_t
weir_pipe_deadline(const weir_pipe_t *p)
{
    return p->count ? p->ring[p->head].deadline : UINT64_MAX;
}


/* replies */

weir_str_t
weir_reply_str(const weir_reply_t *r)
{
    if (r == NULL || (r->type != REDIS_REPLY_STRING
                      && r->type != REDIS_REPLY_STATUS
                      && r->type != REDIS_REPLY_ERROR))
    {
        return weir_str_null;
    }

    return (weir_str_t) { r->str, (size_t) r->len };
}


long long
weir_reply_int(const weir_reply_t *r)
{
    char      *end;
    double     score;
    long long  n;

    if (r == NULL) {
        return 0;
    }

    if (r->type == REDIS_REPLY_INTEGER) {
        return r->integer;
    }

    if (r->type != REDIS_REPLY_STRING) {
        return 0;
    }

    n = strtoll(r->str, &end, 10);

    /* a score, as newer ones write it: 1.8e+12 */

    if (*end == '.' || *end == 'e') {
        score = strtod(r->str, NULL);
        n = score > -WEIR_EXACT && score < WEIR_EXACT ? (long long) score : 0;
    }

    return n;
}


size_t
weir_reply_count(const weir_reply_t *r)
{
    return (r && r->type == REDIS_REPLY_ARRAY) ? r->elements : 0;
}


const weir_reply_t *
weir_reply_at(const weir_reply_t *r, size_t i)
{
    return i < weir_reply_count(r) ? r->element[i] : NULL;
}


bool
weir_reply_is_nil(const weir_reply_t *r)
{
    return r == NULL || r->type == REDIS_REPLY_NIL;
}


bool
weir_reply_is_error(const weir_reply_t *r)
{
    return r && r->type == REDIS_REPLY_ERROR;
}


weir_str_t
weir_reply_field(const weir_reply_t *r, const char *name)
{
    size_t      i;
    weir_str_t  want;

    want = weir_str_of(name);

    for (i = 0; i + 1 < weir_reply_count(r); i += 2) {
        if (weir_str_eq(weir_reply_str(r->element[i]), want)) {
            return weir_reply_str(r->element[i + 1]);
        }
    }

    return weir_str_null;
}
