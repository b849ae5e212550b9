/*
 * The Responses dialect: what the client sends.  Pure: documents in, documents
 * out.
 */

#include "weir_dialect_responses.h"
#include "weir_dialect_responses_part.h"

#include <stdio.h>


#define WEIR_LOGPROBS_MAX  20


static const weir_member_t  weir_members[] = {
    { "background",             WEIR_MEMBER_BOOL,    WEIR_TO_NONE,   0, 0   },
    { "include",                WEIR_MEMBER_OTHER,   WEIR_TO_NONE,   0, 0   },
    { "input",                  WEIR_MEMBER_OTHER,   WEIR_TO_NONE,   0, 0   },
    { "instructions",           WEIR_MEMBER_STRING,  WEIR_TO_NONE,   0, 0   },
    { "max_output_tokens",      WEIR_MEMBER_INTEGER, WEIR_TO_NONE,   1, 1e9 },
    { "metadata",               WEIR_MEMBER_OTHER,   WEIR_TO_NONE,   0, 0   },
    { "model",                  WEIR_MEMBER_OTHER,   WEIR_TO_NONE,   0, 0   },
    { "parallel_tool_calls",    WEIR_MEMBER_BOOL,    WEIR_TO_NONE,   0, 0   },
    { "prompt_cache_key",       WEIR_MEMBER_STRING,  WEIR_TO_EXTRA,  0, 0   },
    { "prompt_cache_options",   WEIR_MEMBER_OBJECT,  WEIR_TO_EXTRA,  0, 0   },
    { "prompt_cache_retention", WEIR_MEMBER_STRING,  WEIR_TO_EXTRA,  0, 0   },
    { "reasoning",              WEIR_MEMBER_OBJECT,  WEIR_TO_NONE,   0, 0   },
    { "safety_identifier",      WEIR_MEMBER_STRING,  WEIR_TO_EXTRA,  0, 0   },
    { "service_tier",           WEIR_MEMBER_STRING,  WEIR_TO_EXTRA,  0, 0   },
    { "store",                  WEIR_MEMBER_BOOL,    WEIR_TO_NONE,   0, 0   },
    { "stream",                 WEIR_MEMBER_BOOL,    WEIR_TO_NONE,   0, 0   },
    { "stream_options",         WEIR_MEMBER_OBJECT,  WEIR_TO_NONE,   0, 0   },
    { "temperature",            WEIR_MEMBER_NUMBER,  WEIR_TO_PARAMS, 0, 2   },
    { "text",                   WEIR_MEMBER_OBJECT,  WEIR_TO_NONE,   0, 0   },
    { "tool_choice",            WEIR_MEMBER_OTHER,   WEIR_TO_NONE,   0, 0   },
    { "tools",                  WEIR_MEMBER_OTHER,   WEIR_TO_NONE,   0, 0   },
    { "top_logprobs",           WEIR_MEMBER_INTEGER, WEIR_TO_NONE,   0,
      WEIR_LOGPROBS_MAX },
    { "top_p",                  WEIR_MEMBER_NUMBER,  WEIR_TO_PARAMS, 0, 1   },
    { "truncation",             WEIR_MEMBER_OTHER,   WEIR_TO_NONE,   0, 0   },
    { "user",                   WEIR_MEMBER_STRING,  WEIR_TO_EXTRA,  0, 0   },

    { "context_management",     WEIR_MEMBER_UNSUPPORTED, 0, 0, 0 },
    { "conversation",           WEIR_MEMBER_UNSUPPORTED, 0, 0, 0 },
    { "max_tool_calls",         WEIR_MEMBER_UNSUPPORTED, 0, 0, 0 },
    { "moderation",             WEIR_MEMBER_UNSUPPORTED, 0, 0, 0 },
    { "previous_response_id",   WEIR_MEMBER_UNSUPPORTED, 0, 0, 0 },
    { "prompt",                 WEIR_MEMBER_UNSUPPORTED, 0, 0, 0 },
    { NULL, 0, 0, 0, 0 }
};


/* where a request is made */

typedef struct {
    weir_json_t     *to;
    weir_json_t     *messages;
    weir_json_t     *params;
    weir_json_t     *extra;         /* of the chat dialect */
    weir_failure_t  *f;
} weir_request_t;


/* what is wrong */

int
weir_responses_unsupported(weir_failure_t *f, const char *param,
    const char *what, weir_str_t name)
{
    char  word[WEIR_FAILURE_WORD];

    weir_failure_copy(word, sizeof(word), name);

    if (word[0]) {
        weir_failure_set(f, WEIR_FAIL_INVALID, "this gateway does not support "
                         "%s \"%s\"", what, word);

    } else {
        weir_failure_set(f, WEIR_FAIL_INVALID, "this gateway does not support "
                         "%s", what);
    }

    snprintf(f->code, sizeof(f->code), "unsupported_parameter");
    weir_failure_copy(f->param, sizeof(f->param), weir_str_of(param));

    return -1;
}


/* where.name, cut at a character if it is long */

static int
weir_known_not(weir_failure_t *f, const char *where, const char *name)
{
    char  word[WEIR_FAILURE_WORD], param[2 * WEIR_FAILURE_WORD];

    weir_failure_copy(word, sizeof(word), weir_str_of(name));
    snprintf(param, sizeof(param), "%s.%s", where, word);

    return weir_responses_unsupported(f, param, "the member",
                                      weir_str_of(param));
}


int
weir_responses_known(const weir_json_t *object, const char **known,
    const char *where, weir_failure_t *f)
{
    void         *iter;
    const char   *name, **k;
    weir_json_t  *from, *value;

    from = (weir_json_t *) object;

    for (iter = weir_json_next(from, NULL, &name, &value);
         iter;
         iter = weir_json_next(from, iter, &name, &value))
    {
        for (k = known; *k && strcmp(*k, name) != 0; k++) { /* void */ }

        if (*k == NULL && !weir_json_is_null(value)) {
            return weir_known_not(f, where, name);
        }
    }

    return 0;
}


/* members by the table */

static int
weir_member_unsupported(const char *name, weir_failure_t *f)
{
    if (strcmp(name, "previous_response_id") == 0
        || strcmp(name, "conversation") == 0)
    {
        return weir_responses_unsupported(f, name, "conversations, and keeps "
                                          "none: send the whole input instead "
                                          "of", weir_str_of(name));
    }

    return weir_responses_unsupported(f, name, "the parameter",
                                      weir_str_of(name));
}


static int
weir_member_unknown(const char *name, weir_failure_t *f)
{
    char  word[WEIR_FAILURE_WORD];

    weir_failure_copy(word, sizeof(word), weir_str_of(name));
    weir_member_wrong(f, word, "is not a parameter of this request");
    snprintf(f->code, sizeof(f->code), "unknown_parameter");

    return -1;
}


static int
weir_member_read(weir_request_t *r, const char *name, weir_json_t *value,
    weir_json_t *body)
{
    const weir_member_t  *m;

    m = weir_member_find(weir_members, name);

    if (m == NULL) {
        return weir_member_unknown(name, r->f);
    }

    if (m->form == WEIR_MEMBER_UNSUPPORTED) {
        return weir_member_unsupported(name, r->f);
    }

    if (weir_member_check(m, value, r->f) != 0) {
        return -1;
    }

    if (m->to == WEIR_TO_NONE) {
        return weir_responses_member(r->params, r->extra, name, value, body,
                                     r->f);
    }

    return weir_unless_memory(r->f,
               weir_json_set_take(m->to == WEIR_TO_PARAMS ? r->params
                                                          : r->extra,
                                  name, weir_json_ref(value)));
}


static int
weir_members_read(weir_request_t *r, weir_json_t *body)
{
    void         *iter;
    const char   *name;
    weir_json_t  *value;

    for (iter = weir_json_next(body, NULL, &name, &value);
         iter;
         iter = weir_json_next(body, iter, &name, &value))
    {
        if (!weir_json_is_null(value)
            && weir_member_read(r, name, value, body) != 0)
        {
            return -1;
        }
    }

    return 0;
}


/* the request */

/* Instructions are a message before all others. */

static int
weir_instructions_read(weir_request_t *r, weir_json_t *text)
{
    int           rc;
    weir_json_t  *message, *parts;

    if (weir_json_str(text).len == 0) {
        return 0;
    }

    message = weir_json_object();
    parts = weir_json_array();

    rc = weir_json_add_take(parts, weir_part_text("text", text));
    rc |= weir_json_set_take(message, "role",
                             weir_json_new_str(weir_str("system")));
    rc |= weir_json_set_take(message, "parts", parts);
    rc |= weir_json_add_take(r->messages, message);

    return weir_unless_memory(r->f, rc);
}


static int
weir_request_read(weir_request_t *r, weir_json_t *body)
{
    int           rc;
    weir_json_t  *dialect;

    dialect = weir_json_object();

    rc = weir_json_set_take(dialect, "openai", r->extra);
    rc |= weir_json_set_take(r->to, "v", weir_json_new_int(1));
    rc |= weir_json_set_take(r->to, "kind",
                             weir_json_new_str(weir_str("chat")));
    rc |= weir_json_set_take(r->to, "model",
                             weir_json_ref(weir_json_get(body, "model")));
    rc |= weir_json_set_take(r->to, "messages", r->messages);
    rc |= weir_json_set_take(r->to, "params", r->params);
    rc |= weir_json_set_take(r->to, "extra", dialect);

    rc = weir_unless_memory(r->f, rc);
    rc = rc ? rc : weir_members_read(r, body);
    rc = rc ? rc : weir_instructions_read(r, weir_json_get(body,
                                                           "instructions"));
    rc = rc ? rc : weir_responses_input(r->messages,
                                        weir_json_get(body, "input"), r->f);
    rc = rc ? rc : weir_responses_tools(r->to, r->extra, body, r->f);

    return rc;
}


weir_json_t *
weir_responses_request(const weir_json_t *body, weir_failure_t *f)
{
    weir_request_t  r = { .f = f };

    if (weir_member_body(body, f) != 0) {
        return NULL;
    }

    r.to = weir_json_object();
    r.messages = weir_json_array();
    r.params = weir_json_object();
    r.extra = weir_json_object();

    if (weir_request_read(&r, (weir_json_t *) body) != 0) {
        weir_json_free(&r.to);

    } else if (weir_json_count(r.messages) == 0) {
        weir_member_wrong(f, "input", "has nothing to answer");
        weir_json_free(&r.to);
    }

    return r.to;
}


/* options */

void
weir_responses_options_free(weir_responses_options_t *o)
{
    weir_buf_free(&o->metadata);
}


int
weir_responses_options(const weir_json_t *body, weir_responses_options_t *o,
    weir_failure_t *f)
{
    weir_json_t  *store, *metadata;

    store = weir_json_get(body, "store");
    metadata = weir_json_get(body, "metadata");

    o->stream = weir_json_true(weir_json_get(body, "stream"));
    o->background = weir_json_true(weir_json_get(body, "background"));
    o->store = weir_json_true(store) || !weir_json_is_bool(store);
    weir_buf_init(&o->metadata, 0);

    if (o->background && !o->store) {
        return weir_member_wrong(f, "store", "must not be false where "
                                 "\"background\" is true");
    }

    return weir_json_is_object(metadata)
           ? weir_unless_memory(f, weir_json_write(metadata, &o->metadata))
           : 0;
}
