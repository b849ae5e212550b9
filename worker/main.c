/*
 * weir-worker: options, then the supervisor.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf.h"
#include "fault.h"
#include "supervisor.h"
#include "weir_version.h"


#define MAIN_CONF  "/etc/weir/worker.conf"


static void
main_usage(FILE *to)
{
    fprintf(to,
            "usage: weir-worker [-c FILE] [-t] [-v] [-h]\n"
            "\n"
            "  -c FILE  configuration (default: " MAIN_CONF ")\n"
            "  -t       test the configuration and exit\n"
            "  -v       print the version and exit\n"
            "  -h       print this and exit\n"
            "\n"
            "signals: TERM and INT drain, a second one leaves at once;\n"
            "HUP reads the configuration again; USR1 reopens the log\n");
}


int
main(int argc, char **argv)
{
    int          opt, test;
    char         error[CONF_ERROR];
    conf_t      *conf;
    const char  *path;

    path = MAIN_CONF;
    test = 0;

    while ((opt = getopt(argc, argv, "c:tvh")) != -1) {

        switch (opt) {

        case 'c':
            path = optarg;
            break;

        case 't':
            test = 1;
            break;

        case 'v':
            printf("weir-worker " WEIR_VERSION "\n");
            return 0;

        case 'h':
            main_usage(stdout);
            return 0;

        default:
            main_usage(stderr);
            return 2;
        }
    }

    if (optind < argc) {
        main_usage(stderr);
        return 2;
    }

    conf = conf_load(path, error);

    if (conf == NULL) {
        fprintf(stderr, "weir-worker: %s\n", error);
        return 1;
    }

    if (test) {
        fprintf(stderr, "weir-worker: the configuration file %s is valid\n",
                path);
        conf_free(&conf);
        return 0;
    }

    if (fault_init(error, sizeof(error)) != 0) {
        fprintf(stderr, "weir-worker: %s\n", error);
        conf_free(&conf);
        return 1;
    }

    return supervisor_main(&conf, path);
}
