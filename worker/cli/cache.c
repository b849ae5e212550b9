/*
 * The answers that are kept: what there is, and making it void.
 */

#include "cli.h"
#include "record.h"
#include "redis.h"

#include <stdio.h>
#include <stdlib.h>

#include "weir_cached.h"
#include "weir_txn_ask.h"


#define CACHE_SECONDS  60           /* for all of it */
#define CACHE_MODELS   1000         /* told apart; the rest is one row */
#define CACHE_REST     "(others)"
#define CACHE_MARK     512


/* what there is of a model; "" at the end of the table: those without room */

typedef struct {
    char          *model;
    long long      answers;
    long long      bytes;
} cache_row_t;

typedef struct {
    redis_t       *redis;
    long long      answers;
    long long      bytes;
    long long      unreadable;
    cache_row_t    rows[CACHE_MODELS + 1];
    size_t         nrows;
    weir_json_t   *marks;
    bool           failed;                      /* no memory */

    weir_buf_t     questions;                   /* of a page, all as long */
    weir_str_t     page[WEIR_ANSWERS_BATCH];
    unsigned       npage;
    size_t         came;                        /* members, of any form */
    long long      sizes[WEIR_ANSWERS_BATCH];
} cache_t;


/* stats */

static cache_row_t *
cache_row(cache_t *c, weir_str_t model)
{
    size_t  i;

    if (c->nrows == CACHE_MODELS) {
        model = weir_str(CACHE_REST);
    }

    for (i = 0; i < c->nrows; i++) {
        if (weir_str_eq(weir_str_of(c->rows[i].model), model)) {
            return &c->rows[i];
        }
    }

    if (c->nrows > CACHE_MODELS) {
        return &c->rows[CACHE_MODELS];
    }

    c->rows[i].model = strndup(model.data ? model.data : "", model.len);

    if (c->rows[i].model == NULL) {
        c->failed = true;
        return NULL;
    }

    c->nrows++;

    return &c->rows[i];
}


static void
cache_paged(void *data, const weir_answer_t *answer)
{
    size_t       i;
    cache_t     *c = data;
    weir_str_t   question;

    weir_buf_reset(&c->questions);
    c->came = weir_reply_count(answer->reply);
    c->npage = 0;

    for (i = 0; i < c->came && c->npage < WEIR_ANSWERS_BATCH; i++) {
        question = weir_reply_str(weir_reply_at(answer->reply, i));

        if (question.len == WEIR_QUESTION_TEXT) {
            weir_buf_str(&c->questions, question);
            c->npage++;
        }
    }

    if (c->questions.failed) {
        c->failed = true;
        c->npage = 0;
    }

    for (i = 0; i < c->npage; i++) {
        c->page[i].data = c->questions.data + i * WEIR_QUESTION_TEXT;
        c->page[i].len = WEIR_QUESTION_TEXT;
    }
}


static void
cache_sized(void *data, const weir_answer_t *answer)
{
    unsigned   i;
    cache_t   *c = data;

    for (i = 0; i < c->npage; i++) {
        c->sizes[i] = weir_reply_int(weir_reply_at(answer->reply, i));
    }
}


static void
cache_headed(void *data, const weir_answer_t *answer)
{
    unsigned        i;
    cache_t        *c = data;
    weir_str_t      head;
    cache_row_t    *row;
    weir_cached_t   cached;

    for (i = 0; i < c->npage; i++) {
        head = weir_reply_str(weir_reply_at(answer->reply, i));

        if (head.len == 0 || c->sizes[i] == 0) {
            continue;                           /* it is over */
        }

        c->answers++;
        c->bytes += c->sizes[i];

        if (!weir_cached_read(head, &cached)) {
            c->unreadable++;
            continue;
        }

        row = cache_row(c, cached.model);

        if (row) {
            row->answers++;
            row->bytes += c->sizes[i];
        }
    }
}


static void
cache_marked(void *data, const weir_answer_t *answer)
{
    size_t        i;
    cache_t      *c = data;
    int64_t       at;
    weir_str_t    mark;
    weir_json_t  *o;

    for (i = 0; weir_txn_marks_at(answer, i, &mark, &at); i++) {
        o = weir_json_object();

        if (record_set(o, "mark", mark) != 0
            || record_set_time(o, "at", at) != 0)
        {
            weir_json_free(&o);
        }

        c->failed |= weir_json_add_take(c->marks, o) != 0;
    }
}


/* While it reads answers come and go: a page may miss some, or see one
 * twice. */

static int
cache_read(cache_t *c)
{
    int         rc;
    long long   from;
    weir_txn_t  t;

    weir_txn_init(&t);
    weir_txn_marks(&t, RECORD_SHARD);
    rc = redis_ask(c->redis, &t, cache_marked, c);
    from = 0;

    do {
        weir_txn_reset(&t);
        weir_txn_answers(&t, RECORD_SHARD, from, WEIR_ANSWERS_BATCH);
        rc = rc == CLI_OK ? redis_ask(c->redis, &t, cache_paged, c) : rc;

        if (rc == CLI_OK && c->npage) {
            weir_txn_reset(&t);
            weir_txn_answers_sizes(&t, RECORD_SHARD, c->page, c->npage);
            rc = redis_ask(c->redis, &t, cache_sized, c);
        }

        if (rc == CLI_OK && c->npage) {
            weir_txn_reset(&t);
            weir_txn_answers_heads(&t, RECORD_SHARD, c->page, c->npage);
            rc = redis_ask(c->redis, &t, cache_headed, c);
        }

        from += WEIR_ANSWERS_BATCH;

    } while (rc == CLI_OK && c->came == WEIR_ANSWERS_BATCH && !c->failed);

    weir_txn_free(&t);
    weir_buf_free(&c->questions);

    return rc == CLI_OK && c->failed ? cli_failed("no memory") : rc;
}


static int
cache_compare(const void *one, const void *other)
{
    const cache_row_t  *a = one, *b = other;

    if (a->bytes != b->bytes) {
        return a->bytes < b->bytes ? 1 : -1;
    }

    return strcmp(a->model, b->model);
}


static int
cache_print_json(cache_t *c)
{
    int           rc;
    size_t        i;
    weir_json_t  *doc, *models, *o;

    doc = weir_json_object();
    models = weir_json_array();

    rc = record_set_int(doc, "answers", c->answers);
    rc |= record_set_int(doc, "bytes", c->bytes);
    rc |= record_set_int(doc, "unreadable", c->unreadable);

    for (i = 0; i < c->nrows; i++) {
        o = weir_json_object();
        rc |= record_set(o, "model", weir_str_of(c->rows[i].model));
        rc |= record_set_int(o, "answers", c->rows[i].answers);
        rc |= record_set_int(o, "bytes", c->rows[i].bytes);
        rc |= weir_json_add_take(models, o);
    }

    rc |= weir_json_set_take(doc, "models", models);
    rc |= weir_json_set_take(doc, "marks", c->marks);
    c->marks = NULL;

    rc = rc == 0 ? record_print_json(doc) : cli_failed("no memory");
    weir_json_free(&doc);

    return rc;
}


static int
cache_print(cache_t *c)
{
    char          at[RECORD_TIME];
    size_t        i;
    weir_str_t    mark;
    weir_json_t  *o;

    printf("%-12s %lld\n%-12s %lld\n", "answers", c->answers, "bytes",
           c->bytes);

    if (c->unreadable) {
        printf("%-12s %lld\n", "unreadable", c->unreadable);
    }

    for (i = 0; i < c->nrows; i++) {
        printf("%-12s %10lld %14lld %s\n", "model", c->rows[i].answers,
               c->rows[i].bytes, c->rows[i].model);
    }

    for (i = 0; i < weir_json_count(c->marks); i++) {
        o = weir_json_at(c->marks, i);
        mark = record_text(o, "mark");
        printf("%-12s %s %.*s\n", "purged",
               record_time(at, weir_json_int(weir_json_get(o, "at"))),
               (int) mark.len, mark.data);
    }

    return CLI_OK;
}


int
cache_stats(int argc, char **argv)
{
    int              rc;
    bool             json = false;
    size_t           i;
    cache_t          c = { 0 };
    redis_options_t  o = { .seconds = CACHE_SECONDS };

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { "json", NULL, &json, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, NULL, 0);
    rc = rc == CLI_OK ? redis_check(&o) : rc;

    if (rc != CLI_OK) {
        return rc;
    }

    c.marks = weir_json_array();
    rc = redis_open(&c.redis, &o);
    rc = rc == CLI_OK ? cache_read(&c) : rc;
    redis_close(&c.redis);

    if (rc == CLI_OK) {
        qsort(c.rows, c.nrows, sizeof(cache_row_t), cache_compare);
        rc = json ? cache_print_json(&c) : cache_print(&c);
    }

    for (i = 0; i < c.nrows; i++) {
        free(c.rows[i].model);
    }

    weir_json_free(&c.marks);

    return rc == CLI_OK ? cli_flush() : rc;
}


/* purge */

static int
cache_mark(char mark[CACHE_MARK], bool all, const char *const *values)
{
    int                 n;
    size_t              i, given;
    static const char  *kinds[] = { "key", "owner", "model", "class", "tag" };

    given = all;
    n = snprintf(mark, CACHE_MARK, "%s", WEIR_MARK_ALL);

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (values[i]) {
            n = snprintf(mark, CACHE_MARK, "%s:%s", kinds[i], values[i]);
            given++;
        }
    }

    if (given != 1) {
        return cli_usage("one of \"--all\", \"--key\", \"--owner\", "
                         "\"--model\", \"--class\" and \"--tag\" is needed");
    }

    if (n < 0 || n >= CACHE_MARK || !weir_mark_valid(weir_str_of(mark))) {
        return cli_usage("this is nothing that could be purged");
    }

    return CLI_OK;
}


int
cache_purge(int argc, char **argv)
{
    int              rc;
    bool             all = false;
    char             mark[CACHE_MARK], at[RECORD_TIME];
    int64_t          now;
    redis_t         *r;
    weir_txn_t       t;
    const char      *values[5] = { NULL };
    redis_options_t  o = { 0 };

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { "all", NULL, &all, false },
        { "key", &values[0], NULL, false },
        { "owner", &values[1], NULL, false },
        { "model", &values[2], NULL, false },
        { "class", &values[3], NULL, false },
        { "tag", &values[4], NULL, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, NULL, 0);
    rc = rc == CLI_OK ? redis_check(&o) : rc;
    rc = rc == CLI_OK ? cache_mark(mark, all, values) : rc;

    if (rc != CLI_OK) {
        return rc;
    }

    weir_txn_init(&t);
    rc = redis_open(&r, &o);
    rc = rc == CLI_OK ? redis_time(r, &now) : rc;

    if (rc == CLI_OK) {
        weir_txn_purge(&t, RECORD_SHARD, weir_str_of(mark), now);
        rc = redis_ask(r, &t, NULL, NULL);
    }

    redis_close(&r);
    weir_txn_free(&t);

    if (rc != CLI_OK) {
        return rc;
    }

    printf("%s %s\n", record_time(at, now), mark);

    return cli_flush();
}
