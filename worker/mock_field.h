/*
 * Members of a request's JSON, read and checked.
 */

#ifndef MOCK_FIELD_H
#define MOCK_FIELD_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

#include "mock_buf.h"
#include "mock_error.h"


/* NULL and error_r filled, or an object to be given back */
json_t *mock_field_root(const char *body, size_t len,
    struct mock_error *error_r);

/* An absent or null member leaves *value_r alone. */
bool mock_field_integer(const json_t *root, const char *name, int64_t min,
    int64_t max, int64_t *value_r, struct mock_error *error_r);

/* Adds the name of the model. */
bool mock_field_model(const json_t *root, struct mock_buf *model,
    struct mock_error *error_r);


#endif /* MOCK_FIELD_H */
