/*
 * The tool's Redis client: a socket round the protocol pipe.  Owns the
 * descriptor and the pipe; one unit is in flight at a time.
 */

#include "redis.h"
#include "cli.h"
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "weir_txn.h"


#define REDIS_SECONDS       5           /* for the whole command */
#define REDIS_OUT_MAX       (1024 * 1024)
#define REDIS_PASSWORD_MAX  1024


struct redis_s {
    int              fd;
    int64_t          deadline;          /* ms, monotonic */
    weir_pipe_t     *pipe;
    const char      *address;

    int              status;            /* of the unit in flight */
    bool             lost;              /* it had no answer */
    bool             watched;           /* it may be aborted */
    bool             aborted;           /* and it was */
    weir_answer_pt   fn;
    void            *data;
};


static int64_t
redis_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


static int
redis_failed(const redis_t *r, const char *why)
{
    return cli_failed("redis at %s: %s", r->address, why);
}


/* 0: ready; -1: an error or the deadline, errno says which */

static int
redis_wait(const redis_t *r, int fd, short events)
{
    int            rc;
    int64_t        left;
    struct pollfd  p = { fd, events, 0 };

    do {
        left = r->deadline - redis_now();
        rc = left > 0 ? poll(&p, 1, (int) left) : 0;
    } while (rc < 0 && errno == EINTR);

    if (rc == 0) {
        errno = ETIMEDOUT;
    }

    return rc > 0 ? 0 : -1;
}


/* connecting */

static int
redis_connect_to(redis_t *r, const struct sockaddr *sa, socklen_t len)
{
    int        error;
    socklen_t  n;

    r->fd = socket(sa->sa_family, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);
    if (r->fd < 0) {
        return -1;
    }

    error = 0;
    n = sizeof(error);

    if (connect(r->fd, sa, len) == 0) {
        return 0;
    }

    if (errno == EINPROGRESS && redis_wait(r, r->fd, POLLOUT) == 0
        && getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0
        && error == 0)
    {
        return 0;
    }

    error = error ? error : errno;
    close(r->fd);
    r->fd = -1;
    errno = error;

    return -1;
}


static int
redis_connect_unix(redis_t *r, const char *path)
{
    struct sockaddr_un  sun = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof(sun.sun_path)) {
        return redis_failed(r, "the path of the socket is too long");
    }

    strcpy(sun.sun_path, path);

    if (redis_connect_to(r, (struct sockaddr *) &sun, sizeof(sun)) != 0) {
        return redis_failed(r, strerror(errno));
    }

    return CLI_OK;
}


/* "host:port", "[::1]:port" */

static int
redis_connect_tcp(redis_t *r)
{
    int               rc;
    char              host[256];
    size_t            n;
    const char       *start, *colon;
    struct addrinfo  *list, *ai;
    struct addrinfo   hints = { .ai_socktype = SOCK_STREAM };

    start = r->address;
    colon = strrchr(start, ':');
    n = colon ? (size_t) (colon - start) : 0;

    if (n >= 2 && start[0] == '[' && start[n - 1] == ']') {
        start++;
        n -= 2;
    }

    if (n == 0 || n >= sizeof(host) || colon[1] == '\0') {
        return cli_usage("a Redis address must be unix:/path or host:port");
    }

    memcpy(host, start, n);
    host[n] = '\0';

    rc = getaddrinfo(host, colon + 1, &hints, &list);
    if (rc != 0) {
        return redis_failed(r, gai_strerror(rc));
    }

    for (ai = list; ai; ai = ai->ai_next) {
        if (redis_connect_to(r, ai->ai_addr, ai->ai_addrlen) == 0) {
            break;
        }
    }

    freeaddrinfo(list);

    return ai ? CLI_OK : redis_failed(r, strerror(errno));
}


/* asking */

static void
redis_answered(void *data, const weir_answer_t *answer)
{
    redis_t  *r = data;

    r->lost = (answer->code == WEIR_ANSWER_LOST);
    r->aborted = (answer->code == WEIR_ANSWER_ABORTED);

    if (r->aborted && r->watched) {
        r->status = CLI_OK;
        return;
    }

    if (answer->code == WEIR_ANSWER_OK) {
        r->status = CLI_OK;

        if (r->fn) {
            r->fn(r->data, answer);
        }

        return;
    }

    r->status = cli_failed("redis at %s: %.*s", r->address,
                           answer->error.len ? (int) answer->error.len : 18,
                           answer->error.len ? answer->error.data
                                             : "the answer is lost");
}


static int
redis_write(redis_t *r)
{
    ssize_t     n;
    weir_str_t  out;

    for (out = weir_pipe_out(r->pipe); out.len; out = weir_pipe_out(r->pipe)) {
        n = send(r->fd, out.data, out.len, MSG_NOSIGNAL);

        if (n > 0) {
            weir_pipe_sent(r->pipe, (size_t) n);

        } else if (errno != EINTR
                   && (errno != EAGAIN || redis_wait(r, r->fd, POLLOUT) != 0))
        {
            return -1;
        }
    }

    return 0;
}


static int
redis_read(redis_t *r)
{
    char     buf[16384];
    ssize_t  n;

    while (weir_pipe_pending(r->pipe)) {
        if (redis_wait(r, r->fd, POLLIN) != 0) {
            return -1;
        }

        n = recv(r->fd, buf, sizeof(buf), 0);

        if (n == 0) {
            errno = ECONNRESET;
            return -1;
        }

        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return -1;
        }

        if (n > 0 && weir_pipe_feed(r->pipe, buf, (size_t) n) != 0) {
            errno = EPROTO;
            return -1;
        }
    }

    return 0;
}


int
redis_ask(redis_t *r, const weir_txn_t *t, weir_answer_pt fn, void *data)
{
    r->fn = fn;
    r->data = data;
    r->status = CLI_FAILED;
    r->lost = true;

    if (weir_pipe_send(r->pipe, t, (uint64_t) r->deadline, redis_answered, r)
        != 0)
    {
        return redis_failed(r, "the command is too large");
    }

    if (redis_write(r) != 0 || redis_read(r) != 0) {
        return redis_failed(r, strerror(errno));
    }

    return r->status;
}


int
redis_exec(redis_t *r, const weir_txn_t *t, bool *done_r)
{
    int  rc;

    r->watched = true;
    rc = redis_ask(r, t, NULL, NULL);
    r->watched = false;

    *done_r = (rc == CLI_OK && !r->aborted);

    return rc;
}


bool
redis_is_lost(const redis_t *r)
{
    return r->lost;
}


static void
redis_told(void *data, const weir_answer_t *answer)
{
    int64_t  *ms = data;

    *ms = weir_reply_int(weir_reply_at(answer->reply, 0)) * 1000
          + weir_reply_int(weir_reply_at(answer->reply, 1)) / 1000;
}


int
redis_time(redis_t *r, int64_t *ms_r)
{
    int         rc;
    weir_txn_t  t;
    const char *words[] = { "TIME" };

    weir_txn_init(&t);
    weir_txn_words(&t, 1, words);
    rc = redis_ask(r, &t, redis_told, ms_r);
    weir_txn_free(&t);

    return rc;
}


/* opening */

static int
redis_words(redis_t *r, const char *command, const char *argument)
{
    int         rc;
    weir_txn_t  t;
    const char *words[] = { command, argument };

    weir_txn_init(&t);
    weir_txn_words(&t, 2, words);
    rc = redis_ask(r, &t, NULL, NULL);
    weir_txn_free(&t);

    return rc;
}


static int
redis_auth(redis_t *r, const char *file)
{
    int         rc;
    weir_buf_t  password = { 0 };

    rc = keyfile_slurp(file, REDIS_PASSWORD_MAX, &password, NULL);

    if (rc == CLI_OK) {
        weir_buf_add(&password, "", 1);
        password.data[strcspn(password.data, "\r\n")] = '\0';
        rc = redis_words(r, "AUTH", password.data);
    }

    weir_buf_free(&password);

    return rc;
}


int
redis_check(const redis_options_t *o)
{
    if (o->address == NULL && getenv("WEIR_REDIS") == NULL) {
        return cli_usage("option \"--redis\" or WEIR_REDIS in the environment "
                         "is required");
    }

    return CLI_OK;
}


int
redis_open(redis_t **redis, const redis_options_t *o)
{
    int       rc;
    redis_t  *r;

    *redis = NULL;

    rc = redis_check(o);
    if (rc != CLI_OK) {
        return rc;
    }

    r = calloc(1, sizeof(redis_t));
    *redis = r;

    if (r == NULL) {
        return cli_failed("no memory");
    }

    r->fd = -1;
    r->address = o->address ? o->address : getenv("WEIR_REDIS");
    r->deadline = redis_now()
                  + (o->seconds ? o->seconds : REDIS_SECONDS) * 1000LL;
    r->pipe = weir_pipe_create(1, REDIS_OUT_MAX);

    if (r->pipe == NULL) {
        return cli_failed("no memory");
    }

    rc = strncmp(r->address, "unix:", 5) == 0
         ? redis_connect_unix(r, r->address + 5) : redis_connect_tcp(r);

    if (rc == CLI_OK && o->password_file) {
        rc = redis_auth(r, o->password_file);
    }

    if (rc == CLI_OK && o->db) {
        rc = redis_words(r, "SELECT", o->db);
    }

    return rc;
}


void
redis_close(redis_t **redis)
{
    redis_t  *r;

    r = *redis;
    *redis = NULL;

    if (r == NULL) {
        return;
    }

    if (r->fd >= 0) {
        close(r->fd);
    }

    if (r->pipe) {
        r->fn = NULL;
        weir_pipe_destroy(&r->pipe);
    }

    free(r);
}
