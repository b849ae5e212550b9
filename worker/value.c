/*
 * Values of worker.conf.  Pure functions over text.
 */

#define _GNU_SOURCE                 /* memrchr */

#include "value.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>


#define VALUE_PATH_MAX  107         /* sun_path without its NUL */


typedef struct {
    const char  *suffix;
    int64_t      factor;
} value_unit_t;


/* the largest first, for printing */

static const value_unit_t  value_times[] = {
    { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 },
    { "ms", 1 }, { "", 1000 }, { NULL, 0 }
};

static const value_unit_t  value_sizes[] = {
    { "g", 1 << 30 }, { "m", 1 << 20 }, { "k", 1 << 10 }, { "", 1 },
    { NULL, 0 }
};


static bool
value_number(const char *text, const value_unit_t *units, int64_t *n_r)
{
    int64_t              n;
    const char          *p;
    const value_unit_t  *u;

    n = 0;

    for (p = text; *p >= '0' && *p <= '9'; p++) {
        if (n > (INT64_MAX - 9) / 10) {
            return false;
        }

        n = n * 10 + (*p - '0');
    }

    if (p == text) {
        return false;
    }

    for (u = units; u->suffix; u++) {
        if (strcasecmp(p, u->suffix) == 0) {
            if (n > INT64_MAX / u->factor) {
                return false;
            }

            *n_r = n * u->factor;
            return true;
        }
    }

    return false;
}


static const char *
value_text(char buf[VALUE_TEXT_MAX], const value_unit_t *units, int64_t n)
{
    const value_unit_t  *u;

    for (u = units; u->suffix; u++) {
        if (n % u->factor == 0 && (n || u->factor <= 1000)) {
            break;
        }
    }

    snprintf(buf, VALUE_TEXT_MAX, "%lld%s", (long long) (n / u->factor),
             u->suffix);

    return buf;
}


bool
value_time(const char *text, int64_t *ms_r)
{
    return value_number(text, value_times, ms_r);
}


bool
value_size(const char *text, int64_t *bytes_r)
{
    return value_number(text, value_sizes, bytes_r);
}


bool
value_share(const char *text, int64_t *n_r)
{
    int64_t  n;

    static const value_unit_t  percent[] = { { "%", 1 }, { NULL, 0 } };

    if (value_size(text, n_r)) {
        return true;
    }

    if (!value_number(text, percent, &n) || n < 1 || n > 100) {
        return false;
    }

    *n_r = -n;

    return true;
}


bool
value_int(const char *text, int64_t *n_r)
{
    static const value_unit_t  units[] = { { "", 1 }, { NULL, 0 } };

    return value_number(text, units, n_r);
}


bool
value_bool(const char *text, int64_t *n_r)
{
    size_t  i;

    static const char  *words[] = {
        "off", "on", "no", "yes", "false", "true", NULL
    };

    for (i = 0; words[i]; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *n_r = (int64_t) (i % 2);
            return true;
        }
    }

    return false;
}


bool
value_is_name(const char *text)
{
    size_t  i;

    for (i = 0; text[i]; i++) {
        if (i == 64 || (!isalnum((unsigned char) text[i])
                        && strchr("._-", text[i]) == NULL))
        {
            return false;
        }
    }

    return i > 0;
}


static bool
value_port(const char *text, size_t len, unsigned *port_r)
{
    size_t  i;

    *port_r = 0;

    for (i = 0; i < len; i++) {
        if (i == 5 || text[i] < '0' || text[i] > '9') {
            return false;
        }

        *port_r = *port_r * 10 + (unsigned) (text[i] - '0');
    }

    return *port_r > 0 && *port_r < 65536;
}


/* A host is a name, IPv4, or IPv6 in brackets. */

static bool
value_host(const char *text, size_t len, weir_str_t *host_r)
{
    size_t       i;
    const char  *extra;

    extra = ".-_";

    if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
        extra = ":.%";
    }

    for (i = 0; i < len; i++) {
        if (!isalnum((unsigned char) text[i]) && !strchr(extra, text[i])) {
            return false;
        }
    }

    *host_r = (weir_str_t) { text, len };

    return len > 0 && len < 254;
}


bool
value_address(const char *text, value_address_t *a_r)
{
    size_t       len;
    const char  *colon;

    memset(a_r, 0, sizeof(value_address_t));

    if (strncmp(text, "unix:", 5) == 0) {
        len = strlen(text + 5);
        a_r->path = (weir_str_t) { text + 5, len };
        return len > 0 && len <= VALUE_PATH_MAX;
    }

    colon = strrchr(text, ':');

    return colon
           && value_host(text, (size_t) (colon - text), &a_r->host)
           && value_port(colon + 1, strlen(colon + 1), &a_r->port);
}


bool
value_is_url(const char *text)
{
    size_t       len, host, i;
    unsigned     port;
    weir_str_t   name;
    const char  *end, *colon, *bracket;

    if (strncasecmp(text, "http://", 7) == 0) {
        text += 7;

    } else if (strncasecmp(text, "https://", 8) == 0) {
        text += 8;

    } else {
        return false;
    }

    len = strlen(text);

    for (i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] >= 0x7f || strchr("?#@\\\"<>", text[i])) {
            return false;
        }
    }

    host = strcspn(text, "/");
    end = text + host;

    colon = memrchr(text, ':', host);
    bracket = memrchr(text, ']', host);

    if (colon && (bracket == NULL || colon > bracket)) {
        if (!value_port(colon + 1, (size_t) (end - colon - 1), &port)) {
            return false;
        }

        host = (size_t) (colon - text);
    }

    return value_host(text, host, &name);
}


const char *
value_time_text(char buf[VALUE_TEXT_MAX], int64_t ms)
{
    return value_text(buf, value_times, ms);
}


const char *
value_size_text(char buf[VALUE_TEXT_MAX], int64_t bytes)
{
    return value_text(buf, value_sizes, bytes);
}
