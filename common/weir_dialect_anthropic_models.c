/*
 * The Anthropic dialect: the list of models.  Pure.
 */

#include "weir_dialect_anthropic.h"
#include "weir_dialect_anthropic_part.h"

#include <stdio.h>
#include <time.h>


/* RFC 3339; a model whose age nobody knows is as old as time */

static weir_json_t *
weir_models_time(long long created)
{
    char       text[sizeof("2026-01-01T00:00:00Z") + 16];
    time_t     s;
    struct tm  tm;

    s = created > 0 && created < 253402300800LL ? (time_t) created : 0;

    if (gmtime_r(&s, &tm) == NULL
        || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    {
        return NULL;
    }

    return weir_json_new_str(weir_str_of(text));
}


static weir_json_t *
weir_models_write(const weir_json_t *model)
{
    int           rc;
    weir_json_t  *to, *id;

    to = weir_part_new("model");
    id = weir_json_get(model, "id");

    rc = weir_json_set_take(to, "id", weir_json_ref(id));
    rc |= weir_json_set_take(to, "display_name", weir_json_ref(id));
    rc |= weir_json_set_take(to, "created_at",
              weir_models_time(weir_json_int(weir_json_get(model,
                                                           "created"))));

    return weir_part_unless(rc, to);
}


/* who is first or last: NULL where there is nobody */

static weir_json_t *
weir_models_end(const weir_json_t *models, size_t i)
{
    return i < weir_json_count(models)
           ? weir_json_ref(weir_json_get(weir_json_at(models, i), "id"))
           : weir_json_new_null();
}


weir_json_t *
weir_anthropic_models(const weir_json_t *catalogue)
{
    int           rc;
    size_t        i, n;
    weir_json_t  *to, *list, *models;

    rc = 0;
    to = weir_json_object();
    list = weir_json_array();
    models = weir_json_get(catalogue, "models");
    n = weir_json_count(models);

    for (i = 0; i < n; i++) {
        rc |= weir_json_add_take(list,
                                 weir_models_write(weir_json_at(models, i)));
    }

    rc |= weir_json_set_take(to, "data", list);
    rc |= weir_json_set_take(to, "has_more", weir_json_new_bool(false));
    rc |= weir_json_set_take(to, "first_id", weir_models_end(models, 0));
    rc |= weir_json_set_take(to, "last_id",
                             weir_models_end(models, n ? n - 1 : 0));

    return weir_part_unless(rc, to);
}


weir_json_t *
weir_anthropic_model(const weir_json_t *catalogue, weir_str_t id)
{
    size_t        i;
    weir_json_t  *models, *model;

    models = weir_json_get(catalogue, "models");

    for (i = 0; i < weir_json_count(models); i++) {
        model = weir_json_at(models, i);

        if (weir_str_eq(weir_json_str(weir_json_get(model, "id")), id)) {
            return weir_models_write(model);
        }
    }

    return NULL;
}
