/*
 * Base64.  Pure.
 */

#include "weir_base64.h"


static const char  weir_base64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";


void
weir_base64_write(const unsigned char *data, size_t len, char *text)
{
    size_t    i, left;
    uint32_t  three;

    for (i = 0; i < len; i += 3) {
        left = len - i;
        three = (uint32_t) data[i] << 16
                | (uint32_t) (left > 1 ? data[i + 1] : 0) << 8
                | (uint32_t) (left > 2 ? data[i + 2] : 0);

        *text++ = weir_base64[three >> 18];
        *text++ = weir_base64[three >> 12 & 63];
        *text++ = left > 1 ? weir_base64[three >> 6 & 63] : '=';
        *text++ = left > 2 ? weir_base64[three & 63] : '=';
    }

    *text = '\0';
}


static int
weir_base64_value(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+' ? 62 : c == '/' ? 63 : -1;
}


bool
weir_base64_read(weir_str_t text, unsigned char *out, size_t max,
    size_t *len_r)
{
    int       value;
    size_t    i, pad, len;
    uint32_t  bits;

    if (text.len % 4) {
        return false;
    }

    for (pad = 0; pad < 2 && pad < text.len; pad++) {
        if (text.data[text.len - 1 - pad] != '=') {
            break;
        }
    }

    bits = 0;
    len = 0;

    for (i = 0; i < text.len - pad; i++) {
        value = weir_base64_value(text.data[i]);

        if (value < 0) {
            return false;
        }

        bits = bits << 6 | (uint32_t) value;

        if (i % 4 == 0) {
            continue;                           /* 6 bits: no byte yet */
        }

        if (len == max) {
            return false;
        }

        out[len++] = (unsigned char) (bits >> (6 - 2 * (i % 4)));
    }

    /* what stands behind the last byte: 4 bits, 2, or none */

    if (pad && (bits & (pad == 2 ? 15 : 3))) {
        return false;
    }

    *len_r = len;

    return true;
}
