/*
 * For tests of dialects: documents that must parse, and be equal.
 */

#ifndef DOCUMENTS_H
#define DOCUMENTS_H


#include "unit.h"
#include "weir_json.h"


static inline weir_json_t *
parse(weir_str_t text)
{
    char          error[WEIR_JSON_ERROR];
    weir_json_t  *v;

    v = weir_json_parse(text, error);

    if (v == NULL) {
        fail_msg("%.*s: %s", (int) text.len, text.data, error);
    }

    return v;
}


/* equal whatever the order of members */

static inline void
assert_same(weir_str_t got, const char *want)
{
    weir_buf_t    a = { 0 }, b = { 0 };
    weir_json_t  *v;

    v = parse(got);
    assert_int_equal(weir_json_write_sorted(v, &a), 0);
    weir_json_free(&v);

    v = parse(weir_str_of(want));
    assert_int_equal(weir_json_write_sorted(v, &b), 0);
    weir_json_free(&v);

    if (!weir_str_eq(unit_buf(&a), unit_buf(&b))) {
        fail_msg("got  %.*s\nwant %.*s", (int) a.len, a.data, (int) b.len,
                 b.data);
    }

    weir_buf_free(&a);
    weir_buf_free(&b);
}


#endif /* DOCUMENTS_H */
