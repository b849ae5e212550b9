/*
 * The feed of a run without a Redis: what is left of it, whatever becomes of
 * its connection and of its job.  That nothing is, the sanitizer says.
 */

/* with: worker/feed.c worker/mem.c */

#define _GNU_SOURCE                     /* memmem */

#include "unit.h"
#include "provider_stream.h"
#include "runner.h"
#include "weir_txn_events.h"


#define RUN      "00AAAAAAAAAAAAAAAAAAAAAA"
#define TOKEN    "1000001"
#define PENDING  4                      /* units at once */
#define SLOTS    2
#define STARTED  "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"                   \
                 "*3\r\n$9\r\n" TOKEN "-0\r\n*0\r\n:1\r\n"


struct redis_s {
    weir_pipe_t  *pipe;
};

typedef struct {
    runner_t      runner;               /* first */
    conf_t        conf;
    counters_t    counters;
    redis_t       redis;
    loop_turn_t  *turn;
    job_t         job;
} fake_t;

static fake_t  fake;


/* what the feed calls */

int64_t
runner_now(const runner_t *r)
{
    (void) r;

    return 7;
}


weir_txn_t *
runner_txn(runner_t *r)
{
    weir_txn_reset(&r->txn);

    return &r->txn;
}


uint64_t
loop_now(const loop_t *loop)
{
    (void) loop;

    return 7;
}


void
loop_turn_add(loop_t *loop, loop_turn_t *turn)
{
    (void) loop;

    fake.turn = turn;
}


void
loop_turn_remove(loop_t *loop, loop_turn_t *turn)
{
    (void) loop;

    assert_ptr_equal(fake.turn, turn);
    fake.turn = NULL;
}


bool
redis_is_up(const redis_t *r)
{
    return r != NULL;
}


int
redis_send(redis_t *r, const weir_txn_t *t, uint64_t timeout,
    weir_answer_pt fn, void *data)
{
    return r ? weir_pipe_send(r->pipe, t, timeout, fn, data) : -1;
}


void
askers_left(askers_t *a, weir_str_t run)
{
    (void) a;
    (void) run;
}


int
provider_stream_replay(const provider_call_t *call, weir_delta_pt fn,
    void *arg)
{
    (void) call;
    (void) fn;
    (void) arg;

    return 0;
}


/* a runner, a job in its hand that is read, and a connection */

static int
up(void **state)
{
    (void) state;

    memset(&fake, 0, sizeof(fake));

    fake.redis.pipe = weir_pipe_create(PENDING, 1 << 20);
    fake.conf.worker.slots = SLOTS;
    fake.runner.conf = &fake.conf;
    fake.runner.counters = &fake.counters;
    fake.runner.feeding = &fake.redis;
    fake.runner.feed = feed_create(&fake.runner);

    fake.job.runner = &fake.runner;
    strcpy(fake.job.run, RUN);
    strcpy(fake.job.token, TOKEN);
    feed_wish(&fake.job);

    return 0;
}


static void
turn(void)
{
    fake.turn->fn(fake.turn->data);
}


static void
say(const char *text)
{
    weir_delta_t  d = { .kind = WEIR_DELTA_TEXT_OF };

    d.type = weir_str("text");
    d.s = weir_str_of(text);
    feed_delta(&fake.job, &d);
}


/* others want as much as there is room for */

static void
fill(void)
{
    weir_txn_t  t;

    weir_txn_init(&t);
    weir_txn_words(&t, 1, (const char *const []) { "PING" });

    while (weir_pipe_send(fake.redis.pipe, &t, 0, NULL, NULL) == 0) {
        /* void */
    }

    weir_txn_free(&t);
}


/* as runner_down() does */

static int
down(void **state)
{
    (void) state;

    fake.runner.feeding = NULL;
    weir_pipe_fail(fake.redis.pipe);
    weir_pipe_destroy(&fake.redis.pipe);

    feed_leave(&fake.job);
    feed_destroy(&fake.runner.feed);
    assert_null(fake.turn);
    weir_txn_free(&fake.runner.txn);

    return 0;
}


static void
answer(const char *text)
{
    assert_int_equal(weir_pipe_feed(fake.redis.pipe, text, strlen(text)), 0);
}


static bool
sent(const char *text)
{
    weir_str_t  out;

    out = weir_pipe_out(fake.redis.pipe);

    return out.len && memmem(out.data, out.len, text, strlen(text));
}


static void
test_down_listed(void **state)
{
    (void) state;
    say("unsaid");
}


static void
test_down_awaited(void **state)
{
    (void) state;

    turn();
    assert_int_equal(weir_pipe_pending(fake.redis.pipe), 1);
}


/* nobody but the answer knows it */

static void
test_down_awaited_alone(void **state)
{
    char  last[WEIR_EVENT_ID_MAX];

    (void) state;

    turn();
    answer(STARTED);
    say("said");
    turn();
    assert_true(sent("said"));

    feed_won(&fake.job, last);
    assert_string_equal(last, TOKEN "-1");
    feed_leave(&fake.job);
    turn();
    assert_int_equal(weir_pipe_pending(fake.redis.pipe), 1);
}


static void
test_down_idle(void **state)
{
    (void) state;

    turn();
    answer(STARTED);
    turn();
    assert_int_equal(weir_pipe_pending(fake.redis.pipe), 0);
}


/* the answer was lost, and the look is on its way, or waits for a connection */

static void
test_down_lost(void **state)
{
    (void) state;

    turn();
    weir_pipe_fail(fake.redis.pipe);
    feed_leave(&fake.job);
    turn();
    assert_true(sent("XREVRANGE"));
}


static void
test_down_lost_waits(void **state)
{
    (void) state;

    turn();
    weir_pipe_fail(fake.redis.pipe);
    feed_leave(&fake.job);
}


/* there is no room for it, whether its job is there or not */

static void
test_full(void **state)
{
    (void) state;

    fill();
    turn();
    weir_pipe_fail(fake.redis.pipe);

    say("unsaid");
    turn();
    assert_int_equal(weir_pipe_pending(fake.redis.pipe), 0);
}


static void
test_full_alone(void **state)
{
    (void) state;

    feed_leave(&fake.job);
    fill();
    turn();
}


static void
test_full_lost(void **state)
{
    (void) state;

    turn();
    weir_pipe_fail(fake.redis.pipe);
    fill();
    turn();
    weir_pipe_fail(fake.redis.pipe);

    turn();
    assert_int_equal(weir_pipe_pending(fake.redis.pipe), 0);
}


static void
test_full_lost_alone(void **state)
{
    (void) state;

    turn();
    weir_pipe_fail(fake.redis.pipe);
    feed_leave(&fake.job);
    fill();
    turn();
}


/* Redis is away, and runs end nevertheless: not all of them wait for it */

static void
test_away(void **state)
{
    int  i;

    (void) state;

    fake.runner.feeding = NULL;

    for (i = 0; i <= SLOTS; i++) {
        feed_leave(&fake.job);
        feed_wish(&fake.job);
    }

    turn();
    fake.runner.feeding = &fake.redis;
    turn();
    assert_int_equal(weir_pipe_pending(fake.redis.pipe), SLOTS + 1);

    /* and when they are over others may */

    for (i = 0; i <= SLOTS; i++) {
        answer(STARTED);
    }

    fake.runner.feeding = NULL;
    feed_leave(&fake.job);
    feed_wish(&fake.job);
    feed_leave(&fake.job);
    fake.runner.feeding = &fake.redis;
    turn();
    assert_int_equal(weir_pipe_pending(fake.redis.pipe), 1);
}


#define TEST(name)  cmocka_unit_test_setup_teardown(test_ ## name, up, down)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        TEST(down_listed),
        TEST(down_awaited),
        TEST(down_awaited_alone),
        TEST(down_idle),
        TEST(down_lost),
        TEST(down_lost_waits),
        TEST(full),
        TEST(full_alone),
        TEST(full_lost),
        TEST(full_lost_alone),
        TEST(away)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
