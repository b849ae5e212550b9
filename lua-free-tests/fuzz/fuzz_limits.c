/*
 * The limits of a key, an amount, and a state as Redis holds it: the text up to
 * the first newline, and the rest.
 */

#include "fuzz.h"
#include "weir_limit.h"


static void
fuzz_found(weir_str_t limits, weir_str_t zone)
{
    bool               any;
    weir_unit_e        unit;
    weir_limit_t       l;
    weir_limit_form_e  form;

    any = false;

    for (form = WEIR_LIMIT_RATE; form <= WEIR_LIMIT_AT_ONCE; form++) {
        for (unit = 0; unit < WEIR_UNITS; unit++) {
            if (!weir_limits_find(limits, zone, unit, form, &l)) {
                continue;
            }

            any = true;

            FUZZ_ASSERT(l.form == form || l.form == WEIR_LIMIT_NONE);
            FUZZ_ASSERT(l.amount >= 0 && l.amount <= WEIR_LIMIT_AMOUNT_MAX);
            FUZZ_ASSERT(l.form != WEIR_LIMIT_RATE
                        || (l.amount > 0 && l.period > 0 && l.capacity > 0));
        }
    }

    FUZZ_ASSERT(any || !weir_limits_valid(limits));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                   buf[WEIR_LIMIT_STATE_MAX];
    size_t                 n;
    int64_t                amount;
    const char            *equals;
    weir_str_t             limits, rest;
    const uint8_t         *end;
    weir_limit_state_t     state, again;

    end = size ? memchr(data, '\n', size) : NULL;
    n = end ? (size_t) (end - data) : size;
    limits = fuzz_str(data, n);
    rest = end ? fuzz_str(end + 1, size - n - 1) : weir_str_null;

    equals = n ? memchr(limits.data, '=', n) : NULL;

    if (equals) {
        fuzz_found(limits, (weir_str_t) { limits.data,
                                          (size_t) (equals - limits.data) });

    } else {
        FUZZ_ASSERT(!weir_limits_valid(limits));
    }

    if (weir_limit_amount(WEIR_UNIT_COST, rest, &amount)) {
        FUZZ_ASSERT(amount >= 0 && amount <= WEIR_LIMIT_AMOUNT_MAX);
    }

    if (weir_limit_state_read(rest, &state)) {
        FUZZ_ASSERT(state.level >= 0 && state.at >= 0);
        FUZZ_ASSERT(weir_limit_state_read(weir_limit_state_write(&state, buf),
                                          &again));
        FUZZ_ASSERT(again.level == state.level && again.at == state.at);
    }

    return 0;
}
