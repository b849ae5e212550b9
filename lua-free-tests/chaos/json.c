/*
 * The scanner of JSON: goes over values without looking into them.  Whatever is
 * not well-formed is no value; texts end with a NUL, which no value goes over.
 */

#define _GNU_SOURCE

#include "json.h"

#include <stdlib.h>
#include <string.h>

#include "chaos.h"


#define SPACE  " \t\r\n"


void
text_add(text_t *t, const char *data, size_t len)
{
    if (t->len + len + 1 > t->size) {
        t->size = 2 * (t->len + len + 1);
        t->data = realloc(t->data, t->size);

        if (t->data == NULL) {
            chaos_die("out of memory");
        }
    }

    memcpy(t->data + t->len, data, len);
    t->len += len;
    t->data[t->len] = '\0';
}


void
text_clear(text_t *t)
{
    free(t->data);
    memset(t, 0, sizeof(text_t));
}


bool
text_same(const text_t *a, const text_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


static const char *
skip_string(const char *p)
{
    for (p++; *p && *p != '"'; p++) {
        p += (*p == '\\' && p[1]);
    }

    return *p ? p + 1 : NULL;
}


static const char *
skip_value(const char *p)
{
    int  depth;

    depth = 0;

    while (p && *p) {

        switch (*p) {

        case '"':
            p = skip_string(p);
            break;

        case '{':
        case '[':
            depth++;
            p++;
            continue;

        case '}':
        case ']':
            depth--;
            p++;
            break;

        case ',':
        case ':':
        case ' ':
            p++;
            continue;

        default:
            p += strcspn(p, ",:]}" SPACE);
        }

        if (depth <= 0) {
            return p;
        }
    }

    return NULL;
}


/* the value behind this one, or NULL */

static const char *
next_value(const char *p)
{
    p = skip_value(p);

    if (p == NULL) {
        return NULL;
    }

    p += strspn(p, SPACE);

    return *p == ',' ? p + 1 + strspn(p + 1, SPACE) : NULL;
}


const char *
json_member(const char *value, const char *name)
{
    size_t       len;
    const char  *p;

    if (value == NULL || *value != '{') {
        return NULL;
    }

    len = strlen(name);
    p = value + 1 + strspn(value + 1, SPACE);

    while (p && *p == '"') {
        value = skip_string(p);

        if (value == NULL) {
            return NULL;
        }

        value += strspn(value, ":" SPACE);

        if (strncmp(p + 1, name, len) == 0 && p[1 + len] == '"') {
            return value;
        }

        p = next_value(value);
    }

    return NULL;
}


const char *
json_at(const char *value, size_t i)
{
    const char  *p;

    if (value == NULL || *value != '[') {
        return NULL;
    }

    p = value + 1 + strspn(value + 1, SPACE);

    if (*p == ']') {
        return NULL;
    }

    while (p && i--) {
        p = next_value(p);
    }

    return p;
}


void
json_add(text_t *t, const char *value)
{
    char                      c;
    const char               *p, *which;
    static const char *const  escapes = "b\bf\fn\nr\rt\t";

    if (value == NULL || *value != '"') {
        return;
    }

    for (p = value + 1; *p && *p != '"'; p++) {
        c = *p;

        if (c == '\\') {
            c = *++p;

            if (c == '\0') {
                return;
            }

            which = strchr("bfnrt", c);

            if (which) {
                c = strchr(escapes, c)[1];

            } else if (c == 'u') {
                c = (char) strtol((char [5]) { p[1], p[2], p[3], p[4] }, NULL,
                                  16);
                p += 4;
            }
        }

        text_add(t, &c, 1);
    }
}


bool
json_is(const char *value, const char *text)
{
    size_t  len;

    len = strlen(text);

    return value && *value == '"' && strncmp(value + 1, text, len) == 0
           && value[1 + len] == '"';
}


long
json_number(const char *value, long otherwise)
{
    char  *end;
    long   n;

    if (value == NULL) {
        return otherwise;
    }

    n = strtol(value, &end, 10);

    return end > value ? n : otherwise;
}
