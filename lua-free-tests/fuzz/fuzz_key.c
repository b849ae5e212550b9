/*
 * The value of a header that should hold a key: found or not, never twice in
 * different ways, and the syntax agrees with the table.
 */

#include "fuzz.h"
#include "weir_apikey.h"


static weir_keyring_t *
ring(void)
{
    char                    error[WEIR_KEY_ERROR];
    static weir_keyring_t  *r;

    if (r == NULL) {
        r = weir_keyring_create(weir_str(
                "v1:hmac-sha256:EXAMPLEKEY00:"
                "00112233445566778899aabbccddeeff"
                "00112233445566778899aabbccddeeff:owner=a\n"),
                weir_str("pepper"), error);
        FUZZ_ASSERT(r != NULL);
    }

    return r;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool               valid;
    weir_str_t         key, id;
    weir_key_e         rc;
    const weir_key_t  *record;

    key = fuzz_str(data, size);
    valid = weir_apikey_parse(key, &id);
    rc = weir_keyring_find(ring(), key, 1000, &record);

    FUZZ_ASSERT(valid == (rc != WEIR_KEY_MALFORMED));
    FUZZ_ASSERT((record != NULL) == (rc == WEIR_KEY_OK
                                     || rc == WEIR_KEY_REVOKED
                                     || rc == WEIR_KEY_EXPIRED));

    if (valid) {
        FUZZ_ASSERT(size <= WEIR_KEY_MAX);
        FUZZ_ASSERT(id.len == WEIR_KEY_ID_LEN && id.data > key.data
                    && id.data + id.len < key.data + key.len);
    }

    return 0;
}
