/*
 * Money: whole millionths of a US dollar, never a fraction of one.  A price is
 * that of a million tokens.
 */

#ifndef WEIR_MONEY_H
#define WEIR_MONEY_H


#include <stdint.h>

#include "weir_str.h"


#define WEIR_DOLLAR       1000000           /* millionths */
#define WEIR_PRICE_MAX    1000000           /* dollars */
#define WEIR_COST_MAX     1000000000000000  /* millionths, of one run */

/* "9223372036854.775807" */
#define WEIR_DOLLARS_MAX  24


/* "2", "0.15", "0.000001": up to 6 decimals, no sign, WEIR_PRICE_MAX dollars
 * at most.  false: not of that form. */
bool weir_dollars_parse(weir_str_t text, int64_t *millionths_r);

/* What stands behind the point, 1 to 6 decimals. */
bool weir_dollars_decimals(weir_str_t text, int64_t *millionths_r);

/* With all 6 decimals. */
const char *weir_dollars_text(char buf[WEIR_DOLLARS_MAX], int64_t millionths);

/* What so many tokens cost, rounded up; at most WEIR_COST_MAX. */
int64_t weir_cost(long long input_tokens, long long output_tokens,
    int64_t input_price, int64_t output_price);


#endif /* WEIR_MONEY_H */
