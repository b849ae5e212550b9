/*
 * CRC-32, four bytes at a time: the gate takes one of each request's key.
 */

#include "weir_crc32.h"


/* The checksum is linear: that of a byte is the sum of those of its bits.  A
 * table has them followed by 0 to 3 bytes of zeros. */

#define BIT(i, n, value)  ((i) & (1 << (n)) ? (value) : 0)

#define SUM(i, b0, b1, b2, b3, b4, b5, b6, b7)                                \
    (BIT(i, 0, b0) ^ BIT(i, 1, b1) ^ BIT(i, 2, b2) ^ BIT(i, 3, b3)            \
     ^ BIT(i, 4, b4) ^ BIT(i, 5, b5) ^ BIT(i, 6, b6) ^ BIT(i, 7, b7))

#define ROW0(i)                                                               \
    SUM(i, 0x77073096, 0xee0e612c, 0x076dc419, 0x0edb8832,                    \
           0x1db71064, 0x3b6e20c8, 0x76dc4190, 0xedb88320)
#define ROW1(i)                                                               \
    SUM(i, 0x191b3141, 0x32366282, 0x646cc504, 0xc8d98a08,                    \
           0x4ac21251, 0x958424a2, 0xf0794f05, 0x3b83984b)
#define ROW2(i)                                                               \
    SUM(i, 0x01c26a37, 0x0384d46e, 0x0709a8dc, 0x0e1351b8,                    \
           0x1c26a370, 0x384d46e0, 0x709a8dc0, 0xe1351b80)
#define ROW3(i)                                                               \
    SUM(i, 0xb8bc6765, 0xaa09c88b, 0x8f629757, 0xc5b428ef,                    \
           0x5019579f, 0xa032af3e, 0x9b14583d, 0xed59b63b)

#define FOUR(row, i)     row(i), row((i) + 1), row((i) + 2), row((i) + 3)
#define SIXTEEN(row, i)  FOUR(row, i), FOUR(row, (i) + 4),                    \
                         FOUR(row, (i) + 8), FOUR(row, (i) + 12)
#define SIXTY(row, i)    SIXTEEN(row, i), SIXTEEN(row, (i) + 16),             \
                         SIXTEEN(row, (i) + 32), SIXTEEN(row, (i) + 48)
#define TABLE(row)       { SIXTY(row, 0), SIXTY(row, 64),                     \
                           SIXTY(row, 128), SIXTY(row, 192) }


static const uint32_t  weir_crc32_tables[4][256] = {
    TABLE(ROW0), TABLE(ROW1), TABLE(ROW2), TABLE(ROW3)
};


uint32_t
weir_crc32(weir_str_t s)
{
    size_t                i;
    uint32_t              crc;
    const unsigned char  *p;

    p = (const unsigned char *) s.data;
    crc = 0xffffffff;

    for (i = 0; i + 4 <= s.len; i += 4) {
        crc ^= (uint32_t) p[i] | (uint32_t) p[i + 1] << 8
               | (uint32_t) p[i + 2] << 16 | (uint32_t) p[i + 3] << 24;

        crc = weir_crc32_tables[3][crc & 0xff]
              ^ weir_crc32_tables[2][crc >> 8 & 0xff]
              ^ weir_crc32_tables[1][crc >> 16 & 0xff]
              ^ weir_crc32_tables[0][crc >> 24];
    }

    for ( /* void */ ; i < s.len; i++) {
        crc = crc >> 8 ^ weir_crc32_tables[0][(crc ^ p[i]) & 0xff];
    }

    return ~crc;
}
