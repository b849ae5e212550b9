/*
 * The vocabulary of failures.  Pure: kinds in, texts out.
 */

#include "weir_failure.h"
#include "weir_json.h"

#include <stdarg.h>
#include <stdio.h>


#define WEIR_STATUS_OVERLOADED  529

#define WEIR_PROBLEM_BASE  "urn:weir:problem:"
#define WEIR_PROBLEM_IANA  "https://iana.org/assignments/http-problem-types#"


typedef struct {
    const char  *name;
    unsigned     status;
    const char  *openai_type;
    const char  *openai_code;
    const char  *anthropic_type;
    const char  *title;
    bool         retry;
} weir_failure_kind_t;


static const weir_failure_kind_t  weir_kinds[] = {
#define WEIR_FAILURE_ROW(kind, status, type, code, anthropic, title, retry)   \
    { #kind, status, type, code, anthropic, title, retry },
    WEIR_FAILURES(WEIR_FAILURE_ROW)
#undef WEIR_FAILURE_ROW
};


void
weir_failure_copy(char *to, size_t size, weir_str_t s)
{
    size_t  n;

    n = s.len;

    if (n >= size) {
        n = size - 1;

        while (n && ((unsigned char) s.data[n] & 0xC0) == 0x80) {
            n--;
        }
    }

    if (n) {
        memcpy(to, s.data, n);
    }

    to[n] = '\0';
}


/* Bytes of the character at s, which is terminated; 0: there is none. */

static size_t
weir_failure_character(const unsigned char *s)
{
    size_t         i, n;
    unsigned char  least, most;

    if (s[0] < 0x80) {
        return 1;
    }

    n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    least = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    most = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;

    if (s[0] < 0xc2 || s[0] > 0xf4 || s[1] < least || s[1] > most) {
        return 0;
    }

    for (i = 2; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return n;
}


/* What a format has cut within a character: no document may hold it. */

static void
weir_failure_clean(char *text)
{
    char                 *to;
    size_t                n;
    const unsigned char  *s;

    for (to = text, s = (const unsigned char *) text; *s; s += n ? n : 1) {
        n = weir_failure_character(s);
        memmove(to, s, n);
        to += n;
    }

    *to = '\0';
}


void
weir_failure_set(weir_failure_t *f, weir_fail_e kind, const char *fmt, ...)
{
    char     text[WEIR_FAILURE_TEXT + 8];
    va_list  args;

    memset(f, 0, sizeof(weir_failure_t));
    f->kind = kind;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    weir_failure_clean(text);
    weir_failure_copy(f->message, WEIR_FAILURE_TEXT, weir_str_of(text));
}


int
weir_no_memory(weir_failure_t *f)
{
    weir_failure_set(f, WEIR_FAIL_INTERNAL, "out of memory");

    return -1;
}


int
weir_unless_memory(weir_failure_t *f, int rc)
{
    return rc ? weir_no_memory(f) : 0;
}


unsigned
weir_failure_status(weir_fail_e kind)
{
    return weir_kinds[kind].status;
}


/* an overloaded_error has a status of its own, and clients a class for it */

unsigned
weir_failure_status_in(weir_fail_e kind, weir_dialect_e dialect)
{
    return dialect == WEIR_DIALECT_ANTHROPIC && kind == WEIR_FAIL_UNAVAILABLE
           ? WEIR_STATUS_OVERLOADED : weir_kinds[kind].status;
}


const char *
weir_failure_name(weir_fail_e kind)
{
    return weir_kinds[kind].name;
}


int
weir_failure_kind(weir_str_t name)
{
    int  i;

    for (i = 0; i < WEIR_FAIL_KINDS; i++) {
        if (weir_str_eq(name, weir_str_of(weir_kinds[i].name))) {
            return i;
        }
    }

    return -1;
}


bool
weir_failure_may_retry(weir_fail_e kind)
{
    return weir_kinds[kind].retry;
}


weir_str_t
weir_failure_code(const weir_failure_t *f)
{
    const char  *code;

    code = f->code[0] ? f->code : weir_kinds[f->kind].openai_code;

    return code ? weir_str_of(code) : weir_str("invalid_request");
}


weir_fail_e
weir_failure_of_status(unsigned status)
{
    int  i;

    if (status == 504) {
        return WEIR_FAIL_TIMEOUT;
    }

    if (status == WEIR_STATUS_OVERLOADED) {
        return WEIR_FAIL_UNAVAILABLE;
    }

    for (i = 0; i < WEIR_FAIL_KINDS; i++) {
        if (weir_kinds[i].status == status && i != WEIR_FAIL_KEY_REUSED) {
            return i;
        }
    }

    return status >= 500 ? WEIR_FAIL_INTERNAL : WEIR_FAIL_INVALID;
}


/* bodies; "key": "text" or null */

static void
weir_body_member(weir_buf_t *out, const char *key, const char *text)
{
    weir_buf_printf(out, ",\"%s\":", key);

    if (text && *text) {
        weir_json_quote(out, weir_str_of(text));

    } else {
        weir_buf_text(out, "null");
    }
}


static void
weir_openai_body(const weir_failure_t *f, weir_buf_t *out)
{
    const weir_failure_kind_t  *k;

    k = &weir_kinds[f->kind];

    weir_buf_text(out, "{\"error\":{\"message\":");
    weir_json_quote(out, weir_str_of(f->message));
    weir_body_member(out, "type", k->openai_type);
    weir_body_member(out, "param", f->param);
    weir_body_member(out, "code", f->code[0] ? f->code : k->openai_code);
    weir_buf_text(out, "}}");
}


static void
weir_anthropic_body(const weir_failure_t *f, weir_str_t request_id,
    weir_buf_t *out)
{
    weir_buf_text(out, "{\"type\":\"error\",\"error\":{\"type\":");
    weir_json_quote(out, weir_str_of(weir_kinds[f->kind].anthropic_type));
    weir_buf_text(out, ",\"message\":");
    weir_json_quote(out, weir_str_of(f->message));
    weir_buf_text(out, "},\"request_id\":");
    weir_json_quote(out, request_id);
    weir_buf_text(out, "}");
}


static void
weir_problem_slug(const char *name, char *slug, size_t size)
{
    size_t  i;

    for (i = 0; name[i] && i < size - 1; i++) {
        slug[i] = (name[i] == '_') ? '-' : (char) (name[i] | 0x20);
    }

    slug[i] = '\0';
}


static void
weir_problem_type(const weir_failure_t *f, weir_buf_t *out)
{
    char  slug[WEIR_FAILURE_WORD];

    switch (f->problem) {

    case WEIR_PROBLEM_QUOTA_EXCEEDED:
        weir_buf_text(out, WEIR_PROBLEM_IANA "quota-exceeded");
        break;

    case WEIR_PROBLEM_REDUCED_CAPACITY:
        weir_buf_text(out, WEIR_PROBLEM_IANA "temporary-reduced-capacity");
        break;

    default:
        weir_problem_slug(weir_kinds[f->kind].name, slug, sizeof(slug));
        weir_buf_text(out, WEIR_PROBLEM_BASE);
        weir_buf_text(out, slug);
        break;
    }
}


/* an array of the names, which need no quoting but quotes */

static void
weir_problem_violated(weir_str_t names, weir_buf_t *out)
{
    size_t  i;

    weir_buf_text(out, ",\"violated-policies\":[\"");

    for (i = 0; i < names.len; i++) {
        if (names.data[i] == ',') {
            weir_buf_text(out, "\",\"");

        } else {
            weir_buf_add(out, &names.data[i], 1);
        }
    }

    weir_buf_text(out, "\"]");
}


static void
weir_problem_body(const weir_failure_t *f, weir_str_t request_id,
    weir_buf_t *out)
{
    const weir_failure_kind_t  *k;

    k = &weir_kinds[f->kind];

    weir_buf_text(out, "{\"type\":\"");
    weir_problem_type(f, out);
    weir_buf_printf(out, "\",\"title\":\"%s\",\"status\":%u,\"detail\":",
                    k->title, f->status ? f->status : k->status);
    weir_json_quote(out, weir_str_of(f->message));

    if (f->code[0]) {
        weir_body_member(out, "code", f->code);
    }

    if (f->param[0]) {
        weir_body_member(out, "param", f->param);
    }

    if (f->violated.len) {
        weir_problem_violated(f->violated, out);
    }

    if (request_id.len) {
        weir_buf_text(out, ",\"request_id\":");
        weir_json_quote(out, request_id);
    }

    weir_buf_text(out, "}");
}


void
weir_failure_body(const weir_failure_t *f, weir_dialect_e dialect,
    weir_str_t request_id, weir_buf_t *out)
{
    switch (dialect) {

    case WEIR_DIALECT_OPENAI:
        weir_openai_body(f, out);
        break;

    case WEIR_DIALECT_ANTHROPIC:
        weir_anthropic_body(f, request_id, out);
        break;

    default:
        weir_problem_body(f, request_id, out);
        break;
    }
}


const char *
weir_failure_media_type(weir_dialect_e dialect)
{
    return dialect == WEIR_DIALECT_PROBLEM ? "application/problem+json"
                                           : "application/json";
}
