/*
 * Joining pieces of a JSON document.  Pure.
 */

#include "weir_merge.h"


/* texts that come in pieces: of reasoning, a call, audio */

static const char *const  weir_merge_joined[] = {
    "reasoning", "arguments", "input", "transcript", "data", NULL
};


static bool
weir_merge_joins(const char *name)
{
    size_t  i;

    for (i = 0; weir_merge_joined[i]; i++) {
        if (strcmp(weir_merge_joined[i], name) == 0) {
            return true;
        }
    }

    return false;
}


static weir_json_t *
weir_merge_strings(weir_str_t a, weir_str_t b)
{
    weir_buf_t    text = { 0 };
    weir_json_t  *v;

    weir_buf_reserve(&text, a.len + b.len + 1);
    weir_buf_str(&text, a);
    weir_buf_str(&text, b);

    v = text.failed ? NULL : weir_json_new_str((weir_str_t) { text.data,
                                                              text.len });
    weir_buf_free(&text);

    return v;
}


static weir_json_t *
weir_merge_arrays(weir_json_t *a, weir_json_t *b)
{
    int           rc;
    size_t        i;
    weir_json_t  *to;

    to = weir_json_array();
    rc = 0;

    for (i = 0; i < weir_json_count(a); i++) {
        rc |= weir_json_add_take(to, weir_json_ref(weir_json_at(a, i)));
    }

    for (i = 0; i < weir_json_count(b); i++) {
        rc |= weir_json_add_take(to, weir_json_ref(weir_json_at(b, i)));
    }

    if (rc != 0) {
        weir_json_free(&to);
    }

    return to;
}


/* What both share is made anew: others may have references to it. */

static weir_json_t *
weir_merge_objects(weir_json_t *a, weir_json_t *b)
{
    weir_json_t  *to;

    to = weir_json_object();

    if (weir_json_copy(to, a, NULL) != 0 || weir_merge(to, b) != 0) {
        weir_json_free(&to);
    }

    return to;
}


static weir_json_t *
weir_merge_values(const char *name, weir_json_t *old, weir_json_t *value)
{
    if (weir_json_is_object(old) && weir_json_is_object(value)) {
        return weir_merge_objects(old, value);
    }

    if (weir_json_is_array(old) && weir_json_is_array(value)) {
        return weir_merge_arrays(old, value);
    }

    if (weir_json_is_string(old) && weir_json_is_string(value)
        && weir_merge_joins(name))
    {
        return weir_merge_strings(weir_json_str(old), weir_json_str(value));
    }

    return weir_json_ref(value);
}


int
weir_merge(weir_json_t *to, weir_json_t *from)
{
    void         *iter;
    const char   *name;
    weir_json_t  *value;

    for (iter = weir_json_next(from, NULL, &name, &value);
         iter;
         iter = weir_json_next(from, iter, &name, &value))
    {
        value = weir_merge_values(name, weir_json_get(to, name), value);

        if (weir_json_set_take(to, name, value) != 0) {
            return -1;
        }
    }

    return 0;
}
