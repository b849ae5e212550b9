/*
 * The zygote, both sides of it.  Owns the socket between runner and zygote;
 * in the zygote, the processes of the cells.  Knows nothing of runs.
 *
 * What goes over the socket are packets of one struct.  With a request to fork
 * goes the cell's end of its own socket.
 */

#define _GNU_SOURCE                 /* close_range */

#include "zygote.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cell.h"
#include "log.h"
#include "mem.h"
#include "watch.h"


#define ZYGOTE_CELLS  256
#define ZYGOTE_STEP   50        /* ms */
#define ZYGOTE_STEPS  40        /* of them for cells that end by themselves */


typedef enum {
    ZYGOTE_SPAWN = 1,
    ZYGOTE_KILL,
    ZYGOTE_REOPEN,
    ZYGOTE_DEATH                /* the only one from the zygote */
} zygote_op_e;


typedef struct {
    zygote_op_e      op;
    uint32_t         id;
    int              status;
} zygote_packet_t;


struct zygote_s {
    pid_t            pid;
    int              fd;
    loop_t          *loop;      /* NULL: not attached */
    watches_t       *watches;
    zygote_events_t  events;
    bool             gone;
};


/* the process */

typedef struct {
    const conf_t    *conf;
    int              fd;
    int              signals;
    pid_t            pid;
    sigset_t         mask;      /* for cells */

    struct {
        pid_t        pid;       /* 0: a free place */
        uint32_t     id;
    } cells[ZYGOTE_CELLS];
} nest_t;


/* All but standard error and its like, the log, and these two. */

static void
zygote_close_others(int a, int b)
{
    int       i, next, keep[3];
    unsigned  from;

    keep[0] = a;
    keep[1] = b;
    keep[2] = log_fd();
    from = STDERR_FILENO + 1;

    for ( ;; ) {
        next = -1;

        for (i = 0; i < 3; i++) {
            if (keep[i] >= (int) from && (next < 0 || keep[i] < next)) {
                next = keep[i];
            }
        }

        if (next < 0) {
            close_range(from, ~0U, 0);
            return;
        }

        if ((unsigned) next > from) {
            close_range(from, (unsigned) next - 1, 0);
        }

        from = (unsigned) next + 1;
    }
}


/* The kernel kills us with our parent; -1: it has gone already. */

static int
zygote_follow(pid_t parent, const char *name)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, name);

    return getppid() == parent ? 0 : -1;
}


static void
nest_tell_death(nest_t *n, uint32_t id, int status)
{
    ssize_t          rc;
    zygote_packet_t  packet;

    memset(&packet, 0, sizeof(zygote_packet_t));
    packet.op = ZYGOTE_DEATH;
    packet.id = id;
    packet.status = status;

    do {
        rc = send(n->fd, &packet, sizeof(packet), MSG_NOSIGNAL);
    } while (rc < 0 && errno == EINTR);
}


static void
nest_cell(nest_t *n, int fd)
{
    int  code;

    if (zygote_follow(n->pid, "weir-cell") != 0) {
        _exit(0);
    }

    zygote_close_others(fd, fd);
    sigprocmask(SIG_SETMASK, &n->mask, NULL);

    code = cell_main(n->conf, fd);

    free(n);
    log_close();
    exit(code);
}


static void
nest_spawn(nest_t *n, uint32_t id, int fd)
{
    int    i;
    pid_t  pid;

    for (i = 0; i < ZYGOTE_CELLS && n->cells[i].pid; i++) { /* void */ }

    pid = (fd < 0 || i == ZYGOTE_CELLS) ? -1 : fork();

    if (pid == 0) {
        nest_cell(n, fd);
    }

    if (fd >= 0) {
        close(fd);
    }

    if (pid < 0) {
        nest_tell_death(n, id, ZYGOTE_NO_STATUS);
        return;
    }

    n->cells[i].pid = pid;
    n->cells[i].id = id;
}


static void
nest_kill(const nest_t *n, uint32_t id)
{
    int  i;

    for (i = 0; i < ZYGOTE_CELLS; i++) {
        if (n->cells[i].pid && n->cells[i].id == id) {
            kill(n->cells[i].pid, SIGKILL);
        }
    }
}


static void
nest_reap(nest_t *n)
{
    int                      i, status;
    pid_t                    pid;
    struct signalfd_siginfo  info;

    while (read(n->signals, &info, sizeof(info)) > 0) { /* void */ }

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {

        for (i = 0; i < ZYGOTE_CELLS; i++) {
            if (n->cells[i].pid == pid) {
                n->cells[i].pid = 0;
                nest_tell_death(n, n->cells[i].id, status);
                break;
            }
        }
    }
}


/* One packet and the descriptor with it, or fd -1.  false: the runner is
 * gone. */

static bool
nest_receive(const nest_t *n, zygote_packet_t *packet, int *fd_r)
{
    ssize_t          rc;
    struct iovec     iov;
    struct msghdr    msg;
    struct cmsghdr  *c;

    union {
        struct cmsghdr  align;
        char            data[CMSG_SPACE(sizeof(int))];
    } control;

    memset(&msg, 0, sizeof(msg));
    iov.iov_base = packet;
    iov.iov_len = sizeof(zygote_packet_t);
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control.data;
    msg.msg_controllen = sizeof(control.data);

    do {
        rc = recvmsg(n->fd, &msg, MSG_CMSG_CLOEXEC);
    } while (rc < 0 && errno == EINTR);

    *fd_r = -1;
    c = CMSG_FIRSTHDR(&msg);

    if (rc > 0 && c && c->cmsg_type == SCM_RIGHTS) {
        memcpy(fd_r, CMSG_DATA(c), sizeof(int));
    }

    return rc == (ssize_t) sizeof(zygote_packet_t);
}


static void
nest_run(nest_t *n)
{
    int              fd;
    struct pollfd    fds[2];
    zygote_packet_t  packet;

    for ( ;; ) {
        fds[0] = (struct pollfd) { n->fd, POLLIN, 0 };
        fds[1] = (struct pollfd) { n->signals, POLLIN, 0 };

        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            return;
        }

        if (fds[1].revents) {
            nest_reap(n);
        }

        if (fds[0].revents == 0) {
            continue;
        }

        if (!nest_receive(n, &packet, &fd)) {
            return;
        }

        if (packet.op == ZYGOTE_SPAWN) {
            nest_spawn(n, packet.id, fd);

        } else if (packet.op == ZYGOTE_KILL) {
            nest_kill(n, packet.id);

        } else {
            (void) log_reopen();
        }
    }
}


/* The runner has gone, so that the cells see the end of their sockets. */

static void
nest_wait(nest_t *n)
{
    int            i, step, left;
    struct pollfd  fd;

    for (step = 0; step < ZYGOTE_STEPS; step++) {
        nest_reap(n);
        left = 0;

        for (i = 0; i < ZYGOTE_CELLS; i++) {
            left += (n->cells[i].pid != 0);
        }

        if (left == 0) {
            return;
        }

        fd = (struct pollfd) { n->signals, POLLIN, 0 };
        (void) poll(&fd, 1, ZYGOTE_STEP);
    }
}


/* Signals are the runner's business: who tells a whole group to leave means
 * the runner, which finishes what is in its cells first. */

static void
zygote_process(const conf_t *conf, int fd, pid_t parent)
{
    size_t    i;
    nest_t   *n;
    sigset_t  set;

    static const int  ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE };

    if (zygote_follow(parent, "weir-zygote") != 0) {
        _exit(0);
    }

    for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        signal(ignored[i], SIG_IGN);
    }

    zygote_close_others(fd, fd);

    n = mem_alloc(sizeof(nest_t));
    n->conf = conf;
    n->fd = fd;
    n->pid = getpid();

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &n->mask);

    n->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);

    if (n->signals >= 0) {
        nest_run(n);
        nest_wait(n);
    }

    free(n);
    log_close();
    _exit(0);
}


/* the runner's side */

zygote_t *
zygote_start(const conf_t *conf)
{
    int        fds[2];
    pid_t      pid, own;
    zygote_t  *z;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) {
        return NULL;
    }

    log_flush();
    own = getpid();
    pid = fork();

    if (pid == 0) {
        zygote_process(conf, fds[1], own);
    }

    close(fds[1]);

    if (pid < 0) {
        close(fds[0]);
        return NULL;
    }

    z = mem_alloc(sizeof(zygote_t));
    z->pid = pid;
    z->fd = fds[0];

    return z;
}


static void
zygote_on_ready(void *data, int fd, unsigned what)
{
    ssize_t           n;
    zygote_t         *z;
    zygote_packet_t   packet;

    (void) what;

    z = data;

    while (!z->gone) {
        n = recv(fd, &packet, sizeof(packet), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }

        if (n != (ssize_t) sizeof(packet)) {
            z->gone = true;
            watches_stop(z->watches, fd);
            z->events.on_gone(z->events.data);
            return;
        }

        z->events.on_death(z->events.data, packet.id, packet.status);
    }
}


void
zygote_attach(zygote_t *z, loop_t *loop, const zygote_events_t *events)
{
    z->loop = loop;
    z->events = *events;
    z->watches = watches_create(loop, zygote_on_ready, z);

    mem_check(watches_set(z->watches, z->fd, WATCH_READ) != 0);
}


void
zygote_stop(zygote_t **zp)
{
    zygote_t  *z;

    z = *zp;
    *zp = NULL;

    if (z->watches) {
        watches_stop(z->watches, z->fd);
        watches_destroy(&z->watches);
    }

    close(z->fd);

    while (waitpid(z->pid, NULL, 0) < 0 && errno == EINTR) { /* void */ }

    free(z);
}


static int
zygote_send(zygote_t *z, zygote_op_e op, uint32_t id, int fd)
{
    struct iovec      iov;
    struct msghdr     msg;
    struct cmsghdr   *c;
    zygote_packet_t   packet;

    union {
        struct cmsghdr  align;
        char            data[CMSG_SPACE(sizeof(int))];
    } control;

    memset(&msg, 0, sizeof(msg));
    memset(&packet, 0, sizeof(packet));
    memset(&control, 0, sizeof(control));

    packet.op = op;
    packet.id = id;

    iov.iov_base = &packet;
    iov.iov_len = sizeof(packet);
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;

    if (fd >= 0) {
        msg.msg_control = control.data;
        msg.msg_controllen = sizeof(control.data);

        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }

    return sendmsg(z->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL)
           == (ssize_t) sizeof(packet) ? 0 : -1;
}


int
zygote_spawn(zygote_t *z, uint32_t id, int fd)
{
    return zygote_send(z, ZYGOTE_SPAWN, id, fd);
}


void
zygote_kill(zygote_t *z, uint32_t id)
{
    (void) zygote_send(z, ZYGOTE_KILL, id, -1);
}


void
zygote_reopen_log(zygote_t *z)
{
    (void) zygote_send(z, ZYGOTE_REOPEN, 0, -1);
}
