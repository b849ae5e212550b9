/*
 * The supervisor.  Owns the counters that the runners share with it, the pid
 * file and the HTTP server; never talks to Redis or to a provider.  The runners
 * themselves are slots.c's.
 */

#include "supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/signalfd.h>

#include "counters.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "runner.h"
#include "slots.h"


#define SUPERVISOR_PATIENCE  3000       /* ms for locks at the start */


typedef struct {
    conf_t        *conf;
    const char    *path;
    counters_t    *counters;
    metrics_t     *metrics;
    slots_t       *slots;
    sigset_t       mask;        /* before ours */
    int            signals;
    bool           stopping;
} supervisor_t;


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
        metrics = metrics_create(is, s->counters, SLOTS_MAX + 1,
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
    char     error[CONF_ERROR];
    conf_t  *conf, *old;

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
        counters_add(&s->counters[SLOTS_MAX], reload_failures, 1);
        LOG(LOG_ERROR, "reload_failed", log_text("reason", error));
        return;
    }

    old = s->conf;
    s->conf = conf;

    if (slots_renew(s->slots, conf) != 0) {
        LOG(LOG_ERROR, "too_many_runners",
            log_text("reason", "too many are still leaving"));
    }

    conf_free(&old);

    counters_add(&s->counters[SLOTS_MAX], reloads, 1);
    LOG(LOG_INFO, "reloaded", log_text("file", s->path));
}


/* signals */

static void
supervisor_stop(supervisor_t *s)
{
    s->stopping = true;
    slots_stop(s->slots);
}


static void
supervisor_on_usr1(supervisor_t *s)
{
    if (log_reopen() != 0) {
        LOG(LOG_ERROR, "log_not_reopened", log_text("reason", strerror(errno)));
    }

    slots_signal(s->slots, SIGUSR1);
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
            supervisor_stop(s);
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
            slots_reap(s->slots);
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
        timeout = slots_due(s->slots);
        s->stopping |= slots_are_refused(s->slots);

        if (s->stopping && slots_is_done(s->slots)) {
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

    s->counters = counters_map(SLOTS_MAX + 1);

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

    if (s->slots) {
        slots_destroy(&s->slots);
    }

    if (s->counters) {
        counters_unmap(&s->counters, SLOTS_MAX + 1);
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
    *conf = NULL;

    pid_file = s->conf->worker.pid_file ? mem_text(s->conf->worker.pid_file)
                                        : NULL;

    if (supervisor_up(s, error) != 0) {
        fprintf(stderr, "weir-worker: %s\n", error);
        code = 1;

    } else {
        LOG(LOG_INFO, "started", log_num("pid", getpid()),
            log_text("file", path));

        s->slots = slots_create(s->counters, &s->mask);
        (void) slots_renew(s->slots, s->conf);
        supervisor_loop(s);
        code = slots_are_refused(s->slots) ? 1 : 0;

        if (pid_file) {
            unlink(pid_file);
        }

        LOG(LOG_INFO, "stopped", log_num("code", code));

        if (code) {
            fprintf(stderr, "weir-worker: refused to run; the log says why\n");
        }
    }

    supervisor_down(s);

    free(pid_file);
    free(s);

    return code;
}
