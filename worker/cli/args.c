/*
 * The arguments of a command, and the one-line messages.  Owns nothing; never
 * exits.
 */

#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "weir_str.h"


static void
args_say(const char *fmt, va_list args)
{
    fputs("weir: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
}


int
cli_failed(const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    args_say(fmt, args);
    va_end(args);

    return CLI_FAILED;
}


int
cli_usage(const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    args_say(fmt, args);
    va_end(args);

    return CLI_USAGE;
}


int
cli_flush(void)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return cli_failed("cannot write to standard output: %s",
                          strerror(errno));
    }

    return CLI_OK;
}


static const cli_option_t *
args_find(const cli_option_t *options, const char *name, size_t len)
{
    for ( /* void */ ; options->name; options++) {
        if (strlen(options->name) == len
            && memcmp(options->name, name, len) == 0)
        {
            return options;
        }
    }

    return NULL;
}


/* argv[*i] starts with "--"; a value may be the next argument */

static int
args_option(int argc, char **argv, int *i, const cli_option_t *options)
{
    size_t               len;
    const char          *name, *eq;
    const cli_option_t  *o;

    name = argv[*i] + 2;
    eq = strchr(name, '=');
    len = eq ? (size_t) (eq - name) : strlen(name);

    o = args_find(options, name, len);
    if (o == NULL) {
        return cli_usage("unknown option \"--%.*s\"", (int) len, name);
    }

    if (o->flag) {
        *o->flag = true;
        return eq ? cli_usage("option \"--%s\" takes no value", o->name)
                  : CLI_OK;
    }

    if (*o->value) {
        return cli_usage("option \"--%s\" is given twice", o->name);
    }

    if (eq == NULL && *i + 1 < argc) {
        *o->value = argv[++*i];
        return CLI_OK;
    }

    if (eq == NULL) {
        return cli_usage("option \"--%s\" needs a value", o->name);
    }

    *o->value = eq + 1;

    return CLI_OK;
}


static int
args_complete(const cli_option_t *options, int got, int nmin, int nmax)
{
    if (got > nmax) {
        return cli_usage("too many arguments");
    }

    if (got < nmin) {
        return cli_usage("an argument is missing");
    }

    for ( /* void */ ; options->name; options++) {
        if (options->required && *options->value == NULL) {
            return cli_usage("option \"--%s\" is required", options->name);
        }
    }

    return CLI_OK;
}


int
args_parse_some(int argc, char **argv, const cli_option_t *options,
    const char **words, int nmin, int nmax)
{
    int   i, n, rc;
    bool  only_words;

    n = 0;
    only_words = false;

    for (i = 0; i < nmax; i++) {
        words[i] = NULL;
    }

    for (i = 0; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;

        } else if (!only_words && strncmp(argv[i], "--", 2) == 0) {
            rc = args_option(argc, argv, &i, options);
            if (rc != CLI_OK) {
                return rc;
            }

        } else if (n++ < nmax) {
            words[n - 1] = argv[i];
        }
    }

    return args_complete(options, n, nmin, nmax);
}


int
args_parse(int argc, char **argv, const cli_option_t *options,
    const char **words, int nwords)
{
    return args_parse_some(argc, argv, options, words, nwords, nwords);
}


int
args_number(const char *name, const char *value, unsigned max, unsigned *n)
{
    int64_t  got;

    if (value == NULL) {
        return CLI_OK;
    }

    if (!weir_str_digits(weir_str_of(value), 9, &got) || got < 1 || got > max) {
        return cli_usage("\"--%s\" must be a number from 1 to %u", name, max);
    }

    *n = (unsigned) got;

    return CLI_OK;
}
