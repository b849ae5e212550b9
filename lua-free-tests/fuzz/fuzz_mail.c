/*
 * A message of the mail channel: its strings lie inside of it.
 */

#include "fuzz.h"
#include "weir_txn.h"


static void
inside(weir_str_t part, weir_str_t whole)
{
    FUZZ_ASSERT(part.data >= whole.data
                && part.data + part.len <= whole.data + whole.len);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t       at;
    weir_str_t    body, run, fin, token, last, outcome;
    weir_txn_t    t;
    weir_state_e  state;

    body = fuzz_str(data, size);

    if (weir_mail_parse(body, &run, &fin, &at, &last, &outcome)) {
        FUZZ_ASSERT(run.len == WEIR_ID_LEN && at >= 0);
        inside(run, body);
        inside(fin, body);
        inside(outcome, body);

        if (weir_fin_parse(fin, &state, &token)) {
            FUZZ_ASSERT(weir_state_is_final(state));
            inside(token, fin);
        }
    }

    /* a member of the delayed set is of the same kind */

    weir_txn_init(&t);
    (void) weir_txn_promote(&t, 0, body);
    FUZZ_ASSERT(!t.out.failed);
    weir_txn_free(&t);

    return 0;
}
