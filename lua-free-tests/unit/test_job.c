/*
 * Records to states: the table of the contract's section 4.
 */

#include "unit.h"
#include "weir_job.h"
#include "weir_txn.h"


static void
test_names(void **state)
{
    int  i;

    (void) state;

    for (i = 0; i < WEIR_CLASSES; i++) {
        assert_int_equal(weir_class_parse(weir_str_of(weir_class_name(i))), i);
    }

    assert_int_equal(weir_class_parse(weir_str("urgent")), -1);
    assert_int_equal(weir_class_parse(weir_str_null), -1);
    assert_int_equal(weir_class_parse(weir_str("hig")), -1);

    assert_string_equal(weir_state_name(WEIR_QUEUED), "queued");
    assert_string_equal(weir_state_name(WEIR_EXPIRED), "expired");
    assert_false(weir_state_is_final(WEIR_IN_PROGRESS));
    assert_true(weir_state_is_final(WEIR_COMPLETED));
}


static void
test_fin(void **state)
{
    size_t        i;
    weir_str_t    token;
    weir_state_e  s;
    static const char  *bad[] = {
        "", ":", "completed", "completed:", ":1", "queued:1", "in_progress:1",
        "done:1", "completed:A", "completed:1 ", "completed:1:2",
        "Completed:1", "completed:123456789012345678901234567890123",
        "WRONGTYPE Operation against a key"
    };

    (void) state;

    assert_true(weir_fin_parse(weir_str("completed:1000001"), &s, &token));
    assert_int_equal(s, WEIR_COMPLETED);
    unit_str(token, "1000001");
    assert_true(weir_token_has_outcome(token));

    assert_true(weir_fin_parse(weir_str("cancelled:owner"), &s, &token));
    assert_int_equal(s, WEIR_CANCELLED);
    assert_false(weir_token_has_outcome(token));

    assert_true(weir_fin_parse(weir_str("expired:reaper"), &s, &token));
    assert_int_equal(s, WEIR_EXPIRED);

    for (i = 0; i < ROWS(bad); i++) {
        if (weir_fin_parse(weir_str_of(bad[i]), &s, &token)) {
            fail_msg("\"%s\"", bad[i]);
        }
    }

    assert_false(weir_fin_parse(weir_str_null, &s, &token));
    assert_false(weir_token_has_outcome(weir_str_null));
}


typedef struct {
    bool          found;
    weir_state_e  state;
    int64_t       created;
    int64_t       started;
    int64_t       fin_at;
    long long     gen;
    long long     attempts;
    long long     latest;
    size_t        trace;
} row_t;


static void
run_read(void *data, const weir_answer_t *a)
{
    row_t       *row = data;
    weir_run_t   run;

    weir_run_read(&run, a->reply);

    row->found = run.found;
    row->state = run.state;
    row->created = run.created;
    row->started = run.started;
    row->fin_at = run.fin_at;
    row->gen = run.gen;
    row->attempts = run.attempts;
    row->latest = run.latest;
    row->trace = run.trace.len;
}


/* fields as "name value name value" */

static row_t
run_of(const char *fields)
{
    char         *word, *rest, copy[256];
    row_t         row;
    unsigned      n;
    weir_buf_t    body = { 0 }, resp = { 0 };
    weir_txn_t    t;
    weir_pipe_t  *p;

    snprintf(copy, sizeof(copy), "%s", fields);
    n = 0;

    for (word = strtok_r(copy, " ", &rest);
         word;
         word = strtok_r(NULL, " ", &rest))
    {
        weir_buf_printf(&body, "$%zu\r\n%s\r\n", strlen(word), word);
        n++;
    }

    weir_buf_printf(&resp, "*%u\r\n", n);
    weir_buf_str(&resp, unit_buf(&body));

    weir_txn_init(&t);
    weir_txn_words(&t, 1, (const char *[]) { "HGETALL" });
    p = weir_pipe_create(1, 100);
    assert_int_equal(weir_pipe_send(p, &t, 1, run_read, &row), 0);
    assert_int_equal(weir_pipe_feed(p, resp.data, resp.len), 0);

    weir_pipe_destroy(&p);
    weir_txn_free(&t);
    weir_buf_free(&body);
    weir_buf_free(&resp);

    return row;
}


static void
test_states(void **state)
{
    row_t  r;

    (void) state;

    r = run_of("");
    assert_false(r.found);
    assert_int_equal(r.state, WEIR_QUEUED);

    r = run_of("gen 1 created 5");
    assert_true(r.found);
    assert_int_equal(r.state, WEIR_QUEUED);
    assert_int_equal(r.created, 5);
    assert_int_equal(r.attempts, 0);

    r = run_of("gen 1 run:1 7-0 n:7-0 1 started 6");
    assert_int_equal(r.state, WEIR_IN_PROGRESS);
    assert_int_equal(r.attempts, 1);
    assert_int_equal(r.started, 6);

    /* waiting for its retry */
    r = run_of("gen 2 run:1 7-0 n:7-0 3 failures 1");
    assert_int_equal(r.state, WEIR_QUEUED);
    assert_int_equal(r.attempts, 3);
    assert_int_equal(r.gen, 2);

    r = run_of("gen 2 run:1 7-0 n:7-0 3 run:2 9-0 n:9-0 2");
    assert_int_equal(r.state, WEIR_IN_PROGRESS);
    assert_int_equal(r.attempts, 5);

    /* run:1 is no prefix match of run:12 */
    r = run_of("gen 12 run:1 7-0");
    assert_int_equal(r.state, WEIR_QUEUED);
    r = run_of("gen 1 run:12 7-0");
    assert_int_equal(r.state, WEIR_QUEUED);

    r = run_of("gen 2 run:2 9-0 fin failed:2000001 fin_at 8");
    assert_int_equal(r.state, WEIR_FAILED);
    assert_int_equal(r.fin_at, 8);

    /* a tombstone */
    r = run_of("fin cancelled:edge fin_at 8");
    assert_true(r.found);
    assert_int_equal(r.state, WEIR_CANCELLED);

    /* never written by us */
    r = run_of("gen 1 fin nonsense");
    assert_int_equal(r.state, WEIR_FAILED);

    /* who speaks just now */
    r = run_of("gen 2 run:1 1-0 n:1-0 3 run:2 2-0 n:2-0 4");
    assert_int_equal(r.latest, 2000004);
    r = run_of("gen 2 run:1 1-0 n:1-0 3");
    assert_int_equal(r.latest, 2000000);
    r = run_of("gen 2 run:2 2-0");
    assert_int_equal(r.latest, 2000000);

    r = run_of("gen 1 trace 00-a");
    assert_int_equal(r.trace, 4);

    /* an odd number of words */
    r = run_of("gen 1 created");
    assert_true(r.found);
    assert_int_equal(r.created, 0);
}


static void
job_read(void *data, const weir_answer_t *a)
{
    weir_job_t  job;

    weir_job_read(&job, a->reply);
    *(bool *) data = job.found;

    if (job.found) {
        unit_str(job.owner, "o");
        unit_str(job.route, "chat");
        unit_str(job.request_id, "r");
        unit_str(job.model, "m");
        unit_str(job.metadata, "{}");
        assert_int_equal(job.created, 42);
    }
}


static bool
job_of(const char *resp)
{
    bool          found;
    weir_txn_t    t;
    weir_pipe_t  *p;

    weir_txn_init(&t);
    weir_txn_words(&t, 1, (const char *[]) { "HMGET" });
    p = weir_pipe_create(1, 100);
    assert_int_equal(weir_pipe_send(p, &t, 1, job_read, &found), 0);
    assert_int_equal(weir_pipe_feed(p, resp, strlen(resp)), 0);
    weir_pipe_destroy(&p);
    weir_txn_free(&t);

    return found;
}


static void
test_job(void **state)
{
    (void) state;

    assert_true(job_of("*7\r\n$1\r\no\r\n$24\r\n00AAAAAAAAAAAAAAAAAAAAAA\r\n"
                       "$4\r\nchat\r\n$1\r\nr\r\n$1\r\nm\r\n$2\r\n{}\r\n"
                       "$2\r\n42\r\n"));
    assert_false(job_of("*7\r\n$1\r\no\r\n$5\r\nshort\r\n$-1\r\n$-1\r\n$-1\r\n"
                        "$-1\r\n$-1\r\n"));
    assert_false(job_of("*2\r\n$-1\r\n$24\r\n00AAAAAAAAAAAAAAAAAAAAAA\r\n"));
    assert_false(job_of("*0\r\n"));
    assert_false(job_of("$1\r\nx\r\n"));
}


/* a job that asks shows what its run does, until its own end */

static void
test_complete(void **state)
{
    weir_job_t  job;
    weir_run_t  own, run;

    (void) state;

    memset(&job, 0, sizeof(job));
    memset(&own, 0, sizeof(own));
    memset(&run, 0, sizeof(run));

    run.created = 5;
    run.started = 7;
    run.attempts = 2;
    run.state = WEIR_IN_PROGRESS;

    weir_run_complete(&own, &job, &run);
    assert_int_equal(own.asked, 0);

    run.found = true;
    weir_run_complete(&own, &job, &run);
    assert_int_equal(own.asked, 5);
    assert_int_equal(own.started, 7);
    assert_int_equal(own.attempts, 2);
    assert_int_equal(own.state, WEIR_IN_PROGRESS);

    own.state = WEIR_QUEUED;
    run.state = WEIR_COMPLETED;
    weir_run_complete(&own, &job, &run);
    assert_int_equal(own.state, WEIR_IN_PROGRESS);

    own.state = WEIR_CANCELLED;
    weir_run_complete(&own, &job, &run);
    assert_int_equal(own.state, WEIR_CANCELLED);

    memset(&own, 0, sizeof(own));
    own.state = WEIR_COMPLETED;
    job.part = weir_str(WEIR_PART_HIT);
    weir_run_complete(&own, &job, &run);
    assert_int_equal(own.asked, 5);
    assert_int_equal(own.started, 0);
    assert_int_equal(own.attempts, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_fin),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_job),
        cmocka_unit_test(test_complete)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
