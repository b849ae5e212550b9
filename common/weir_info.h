/*
 * The text of INFO, as far as Weir reads it.
 */

#ifndef WEIR_INFO_H
#define WEIR_INFO_H


#include <stdbool.h>
#include <stdint.h>

#include "weir_str.h"


/* What stands behind "name:"; empty: it is not there.  Points into info. */
weir_str_t weir_info_field(weir_str_t info, const char *name);

/* The same as a number; 0: it is not there, or none. */
int64_t weir_info_number(weir_str_t info, const char *name);

/* From "INFO memory": how full it is, in percent of "maxmemory" or, without
 * that, of the machine's memory.  false: it does not say. */
bool weir_info_memory(weir_str_t info, unsigned *percent_r);


#endif /* WEIR_INFO_H */
