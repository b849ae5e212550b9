/*
 * Blocks of a message in the Anthropic dialect.  Pure.
 */

#include "weir_dialect_anthropic_part.h"

#include <stdio.h>


#define WEIR_BASE64_MARK  ";base64,"


weir_json_t *
weir_anthropic_said(weir_json_t *from, const char **but)
{
    int           rc;
    void         *iter;
    const char   *name;
    weir_json_t  *to, *value;

    to = weir_json_object();
    rc = weir_json_copy(to, from, but);

    for (iter = weir_json_next(from, NULL, &name, &value);
         iter;
         iter = weir_json_next(from, iter, &name, &value))
    {
        if (weir_json_is_null(value) && weir_json_get(to, name)) {
            rc |= weir_json_remove(to, name);
        }
    }

    return weir_part_unless(rc, to);
}


/* reading */

static int
weir_block_rest(weir_json_t *part, weir_json_t *block, bool asked,
    const char **known)
{
    int           rc;
    weir_json_t  *rest;

    if (!asked) {
        return 0;
    }

    rest = weir_anthropic_said(block, known);

    rc = rest == NULL ? -1
         : weir_json_count(rest)
           ? weir_json_set_take(part, "anthropic", weir_json_ref(rest)) : 0;
    weir_json_free(&rest);

    return rc;
}


static bool
weir_block_text(weir_json_t *parts, weir_json_t *block, bool asked,
    const char **why_r)
{
    int                 rc;
    size_t              i;
    weir_json_t        *text, *part, *citations;
    static const char  *known[] = { "type", "text", "citations", NULL };

    text = weir_json_get(block, "text");
    citations = weir_json_get(block, "citations");

    if (!weir_json_is_string(text)
        || (citations && !weir_json_is_array(citations)
            && !weir_json_is_null(citations)))
    {
        *why_r = "must have a string \"text\"";
        return false;
    }

    part = weir_part_text("text", text);
    rc = weir_block_rest(part, block, asked, known);
    rc |= weir_json_add_take(parts, part);

    for (i = 0; rc == 0 && weir_json_is_array(citations)
                && i < weir_json_count(citations); i++)
    {
        rc = weir_json_add_take(parts,
                 weir_part_opaque("anthropic", "citation",
                                  weir_json_at(citations, i)));
    }

    return rc == 0;
}


static bool
weir_block_thinking(weir_json_t *parts, weir_json_t *block,
    const char **why_r)
{
    weir_json_t  *text, *signature;

    text = weir_json_get(block, "thinking");
    signature = weir_json_get(block, "signature");

    if (!weir_json_is_string(text)
        || (signature && !weir_json_is_string(signature)))
    {
        *why_r = "must have strings \"thinking\" and \"signature\"";
        return false;
    }

    if (weir_json_add_take(parts, weir_part_text("thinking", text)) != 0) {
        return false;
    }

    return weir_json_str(signature).len == 0
           || weir_json_add_take(parts,
                  weir_part_opaque("anthropic", "signature", signature)) == 0;
}


/* NULL: a source of another form */

static weir_json_t *
weir_block_url(const weir_json_t *source)
{
    weir_str_t    media, data;
    weir_buf_t    b = { 0 };
    weir_json_t  *url;

    if (weir_part_is(source, "url") && weir_json_count(source) == 2
        && weir_json_is_string(weir_json_get(source, "url")))
    {
        return weir_json_ref(weir_json_get(source, "url"));
    }

    media = weir_json_str(weir_json_get(source, "media_type"));
    data = weir_json_str(weir_json_get(source, "data"));

    if (!weir_part_is(source, "base64") || weir_json_count(source) != 3
        || media.data == NULL || data.data == NULL
        || (media.len && memchr(media.data, ';', media.len)))
    {
        return NULL;
    }

    weir_buf_reserve(&b, media.len + data.len + 32);
    weir_buf_text(&b, "data:");
    weir_buf_str(&b, media);
    weir_buf_text(&b, WEIR_BASE64_MARK);
    weir_buf_str(&b, data);

    url = b.failed ? NULL : weir_json_new_str((weir_str_t) { b.data, b.len });
    weir_buf_free(&b);

    return url;
}


static bool
weir_block_image(weir_json_t *parts, weir_json_t *block, bool asked,
    const char **why_r)
{
    int                 rc;
    weir_json_t        *source, *url, *part;
    static const char  *known[] = { "type", "source", NULL };

    source = weir_json_get(block, "source");

    if (weir_json_str(weir_json_get(source, "type")).len == 0) {
        *why_r = "must have an object \"source\" with a \"type\"";
        return false;
    }

    url = weir_block_url(source);

    if (url == NULL) {
        return weir_json_add_take(parts,
                   weir_part_opaque("anthropic", "part", block)) == 0;
    }

    part = weir_part_new("image");
    rc = weir_json_set_take(part, "url", url);
    rc |= weir_block_rest(part, block, asked, known);

    return (rc | weir_json_add_take(parts, part)) == 0;
}


weir_json_t *
weir_block_arguments(const weir_json_t *input)
{
    weir_buf_t    b = { 0 };
    weir_json_t  *v;

    v = weir_json_write(input, &b) == 0
        ? weir_json_new_str((weir_str_t) { b.data, b.len }) : NULL;
    weir_buf_free(&b);

    return v;
}


static bool
weir_block_call(weir_json_t *parts, weir_json_t *block, bool asked,
    const char **why_r)
{
    int                 rc;
    weir_json_t        *id, *name, *input, *part;
    static const char  *known[] = { "type", "id", "name", "input", NULL };

    id = weir_json_get(block, "id");
    name = weir_json_get(block, "name");
    input = weir_json_get(block, "input");

    if (!weir_json_is_string(id) || !weir_json_is_string(name)
        || !weir_json_is_object(input))
    {
        *why_r = "must have strings \"id\" and \"name\", and an object "
                 "\"input\"";
        return false;
    }

    part = weir_part_new("tool_call");
    rc = weir_json_set_take(part, "id", weir_json_ref(id));
    rc |= weir_json_set_take(part, "name", weir_json_ref(name));
    rc |= weir_json_set_take(part, "arguments", weir_block_arguments(input));
    rc |= weir_block_rest(part, block, asked, known);

    return (rc | weir_json_add_take(parts, part)) == 0;
}


bool
weir_block_read(weir_json_t *parts, weir_json_t *block, bool asked,
    const char **why_r)
{
    *why_r = NULL;

    if (weir_json_str(weir_json_get(block, "type")).len == 0) {
        *why_r = "must be an object with a \"type\"";
        return false;
    }

    if (weir_part_is(block, "text")) {
        return weir_block_text(parts, block, asked, why_r);
    }

    if (weir_part_is(block, "thinking")) {
        return weir_block_thinking(parts, block, why_r);
    }

    if (asked && weir_part_is(block, "image")) {
        return weir_block_image(parts, block, asked, why_r);
    }

    if (weir_part_is(block, "tool_use")) {
        return weir_block_call(parts, block, asked, why_r);
    }

    return weir_json_add_take(parts, weir_part_opaque("anthropic", "part",
                                                      block)) == 0;
}


/* writing */

weir_json_t *
weir_block_input(weir_str_t arguments)
{
    char          error[WEIR_JSON_ERROR];
    weir_json_t  *input;

    if (arguments.len == 0) {
        return weir_json_object();
    }

    input = weir_json_parse(arguments, error);

    if (!weir_json_is_object(input)) {
        weir_json_free(&input);
    }

    return input;
}


weir_json_t *
weir_block_input_any(weir_str_t arguments)
{
    weir_json_t  *input;

    input = weir_block_input(arguments);

    if (input) {
        return input;
    }

    input = weir_json_object();

    return weir_part_unless(weir_json_set_take(input, "_arguments",
                                               weir_json_new_str(arguments)),
                            input);
}


int
weir_anthropic_unsaid(weir_failure_t *f, const char *param, const char *what)
{
    weir_failure_set(f, WEIR_FAIL_INVALID, "the model's provider speaks the "
                     "Anthropic dialect, which cannot say %s", what);
    snprintf(f->code, sizeof(f->code), "untranslatable");
    weir_failure_copy(f->param, sizeof(f->param), weir_str_of(param));

    return -1;
}


/* "kind" in messages, which only another dialect knows */

static int
weir_block_unsaid(weir_failure_t *f, weir_str_t kind)
{
    char  what[128];

    if (f == NULL) {
        return 0;
    }

    snprintf(what, sizeof(what), "a part of type \"%.*s\"",
             kind.len < 64 ? (int) kind.len : 64, kind.data ? kind.data : "");

    return weir_anthropic_unsaid(f, "messages", what);
}


/* Left out: they tell how a message was kept, or of its making. */

static const char  *weir_beside_hints[] = {
    "cache_control", "annotations", "index", "reasoning", "reasoning_content",
    "reasoning_details", NULL
};


int
weir_anthropic_beside(const weir_json_t *openai, const char *param,
    weir_failure_t *f)
{
    char          what[128];
    void         *iter;
    const char   *name, **hint;
    weir_json_t  *value;

    if (f == NULL) {
        return 0;
    }

    for (iter = weir_json_next((weir_json_t *) openai, NULL, &name, &value);
         iter;
         iter = weir_json_next((weir_json_t *) openai, iter, &name, &value))
    {
        for (hint = weir_beside_hints; *hint; hint++) {
            if (strcmp(name, *hint) == 0) {
                break;
            }
        }

        if (*hint == NULL && !weir_json_is_null(value)
            && !(weir_json_is_array(value) && weir_json_count(value) == 0))
        {
            snprintf(what, sizeof(what), "\"%.64s\" in \"%s\"", name, param);
            return weir_anthropic_unsaid(f, param, what);
        }
    }

    return 0;
}


/* what stood beside the members, and then into content */

static int
weir_block_add(weir_json_t *content, weir_json_t *block, int rc,
    const weir_json_t *part, weir_failure_t *f)
{
    weir_json_t  *beside;

    beside = weir_json_get(part, "anthropic");
    rc |= beside ? weir_json_copy(block, beside, NULL) : 0;
    rc |= weir_anthropic_beside(weir_json_get(part, "openai"), "messages", f);

    if (rc != 0) {
        weir_json_free(&block);
        return -1;
    }

    return weir_json_add_take(content, block);
}


/* An empty text is none: the dialect does not allow it. */

static int
weir_block_text_write(weir_json_t *content, const weir_json_t *part,
    weir_str_t text, weir_failure_t *f)
{
    int           rc;
    weir_json_t  *block;

    if (text.len == 0) {
        return 0;
    }

    block = weir_part_new("text");
    rc = weir_json_set_take(block, "text", weir_json_new_str(text));

    return weir_block_add(content, block, rc, part, f);
}


/* Of a request it is sent if a model of this dialect has signed it. */

static int
weir_block_thinking_write(weir_json_t *content, const weir_json_t *part,
    const weir_json_t *next, weir_failure_t *f)
{
    int           rc;
    weir_str_t    text;
    weir_json_t  *block, *signature;

    text = weir_json_str(weir_json_get(part, "text"));
    signature = weir_part_is(next, "anthropic")
                ? weir_json_get(next, "signature") : NULL;

    if (signature == NULL && (f || text.len == 0)) {
        return 0;
    }

    block = weir_part_new("thinking");
    rc = weir_json_set_take(block, "thinking",
                            weir_json_new_str(text.data ? text
                                                        : weir_str("")));
    rc |= weir_json_set_take(block, "signature",
                             signature ? weir_json_ref(signature)
                                       : weir_json_new_str(weir_str("")));

    return weir_block_add(content, block, rc, part, f);
}


static int
weir_block_image_write(weir_json_t *content, const weir_json_t *part,
    weir_failure_t *f)
{
    int           rc;
    size_t        n;
    weir_str_t    url, rest, media;
    weir_json_t  *block, *source;

    url = weir_json_str(weir_json_get(part, "url"));
    rest = url;

    if (url.len > 5 && memcmp(url.data, "data:", 5) == 0
        && weir_str_split(&rest, ',', &media) && rest.data
        && media.len > 5 + 7
        && memcmp(media.data + media.len - 7, ";base64", 7) == 0)
    {
        for (n = 5; media.data[n] != ';'; n++) { /* void */ }

        media = (weir_str_t) { media.data + 5, n - 5 };
        source = weir_part_new("base64");
        rc = weir_json_set_take(source, "media_type",
                                weir_json_new_str(media));
        rc |= weir_json_set_take(source, "data", weir_json_new_str(rest));

    } else if ((url.len > 8 && memcmp(url.data, "https://", 8) == 0)
               || (url.len > 7 && memcmp(url.data, "http://", 7) == 0))
    {
        source = weir_part_new("url");
        rc = weir_json_set_take(source, "url", weir_json_new_str(url));

    } else {
        return f ? weir_anthropic_unsaid(f, "messages", "an image that is "
                                         "neither at an http or https URL nor "
                                         "a data: URL in base64") : 0;
    }

    block = weir_part_new("image");
    rc |= weir_json_set_take(block, "source", source);

    return weir_block_add(content, block, rc, part, f);
}


static int
weir_block_call_write(weir_json_t *content, const weir_json_t *part,
    weir_failure_t *f)
{
    int           rc;
    weir_str_t    arguments, id, name;
    weir_json_t  *block, *input;

    id = weir_json_str(weir_json_get(part, "id"));
    name = weir_json_str(weir_json_get(part, "name"));

    if (f && id.data == NULL) {
        return weir_anthropic_unsaid(f, "messages", "a tool call that has no "
                                     "id");
    }

    arguments = weir_json_str(weir_json_get(part, "arguments"));
    input = f ? weir_block_input(arguments) : weir_block_input_any(arguments);

    if (input == NULL) {
        return f ? weir_anthropic_unsaid(f, "messages", "\"arguments\" of a "
                                         "tool call that are no JSON object")
                 : -1;
    }

    block = weir_part_new("tool_use");
    rc = weir_json_set_take(block, "id",
                            weir_json_new_str(id.data ? id : weir_str("")));
    rc |= weir_json_set_take(block, "name",
                             weir_json_new_str(name.data ? name
                                                         : weir_str("")));
    rc |= weir_json_set_take(block, "input", input);

    return weir_block_add(content, block, rc, part, f);
}


/* into the block before it */

static int
weir_block_citation_write(weir_json_t *content, weir_json_t *citation)
{
    weir_json_t  *last, *list;

    if (weir_json_count(content) == 0) {
        return 0;
    }

    last = weir_json_at(content, weir_json_count(content) - 1);
    list = weir_json_get(last, "citations");

    if (!weir_part_is(last, "text")) {
        return 0;
    }

    if (list == NULL) {
        list = weir_json_array();

        if (weir_json_set_take(last, "citations", list) != 0) {
            return -1;
        }
    }

    return weir_json_add_take(list, weir_json_ref(citation));
}


static int
weir_block_own_write(weir_json_t *content, const weir_json_t *part)
{
    weir_json_t  *value;

    value = weir_json_get(part, "part");

    if (value) {
        return weir_json_add_take(content, weir_json_ref(value));
    }

    value = weir_json_get(part, "citation");

    return value ? weir_block_citation_write(content, value) : 0;
}


static int
weir_block_write(weir_json_t *content, const weir_json_t *part,
    const weir_json_t *next, weir_failure_t *f)
{
    weir_str_t    type;
    weir_json_t  *other;

    if (weir_part_is(part, "text") || weir_part_is(part, "refusal")) {
        return weir_block_text_write(content, part,
                   weir_json_str(weir_json_get(part, "text")), f);
    }

    if (weir_part_is(part, "thinking")) {
        return weir_block_thinking_write(content, part, next, f);
    }

    if (weir_part_is(part, "image")) {
        return weir_block_image_write(content, part, f);
    }

    if (weir_part_is(part, "tool_call")) {
        return weir_block_call_write(content, part, f);
    }

    if (weir_part_is(part, "anthropic")) {
        return weir_block_own_write(content, part);
    }

    other = weir_json_get(part, "part");

    if (weir_part_is(other, "refusal")) {
        return weir_block_text_write(content, NULL,
                   weir_json_str(weir_json_get(other, "refusal")), f);
    }

    other = other ? other : weir_json_get(part, "tool_call");
    type = weir_json_str(weir_json_get(other ? other : part, "type"));

    return weir_block_unsaid(f, type);
}


int
weir_blocks_write(weir_json_t *content, const weir_json_t *parts,
    weir_failure_t *f)
{
    size_t  i, n;

    n = weir_json_is_array(parts) ? weir_json_count(parts) : 0;

    for (i = 0; i < n; i++) {
        if (weir_block_write(content, weir_json_at(parts, i),
                             i + 1 < n ? weir_json_at(parts, i + 1) : NULL, f)
            != 0)
        {
            return -1;
        }
    }

    return 0;
}
