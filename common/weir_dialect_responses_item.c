/*
 * The Responses dialect: items of a response.  Pure.
 */

#include "weir_dialect_responses_item.h"


weir_item_e
weir_item_kind(weir_str_t type)
{
    if (weir_str_eq(type, weir_str("text"))
        || weir_str_eq(type, weir_str("refusal")))
    {
        return WEIR_ITEM_MESSAGE;
    }

    if (weir_str_eq(type, weir_str("thinking"))) {
        return WEIR_ITEM_REASONING;
    }

    return weir_str_eq(type, weir_str("tool_call")) ? WEIR_ITEM_CALL
                                                    : WEIR_ITEM_NONE;
}


/* No other item of any response has it. */

void
weir_item_id(weir_buf_t *out, weir_item_e kind, weir_str_t job,
    unsigned index)
{
    char  decimal[WEIR_DECIMAL_MAX];

    weir_buf_text(out, kind == WEIR_ITEM_MESSAGE ? "msg_"
                       : kind == WEIR_ITEM_REASONING ? "rs_" : "fc_");
    weir_buf_str(out, job);
    weir_buf_text(out, "_");
    weir_buf_str(out, weir_decimal(decimal, index));
}


static weir_json_t *
weir_item_id_new(weir_item_e kind, weir_str_t job, unsigned index)
{
    weir_buf_t    text = { 0 };
    weir_json_t  *id;

    weir_item_id(&text, kind, job, index);
    id = text.failed ? NULL
                     : weir_json_new_str((weir_str_t) { text.data, text.len });
    weir_buf_free(&text);

    return id;
}


weir_json_t *
weir_item_content(weir_str_t type, weir_str_t text)
{
    int           rc;
    weir_json_t  *to;

    if (weir_str_eq(type, weir_str("refusal"))) {
        to = weir_part_new("refusal");
        rc = weir_json_set_take(to, "refusal", weir_json_new_str(text));

        return weir_part_unless(rc, to);
    }

    if (weir_str_eq(type, weir_str("thinking"))) {
        to = weir_part_new("reasoning_text");
        rc = 0;

    } else {
        to = weir_part_new("output_text");
        rc = weir_json_set_take(to, "annotations", weir_json_array());
        rc |= weir_json_set_take(to, "logprobs", weir_json_array());
    }

    rc |= weir_json_set_take(to, "text", weir_json_new_str(text));

    return weir_part_unless(rc, to);
}


weir_json_t *
weir_item_new(weir_item_e kind, weir_str_t job, unsigned index,
    const char *status, weir_json_t *content)
{
    int           rc;
    weir_json_t  *to;

    to = weir_part_new(kind == WEIR_ITEM_MESSAGE ? "message" : "reasoning");

    rc = weir_json_set_take(to, "id", weir_item_id_new(kind, job, index));
    rc |= weir_json_set_take(to, "status",
                             weir_json_new_str(weir_str_of(status)));
    rc |= kind == WEIR_ITEM_MESSAGE
          ? weir_json_set_take(to, "role",
                               weir_json_new_str(weir_str("assistant")))
          : weir_json_set_take(to, "summary", weir_json_array());
    rc |= weir_json_set_take(to, "content",
                             content ? weir_json_ref(content)
                                     : weir_json_array());

    return weir_part_unless(rc, to);
}


/* Who answers the call needs an id that is not empty. */

weir_json_t *
weir_item_call(weir_str_t job, unsigned index, const char *status,
    weir_str_t id, weir_str_t name, weir_str_t arguments)
{
    int           rc;
    weir_json_t  *to;

    to = weir_part_new("function_call");

    rc = weir_json_set_take(to, "id", weir_item_id_new(WEIR_ITEM_CALL, job,
                                                       index));
    rc |= weir_json_set_take(to, "call_id",
                             id.len ? weir_json_new_str(id)
                             : weir_item_id_new(WEIR_ITEM_CALL, job, index));
    rc |= weir_json_set_take(to, "name", weir_json_new_str(name));
    rc |= weir_json_set_take(to, "arguments", weir_json_new_str(arguments));
    rc |= weir_json_set_take(to, "status",
                             weir_json_new_str(weir_str_of(status)));

    return weir_part_unless(rc, to);
}


/* all of them */

typedef struct {
    weir_str_t     job;
    weir_json_t   *items;
    weir_json_t   *content;             /* of the last; NULL: it has ended */
    weir_item_e    kind;
    bool           cut;
} weir_items_t;


static int
weir_items_close(weir_items_t *w, bool last)
{
    int  rc;

    if (w->content == NULL) {
        return 0;
    }

    rc = weir_json_add_take(w->items,
             weir_item_new(w->kind, w->job,
                           (unsigned) weir_json_count(w->items),
                           last && w->cut ? "incomplete" : "completed",
                           w->content));
    weir_json_free(&w->content);

    return rc;
}


static int
weir_items_text(weir_items_t *w, weir_item_e kind, const weir_json_t *part)
{
    int         rc;
    weir_str_t  text;

    text = weir_json_str(weir_json_get(part, "text"));

    if (text.len == 0) {
        return 0;
    }

    rc = kind == w->kind ? 0 : weir_items_close(w, false);
    w->kind = kind;

    if (w->content == NULL) {
        w->content = weir_json_array();
    }

    return rc | weir_json_add_take(w->content,
                    weir_item_content(weir_json_str(weir_json_get(part,
                                                                  "type")),
                                      text));
}


static int
weir_items_call(weir_items_t *w, const weir_json_t *part, bool cut)
{
    int  rc;

    rc = weir_items_close(w, false);

    return rc | weir_json_add_take(w->items,
                    weir_item_call(w->job,
                        (unsigned) weir_json_count(w->items),
                        cut ? "incomplete" : "completed",
                        weir_json_str(weir_json_get(part, "id")),
                        weir_json_str(weir_json_get(part, "name")),
                        weir_json_str(weir_json_get(part, "arguments"))));
}


/* Is there nothing to show behind the i-th? */

static bool
weir_items_end(const weir_json_t *parts, size_t i)
{
    weir_item_e   kind;
    weir_json_t  *part;

    for (i++; i < weir_json_count(parts); i++) {
        part = weir_json_at(parts, i);
        kind = weir_item_kind(weir_json_str(weir_json_get(part, "type")));

        if (kind == WEIR_ITEM_CALL
            || (kind != WEIR_ITEM_NONE
                && weir_json_str(weir_json_get(part, "text")).len))
        {
            return false;
        }
    }

    return true;
}


weir_json_t *
weir_items_write(weir_str_t job, const weir_json_t *parts, bool cut)
{
    int            rc;
    size_t         i;
    weir_item_e    kind;
    weir_json_t   *part;
    weir_items_t   w = { .job = job, .items = weir_json_array(), .cut = cut };

    for (i = 0, rc = 0; rc == 0 && weir_json_is_array(parts)
                        && i < weir_json_count(parts); i++)
    {
        part = weir_json_at(parts, i);
        kind = weir_item_kind(weir_json_str(weir_json_get(part, "type")));

        if (kind == WEIR_ITEM_CALL) {
            rc = weir_items_call(&w, part, cut && weir_items_end(parts, i));

        } else if (kind != WEIR_ITEM_NONE) {
            rc = weir_items_text(&w, kind, part);
        }
    }

    rc |= weir_items_close(&w, true);
    weir_json_free(&w.content);

    return weir_part_unless(rc, w.items);
}


int
weir_items_logprobs(weir_json_t *items, const weir_json_t *logprobs)
{
    size_t        i, k;
    weir_json_t  *content, *list;

    list = weir_json_get(logprobs, "content");

    if (!weir_json_is_array(list)) {
        return 0;
    }

    for (i = 0; i < weir_json_count(items); i++) {
        content = weir_json_get(weir_json_at(items, i), "content");

        for (k = 0; k < weir_json_count(content); k++) {
            if (weir_part_is(weir_json_at(content, k), "output_text")) {
                return weir_json_set_take(weir_json_at(content, k), "logprobs",
                                          weir_json_ref(list));
            }
        }
    }

    return 0;
}


const char *
weir_items_cut(weir_str_t stop)
{
    if (weir_str_eq(stop, weir_str("length"))) {
        return "max_output_tokens";
    }

    return weir_str_eq(stop, weir_str("filter")) ? "content_filter" : NULL;
}
