/*
 * The catalogue: its document, and an index of it by name.
 */

#include "weir_catalogue.h"

#include <stdlib.h>
#include <string.h>


typedef struct {
    weir_str_t    id;               /* points into the document */
    int64_t       input;
    int64_t       output;
} weir_price_t;


struct weir_catalogue_s {
    weir_json_t   *doc;
    weir_price_t  *prices;          /* by name */
    size_t         n;
    weir_price_t   any;             /* id: there is one */
};


static int
weir_price_compare(const void *one, const void *two)
{
    const weir_price_t  *a = one, *b = two;

    return weir_str_compare(a->id, b->id);
}


static bool
weir_price_read(const weir_json_t *v, weir_str_t id, weir_price_t *p)
{
    p->id = id;

    return id.len
           && weir_dollars_parse(weir_json_str(weir_json_get(v,
                                                   "input_price")), &p->input)
           && weir_dollars_parse(weir_json_str(weir_json_get(v,
                                                   "output_price")),
                                 &p->output);
}


weir_catalogue_t *
weir_catalogue_read(weir_str_t text)
{
    char               error[WEIR_JSON_ERROR];
    size_t             i, n;
    weir_json_t       *doc, *models, *model;
    weir_price_t       price;
    weir_catalogue_t  *c;

    doc = weir_json_parse(text, error);
    models = weir_json_get(doc, "models");
    n = weir_json_count(models);

    if (!weir_json_is_array(models)
        || (c = calloc(1, sizeof(weir_catalogue_t))) == NULL)
    {
        weir_json_free(&doc);
        return NULL;
    }

    c->doc = doc;
    c->prices = calloc(n + 1, sizeof(weir_price_t));

    if (c->prices == NULL) {
        weir_catalogue_free(&c);
        return NULL;
    }

    for (i = 0; i < n; i++) {
        model = weir_json_at(models, i);

        if (weir_price_read(model, weir_json_str(weir_json_get(model, "id")),
                            &price))
        {
            c->prices[c->n++] = price;
        }
    }

    qsort(c->prices, c->n, sizeof(weir_price_t), weir_price_compare);

    if (weir_price_read(weir_json_get(doc, "any"), weir_str("any"), &price)) {
        c->any = price;
    }

    return c;
}


void
weir_catalogue_free(weir_catalogue_t **c)
{
    if (*c) {
        weir_json_free(&(*c)->doc);
        free((*c)->prices);
        free(*c);
        *c = NULL;
    }
}


bool
weir_catalogue_price(const weir_catalogue_t *c, weir_str_t model,
    int64_t *input_r, int64_t *output_r)
{
    weir_price_t         key;
    const weir_price_t  *found;

    *input_r = 0;
    *output_r = 0;

    if (c == NULL || model.len == 0) {
        return false;
    }

    key.id = model;
    found = bsearch(&key, c->prices, c->n, sizeof(weir_price_t),
                    weir_price_compare);

    if (found == NULL && c->any.id.len) {
        found = &c->any;
    }

    if (found == NULL) {
        return false;
    }

    *input_r = found->input;
    *output_r = found->output;

    return true;
}


const weir_json_t *
weir_catalogue_doc(const weir_catalogue_t *c)
{
    return c ? c->doc : NULL;
}
