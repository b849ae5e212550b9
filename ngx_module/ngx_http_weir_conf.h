/*
 * Directives: their setters, and what the setters share.
 */

#ifndef NGX_HTTP_WEIR_CONF_H
#define NGX_HTTP_WEIR_CONF_H


/* conf */
void *ngx_http_weir_create_main_conf(ngx_conf_t *cf);
void *ngx_http_weir_create_srv_conf(ngx_conf_t *cf);
void *ngx_http_weir_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_weir_init_main_conf(ngx_conf_t *cf, void *conf);
char *ngx_http_weir_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);
char *ngx_http_weir_set_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_weir_conf_path(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_str_t *value, ngx_str_t *to);
char *ngx_http_weir_set_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_weir_set_waiting(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_weir_set_wait(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_weir_set_api(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
/* A zone that was made anew has another of its name, with one of these tags, in
 * the running configuration: what that one holds is not taken over. */
ngx_uint_t ngx_http_weir_conf_zone_lost(ngx_shm_zone_t *zone,
    const ngx_uint_t *tags, ngx_uint_t ntags);
ngx_uint_t ngx_http_weir_conf_param(ngx_str_t *arg, const char *name,
    ngx_str_t *value);
char *ngx_http_weir_conf_invalid(ngx_conf_t *cf, ngx_str_t *arg,
    const char *allowed);
/* A time in ms; "allowed" says what the bounds say. */
char *ngx_http_weir_conf_msec(ngx_conf_t *cf, ngx_str_t *arg,
    ngx_str_t *value, ngx_int_t min, ngx_int_t max, const char *allowed,
    ngx_msec_t *to);
char *ngx_http_weir_set_health(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* conf_auth */
char *ngx_http_weir_set_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_weir_set_auth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_weir_set_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_weir_conf_auth_complete(ngx_conf_t *cf,
    ngx_http_weir_main_conf_t *wmcf);

/* conf_jobs */
char *ngx_http_weir_set_ttl(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_weir_set_idempotency(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_weir_set_output_estimate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_weir_set_queue_limit(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_weir_set_webhook_allow(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_weir_set_webhook_port(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* conf_stream */
char *ngx_http_weir_set_heartbeat(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
void ngx_http_weir_merge_stream(ngx_http_weir_loc_conf_t *conf,
    ngx_http_weir_loc_conf_t *prev);


#endif /* NGX_HTTP_WEIR_CONF_H */
