/*
 * The record of a kept answer, as edges and the sweeper read it; and the
 * policy of a run.  What reads is written again to the same text.
 */

#include "fuzz.h"
#include "weir_cached.h"


static void
fuzz_within(weir_str_t s, weir_str_t text)
{
    FUZZ_ASSERT(s.len == 0
                || (s.data >= text.data
                    && s.data + s.len <= text.data + text.len));
}


static void
fuzz_record(weir_str_t text)
{
    weir_buf_t     b = { 0 };
    weir_cached_t  c, again;

    if (!weir_cached_read(text, &c)) {
        return;
    }

    fuzz_within(c.run, text);
    fuzz_within(c.token, text);
    fuzz_within(c.owner, text);
    fuzz_within(c.model, text);
    fuzz_within(c.labels, text);
    fuzz_within(c.outcome, text);

    FUZZ_ASSERT(c.fresh >= 0 && c.cost >= 0 && c.input >= 0);

    FUZZ_ASSERT(weir_cached_write(&c, &b) == 0);
    FUZZ_ASSERT(weir_cached_read((weir_str_t) { b.data, b.len }, &again));
    FUZZ_ASSERT(weir_str_eq(c.outcome, again.outcome) && !again.cut);
    FUZZ_ASSERT(weir_str_eq(c.labels, again.labels)
                && weir_str_eq(c.owner, again.owner)
                && weir_str_eq(c.model, again.model)
                && weir_str_eq(c.run, again.run) && c.kind == again.kind
                && c.stale_error == again.stale_error);

    weir_buf_free(&b);
}


static void
fuzz_policy(weir_str_t text)
{
    int                  kind;
    char                 written[WEIR_CACHE_POLICY_MAX];
    weir_cached_t        c = { .finished = 1700000000000 };
    weir_cache_policy_t  p, again;

    if (!weir_cache_policy_read(text, &p)) {
        FUZZ_ASSERT(p.fresh[WEIR_KIND_ANSWER] == 0);
        return;
    }

    weir_cache_policy_write(&p, written);
    FUZZ_ASSERT(weir_cache_policy_read(weir_str_of(written), &again));
    FUZZ_ASSERT(memcmp(&p, &again, sizeof(p)) == 0);

    for (kind = 0; kind < WEIR_KINDS; kind++) {
        c.kind = (weir_kind_e) kind;
        FUZZ_ASSERT((weir_cached_keep(&c, &p) > 0) == (p.fresh[kind] > 0));
        FUZZ_ASSERT(c.fresh >= c.finished && c.stale_while >= c.fresh
                    && c.stale_error >= c.fresh);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_record(fuzz_str(data, size));
    fuzz_policy(fuzz_str(data, size));

    return 0;
}
