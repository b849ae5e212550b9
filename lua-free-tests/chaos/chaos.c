/*
 * Clock, dice, logs and environment of the chaos harness.
 */

#define _GNU_SOURCE

#include "chaos.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


int64_t
chaos_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


/* splitmix64 */

static uint64_t
chaos_next(chaos_dice_t *dice)
{
    uint64_t  z;

    z = (dice->state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;

    return z ^ (z >> 31);
}


void
chaos_dice(chaos_dice_t *dice, uint64_t seed, const char *stream)
{
    dice->state = seed;

    for (; *stream; stream++) {
        dice->state = chaos_next(dice) ^ (unsigned char) *stream;
    }
}


unsigned
chaos_roll(chaos_dice_t *dice, unsigned n)
{
    return (unsigned) (chaos_next(dice) % n);
}


int
chaos_log_open(const char *name)
{
    int  fd;

    fd = open(chaos_path(name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
              0644);
    if (fd < 0) {
        chaos_die("cannot open \"%s\": %s", chaos_path(name), strerror(errno));
    }

    return fd;
}


void
chaos_log(int fd, const char *fmt, ...)
{
    int      n;
    char    *text, *line;
    va_list  args;

    va_start(args, fmt);
    n = vasprintf(&text, fmt, args);
    va_end(args);

    if (n < 0 || (n = asprintf(&line, "%lld %s\n", (long long) chaos_now(),
                               text)) < 0)
    {
        chaos_die("out of memory");
    }

    if (write(fd, line, (size_t) n) != n) {
        chaos_die("cannot write a log: %s", strerror(errno));
    }

    free(line);
    free(text);
}


void
chaos_die(const char *fmt, ...)
{
    va_list  args;

    fprintf(stderr, "chaos %s: ", program_invocation_short_name);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);

    exit(2);
}


const char *
chaos_env(const char *name)
{
    const char  *value;

    value = getenv(name);

    if (value == NULL) {
        chaos_die("%s is not set: start it with \"make chaos\"", name);
    }

    return value;
}


long
chaos_env_number(const char *name, long otherwise)
{
    const char  *value;

    value = getenv(name);

    return value && *value ? strtol(value, NULL, 10) : otherwise;
}


const char *
chaos_path(const char *name)
{
    static char  path[256];

    snprintf(path, sizeof(path), "%.150s/%.80s", chaos_env("CHAOS_DIR"), name);

    return path;
}
