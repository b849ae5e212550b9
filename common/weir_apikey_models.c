/*
 * The models that an API key may ask for, and the spelling of texts in a
 * record, where a colon ends a field.  Pure.
 */

#include "weir_apikey.h"


#define W_PERCENT  weir_str("%25")
#define W_COLON    weir_str("%3A")


void
weir_apikey_quote(weir_str_t text, weir_buf_t *out)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] == '%') {
            weir_buf_str(out, W_PERCENT);

        } else if (text.data[i] == ':') {
            weir_buf_str(out, W_COLON);

        } else {
            weir_buf_add(out, text.data + i, 1);
        }
    }
}


/* the character at the start of text, in *c_r; how long its spelling is */

static size_t
weir_unquoted(weir_str_t text, char *c_r)
{
    weir_str_t  code;

    code = (weir_str_t) { text.data, text.len < 3 ? text.len : 3 };

    if (weir_str_eq(code, W_PERCENT)) {
        *c_r = '%';
        return 3;
    }

    if (weir_str_eq(code, W_COLON)) {
        *c_r = ':';
        return 3;
    }

    *c_r = text.data[0];

    return 1;
}


void
weir_apikey_unquote(weir_str_t text, weir_buf_t *out)
{
    char    c;
    size_t  n;

    for ( /* void */ ; text.len; text.data += n, text.len -= n) {
        n = weir_unquoted(text, &c);
        weir_buf_add(out, &c, 1);
    }
}


/* one of them: a star ends it, and a percent sign is quoted */

static bool
weir_model_valid(weir_str_t model)
{
    char    c;
    size_t  n, left;

    for (left = model.len; left; left -= n, model.data += n) {
        n = weir_unquoted((weir_str_t) { model.data, left }, &c);

        if ((unsigned char) c <= ' ' || c == 0x7f
            || (n == 1 && (c == '%' || (c == '*' && left > 1))))
        {
            return false;
        }
    }

    return model.len > 0;
}


bool
weir_apikey_models_valid(weir_str_t models)
{
    weir_str_t  model;

    if (models.len == 0) {
        return false;
    }

    while (weir_str_split(&models, ',', &model)) {
        if (!weir_model_valid(model)) {
            return false;
        }
    }

    return true;
}


/* is it the model, or does it start as the model does and end in a star? */

static bool
weir_model_matches(weir_str_t item, weir_str_t model)
{
    char    c;
    size_t  n;

    for ( /* void */ ; item.len; item.data += n, item.len -= n) {
        if (item.data[0] == '*') {
            return true;
        }

        n = weir_unquoted(item, &c);

        if (model.len == 0 || model.data[0] != c) {
            return false;
        }

        model.data++;
        model.len--;
    }

    return model.len == 0;
}


bool
weir_apikey_allows(weir_str_t models, weir_str_t model)
{
    weir_str_t  item;

    if (models.len == 0) {
        return true;
    }

    while (weir_str_split(&models, ',', &item)) {
        if (weir_model_matches(item, model)) {
            return true;
        }
    }

    return false;
}
