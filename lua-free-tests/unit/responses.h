/*
 * For tests of the Responses dialect: a client that puts events together, and
 * what was said under each number.
 */

#ifndef RESPONSES_H
#define RESPONSES_H


#include "documents.h"
#include "weir_sse.h"


#define TAPE_MAX  4096


/* what is said under each number: an event, or a byte of a delta */

typedef struct {
    char  *slots[TAPE_MAX];
    long   last;                        /* number; -1: none yet */
} tape_t;


/* a client that puts events together, as the official one does */

typedef struct {
    tape_t        tape;
    weir_json_t  *snapshot;             /* the response so far */
    weir_buf_t    text;                 /* of all deltas */
    bool          resumed;
    bool          ended;
    bool          thrown;
} client_t;


static inline void
tape_put(tape_t *t, long number, char *what)
{
    assert_true(number >= 0 && number < TAPE_MAX);
    assert_null(t->slots[number]);
    t->slots[number] = what;
}


static inline char *
copy_of(weir_str_t s)
{
    char  *p;

    p = malloc(s.len + 1);
    assert_non_null(p);
    memcpy(p, s.data, s.len);
    p[s.len] = '\0';

    return p;
}


/* with its end marked */

static inline char *
text_of(weir_buf_t *b)
{
    weir_buf_add(b, "", 1);
    b->len--;

    return b->data;
}


static inline const char *
type_of(const weir_json_t *v)
{
    weir_str_t  s;

    s = weir_json_str(weir_json_get(v, "type"));

    return s.data ? s.data : "";
}


static inline bool
ends_with(const char *s, const char *end)
{
    size_t  n;

    n = strlen(s);

    return n >= strlen(end) && strcmp(s + n - strlen(end), end) == 0;
}


/* the text that a member of the snapshot has, and more */

static inline void
add_text(weir_json_t *to, const char *member, weir_str_t more)
{
    weir_buf_t  b = { 0 };

    assert_true(weir_json_is_string(weir_json_get(to, member)));
    weir_buf_str(&b, weir_json_str(weir_json_get(to, member)));
    weir_buf_str(&b, more);
    assert_int_equal(weir_json_set_take(to, member,
                                        weir_json_new_str(unit_buf(&b))), 0);
    weir_buf_free(&b);
}


static inline const char *
member_of(const char *type)
{
    return strstr(type, "function_call") ? "arguments"
           : strstr(type, "refusal") ? "refusal" : "text";
}


/* the item, or the part of it, that an event is of */

static inline weir_json_t *
place_of(client_t *c, const weir_json_t *event)
{
    weir_json_t  *item, *at;

    item = weir_json_at(weir_json_get(c->snapshot, "output"),
                        (size_t) weir_json_int(weir_json_get(event,
                                                             "output_index")));
    assert_non_null(item);
    at = weir_json_get(event, "item_id");
    assert_true(weir_str_eq(weir_json_str(at),
                            weir_json_str(weir_json_get(item, "id"))));

    at = weir_json_get(event, "content_index");

    if (at == NULL) {
        return item;
    }

    item = weir_json_at(weir_json_get(item, "content"),
                        (size_t) weir_json_int(at));
    assert_non_null(item);

    return item;
}


static inline void
assert_equal(const weir_json_t *a, const weir_json_t *b)
{
    weir_buf_t  x = { 0 }, y = { 0 };

    assert_int_equal(weir_json_write_sorted(a, &x), 0);
    assert_int_equal(weir_json_write_sorted(b, &y), 0);

    if (!weir_str_eq(unit_buf(&x), unit_buf(&y))) {
        fail_msg("%.*s\nis not\n%.*s", (int) x.len, x.data, (int) y.len,
                 y.data);
    }

    weir_buf_free(&x);
    weir_buf_free(&y);
}


static inline void
apply_item(client_t *c, const weir_json_t *event, const char *type)
{
    size_t        i;
    weir_json_t  *output, *item, *was;

    output = weir_json_get(c->snapshot, "output");
    item = weir_json_get(event, "item");
    i = (size_t) weir_json_int(weir_json_get(event, "output_index"));

    if (strcmp(type, "response.output_item.added") == 0) {
        assert_int_equal(weir_json_count(output), i);
        assert_true(weir_str_eq(weir_json_str(weir_json_get(item, "status")),
                                weir_str("in_progress")));

        /* a copy: it grows */

        weir_json_add_take(output, weir_json_object());
        weir_json_copy(weir_json_at(output, i), item, NULL);
        return;
    }

    /* all that it ends with was said before, but how */

    was = weir_json_at(output, i);
    assert_non_null(was);
    weir_json_set_take(was, "status",
                       weir_json_ref(weir_json_get(item, "status")));
    assert_equal(was, item);
}


static inline void
apply_part(client_t *c, const weir_json_t *event, const char *type)
{
    weir_json_t  *content, *part, *to;

    part = weir_json_get(event, "part");

    if (ends_with(type, ".done")) {
        assert_equal(place_of(c, event), part);
        return;
    }

    content = weir_json_get(weir_json_at(weir_json_get(c->snapshot, "output"),
                  (size_t) weir_json_int(weir_json_get(event,
                                                       "output_index"))),
                            "content");
    assert_int_equal(weir_json_count(content),
                     weir_json_int(weir_json_get(event, "content_index")));
    to = weir_json_object();
    weir_json_copy(to, part, NULL);
    assert_int_equal(weir_json_add_take(content, to), 0);
}


static inline void
apply(client_t *c, weir_json_t *event, const char *type)
{
    weir_str_t    text;
    weir_json_t  *response;

    response = weir_json_get(event, "response");

    if (response) {
        c->ended = strcmp(type, "response.created") != 0
                   && strcmp(type, "response.in_progress") != 0;

        if (c->ended && strcmp(type, "response.failed") != 0
            && !c->resumed)
        {
            assert_equal(weir_json_get(c->snapshot, "output"),
                         weir_json_get(response, "output"));
        }

        assert_true(c->snapshot || c->resumed
                    || strcmp(type, "response.created") == 0);
        weir_json_free(&c->snapshot);
        c->snapshot = weir_json_ref(response);
        return;
    }

    if (strcmp(type, "error") == 0) {
        c->thrown = weir_json_is_object(weir_json_get(event, "error"));
        return;
    }

    if (c->resumed) {
        return;
    }

    assert_non_null(c->snapshot);

    if (strstr(type, ".output_item.")) {
        apply_item(c, event, type);

    } else if (strstr(type, ".content_part.")) {
        apply_part(c, event, type);

    } else if (ends_with(type, ".delta")) {
        text = weir_json_str(weir_json_get(event, "delta"));
        add_text(place_of(c, event), member_of(type), text);

    } else {
        assert_true(ends_with(type, ".done"));
        text = weir_json_str(weir_json_get(place_of(c, event),
                                           member_of(type)));
        assert_true(weir_str_eq(text, weir_json_str(weir_json_get(event,
                                                       member_of(type)))));
    }
}


static inline int
on_event(void *arg, weir_str_t name, weir_str_t data)
{
    long          number;
    size_t        i;
    char          byte[2] = "";
    client_t     *c = arg;
    weir_str_t    delta;
    weir_json_t  *event;

    event = parse(data);
    unit_str(name, type_of(event));
    assert_true(weir_json_is_int(weir_json_get(event, "sequence_number")));
    number = (long) weir_json_int(weir_json_get(event, "sequence_number"));
    delta = weir_json_str(weir_json_get(event, "delta"));

    assert_false(c->ended || c->thrown);

    if (delta.data == NULL) {
        assert_true(number > c->tape.last);
        tape_put(&c->tape, number, copy_of(data));

    } else {
        assert_true(delta.len > 0);
        assert_true(number - (long) delta.len >= c->tape.last);

        for (i = 0; i < delta.len; i++) {
            byte[0] = delta.data[i];
            tape_put(&c->tape, number - (long) delta.len + 1 + (long) i,
                     copy_of(weir_str_of(byte)));
        }

        weir_buf_str(&c->text, delta);
    }

    c->tape.last = number;
    apply(c, event, type_of(event));
    weir_json_free(&event);

    return 0;
}


static inline void
client_read(client_t *c, const weir_buf_t *events, bool resumed)
{
    weir_sse_t  sse;

    memset(c, 0, sizeof(client_t));
    c->tape.last = -1;
    c->resumed = resumed;

    if (events->len == 0) {
        return;
    }

    weir_sse_init(&sse, 1024 * 1024);
    assert_int_equal(weir_sse_feed(&sse, unit_buf(events), on_event, c), 0);
    weir_sse_free(&sse);
}


static inline void
client_free(client_t *c)
{
    int  i;

    for (i = 0; i < TAPE_MAX; i++) {
        free(c->tape.slots[i]);
    }

    weir_json_free(&c->snapshot);
    weir_buf_free(&c->text);
}


#endif /* RESPONSES_H */
