/*
 * Cache-Control of a request.  Pure.
 */

#include "weir_cachectl.h"

#include "weir_field.h"


void
weir_cachectl_init(weir_cachectl_t *c)
{
    *c = (weir_cachectl_t) { .max_age = -1 };
}


/* directive = token [ "=" ( token / quoted ) ] */

void
weir_cachectl_parse(weir_cachectl_t *c, weir_str_t line)
{
    int64_t     s;
    weir_str_t  item, name;

    while (line.len) {
        item = weir_field_part(&line, ',');
        name = weir_field_part(&item, '=');

        if (weir_field_is(name, "no-store")) {
            c->no_store = true;

        } else if (weir_field_is(name, "no-cache")) {
            c->no_cache = true;

        } else if (weir_field_is(name, "only-if-cached")) {
            c->only_if_cached = true;

        } else if (weir_field_is(name, "max-age") && c->max_age < 0) {
            c->max_age = weir_field_seconds(item, WEIR_CACHECTL_MAX, &s)
                         ? s : 0;

        } else if (weir_field_is(name, "min-fresh") && c->min_fresh == 0) {
            c->min_fresh = weir_field_seconds(item, WEIR_CACHECTL_MAX, &s)
                           ? s : WEIR_CACHECTL_MAX;
        }
    }
}
