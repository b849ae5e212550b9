/*
 * A shelf of finished answers: the verbs; see the header.  Allocates nothing.
 */

#include "weir_shelf_part.h"

#include "weir_siphash.h"


/* finding */

static bool
weir_shelf_show(weir_shelf_t *s, uint32_t i, int64_t now,
    weir_shelf_found_t *found)
{
    weir_shelf_node_t  *node;

    node = weir_shelf_node(s, i);

    if (now >= node->u.answer.until) {
        weir_shelf_begin(s);
        weir_shelf_drop(s, i);
        weir_shelf_end(s);
        return false;
    }

    if (node->u.answer.finished - WEIR_SHELF_AHEAD > now) {
        return false;
    }

    weir_shelf_touch(s, i, now);
    s->hits++;

    memcpy(found->question, node->key, WEIR_SHELF_DIGEST);
    found->form = node->form;
    found->index = i;
    found->first = node->u.answer.first;
    found->len = node->u.answer.len;
    found->version = node->version;
    found->epoch = s->epoch;

    return true;
}


static bool
weir_shelf_is(weir_shelf_t *s, uint32_t i, const unsigned char *question,
    unsigned form)
{
    weir_shelf_node_t  *node;

    node = weir_shelf_node(s, i);

    return node->kind == WEIR_SHELF_ANSWER && node->form == form
           && memcmp(node->key, question, WEIR_SHELF_DIGEST) == 0;
}


bool
weir_shelf_find_raw(weir_shelf_t *s,
    const unsigned char raw[WEIR_SHELF_DIGEST], int64_t now,
    weir_shelf_found_t *found_r)
{
    uint32_t            i, target;
    weir_shelf_node_t  *node;

    weir_shelf_enter(s);

    i = weir_shelf_lookup(s, WEIR_SHELF_ALIAS, raw, 0);

    if (i == 0) {
        return false;
    }

    weir_shelf_touch(s, i, now);

    node = weir_shelf_node(s, i);
    target = node->u.alias.target;

    if (target == 0
        || !weir_shelf_is(s, target, node->u.alias.question,
                          node->u.alias.form))
    {
        target = weir_shelf_lookup(s, WEIR_SHELF_ANSWER,
                                   node->u.alias.question, node->u.alias.form);
        node->u.alias.target = target;
    }

    return target && weir_shelf_show(s, target, now, found_r);
}


bool
weir_shelf_find(weir_shelf_t *s,
    const unsigned char question[WEIR_SHELF_DIGEST], unsigned form,
    int64_t now, weir_shelf_found_t *found_r)
{
    uint32_t  i;

    weir_shelf_enter(s);

    i = weir_shelf_lookup(s, WEIR_SHELF_ANSWER, question, form);

    if (i && weir_shelf_show(s, i, now, found_r)) {
        return true;
    }

    s->misses++;

    return false;
}


/* Blocks that follow each other are copied at once.  What is seen here may be
 * changed under our hands: an index that is none ends it. */

static bool
weir_shelf_copy(const weir_shelf_t *s, const weir_shelf_found_t *found,
    char *to)
{
    size_t                n, left;
    uint32_t              i, next;
    const unsigned char  *from;

    i = found->first;
    left = found->len;
    from = weir_shelf_block(s, i) + sizeof(weir_shelf_meta_t);
    n = WEIR_SHELF_BLOCK - sizeof(weir_shelf_meta_t);

    for ( ;; ) {
        next = 0;

        while (n < left) {
            next = weir_shelf_load(&weir_shelf_next(s, i));

            if (next != i + 1 || next > s->nblocks) {
                break;
            }

            i = next;
            n += WEIR_SHELF_BLOCK;
        }

        if (n >= left) {
            memcpy(to, from, left);
            return true;
        }

        memcpy(to, from, n);

        if (next == 0 || next > s->nblocks) {
            return false;
        }

        to += n;
        left -= n;
        i = next;
        from = weir_shelf_block(s, i);
        n = WEIR_SHELF_BLOCK;
    }
}


bool
weir_shelf_read(const weir_shelf_t *s, const weir_shelf_found_t *found,
    weir_shelf_meta_t *meta_r, void *body)
{
    const weir_shelf_node_t  *node;

    memcpy(meta_r, weir_shelf_block(s, found->first),
           sizeof(weir_shelf_meta_t));

    if (body && !weir_shelf_copy(s, found, body)) {
        return false;
    }

    __atomic_thread_fence(__ATOMIC_ACQUIRE);

    node = weir_shelf_node(s, found->index);

    return weir_shelf_load(&node->version) == found->version
           && weir_shelf_load(&s->epoch) == found->epoch;
}


/* putting */

static uint32_t
weir_shelf_take(weir_shelf_t *s)
{
    uint32_t  i;

    i = s->block_spare;

    if (i) {
        s->block_spare = weir_shelf_next(s, i);

    } else {
        i = s->block_top++;
    }

    s->block_used++;

    return i;
}


/* There are blocks enough. */

static void
weir_shelf_fill(weir_shelf_t *s, weir_shelf_node_t *node,
    const weir_shelf_meta_t *meta, weir_str_t body)
{
    size_t      n;
    uint32_t    i, next;

    i = weir_shelf_take(s);
    node->u.answer.first = i;
    node->u.answer.len = (uint32_t) body.len;

    memcpy(weir_shelf_block(s, i), meta, sizeof(weir_shelf_meta_t));

    n = WEIR_SHELF_BLOCK - sizeof(weir_shelf_meta_t);
    n = n < body.len ? n : body.len;

    if (n) {
        memcpy(weir_shelf_block(s, i) + sizeof(weir_shelf_meta_t), body.data,
               n);
    }

    for (body.data += n, body.len -= n; body.len; body.data += n, body.len -= n)
    {
        next = weir_shelf_take(s);
        weir_shelf_store(&weir_shelf_next(s, i), next);
        i = next;

        n = WEIR_SHELF_BLOCK < body.len ? WEIR_SHELF_BLOCK : body.len;
        memcpy(weir_shelf_block(s, i), body.data, n);
    }

    node->u.answer.last = i;
}


static int64_t
weir_shelf_until(const weir_shelf_meta_t *meta)
{
    int64_t  until;

    until = meta->fresh;
    until = until > meta->stale_while ? until : meta->stale_while;

    return until > meta->stale_error ? until : meta->stale_error;
}


void
weir_shelf_refuse(weir_shelf_t *s,
    const unsigned char question[WEIR_SHELF_DIGEST], unsigned form)
{
    uint32_t  i;

    weir_shelf_enter(s);

    i = weir_shelf_lookup(s, WEIR_SHELF_ANSWER, question, form);

    if (i) {
        weir_shelf_begin(s);
        weir_shelf_drop(s, i);
        weir_shelf_end(s);
    }

    s->too_large++;
}


weir_shelf_put_e
weir_shelf_put(weir_shelf_t *s,
    const unsigned char question[WEIR_SHELF_DIGEST], unsigned form,
    const weir_shelf_meta_t *meta, weir_str_t body, uint64_t purges,
    int64_t now)
{
    uint32_t            i;
    weir_shelf_node_t  *node;

    weir_shelf_enter(s);

    if (purges != s->purges) {
        return WEIR_SHELF_PURGED;
    }

    if (body.len > WEIR_SHELF_MOST
        || weir_shelf_blocks(body.len) > s->nblocks / 2)
    {
        weir_shelf_refuse(s, question, form);
        return WEIR_SHELF_TOO_LARGE;
    }

    i = weir_shelf_lookup(s, WEIR_SHELF_ANSWER, question, form);

    weir_shelf_begin(s);

    if (i) {
        weir_shelf_drop(s, i);
    }

    while (s->nblocks - s->block_used < weir_shelf_blocks(body.len)) {
        weir_shelf_evict(s, WEIR_SHELF_ANSWERS);
    }

    i = weir_shelf_make(s, WEIR_SHELF_ANSWER, question, form, now);
    node = weir_shelf_node(s, i);

    weir_shelf_fill(s, node, meta, body);
    node->u.answer.finished = meta->finished;
    node->u.answer.until = weir_shelf_until(meta);

    weir_shelf_end(s);

    s->stores++;

    return WEIR_SHELF_STORED;
}


void
weir_shelf_alias(weir_shelf_t *s,
    const unsigned char raw[WEIR_SHELF_DIGEST],
    const unsigned char question[WEIR_SHELF_DIGEST], unsigned form,
    int64_t now)
{
    uint32_t            i;
    weir_shelf_node_t  *node;

    weir_shelf_enter(s);

    i = weir_shelf_lookup(s, WEIR_SHELF_ALIAS, raw, 0);

    weir_shelf_begin(s);

    if (i == 0) {
        i = weir_shelf_make(s, WEIR_SHELF_ALIAS, raw, 0, now);
    }

    node = weir_shelf_node(s, i);
    memcpy(node->u.alias.question, question, WEIR_SHELF_DIGEST);
    node->u.alias.form = (uint16_t) form;
    node->u.alias.target = weir_shelf_lookup(s, WEIR_SHELF_ANSWER, question,
                                             form);

    weir_shelf_end(s);
}


/* counting, refreshing */

unsigned
weir_shelf_use(weir_shelf_t *s,
    const unsigned char question[WEIR_SHELF_DIGEST], int64_t now)
{
    uint32_t            i;
    weir_shelf_node_t  *node;

    weir_shelf_enter(s);

    i = weir_shelf_lookup(s, WEIR_SHELF_USES, question, 0);

    if (i == 0) {
        weir_shelf_begin(s);
        i = weir_shelf_make(s, WEIR_SHELF_USES, question, 0, now);
        weir_shelf_end(s);

    } else {
        weir_shelf_touch(s, i, now);
    }

    node = weir_shelf_node(s, i);
    node->u.uses += node->u.uses < UINT32_MAX;

    return node->u.uses;
}


/* A clock that went back ends it too. */

bool
weir_shelf_refresh(weir_shelf_t *s,
    const unsigned char question[WEIR_SHELF_DIGEST], unsigned form,
    int64_t now, int64_t until)
{
    bool                mine;
    uint32_t            i;
    weir_shelf_node_t  *node;

    weir_shelf_enter(s);

    i = weir_shelf_lookup(s, WEIR_SHELF_ANSWER, question, form);

    if (i == 0) {
        return false;
    }

    node = weir_shelf_node(s, i);
    mine = now < node->u.answer.from || now >= node->u.answer.to;

    if (mine || until == 0) {
        weir_shelf_begin(s);
        node->u.answer.from = now;
        node->u.answer.to = until;
        weir_shelf_end(s);
    }

    return mine && until;
}


/* purging */

uint64_t
weir_shelf_mark(const weir_shelf_t *s, weir_str_t text)
{
    uint64_t       mark;
    unsigned char  seed[WEIR_SIPHASH_LEN], hash[WEIR_SIPHASH_LEN];

    memcpy(seed, s->seed, WEIR_SIPHASH_LEN);
    weir_siphash(seed, text, hash);
    memcpy(&mark, hash, sizeof(uint64_t));

    return mark;
}


void
weir_shelf_mark_add(const weir_shelf_t *s, weir_shelf_meta_t *meta,
    weir_str_t text)
{
    if (meta->nmarks < WEIR_SHELF_MARKS) {
        meta->marks[meta->nmarks++] = weir_shelf_mark(s, text);

    } else {
        meta->nmarks = WEIR_SHELF_MARKS + 1;
    }
}


static bool
weir_shelf_marked(const weir_shelf_meta_t *meta, uint64_t mark)
{
    unsigned  i;

    for (i = 0; i < meta->nmarks && i < WEIR_SHELF_MARKS; i++) {
        if (meta->marks[i] == mark) {
            return true;
        }
    }

    return meta->nmarks > WEIR_SHELF_MARKS;
}


uint64_t
weir_shelf_purges(const weir_shelf_t *s)
{
    return weir_shelf_load(&s->purges);
}


static void
weir_shelf_purge_node(weir_shelf_t *s, uint32_t i)
{
    weir_shelf_begin(s);
    weir_shelf_drop(s, i);
    weir_shelf_end(s);

    s->purged++;
}


void
weir_shelf_purge(weir_shelf_t *s, uint64_t mark, uint32_t *cursor,
    uint32_t count)
{
    uint32_t                  i;
    weir_shelf_node_t        *node;
    const weir_shelf_meta_t  *meta;

    weir_shelf_enter(s);

    if (*cursor == 0) {
        weir_shelf_store(&s->purges, s->purges + 1);
        *cursor = 1;
    }

    for (i = *cursor; count && i < s->node_top; i++, count--) {
        node = weir_shelf_node(s, i);

        if (node->kind == WEIR_SHELF_ANSWER) {
            meta = (void *) weir_shelf_block(s, node->u.answer.first);

            if (weir_shelf_marked(meta, mark)) {
                weir_shelf_purge_node(s, i);
            }
        }
    }

    *cursor = i < s->node_top ? i : 0;
}


void
weir_shelf_purge_question(weir_shelf_t *s,
    const unsigned char question[WEIR_SHELF_DIGEST])
{
    uint32_t            i, next;
    weir_shelf_node_t  *node;

    weir_shelf_enter(s);
    weir_shelf_store(&s->purges, s->purges + 1);

    for (i = *weir_shelf_bucket(s, question); i; i = next) {
        node = weir_shelf_node(s, i);
        next = node->chain;

        if (node->kind == WEIR_SHELF_ANSWER
            && memcmp(node->key, question, WEIR_SHELF_DIGEST) == 0)
        {
            weir_shelf_purge_node(s, i);
        }
    }
}


void
weir_shelf_purge_all(weir_shelf_t *s)
{
    weir_shelf_enter(s);
    weir_shelf_store(&s->purges, s->purges + 1);

    s->purged += s->lists[WEIR_SHELF_ANSWERS].count;

    weir_shelf_begin(s);
    weir_shelf_clear(s);
    weir_shelf_end(s);
}


void
weir_shelf_stats(const weir_shelf_t *s, weir_shelf_stats_t *stats_r)
{
    stats_r->hits = weir_shelf_load(&s->hits);
    stats_r->misses = weir_shelf_load(&s->misses);
    stats_r->stores = weir_shelf_load(&s->stores);
    stats_r->evictions = weir_shelf_load(&s->evictions);
    stats_r->too_large = weir_shelf_load(&s->too_large);
    stats_r->purged = weir_shelf_load(&s->purged);
    stats_r->torn = weir_shelf_load(&s->torn);
    stats_r->entries = weir_shelf_load(&s->lists[WEIR_SHELF_ANSWERS].count);

    stats_r->used = (uint64_t) weir_shelf_load(&s->block_used)
                    * WEIR_SHELF_BLOCK
                    + (stats_r->entries
                       + weir_shelf_load(&s->lists[WEIR_SHELF_LIGHT].count))
                      * sizeof(weir_shelf_node_t);
    stats_r->size = (uint64_t) s->nblocks * WEIR_SHELF_BLOCK
                    + (uint64_t) s->nnodes * sizeof(weir_shelf_node_t);
}
