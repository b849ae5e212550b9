/*
 * The canonical form of any document: a fixed point, that sorts, and reads as
 * the same question.
 */

#include "fuzz.h"
#include "weir_question.h"

#include <math.h>


/* A number beyond the integers that are safe is written without a point up to
 * 1e21, and then reads as an integer that is refused. */

static bool
fuzz_large(weir_json_t *v)
{
    bool          large;
    void         *iter;
    size_t        i;
    const char   *name;
    weir_json_t  *value;

    if (weir_json_is_number(v)) {
        return fabs(weir_json_real(v)) > (double) WEIR_JSON_SAFE_INT;
    }

    large = false;

    for (i = 0; weir_json_is_array(v) && i < weir_json_count(v); i++) {
        large |= fuzz_large(weir_json_at(v, i));
    }

    for (iter = weir_json_next(v, NULL, &name, &value);
         iter;
         iter = weir_json_next(v, iter, &name, &value))
    {
        large |= fuzz_large(value);
    }

    return large;
}


static void
fuzz_question(const weir_json_t *v, const weir_json_t *again)
{
    int              rc;
    unsigned char    one[WEIR_QUESTION_LEN], two[WEIR_QUESTION_LEN];
    weir_failure_t   f;
    weir_question_t  q = { .scope = weir_str("s") };

    rc = weir_question_digest(v, &q, one, &f);
    FUZZ_ASSERT(weir_question_digest(again, &q, two, &f) == rc);
    FUZZ_ASSERT(rc == 0 ? memcmp(one, two, sizeof(one)) == 0 : rc == -2);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int           rc;
    char          error[WEIR_JSON_ERROR];
    weir_buf_t    one = { 0 }, two = { 0 };
    weir_json_t  *v, *again;

    v = weir_json_parse(fuzz_str(data, size), error);

    if (v == NULL) {
        return 0;
    }

    rc = weir_json_write_canonical(v, &one);
    FUZZ_ASSERT(rc == 0 || (rc == -2 && fuzz_large(v)));

    if (rc == 0) {
        again = weir_json_parse((weir_str_t) { one.data, one.len }, error);
        FUZZ_ASSERT(again || fuzz_large(v));

        rc = again ? weir_json_write_canonical(again, &two) : -2;
        FUZZ_ASSERT(rc == 0 || fuzz_large(v));

        if (rc == 0) {
            FUZZ_ASSERT(weir_str_eq((weir_str_t) { one.data, one.len },
                                    (weir_str_t) { two.data, two.len }));
            fuzz_question(v, again);
        }

        weir_json_free(&again);
    }

    weir_json_free(&v);
    weir_buf_free(&one);
    weir_buf_free(&two);

    return 0;
}
