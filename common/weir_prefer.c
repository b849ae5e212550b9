/*
 * The Prefer header.  Pure.
 */

#include "weir_prefer.h"

#include "weir_field.h"


/* preference = token [ "=" ( token / quoted ) ] *( ";" parameter ) */

void
weir_prefer_parse(weir_prefer_t *p, weir_str_t line)
{
    int64_t     wait;
    weir_str_t  item, name;

    while (line.len) {
        item = weir_field_part(&line, ',');
        item = weir_field_part(&item, ';');     /* parameters are not ours */
        name = weir_field_part(&item, '=');

        if (weir_field_is(name, "respond-async")) {
            p->async = true;

        } else if (weir_field_is(name, "wait") && !p->waits
                   && weir_field_seconds(item, WEIR_PREFER_WAIT_MAX, &wait))
        {
            p->waits = true;
            p->wait = wait;
        }
    }
}
