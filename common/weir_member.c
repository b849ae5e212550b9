/*
 * Members of a body and their forms.  Pure.
 */

#include "weir_member.h"

#include <stdio.h>


#define WEIR_MODEL_MAX  256


const weir_member_t *
weir_member_find(const weir_member_t *table, const char *name)
{
    const weir_member_t  *m;

    for (m = table; m->name; m++) {
        if (strcmp(m->name, name) == 0) {
            return m;
        }
    }

    return NULL;
}


int
weir_member_wrong(weir_failure_t *f, const char *param, const char *what)
{
    weir_failure_set(f, WEIR_FAIL_INVALID, "\"%s\" %s", param, what);
    weir_failure_copy(f->param, sizeof(f->param), weir_str_of(param));

    return -1;
}


static int
weir_member_number(const weir_member_t *m, const weir_json_t *value,
    weir_failure_t *f)
{
    bool    integer;
    char    what[128];
    double  n;

    n = weir_json_real(value);
    integer = (m->form == WEIR_MEMBER_INTEGER);

    if (weir_json_is_number(value) && (!integer || weir_json_is_int(value))
        && n >= m->min && n <= m->max)
    {
        return 0;
    }

    snprintf(what, sizeof(what), "must be %s between %g and %g",
             integer ? "an integer" : "a number", m->min, m->max);

    return weir_member_wrong(f, m->name, what);
}


int
weir_member_check(const weir_member_t *m, const weir_json_t *value,
    weir_failure_t *f)
{
    switch (m->form) {

    case WEIR_MEMBER_STRING:
        return weir_json_is_string(value) ? 0
               : weir_member_wrong(f, m->name, "must be a string");

    case WEIR_MEMBER_BOOL:
        return weir_json_is_bool(value) ? 0
               : weir_member_wrong(f, m->name, "must be true or false");

    case WEIR_MEMBER_OBJECT:
        return weir_json_is_object(value) ? 0
               : weir_member_wrong(f, m->name, "must be an object");

    case WEIR_MEMBER_TYPED:
        return weir_json_is_string(weir_json_get(value, "type")) ? 0
               : weir_member_wrong(f, m->name,
                                   "must be an object with a \"type\"");

    case WEIR_MEMBER_INTEGER:
    case WEIR_MEMBER_NUMBER:
        return weir_member_number(m, value, f);

    default:
        return 0;
    }
}


int
weir_member_body(const weir_json_t *body, weir_failure_t *f)
{
    size_t      i;
    weir_str_t  model;

    if (!weir_json_is_object(body)) {
        weir_failure_set(f, WEIR_FAIL_INVALID,
                         "the request must be a JSON object");
        return -1;
    }

    model = weir_json_str(weir_json_get(body, "model"));

    for (i = 0; i < model.len; i++) {
        if ((unsigned char) model.data[i] <= 0x20 || model.data[i] == 0x7f) {
            break;
        }
    }

    return model.len && model.len <= WEIR_MODEL_MAX && i == model.len ? 0
           : weir_member_wrong(f, "model", "must be a string of 1 to 256 "
                               "characters without spaces");
}
