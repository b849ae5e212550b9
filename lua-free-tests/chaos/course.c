/*
 * The course of the faults, and those whom they may hit.  The course depends on
 * the seed and the numbers alone; who is alive at its time does not.
 */

#define _GNU_SOURCE

#include "nemesis.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


#define LOCK_PREFIX  "/weir-"
#define LOCK_SUFFIX  ".lock"


const char *const  fault_names[] = {
    "kill", "pause", "host", "away", "redis", "freeze", "clients",
    "drop-edge", "drop-worker", "stall", "nginx", "reload"
};

static const char *const  fault_numbers[] = {
    "CHAOS_KILLS", "CHAOS_PAUSES", "CHAOS_HOSTS", "CHAOS_AWAYS",
    "CHAOS_REDIS_KILLS", "CHAOS_FREEZES", "CHAOS_CLIENT_KILLS", "CHAOS_DROPS",
    "CHAOS_DROPS", "CHAOS_STALLS", "CHAOS_NGINX_KILLS", "CHAOS_RELOADS"
};


static pid_t  killed[64];       /* the last ones */


static int
fault_order(const void *a, const void *b)
{
    const fault_t  *x, *y;

    x = a;
    y = b;

    return x->at != y->at ? (x->at > y->at) - (x->at < y->at)
                          : (x->kind > y->kind) - (x->kind < y->kind);
}


fault_t *
course_make(uint64_t seed, unsigned ms, size_t *n_r)
{
    long           number;
    size_t         i, n;
    fault_e        kind;
    fault_t       *course;
    chaos_dice_t   d;

    n = 0;

    for (kind = 0; kind < FAULT_KINDS; kind++) {
        n += (size_t) chaos_env_number(fault_numbers[kind], 0);
    }

    course = calloc(n + 1, sizeof(fault_t));
    if (course == NULL) {
        chaos_die("out of memory");
    }

    for (n = 0, kind = 0; kind < FAULT_KINDS; kind++) {

        /* each kind has dice of its own: more kills do not move the others */

        chaos_dice(&d, seed, fault_names[kind]);
        number = chaos_env_number(fault_numbers[kind], 0);

        for (i = 0; i < (size_t) number; i++, n++) {
            course[n].kind = kind;
            course[n].dice = chaos_roll(&d, 1u << 30);
            course[n].at = kind == FAULT_RELOAD
                           ? ms / 3 + 2000 * (unsigned) i     /* a storm */
                           : chaos_roll(&d, ms);
        }
    }

    qsort(course, n, sizeof(fault_t), fault_order);
    *n_r = n;

    return course;
}


/* targets */

pid_t
target_server(const char *name)
{
    int    pid;
    char   path[96];
    FILE  *f;

    snprintf(path, sizeof(path), "%.60s.pid", name);
    f = fopen(chaos_path(path), "r");
    pid = 0;

    if (f) {
        if (fscanf(f, "%d", &pid) != 1) {
            pid = 0;
        }

        fclose(f);
    }

    return pid;
}


static size_t
children(pid_t parent, pid_t pids_r[TARGETS_MAX])
{
    int     pid;
    char    path[64];
    FILE   *f;
    size_t  n;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int) parent,
             (int) parent);
    f = fopen(path, "r");
    n = 0;

    if (f) {
        while (n < TARGETS_MAX && fscanf(f, "%d", &pid) == 1) {
            pids_r[n++] = pid;
        }

        fclose(f);
    }

    return n;
}


/* One that was killed may hold its lock for a moment more. */

static bool
is_dying(pid_t pid)
{
    size_t  i;

    for (i = 0; i < sizeof(killed) / sizeof(killed[0]); i++) {
        if (killed[i] == pid) {
            return true;
        }
    }

    return false;
}


void
targets_killed(pid_t pid)
{
    static size_t  next;

    killed[next++ % (sizeof(killed) / sizeof(killed[0]))] = pid;
}


/* a runner holds the lock that guards its name */

static bool
is_runner(pid_t pid, char consumer[80])
{
    bool            found;
    char            path[64], name[300], link[256], *slash, *end;
    DIR            *dir;
    ssize_t         n;
    struct dirent  *e;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int) pid);
    dir = opendir(path);
    found = false;

    while (dir && !found && (e = readdir(dir)) != NULL) {
        snprintf(name, sizeof(name), "%s/%.200s", path, e->d_name);
        n = readlink(name, link, sizeof(link) - 1);
        link[n > 0 ? n : 0] = '\0';
        slash = strrchr(link, '/');
        end = slash ? strstr(slash, LOCK_SUFFIX) : NULL;

        if (end && strncmp(slash, LOCK_PREFIX, strlen(LOCK_PREFIX)) == 0) {
            *end = '\0';
            snprintf(consumer, 80, "%.79s", slash + strlen(LOCK_PREFIX));
            found = true;
        }
    }

    if (dir) {
        closedir(dir);
    }

    return found;
}


size_t
targets_runners(target_t targets_r[TARGETS_MAX])
{
    char      name[32];
    pid_t     pids[TARGETS_MAX], server;
    size_t    i, n, count;
    unsigned  w;

    n = 0;

    for (w = 0; w < (unsigned) chaos_env_number("CHAOS_WORKERS", 2); w++) {
        snprintf(name, sizeof(name), "worker%u", w);
        server = target_server(name);
        count = server ? children(server, pids) : 0;

        for (i = 0; i < count && n < TARGETS_MAX; i++) {
            if (!is_dying(pids[i])
                && is_runner(pids[i], targets_r[n].consumer))
            {
                targets_r[n++].pid = pids[i];
            }
        }
    }

    return n;
}


size_t
targets_nginx(target_t targets_r[TARGETS_MAX])
{
    pid_t   pids[TARGETS_MAX], server;
    size_t  i, k, n, count;

    for (n = 0, k = 0; k < 2; k++) {
        server = target_server(k ? "nginx1" : "nginx");
        count = server ? children(server, pids) : 0;

        for (i = 0; i < count && n < TARGETS_MAX; i++, n++) {
            targets_r[n].pid = pids[i];
            targets_r[n].consumer[0] = '\0';
        }
    }

    return n;
}
