/*
 * Embeddings in the OpenAI dialect: the client's half.  The provider's half is
 * in weir_dialect_openai_embed_call.c.  Pure: documents in, documents out.
 */

#include "weir_dialect_openai_embed.h"
#include "weir_dialect_openai_part.h"

#include "weir_base64.h"
#include "weir_float32.h"
#include "weir_member.h"


#define WEIR_EMBED_TOKEN_MAX       INT32_MAX
#define WEIR_EMBED_DIMENSIONS_MAX  65536


/* members that the translation handles one by one */

static const char  *weir_embed_handled[] = {
    "model", "input", "encoding_format", "dimensions", "stream", NULL
};


/* the request */

static bool
weir_embed_is_tokens(const weir_json_t *v)
{
    size_t        i;
    weir_json_t  *token;

    for (i = 0; i < weir_json_count(v); i++) {
        token = weir_json_at(v, i);

        if (!weir_json_is_int(token) || weir_json_int(token) < 0
            || weir_json_int(token) > WEIR_EMBED_TOKEN_MAX)
        {
            return false;
        }
    }

    return weir_json_is_array(v) && i > 0;
}


static bool
weir_embed_is_texts(const weir_json_t *v)
{
    size_t  i;

    for (i = 0; i < weir_json_count(v); i++) {
        if (weir_json_str(weir_json_at(v, i)).len == 0) {
            return false;
        }
    }

    return true;
}


static bool
weir_embed_is_lists(const weir_json_t *v)
{
    size_t  i;

    for (i = 0; i < weir_json_count(v); i++) {
        if (!weir_embed_is_tokens(weir_json_at(v, i))) {
            return false;
        }
    }

    return true;
}


/* One text, or one list of tokens, is a list of one. */

static int
weir_embed_input(weir_json_t *to, weir_json_t *input, weir_failure_t *f)
{
    int           rc;
    weir_json_t  *list;

    if (weir_json_str(input).len || weir_embed_is_tokens(input)) {
        list = weir_json_array();
        rc = weir_json_add_take(list, weir_json_ref(input));

        return rc | weir_json_set_take(to, "input", list);
    }

    if (weir_json_is_string(input)
        || (weir_json_is_array(input) && weir_json_count(input) == 0))
    {
        return weir_member_wrong(f, "input", "must not be empty");
    }

    if (!weir_json_is_array(input) || (!weir_embed_is_texts(input)
                                       && !weir_embed_is_lists(input)))
    {
        return weir_member_wrong(f, "input", "must be a string, an array of "
                                 "strings, an array of tokens, or an array of "
                                 "such arrays; none of them may be empty");
    }

    if (weir_json_count(input) > WEIR_EMBED_INPUTS) {
        return weir_member_wrong(f, "input", "must not have more than 2048 "
                                 "members");
    }

    return weir_json_set_take(to, "input", weir_json_ref(input));
}


static int
weir_embed_dimensions(weir_json_t *params, weir_json_t *value,
    weir_failure_t *f)
{
    if (value == NULL || weir_json_is_null(value)) {
        return 0;
    }

    if (!weir_json_is_int(value) || weir_json_int(value) < 1
        || weir_json_int(value) > WEIR_EMBED_DIMENSIONS_MAX)
    {
        return weir_member_wrong(f, "dimensions",
                                 "must be an integer from 1 to 65536");
    }

    return weir_json_set_take(params, "dimensions", weir_json_ref(value));
}


static int
weir_embed_check(const weir_json_t *body, weir_failure_t *f)
{
    weir_json_t  *format, *stream;

    if (weir_member_body(body, f) != 0) {
        return -1;
    }

    format = weir_json_get(body, "encoding_format");

    if (format && !weir_json_is_null(format)
        && !weir_str_eq(weir_json_str(format), weir_str("float"))
        && !weir_str_eq(weir_json_str(format), weir_str("base64")))
    {
        return weir_member_wrong(f, "encoding_format",
                                 "must be \"float\" or \"base64\"");
    }

    stream = weir_json_get(body, "stream");

    if (stream && !weir_json_is_null(stream)
        && !(weir_json_is_bool(stream) && !weir_json_true(stream)))
    {
        return weir_member_wrong(f, "stream",
                                 "must be false: embeddings come at once");
    }

    return 0;
}


static int
weir_embed_extra(weir_json_t *to, weir_json_t *body)
{
    int           rc;
    void         *iter;
    const char   *name;
    weir_json_t  *rest, *value, *extra, *dialect;

    rest = weir_json_object();
    extra = weir_json_object();
    dialect = weir_json_object();

    rc = weir_json_copy(rest, body, weir_embed_handled);

    for (iter = weir_json_next(rest, NULL, &name, &value);
         iter;
         iter = weir_json_next(rest, iter, &name, &value))
    {
        if (!weir_json_is_null(value)) {
            rc |= weir_json_set_take(extra, name, weir_json_ref(value));
        }
    }

    weir_json_free(&rest);

    rc |= weir_json_set_take(dialect, "openai", extra);

    return rc | weir_json_set_take(to, "extra", dialect);
}


weir_json_t *
weir_openai_embed_request(const weir_json_t *body, weir_failure_t *f)
{
    int           rc;
    weir_json_t  *to, *params;

    if (weir_embed_check(body, f) != 0) {
        return NULL;
    }

    (void) weir_no_memory(f);

    to = weir_json_object();
    params = weir_json_object();

    rc = weir_json_set_take(to, "v", weir_json_new_int(1));
    rc |= weir_json_set_take(to, "kind",
                             weir_json_new_str(weir_str(WEIR_NEUTRAL_EMBED)));
    rc |= weir_json_set_take(to, "model",
                             weir_json_ref(weir_json_get(body, "model")));
    rc |= weir_json_set_take(to, "params", params);
    rc = rc ? rc : weir_embed_input(to, weir_json_get(body, "input"), f);
    rc = rc ? rc : weir_embed_dimensions(params,
                                         weir_json_get(body, "dimensions"), f);
    rc = rc ? rc : weir_embed_extra(to, (weir_json_t *) body);

    return weir_part_unless(rc, to);
}


bool
weir_openai_embed_base64(const weir_json_t *body)
{
    return weir_str_eq(weir_json_str(weir_json_get(body, "encoding_format")),
                       weir_str("base64"));
}


/* the answer */

bool
weir_embed_decode(weir_str_t data, weir_buf_t *bytes)
{
    char    *to;
    size_t   i, max, len;

    max = data.len / 4 * 3;

    weir_buf_reset(bytes);
    to = weir_buf_reserve(bytes, max + 1);

    if (to == NULL
        || !weir_base64_read(data, (unsigned char *) to, max, &len)
        || len == 0 || len % WEIR_FLOAT32_BYTES)
    {
        return false;
    }

    for (i = 0; i < len; i += WEIR_FLOAT32_BYTES) {
        if (!weir_float32_is_finite(
                weir_float32_get((unsigned char *) to + i)))
        {
            return false;
        }
    }

    bytes->len = len;

    return true;
}


static weir_json_t *
weir_embed_part_of(const weir_json_t *choice)
{
    weir_json_t  *part;

    part = weir_json_at(weir_json_get(choice, "parts"), 0);

    return weir_part_is(part, "embedding") ? part : NULL;
}


bool
weir_outcome_embeds(const weir_outcome_t *o)
{
    return weir_embed_part_of(weir_json_at(o->choices, 0)) != NULL;
}


static int
weir_embed_numbers(weir_str_t data, weir_buf_t *bytes, weir_buf_t *out)
{
    char    *to;
    size_t   i;

    if (!weir_embed_decode(data, bytes)) {
        return -1;
    }

    weir_buf_text(out, "[");

    for (i = 0; i < bytes->len; i += WEIR_FLOAT32_BYTES) {
        to = weir_buf_reserve(out, WEIR_FLOAT32_MAX + 1);

        if (to == NULL) {
            return -1;
        }

        if (i) {
            *to++ = ',';
            out->len++;
        }

        out->len += weir_float32_write(
                        weir_float32_get((unsigned char *) bytes->data + i),
                        to);
    }

    weir_buf_text(out, "]");

    return 0;
}


static int
weir_embed_write(const weir_outcome_t *o, bool base64, weir_buf_t *out)
{
    int           rc;
    size_t        i;
    weir_buf_t    bytes = { 0 };
    weir_str_t    data;
    weir_json_t  *choice;

    for (i = 0, rc = 0; rc == 0 && i < weir_json_count(o->choices); i++) {
        choice = weir_json_at(o->choices, i);
        data = weir_json_str(weir_json_get(weir_embed_part_of(choice), "data"));

        weir_buf_printf(out, "%s{\"object\":\"embedding\",\"index\":%zu,"
                        "\"embedding\":", i ? "," : "", i);

        if (base64) {
            weir_json_quote(out, data);

        } else {
            rc = weir_embed_numbers(data, &bytes, out);
        }

        weir_buf_text(out, "}");
    }

    weir_buf_free(&bytes);

    return rc;
}


/* the provider's own usage, and the counts, which are ours */

static weir_json_t *
weir_embed_usage(const weir_outcome_t *o)
{
    int           rc;
    weir_json_t  *usage, *own;

    usage = weir_json_object();
    own = weir_json_get(weir_json_get(o->extra, "openai"), "usage");

    rc = own ? weir_json_copy(usage, own, NULL) : 0;
    rc |= weir_json_set_take(usage, "prompt_tokens",
                             weir_json_new_int(o->input_tokens));
    rc |= weir_json_set_take(usage, "total_tokens",
                             weir_json_new_int(o->input_tokens));

    return weir_part_unless(rc, usage);
}


int
weir_openai_embeddings(const weir_outcome_t *o, bool base64, weir_buf_t *out)
{
    int           rc;
    weir_buf_t    text = { 0 };
    weir_json_t  *to, *extra, *usage;

    static const char  *but[] = { "object", "data", "model", "usage", NULL };

    weir_buf_text(out, "{\"object\":\"list\",\"data\":[");

    if (weir_embed_write(o, base64, out) != 0) {
        return -1;
    }

    weir_buf_text(out, "]");

    /* the rest is small: it is made as a document, and goes on here */

    to = weir_json_object();
    extra = weir_json_get(o->extra, "openai");
    usage = weir_embed_usage(o);

    rc = weir_json_set_take(to, "model",
                            weir_json_new_str(o->model.data ? o->model
                                                            : weir_str("")));
    rc |= weir_json_set_take(to, "usage", usage);

    rc |= extra ? weir_json_copy(to, extra, but) : 0;
    rc = rc ? rc : weir_json_write(to, &text);

    if (rc == 0) {
        weir_buf_text(out, ",");
        weir_buf_add(out, text.data + 1, text.len - 1);
    }

    weir_buf_free(&text);
    weir_json_free(&to);

    return rc || out->failed ? -1 : 0;
}
