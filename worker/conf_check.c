/*
 * worker.conf: what concerns more than one setting, what the machine adds to
 * it, and the secrets that it names.  Does not know the file's syntax.
 */

#include "conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "value.h"


#define CONF_SECRET_MAX  4096       /* bytes */
#define CONF_HANG        5000       /* ms: a runner may wait for its lock */


/* A secret is the file's first line without blanks at its end. */

static char *
conf_secret(const char *path, char *error_r)
{
    char     text[CONF_SECRET_MAX];
    FILE    *file;
    char    *secret;
    size_t   len;

    errno = 0;
    file = fopen(path, "re");

    if (file == NULL || fgets(text, sizeof(text), file) == NULL) {
        snprintf(error_r, CONF_ERROR, "\"%.200s\": %s", path,
                 errno ? strerror(errno) : "the file is empty");
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
            break;
        }
    }

    if (i == conf->nproviders) {
        snprintf(error_r, CONF_ERROR, "there is no provider \"%s\"",
                 m->provider);
        return -1;
    }

    if (conf->providers[i].dialect == CONF_BUILTIN
        && (m->input_price || m->output_price))
    {
        snprintf(error_r, CONF_ERROR, "dialect \"builtin\" is free, it takes "
                 "no price");
        return -1;
    }

    m->to = i;

    return 0;
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


static int
conf_check_redis(conf_redis_t *redis, const char *section, const char *path,
    char *error_r)
{
    char  text[CONF_ERROR];

    if (redis->address == NULL
        && (redis->user || redis->password_file || redis->database))
    {
        snprintf(error_r, CONF_ERROR, "%s: \"address\" is missing in section "
                 "\"%s\"", path, section);
        return -1;
    }

    if (redis->user && redis->password_file == NULL) {
        snprintf(error_r, CONF_ERROR, "%s: \"user\" without \"password_file\" "
                 "in section \"%s\"", path, section);
        return -1;
    }

    if (redis->password_file) {
        redis->password = conf_secret(redis->password_file, text);

        if (redis->password == NULL) {
            snprintf(error_r, CONF_ERROR, "%s: \"password_file\" in section "
                     "\"%s\": %.300s", path, section, text);
            return -1;
        }
    }

    return 0;
}


int
conf_check(conf_t *conf, const char *path, char *error_r)
{
    size_t  i;
    char    text[CONF_ERROR];

    conf_default_names(&conf->worker);

    for (i = 0; i < conf->nproviders; i++) {
        if (conf_check_provider(&conf->providers[i], text) != 0) {
            snprintf(error_r, CONF_ERROR, "%s:%d: provider \"%.64s\": %.300s",
                     path, conf->providers[i].line, conf->providers[i].name,
                     text);
            return -1;
        }
    }

    for (i = 0; i < conf->nmodels; i++) {
        if (conf_check_model(conf, &conf->models[i], text) != 0) {
            snprintf(error_r, CONF_ERROR, "%s:%d: model \"%.64s\": %.300s",
                     path, conf->models[i].line, conf->models[i].name, text);
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

    if (conf->worker.hang_timeout && conf->worker.hang_timeout < CONF_HANG) {
        snprintf(error_r, CONF_ERROR, "%s: \"hang_timeout\" is less than 5s, "
                 "and not 0, in section \"worker\"", path);
        return -1;
    }

    if (conf_check_redis(&conf->redis, "redis", path, error_r) != 0
        || conf_check_redis(&conf->cache, "cache_redis", path, error_r) != 0)
    {
        return -1;
    }

    return 0;
}
