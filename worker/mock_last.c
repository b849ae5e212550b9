/*
 * The record of the last chat call; see mock_last.h.  Kept for every call, so
 * recording copies bytes and nothing else; JSON is made when it is asked for.
 */

#include "mock_last.h"

#include <stdlib.h>
#include <string.h>
#include <jansson.h>


void
mock_last_begin(struct mock_last *last, const char *method, const char *path)
{
    last->head.len = 0;
    mock_last_header(last, method, path);
}


void
mock_last_header(struct mock_last *last, const char *name, const char *value)
{
    if (value == NULL) {
        value = "";
    }

    mock_buf_add(&last->head, name, strlen(name) + 1);
    mock_buf_add(&last->head, value, strlen(value) + 1);
}


void
mock_last_body(struct mock_last *last, struct mock_buf *body)
{
    mock_buf_free(&last->body);
    last->body = *body;
    *body = (struct mock_buf) { 0 };
}


/* a string that is no UTF-8 becomes null */
static json_t *
json_make_string(const char *data, size_t len)
{
    json_t  *string;

    string = json_stringn(data ? data : "", len);

    return string ? string : json_null();
}


/* names in lower case; of several headers of a name, values joined by ", " */
static void
headers_add(json_t *headers, const char *name, const char *value)
{
    size_t            i;
    const char       *before;
    struct mock_buf   key, joined;

    key = (struct mock_buf) { 0 };
    joined = (struct mock_buf) { 0 };

    mock_buf_add(&key, name, strlen(name) + 1);

    for (i = 0; key.data[i] != '\0'; i++) {
        if (key.data[i] >= 'A' && key.data[i] <= 'Z') {
            key.data[i] += 'a' - 'A';
        }
    }

    before = json_string_value(json_object_get(headers, key.data));
    if (before != NULL) {
        mock_buf_text(&joined, before);
        mock_buf_text(&joined, ", ");
    }

    mock_buf_text(&joined, value);
    json_object_set_new(headers, key.data,
                        json_make_string(joined.data, joined.len));

    mock_buf_free(&key);
    mock_buf_free(&joined);
}


static json_t *
last_make_json(const struct mock_last *last)
{
    json_t      *root, *headers, *body;
    const char  *p, *end, *value;

    p = last->head.data;
    end = p + last->head.len;

    root = json_object();
    json_object_set_new(root, "method", json_make_string(p, strlen(p)));

    p += strlen(p) + 1;
    json_object_set_new(root, "path", json_make_string(p, strlen(p)));

    headers = json_object();
    json_object_set_new(root, "headers", headers);

    for (p += strlen(p) + 1; p < end; p = value + strlen(value) + 1) {
        value = p + strlen(p) + 1;
        headers_add(headers, p, value);
    }

    json_object_set_new(root, "bytes",
                        json_integer((json_int_t) last->body.len));
    json_object_set_new(root, "body",
                        json_make_string(last->body.data, last->body.len));

    body = json_loadb(last->body.data ? last->body.data : "", last->body.len,
                      JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    json_object_set_new(root, "json", body ? body : json_null());

    return root;
}


void
mock_last_write(const struct mock_last *last, struct mock_buf *out)
{
    char    *text;
    json_t  *root;

    if (last->head.len == 0) {
        mock_buf_text(out, "null");
        return;
    }

    root = last_make_json(last);
    text = json_dumps(root, JSON_COMPACT);

    mock_buf_text(out, text ? text : "null");

    free(text);
    json_decref(root);
}


void
mock_last_free(struct mock_last *last)
{
    mock_buf_free(&last->head);
    mock_buf_free(&last->body);
}
