/*
 * The catalogue of models that workers publish, read for what models cost.  Its
 * JSON form is part of the Redis contract.
 */

#ifndef WEIR_CATALOGUE_H
#define WEIR_CATALOGUE_H


#include "weir_json.h"
#include "weir_money.h"


typedef struct weir_catalogue_s  weir_catalogue_t;


/* NULL: no memory, or the text is no catalogue. */
weir_catalogue_t *weir_catalogue_read(weir_str_t text);
void weir_catalogue_free(weir_catalogue_t **c);

/* What a million tokens of a model cost, in millionths of a dollar; of one
 * that is not listed, what all those cost.  false: nobody knows. */
bool weir_catalogue_price(const weir_catalogue_t *c, weir_str_t model,
    int64_t *input_r, int64_t *output_r);

/* The document itself; borrowed. */
const weir_json_t *weir_catalogue_doc(const weir_catalogue_t *c);


#endif /* WEIR_CATALOGUE_H */
