/*
 * The reader of server-sent events; lines end in LF, as Weir's do.
 */

#define _GNU_SOURCE

#include "sse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos.h"


static void
sse_line(sse_event_t *e, char *line)
{
    char    *value, *more;
    size_t   len;

    value = strchr(line, ':');

    if (value == NULL || value == line) {
        return;                         /* a comment, or a field without one */
    }

    *value++ = '\0';
    value += (*value == ' ');

    if (strcmp(line, "event") == 0) {
        snprintf(e->name, sizeof(e->name), "%s", value);

    } else if (strcmp(line, "id") == 0) {
        snprintf(e->id, sizeof(e->id), "%s", value);

    } else if (strcmp(line, "data") == 0) {
        len = e->data ? strlen(e->data) + 1 : 0;
        more = realloc(e->data, len + strlen(value) + 1);

        if (more == NULL) {
            chaos_die("out of memory");
        }

        if (len) {
            more[len - 1] = ' ';
        }

        strcpy(more + len, value);
        e->data = more;
    }
}


/* text: all of one event, without the empty line */

static bool
sse_event(char *text, bool (*fn)(void *arg, const sse_event_t *e), void *arg)
{
    bool          more;
    char         *line;
    sse_event_t   e = { .name = "-", .id = "-" };

    while ((line = strsep(&text, "\n")) != NULL) {
        sse_line(&e, line);
    }

    more = (e.data == NULL || fn(arg, &e));
    free(e.data);

    return more;
}


bool
sse_feed(sse_t *sse, const char *data, size_t len,
    bool (*fn)(void *arg, const sse_event_t *e), void *arg)
{
    char    *end, *at;

    if (sse->len + len + 1 > sse->size) {
        sse->size = 2 * (sse->len + len + 1);
        sse->text = realloc(sse->text, sse->size);

        if (sse->text == NULL) {
            chaos_die("out of memory");
        }
    }

    memcpy(sse->text + sse->len, data, len);
    sse->len += len;
    sse->text[sse->len] = '\0';
    at = sse->text;

    while ((end = strstr(at, "\n\n")) != NULL) {
        *end = '\0';

        if (!sse_event(at, fn, arg)) {
            sse->len = 0;
            return false;
        }

        at = end + 2;
    }

    sse->len -= (size_t) (at - sse->text);
    memmove(sse->text, at, sse->len);

    return true;
}


void
sse_reset(sse_t *sse)
{
    free(sse->text);
    memset(sse, 0, sizeof(sse_t));
}
