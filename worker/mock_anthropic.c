/*
 * Messages, whole and as named events, as Anthropic spells them; see
 * mock_anthropic.h.  Never sends anything.
 */

#include "mock_anthropic.h"

#include <inttypes.h>
#include <string.h>


#define SIGNATURE  "c2lnbmVkIGJ5IG1vY2s="


static const char *const  reasons[] = { "end_turn", "max_tokens", "tool_use" };


static void
write_reason(const struct mock_answer *answer, struct mock_buf *out)
{
    const char  *reason;

    reason = answer->plan->finish[0] != '\0' ? answer->plan->finish
                                             : reasons[answer->reason];
    mock_buf_printf(out, "\"stop_reason\":\"%s\",\"stop_sequence\":null",
                    reason);
}


static void
write_head(const struct mock_answer *answer, struct mock_buf *out)
{
    mock_buf_printf(out, "{\"id\":\"msg_mock_%" PRIu64 "\","
                    "\"type\":\"message\",\"role\":\"assistant\",\"model\":",
                    answer->number);
    mock_buf_json(out, answer->chat->model.data, answer->chat->model.len);
    mock_buf_text(out, ",\"content\":[");
}


/* completion: as far as it is known */
static void
write_usage(const struct mock_answer *answer, int64_t completion,
    struct mock_buf *out)
{
    struct mock_tokens  t;

    if (answer->plan->usage == MOCK_USAGE_NONE) {
        return;
    }

    mock_answer_count(answer, &t);
    mock_buf_printf(out, ",\"usage\":{\"input_tokens\":%" PRId64 ","
                    "\"cache_creation_input_tokens\":0,"
                    "\"cache_read_input_tokens\":%" PRId64 ","
                    "\"output_tokens\":%" PRId64 "}",
                    t.prompt - t.cached, t.cached,
                    completion >= 0 ? completion : t.completion);
}


static void
write_tool_head(const struct mock_answer *answer, unsigned tool,
    struct mock_buf *out)
{
    mock_buf_printf(out, "{\"type\":\"tool_use\","
                    "\"id\":\"toolu_mock_%" PRIu64 "_%u\",\"name\":\"%s\","
                    "\"input\":", answer->number, tool, answer->plan->tool);
}


static void
write_thinking(const struct mock_answer *answer, struct mock_buf *out)
{
    struct mock_buf  thought;

    thought = (struct mock_buf) { 0 };
    mock_answer_fill(&thought, MOCK_THOUGHT,
                     (size_t) answer->plan->thinking
                     * (sizeof(MOCK_THOUGHT) - 1));

    mock_buf_text(out, "{\"type\":\"thinking\",\"thinking\":");
    mock_buf_json(out, thought.data, thought.len);
    mock_buf_text(out, ",\"signature\":\"" SIGNATURE "\"}");
    mock_buf_free(&thought);
}


void
mock_anthropic_write(const struct mock_answer *answer, struct mock_buf *out)
{
    unsigned     i;
    const char  *comma;

    comma = "";
    write_head(answer, out);

    if (answer->plan->thinking > 0) {
        write_thinking(answer, out);
        comma = ",";
    }

    if (answer->text.len > 0) {
        mock_buf_printf(out, "%s{\"type\":\"text\",\"text\":", comma);
        mock_buf_json(out, answer->text.data, answer->text.len);
        mock_buf_text(out, "}");
        comma = ",";
    }

    for (i = 0; i < answer->tools; i++) {
        mock_buf_text(out, comma);
        write_tool_head(answer, i, out);
        mock_buf_printf(out, "%s}", answer->args);
        comma = ",";
    }

    mock_buf_text(out, "],");
    write_reason(answer, out);
    write_usage(answer, -1, out);
    mock_buf_text(out, "}");
}


static void
event_begin(const char *name, struct mock_buf *out)
{
    mock_buf_printf(out, "event: %s\ndata: {\"type\":\"%s\"", name, name);
}


static void
block_begin(const char *name, unsigned index, struct mock_buf *out)
{
    event_begin(name, out);
    mock_buf_printf(out, ",\"index\":%u", index);
}


static void
block_delta(unsigned index, const char *type, const char *member,
    const char *data, size_t len, struct mock_buf *out)
{
    block_begin("content_block_delta", index, out);
    mock_buf_printf(out, ",\"delta\":{\"type\":\"%s\",\"%s\":", type, member);
    mock_buf_json(out, data, len);
    mock_buf_text(out, "}}\n\n");
}


static void
block_open(unsigned index, const char *block, struct mock_buf *out)
{
    block_begin("content_block_start", index, out);
    mock_buf_printf(out, ",\"content_block\":%s}\n\n", block);
}


static void
block_close(unsigned index, struct mock_buf *out)
{
    block_begin("content_block_stop", index, out);
    mock_buf_text(out, "}\n\n");
}


static void
message_start(const struct mock_answer *answer, struct mock_buf *out)
{
    event_begin("message_start", out);
    mock_buf_text(out, ",\"message\":");
    write_head(answer, out);
    mock_buf_text(out, "],\"stop_reason\":null,\"stop_sequence\":null");

    /* the tokens of the answer follow in message_delta */
    write_usage(answer, answer->plan->usage == MOCK_USAGE_TRUE ? 1 : -1, out);
    mock_buf_text(out, "}}\n\n");
}


static void
message_delta(const struct mock_answer *answer, struct mock_buf *out)
{
    struct mock_tokens  t;

    event_begin("message_delta", out);
    mock_buf_text(out, ",\"delta\":{");
    write_reason(answer, out);
    mock_buf_text(out, "}");

    if (answer->plan->usage != MOCK_USAGE_NONE) {
        mock_answer_count(answer, &t);
        mock_buf_printf(out, ",\"usage\":{\"output_tokens\":%" PRId64 "}",
                        t.completion);
    }

    mock_buf_text(out, "}\n\n");
}


static void
tool_event(const struct mock_answer *answer, const struct mock_step *step,
    unsigned index, struct mock_buf *out)
{
    switch (step->tool_stage) {

    case MOCK_TOOL_OPEN:
        block_begin("content_block_start", index, out);
        mock_buf_text(out, ",\"content_block\":");
        write_tool_head(answer, step->tool, out);
        mock_buf_text(out, "{}}}\n\n");
        break;

    case MOCK_TOOL_PIECE:
        block_delta(index, "input_json_delta", "partial_json", step->data,
                    step->len, out);
        break;

    default: /* MOCK_TOOL_CLOSE */
        block_close(index, out);
    }
}


void
mock_anthropic_write_event(struct mock_answer *answer,
    const struct mock_step *step, struct mock_buf *out)
{
    unsigned  text, tools;

    /* the indices of blocks */
    text = answer->plan->thinking > 0;
    tools = text + (answer->text.len > 0);

    switch (step->stage) {

    case MOCK_STAGE_BEGIN:
        message_start(answer, out);
        break;

    case MOCK_STAGE_THINK_OPEN:
        block_open(0, "{\"type\":\"thinking\",\"thinking\":\"\","
                   "\"signature\":\"\"}", out);
        break;

    case MOCK_STAGE_THINK:
        block_delta(0, "thinking_delta", "thinking", step->data, step->len,
                    out);
        break;

    case MOCK_STAGE_THINK_SIGN:
        block_delta(0, "signature_delta", "signature", SIGNATURE,
                    sizeof(SIGNATURE) - 1, out);
        break;

    case MOCK_STAGE_THINK_CLOSE:
        block_close(0, out);
        break;

    case MOCK_STAGE_TEXT_OPEN:
        block_open(text, "{\"type\":\"text\",\"text\":\"\"}", out);
        break;

    case MOCK_STAGE_TEXT:
        block_delta(text, "text_delta", "text", step->data, step->len, out);
        break;

    case MOCK_STAGE_TEXT_CLOSE:
        block_close(text, out);
        break;

    case MOCK_STAGE_TOOLS:
        tool_event(answer, step, tools + step->tool, out);
        break;

    case MOCK_STAGE_FINISH:
        message_delta(answer, out);
        break;

    case MOCK_STAGE_DONE:
        event_begin("message_stop", out);
        mock_buf_text(out, "}\n\n");
        break;

    default:
        break;
    }
}


void
mock_anthropic_write_error(const char *type, struct mock_buf *out)
{
    event_begin("error", out);
    mock_buf_printf(out, ",\"error\":{\"type\":\"%s\",\"message\":\"an error "
                    "was planned\"}}\n\n", type);
}
