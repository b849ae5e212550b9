/*
 * The Anthropic dialect: the events of a provider's stream, to deltas.  Numbers
 * the parts of a message in the order in which they begin.
 */

#include "weir_dialect_anthropic.h"
#include "weir_dialect_anthropic_part.h"

#include <stdio.h>
#include <stdlib.h>

#include "weir_merge.h"
#include "weir_reach.h"


/* bytes of the input of a block that is told whole */
#define WEIR_INPUT_MAX  (8 * 1024 * 1024)


/* a block of no neutral form is told whole, at its end */

struct weir_anthropic_block_s {
    unsigned      part;
    const char   *type;                 /* as an outcome has it; NULL: whole */
    weir_json_t  *whole;                /* what has come of it */
    weir_json_t  *signature;
    weir_buf_t    input;                /* of a whole one */
    bool          open;
    bool          said;                 /* any of its text */
};

typedef struct weir_anthropic_block_s  weir_block_t;


typedef struct {
    weir_anthropic_stream_t  *s;
    weir_delta_pt             fn;
    void                     *arg;
    weir_failure_t           *f;
} weir_chunk_reader_t;


void
weir_anthropic_stream_init(weir_anthropic_stream_t *s)
{
    memset(s, 0, sizeof(weir_anthropic_stream_t));
}


static void
weir_block_free(weir_block_t *block)
{
    weir_json_free(&block->whole);
    weir_json_free(&block->signature);
    weir_buf_free(&block->input);
}


void
weir_anthropic_stream_free(weir_anthropic_stream_t *s)
{
    unsigned  i;

    for (i = 0; i < s->n; i++) {
        weir_block_free(&s->blocks[i]);
    }

    free(s->blocks);
    weir_json_free(&s->usage);
    weir_anthropic_stream_init(s);
}


/* failures */

static int
weir_chunk_invalid(weir_chunk_reader_t *r, const char *why)
{
    weir_failure_set(r->f, WEIR_FAIL_UPSTREAM,
                     "the provider's stream is none of a message: %s", why);
    snprintf(r->f->code, sizeof(r->f->code), "upstream_invalid");

    return -1;
}


/* telling */

static weir_delta_t
weir_chunk_delta(weir_delta_e kind)
{
    return (weir_delta_t) { .kind = kind, .input = -1, .output = -1 };
}


static int
weir_chunk_text(weir_chunk_reader_t *r, weir_block_t *block, weir_str_t s)
{
    weir_delta_t  d;

    d = weir_chunk_delta(WEIR_DELTA_TEXT_OF);
    d.part = block->part;
    d.type = weir_str_of(block->type);
    d.s = s.data ? s : weir_str("");
    block->said = block->said || s.len;

    return r->fn(r->arg, &d);
}


/* x is taken */

static int
weir_chunk_object(weir_chunk_reader_t *r, weir_delta_e kind, unsigned part,
    weir_json_t *x)
{
    int           rc;
    weir_delta_t  d;

    if (x == NULL) {
        return weir_chunk_invalid(r, "out of memory");
    }

    d = weir_chunk_delta(kind);
    d.part = part;
    d.x = x;
    rc = r->fn(r->arg, &d);
    weir_json_free(&x);

    return rc;
}


/* members of the choice, or of extra; taken */

static int
weir_chunk_members(weir_chunk_reader_t *r, weir_delta_e kind,
    weir_json_t *members)
{
    weir_json_t  *x;

    if (members && weir_json_count(members) == 0) {
        weir_json_free(&members);
        return 0;
    }

    x = weir_json_object();

    if (weir_json_set_take(x, "anthropic", members) != 0) {
        weir_json_free(&x);
    }

    return weir_chunk_object(r, kind, 0, x);
}


/* a part of its own, after the block that it belongs to; -1: too many */

static int
weir_chunk_place(weir_chunk_reader_t *r, unsigned *part_r)
{
    if (r->s->parts == WEIR_DELTA_PARTS) {
        return weir_chunk_invalid(r, "it has too many parts");
    }

    *part_r = r->s->parts++;

    return 0;
}


static int
weir_chunk_follow(weir_chunk_reader_t *r, const char *member,
    weir_json_t *value)
{
    unsigned  part;

    if (weir_chunk_place(r, &part) != 0) {
        return -1;
    }

    return weir_chunk_object(r, WEIR_DELTA_PART, part,
                             weir_part_opaque("anthropic", member, value));
}


/* blocks */

static int
weir_chunk_block_call(weir_chunk_reader_t *r, weir_block_t *block,
    weir_json_t *from)
{
    int           rc;
    weir_delta_t  d;
    weir_json_t  *input, *text;

    input = weir_json_get(from, "input");

    d = weir_chunk_delta(WEIR_DELTA_TEXT_OF);
    d.part = block->part;
    d.type = weir_str("tool_call");
    d.id = weir_json_str(weir_json_get(from, "id"));
    d.name = weir_json_str(weir_json_get(from, "name"));
    d.s = weir_str("");

    if (d.id.data == NULL || d.name.data == NULL) {
        return weir_chunk_invalid(r, "a call of a tool has no id or no name");
    }

    if (!weir_json_is_object(input) || weir_json_count(input) == 0) {
        return r->fn(r->arg, &d);
    }

    text = weir_block_arguments(input);
    d.s = weir_json_str(text);
    block->said = true;

    rc = text ? r->fn(r->arg, &d) : weir_chunk_invalid(r, "out of memory");
    weir_json_free(&text);

    return rc;
}


static int
weir_chunk_block_text(weir_chunk_reader_t *r, weir_block_t *block,
    weir_json_t *from)
{
    int           rc;
    size_t        i;
    weir_json_t  *list;

    rc = weir_chunk_text(r, block, weir_json_str(weir_json_get(from, "text")));
    list = weir_json_get(from, "citations");

    for (i = 0; rc == 0 && weir_json_is_array(list)
                && i < weir_json_count(list); i++)
    {
        rc = weir_chunk_follow(r, "citation", weir_json_at(list, i));
    }

    return rc;
}


static int
weir_chunk_sign(weir_block_t *block, const weir_json_t *from)
{
    weir_json_t  *signature;

    signature = weir_json_get(from, "signature");

    if (weir_json_str(signature).len) {
        weir_json_free(&block->signature);
        block->signature = weir_json_ref(signature);
    }

    return 0;
}


/* NULL: f is set */

static weir_block_t *
weir_chunk_block(weir_chunk_reader_t *r, const weir_json_t *doc)
{
    long long      i;
    weir_block_t  *blocks;
    weir_json_t   *index;

    index = weir_json_get(doc, "index");
    i = weir_json_int(index);

    if (!weir_json_is_int(index) || i < 0 || i >= WEIR_DELTA_PARTS) {
        weir_chunk_invalid(r, "a block has no place");
        return NULL;
    }

    blocks = weir_reach(r->s->blocks, &r->s->n, (unsigned) i,
                        sizeof(weir_block_t));
    if (blocks == NULL) {
        weir_chunk_invalid(r, "out of memory");
        return NULL;
    }

    r->s->blocks = blocks;

    return &blocks[i];
}


static int
weir_chunk_begin(weir_chunk_reader_t *r, const weir_json_t *doc)
{
    weir_json_t   *from;
    weir_block_t  *block;

    from = weir_json_get(doc, "content_block");
    block = weir_chunk_block(r, doc);

    if (block == NULL) {
        return -1;
    }

    if (block->open || block->type || block->whole) {
        return weir_chunk_invalid(r, "a block begins twice");
    }

    if (weir_chunk_place(r, &block->part) != 0) {
        return -1;
    }

    block->open = true;

    if (weir_part_is(from, "text")) {
        block->type = "text";
        return weir_chunk_block_text(r, block, from);
    }

    if (weir_part_is(from, "thinking")) {
        block->type = "thinking";
        weir_chunk_sign(block, from);
        return weir_chunk_text(r, block,
                               weir_json_str(weir_json_get(from, "thinking")));
    }

    if (weir_part_is(from, "tool_use")) {
        block->type = "tool_call";
        return weir_chunk_block_call(r, block, from);
    }

    if (weir_json_str(weir_json_get(from, "type")).len == 0) {
        return weir_chunk_invalid(r, "a block has no type");
    }

    block->whole = weir_json_object();

    return weir_json_copy(block->whole, from, NULL) == 0
           ? 0 : weir_chunk_invalid(r, "out of memory");
}


/* of one that is told whole: its input comes as text, the rest as members */

static int
weir_chunk_whole(weir_chunk_reader_t *r, weir_block_t *block,
    weir_json_t *delta)
{
    int                 rc;
    weir_json_t        *members;
    static const char  *but[] = { "type", NULL };

    if (weir_part_is(delta, "input_json_delta")) {
        if (block->input.limit == 0) {
            weir_buf_init(&block->input, WEIR_INPUT_MAX);
        }

        weir_buf_str(&block->input,
                     weir_json_str(weir_json_get(delta, "partial_json")));

        return block->input.failed
               ? weir_chunk_invalid(r, "the input of a block is too large")
               : 0;
    }

    members = weir_json_object();
    rc = weir_json_copy(members, delta, but);
    rc = rc ? rc : weir_merge(block->whole, members);
    weir_json_free(&members);

    return rc ? weir_chunk_invalid(r, "out of memory") : 0;
}


static int
weir_chunk_go_on(weir_chunk_reader_t *r, const weir_json_t *doc)
{
    size_t         i;
    weir_str_t     s;
    weir_json_t   *delta;
    weir_block_t  *block;

    static const struct {
        const char  *of;
        const char  *type;
        const char  *member;
    } rows[] = {
        { "text",      "text_delta",       "text"         },
        { "thinking",  "thinking_delta",   "thinking"     },
        { "tool_call", "input_json_delta", "partial_json" },
    };

    delta = weir_json_get(doc, "delta");
    block = weir_chunk_block(r, doc);

    if (block == NULL) {
        return -1;
    }

    if (!block->open) {
        return weir_chunk_invalid(r, "a block goes on that is not open");
    }

    if (block->whole) {
        return weir_chunk_whole(r, block, delta);
    }

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (weir_part_is(delta, rows[i].type)) {
            s = weir_json_str(weir_json_get(delta, rows[i].member));

            return strcmp(block->type, rows[i].of) == 0 && s.data
                   ? weir_chunk_text(r, block, s)
                   : weir_chunk_invalid(r, "a block goes on as another");
        }
    }

    if (weir_part_is(delta, "citations_delta")) {
        return weir_json_get(delta, "citation")
               ? weir_chunk_follow(r, "citation",
                                   weir_json_get(delta, "citation"))
               : 0;
    }

    return weir_part_is(delta, "signature_delta")
           ? weir_chunk_sign(block, delta) : 0;
}


static int
weir_chunk_close(weir_chunk_reader_t *r, weir_block_t *block)
{
    char          error[WEIR_JSON_ERROR];
    weir_json_t  *input;

    block->open = false;

    if (block->type) {
        if (!block->said && strcmp(block->type, "tool_call") == 0) {
            return weir_chunk_text(r, block, weir_str("{}"));
        }

        return block->signature
               ? weir_chunk_follow(r, "signature", block->signature) : 0;
    }

    if (block->input.len) {
        input = weir_json_parse((weir_str_t) { block->input.data,
                                               block->input.len }, error);

        if (weir_json_set_take(block->whole, "input", input) != 0) {
            return weir_chunk_invalid(r, "the input of a block is no JSON");
        }

        weir_buf_free(&block->input);
    }

    return weir_chunk_object(r, WEIR_DELTA_PART, block->part,
                             weir_part_opaque("anthropic", "part",
                                              block->whole));
}


static int
weir_chunk_stop(weir_chunk_reader_t *r, const weir_json_t *doc)
{
    weir_block_t  *block;

    block = weir_chunk_block(r, doc);

    return block == NULL ? -1 : block->open ? weir_chunk_close(r, block) : 0;
}


/* the message */

static int
weir_chunk_usage(weir_chunk_reader_t *r, weir_json_t *usage, bool last)
{
    weir_delta_t  d;

    if (weir_json_is_object(usage)) {
        if (r->s->usage == NULL) {
            r->s->usage = weir_json_object();
        }

        usage = weir_anthropic_said(usage, NULL);

        if (usage == NULL || r->s->usage == NULL
            || weir_json_copy(r->s->usage, usage, NULL) != 0)
        {
            weir_json_free(&usage);
            return weir_chunk_invalid(r, "out of memory");
        }

        weir_json_free(&usage);
    }

    /* What is said of the output before the end is of its beginning alone. */

    d = weir_chunk_delta(WEIR_DELTA_USAGE);
    d.input = weir_anthropic_input(r->s->usage);

    if (last && weir_json_is_number(weir_json_get(r->s->usage,
                                                  "output_tokens")))
    {
        d.output = weir_tokens(r->s->usage, "output_tokens");
        r->s->output = true;
    }

    return d.input < 0 && d.output < 0 ? 0 : r->fn(r->arg, &d);
}


/* Members of the message, of its beginning or its end. */

static int
weir_chunk_beside(weir_chunk_reader_t *r, weir_json_t *message,
    weir_json_t *around)
{
    int                 rc;
    weir_json_t        *choice, *extra, *said;
    static const char  *but[] = { "type", "delta", "message", NULL };

    choice = weir_json_object();
    extra = weir_json_object();

    rc = weir_anthropic_beside_read(choice, extra, message);

    if (around) {
        said = weir_anthropic_said(around, but);
        rc |= said ? weir_anthropic_beside_read(choice, extra, said) : -1;
        weir_json_free(&said);
    }

    rc = rc ? rc : weir_anthropic_usage_news(extra, r->s->usage);

    if (rc != 0) {
        weir_json_free(&choice);
        weir_json_free(&extra);
        return weir_chunk_invalid(r, "out of memory");
    }

    rc = weir_chunk_members(r, WEIR_DELTA_EXTRA, extra);

    if (rc != 0) {
        weir_json_free(&choice);
        return rc;
    }

    return weir_chunk_members(r, WEIR_DELTA_CHOICE, choice);
}


static int
weir_chunk_message(weir_chunk_reader_t *r, const weir_json_t *doc)
{
    int           rc;
    weir_delta_t  d;
    weir_json_t  *message;

    message = weir_json_get(doc, "message");

    if (!weir_json_is_object(message)) {
        return weir_chunk_invalid(r, "it begins without a message");
    }

    d = weir_chunk_delta(WEIR_DELTA_MODEL);
    d.s = weir_json_str(weir_json_get(message, "model"));

    rc = d.s.len ? r->fn(r->arg, &d) : 0;
    rc = rc ? rc : weir_chunk_beside(r, message, NULL);

    return rc ? rc : weir_chunk_usage(r, weir_json_get(message, "usage"),
                                      false);
}


/* how it ends; a block that is still open ends with it */

static int
weir_chunk_end(weir_chunk_reader_t *r, weir_json_t *doc)
{
    int           rc;
    unsigned      i;
    weir_delta_t  d;
    weir_json_t  *delta, *usage;

    for (i = 0, rc = 0; rc == 0 && i < r->s->n; i++) {
        rc = r->s->blocks[i].open ? weir_chunk_close(r, &r->s->blocks[i]) : 0;
    }

    delta = weir_json_get(doc, "delta");
    usage = weir_json_get(doc, "usage");

    rc = rc ? rc : weir_chunk_beside(r, delta, doc);
    rc = rc || usage == NULL ? rc : weir_chunk_usage(r, usage, true);

    d = weir_chunk_delta(WEIR_DELTA_STOP);
    d.s = weir_json_str(weir_json_get(delta, "stop_reason"));

    if (rc != 0 || d.s.len == 0) {
        return rc;
    }

    r->s->stopped = true;
    d.s = weir_anthropic_stop_of(d.s);

    return r->fn(r->arg, &d);
}


static int
weir_chunk_read(weir_chunk_reader_t *r, weir_json_t *doc)
{
    if (weir_json_str(weir_json_get(doc, "type")).len == 0) {
        return weir_chunk_invalid(r, "an event has no type");
    }

    if (weir_part_is(doc, "content_block_delta")) {
        return weir_chunk_go_on(r, doc);
    }

    if (weir_part_is(doc, "content_block_start")) {
        return weir_chunk_begin(r, doc);
    }

    if (weir_part_is(doc, "content_block_stop")) {
        return weir_chunk_stop(r, doc);
    }

    if (weir_part_is(doc, "message_start")) {
        return weir_chunk_message(r, doc);
    }

    if (weir_part_is(doc, "message_delta")) {
        return weir_chunk_end(r, doc);
    }

    if (weir_part_is(doc, "error")) {
        return weir_anthropic_error_event(doc, r->f);
    }

    if (weir_part_is(doc, "message_stop")) {
        r->s->done = true;
        return r->s->output ? 0 : weir_chunk_usage(r, NULL, true);
    }

    return 0;                           /* ping, and what is yet to come */
}


int
weir_anthropic_stream_event(weir_anthropic_stream_t *s, weir_str_t data,
    weir_delta_pt fn, void *arg, weir_failure_t *f)
{
    int                  rc;
    char                 error[WEIR_JSON_ERROR];
    weir_json_t         *doc;
    weir_chunk_reader_t  r = { .s = s, .fn = fn, .arg = arg, .f = f };

    if (s->done || data.len == 0) {
        return 0;                       /* nobody says anything after that */
    }

    doc = weir_json_parse(data, error);

    if (doc == NULL) {
        return weir_chunk_invalid(&r, error);
    }

    rc = weir_chunk_read(&r, doc);
    weir_json_free(&doc);

    return rc;
}
