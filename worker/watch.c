/*
 * Watched descriptors.  Owns one libuv handle for each number that was ever
 * watched; a stopped one rests and is used again when another socket gets the
 * same number, so that a call on a warm connection costs no allocation.
 */

#include "watch.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"


#define WATCH_MORE  64


typedef struct {
    uv_poll_t    poll;
    watches_t   *owner;
    int          fd;
} watch_t;


struct watches_s {
    loop_t      *loop;
    watch_pt     fn;
    void        *data;
    watch_t    **table;         /* by descriptor */
    size_t       size;
};


static void
watch_on_poll(uv_poll_t *poll, int status, int events)
{
    watch_t   *w;
    unsigned   what;

    w = poll->data;

    what = (events & UV_READABLE ? WATCH_READ : 0)
           | (events & UV_WRITABLE ? WATCH_WRITE : 0)
           | (status < 0 ? WATCH_ERROR : 0);

    w->owner->fn(w->owner->data, w->fd, what);
}


static watch_t *
watch_get(watches_t *ws, int fd)
{
    size_t    size;
    watch_t  *w;

    if ((size_t) fd >= ws->size) {
        size = (size_t) fd + WATCH_MORE;
        ws->table = mem_grow(ws->table, size * sizeof(watch_t *));
        memset(ws->table + ws->size, 0, (size - ws->size) * sizeof(watch_t *));
        ws->size = size;
    }

    w = ws->table[fd];

    if (w == NULL) {
        w = mem_alloc(sizeof(watch_t));
        w->owner = ws;
        w->fd = fd;

        if (uv_poll_init_socket(loop_uv(ws->loop), &w->poll, fd) != 0) {
            free(w);
            return NULL;
        }

        w->poll.data = w;
        ws->table[fd] = w;
    }

    return w;
}


static void
watch_on_close(uv_handle_t *handle)
{
    free(handle->data);
}


int
watches_set(watches_t *ws, int fd, unsigned what)
{
    int       events;
    watch_t  *w;

    w = watch_get(ws, fd);
    if (w == NULL) {
        return -1;
    }

    events = (what & WATCH_READ ? UV_READABLE : 0)
             | (what & WATCH_WRITE ? UV_WRITABLE : 0);

    return uv_poll_start(&w->poll, events, watch_on_poll) ? -1 : 0;
}


void
watches_stop(watches_t *ws, int fd)
{
    if (fd >= 0 && (size_t) fd < ws->size && ws->table[fd]) {
        uv_poll_stop(&ws->table[fd]->poll);
    }
}


watches_t *
watches_create(loop_t *loop, watch_pt fn, void *data)
{
    watches_t  *ws;

    ws = mem_alloc(sizeof(watches_t));
    ws->loop = loop;
    ws->fn = fn;
    ws->data = data;

    return ws;
}


void
watches_destroy(watches_t **wsp)
{
    size_t      i;
    watches_t  *ws;

    ws = *wsp;
    *wsp = NULL;

    for (i = 0; i < ws->size; i++) {
        if (ws->table[i]) {
            uv_close((uv_handle_t *) &ws->table[i]->poll, watch_on_close);
        }
    }

    free(ws->table);
    free(ws);
}
