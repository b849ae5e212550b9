/*
 * The counters of calls.  Owns the table of tags.  Tests compare these
 * numbers with what clients saw, so nothing is estimated, and a tag that
 * finds no room is refused rather than forgotten.
 */

#include "mock_calls.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>


#define BUCKETS  65536          /* a power of two */


struct tag {
    struct tag  *next;          /* of its bucket */
    uint64_t     calls;
    uint64_t     ended[MOCK_END_CUT + 1];
    char         name[];
};

struct mock_calls {
    uint64_t     total;
    uint64_t     open;
    uint64_t     ended[MOCK_END_CUT + 1];
    uint64_t     untagged;
    uint64_t     era;
    int          log;           /* -1: none */
    size_t       tags;
    struct tag  *buckets[BUCKETS];
};


/* FNV-1a; names come from tests, not from enemies */
static size_t
tag_hash(const char *name)
{
    uint32_t  hash;

    for (hash = 2166136261u; *name != '\0'; name++) {
        hash = (hash ^ (unsigned char) *name) * 16777619u;
    }

    return hash & (BUCKETS - 1);
}


static struct tag *
tag_find(const struct mock_calls *calls, const char *name)
{
    struct tag  *tag;

    for (tag = calls->buckets[tag_hash(name)]; tag; tag = tag->next) {
        if (strcmp(tag->name, name) == 0) {
            return tag;
        }
    }

    return NULL;
}


static struct tag *
tag_make(struct mock_calls *calls, const char *name)
{
    size_t        len;
    struct tag   *tag, **bucket;

    len = strlen(name);
    tag = mock_alloc_zeroed(sizeof(struct tag) + len + 1);
    memcpy(tag->name, name, len + 1);

    bucket = &calls->buckets[tag_hash(name)];
    tag->next = *bucket;
    *bucket = tag;
    calls->tags++;

    return tag;
}


static void
calls_log(const struct mock_calls *calls, const struct mock_ticket *ticket,
    const char *what, const char *end)
{
    struct timespec  ts;

    if (calls->log < 0 || ticket->tag == NULL) {
        return;
    }

    clock_gettime(CLOCK_REALTIME, &ts);
    dprintf(calls->log, "%lld %s %s %" PRIu64 "%s\n",
            (long long) ts.tv_sec * 1000 + ts.tv_nsec / 1000000, what,
            ticket->tag, ticket->turn, end);
}


struct mock_calls *
mock_calls_init(void)
{
    struct mock_calls  *calls;

    calls = mock_alloc_zeroed(sizeof(struct mock_calls));
    calls->log = -1;

    return calls;
}


void
mock_calls_log(struct mock_calls *calls, int fd)
{
    calls->log = fd;
}


void
mock_calls_deinit(struct mock_calls **calls)
{
    assert((*calls)->open == 0);

    mock_calls_reset(*calls);
    free(*calls);
    *calls = NULL;
}


void
mock_calls_begin(struct mock_calls *calls, struct mock_ticket *ticket)
{
    *ticket = (struct mock_ticket) { .era = calls->era };

    calls->total++;
    calls->open++;
}


bool
mock_calls_tag(struct mock_calls *calls, struct mock_ticket *ticket,
    const char *name)
{
    struct tag  *tag;

    if (*name == '\0') {
        ticket->turn = ++calls->untagged;
        return true;
    }

    tag = tag_find(calls, name);

    if (tag == NULL) {
        if (calls->tags == MOCK_TAGS_MAX) {
            return false;
        }

        tag = tag_make(calls, name);
    }

    ticket->turn = ++tag->calls;
    ticket->tag = tag->name;
    calls_log(calls, ticket, "begin", "");

    return true;
}


void
mock_calls_end(struct mock_calls *calls, struct mock_ticket *ticket,
    enum mock_end end)
{
    static const char *const  names[] = { " completed", " aborted", " cut" };

    assert(calls->open > 0);
    calls->open--;

    /* a reset took the tag, and the call counts no more */
    if (ticket->era != calls->era) {
        return;
    }

    calls->ended[end]++;
    calls_log(calls, ticket, "end", names[end]);

    if (ticket->tag != NULL) {
        tag_find(calls, ticket->tag)->ended[end]++;
    }
}


void
mock_calls_reset(struct mock_calls *calls)
{
    int          log;
    size_t       i;
    uint64_t     open, era;
    struct tag  *tag, *next;

    for (i = 0; i < BUCKETS; i++) {
        for (tag = calls->buckets[i]; tag; tag = next) {
            next = tag->next;
            free(tag);
        }
    }

    open = calls->open;
    era = calls->era;
    log = calls->log;

    memset(calls, 0, sizeof(struct mock_calls));

    calls->open = open;
    calls->era = era + 1;
    calls->log = log;
}


void
mock_calls_write(const struct mock_calls *calls, struct mock_buf *out)
{
    size_t             i;
    const char        *comma;
    const struct tag  *tag;

    mock_buf_printf(out, "{\"total\":%" PRIu64 ",\"completed\":%" PRIu64 ","
                    "\"aborted\":%" PRIu64 ",\"cut\":%" PRIu64 ","
                    "\"open\":%" PRIu64 ",\"tags\":{",
                    calls->total, calls->ended[MOCK_END_COMPLETED],
                    calls->ended[MOCK_END_ABORTED],
                    calls->ended[MOCK_END_CUT], calls->open);

    comma = "";

    for (i = 0; i < BUCKETS; i++) {
        for (tag = calls->buckets[i]; tag; tag = tag->next) {
            mock_buf_printf(out, "%s\"%s\":%" PRIu64, comma, tag->name,
                            tag->calls);
            comma = ",";
        }
    }

    mock_buf_text(out, "}}");
}


void
mock_calls_write_tag(const struct mock_calls *calls, const char *name,
    struct mock_buf *out)
{
    const struct tag         *tag;
    static const struct tag   none;

    tag = tag_find(calls, name);
    if (tag == NULL) {
        tag = &none;
    }

    mock_buf_text(out, "{\"tag\":");
    mock_buf_json(out, name, strlen(name));
    mock_buf_printf(out, ",\"calls\":%" PRIu64 ",\"completed\":%" PRIu64 ","
                    "\"aborted\":%" PRIu64 ",\"cut\":%" PRIu64 "}",
                    tag->calls, tag->ended[MOCK_END_COMPLETED],
                    tag->ended[MOCK_END_ABORTED], tag->ended[MOCK_END_CUT]);
}
