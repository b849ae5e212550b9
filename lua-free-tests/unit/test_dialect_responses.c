/*
 * The Responses dialect: a request is the question that a chat completion asks
 * in other words; what cannot be said is refused by name.
 */

#include "documents.h"
#include "weir_dialect_anthropic.h"
#include "weir_dialect_openai.h"
#include "weir_dialect_responses.h"
#include "weir_question.h"


#define R  "{\"model\":\"m\",\"input\":"
#define RH R "\"hi\""
#define C  "{\"model\":\"m\",\"messages\":"
#define CH C "[{\"role\":\"user\",\"content\":\"hi\"}]"
#define RI(items) R "[" items "]}"
#define CI(items) C "[" items "]}"

#define R_CALL(id)  "{\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":" \
    "\"" id "\",\"name\":\"f\",\"arguments\":\"{}\",\"status\":"              \
    "\"completed\"}"
#define C_CALL(id)  "{\"id\":\"" id "\",\"type\":\"function\",\"function\":"  \
    "{\"name\":\"f\",\"arguments\":\"{}\"}}"
#define R_OUT(id)  "{\"type\":\"function_call_output\",\"call_id\":\"" id     \
    "\",\"output\":\"42\"}"
#define C_OUT(id)  "{\"role\":\"tool\",\"tool_call_id\":\"" id                \
    "\",\"content\":\"42\"}"
#define R_SAID(text)  "{\"type\":\"message\",\"id\":\"msg_1\",\"role\":"      \
    "\"assistant\",\"status\":\"completed\",\"content\":[{\"type\":"          \
    "\"output_text\",\"text\":\"" text "\",\"annotations\":[],\"logprobs\":"  \
    "[]}]}"


/* a request as it goes through Redis; NULL: refused */

static weir_json_t *
neutral_of(const char *request, bool chat, weir_failure_t *f)
{
    weir_buf_t    wire = { 0 };
    weir_json_t  *body, *neutral;

    body = parse(weir_str_of(request));
    neutral = chat ? weir_openai_request(body, f)
                   : weir_responses_request(body, f);
    weir_json_free(&body);

    if (neutral) {
        assert_int_equal(weir_json_write(neutral, &wire), 0);
        weir_json_free(&neutral);
        neutral = parse(unit_buf(&wire));
        weir_buf_free(&wire);
    }

    return neutral;
}


typedef struct {
    const char  *request;
    const char  *want;
} row_t;


/* one question, and one call */

static const row_t  same[] = {
    { RH "}", CH "}" },
    { RH ",\"stream\":true,\"stream_options\":{\"include_obfuscation\":false},"
      "\"store\":false,\"background\":null,\"truncation\":\"disabled\","
      "\"metadata\":{\"a\":\"b\"},\"include\":[\"reasoning.encrypted_content\""
      "],\"tools\":[],\"tool_choice\":\"auto\",\"parallel_tool_calls\":false,"
      "\"text\":{\"format\":{\"type\":\"text\"}},\"instructions\":null,"
      "\"reasoning\":{\"effort\":null,\"summary\":\"auto\"},"
      "\"previous_response_id\":null,\"top_logprobs\":2}", CH "}" },
    { RH ",\"instructions\":\"be brief\",\"max_output_tokens\":9,"
      "\"temperature\":0.5,\"top_p\":1}",
      C "[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\","
      "\"content\":\"hi\"}],\"max_completion_tokens\":9,\"temperature\":0.5,"
      "\"top_p\":1}" },
    { RH ",\"user\":\"u\",\"safety_identifier\":\"s\",\"prompt_cache_key\":"
      "\"k\",\"service_tier\":\"flex\",\"reasoning\":{\"effort\":\"low\"},"
      "\"text\":{\"verbosity\":\"low\",\"format\":{\"type\":\"json_object\"}}}",
      CH ",\"user\":\"u\",\"safety_identifier\":\"s\",\"prompt_cache_key\":"
      "\"k\",\"service_tier\":\"flex\",\"reasoning_effort\":\"low\","
      "\"verbosity\":\"low\",\"response_format\":{\"type\":\"json_object\"}}" },
    { RH ",\"include\":[\"message.output_text.logprobs\"],\"top_logprobs\":2}",
      CH ",\"logprobs\":true,\"top_logprobs\":2}" },
    { RH ",\"include\":[\"message.output_text.logprobs\"],\"text\":{\"format\":"
      "{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{\"type\":"
      "\"object\"},\"strict\":true,\"description\":null}}}",
      CH ",\"logprobs\":true,\"response_format\":{\"type\":\"json_schema\","
      "\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\"},"
      "\"strict\":true}}}" },
    { RH ",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{},"
      "\"strict\":true,\"description\":\"d\"},{\"type\":\"function\",\"name\":"
      "\"g\",\"strict\":null}],\"tool_choice\":{\"type\":\"function\","
      "\"name\":\"f\"},\"parallel_tool_calls\":false}",
      CH ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
      "\"parameters\":{},\"strict\":true,\"description\":\"d\"}},{\"type\":"
      "\"function\",\"function\":{\"name\":\"g\"}}],\"tool_choice\":{\"type\":"
      "\"function\",\"function\":{\"name\":\"f\"}},\"parallel_tool_calls\":"
      "false}" },
    { RH ",\"tools\":[{\"type\":\"function\",\"name\":\"f\"}],\"tool_choice\":"
      "\"required\"}",
      CH ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],"
      "\"tool_choice\":\"required\"}" },

    { RI("{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":"
         "\"what?\"},{\"type\":\"input_image\",\"image_url\":\"https://x\","
         "\"detail\":\"low\"},{\"type\":\"input_image\",\"image_url\":"
         "\"data:image/png;base64,AA==\"}]},{\"type\":\"message\",\"role\":"
         "\"developer\",\"content\":\"d\"},{\"role\":\"system\",\"content\":"
         "\"s\"}"),
      CI("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
         "\"what?\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
         "\"https://x\",\"detail\":\"low\"}},{\"type\":\"image_url\","
         "\"image_url\":{\"url\":\"data:image/png;base64,AA==\"}}]},{\"role\":"
         "\"developer\",\"content\":\"d\"},{\"role\":\"system\",\"content\":"
         "\"s\"}") },
    { RI(R_SAID("a") "," R_CALL("1") "," R_CALL("2") "," R_OUT("1") ","
         R_OUT("2") "," R_SAID("b") "," R_SAID("c")),
      CI("{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":["
         C_CALL("1") "," C_CALL("2") "]}," C_OUT("1") "," C_OUT("2")
         ",{\"role\":\"assistant\",\"content\":\"b\"},{\"role\":\"assistant\","
         "\"content\":\"c\"}") },
    { RI(R_CALL("1") "," R_OUT("1") "," R_CALL("2") "," R_OUT("2")),
      CI("{\"role\":\"assistant\",\"tool_calls\":[" C_CALL("1") "]},"
         C_OUT("1") ",{\"role\":\"assistant\",\"tool_calls\":[" C_CALL("2")
         "]}," C_OUT("2")) },
    { RI("{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\","
         "\"refusal\":\"no\"}]},{\"type\":\"function_call_output\","
         "\"call_id\":\"1\",\"output\":[{\"type\":\"input_text\",\"text\":"
         "\"4\"},{\"type\":\"input_image\",\"image_url\":\"https://x\"}]}"),
      CI("{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\","
         "\"refusal\":\"no\"}]},{\"role\":\"tool\",\"tool_call_id\":\"1\","
         "\"content\":[{\"type\":\"text\",\"text\":\"4\"},{\"type\":"
         "\"image_url\",\"image_url\":{\"url\":\"https://x\"}}]}") },
};


static void
digest_of(const weir_json_t *neutral, unsigned char digest[WEIR_QUESTION_LEN])
{
    weir_failure_t   f;
    weir_question_t  q = { .scope = weir_str("all") };

    assert_int_equal(weir_question_digest(neutral, &q, digest, &f), 0);
}


static void
test_same(void **state)
{
    size_t           i;
    weir_buf_t       a = { 0 }, b = { 0 };
    weir_json_t     *responses, *chat;
    unsigned char    x[WEIR_QUESTION_LEN], y[WEIR_QUESTION_LEN];
    weir_failure_t   f;

    (void) state;

    for (i = 0; i < ROWS(same); i++) {
        responses = neutral_of(same[i].request, false, &f);

        if (responses == NULL) {
            fail_msg("%s: %s", same[i].request, f.message);
        }

        chat = neutral_of(same[i].want, true, &f);
        assert_non_null(chat);

        weir_buf_reset(&a);
        weir_buf_reset(&b);
        assert_int_equal(weir_openai_call(responses, weir_str_null, false, &a),
                         0);
        assert_int_equal(weir_openai_call(chat, weir_str_null, false, &b), 0);
        weir_buf_add(&b, "", 1);
        assert_same(unit_buf(&a), b.data);

        digest_of(responses, x);
        digest_of(chat, y);

        if (memcmp(x, y, WEIR_QUESTION_LEN) != 0) {
            fail_msg("%s is another question than %s", same[i].request,
                     same[i].want);
        }

        weir_json_free(&responses);
        weir_json_free(&chat);
    }

    weir_buf_free(&a);
    weir_buf_free(&b);
}


/* one turn, whatever the order of its items; reasoning is no part of a call */

static void
test_turns(void **state)
{
    size_t           i;
    weir_buf_t       b = { 0 };
    weir_json_t     *neutral;
    weir_failure_t   f;

#define THOUGHT  "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{"     \
    "\"type\":\"summary_text\",\"text\":\"s\"}],\"content\":[{\"type\":"      \
    "\"reasoning_text\",\"text\":\"hm\"}],\"encrypted_content\":null}"
#define P_THOUGHT  "{\"type\":\"thinking\",\"text\":\"hm\"}"
#define P_TEXT(t)  "{\"type\":\"text\",\"text\":\"" t "\"}"
#define P_CALL(id)  "{\"type\":\"tool_call\",\"id\":\"" id "\",\"name\":"     \
    "\"f\",\"arguments\":\"{}\"}"
#define N(messages)  "{\"v\":1,\"kind\":\"chat\",\"model\":\"m\",\"params\":" \
    "{},\"extra\":{\"openai\":{}},\"messages\":[" messages "]}"
#define TURN(parts)  "{\"role\":\"assistant\",\"parts\":[" parts "]}"
#define RESULT(id)  "{\"role\":\"tool\",\"tool_call_id\":\"" id               \
    "\",\"parts\":[" P_TEXT("42") "]}"

    static const row_t  rows[] = {
        { RI(THOUGHT "," R_SAID("a") "," R_CALL("1") "," R_SAID("b") ","
             R_CALL("2") "," R_OUT("1") "," R_OUT("2")),
          N(TURN(P_THOUGHT "," P_TEXT("a") "," P_CALL("1") "," P_TEXT("b") ","
                 P_CALL("2")) "," RESULT("1") "," RESULT("2")) },
        { RI(THOUGHT "," R_CALL("1") "," R_OUT("1") "," THOUGHT ","
             R_SAID("a") "," THOUGHT "," R_SAID("b")),
          N(TURN(P_THOUGHT "," P_CALL("1")) "," RESULT("1") ","
            TURN(P_THOUGHT "," P_TEXT("a") "," P_THOUGHT) ","
            TURN(P_TEXT("b"))) },
        { RI("{\"type\":\"reasoning\",\"id\":\"x\",\"summary\":[],"
             "\"encrypted_content\":\"sealed\"}," R_SAID("a")),
          N(TURN(P_TEXT("a"))) },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        neutral = neutral_of(rows[i].request, false, &f);

        if (neutral == NULL) {
            fail_msg("%s: %s", rows[i].request, f.message);
        }

        weir_buf_reset(&b);
        assert_int_equal(weir_json_write(neutral, &b), 0);
        assert_same(unit_buf(&b), rows[i].want);
        weir_json_free(&neutral);
    }

    weir_buf_free(&b);
}


/* and to a provider of yet another dialect */

static void
test_anthropic(void **state)
{
    weir_buf_t       b = { 0 };
    weir_json_t     *neutral;
    weir_failure_t   f;

    (void) state;

    neutral = neutral_of(R "[" R_CALL("1") "," R_OUT("1") "],\"instructions\":"
                         "\"be brief\",\"max_output_tokens\":9,\"user\":\"u\""
                         ",\"tools\":[{\"type\":\"function\",\"name\":\"f\","
                         "\"parameters\":{\"type\":\"object\"},\"strict\":"
                         "true}],\"tool_choice\":\"required\"}", false, &f);
    assert_non_null(neutral);
    assert_int_equal(weir_anthropic_call(neutral, weir_str_null, false, &b,
                                         &f), 0);
    assert_same(unit_buf(&b), "{\"model\":\"m\",\"max_tokens\":9,\"system\":"
        "\"be brief\",\"messages\":[{\"role\":\"assistant\",\"content\":[{"
        "\"type\":\"tool_use\",\"id\":\"1\",\"name\":\"f\",\"input\":{}}]},{"
        "\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
        "\"tool_use_id\":\"1\",\"content\":\"42\"}]}],\"metadata\":{"
        "\"user_id\":\"u\"},\"tool_choice\":{\"type\":\"any\"},\"tools\":[{"
        "\"name\":\"f\",\"input_schema\":{\"type\":\"object\"},\"strict\":"
        "true}]}");

    weir_json_free(&neutral);
    weir_buf_free(&b);
}


typedef struct {
    const char  *request;
    const char  *param;
    const char  *code;
    const char  *says;              /* a piece of the message */
} wrong_t;

#define ONE(content)  RI("{\"role\":\"user\",\"content\":[" content "]}")
#define NO   "unsupported_parameter"

static const wrong_t  wrongs[] = {
    { "[]", "", "", "must be a JSON object" },
    { "{\"input\":\"hi\"}", "model", "", "without spaces" },
    { "{\"model\":\"a b\",\"input\":\"hi\"}", "model", "", "without spaces" },
    { "{\"model\":\"m\"}", "input", "", "must be a string or an array" },
    { R "[]}", "input", "", "at least one item" },
    { R "7}", "input", "", "must be a string" },
    { RI("7"), "input[0]", "", "must be an object" },
    { RI("{}"), "input[0]", "", "must be an object" },
    { RI("{\"type\":\"message\"}"), "input[0]", "", "\"role\"" },
    { RI("{\"role\":\"tool\",\"content\":\"x\"}"), "input[0]", "",
      "\"role\"" },
    { RI("{\"role\":\"user\"}"), "input[0].content", "", "must be a string" },
    { RI("{\"role\":\"user\",\"content\":\"x\",\"name\":\"n\"}"),
      "input[0].name", NO, "the member \"input[0].name\"" },
    { ONE("{\"text\":\"x\"}"), "input[0].content[0]", "", "\"type\"" },
    { ONE("{\"type\":\"input_text\"}"), "input[0].content[0]", "",
      "\"text\"" },
    { ONE("{\"type\":\"input_file\",\"file_id\":\"f\"}"),
      "input[0].content[0]", NO, "content of type \"input_file\"" },
    { ONE("{\"type\":\"input_audio\"}"), "input[0].content[0]", NO,
      "input_audio" },
    { ONE("{\"type\":\"refusal\",\"refusal\":\"x\"}"), "input[0].content[0]",
      NO, "refusal" },
    { ONE("{\"type\":\"input_image\",\"file_id\":\"f\"}"),
      "input[0].content[0].file_id", NO, "file_id" },
    { ONE("{\"type\":\"input_image\"}"), "input[0].content[0]", "",
      "image_url" },
    { RI("{\"role\":\"assistant\",\"content\":[{\"type\":\"input_image\","
         "\"image_url\":\"x\"}]}"), "input[0].content[0]", NO,
      "input_image" },
    { RI("{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\"}]}"),
      "input[0].content[0]", "", "\"refusal\"" },
    { RI("{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"\"}"),
      "input[0]", "", "call_id" },
    { RI("{\"type\":\"function_call_output\",\"output\":\"\"}"), "input[0]",
      "", "call_id" },
    { RI("{\"type\":\"function_call_output\",\"call_id\":\"1\"}"),
      "input[0].output", "", "must be a string" },
    { RI("{\"type\":\"item_reference\",\"id\":\"x\"}"), "input[0]", NO,
      "item_reference" },
    { RI("{\"type\":\"web_search_call\"}"), "input[0]", NO,
      "web_search_call" },
    { RI("{\"type\":\"reasoning\",\"content\":[{\"type\":\"x\"}]}"),
      "input[0]", "", "summary" },
    { RI("{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":1}"),
      "input[0]", "", "encrypted_content" },
    { RI("{\"type\":\"reasoning\",\"summary\":[]}"), "input", "",
      "nothing to answer" },

    { RH ",\"previous_response_id\":\"resp_1\"}", "previous_response_id", NO,
      "keeps none: send the whole input" },
    { RH ",\"conversation\":{}}", "conversation", NO, "send the whole input" },
    { RH ",\"prompt\":{\"id\":\"p\"}}", "prompt", NO, "\"prompt\"" },
    { RH ",\"max_tool_calls\":1}", "max_tool_calls", NO, "" },
    { RH ",\"context_management\":[]}", "context_management", NO, "" },
    { RH ",\"moderation\":{}}", "moderation", NO, "" },
    { RH ",\"truncation\":\"auto\"}", "truncation", NO, "auto" },
    { RH ",\"truncation\":1}", "truncation", "", "disabled" },
    { RH ",\"seed\":1}", "seed", "unknown_parameter", "\"seed\"" },
    { RH ",\"max_output_tokens\":0}", "max_output_tokens", "", "between" },
    { RH ",\"temperature\":2.5}", "temperature", "", "between" },
    { RH ",\"top_p\":\"1\"}", "top_p", "", "between" },
    { RH ",\"top_logprobs\":21}", "top_logprobs", "", "between" },
    { RH ",\"instructions\":[]}", "instructions", "", "string" },
    { RH ",\"stream\":1}", "stream", "", "true or false" },
    { RH ",\"stream_options\":{\"include_usage\":true}}",
      "stream_options.include_usage", NO, "include_usage" },
    { RH ",\"include\":[\"x\"]}", "include", "", "not known" },
    { RH ",\"include\":\"x\"}", "include", "", "array" },
    { RH ",\"metadata\":{\"a\":1}}", "metadata", "", "512" },
    { RH ",\"metadata\":[]}", "metadata", "", "16" },
    { RH ",\"text\":{\"x\":1}}", "text.x", NO, "" },
    { RH ",\"text\":{\"format\":{}}}", "text.format", "", "type" },
    { RH ",\"text\":{\"format\":{\"type\":\"grammar\"}}}", "text.format", NO,
      "grammar" },
    { RH ",\"text\":{\"format\":{\"type\":\"json_schema\"}}}", "text.format",
      "", "schema" },
    { RH ",\"text\":{\"verbosity\":1}}", "text.verbosity", "", "string" },
    { RH ",\"reasoning\":{\"effort\":1}}", "reasoning.effort", "", "string" },
    { RH ",\"reasoning\":{\"mode\":\"pro\"}}", "reasoning.mode", NO, "" },
    { RH ",\"tools\":{}}", "tools", "", "array" },
    { RH ",\"tools\":[{\"type\":\"web_search\"}]}", "tools[0]", NO,
      "web_search" },
    { RH ",\"tools\":[{\"type\":\"mcp\"}]}", "tools[0]", NO, "mcp" },
    { RH ",\"tools\":[{\"name\":\"f\"}]}", "tools[0]", "", "type" },
    { RH ",\"tools\":[{\"type\":\"function\",\"name\":\"f\","
      "\"parameters\":\"x\"}]}", "tools[0]", "", "parameters" },
    { RH ",\"tools\":[{\"type\":\"function\",\"name\":\"f\","
      "\"defer_loading\":true}]}", "tools[0].defer_loading", NO, "" },
    { RH ",\"tool_choice\":\"required\"}", "tool_choice", "", "tools" },
    { RH ",\"tools\":[{\"type\":\"function\",\"name\":\"f\"}],"
      "\"tool_choice\":\"some\"}", "tool_choice", "", "auto" },
    { RH ",\"tools\":[{\"type\":\"function\",\"name\":\"f\"}],"
      "\"tool_choice\":{\"type\":\"allowed_tools\"}}", "tool_choice", NO,
      "allowed_tools" },
    { RH ",\"tools\":[{\"type\":\"function\",\"name\":\"f\"}],"
      "\"tool_choice\":{\"type\":\"function\"}}", "tool_choice", "",
      "name" },
};


static void
test_refused(void **state)
{
    size_t           i;
    weir_json_t     *neutral;
    weir_failure_t   f;

    (void) state;

    for (i = 0; i < ROWS(wrongs); i++) {
        neutral = neutral_of(wrongs[i].request, false, &f);

        if (neutral) {
            fail_msg("%s: accepted", wrongs[i].request);
        }

        if (f.kind != WEIR_FAIL_INVALID
            || strcmp(f.param, wrongs[i].param) != 0
            || strcmp(f.code, wrongs[i].code) != 0
            || strstr(f.message, wrongs[i].says) == NULL)
        {
            fail_msg("%s: %s (%s, %s)", wrongs[i].request, f.message, f.param,
                     f.code);
        }
    }
}


static void
test_options(void **state)
{
    size_t                     i;
    weir_json_t               *body;
    weir_failure_t             f;
    weir_responses_options_t   o;

    static const struct {
        const char  *request;
        bool         stream, background, store;
        const char  *metadata;
    } rows[] = {
        { RH "}", false, false, true, "" },
        { RH ",\"store\":null,\"stream\":true}", true, false, true, "" },
        { RH ",\"store\":false}", false, false, false, "" },
        { RH ",\"background\":true,\"metadata\":{\"a\":\"b\"}}", false, true,
          true, "{\"a\":\"b\"}" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        body = parse(weir_str_of(rows[i].request));
        assert_int_equal(weir_responses_options(body, &o, &f), 0);
        assert_int_equal(o.stream, rows[i].stream);
        assert_int_equal(o.background, rows[i].background);
        assert_int_equal(o.store, rows[i].store);
        unit_str(unit_buf(&o.metadata), rows[i].metadata);
        weir_responses_options_free(&o);
        weir_json_free(&body);
    }

    body = parse(weir_str(RH ",\"background\":true,\"store\":false}"));
    assert_int_equal(weir_responses_options(body, &o, &f), -1);
    assert_string_equal(f.param, "store");
    weir_responses_options_free(&o);
    weir_json_free(&body);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_anthropic),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_options)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
