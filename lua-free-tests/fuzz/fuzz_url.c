/*
 * A webhook's URL.  What is taken has one spelling, which is taken again as it
 * is and holds no byte that a request line or a log could stumble over.
 */

#include "fuzz.h"
#include "weir_url.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t              i;
    const char         *why;
    weir_buf_t          once = { 0 };
    weir_buf_t          twice = { 0 };
    weir_url_policy_t   policy = { 0 };

    /* the first byte chooses the policy */

    if (size == 0) {
        return 0;
    }

    if (data[0] & 1) {
        FUZZ_ASSERT(weir_cidrs_add(&policy.allow, weir_str("127.0.0.0/8"),
                                   &why));
    }

    if (weir_url_check(fuzz_str(data + 1, size - 1), &policy, &once, &why)) {
        FUZZ_ASSERT(once.len > 8 && !once.failed);
        FUZZ_ASSERT(strncmp(once.data, "https://", 8) == 0 || data[0] & 1);

        for (i = 0; i < once.len; i++) {
            FUZZ_ASSERT(once.data[i] > ' ' && once.data[i] < 0x7f);
            FUZZ_ASSERT(once.data[i] != '\\' && once.data[i] != '#');
        }

        FUZZ_ASSERT(weir_url_check((weir_str_t) { once.data, once.len },
                                   &policy, &twice, &why));
        FUZZ_ASSERT(once.len == twice.len
                    && memcmp(once.data, twice.data, once.len) == 0);

    } else {
        FUZZ_ASSERT(why != NULL && once.len == 0);
    }

    weir_buf_free(&once);
    weir_buf_free(&twice);

    return 0;
}
