/*
 * Events in a client's dialect: to the functions of it.  Pure.
 */

#include "weir_render.h"


int
weir_render_begin(weir_render_t *r)
{
    if (r->dialect->begin == NULL) {
        return 0;
    }

    return r->dialect->begin(r) != 0 || r->out->failed ? -1 : 0;
}


int
weir_render_delta(weir_render_t *r, const weir_delta_t *d)
{
    return r->dialect->delta(r, d) != 0 || r->out->failed ? -1 : 0;
}


int
weir_render_end(weir_render_t *r)
{
    return r->dialect->end(r) != 0 || r->out->failed ? -1 : 0;
}


void
weir_render_fail(weir_render_t *r, const weir_failure_t *f)
{
    r->dialect->fail(r, f);
}


void
weir_render_free(weir_render_t *r)
{
    r->dialect->free(r);
}
