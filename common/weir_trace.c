/*
 * Trace context.  Pure: values of fields in, values of fields out.
 */

#include "weir_trace.h"

#include "weir_digest.h"


#define WEIR_TRACE_KEY_MAX      256
#define WEIR_TRACE_VALUE_MAX    256
#define WEIR_TRACE_LONG         128         /* such members are left first */


static bool
weir_trace_is_space(char c)
{
    return c == ' ' || c == '\t';
}


static weir_str_t
weir_trace_trim(weir_str_t s)
{
    while (s.len && weir_trace_is_space(s.data[0])) {
        s.data++;
        s.len--;
    }

    while (s.len && weir_trace_is_space(s.data[s.len - 1])) {
        s.len--;
    }

    return s;
}


/* traceparent */

/* -1: that is none, or in upper case */

static int
weir_trace_hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}


/* Cuts n hexadecimal digits and what ends them off s; end 0: they may be all
 * there is.  NULL: they are not there. */

static const char *
weir_trace_digits(weir_str_t *s, size_t n, char end)
{
    size_t       i;
    const char  *p;

    p = s->data;

    if (s->len < n + (end ? 1 : 0) || (end && p[n] != end)) {
        return NULL;
    }

    for (i = 0; i < n; i++) {
        if (weir_trace_hex(p[i]) < 0) {
            return NULL;
        }
    }

    n += (end ? 1 : 0);
    s->data += n;
    s->len -= n;

    return p;
}


static bool
weir_trace_is_zero(const char *digits, size_t n)
{
    while (n && digits[n - 1] == '0') {
        n--;
    }

    return n == 0;
}


bool
weir_traceparent_read(weir_trace_t *t, weir_str_t value)
{
    unsigned     version;
    weir_str_t   rest;
    const char  *v, *trace, *span, *flags;

    memset(t, 0, sizeof(weir_trace_t));

    rest = weir_trace_trim(value);

    if ((v = weir_trace_digits(&rest, 2, '-')) == NULL
        || (trace = weir_trace_digits(&rest, WEIR_TRACE_ID_LEN, '-')) == NULL
        || (span = weir_trace_digits(&rest, WEIR_SPAN_ID_LEN, '-')) == NULL
        || (flags = weir_trace_digits(&rest, 2, '\0')) == NULL)
    {
        return false;
    }

    version = (unsigned) (weir_trace_hex(v[0]) * 16 + weir_trace_hex(v[1]));

    /* what later versions add stands behind, after one more dash */

    if (version == 0xff || (rest.len && (version == 0 || rest.data[0] != '-'))
        || weir_trace_is_zero(trace, WEIR_TRACE_ID_LEN)
        || weir_trace_is_zero(span, WEIR_SPAN_ID_LEN))
    {
        return false;
    }

    memcpy(t->trace_id, trace, WEIR_TRACE_ID_LEN);
    memcpy(t->span_id, span, WEIR_SPAN_ID_LEN);

    /* what others mean is not known, and must not be passed on */

    t->flags = (unsigned) (weir_trace_hex(flags[0]) * 16
                           + weir_trace_hex(flags[1]))
               & (WEIR_TRACE_SAMPLED | WEIR_TRACE_BY_CHANCE);

    return true;
}


static char *
weir_trace_put(char *to, const void *from, size_t n)
{
    memcpy(to, from, n);

    return to + n;
}


void
weir_traceparent_write(const weir_trace_t *t,
    char text[WEIR_TRACEPARENT_LEN + 1])
{
    char           *p;
    unsigned char   flags;

    flags = (unsigned char) t->flags;

    p = weir_trace_put(text, "00-", 3);
    p = weir_trace_put(p, t->trace_id, WEIR_TRACE_ID_LEN);
    p = weir_trace_put(p, "-", 1);
    p = weir_trace_put(p, t->span_id, WEIR_SPAN_ID_LEN);
    p = weir_trace_put(p, "-", 1);
    weir_digest_hex(&flags, 1, p);
}


/* An id of zeros is none; chance makes one as often as any other. */

static void
weir_trace_id(char *id, const unsigned char *random, size_t n)
{
    weir_digest_hex(random, n, id);

    if (weir_trace_is_zero(id, 2 * n)) {
        id[2 * n - 1] = '1';
    }
}


void
weir_trace_start(weir_trace_t *t, const unsigned char random[WEIR_TRACE_RANDOM])
{
    weir_trace_id(t->trace_id, random, WEIR_TRACE_ID_LEN / 2);
    t->flags = WEIR_TRACE_BY_CHANCE;

    weir_trace_child(t, random + WEIR_TRACE_ID_LEN / 2);
}


void
weir_trace_child(weir_trace_t *t, const unsigned char random[WEIR_SPAN_RANDOM])
{
    weir_trace_id(t->span_id, random, WEIR_SPAN_ID_LEN / 2);
}


/* tracestate */

static bool
weir_trace_key_valid(weir_str_t key)
{
    char    c;
    size_t  i;

    if (key.len == 0 || key.len > WEIR_TRACE_KEY_MAX) {
        return false;
    }

    for (i = 0; i < key.len; i++) {
        c = key.data[i];

        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            continue;
        }

        if (i == 0 || (c != '_' && c != '-' && c != '*' && c != '/'
                       && c != '@'))
        {
            return false;
        }
    }

    return true;
}


/* trimmed: it does not end in a space */

static bool
weir_trace_value_valid(weir_str_t value)
{
    size_t  i;

    if (value.len == 0 || value.len > WEIR_TRACE_VALUE_MAX) {
        return false;
    }

    for (i = 0; i < value.len; i++) {
        if (value.data[i] < ' ' || value.data[i] > '~' || value.data[i] == '=')
        {
            return false;
        }
    }

    return true;
}


static weir_str_t
weir_trace_key(weir_str_t member)
{
    weir_str_t  key;

    return weir_str_split(&member, '=', &key) ? key : weir_str_null;
}


/* a member that was trimmed and is not empty */

static void
weir_trace_member(weir_tracestate_t *s, weir_str_t member)
{
    unsigned    i;
    weir_str_t  key, value;

    value = member;

    if (++s->seen > WEIR_TRACE_MEMBERS_MAX || !weir_str_split(&value, '=', &key)
        || !weir_trace_key_valid(key) || !weir_trace_value_valid(value))
    {
        s->bad = true;
        return;
    }

    /* the first is the latest: who changes his own puts it in front */

    for (i = 0; i < s->n; i++) {
        if (weir_str_eq(key, weir_trace_key(s->members[i]))) {
            return;
        }
    }

    s->members[s->n++] = member;
}


void
weir_tracestate_add(weir_tracestate_t *s, weir_str_t value)
{
    weir_str_t  member;

    while (!s->bad && weir_str_split(&value, ',', &member)) {
        member = weir_trace_trim(member);

        if (member.len) {
            weir_trace_member(s, member);
        }
    }
}


/* Marks what is left out, from the end, until the rest fits. */

static size_t
weir_tracestate_cut(const weir_tracestate_t *s, size_t total, size_t least,
    bool cut[WEIR_TRACE_MEMBERS_MAX])
{
    unsigned  i;

    for (i = s->n; i > 0 && total > WEIR_TRACESTATE_MAX + 1; i--) {
        if (!cut[i - 1] && s->members[i - 1].len > least) {
            cut[i - 1] = true;
            total -= s->members[i - 1].len + 1;
        }
    }

    return total;
}


size_t
weir_tracestate_write(const weir_tracestate_t *s,
    char text[WEIR_TRACESTATE_MAX])
{
    bool       cut[WEIR_TRACE_MEMBERS_MAX] = { false };
    char      *p;
    size_t     total;
    unsigned   i;

    if (s->bad) {
        return 0;
    }

    total = 0;                          /* each with a comma */

    for (i = 0; i < s->n; i++) {
        total += s->members[i].len + 1;
    }

    total = weir_tracestate_cut(s, total, WEIR_TRACE_LONG, cut);
    (void) weir_tracestate_cut(s, total, 0, cut);

    p = text;

    for (i = 0; i < s->n; i++) {
        if (!cut[i]) {
            p = p > text ? weir_trace_put(p, ",", 1) : p;
            p = weir_trace_put(p, s->members[i].data, s->members[i].len);
        }
    }

    return (size_t) (p - text);
}


/* fields */

/* lower: the name in lower case */

static bool
weir_trace_is_named(weir_str_t name, weir_str_t lower)
{
    char    c;
    size_t  i;

    if (name.len != lower.len) {
        return false;
    }

    for (i = 0; i < name.len; i++) {
        c = name.data[i];

        if ((c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c) != lower.data[i]) {
            return false;
        }
    }

    return true;
}


void
weir_trace_fields_add(weir_trace_fields_t *f, weir_str_t name, weir_str_t value)
{
    if (weir_trace_is_named(name, weir_str("traceparent"))) {
        f->parent = value;
        f->parents++;

    } else if (weir_trace_is_named(name, weir_str("tracestate"))) {
        weir_tracestate_add(&f->state, value);
    }
}


bool
weir_trace_fields_read(weir_trace_fields_t *f, weir_trace_t *t)
{
    if (f->parents == 1 && weir_traceparent_read(t, f->parent)) {
        return true;
    }

    memset(&f->state, 0, sizeof(weir_tracestate_t));

    return false;
}


/* the record */

size_t
weir_trace_write(const weir_trace_t *t, const weir_tracestate_t *s,
    char text[WEIR_TRACE_MAX])
{
    size_t  n;

    weir_traceparent_write(t, text);
    n = weir_tracestate_write(s, text + WEIR_TRACEPARENT_LEN + 1);

    if (n == 0) {
        return WEIR_TRACEPARENT_LEN;
    }

    text[WEIR_TRACEPARENT_LEN] = ' ';

    return WEIR_TRACEPARENT_LEN + 1 + n;
}


bool
weir_trace_read(weir_str_t text, weir_trace_t *t, weir_str_t *state_r)
{
    weir_str_t         parent, state;
    weir_tracestate_t  s;

    *state_r = weir_str_null;

    if (text.len < WEIR_TRACEPARENT_LEN || text.len > WEIR_TRACE_MAX
        || !weir_traceparent_read(t, (weir_str_t) { text.data,
                                                    WEIR_TRACEPARENT_LEN }))
    {
        return false;
    }

    state = text;

    if (!weir_str_split(&state, ' ', &parent)
        || parent.len != WEIR_TRACEPARENT_LEN)
    {
        return false;
    }

    /* it becomes a line of a request: nothing may be in it that ends one */

    memset(&s, 0, sizeof(weir_tracestate_t));
    weir_tracestate_add(&s, state);

    if (!s.bad && s.n) {
        *state_r = state;
    }

    return true;
}
