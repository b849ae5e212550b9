/*
 * The runner's ends of its cells.  Owns the sockets, and knows which cell the
 * zygote means; what the runs in a cell are is cells.c's.
 *
 * A cell counts as dead when the zygote says so, since only that comes with the
 * reason; by then its last bytes wait in the socket and are read first.
 */

#include "cell_link.h"

#include <stdlib.h>
#include <unistd.h>
#include <sys/socket.h>

#include "cell.h"
#include "log.h"
#include "mem.h"
#include "watch.h"


#define CELL_GAP  (3 * CELL_BEAT_EVERY)     /* ms: we were the ones asleep */


struct cell_link_s {
    cell_link_t     *next;
    cell_links_t    *links;
    uint32_t         id;
    uint32_t         n;
    int              fd;            /* -1: closed */
    void            *data;
    bool             closed;        /* no events any more */
    bool             broken;        /* it says what it should not */
    bool             ended;         /* it has closed its end */
    cell_reader_t    in;
    weir_buf_t       out;
    size_t           sent;          /* bytes of it */
    bool             put;           /* something new is in out */
    uint64_t         heard;         /* loop_now() */
};


struct cell_links_s {
    loop_t          *loop;
    zygote_t        *zygote;
    watches_t       *watches;
    loop_timer_t     look;
    uint64_t         looked;        /* loop_now() */
    cell_events_t    events;
    void            *all;
    size_t           nproviders;
    uint64_t         silence;       /* ms */
    uint32_t         last_id;
    cell_link_t     *first;
};


static void
cell_link_free(cell_link_t *link)
{
    cell_link_t  **p;

    for (p = &link->links->first; *p != link; p = &(*p)->next) { /* void */ }

    *p = link->next;

    if (link->fd >= 0) {
        watches_stop(link->links->watches, link->fd);
        close(link->fd);
    }

    cell_reader_free(&link->in);
    weir_buf_free(&link->out);
    free(link);
}


static void
cell_link_watch(cell_link_t *link)
{
    mem_check(watches_set(link->links->watches, link->fd, WATCH_READ
                          | (link->sent < link->out.len ? WATCH_WRITE : 0))
              != 0);
}


/* What it says from here on cannot be told from noise. */

static void
cell_link_break(cell_link_t *link, const char *reason)
{
    if (!link->broken) {
        LOG(LOG_WARN, "cell_killed", log_num("cell", link->id),
            log_text("reason", reason));
    }

    link->broken = true;
    zygote_kill(link->links->zygote, link->id);
}


static void
cell_link_take(cell_link_t *link)
{
    int             rc;
    cell_msg_t      msg;
    cell_links_t   *links;
    cell_answer_t   answer;
    provider_took_t took;

    links = link->links;

    /* the callback may close the link, but never frees it */

    while (!link->broken && !link->closed
           && (rc = cell_reader_take(&link->in, &msg)) != 0)
    {
        if (rc < 0) {
            cell_link_break(link, "it sent garbage");
            return;
        }

        link->heard = loop_now(links->loop);

        if (msg.type == CELL_BEAT) {
            continue;
        }

        if (msg.type == CELL_TOOK && msg.index < link->n
            && cell_took_read(&msg, &took))
        {
            links->events.on_took(link->data, msg.index, &took);
            continue;
        }

        if (msg.type != CELL_ANSWER || msg.index >= link->n
            || !cell_answer_read(&msg, links->nproviders, &answer))
        {
            cell_link_break(link, "it sent an answer that cannot be");
            return;
        }

        links->events.on_answer(link->data, msg.index, &answer, msg.rest);
    }
}


static cell_link_t *
cell_link_find(const cell_links_t *links, int fd)
{
    cell_link_t  *link;

    for (link = links->first; link && link->fd != fd; link = link->next) {
        /* void */
    }

    return link;
}


static void
cell_link_flush(cell_link_t *link)
{
    link->put = false;

    if (link->fd < 0 || link->ended || link->sent == link->out.len) {
        return;
    }

    /* who does not listen has died: the zygote will say */

    if (cell_write(&link->out, &link->sent, link->fd) != 0) {
        weir_buf_reset(&link->out);
        link->sent = 0;
    }

    cell_link_watch(link);
}


static void
cell_link_on_ready(void *data, int fd, unsigned what)
{
    cell_link_t  *link;

    link = cell_link_find(data, fd);

    if (link == NULL) {
        return;
    }

    if (what & WATCH_WRITE) {
        cell_link_flush(link);
    }

    if (cell_reader_fill(&link->in, fd) == CELL_CLOSED) {
        watches_stop(link->links->watches, fd);
        link->ended = true;
    }

    cell_link_take(link);
}


static void
cell_links_on_death(void *data, uint32_t id, int status)
{
    void          *owner;
    cell_fill_e    rc;
    cell_link_t   *link;
    cell_links_t  *links;

    links = data;

    for (link = links->first; link && link->id != id; link = link->next) {
        /* void */
    }

    if (link == NULL) {
        return;
    }

    do {
        rc = link->fd >= 0 ? cell_reader_fill(&link->in, link->fd)
                           : CELL_CLOSED;
        cell_link_take(link);
    } while (rc == CELL_MORE);

    owner = link->closed ? NULL : link->data;
    cell_link_free(link);

    if (owner) {
        links->events.on_end(owner, status);
    }
}


static void
cell_links_on_gone(void *data)
{
    cell_links_t  *links;

    links = data;

    LOG(LOG_ERROR, "zygote_died",
        log_text("reason", "the runner hands back its runs and ends"));

    while (links->first) {
        cell_links_on_death(links, links->first->id, ZYGOTE_NO_STATUS);
    }

    links->events.on_gone(links->all);
}


static void
cell_links_look(void *data)
{
    bool           gap;
    uint64_t       now;
    cell_link_t   *link;
    cell_links_t  *links;

    links = data;
    now = loop_now(links->loop);
    gap = (now - links->looked > CELL_GAP);
    links->looked = now;

    for (link = links->first; link; link = link->next) {

        if (gap) {
            link->heard = now;          /* its beats have not been read yet */
        }

        if (now - link->heard >= links->silence) {
            cell_link_break(link, "no sign of life");
        }
    }

    loop_timer_set(links->loop, &links->look, CELL_BEAT_EVERY);
}


cell_link_t *
cell_link_open(cell_links_t *links, uint32_t n, void *data)
{
    int           fds[2];
    cell_link_t  *link;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        return NULL;
    }

    if (zygote_spawn(links->zygote, ++links->last_id, fds[1]) != 0) {
        close(fds[0]);
        close(fds[1]);
        return NULL;
    }

    close(fds[1]);

    link = mem_alloc(sizeof(cell_link_t));
    link->links = links;
    link->id = links->last_id;
    link->n = n;
    link->fd = fds[0];
    link->data = data;
    link->in.max = CELL_MSG_MAX;
    link->heard = loop_now(links->loop);

    link->next = links->first;
    links->first = link;
    cell_link_watch(link);

    return link;
}


void
cell_link_run(cell_link_t *link, uint32_t index, const cell_run_t *run,
    weir_str_t payload)
{
    cell_msg_put(&link->out, CELL_RUN, index, run, payload);
    mem_check(link->out.failed);
    link->put = true;
}


void
cell_link_cancel(cell_link_t *link, uint32_t index)
{
    cell_msg_put(&link->out, CELL_CANCEL, index, NULL, weir_str_null);
    mem_check(link->out.failed);
    link->put = true;
}


void
cell_links_flush(cell_links_t *links)
{
    cell_link_t  *link;

    for (link = links->first; link; link = link->next) {
        if (link->put) {
            cell_link_flush(link);
        }
    }
}


void
cell_link_close(cell_link_t **linkp)
{
    cell_link_t  *link;

    link = *linkp;
    *linkp = NULL;

    watches_stop(link->links->watches, link->fd);
    close(link->fd);

    link->fd = -1;
    link->closed = true;
    link->put = false;
    link->heard = loop_now(link->links->loop);
}


cell_links_t *
cell_links_create(loop_t *loop, zygote_t *zygote, size_t nproviders,
    uint64_t silence, const cell_events_t *events, void *all)
{
    cell_links_t     *links;
    zygote_events_t   ends;

    links = mem_alloc(sizeof(cell_links_t));
    links->loop = loop;
    links->zygote = zygote;
    links->nproviders = nproviders;
    links->silence = silence;
    links->events = *events;
    links->all = all;
    links->watches = watches_create(loop, cell_link_on_ready, links);
    links->looked = loop_now(loop);

    links->look.fn = cell_links_look;
    links->look.data = links;
    loop_timer_set(loop, &links->look, CELL_BEAT_EVERY);

    ends.on_death = cell_links_on_death;
    ends.on_gone = cell_links_on_gone;
    ends.data = links;
    zygote_attach(zygote, loop, &ends);

    return links;
}


void
cell_links_destroy(cell_links_t **linksp)
{
    cell_links_t  *links;

    links = *linksp;
    *linksp = NULL;

    while (links->first) {
        cell_link_free(links->first);
    }

    loop_timer_stop(links->loop, &links->look);
    watches_destroy(&links->watches);
    free(links);
}
