/*
 * Configuration of keys and of who needs one: setters as in
 * ngx_http_weir_conf.c.
 */

#include "ngx_http_weir_module.h"


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

    if (!wmcf->gate) {
        wmcf->gate = 1;
        wmcf->auth_file = cf->conf_file->file.name;
        wmcf->auth_line = cf->conf_file->line;
    }

    return cf->args->nelts > 2 ? ngx_http_weir_auth_scope(cf, wlcf, &value[2])
                               : NGX_CONF_OK;
}


/* Who asks for keys must be told which ones there are. */

char *
ngx_http_weir_conf_auth_complete(ngx_conf_t *cf,
    ngx_http_weir_main_conf_t *wmcf)
{
    if (wmcf->keyring) {
        return NGX_CONF_OK;
    }

    if (wmcf->api) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"weir_api\" needs "
                      "\"weir_key_file\" in the http block, in %V:%ui",
                      &wmcf->api_file, wmcf->api_line);
        return NGX_CONF_ERROR;
    }

    if (wmcf->auth_line) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"weir_auth\" needs "
                      "\"weir_key_file\" in the http block, in %V:%ui",
                      &wmcf->auth_file, wmcf->auth_line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
