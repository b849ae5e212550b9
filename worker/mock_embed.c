/*
 * Embeddings; see mock_embed.h.  The vector of an input is of length one and
 * made of the hash of its bytes, so that equal inputs are equal, and others
 * are not.  Never sends anything.
 */

#include "mock_embed.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#include "mock_field.h"
#include "weir_base64.h"


#define DIMENSIONS   64         /* unless asked for */
#define TOKEN_SIZE   4          /* bytes that count as one token */
#define HUGE_TOKENS  INT64_MAX


static bool
input_refuse(struct mock_error *error_r, const char *reason)
{
    mock_error_set(error_r, 400, "input", NULL, "\"input\" %s", reason);

    return false;
}


static bool
input_read_text(struct mock_embed *embed, const json_t *value,
    struct mock_error *error_r)
{
    size_t              len;
    struct mock_input  *input;

    len = json_string_length(value);
    if (len == 0) {
        return input_refuse(error_r, "has an empty string");
    }

    input = &embed->inputs[embed->count++];
    input->spoken = true;
    mock_buf_add(&input->text, json_string_value(value), len);

    embed->tokens += (len + TOKEN_SIZE - 1) / TOKEN_SIZE;

    return true;
}


static bool
input_read_tokens(struct mock_embed *embed, const json_t *array,
    struct mock_error *error_r)
{
    size_t              i;
    const json_t       *token;
    struct mock_input  *input;

    if (json_array_size(array) == 0) {
        return input_refuse(error_r, "has an empty array");
    }

    input = &embed->inputs[embed->count++];
    embed->tokens += json_array_size(array);

    json_array_foreach(array, i, token) {
        if (!json_is_integer(token) || json_integer_value(token) < 0) {
            return input_refuse(error_r, "has a token that is no number");
        }

        mock_buf_printf(&input->text, "%lld,",
                        (long long) json_integer_value(token));
    }

    return true;
}


/* a text, tokens, or an array of either */
static bool
inputs_read(struct mock_embed *embed, const json_t *value,
    struct mock_error *error_r)
{
    bool           good;
    size_t         i, count;
    const json_t  *item;

    count = json_array_size(value);
    if (json_is_string(value) || json_is_integer(json_array_get(value, 0))) {
        count = 1;
    }

    if (count == 0 || count > MOCK_INPUTS_MAX) {
        return input_refuse(error_r, "must be a string, or an array of 1 to "
                            "2048 strings, or of tokens");
    }

    embed->inputs = mock_alloc_zeroed(count * sizeof(struct mock_input));

    if (json_is_string(value)) {
        return input_read_text(embed, value, error_r);
    }

    if (json_is_integer(json_array_get(value, 0))) {
        return input_read_tokens(embed, value, error_r);
    }

    json_array_foreach(value, i, item) {
        good = json_is_string(item) ? input_read_text(embed, item, error_r)
                                    : input_read_tokens(embed, item, error_r);
        if (!good) {
            return false;
        }
    }

    return true;
}


static bool
format_read(struct mock_embed *embed, const json_t *value,
    struct mock_error *error_r)
{
    const char  *name;

    if (value == NULL || json_is_null(value)) {
        return true;
    }

    name = json_string_value(value);

    if (name == NULL
        || (strcmp(name, "float") != 0 && strcmp(name, "base64") != 0))
    {
        mock_error_set(error_r, 400, "encoding_format", NULL,
                       "\"encoding_format\" must be float or base64");
        return false;
    }

    embed->base64 = strcmp(name, "base64") == 0;

    return true;
}


bool
mock_embed_parse(struct mock_embed *embed, const char *body, size_t len,
    struct mock_error *error_r)
{
    bool     good;
    json_t  *root;

    *embed = (struct mock_embed) { .dimensions = DIMENSIONS };

    root = mock_field_root(body, len, error_r);
    if (root == NULL) {
        return false;
    }

    good = mock_field_model(root, &embed->model, error_r)
           && mock_field_integer(root, "dimensions", 1, MOCK_DIMENSIONS_MAX,
                                 &embed->dimensions, error_r)
           && format_read(embed, json_object_get(root, "encoding_format"),
                          error_r)
           && inputs_read(embed, json_object_get(root, "input"), error_r);

    if (!good) {
        mock_embed_free(embed);
    }

    json_decref(root);

    return good;
}


void
mock_embed_free(struct mock_embed *embed)
{
    size_t  i;

    for (i = 0; i < embed->count; i++) {
        mock_buf_free(&embed->inputs[i].text);
    }

    free(embed->inputs);
    mock_buf_free(&embed->model);
    *embed = (struct mock_embed) { 0 };
}


static uint64_t
hash_bytes(const struct mock_input *input)
{
    size_t    i;
    uint64_t  h;

    h = input->spoken ? 0xcbf29ce484222325 : 0x84222325cbf29ce4;

    for (i = 0; i < input->text.len; i++) {
        h = (h ^ (unsigned char) input->text.data[i]) * 0x100000001b3;
    }

    return h;
}


/* from one state of a sequence to the next, and a number of it */
static uint64_t
hash_next(uint64_t *state)
{
    uint64_t  z;

    z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;

    return z ^ (z >> 31);
}


static void
vector_make(const struct mock_input *input, float *vector, size_t dimensions)
{
    size_t    i;
    double    sum;
    uint64_t  state;

    state = hash_bytes(input);
    sum = 0;

    for (i = 0; i < dimensions; i++) {
        vector[i] = (float) ((double) (hash_next(&state) >> 11) / (1ull << 52)
                             - 1);
        sum += (double) vector[i] * vector[i];
    }

    for (i = 0; i < dimensions; i++) {
        vector[i] = (float) (vector[i] / sqrt(sum));
    }
}


static void
vector_write_base64(const float *vector, size_t dimensions,
    struct mock_buf *out)
{
    uint32_t       bits;
    size_t         i;
    char           text[WEIR_BASE64_LEN(MOCK_DIMENSIONS_MAX * 4) + 1];
    unsigned char  bytes[MOCK_DIMENSIONS_MAX * 4];

    /* little endian everywhere */
    for (i = 0; i < dimensions; i++) {
        memcpy(&bits, &vector[i], sizeof(bits));
        bytes[i * 4] = (unsigned char) bits;
        bytes[i * 4 + 1] = (unsigned char) (bits >> 8);
        bytes[i * 4 + 2] = (unsigned char) (bits >> 16);
        bytes[i * 4 + 3] = (unsigned char) (bits >> 24);
    }

    weir_base64_write(bytes, dimensions * 4, text);
    mock_buf_printf(out, "\"%s\"", text);
}


static void
vector_write(const struct mock_embed *embed, const struct mock_input *input,
    struct mock_buf *out)
{
    float   vector[MOCK_DIMENSIONS_MAX];
    size_t  i, dimensions;

    dimensions = (size_t) embed->dimensions;
    vector_make(input, vector, dimensions);

    if (embed->base64) {
        vector_write_base64(vector, dimensions, out);
        return;
    }

    for (i = 0; i < dimensions; i++) {
        mock_buf_printf(out, "%s%.9g", i == 0 ? "[" : ",",
                        (double) vector[i]);
    }

    mock_buf_text(out, "]");
}


void
mock_embed_write(const struct mock_embed *embed, const struct mock_plan *plan,
    struct mock_buf *out)
{
    size_t   i;
    int64_t  tokens;

    mock_buf_text(out, "{\"object\":\"list\",\"data\":[");

    for (i = 0; i < embed->count; i++) {
        mock_buf_printf(out, "%s{\"object\":\"embedding\",\"index\":%zu,"
                        "\"embedding\":", i == 0 ? "" : ",", i);
        vector_write(embed, &embed->inputs[i], out);
        mock_buf_text(out, "}");
    }

    mock_buf_text(out, "],\"model\":");
    mock_buf_json(out, embed->model.data, embed->model.len);

    if (plan->usage != MOCK_USAGE_NONE) {
        tokens = plan->usage == MOCK_USAGE_NEGATIVE ? -7
                 : plan->usage == MOCK_USAGE_HUGE ? HUGE_TOKENS
                 : (int64_t) embed->tokens;
        mock_buf_printf(out, ",\"usage\":{\"prompt_tokens\":%" PRId64 ","
                        "\"total_tokens\":%" PRId64 "}", tokens, tokens);
    }

    mock_buf_text(out, "}");
}
