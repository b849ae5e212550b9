/*
 * The OpenAI dialect: an outcome as the events of a stream.  Pure.
 */

#include "weir_dialect_openai.h"
#include "weir_dialect_openai_part.h"


/* A text comes in pieces of about so many bytes, and no more than so many
 * pieces: each has all of an event round it. */

#define WEIR_PIECE       64
#define WEIR_PIECES_MAX  64


/* what is being written: what all events have is text already */

typedef struct {
    weir_buf_t   head;              /* an object: members of all events */
    weir_buf_t   first;             /* likewise, of the first; or empty */
    weir_buf_t   index;             /* of the choice */
    const char  *usage;             /* a member of all but the last */
    weir_buf_t  *out;
} weir_events_t;


/* an object without its braces */

static void
weir_event_members(weir_buf_t *out, const weir_buf_t *object)
{
    if (object->len > 2) {
        weir_buf_add(out, object->data + 1, object->len - 2);
    }
}


static void
weir_event_begin(weir_events_t *e)
{
    weir_buf_text(e->out, "data: {");
    weir_event_members(e->out, &e->head);

    if (e->first.len) {
        weir_buf_text(e->out, ",");
        weir_event_members(e->out, &e->first);
        weir_buf_reset(&e->first);
    }

    weir_buf_text(e->out, e->usage);
}


static void
weir_event_end(weir_events_t *e)
{
    weir_buf_text(e->out, "}\n\n");
}


/* Takes choice. */

static int
weir_event_choice(weir_events_t *e, weir_json_t *choice)
{
    int  rc;

    weir_event_begin(e);
    weir_buf_text(e->out, ",\"choices\":[");
    rc = weir_json_write(choice, e->out);
    weir_buf_text(e->out, "]");
    weir_event_end(e);

    weir_json_free(&choice);

    return rc;
}


/* Takes delta. */

static int
weir_event_delta(weir_events_t *e, weir_json_t *index, weir_json_t *delta)
{
    int           rc;
    weir_json_t  *choice;

    choice = weir_json_object();

    rc = weir_json_set_take(choice, "index", weir_json_ref(index));
    rc |= weir_json_set_take(choice, "delta", delta);
    rc |= weir_json_set_take(choice, "logprobs", weir_json_new_null());
    rc |= weir_json_set_take(choice, "finish_reason", weir_json_new_null());

    return rc | weir_event_choice(e, choice);
}


static void
weir_event_piece(weir_events_t *e, const char *member, weir_str_t piece)
{
    weir_event_begin(e);
    weir_buf_text(e->out, ",\"choices\":[{\"index\":");
    weir_buf_str(e->out, (weir_str_t) { e->index.data, e->index.len });
    weir_buf_text(e->out, ",\"delta\":{\"");
    weir_buf_text(e->out, member);
    weir_buf_text(e->out, "\":");
    weir_json_quote(e->out, piece);
    weir_buf_text(e->out, "},\"logprobs\":null,\"finish_reason\":null}]");
    weir_event_end(e);
}


/* cut between characters */

static void
weir_events_text(weir_events_t *e, const char *member, weir_str_t text)
{
    size_t  n, size;

    size = text.len / WEIR_PIECES_MAX + 1;
    size = size > WEIR_PIECE ? size : WEIR_PIECE;

    while (text.len) {
        n = size < text.len ? size : text.len;

        while (n < text.len && ((unsigned char) text.data[n] & 0xc0) == 0x80) {
            n++;
        }

        weir_event_piece(e, member, (weir_str_t) { text.data, n });

        text.data += n;
        text.len -= n;
    }
}


/* what comes before the text: the role, and what a message has beside it */

static int
weir_events_role(weir_events_t *e, weir_json_t *from, weir_json_t *index)
{
    int           rc;
    bool          text;
    size_t        i;
    weir_json_t  *delta, *parts;

    text = false;
    parts = weir_json_get(from, "parts");

    for (i = 0; i < weir_json_count(parts); i++) {
        text |= weir_part_is(weir_json_at(parts, i), "text");
    }

    delta = weir_json_object();

    rc = weir_json_copy(delta, weir_json_get(from, "openai_message"), NULL);
    rc |= weir_json_set_take(delta, "role",
                             weir_json_new_str(weir_str("assistant")));
    rc |= weir_json_set_take(delta, "content",
                             text ? weir_json_new_str(weir_str(""))
                                  : weir_json_new_null());
    rc |= weir_json_set_take(delta, "refusal", weir_json_new_null());

    return rc | weir_event_delta(e, index, delta);
}


/* a call comes whole, with its position among the calls of its choice */

static int
weir_events_call(weir_events_t *e, weir_json_t *index, weir_json_t *part,
    long long position)
{
    int           rc;
    weir_json_t  *delta, *calls, *call, *written;

    call = weir_json_object();
    calls = weir_json_array();
    delta = weir_json_object();
    written = weir_call_write(part);

    rc = weir_json_copy(call, written, NULL);
    rc |= weir_json_set_take(call, "index", weir_json_new_int(position));
    rc |= weir_json_add_take(calls, call);
    rc |= weir_json_set_take(delta, "tool_calls", calls);
    rc |= (written == NULL);

    weir_json_free(&written);

    return rc | weir_event_delta(e, index, delta);
}


static int
weir_events_end(weir_events_t *e, weir_json_t *from, weir_json_t *index)
{
    int           rc;
    weir_str_t    stop;
    weir_json_t  *choice;

    choice = weir_json_object();
    stop = weir_json_str(weir_json_get(from, "stop"));

    rc = weir_json_set_take(choice, "logprobs", weir_json_new_null());
    rc |= weir_json_copy(choice, weir_json_get(from, "openai"), NULL);
    rc |= weir_json_set_take(choice, "index", weir_json_ref(index));
    rc |= weir_json_set_take(choice, "delta", weir_json_object());
    rc |= weir_json_set_take(choice, "finish_reason",
                             weir_json_new_str(weir_reason_of(stop)));

    return rc | weir_event_choice(e, choice);
}


static int
weir_events_parts(weir_events_t *e, weir_json_t *from, weir_json_t *index)
{
    int           rc;
    size_t        i;
    long long     calls;
    weir_str_t    text;
    weir_json_t  *part, *parts;

    rc = weir_events_role(e, from, index);
    calls = 0;
    parts = weir_json_get(from, "parts");

    for (i = 0; i < weir_json_count(parts); i++) {
        part = weir_json_at(parts, i);
        text = weir_json_str(weir_json_get(part, "text"));

        if (weir_part_is(part, "text")) {
            weir_events_text(e, "content", text);

        } else if (weir_part_is(part, "refusal")) {
            weir_events_text(e, "refusal", text);

        } else if (weir_part_is_call(part)) {
            rc |= weir_events_call(e, index, part, calls++);
        }
    }

    return rc | weir_events_end(e, from, index);
}


static int
weir_events_choice(weir_events_t *e, weir_json_t *from, size_t position)
{
    int           rc;
    weir_json_t  *index;

    index = weir_choice_index(from, position);

    weir_buf_reset(&e->index);
    rc = weir_json_write(index, &e->index);
    rc |= weir_events_parts(e, from, index);

    weir_json_free(&index);

    return rc;
}


/* members of the completion */

static const char  *weir_events_all[] = {
    "system_fingerprint", "service_tier", NULL
};

static const char  *weir_events_not_first[] = {
    "id", "object", "created", "model", "choices", "usage",
    "system_fingerprint", "service_tier", NULL
};


static int
weir_events_head(weir_events_t *e, const weir_outcome_t *o, weir_str_t id,
    int64_t created)
{
    int            rc;
    weir_json_t   *head, *extra, *value;
    const char   **name;

    head = weir_json_object();
    extra = weir_json_get(o->extra, "openai");

    rc = weir_json_set_take(head, "id", weir_completion_id(id));
    rc |= weir_json_set_take(head, "object",
              weir_json_new_str(weir_str("chat.completion.chunk")));
    rc |= weir_json_set_take(head, "created", weir_json_new_int(created));
    rc |= weir_json_set_take(head, "model", weir_json_new_str(o->model));

    for (name = weir_events_all; *name; name++) {
        value = weir_json_get(extra, *name);

        if (value) {
            rc |= weir_json_set_take(head, *name, weir_json_ref(value));
        }
    }

    rc |= weir_json_write(head, &e->head);
    weir_json_free(&head);

    return rc;
}


/* What only the provider knows may be large: it comes once. */

static int
weir_events_first(weir_events_t *e, const weir_outcome_t *o)
{
    int           rc;
    weir_json_t  *first;

    first = weir_json_object();

    rc = weir_json_copy(first, weir_json_get(o->extra, "openai"),
                        weir_events_not_first);

    if (weir_json_count(first)) {
        rc |= weir_json_write(first, &e->first);
    }

    rc |= (first == NULL);
    weir_json_free(&first);

    return rc;
}


static int
weir_events_usage(weir_events_t *e, const weir_outcome_t *o)
{
    int           rc;
    weir_json_t  *usage;

    usage = weir_usage_write(o);
    e->usage = "";

    weir_event_begin(e);
    weir_buf_text(e->out, ",\"choices\":[],\"usage\":");
    rc = weir_json_write(usage, e->out);
    weir_event_end(e);

    weir_json_free(&usage);

    return rc;
}


int
weir_openai_events(const weir_outcome_t *o, weir_str_t id, int64_t created,
    bool usage, weir_buf_t *out)
{
    int            rc;
    size_t         i;
    weir_events_t  e = { .usage = usage ? ",\"usage\":null" : "", .out = out };

    rc = weir_events_head(&e, o, id, created);
    rc |= weir_events_first(&e, o);

    for (i = 0; rc == 0 && i < weir_json_count(o->choices); i++) {
        rc = weir_events_choice(&e, weir_json_at(o->choices, i), i);
    }

    if (rc == 0 && usage) {
        rc = weir_events_usage(&e, o);
    }

    weir_buf_text(out, "data: [DONE]\n\n");

    weir_buf_free(&e.head);
    weir_buf_free(&e.first);
    weir_buf_free(&e.index);

    return rc != 0 || out->failed ? -1 : 0;
}


bool
weir_openai_stream(const weir_json_t *body, bool *usage_r)
{
    *usage_r = weir_json_true(weir_json_get(weir_json_get(body,
                                                          "stream_options"),
                                            "include_usage"));

    return weir_json_true(weir_json_get(body, "stream"));
}
