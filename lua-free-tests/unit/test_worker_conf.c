/*
 * worker.conf: what is taken, and that every mistake is answered with its line
 * and with what would be allowed.
 */

/* with: worker/conf.c worker/conf_check.c worker/setting.c */
/* with: worker/value.c worker/mem.c */

#include "unit.h"

#include <unistd.h>

#include "conf.h"


#define TAIL  "provider \"b\" { dialect = \"builtin\" }\n" \
              "model \"*\" { provider = \"b\" }\n"


static char  path[] = "/tmp/weir-test-conf-XXXXXX";


static conf_t *
load(const char *text, char *error)
{
    FILE  *file;

    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);

    return conf_load(path, error);
}


static void
test_defaults(void **state)
{
    char     error[CONF_ERROR];
    conf_t  *conf;

    (void) state;

    conf = load(TAIL, error);
    assert_non_null(conf);

    assert_string_equal(conf->redis.address, "127.0.0.1:6379");
    assert_int_equal(conf->redis.timeout, 5000);
    assert_int_equal(conf->worker.runners, 1);
    assert_int_equal(conf->worker.slots, 64);
    assert_int_equal(conf->worker.lease, 30000);
    assert_int_equal(conf->worker.attempts, 3);
    assert_int_equal(conf->worker.backoff, 1000);
    assert_int_equal(conf->worker.backoff_max, 60000);
    assert_int_equal(conf->worker.drain_timeout, 30000);
    assert_int_equal(conf->worker.isolation_memory, 1024 * 1024 * 1024);
    assert_int_equal(conf->worker.isolation_cpu, 60000);
    assert_int_equal(conf->worker.poison_deaths, 3);
    assert_int_equal(conf->worker.hang_timeout, 60000);
    assert_int_equal(conf->worker.cache_budget, -25);
    assert_non_null(conf->worker.name);
    assert_non_null(conf->worker.run_dir);
    assert_null(conf->metrics.listen);
    assert_null(conf->log.file);
    assert_int_equal(conf->nproviders, 1);
    assert_int_equal(conf->providers[0].dialect, CONF_BUILTIN);

    conf_free(&conf);
    assert_null(conf);
    conf_free(&conf);
}


static void
test_models(void **state)
{
    char                 error[CONF_ERROR];
    conf_t              *conf;
    const conf_model_t  *m;

    (void) state;

    conf = load("provider \"p\" { base_url = \"http://h/v1/\" }\n"
                "provider \"q\" { base_url = \"http://h\" }\n"
                "model \"*\" { provider = \"p\" }\n"
                "model \"m\" { provider = \"q\" upstream = \"n\" }\n", error);
    assert_non_null(conf);
    assert_string_equal(conf->providers[0].base_url, "http://h/v1");

    m = conf_model(conf, "m", 1);
    assert_int_equal(m->to, 1);
    assert_string_equal(m->upstream, "n");

    assert_int_equal(m->input_price, 0);
    assert_int_equal(m->output_price, 0);

    m = conf_model(conf, "mm", 2);
    assert_int_equal(m->to, 0);
    assert_null(m->upstream);
    assert_ptr_equal(conf_model(conf, "mm", 1), conf_model(conf, "m", 1));

    conf_free(&conf);

    conf = load("provider \"p\" { base_url = \"http://h\" }\n"
                "model \"*\" { provider = \"p\" input_price = 0.15\n"
                "output_price = \"10\" }\n", error);
    assert_non_null(conf);
    assert_int_equal(conf->models[0].input_price, 150000);
    assert_int_equal(conf->models[0].output_price, 10000000);
    conf_free(&conf);

    conf = load("provider \"p\" { dialect = builtin }\n"
                "model \"m\" { provider = \"p\" }\n", error);
    assert_non_null(conf);
    assert_null(conf_model(conf, "x", 1));
    assert_null(conf_model(conf, "", 0));
    conf_free(&conf);
}


static void
test_webhook(void **state)
{
    char         error[CONF_ERROR];
    conf_t      *conf;
    weir_addr_t  a;

    (void) state;

    conf = load(TAIL, error);
    assert_int_equal(conf->webhook.timeout, 15000);
    assert_int_equal(conf->webhook.schedule.n, 9);
    assert_int_equal(conf->webhook.schedule.ms[0], 5000);
    assert_int_equal(conf->webhook.schedule.ms[8], 86400000);
    assert_int_equal(conf->webhook.policy.allow.n, 0);
    assert_int_equal(conf->webhook.policy.nports, 0);
    assert_null(conf->webhook.proxy);
    conf_free(&conf);

    conf = load("webhook {\n schedule = \"100ms, 2m\"\n"
                " allow = \"10.0.0.0/8 fd00::1\"\n ports = \"9443\"\n}\n"
                TAIL, error);
    assert_int_equal(conf->webhook.schedule.n, 2);
    assert_int_equal(conf->webhook.schedule.ms[1], 120000);
    assert_int_equal(conf->webhook.policy.ports[0], 9443);
    assert_true(weir_addr_parse(weir_str("fd00::1"), &a));
    assert_true(weir_cidrs_have(&conf->webhook.policy.allow, &a));
    conf_free(&conf);

    conf = load("webhook { schedule = \"\" }\n" TAIL, error);
    assert_int_equal(conf->webhook.schedule.n, 0);
    conf_free(&conf);
}


static void
test_secret(void **state)
{
    char     error[CONF_ERROR], text[512];
    char     secret[] = "/tmp/weir-test-secret-XXXXXX";
    FILE    *file;
    conf_t  *conf;

    (void) state;

    close(mkstemp(secret));

    snprintf(text, sizeof(text), "provider \"p\" { base_url = \"http://h\"\n"
             "api_key_file = \"%s\" }\nmodel \"*\" { provider = \"p\" }\n",
             secret);

    assert_null(load(text, error));
    assert_non_null(strstr(error, "empty"));

    file = fopen(secret, "w");
    fputs("sk-123 \r\nsecond line\n", file);
    fclose(file);

    conf = load(text, error);
    assert_non_null(conf);
    assert_string_equal(conf->providers[0].api_key, "sk-123");
    conf_free(&conf);

    /* no second header can be smuggled in, and the message holds no secret */

    file = fopen(secret, "w");
    fputs("sk-1\t23\n", file);
    fclose(file);

    assert_null(load(text, error));
    assert_null(strstr(error, "sk-1"));

    setenv("WEIR_TEST_KEY", "sk-env", 1);
    conf = load("provider \"p\" { base_url = \"http://h\"\n"
                "api_key_env = \"WEIR_TEST_KEY\" }\n"
                "model \"*\" { provider = \"p\" }\n", error);
    assert_non_null(conf);
    assert_string_equal(conf->providers[0].api_key, "sk-env");
    conf_free(&conf);

    unlink(secret);
}


/* line: of the message; 0: it has none */

static void
test_mistakes(void **state)
{
    char    error[CONF_ERROR], where[64];
    size_t  i;

    static const struct {
        const char  *text;
        int          line;
        const char  *says;
    } rows[] = {
        { "", 0, "no section \"model\"" },
        { "wurker { }\n" TAIL, 1, "unknown section \"wurker\" (known: redis" },
        { "worker {\n slot = 1\n}\n" TAIL, 2,
          "unknown setting \"slot\" in section \"worker\" (known: runners" },
        { "worker {\n\n runners = 0 }\n" TAIL, 3, "a number from 1 to 64" },
        { "worker { slots = 2 }\n" TAIL, 1, "a number from 3 to 10000" },
        { "worker { slots = x }\n" TAIL, 1, "a number from 3 to 10000" },
        { "worker { lease = 30x }\n" TAIL, 1, "a time from 1s to 1h" },
        { "worker { name = \"a b\" }\n" TAIL, 1, "1 to 64 letters" },
        { "worker { shards = 2 }\n" TAIL, 1, "from 1 to 1" },
        { "worker { backoff = 2m }\n" TAIL, 0, "less than \"backoff\"" },
        { "worker { hang_timeout = 1s }\n" TAIL, 0, "is less than 5s" },
        { "worker { isolation_memory = 1m }\n" TAIL, 1, "a size from 64m to" },
        { "worker { poison_deaths = 0 }\n" TAIL, 1, "a number from 1 to" },
        { "worker { cache_budget = 63k }\n" TAIL, 1, "a size from 64k to" },
        { "worker { cache_budget = \"0%\" }\n" TAIL, 1, "\"1%\" to \"100%\"" },
        { "worker { cache_budget = \"5%x\" }\n" TAIL, 1, "or a share from" },
        { "worker { slots = 5\n slots = 6 }\n" TAIL, 2, "duplicate setting" },
        { "log { level = loud }\n" TAIL, 1, "\"debug\", \"info\"" },
        { "redis { address = foo }\n" TAIL, 1, "\"host:port\"" },
        { "redis { allow_eviction = maybe }\n" TAIL, 1, "\"on\" or \"off\"" },
        { "redis { user = u }\n" TAIL, 0, "\"password_file\"" },
        { "redis { password_file = \"/nonexistent\" }\n" TAIL, 1,
          "No such file" },
        { "metrics { listen = 80 }\n" TAIL, 1, "\"host:port\"" },
        { "webhook { timeout = 31s }\n" TAIL, 1, "a time from 100ms to 30s" },
        { "webhook { schedule = \"5s soon\" }\n" TAIL, 1, "up to 32 times" },
        { "webhook { schedule = \"5s 3d\" }\n" TAIL, 1, "to 2d" },
        { "webhook {\n allow = \"10.0.0.0/8 10/8\"\n}\n" TAIL, 2,
          "\"10/8\": it is not an IPv4 or IPv6 address" },
        { "webhook { ports = \"443 https\" }\n" TAIL, 1, "\"https\": it is" },
        { "webhook { ca_file = \"/nonexistent\" }\n" TAIL, 1,
          "No such file" },
        { TAIL TAIL, 3, "duplicate title 'b'" },
        { TAIL "model \"x\" {\n provider = nope }\n", 4,
          "there is no provider \"nope\"" },
        { TAIL "model \"x\" { }\n", 3, "\"provider\" is missing" },
        { TAIL "model \"x\" {\n provider = b\n input_price = -1\n}\n", 5,
          "\"input_price\" in section \"model\": expected US dollars" },
        { TAIL "model \"x\" {\n output_price = 0.0000001\n}\n", 4,
          "up to 6 decimals" },
        { TAIL "model \"x\" { input_price = 1e3 }\n", 3, "from 0 to" },
        { TAIL "model \"x\" { input_price = \"1 \" }\n", 3, "from 0 to" },
        { TAIL "model \"x\" { input_price = \"\" }\n", 3, "from 0 to" },
        { TAIL "model \"x\" { output_price = 1000001 }\n", 3, "from 0 to" },
        { TAIL "model \"x\" { provider = b\n output_price = 1\n}\n", 5,
          "dialect \"builtin\" is free" },
        { TAIL "provider \"p\" { }\n", 3, "\"base_url\" is missing" },
        { TAIL "provider \"p\" { base_url = \"ftp://h\" }\n", 3,
          "\"http://host" },
        { TAIL "provider \"p\" { dialect = foo }\n", 3,
          "\"openai\", \"anthropic\", \"builtin\"" },
        { TAIL "provider \"p\" { dialect = anthropic }\n", 3,
          "\"base_url\" is missing" },
        { TAIL "provider \"p\" { dialect = builtin\n"
          "base_url = \"http://h\" }\n", 4, "takes neither" },
        { TAIL "provider \"p\" { base_url = \"http://h\"\n"
          "api_key_env = \"WEIR_TEST_NONE\" }\n", 4, "no such variable" },
        { TAIL "provider \"p\" { base_url = \"http://h\"\n"
          "api_key_file = \"/nonexistent\" }\n", 4, "No such file" },
        { TAIL "worker { slots = 5\n", 5, "expecting \"}\" of section" },
        { TAIL "worker { slots = \"5\n", 0, "" },
        { "= x\n" TAIL, 1, "unexpected" },
        { "}\n" TAIL, 1, "unexpected" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        assert_null(load(rows[i].text, error));

        if (strstr(error, rows[i].says) == NULL) {
            fail_msg("row %zu says: %s", i, error);
        }

        if (rows[i].line) {
            snprintf(where, sizeof(where), "%s:%d: ", path, rows[i].line);

            if (strncmp(error, where, strlen(where)) != 0) {
                fail_msg("row %zu says: %s", i, error);
            }
        }
    }
}


static void
test_no_file(void **state)
{
    char  error[CONF_ERROR];

    (void) state;

    assert_null(conf_load("/nonexistent/worker.conf", error));
    assert_non_null(strstr(error, "/nonexistent/worker.conf"));
    assert_null(conf_load("/", error));
    assert_non_null(strstr(error, "cannot read"));
}


int
main(void)
{
    int  rc;

    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_webhook),
        cmocka_unit_test(test_secret),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_no_file)
    };

    unsetenv("WEIR_TEST_NONE");
    close(mkstemp(path));

    rc = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);

    return rc;
}
