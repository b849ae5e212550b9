/*
 * A counted string that is borrowed, never owned: whoever holds one knows how
 * long the bytes live.  Not terminated; may hold NUL.
 */

#ifndef WEIR_STR_H
#define WEIR_STR_H


#include <stddef.h>
#include <string.h>


typedef struct {
    const char  *data;
    size_t       len;
} weir_str_t;


#define weir_str(literal)  ((weir_str_t) { literal, sizeof(literal) - 1 })
#define weir_str_null      ((weir_str_t) { NULL, 0 })


static inline weir_str_t
weir_str_of(const char *text)
{
    return (weir_str_t) { text, text ? strlen(text) : 0 };
}


static inline int
weir_str_eq(weir_str_t a, weir_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


#endif /* WEIR_STR_H */
