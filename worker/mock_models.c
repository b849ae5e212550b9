/*
 * Lists of models.  Pages are short, so that there are some.
 */

#include "mock_models.h"

#include <stdbool.h>
#include <string.h>


#define PAGE_MAX  2


/* the next name of a list; false: there is none */
static bool
models_next(const char **rest, const char **name, int *len)
{
    if (**rest == '\0') {
        return false;
    }

    *name = *rest;
    *len = (int) strcspn(*rest, ",");
    *rest += *len + ((*rest)[*len] != '\0');

    return true;
}


static bool
models_same(const char *name, int len, const char *other)
{
    return strlen(other) == (size_t) len
           && memcmp(name, other, (size_t) len) == 0;
}


static void
models_write_openai(const char *models, struct mock_buf *out)
{
    int          len;
    const char  *name, *comma;

    mock_buf_text(out, "{\"object\":\"list\",\"data\":[");

    for (comma = ""; models_next(&models, &name, &len); comma = ",") {
        mock_buf_printf(out, "%s{\"id\":\"%.*s\",\"object\":\"model\","
                        "\"created\":1700000000,\"owned_by\":\"mock\"}",
                        comma, len, name);
    }

    mock_buf_text(out, "]}");
}


static void
models_write_end(struct mock_buf *out, const char *member, const char *name,
    int len)
{
    if (name != NULL) {
        mock_buf_printf(out, ",\"%s\":\"%.*s\"", member, len, name);

    } else {
        mock_buf_printf(out, ",\"%s\":null", member);
    }
}


static void
models_write_anthropic(const char *models, size_t limit, const char *after,
    struct mock_buf *out)
{
    int          len, first_len, last_len;
    bool         begun;
    size_t       n;
    const char  *name, *first, *last;

    if (limit == 0 || limit > PAGE_MAX) {
        limit = PAGE_MAX;
    }

    n = 0;
    begun = (after == NULL);
    first = last = NULL;
    first_len = last_len = 0;

    mock_buf_text(out, "{\"data\":[");

    while (n < limit && models_next(&models, &name, &len)) {
        if (!begun) {
            begun = models_same(name, len, after);
            continue;
        }

        mock_buf_printf(out, "%s{\"type\":\"model\",\"id\":\"%.*s\","
                        "\"display_name\":\"%.*s\","
                        "\"created_at\":\"2023-11-14T22:13:20Z\"}",
                        n++ ? "," : "", len, name, len, name);

        first_len = first ? first_len : len;
        first = first ? first : name;
        last = name;
        last_len = len;
    }

    mock_buf_printf(out, "],\"has_more\":%s", *models ? "true" : "false");
    models_write_end(out, "first_id", first, first_len);
    models_write_end(out, "last_id", last, last_len);
    mock_buf_text(out, "}");
}


void
mock_models_write(const char *models, enum mock_dialect dialect, size_t limit,
    const char *after, struct mock_buf *out)
{
    if (dialect == MOCK_ANTHROPIC) {
        models_write_anthropic(models, limit, after, out);

    } else {
        models_write_openai(models, out);
    }
}
