/*
 * weir-mock-llm: stands in for an LLM in the quickstart, in tests and in
 * benchmarks.  Speaks as OpenAI and Anthropic do, deterministically, and
 * misbehaves when told to; see docs/mock-llm.md.  One thread.  This file owns
 * the process: limits, the listening socket, the port file and the end.  It
 * never opens an outgoing connection.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mock_loop.h"
#include "mock_options.h"
#include "mock_server.h"


#define FILES_WANTED    65536
#define FILES_RESERVED  64          /* for what is no connection */
#define BACKLOG         4096


__attribute__((format(printf, 1, 2), noreturn))
static void
die(const char *fmt, ...)
{
    va_list  args;

    fputs("weir-mock-llm: ", stderr);

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);

    fputs("\n", stderr);
    exit(1);
}


/* as many descriptors as the process may have; returns how many */
static unsigned
files_raise(void)
{
    struct rlimit  limit, more;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1) {
        die("getrlimit: %s", strerror(errno));
    }

    /* raising the hard limit takes a privilege */
    more = (struct rlimit) { FILES_WANTED, FILES_WANTED };

    if (limit.rlim_max < FILES_WANTED
        && setrlimit(RLIMIT_NOFILE, &more) == 0)
    {
        return FILES_WANTED;
    }

    limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max
                                                   : FILES_WANTED;

    if (setrlimit(RLIMIT_NOFILE, &limit) == -1) {
        die("setrlimit: %s", strerror(errno));
    }

    return (unsigned) limit.rlim_cur;
}


static unsigned
connections_of(unsigned files)
{
    return files > 2 * FILES_RESERVED ? files - FILES_RESERVED : files / 2;
}


static int
listener_open(const struct mock_options *options)
{
    int                     fd, on;
    const struct sockaddr  *address;

    address = (const struct sockaddr *) &options->address;
    on = 1;

    fd = socket(address->sa_family,
                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd == -1
        || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1
        || bind(fd, address, options->address_len) == -1
        || listen(fd, BACKLOG) == -1)
    {
        die("cannot listen: %s", strerror(errno));
    }

    return fd;
}


/* the address as the user may connect to it; returns the port */
static unsigned
listener_name(int fd, char *name, size_t size)
{
    char                     host[64], port[8];
    socklen_t                len;
    struct sockaddr_storage  address;

    len = sizeof(address);

    if (getsockname(fd, (struct sockaddr *) &address, &len) == -1
        || getnameinfo((struct sockaddr *) &address, len, host, sizeof(host),
                       port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV)
           != 0)
    {
        die("cannot tell the port");
    }

    snprintf(name, size, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
             host, port);

    return (unsigned) strtoul(port, NULL, 10);
}


/* by rename, so that a reader finds the whole number or no file */
static void
port_file_write(const char *path, unsigned port)
{
    char  *tmp;
    FILE  *file;

    if (asprintf(&tmp, "%s.%ld.tmp", path, (long) getpid()) == -1) {
        die("out of memory");
    }

    file = fopen(tmp, "w");
    if (file == NULL) {
        die("cannot write \"%s\": %s", tmp, strerror(errno));
    }

    if (fprintf(file, "%u\n", port) < 0 || fclose(file) != 0
        || rename(tmp, path) == -1)
    {
        die("cannot write \"%s\": %s", path, strerror(errno));
    }

    free(tmp);
}


int
main(int argc, char **argv)
{
    int                   fd, log;
    char                  name[80];
    unsigned              files, port;
    struct mock_loop      loop;
    struct mock_server   *server;
    struct mock_options   options;

    mock_options_parse(&options, argc, argv);

    signal(SIGPIPE, SIG_IGN);
    files = files_raise();

    mock_loop_init(&loop);
    fd = listener_open(&options);
    port = listener_name(fd, name, sizeof(name));

    server = mock_server_init(&loop, fd, connections_of(files),
                              &options.plan);
    if (server == NULL) {
        die("libmicrohttpd did not start");
    }

    if (options.call_log != NULL) {
        log = open(options.call_log,
                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (log == -1) {
            die("cannot open \"%s\": %s", options.call_log, strerror(errno));
        }

        mock_server_log(server, log);
    }

    if (options.port_file != NULL) {
        port_file_write(options.port_file, port);
    }

    printf("weir-mock-llm: listening on http://%s\n", name);
    fflush(stdout);

    while (!loop.stop) {
        mock_loop_turn(&loop, mock_server_busy(server));
        mock_server_run(server);
    }

    mock_server_deinit(&server);
    mock_loop_deinit(&loop);

    return 0;
}
