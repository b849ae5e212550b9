/*
 * Money.  Pure: no floating point comes near it.
 */

#include "weir_money.h"

#include <stdio.h>


#define WEIR_DECIMALS       6
#define WEIR_PRICE_DIGITS   7               /* of WEIR_PRICE_MAX */
#define WEIR_PRICED_TOKENS  1000000


bool
weir_dollars_decimals(weir_str_t text, int64_t *millionths_r)
{
    size_t  n;

    if (!weir_str_digits(text, WEIR_DECIMALS, millionths_r)) {
        return false;
    }

    for (n = text.len; n < WEIR_DECIMALS; n++) {
        *millionths_r *= 10;
    }

    return true;
}


bool
weir_dollars_parse(weir_str_t text, int64_t *millionths_r)
{
    int64_t      whole, part;
    weir_str_t   head, tail;
    const char  *dot;

    head = text;
    part = 0;

    dot = text.len ? memchr(text.data, '.', text.len) : NULL;

    if (dot) {
        head.len = (size_t) (dot - text.data);
        tail = (weir_str_t) { dot + 1, text.len - head.len - 1 };

        if (!weir_dollars_decimals(tail, &part)) {
            return false;
        }
    }

    if (!weir_str_digits(head, WEIR_PRICE_DIGITS, &whole)) {
        return false;
    }

    *millionths_r = whole * WEIR_DOLLAR + part;

    return *millionths_r <= (int64_t) WEIR_PRICE_MAX * WEIR_DOLLAR;
}


const char *
weir_dollars_text(char buf[WEIR_DOLLARS_MAX], int64_t millionths)
{
    if (millionths < 0) {
        millionths = 0;
    }

    snprintf(buf, WEIR_DOLLARS_MAX, "%lld.%06lld",
             (long long) (millionths / WEIR_DOLLAR),
             (long long) (millionths % WEIR_DOLLAR));

    return buf;
}


int64_t
weir_cost(long long input_tokens, long long output_tokens,
    int64_t input_price, int64_t output_price)
{
    unsigned __int128  sum;

    /* none of them is ever negative: an outcome's counts are read as 0 then */

    sum = (unsigned __int128) input_tokens * (uint64_t) input_price
          + (unsigned __int128) output_tokens * (uint64_t) output_price;
    sum = (sum + WEIR_PRICED_TOKENS - 1) / WEIR_PRICED_TOKENS;

    return sum > WEIR_COST_MAX ? WEIR_COST_MAX : (int64_t) sum;
}
