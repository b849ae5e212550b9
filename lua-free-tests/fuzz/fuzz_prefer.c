/*
 * The Prefer header: two lines, cut at the first newline.
 */

#include "fuzz.h"
#include "weir_prefer.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t         n;
    weir_prefer_t  p = { 0 };
    const uint8_t *end;

    end = size ? memchr(data, '\n', size) : NULL;
    n = end ? (size_t) (end - data) : size;

    weir_prefer_parse(&p, fuzz_str(data, n));

    if (end) {
        weir_prefer_parse(&p, fuzz_str(end + 1, size - n - 1));
    }

    FUZZ_ASSERT(p.wait >= 0 && p.wait <= WEIR_PREFER_WAIT_MAX);
    FUZZ_ASSERT(p.waits || p.wait == 0);

    return 0;
}
