/*
 * What every fuzz target includes.  A target returns 0; what must hold is an
 * assertion, which ends the program.
 */

#ifndef FUZZ_H
#define FUZZ_H


#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir_str.h"


#define FUZZ_ASSERT(e)                                                        \
    do {                                                                      \
        if (!(e)) {                                                           \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #e);           \
            abort();                                                          \
        }                                                                     \
    } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static inline weir_str_t
fuzz_str(const uint8_t *data, size_t size)
{
    return (weir_str_t) { (const char *) data, size };
}


#endif /* FUZZ_H */
