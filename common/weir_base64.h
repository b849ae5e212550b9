/*
 * Base64 (RFC 4648, section 4): the plain alphabet, padded, without line ends.
 */

#ifndef WEIR_BASE64_H
#define WEIR_BASE64_H


#include "weir_str.h"


/* bytes of the text of n bytes, without a NUL */
#define WEIR_BASE64_LEN(n)  (((n) + 2) / 3 * 4)


/* Terminates text, which has room for WEIR_BASE64_LEN(len) + 1. */
void weir_base64_write(const unsigned char *data, size_t len, char *text);

/* The one spelling only: padded, and no bit set behind the last byte.  false:
 * it is not that, or longer than max. */
bool weir_base64_read(weir_str_t text, unsigned char *out, size_t max,
    size_t *len_r);


#endif /* WEIR_BASE64_H */
