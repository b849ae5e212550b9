/*
 * The table of settings.  To add one: a field in conf.h, a line here, a
 * paragraph in docs/worker.md, a line in conf/examples/worker.conf.
 */

#include "setting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "value.h"
#include "weir_money.h"


static int set_int(const setting_t *s, void *field, const char *text,
    char *error_r);
static int set_time(const setting_t *s, void *field, const char *text,
    char *error_r);
static int set_size(const setting_t *s, void *field, const char *text,
    char *error_r);
static int set_share(const setting_t *s, void *field, const char *text,
    char *error_r);
static int set_bool(const setting_t *s, void *field, const char *text,
    char *error_r);
static int set_word(const setting_t *s, void *field, const char *text,
    char *error_r);
static int set_text(const setting_t *s, void *field, const char *text,
    char *error_r);
static int set_name(const setting_t *s, void *field, const char *text,
    char *error_r);
static int set_address(const setting_t *s, void *field, const char *text,
    char *error_r);
static int set_url(const setting_t *s, void *field, const char *text,
    char *error_r);
static int set_times(const setting_t *s, void *field, const char *text,
    char *error_r);
static int set_cidrs(const setting_t *s, void *field, const char *text,
    char *error_r);
static int set_ports(const setting_t *s, void *field, const char *text,
    char *error_r);
static int set_price(const setting_t *s, void *field, const char *text,
    char *error_r);


#define S  1000                     /* ms */
#define H  (3600 * S)
#define M  (1024LL * 1024)          /* bytes */

/* the waits of Standard Webhooks */
#define SCHEDULE  "5s 5m 30m 2h 5h 10h 14h 20h 24h"

static const char *const  levels[] = { "debug", "info", "warn", "error", NULL };
static const char *const  dialects[] = {
    "openai", "anthropic", "builtin", NULL
};
static const char *const  http2_words[] = { "auto", "off", NULL };


#define REDIS(f)     SETTING_REDIS, #f
#define CACHE(f)     SETTING_CACHE_REDIS, #f
#define WORKER(f)    SETTING_WORKER, #f
#define WEBHOOK(f)   SETTING_WEBHOOK, #f
#define PROVIDER(f)  SETTING_PROVIDER, #f

#define RE(f)        offsetof(conf_redis_t, f)
#define WO(f)        offsetof(conf_worker_t, f)
#define LO(f)        offsetof(conf_log_t, f)
#define ME(f)        offsetof(conf_metrics_t, f)
#define WH(f)        offsetof(conf_webhook_t, f)
#define PR(f)        offsetof(conf_provider_t, f)
#define MO(f)        offsetof(conf_model_t, f)


const setting_t  settings[] = {

    { REDIS(address), set_address, RE(address), "127.0.0.1:6379", 0, 0, NULL },
    { REDIS(user), set_text, RE(user), NULL, 1, 256, NULL },
    { REDIS(password_file), set_text, RE(password_file), NULL, 1, 4095, NULL },
    { REDIS(database), set_int, RE(database), "0", 0, 65535, NULL },
    { REDIS(timeout), set_time, RE(timeout), "5s", 100, 60 * S, NULL },
    { REDIS(allow_eviction), set_bool, RE(allow_eviction), "off", 0, 1, NULL },

    { CACHE(address), set_address, RE(address), NULL, 0, 0, NULL },
    { CACHE(user), set_text, RE(user), NULL, 1, 256, NULL },
    { CACHE(password_file), set_text, RE(password_file), NULL, 1, 4095, NULL },
    { CACHE(database), set_int, RE(database), "0", 0, 65535, NULL },
    { CACHE(timeout), set_time, RE(timeout), "1s", 100, 60 * S, NULL },

    { WORKER(runners), set_int, WO(runners), "1", 1, CONF_RUNNERS_MAX, NULL },
    { WORKER(slots), set_int, WO(slots), "64", 3, 10000, NULL },
    { WORKER(lease), set_time, WO(lease), "30s", 1 * S, 1 * H, NULL },
    { WORKER(attempts), set_int, WO(attempts), "3", 1, 100, NULL },
    { WORKER(backoff), set_time, WO(backoff), "1s", 1, 1 * H, NULL },
    { WORKER(backoff_max), set_time, WO(backoff_max), "60s", 1, 24 * H, NULL },
    { WORKER(drain_timeout), set_time, WO(drain_timeout), "30s", 0, 1 * H,
      NULL },
    { WORKER(isolation_memory), set_size, WO(isolation_memory), "1g", 64 * M,
      1024 * 1024 * M, NULL },
    { WORKER(isolation_cpu), set_time, WO(isolation_cpu), "60s", 1 * S, 1 * H,
      NULL },
    { WORKER(poison_deaths), set_int, WO(poison_deaths), "3", 1, 100, NULL },
    { WORKER(hang_timeout), set_time, WO(hang_timeout), "60s", 0, 1 * H, NULL },
    { WORKER(cache_budget), set_share, WO(cache_budget), "25%", 64 * 1024,
      1024 * 1024 * M, NULL },
    { WORKER(shards), set_int, WO(shards), "1", 1, 1, NULL },
    { WORKER(name), set_name, WO(name), NULL, 0, 0, NULL },
    { WORKER(run_dir), set_text, WO(run_dir), NULL, 1, 4000, NULL },
    { WORKER(pid_file), set_text, WO(pid_file), NULL, 1, 4095, NULL },

    { SETTING_LOG, "level", set_word, LO(level), "info", 0, 0, levels },
    { SETTING_LOG, "file", set_text, LO(file), NULL, 1, 4095, NULL },

    { SETTING_METRICS, "listen", set_address, ME(listen), NULL, 0, 0, NULL },

    { WEBHOOK(timeout), set_time, WH(timeout), "15s", 100, 30 * S, NULL },
    { WEBHOOK(schedule), set_times, WH(schedule), SCHEDULE, 10, 48 * H, NULL },
    { WEBHOOK(allow), set_cidrs, WH(policy.allow), NULL, 0, 0, NULL },
    { WEBHOOK(ports), set_ports, WH(policy), NULL, 0, 0, NULL },
    { WEBHOOK(proxy), set_url, WH(proxy), NULL, 0, 0, NULL },
    { WEBHOOK(ca_file), set_text, WH(ca_file), NULL, 1, 4095, NULL },

    { PROVIDER(dialect), set_word, PR(dialect), "openai", 0, 0, dialects },
    { PROVIDER(base_url), set_url, PR(base_url), NULL, 0, 0, NULL },
    { PROVIDER(api_key_file), set_text, PR(api_key_file), NULL, 1, 4095, NULL },
    { PROVIDER(api_key_env), set_text, PR(api_key_env), NULL, 1, 256, NULL },
    { PROVIDER(connect_timeout), set_time, PR(connect_timeout), "10s", 1,
      10 * 60 * S, NULL },
    { PROVIDER(timeout), set_time, PR(timeout), "600s", 1, 24 * H, NULL },
    { PROVIDER(idle_timeout), set_time, PR(idle_timeout), "600s", 1, 24 * H,
      NULL },
    { PROVIDER(stream_timeout), set_time, PR(stream_timeout), "600s", 1, 24 * H,
      NULL },
    { PROVIDER(connections), set_int, PR(connections), "0", 0, 65535, NULL },
    { PROVIDER(http2), set_word, PR(http2), "auto", 0, 0, http2_words },
    { PROVIDER(stream), set_bool, PR(stream), "on", 0, 1, NULL },
    { PROVIDER(trace), set_bool, PR(trace), "on", 0, 1, NULL },
    { PROVIDER(proxy), set_url, PR(proxy), NULL, 0, 0, NULL },
    { PROVIDER(ca_file), set_text, PR(ca_file), NULL, 1, 4095, NULL },

    { SETTING_MODEL, "provider", set_name, MO(provider), NULL, 0, 0, NULL },
    { SETTING_MODEL, "upstream", set_text, MO(upstream), NULL, 1, 256, NULL },
    { SETTING_MODEL, "input_price", set_price, MO(input_price), "0", 0, 0,
      NULL },
    { SETTING_MODEL, "output_price", set_price, MO(output_price), "0", 0, 0,
      NULL },

    { SETTING_SECTIONS, NULL, NULL, 0, NULL, 0, 0, NULL }
};


static const struct {
    const char  *name;
    bool         title;
} sections[SETTING_SECTIONS] = {
    { "redis", false },
    { "cache_redis", false },
    { "worker", false },
    { "log", false },
    { "metrics", false },
    { "webhook", false },
    { "provider", true },
    { "model", true }
};


static int
set_range(const setting_t *s, void *field, int64_t n, bool ok,
    const char *min, const char *max, const char *what, char *error_r)
{
    if (!ok || n < s->min || n > s->max) {
        snprintf(error_r, CONF_ERROR, "expected %s from %s to %s", what, min,
                 max);
        return -1;
    }

    *(int64_t *) field = n;

    return 0;
}


static int
set_int(const setting_t *s, void *field, const char *text, char *error_r)
{
    bool     ok;
    char     min[VALUE_TEXT_MAX], max[VALUE_TEXT_MAX];
    int64_t  n;

    n = 0;
    ok = value_int(text, &n);

    snprintf(min, sizeof(min), "%lld", (long long) s->min);
    snprintf(max, sizeof(max), "%lld", (long long) s->max);

    return set_range(s, field, n, ok, min, max, "a number", error_r);
}


static int
set_time(const setting_t *s, void *field, const char *text, char *error_r)
{
    bool     ok;
    char     min[VALUE_TEXT_MAX], max[VALUE_TEXT_MAX];
    int64_t  n;

    n = 0;
    ok = value_time(text, &n);

    return set_range(s, field, n, ok, value_time_text(min, s->min),
                     value_time_text(max, s->max), "a time", error_r);
}


static int
set_size(const setting_t *s, void *field, const char *text, char *error_r)
{
    bool     ok;
    char     min[VALUE_TEXT_MAX], max[VALUE_TEXT_MAX];
    int64_t  n;

    n = 0;
    ok = value_size(text, &n);

    return set_range(s, field, n, ok, value_size_text(min, s->min),
                     value_size_text(max, s->max), "a size", error_r);
}


static int
set_share(const setting_t *s, void *field, const char *text, char *error_r)
{
    char     min[VALUE_TEXT_MAX], max[VALUE_TEXT_MAX];
    int64_t  n;

    if (!value_share(text, &n) || (n >= 0 && (n < s->min || n > s->max))) {
        snprintf(error_r, CONF_ERROR, "expected a size from %s to %s, or a "
                 "share from \"1%%\" to \"100%%\"",
                 value_size_text(min, s->min), value_size_text(max, s->max));
        return -1;
    }

    *(int64_t *) field = n;

    return 0;
}


static int
set_bool(const setting_t *s, void *field, const char *text, char *error_r)
{
    (void) s;

    if (!value_bool(text, field)) {
        snprintf(error_r, CONF_ERROR, "expected \"on\" or \"off\"");
        return -1;
    }

    return 0;
}


static int
set_word(const setting_t *s, void *field, const char *text, char *error_r)
{
    int     len;
    size_t  i;

    for (i = 0; s->words[i]; i++) {
        if (strcmp(s->words[i], text) == 0) {
            *(int64_t *) field = (int64_t) i;
            return 0;
        }
    }

    len = snprintf(error_r, CONF_ERROR, "expected one of");

    for (i = 0; s->words[i]; i++) {
        len += snprintf(error_r + len, CONF_ERROR - (size_t) len, "%s \"%s\"",
                        i ? "," : "", s->words[i]);
    }

    return -1;
}


static void
set_owned(void *field, const char *text)
{
    char  **p;

    p = field;
    free(*p);
    *p = mem_text(text);
}


static int
set_text(const setting_t *s, void *field, const char *text, char *error_r)
{
    size_t  len;

    len = strlen(text);

    if (len < (size_t) s->min || len > (size_t) s->max) {
        snprintf(error_r, CONF_ERROR, "expected %lld to %lld characters",
                 (long long) s->min, (long long) s->max);
        return -1;
    }

    set_owned(field, text);

    return 0;
}


static int
set_name(const setting_t *s, void *field, const char *text, char *error_r)
{
    (void) s;

    if (!value_is_name(text)) {
        snprintf(error_r, CONF_ERROR, "expected a name: 1 to 64 letters, "
                 "digits, \".\", \"_\" or \"-\"");
        return -1;
    }

    set_owned(field, text);

    return 0;
}


static int
set_address(const setting_t *s, void *field, const char *text, char *error_r)
{
    value_address_t  address;

    (void) s;

    if (!value_address(text, &address)) {
        snprintf(error_r, CONF_ERROR, "expected \"host:port\" with a port "
                 "from 1 to 65535, or \"unix:/path\" of at most 107 "
                 "characters");
        return -1;
    }

    set_owned(field, text);

    return 0;
}


static int
set_url(const setting_t *s, void *field, const char *text, char *error_r)
{
    char    *url;
    size_t   len;

    (void) s;

    if (!value_is_url(text)) {
        snprintf(error_r, CONF_ERROR, "expected \"http://host[:port][/path]\" "
                 "or \"https://...\" without user, query or fragment");
        return -1;
    }

    set_owned(field, text);
    url = *(char **) field;

    for (len = strlen(url); url[len - 1] == '/'; len--) {
        url[len - 1] = '\0';
    }

    return 0;
}


/* the next word of a list; false: there is none */

static bool
set_next(const char **rest, weir_str_t *word_r)
{
    *rest += strspn(*rest, " \t\n,");
    *word_r = (weir_str_t) { *rest, strcspn(*rest, " \t\n,") };
    *rest += word_r->len;

    return word_r->len > 0;
}


static int
set_times(const setting_t *s, void *field, const char *text, char *error_r)
{
    char              word_text[VALUE_TEXT_MAX];
    char              min[VALUE_TEXT_MAX], max[VALUE_TEXT_MAX];
    int64_t           ms;
    weir_str_t        word;
    conf_schedule_t  *list;

    list = field;
    list->n = 0;

    while (set_next(&text, &word)) {
        snprintf(word_text, sizeof(word_text), "%.*s", (int) word.len,
                 word.data);

        if (list->n == CONF_SCHEDULE_MAX || word.len >= VALUE_TEXT_MAX
            || !value_time(word_text, &ms) || ms < s->min || ms > s->max)
        {
            snprintf(error_r, CONF_ERROR, "expected up to %d times from %s to "
                     "%s, separated by spaces", CONF_SCHEDULE_MAX,
                     value_time_text(min, s->min),
                     value_time_text(max, s->max));
            return -1;
        }

        list->ms[list->n++] = ms;
    }

    return 0;
}


static int
set_cidrs(const setting_t *s, void *field, const char *text, char *error_r)
{
    weir_str_t     word;
    const char    *why;
    weir_cidrs_t  *list;

    (void) s;

    list = field;
    list->n = 0;

    while (set_next(&text, &word)) {
        if (!weir_cidrs_add(list, word, &why)) {
            snprintf(error_r, CONF_ERROR, "\"%.*s\": %s", (int) word.len,
                     word.data, why);
            return -1;
        }
    }

    return 0;
}


static int
set_ports(const setting_t *s, void *field, const char *text, char *error_r)
{
    weir_str_t          word;
    const char         *why;
    weir_url_policy_t  *policy;

    (void) s;

    policy = field;
    policy->nports = 0;

    while (set_next(&text, &word)) {
        if (!weir_url_policy_port(policy, word, &why)) {
            snprintf(error_r, CONF_ERROR, "\"%.*s\": %s", (int) word.len,
                     word.data, why);
            return -1;
        }
    }

    return 0;
}


static int
set_price(const setting_t *s, void *field, const char *text, char *error_r)
{
    (void) s;

    if (!weir_dollars_parse(weir_str_of(text), field)) {
        snprintf(error_r, CONF_ERROR, "expected US dollars for a million "
                 "tokens, such as 0.15: from 0 to %d, with up to 6 decimals",
                 WEIR_PRICE_MAX);
        return -1;
    }

    return 0;
}


const char *
setting_section_name(setting_section_e section)
{
    return sections[section].name;
}


bool
setting_has_title(setting_section_e section)
{
    return sections[section].title;
}


const setting_t *
setting_find(setting_section_e section, const char *name)
{
    const setting_t  *s;

    for (s = settings; s->name; s++) {
        if (s->section == section && strcmp(s->name, name) == 0) {
            return s;
        }
    }

    return NULL;
}


int
setting_store(const setting_t *s, void *base, const char *text, char *error_r)
{
    return s->store(s, (char *) base + s->offset, text, error_r);
}


void
setting_defaults(setting_section_e section, void *base)
{
    char              error[CONF_ERROR];
    const setting_t  *s;

    for (s = settings; s->name; s++) {
        if (s->section == section && s->value) {
            (void) setting_store(s, base, s->value, error);
        }
    }
}


static bool
setting_is_text(const setting_t *s)
{
    return s->store == set_text || s->store == set_name
           || s->store == set_address || s->store == set_url;
}


void
setting_free(setting_section_e section, void *base)
{
    char             **text;
    const setting_t   *s;

    for (s = settings; s->name; s++) {
        if (s->section == section && setting_is_text(s)) {
            text = (char **) ((char *) base + s->offset);
            free(*text);
            *text = NULL;
        }
    }
}


void
setting_names(setting_section_e section, char *buf, size_t size)
{
    int               n;
    size_t            len;
    const setting_t  *s;

    len = 0;
    buf[0] = '\0';

    for (s = settings; s->name; s++) {
        if (s->section != section) {
            continue;
        }

        n = snprintf(buf + len, size - len, "%s%s", len ? ", " : "", s->name);
        if (n < 0 || (size_t) n >= size - len) {
            return;
        }

        len += (size_t) n;
    }
}
