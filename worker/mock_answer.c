/*
 * Answers in the OpenAI dialect, good and spoilt, as bytes.  What is said
 * follows from the request and the plan alone.  Never sends anything, never
 * waits: the pace belongs to mock_server.c.
 */

#include "mock_answer.h"

#include <inttypes.h>
#include <string.h>


#define ECHO_MAX      4000                  /* bytes of the user's text */
#define TOKEN_SIZE    4                     /* bytes that count as one token */
#define HUGE_SIZE     (20 * 1024 * 1024)
#define HUGE_TOKENS   INT64_MAX


struct tokens {
    int64_t  prompt;
    int64_t  completion;
    int64_t  total;
};


static int64_t
token_count(uint64_t bytes)
{
    return (int64_t) ((bytes + TOKEN_SIZE - 1) / TOKEN_SIZE);
}


static void
text_fill(struct mock_buf *text, size_t size)
{
    static const char  word[TOKEN_SIZE] = { 't', 'o', 'k', ' ' };

    mock_buf_reserve(text, size + sizeof(word));

    while (text->len < size) {
        mock_buf_add(text, word, sizeof(word));
    }

    text->len = size;
}


static void
text_echo(struct mock_buf *text, const struct mock_buf *said)
{
    size_t  len;

    len = said->len;
    if (len > ECHO_MAX) {
        len = mock_buf_cut_utf8(said->data, ECHO_MAX);
    }

    mock_buf_text(text, "Echo: ");
    mock_buf_add(text, said->data, len);
}


static void
text_limit(struct mock_answer *answer, int64_t tokens)
{
    if (tokens < 0 || (int64_t) answer->text.len <= tokens * TOKEN_SIZE) {
        return;
    }

    answer->text.len = mock_buf_cut_utf8(answer->text.data,
                                         (size_t) tokens * TOKEN_SIZE);
    answer->finish = "length";
}


void
mock_answer_init(struct mock_answer *answer, const struct mock_chat *chat,
    const struct mock_plan *plan, uint64_t number, int64_t created)
{
    *answer = (struct mock_answer) {
        .chat = chat,
        .plan = plan,
        .number = number,
        .created = created,
        .finish = "stop"
    };

    if (chat->tools && plan->tool[0] != '\0') {
        answer->tool = true;
        answer->finish = "tool_calls";

    } else if (plan->size >= 0) {
        text_fill(&answer->text, (size_t) plan->size);

    } else {
        text_echo(&answer->text, &chat->text);
    }

    text_limit(answer, chat->max_tokens);

    if (plan->finish[0] != '\0') {
        answer->finish = plan->finish;
    }
}


void
mock_answer_free(struct mock_answer *answer)
{
    mock_buf_free(&answer->text);
    mock_buf_free(&answer->prefix);
}


static void
answer_write_head(const struct mock_answer *answer, const char *object,
    struct mock_buf *out)
{
    mock_buf_printf(out, "{\"id\":\"chatcmpl-mock-%" PRIu64 "\","
                    "\"object\":\"%s\",\"created\":%" PRId64 ",\"model\":",
                    answer->number, object, answer->created);
    mock_buf_json(out, answer->chat->model.data, answer->chat->model.len);
}


/* ids differ from choice to choice */
static void
answer_write_tool(const struct mock_answer *answer, unsigned choice,
    struct mock_buf *out)
{
    mock_buf_printf(out, "\"id\":\"call_mock_%" PRIu64 "_%u\","
                    "\"type\":\"function\",\"function\":{\"name\":\"%s\"",
                    answer->number, choice, answer->plan->tool);
}


static void
answer_write_choice(const struct mock_answer *answer, unsigned choice,
    struct mock_buf *out)
{
    mock_buf_printf(out, "{\"index\":%u,\"message\":{\"role\":\"assistant\","
                    "\"content\":", choice);

    if (answer->tool) {
        mock_buf_text(out, "null,\"tool_calls\":[{");
        answer_write_tool(answer, choice, out);
        mock_buf_text(out, ",\"arguments\":\"{}\"}}]");

    } else {
        mock_buf_json(out, answer->text.data, answer->text.len);
    }

    mock_buf_printf(out, ",\"refusal\":null},\"logprobs\":null,"
                    "\"finish_reason\":\"%s\"}", answer->finish);
}


static void
answer_write_usage(const struct mock_answer *answer, struct mock_buf *out)
{
    struct tokens  t;

    switch (answer->plan->usage) {

    case MOCK_USAGE_NEGATIVE:
        t = (struct tokens) { -7, -5, -12 };
        break;

    case MOCK_USAGE_HUGE:
        t = (struct tokens) { HUGE_TOKENS, HUGE_TOKENS, HUGE_TOKENS };
        break;

    default:
        t.prompt = token_count(answer->chat->prompt_bytes);
        t.completion = token_count(answer->text.len) * answer->chat->choices;
        t.total = t.prompt + t.completion;
    }

    mock_buf_printf(out, ",\"usage\":{\"prompt_tokens\":%" PRId64 ","
                    "\"completion_tokens\":%" PRId64 ","
                    "\"total_tokens\":%" PRId64 "}",
                    t.prompt, t.completion, t.total);
}


void
mock_answer_write(const struct mock_answer *answer, struct mock_buf *out)
{
    unsigned  i;

    mock_buf_reserve(out, 512 + answer->text.len);

    answer_write_head(answer, "chat.completion", out);
    mock_buf_text(out, ",\"choices\":[");

    for (i = 0; i < answer->chat->choices; i++) {
        if (i > 0) {
            mock_buf_text(out, ",");
        }

        answer_write_choice(answer, i, out);
    }

    mock_buf_text(out, "]");

    if (answer->plan->usage != MOCK_USAGE_NONE) {
        answer_write_usage(answer, out);
    }

    mock_buf_text(out, "}");
}


/* the end of the word at "at", with the spaces behind it */
static size_t
word_end(const struct mock_buf *text, size_t at)
{
    while (at < text->len && text->data[at] != ' ') {
        at++;
    }

    while (at < text->len && text->data[at] == ' ') {
        at++;
    }

    return at;
}


static void
delta_write(const struct mock_answer *answer, unsigned choice, size_t end,
    struct mock_buf *out)
{
    switch (answer->stage) {

    case MOCK_STAGE_ROLE:
        mock_buf_printf(out, "\"role\":\"assistant\",\"content\":%s",
                        answer->tool ? "null" : "\"\"");

        if (answer->tool) {
            mock_buf_text(out, ",\"tool_calls\":[{\"index\":0,");
            answer_write_tool(answer, choice, out);
            mock_buf_text(out, ",\"arguments\":\"\"}}]");
        }

        break;

    case MOCK_STAGE_TEXT:
        if (answer->tool) {
            mock_buf_text(out, "\"tool_calls\":[{\"index\":0,"
                          "\"function\":{\"arguments\":\"{}\"}}]");
            break;
        }

        mock_buf_text(out, "\"content\":");
        mock_buf_json(out, answer->text.data + answer->at, end - answer->at);
        break;

    default:
        break;
    }
}


static bool
answer_counts_usage(const struct mock_answer *answer)
{
    return answer->chat->include_usage
           && answer->plan->usage != MOCK_USAGE_NONE;
}


static void
event_write(const struct mock_answer *answer, size_t end, struct mock_buf *out)
{
    unsigned  i;

    for (i = 0; i < answer->chat->choices; i++) {
        mock_buf_add(out, answer->prefix.data, answer->prefix.len);
        mock_buf_printf(out, ",\"choices\":[{\"index\":%u,\"delta\":{", i);
        delta_write(answer, i, end, out);
        mock_buf_text(out, "},\"finish_reason\":");

        if (answer->stage == MOCK_STAGE_FINISH) {
            mock_buf_printf(out, "\"%s\"", answer->finish);

        } else {
            mock_buf_text(out, "null");
        }

        mock_buf_printf(out, "}]%s}\n\n",
                        answer_counts_usage(answer) ? ",\"usage\":null" : "");
    }
}


static void
answer_make_prefix(struct mock_answer *answer)
{
    mock_buf_text(&answer->prefix, "data: ");
    answer_write_head(answer, "chat.completion.chunk", &answer->prefix);
}


bool
mock_answer_write_event(struct mock_answer *answer, struct mock_buf *out)
{
    size_t  end;

    switch (answer->stage) {

    case MOCK_STAGE_ROLE:
        answer_make_prefix(answer);
        event_write(answer, 0, out);

        answer->stage = answer->tool || answer->text.len > 0
                        ? MOCK_STAGE_TEXT : MOCK_STAGE_FINISH;
        return true;

    case MOCK_STAGE_TEXT:
        end = word_end(&answer->text, answer->at);
        event_write(answer, end, out);

        answer->at = end;
        if (end == answer->text.len) {
            answer->stage = MOCK_STAGE_FINISH;
        }

        return true;

    case MOCK_STAGE_FINISH:
        event_write(answer, 0, out);

        answer->stage = answer_counts_usage(answer)
                        ? MOCK_STAGE_USAGE : MOCK_STAGE_DONE;
        return true;

    case MOCK_STAGE_USAGE:
        mock_buf_add(out, answer->prefix.data, answer->prefix.len);
        mock_buf_text(out, ",\"choices\":[]");
        answer_write_usage(answer, out);
        mock_buf_text(out, "}\n\n");
        answer->stage = MOCK_STAGE_DONE;
        return true;

    case MOCK_STAGE_DONE:
        mock_buf_text(out, "data: [DONE]\n\n");
        answer->stage = MOCK_STAGE_OVER;
        return true;

    default: /* MOCK_STAGE_OVER */
        return false;
    }
}


bool
mock_answer_past_half(const struct mock_answer *answer)
{
    return answer->stage > MOCK_STAGE_TEXT
           || (answer->stage == MOCK_STAGE_TEXT && answer->at > 0
               && answer->at >= answer->text.len / 2);
}


void
mock_garbage_write(enum mock_garbage garbage, bool stream,
    struct mock_buf *out)
{
    char  *p;

    if (stream && (garbage == MOCK_GARBAGE_JSON
                   || garbage == MOCK_GARBAGE_UTF8
                   || garbage == MOCK_GARBAGE_HUGE))
    {
        mock_buf_text(out, "data: ");
    }

    switch (garbage) {

    case MOCK_GARBAGE_JSON:
        mock_buf_text(out, "{\"id\":\"chatcmpl-mock-garbage\",\"object\":\"ch"
                      "at.completion\",\"choices\":[{\"index\":0,\"messa");
        break;

    case MOCK_GARBAGE_HTML:
        mock_buf_text(out, "<html>\r\n<head><title>502 Bad Gateway</title>"
                      "</head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1>"
                      "</center>\r\n</body>\r\n</html>\r\n");
        break;

    case MOCK_GARBAGE_BINARY:
        mock_buf_reserve(out, 256);
        for (p = out->data + out->len; out->len < 256; out->len++) {
            *p++ = (char) out->len;
        }

        break;

    case MOCK_GARBAGE_UTF8:
        mock_buf_text(out, "{\"id\":\"chatcmpl-mock-garbage\",\"choices\":["
                      "{\"index\":0,\"message\":{\"role\":\"assistant\","
                      "\"content\":\"Echo: \xff\xfe\xc3( \xed\xa0\x80\"},"
                      "\"finish_reason\":\"stop\"}]}");
        break;

    case MOCK_GARBAGE_HUGE:
        mock_buf_text(out, "{\"padding\":\"");
        mock_buf_reserve(out, HUGE_SIZE + 2);
        memset(out->data + out->len, 'x', HUGE_SIZE);
        out->len += HUGE_SIZE;
        mock_buf_text(out, "\"}");
        break;

    default: /* MOCK_GARBAGE_EMPTY */
        break;
    }

    if (stream && out->len > 0) {
        mock_buf_text(out, "\n\n");
    }
}
