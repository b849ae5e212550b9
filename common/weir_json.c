/*
 * Bounded JSON on jansson.  Owns nothing; the values own themselves.
 */

#include "weir_json.h"

#include <jansson.h>
#include <stdio.h>


bool
weir_json_too_deep(weir_str_t text, unsigned max)
{
    char    c;
    bool    quoted;
    size_t  i, depth;

    depth = 0;
    quoted = false;

    for (i = 0; i < text.len; i++) {
        c = text.data[i];

        if (quoted) {
            if (c == '\\') {
                i++;

            } else if (c == '"') {
                quoted = false;
            }

        } else if (c == '"') {
            quoted = true;

        } else if (c == '{' || c == '[') {
            if (++depth > max) {
                return true;
            }

        } else if ((c == '}' || c == ']') && depth) {
            depth--;
        }
    }

    return false;
}


/* the library's own texts may quote the document, which is a prompt */

static const char *
weir_json_reason(const json_error_t *e)
{
    switch (json_error_code(e)) {

    case json_error_duplicate_key:
        return "an object names a key twice";

    case json_error_invalid_utf8:
        return "the text is not UTF-8";

    case json_error_premature_end_of_input:
        return "the text ends too early";

    case json_error_end_of_input_expected:
        return "something follows the value";

    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "U+0000 is not allowed";

    case json_error_numeric_overflow:
        return "a number is too large";

    case json_error_stack_overflow:
        return "it is nested too deeply";

    case json_error_out_of_memory:
        return "there is no memory for it";

    default:
        return "the syntax is wrong";
    }
}


weir_json_t *
weir_json_parse(weir_str_t text, char error_r[WEIR_JSON_ERROR])
{
    json_t        *v;
    json_error_t   e;

    error_r[0] = '\0';

    if (weir_json_too_deep(text, WEIR_JSON_DEPTH_MAX)) {
        snprintf(error_r, WEIR_JSON_ERROR,
                 "it is nested deeper than %d levels", WEIR_JSON_DEPTH_MAX);
        return NULL;
    }

    v = json_loadb(text.data ? text.data : "", text.len,
                   JSON_REJECT_DUPLICATES|JSON_DECODE_ANY, &e);
    if (v == NULL) {
        snprintf(error_r, WEIR_JSON_ERROR, "%s (line %d, column %d)",
                 weir_json_reason(&e), e.line, e.column);
    }

    return v;
}


void
weir_json_free(weir_json_t **v)
{
    json_decref(*v);
    *v = NULL;
}


weir_json_t *
weir_json_ref(weir_json_t *v)
{
    return json_incref(v);
}


static int
weir_json_sink(const char *data, size_t len, void *out)
{
    weir_buf_t  *b = out;

    weir_buf_add(b, data, len);

    return b->failed ? -1 : 0;
}


static int
weir_json_dump(const weir_json_t *v, weir_buf_t *out, size_t flags)
{
    if (v == NULL
        || json_dump_callback(v, weir_json_sink, out,
                              JSON_COMPACT|JSON_ENCODE_ANY|flags) != 0)
    {
        out->failed = true;
        return -1;
    }

    return 0;
}


int
weir_json_write(const weir_json_t *v, weir_buf_t *out)
{
    return weir_json_dump(v, out, 0);
}


int
weir_json_write_sorted(const weir_json_t *v, weir_buf_t *out)
{
    return weir_json_dump(v, out, JSON_SORT_KEYS);
}


/* the short form of an escape: RFC 8785 has no other */

static const char *
weir_json_escape(char c, char hex[8])
{
    switch (c) {

    case '"':
        return "\\\"";

    case '\\':
        return "\\\\";

    case '\b':
        return "\\b";

    case '\f':
        return "\\f";

    case '\n':
        return "\\n";

    case '\r':
        return "\\r";

    case '\t':
        return "\\t";

    default:
        break;
    }

    if ((unsigned char) c >= 0x20) {
        return NULL;
    }

    snprintf(hex, 8, "\\u%04x", (unsigned) c);

    return hex;
}


void
weir_json_quote(weir_buf_t *out, weir_str_t s)
{
    char         hex[8];
    size_t       i, start;
    const char  *esc;

    weir_buf_add(out, "\"", 1);
    start = 0;

    for (i = 0; i < s.len; i++) {
        esc = weir_json_escape(s.data[i], hex);

        if (esc) {
            weir_buf_add(out, s.data + start, i - start);
            weir_buf_text(out, esc);
            start = i + 1;
        }
    }

    if (start < s.len) {
        weir_buf_add(out, s.data + start, s.len - start);
    }

    weir_buf_add(out, "\"", 1);
}


bool
weir_json_is_object(const weir_json_t *v)
{
    return json_is_object(v);
}


bool
weir_json_is_array(const weir_json_t *v)
{
    return json_is_array(v);
}


bool
weir_json_is_string(const weir_json_t *v)
{
    return json_is_string(v);
}


bool
weir_json_is_number(const weir_json_t *v)
{
    return json_is_number(v);
}


bool
weir_json_is_int(const weir_json_t *v)
{
    return json_is_integer(v);
}


bool
weir_json_is_bool(const weir_json_t *v)
{
    return json_is_boolean(v);
}


bool
weir_json_is_null(const weir_json_t *v)
{
    return json_is_null(v);
}


weir_json_t *
weir_json_get(const weir_json_t *object, const char *key)
{
    return json_object_get(object, key);
}


size_t
weir_json_count(const weir_json_t *v)
{
    return json_is_array(v) ? json_array_size(v) : json_object_size(v);
}


weir_json_t *
weir_json_at(const weir_json_t *array, size_t i)
{
    return json_array_get(array, i);
}


weir_str_t
weir_json_str(const weir_json_t *v)
{
    if (!json_is_string(v)) {
        return weir_str_null;
    }

    return (weir_str_t) { json_string_value(v), json_string_length(v) };
}


long long
weir_json_int(const weir_json_t *v)
{
    double  d;

    if (json_is_integer(v)) {
        return json_integer_value(v);
    }

    d = json_real_value(v);

    return (d > -9e18 && d < 9e18) ? (long long) d : 0;
}


double
weir_json_real(const weir_json_t *v)
{
    return json_number_value(v);
}


bool
weir_json_true(const weir_json_t *v)
{
    return json_is_true(v);
}


void *
weir_json_next(weir_json_t *object, void *iter, const char **key_r,
    weir_json_t **value_r)
{
    iter = iter ? json_object_iter_next(object, iter)
                : json_object_iter(object);

    if (iter) {
        *key_r = json_object_iter_key(iter);
        *value_r = json_object_iter_value(iter);
    }

    return iter;
}


weir_json_t *
weir_json_object(void)
{
    return json_object();
}


weir_json_t *
weir_json_array(void)
{
    return json_array();
}


weir_json_t *
weir_json_new_str(weir_str_t s)
{
    return json_stringn(s.data ? s.data : "", s.len);
}


weir_json_t *
weir_json_new_int(long long n)
{
    return json_integer(n);
}


weir_json_t *
weir_json_new_bool(bool b)
{
    return json_boolean(b);
}


weir_json_t *
weir_json_new_null(void)
{
    return json_null();
}


int
weir_json_set_take(weir_json_t *object, const char *key, weir_json_t *value)
{
    return json_object_set_new(object, key, value);
}


int
weir_json_add_take(weir_json_t *array, weir_json_t *value)
{
    return json_array_append_new(array, value);
}


int
weir_json_remove(weir_json_t *object, const char *key)
{
    return json_object_del(object, key);
}


int
weir_json_copy(weir_json_t *to, weir_json_t *from, const char **but)
{
    int           i;
    void         *iter;
    const char   *key;
    weir_json_t  *value;

    for (iter = weir_json_next(from, NULL, &key, &value);
         iter;
         iter = weir_json_next(from, iter, &key, &value))
    {
        for (i = 0; but && but[i] && strcmp(but[i], key) != 0; i++) {
            /* void */
        }

        if (but && but[i]) {
            continue;
        }

        if (weir_json_set_take(to, key, weir_json_ref(value)) != 0) {
            return -1;
        }
    }

    return 0;
}
