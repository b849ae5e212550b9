/*
 * Retry-After.  Pure functions over a header's value.
 */

#define _GNU_SOURCE                 /* strptime */

#include "retry_after.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>


#define RETRY_AFTER_TEXT  64


static int64_t
retry_after_bound(double ms)
{
    if (!(ms > 0)) {
        return 0;
    }

    return ms > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : (int64_t) (ms + 0.5);
}


static void
retry_after_text(char text[RETRY_AFTER_TEXT], weir_str_t value)
{
    while (value.len && isspace((unsigned char) value.data[0])) {
        value.data++;
        value.len--;
    }

    while (value.len && isspace((unsigned char) value.data[value.len - 1])) {
        value.len--;
    }

    if (value.len >= RETRY_AFTER_TEXT) {
        value.len = 0;
    }

    memcpy(text, value.len ? value.data : "", value.len);
    text[value.len] = '\0';
}


/* Digits, perhaps with a fraction: strtod() takes too much. */

static int
retry_after_is_number(const char *text)
{
    size_t  n;

    n = strspn(text, "0123456789");

    if (n && text[n] == '.') {
        n += 1 + strspn(text + n + 1, "0123456789");
    }

    return n && text[n] == '\0';
}


int64_t
retry_after_ms_value(weir_str_t value)
{
    char  text[RETRY_AFTER_TEXT];

    retry_after_text(text, value);

    return retry_after_is_number(text) ? retry_after_bound(strtod(text, NULL))
                                       : 0;
}


int64_t
retry_after_value(weir_str_t value, int64_t now)
{
    char         text[RETRY_AFTER_TEXT];
    struct tm    tm;
    const char  *end;

    retry_after_text(text, value);

    if (retry_after_is_number(text)) {
        return retry_after_bound(strtod(text, NULL) * 1000);
    }

    memset(&tm, 0, sizeof(tm));
    end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);

    if (end == NULL || *end) {
        return 0;
    }

    return retry_after_bound(((double) timegm(&tm) - (double) now) * 1000);
}


static bool
retry_after_is(weir_str_t line, const char *name, weir_str_t *value_r)
{
    size_t  len;

    len = strlen(name);

    if (line.len <= len || line.data[len] != ':'
        || strncasecmp(line.data, name, len) != 0)
    {
        return false;
    }

    *value_r = (weir_str_t) { line.data + len + 1, line.len - len - 1 };

    return true;
}


void
retry_after_line(weir_str_t line, int64_t now, int64_t *ms)
{
    weir_str_t  value;

    if (line.len > 5 && memcmp(line.data, "HTTP/", 5) == 0) {
        *ms = 0;                        /* what came before was a 1xx's */
    }

    if (retry_after_is(line, "retry-after-ms", &value)) {
        *ms = retry_after_ms_value(value);

    } else if (*ms == 0 && retry_after_is(line, "retry-after", &value)) {
        *ms = retry_after_value(value, now);
    }
}
