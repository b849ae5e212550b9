/*
 * The OpenAI dialect: the events of a provider's stream, to deltas.  Numbers
 * the parts of a message in the order in which they begin.
 */

#include "weir_dialect_openai.h"
#include "weir_dialect_openai_part.h"

#include <stdio.h>
#include <stdlib.h>

#include "weir_merge.h"
#include "weir_reach.h"


/* the number of a part that has begun, and one; 0: it has not */

typedef unsigned  weir_chunk_part_t;


/* a tool call: of a form that is not neutral it is told whole, at the end */

typedef struct {
    weir_chunk_part_t   part;
    weir_json_t        *whole;          /* NULL: a function */
} weir_chunk_call_t;


struct weir_openai_chunk_s {
    weir_chunk_part_t   text;
    weir_chunk_part_t   refusal;
    weir_chunk_part_t   thinking;
    bool                empty;          /* a text without a byte was said */
    unsigned            parts;          /* that have begun */
    weir_chunk_call_t  *calls;
    unsigned            ncalls;
};

typedef struct weir_openai_chunk_s  weir_chunk_t;


typedef struct {
    weir_openai_stream_t  *s;
    weir_delta_pt          fn;
    void                  *arg;
    weir_failure_t        *f;
    unsigned               index;
    weir_chunk_t          *chunk;       /* of that choice */
} weir_chunk_reader_t;


void
weir_openai_stream_init(weir_openai_stream_t *s)
{
    memset(s, 0, sizeof(weir_openai_stream_t));
}


void
weir_openai_stream_free(weir_openai_stream_t *s)
{
    unsigned       i, k;
    weir_chunk_t  *chunk;

    for (i = 0; i < s->n; i++) {
        chunk = &s->choices[i];

        for (k = 0; k < chunk->ncalls; k++) {
            weir_json_free(&chunk->calls[k].whole);
        }

        free(chunk->calls);
    }

    free(s->choices);
    weir_json_free(&s->told);
    weir_openai_stream_init(s);
}


/* failures */

static int
weir_chunk_invalid(weir_failure_t *f, const char *why)
{
    weir_failure_set(f, WEIR_FAIL_UPSTREAM,
                     "the provider's stream is none of chat completions: %s",
                     why);
    snprintf(f->code, sizeof(f->code), "upstream_invalid");

    return -1;
}


/* {"error":{...}}: some name a status in "code" or "type" */

static int
weir_chunk_error(weir_failure_t *f, weir_json_t *doc, weir_json_t *error)
{
    long long    status;
    weir_buf_t   text = { 0 };
    weir_str_t   type;

    status = weir_json_int(weir_json_get(error, "code"));
    type = weir_json_str(weir_json_get(error, "type"));

    if (status < 400 || status > 599) {
        status = weir_str_eq(type, weir_str("invalid_request_error")) ? 400
                 : weir_str_eq(type, weir_str("rate_limit_error"))
                   || weir_str_eq(type, weir_str("insufficient_quota")) ? 429
                 : 500;
    }

    weir_json_write(doc, &text);
    weir_openai_error((unsigned) status, (weir_str_t) { text.data, text.len },
                      f);
    weir_buf_free(&text);

    if (status >= 500) {
        weir_failure_set(f, WEIR_FAIL_UPSTREAM,
                         "the provider broke off with an error");
        snprintf(f->code, sizeof(f->code), "upstream_error");
    }

    return -1;
}


/* places */

static weir_chunk_t *
weir_chunk_of(weir_openai_stream_t *s, unsigned i)
{
    weir_chunk_t  *choices;

    choices = weir_reach(s->choices, &s->n, i, sizeof(weir_chunk_t));
    if (choices == NULL) {
        return NULL;
    }

    s->choices = choices;

    return &choices[i];
}


static weir_chunk_call_t *
weir_chunk_call(weir_chunk_t *chunk, unsigned n)
{
    weir_chunk_call_t  *calls;

    calls = weir_reach(chunk->calls, &chunk->ncalls, n,
                       sizeof(weir_chunk_call_t));
    if (calls == NULL) {
        return NULL;
    }

    chunk->calls = calls;

    return &calls[n];
}


static weir_delta_t
weir_chunk_delta(const weir_chunk_reader_t *r, weir_delta_e kind)
{
    return (weir_delta_t) { .kind = kind, .choice = r->index, .input = -1,
                            .output = -1 };
}


/* a part gets its number; -1: too many */

static int
weir_chunk_place(weir_chunk_reader_t *r, weir_chunk_part_t *part,
    weir_delta_t *d)
{
    if (*part == 0) {
        if (r->chunk->parts == WEIR_DELTA_PARTS) {
            return weir_chunk_invalid(r->f, "a choice has too many parts");
        }

        *part = ++r->chunk->parts;
    }

    d->part = *part - 1;

    return 0;
}


/* Members of a delta.  Many providers say an empty content with the role: it is
 * no text yet, and what comes before the text may be thinking. */

static int
weir_chunk_text(weir_chunk_reader_t *r, weir_json_t *text, const char *type,
    weir_chunk_part_t *part)
{
    weir_delta_t  d;

    if (!weir_json_is_string(text)) {
        return 0;
    }

    d = weir_chunk_delta(r, WEIR_DELTA_TEXT_OF);
    d.type = weir_str_of(type);
    d.s = weir_json_str(text);

    if (d.s.len == 0 && *part == 0) {
        r->chunk->empty |= (part == &r->chunk->text);
        return 0;
    }

    return weir_chunk_place(r, part, &d) != 0 ? -1 : r->fn(r->arg, &d);
}


static int
weir_chunk_function(weir_chunk_reader_t *r, weir_chunk_call_t *call,
    weir_json_t *from)
{
    weir_delta_t  d;
    weir_json_t  *function;

    function = weir_json_get(from, "function");

    d = weir_chunk_delta(r, WEIR_DELTA_TEXT_OF);
    d.type = weir_str("tool_call");
    d.id = weir_json_str(weir_json_get(from, "id"));
    d.name = weir_json_str(weir_json_get(function, "name"));
    d.s = weir_json_str(weir_json_get(function, "arguments"));

    if (d.s.data == NULL) {
        d.s = weir_str("");
    }

    return weir_chunk_place(r, &call->part, &d) != 0 ? -1 : r->fn(r->arg, &d);
}


/* of another form: put together here, until the choice ends */

static int
weir_chunk_whole(weir_chunk_reader_t *r, weir_chunk_call_t *call,
    weir_json_t *from)
{
    int                 rc;
    weir_delta_t        d;
    weir_json_t        *piece;
    static const char  *but[] = { "index", NULL };

    if (weir_chunk_place(r, &call->part, &d) != 0) {
        return -1;
    }

    if (call->whole == NULL) {
        call->whole = weir_json_object();
    }

    piece = weir_json_object();
    rc = weir_json_copy(piece, from, but);
    rc |= call->whole ? weir_merge(call->whole, piece) : -1;
    weir_json_free(&piece);

    return rc == 0 ? 0 : weir_chunk_invalid(r->f, "out of memory");
}


static int
weir_chunk_call_read(weir_chunk_reader_t *r, weir_json_t *from, size_t at)
{
    long long           n;
    weir_json_t        *index;
    weir_chunk_call_t  *call;

    index = weir_json_get(from, "index");
    n = weir_json_is_int(index) ? weir_json_int(index) : (long long) at;

    if (!weir_json_is_object(from) || n < 0 || n >= WEIR_DELTA_PARTS) {
        return weir_chunk_invalid(r->f, "a call of a tool has no place");
    }

    call = weir_chunk_call(r->chunk, (unsigned) n);
    if (call == NULL) {
        return weir_chunk_invalid(r->f, "out of memory");
    }

    if (call->whole
        || (call->part == 0 && weir_json_get(from, "function") == NULL))
    {
        return weir_chunk_whole(r, call, from);
    }

    return weir_chunk_function(r, call, from);
}


static int
weir_chunk_calls(weir_chunk_reader_t *r, weir_json_t *calls)
{
    int     rc;
    size_t  i;

    for (i = 0, rc = 0; rc == 0 && i < weir_json_count(calls); i++) {
        rc = weir_chunk_call_read(r, weir_json_at(calls, i), i);
    }

    return rc;
}


/* Members that are not known here and say something, as a member of the choice;
 * delta is "openai_message", the choice itself "openai". */

static int
weir_chunk_rest(weir_chunk_reader_t *r, weir_json_t *from, const char *name,
    const char **known)
{
    int           rc;
    void         *iter;
    const char   *member;
    weir_json_t  *rest, *x, *value;
    weir_delta_t  d;

    rest = weir_json_object();
    rc = weir_json_copy(rest, from, known);

    for (iter = weir_json_next(from, NULL, &member, &value);
         iter;
         iter = weir_json_next(from, iter, &member, &value))
    {
        if (weir_json_is_null(value) && weir_json_get(rest, member)) {
            rc |= weir_json_remove(rest, member);
        }
    }

    if (rc != 0 || weir_json_count(rest) == 0) {
        weir_json_free(&rest);
        return rc ? weir_chunk_invalid(r->f, "out of memory") : 0;
    }

    x = weir_json_object();

    if (weir_json_set_take(x, name, rest) != 0) {
        weir_json_free(&x);
        return weir_chunk_invalid(r->f, "out of memory");
    }

    d = weir_chunk_delta(r, WEIR_DELTA_CHOICE);
    d.x = x;
    rc = r->fn(r->arg, &d);
    weir_json_free(&x);

    return rc;
}


/* An answer of no text is one nevertheless. */

static int
weir_chunk_nothing(weir_chunk_reader_t *r)
{
    weir_delta_t  d;

    if (!r->chunk->empty || r->chunk->parts) {
        return 0;
    }

    d = weir_chunk_delta(r, WEIR_DELTA_TEXT_OF);
    d.type = weir_str("text");
    d.s = weir_str("");

    return weir_chunk_place(r, &r->chunk->text, &d) != 0 ? -1
           : r->fn(r->arg, &d);
}


static int
weir_chunk_stop(weir_chunk_reader_t *r, weir_json_t *reason)
{
    int                 rc;
    unsigned            i;
    weir_delta_t        d;
    weir_json_t        *part;
    weir_chunk_call_t  *call;

    if (!weir_json_is_string(reason)) {
        return 0;
    }

    for (i = 0, rc = 0; rc == 0 && i < r->chunk->ncalls; i++) {
        call = &r->chunk->calls[i];

        if (call->whole == NULL) {
            continue;
        }

        part = weir_part_opaque("openai", "tool_call", call->whole);
        weir_json_free(&call->whole);

        if (part == NULL) {
            return weir_chunk_invalid(r->f, "out of memory");
        }

        d = weir_chunk_delta(r, WEIR_DELTA_PART);
        d.part = call->part - 1;
        d.x = part;
        rc = r->fn(r->arg, &d);
        weir_json_free(&part);
    }

    rc = rc ? rc : weir_chunk_nothing(r);

    if (rc != 0) {
        return rc;
    }

    d = weir_chunk_delta(r, WEIR_DELTA_STOP);
    d.s = weir_stop_of(weir_json_str(reason));

    return r->fn(r->arg, &d);
}


static int
weir_chunk_choice(weir_chunk_reader_t *r, weir_json_t *choice, size_t at)
{
    int                 rc;
    long long           i;
    weir_json_t        *index, *delta;
    static const char  *delta_known[] = {
        "role", "content", "refusal", "reasoning_content", "tool_calls", NULL
    };
    static const char  *choice_known[] = {
        "index", "delta", "finish_reason", NULL
    };

    index = weir_json_get(choice, "index");
    i = weir_json_is_int(index) ? weir_json_int(index) : (long long) at;

    if (!weir_json_is_object(choice) || i < 0 || i >= WEIR_DELTA_CHOICES) {
        return weir_chunk_invalid(r->f, "a choice has no place");
    }

    r->index = (unsigned) i;
    r->chunk = weir_chunk_of(r->s, r->index);

    if (r->chunk == NULL) {
        return weir_chunk_invalid(r->f, "out of memory");
    }

    delta = weir_json_get(choice, "delta");

    rc = weir_chunk_text(r, weir_json_get(delta, "reasoning_content"),
                         "thinking", &r->chunk->thinking);
    rc = rc ? rc : weir_chunk_text(r, weir_json_get(delta, "content"), "text",
                                   &r->chunk->text);
    rc = rc ? rc : weir_chunk_text(r, weir_json_get(delta, "refusal"),
                                   "refusal", &r->chunk->refusal);
    rc = rc ? rc : weir_chunk_calls(r, weir_json_get(delta, "tool_calls"));
    rc = rc ? rc : weir_chunk_rest(r, delta, "openai_message", delta_known);
    rc = rc ? rc : weir_chunk_rest(r, choice, "openai", choice_known);

    return rc ? rc : weir_chunk_stop(r, weir_json_get(choice,
                                                      "finish_reason"));
}


/* what stands beside the choices; each member is told once */

static int
weir_chunk_extra(weir_chunk_reader_t *r, weir_json_t *doc)
{
    int           rc;
    void         *iter;
    const char   *name;
    weir_json_t  *value, *news, *x;
    weir_delta_t  d;

    static const char  *but[] = {
        "id", "object", "created", "model", "choices", NULL
    };

    if (r->s->told == NULL) {
        r->s->told = weir_json_object();
    }

    news = weir_json_object();
    rc = weir_json_copy(news, doc, but);

    for (iter = weir_json_next(doc, NULL, &name, &value);
         iter;
         iter = weir_json_next(doc, iter, &name, &value))
    {
        if (weir_json_get(news, name)
            && (weir_json_is_null(value)
                || (weir_json_get(r->s->told, name)
                    && strcmp(name, "usage") != 0)))
        {
            rc |= weir_json_remove(news, name);
        }
    }

    rc |= weir_json_copy(r->s->told, news, NULL);

    if (rc == 0 && weir_json_count(news)) {
        x = weir_json_object();
        rc = weir_json_set_take(x, "openai", weir_json_ref(news));

        d = weir_chunk_delta(r, WEIR_DELTA_EXTRA);
        d.x = x;

        if (rc == 0) {
            rc = r->fn(r->arg, &d);
            weir_json_free(&x);
            weir_json_free(&news);
            return rc;
        }

        weir_json_free(&x);
    }

    weir_json_free(&news);

    return rc ? weir_chunk_invalid(r->f, "out of memory") : 0;
}


static long long
weir_chunk_count(weir_json_t *usage, const char *name)
{
    weir_json_t  *n;

    n = weir_json_get(usage, name);

    return weir_json_is_number(n) ? weir_tokens(usage, name) : -1;
}


static int
weir_chunk_usage(weir_chunk_reader_t *r, weir_json_t *usage)
{
    weir_delta_t  d;

    if (!weir_json_is_object(usage)) {
        return 0;
    }

    d = weir_chunk_delta(r, WEIR_DELTA_USAGE);
    d.input = weir_chunk_count(usage, "prompt_tokens");
    d.output = weir_chunk_count(usage, "completion_tokens");

    return d.input < 0 && d.output < 0 ? 0 : r->fn(r->arg, &d);
}


static int
weir_chunk_model(weir_chunk_reader_t *r, weir_str_t model)
{
    weir_delta_t  d;

    if (r->s->model || model.len == 0) {
        return 0;
    }

    r->s->model = true;
    d = weir_chunk_delta(r, WEIR_DELTA_MODEL);
    d.s = model;

    return r->fn(r->arg, &d);
}


static int
weir_chunk_read(weir_chunk_reader_t *r, weir_json_t *doc)
{
    int           rc;
    size_t        i;
    weir_json_t  *choices;

    choices = weir_json_get(doc, "choices");

    if (weir_json_is_object(weir_json_get(doc, "error"))) {
        return weir_chunk_error(r->f, doc, weir_json_get(doc, "error"));
    }

    if (!weir_json_is_array(choices)) {
        return weir_chunk_invalid(r->f, "an event has no choices");
    }

    rc = weir_chunk_model(r, weir_json_str(weir_json_get(doc, "model")));
    rc = rc ? rc : weir_chunk_extra(r, doc);

    for (i = 0; rc == 0 && i < weir_json_count(choices); i++) {
        rc = weir_chunk_choice(r, weir_json_at(choices, i), i);
    }

    return rc ? rc : weir_chunk_usage(r, weir_json_get(doc, "usage"));
}


int
weir_openai_stream_event(weir_openai_stream_t *s, weir_str_t data,
    weir_delta_pt fn, void *arg, weir_failure_t *f)
{
    int                  rc;
    char                 error[WEIR_JSON_ERROR];
    weir_json_t         *doc;
    weir_chunk_reader_t  r = { .s = s, .fn = fn, .arg = arg, .f = f };

    if (s->done) {
        return 0;                       /* nobody says anything after that */
    }

    if (weir_str_eq(data, weir_str("[DONE]"))) {
        s->done = true;
        return 0;
    }

    doc = weir_json_parse(data, error);

    if (doc == NULL) {
        return weir_chunk_invalid(f, error);
    }

    rc = weir_chunk_read(&r, doc);
    weir_json_free(&doc);

    return rc;
}
