/*
 * A text/event-stream: the first byte says in what pieces the rest comes, which
 * must not matter.
 */

#include "fuzz_sse.h"


#define FUZZ_MAX  4096


static int
note(void *arg, weir_str_t name, weir_str_t data)
{
    weir_buf_t  *out = arg;

    weir_buf_str(out, name);
    weir_buf_add(out, "", 1);
    weir_buf_str(out, data);
    weir_buf_add(out, "", 1);

    return data.len == 7;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int         whole, cut;
    weir_str_t  text;
    weir_buf_t  a = { 0 }, b = { 0 };

    if (size == 0) {
        return 0;
    }

    text = fuzz_str(data + 1, size - 1);
    whole = fuzz_sse(text, size, FUZZ_MAX, note, &a);
    cut = fuzz_sse(text, data[0] % 32 + 1, FUZZ_MAX, note, &b);

    FUZZ_ASSERT(whole == cut);
    FUZZ_ASSERT(a.len == b.len
                && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0));

    weir_buf_free(&a);
    weir_buf_free(&b);

    return 0;
}
