/*
 * The checker: reads what there is, tells what should not be.
 */

#include "checker.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>


#define SHOWN_MAX  12           /* of each rule */
#define RULES_MAX  24


static struct {
    char    name[12];
    size_t  n;
} rules[RULES_MAX];


void
violation(const char *rule, const char *fmt, ...)
{
    size_t   i;
    va_list  args;

    for (i = 0; i < RULES_MAX - 1 && rules[i].n; i++) {
        if (strcmp(rules[i].name, rule) == 0) {
            break;
        }
    }

    snprintf(rules[i].name, sizeof(rules[i].name), "%s", rule);

    if (++rules[i].n > SHOWN_MAX) {
        return;
    }

    printf("%s: ", rule);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}


size_t
violations(void)
{
    size_t  i, n;

    for (n = 0, i = 0; i < RULES_MAX; i++) {
        n += rules[i].n;
    }

    return n;
}


int
main(void)
{
    size_t    i;
    course_t  course;

    memset(&course, 0, sizeof(course));

    logs_read(&course);
    redis_read(&course);
    hooks_read(&course);
    aof_read(&course);
    streams_read(&course);
    rules_check(&course);
    asked_check(&course);
    streams_check(&course);

    for (i = 0; i < RULES_MAX; i++) {
        if (rules[i].n > SHOWN_MAX) {
            printf("%s: %zu in all\n", rules[i].name, rules[i].n);
        }
    }

    figures_print(&course);
    asked_print(&course);
    streams_print();
    printf("violations: %zu\n", violations());

    return violations() ? 1 : 0;
}
