/*
 * Events in a client's dialect: to the functions of it.  Pure.
 */

#include "weir_render.h"


#define WEIR_PIECE       64
#define WEIR_PIECES_MAX  64


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


size_t
weir_render_piece_size(size_t len)
{
    size_t  size;

    size = len / WEIR_PIECES_MAX + 1;

    return size > WEIR_PIECE ? size : WEIR_PIECE;
}


bool
weir_render_piece(weir_str_t *rest, size_t size, weir_str_t *piece_r)
{
    size_t  n;

    if (rest->len == 0) {
        return false;
    }

    n = size < rest->len ? size : rest->len;

    while (n < rest->len && ((unsigned char) rest->data[n] & 0xc0) == 0x80) {
        n++;
    }

    *piece_r = (weir_str_t) { rest->data, n };
    rest->data += n;
    rest->len -= n;

    return true;
}
