/*
 * The frames between a runner and its cells.  Owns the bytes that have come in;
 * knows nothing of what they mean.  A cell may have been damaged by what it was
 * given: a runner trusts no length, no number and no end of a text from there.
 */

#include "cell_msg.h"

#include <errno.h>
#include <sys/socket.h>

#include "mem.h"
#include "weir_money.h"


#define CELL_MAGIC      0x77636c31u
#define CELL_READ       (64 * 1024)     /* bytes */
#define CELL_READS      16              /* of one call, so that others read */
#define CELL_TOKENS     1000000000000LL
#define CELL_WAIT_MAX   (24 * 3600 * 1000LL)
#define CELL_BUF_KEEP   (256 * 1024)


typedef struct {
    uint32_t  magic;
    uint32_t  type;
    uint32_t  index;
    uint32_t  size;             /* of what follows */
} cell_head_t;


static const size_t  cell_fixed[CELL_TYPES] = {
    [CELL_RUN] = sizeof(cell_run_t),
    [CELL_ANSWER] = sizeof(cell_answer_t),
    [CELL_TOOK] = sizeof(provider_took_t)
};


void
cell_msg_put(weir_buf_t *out, cell_type_e type, uint32_t index,
    const void *fixed, weir_str_t rest)
{
    cell_head_t  head;

    head.magic = CELL_MAGIC;
    head.type = type;
    head.index = index;
    head.size = (uint32_t) (cell_fixed[type] + rest.len);

    weir_buf_add(out, &head, sizeof(cell_head_t));
    weir_buf_add(out, fixed, cell_fixed[type]);
    weir_buf_str(out, rest);
}


cell_fill_e
cell_reader_fill(cell_reader_t *r, int fd)
{
    int       i;
    char     *to;
    ssize_t   n;

    weir_buf_consume(&r->in, r->done);
    r->done = 0;

    if (r->in.len == 0 && r->in.size > CELL_BUF_KEEP) {
        weir_buf_free(&r->in);
    }

    for (i = 0; i < CELL_READS; i++) {
        to = weir_buf_reserve(&r->in, CELL_READ);
        mem_check(to == NULL);

        n = recv(fd, to, CELL_READ, MSG_DONTWAIT);

        if (n > 0) {
            r->in.len += (size_t) n;
            continue;
        }

        if (n == 0) {
            return CELL_CLOSED;
        }

        if (errno != EINTR) {
            return errno == EAGAIN ? CELL_EMPTY : CELL_CLOSED;
        }
    }

    return CELL_MORE;
}


void
cell_reader_free(cell_reader_t *r)
{
    weir_buf_free(&r->in);
    r->done = 0;
}


int
cell_reader_take(cell_reader_t *r, cell_msg_t *msg_r)
{
    size_t        left, fixed;
    const char   *p;
    cell_head_t   head;

    left = r->in.len - r->done;

    if (left < sizeof(cell_head_t)) {
        return 0;
    }

    p = r->in.data + r->done;
    memcpy(&head, p, sizeof(cell_head_t));

    if (head.magic != CELL_MAGIC || head.type == 0 || head.type >= CELL_TYPES
        || head.size > r->max || head.size < cell_fixed[head.type])
    {
        return -1;
    }

    if (left - sizeof(cell_head_t) < head.size) {
        return 0;
    }

    fixed = cell_fixed[head.type];
    p += sizeof(cell_head_t);

    msg_r->type = (cell_type_e) head.type;
    msg_r->index = head.index;
    msg_r->fixed = p;
    msg_r->rest = (weir_str_t) { p + fixed, head.size - fixed };

    r->done += sizeof(cell_head_t) + head.size;

    return 1;
}


int
cell_write(weir_buf_t *out, size_t *done, int fd)
{
    ssize_t  n;

    while (*done < out->len) {
        n = send(fd, out->data + *done, out->len - *done,
                 MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n >= 0) {
            *done += (size_t) n;
            continue;
        }

        if (errno != EINTR) {
            return errno == EAGAIN ? 0 : -1;
        }
    }

    *done = 0;
    weir_buf_reset(out);

    if (out->size > CELL_BUF_KEEP) {
        weir_buf_free(out);
    }

    return 0;
}


static bool
cell_is_text(const char *text, size_t size)
{
    bool          ok;
    const char   *end;
    weir_json_t  *s;

    end = memchr(text, '\0', size);
    if (end == NULL) {
        return false;
    }

    s = weir_json_new_str((weir_str_t) { text, (size_t) (end - text) });
    ok = (s != NULL);                   /* it is UTF-8 */
    weir_json_free(&s);

    return ok;
}


static bool
cell_is_within(long long n, long long max)
{
    return n >= 0 && n <= max;
}


static bool
cell_took_is_sane(const provider_took_t *t)
{
    return cell_is_within(t->input_tokens, CELL_TOKENS)
           && cell_is_within(t->output_tokens, CELL_TOKENS)
           && cell_is_within(t->cost, WEIR_COST_MAX);
}


bool
cell_took_read(const cell_msg_t *msg, provider_took_t *took_r)
{
    memcpy(took_r, msg->fixed, sizeof(provider_took_t));

    return cell_took_is_sane(took_r);
}


bool
cell_answer_read(const cell_msg_t *msg, size_t nproviders,
    cell_answer_t *answer_r)
{
    cell_answer_t  *a;

    a = answer_r;
    memcpy(a, msg->fixed, sizeof(cell_answer_t));

    return (unsigned) a->verdict <= PROVIDER_FAILED
           && (a->verdict == PROVIDER_DONE) == (msg->rest.len > 0)
           && (a->provider == SIZE_MAX || a->provider < nproviders)
           && cell_is_within(a->wait, CELL_WAIT_MAX)
           && cell_took_is_sane(&a->took)
           && (unsigned) a->error.kind < WEIR_FAIL_KINDS
           && cell_is_text(a->error.message, sizeof(a->error.message))
           && cell_is_text(a->error.code, sizeof(a->error.code))
           && cell_is_text(a->error.param, sizeof(a->error.param))
           && cell_is_text(a->detail, sizeof(a->detail));
}
