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


int64_t
weir_info_number(weir_str_t info, const char *name)
{
    int64_t  n;

    return weir_str_digits(weir_info_field(info, name), WEIR_INFO_DIGITS, &n)
           ? n : 0;
}


bool
weir_info_memory(weir_str_t info, unsigned *percent_r)
{
    int64_t  limit;

    limit = weir_info_number(info, "maxmemory");

    if (limit == 0) {
        limit = weir_info_number(info, "total_system_memory");
    }

    if (limit == 0) {
        return false;
    }

    *percent_r = (unsigned) (weir_info_number(info, "used_memory")
                             / (limit / 100 + 1));

    return true;
}
