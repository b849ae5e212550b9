/*
 * Numbers of 32 bits as embeddings have them: four bytes, the lowest first, and
 * their shortest text.
 */

#ifndef WEIR_FLOAT32_H
#define WEIR_FLOAT32_H


#include <stdbool.h>
#include <stddef.h>


#define WEIR_FLOAT32_BYTES  4

/* room for the longest text, with its NUL */
#define WEIR_FLOAT32_MAX    32


void weir_float32_put(float x, unsigned char bytes[WEIR_FLOAT32_BYTES]);
float weir_float32_get(const unsigned char bytes[WEIR_FLOAT32_BYTES]);

/* Neither infinite nor no number at all? */
bool weir_float32_is_finite(float x);

/* The fewest digits that are read as this number again, as JSON; x is
 * finite.  The length. */
size_t weir_float32_write(float x, char text[WEIR_FLOAT32_MAX]);


#endif /* WEIR_FLOAT32_H */
