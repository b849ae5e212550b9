/*
 * Parts of messages, whatever the dialect.  Owns nothing.
 */

#include "weir_part.h"


weir_json_t *
weir_part_new(const char *type)
{
    weir_json_t  *part;

    part = weir_json_object();

    if (weir_json_set_take(part, "type", weir_json_new_str(weir_str_of(type)))
        != 0)
    {
        weir_json_free(&part);
    }

    return part;
}


weir_json_t *
weir_part_opaque(const char *dialect, const char *member,
    weir_json_t *value)
{
    weir_json_t  *part;

    part = weir_part_new(dialect);

    if (weir_json_set_take(part, member, weir_json_ref(value)) != 0) {
        weir_json_free(&part);
    }

    return part;
}


weir_json_t *
weir_part_text(const char *type, weir_json_t *text)
{
    weir_json_t  *part;

    part = weir_part_new(type);

    if (weir_json_set_take(part, "text", weir_json_ref(text)) != 0) {
        weir_json_free(&part);
    }

    return part;
}


bool
weir_part_is(const weir_json_t *part, const char *type)
{
    return weir_str_eq(weir_json_str(weir_json_get(part, "type")),
                       weir_str_of(type));
}


int
weir_rest_read(weir_json_t *to, const char *name, weir_json_t *from,
    const char **known)
{
    weir_json_t  *rest;

    rest = weir_json_object();

    if (weir_json_copy(rest, from, known) != 0) {
        weir_json_free(&rest);
        return -1;
    }

    if (weir_json_count(rest) == 0) {
        weir_json_free(&rest);
        return 0;
    }

    return weir_json_set_take(to, name, rest);
}


weir_json_t *
weir_part_unless(int rc, weir_json_t *v)
{
    if (rc != 0) {
        weir_json_free(&v);
    }

    return v;
}


long long
weir_tokens(const weir_json_t *usage, const char *name)
{
    long long  n;

    n = weir_json_int(weir_json_get(usage, name));

    return n < 0 ? 0 : n > WEIR_TOKENS_MAX ? WEIR_TOKENS_MAX : n;
}
