/*
 * The job object of jobs whose run is another: what it costs them, when it
 * was asked, and whose completion it is.
 */

#include "unit.h"
#include "weir_jobdoc.h"


#define ID   "00AAAAAAAAAAAAAAAAAAAAAA"
#define OF   "00BBBBBBBBBBBBBBBBBBBBBB"

static const char  document[] =
    "{\"v\":1,\"state\":\"completed\",\"started_at\":4000,"
    "\"finished_at\":6000,\"attempts\":2,"
    "\"usage\":{\"input_tokens\":3,\"output_tokens\":4},\"cost\":12,"
    "\"provider\":\"p\",\"model\":\"m\","
    "\"choices\":[{\"index\":0,\"role\":\"assistant\",\"stop\":\"end\","
    "\"parts\":[{\"type\":\"text\",\"text\":\"Hello\"}]}]}";


static weir_json_t *
doc(const char *run, const char *part, bool brief)
{
    char             error[WEIR_JSON_ERROR];
    weir_buf_t       out = { 0 };
    weir_json_t     *json;
    weir_jobdoc_t    d;
    weir_outcome_t   o;

    memset(&d, 0, sizeof(d));
    weir_outcome_init(&o);
    assert_int_equal(weir_outcome_read(&o, weir_str(document)), 0);

    d.id = ID;
    d.run = weir_str_of(run);
    d.part = weir_str_of(part);
    d.asked = *run ? 3000 : 0;
    d.state = WEIR_COMPLETED;
    d.created = 5000;
    d.finished = 7000;
    d.model = weir_str("m");
    d.outcome = brief ? NULL : &o;
    d.brief = brief;

    weir_jobdoc_write(&d, &out);
    assert_false(out.failed);

    json = weir_json_parse((weir_str_t) { out.data, out.len }, error);
    assert_non_null(json);

    weir_outcome_free(&o);
    weir_buf_free(&out);

    return json;
}


/* what a job object says, in one line */

static void
expect_doc(const char *run, const char *part, const char *want)
{
    char                text[512];
    weir_json_t        *json;
    const weir_json_t  *result;

    json = doc(run, part, false);
    result = weir_json_get(json, "result");

    snprintf(text, sizeof(text), "%.*s %lld %lld %s %lld $%.*s",
             (int) weir_json_str(weir_json_get(result, "id")).len,
             weir_json_str(weir_json_get(result, "id")).data,
             weir_json_int(weir_json_get(result, "created")),
             weir_json_int(weir_json_get(json, "started_at")),
             weir_json_true(weir_json_get(json, "cached")) ? "cached" : "asked",
             weir_json_int(weir_json_get(json, "attempts")),
             (int) weir_json_str(weir_json_get(json, "cost_usd")).len,
             weir_json_str(weir_json_get(json, "cost_usd")).data);

    assert_string_equal(text, want);
    weir_json_free(&json);
}


static void
test_own(void **state)
{
    (void) state;

    expect_doc("", "", "chatcmpl-" ID " 5 0 asked 0 $0.000012");

    expect_doc("", "hit", "chatcmpl-" ID " 5 0 cached 0 $0.000000");
}


static void
test_others(void **state)
{
    (void) state;

    expect_doc(OF, "led", "chatcmpl-" OF " 3 4 asked 2 $0.000012");
    expect_doc(OF, "joined", "chatcmpl-" OF " 3 4 asked 2 $0.000000");
    expect_doc(OF, "hit", "chatcmpl-" OF " 3 0 cached 0 $0.000000");
    expect_doc(OF, "?", "chatcmpl-" OF " 3 4 asked 2 $0.000012");
}


static void
test_brief(void **state)
{
    weir_json_t  *json;

    (void) state;
    json = doc(OF, "joined", true);

    assert_null(weir_json_get(json, "cached"));
    assert_int_equal(weir_json_int(weir_json_get(json, "attempts")), 0);

    weir_json_free(&json);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_brief)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
