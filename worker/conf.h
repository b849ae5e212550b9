/*
 * worker.conf in memory.  Times are in ms, sizes in bytes; texts are owned by
 * the configuration, NULL where unset.  Read-only once loaded.
 */

#ifndef CONF_H
#define CONF_H


#include <stddef.h>
#include <stdint.h>

#include "weir_url.h"


#define CONF_ERROR        512
#define CONF_RUNNERS_MAX  64
#define CONF_SCHEDULE_MAX 32

/* dialects, as in setting.c */
enum { CONF_OPENAI = 0, CONF_ANTHROPIC, CONF_BUILTIN };
enum { CONF_HTTP2_AUTO = 0, CONF_HTTP2_OFF };


typedef struct {
    char     *address;
    char     *user;
    char     *password_file;
    char     *password;         /* what the file holds */
    int64_t   database;
    int64_t   timeout;
    int64_t   allow_eviction;
} conf_redis_t;


typedef struct {
    int64_t   runners;
    int64_t   slots;            /* runs in hand, per runner */
    int64_t   lease;
    int64_t   attempts;
    int64_t   backoff;
    int64_t   backoff_max;
    int64_t   drain_timeout;
    int64_t   isolation_memory;
    int64_t   isolation_cpu;
    int64_t   poison_deaths;
    int64_t   hang_timeout;     /* 0: no watchdog */
    int64_t   cache_budget;     /* below 0: percent of Redis's maxmemory */
    int64_t   shards;
    char     *name;
    char     *run_dir;
    char     *pid_file;
} conf_worker_t;


typedef struct {
    int64_t   level;            /* log_level_e */
    char     *file;             /* NULL: standard error */
} conf_log_t;


typedef struct {
    char     *listen;           /* NULL: off */
} conf_metrics_t;


typedef struct {
    int64_t   ms[CONF_SCHEDULE_MAX];
    unsigned  n;
} conf_schedule_t;


typedef struct {
    int64_t            timeout;     /* of a whole call */
    conf_schedule_t    schedule;    /* waits between tries */
    weir_url_policy_t  policy;
    char              *proxy;
    char              *ca_file;
} conf_webhook_t;


typedef struct {
    char     *name;
    int64_t   dialect;
    char     *base_url;         /* without a slash at its end */
    char     *api_key_file;
    char     *api_key_env;
    char     *api_key;          /* what either of them holds */
    char     *proxy;
    char     *ca_file;
    int64_t   connect_timeout;
    int64_t   timeout;
    int64_t   idle_timeout;
    int64_t   stream_timeout;   /* ms between two pieces of an answer */
    int64_t   connections;      /* 0: no limit */
    int64_t   http2;
    int64_t   stream;           /* it may be asked for events */
    int64_t   trace;            /* it is told the trace of a call */
    int       line;             /* in the file, of its end */
} conf_provider_t;


typedef struct {
    char     *name;             /* "*": all others */
    char     *provider;
    char     *upstream;         /* NULL: the same name there */
    int64_t   input_price;      /* millionths of a dollar for a million */
    int64_t   output_price;     /*  tokens */
    size_t    to;               /* index of the provider */
    int       line;             /* in the file, of its end */
} conf_model_t;


typedef struct {
    conf_redis_t      redis;
    conf_redis_t      cache;            /* address NULL: answers are kept in
                                           redis */
    conf_worker_t     worker;
    conf_log_t        log;
    conf_metrics_t    metrics;
    conf_webhook_t    webhook;
    conf_provider_t  *providers;
    size_t            nproviders;
    conf_model_t     *models;
    size_t            nmodels;
} conf_t;


/* NULL: error_r says which file, line and setting, and what is allowed. */
conf_t *conf_load(const char *path, char error_r[CONF_ERROR]);
void conf_free(conf_t **conf);

/* conf_check.c: completes what was read.  -1: as above. */
int conf_check(conf_t *conf, const char *path, char *error_r);

/* By exact name, else "*"; NULL: no such model.  name need not be
 * terminated. */
const conf_model_t *conf_model(const conf_t *conf, const char *name,
    size_t len);


#endif /* CONF_H */
