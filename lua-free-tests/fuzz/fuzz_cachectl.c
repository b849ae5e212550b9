/*
 * Cache-Control of a request: two lines, cut at the first newline.
 */

#include "fuzz.h"
#include "weir_cachectl.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t           n;
    const uint8_t   *end;
    weir_cachectl_t  c, first;

    end = size ? memchr(data, '\n', size) : NULL;
    n = end ? (size_t) (end - data) : size;

    weir_cachectl_init(&c);
    weir_cachectl_parse(&c, fuzz_str(data, n));
    first = c;

    if (end) {
        weir_cachectl_parse(&c, fuzz_str(end + 1, size - n - 1));
    }

    FUZZ_ASSERT(c.max_age >= -1 && c.max_age <= WEIR_CACHECTL_MAX);
    FUZZ_ASSERT(c.min_fresh >= 0 && c.min_fresh <= WEIR_CACHECTL_MAX);

    /* a second line takes nothing back */
    FUZZ_ASSERT(c.no_store >= first.no_store && c.no_cache >= first.no_cache
                && c.only_if_cached >= first.only_if_cached);
    FUZZ_ASSERT(first.max_age < 0 || c.max_age == first.max_age);

    return 0;
}
