/*
 * The counters: summed over slots, in the exposition format, families once.
 */

/* with: worker/counters.c */

#include "unit.h"

#include <sys/wait.h>
#include <unistd.h>

#include "counters.h"


#define SLOTS  3


static void
test_sum(void **state)
{
    weir_buf_t   out = { 0 };
    counters_t  *c;

    (void) state;

    c = counters_map(SLOTS);
    assert_non_null(c);

    counters_add(&c[0], completed, 2);
    counters_add(&c[2], completed, 40);
    counters_add(&c[1], failed, 7);
    counters_set(&c[1], in_hand, 9);

    counters_write(c, SLOTS, &out);
    weir_buf_add(&out, "", 1);

    assert_non_null(strstr(out.data, "\nweir_worker_runs_finished_total"
                                     "{state=\"completed\"} 42\n"));
    assert_non_null(strstr(out.data, "\nweir_worker_runs_finished_total"
                                     "{state=\"failed\"} 7\n"));
    assert_non_null(strstr(out.data, "\nweir_worker_runs_in_hand 9\n"));
    assert_non_null(strstr(out.data, "# TYPE weir_worker_runs_in_hand "
                                     "gauge\n"));

    counters_clear_gauges(&c[1]);
    assert_int_equal(counters_get(&c[1], in_hand), 0);
    assert_int_equal(counters_get(&c[1], failed), 7);

    weir_buf_free(&out);
    counters_unmap(&c, SLOTS);
    assert_null(c);
}


static void
test_histogram(void **state)
{
    weir_buf_t   out = { 0 };
    counters_t  *c;

    (void) state;

    c = counters_map(SLOTS);

    counters_observe(&c[0], first_token, 50);
    counters_observe(&c[0], first_token, 51);
    counters_observe(&c[2], first_token, 120000);
    counters_observe(&c[2], first_token, 120001);
    counters_observe(&c[1], token_rate, 0);

    counters_write(c, SLOTS, &out);
    weir_buf_add(&out, "", 1);

#define LINE(text)                                                            \
    assert_non_null(strstr(out.data, "\nweir_worker_provider_" text "\n"))

    LINE("first_token_seconds_bucket{le=\"0.05\"} 1");
    LINE("first_token_seconds_bucket{le=\"0.1\"} 2");
    LINE("first_token_seconds_bucket{le=\"60\"} 2");
    LINE("first_token_seconds_bucket{le=\"120\"} 3");
    LINE("first_token_seconds_bucket{le=\"+Inf\"} 4");
    LINE("first_token_seconds_sum 240.102");
    LINE("first_token_seconds_count 4");
    LINE("tokens_per_second_bucket{le=\"1\"} 1");
    LINE("tokens_per_second_sum 0");

    assert_non_null(strstr(out.data, "# TYPE weir_worker_provider_tokens_per_"
                                     "second histogram\n"));

    counters_clear_gauges(&c[0]);
    assert_int_equal(c[0].first_token.n[0], 1);

    weir_buf_free(&out);
    counters_unmap(&c, SLOTS);
}


/* each family has one HELP and one TYPE, before its first sample; no help is
 * empty */

static void
test_format(void **state)
{
    char        *line, *end, name[128], family[128], help[256];
    weir_buf_t   out = { 0 };
    counters_t  *c;

    (void) state;

    c = counters_map(1);
    counters_write(c, 1, &out);
    weir_buf_add(&out, "", 1);

    family[0] = '\0';

    for (line = out.data; *line; line = end + 1) {
        end = strchr(line, '\n');
        *end = '\0';

        if (sscanf(line, "# HELP %127s %255[^\n]", name, help) == 2) {
            assert_string_not_equal(name, family);
            snprintf(family, sizeof(family), "%s", name);
            assert_true(strlen(help) > 5);
            continue;
        }

        if (sscanf(line, "# TYPE %127s", name) == 1) {
            assert_string_equal(name, family);
            continue;
        }

        /* of a histogram: its name and a suffix */

        assert_int_equal(sscanf(line, "%127[a-z0-9_]", name), 1);
        assert_memory_equal(name, family, strlen(family));
    }

    weir_buf_free(&out);
    counters_unmap(&c, 1);
}


static void
test_shared(void **state)
{
    pid_t        pid;
    counters_t  *c;

    (void) state;

    c = counters_map(1);
    pid = fork();

    if (pid == 0) {
        counters_add(c, claimed, 5);
        _exit(0);
    }

    waitpid(pid, NULL, 0);
    assert_int_equal(counters_get(c, claimed), 5);
    counters_unmap(&c, 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_sum),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_shared)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
