/*
 * A stream socket.  Owns the handle and all that libuv may still call back
 * about; the one who uses it only holds a pointer that it can let go.
 */

#include "link.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"


#define LINK_READ_SIZE   (64 * 1024)
#define LINK_CHUNK_SIZE  (256 * 1024)


struct link_s {
    loop_t              *loop;
    link_events_t        on;
    unsigned             pick;
    union {
        uv_handle_t      handle;
        uv_stream_t      stream;
        uv_tcp_t         tcp;
        uv_pipe_t        pipe;
    } u;
    uv_connect_t         connect;
    uv_getaddrinfo_t     resolve;
    uv_write_t           write;
    char                *input;
    char                *chunk;         /* what a write in flight holds */
    bool                 left;          /* nobody listens */
    bool                 failed;
    bool                 writing;
    bool                 resolving;
    bool                 open;          /* the handle is libuv's */
};


static void
link_release(link_t *link)
{
    if (link->open || link->resolving) {
        return;
    }

    free(link->input);
    free(link->chunk);
    free(link);
}


static void
link_on_close(uv_handle_t *handle)
{
    link_t  *link;

    link = handle->data;
    link->open = false;

    link_release(link);
}


static void
link_fail(link_t *link, int error)
{
    if (!link->left && !link->failed) {
        link->failed = true;
        link->on.on_fail(link->on.data, error == UV_EOF ? "closed by the peer"
                                                        : uv_strerror(error));
    }
}


/* reading */

static void
link_on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    link_t  *link;

    (void) size;

    link = handle->data;
    *buf = uv_buf_init(link->input, LINK_READ_SIZE);
}


static void
link_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    link_t  *link;

    link = stream->data;

    if (link->left || link->failed || n == 0) {
        return;
    }

    if (n < 0) {
        link_fail(link, (int) n);
        return;
    }

    link->on.on_read(link->on.data, buf->base, (size_t) n);
}


/* writing: what the kernel does not take is copied, since the caller's buffer
 * moves */

static void
link_on_write(uv_write_t *req, int status)
{
    link_t  *link;

    link = req->data;
    link->writing = false;

    if (status != 0) {
        link_fail(link, status);
    }
}


static size_t
link_write_later(link_t *link, const char *bytes, size_t n)
{
    int       rc;
    uv_buf_t  buf;

    if (n > LINK_CHUNK_SIZE) {
        n = LINK_CHUNK_SIZE;
    }

    if (link->chunk == NULL) {
        link->chunk = mem_alloc(LINK_CHUNK_SIZE);
    }

    memcpy(link->chunk, bytes, n);
    buf = uv_buf_init(link->chunk, (unsigned) n);

    link->write.data = link;
    rc = uv_write(&link->write, &link->u.stream, &buf, 1, link_on_write);

    if (rc != 0) {
        link_fail(link, rc);
        return 0;
    }

    link->writing = true;

    return n;
}


size_t
link_write(link_t *link, const char *bytes, size_t n)
{
    int       rc;
    uv_buf_t  buf;

    if (link->writing || link->failed) {
        return 0;
    }

    buf = uv_buf_init((char *) bytes,
                      (unsigned) (n < INT32_MAX ? n : INT32_MAX));
    rc = uv_try_write(&link->u.stream, &buf, 1);

    if (rc > 0) {
        return (size_t) rc;
    }

    if (rc == UV_EAGAIN || rc == 0) {
        return link_write_later(link, bytes, n);
    }

    link_fail(link, rc);

    return 0;
}


/* connecting */

static void
link_on_connect(uv_connect_t *req, int status)
{
    int      rc;
    link_t  *link;

    link = req->data;
    rc = status;

    if (link->left) {
        return;
    }

    if (rc == 0) {
        rc = uv_read_start(&link->u.stream, link_on_alloc, link_on_read);
    }

    if (rc != 0) {
        link_fail(link, rc);
        return;
    }

    link->on.on_open(link->on.data);
}


static int
link_connect_tcp(link_t *link, const struct sockaddr *address)
{
    uv_tcp_init(loop_uv(link->loop), &link->u.tcp);
    link->u.handle.data = link;
    link->open = true;

    uv_tcp_nodelay(&link->u.tcp, 1);
    uv_tcp_keepalive(&link->u.tcp, 1, 60);

    link->connect.data = link;

    return uv_tcp_connect(&link->connect, &link->u.tcp, address,
                          link_on_connect);
}


static int
link_connect_unix(link_t *link, weir_str_t path)
{
    char  name[128];

    uv_pipe_init(loop_uv(link->loop), &link->u.pipe, 0);
    link->u.handle.data = link;
    link->open = true;

    snprintf(name, sizeof(name), "%.*s", (int) path.len, path.data);

    link->connect.data = link;
    uv_pipe_connect(&link->connect, &link->u.pipe, name, link_on_connect);

    return 0;                           /* errors come to the callback */
}


static void
link_on_resolve(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    int               rc;
    link_t           *link;
    unsigned          n;
    struct addrinfo  *ai;

    link = req->data;
    link->resolving = false;
    rc = status;

    if (link->left) {
        link_release(link);

    } else {
        if (rc == 0) {
            for (n = 0, ai = list; ai; ai = ai->ai_next) {
                n++;
            }

            for (n = link->pick % n, ai = list; n; n--) {
                ai = ai->ai_next;
            }

            rc = link_connect_tcp(link, ai->ai_addr);
        }

        if (rc != 0) {
            link_fail(link, rc);
        }
    }

    uv_freeaddrinfo(list);
}


static int
link_resolve(link_t *link, const char *host, unsigned port)
{
    int              rc;
    char             service[8];
    struct addrinfo  hints;

    snprintf(service, sizeof(service), "%u", port);

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;

    link->resolve.data = link;
    rc = uv_getaddrinfo(loop_uv(link->loop), &link->resolve, link_on_resolve,
                        host, service, &hints);

    link->resolving = (rc == 0);

    return rc;
}


static int
link_start(link_t *link, const value_address_t *a)
{
    char                 host[256];
    struct sockaddr_in   in;
    struct sockaddr_in6  in6;

    if (a->path.len) {
        return link_connect_unix(link, a->path);
    }

    snprintf(host, sizeof(host), "%.*s", (int) a->host.len, a->host.data);

    if (uv_ip4_addr(host, (int) a->port, &in) == 0) {
        return link_connect_tcp(link, (struct sockaddr *) &in);
    }

    if (uv_ip6_addr(host, (int) a->port, &in6) == 0) {
        return link_connect_tcp(link, (struct sockaddr *) &in6);
    }

    return link_resolve(link, host, a->port);
}


link_t *
link_open(loop_t *loop, const value_address_t *address, unsigned pick,
    const link_events_t *events)
{
    int      rc;
    link_t  *link;

    link = mem_alloc(sizeof(link_t));

    link->loop = loop;
    link->on = *events;
    link->pick = pick;
    link->input = mem_alloc(LINK_READ_SIZE);

    rc = link_start(link, address);

    if (rc != 0) {
        link_fail(link, rc);
    }

    return link;
}


void
link_leave(link_t **linkp)
{
    link_t  *link;

    link = *linkp;
    *linkp = NULL;

    if (link == NULL) {
        return;
    }

    link->left = true;

    if (link->resolving) {
        uv_cancel((uv_req_t *) &link->resolve);
    }

    if (link->open) {
        uv_close(&link->u.handle, link_on_close);
        return;
    }

    link_release(link);
}
