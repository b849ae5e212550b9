/*
 * Warming: requests of a file are submitted as jobs, so that their answers are
 * there when somebody asks.  Some at a time; who is told to wait waits, and
 * with him all that have not been sent.
 */

#include "cli.h"
#include "keyfile.h"

#include <stdio.h>
#include <stdlib.h>

#include "../http.h"
#include "weir_json.h"


#define WARM_CALLS     16                   /* at once */
#define WARM_TRIES     10                   /* of a line, if none succeeds */
#define WARM_LOST      3                    /* tries without a reply */
#define WARM_WAIT_MAX  3600000              /* ms: longer is a failure */
#define WARM_TIMEOUT   30000                /* ms, of a call */
#define WARM_PAUSE     1000                 /* ms, if nobody says how long */
#define WARM_BODY_MAX  (8 * 1024 * 1024)    /* bytes of a reply */
#define WARM_LINE_MAX  (32 * 1024 * 1024)   /* bytes of a request */
#define WARM_KEY_MAX   256
#define WARM_URL_MAX   1024


typedef struct warm_s  warm_t;

typedef struct {
    warm_t         *warm;
    http_call_t    *call;                   /* NULL: none is under way */
    loop_timer_t    again;
    bool            busy;                   /* it has a line */
    unsigned        line;                   /* number */
    unsigned        tries;
    long long       done;                   /* by all, at the last try */
    weir_buf_t      body;
} warm_slot_t;

struct warm_s {
    loop_t         *loop;
    http_t         *http;
    http_target_t  *target;
    loop_timer_t    wake;
    uint64_t        until;                  /* loop_now(): nothing before */
    const char     *class;
    weir_str_t      rest;                   /* of the file */
    unsigned        line;                   /* the last one read */
    unsigned        busy;                   /* slots */
    long long       accepted;
    long long       cached;
    long long       failed;
    warm_slot_t     slots[WARM_CALLS];
};


static void warm_fill(void *data);
static void warm_send(void *data);


static void
warm_free_slot(warm_slot_t *s)
{
    s->busy = false;
    s->warm->busy--;

    /* not from within the callback of a call */

    loop_timer_set(s->warm->loop, &s->warm->wake, 0);
}


static void
warm_fail(warm_slot_t *s, const char *why)
{
    s->warm->failed++;
    (void) cli_failed("line %u: %s", s->line, why);
}


/* What the job says: was the answer there?  Or a problem: what it is. */

static void
warm_count(warm_slot_t *s, const http_reply_t *reply)
{
    char          why[256], error[WEIR_JSON_ERROR];
    weir_str_t    detail;
    weir_json_t  *doc;

    doc = weir_json_parse(reply->body, error);

    if (reply->status != 200 && reply->status != 202) {
        detail = weir_json_str(weir_json_get(doc, "detail"));
        snprintf(why, sizeof(why), "status %u%s%.*s", reply->status,
                 detail.len ? ": " : "", (int) detail.len,
                 detail.len ? detail.data : "");
        warm_fail(s, why);

    } else if (weir_json_true(weir_json_get(doc, "cached"))) {
        s->warm->cached++;

    } else {
        s->warm->accepted++;
    }

    weir_json_free(&doc);
}


/* All that is to be sent waits, for all of it is told the same. */

static void
warm_put_off(warm_slot_t *s, int64_t ms)
{
    uint64_t   until;
    warm_t    *w;

    w = s->warm;
    until = loop_now(w->loop) + (uint64_t) (ms > 0 ? ms : WARM_PAUSE);

    if (w->until < until) {
        w->until = until;
    }

    loop_timer_set(w->loop, &s->again, w->until - loop_now(w->loop));
}


static void
warm_on_reply(void *data, const http_reply_t *reply)
{
    bool          again;
    warm_slot_t  *s;

    s = data;
    s->call = NULL;

    again = reply->error != NULL || reply->status == 429
            || reply->status >= 500;

    if (again && reply->retry_after <= WARM_WAIT_MAX
        && s->tries < (reply->error ? WARM_LOST : WARM_TRIES))
    {
        warm_put_off(s, reply->retry_after);
        return;
    }

    if (reply->error) {
        warm_fail(s, reply->error);

    } else {
        warm_count(s, reply);
    }

    warm_free_slot(s);
}


static void
warm_send(void *data)
{
    warm_t       *w;
    warm_slot_t  *s;

    s = data;
    w = s->warm;

    if (loop_now(w->loop) < w->until) {         /* another was told to wait */
        loop_timer_set(w->loop, &s->again, w->until - loop_now(w->loop));
        return;
    }

    /* where it is slow, the others' turn is no failure of this one */

    if (s->done != w->accepted + w->cached) {
        s->done = w->accepted + w->cached;
        s->tries = 0;
    }

    s->tries++;
    s->call = http_call(w->target, (weir_str_t) { s->body.data, s->body.len },
                        NULL, WARM_TIMEOUT, warm_on_reply, s);
}


/* {"request":<line>,"priority":<class>}; false: the line is no request */

static bool
warm_body(warm_slot_t *s, weir_str_t line)
{
    char          error[WEIR_JSON_ERROR];
    weir_json_t  *doc;

    weir_buf_reset(&s->body);

    doc = line.len <= WARM_LINE_MAX ? weir_json_parse(line, error) : NULL;

    if (!weir_json_is_object(doc)) {
        weir_json_free(&doc);
        return false;
    }

    weir_json_free(&doc);

    weir_buf_text(&s->body, "{\"request\":");
    weir_buf_str(&s->body, line);
    weir_buf_printf(&s->body, ",\"priority\":\"%s\"}", s->warm->class);

    return !s->body.failed;
}


static bool
warm_is_blank(weir_str_t line)
{
    size_t  i;

    for (i = 0; i < line.len; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t') {
            return false;
        }
    }

    return true;
}


static bool
warm_next(warm_slot_t *s)
{
    warm_t      *w;
    weir_str_t   line;

    w = s->warm;

    while (keyfile_next_line(&w->rest, &line)) {
        w->line++;

        if (warm_is_blank(line)) {
            continue;
        }

        s->line = w->line;
        s->tries = 0;

        if (warm_body(s, line)) {
            return true;
        }

        warm_fail(s, "not a JSON object");
    }

    return false;
}


static void
warm_fill(void *data)
{
    size_t   i;
    warm_t  *w;

    w = data;

    for (i = 0; i < WARM_CALLS; i++) {
        if (!w->slots[i].busy && warm_next(&w->slots[i])) {
            w->slots[i].busy = true;
            w->busy++;
            warm_send(&w->slots[i]);
        }
    }

    if (w->busy == 0) {
        loop_stop(w->loop);
    }
}


static void
warm_run(warm_t *w, const char *url, const char *header)
{
    size_t          i;
    const char     *headers[] = { header, "Content-Type: application/json",
                                  "Expect:", NULL };
    http_options_t  o = { .connections = WARM_CALLS, .connect_timeout = 10000,
                          .idle_timeout = WARM_TIMEOUT,
                          .body_max = WARM_BODY_MAX };

    http_init();
    w->loop = loop_create();
    w->http = http_create(w->loop, &o);
    w->target = http_target_create(w->http, url, headers);

    w->wake.fn = warm_fill;
    w->wake.data = w;

    for (i = 0; i < WARM_CALLS; i++) {
        w->slots[i].warm = w;
        w->slots[i].again.fn = warm_send;
        w->slots[i].again.data = &w->slots[i];
    }

    loop_timer_set(w->loop, &w->wake, 0);
    loop_run(w->loop);

    for (i = 0; i < WARM_CALLS; i++) {
        weir_buf_free(&w->slots[i].body);
    }

    loop_timer_stop(w->loop, &w->wake);
    http_target_destroy(&w->target);
    http_destroy(&w->http);
    loop_destroy(&w->loop);
    http_deinit();
}


/* The first line of the key file. */

static int
warm_header(const char *path, char header[WARM_KEY_MAX])
{
    int         n, rc;
    weir_buf_t  text = { 0 };
    weir_str_t  rest, key;

    rc = keyfile_slurp(path, WARM_KEY_MAX, &text, NULL);

    if (rc == CLI_OK) {
        rest = (weir_str_t) { text.data, text.len };

        if (!keyfile_next_line(&rest, &key)) {
            key = weir_str_null;
        }

        while (key.len && (unsigned char) key.data[key.len - 1] <= ' ') {
            key.len--;
        }

        n = snprintf(header, WARM_KEY_MAX, "Authorization: Bearer %.*s",
                     (int) key.len, key.len ? key.data : "");

        if (key.len == 0 || n >= WARM_KEY_MAX) {
            rc = cli_failed("there is no key in the first line of %s", path);
        }
    }

    if (text.data) {
        explicit_bzero(text.data, text.size);
    }

    weir_buf_free(&text);

    return rc;
}


static int
warm_check(const char *url, const char *class, char full[WARM_URL_MAX])
{
    int          n;
    size_t       len;
    const char  *c;

    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
        return cli_usage("\"--url\" must start with http:// or https://");
    }

    for (c = url; *c; c++) {
        if ((unsigned char) *c <= ' ' || *c == 0x7f) {
            return cli_usage("\"--url\" must have no spaces");
        }
    }

    len = strlen(url);

    while (len && url[len - 1] == '/') {
        len--;
    }

    n = snprintf(full, WARM_URL_MAX, "%.*s/v1/jobs", (int) len, url);

    if (n < 0 || n >= WARM_URL_MAX) {
        return cli_usage("\"--url\" is too long");
    }

    if (strcmp(class, "high") != 0 && strcmp(class, "normal") != 0
        && strcmp(class, "low") != 0)
    {
        return cli_usage("\"--class\" must be high, normal or low");
    }

    return CLI_OK;
}


int
cache_warm(int argc, char **argv)
{
    int          rc;
    char         header[WARM_KEY_MAX], full[WARM_URL_MAX];
    warm_t      *w;
    weir_buf_t   text = { 0 };
    const char  *url = NULL, *key = NULL, *class = NULL, *file;

    const cli_option_t  options[] = {
        { "url", &url, NULL, true },
        { "key-file", &key, NULL, true },
        { "class", &class, NULL, false },
        { NULL, NULL, NULL, false }
    };

    rc = args_parse(argc, argv, options, &file, 1);
    class = class ? class : "low";
    rc = rc == CLI_OK ? warm_check(url, class, full) : rc;
    rc = rc == CLI_OK ? warm_header(key, header) : rc;
    rc = rc == CLI_OK ? keyfile_slurp(file, KEYFILE_MAX, &text, NULL) : rc;

    if (rc != CLI_OK) {
        weir_buf_free(&text);
        return rc;
    }

    w = calloc(1, sizeof(warm_t));

    if (w == NULL) {
        weir_buf_free(&text);
        return cli_failed("no memory");
    }

    w->class = class;
    w->rest = (weir_str_t) { text.data, text.len };
    warm_run(w, full, header);
    explicit_bzero(header, sizeof(header));

    printf("%lld accepted, %lld already cached, %lld failed\n", w->accepted,
           w->cached, w->failed);

    rc = w->failed ? CLI_FAILED : CLI_OK;
    weir_buf_free(&text);
    free(w);

    return rc == CLI_OK ? cli_flush() : rc;
}
