/*
 * The directives of the mock LLM: what is taken, what is refused and with
 * which words, and how they are lifted out of a message.
 */

/* with: worker/mock_plan.c */

#include "mock_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>


static char  error[MOCK_PLAN_ERROR];


static struct mock_plan
parsed(const char *text)
{
    struct mock_plan  plan;

    mock_plan_init(&plan);

    if (!mock_plan_parse(&plan, text, strlen(text), error, sizeof(error))) {
        fail_msg("\"%s\" was refused: %s", text, error);
    }

    return plan;
}


static void
refused(const char *text)
{
    struct mock_plan  plan;

    mock_plan_init(&plan);

    if (mock_plan_parse(&plan, text, strlen(text), error, sizeof(error))) {
        fail_msg("\"%s\" was taken", text);
    }
}


static void
assert_refused(const char *text, const char *message)
{
    refused(text);
    assert_string_equal(error, message);
}


/* left: what remains of text once the directives are out; NULL: refused */
static struct mock_plan
taken(const char *text, const char *left)
{
    char              *copy;
    size_t             len;
    struct mock_plan   plan;

    mock_plan_init(&plan);

    /* no byte more than it holds, so that reading beyond is seen */
    len = strlen(text);
    copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);

    if (left == NULL) {
        assert_false(mock_plan_take(&plan, copy, &len, error, sizeof(error)));

    } else {
        assert_true(mock_plan_take(&plan, copy, &len, error, sizeof(error)));
        assert_int_equal(len, strlen(left));
        assert_memory_equal(copy, left, len);
    }

    free(copy);

    return plan;
}


static void
test_nothing_is_a_good_answer(void **state)
{
    struct mock_plan  plan, fresh;

    (void) state;

    mock_plan_init(&fresh);

    plan = parsed("");
    assert_memory_equal(&plan, &fresh, sizeof(plan));

    plan = parsed(" \t\r\n ");
    assert_memory_equal(&plan, &fresh, sizeof(plan));

    assert_int_equal(fresh.status, -1);
    assert_int_equal(fresh.times, -1);
    assert_int_equal(fresh.hang, 0);
    assert_int_equal(fresh.cut, MOCK_CUT_NONE);
    assert_int_equal(fresh.garbage, MOCK_GARBAGE_NONE);
}


static void
test_each_directive_sets_its_field(void **state)
{
    struct mock_plan  plan;

    (void) state;

    plan = parsed("delay=1 status=503 times=2 trickle=3 size=4 every=5 hang "
                  "cut=headers garbage=utf8 usage=negative retry-after=1.5 "
                  "retry-after-ms=250 tag=a.B_9- tool=get_x finish=length "
                  "key=k=v models=a,b/c:1");

    assert_int_equal(plan.delay, 1);
    assert_int_equal(plan.status, 503);
    assert_int_equal(plan.times, 2);
    assert_int_equal(plan.trickle, 3);
    assert_int_equal(plan.size, 4);
    assert_int_equal(plan.every, 5);
    assert_int_equal(plan.hang, 1);
    assert_int_equal(plan.cut, MOCK_CUT_HEADERS);
    assert_int_equal(plan.garbage, MOCK_GARBAGE_UTF8);
    assert_int_equal(plan.usage, MOCK_USAGE_NEGATIVE);
    assert_string_equal(plan.retry_after, "1.5");
    assert_string_equal(plan.retry_after_ms, "250");
    assert_string_equal(plan.tag, "a.B_9-");
    assert_string_equal(plan.tool, "get_x");
    assert_string_equal(plan.finish, "length");
    assert_string_equal(plan.key, "k=v");
    assert_string_equal(plan.models, "a,b/c:1");
}


static void
test_each_directive_of_content_sets_its_field(void **state)
{
    struct mock_plan  plan;

    (void) state;

    plan = parsed("words=wide counted=7 thinking=1 preface=2 tools=3 "
                  "pieces=4 turns=1 vary=1 cached=9 args={\"a\":[1]}");

    assert_int_equal(plan.words, MOCK_WORDS_WIDE);
    assert_int_equal(plan.counted, 7);
    assert_int_equal(plan.thinking, 1);
    assert_int_equal(plan.preface, 2);
    assert_int_equal(plan.tools, 3);
    assert_int_equal(plan.pieces, 4);
    assert_int_equal(plan.turns, 1);
    assert_int_equal(plan.vary, 1);
    assert_int_equal(plan.cached, 9);
    assert_string_equal(plan.args, "{\"a\":[1]}");
}


static void
test_each_directive_of_streams_sets_its_field(void **state)
{
    struct mock_plan  plan;

    (void) state;

    plan = parsed("after=1 stop=marker bad=array pause=2 stream=never eol=cr "
                  "space=0 escape=1 ping=3 comment=4 batch=5 piece=6 "
                  "error=overloaded_error");

    assert_int_equal(plan.after, 1);
    assert_int_equal(plan.stop, MOCK_STOP_MARKER);
    assert_int_equal(plan.bad, MOCK_BAD_ARRAY);
    assert_int_equal(plan.pause, 2);
    assert_int_equal(plan.stream, MOCK_SHAPE_NEVER);
    assert_int_equal(plan.eol, MOCK_EOL_CR);
    assert_int_equal(plan.space, 0);
    assert_int_equal(plan.escape, 1);
    assert_int_equal(plan.ping, 3);
    assert_int_equal(plan.comment, 4);
    assert_int_equal(plan.batch, 5);
    assert_int_equal(plan.piece, 6);
    assert_string_equal(plan.error, "overloaded_error");
}


static void
test_every_word_has_its_value(void **state)
{
    (void) state;

    assert_int_equal(parsed("cut=none").cut, MOCK_CUT_NONE);
    assert_int_equal(parsed("cut=before").cut, MOCK_CUT_BEFORE);
    assert_int_equal(parsed("cut=body").cut, MOCK_CUT_BODY);
    assert_int_equal(parsed("garbage=none").garbage, MOCK_GARBAGE_NONE);
    assert_int_equal(parsed("garbage=json").garbage, MOCK_GARBAGE_JSON);
    assert_int_equal(parsed("garbage=html").garbage, MOCK_GARBAGE_HTML);
    assert_int_equal(parsed("garbage=empty").garbage, MOCK_GARBAGE_EMPTY);
    assert_int_equal(parsed("garbage=binary").garbage, MOCK_GARBAGE_BINARY);
    assert_int_equal(parsed("garbage=huge").garbage, MOCK_GARBAGE_HUGE);
    assert_int_equal(parsed("usage=true").usage, MOCK_USAGE_TRUE);
    assert_int_equal(parsed("usage=none").usage, MOCK_USAGE_NONE);
    assert_int_equal(parsed("usage=huge").usage, MOCK_USAGE_HUGE);
    assert_int_equal(parsed("cut=event").cut, MOCK_CUT_EVENT);
    assert_int_equal(parsed("stop=done").stop, MOCK_STOP_DONE);
    assert_int_equal(parsed("stop=body").stop, MOCK_STOP_BODY);
    assert_int_equal(parsed("stop=event").stop, MOCK_STOP_EVENT);
    assert_int_equal(parsed("stop=text").stop, MOCK_STOP_TEXT);
    assert_int_equal(parsed("stop=finish").stop, MOCK_STOP_FINISH);
    assert_int_equal(parsed("stop=open").stop, MOCK_STOP_OPEN);
    assert_int_equal(parsed("bad=none").bad, MOCK_BAD_NONE);
    assert_int_equal(parsed("bad=json").bad, MOCK_BAD_JSON);
    assert_int_equal(parsed("bad=utf8").bad, MOCK_BAD_UTF8);
    assert_int_equal(parsed("bad=empty").bad, MOCK_BAD_EMPTY);
    assert_int_equal(parsed("bad=unknown").bad, MOCK_BAD_UNKNOWN);
    assert_int_equal(parsed("bad=huge").bad, MOCK_BAD_HUGE);
    assert_int_equal(parsed("eol=lf").eol, MOCK_EOL_LF);
    assert_int_equal(parsed("eol=crlf").eol, MOCK_EOL_CRLF);
    assert_int_equal(parsed("eol=mixed").eol, MOCK_EOL_MIXED);
    assert_int_equal(parsed("words=ascii").words, MOCK_WORDS_ASCII);
    assert_int_equal(parsed("stream=asked").stream, MOCK_SHAPE_ASKED);
    assert_int_equal(parsed("stream=always").stream, MOCK_SHAPE_ALWAYS);
}


static void
test_later_wins(void **state)
{
    struct mock_plan  plan;

    (void) state;

    plan = parsed("status=500 hang cut=body delay=5");

    assert_true(mock_plan_parse(&plan, "status=200 hang=0 cut=none", 26,
                                error, sizeof(error)));
    assert_int_equal(plan.status, 200);
    assert_int_equal(plan.hang, 0);
    assert_int_equal(plan.cut, MOCK_CUT_NONE);
    assert_int_equal(plan.delay, 5);
}


static void
test_tokens_are_four_bytes_of_size(void **state)
{
    (void) state;

    assert_int_equal(parsed("tokens=25").size, 100);
    assert_int_equal(parsed("tokens=25 size=7").size, 7);
    assert_int_equal(parsed("tokens=16777216").size, 64 * 1024 * 1024);
}


static void
test_mistakes_are_named(void **state)
{
    (void) state;

    assert_refused("statuss=500", "unknown directive \"statuss\"");
    assert_refused("delay=5 nope", "unknown directive \"nope\"");
    assert_refused("=5", "unknown directive \"\"");
    assert_refused("delay", "bad value \"\" of directive \"delay\": "
                   "expected milliseconds from 0 to 86400000");
    assert_refused("delay=-1", "bad value \"-1\" of directive \"delay\": "
                   "expected milliseconds from 0 to 86400000");
    assert_refused("hang=2", "bad value \"2\" of directive \"hang\": "
                   "expected 0 or 1");
    assert_refused("cut=Body", "bad value \"Body\" of directive \"cut\": "
                   "expected none, before, headers, body or event");
    assert_refused("tag=\xc3\xbc", "directive with a byte 0xc3");
    assert_refused("key=\x7f", "directive with a byte 0x7f");
}


static void
test_bounds(void **state)
{
    char         text[MOCK_PLAN_MAX + 2];
    size_t       i;
    const char  *bad[] = {
        "delay=86400001", "delay=1e3", "delay= 1", "delay=9999999999999999",
        "status=199", "status=201", "status=299", "status=600", "status=",
        "size=67108865", "tokens=16777217", "times=2147483648",
        "retry-after=soon", "retry-after=12345678901234567",
        "tag=", "tag=a/b", "tool=a.b", "key=", "usage=",
        "tools=0", "tools=9", "pieces=0", "pieces=257", "turns=2", "vary=2",
        "cached=x",
        "batch=0", "batch=10001", "piece=0", "piece=65537", "space=2",
        "escape=2", "after=-1", "pause=86400001", "thinking=16777217",
        "counted=65537", "preface=16777217", "error=", "error=a/b", "args=",
        "stop=none", "bad=true", "eol=lfcr", "words=", "stream=1", NULL
    };

    (void) state;

    for (i = 0; bad[i] != NULL; i++) {
        refused(bad[i]);
    }

    assert_int_equal(parsed("status=200").status, 200);
    assert_int_equal(parsed("status=300").status, 300);
    assert_int_equal(parsed("status=599").status, 599);

    snprintf(text, sizeof(text), "tag=%064d", 0);
    assert_int_equal(strlen(parsed(text).tag), 64);

    snprintf(text, sizeof(text), "tag=%065d", 0);
    assert_int_equal(strlen(text), 4 + 65);
    assert_refused(text, "bad value \"00000000000000000000000000000000000000"
                   "000000000000000000000000000\" of directive \"tag\": "
                   "expected 1 to 64 of A-Z a-z 0-9 . _ -");

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_refused(text, "plan longer than 4096 bytes");

    text[320] = '\0';
    assert_refused(text, "directive longer than 319 bytes");
}


static void
test_directives_leave_the_message(void **state)
{
    (void) state;

    taken("", "");
    taken("no directive", "no directive");
    taken("trailing space ", "trailing space ");

    assert_int_equal(taken("[[mock status=500]]", "").status, 500);
    assert_int_equal(taken("[[mock status=500]] hi", "hi").status, 500);
    assert_int_equal(taken("hi [[mock status=500]]", "hi").status, 500);
    assert_int_equal(taken("a [[mock status=500]] b", "a b").status, 500);
    assert_int_equal(taken("a[[mock]]b", "ab").status, -1);
    assert_int_equal(taken("[[mock status=500]][[mock status=429]]x",
                           "x").status, 429);
    assert_int_equal(taken("a [[mock status=500]] b [[mock delay=7]] c",
                           "a b c").delay, 7);
}


static void
test_what_only_looks_like_one_stays(void **state)
{
    (void) state;

    taken("[[mock", "[[mock");
    taken("[[mockingbird]]", "[[mockingbird]]");
    taken("[mock a=b]", "[mock a=b]");
    taken("]] [[", "]] [[");
}


static void
test_a_broken_one_is_refused(void **state)
{
    (void) state;

    taken("x [[mock delay=5", NULL);
    assert_string_equal(error, "\"[[mock\" without \"]]\"");

    taken("x [[mock delay=5]", NULL);
    assert_string_equal(error, "\"[[mock\" without \"]]\"");

    taken("x [[mock dealy=5]]", NULL);
    assert_string_equal(error, "unknown directive \"dealy\"");
}


static void
test_behaving_keeps_the_pace(void **state)
{
    struct mock_plan  plan;

    (void) state;

    plan = parsed("status=500 cut=body garbage=json hang delay=5 size=9 "
                  "tag=t stop=text bad=json error=e pause=3 stream=never "
                  "eol=cr piece=1");
    mock_plan_behave(&plan);

    assert_int_equal(plan.status, -1);
    assert_int_equal(plan.cut, MOCK_CUT_NONE);
    assert_int_equal(plan.garbage, MOCK_GARBAGE_NONE);
    assert_int_equal(plan.hang, 0);
    assert_int_equal(plan.delay, 5);
    assert_int_equal(plan.size, 9);
    assert_string_equal(plan.tag, "t");

    assert_int_equal(plan.stop, MOCK_STOP_DONE);
    assert_int_equal(plan.bad, MOCK_BAD_NONE);
    assert_string_equal(plan.error, "");
    assert_int_equal(plan.pause, -1);
    assert_int_equal(plan.stream, MOCK_SHAPE_ASKED);
    assert_int_equal(plan.eol, MOCK_EOL_CR);
    assert_int_equal(plan.piece, 1);
}


static void
test_models(void **state)
{
    struct mock_plan  plan;

    (void) state;

    plan = parsed("");
    assert_true(mock_plan_model_allowed(&plan, "any", 3));

    plan = parsed("models=one,two-2");
    assert_true(mock_plan_model_allowed(&plan, "one", 3));
    assert_true(mock_plan_model_allowed(&plan, "two-2", 5));
    assert_false(mock_plan_model_allowed(&plan, "two", 3));
    assert_false(mock_plan_model_allowed(&plan, "one,", 4));
    assert_false(mock_plan_model_allowed(&plan, "onex", 4));
}


/* pieces of the grammar in any order: no read or write out of bounds, and a
 * refusal is printable */
static void
test_any_text(void **state)
{
    char         text[256];
    size_t       len, i, n;
    unsigned     round, seed;
    const char  *pieces[] = {
        "[[mock", "]]", "]", "[", " ", "delay=", "5", "tag=", "\xff", "hang",
        "=", "status=500", "\"", "\n", "x"
    };

    (void) state;

    seed = 20240607;

    for (round = 0; round < 20000; round++) {
        struct mock_plan  plan;
        char             *copy;

        for (len = 0; ; len += n) {
            seed = seed * 1103515245u + 12345u;
            i = (seed >> 16) % (sizeof(pieces) / sizeof(pieces[0]) + 1);

            if (i == sizeof(pieces) / sizeof(pieces[0])) {
                break;
            }

            n = strlen(pieces[i]);
            if (len + n > sizeof(text)) {
                break;
            }

            memcpy(text + len, pieces[i], n);
        }

        copy = malloc(len ? len : 1);
        assert_non_null(copy);
        memcpy(copy, text, len);
        n = len;

        mock_plan_init(&plan);
        error[0] = '\0';

        if (mock_plan_take(&plan, copy, &len, error, sizeof(error))) {
            assert_true(len <= n);

        } else {
            assert_true(error[0] != '\0');
        }

        for (i = 0; error[i] != '\0'; i++) {
            assert_in_range(error[i], ' ', '~');
        }

        free(copy);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_nothing_is_a_good_answer),
        cmocka_unit_test(test_each_directive_sets_its_field),
        cmocka_unit_test(test_each_directive_of_content_sets_its_field),
        cmocka_unit_test(test_each_directive_of_streams_sets_its_field),
        cmocka_unit_test(test_every_word_has_its_value),
        cmocka_unit_test(test_later_wins),
        cmocka_unit_test(test_tokens_are_four_bytes_of_size),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_directives_leave_the_message),
        cmocka_unit_test(test_what_only_looks_like_one_stays),
        cmocka_unit_test(test_a_broken_one_is_refused),
        cmocka_unit_test(test_behaving_keeps_the_pace),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_any_text)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
