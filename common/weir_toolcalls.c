/*
 * Calls of tools, one after the other.  Pure.
 */

#include "weir_toolcalls.h"

#include <stdlib.h>

#include "weir_reach.h"


void
weir_toolcalls_free(weir_toolcalls_t *c)
{
    free(c->ended);
    memset(c, 0, sizeof(weir_toolcalls_t));
}


void
weir_toolcalls_begin(weir_toolcalls_t *c)
{
    c->depth = 0;
    c->quoted = c->escaped = c->whole = false;
}


void
weir_toolcalls_scan(weir_toolcalls_t *c, weir_str_t s)
{
    char    ch;
    size_t  i;

    for (i = 0; i < s.len && !c->whole; i++) {
        ch = s.data[i];

        if (c->escaped) {
            c->escaped = false;

        } else if (c->quoted) {
            c->escaped = (ch == '\\');
            c->quoted = (ch != '"');

        } else if (ch == '"') {
            c->quoted = true;

        } else if (ch == '{' || ch == '[') {
            c->depth++;

        } else if ((ch == '}' || ch == ']') && c->depth) {
            c->whole = (--c->depth == 0);
        }
    }
}


int
weir_toolcalls_end(weir_toolcalls_t *c, unsigned part)
{
    unsigned  *ended;

    ended = weir_reach(c->ended, &c->n, c->n, sizeof(unsigned));
    if (ended == NULL) {
        return -1;
    }

    c->ended = ended;
    ended[c->n - 1] = part;

    return 0;
}


bool
weir_toolcalls_ended(const weir_toolcalls_t *c, unsigned part)
{
    unsigned  i;

    for (i = c->n; i > 0; i--) {
        if (c->ended[i - 1] == part) {
            return true;
        }
    }

    return false;
}


int
weir_toolcalls_late(weir_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] != ' ' && s.data[i] != '\n' && s.data[i] != '\t'
            && s.data[i] != '\r')
        {
            return -1;
        }
    }

    return 0;
}
