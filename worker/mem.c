/*
 * Memory that dies instead of failing.  Owns nothing: whoever asked frees.
 */

#include "mem.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <sys/random.h>


void
mem_die(void)
{
    static const char  text[] = "weir: out of memory\n";

    (void) !write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(70);
}


void
mem_check(bool failed)
{
    if (failed) {
        mem_die();
    }
}


void *
mem_alloc(size_t size)
{
    void  *p;

    p = calloc(1, size ? size : 1);
    if (p == NULL) {
        mem_die();
    }

    return p;
}


void *
mem_grow(void *p, size_t size)
{
    p = realloc(p, size);
    if (p == NULL) {
        mem_die();
    }

    return p;
}


char *
mem_copy(weir_str_t s)
{
    char  *p;

    p = mem_alloc(s.len + 1);

    if (s.len) {
        memcpy(p, s.data, s.len);
    }

    return p;
}


char *
mem_text(const char *text)
{
    return mem_copy(weir_str_of(text));
}


uint32_t
mem_chance(void)
{
    uint32_t         n;
    struct timespec  ts;

    if (getrandom(&n, sizeof(n), GRND_NONBLOCK) == sizeof(n)) {
        return n;
    }

    /* early boot; this only spreads waiting times, no secret rests on it */

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint32_t) ts.tv_nsec * 2654435761u;
}
