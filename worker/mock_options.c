/*
 * Reads the command line; opens and listens to nothing.
 */

#include "mock_options.h"

#include <getopt.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir_version.h"


#define LISTEN_DEFAULT  "127.0.0.1:0"


static const char  help[] =
"usage: weir-mock-llm [options]\n"
"An HTTP server that speaks as OpenAI and Anthropic do, and misbehaves when\n"
"told to.\n"
"\n"
"  --listen ADDR:PORT   numeric address, IPv6 in brackets; port 0: a free one\n"
"                       (default " LISTEN_DEFAULT ")\n"
"  --port-file PATH     write the port's number there, once listening\n"
"  --call-log PATH      append a line at each begin and end of a tagged call\n"
"  --plan DIRECTIVES    default behaviour, such as \"delay=200 status=503\"\n"
"  --help               this text\n"
"  --version            the version\n";


static const struct option  long_options[] = {
    { "listen",    required_argument, NULL, 'l' },
    { "port-file", required_argument, NULL, 'f' },
    { "call-log",  required_argument, NULL, 'c' },
    { "plan",      required_argument, NULL, 'p' },
    { "help",      no_argument,       NULL, 'h' },
    { "version",   no_argument,       NULL, 'v' },
    { NULL, 0, NULL, 0 }
};


__attribute__((format(printf, 1, 2), noreturn))
static void
usage_error(const char *fmt, ...)
{
    va_list  args;

    fputs("weir-mock-llm: ", stderr);

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);

    fputs("; see --help\n", stderr);
    exit(2);
}


static void
address_set(struct mock_options *options, const char *text)
{
    char              host[64], *end;
    const char       *colon, *from;
    size_t            len;
    unsigned long     port;
    struct addrinfo   hints, *found;

    colon = strrchr(text, ':');
    if (colon == NULL) {
        usage_error("bad address \"%s\" of --listen: expected ADDR:PORT",
                    text);
    }

    from = text;
    len = (size_t) (colon - text);

    if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
        from++;
        len -= 2;

    } else if (memchr(text, ':', len) != NULL) {
        usage_error("bad address \"%s\" of --listen: IPv6 needs brackets",
                    text);
    }

    port = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || port > 65535) {
        usage_error("bad port \"%s\" of --listen: expected 0 to 65535",
                    colon + 1);
    }

    snprintf(host, sizeof(host), "%.*s", (int) len, from);

    hints = (struct addrinfo) {
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
        .ai_socktype = SOCK_STREAM
    };

    if (len == 0 || len >= sizeof(host)
        || getaddrinfo(host, colon + 1, &hints, &found) != 0)
    {
        usage_error("bad address \"%s\" of --listen: expected a numeric "
                    "address", text);
    }

    memcpy(&options->address, found->ai_addr, found->ai_addrlen);
    options->address_len = found->ai_addrlen;
    freeaddrinfo(found);
}


static void
plan_set(struct mock_options *options, const char *text)
{
    char  reason[MOCK_PLAN_ERROR];

    mock_plan_init(&options->plan);

    if (!mock_plan_parse(&options->plan, text, strlen(text), reason,
                         sizeof(reason)))
    {
        usage_error("bad --plan: %s", reason);
    }
}


/* the option that getopt_long() stopped at */
static const char *
option_rejected(char **argv)
{
    return argv[optind - 1];
}


void
mock_options_parse(struct mock_options *options, int argc, char **argv)
{
    int  c;

    *options = (struct mock_options) { 0 };
    mock_plan_init(&options->plan);
    address_set(options, LISTEN_DEFAULT);

    opterr = 0;

    while ((c = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        switch (c) {

        case 'l':
            address_set(options, optarg);
            break;

        case 'f':
            if (*optarg == '\0') {
                usage_error("empty path of --port-file");
            }

            options->port_file = optarg;
            break;

        case 'c':
            if (*optarg == '\0') {
                usage_error("empty path of --call-log");
            }

            options->call_log = optarg;
            break;

        case 'p':
            plan_set(options, optarg);
            break;

        case 'h':
            fputs(help, stdout);
            exit(0);

        case 'v':
            puts("weir-mock-llm " WEIR_VERSION);
            exit(0);

        case ':':
            usage_error("option \"%s\" needs a value", option_rejected(argv));

        default:
            usage_error("unknown option \"%s\"", option_rejected(argv));
        }
    }

    if (optind < argc) {
        usage_error("unexpected argument \"%s\"", argv[optind]);
    }
}
