/*
 * Configuration: the setters of the directives, and what is made of them when
 * all is read.  Every refusal names the directive, the value and what would be
 * right; nginx adds file and line.
 */

#include "ngx_http_weir_module.h"


#define NGX_HTTP_WEIR_REDIS_PORT     6379
#define NGX_HTTP_WEIR_ZONE_NAME      "weir"
#define NGX_HTTP_WEIR_ZONE_SIZE      (256 * 1024)
#define NGX_HTTP_WEIR_WAITING        10000
#define NGX_HTTP_WEIR_WAITING_MAX    30000
#define NGX_HTTP_WEIR_OUTPUT_ESTIMATE  1000     /* tokens */
#define NGX_HTTP_WEIR_WAIT           300000     /* ms */
#define NGX_HTTP_WEIR_WAIT_MAX       86400000   /* ms */


static void
ngx_http_weir_conf_cleanup(void *data)
{
    ngx_http_weir_main_conf_t  *wmcf = data;

    weir_keyring_destroy(&wmcf->keyring);
    weir_hmac_destroy(&wmcf->store.pepper);
}


void *
ngx_http_weir_create_main_conf(ngx_conf_t *cf)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_weir_main_conf_t  *wmcf;

    wmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_weir_main_conf_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (wmcf == NULL || cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_weir_conf_cleanup;
    cln->data = wmcf;

    wmcf->max_waiting = NGX_CONF_UNSET_UINT;

    return wmcf;
}


void *
ngx_http_weir_create_srv_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_weir_srv_conf_t));
}


void *
ngx_http_weir_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_weir_loc_conf_t  *wlcf;

    wlcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_weir_loc_conf_t));
    if (wlcf == NULL) {
        return NULL;
    }

    wlcf->max_wait = NGX_CONF_UNSET_MSEC;
    wlcf->heartbeat = NGX_CONF_UNSET_MSEC;
    wlcf->ignore_abort = NGX_CONF_UNSET;
    wlcf->result_ttl = NGX_CONF_UNSET;
    wlcf->records_ttl = NGX_CONF_UNSET;
    wlcf->idempotency = NGX_CONF_UNSET_UINT;
    wlcf->idempotency_ttl = NGX_CONF_UNSET;
    wlcf->total_limit = NGX_CONF_UNSET_UINT;
    wlcf->owner_limit = NGX_CONF_UNSET_UINT;
    wlcf->output_estimate = NGX_CONF_UNSET_UINT;

    /* auth and scope are for auth_set */

    return wlcf;
}


/* What is used must be complete; the zone exists if anything is used. */

char *
ngx_http_weir_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_str_t                   name;
    ngx_http_weir_main_conf_t  *wmcf = conf;

    ngx_conf_init_uint_value(wmcf->max_waiting, NGX_HTTP_WEIR_WAITING);

    if (!wmcf->used) {
        return NGX_CONF_OK;
    }

    if (wmcf->api && wmcf->redis.naddrs == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"weir_api\" needs "
                      "\"weir_redis\" in the http block, in %V:%ui",
                      &wmcf->api_file, wmcf->api_line);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_weir_conf_auth_complete(cf, wmcf) != NGX_CONF_OK
        || ngx_http_weir_limit_complete(cf, &wmcf->limit,
                                        wmcf->redis.naddrs != 0)
           != NGX_CONF_OK
        || ngx_http_weir_answers_complete(cf, &wmcf->answers) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (wmcf->zone == NULL) {
        ngx_str_set(&name, NGX_HTTP_WEIR_ZONE_NAME);

        wmcf->zone = ngx_shared_memory_add(cf, &name, NGX_HTTP_WEIR_ZONE_SIZE,
                                           &ngx_http_weir_module);
        if (wmcf->zone == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    wmcf->zone->init = ngx_http_weir_metrics_init_zone;
    wmcf->zone->data = wmcf;

    return NGX_CONF_OK;
}


char *
ngx_http_weir_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_weir_loc_conf_t  *prev = parent;
    ngx_http_weir_loc_conf_t  *conf = child;

    /* "if" and "limit_except" are locations of their own, and of ours */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname && clcf->handler == NULL && prev->answers) {
        conf->answers = 1;
        conf->api = prev->api;
        conf->prefix = prev->prefix;
        conf->handler = prev->handler;

        if (clcf->lmt_excpt) {
            clcf->handler = conf->handler;
        }
    }

    if (!conf->auth_set) {
        conf->auth = prev->auth;
        conf->scope = prev->scope;
    }

    if (conf->api) {
        conf->auth = 1;
    }

    ngx_conf_merge_msec_value(conf->max_wait, prev->max_wait,
                              NGX_HTTP_WEIR_WAIT);
    ngx_http_weir_merge_stream(conf, prev);
    ngx_conf_merge_sec_value(conf->result_ttl, prev->result_ttl,
                             WEIR_TTL_DEFAULT);
    ngx_conf_merge_sec_value(conf->records_ttl, prev->records_ttl,
                             WEIR_TTL_RECORDS);
    ngx_conf_merge_uint_value(conf->idempotency, prev->idempotency,
                              NGX_HTTP_WEIR_IDEM_ON);
    ngx_conf_merge_sec_value(conf->idempotency_ttl, prev->idempotency_ttl,
                             WEIR_TTL_RECORDS);
    ngx_conf_merge_uint_value(conf->total_limit, prev->total_limit, 0);
    ngx_conf_merge_uint_value(conf->owner_limit, prev->owner_limit, 0);
    ngx_conf_merge_uint_value(conf->output_estimate, prev->output_estimate,
                              NGX_HTTP_WEIR_OUTPUT_ESTIMATE);

    if (ngx_http_weir_cache_merge(cf, &conf->cache, &prev->cache, conf->api)
        != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_weir_limit_merge(cf, &conf->limits, &prev->limits,
                                     conf->api, conf->auth);
}


ngx_uint_t
ngx_http_weir_conf_zone_lost(ngx_shm_zone_t *zone, const ngx_uint_t *tags,
    ngx_uint_t ntags)
{
    ngx_uint_t         i;
    ngx_shm_zone_t    *old;
    ngx_list_part_t   *part;
    const ngx_uint_t  *tag;

    for (part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;
         part;
         part = part->next)
    {
        old = part->elts;

        for (i = 0; i < part->nelts; i++) {
            tag = old[i].tag;

            if (&old[i] != zone && tag >= tags && tag < tags + ntags
                && old[i].shm.name.len == zone->shm.name.len
                && ngx_memcmp(old[i].shm.name.data, zone->shm.name.data,
                              zone->shm.name.len)
                   == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


/* "name=value" of an argument; value is what follows */

ngx_uint_t
ngx_http_weir_conf_param(ngx_str_t *arg, const char *name, ngx_str_t *value)
{
    size_t  n;

    n = ngx_strlen(name);

    if (arg->len <= n || ngx_strncmp(arg->data, name, n) != 0
        || arg->data[n] != '=')
    {
        return 0;
    }

    value->data = arg->data + n + 1;
    value->len = arg->len - n - 1;

    return 1;
}


char *
ngx_http_weir_conf_invalid(ngx_conf_t *cf, ngx_str_t *arg, const char *allowed)
{
    ngx_str_t  *directive;

    directive = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" in \"%V\", %s", arg,
                       directive, allowed);

    return NGX_CONF_ERROR;
}


char *
ngx_http_weir_conf_msec(ngx_conf_t *cf, ngx_str_t *arg, ngx_str_t *value,
    ngx_int_t min, ngx_int_t max, const char *allowed, ngx_msec_t *to)
{
    ngx_int_t  ms;

    ms = ngx_parse_time(value, 0);

    if (ms == NGX_ERROR || ms < min || ms > max) {
        return ngx_http_weir_conf_invalid(cf, arg, allowed);
    }

    *to = (ngx_msec_t) ms;

    return NGX_CONF_OK;
}


char *
ngx_http_weir_conf_path(ngx_conf_t *cf, ngx_str_t *arg, ngx_str_t *value,
    ngx_str_t *to)
{
    *to = *value;

    if (to->len == 0 || ngx_conf_full_name(cf->cycle, to, 1) != NGX_OK) {
        return ngx_http_weir_conf_invalid(cf, arg, "it must be a path");
    }

    return NGX_CONF_OK;
}


/* weir_max_waiting number */

char *
ngx_http_weir_set_waiting(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_int_t                   n;
    ngx_str_t                  *value;
    ngx_http_weir_main_conf_t  *wmcf = conf;

    if (wmcf->max_waiting != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n < 1 || n > NGX_HTTP_WEIR_WAITING_MAX) {
        return ngx_http_weir_conf_invalid(cf, &value[1],
                                   "it must be a number from 1 to 30000");
    }

    wmcf->max_waiting = n;

    return NGX_CONF_OK;
}


/* weir_max_wait time */

char *
ngx_http_weir_set_wait(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                 *value;
    ngx_http_weir_loc_conf_t  *wlcf = conf;

    if (wlcf->max_wait != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    return ngx_http_weir_conf_msec(cf, &value[1], &value[1], 1000,
                                   NGX_HTTP_WEIR_WAIT_MAX,
                                   "it must be a time from 1s to 1d",
                                   &wlcf->max_wait);
}


/* weir_redis, weir_cache_redis address [name=value]... */

static char *
ngx_http_weir_redis_param(ngx_conf_t *cf, ngx_http_weir_redis_conf_t *redis,
    ngx_str_t *arg)
{
    u_char      *p;
    ngx_str_t    value;
    ngx_msec_t  *time;

    time = ngx_http_weir_conf_param(arg, "timeout", &value)
           ? &redis->timeout
           : ngx_http_weir_conf_param(arg, "connect_timeout", &value)
             ? &redis->connect_timeout : NULL;

    if (time) {
        return ngx_http_weir_conf_msec(cf, arg, &value, 10, 60000,
                                       "it must be a time from 10ms to 60s",
                                       time);
    }

    if (ngx_http_weir_conf_param(arg, "database", &value)) {
        redis->database = ngx_atoi(value.data, value.len);

        return (redis->database != NGX_ERROR && redis->database <= 9999)
               ? NGX_CONF_OK
               : ngx_http_weir_conf_invalid(cf, arg,
                                   "it must be a number from 0 to 9999");
    }

    if (ngx_http_weir_conf_param(arg, "user", &redis->user)) {
        return redis->user.len ? NGX_CONF_OK
               : ngx_http_weir_conf_invalid(cf, arg, "it must not be empty");
    }

    if (ngx_http_weir_conf_param(arg, "password_file", &value)) {
        if (ngx_http_weir_conf_path(cf, arg, &value, &redis->password_file)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        return ngx_http_weir_keys_secret(cf->pool, &redis->password_file,
                                         &redis->password)
               == NGX_OK && redis->password.len ? NGX_CONF_OK
               : ngx_http_weir_conf_invalid(cf, arg,
                      "it must be a readable file that holds the password");
    }

    /* it may be a password that was written here by mistake */

    p = ngx_strlchr(arg->data, arg->data + arg->len, '=');

    if (p) {
        arg->len = p - arg->data;
    }

    return ngx_http_weir_conf_invalid(cf, arg, "allowed are timeout=, "
                  "connect_timeout=, database=, user= and password_file=");
}


char *
ngx_http_weir_set_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_url_t                    u;
    ngx_str_t                   *value;
    ngx_uint_t                   i;
    ngx_http_weir_main_conf_t   *wmcf = conf;
    ngx_http_weir_redis_conf_t  *redis;

    redis = (ngx_http_weir_redis_conf_t *) ((u_char *) conf + cmd->offset);
    value = cf->args->elts;

    if (redis->naddrs) {
        return "is duplicate";
    }

    wmcf->used = 1;

    /* without the queue nothing goes on, without stored answers all does */

    redis->timeout = (redis == &wmcf->redis) ? 1000 : 100;
    redis->connect_timeout = 1000;

    ngx_memzero(&u, sizeof(ngx_url_t));
    u.url = value[1];
    u.default_port = NGX_HTTP_WEIR_REDIS_PORT;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in \"%V\" of \"%V\", it must be "
                           "\"host[:port]\" or \"unix:/path\"",
                           u.err ? u.err : "no address", &value[1],
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    redis->addrs = u.addrs;
    redis->naddrs = u.naddrs;
    redis->name = value[1];

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_weir_redis_param(cf, redis, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (redis->user.len && redis->password.len == 0) {
        return ngx_http_weir_conf_invalid(cf, &redis->user,
                                   "\"user\" needs \"password_file\"");
    }

    return NGX_CONF_OK;
}


/* weir_zone name:size */

char *
ngx_http_weir_set_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char                     *p;
    ssize_t                     size;
    ngx_str_t                  *value, name, s;
    ngx_http_weir_main_conf_t  *wmcf = conf;

    value = cf->args->elts;

    if (wmcf->zone) {
        return "is duplicate";
    }

    wmcf->used = 1;

    p = ngx_strlchr(value[1].data, value[1].data + value[1].len, ':');

    if (p == NULL || p == value[1].data) {
        return ngx_http_weir_conf_invalid(cf, &value[1],
                                          "it must be \"name:size\"");
    }

    name.data = value[1].data;
    name.len = p - name.data;
    s.data = p + 1;
    s.len = value[1].data + value[1].len - s.data;

    size = ngx_parse_size(&s);

    if (size == NGX_ERROR || size < NGX_HTTP_WEIR_ZONE_SIZE) {
        return ngx_http_weir_conf_invalid(cf, &value[1],
                                          "the size must be at least 256k");
    }

    wmcf->zone = ngx_shared_memory_add(cf, &name, size, &ngx_http_weir_module);

    return wmcf->zone ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_http_core_loc_conf_t *
ngx_http_weir_conf_location(ngx_conf_t *cf)
{
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_weir_loc_conf_t   *wlcf;
    ngx_http_weir_main_conf_t  *wmcf;

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_weir_module);
    wmcf->used = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    wlcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_weir_module);

    if (clcf->handler) {
        return NULL;
    }

    wlcf->answers = 1;

    return clcf;
}


/* weir_api */

char *
ngx_http_weir_set_api(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_weir_srv_conf_t   *wscf;
    ngx_http_weir_loc_conf_t   *wlcf = conf;
    ngx_http_weir_main_conf_t  *wmcf;

    clcf = ngx_http_weir_conf_location(cf);

    if (clcf == NULL) {
        return "is in a location that has a handler already";
    }

    if (clcf->exact_match || clcf->named || clcf->noname
#if (NGX_PCRE)
        || clcf->regex
#endif
        )
    {
        return "must be in a location given by a prefix, such as \"/\"";
    }

    if (wlcf->auth_set && !wlcf->auth) {
        return "is in a location whose \"weir_auth\" is \"off\"";
    }

    wlcf->api = 1;
    wlcf->prefix = clcf->name;

    if (wlcf->prefix.len && wlcf->prefix.data[wlcf->prefix.len - 1] == '/') {
        wlcf->prefix.len--;
    }

    wscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_weir_module);
    wscf->api = 1;
    wscf->prefix = wlcf->prefix;

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_weir_module);

    if (!wmcf->api) {
        wmcf->api = 1;
        wmcf->api_file = cf->conf_file->file.name;
        wmcf->api_line = cf->conf_file->line;
    }

    if (wlcf->prefix.len >= 3
        && ngx_strncmp(wlcf->prefix.data + wlcf->prefix.len - 3, "/v1", 3)
           == 0)
    {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "\"weir_api\" in location "
                           "\"%V\" serves \"%V/v1/...\"", &clcf->name,
                           &wlcf->prefix);
    }

    wlcf->handler = ngx_http_weir_api_handler;
    clcf->handler = wlcf->handler;

    return NGX_CONF_OK;
}


/* weir_livez, weir_readyz, weir_metrics: cmd->post is the handler */

char *
ngx_http_weir_set_health(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_weir_loc_conf_t  *wlcf = conf;

    clcf = ngx_http_weir_conf_location(cf);

    if (clcf == NULL) {
        return "is in a location that has a handler already";
    }

    wlcf->handler = (ngx_http_handler_pt) cmd->post;
    clcf->handler = wlcf->handler;

    return NGX_CONF_OK;
}
