/*
 * The text of INFO.  Pure.
 */

#include "weir_info.h"


#define WEIR_INFO_DIGITS  18


weir_str_t
weir_info_field(weir_str_t info, const char *name)
{
    size_t       len, n;
    const char  *p, *end, *eol;

    len = strlen(name);
    end = info.len ? info.data + info.len : info.data;

    for (p = info.data; p < end; p = eol + 1) {
        eol = memchr(p, '\n', (size_t) (end - p));

        if (eol == NULL) {
            eol = end;
        }

        n = (size_t) (eol - p);

        if (n && p[n - 1] == '\r') {
            n--;
        }

        if (n > len && p[len] == ':' && memcmp(p, name, len) == 0) {
            return (weir_str_t) { p + len + 1, n - len - 1 };
        }
    }

    return weir_str_null;
}


unsigned
weir_info_memory(weir_str_t info)
{
    int64_t  used, limit;

    if (!weir_str_digits(weir_info_field(info, "used_memory"),
                         WEIR_INFO_DIGITS, &used))
    {
        return 0;
    }

    if (!weir_str_digits(weir_info_field(info, "maxmemory"),
                         WEIR_INFO_DIGITS, &limit)
        || limit == 0)
    {
        if (!weir_str_digits(weir_info_field(info, "total_system_memory"),
                             WEIR_INFO_DIGITS, &limit)
            || limit == 0)
        {
            return 0;
        }
    }

    return (unsigned) (used / (limit / 100 + 1));
}
