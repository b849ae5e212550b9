/*
 * The operator's tool.  One table of commands; everything else is in the file
 * that a command is named after.
 */

#include "cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>


static int main_version(int argc, char **argv);
static int main_help(int argc, char **argv);


static const cli_command_t  commands[] = {
    { "keys create", "--file F --pepper P --owner NAME [--tier T] "
                     "[--scopes LIST] [--env ENV] [--expires 30d|UNIX] "
                     "[--webhook URL] [--webhook-secret whsec_...]",
      "adds an API key to a key file and prints it, the only time ever",
      keys_create },
    { "keys list", "--file F [--json]",
      "shows the keys of a key file, without digests",
      keys_list },
    { "keys revoke", "--file F ID",
      "ends a key, named by its public id",
      keys_revoke },
    { "jobs show", "[--redis ADDR] [--password-file F] [--db N] [--json] "
                   "JOB_ID",
      "shows a job: its records and what came of it",
      jobs_show },
    { "version", "", "prints the version", main_version },
    { "help", "[COMMAND]", "explains a command, or lists them all",
      main_help },
    { NULL, NULL, NULL, NULL }
};


/* how many arguments the name of c takes up; 0: another command is meant */

static int
main_match(const cli_command_t *c, int argc, char **argv)
{
    size_t       n;
    const char  *space;

    if (argc < 1) {
        return 0;
    }

    space = strchr(c->name, ' ');
    if (space == NULL) {
        return strcmp(c->name, argv[0]) == 0;
    }

    n = (size_t) (space - c->name);

    if (argc < 2 || strlen(argv[0]) != n || memcmp(c->name, argv[0], n) != 0
        || strcmp(space + 1, argv[1]) != 0)
    {
        return 0;
    }

    return 2;
}


static const cli_command_t *
main_find(int argc, char **argv, int *used_r)
{
    const cli_command_t  *c;

    for (c = commands; c->name; c++) {
        *used_r = main_match(c, argc, argv);

        if (*used_r) {
            return c;
        }
    }

    return NULL;
}


static int
main_unknown(int argc, char **argv)
{
    return cli_usage("unknown command \"%s%s%s\"; \"weir help\" lists them",
                     argv[0], argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
}


static int
main_version(int argc, char **argv)
{
    (void) argv;

    if (argc) {
        return cli_usage("too many arguments");
    }

    puts("weir " CLI_VERSION);

    return cli_flush();
}


static int
main_help(int argc, char **argv)
{
    int                   used;
    const cli_command_t  *c;

    if (argc == 0) {
        puts("usage: weir COMMAND ...\n");

        for (c = commands; c->name; c++) {
            printf("  %-12s %s\n", c->name, c->about);
        }

        return cli_flush();
    }

    c = main_find(argc, argv, &used);

    if (c == NULL || used != argc) {
        return main_unknown(argc, argv);
    }

    printf("usage: weir %s%s%s\n\n%s: %s\n", c->name, *c->usage ? " " : "",
           c->usage, c->name, c->about);

    return cli_flush();
}


static int
main_run(int argc, char **argv)
{
    int                   used;
    const cli_command_t  *c;

    c = main_find(argc, argv, &used);
    if (c == NULL) {
        return main_unknown(argc, argv);
    }

    if (argc > used && strcmp(argv[argc - 1], "--help") == 0) {
        return main_help(used, argv);
    }

    return c->run(argc - used, argv + used);
}


int
main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);

    if (argc < 2) {
        return cli_usage("no command given; \"weir help\" lists them");
    }

    if (strcmp(argv[1], "--version") == 0) {
        return main_version(argc - 2, argv + 2);
    }

    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        return main_help(argc - 2, argv + 2);
    }

    return main_run(argc - 1, argv + 1);
}
