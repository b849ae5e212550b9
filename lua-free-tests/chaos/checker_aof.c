/*
 * Redis's append-only file holds what had an effect, and nothing else: the
 * HSETNX that set "fin" is there, those that came too late are not.
 */

#define _GNU_SOURCE

#include "checker.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>


#define ARGS_MAX    64
#define RUN_PREFIX  "weir:{0}:run:"


typedef struct {
    char    *data[ARGS_MAX];
    size_t   size[ARGS_MAX];
    int      n;
} command_t;


static run_t *
find_run(course_t *c, const char *key)
{
    int     n;
    size_t  low, high, mid;

    if (strncmp(key, RUN_PREFIX, sizeof(RUN_PREFIX) - 1) != 0) {
        return NULL;
    }

    key += sizeof(RUN_PREFIX) - 1;

    for (low = 0, high = c->nruns; low < high; ) {
        mid = (low + high) / 2;
        n = strcmp(key, c->runs[mid].id);

        if (n == 0) {
            return &c->runs[mid];
        }

        if (n < 0) {
            high = mid;

        } else {
            low = mid + 1;
        }
    }

    return NULL;
}


static void
take(course_t *c, const command_t *m)
{
    int     i;
    run_t  *run;

    if (m->n < 2) {
        return;
    }

    run = find_run(c, m->data[1]);

    if (run == NULL) {
        return;
    }

    if (strcasecmp(m->data[0], "HSETNX") == 0) {
        if (m->n == 4 && strcmp(m->data[2], "fin") == 0) {
            run->fins++;
        }

    } else if (strcasecmp(m->data[0], "HSET") == 0
               || strcasecmp(m->data[0], "HMSET") == 0)
    {
        for (i = 2; i + 1 < m->n; i += 2) {
            run->overwrites += strcmp(m->data[i], "fin") == 0;
            run->retries += strcmp(m->data[i], "gen") == 0;
        }

    } else if (strcasecmp(m->data[0], "HDEL") == 0) {
        for (i = 2; i < m->n; i++) {
            run->overwrites += strcmp(m->data[i], "fin") == 0;
        }

    } else if (strcasecmp(m->data[0], "DEL") == 0
               || strcasecmp(m->data[0], "UNLINK") == 0)
    {
        run->overwrites += run->fins > 0;
    }
}


static bool
number(FILE *f, char type, long *n_r)
{
    char  line[64];

    do {
        if (fgets(line, sizeof(line), f) == NULL) {
            return false;
        }
    } while (line[0] == '#');               /* a time */

    if (line[0] != type) {
        return false;
    }

    *n_r = strtol(line + 1, NULL, 10);

    return true;
}


static bool
read_command(FILE *f, command_t *m)
{
    long  n, len, i, k;

    if (!number(f, '*', &n)) {
        return false;
    }

    m->n = n < ARGS_MAX ? (int) n : ARGS_MAX;

    for (i = 0; i < n; i++) {

        if (!number(f, '$', &len)) {
            return false;
        }

        k = i < ARGS_MAX ? i : ARGS_MAX - 1;

        if (m->size[k] < (size_t) len + 2) {
            m->size[k] = (size_t) len + 2;
            m->data[k] = realloc(m->data[k], m->size[k]);

            if (m->data[k] == NULL) {
                chaos_die("out of memory");
            }
        }

        if (fread(m->data[k], (size_t) len + 2, 1, f) != 1) {
            return false;
        }

        m->data[k][len] = '\0';
    }

    return true;
}


static int
only_increments(const struct dirent *e)
{
    size_t  n;

    n = strlen(e->d_name);

    return n > 9 && strcmp(e->d_name + n - 9, ".incr.aof") == 0;
}


void
aof_read(course_t *c)
{
    int              i, n;
    char             path[256];
    FILE            *f;
    size_t           commands;
    command_t        m = { 0 };
    struct dirent  **names;

    n = scandir(chaos_path("redis/appendonlydir"), &names, only_increments,
                versionsort);

    for (commands = 0, i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "redis/appendonlydir/%.60s",
                 names[i]->d_name);
        f = fopen(chaos_path(path), "r");

        while (f && read_command(f, &m)) {
            take(c, &m);
            commands++;
        }

        if (f && !feof(f)) {
            violation("aof", "%s cannot be read to its end", path);
        }

        if (f) {
            fclose(f);
        }

        free(names[i]);
    }

    if (commands == 0) {
        violation("aof", "there is nothing in it");
    }

    if (n >= 0) {
        free(names);
    }

    for (i = 0; i < ARGS_MAX; i++) {
        free(m.data[i]);
    }
}
