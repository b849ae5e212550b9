/*
 * Parts of a message in the OpenAI dialect.  Pure.
 */

#include "weir_dialect_openai_part.h"


/* copies a member if it is a string; -1: no memory */

static int
weir_copy_str(weir_json_t *to, weir_json_t *from, const char *name)
{
    weir_json_t  *v;

    v = weir_json_get(from, name);

    return weir_json_is_string(v) ? weir_json_set_take(to, name,
                                                       weir_json_ref(v))
                                  : 0;
}


/* content */

/* {"type":"image_url","image_url":{"url":..,"detail":..}} and nothing else;
 * NULL: of another form */

static weir_json_t *
weir_image_read(weir_json_t *content, weir_json_t *image)
{
    int           rc;
    size_t        members;
    weir_json_t  *part;

    members = 1 + weir_json_is_string(weir_json_get(image, "detail"));

    if (!weir_json_is_string(weir_json_get(image, "url"))
        || weir_json_count(image) != members || weir_json_count(content) != 2)
    {
        return NULL;
    }

    part = weir_part_new("image");
    rc = weir_copy_str(part, image, "url");
    rc |= weir_copy_str(part, image, "detail");

    return weir_part_unless(rc, part);
}


weir_json_t *
weir_content_read(weir_json_t *content)
{
    weir_json_t         *part, *text;
    static const char   *known[] = { "type", "text", NULL };

    text = weir_json_get(content, "text");

    if (weir_part_is(content, "text") && weir_json_is_string(text)) {
        part = weir_part_text("text", text);

        return weir_part_unless(weir_rest_read(part, "openai", content, known),
                           part);
    }

    if (weir_part_is(content, "image_url")) {
        part = weir_image_read(content, weir_json_get(content, "image_url"));

        if (part) {
            return part;
        }
    }

    if (weir_json_str(weir_json_get(content, "type")).len == 0) {
        return NULL;
    }

    return weir_part_opaque("openai", "part", content);
}


static weir_json_t *
weir_image_write(weir_json_t *part)
{
    int           rc;
    weir_json_t  *to, *image;

    to = weir_part_new("image_url");
    image = weir_json_object();

    rc = weir_copy_str(image, part, "url");
    rc |= weir_copy_str(image, part, "detail");
    rc |= weir_json_set_take(to, "image_url", image);

    return weir_part_unless(rc, to);
}


/* text, refusal */

static weir_json_t *
weir_text_write(weir_json_t *part)
{
    int                 rc;
    weir_json_t        *to;
    static const char  *but[] = { "openai", "anthropic", NULL };

    to = weir_json_object();
    rc = weir_json_copy(to, part, but);
    rc |= weir_json_copy(to, weir_json_get(part, "openai"), NULL);

    return weir_part_unless(rc, to);
}


weir_json_t *
weir_content_write(weir_json_t *part)
{
    if (weir_part_is(part, "openai")) {
        return weir_json_ref(weir_json_get(part, "part"));
    }

    return weir_part_is(part, "image") ? weir_image_write(part)
                                       : weir_text_write(part);
}


/* tool calls */

static weir_json_t *
weir_call_read(weir_json_t *call)
{
    int                 rc;
    weir_json_t        *function, *part;
    static const char  *known[] = { "id", "type", "function", NULL };

    function = weir_json_get(call, "function");

    if (!weir_json_is_string(weir_json_get(function, "name"))
        || !weir_json_is_string(weir_json_get(function, "arguments"))
        || weir_json_count(function) != 2)
    {
        return weir_part_opaque("openai", "tool_call", call);
    }

    part = weir_part_new("tool_call");
    rc = weir_copy_str(part, call, "id");
    rc |= weir_copy_str(part, function, "name");
    rc |= weir_copy_str(part, function, "arguments");
    rc |= weir_rest_read(part, "openai", call, known);

    return weir_part_unless(rc, part);
}


int
weir_calls_read(weir_json_t *parts, weir_json_t *calls)
{
    size_t  i;

    for (i = 0; weir_json_is_array(calls) && i < weir_json_count(calls); i++) {
        if (weir_json_add_take(parts, weir_call_read(weir_json_at(calls, i)))
            != 0)
        {
            return -1;
        }
    }

    return 0;
}


bool
weir_part_is_call(const weir_json_t *part)
{
    return weir_part_is(part, "tool_call") || weir_json_get(part, "tool_call");
}


weir_json_t *
weir_call_write(weir_json_t *part)
{
    int           rc;
    weir_json_t  *call, *function;

    if (weir_json_get(part, "tool_call")) {
        return weir_json_ref(weir_json_get(part, "tool_call"));
    }

    call = weir_json_object();
    function = weir_json_object();

    rc = weir_copy_str(function, part, "name");
    rc |= weir_copy_str(function, part, "arguments");
    rc |= weir_copy_str(call, part, "id");
    rc |= weir_json_set_take(call, "type",
                             weir_json_new_str(weir_str("function")));
    rc |= weir_json_set_take(call, "function", function);
    rc |= weir_json_copy(call, weir_json_get(part, "openai"), NULL);

    return weir_part_unless(rc, call);
}
