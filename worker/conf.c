/*
 * worker.conf: reads the file.  Owns the configuration; what a single value may
 * be is said by setting.c, what concerns several by conf_check.c.
 *
 * conf.c is the one file that knows libconfuse.  Every setting is a string to
 * that library, and is checked while it is read, so that a mistake is reported
 * with its line.
 */

#include "conf.h"

#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "setting.h"


#define CONF_SETTINGS_MAX  32       /* of one section */
#define CONF_FILE_MAX      (1024 * 1024)


/* a setting behind the end of the file: inside a section it is unknown, and
 * so tells that a brace is missing, which the library does not */

#define CONF_END           "end-of-file"


/* what is being read; the library passes no pointer of ours through */

typedef struct {
    const cfg_t      *cfg;
    const setting_t  *setting;
} conf_seen_t;

static struct {
    const char   *path;
    char         *error;        /* of CONF_ERROR bytes; the first one stays */
    conf_seen_t  *seen;         /* what has been set, to find duplicates */
    size_t        nseen;
} conf_reading;


static void *
conf_base(conf_t *conf, setting_section_e section, size_t i)
{
    switch (section) {

    case SETTING_REDIS:
        return &conf->redis;

    case SETTING_CACHE_REDIS:
        return &conf->cache;

    case SETTING_WORKER:
        return &conf->worker;

    case SETTING_LOG:
        return &conf->log;

    case SETTING_METRICS:
        return &conf->metrics;

    case SETTING_WEBHOOK:
        return &conf->webhook;

    case SETTING_PROVIDER:
        return &conf->providers[i];

    default: /* SETTING_MODEL */
        return &conf->models[i];
    }
}


static setting_section_e
conf_section_of(const char *name)
{
    setting_section_e  section;

    for (section = 0; section < SETTING_SECTIONS; section++) {
        if (strcmp(setting_section_name(section), name) == 0) {
            break;
        }
    }

    return section;
}


/* the library's errors, and ours through cfg_error() */

static void
conf_on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    char               text[CONF_ERROR / 2], names[CONF_ERROR / 2], *p;
    const char        *name;
    setting_section_e  section;

    if (conf_reading.error[0]) {
        return;
    }

    if (strncmp(fmt, "no such option", 14) == 0) {
        name = va_arg(ap, const char *);
        section = conf_section_of(cfg->name);

        if (strcmp(name, CONF_END) == 0) {
            snprintf(text, sizeof(text), "unexpected end of file, expecting "
                     "\"}\" of section \"%s\"", cfg->name);

        } else if (section == SETTING_SECTIONS) {
            snprintf(text, sizeof(text), "unknown section \"%.60s\" (known: "
                     "redis, cache_redis, worker, log, metrics, webhook, "
                     "provider, model)", name);

        } else {
            setting_names(section, names, sizeof(names));
            snprintf(text, sizeof(text), "unknown setting \"%.40s\" in section "
                     "\"%s\" (known: %.160s)", name, cfg->name, names);
        }

    } else {
        vsnprintf(text, sizeof(text), fmt, ap);
    }

    for (p = text; *p; p++) {
        if ((unsigned char) *p < ' ' || *p == 0x7f) {
            *p = ' ';
        }
    }

    snprintf(conf_reading.error, CONF_ERROR, "%.200s:%d: %s",
             conf_reading.path, cfg->line, text);
}


static void
conf_check_reference(const setting_t *s, const char *value, char *error_r)
{
    FILE  *file;

    /* files and variables are looked at here, where the line is known */

    if (strcmp(s->name, "api_key_file") == 0
        || strcmp(s->name, "password_file") == 0
        || strcmp(s->name, "ca_file") == 0)
    {
        file = fopen(value, "re");

        if (file == NULL) {
            snprintf(error_r, CONF_ERROR, "cannot read the file: %s",
                     strerror(errno));
            return;
        }

        fclose(file);
    }

    if (strcmp(s->name, "api_key_env") == 0 && getenv(value) == NULL) {
        snprintf(error_r, CONF_ERROR, "the environment has no such variable");
    }
}


static bool
conf_is_duplicate(const cfg_t *cfg, const setting_t *s)
{
    size_t  i;

    for (i = 0; i < conf_reading.nseen; i++) {
        if (conf_reading.seen[i].cfg == cfg
            && conf_reading.seen[i].setting == s)
        {
            return true;
        }
    }

    conf_reading.seen = mem_grow(conf_reading.seen,
                                 (i + 1) * sizeof(conf_seen_t));
    conf_reading.seen[i] = (conf_seen_t) { cfg, s };
    conf_reading.nseen++;

    return false;
}


/* Called for each setting as it is read; the text is stored later. */

static int
conf_on_setting(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    char               error[CONF_ERROR];
    const char       **text;
    const setting_t   *s;

    union {
        conf_redis_t     redis;
        conf_worker_t    worker;
        conf_log_t       log;
        conf_metrics_t   metrics;
        conf_webhook_t   webhook;
        conf_provider_t  provider;
        conf_model_t     model;
    } scratch;

    s = setting_find(conf_section_of(cfg->name), opt->name);
    memset(&scratch, 0, sizeof(scratch));
    error[0] = '\0';

    if (conf_is_duplicate(cfg, s)) {
        cfg_error(cfg, "duplicate setting \"%s\" in section \"%s\"", opt->name,
                  cfg->name);
        return -1;
    }

    if (setting_store(s, &scratch, value, error) == 0) {
        conf_check_reference(s, value, error);
    }

    setting_free(s->section, &scratch);

    if (error[0]) {
        cfg_error(cfg, "invalid value \"%.80s\" of \"%s\" in section \"%s\": "
                  "%s", value, opt->name, cfg->name, error);
        return -1;
    }

    text = result;
    *text = value;

    return 0;
}


static cfg_t *
conf_parser(void)
{
    size_t             n[SETTING_SECTIONS];
    const setting_t   *s;
    setting_section_e  section;

    static cfg_opt_t  options[SETTING_SECTIONS][CONF_SETTINGS_MAX];
    static cfg_opt_t  root[SETTING_SECTIONS + 2];

    memset(n, 0, sizeof(n));

    for (s = settings; s->name; s++) {
        options[s->section][n[s->section]++] =
            (cfg_opt_t) CFG_STR_CB(s->name, NULL, CFGF_NONE, conf_on_setting);
    }

    for (section = 0; section < SETTING_SECTIONS; section++) {
        options[section][n[section]] = (cfg_opt_t) CFG_END();
        root[section] = (cfg_opt_t)
            CFG_SEC(setting_section_name(section), options[section],
                    setting_has_title(section)
                    ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES
                    : CFGF_NONE);
    }

    root[SETTING_SECTIONS] = (cfg_opt_t) CFG_STR(CONF_END, NULL, CFGF_NONE);
    root[SETTING_SECTIONS + 1] = (cfg_opt_t) CFG_END();

    return cfg_init(root, CFGF_NONE);
}


static void
conf_take_section(conf_t *conf, cfg_t *cfg, setting_section_e section, size_t i)
{
    void             *base;
    char              error[CONF_ERROR];
    const char       *text;
    const setting_t  *s;

    base = conf_base(conf, section, i);
    setting_defaults(section, base);

    for (s = settings; s->name; s++) {
        if (s->section == section && cfg
            && (text = cfg_getstr(cfg, s->name)) != NULL)
        {
            (void) setting_store(s, base, text, error);  /* checked already */
        }
    }
}


static void
conf_take(conf_t *conf, cfg_t *cfg)
{
    size_t  i;

    conf_take_section(conf, cfg_getsec(cfg, "redis"), SETTING_REDIS, 0);
    conf_take_section(conf, cfg_getsec(cfg, "cache_redis"),
                      SETTING_CACHE_REDIS, 0);
    conf_take_section(conf, cfg_getsec(cfg, "worker"), SETTING_WORKER, 0);
    conf_take_section(conf, cfg_getsec(cfg, "log"), SETTING_LOG, 0);
    conf_take_section(conf, cfg_getsec(cfg, "metrics"), SETTING_METRICS, 0);
    conf_take_section(conf, cfg_getsec(cfg, "webhook"), SETTING_WEBHOOK, 0);

    conf->nproviders = cfg_size(cfg, "provider");
    conf->providers = mem_alloc(conf->nproviders * sizeof(conf_provider_t));

    for (i = 0; i < conf->nproviders; i++) {
        conf_take_section(conf, cfg_getnsec(cfg, "provider", (unsigned) i),
                          SETTING_PROVIDER, i);
        conf->providers[i].name =
            mem_text(cfg_title(cfg_getnsec(cfg, "provider", (unsigned) i)));
        conf->providers[i].line =
            cfg_getnsec(cfg, "provider", (unsigned) i)->line;
    }

    conf->nmodels = cfg_size(cfg, "model");
    conf->models = mem_alloc(conf->nmodels * sizeof(conf_model_t));

    for (i = 0; i < conf->nmodels; i++) {
        conf_take_section(conf, cfg_getnsec(cfg, "model", (unsigned) i),
                          SETTING_MODEL, i);
        conf->models[i].name =
            mem_text(cfg_title(cfg_getnsec(cfg, "model", (unsigned) i)));
        conf->models[i].line = cfg_getnsec(cfg, "model", (unsigned) i)->line;
    }
}


static int
conf_read(const char *path, weir_buf_t *text, char *error_r)
{
    int      error;
    char    *p;
    FILE    *file;
    size_t   n;

    file = fopen(path, "re");
    error = errno;

    if (file) {
        p = weir_buf_reserve(text, CONF_FILE_MAX);
        mem_check(p == NULL);

        n = fread(p, 1, CONF_FILE_MAX, file);
        text->len = n;

        error = ferror(file) ? errno : n == CONF_FILE_MAX ? EFBIG : 0;
        fclose(file);
    }

    if (error) {
        snprintf(error_r, CONF_ERROR, "cannot read \"%.300s\": %s", path,
                 strerror(error));
        return -1;
    }

    weir_buf_text(text, "\n" CONF_END " = 1\n");
    weir_buf_add(text, "", 1);
    mem_check(text->failed);

    return 0;
}


conf_t *
conf_load(const char *path, char error_r[CONF_ERROR])
{
    int         rc;
    cfg_t      *cfg;
    conf_t     *conf;
    weir_buf_t  text;

    error_r[0] = '\0';
    weir_buf_init(&text, 0);

    if (conf_read(path, &text, error_r) != 0) {
        weir_buf_free(&text);
        return NULL;
    }

    cfg = conf_parser();
    mem_check(cfg == NULL);

    conf_reading.path = path;
    conf_reading.error = error_r;
    conf_reading.nseen = 0;

    cfg_set_error_function(cfg, conf_on_error);
    rc = cfg_parse_buf(cfg, text.data);

    weir_buf_free(&text);
    free(conf_reading.seen);
    conf_reading.seen = NULL;

    if (rc != CFG_SUCCESS) {
        if (error_r[0] == '\0') {
            snprintf(error_r, CONF_ERROR, "%s: syntax error", path);
        }

        cfg_free(cfg);
        return NULL;
    }

    conf = mem_alloc(sizeof(conf_t));
    conf_take(conf, cfg);

    if (conf_check(conf, path, error_r) != 0) {
        conf_free(&conf);
    }

    cfg_free(cfg);

    return conf;
}


static void
conf_wipe(char *secret)
{
    if (secret) {
        explicit_bzero(secret, strlen(secret));
        free(secret);
    }
}


void
conf_free(conf_t **confp)
{
    size_t   i;
    conf_t  *conf;

    conf = *confp;
    *confp = NULL;

    if (conf == NULL) {
        return;
    }

    conf_wipe(conf->redis.password);
    conf_wipe(conf->cache.password);

    setting_free(SETTING_REDIS, &conf->redis);
    setting_free(SETTING_CACHE_REDIS, &conf->cache);
    setting_free(SETTING_WORKER, &conf->worker);
    setting_free(SETTING_LOG, &conf->log);
    setting_free(SETTING_METRICS, &conf->metrics);
    setting_free(SETTING_WEBHOOK, &conf->webhook);

    for (i = 0; i < conf->nproviders; i++) {
        conf_wipe(conf->providers[i].api_key);
        free(conf->providers[i].name);
        setting_free(SETTING_PROVIDER, &conf->providers[i]);
    }

    for (i = 0; i < conf->nmodels; i++) {
        free(conf->models[i].name);
        setting_free(SETTING_MODEL, &conf->models[i]);
    }

    free(conf->providers);
    free(conf->models);
    free(conf);
}


const conf_model_t *
conf_model(const conf_t *conf, const char *name, size_t len)
{
    size_t               i;
    const conf_model_t  *m, *any;

    any = NULL;

    for (i = 0; i < conf->nmodels; i++) {
        m = &conf->models[i];

        if (strlen(m->name) == len && memcmp(m->name, name, len) == 0) {
            return m;
        }

        if (strcmp(m->name, "*") == 0) {
            any = m;
        }
    }

    return any;
}
