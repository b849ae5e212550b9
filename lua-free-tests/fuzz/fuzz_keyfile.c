/*
 * A key file.  What is read and written again is read the same; an error
 * never shows a digest.
 */

#include "fuzz.h"
#include "weir_apikey.h"


static void
again(weir_str_t line)
{
    char        error[WEIR_KEY_ERROR];
    weir_buf_t  b = { 0 };
    weir_key_t  first, second;

    if (!weir_apikey_read(line, &first, error)) {
        FUZZ_ASSERT(error[0] && memchr(error, '\0', sizeof(error)));
        return;
    }

    weir_apikey_write(&first, line, &b);
    FUZZ_ASSERT(!b.failed && b.len);
    FUZZ_ASSERT(weir_apikey_read((weir_str_t) { b.data, b.len - 1 }, &second,
                                 error));
    FUZZ_ASSERT(memcmp(first.digest, second.digest, WEIR_DIGEST_LEN) == 0);
    FUZZ_ASSERT(strcmp(first.owner, second.owner) == 0);
    FUZZ_ASSERT(first.scopes == second.scopes && first.expires == second.expires
                && first.revoked == second.revoked
                && first.rotating == second.rotating);
    FUZZ_ASSERT(weir_str_eq(first.models, second.models)
                && weir_str_eq(first.limits, second.limits)
                && strcmp(first.env, second.env) == 0);

    /* a model that stands there without a star is one that is allowed */

    weir_buf_reset(&b);
    weir_apikey_unquote(first.models, &b);
    FUZZ_ASSERT(memchr(b.data ? b.data : "", ',', b.len)
                || weir_apikey_allows(first.models, (weir_str_t) { b.data,
                                                                   b.len }));
    weir_buf_free(&b);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char              error[WEIR_KEY_ERROR];
    weir_str_t        text;
    weir_keyring_t   *ring;

    text = fuzz_str(data, size);
    error[0] = '\0';
    ring = weir_keyring_create(text, weir_str("pepper"), error);

    FUZZ_ASSERT(ring || error[0]);
    weir_keyring_destroy(&ring);
    again(text);

    return 0;
}
