/*
 * A provider's list of models: {"data":[{"id":"..."}],"has_more":true}, page
 * after page where the dialect has pages.  Half a list is none: what is missing
 * would seem to be gone.
 */

#include "provider_http.h"

#include <stdio.h>
#include <stdlib.h>

#include "mem.h"


#define MODELS_TIMEOUT  30000           /* ms, of a page */
#define MODELS_PAGES    64
#define MODELS_ID_MAX   256
#define MODELS_PATH     (64 + 3 * MODELS_ID_MAX)


struct provider_list_s {
    provider_t            *provider;
    const provider_row_t  *row;
    provider_target_pt     make;

    http_target_t         *target;      /* of the page in flight */
    http_call_t           *call;        /* NULL: nothing is */
    unsigned               page;
    char                 **ids;
    size_t                 n;

    provider_models_pt     fn;
    void                  *data;
};


static void models_ask(provider_list_t *list, weir_str_t after);


static void
models_forget(provider_list_t *list)
{
    size_t  i;

    for (i = 0; i < list->n; i++) {
        free(list->ids[i]);
    }

    free(list->ids);
    list->ids = NULL;
    list->n = 0;
}


static void
models_end(provider_list_t *list, bool ok)
{
    list->fn(list->data, ok ? (const char *const *) list->ids : NULL,
             ok ? list->n : 0);
    models_forget(list);
}


static void
models_take(provider_list_t *list, const weir_json_t *data)
{
    size_t      i, count;
    weir_str_t  id;

    count = weir_json_count(data);

    if (count > PROVIDER_MODELS_MAX - list->n) {
        count = PROVIDER_MODELS_MAX - list->n;
    }

    list->ids = mem_grow(list->ids, (list->n + count + 1) * sizeof(char *));

    for (i = 0; i < count; i++) {
        id = weir_json_str(weir_json_get(weir_json_at(data, i), "id"));

        if (id.len && id.len <= MODELS_ID_MAX) {
            list->ids[list->n++] = mem_copy(id);
        }
    }
}


/* the last of a page that is not the last; empty: that is all */

static weir_str_t
models_next(const provider_list_t *list, const weir_json_t *doc)
{
    size_t        count;
    weir_str_t    last;
    weir_json_t  *data;

    data = weir_json_get(doc, "data");
    count = weir_json_count(data);

    if (list->row->after == NULL || count == 0
        || !weir_json_true(weir_json_get(doc, "has_more"))
        || list->n >= PROVIDER_MODELS_MAX)
    {
        return weir_str_null;
    }

    last = weir_json_str(weir_json_get(doc, "last_id"));

    return last.len ? last
           : weir_json_str(weir_json_get(weir_json_at(data, count - 1), "id"));
}


static void
models_on_reply(void *data, const http_reply_t *reply)
{
    char              error[WEIR_JSON_ERROR];
    weir_str_t        next;
    weir_json_t      *doc, *models;
    provider_list_t  *list;

    list = data;
    list->call = NULL;

    doc = reply->error || reply->status != 200
          ? NULL : weir_json_parse(reply->body, error);
    models = weir_json_get(doc, "data");

    if (!weir_json_is_array(models)) {
        weir_json_free(&doc);
        models_end(list, false);
        return;
    }

    models_take(list, models);
    next = models_next(list, doc);

    if (next.len == 0 || next.len > MODELS_ID_MAX
        || list->page == MODELS_PAGES)
    {
        models_end(list, next.len == 0);

    } else {
        models_ask(list, next);
    }

    weir_json_free(&doc);
}


/* after: a name that somebody else made up */

static void
models_path(char path[MODELS_PATH], const provider_row_t *row, weir_str_t after)
{
    int     n;
    size_t  i;

    n = snprintf(path, 64, "%s%s", row->list, after.len ? row->after : "");

    for (i = 0; i < after.len; i++) {
        n += sprintf(path + n, "%%%02X", (unsigned char) after.data[i]);
    }
}


static void
models_ask(provider_list_t *list, weir_str_t after)
{
    char  path[MODELS_PATH];

    models_path(path, list->row, after);
    list->page++;

    http_target_destroy(&list->target);
    list->target = list->make(list->provider, path);
    list->call = http_call(list->target, weir_str_null, NULL, MODELS_TIMEOUT,
                           models_on_reply, list);
}


void
provider_list_ask(provider_list_t *list, provider_models_pt fn, void *data)
{
    if (list->call) {
        return;
    }

    list->fn = fn;
    list->data = data;
    list->page = 0;

    models_ask(list, weir_str_null);
}


provider_list_t *
provider_list_create(provider_t *p, const provider_row_t *row,
    provider_target_pt target)
{
    provider_list_t  *list;

    list = mem_alloc(sizeof(provider_list_t));
    list->provider = p;
    list->row = row;
    list->make = target;

    return list;
}


void
provider_list_destroy(provider_list_t **listp)
{
    provider_list_t  *list;

    list = *listp;
    *listp = NULL;

    http_target_destroy(&list->target);         /* with its call */
    models_forget(list);
    free(list);
}
