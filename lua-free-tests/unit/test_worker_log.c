/*
 * The log: one line an event, whatever the values hold.
 */

/* with: worker/log.c worker/mem.c */

#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "log.h"


#define LINES  30


static char    path[] = "/tmp/weir-test-log-XXXXXX";
static char    text[64 * 1024];
static size_t  len;


static void
read_log(void)
{
    int  fd;

    log_flush();

    fd = open(path, O_RDONLY);
    len = (size_t) read(fd, text, sizeof(text) - 1);
    text[len] = '\0';
    close(fd);

    assert_int_equal(truncate(path, 0), 0);
}


static void
test_line(void **state)
{
    (void) state;

    log_who(1);
    LOG(LOG_INFO, "job_finished", log_text("job", "job_x"),
        log_num("ms", -12), log_text("none", ""), log_str("nil", weir_str_null),
        log_num("least", INT64_MIN));
    read_log();

    assert_int_equal(strspn(text, "0123456789-T:.Z"), 24);
    assert_string_equal(text + 24, " info runner=1 event=job_finished "
                        "job=job_x ms=-12 none=\"\" nil=\"\" "
                        "least=-9223372036854775808\n");

    log_who(-1);
    LOG(LOG_ERROR, "x", log_num("n", 0));
    read_log();
    assert_string_equal(text + 24, " error event=x n=0\n");
}


static void
test_quoting(void **state)
{
    char    want[256];
    size_t  i;

    static const struct {
        const char  *value;
        const char  *quoted;
    } rows[] = {
        { "plain-1.2:/x", "plain-1.2:/x" },
        { "two words", "\"two words\"" },
        { "a=b", "\"a=b\"" },
        { "say \"hi\"", "\"say \\\"hi\\\"\"" },
        { "back\\slash", "\"back\\\\slash\"" },
        { "line\nfeed\r\t", "\"line\\x0afeed\\x0d\\x09\"" },
        { "\x1b[31mred\x7f", "\"\\x1b[31mred\\x7f\"" },
        { "\xc3\xa4", "\"\xc3\xa4\"" }
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        LOG(LOG_WARN, "e", log_text("v", rows[i].value));
        read_log();

        snprintf(want, sizeof(want), " warn event=e v=%s\n", rows[i].quoted);
        assert_string_equal(text + 24, want);
    }
}


static void
test_levels(void **state)
{
    (void) state;

    log_level = LOG_WARN;
    LOG(LOG_INFO, "no", log_num("n", 1));
    LOG(LOG_DEBUG, "no", log_num("n", 1));
    LOG(LOG_WARN, "yes", log_num("n", 1));
    read_log();

    assert_null(strstr(text, "=no"));
    assert_non_null(strstr(text, "=yes"));
    log_level = LOG_INFO;
}


/* long values are cut, lines stay whole and come in their order */

static void
test_many(void **state)
{
    int    i, n, at;
    char   big[4000], *line, *p;

    (void) state;

    memset(big, '\n', sizeof(big));
    log_who(3);

    for (i = 0; i < LINES; i++) {
        LOG(LOG_INFO, "many", log_num("i", i), log_str("big",
            (weir_str_t) { big, sizeof(big) }), log_str("more",
            (weir_str_t) { big, 300 }), log_num("end", i));
    }

    read_log();

    for (n = 0, line = text; (p = strchr(line, '\n')) != NULL; line = p + 1) {
        *p = '\0';
        assert_int_equal(sscanf(strstr(line, " i="), " i=%d", &at), 1);
        assert_int_equal(at, n);
        assert_true((size_t) (p - line) <= 2048);
        n++;
    }

    assert_int_equal(n, LINES);
    log_who(-1);
}


static void
test_reopen(void **state)
{
    char  moved[64];

    (void) state;

    snprintf(moved, sizeof(moved), "%s.1", path);
    assert_int_equal(rename(path, moved), 0);
    LOG(LOG_INFO, "old", log_num("n", 1));
    assert_int_equal(log_reopen(), 0);
    LOG(LOG_INFO, "new", log_num("n", 1));
    read_log();

    assert_null(strstr(text, "=old"));
    assert_non_null(strstr(text, "=new"));
    unlink(moved);

    assert_int_equal(log_open("/nonexistent/log", LOG_INFO), -1);
    LOG(LOG_INFO, "still", log_num("n", 1));
    read_log();
    assert_non_null(strstr(text, "=still"));
}


int
main(void)
{
    int  rc;

    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_quoting),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_reopen)
    };

    close(mkstemp(path));
    log_open(path, LOG_INFO);

    rc = cmocka_run_group_tests(tests, NULL, NULL);

    log_close();
    unlink(path);

    return rc;
}
