/*
 * Lists in fields of HTTP.  Pure.
 */

#include "weir_field.h"

#include <strings.h>


static weir_str_t
weir_field_trim(weir_str_t s)
{
    while (s.len && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.len--;
    }

    while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) {
        s.len--;
    }

    return s;
}


weir_str_t
weir_field_part(weir_str_t *rest, char sep)
{
    bool        quoted;
    size_t      i;
    weir_str_t  part;

    quoted = false;

    for (i = 0; i < rest->len; i++) {
        if (quoted && rest->data[i] == '\\') {
            i++;

        } else if (rest->data[i] == '"') {
            quoted = !quoted;

        } else if (!quoted && rest->data[i] == sep) {
            break;
        }
    }

    if (i > rest->len) {
        i = rest->len;
    }

    part = (weir_str_t) { rest->data, i };

    rest->data += i;
    rest->len -= i;

    if (rest->len) {
        rest->data++;
        rest->len--;
    }

    return weir_field_trim(part);
}


bool
weir_field_is(weir_str_t name, const char *want)
{
    return name.len == strlen(want)
           && strncasecmp(name.data, want, name.len) == 0;
}


bool
weir_field_seconds(weir_str_t value, int64_t max, int64_t *s_r)
{
    size_t   i;
    int64_t  s;

    value = weir_field_trim(value);

    if (value.len >= 2 && value.data[0] == '"'
        && value.data[value.len - 1] == '"')
    {
        value.data++;
        value.len -= 2;
    }

    s = 0;

    for (i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return false;
        }

        if (s < max) {
            s = s * 10 + (value.data[i] - '0');
        }
    }

    *s_r = s < max ? s : max;

    return value.len > 0;
}
