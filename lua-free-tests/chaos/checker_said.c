/*
 * What an answer says: its text, and the arguments of its calls, put together
 * from each of the forms in which it is told.
 */

#define _GNU_SOURCE

#include "checker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


void
said_clear(said_t *s)
{
    size_t  i;

    text_clear(&s->text);

    for (i = 0; i < SAID_CALLS; i++) {
        text_clear(&s->calls[i]);
    }

    memset(s, 0, sizeof(said_t));
}


bool
said_same(const said_t *a, const said_t *b)
{
    size_t  i;

    for (i = 0; i < SAID_CALLS; i++) {
        if (!text_same(&a->calls[i], &b->calls[i])) {
            return false;
        }
    }

    return a->ncalls == b->ncalls && text_same(&a->text, &b->text);
}


bool
said_any(const said_t *s)
{
    return s->text.len || s->ncalls;
}


/* a list of deltas, 10.31 of the contract */

void
said_deltas(said_t *s, const char *list)
{
    long         p;
    size_t       i;
    const char  *d, *type;

    for (i = 0; (d = json_at(list, i)) != NULL; i++) {
        p = json_number(json_member(d, "p"), -1);
        type = json_member(d, "t");

        if (p < 0 || p >= SAID_PARTS) {
            continue;
        }

        if (type && s->place[p] == 0) {
            s->place[p] = 1;

            if (json_is(type, "tool_call") && s->ncalls < SAID_CALLS) {
                s->place[p] = 2 + s->ncalls++;
            }
        }

        if (s->place[p]) {
            json_add(s->place[p] == 1 ? &s->text : &s->calls[s->place[p] - 2],
                     json_member(d, "s"));
        }
    }
}


/* an outcome */

void
said_outcome(said_t *s, const char *outcome)
{
    size_t       i;
    const char  *parts, *part;

    parts = json_member(json_at(json_member(outcome, "choices"), 0), "parts");

    for (i = 0; (part = json_at(parts, i)) != NULL; i++) {

        if (!json_is(json_member(part, "type"), "tool_call")) {
            json_add(&s->text, json_member(part, "text"));

        } else if (s->ncalls < SAID_CALLS) {
            json_add(&s->calls[s->ncalls++], json_member(part, "arguments"));
        }
    }
}


/* a chat completion, or a chunk of one */

void
said_chat(said_t *s, const char *chat)
{
    long         k;
    size_t       i;
    const char  *choice, *message, *call;

    choice = json_at(json_member(chat, "choices"), 0);
    message = json_member(choice, "delta");

    if (message == NULL) {
        message = json_member(choice, "message");
    }

    json_add(&s->text, json_member(message, "content"));

    for (i = 0; (call = json_at(json_member(message, "tool_calls"), i))
         != NULL; i++)
    {
        k = json_number(json_member(call, "index"), (long) i);

        if (k < 0 || k >= SAID_CALLS) {
            continue;
        }

        if (k >= s->ncalls) {
            s->ncalls = (int) k + 1;
        }

        json_add(&s->calls[k], json_member(json_member(call, "function"),
                                           "arguments"));
    }
}


/* The words that were counted are those of one call, in their order; whole: all
 * of them, and nothing else follows. */

bool
said_by_one(const said_t *s, unsigned words, bool whole)
{
    int          n;
    char         word[48];
    unsigned     turn, i;
    const char  *p;

    p = s->text.data ? s->text.data : "";
    p += strspn(p, " ");
    i = 0;

    while (*p && sscanf(p, "%u.%u%n", &turn, &i, &n) != 2) {
        p += strcspn(p, " ");
        p += strspn(p, " ");
    }

    if (*p == '\0') {
        return !whole || words == 0;
    }

    for (i = 1; *p; i++) {
        n = snprintf(word, sizeof(word), "%u.%u ", turn, i);

        if (strncmp(p, word, (size_t) n) != 0) {

            /* the last one, or a part of it */

            return i <= words && strncmp(p, word, strlen(p)) == 0
                   && (!whole || (i == words && (int) strlen(p) == n - 1));
        }

        p += n;
    }

    return !whole && i - 1 <= words;
}
