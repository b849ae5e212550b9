/*
 * The text of INFO, as far as Weir reads it.
 */

#ifndef WEIR_INFO_H
#define WEIR_INFO_H


#include "weir_str.h"


/* What stands behind "name:"; empty: it is not there.  Points into info. */
weir_str_t weir_info_field(weir_str_t info, const char *name);

/* From "INFO memory": how full it is, in percent of "maxmemory" or, without
 * that, of the machine's memory.  0: it does not say. */
unsigned weir_info_memory(weir_str_t info);


#endif /* WEIR_INFO_H */
