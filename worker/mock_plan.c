/*
 * The directives of the mock LLM as one table, and their parser.  Never acts
 * on a plan; see mock_call.c and mock_stream.c for that.
 */

#include "mock_plan.h"

#include <stdio.h>
#include <string.h>


#define MS_MAX      86400000        /* a day */
#define TEXT_MAX    (64 * 1024 * 1024)

/* the text that "size" makes consists of words of four bytes: "tok " */
#define TOKEN_SIZE  4

#define ALNUM  "abcdefghijklmnopqrstuvwxyz" \
               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


struct directive {
    const char         *name;
    const char         *expected;   /* for the message of a bad value */
    bool              (*set)(const struct directive *d, void *field,
                             const char *value);
    size_t              offset;     /* of the field in struct mock_plan */
    int64_t             min;
    int64_t             max;        /* of a text: bytes */
    const char         *charset;
    const char *const  *words;      /* the enum's spellings in its order */
};


static bool set_number(const struct directive *d, void *field,
    const char *value);
static bool set_status(const struct directive *d, void *field,
    const char *value);
static bool set_tokens(const struct directive *d, void *field,
    const char *value);
static bool set_word(const struct directive *d, void *field,
    const char *value);
static bool set_text(const struct directive *d, void *field,
    const char *value);


static const char *const  cut_words[] = {
    "none", "before", "headers", "body", "event", NULL
};

static const char *const  garbage_words[] = {
    "none", "json", "html", "empty", "binary", "utf8", "huge", NULL
};

static const char *const  usage_words[] = {
    "true", "none", "negative", "huge", NULL
};

static const char *const  stop_words[] = {
    "done", "body", "event", "text", "finish", "marker", "open", NULL
};

static const char *const  bad_words[] = {
    "none", "json", "utf8", "array", "empty", "unknown", "huge", NULL
};

static const char *const  eol_words[] = {
    "lf", "crlf", "cr", "mixed", NULL
};

static const char *const  words_words[] = {
    "ascii", "wide", "clock", NULL
};

static const char *const  stream_words[] = {
    "asked", "never", "always", NULL
};


#define NUMBER(name, field, min, max, expected)                               \
    { name, expected, set_number, offsetof(struct mock_plan, field),          \
      min, max, NULL, NULL }

#define WORD(name, words, expected)                                           \
    { #name, expected, set_word, offsetof(struct mock_plan, name),            \
      0, 0, NULL, words }

#define TEXT(name, field, max, charset, expected)                             \
    { name, expected, set_text, offsetof(struct mock_plan, field),            \
      1, max, charset, NULL }

#define MS  "milliseconds from 0 to 86400000"

static const struct directive  directives[] = {

    NUMBER("delay", delay, 0, MS_MAX, MS),
    NUMBER("times", times, 0, INT32_MAX, "a number of calls"),
    NUMBER("trickle", trickle, 0, MS_MAX, MS),
    NUMBER("size", size, 0, TEXT_MAX, "bytes from 0 to 67108864"),
    NUMBER("every", every, 0, MS_MAX, MS),
    NUMBER("hang", hang, 0, 1, "0 or 1"),

    { "status", "200 or a status from 300 to 599", set_status,
      offsetof(struct mock_plan, status), 200, 599, NULL, NULL },

    { "tokens", "a number from 0 to 16777216", set_tokens,
      offsetof(struct mock_plan, size), 0, TEXT_MAX / TOKEN_SIZE,
      NULL, NULL },

    NUMBER("counted", counted, 0, 65536, "a number from 0 to 65536"),
    NUMBER("thinking", thinking, 0, TEXT_MAX / TOKEN_SIZE,
           "a number from 0 to 16777216"),
    NUMBER("preface", preface, 0, TEXT_MAX / TOKEN_SIZE,
           "a number from 0 to 16777216"),
    NUMBER("tools", tools, 1, MOCK_TOOLS_MAX, "a number from 1 to 8"),
    NUMBER("pieces", pieces, 1, MOCK_ARGS_MAX, "a number from 1 to 256"),
    NUMBER("turns", turns, 0, 1, "0 or 1"),
    NUMBER("vary", vary, 0, 1, "0 or 1"),
    NUMBER("cached", cached, 0, INT32_MAX, "a number of tokens"),

    NUMBER("after", after, 0, INT32_MAX, "a number of events"),
    NUMBER("pause", pause, 0, MS_MAX, MS),
    NUMBER("space", space, 0, 1, "0 or 1"),
    NUMBER("escape", escape, 0, 1, "0 or 1"),
    NUMBER("ping", ping, 0, INT32_MAX, "a number of events"),
    NUMBER("comment", comment, 0, INT32_MAX, "a number of events"),
    NUMBER("batch", batch, 1, 10000, "a number from 1 to 10000"),
    NUMBER("piece", piece, 1, 65536, "bytes from 1 to 65536"),

    WORD(cut, cut_words, "none, before, headers, body or event"),
    WORD(stop, stop_words,
         "done, body, event, text, finish, marker or open"),
    WORD(bad, bad_words,
         "none, json, utf8, array, empty, unknown or huge"),
    WORD(eol, eol_words, "lf, crlf, cr or mixed"),
    WORD(words, words_words, "ascii, wide or clock"),
    WORD(stream, stream_words, "asked, never or always"),
    WORD(garbage, garbage_words,
         "none, json, html, empty, binary, utf8 or huge"),
    WORD(usage, usage_words, "true, none, negative or huge"),

    TEXT("retry-after", retry_after, MOCK_NUMBER_MAX, "0123456789.",
         "seconds"),
    TEXT("retry-after-ms", retry_after_ms, MOCK_NUMBER_MAX, "0123456789.",
         "milliseconds"),
    TEXT("tag", tag, MOCK_NAME_MAX, ALNUM "._-",
         "1 to 64 of A-Z a-z 0-9 . _ -"),
    TEXT("tool", tool, MOCK_NAME_MAX, ALNUM "_-",
         "1 to 64 of A-Z a-z 0-9 _ -"),
    TEXT("finish", finish, MOCK_NAME_MAX, ALNUM "_-",
         "1 to 64 of A-Z a-z 0-9 _ -"),
    TEXT("error", error, MOCK_NAME_MAX, ALNUM "._-",
         "1 to 64 of A-Z a-z 0-9 . _ -"),
    TEXT("args", args, MOCK_ARGS_MAX, NULL, "1 to 256 printable characters"),
    TEXT("key", key, MOCK_KEY_MAX, NULL, "1 to 128 printable characters"),
    TEXT("models", models, MOCK_MODELS_MAX, ALNUM "._:/-,",
         "names separated by commas, 256 bytes at most"),

    { NULL, NULL, NULL, 0, 0, 0, NULL, NULL }
};


static bool
number_parse(const char *value, int64_t *number_r)
{
    int64_t  n;

    if (*value == '\0' || strlen(value) > 15) {
        return false;
    }

    for (n = 0; *value != '\0'; value++) {
        if (*value < '0' || *value > '9') {
            return false;
        }

        n = n * 10 + (*value - '0');
    }

    *number_r = n;

    return true;
}


static bool
set_number(const struct directive *d, void *field, const char *value)
{
    int64_t  n;

    if (!number_parse(value, &n) || n < d->min || n > d->max) {
        return false;
    }

    *(int64_t *) field = n;

    return true;
}


static bool
set_status(const struct directive *d, void *field, const char *value)
{
    int64_t  n;

    /* another answer of the class 2xx would be neither good nor bad */
    if (!number_parse(value, &n) || (n > 200 && n < 300)) {
        return false;
    }

    return set_number(d, field, value);
}


static bool
set_tokens(const struct directive *d, void *field, const char *value)
{
    if (!set_number(d, field, value)) {
        return false;
    }

    *(int64_t *) field *= TOKEN_SIZE;

    return true;
}


static bool
set_word(const struct directive *d, void *field, const char *value)
{
    int64_t  i;

    for (i = 0; d->words[i] != NULL; i++) {
        if (strcmp(d->words[i], value) == 0) {
            *(int64_t *) field = i;
            return true;
        }
    }

    return false;
}


static bool
set_text(const struct directive *d, void *field, const char *value)
{
    size_t  len;

    len = strlen(value);
    if (len < (size_t) d->min || len > (size_t) d->max) {
        return false;
    }

    if (d->charset != NULL && strspn(value, d->charset) != len) {
        return false;
    }

    memcpy(field, value, len + 1);

    return true;
}


void
mock_plan_init(struct mock_plan *plan)
{
    *plan = (struct mock_plan) {
        .delay = -1, .status = -1, .times = -1,
        .trickle = -1, .size = -1, .every = -1,
        .cut = MOCK_CUT_NONE,
        .garbage = MOCK_GARBAGE_NONE,
        .usage = MOCK_USAGE_TRUE,
        .tools = 1, .pieces = -1, .space = 1,
        .after = -1, .pause = -1, .batch = 1, .piece = -1
    };
}


/* word is "name=value" or "name", terminated and printable ASCII */
static bool
plan_apply(struct mock_plan *plan, char *word, char *error_r, size_t size)
{
    char                    *value;
    const struct directive  *d;

    value = strchr(word, '=');
    if (value != NULL) {
        *value++ = '\0';

    } else if (strcmp(word, "hang") == 0) {
        value = "1";
    }

    for (d = directives; d->name != NULL; d++) {
        if (strcmp(d->name, word) == 0) {
            break;
        }
    }

    if (d->name == NULL) {
        snprintf(error_r, size, "unknown directive \"%s\"", word);
        return false;
    }

    if (value == NULL || !d->set(d, (char *) plan + d->offset, value)) {
        snprintf(error_r, size, "bad value \"%s\" of directive \"%s\": "
                 "expected %s", value ? value : "", word, d->expected);
        return false;
    }

    return true;
}


static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}


bool
mock_plan_parse(struct mock_plan *plan, const char *text, size_t len,
    char *error_r, size_t size)
{
    char    word[MOCK_MODELS_MAX + MOCK_NAME_MAX];
    size_t  i, n;

    if (len > MOCK_PLAN_MAX) {
        snprintf(error_r, size, "plan longer than %d bytes", MOCK_PLAN_MAX);
        return false;
    }

    for (i = 0; i < len; /* void */ ) {

        if (is_space(text[i])) {
            i++;
            continue;
        }

        for (n = 0; i < len && !is_space(text[i]); i++, n++) {
            if (n == sizeof(word) - 1) {
                snprintf(error_r, size, "directive longer than %zu bytes",
                         sizeof(word) - 1);
                return false;
            }

            if (text[i] < '!' || text[i] > '~') {
                snprintf(error_r, size, "directive with a byte 0x%02x",
                         (unsigned char) text[i]);
                return false;
            }

            word[n] = text[i];
        }

        word[n] = '\0';

        if (!plan_apply(plan, word, error_r, size)) {
            return false;
        }
    }

    return true;
}


/* where the next "[[mock" stands that a space or "]]" follows, or the end */
static size_t
marker_find(const char *text, size_t from, size_t len)
{
    size_t  i;

    for (i = from; len - i > 6; i++) {
        if (memcmp(text + i, "[[mock", 6) == 0
            && (is_space(text[i + 6]) || text[i + 6] == ']'))
        {
            return i;
        }
    }

    return len;
}


static size_t
marker_end(const char *text, size_t from, size_t len)
{
    size_t  i;

    for (i = from; len - i > 1; i++) {
        if (text[i] == ']' && text[i + 1] == ']') {
            return i;
        }
    }

    return len;
}


bool
mock_plan_take(struct mock_plan *plan, char *text, size_t *len,
    char *error_r, size_t size)
{
    bool    taken;
    size_t  in, out, start, end;

    if (*len == 0) {
        return true;
    }

    in = 0;
    out = 0;
    taken = false;

    for ( ;; ) {
        start = marker_find(text, in, *len);

        memmove(text + out, text + in, start - in);
        out += start - in;

        if (start == *len) {
            break;
        }

        end = marker_end(text, start + 6, *len);
        if (end == *len) {
            snprintf(error_r, size, "\"[[mock\" without \"]]\"");
            return false;
        }

        if (!mock_plan_parse(plan, text + start + 6, end - start - 6,
                             error_r, size))
        {
            return false;
        }

        taken = true;
        in = end + 2;

        /* one of the two spaces round a directive goes with it */
        if (in < *len && is_space(text[in])) {
            in++;
        }
    }

    while (taken && out > 0 && is_space(text[out - 1])) {
        out--;
    }

    *len = out;

    return true;
}


void
mock_plan_behave(struct mock_plan *plan)
{
    plan->status = -1;
    plan->cut = MOCK_CUT_NONE;
    plan->garbage = MOCK_GARBAGE_NONE;
    plan->hang = 0;
    plan->stop = MOCK_STOP_DONE;
    plan->bad = MOCK_BAD_NONE;
    plan->stream = MOCK_SHAPE_ASKED;
    plan->pause = -1;
    plan->error[0] = '\0';
}


bool
mock_plan_model_allowed(const struct mock_plan *plan, const char *model,
    size_t len)
{
    size_t       n;
    const char  *p;

    if (plan->models[0] == '\0') {
        return true;
    }

    for (p = plan->models; /* void */ ; p += n + 1) {
        n = strcspn(p, ",");

        if (n == len && memcmp(p, model, len) == 0) {
            return true;
        }

        if (p[n] == '\0') {
            return false;
        }
    }
}
