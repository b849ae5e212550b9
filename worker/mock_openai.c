/*
 * Completions, whole and as chunks, as OpenAI spells them; see mock_openai.h.
 * Never sends anything.
 */

#include "mock_openai.h"

#include <inttypes.h>
#include <string.h>


static const char *const  reasons[] = { "stop", "length", "tool_calls" };


static const char *
answer_reason(const struct mock_answer *answer)
{
    return answer->plan->finish[0] != '\0' ? answer->plan->finish
                                           : reasons[answer->reason];
}


static void
write_head(const struct mock_answer *answer, const char *object,
    struct mock_buf *out)
{
    mock_buf_printf(out, "{\"id\":\"chatcmpl-mock-%" PRIu64 "\","
                    "\"object\":\"%s\",\"created\":%" PRId64 ",\"model\":",
                    answer->number, object, answer->created);
    mock_buf_json(out, answer->chat->model.data, answer->chat->model.len);
}


/* ids differ from choice to choice and from call to call */
static void
write_tool(const struct mock_answer *answer, unsigned choice, unsigned tool,
    struct mock_buf *out)
{
    mock_buf_printf(out, "\"id\":\"call_mock_%" PRIu64 "_%u", answer->number,
                    choice);

    if (tool > 0) {
        mock_buf_printf(out, "_%u", tool);
    }

    mock_buf_printf(out, "\",\"type\":\"function\",\"function\":{"
                    "\"name\":\"%s\"", answer->plan->tool);
}


static void
write_text(const struct mock_answer *answer, unsigned choice,
    struct mock_buf *out)
{
    char             word[sizeof(answer->extra)];
    unsigned         i;
    struct mock_buf  text;

    if (!answer->plan->vary || choice == 0) {
        mock_buf_json(out, answer->text.data, answer->text.len);
        return;
    }

    text = (struct mock_buf) { 0 };
    mock_buf_add(&text, answer->text.data, answer->text.len);

    for (i = 1; i <= choice; i++) {
        mock_answer_extra(word, sizeof(word), i);
        mock_buf_text(&text, word);
    }

    mock_buf_json(out, text.data, text.len);
    mock_buf_free(&text);
}


static void
write_message(const struct mock_answer *answer, unsigned choice,
    struct mock_buf *out)
{
    unsigned         i;
    struct mock_buf  thought;

    if (answer->tools == 0) {
        write_text(answer, choice, out);

    } else if (answer->text.len > 0) {
        mock_buf_json(out, answer->text.data, answer->text.len);

    } else {
        mock_buf_text(out, "null");
    }

    if (answer->plan->thinking > 0) {
        thought = (struct mock_buf) { 0 };
        mock_answer_fill(&thought, MOCK_THOUGHT,
                         (size_t) answer->plan->thinking
                         * (sizeof(MOCK_THOUGHT) - 1));

        mock_buf_text(out, ",\"reasoning_content\":");
        mock_buf_json(out, thought.data, thought.len);
        mock_buf_free(&thought);
    }

    for (i = 0; i < answer->tools; i++) {
        mock_buf_text(out, i == 0 ? ",\"tool_calls\":[{" : ",{");
        write_tool(answer, choice, i, out);
        mock_buf_text(out, ",\"arguments\":");
        mock_buf_json(out, answer->args, strlen(answer->args));
        mock_buf_text(out, "}}");
    }

    if (answer->tools > 0) {
        mock_buf_text(out, "]");
    }
}


static void
write_usage(const struct mock_answer *answer, struct mock_buf *out)
{
    struct mock_tokens  t;

    mock_answer_count(answer, &t);
    mock_buf_printf(out, ",\"usage\":{\"prompt_tokens\":%" PRId64 ","
                    "\"completion_tokens\":%" PRId64 ","
                    "\"total_tokens\":%" PRId64,
                    t.prompt, t.completion, t.total);

    if (t.cached > 0) {
        mock_buf_printf(out, ",\"prompt_tokens_details\":"
                        "{\"cached_tokens\":%" PRId64 "}", t.cached);
    }

    mock_buf_text(out, "}");
}


void
mock_openai_write(const struct mock_answer *answer, struct mock_buf *out)
{
    unsigned  i;

    write_head(answer, "chat.completion", out);

    for (i = 0; i < answer->chat->choices; i++) {
        mock_buf_text(out, i == 0 ? ",\"choices\":[" : ",");
        mock_buf_printf(out, "{\"index\":%u,\"message\":{"
                        "\"role\":\"assistant\",\"content\":", i);
        write_message(answer, i, out);
        mock_buf_printf(out, ",\"refusal\":null},\"logprobs\":null,"
                        "\"finish_reason\":\"%s\"}", answer_reason(answer));
    }

    mock_buf_text(out, "]");

    if (answer->plan->usage != MOCK_USAGE_NONE) {
        write_usage(answer, out);
    }

    mock_buf_text(out, "}");
}


static bool
counts_usage(const struct mock_answer *answer)
{
    return answer->chat->include_usage
           && answer->plan->usage != MOCK_USAGE_NONE;
}


/* the first call is told together with the role if nothing is said before */
static bool
role_opens_tool(const struct mock_answer *answer)
{
    return answer->tools > 0 && answer->text.len == 0
           && answer->plan->thinking == 0;
}


static void
delta_open_tool(const struct mock_answer *answer, unsigned choice,
    unsigned tool, struct mock_buf *out)
{
    mock_buf_printf(out, "\"tool_calls\":[{\"index\":%u,", tool);
    write_tool(answer, choice, tool, out);
    mock_buf_text(out, ",\"arguments\":\"\"}}]");
}


static void
delta_write_tool(const struct mock_answer *answer,
    const struct mock_step *step, struct mock_buf *out)
{
    if (step->tool_stage == MOCK_TOOL_OPEN) {
        delta_open_tool(answer, step->choice, step->tool, out);
        return;
    }

    mock_buf_printf(out, "\"tool_calls\":[{\"index\":%u,"
                    "\"function\":{\"arguments\":", step->tool);
    mock_buf_json(out, step->data, step->len);
    mock_buf_text(out, "}}]");
}


static void
delta_write(const struct mock_answer *answer, const struct mock_step *step,
    struct mock_buf *out)
{
    switch (step->stage) {

    case MOCK_STAGE_BEGIN:
        mock_buf_printf(out, "\"role\":\"assistant\",\"content\":%s",
                        role_opens_tool(answer) ? "null," : "\"\"");

        if (role_opens_tool(answer)) {
            delta_open_tool(answer, step->choice, 0, out);
        }

        break;

    case MOCK_STAGE_THINK:
        mock_buf_text(out, "\"reasoning_content\":");
        mock_buf_json(out, step->data, step->len);
        break;

    case MOCK_STAGE_TEXT:
    case MOCK_STAGE_EXTRA:
        mock_buf_text(out, "\"content\":");
        mock_buf_json(out, step->data, step->len);
        break;

    case MOCK_STAGE_TOOLS:
        delta_write_tool(answer, step, out);
        break;

    default: /* MOCK_STAGE_FINISH */
        break;
    }
}


static void
chunk_write(const struct mock_answer *answer, const struct mock_step *step,
    struct mock_buf *out)
{
    mock_buf_add(out, answer->prefix.data, answer->prefix.len);
    mock_buf_printf(out, ",\"choices\":[{\"index\":%u,\"delta\":{",
                    step->choice);
    delta_write(answer, step, out);
    mock_buf_text(out, "},\"finish_reason\":");

    if (step->stage == MOCK_STAGE_FINISH) {
        mock_buf_printf(out, "\"%s\"", answer_reason(answer));

    } else {
        mock_buf_text(out, "null");
    }

    mock_buf_printf(out, "}]%s}\n\n",
                    counts_usage(answer) ? ",\"usage\":null" : "");
}


static bool
step_is_silent(const struct mock_answer *answer, const struct mock_step *step)
{
    if (step->stage != MOCK_STAGE_TOOLS) {
        return false;
    }

    return step->tool_stage == MOCK_TOOL_CLOSE
           || (step->tool_stage == MOCK_TOOL_OPEN && step->tool == 0
               && role_opens_tool(answer));
}


void
mock_openai_write_event(struct mock_answer *answer,
    const struct mock_step *step, struct mock_buf *out)
{
    if (answer->prefix.len == 0) {
        mock_buf_text(&answer->prefix, "data: ");
        write_head(answer, "chat.completion.chunk", &answer->prefix);
    }

    switch (step->stage) {

    case MOCK_STAGE_USAGE:
        if (counts_usage(answer)) {
            mock_buf_add(out, answer->prefix.data, answer->prefix.len);
            mock_buf_text(out, ",\"choices\":[]");
            write_usage(answer, out);
            mock_buf_text(out, "}\n\n");
        }

        break;

    case MOCK_STAGE_DONE:
        mock_buf_text(out, "data: [DONE]\n\n");
        break;

    default:
        if (!step_is_silent(answer, step)) {
            chunk_write(answer, step, out);
        }
    }
}


void
mock_openai_write_error(const char *type, struct mock_buf *out)
{
    mock_buf_printf(out, "data: {\"error\":{\"message\":\"an error was "
                    "planned\",\"type\":\"%s\",\"param\":null,"
                    "\"code\":null}}\n\n", type);
}
