/*
 * CRC-32 as zlib and Ethernet have it: the checksum of API keys.  Pure.
 */

#ifndef WEIR_CRC32_H
#define WEIR_CRC32_H


#include "weir_str.h"


uint32_t weir_crc32(weir_str_t s);


#endif /* WEIR_CRC32_H */
