/*
 * weir_cache_zone: the directive, and its zone, which is made at start and kept
 * over a reload while it has the same size.
 */

#include "ngx_http_weir_module.h"


static ngx_uint_t  ngx_http_weir_answers_tag;


ngx_http_weir_answers_t *
ngx_http_weir_answers_zone(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_http_weir_answers_t   **zones, *z;
    ngx_http_weir_main_conf_t  *wmcf;

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_weir_module);
    zones = wmcf->answers.elts;

    for (i = 0; i < wmcf->answers.nelts; i++) {
        if (zones[i]->name.len == name->len
            && ngx_memcmp(zones[i]->name.data, name->data, name->len) == 0)
        {
            return zones[i];
        }
    }

    if (wmcf->answers.elts == NULL
        && ngx_array_init(&wmcf->answers, cf->pool, 2,
                          sizeof(ngx_http_weir_answers_t *))
           != NGX_OK)
    {
        return NULL;
    }

    z = ngx_pcalloc(cf->pool, sizeof(ngx_http_weir_answers_t));
    zones = ngx_array_push(&wmcf->answers);

    if (z == NULL || zones == NULL) {
        return NULL;
    }

    z->name = *name;
    z->file = cf->conf_file->file.name;
    z->line = cf->conf_file->line;
    *zones = z;

    return z;
}


static ngx_int_t
ngx_http_weir_answers_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    u_char                   *p;
    size_t                    size;
    unsigned char             seed[WEIR_SHELF_SEED];
    ngx_slab_pool_t          *slab;
    ngx_http_weir_answers_t  *z, *old = data;

    z = shm_zone->data;
    slab = (ngx_slab_pool_t *) shm_zone->shm.addr;
    z->slab = slab;

    if (old) {
        z->shelf = old->shelf;
        return NGX_OK;
    }

    if (shm_zone->shm.exists) {
        z->shelf = slab->data;
        return NGX_OK;
    }

    size = slab->pfree * ngx_pagesize;
    p = ngx_slab_alloc(slab, size);

    z->shelf = p && weir_digest_random(seed, sizeof(seed)) == 0
               ? weir_shelf_create(p, size, seed) : NULL;

    if (z->shelf == NULL) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "weir: the cache zone \"%V\" is too small", &z->name);
        return NGX_ERROR;
    }

    slab->data = z->shelf;

    if (ngx_http_weir_conf_zone_lost(shm_zone, &ngx_http_weir_answers_tag, 1)) {
        ngx_log_error(NGX_LOG_WARN, shm_zone->shm.log, 0,
                      "weir: the size of the cache zone \"%V\" has changed, it "
                      "starts empty", &z->name);
    }

    return NGX_OK;
}


/* weir_cache_zone NAME SIZE [max_entry=SIZE] */

char *
ngx_http_weir_set_cache_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ssize_t                     size, entry;
    ngx_str_t                  *value, text;
    ngx_http_weir_answers_t    *z;
    ngx_http_weir_main_conf_t  *wmcf = conf;

    wmcf->used = 1;
    value = cf->args->elts;

    if (!weir_limit_name_valid(ngx_http_weir_str(value[1]))) {
        return ngx_http_weir_conf_invalid(cf, &value[1],
                   "a zone has a name of 1 to 32 letters, digits and any of "
                   "\"._-@\"");
    }

    size = ngx_parse_size(&value[2]);

    if (size == NGX_ERROR || size < NGX_HTTP_WEIR_ANSWERS_MIN) {
        return ngx_http_weir_conf_invalid(cf, &value[2],
                                          "the size must be at least 256k");
    }

    entry = NGX_HTTP_WEIR_ANSWERS_ENTRY;

    if (cf->args->nelts == 4) {
        if (!ngx_http_weir_conf_param(&value[3], "max_entry", &text)) {
            return ngx_http_weir_conf_invalid(cf, &value[3],
                                              "allowed is max_entry=");
        }

        entry = ngx_parse_size(&text);

        if (entry == NGX_ERROR || entry < 1 || entry > size / 2) {
            return ngx_http_weir_conf_invalid(cf, &value[3],
                       "it must be a size, and not more than half of the "
                       "zone's");
        }
    }

    z = ngx_http_weir_answers_zone(cf, &value[1]);
    if (z == NULL) {
        return NGX_CONF_ERROR;
    }

    if (z->shm_zone) {
        return ngx_http_weir_conf_invalid(cf, &value[1],
                                          "there is a zone of that name");
    }

    z->copies = ngx_http_weir_copies_create(cf->pool,
                    ngx_min((size_t) size / 4, NGX_HTTP_WEIR_COPIES_MOST));
    if (z->copies == NULL) {
        return NGX_CONF_ERROR;
    }

    z->size = size;
    z->max_entry = entry;

    z->shm_zone = ngx_shared_memory_add(cf, &z->name, size,
                                        &ngx_http_weir_answers_tag);
    if (z->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    z->shm_zone->init = ngx_http_weir_answers_init_zone;
    z->shm_zone->data = z;

    return NGX_CONF_OK;
}


char *
ngx_http_weir_answers_complete(ngx_conf_t *cf, ngx_array_t *zones)
{
    ngx_uint_t                 i;
    ngx_http_weir_answers_t  **z;

    z = zones->elts;

    for (i = 0; i < zones->nelts; i++) {
        if (z[i]->shm_zone == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "no \"weir_cache_zone\" "
                          "declares the zone \"%V\" of \"weir_cache\" in "
                          "%V:%ui", &z[i]->name, &z[i]->file, z[i]->line);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}
