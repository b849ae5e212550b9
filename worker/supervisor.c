/*
 * The supervisor.  Owns the processes of the runners, the counters that they
 * share with it, the pid file and the HTTP server; never talks to Redis or to
 * a provider.
 *
 * A runner's place in the table is its slot: its consumer's name, its lock and
 * its counters.  After a reload the new runners take free slots while the old
 * ones drain in theirs, so that the set of names stays small.
 */

#define _GNU_SOURCE                 /* close_range */

#include "supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "counters.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "runner.h"
#include "weir_backoff.h"


#define SUPERVISOR_SLOTS     (4 * CONF_RUNNERS_MAX)
#define SUPERVISOR_OWN       SUPERVISOR_SLOTS       /* counters of its own */
#define SUPERVISOR_QUICK     10000      /* ms: dying sooner is quick */
#define SUPERVISOR_WAIT      200        /* ms, the first wait of the backoff */
#define SUPERVISOR_WAIT_MAX  10000      /* ms */
#define SUPERVISOR_GRACE     10000      /* ms beyond drain_timeout */
#define SUPERVISOR_LOOK      1000       /* ms between looks at the counters */
#define SUPERVISOR_PATIENCE  3000       /* ms for locks at the start */


typedef enum {
    SLOT_FREE = 0,
    SLOT_WORKING,
    SLOT_WAITING,               /* to be started again at "at" */
    SLOT_LEAVING                /* told to; killed at "at" */
} slot_state_e;


typedef struct {
    slot_state_e   state;
    pid_t          pid;
    bool           leader;
    unsigned       deaths;      /* quick ones in a row */
    uint64_t       started;     /* ms, monotonic */
    uint64_t       at;          /* ms, monotonic */
} slot_t;


typedef struct {
    conf_t        *conf;
    const char    *path;
    counters_t    *counters;
    metrics_t     *metrics;
    slot_t         slots[SUPERVISOR_SLOTS];
    sigset_t       mask;        /* before ours */
    int            signals;
    pid_t          pid;
    bool           stopping;
    bool           ready;       /* some runner has claimed once */
    int            code;
} supervisor_t;


static uint64_t
supervisor_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}


/* starting runners */

static void
supervisor_child(supervisor_t *s, unsigned slot)
{
    int   code;
    bool  leader;

    prctl(PR_SET_PDEATHSIG, SIGKILL);

    if (getppid() != s->pid) {
        _exit(0);                       /* it has gone already */
    }

    /* nothing of the supervisor's is a runner's, but the log */

    if (log_fd() > STDERR_FILENO) {
        if (log_fd() > STDERR_FILENO + 1) {
            close_range(STDERR_FILENO + 1, (unsigned) log_fd() - 1, 0);
        }

        close_range((unsigned) log_fd() + 1, ~0U, 0);

    } else {
        close_range(STDERR_FILENO + 1, ~0U, 0);
    }

    log_who((int) slot);
    leader = s->slots[slot].leader;

    sigprocmask(SIG_SETMASK, &s->mask, NULL);
    code = runner_main(s->conf, &s->counters[slot], slot, leader);

    conf_free(&s->conf);
    log_close();
    exit(code);
}


static void
supervisor_start(supervisor_t *s, unsigned slot)
{
    pid_t    pid;
    slot_t  *c;

    c = &s->slots[slot];
    log_flush();

    pid = fork();

    if (pid == 0) {
        supervisor_child(s, slot);
    }

    c->started = supervisor_now();

    if (pid < 0) {
        LOG(LOG_ERROR, "fork_failed", log_text("reason", strerror(errno)));
        c->state = SLOT_WAITING;
        c->at = c->started + SUPERVISOR_WAIT;
        return;
    }

    c->pid = pid;
    c->state = SLOT_WORKING;

    counters_add(&s->counters[SUPERVISOR_OWN], starts, 1);
    counters_set(&s->counters[slot], runners, 1);
}


static int
supervisor_start_all(supervisor_t *s)
{
    unsigned  slot, n;

    n = (unsigned) s->conf->worker.runners;

    for (slot = 0; slot < SUPERVISOR_SLOTS && n; slot++) {
        if (s->slots[slot].state == SLOT_FREE) {
            memset(&s->slots[slot], 0, sizeof(slot_t));
            s->slots[slot].leader = (n == (unsigned) s->conf->worker.runners);
            supervisor_start(s, slot);
            n--;
        }
    }

    return n ? -1 : 0;
}


/* stopping them */

static void
supervisor_tell(supervisor_t *s, unsigned slot)
{
    slot_t  *c;

    c = &s->slots[slot];

    switch (c->state) {

    case SLOT_WORKING:
        c->state = SLOT_LEAVING;
        c->at = supervisor_now() + (uint64_t) s->conf->worker.drain_timeout
                + SUPERVISOR_GRACE;
        kill(c->pid, SIGTERM);
        break;

    case SLOT_LEAVING:
        kill(c->pid, SIGTERM);
        break;

    case SLOT_WAITING:
        c->state = SLOT_FREE;
        break;

    default: /* SLOT_FREE */
        break;
    }
}


static void
supervisor_stop_all(supervisor_t *s)
{
    unsigned  slot;

    s->stopping = true;

    for (slot = 0; slot < SUPERVISOR_SLOTS; slot++) {
        supervisor_tell(s, slot);
    }
}


static bool
supervisor_is_done(const supervisor_t *s)
{
    unsigned  slot;

    for (slot = 0; slot < SUPERVISOR_SLOTS; slot++) {
        if (s->slots[slot].state != SLOT_FREE) {
            return false;
        }
    }

    return true;
}


/* deaths */

static void
supervisor_log_death(unsigned slot, pid_t pid, int status)
{
    if (WIFSIGNALED(status)) {
        LOG(LOG_ERROR, "runner_died", log_num("slot", slot),
            log_num("pid", pid), log_num("signal", WTERMSIG(status)));

    } else {
        LOG(LOG_ERROR, "runner_died", log_num("slot", slot),
            log_num("pid", pid), log_num("code", WEXITSTATUS(status)));
    }
}


static void
supervisor_on_death(supervisor_t *s, unsigned slot, int status)
{
    slot_t    *c;
    uint64_t   now, wait;

    c = &s->slots[slot];
    now = supervisor_now();

    counters_clear_gauges(&s->counters[slot]);

    if (c->state == SLOT_LEAVING || s->stopping) {
        if (status != 0) {
            supervisor_log_death(slot, c->pid, status);
        }

        c->state = SLOT_FREE;
        return;
    }

    supervisor_log_death(slot, c->pid, status);
    counters_add(&s->counters[SUPERVISOR_OWN], deaths, 1);

    if (WIFEXITED(status) && WEXITSTATUS(status) == RUNNER_REFUSED
        && !s->ready)
    {
        /* it would be refused again: the operator is still looking */

        c->state = SLOT_FREE;
        s->code = 1;
        supervisor_stop_all(s);
        return;
    }

    c->deaths = (now - c->started < SUPERVISOR_QUICK) ? c->deaths + 1 : 0;
    wait = 0;

    if (c->deaths > 1) {
        wait = weir_backoff(c->deaths - 1, SUPERVISOR_WAIT,
                            SUPERVISOR_WAIT_MAX, 0, mem_chance());
    }

    c->state = SLOT_WAITING;
    c->at = now + wait;
}


static void
supervisor_reap(supervisor_t *s)
{
    int       status;
    pid_t     pid;
    unsigned  slot;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {

        for (slot = 0; slot < SUPERVISOR_SLOTS; slot++) {
            if (s->slots[slot].pid == pid && s->slots[slot].state != SLOT_FREE)
            {
                supervisor_on_death(s, slot, status);
                break;
            }
        }
    }
}


/* what is due; returns the ms until the next, at most SUPERVISOR_LOOK */

static int
supervisor_due(supervisor_t *s)
{
    int        left;
    slot_t    *c;
    uint64_t   now;
    unsigned   slot;

    now = supervisor_now();
    left = SUPERVISOR_LOOK;

    for (slot = 0; slot < SUPERVISOR_SLOTS; slot++) {
        c = &s->slots[slot];

        if (counters_get(&s->counters[slot], claiming)) {
            s->ready = true;
        }

        if (c->state != SLOT_WAITING && c->state != SLOT_LEAVING) {
            continue;
        }

        if (c->at > now) {
            if (c->at - now < (uint64_t) left) {
                left = (int) (c->at - now);
            }

        } else if (c->state == SLOT_WAITING) {
            supervisor_start(s, slot);

        } else {
            LOG(LOG_ERROR, "runner_killed", log_num("slot", slot),
                log_text("reason", "it does not leave"));
            kill(c->pid, SIGKILL);
            c->at = now + SUPERVISOR_GRACE;
        }
    }

    return left;
}


/* configuration */

static int
supervisor_listen(supervisor_t *s, const conf_t *conf, char *error_r)
{
    metrics_t    *metrics;
    const char   *was, *is;

    was = s->metrics ? s->conf->metrics.listen : NULL;
    is = conf->metrics.listen;

    if (was && is && strcmp(was, is) == 0) {
        return 0;
    }

    metrics = NULL;

    if (is) {
        metrics = metrics_create(is, s->counters, SUPERVISOR_SLOTS + 1,
                                 error_r);
        if (metrics == NULL) {
            return -1;
        }
    }

    metrics_destroy(&s->metrics);
    s->metrics = metrics;

    return 0;
}


static void
supervisor_reload(supervisor_t *s)
{
    char      error[CONF_ERROR];
    conf_t   *conf, *old;
    unsigned  slot;

    conf = conf_load(s->path, error);

    if (conf && log_open(conf->log.file, (log_level_e) conf->log.level) != 0) {
        snprintf(error, sizeof(error), "cannot open the log \"%.300s\": %s",
                 conf->log.file, strerror(errno));
        conf_free(&conf);
    }

    if (conf && supervisor_listen(s, conf, error) != 0) {
        (void) log_open(s->conf->log.file, (log_level_e) s->conf->log.level);
        conf_free(&conf);
    }

    if (conf == NULL) {
        counters_add(&s->counters[SUPERVISOR_OWN], reload_failures, 1);
        LOG(LOG_ERROR, "reload_failed", log_text("reason", error));
        return;
    }

    /* the old ones are told after the new ones have been started */

    for (slot = 0; slot < SUPERVISOR_SLOTS; slot++) {
        if (s->slots[slot].state == SLOT_WORKING
            || s->slots[slot].state == SLOT_WAITING)
        {
            s->slots[slot].leader = false;
            s->slots[slot].deaths = UINT32_MAX;     /* marks the old ones */
        }
    }

    old = s->conf;
    s->conf = conf;

    if (supervisor_start_all(s) != 0) {
        LOG(LOG_ERROR, "too_many_runners",
            log_text("reason", "too many are still leaving"));
    }

    for (slot = 0; slot < SUPERVISOR_SLOTS; slot++) {
        if (s->slots[slot].deaths == UINT32_MAX) {
            s->slots[slot].deaths = 0;
            supervisor_tell(s, slot);
        }
    }

    conf_free(&old);

    counters_add(&s->counters[SUPERVISOR_OWN], reloads, 1);
    LOG(LOG_INFO, "reloaded", log_text("file", s->path));
}


/* signals */

static void
supervisor_on_usr1(supervisor_t *s)
{
    unsigned  slot;

    if (log_reopen() != 0) {
        LOG(LOG_ERROR, "log_not_reopened", log_text("reason", strerror(errno)));
    }

    for (slot = 0; slot < SUPERVISOR_SLOTS; slot++) {
        if (s->slots[slot].state == SLOT_WORKING
            || s->slots[slot].state == SLOT_LEAVING)
        {
            kill(s->slots[slot].pid, SIGUSR1);
        }
    }
}


static void
supervisor_on_signals(supervisor_t *s)
{
    struct signalfd_siginfo  info;

    while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {

        switch (info.ssi_signo) {

        case SIGTERM:
        case SIGINT:
            LOG(LOG_INFO, "stopping", log_num("signal", info.ssi_signo));
            supervisor_stop_all(s);
            break;

        case SIGHUP:
            if (!s->stopping) {
                supervisor_reload(s);
            }
            break;

        case SIGUSR1:
            supervisor_on_usr1(s);
            break;

        default: /* SIGCHLD */
            supervisor_reap(s);
            break;
        }
    }
}


static void
supervisor_loop(supervisor_t *s)
{
    int            timeout, own;
    nfds_t         n;
    struct pollfd  fds[2];

    for ( ;; ) {
        timeout = supervisor_due(s);

        if (s->stopping && supervisor_is_done(s)) {
            return;
        }

        n = 0;
        fds[n++] = (struct pollfd) { s->signals, POLLIN, 0 };

        if (s->metrics) {
            own = metrics_timeout(s->metrics);
            timeout = own >= 0 && own < timeout ? own : timeout;
            fds[n++] = (struct pollfd) { metrics_fd(s->metrics), POLLIN, 0 };
        }

        (void) poll(fds, n, timeout);

        if (s->metrics) {
            metrics_run(s->metrics);
        }

        supervisor_on_signals(s);
    }
}


/* the start */

static int
supervisor_open_signals(supervisor_t *s)
{
    sigset_t  set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);

    sigprocmask(SIG_BLOCK, &set, &s->mask);
    signal(SIGPIPE, SIG_IGN);

    s->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);

    return s->signals < 0 ? -1 : 0;
}


static int
supervisor_check_locks(const conf_t *conf, char *error_r)
{
    int       fd;
    unsigned  slot;

    for (slot = 0; slot < (unsigned) conf->worker.runners; slot++) {
        fd = runner_lock(conf, slot, SUPERVISOR_PATIENCE, error_r);
        if (fd < 0) {
            return -1;
        }

        close(fd);
    }

    return 0;
}


static int
supervisor_write_pid(const char *path, char *error_r)
{
    FILE  *file;

    file = fopen(path, "we");

    if (file == NULL || fprintf(file, "%ld\n", (long) getpid()) < 0
        || fclose(file) != 0)
    {
        snprintf(error_r, CONF_ERROR, "cannot write the pid file \"%.300s\": "
                 "%s", path, strerror(errno));
        return -1;
    }

    return 0;
}


static int
supervisor_up(supervisor_t *s, char *error_r)
{
    conf_t  *conf;

    conf = s->conf;

    if (log_open(conf->log.file, (log_level_e) conf->log.level) != 0) {
        snprintf(error_r, CONF_ERROR, "cannot open the log \"%.300s\": %s",
                 conf->log.file, strerror(errno));
        return -1;
    }

    s->counters = counters_map(SUPERVISOR_SLOTS + 1);

    if (s->counters == NULL || supervisor_open_signals(s) != 0) {
        snprintf(error_r, CONF_ERROR, "%s", strerror(errno));
        return -1;
    }

    if (supervisor_check_locks(conf, error_r) != 0
        || supervisor_listen(s, conf, error_r) != 0)
    {
        return -1;
    }

    return conf->worker.pid_file
           ? supervisor_write_pid(conf->worker.pid_file, error_r) : 0;
}


static void
supervisor_down(supervisor_t *s)
{
    metrics_destroy(&s->metrics);

    if (s->counters) {
        counters_unmap(&s->counters, SUPERVISOR_SLOTS + 1);
    }

    if (s->signals > 0) {
        close(s->signals);
    }

    conf_free(&s->conf);
    log_close();
}


int
supervisor_main(conf_t **conf, const char *path)
{
    int            code;
    char           error[CONF_ERROR], *pid_file;
    supervisor_t  *s;

    s = mem_alloc(sizeof(supervisor_t));
    s->conf = *conf;
    s->path = path;
    s->pid = getpid();
    *conf = NULL;

    pid_file = s->conf->worker.pid_file ? mem_text(s->conf->worker.pid_file)
                                        : NULL;

    if (supervisor_up(s, error) != 0) {
        fprintf(stderr, "weir-worker: %s\n", error);
        s->code = 1;

    } else {
        LOG(LOG_INFO, "started", log_num("pid", s->pid),
            log_text("file", path));
        (void) supervisor_start_all(s);
        supervisor_loop(s);

        if (pid_file) {
            unlink(pid_file);
        }

        LOG(LOG_INFO, "stopped", log_num("code", s->code));

        if (s->code) {
            fprintf(stderr, "weir-worker: refused to run; the log says why\n");
        }
    }

    code = s->code;
    supervisor_down(s);

    free(pid_file);
    free(s);

    return code;
}
