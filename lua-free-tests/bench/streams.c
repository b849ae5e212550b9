/*
 * Many streams at once, for the rows on streams.
 *
 *     streams tokens PORT FIRST COUNT GAP FILE < REQUEST
 *     streams idle PORT COUNT < PATHS
 *
 * "tokens" sends the same HTTP request FIRST + COUNT times, one each GAP ms,
 * and reads the answers to their end.  The FIRST are there so that the others
 * find as many open as there will be.  The words of these are the times at
 * which the mock said them ("words=clock").  FILE gets a line for each: 0 or 1
 * (the first of its stream), the delay since it was said, and the time since
 * the request was sent, in microseconds.  Each stream must end with [DONE].
 *
 * "idle" opens COUNT streams, each of the next line of PATHS, which is the
 * path and then header fields with "\n" between, until all have begun; prints
 * "ready", and keeps them until its input ends.
 */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>


#define STREAMS_READ   65536
#define STREAMS_KEEP   27                   /* bytes: a mark, and a word */
#define STREAMS_TIME   60000000             /* us, of silence */
#define STREAMS_MARK   "\"content\":\""
#define STREAMS_DIGIT  15


typedef struct {
    int       fd;
    int64_t   sent;
    bool      begun;
    bool      counted;
    bool      first;                        /* its first word was there */
    bool      done;
    char      rest[STREAMS_KEEP + 1];       /* of an event that goes on */
    size_t    nrest;
} stream_t;


static int64_t
now_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


static void
fail(const char *why)
{
    fprintf(stderr, "streams: %s\n", why);
    exit(1);
}


static void
stream_open(stream_t *s, int epoll, int port, const char *request, size_t len)
{
    struct epoll_event  ev = { .events = EPOLLIN, .data.ptr = s };
    struct sockaddr_in  sin = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t) port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
    };

    s->fd = socket(AF_INET, SOCK_STREAM, 0);

    if (s->fd < 0 || connect(s->fd, (struct sockaddr *) &sin, sizeof(sin)) != 0)
    {
        fail("cannot connect");
    }

    s->sent = now_us();

    if (send(s->fd, request, len, 0) != (ssize_t) len
        || epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &ev) != 0)
    {
        fail("cannot send");
    }
}


/* the words in what has come, which arrived just now */

static void
stream_words(stream_t *s, char *text, size_t len, int64_t at, FILE *out)
{
    char     *p, *end;
    int64_t   said;

    end = text + len;
    p = text;

    for ( ;; ) {
        p = memmem(p, (size_t) (end - p), STREAMS_MARK,
                   sizeof(STREAMS_MARK) - 1);

        if (p == NULL || end - p < STREAMS_KEEP) {
            break;
        }

        p += sizeof(STREAMS_MARK) - 1;

        /* words that waited for each other are one piece */

        while (end - p > STREAMS_DIGIT && *p >= '0' && *p <= '9') {
            said = strtoll(p, NULL, 10);

            if (s->counted) {
                fprintf(out, "%d %lld %lld\n", !s->first,
                        (long long) (at - said), (long long) (at - s->sent));
            }

            s->first = true;
            p += STREAMS_DIGIT + 1;
        }
    }

    if (memmem(text, len, "data: [DONE]", 12)) {
        s->done = true;
    }
}


/* false: it has ended */

static bool
stream_read(stream_t *s, FILE *out)
{
    char     text[STREAMS_READ + STREAMS_KEEP];
    char    *p;
    size_t   len;
    ssize_t  n;
    int64_t  at;

    memcpy(text, s->rest, s->nrest);
    n = recv(s->fd, text + s->nrest, STREAMS_READ, 0);
    at = now_us();

    if (n <= 0) {
        if (!s->done) {
            fail("a stream was not whole");
        }

        close(s->fd);
        return false;
    }

    if (!s->begun && (n < 12 || memcmp(text, "HTTP/1.1 200", 12) != 0)) {
        fprintf(stderr, "%.*s\n", (int) n, text);
        fail("an answer is not 200");
    }

    s->begun = true;

    if (out == NULL) {
        return true;
    }

    len = s->nrest + (size_t) n;
    stream_words(s, text, len, at, out);

    /* what was looked at already is not looked at again: from the last mark on,
     * if it was too close to the end */

    p = len > STREAMS_KEEP ? text + len - STREAMS_KEEP : text;
    p = memmem(p, (size_t) (text + len - p), STREAMS_MARK,
               sizeof(STREAMS_MARK) - 1);

    s->nrest = p && (text + len - p) < STREAMS_KEEP ? (size_t) (text + len - p)
                                                    : 0;
    memcpy(s->rest, p ? p : text, s->nrest);

    return true;
}


static void
streams_tokens(int port, unsigned first, unsigned count, int64_t gap,
    const char *file)
{
    int                  epoll, i, n;
    char                 request[8192];
    FILE                *out;
    size_t               len;
    int64_t              start, due;
    unsigned             open, ended;
    stream_t            *streams;
    struct timespec      wait;
    struct epoll_event   events[256];

    len = fread(request, 1, sizeof(request), stdin);
    count += first;
    streams = calloc(count, sizeof(stream_t));
    epoll = epoll_create1(0);
    out = fopen(file, "w");

    if (streams == NULL || epoll < 0 || out == NULL || len == 0) {
        fail("cannot begin");
    }

    open = ended = 0;
    start = now_us();

    while (ended < count) {
        due = start + open * gap - now_us();

        if (open < count && due <= 0) {
            streams[open].counted = (open >= first);
            stream_open(&streams[open++], epoll, port, request, len);
            continue;
        }

        /* to the microsecond: to be awake for the last ms would keep a core
         * from those who are measured */

        due = open < count ? due : STREAMS_TIME;
        wait.tv_sec = due / 1000000;
        wait.tv_nsec = due % 1000000 * 1000;
        n = epoll_pwait2(epoll, events, 256, &wait, NULL);

        if (n == 0 && open == count) {
            fail("nothing comes any more");
        }

        for (i = 0; i < n; i++) {
            ended += !stream_read(events[i].data.ptr, out);
        }
    }

    fclose(out);
    free(streams);
}


static void
streams_idle(int port, unsigned count)
{
    int                  epoll, i, n;
    char                 line[1024], request[2048];
    FILE                *in;
    unsigned             open, begun;
    stream_t            *streams, *s;
    struct epoll_event   events[256];

    in = stdin;
    streams = calloc(count, sizeof(stream_t));
    epoll = epoll_create1(0);

    if (streams == NULL || epoll < 0) {
        fail("cannot begin");
    }

    for (open = begun = 0; begun < count; ) {

        if (open < count && open - begun < 200) {

            if (fgets(line, sizeof(line), in) == NULL) {
                fail("too few paths");
            }

            line[strcspn(line, "\n")] = '\0';
            n = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n"
                         "Host: bench\r\n%s\r\n\r\n", line, getenv("HEADER"));
            stream_open(&streams[open++], epoll, port, request, (size_t) n);
            continue;
        }

        n = epoll_wait(epoll, events, 256, STREAMS_TIME / 1000);

        if (n <= 0) {
            fail("not all begin");
        }

        for (i = 0; i < n; i++) {
            s = events[i].data.ptr;
            begun += !s->begun;

            if (!stream_read(s, NULL)) {
                fail("a stream has ended");
            }
        }
    }

    puts("ready");
    fflush(stdout);

    while (fgets(line, sizeof(line), in)) {
        /* until it ends */
    }
}


int
main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "tokens") == 0) {
        streams_tokens(atoi(argv[2]), (unsigned) atoi(argv[3]),
                       (unsigned) atoi(argv[4]),
                       (int64_t) (atof(argv[5]) * 1000), argv[6]);
        return 0;
    }

    if (argc == 4 && strcmp(argv[1], "idle") == 0) {
        streams_idle(atoi(argv[2]), (unsigned) atoi(argv[3]));
        return 0;
    }

    fail("tokens PORT FIRST COUNT GAP FILE, or idle PORT COUNT");
}
