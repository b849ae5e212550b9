/*
 * The outcome document, written by the worker and read by the edge.  Owns the
 * JSON that it holds.
 */

#include "weir_outcome.h"

#include "weir_money.h"


#define WEIR_OUTCOME_VERSION  1
#define WEIR_OUTCOME_COUNT    1000000000000LL
#define WEIR_OUTCOME_WAIT     86400      /* s */


void
weir_outcome_init(weir_outcome_t *o)
{
    memset(o, 0, sizeof(weir_outcome_t));
    o->state = WEIR_FAILED;
}


void
weir_outcome_free(weir_outcome_t *o)
{
    weir_json_free(&o->choices);
    weir_json_free(&o->extra);
    weir_json_free(&o->doc);
    weir_outcome_init(o);
}


static void
weir_outcome_write_error(const weir_failure_t *f, weir_buf_t *out)
{
    weir_buf_printf(out, ",\"error\":{\"kind\":\"%s\",\"retry_after\":%u,"
                    "\"message\":", weir_failure_name(f->kind),
                    f->retry_after);
    weir_json_quote(out, weir_str_of(f->message));
    weir_buf_text(out, ",\"code\":");
    weir_json_quote(out, weir_str_of(f->code));
    weir_buf_text(out, ",\"param\":");
    weir_json_quote(out, weir_str_of(f->param));
    weir_buf_text(out, "}");
}


int
weir_outcome_write(const weir_outcome_t *o, weir_buf_t *out)
{
    weir_buf_printf(out, "{\"v\":%d,\"state\":\"%s\",\"started_at\":%lld,"
                    "\"finished_at\":%lld,\"attempts\":%lld,"
                    "\"usage\":{\"input_tokens\":%lld,"
                    "\"output_tokens\":%lld},\"cost\":%lld,"
                    "\"provider\":",
                    WEIR_OUTCOME_VERSION, weir_state_name(o->state),
                    (long long) o->started, (long long) o->finished,
                    o->attempts, o->input_tokens, o->output_tokens,
                    o->cost);
    weir_json_quote(out, o->provider);
    weir_buf_text(out, ",\"model\":");
    weir_json_quote(out, o->model);

    if (o->state == WEIR_FAILED) {
        weir_outcome_write_error(&o->error, out);
    }

    if (o->choices) {
        weir_buf_text(out, ",\"choices\":");
        weir_json_write(o->choices, out);
    }

    if (o->extra) {
        weir_buf_text(out, ",\"extra\":");
        weir_json_write(o->extra, out);
    }

    weir_buf_text(out, "}");

    return out->failed ? -1 : 0;
}


/* a count within bounds that no sum of two overflows */

static long long
weir_outcome_count(const weir_json_t *object, const char *name, long long max)
{
    long long  n;

    n = weir_json_int(weir_json_get(object, name));

    return n < 0 ? 0 : n > max ? max : n;
}


static void
weir_outcome_copy(char *to, size_t size, const weir_json_t *from)
{
    weir_failure_copy(to, size, weir_json_str(from));
}


static void
weir_outcome_read_error(weir_failure_t *f, const weir_json_t *error)
{
    int  kind;

    memset(f, 0, sizeof(weir_failure_t));

    kind = weir_failure_kind(weir_json_str(weir_json_get(error, "kind")));
    f->kind = kind < 0 ? WEIR_FAIL_UPSTREAM : (weir_fail_e) kind;
    f->retry_after = (unsigned) weir_outcome_count(error, "retry_after",
                                                   WEIR_OUTCOME_WAIT);

    weir_outcome_copy(f->message, sizeof(f->message),
                      weir_json_get(error, "message"));
    weir_outcome_copy(f->code, sizeof(f->code), weir_json_get(error, "code"));
    weir_outcome_copy(f->param, sizeof(f->param),
                      weir_json_get(error, "param"));
}


int
weir_outcome_read(weir_outcome_t *o, weir_str_t text)
{
    char          error[WEIR_JSON_ERROR];
    weir_str_t    state;
    weir_json_t  *doc, *usage;

    weir_outcome_init(o);

    doc = weir_json_parse(text, error);
    state = weir_json_str(weir_json_get(doc, "state"));

    if (weir_json_int(weir_json_get(doc, "v")) != WEIR_OUTCOME_VERSION
        || state.len == 0)
    {
        weir_json_free(&doc);
        return -1;
    }

    usage = weir_json_get(doc, "usage");

    o->doc = doc;
    o->state = weir_str_eq(state, weir_str(WEIR_STATE_COMPLETED))
               ? WEIR_COMPLETED : WEIR_FAILED;
    o->model = weir_json_str(weir_json_get(doc, "model"));
    o->provider = weir_json_str(weir_json_get(doc, "provider"));
    o->started = weir_json_int(weir_json_get(doc, "started_at"));
    o->finished = weir_json_int(weir_json_get(doc, "finished_at"));
    o->attempts = weir_outcome_count(doc, "attempts", WEIR_OUTCOME_COUNT);
    o->input_tokens = weir_outcome_count(usage, "input_tokens",
                                          WEIR_OUTCOME_COUNT);
    o->output_tokens = weir_outcome_count(usage, "output_tokens",
                                          WEIR_OUTCOME_COUNT);
    o->cost = weir_outcome_count(doc, "cost", WEIR_COST_MAX);
    o->choices = weir_json_ref(weir_json_get(doc, "choices"));
    o->extra = weir_json_ref(weir_json_get(doc, "extra"));

    weir_outcome_read_error(&o->error, weir_json_get(doc, "error"));

    return 0;
}


void
weir_outcome_share(weir_outcome_t *o, const weir_outcome_t *from)
{
    *o = *from;

    (void) weir_json_ref(o->choices);
    (void) weir_json_ref(o->extra);
    (void) weir_json_ref(o->doc);
}
