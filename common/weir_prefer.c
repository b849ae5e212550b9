/*
 * The Prefer header.  Pure.
 */

#include "weir_prefer.h"

#include <strings.h>


/* preference = token [ "=" ( token / quoted ) ] *( ";" parameter ) */

static weir_str_t
weir_trim(weir_str_t s)
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


/* the part up to sep outside of quotes; *rest moves behind it */

static weir_str_t
weir_until(weir_str_t *rest, char sep)
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

    return weir_trim(part);
}


static bool
weir_same_name(weir_str_t name, const char *want)
{
    return name.len == strlen(want)
           && strncasecmp(name.data, want, name.len) == 0;
}


static bool
weir_seconds(weir_str_t value, int64_t *s_r)
{
    size_t   i;
    int64_t  s;

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

        if (s < WEIR_PREFER_WAIT_MAX) {
            s = s * 10 + (value.data[i] - '0');
        }
    }

    *s_r = s < WEIR_PREFER_WAIT_MAX ? s : WEIR_PREFER_WAIT_MAX;

    return value.len > 0;
}


void
weir_prefer_parse(weir_prefer_t *p, weir_str_t line)
{
    int64_t     wait;
    weir_str_t  item, name;

    while (line.len) {
        item = weir_until(&line, ',');
        item = weir_until(&item, ';');          /* parameters are not ours */
        name = weir_until(&item, '=');

        if (weir_same_name(name, "respond-async")) {
            p->async = true;

        } else if (weir_same_name(name, "wait") && !p->waits
                   && weir_seconds(weir_trim(item), &wait))
        {
            p->waits = true;
            p->wait = wait;
        }
    }
}
