/*
 * The nemesis: harms runners, workers, Redis and nginx as the course says, and
 * writes down what it did:
 *
 *     <ms> fault KIND PID BEGIN END      when it is over; ms of both
 *     <ms> held PID CONSUMER ENTRY ...   what this runner had in hand
 *     <ms> end
 *
 * A fault that finds no target is put off until there is one, and the rest of
 * the course with it: all of it happens, and not all at once.  Servers are
 * started again by serve.sh, never here.
 */

#define _GNU_SOURCE

#include "nemesis.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>


#define WAKES_MAX    64
#define AGAIN        20         /* ms until a target is looked for again */
#define GIVE_UP      30000      /* ms without any target: nothing restarts */
#define HELD_MAX     400        /* entries of a line */
#define UP_MAX       30000      /* ms for Redis to load its file */


/* a process that sleeps, or a worker that is held down */

typedef struct {
    fault_e   kind;
    pid_t     pid;
    int64_t   begun;
    int64_t   due;
    char      hold[48];         /* file to remove; "": SIGCONT */
} wake_t;


static int           faults;
static wake_t        wakes[WAKES_MAX];
static size_t        nwakes;
static unsigned      lease;
static const char   *classes[] = { "high", "normal", "low" };


static void
note(fault_e kind, pid_t pid, int64_t begun, int64_t end)
{
    chaos_log(faults, "fault %s %d %lld %lld", fault_names[kind], (int) pid,
              (long long) begun, (long long) end);
}


static redisContext *
redis_open(void)
{
    redisContext  *c;

    c = redisConnectUnixWithTimeout(chaos_path("redis.sock"),
                                    (struct timeval) { 0, 200000 });

    if (c && c->err) {
        redisFree(c);
        return NULL;
    }

    if (c) {
        redisSetTimeout(c, (struct timeval) { 0, 300000 });
    }

    return c;
}


static bool
redis_answers(void)
{
    bool           pong;
    redisReply    *reply;
    redisContext  *c;

    c = redis_open();
    reply = c ? redisCommand(c, "PING") : NULL;
    pong = reply && reply->type == REDIS_REPLY_STATUS;

    if (reply) {
        freeReplyObject(reply);
    }

    if (c) {
        redisFree(c);
    }

    return pong;
}


static void
pause_ms(unsigned ms)
{
    nanosleep(&(struct timespec) { ms / 1000, (long) (ms % 1000) * 1000000 },
              NULL);
}


/* what the victim had: whoever claims one of these has recovered it */

static void
note_held(const target_t *t)
{
    int            n;
    char           line[3900];
    size_t         i, k;
    redisReply    *reply;
    redisContext  *c;

    c = redis_open();
    if (c == NULL) {
        return;
    }

    n = 0;
    line[0] = '\0';

    for (i = 0; i < 3 && !c->err; i++) {
        reply = redisCommand(c, "XPENDING weir:{0}:ready:%s weir - + %d %s",
                             classes[i], HELD_MAX / 3, t->consumer);

        for (k = 0; reply && reply->type == REDIS_REPLY_ARRAY
             && k < reply->elements && n < 3800; k++)
        {
            n += snprintf(line + n, sizeof(line) - (size_t) n, " %.40s",
                          reply->element[k]->element[0]->str);
        }

        if (reply) {
            freeReplyObject(reply);
        }
    }

    redisFree(c);
    chaos_log(faults, "held %d %s%s", (int) t->pid, t->consumer, line);
}


static void
wake_later(fault_e kind, pid_t pid, unsigned ms, const char *hold)
{
    wake_t  *w;

    w = &wakes[nwakes++];
    w->kind = kind;
    w->pid = pid;
    w->begun = chaos_now();
    w->due = w->begun + ms;
    snprintf(w->hold, sizeof(w->hold), "%s", hold);
}


static bool
is_asleep(pid_t pid)
{
    size_t  i;

    for (i = 0; i < nwakes; i++) {
        if (wakes[i].pid == pid) {
            return true;
        }
    }

    return false;
}


static void
wake_due(bool all)
{
    size_t   i;
    wake_t   w;

    for (i = 0; i < nwakes; ) {
        w = wakes[i];

        if (w.due > chaos_now()) {

            if (!all) {
                i++;
                continue;
            }

            pause_ms((unsigned) (w.due - chaos_now()));
        }

        if (w.hold[0]) {
            unlink(chaos_path(w.hold));

        } else {
            kill(w.pid, SIGCONT);
        }

        wakes[i] = wakes[--nwakes];

        if (w.kind == FAULT_FREEZE) {
            while (!redis_answers() && chaos_now() < w.due + UP_MAX) {
                pause_ms(5);
            }
        }

        note(w.kind, w.pid, w.begun, chaos_now());
    }
}


/* the faults; false: nobody is there */

static bool
fault_runner(const fault_t *f)
{
    size_t    n;
    int64_t   begun;
    target_t  targets[TARGETS_MAX], *t;

    n = targets_runners(targets);
    if (n == 0) {
        return false;
    }

    t = &targets[f->dice % n];

    if (f->kind == FAULT_PAUSE) {
        if (is_asleep(t->pid) || kill(t->pid, SIGSTOP) != 0) {
            return false;
        }

        note_held(t);
        wake_later(f->kind, t->pid, lease * 5 / 4 + f->dice % lease, "");
        return true;
    }

    begun = chaos_now();

    if (kill(t->pid, SIGKILL) != 0) {
        return false;
    }

    targets_killed(t->pid);
    note_held(t);
    note(f->kind, t->pid, begun, begun);

    return true;
}


/* somebody must be left who can do the work */

static bool
is_other_away(void)
{
    size_t  i;

    for (i = 0; i < nwakes; i++) {
        if (wakes[i].kind == FAULT_AWAY) {
            return true;
        }
    }

    return false;
}


static bool
fault_host(const fault_t *f)
{
    char      name[32], hold[48];
    bool      away;
    FILE     *file;
    pid_t     pid;
    int64_t   begun;

    away = f->kind == FAULT_AWAY && !is_other_away();
    snprintf(name, sizeof(name), "worker%u",
             f->dice % (unsigned) chaos_env_number("CHAOS_WORKERS", 2));
    snprintf(hold, sizeof(hold), "%s.hold", name);
    pid = target_server(name);

    if (pid == 0 || access(chaos_path(hold), F_OK) == 0) {
        return false;
    }

    if (away) {
        file = fopen(chaos_path(hold), "w");
        if (file) {
            fclose(file);
        }
    }

    begun = chaos_now();

    if (kill(pid, SIGKILL) != 0) {
        unlink(chaos_path(hold));
        return false;
    }

    if (away) {
        wake_later(f->kind, pid, 12000, hold);

    } else {
        note(f->kind, pid, begun, begun);
    }

    return true;
}


static bool
fault_redis(const fault_t *f)
{
    pid_t    pid;
    int64_t  begun;

    pid = target_server("redis");
    begun = chaos_now();

    if (pid == 0 || is_asleep(pid)) {
        return false;
    }

    if (f->kind == FAULT_FREEZE) {
        if (kill(pid, SIGSTOP) != 0) {
            return false;
        }

        wake_later(f->kind, pid, 100 + f->dice % 2500, "");
        return true;
    }

    if (kill(pid, SIGKILL) != 0) {
        return false;
    }

    while (!redis_answers() && chaos_now() < begun + UP_MAX) {
        pause_ms(5);
        wake_due(false);
    }

    note(f->kind, pid, begun, chaos_now());

    return true;
}


static bool
fault_clients(const fault_t *f)
{
    redisReply    *reply;
    redisContext  *c;

    c = redis_open();
    if (c == NULL) {
        return false;
    }

    reply = redisCommand(c, "CLIENT KILL TYPE %s",
                         f->dice % 3 ? "normal" : "pubsub");
    note(f->kind, 0, chaos_now(), chaos_now());

    if (reply) {
        freeReplyObject(reply);
    }

    redisFree(c);

    return true;
}


static bool
fault_proxy(const fault_t *f)
{
    int                 fd;
    char                text[64];
    struct sockaddr_un  to = { .sun_family = AF_UNIX };

    if (f->kind == FAULT_STALL) {
        snprintf(text, sizeof(text), "stall %s %u",
                 f->dice % 2 ? "edge" : "worker", 100 + f->dice / 2 % 2500);

    } else {
        snprintf(text, sizeof(text), "drop %s %u",
                 f->kind == FAULT_DROP_EDGE ? "edge" : "worker",
                 1 + f->dice % 5);
    }

    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(to.sun_path, sizeof(to.sun_path), "%.100s",
             chaos_path("proxy.ctl"));

    if (sendto(fd, text, strlen(text), 0, (struct sockaddr *) &to, sizeof(to))
        < 0)
    {
        chaos_die("the proxy is gone");
    }

    close(fd);

    return true;                /* it writes down itself when it happened */
}


static bool
fault_nginx(const fault_t *f)
{
    size_t    n;
    target_t  targets[TARGETS_MAX];
    pid_t     pid;

    n = targets_nginx(targets);
    if (n == 0) {
        return false;
    }

    pid = f->kind == FAULT_RELOAD
          ? target_server(f->dice / 2 % 2 ? "nginx1" : "nginx")
          : targets[f->dice % n].pid;

    if (pid == 0) {
        return false;
    }

    if (kill(pid, f->kind == FAULT_RELOAD ? SIGHUP : SIGKILL) != 0) {
        return false;
    }

    note(f->kind, pid, chaos_now(), chaos_now());

    return true;
}


static bool
fault_do(const fault_t *f)
{
    if (nwakes == WAKES_MAX) {
        return false;
    }

    switch (f->kind) {

    case FAULT_KILL:
    case FAULT_PAUSE:
        return fault_runner(f);

    case FAULT_HOST:
    case FAULT_AWAY:
        return fault_host(f);

    case FAULT_REDIS:
    case FAULT_FREEZE:
        return fault_redis(f);

    case FAULT_CLIENTS:
        return fault_clients(f);

    case FAULT_NGINX:
    case FAULT_RELOAD:
        return fault_nginx(f);

    default:
        return fault_proxy(f);
    }
}


int
main(void)
{
    int       done;
    size_t    i, n;
    int64_t   start, since;
    fault_t  *course;

    faults = chaos_log_open("faults.log");
    lease = (unsigned) chaos_env_number("CHAOS_LEASE", 2000);
    course = course_make((uint64_t) chaos_env_number("CHAOS_SEED", 1),
                         (unsigned) chaos_env_number("CHAOS_MS", 30000), &n);
    start = chaos_now();

    for (i = 0; i < n; i++) {

        do {
            wake_due(false);
            pause_ms(5);
        } while (chaos_now() < start + course[i].at);

        since = chaos_now();

        while (!fault_do(&course[i])) {
            wake_due(false);
            pause_ms(AGAIN);
            course[i].dice++;

            if (chaos_now() > since + GIVE_UP) {
                chaos_log(faults, "missed %s", fault_names[course[i].kind]);
                break;
            }
        }

        start += chaos_now() - since;
    }

    wake_due(true);
    chaos_log(faults, "end");
    free(course);

    done = chaos_log_open("nemesis.done");
    close(done);

    return 0;
}
