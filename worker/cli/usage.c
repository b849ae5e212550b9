/*
 * The ledger: what owners used, day by day.
 */

#include "cli.h"
#include "record.h"
#include "redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "weir_apikey.h"
#include "weir_money.h"
#include "weir_txn_limit.h"


#define USAGE_DAY      86400000LL       /* ms */
#define USAGE_DAYS     30               /* shown, if nobody says otherwise */
#define USAGE_SECONDS  60               /* for all of it */


typedef struct {
    redis_t       *redis;
    const char    *owner;               /* NULL: all */
    bool           json;
    int64_t        from;                /* ms: start of the first day */
    int64_t        to;                  /* ms: of the last one */

    char           day[WEIR_DAY_LEN + 1];
    weir_usage_t   total;
    weir_json_t   *rows;                /* of --json */
    size_t         nrows;
    bool           failed;              /* no memory */
} usage_t;


/* a field of a day, in order of owners */

typedef struct {
    weir_str_t     owner;
    weir_str_t     what;
    long long      n;
} usage_field_t;


static int
usage_compare(const void *one, const void *other)
{
    const usage_field_t  *a = one, *b = other;

    return weir_str_compare(a->owner, b->owner);
}


static void
usage_row_json(usage_t *u, const weir_usage_t *row, const char *day,
    const char *cost)
{
    int           rc;
    weir_json_t  *o;

    o = weir_json_object();
    rc = record_set(o, "day", weir_str_of(day));
    rc |= record_set(o, "owner", row->owner);
    rc |= record_set_int(o, "jobs", row->jobs);
    rc |= record_set_int(o, "input_tokens", row->input_tokens);
    rc |= record_set_int(o, "output_tokens", row->output_tokens);
    rc |= record_set(o, "cost_usd", weir_str_of(cost));

    if (rc != 0) {
        weir_json_free(&o);
    }

    u->failed |= weir_json_add_take(u->rows, o) != 0;
}


static void
usage_row(usage_t *u, const weir_usage_t *row)
{
    char  day[16], cost[WEIR_DOLLARS_MAX];

    snprintf(day, sizeof(day), "%.4s-%.2s-%.2s", row->day, row->day + 4,
             row->day + 6);
    weir_dollars_text(cost, row->cost);

    if (u->json) {
        usage_row_json(u, row, row->day[0] ? day : NULL, cost);
        return;
    }

    if (u->nrows++ == 0) {
        printf("%-10s  %-24s %10s %14s %14s %16s\n", "day", "owner", "jobs",
               "input", "output", "cost in $");
    }

    printf("%-10s  %-24.*s %10lld %14lld %14lld %16s\n",
           row->day[0] ? day : "all", (int) row->owner.len,
           row->owner.len ? row->owner.data : "", row->jobs,
           row->input_tokens, row->output_tokens, cost);
}


static void
usage_sum(weir_usage_t *row, const usage_field_t *f)
{
    size_t  i;

    const struct {
        const char  *what;
        long long   *n;
    } counts[] = {
        { WEIR_USAGE_JOBS, &row->jobs },
        { WEIR_USAGE_INPUT, &row->input_tokens },
        { WEIR_USAGE_OUTPUT, &row->output_tokens },
        { WEIR_USAGE_COST, &row->cost }
    };

    for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        if (weir_str_eq(f->what, weir_str_of(counts[i].what))) {
            *counts[i].n += f->n;
        }
    }
}


static void
usage_rows(usage_t *u, const usage_field_t *fields, size_t n)
{
    size_t        i;
    weir_usage_t  row;

    memset(&row, 0, sizeof(weir_usage_t));

    for (i = 0; i < n; i++) {
        if (i == 0 || !weir_str_eq(fields[i].owner, row.owner)) {
            memset(&row, 0, sizeof(weir_usage_t));
            memcpy(row.day, u->day, sizeof(row.day));
            row.owner = fields[i].owner;
        }

        usage_sum(&row, &fields[i]);
        usage_sum(&u->total, &fields[i]);

        if (i + 1 == n || !weir_str_eq(fields[i + 1].owner, row.owner)) {
            usage_row(u, &row);
        }
    }
}


static void
usage_on_day(void *data, const weir_answer_t *answer)
{
    size_t          i, n, count;
    usage_t        *u = data;
    usage_field_t  *fields, *f;

    count = weir_reply_count(answer->reply) / 2;
    fields = calloc(count + 1, sizeof(usage_field_t));

    if (fields == NULL) {
        u->failed = true;
        return;
    }

    for (i = n = 0; i < count; i++) {
        f = &fields[n];

        if (weir_usage_field(weir_reply_str(weir_reply_at(answer->reply,
                                                          2 * i)),
                             &f->owner, &f->what)
            && (u->owner == NULL
                || weir_str_eq(f->owner, weir_str_of(u->owner))))
        {
            f->n = weir_reply_int(weir_reply_at(answer->reply, 2 * i + 1));
            n++;
        }
    }

    qsort(fields, n, sizeof(usage_field_t), usage_compare);
    usage_rows(u, fields, n);
    free(fields);
}


static int
usage_days(usage_t *u)
{
    int         rc;
    int64_t     at;
    weir_txn_t  t;

    rc = CLI_OK;
    weir_txn_init(&t);

    for (at = u->from; at <= u->to && rc == CLI_OK; at += USAGE_DAY) {
        weir_day(at, u->day);
        weir_txn_reset(&t);
        weir_txn_usage(&t, RECORD_SHARD, u->day);
        rc = redis_ask(u->redis, &t, usage_on_day, u);
    }

    weir_txn_free(&t);

    if (rc == CLI_OK && u->failed) {
        rc = cli_failed("no memory");
    }

    return rc;
}


/* "2026-11-21": a day that there is */

static int
usage_day_read(const char *name, const char *text, int64_t *ms_r)
{
    char       again[16];
    time_t     s;
    struct tm  tm, back;

    memset(&tm, 0, sizeof(tm));

    if (strlen(text) == 10 && sscanf(text, "%4d-%2d-%2d", &tm.tm_year,
                                     &tm.tm_mon, &tm.tm_mday) == 3)
    {
        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        s = timegm(&tm);

        if (gmtime_r(&s, &back)
            && strftime(again, sizeof(again), "%Y-%m-%d", &back)
            && strcmp(text, again) == 0)
        {
            *ms_r = (int64_t) s * 1000;
            return CLI_OK;
        }
    }

    return cli_usage("\"--%s\" must be a day such as 2026-11-21", name);
}


/* Redis says what day it is: the ledger's are of its clock. */

static int
usage_range(usage_t *u, const char *from, const char *to)
{
    int      rc;
    int64_t  now;

    if (to == NULL) {
        rc = redis_time(u->redis, &now);

        if (rc != CLI_OK) {
            return rc;
        }

        u->to = now - now % USAGE_DAY;
    }

    if (from == NULL) {
        u->from = u->to - (USAGE_DAYS - 1) * USAGE_DAY;
    }

    /* older ones are gone */

    if (u->from < u->to - WEIR_TTL_USAGE * 1000LL) {
        u->from = u->to - WEIR_TTL_USAGE * 1000LL;
    }

    return CLI_OK;
}


static int
usage_check(usage_t *u, const char *from, const char *to)
{
    int  rc;

    if (u->owner && !weir_name_valid(weir_str_of(u->owner), WEIR_OWNER_MAX)) {
        return cli_usage("\"--owner\" must be 1 to %d letters, digits and "
                         ". _ - @", WEIR_OWNER_MAX);
    }

    rc = from ? usage_day_read("from", from, &u->from) : CLI_OK;
    rc = rc == CLI_OK && to ? usage_day_read("to", to, &u->to) : rc;

    if (rc == CLI_OK && from && to && u->from > u->to) {
        rc = cli_usage("\"--from\" is after \"--to\"");
    }

    return rc;
}


int
usage(int argc, char **argv)
{
    int              rc;
    const char      *from = NULL, *to = NULL;
    usage_t          u = { 0 };
    redis_options_t  o = { .seconds = USAGE_SECONDS };

    const cli_option_t  options[] = {
        REDIS_OPTIONS(o),
        { "owner", &u.owner, NULL, false },
        { "from", &from, NULL, false },
        { "to", &to, NULL, false },
        { "json", NULL, &u.json, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, NULL, 0);
    rc = rc == CLI_OK ? redis_check(&o) : rc;
    rc = rc == CLI_OK ? usage_check(&u, from, to) : rc;

    if (rc != CLI_OK) {
        return rc;
    }

    u.rows = weir_json_array();
    rc = redis_open(&u.redis, &o);
    rc = rc == CLI_OK ? usage_range(&u, from, to) : rc;
    rc = rc == CLI_OK ? usage_days(&u) : rc;
    redis_close(&u.redis);

    if (rc == CLI_OK && u.json) {
        rc = record_print_json(u.rows);

    } else if (rc == CLI_OK && u.nrows > 1) {
        usage_row(&u, &u.total);
    }

    weir_json_free(&u.rows);

    return rc == CLI_OK ? cli_flush() : rc;
}
