/*
 * worker.conf: reads the file, checks what concerns more than one setting, and
 * fetches the secrets that it names.  Owns the configuration; what a single
 * value may be is said by setting.c.
 *
 * conf.c is the one file that knows libconfuse.  Every setting is a string to
 * that library, and is checked while it is read, so that a mistake is reported
 * with its line.
 */

#include "conf.h"

#include <confuse.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "setting.h"
#include "value.h"


#define CONF_SETTINGS_MAX  32       /* of one section */
#define CONF_SECRET_MAX    4096     /* bytes */


/* what is being read; the library passes no pointer of ours through */

static struct {
    char  *error;               /* of CONF_ERROR bytes; the first one stays */
} conf_reading;


static void *
conf_base(conf_t *conf, setting_section_e section, size_t i)
{
    switch (section) {

    case SETTING_REDIS:
        return &conf->redis;

    case SETTING_WORKER:
        return &conf->worker;

    case SETTING_LOG:
        return &conf->log;

    case SETTING_METRICS:
        return &conf->metrics;

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
    char               text[CONF_ERROR / 2], names[CONF_ERROR / 2];
    const char        *name;
    setting_section_e  section;

    if (conf_reading.error[0]) {
        return;
    }

    if (strncmp(fmt, "no such option", 14) == 0) {
        name = va_arg(ap, const char *);
        section = conf_section_of(cfg->name);

        if (section == SETTING_SECTIONS) {
            snprintf(text, sizeof(text), "unknown section \"%.60s\" (known: "
                     "redis, worker, log, metrics, provider, model)", name);

        } else {
            setting_names(section, names, sizeof(names));
            snprintf(text, sizeof(text), "unknown setting \"%.40s\" in section "
                     "\"%s\" (known: %.160s)", name, cfg->name, names);
        }

    } else {
        vsnprintf(text, sizeof(text), fmt, ap);
    }

    snprintf(conf_reading.error, CONF_ERROR, "%s:%d: %s",
             cfg->filename ? cfg->filename : "?", cfg->line, text);
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
        conf_provider_t  provider;
        conf_model_t     model;
    } scratch;

    s = setting_find(conf_section_of(cfg->name), opt->name);
    memset(&scratch, 0, sizeof(scratch));
    error[0] = '\0';

    if (opt->nvalues && opt->values[0]->string) {
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
    static cfg_opt_t  root[SETTING_SECTIONS + 1];

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

    root[SETTING_SECTIONS] = (cfg_opt_t) CFG_END();

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
    conf_take_section(conf, cfg_getsec(cfg, "worker"), SETTING_WORKER, 0);
    conf_take_section(conf, cfg_getsec(cfg, "log"), SETTING_LOG, 0);
    conf_take_section(conf, cfg_getsec(cfg, "metrics"), SETTING_METRICS, 0);

    conf->nproviders = cfg_size(cfg, "provider");
    conf->providers = mem_alloc(conf->nproviders * sizeof(conf_provider_t));

    for (i = 0; i < conf->nproviders; i++) {
        conf_take_section(conf, cfg_getnsec(cfg, "provider", (unsigned) i),
                          SETTING_PROVIDER, i);
        conf->providers[i].name =
            mem_text(cfg_title(cfg_getnsec(cfg, "provider", (unsigned) i)));
    }

    conf->nmodels = cfg_size(cfg, "model");
    conf->models = mem_alloc(conf->nmodels * sizeof(conf_model_t));

    for (i = 0; i < conf->nmodels; i++) {
        conf_take_section(conf, cfg_getnsec(cfg, "model", (unsigned) i),
                          SETTING_MODEL, i);
        conf->models[i].name =
            mem_text(cfg_title(cfg_getnsec(cfg, "model", (unsigned) i)));
    }
}


/* A secret is the file's first line without blanks at its end. */

static char *
conf_secret(const char *path, char *error_r)
{
    char     text[CONF_SECRET_MAX];
    FILE    *file;
    char    *secret;
    size_t   len;

    file = fopen(path, "re");

    if (file == NULL || fgets(text, sizeof(text), file) == NULL) {
        snprintf(error_r, CONF_ERROR, "\"%.200s\": %s", path,
                 file ? "the file is empty" : strerror(errno));
        if (file) {
            fclose(file);
        }
        return NULL;
    }

    fclose(file);

    for (len = strlen(text); len && (unsigned char) text[len - 1] <= ' ';
         len--)
    {
        /* void */
    }

    secret = mem_copy((weir_str_t) { text, len });
    explicit_bzero(text, sizeof(text));

    if (len == 0) {
        snprintf(error_r, CONF_ERROR, "\"%.200s\": the first line is empty",
                 path);
        free(secret);
        return NULL;
    }

    return secret;
}


static int
conf_check_provider(conf_provider_t *p, char *error_r)
{
    char  *c;

    if (!value_is_name(p->name)) {
        snprintf(error_r, CONF_ERROR, "expected a name: 1 to 64 letters, "
                 "digits, \".\", \"_\" or \"-\"");
        return -1;
    }

    if (p->dialect == CONF_BUILTIN) {
        if (p->base_url || p->api_key_file || p->api_key_env) {
            snprintf(error_r, CONF_ERROR, "dialect \"builtin\" takes neither "
                     "\"base_url\" nor a key");
            return -1;
        }

        return 0;
    }

    if (p->base_url == NULL) {
        snprintf(error_r, CONF_ERROR, "\"base_url\" is missing");
        return -1;
    }

    if (p->api_key_file && p->api_key_env) {
        snprintf(error_r, CONF_ERROR, "\"api_key_file\" and \"api_key_env\" "
                 "exclude each other");
        return -1;
    }

    if (p->api_key_file) {
        p->api_key = conf_secret(p->api_key_file, error_r);
        if (p->api_key == NULL) {
            return -1;
        }
    }

    if (p->api_key_env) {
        p->api_key = mem_text(getenv(p->api_key_env));
    }

    for (c = p->api_key; c && *c; c++) {
        if ((unsigned char) *c <= ' ' || (unsigned char) *c >= 0x7f) {
            snprintf(error_r, CONF_ERROR, "the key holds a character that no "
                     "HTTP header may hold");
            return -1;
        }
    }

    return 0;
}


static int
conf_check_model(conf_t *conf, conf_model_t *m, char *error_r)
{
    size_t  i, len;

    len = strlen(m->name);

    if (len == 0 || len > 256) {
        snprintf(error_r, CONF_ERROR, "expected a name of 1 to 256 "
                 "characters, or \"*\"");
        return -1;
    }

    if (m->provider == NULL) {
        snprintf(error_r, CONF_ERROR, "\"provider\" is missing");
        return -1;
    }

    for (i = 0; i < conf->nproviders; i++) {
        if (strcmp(conf->providers[i].name, m->provider) == 0) {
            m->to = i;
            return 0;
        }
    }

    snprintf(error_r, CONF_ERROR, "there is no provider \"%s\"", m->provider);

    return -1;
}


static void
conf_default_names(conf_worker_t *w)
{
    char        host[256];
    size_t      i;
    const char  *tmp;

    if (w->name == NULL) {
        memset(host, 0, sizeof(host));
        (void) gethostname(host, sizeof(host) - 1);
        host[64] = '\0';

        for (i = 0; host[i]; i++) {
            if (!value_is_name((char[]) { host[i], '\0' })) {
                host[i] = '-';
            }
        }

        w->name = mem_text(host[0] ? host : "localhost");
    }

    if (w->run_dir == NULL) {
        tmp = getenv("TMPDIR");

        if (access("/run/weir", W_OK) == 0) {
            tmp = "/run/weir";
        }

        w->run_dir = mem_text(tmp && *tmp ? tmp : "/tmp");
    }
}


/* What concerns more than one setting; a section's line is that of its end. */

static int
conf_check(conf_t *conf, cfg_t *cfg, const char *path, char *error_r)
{
    size_t  i;
    char    text[CONF_ERROR];

    for (i = 0; i < conf->nproviders; i++) {
        if (conf_check_provider(&conf->providers[i], text) != 0) {
            snprintf(error_r, CONF_ERROR, "%s:%d: provider \"%.64s\": %.300s",
                     path, cfg_getnsec(cfg, "provider", (unsigned) i)->line,
                     conf->providers[i].name, text);
            return -1;
        }
    }

    for (i = 0; i < conf->nmodels; i++) {
        if (conf_check_model(conf, &conf->models[i], text) != 0) {
            snprintf(error_r, CONF_ERROR, "%s:%d: model \"%.64s\": %.300s",
                     path, cfg_getnsec(cfg, "model", (unsigned) i)->line,
                     conf->models[i].name, text);
            return -1;
        }
    }

    if (conf->nmodels == 0) {
        snprintf(error_r, CONF_ERROR, "%s: no section \"model\": at least one "
                 "is needed, such as model \"*\" { provider = \"name\" }",
                 path);
        return -1;
    }

    if (conf->worker.backoff_max < conf->worker.backoff) {
        snprintf(error_r, CONF_ERROR, "%s: \"backoff_max\" is less than "
                 "\"backoff\" in section \"worker\"", path);
        return -1;
    }

    if (conf->redis.user && conf->redis.password_file == NULL) {
        snprintf(error_r, CONF_ERROR, "%s: \"user\" without \"password_file\" "
                 "in section \"redis\"", path);
        return -1;
    }

    if (conf->redis.password_file) {
        conf->redis.password = conf_secret(conf->redis.password_file, text);

        if (conf->redis.password == NULL) {
            snprintf(error_r, CONF_ERROR, "%s: \"password_file\" in section "
                     "\"redis\": %.300s", path, text);
            return -1;
        }
    }

    return 0;
}


conf_t *
conf_load(const char *path, char error_r[CONF_ERROR])
{
    int      rc;
    cfg_t   *cfg;
    conf_t  *conf;

    error_r[0] = '\0';

    if (access(path, R_OK) != 0) {
        snprintf(error_r, CONF_ERROR, "cannot read \"%s\": %s", path,
                 strerror(errno));
        return NULL;
    }

    cfg = conf_parser();
    mem_check(cfg == NULL);

    conf_reading.error = error_r;
    cfg_set_error_function(cfg, conf_on_error);
    rc = cfg_parse(cfg, path);

    if (rc != CFG_SUCCESS) {
        if (error_r[0] == '\0') {
            snprintf(error_r, CONF_ERROR, "%s: syntax error", path);
        }

        cfg_free(cfg);
        return NULL;
    }

    conf = mem_alloc(sizeof(conf_t));
    conf_take(conf, cfg);
    conf_default_names(&conf->worker);

    if (conf_check(conf, cfg, path, error_r) != 0) {
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

    setting_free(SETTING_REDIS, &conf->redis);
    setting_free(SETTING_WORKER, &conf->worker);
    setting_free(SETTING_LOG, &conf->log);
    setting_free(SETTING_METRICS, &conf->metrics);

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
