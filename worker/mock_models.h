/*
 * The list of models, in either dialect.
 */

#ifndef MOCK_MODELS_H
#define MOCK_MODELS_H


#include "mock_buf.h"
#include "mock_dialect.h"


/* models: names with commas.  Anthropic's list comes in pages: at most limit
 * models (0: not said), those that stand behind after (NULL: the first). */
void mock_models_write(const char *models, enum mock_dialect dialect,
    size_t limit, const char *after, struct mock_buf *out);


#endif /* MOCK_MODELS_H */
