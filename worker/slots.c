/*
 * The table of runners.  Owns their processes, and who may write to which
 * counters.
 *
 * A runner's place in the table is its slot: its consumer's name, its lock and
 * its counters.  After a reload the new runners take free slots while the old
 * ones drain in theirs, so that the set of names stays small.
 */

#define _GNU_SOURCE                 /* close_range */

#include "slots.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "log.h"
#include "mem.h"
#include "runner.h"
#include "weir_backoff.h"


#define SLOTS_QUICK       10000     /* ms: dying sooner is quick */
#define SLOTS_WAIT        200       /* ms: who never claimed, first wait */
#define SLOTS_WAIT_MAX    10000     /* ms */
#define SLOTS_AGAIN       50        /* ms: who had claimed, second death */
#define SLOTS_AGAIN_MAX   500       /* ms */
#define SLOTS_GRACE       10000     /* ms beyond drain_timeout */


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
    bool           old;         /* of the configuration before */
    bool           claimed;     /* it has taken work */
    bool           hung;        /* and was killed for it */
    unsigned       early;       /* quick deaths before claiming, in a row */
    unsigned       quick;       /* and after it */
    uint64_t       started;     /* ms, monotonic */
    uint64_t       drain;       /* ms, of its configuration */
    uint64_t       at;          /* ms, monotonic */
} slot_t;


struct slots_s {
    conf_t        *conf;
    counters_t    *counters;
    counters_t    *own;
    sigset_t       mask;
    pid_t          pid;
    slot_t         slots[SLOTS_MAX];
    uint64_t       looked;      /* ms, monotonic */
    uint64_t       woke;        /* ms: not looked at before */
    bool           stopping;
    bool           ready;       /* some runner has claimed once */
    bool           refused;
};


static uint64_t
slots_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}


/* starting */

static void
slots_child(slots_t *s, unsigned slot)
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
slots_start(slots_t *s, unsigned slot)
{
    pid_t    pid;
    slot_t  *c;

    c = &s->slots[slot];
    log_flush();
    counters_set(&s->counters[slot], beat, 0);

    pid = fork();

    if (pid == 0) {
        slots_child(s, slot);
    }

    c->started = slots_now();
    c->drain = (uint64_t) s->conf->worker.drain_timeout;
    c->claimed = false;
    c->hung = false;

    if (pid < 0) {
        LOG(LOG_ERROR, "fork_failed", log_text("reason", strerror(errno)));
        c->state = SLOT_WAITING;
        c->at = c->started + SLOTS_WAIT;
        return;
    }

    c->pid = pid;
    c->state = SLOT_WORKING;

    counters_add(s->own, starts, 1);
    counters_set(&s->counters[slot], runners, 1);
}


static int
slots_start_all(slots_t *s)
{
    unsigned  slot, n;

    n = (unsigned) s->conf->worker.runners;

    for (slot = 0; slot < SLOTS_MAX && n; slot++) {
        if (s->slots[slot].state == SLOT_FREE) {
            memset(&s->slots[slot], 0, sizeof(slot_t));
            s->slots[slot].leader = (n == (unsigned) s->conf->worker.runners);
            slots_start(s, slot);
            n--;
        }
    }

    return n ? -1 : 0;
}


/* stopping */

/* again: who is leaving already is to hand back at once */

static void
slots_tell(slots_t *s, unsigned slot, bool again)
{
    slot_t  *c;

    c = &s->slots[slot];

    switch (c->state) {

    case SLOT_WORKING:
        c->state = SLOT_LEAVING;
        c->at = slots_now() + c->drain + SLOTS_GRACE;
        kill(c->pid, SIGTERM);
        break;

    case SLOT_LEAVING:
        if (again) {
            kill(c->pid, SIGTERM);
        }

        break;

    case SLOT_WAITING:
        c->state = SLOT_FREE;
        break;

    default: /* SLOT_FREE */
        break;
    }
}


void
slots_stop(slots_t *s)
{
    bool      again;
    unsigned  slot;

    /* those who leave after a reload have been told, but not twice */

    again = s->stopping;
    s->stopping = true;

    for (slot = 0; slot < SLOTS_MAX; slot++) {
        slots_tell(s, slot, again);
    }
}


bool
slots_is_done(const slots_t *s)
{
    unsigned  slot;

    for (slot = 0; slot < SLOTS_MAX; slot++) {
        if (s->slots[slot].state != SLOT_FREE) {
            return false;
        }
    }

    return true;
}


int
slots_renew(slots_t *s, conf_t *conf)
{
    int       rc;
    unsigned  slot;

    for (slot = 0; slot < SLOTS_MAX; slot++) {
        if (s->slots[slot].state == SLOT_WORKING
            || s->slots[slot].state == SLOT_WAITING)
        {
            s->slots[slot].leader = false;
            s->slots[slot].old = true;
        }
    }

    /* the old ones are told after the new ones have been started */

    s->conf = conf;
    rc = slots_start_all(s);

    for (slot = 0; slot < SLOTS_MAX; slot++) {
        if (s->slots[slot].old) {
            s->slots[slot].old = false;
            slots_tell(s, slot, false);
        }
    }

    return rc;
}


void
slots_signal(const slots_t *s, int signo)
{
    unsigned  slot;

    for (slot = 0; slot < SLOTS_MAX; slot++) {
        if (s->slots[slot].state == SLOT_WORKING
            || s->slots[slot].state == SLOT_LEAVING)
        {
            kill(s->slots[slot].pid, signo);
        }
    }
}


/* deaths */

static void
slots_log_death(unsigned slot, pid_t pid, int status)
{
    if (WIFSIGNALED(status)) {
        LOG(LOG_ERROR, "runner_died", log_num("slot", slot),
            log_num("pid", pid), log_num("signal", WTERMSIG(status)));

    } else {
        LOG(LOG_ERROR, "runner_died", log_num("slot", slot),
            log_num("pid", pid), log_num("code", WEXITSTATUS(status)));
    }
}


/* ms until it is started again.  Who had work must come back soon, to take it
 * up again; who never got so far would most likely not this time either. */

static uint64_t
slots_wait(slot_t *c, bool quick)
{
    uint64_t  wait;

    if (c->claimed) {
        c->early = 0;
        c->quick = quick ? c->quick + 1 : 0;

        if (c->quick < 2) {
            return 0;
        }

        wait = SLOTS_AGAIN << (c->quick < 8 ? c->quick - 2 : 6);

        return wait < SLOTS_AGAIN_MAX ? wait : SLOTS_AGAIN_MAX;
    }

    c->early = quick ? c->early + 1 : 0;

    return c->early > 1 ? weir_backoff(c->early - 1, SLOTS_WAIT, SLOTS_WAIT_MAX,
                                       0, mem_chance())
                        : 0;
}


static void
slots_on_death(slots_t *s, unsigned slot, int status)
{
    slot_t    *c;
    uint64_t   now;

    c = &s->slots[slot];
    now = slots_now();

    c->claimed |= (counters_get(&s->counters[slot], claiming) != 0);
    counters_clear_gauges(&s->counters[slot]);

    if (c->state == SLOT_LEAVING || s->stopping) {
        if (status != 0) {
            slots_log_death(slot, c->pid, status);
        }

        c->state = SLOT_FREE;
        return;
    }

    slots_log_death(slot, c->pid, status);
    counters_add(s->own, deaths, 1);

    if (WIFEXITED(status) && WEXITSTATUS(status) == RUNNER_REFUSED
        && !s->ready)
    {
        /* it would be refused again: the operator is still looking */

        c->state = SLOT_FREE;
        s->refused = true;
        slots_stop(s);
        return;
    }

    c->at = now + slots_wait(c, now - c->started < SLOTS_QUICK);
    c->state = SLOT_WAITING;
}


void
slots_reap(slots_t *s)
{
    int       status;
    pid_t     pid;
    unsigned  slot;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {

        for (slot = 0; slot < SLOTS_MAX; slot++) {
            if (s->slots[slot].pid == pid && s->slots[slot].state != SLOT_FREE)
            {
                slots_on_death(s, slot, status);
                break;
            }
        }
    }
}


/* looking after them */

static uint64_t
slots_later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}


/* A process that was stopped for a while, or a machine, does not blame the
 * others for their silence. */

static void
slots_check_hang(slots_t *s, unsigned slot, uint64_t now)
{
    slot_t    *c;
    uint64_t   heard, patience;

    c = &s->slots[slot];
    patience = (uint64_t) s->conf->worker.hang_timeout;

    heard = slots_later(counters_get(&s->counters[slot], beat),
                        slots_later(c->started, s->woke));

    if (patience && !c->hung && now > heard && now - heard > patience) {
        LOG(LOG_ERROR, "runner_killed", log_num("slot", slot),
            log_text("reason", "its loop made no turn"),
            log_num("ms", (long long) (now - heard)));

        c->hung = true;
        kill(c->pid, SIGKILL);
    }
}


static void
slots_check(slots_t *s, unsigned slot, uint64_t now)
{
    slot_t  *c;

    c = &s->slots[slot];

    if (counters_get(&s->counters[slot], claiming)) {
        c->claimed = true;
        s->ready = true;
    }

    if (c->state == SLOT_WORKING || c->state == SLOT_LEAVING) {
        slots_check_hang(s, slot, now);
    }

    if (c->state == SLOT_WAITING && c->at <= now) {
        slots_start(s, slot);
    }

    if (c->state == SLOT_LEAVING && c->at <= now) {
        LOG(LOG_ERROR, "runner_killed", log_num("slot", slot),
            log_text("reason", "it does not leave"));
        kill(c->pid, SIGKILL);
        c->at = now + SLOTS_GRACE;
    }
}


int
slots_due(slots_t *s)
{
    int        left;
    slot_t    *c;
    uint64_t   now;
    unsigned   slot;

    now = slots_now();
    left = SLOTS_LOOK;

    if (now - s->looked > 3 * SLOTS_LOOK) {
        s->woke = now;
    }

    s->looked = now;

    for (slot = 0; slot < SLOTS_MAX; slot++) {
        c = &s->slots[slot];

        if (c->state == SLOT_FREE) {
            continue;
        }

        slots_check(s, slot, now);

        if ((c->state == SLOT_WAITING || c->state == SLOT_LEAVING)
            && c->at < now + (uint64_t) left)
        {
            left = c->at > now ? (int) (c->at - now) : 0;
        }
    }

    return left;
}


bool
slots_are_refused(const slots_t *s)
{
    return s->refused;
}


slots_t *
slots_create(counters_t *counters, const sigset_t *mask)
{
    slots_t  *s;

    s = mem_alloc(sizeof(slots_t));
    s->counters = counters;
    s->own = &counters[SLOTS_MAX];
    s->mask = *mask;
    s->pid = getpid();
    s->looked = slots_now();

    return s;
}


void
slots_destroy(slots_t **s)
{
    free(*s);
    *s = NULL;
}
