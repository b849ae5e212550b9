/*
 * The builtin dialect: an answer without a network, always the same for the
 * same question.  For trying, for tests, and for measuring what the queue
 * costs.
 */

#include "provider.h"

#include <stdlib.h>

#include "mem.h"
#include "weir_neutral.h"


#define BUILTIN_TEXT        "This is the builtin model of Weir. You wrote: "
#define BUILTIN_PROMPT_MAX  4000        /* bytes of it that are repeated */
#define BUILTIN_TOKEN       4           /* bytes */


static size_t
builtin_cut(weir_str_t s, size_t max)
{
    if (s.len <= max) {
        return s.len;
    }

    /* not within a UTF-8 sequence */
    while (max && ((unsigned char) s.data[max] & 0xc0) == 0x80) {
        max--;
    }

    return max;
}


static weir_json_t *
builtin_choice(weir_str_t text)
{
    int           rc;
    weir_json_t  *choice, *parts, *part;

    part = weir_json_object();
    rc = weir_json_set_take(part, "type", weir_json_new_str(weir_str("text")));
    rc |= weir_json_set_take(part, "text", weir_json_new_str(text));

    parts = weir_json_array();
    rc |= weir_json_add_take(parts, part);

    choice = weir_json_object();
    rc |= weir_json_set_take(choice, "index", weir_json_new_int(0));
    rc |= weir_json_set_take(choice, "role",
                             weir_json_new_str(weir_str("assistant")));
    rc |= weir_json_set_take(choice, "parts", parts);
    rc |= weir_json_set_take(choice, "stop",
                             weir_json_new_str(weir_str("end")));
    mem_check(rc != 0);

    return choice;
}


static void
builtin_on_turn(void *data)
{
    weir_str_t        prompt, text;
    weir_outcome_t   *o;
    provider_call_t  *call;

    call = data;
    o = call->outcome;

    if (weir_neutral_embeds(call->request)) {
        provider_unsaid(call, "builtin");
        provider_done(call, PROVIDER_FAILED, 0);
        return;
    }

    weir_buf_reset(&call->body);
    weir_buf_text(&call->body, BUILTIN_TEXT);
    mem_check(weir_neutral_prompt(call->request, &call->body) != 0);

    prompt.data = call->body.data + sizeof(BUILTIN_TEXT) - 1;
    prompt.len = call->body.len - (sizeof(BUILTIN_TEXT) - 1);

    text.data = call->body.data;
    text.len = sizeof(BUILTIN_TEXT) - 1
               + builtin_cut(prompt, BUILTIN_PROMPT_MAX);

    o->choices = weir_json_array();
    mem_check(weir_json_add_take(o->choices, builtin_choice(text)) != 0);

    o->state = WEIR_COMPLETED;
    o->model = call->model.len
               ? call->model
               : weir_json_str(weir_json_get(call->request, "model"));
    o->input_tokens = (long long) ((weir_neutral_text_bytes(call->request)
                                    + BUILTIN_TOKEN - 1) / BUILTIN_TOKEN);
    o->output_tokens = (long long) ((text.len + BUILTIN_TOKEN - 1)
                                    / BUILTIN_TOKEN);

    provider_done(call, PROVIDER_DONE, 0);
}


static void
builtin_call(provider_t *p, provider_call_t *call)
{
    call->timer.fn = builtin_on_turn;
    call->timer.data = call;

    counters_add(p->counters, calls, 1);
    loop_timer_set(p->loop, &call->timer, 0);
}


static void
builtin_cancel(provider_t *p, provider_call_t *call)
{
    loop_timer_stop(p->loop, &call->timer);
}


static void
builtin_models(provider_t *p, provider_models_pt fn, void *data)
{
    static const char *const  ids[] = { "builtin" };

    (void) p;

    fn(data, ids, 1);
}


static provider_t *
builtin_create(loop_t *loop, const conf_provider_t *conf)
{
    (void) loop;
    (void) conf;

    return mem_alloc(sizeof(provider_t));
}


static void
builtin_destroy(provider_t *p)
{
    free(p);
}


const provider_dialect_t  provider_builtin = {
    builtin_create,
    builtin_destroy,
    builtin_call,
    builtin_cancel,
    builtin_models
};
