/*
 * Kept answers.  Owns nothing.
 */

#include "weir_cached.h"

#include "weir_apikey.h"

#include <stdio.h>


#define WEIR_CACHED_MARK       "v1"
#define WEIR_CACHED_TOKEN_MAX  32
#define WEIR_CACHED_MODEL_MAX  256
#define WEIR_CACHED_DIGITS     15       /* ms, tokens and costs have fewer */
#define WEIR_CACHED_NUMBER     999999999999999LL
#define WEIR_POLICY_NUMBERS    (WEIR_KINDS + 2)


static const char  *weir_kind_names[WEIR_KINDS] = {
    "answer", "truncated", "refusal", "failed"
};


/* kinds */

const char *
weir_kind_name(weir_kind_e kind)
{
    return weir_kind_names[kind];
}


int
weir_kind_parse(weir_str_t name)
{
    int  kind;

    for (kind = 0; kind < WEIR_KINDS; kind++) {
        if (weir_str_eq(name, weir_str_of(weir_kind_names[kind]))) {
            return kind;
        }
    }

    return -1;
}


static weir_kind_e
weir_kind_of_choice(const weir_json_t *choice)
{
    size_t        i;
    weir_str_t    stop;
    weir_json_t  *part, *parts;

    stop = weir_json_str(weir_json_get(choice, "stop"));
    parts = weir_json_get(choice, "parts");

    if (weir_str_eq(stop, weir_str("filter"))) {
        return WEIR_KIND_REFUSAL;
    }

    for (i = 0; i < weir_json_count(parts); i++) {
        part = weir_json_at(parts, i);

        if (weir_str_eq(weir_json_str(weir_json_get(part, "type")),
                        weir_str("refusal"))
            && weir_json_str(weir_json_get(part, "text")).len)
        {
            return WEIR_KIND_REFUSAL;
        }
    }

    return weir_str_eq(stop, weir_str("length")) ? WEIR_KIND_TRUNCATED
                                                 : WEIR_KIND_ANSWER;
}


weir_kind_e
weir_kind_of(const weir_outcome_t *o)
{
    size_t       i;
    weir_kind_e  kind, worst;

    if (o->state != WEIR_COMPLETED || o->choices == NULL) {
        return WEIR_KIND_FAILED;
    }

    worst = WEIR_KIND_ANSWER;

    for (i = 0; i < weir_json_count(o->choices); i++) {
        kind = weir_kind_of_choice(weir_json_at(o->choices, i));
        worst = kind > worst ? kind : worst;
    }

    return worst;
}


/* the policy: its numbers, with a space between two */

static int64_t
weir_cache_ttl(int64_t s)
{
    return s < 0 ? 0 : s > WEIR_CACHE_TTL_MAX ? WEIR_CACHE_TTL_MAX : s;
}


void
weir_cache_policy_write(const weir_cache_policy_t *p,
    char text[WEIR_CACHE_POLICY_MAX])
{
    snprintf(text, WEIR_CACHE_POLICY_MAX, "%u %u %u %u %u %u",
             (unsigned) weir_cache_ttl(p->fresh[WEIR_KIND_ANSWER]),
             (unsigned) weir_cache_ttl(p->fresh[WEIR_KIND_TRUNCATED]),
             (unsigned) weir_cache_ttl(p->fresh[WEIR_KIND_REFUSAL]),
             (unsigned) weir_cache_ttl(p->fresh[WEIR_KIND_FAILED]),
             (unsigned) weir_cache_ttl(p->stale_while),
             (unsigned) weir_cache_ttl(p->stale_error));
}


bool
weir_cache_policy_read(weir_str_t text, weir_cache_policy_t *p)
{
    int         i;
    int64_t     n[WEIR_POLICY_NUMBERS];
    weir_str_t  word;

    memset(p, 0, sizeof(weir_cache_policy_t));

    for (i = 0; i < WEIR_POLICY_NUMBERS; i++) {
        if (!weir_str_split(&text, ' ', &word)
            || !weir_str_digits(word, 7, &n[i]) || n[i] > WEIR_CACHE_TTL_MAX)
        {
            return false;
        }
    }

    if (text.data) {
        return false;
    }

    memcpy(p->fresh, n, sizeof(p->fresh));
    p->stale_while = n[WEIR_KINDS];
    p->stale_error = n[WEIR_KINDS + 1];

    return true;
}


/* the record */

int64_t
weir_cached_keep(weir_cached_t *c, const weir_cache_policy_t *p)
{
    int64_t  fresh;

    fresh = weir_cache_ttl(p->fresh[c->kind]);

    c->fresh = c->finished + fresh * 1000;
    c->stale_while = c->fresh;
    c->stale_error = c->fresh;

    if (fresh == 0) {
        return 0;
    }

    /* a failure that is past its time is better than nothing to nobody */

    if (c->kind != WEIR_KIND_FAILED) {
        c->stale_while += weir_cache_ttl(p->stale_while) * 1000;
        c->stale_error += weir_cache_ttl(p->stale_error) * 1000;
    }

    return c->stale_while > c->stale_error ? c->stale_while : c->stale_error;
}


/* a word of the line: not empty, and no space or control in it */

static bool
weir_cached_word(weir_str_t s, size_t max)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if ((unsigned char) s.data[i] <= ' ' || s.data[i] == 0x7f) {
            return false;
        }
    }

    return s.len > 0 && s.len <= max;
}


static bool
weir_cached_number(long long n)
{
    return n >= 0 && n <= WEIR_CACHED_NUMBER;
}


static bool
weir_cached_valid(const weir_cached_t *c)
{
    return weir_cached_word(c->run, WEIR_ID_LEN)
           && weir_cached_word(c->token, WEIR_CACHED_TOKEN_MAX)
           && weir_cached_number(c->created)
           && weir_cached_number(c->finished)
           && weir_cached_number(c->fresh)
           && weir_cached_number(c->stale_while)
           && weir_cached_number(c->stale_error)
           && weir_cached_number(c->input)
           && weir_cached_number(c->output)
           && weir_cached_number(c->cost)
           && (unsigned) c->kind < WEIR_KINDS
           && c->owner.len <= WEIR_OWNER_MAX
           && c->model.len <= WEIR_CACHED_MODEL_MAX
           && c->labels.len <= WEIR_CACHED_LABELS_MAX
           && c->outcome.len <= WEIR_OUTCOME_MAX;
}


int
weir_cached_write(const weir_cached_t *c, weir_buf_t *out)
{
    if (!weir_cached_valid(c)) {
        return -1;
    }

    weir_buf_printf(out, WEIR_CACHED_MARK " %.*s %.*s %lld %lld %lld %lld %lld"
                    " %lld %lld %lld %s %zu %zu %zu %zu\n",
                    (int) c->run.len, c->run.data,
                    (int) c->token.len, c->token.data,
                    (long long) c->created, (long long) c->finished,
                    (long long) c->fresh, (long long) c->stale_while,
                    (long long) c->stale_error, c->input, c->output, c->cost,
                    weir_kind_name(c->kind), c->owner.len, c->model.len,
                    c->labels.len, c->outcome.len);
    weir_buf_str(out, c->owner);
    weir_buf_str(out, c->model);
    weir_buf_str(out, c->labels);
    weir_buf_str(out, c->outcome);

    return out->failed ? -1 : 0;
}


static bool
weir_cached_digits(weir_str_t *line, int64_t *n_r)
{
    weir_str_t  word;

    return weir_str_split(line, ' ', &word)
           && weir_str_digits(word, WEIR_CACHED_DIGITS, n_r);
}


/* the line, and the lengths of the strings behind it */

static bool
weir_cached_read_line(weir_str_t line, weir_cached_t *c, int64_t len[4])
{
    int         i, kind;
    int64_t     n[8];
    weir_str_t  mark, word;

    if (!weir_str_split(&line, ' ', &mark)
        || !weir_str_eq(mark, weir_str(WEIR_CACHED_MARK))
        || !weir_str_split(&line, ' ', &c->run)
        || !weir_str_split(&line, ' ', &c->token))
    {
        return false;
    }

    for (i = 0; i < 8; i++) {
        if (!weir_cached_digits(&line, &n[i])) {
            return false;
        }
    }

    if (!weir_str_split(&line, ' ', &word)) {
        return false;
    }

    kind = weir_kind_parse(word);
    if (kind < 0) {
        return false;
    }

    for (i = 0; i < 4; i++) {
        if (!weir_cached_digits(&line, &len[i])) {
            return false;
        }
    }

    c->created = n[0];
    c->finished = n[1];
    c->fresh = n[2];
    c->stale_while = n[3];
    c->stale_error = n[4];
    c->input = n[5];
    c->output = n[6];
    c->cost = n[7];
    c->kind = (weir_kind_e) kind;

    return line.data == NULL;
}


static bool
weir_cached_cut(weir_str_t *rest, int64_t len, weir_str_t *s_r)
{
    if ((uint64_t) len > rest->len) {
        return false;
    }

    *s_r = (weir_str_t) { rest->data, (size_t) len };

    rest->data += len;
    rest->len -= (size_t) len;

    return true;
}


bool
weir_cached_read(weir_str_t text, weir_cached_t *c)
{
    int64_t     len[4];
    weir_str_t  line;

    memset(c, 0, sizeof(weir_cached_t));

    if (!weir_str_split(&text, '\n', &line)
        || text.data == NULL
        || !weir_cached_read_line(line, c, len)
        || !weir_cached_cut(&text, len[0], &c->owner)
        || !weir_cached_cut(&text, len[1], &c->model)
        || !weir_cached_cut(&text, len[2], &c->labels)
        || text.len > (uint64_t) len[3])
    {
        return false;
    }

    c->outcome = text;
    c->outcome.len = (size_t) len[3];

    if (!weir_cached_valid(c)) {
        return false;
    }

    c->cut = text.len < c->outcome.len;
    c->outcome = text;

    return true;
}
