/*
 * Deltas as text, and back.  Pure.
 */

#include "weir_delta.h"


void
weir_deltas_init(weir_deltas_t *list, size_t limit)
{
    memset(list, 0, sizeof(weir_deltas_t));
    weir_buf_init(&list->text, limit);
}


void
weir_deltas_free(weir_deltas_t *list)
{
    weir_buf_free(&list->text);
    list->room = 0;
}


void
weir_deltas_reset(weir_deltas_t *list)
{
    weir_buf_reset(&list->text);
    list->room = 0;
}


/* writing */

static void
weir_delta_place(weir_buf_t *out, const weir_delta_t *d, bool part)
{
    weir_buf_printf(out, "{\"i\":%u", d->choice);

    if (part) {
        weir_buf_printf(out, ",\"p\":%u", d->part);
    }
}


static void
weir_delta_member(weir_buf_t *out, const char *before, weir_str_t value)
{
    if (value.data) {
        weir_buf_text(out, before);
        weir_json_quote(out, value);
    }
}


static void
weir_delta_count(weir_buf_t *out, const char *before, long long n)
{
    if (n >= 0) {
        weir_buf_printf(out, "%s%lld", before, n);
    }
}


/* at most n bytes of s, whole characters */

static weir_str_t
weir_delta_cut(weir_str_t s, size_t n)
{
    if (s.len > n) {
        while (n > 0 && ((unsigned char) s.data[n] & 0xc0) == 0x80) {
            n--;
        }

        s.len = n;
    }

    return s;
}


/* The last one goes on: its text is the last member. */

static void
weir_delta_append(weir_deltas_t *list, weir_str_t s)
{
    size_t       at;
    weir_buf_t  *out;

    out = &list->text;
    out->len -= sizeof("\"}\n") - 1;
    at = out->len;

    weir_json_quote(out, s);

    if (!out->failed) {                         /* the quote in the middle */
        memmove(out->data + at, out->data + at + 1, out->len - at - 1);
        out->len--;
    }

    weir_buf_text(out, "}\n");
    list->room -= s.len;
}


static void
weir_delta_text(weir_deltas_t *list, const weir_delta_t *d)
{
    bool         begins;
    weir_str_t   rest, piece;
    weir_buf_t  *out;

    out = &list->text;
    rest = d->s;
    begins = d->id.data || d->name.data;

    if (!begins && list->room && list->choice == d->choice
        && list->part == d->part)
    {
        piece = weir_delta_cut(rest, list->room);
        weir_delta_append(list, piece);
        rest.data += piece.len;
        rest.len -= piece.len;

        if (rest.len == 0) {
            return;
        }
    }

    do {
        piece = weir_delta_cut(rest, WEIR_DELTA_TEXT);
        rest.data += piece.len;
        rest.len -= piece.len;

        weir_delta_place(out, d, true);
        weir_delta_member(out, ",\"t\":", d->type);

        if (begins) {
            weir_delta_member(out, ",\"id\":", d->id);
            weir_delta_member(out, ",\"name\":", d->name);
            begins = false;
        }

        weir_buf_text(out, ",\"s\":");
        weir_json_quote(out, piece);
        weir_buf_text(out, "}\n");

        list->choice = d->choice;
        list->part = d->part;
        list->room = WEIR_DELTA_TEXT - piece.len;

    } while (rest.len);
}


static void
weir_delta_other(weir_buf_t *out, const weir_delta_t *d)
{
    switch (d->kind) {

    case WEIR_DELTA_MODEL:
        weir_buf_text(out, "{\"model\":");
        weir_json_quote(out, d->s);
        break;

    case WEIR_DELTA_PART:
        weir_delta_place(out, d, true);
        weir_buf_text(out, ",\"part\":");
        weir_json_write(d->x, out);
        break;

    case WEIR_DELTA_CHOICE:
        weir_delta_place(out, d, false);
        weir_buf_text(out, ",\"x\":");
        weir_json_write(d->x, out);
        break;

    case WEIR_DELTA_STOP:
        weir_delta_place(out, d, false);
        weir_delta_member(out, ",\"stop\":", d->s);
        break;

    case WEIR_DELTA_USAGE:
        weir_buf_text(out, "{\"usage\":{");
        weir_delta_count(out, "\"input\":", d->input);
        weir_delta_count(out, d->input >= 0 ? ",\"output\":" : "\"output\":",
                         d->output);
        weir_buf_text(out, "}");
        break;

    default: /* WEIR_DELTA_EXTRA */
        weir_buf_text(out, "{\"x\":");
        weir_json_write(d->x, out);
        break;
    }

    weir_buf_text(out, "}\n");
}


int
weir_deltas_add(weir_deltas_t *list, const weir_delta_t *d)
{
    if (d->kind == WEIR_DELTA_TEXT_OF) {
        weir_delta_text(list, d);

    } else {
        list->room = 0;
        weir_delta_other(&list->text, d);
    }

    return list->text.failed ? -1 : 0;
}


bool
weir_deltas_take(weir_deltas_t *list, size_t max, weir_buf_t *out)
{
    size_t       n;
    const char  *end;

    if (list->text.failed || list->text.len == 0) {
        return false;
    }

    weir_buf_text(out, "[");
    n = 0;

    do {
        end = memchr(list->text.data + n, '\n', list->text.len - n);

        if (n) {
            if ((size_t) (end - list->text.data) > max) {
                break;
            }

            weir_buf_text(out, ",");
        }

        weir_buf_add(out, list->text.data + n,
                     (size_t) (end - list->text.data) - n);
        n = (size_t) (end - list->text.data) + 1;

    } while (n < list->text.len);

    weir_buf_text(out, "]");
    weir_buf_consume(&list->text, n);

    if (list->text.len == 0) {
        list->room = 0;
    }

    return true;
}


/* reading */

static weir_str_t
weir_delta_str(const weir_json_t *from, const char *name)
{
    return weir_json_str(weir_json_get(from, name));
}


static bool
weir_delta_object(const weir_json_t *from, const char *name, weir_delta_t *d)
{
    d->x = weir_json_get(from, name);

    return weir_json_is_object(d->x);
}


/* of a choice */

static bool
weir_delta_of(const weir_json_t *from, weir_delta_t *d)
{
    long long     i, p;
    weir_json_t  *v;

    i = weir_json_int(weir_json_get(from, "i"));

    if (i < 0 || i >= WEIR_DELTA_CHOICES) {
        return false;
    }

    d->choice = (unsigned) i;
    v = weir_json_get(from, "p");

    if (v) {
        p = weir_json_int(v);

        if (!weir_json_is_int(v) || p < 0 || p >= WEIR_DELTA_PARTS) {
            return false;
        }

        d->part = (unsigned) p;
        d->kind = WEIR_DELTA_PART;

        if (weir_delta_object(from, "part", d)) {
            return true;
        }

        d->kind = WEIR_DELTA_TEXT_OF;
        d->type = weir_delta_str(from, "t");
        d->id = weir_delta_str(from, "id");
        d->name = weir_delta_str(from, "name");
        d->s = weir_delta_str(from, "s");

        return d->type.len > 0 && d->s.data;
    }

    d->kind = WEIR_DELTA_CHOICE;

    if (weir_delta_object(from, "x", d)) {
        return true;
    }

    d->kind = WEIR_DELTA_STOP;
    d->s = weir_delta_str(from, "stop");

    return d->s.data != NULL;
}


static bool
weir_delta_read(const weir_json_t *from, weir_delta_t *d)
{
    weir_json_t  *v;

    memset(d, 0, sizeof(weir_delta_t));
    d->input = d->output = -1;

    if (weir_json_is_int(weir_json_get(from, "i"))) {
        return weir_delta_of(from, d);
    }

    if (weir_delta_object(from, "usage", d)) {
        d->kind = WEIR_DELTA_USAGE;

        v = weir_json_get(d->x, "input");
        d->input = weir_json_is_int(v) ? weir_json_int(v) : -1;
        v = weir_json_get(d->x, "output");
        d->output = weir_json_is_int(v) ? weir_json_int(v) : -1;

        return true;
    }

    if (weir_delta_object(from, "x", d)) {
        d->kind = WEIR_DELTA_EXTRA;
        return true;
    }

    d->kind = WEIR_DELTA_MODEL;
    d->s = weir_delta_str(from, "model");

    return d->s.data != NULL;
}


int
weir_deltas_read(weir_str_t array, weir_delta_pt fn, void *arg)
{
    int           rc;
    char          error[WEIR_JSON_ERROR];
    size_t        i;
    weir_json_t  *list;
    weir_delta_t  d;

    list = weir_json_parse(array, error);

    if (!weir_json_is_array(list)) {
        weir_json_free(&list);
        return -1;
    }

    for (i = 0, rc = 0; rc == 0 && i < weir_json_count(list); i++) {
        if (weir_delta_read(weir_json_at(list, i), &d)) {
            rc = fn(arg, &d);
        }
    }

    weir_json_free(&list);

    return rc;
}
