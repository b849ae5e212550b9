/*
 * Configuration of keys and of who needs one: setters as in
 * ngx_http_weir_conf.c.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_STORE_NAME      "weir_keys"
#define NGX_HTTP_WEIR_STORE_SIZE      (4 * 1024 * 1024)
#define NGX_HTTP_WEIR_STORE_SIZE_MIN  (128 * 1024)
#define NGX_HTTP_WEIR_STORE_TTL       60000     /* ms */
#define NGX_HTTP_WEIR_STORE_TTL_MAX   86400000
#define NGX_HTTP_WEIR_STORE_NEGATIVE  1000


/* a zone of another kind is another zone */

static ngx_uint_t  ngx_http_weir_store_tag;


/* weir_key_file path pepper=path */

char *
ngx_http_weir_set_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                        error[WEIR_KEY_ERROR];
    ngx_str_t                  *value, path;
    ngx_http_weir_main_conf_t  *wmcf = conf;

    value = cf->args->elts;

    if (wmcf->key_file.len) {
        return "is duplicate";
    }

    wmcf->used = 1;

    if (ngx_http_weir_conf_path(cf, &value[1], &value[1], &wmcf->key_file)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (!ngx_http_weir_conf_param(&value[2], "pepper", &path)) {
        return ngx_http_weir_conf_invalid(cf, &value[2],
                                          "it must be \"pepper=path\"");
    }

    if (ngx_http_weir_conf_path(cf, &value[2], &path, &wmcf->pepper_file)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_weir_keys_load(wmcf, cf->log, error) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"weir_key_file\" cannot use \"%V\"%s%s",
                           &wmcf->key_file, error[0] ? ": " : "", error);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_weir_store_zone(ngx_conf_t *cf, ngx_http_weir_store_t *store,
    ngx_str_t *arg, ngx_str_t *value)
{
    u_char     *p;
    ssize_t     size;
    ngx_str_t   name, s;

    p = ngx_strlchr(value->data, value->data + value->len, ':');

    if (p == NULL || p == value->data) {
        return ngx_http_weir_conf_invalid(cf, arg,
                                          "it must be \"zone=name:size\"");
    }

    name.data = value->data;
    name.len = p - name.data;
    s.data = p + 1;
    s.len = value->data + value->len - s.data;

    size = ngx_parse_size(&s);

    if (size == NGX_ERROR || size < NGX_HTTP_WEIR_STORE_SIZE_MIN) {
        return ngx_http_weir_conf_invalid(cf, arg,
                                          "the size must be at least 128k");
    }

    store->zone = ngx_shared_memory_add(cf, &name, size,
                                        &ngx_http_weir_store_tag);

    return store->zone ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_weir_store_param(ngx_conf_t *cf, ngx_http_weir_store_t *store,
    ngx_str_t *arg)
{
    ngx_str_t  value;

    if (ngx_http_weir_conf_param(arg, "pepper", &value)) {
        return ngx_http_weir_conf_path(cf, arg, &value, &store->pepper_file);
    }

    if (ngx_http_weir_conf_param(arg, "zone", &value)) {
        return ngx_http_weir_store_zone(cf, store, arg, &value);
    }

    if (ngx_http_weir_conf_param(arg, "ttl", &value)) {
        return ngx_http_weir_conf_msec(cf, arg, &value, 1000,
                   NGX_HTTP_WEIR_STORE_TTL_MAX,
                   "it must be a time from 1s to 1d", &store->ttl);
    }

    if (ngx_http_weir_conf_param(arg, "negative", &value)) {
        return ngx_http_weir_conf_msec(cf, arg, &value, 0, 1000,
                   "it must be a time from 0 to 1s", &store->negative);
    }

    return ngx_http_weir_conf_invalid(cf, arg, "allowed are pepper=, zone=, "
                                      "ttl= and negative=");
}


static char *
ngx_http_weir_store_pepper(ngx_conf_t *cf, ngx_http_weir_store_t *store)
{
    ngx_str_t  secret;

    if (store->pepper_file.len == 0) {
        return "needs \"pepper=path\"";
    }

    if (ngx_http_weir_keys_secret(cf->temp_pool, &store->pepper_file, &secret)
        != NGX_OK || secret.len == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"weir_key_store\" finds no "
                           "pepper in \"%V\"", &store->pepper_file);
        return NGX_CONF_ERROR;
    }

    store->pepper = weir_hmac_create(ngx_http_weir_str(secret));
    weir_digest_wipe(secret.data, secret.len);

    return store->pepper ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* weir_key_store pepper=path [zone=name:size] [ttl=time] [negative=time] */

char *
ngx_http_weir_set_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                  *value, name;
    ngx_uint_t                  i;
    ngx_http_weir_store_t      *store;
    ngx_http_weir_main_conf_t  *wmcf = conf;

    store = &wmcf->store;
    value = cf->args->elts;

    if (store->line) {
        return "is duplicate";
    }

    wmcf->used = 1;

    store->file = cf->conf_file->file.name;
    store->line = cf->conf_file->line;
    store->ttl = NGX_HTTP_WEIR_STORE_TTL;
    store->negative = NGX_HTTP_WEIR_STORE_NEGATIVE;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_weir_store_param(cf, store, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (store->zone == NULL) {
        ngx_str_set(&name, NGX_HTTP_WEIR_STORE_NAME);
        store->zone = ngx_shared_memory_add(cf, &name,
                                            NGX_HTTP_WEIR_STORE_SIZE,
                                            &ngx_http_weir_store_tag);
        if (store->zone == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    store->zone->init = ngx_http_weir_store_init_zone;
    store->zone->data = store;

    return ngx_http_weir_store_pepper(cf, store);
}


static char *
ngx_http_weir_auth_scope(ngx_conf_t *cf, ngx_http_weir_loc_conf_t *wlcf,
    ngx_str_t *arg)
{
    int        scope;
    ngx_str_t  name;

    scope = -1;

    if (ngx_http_weir_conf_param(arg, "scope", &name)) {
        scope = weir_scopes_parse(ngx_http_weir_str(name));
    }

    if (scope <= 0 || (scope & (scope - 1))) {
        return ngx_http_weir_conf_invalid(cf, arg, "it must be \"scope=\" "
                   "and one of submit, read, cancel, admin, cache-bypass and "
                   "metrics");
    }

    wlcf->scope = (ngx_uint_t) scope;

    return NGX_CONF_OK;
}


/* weir_auth on [scope=name] | off */

char *
ngx_http_weir_set_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                  *value;
    ngx_http_weir_loc_conf_t   *wlcf = conf;
    ngx_http_weir_main_conf_t  *wmcf;

    value = cf->args->elts;

    if (wlcf->auth_set) {
        return "is duplicate";
    }

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_weir_module);
    wmcf->used = 1;
    wlcf->auth_set = 1;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        wlcf->auth = 0;

        if (cf->args->nelts > 2) {
            return ngx_http_weir_conf_invalid(cf, &value[2],
                                       "\"off\" has no parameters");
        }

        return wlcf->api ? "cannot be \"off\" in a location of \"weir_api\""
                         : NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "on") != 0) {
        return ngx_http_weir_conf_invalid(cf, &value[1],
                                   "it must be \"on\" or \"off\"");
    }

    wlcf->auth = 1;
    wlcf->scope = 0;

    wmcf->gate = 1;

    if (wmcf->auth_line == 0) {
        wmcf->auth_file = cf->conf_file->file.name;
        wmcf->auth_line = cf->conf_file->line;
    }

    return cf->args->nelts > 2 ? ngx_http_weir_auth_scope(cf, wlcf, &value[2])
                               : NGX_CONF_OK;
}


/* Records of another Redis are none of ours: which one is it? */

static void
ngx_http_weir_store_source(ngx_http_weir_main_conf_t *wmcf)
{
    ngx_http_weir_redis_conf_t  *redis;

    redis = &wmcf->redis;

    wmcf->store.source = ngx_crc32_long(redis->name.data, redis->name.len)
                         ^ (uint32_t) redis->database;
}


/* Who asks for keys must be told which ones there are. */

char *
ngx_http_weir_conf_auth_complete(ngx_conf_t *cf,
    ngx_http_weir_main_conf_t *wmcf)
{
    if (wmcf->store.zone && wmcf->redis.naddrs == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"weir_key_store\" needs "
                      "\"weir_redis\" in the http block, in %V:%ui",
                      &wmcf->store.file, wmcf->store.line);
        return NGX_CONF_ERROR;
    }

    ngx_http_weir_store_source(wmcf);

    if (wmcf->keyring || wmcf->store.zone) {
        return NGX_CONF_OK;
    }

    if (wmcf->api) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"weir_api\" needs "
                      "\"weir_key_file\" or \"weir_key_store\" in the http "
                      "block, in %V:%ui", &wmcf->api_file, wmcf->api_line);
        return NGX_CONF_ERROR;
    }

    if (wmcf->auth_line) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"weir_auth\" needs "
                      "\"weir_key_file\" or \"weir_key_store\" in the http "
                      "block, in %V:%ui", &wmcf->auth_file, wmcf->auth_line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
