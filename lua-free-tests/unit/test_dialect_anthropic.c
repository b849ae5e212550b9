/*
 * The Anthropic dialect: a request through the neutral model is the same
 * request, or says the same in the OpenAI dialect, and the other way round;
 * what cannot be said is refused by name.
 */

#include "documents.h"
#include "weir_dialect_anthropic.h"
#include "weir_dialect_openai.h"


#define A  "\"model\":\"m\",\"max_tokens\":10,\"messages\":"
#define O  "\"model\":\"m\",\"messages\":"
#define U  "[{\"role\":\"user\",\"content\":\"hi\"}]"


/* a request as it goes through Redis */

static weir_json_t *
neutral_of(const char *request, bool openai)
{
    weir_buf_t      wire = { 0 };
    weir_json_t    *body, *neutral;
    weir_failure_t  f;

    body = parse(weir_str_of(request));
    neutral = openai ? weir_openai_request(body, &f)
                     : weir_anthropic_request(body, &f);

    if (neutral == NULL) {
        fail_msg("%s: %s", request, f.message);
    }

    assert_int_equal(weir_json_write(neutral, &wire), 0);
    weir_json_free(&neutral);
    weir_json_free(&body);

    neutral = parse(unit_buf(&wire));
    weir_buf_free(&wire);

    return neutral;
}


typedef struct {
    const char  *request;
    const char  *want;
} row_t;


static void
through(const row_t *row, bool from_openai, bool to_openai)
{
    int              rc;
    weir_buf_t       out = { 0 };
    weir_json_t     *neutral;
    weir_failure_t   f;

    neutral = neutral_of(row->request, from_openai);

    if (to_openai) {
        rc = weir_openai_check(neutral, &f);
        rc = rc ? rc : weir_openai_call(neutral, weir_str_null, false, &out);

    } else {
        rc = weir_anthropic_call(neutral, weir_str_null, false, &out, &f);
    }

    if (rc != 0) {
        fail_msg("%s: %s", row->request, f.message);
    }

    assert_same(unit_buf(&out), row->want);

    weir_json_free(&neutral);
    weir_buf_free(&out);
}


static void
test_same_request(void **state)
{
    size_t  i;

    static const char  *rows[] = {
        "{" A U "}",
        "{" A U ",\"temperature\":0.5,\"top_p\":1,\"top_k\":5,"
        "\"stop_sequences\":[\"a\",\"b\"],\"metadata\":{\"user_id\":\"u\"},"
        "\"service_tier\":\"auto\",\"container\":\"c\",\"x_unknown\":[1],"
        "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}}",
        "{" A U ",\"system\":\"be brief\"}",
        "{" A U ",\"system\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
        "\"text\",\"text\":\"b\",\"cache_control\":{\"type\":"
        "\"ephemeral\"}}]}",
        "{" A "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
        "\"what?\",\"cache_control\":{\"type\":\"ephemeral\"}},"
        "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":"
        "\"image/png\",\"data\":\"AA==\"}},{\"type\":\"image\",\"source\":{"
        "\"type\":\"url\",\"url\":\"https://x/y\"},\"cache_control\":{\"type\":"
        "\"ephemeral\"}},{\"type\":\"image\",\"source\":{\"type\":\"file\","
        "\"file_id\":\"f\"}},{\"type\":\"document\",\"source\":{\"type\":"
        "\"text\",\"media_type\":\"text/plain\",\"data\":\"d\"}}]}]}",
        "{" A "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\","
        "\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\","
        "\"signature\":\"s\"},{\"type\":\"redacted_thinking\",\"data\":\"x\"},"
        "{\"type\":\"text\",\"text\":\"a\",\"citations\":[{\"type\":"
        "\"char_location\"}]},{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":"
        "\"f\",\"input\":{\"a\":[1,{\"b\":null}]},\"cache_control\":{\"type\":"
        "\"ephemeral\"}},{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\","
        "\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":"
        "\"tool_result\",\"tool_use_id\":\"t1\",\"content\":\"42\"},"
        "{\"type\":\"tool_result\",\"tool_use_id\":\"t2\",\"content\":["
        "{\"type\":\"text\",\"text\":\"4\"},{\"type\":\"image\",\"source\":{"
        "\"type\":\"url\",\"url\":\"http://x\"}}],\"is_error\":true,"
        "\"cache_control\":{\"type\":\"ephemeral\"}},{\"type\":\"text\","
        "\"text\":\"go on\"}]}]}",
        "{" A U ",\"tools\":[{\"name\":\"f\",\"description\":\"d\","
        "\"input_schema\":{\"type\":\"object\"},\"strict\":true,"
        "\"cache_control\":{\"type\":\"ephemeral\"}},{\"type\":"
        "\"web_search_20250305\",\"name\":\"web_search\"}],\"tool_choice\":{"
        "\"type\":\"tool\",\"name\":\"f\",\"disable_parallel_tool_use\":"
        "true}}",
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        through(&(row_t) { rows[i], rows[i] }, false, false);
    }
}


/* what may differ: turns that are one, an empty result, false and null */

static void
test_equal_request(void **state)
{
    size_t  i;

    static const row_t  rows[] = {
        { "{" A "[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\","
          "\"content\":[{\"type\":\"text\",\"text\":\"b\"}]}]}",
          "{" A "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
          "\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}]}" },
        { "{" A U ",\"system\":[],\"stream\":true,\"stop_sequences\":[],"
          "\"tools\":[],\"temperature\":null}",
          "{" A U "}" },
        { "{" A "[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
          "\"tool_use_id\":\"t\",\"content\":\"\",\"is_error\":false},"
          "{\"type\":\"tool_result\",\"tool_use_id\":\"u\"}]}]}",
          "{" A "[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
          "\"tool_use_id\":\"t\"},{\"type\":\"tool_result\",\"tool_use_id\":"
          "\"u\"}]}]}" },
        { "{" A "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
          "\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":"
          "\"not signed\",\"signature\":\"\"},{\"type\":\"text\",\"text\":"
          "\"a\"}]}]}",
          "{" A "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
          "\"assistant\",\"content\":\"a\"}]}" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        through(&rows[i], false, false);
    }
}


static void
test_to_openai(void **state)
{
    size_t  i;

#define OM  "\"max_tokens\":10," O

    static const row_t  rows[] = {
        { "{" A U ",\"system\":\"be brief\",\"temperature\":0.5,"
          "\"stop_sequences\":[\"x\"],\"metadata\":{\"user_id\":\"u\"},"
          "\"service_tier\":\"auto\",\"thinking\":{\"type\":\"disabled\"}}",
          "{" OM "[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":"
          "\"user\",\"content\":\"hi\"}],\"temperature\":0.5,\"stop\":[\"x\"],"
          "\"user\":\"u\"}" },
        { "{" A "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
          "\"what?\",\"cache_control\":{\"type\":\"ephemeral\"}},{\"type\":"
          "\"image\",\"source\":{\"type\":\"base64\",\"media_type\":"
          "\"image/png\",\"data\":\"AA==\"}},{\"type\":\"image\",\"source\":{"
          "\"type\":\"url\",\"url\":\"https://x/y\"}}]}]}",
          "{" OM "[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
          "\"text\":\"what?\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
          "\"data:image/png;base64,AA==\"}},{\"type\":\"image_url\","
          "\"image_url\":{\"url\":\"https://x/y\"}}]}]}" },
        { "{" A "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
          "\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":"
          "\"hm\",\"signature\":\"s\"},{\"type\":\"redacted_thinking\","
          "\"data\":\"x\"},{\"type\":\"text\",\"text\":\"a\",\"citations\":["
          "{\"type\":\"c\"}]},{\"type\":\"tool_use\",\"id\":\"t\",\"name\":"
          "\"f\",\"input\":{\"a\":1}}]},{\"role\":\"user\",\"content\":["
          "{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[{"
          "\"type\":\"text\",\"text\":\"42\"}]},{\"type\":\"tool_result\","
          "\"tool_use_id\":\"u\",\"is_error\":true,\"content\":\"no\"},"
          "{\"type\":\"tool_result\",\"tool_use_id\":\"v\"},{\"type\":"
          "\"text\",\"text\":\"go on\"}]}]}",
          "{" OM "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
          "\"assistant\",\"content\":\"a\",\"tool_calls\":[{\"id\":\"t\","
          "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
          "\"{\\\"a\\\":1}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"t\","
          "\"content\":\"42\"},{\"role\":\"tool\",\"tool_call_id\":\"u\","
          "\"content\":\"Error: no\"},{\"role\":\"tool\",\"tool_call_id\":"
          "\"v\",\"content\":\"\"},{\"role\":\"user\",\"content\":"
          "\"go on\"}]}" },
        { "{" A "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
          "\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":"
          "\"hm\",\"signature\":\"s\"}]}]}",
          "{" OM "[{\"role\":\"user\",\"content\":\"q\"}]}" },
        { "{" A U ",\"tools\":[{\"name\":\"f\",\"description\":\"d\","
          "\"input_schema\":{\"type\":\"object\"},\"cache_control\":{}}],"
          "\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":"
          "true}}",
          "{" OM U ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
          "\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"}}}]"
          ",\"tool_choice\":\"required\",\"parallel_tool_calls\":false}" },
        { "{" A U ",\"tools\":[{\"name\":\"f\",\"input_schema\":{}}],"
          "\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"}}",
          "{" OM U ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
          "\"f\",\"parameters\":{}}}],\"tool_choice\":{\"type\":\"function\","
          "\"function\":{\"name\":\"f\"}}}" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        through(&rows[i], false, true);
    }
}


static void
test_from_openai(void **state)
{
    size_t  i;

#define AM  "\"max_tokens\":4096," O

    static const row_t  rows[] = {
        { "{" O U "}", "{" AM U "}" },
        { "{" O U ",\"max_tokens\":7,\"max_completion_tokens\":9,\"stop\":"
          "\"x\",\"temperature\":1,\"n\":1,\"user\":\"u\",\"metadata\":{},"
          "\"store\":false,\"logprobs\":false,\"frequency_penalty\":0.0,"
          "\"response_format\":{\"type\":\"text\"},\"tool_choice\":\"auto\"}",
          "{\"max_tokens\":9," O U ",\"stop_sequences\":[\"x\"],"
          "\"temperature\":1,\"metadata\":{\"user_id\":\"u\"}}" },
        { "{" O "[{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"user\","
          "\"content\":\"hi\"},{\"role\":\"developer\",\"content\":\"b\"}]}",
          "{" AM U ",\"system\":[{\"type\":\"text\",\"text\":\"a\"},"
          "{\"type\":\"text\",\"text\":\"b\"}]}" },
        { "{" O "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
          "\"what?\",\"cache_control\":{}},{\"type\":\"image_url\","
          "\"image_url\":{\"url\":\"data:image/png;base64,AA==\",\"detail\":"
          "\"low\"}},{\"type\":\"image_url\",\"image_url\":{\"url\":"
          "\"https://x/y\"}}]}]}",
          "{" AM "[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
          "\"text\":\"what?\"},{\"type\":\"image\",\"source\":{\"type\":"
          "\"base64\",\"media_type\":\"image/png\",\"data\":\"AA==\"}},"
          "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":"
          "\"https://x/y\"}}]}]}" },
        { "{" O "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
          "\"assistant\",\"content\":null,\"refusal\":null,\"tool_calls\":[{"
          "\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\","
          "\"arguments\":\"{\\\"a\\\":1}\"}},{\"id\":\"u\",\"type\":"
          "\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]},"
          "{\"role\":\"tool\",\"tool_call_id\":\"t\",\"content\":\"42\"},"
          "{\"role\":\"tool\",\"tool_call_id\":\"u\",\"name\":\"g\","
          "\"content\":[{\"type\":\"text\",\"text\":\"4\"},{\"type\":\"text\","
          "\"text\":\"2\"}]},{\"role\":\"user\",\"content\":\"go on\"}]}",
          "{" AM "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
          "\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\","
          "\"name\":\"f\",\"input\":{\"a\":1}},{\"type\":\"tool_use\",\"id\":"
          "\"u\",\"name\":\"g\",\"input\":{}}]},{\"role\":\"user\","
          "\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\","
          "\"content\":\"42\"},{\"type\":\"tool_result\",\"tool_use_id\":"
          "\"u\",\"content\":[{\"type\":\"text\",\"text\":\"4\"},{\"type\":"
          "\"text\",\"text\":\"2\"}]},{\"type\":\"text\",\"text\":"
          "\"go on\"}]}]}" },
        { "{" O "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
          "\"assistant\",\"content\":\"\",\"refusal\":\"no\","
          "\"reasoning_content\":\"hm\"},{\"role\":\"assistant\",\"content\":["
          "{\"type\":\"refusal\",\"refusal\":\"never\"}]}]}",
          "{" AM "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
          "\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"no\"},"
          "{\"type\":\"text\",\"text\":\"never\"}]}]}" },
        { "{" O U ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
          "\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"},"
          "\"strict\":false}},{\"type\":\"function\",\"function\":{\"name\":"
          "\"g\"}}],\"parallel_tool_calls\":false}",
          "{" AM U ",\"tools\":[{\"name\":\"f\",\"description\":\"d\","
          "\"input_schema\":{\"type\":\"object\"}},{\"name\":\"g\","
          "\"input_schema\":{\"type\":\"object\",\"properties\":{}}}],"
          "\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":"
          "true}}" },
        { "{" O U ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
          "\"f\",\"parameters\":{},\"strict\":true}}],\"tool_choice\":{"
          "\"type\":\"function\",\"function\":{\"name\":\"f\"}}}",
          "{" AM U ",\"tools\":[{\"name\":\"f\",\"input_schema\":{},"
          "\"strict\":true}],\"tool_choice\":{\"type\":\"tool\",\"name\":"
          "\"f\"}}" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        through(&rows[i], true, false);
    }
}


/* refused: param, and a word of the message */

typedef struct {
    const char  *request;
    const char  *param;
    const char  *word;
} refusal_t;


static void
assert_refused(const refusal_t *row, const weir_failure_t *f)
{
    assert_int_equal(f->kind, WEIR_FAIL_INVALID);
    assert_string_equal(f->param, row->param);

    if (strstr(f->message, row->word) == NULL) {
        fail_msg("%s: \"%s\" does not name \"%s\"", row->request, f->message,
                 row->word);
    }
}


static void
test_unsaid(void **state)
{
    size_t           i;
    weir_buf_t       out = { 0 };
    weir_json_t     *neutral;
    weir_failure_t   f;

#define PART(p)  "{" A "[{\"role\":\"user\",\"content\":[" p "]}]}"

    static const refusal_t  to_openai[] = {
        { "{" A U ",\"top_k\":5}", "top_k", "top_k" },
        { "{" A U ",\"thinking\":{\"type\":\"enabled\"}}", "thinking",
          "thinking" },
        { "{" A U ",\"x_unknown\":1}", "x_unknown", "x_unknown" },
        { "{" A U ",\"tool_choice\":{\"type\":\"odd\"}}", "tool_choice",
          "odd" },
        { "{" A U ",\"tools\":[{\"type\":\"bash_20250124\",\"name\":"
          "\"bash\"}]}", "tools", "bash_20250124" },
        { "{" A U ",\"tools\":[{\"name\":\"f\",\"input_schema\":{},"
          "\"defer_loading\":true}]}", "tools", "defer_loading" },
        { PART("{\"type\":\"document\",\"source\":{}}"), "messages",
          "document" },
        { PART("{\"type\":\"image\",\"source\":{\"type\":\"file\"}}"),
          "messages", "image" },
        { PART("{\"type\":\"text\",\"text\":\"a\",\"odd\":1}"), "messages",
          "odd" },
        { PART("{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":["
               "{\"type\":\"search_result\"}]}"), "messages",
          "search_result" },
    };

#define OPART(p)  "{" O "[{\"role\":\"user\",\"content\":[" p "]}]}"

    static const refusal_t  from_openai[] = {
        { "{" O U ",\"seed\":1}", "seed", "seed" },
        { "{" O U ",\"n\":2}", "n", "\"n\"" },
        { "{" O U ",\"temperature\":1.5}", "temperature", "above 1" },
        { "{" O U ",\"logprobs\":true}", "logprobs", "logprobs" },
        { "{" O U ",\"response_format\":{\"type\":\"json_object\"}}",
          "response_format", "response_format" },
        { "{" O U ",\"reasoning_effort\":\"low\"}", "reasoning_effort",
          "reasoning_effort" },
        { "{" O U ",\"x_unknown\":1}", "x_unknown", "x_unknown" },
        { "{" O U ",\"tools\":[{\"type\":\"custom\",\"custom\":{}}]}", "tools",
          "no function" },
        { "{" O U ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
          "\"f\"}}],\"tool_choice\":{\"type\":\"allowed_tools\"}}",
          "tool_choice", "tool_choice" },
        { OPART("{\"type\":\"input_audio\",\"input_audio\":{}}"), "messages",
          "input_audio" },
        { OPART("{\"type\":\"image_url\",\"image_url\":{\"url\":\"gs://x\"}}"),
          "messages", "URL" },
        { "{" O "[{\"role\":\"user\",\"content\":\"a\",\"name\":\"n\"}]}",
          "messages", "name" },
        { "{" O "[{\"role\":\"assistant\",\"content\":null,\"audio\":{\"id\":"
          "\"a\"}}]}", "messages", "audio" },
        { "{" O "[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
          "\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\","
          "\"arguments\":\"[1\"}}]}]}", "messages", "arguments" },
        { "{" O "[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
          "\"id\":\"t\",\"type\":\"custom\"}]}]}", "messages", "custom" },
        { "{" O "[{\"role\":\"tool\",\"content\":\"a\"}]}", "messages",
          "tool_call_id" },
        { "{" O "[{\"role\":\"system\",\"content\":\"a\"}]}", "messages",
          "without a message" },
    };

    (void) state;

    for (i = 0; i < ROWS(to_openai); i++) {
        neutral = neutral_of(to_openai[i].request, false);
        assert_int_equal(weir_openai_check(neutral, &f), -1);
        assert_refused(&to_openai[i], &f);
        assert_int_equal(weir_openai_call(neutral, weir_str_null, false, &out),
                         -1);
        weir_json_free(&neutral);
    }

    for (i = 0; i < ROWS(from_openai); i++) {
        neutral = neutral_of(from_openai[i].request, true);
        assert_int_equal(weir_anthropic_call(neutral, weir_str_null, false,
                                             &out, &f), -1);
        assert_refused(&from_openai[i], &f);
        weir_json_free(&neutral);
    }

    neutral = neutral_of("{" A U "}", false);
    assert_int_equal(weir_anthropic_call(neutral, weir_str("other"), true,
                                         &out, &f), 0);
    assert_same(unit_buf(&out), "{\"model\":\"other\",\"max_tokens\":10,"
                "\"messages\":" U ",\"stream\":true}");
    weir_json_free(&neutral);

    neutral = parse(weir_str("{\"v\":2,\"messages\":[]}"));
    assert_int_equal(weir_anthropic_call(neutral, weir_str_null, false, &out,
                                         &f), -1);
    assert_int_equal(f.kind, WEIR_FAIL_INTERNAL);
    weir_json_free(&neutral);
    weir_buf_free(&out);
}


static void
test_bad_requests(void **state)
{
    size_t           i;
    weir_json_t     *body;
    weir_failure_t   f;

#define BAD(m)  "{" A "[" m "]}"
#define BADP(p)  BAD("{\"role\":\"user\",\"content\":[" p "]}")

    static const refusal_t  rows[] = {
        { "[]", "", "object" },
        { "{}", "model", "model" },
        { "{\"model\":\"a b\",\"max_tokens\":1}", "model", "model" },
        { "{\"model\":\"m\",\"messages\":" U "}", "max_tokens", "required" },
        { "{\"model\":\"m\",\"max_tokens\":1}", "messages", "array" },
        { "{" A "[]}", "messages", "at least one" },
        { "{\"model\":\"m\",\"max_tokens\":0,\"messages\":" U "}",
          "max_tokens", "between" },
        { "{" A U ",\"temperature\":1.5}", "temperature", "between" },
        { "{" A U ",\"top_k\":1.5}", "top_k", "integer" },
        { "{" A U ",\"stream\":1}", "stream", "true or false" },
        { "{" A U ",\"metadata\":[]}", "metadata", "object" },
        { "{" A U ",\"tool_choice\":\"auto\"}", "tool_choice", "type" },
        { "{" A U ",\"service_tier\":1}", "service_tier", "string" },
        { "{" A U ",\"stop_sequences\":[1]}", "stop_sequences", "strings" },
        { "{" A U ",\"stop_sequences\":\"x\"}", "stop_sequences", "array" },
        { "{" A U ",\"system\":7}", "system", "string" },
        { "{" A U ",\"system\":[{\"type\":\"image\"}]}", "system[0]", "text" },
        { "{" A U ",\"system\":[{\"type\":\"text\"}]}", "system[0]", "text" },
        { "{" A U ",\"tools\":{}}", "tools", "array" },
        { "{" A U ",\"tools\":[{\"name\":\"f\"}]}", "tools[0]",
          "input_schema" },
        { "{" A U ",\"tools\":[{\"name\":\"f\",\"type\":7,\"input_schema\":{}}"
          "]}", "tools[0]", "name" },
        { BAD("7"), "messages[0]", "role" },
        { BAD("{\"role\":\"system\",\"content\":\"a\"}"), "messages[0]",
          "role" },
        { BAD("{\"role\":\"user\"}"), "messages[0].content", "string" },
        { BAD("{\"role\":\"user\",\"content\":[]}"), "messages[0].content",
          "at least one" },
        { BAD("{\"role\":\"user\",\"content\":\"a\",\"name\":\"n\"}"),
          "messages[0]", "alone" },
        { BADP("7"), "messages[0].content[0]", "type" },
        { BADP("{\"type\":\"text\"}"), "messages[0].content[0]", "text" },
        { BADP("{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image\"}"),
          "messages[0].content[1]", "source" },
        { BADP("{\"type\":\"tool_use\",\"id\":\"t\"}"),
          "messages[0].content[0]", "user" },
        { BADP("{\"type\":\"tool_result\"}"), "messages[0].content[0]",
          "tool_use_id" },
        { BADP("{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"is_error\":"
               "1}"), "messages[0].content[0]", "is_error" },
        { BADP("{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":"
               "[{}]}"), "messages[0].content[0].content[0]", "type" },
        { BAD("{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_result\""
              "}]}"), "messages[0].content[0]", "assistant" },
        { BAD("{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\","
              "\"id\":\"t\",\"name\":\"f\",\"input\":[]}]}"),
          "messages[0].content[0]", "input" },
        { BAD("{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\"}]}"
              ), "messages[0].content[0]", "thinking" },
    };

    (void) state;

    for (i = 0; i < ROWS(rows); i++) {
        body = parse(weir_str_of(rows[i].request));

        if (weir_anthropic_request(body, &f) != NULL) {
            fail_msg("accepted: %s", rows[i].request);
        }

        assert_refused(&rows[i], &f);
        weir_json_free(&body);
    }

    assert_null(weir_anthropic_request(NULL, &f));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_same_request),
        cmocka_unit_test(test_equal_request),
        cmocka_unit_test(test_to_openai),
        cmocka_unit_test(test_from_openai),
        cmocka_unit_test(test_unsaid),
        cmocka_unit_test(test_bad_requests)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
