/*
 * A text/event-stream: the first byte says in what pieces the rest comes, which
 * must not matter.
 */

#include "fuzz.h"
#include "weir_sse.h"


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


static int
read_in_pieces(weir_str_t text, size_t piece, weir_buf_t *out)
{
    int         rc;
    char       *copy;
    size_t      n;
    weir_sse_t  s;

    weir_sse_init(&s, FUZZ_MAX);
    rc = 0;

    while (rc == 0 && text.len) {
        n = piece < text.len ? piece : text.len;
        copy = malloc(n);
        FUZZ_ASSERT(copy);
        memcpy(copy, text.data, n);

        rc = weir_sse_feed(&s, (weir_str_t) { copy, n }, note, out);

        free(copy);
        text.data += n;
        text.len -= n;
    }

    weir_sse_free(&s);

    return rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int         whole, cut;
    weir_buf_t  a = { 0 }, b = { 0 };

    if (size == 0) {
        return 0;
    }

    whole = read_in_pieces(fuzz_str(data + 1, size - 1), size, &a);
    cut = read_in_pieces(fuzz_str(data + 1, size - 1), data[0] % 32 + 1, &b);

    FUZZ_ASSERT(whole == cut);
    FUZZ_ASSERT(a.len == b.len
                && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0));

    weir_buf_free(&a);
    weir_buf_free(&b);

    return 0;
}
