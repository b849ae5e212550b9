/*
 * The operator's tool.  One table of commands; everything else is in the file
 * that a command is named after.
 */

#include "cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "weir_version.h"


static int main_version(int argc, char **argv);
static int main_help(int argc, char **argv);


#define REDIS  "[--redis ADDR] [--password-file F] [--db N]"
#define STORE  "--file F | " REDIS
#define FIELDS "[--tier T] [--scopes LIST] [--models LIST|*] "                \
               "[--limits LIST|none] [--expires 30d|UNIX|none] "              \
               "[--webhook URL|none] [--webhook-secret whsec_...|none]"


static const cli_command_t  commands[] = {
    { "keys create", STORE " --pepper P --owner NAME [--env ENV] " FIELDS
                     " [--json]",
      "makes an API key and prints it, the only time ever",
      keys_create },
    { "keys list", STORE " [--owner NAME] [--state STATE] [--json]",
      "lists the keys, without digests",
      keys_list },
    { "keys show", STORE " [--json] ID",
      "shows a key, named by its public id",
      keys_show },
    { "keys update", STORE " " FIELDS " ID",
      "changes what a key may do",
      keys_update },
    { "keys rotate", STORE " --pepper P [--overlap 24h] [--end first|second] "
                     "[--env ENV] [--json] ID",
      "gives a key another secret; the old one is accepted for a while",
      keys_rotate },
    { "keys revoke", STORE " ID",
      "ends a key",
      keys_revoke },
    { "keys import", REDIS " --file F [--replace] [--json]",
      "copies the keys of a key file into Redis",
      keys_import },
    { "jobs list", REDIS " [--owner NAME] [--status STATE] [--limit N] "
                   "[--json]",
      "lists an owner's jobs, or all that are not finished",
      jobs_list },
    { "jobs show", REDIS " [--json] JOB_ID",
      "shows a job: its records and what came of it",
      jobs_show },
    { "jobs cancel", REDIS " JOB_ID",
      "cancels a job, running or not",
      jobs_cancel },
    { "jobs retry", REDIS " [--force] JOB_ID",
      "submits a finished job again as a new one, and prints its id",
      jobs_retry },
    { "dead list", REDIS " [--limit N] [--json]",
      "lists the dead letters, the newest first",
      dead_list },
    { "dead show", REDIS " [--payload] [--json] JOB_ID",
      "shows a dead letter; with --payload what was asked, too",
      dead_show },
    { "dead retry", REDIS " JOB_ID | --all --yes",
      "submits dead letters again; prints old and new ids",
      dead_retry },
    { "dead drop", REDIS " JOB_ID | --all --yes",
      "forgets dead letters and what they asked",
      dead_drop },
    { "queue stats", REDIS " [--json]",
      "shows the state of the queue",
      queue_stats },
    { "queue pause", REDIS " [--wait [--timeout SECONDS]]",
      "keeps runners from claiming; --wait until nothing is in hand",
      queue_pause },
    { "queue resume", REDIS,
      "lets runners claim again",
      queue_resume },
    { "webhooks list", REDIS " [--json]",
      "shows the webhooks that wait to be delivered",
      webhooks_list },
    { "webhooks redeliver", REDIS " JOB_ID",
      "delivers a job's webhook again, now",
      webhooks_redeliver },
    { "usage", REDIS " [--owner NAME] [--from DAY] [--to DAY] [--json]",
      "shows what owners used, day by day: jobs, tokens, cost",
      usage },
    { "cache stats", REDIS " [--json]",
      "shows the answers that are kept, and what was purged",
      cache_stats },
    { "cache purge", REDIS " --all | --key HEX | --owner NAME | --model NAME "
                     "| --class NAME | --tag NAME",
      "makes answers void, on all nodes within a second",
      cache_purge },
    { "cache warm", "--url URL --key-file F [--class low] FILE.jsonl",
      "submits the chat requests of a file, so that their answers are there",
      cache_warm },
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

    puts("weir " WEIR_VERSION);

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
            printf("  %-18s %s\n", c->name, c->about);
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
