/*
 * A runner process: builds the loop and everything on it, listens to the
 * supervisor's signals, and takes everything down again.
 *
 * SIGTERM once drains: nothing new, what is in hand is finished within
 * drain_timeout, the rest is handed back.  Twice hands back at once.
 */

#include "runner.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/resource.h>

#include "fault.h"
#include "log.h"
#include "mem.h"


#define RUNNER_LEAVE_TIME    1000               /* ms for the last answers */
#define RUNNER_TXN_KEEP      (256 * 1024)       /* bytes */
#define RUNNER_OUTPUT_MAX    (256UL * 1024 * 1024)
#define RUNNER_KEEP_MAX      (64UL * 1024 * 1024)
#define RUNNER_PENDING_MORE  4096
#define RUNNER_BEAT          1000               /* ms between turns, at most */
#define RUNNER_LOCK_STEP     50                 /* ms */
#define RUNNER_DESCRIPTORS   192                /* besides those of calls */


typedef struct {
    runner_t       runner;      /* first */
    uv_signal_t    term;
    uv_signal_t    usr1;
    loop_timer_t   patience;    /* of draining, then of leaving */
    loop_timer_t   beat;        /* a turn from time to time */
    loop_turn_t    turn;
    loop_turn_t    flush;
} runner_process_t;


int64_t
runner_now(const runner_t *r)
{
    return r->clock + (int64_t) loop_now(r->loop);
}


weir_txn_t *
runner_txn(runner_t *r)
{
    if (r->txn.out.size > RUNNER_TXN_KEEP) {
        weir_txn_free(&r->txn);
    }

    weir_txn_reset(&r->txn);

    return &r->txn;
}


void
runner_refuse(runner_t *r)
{
    r->code = RUNNER_REFUSED;
    loop_stop(r->loop);
}


/* leaving */

static void
runner_hand_back_all(runner_t *r)
{
    int           i;
    job_t        *job;

    static const job_state_e  states[] = {
        JOB_ASKING, JOB_ISOLATED, JOB_RETRYING
    };

    /* claims and finishes on their way are answered within a moment; what is
     * parked holds a result: it stays as long as there is hope */

    for (i = 0; i < (int) (sizeof(states) / sizeof(states[0])); i++) {
        while ((job = jobs_first(r->jobs, states[i])) != NULL) {
            ask_cancel(job);
            fence_forget(r->fence, job);
            lease_hand_back(r->lease, job);
        }
    }
}


static void
runner_leave(runner_process_t *p)
{
    runner_t  *r;

    r = &p->runner;

    if (r->state == RUNNER_LEAVING) {
        return;
    }

    if (jobs_in_hand(r->jobs)) {
        LOG(LOG_WARN, "runner_leaving",
            log_num("in_hand", (long long) jobs_in_hand(r->jobs)));
    }

    r->state = RUNNER_LEAVING;

    reaper_stop(r->reaper);
    settle_stop(r->settle);
    askers_stop(r->askers);
    control_stop(r->control);
    webhook_leave(r->webhook);
    runner_hand_back_all(r);

    loop_timer_set(r->loop, &p->patience, RUNNER_LEAVE_TIME);
}


void
runner_give_up(runner_t *r)
{
    r->code = 1;
    queue_stop(r->queue);
    catalogue_stop(r->catalogue);
    sweep_stop(r->sweep);
    runner_leave((runner_process_t *) r);
}


static void
runner_drain(runner_process_t *p)
{
    runner_t  *r;

    r = &p->runner;
    r->state = RUNNER_DRAINING;

    LOG(LOG_INFO, "runner_draining",
        log_num("in_hand", (long long) jobs_in_hand(r->jobs)));

    queue_stop(r->queue);
    catalogue_stop(r->catalogue);
    webhook_stop(r->webhook);
    sweep_stop(r->sweep);

    loop_timer_set(r->loop, &p->patience,
                   (uint64_t) r->conf->worker.drain_timeout);
}


static void
runner_on_patience(void *data)
{
    runner_process_t  *p;

    p = data;

    if (p->runner.state == RUNNER_LEAVING) {
        loop_stop(p->runner.loop);
        return;
    }

    runner_leave(p);
}


static bool
runner_is_done(const runner_t *r)
{
    return jobs_in_hand(r->jobs) == 0 && queue_is_idle(r->queue)
           && redis_pending(r->cmd) == 0 && redis_pending(r->renew) == 0
           && (r->keeping == NULL || redis_pending(r->keeping) == 0)
           && settle_is_idle(r->settle) && askers_is_idle(r->askers);
}


static void
runner_on_turn(void *data)
{
    runner_t  *r;

    r = data;

    if (r->state == RUNNER_DRAINING && jobs_in_hand(r->jobs) == 0
        && queue_is_idle(r->queue) && webhook_is_idle(r->webhook))
    {
        runner_leave((runner_process_t *) r);
    }

    if (r->state == RUNNER_LEAVING && runner_is_done(r)) {
        loop_stop(r->loop);
    }
}


static void
runner_on_flush(void *data)
{
    runner_t  *r;

    r = data;

    counters_set(r->counters, beat, loop_now(r->loop));
    log_flush();
    FAULT_TURN();
}


static void
runner_on_beat(void *data)
{
    runner_process_t  *p;

    p = data;
    loop_timer_set(p->runner.loop, &p->beat, RUNNER_BEAT);
}


static void
runner_on_signal(uv_signal_t *handle, int signo)
{
    runner_process_t  *p;

    p = handle->data;

    if (signo == SIGUSR1) {
        (void) log_reopen();
        zygote_reopen_log(p->runner.zygote);
        return;
    }

    if (p->runner.state == RUNNER_WORKING) {
        runner_drain(p);

    } else {
        runner_leave(p);
    }
}


/* connections: who is told what */

static void
runner_on_read_up(void *data)
{
    queue_on_up(((runner_t *) data)->queue);
}


static void
runner_on_cmd_up(void *data)
{
    runner_t  *r;

    r = data;

    server_on_up(r->server);
    finish_on_up(r->finish);
}


static void
runner_on_renew_up(void *data)
{
    lease_on_up(((runner_t *) data)->lease);
}


static void
runner_on_watch_up(void *data)
{
    fence_on_up(((runner_t *) data)->fence);
}


static void
runner_on_word_up(void *data)
{
    control_on_up(((runner_t *) data)->control);
}


static void
runner_on_settling_up(void *data)
{
    (void) data;                /* the next turn goes on */
}


static void
runner_on_keeping_up(void *data)
{
    counters_set(((runner_t *) data)->counters, keeping, 1);
}


static void
runner_on_keeping_down(void *data)
{
    counters_set(((runner_t *) data)->counters, keeping, 0);
}


static void
runner_on_asking_up(void *data)
{
    askers_on_up(((runner_t *) data)->askers);
}


/* who feeds looks at the end of each turn */

static void
runner_on_feeding_up(void *data)
{
    (void) data;
}


static void
runner_on_queue_down(void *data)
{
    queue_on_down(((runner_t *) data)->queue);
}


static void
runner_on_other_down(void *data)
{
    (void) data;                /* nothing: its answers were lost */
}


static redis_t *
runner_connect_to(runner_t *r, const conf_redis_t *conf, const char *name,
    void (*on_up)(void *), void (*on_down)(void *))
{
    redis_options_t  o;

    memset(&o, 0, sizeof(redis_options_t));

    o.name = name;
    o.conf = conf;
    o.counters = r->counters;
    o.pending = (size_t) r->conf->worker.slots * 4 + RUNNER_PENDING_MORE;
    o.bytes = conf == &r->conf->redis ? RUNNER_OUTPUT_MAX : RUNNER_KEEP_MAX;
    o.on_up = on_up;
    o.on_down = on_down;
    o.data = r;

    return redis_create(r->loop, &o);
}


static redis_t *
runner_connect(runner_t *r, const char *name, void (*on_up)(void *),
    void (*on_down)(void *))
{
    return runner_connect_to(r, &r->conf->redis, name, on_up, on_down);
}


/* up and down, in mirror order */

static void
runner_up(runner_process_t *p)
{
    size_t       i;
    runner_t    *r;
    uv_loop_t   *uv;

    r = &p->runner;

    http_init();
    r->loop = loop_create();
    uv = loop_uv(r->loop);

    uv_signal_init(uv, &p->term);
    p->term.data = p;
    uv_signal_start(&p->term, runner_on_signal, SIGTERM);

    uv_signal_init(uv, &p->usr1);
    p->usr1.data = p;
    uv_signal_start(&p->usr1, runner_on_signal, SIGUSR1);

    p->patience.fn = runner_on_patience;
    p->patience.data = p;
    p->turn.fn = runner_on_turn;
    p->turn.data = p;
    p->flush.fn = runner_on_flush;
    p->flush.data = p;
    p->beat.fn = runner_on_beat;
    p->beat.data = p;
    loop_timer_set(r->loop, &p->beat, RUNNER_BEAT);

    r->jobs = jobs_create(r, (size_t) r->conf->worker.slots);
    r->providers = mem_alloc(r->conf->nproviders * sizeof(provider_t *));

    for (i = 0; i < r->conf->nproviders; i++) {
        r->providers[i] = provider_create(r->loop, &r->conf->providers[i],
                                          r->counters);
    }

    /* what asks the connections comes before them, so that all that a turn
     * has to send goes out at its end */

    r->server = server_create(r);
    r->gate = gate_create(r);
    r->takeover = takeover_create(r);
    r->queue = queue_create(r);
    r->lease = lease_create(r);
    r->finish = finish_create(r);
    r->fence = fence_create(r);
    r->reaper = reaper_create(r);
    r->control = control_create(r);
    r->catalogue = catalogue_create(r);
    r->cells = cells_create(r);
    r->webhook = webhook_create(r);
    r->settle = settle_create(r);
    r->askers = askers_create(r);
    r->sweep = sweep_create(r);
    r->place = place_create(r);
    r->feed = feed_create(r);
    loop_turn_add(r->loop, &p->turn);

    r->cmd = runner_connect(r, "cmd", runner_on_cmd_up, runner_on_queue_down);
    r->read = runner_connect(r, "read", runner_on_read_up,
                             runner_on_queue_down);
    r->renew = runner_connect(r, "lease", runner_on_renew_up,
                              runner_on_other_down);
    r->watch = runner_connect(r, "watch", runner_on_watch_up,
                              runner_on_other_down);
    r->word = runner_connect(r, "control", runner_on_word_up,
                             runner_on_other_down);
    r->settling = runner_connect(r, "settle", runner_on_settling_up,
                                 runner_on_other_down);
    r->asking = runner_connect(r, "askers", runner_on_asking_up,
                               runner_on_other_down);

    r->feeding = runner_connect(r, "feed", runner_on_feeding_up,
                                runner_on_other_down);

    if (r->conf->cache.address) {
        r->keeping = runner_connect_to(r, &r->conf->cache, "answers",
                                       runner_on_keeping_up,
                                       runner_on_keeping_down);
    }

    loop_turn_add(r->loop, &p->flush);
    counters_set(r->counters, slots, r->conf->worker.slots);
}


static void
runner_down(runner_process_t *p)
{
    size_t     i;
    runner_t  *r;

    r = &p->runner;
    r->state = RUNNER_LEAVING;

    if (r->keeping) {
        redis_destroy(&r->keeping);
    }

    redis_destroy(&r->feeding);
    redis_destroy(&r->asking);
    redis_destroy(&r->settling);
    redis_destroy(&r->word);
    redis_destroy(&r->watch);
    redis_destroy(&r->renew);
    redis_destroy(&r->read);
    redis_destroy(&r->cmd);

    cells_destroy(&r->cells);
    finish_destroy(&r->finish);
    jobs_destroy(&r->jobs);

    for (i = 0; i < r->conf->nproviders; i++) {
        provider_destroy(&r->providers[i]);
    }

    feed_destroy(&r->feed);
    sweep_destroy(&r->sweep);
    place_destroy(&r->place);
    askers_destroy(&r->askers);
    settle_destroy(&r->settle);
    webhook_destroy(&r->webhook);
    catalogue_destroy(&r->catalogue);
    control_destroy(&r->control);
    reaper_destroy(&r->reaper);
    fence_destroy(&r->fence);
    lease_destroy(&r->lease);
    queue_destroy(&r->queue);
    takeover_destroy(&r->takeover);
    gate_destroy(&r->gate);
    server_destroy(&r->server);

    free(r->providers);
    weir_txn_free(&r->txn);

    zygote_stop(&r->zygote);
    loop_timer_stop(r->loop, &p->patience);
    loop_timer_stop(r->loop, &p->beat);
    uv_close((uv_handle_t *) &p->term, NULL);
    uv_close((uv_handle_t *) &p->usr1, NULL);

    loop_destroy(&r->loop);
    http_deinit();
}


/* Each call of a provider takes a descriptor. */

static void
runner_raise_limit(const conf_t *conf)
{
    rlim_t         want;
    struct rlimit  limit;

    want = (rlim_t) conf->worker.slots + RUNNER_DESCRIPTORS;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want) {
        return;
    }

    limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;

    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < want) {
        LOG(LOG_WARN, "few_descriptors",
            log_num("limit", (long long) limit.rlim_cur),
            log_num("wanted", (long long) want));
    }
}


int
runner_lock(const conf_t *conf, unsigned slot, unsigned patience,
    char *error_r)
{
    int       fd;
    char      path[CONF_ERROR];
    unsigned  waited;

    snprintf(path, sizeof(path), "%.300s/weir-%s-%u.lock", conf->worker.run_dir,
             conf->worker.name, slot);

    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        snprintf(error_r, CONF_ERROR, "cannot open the lock \"%.400s\": %s",
                 path, strerror(errno));
        return -1;
    }

    for (waited = 0; flock(fd, LOCK_EX | LOCK_NB) != 0;
         waited += RUNNER_LOCK_STEP)
    {
        if (errno != EWOULDBLOCK || waited >= patience) {
            snprintf(error_r, CONF_ERROR, "the lock \"%.300s\" is held by "
                     "another process: each worker of a host needs a \"name\" "
                     "or a \"run_dir\" of its own", path);
            close(fd);
            return -1;
        }

        nanosleep(&(struct timespec) { 0, RUNNER_LOCK_STEP * 1000000L }, NULL);
    }

    return fd;
}


int
runner_main(const conf_t *conf, counters_t *counters, unsigned slot,
    bool leader)
{
    int                lock, code;
    char               error[CONF_ERROR];
    runner_process_t  *p;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);            /* the terminal's is the supervisor's */
    signal(SIGHUP, SIG_IGN);

    lock = runner_lock(conf, slot, 3000, error);

    if (lock < 0) {
        LOG(LOG_ERROR, "runner_refused", log_text("reason", error));
        log_flush();
        return RUNNER_REFUSED;
    }

    runner_raise_limit(conf);
    p = mem_alloc(sizeof(runner_process_t));
    p->runner.zygote = zygote_start(conf);

    if (p->runner.zygote == NULL) {
        LOG(LOG_ERROR, "fork_failed", log_text("reason", strerror(errno)));
        log_flush();
        free(p);
        close(lock);
        return 1;
    }

    p->runner.conf = conf;
    p->runner.counters = counters;
    p->runner.slot = slot;
    p->runner.leader = leader;
    snprintf(p->runner.consumer, RUNNER_CONSUMER_MAX, "%s-%u",
             conf->worker.name, slot);

    runner_up(p);
    LOG(LOG_INFO, "runner_started", log_num("pid", getpid()),
        log_text("consumer", p->runner.consumer));

    loop_run(p->runner.loop);

    runner_down(p);
    code = p->runner.code;
    LOG(LOG_INFO, "runner_stopped", log_num("code", code));
    log_flush();

    free(p);
    close(lock);

    return code;
}
