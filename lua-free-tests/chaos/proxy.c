/*
 * The proxy between Redis and its clients.  Two sockets, CHAOS_DIR/edge.sock
 * and worker.sock, lead to redis.sock.  Bytes are forwarded as they come; the
 * frames are only counted, so that the reply of one certain EXEC can be lost:
 * Redis has executed it, and nobody will ever hear so.
 *
 * Datagrams to CHAOS_DIR/proxy.ctl:
 *
 *     drop edge|worker N      the N-th EXEC from now on: reply dropped, closed
 *     stall edge|worker MS    nothing moves, in neither direction
 *
 * What happened is appended to proxy.log: "<ms> drop edge".
 */

#define _GNU_SOURCE

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "chaos.h"


#define PAIRS_MAX    1024
#define READ_MAX     65536
#define QUEUE_MAX    (4 * 1024 * 1024)      /* unsent bytes that stop reading */
#define WORD_MAX     8


/* Where in a RESP stream we are.  "left" elements end the frame; nesting needs
 * no stack, since an array only adds to them. */

typedef struct {
    long      left;
    size_t    skip;                 /* bytes of a bulk string, with CRLF */
    char      line[32];             /* a header so far; "+..." is cut */
    size_t    len;
    char      word[WORD_MAX];       /* the frame's first bulk string */
    size_t    word_len;
    bool      worded;
} frame_t;


typedef struct {
    char     *data;
    size_t    len;
    size_t    size;
} queue_t;


typedef struct {
    const char   *name;
    int           listener;
    unsigned      drop_in;          /* EXECs until one is dropped; 0: none */
    int64_t       stalled;          /* until */
} side_t;


typedef struct {
    side_t       *side;
    int           client;
    int           server;
    queue_t       to_client;
    queue_t       to_server;
    frame_t       commands;
    frame_t       replies;
    uint64_t      sent;             /* commands */
    uint64_t      got;              /* replies */
    uint64_t      drop;             /* this reply; 0: none */
    bool          done;
} pair_t;


static int      log_fd;
static side_t   sides[2] = { { "edge", -1, 0, 0 }, { "worker", -1, 0, 0 } };
static pair_t  *pairs[PAIRS_MAX];
static size_t   npairs;


static void
queue_add(queue_t *q, const char *data, size_t n)
{
    if (q->len + n > q->size) {
        q->size = (q->len + n) * 2;
        q->data = realloc(q->data, q->size);

        if (q->data == NULL) {
            chaos_die("out of memory");
        }
    }

    memcpy(q->data + q->len, data, n);
    q->len += n;
}


static void
queue_send(queue_t *q, int fd, bool *done)
{
    ssize_t  n;

    if (q->len == 0) {
        return;
    }

    n = send(fd, q->data, q->len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n > 0) {
        q->len -= (size_t) n;
        memmove(q->data, q->data + n, q->len);

    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        *done = true;
    }
}


/* frames */

static bool
frame_header(frame_t *f)
{
    long  n;

    f->line[f->len] = '\0';
    n = strtol(f->line + 1, NULL, 10);

    if (f->left == 0) {
        f->left = 1;
        f->word_len = 0;
        f->worded = false;
    }

    switch (f->line[0]) {

    case '*':
        f->left += (n > 0 ? n : 0) - 1;
        break;

    case '$':
        if (n >= 0) {
            f->skip = (size_t) n + 2;
            break;
        }

        f->left--;
        break;

    default:
        f->left--;
        break;
    }

    f->len = 0;

    return f->left == 0 && f->skip == 0;
}


/* The end of the frame that data begins or goes on with; *ended_r: it is
 * there, else all of data belongs to it. */

static size_t
frame_feed(frame_t *f, const char *data, size_t n, bool *ended_r)
{
    size_t  i;

    *ended_r = false;

    for (i = 0; i < n; i++) {

        if (f->skip) {
            if (!f->worded && f->skip > 2 && f->word_len < WORD_MAX - 1) {
                f->word[f->word_len++] = data[i];
            }

            if (--f->skip > 0) {
                continue;
            }

            f->worded = true;

            if (--f->left > 0) {
                continue;
            }

        } else if (data[i] != '\n') {
            if (f->len < sizeof(f->line) - 1 && data[i] != '\r') {
                f->line[f->len++] = data[i];
            }
            continue;

        } else if (!frame_header(f)) {
            continue;
        }

        f->word[f->word_len] = '\0';
        *ended_r = true;
        return i + 1;
    }

    return n;
}


/* forwarding */

static void
pair_from_client(pair_t *p, const char *data, size_t n)
{
    bool    ended;
    size_t  used;

    queue_add(&p->to_server, data, n);

    for (; n; data += used, n -= used) {
        used = frame_feed(&p->commands, data, n, &ended);

        if (!ended) {
            return;
        }

        p->sent++;

        if (strcasecmp(p->commands.word, "EXEC") == 0 && p->side->drop_in
            && p->drop == 0 && --p->side->drop_in == 0)
        {
            p->drop = p->sent;
        }
    }
}


static void
pair_from_server(pair_t *p, const char *data, size_t n)
{
    bool    ended;
    size_t  used;

    for (; n; data += used, n -= used) {
        used = frame_feed(&p->replies, data, n, &ended);

        if (p->drop && p->got + 1 >= p->drop) {

            if (ended) {
                chaos_log(log_fd, "drop %s", p->side->name);
                queue_send(&p->to_client, p->client, &p->done);
                p->done = true;
                return;
            }

            continue;
        }

        queue_add(&p->to_client, data, used);
        p->got += ended;
    }
}


static void
pair_read(pair_t *p, int fd)
{
    char     data[READ_MAX];
    ssize_t  n;

    n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }

    if (n <= 0) {
        p->done = true;

    } else if (fd == p->client) {
        pair_from_client(p, data, (size_t) n);

    } else {
        pair_from_server(p, data, (size_t) n);
    }
}


static void
pair_free(pair_t *p)
{
    queue_send(&p->to_client, p->client, &p->done);
    queue_send(&p->to_server, p->server, &p->done);
    close(p->client);
    close(p->server);
    free(p->to_client.data);
    free(p->to_server.data);
    free(p);
}


static struct sockaddr_un
address_of(const char *name)
{
    struct sockaddr_un  address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s",
             chaos_path(name));

    return address;
}


static void
side_accept(side_t *side)
{
    int                 client, server;
    pair_t             *p;
    struct sockaddr_un  address;

    client = accept4(side->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) {
        return;
    }

    address = address_of("redis.sock");
    server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (server < 0 || npairs == PAIRS_MAX
        || connect(server, (struct sockaddr *) &address, sizeof(address)) != 0)
    {
        close(client);
        close(server);
        return;
    }

    p = calloc(1, sizeof(pair_t));
    if (p == NULL) {
        chaos_die("out of memory");
    }

    p->side = side;
    p->client = client;
    p->server = server;
    pairs[npairs++] = p;
}


/* set up, control, loop */

static int
listener_open(const char *name, int type)
{
    int                 fd;
    struct sockaddr_un  address;

    address = address_of(name);
    unlink(address.sun_path);
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0
        || bind(fd, (struct sockaddr *) &address, sizeof(address)) != 0
        || (type == SOCK_STREAM && listen(fd, 512) != 0))
    {
        chaos_die("cannot listen at \"%s\": %s", address.sun_path,
                  strerror(errno));
    }

    return fd;
}


static void
control(int fd)
{
    char      text[64], verb[16], name[16];
    size_t    i;
    ssize_t   n;
    unsigned  number;

    n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
    if (n <= 0) {
        return;
    }

    text[n] = '\0';

    if (sscanf(text, "%15s %15s %u", verb, name, &number) != 3) {
        return;
    }

    for (i = 0; i < 2; i++) {
        if (strcmp(sides[i].name, name) != 0) {
            continue;
        }

        if (strcmp(verb, "drop") == 0) {
            sides[i].drop_in += number;

        } else if (strcmp(verb, "stall") == 0) {
            sides[i].stalled = chaos_now() + number;
            chaos_log(log_fd, "stall %s %u", name, number);
        }
    }
}


static short
wanted(const side_t *side, const queue_t *in, const queue_t *out, int64_t now)
{
    if (side->stalled > now) {
        return 0;
    }

    return (short) ((in->len < QUEUE_MAX ? POLLIN : 0)
                    | (out->len ? POLLOUT : 0));
}


static void
turn(int ctl)
{
    size_t         i, n;
    pair_t        *p;
    int64_t        now;
    struct pollfd  fds[3 + 2 * PAIRS_MAX];

    now = chaos_now();
    fds[0] = (struct pollfd) { ctl, POLLIN, 0 };
    fds[1] = (struct pollfd) { sides[0].listener, POLLIN, 0 };
    fds[2] = (struct pollfd) { sides[1].listener, POLLIN, 0 };
    n = 3;

    /* a negative descriptor is passed over, hangups included */

    for (i = 0; i < npairs; i++) {
        p = pairs[i];
        fds[n].events = wanted(p->side, &p->to_server, &p->to_client, now);
        fds[n].fd = fds[n].events ? p->client : -1;
        n++;
        fds[n].events = wanted(p->side, &p->to_client, &p->to_server, now);
        fds[n].fd = fds[n].events ? p->server : -1;
        n++;
    }

    if (poll(fds, n, 20) < 0 && errno != EINTR) {
        chaos_die("poll: %s", strerror(errno));
    }

    for (i = 0; i < npairs; i++) {
        p = pairs[i];

        if (fds[3 + 2 * i].revents & (POLLIN | POLLHUP | POLLERR)) {
            pair_read(p, p->client);
        }

        if (!p->done && (fds[4 + 2 * i].revents & (POLLIN | POLLHUP | POLLERR)))
        {
            pair_read(p, p->server);
        }

        if (p->side->stalled <= now && !p->done) {
            queue_send(&p->to_client, p->client, &p->done);
            queue_send(&p->to_server, p->server, &p->done);
        }
    }

    for (i = 0; i < npairs; ) {
        if (pairs[i]->done) {
            pair_free(pairs[i]);
            pairs[i] = pairs[--npairs];

        } else {
            i++;
        }
    }

    if (fds[0].revents) {
        control(ctl);
    }

    for (i = 0; i < 2; i++) {
        if (fds[1 + i].revents) {
            side_accept(&sides[i]);
        }
    }
}


int
main(void)
{
    int  ctl;

    log_fd = chaos_log_open("proxy.log");
    sides[0].listener = listener_open("edge.sock", SOCK_STREAM);
    sides[1].listener = listener_open("worker.sock", SOCK_STREAM);
    ctl = listener_open("proxy.ctl", SOCK_DGRAM);

    while (1) {
        turn(ctl);
    }
}
