/*
 * Members of a request's JSON; see mock_field.h.
 */

#include "mock_field.h"


json_t *
mock_field_root(const char *body, size_t len, struct mock_error *error_r)
{
    json_t       *root;
    json_error_t  where;

    root = json_loadb(body ? body : "", len, JSON_ALLOW_NUL, &where);
    if (json_is_object(root)) {
        return root;
    }

    mock_error_set(error_r, 400, NULL, NULL, "the body is not a JSON "
                   "object%s%s", root ? "" : ": ", root ? "" : where.text);
    json_decref(root);

    return NULL;
}


bool
mock_field_integer(const json_t *root, const char *name, int64_t min,
    int64_t max, int64_t *value_r, struct mock_error *error_r)
{
    int64_t        n;
    const json_t  *value;

    value = json_object_get(root, name);
    if (value == NULL || json_is_null(value)) {
        return true;
    }

    n = json_integer_value(value);

    if (!json_is_integer(value) || n < min || n > max) {
        mock_error_set(error_r, 400, name, NULL, "\"%s\" must be an integer "
                       "from %lld to %lld", name, (long long) min,
                       (long long) max);
        return false;
    }

    *value_r = n;

    return true;
}


bool
mock_field_model(const json_t *root, struct mock_buf *model,
    struct mock_error *error_r)
{
    const json_t  *value;

    value = json_object_get(root, "model");

    if (!json_is_string(value) || json_string_length(value) == 0) {
        mock_error_set(error_r, 400, "model", NULL,
                       "you must provide a \"model\"");
        return false;
    }

    mock_buf_add(model, json_string_value(value), json_string_length(value));

    return true;
}
