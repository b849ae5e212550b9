/*
 * What an answer says, and the steps in which a stream says it.  It follows
 * from the request and the plan alone.  Never sends anything, never waits:
 * the pace belongs to mock_call.c, the bytes to the dialects.
 */

#include "mock_answer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mock_anthropic.h"
#include "mock_openai.h"


#define ECHO_MAX      4000                  /* bytes of the user's text */
#define TOKEN_SIZE    4                     /* bytes that count as one token */
#define HUGE_TOKENS   INT64_MAX
#define WIDE_SIZE     60                    /* unless "size" is given */

/* characters of two, three and four bytes */
#define WIDE_WORD  "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80 "
#define WIDE_ARGS  "{\"q\":\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\"}"

/* a time, which is set when it is said */
#define CLOCK_WORD  "000000000000000 "
#define CLOCK_SIZE  16


static int64_t
token_count(uint64_t bytes)
{
    return (int64_t) ((bytes + TOKEN_SIZE - 1) / TOKEN_SIZE);
}


void
mock_answer_fill(struct mock_buf *text, const char *word, size_t size)
{
    size_t  len;

    len = strlen(word);
    mock_buf_reserve(text, size + len);

    while (text->len < size) {
        mock_buf_add(text, word, len);
    }

    if (text->len > size) {
        text->len = mock_buf_cut_utf8(text->data, size);
    }
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
text_make(struct mock_answer *answer)
{
    bool         wide;
    const char  *word;

    wide = answer->plan->words == MOCK_WORDS_WIDE;
    word = wide ? WIDE_WORD
           : answer->plan->words == MOCK_WORDS_CLOCK ? CLOCK_WORD : "tok ";

    if (answer->tools > 0) {
        mock_answer_fill(&answer->text, word,
                         (size_t) answer->plan->preface * TOKEN_SIZE);

    } else if (answer->plan->size >= 0) {
        mock_answer_fill(&answer->text, word, (size_t) answer->plan->size);

    } else if (wide) {
        mock_answer_fill(&answer->text, word, WIDE_SIZE);

    } else {
        text_echo(&answer->text, &answer->chat->text);
    }
}


/* no two calls of a tag say the same */
static void
text_count(struct mock_buf *text, uint64_t turn, int64_t words)
{
    int      n;
    char     word[48];
    int64_t  i;

    for (i = 1; i <= words; i++) {
        n = snprintf(word, sizeof(word), " %llu.%lld",
                     (unsigned long long) turn, (long long) i);
        mock_buf_add(text, word, (size_t) n);
    }
}


static void
text_limit(struct mock_answer *answer, int64_t tokens)
{
    if (tokens < 0 || (int64_t) answer->text.len <= tokens * TOKEN_SIZE) {
        return;
    }

    answer->text.len = mock_buf_cut_utf8(answer->text.data,
                                         (size_t) tokens * TOKEN_SIZE);
    answer->reason = MOCK_REASON_LENGTH;
}


static void
tools_make(struct mock_answer *answer)
{
    const struct mock_plan  *plan;

    plan = answer->plan;

    /* whoever brings a result gets an answer, or a loop would never end */
    if (!answer->chat->tools || answer->chat->tool_result
        || plan->tool[0] == '\0')
    {
        return;
    }

    answer->reason = MOCK_REASON_TOOL;
    answer->tools = (unsigned) plan->tools;
    answer->pieces = plan->pieces > 0 ? (unsigned) plan->pieces
                     : answer->dialect == MOCK_ANTHROPIC ? 3 : 1;

    answer->args = plan->args[0] != '\0' ? plan->args
                   : plan->words == MOCK_WORDS_WIDE ? WIDE_ARGS : "{}";
}


void
mock_answer_init(struct mock_answer *answer, enum mock_dialect dialect,
    const struct mock_chat *chat, const struct mock_plan *plan,
    uint64_t number, uint64_t turn, int64_t created)
{
    *answer = (struct mock_answer) {
        .chat = chat,
        .plan = plan,
        .dialect = dialect,
        .number = number,
        .created = created,
        .tail = MOCK_STAGE_USAGE
    };

    tools_make(answer);
    text_make(answer);
    text_count(&answer->text, turn, plan->counted);
    text_limit(answer, chat->max_tokens);
}


void
mock_answer_free(struct mock_answer *answer)
{
    mock_buf_free(&answer->text);
    mock_buf_free(&answer->prefix);
}


size_t
mock_answer_extra(char *word, size_t size, unsigned n)
{
    return (size_t) snprintf(word, size, " #%u", n);
}


void
mock_answer_count(const struct mock_answer *answer, struct mock_tokens *t)
{
    uint64_t  bytes;

    switch (answer->plan->usage) {

    case MOCK_USAGE_NEGATIVE:
        *t = (struct mock_tokens) { -7, -5, -12, 0 };
        return;

    case MOCK_USAGE_HUGE:
        *t = (struct mock_tokens) { HUGE_TOKENS, HUGE_TOKENS, HUGE_TOKENS,
                                     0 };
        return;

    default:
        break;
    }

    bytes = answer->text.len + (uint64_t) answer->plan->thinking * TOKEN_SIZE;

    /* "{}" is free */
    if (answer->tools > 0 && answer->args[1] != '}') {
        bytes += answer->tools * strlen(answer->args);
    }

    t->prompt = token_count(answer->chat->prompt_bytes);
    t->completion = token_count(bytes) * answer->chat->choices;
    t->total = t->prompt + t->completion;
    t->cached = answer->plan->cached < t->prompt ? answer->plan->cached
                                                 : t->prompt;
}


void
mock_answer_write(const struct mock_answer *answer, struct mock_buf *out)
{
    mock_buf_reserve(out, 512 + answer->text.len);

    if (answer->dialect == MOCK_ANTHROPIC) {
        mock_anthropic_write(answer, out);

    } else {
        mock_openai_write(answer, out);
    }
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


static unsigned
answer_extras(const struct mock_answer *answer, unsigned choice)
{
    return answer->plan->vary && answer->tools == 0 ? choice : 0;
}


/* how far "at" goes in this stage; 0: there is nothing of it */
static size_t
stage_size(const struct mock_answer *answer, unsigned choice,
    enum mock_stage stage)
{
    bool  blocks;

    /* only there it is told where a part begins and ends */
    blocks = answer->dialect == MOCK_ANTHROPIC;

    switch (stage) {

    case MOCK_STAGE_THINK_OPEN:
    case MOCK_STAGE_THINK_SIGN:
    case MOCK_STAGE_THINK_CLOSE:
        return blocks && answer->plan->thinking > 0;

    case MOCK_STAGE_THINK:
        return (size_t) answer->plan->thinking;

    case MOCK_STAGE_TEXT_OPEN:
    case MOCK_STAGE_TEXT_CLOSE:
        return blocks && answer->text.len > 0;

    case MOCK_STAGE_TEXT:
        return answer->text.len;

    case MOCK_STAGE_EXTRA:
        return answer_extras(answer, choice);

    case MOCK_STAGE_TOOLS:
        return answer->tools * (answer->pieces + 2);

    case MOCK_STAGE_FINISH:
        return answer->plan->stop != MOCK_STOP_TEXT
               && answer->plan->stop != MOCK_STOP_MARKER;

    case MOCK_STAGE_USAGE:
        return answer->plan->stop != MOCK_STOP_TEXT;

    case MOCK_STAGE_DONE:
        return answer->plan->stop != MOCK_STOP_TEXT
               && answer->plan->stop != MOCK_STOP_FINISH;

    default: /* MOCK_STAGE_BEGIN */
        return 1;
    }
}


/* each call is opened, told in pieces and closed: one call after the other,
 * or all of them in turns */
static void
tool_step(const struct mock_answer *answer, size_t at, struct mock_step *step)
{
    size_t  from, to, len, piece;

    if (answer->plan->turns) {
        step->tool = (unsigned) (at % answer->tools);
        piece = at / answer->tools;

    } else {
        step->tool = (unsigned) (at / (answer->pieces + 2));
        piece = at % (answer->pieces + 2);
    }

    if (piece == 0) {
        step->tool_stage = MOCK_TOOL_OPEN;
        return;
    }

    if (piece > answer->pieces) {
        step->tool_stage = MOCK_TOOL_CLOSE;
        return;
    }

    len = strlen(answer->args);
    from = mock_buf_cut_utf8(answer->args, len * (piece - 1) / answer->pieces);
    to = mock_buf_cut_utf8(answer->args, len * piece / answer->pieces);

    step->tool_stage = MOCK_TOOL_PIECE;
    step->data = answer->args + from;
    step->len = to - from;
}


/* microseconds, on the clock that does not jump */
static void
clock_set(char *word)
{
    char             text[CLOCK_SIZE + 1];
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    snprintf(text, sizeof(text), "%015llu",
             ((unsigned long long) ts.tv_sec * 1000000
              + (unsigned long long) ts.tv_nsec / 1000) % 1000000000000000);
    memcpy(word, text, CLOCK_SIZE - 1);
}


/* the result is how far the step goes */
static size_t
step_make(struct mock_answer *answer, unsigned choice, struct mock_step *step)
{
    struct mock_choice  *c;

    c = &answer->choices[choice];
    *step = (struct mock_step) { .stage = c->stage, .choice = choice };

    switch (c->stage) {

    case MOCK_STAGE_THINK:
        step->data = MOCK_THOUGHT;
        step->len = sizeof(MOCK_THOUGHT) - 1;
        break;

    case MOCK_STAGE_TEXT:
        step->data = answer->text.data + c->at;
        step->len = word_end(&answer->text, c->at) - c->at;

        if (answer->plan->words == MOCK_WORDS_CLOCK
            && step->len == CLOCK_SIZE)
        {
            clock_set(answer->text.data + c->at);
        }

        return step->len;

    case MOCK_STAGE_EXTRA:
        step->data = answer->extra;
        step->len = mock_answer_extra(answer->extra, sizeof(answer->extra),
                                      (unsigned) c->at + 1);
        break;

    case MOCK_STAGE_TOOLS:
        tool_step(answer, c->at, step);
        break;

    default:
        break;
    }

    return 1;
}


static void
choice_advance(struct mock_answer *answer, unsigned choice, size_t by)
{
    struct mock_choice  *c;

    c = &answer->choices[choice];
    c->at += by;

    if (c->at < stage_size(answer, choice, c->stage)) {
        return;
    }

    c->at = 0;

    do {
        c->stage++;
    } while (c->stage < MOCK_STAGE_USAGE
             && stage_size(answer, choice, c->stage) == 0);
}


static bool
choice_is_over(const struct mock_answer *answer, unsigned choice)
{
    return answer->choices[choice].stage >= MOCK_STAGE_USAGE;
}


static void
turn_pass(struct mock_answer *answer)
{
    unsigned  i;

    for (i = 0; i < answer->chat->choices; i++) {
        answer->turn = (answer->turn + 1) % answer->chat->choices;

        if (!choice_is_over(answer, answer->turn)) {
            return;
        }
    }
}


static bool
turn_is_first(const struct mock_answer *answer)
{
    unsigned  i;

    for (i = 0; i < answer->turn; i++) {
        if (!choice_is_over(answer, i)) {
            return false;
        }
    }

    return true;
}


static void
step_write(struct mock_answer *answer, const struct mock_step *step,
    struct mock_buf *out)
{
    if (answer->dialect == MOCK_ANTHROPIC) {
        mock_anthropic_write_event(answer, step, out);

    } else {
        mock_openai_write_event(answer, step, out);
    }
}


static bool
tail_write(struct mock_answer *answer, struct mock_buf *out)
{
    size_t            before;
    struct mock_step  step;

    before = out->len;

    while (out->len == before) {
        if (answer->tail == MOCK_STAGE_OVER) {
            return false;
        }

        step = (struct mock_step) { .stage = answer->tail };

        if (stage_size(answer, 0, answer->tail) > 0) {
            step_write(answer, &step, out);
        }

        answer->tail++;
    }

    return true;
}


bool
mock_answer_write_event(struct mock_answer *answer, struct mock_buf *out)
{
    size_t            before, n;
    unsigned          choice;
    struct mock_step  step;

    choice = answer->turn;
    before = out->len;

    /* a step without an event is no turn */
    while (!choice_is_over(answer, choice)) {
        n = step_make(answer, choice, &step);
        step_write(answer, &step, out);
        choice_advance(answer, choice, n);

        if (out->len > before) {
            turn_pass(answer);
            return true;
        }
    }

    turn_pass(answer);

    return choice_is_over(answer, answer->turn)
           ? tail_write(answer, out) : mock_answer_write_event(answer, out);
}


bool
mock_answer_past_half(const struct mock_answer *answer)
{
    const struct mock_choice  *c;

    if (!turn_is_first(answer)) {
        return false;
    }

    c = &answer->choices[0];

    switch (c->stage) {

    case MOCK_STAGE_TEXT:
        return c->at > 0 && c->at >= answer->text.len / 2;

    case MOCK_STAGE_TOOLS:
        return answer->text.len > 0
               || c->at >= stage_size(answer, 0, c->stage) / 2;

    default:
        return c->stage > MOCK_STAGE_TEXT;
    }
}


bool
mock_answer_at_word(const struct mock_answer *answer)
{
    struct mock_step           step;
    const struct mock_choice  *c;

    if (!turn_is_first(answer)) {
        return false;
    }

    c = &answer->choices[answer->turn];

    switch (c->stage) {

    case MOCK_STAGE_THINK:
    case MOCK_STAGE_TEXT:
    case MOCK_STAGE_EXTRA:
        return true;

    case MOCK_STAGE_TOOLS:
        tool_step(answer, c->at, &step);
        return step.tool_stage != MOCK_TOOL_CLOSE;

    default:
        return false;
    }
}
