/*
 * The digest of a question.  Owns nothing.
 *
 * What is hashed: fields, each as "<length>:<bytes>", so that no two lists of
 * fields have one text.  In this order: version, scope, kind, model, template,
 * guard, and the canonical JSON of the rest of the request.
 */

#include "weir_question.h"

#include "weir_digest.h"


/* a change of what counts, or of how it is written, is a new version: answers
 * under the old one are then never found */

#define WEIR_QUESTION_VERSION  "1"


/*
 * Members of a dialect's extras that do not decide what is answered: who asks,
 * on whose account, how it is kept, cached or paid for elsewhere, and how the
 * answer is framed.  All others count, known or not: to miss costs money, to
 * give the answer to another question is wrong.
 */

static const char  *weir_question_not[] = {
    "metadata", "prompt_cache_key", "prompt_cache_options",
    "prompt_cache_retention", "safety_identifier", "service_tier", "store",
    "stream", "stream_options", "user", NULL
};

/* members of the request that are fields of their own, or nothing */
static const char  *weir_question_own[] = {
    "v", "kind", "model", "extra", NULL
};


static void
weir_question_field(weir_buf_t *out, weir_str_t field)
{
    char  decimal[WEIR_DECIMAL_MAX];

    weir_buf_str(out, weir_decimal(decimal, (long long) field.len));
    weir_buf_text(out, ":");
    weir_buf_str(out, field);
}


/* what counts of the extras; a dialect that has none left is not named, so
 * that a question which two dialects can put is one */

static int
weir_question_extra(weir_json_t *to, weir_json_t *from)
{
    int           rc;
    void         *iter;
    const char   *name;
    weir_json_t  *extra, *value, *kept;

    rc = 0;
    extra = weir_json_object();

    for (iter = weir_json_next(from, NULL, &name, &value);
         iter;
         iter = weir_json_next(from, iter, &name, &value))
    {
        if (!weir_json_is_object(value)) {
            rc |= weir_json_set_take(extra, name, weir_json_ref(value));
            continue;
        }

        kept = weir_json_object();
        rc |= weir_json_copy(kept, value, weir_question_not);

        if (weir_json_count(kept)) {
            rc |= weir_json_set_take(extra, name, weir_json_ref(kept));
        }

        rc |= (kept == NULL);
        weir_json_free(&kept);
    }

    if (weir_json_count(extra)) {
        rc |= weir_json_set_take(to, "extra", weir_json_ref(extra));
    }

    rc |= (extra == NULL);
    weir_json_free(&extra);

    return rc ? -1 : 0;
}


static int
weir_question_write(const weir_json_t *neutral, weir_buf_t *out)
{
    int           rc;
    weir_buf_t    text;
    weir_json_t  *rest;

    weir_buf_init(&text, 0);
    rest = weir_json_object();

    rc = weir_json_copy(rest, (weir_json_t *) neutral, weir_question_own);

    if (rc == 0) {
        rc = weir_question_extra(rest, weir_json_get(neutral, "extra"));
    }

    if (rc == 0) {
        rc = weir_json_write_canonical(rest, &text);
    }

    if (rc == 0) {
        weir_question_field(out, (weir_str_t) { text.data, text.len });
    }

    weir_json_free(&rest);
    weir_buf_free(&text);

    return rc;
}


static int
weir_question_failed(int rc, weir_failure_t *f)
{
    if (rc == -2) {
        weir_failure_set(f, WEIR_FAIL_INVALID, "the request has an integer "
                         "beyond 2^53 - 1, which is not the same number to "
                         "everybody who reads it");
        weir_failure_copy(f->code, sizeof(f->code), weir_str("unsafe_integer"));

    } else {
        (void) weir_no_memory(f);
    }

    return rc;
}


int
weir_question_digest(const weir_json_t *neutral, const weir_question_t *q,
    unsigned char digest_r[WEIR_QUESTION_LEN], weir_failure_t *f)
{
    int         rc;
    weir_buf_t  out;

    weir_buf_init(&out, 0);

    weir_question_field(&out, weir_str(WEIR_QUESTION_VERSION));
    weir_question_field(&out, q->scope);
    weir_question_field(&out, weir_json_str(weir_json_get(neutral, "kind")));
    weir_question_field(&out, weir_json_str(weir_json_get(neutral, "model")));
    weir_question_field(&out, q->template);
    weir_question_field(&out, q->guard);

    rc = weir_question_write(neutral, &out);

    if (rc == 0 && out.failed) {
        rc = -1;
    }

    if (rc == 0) {
        rc = weir_digest_sha256((weir_str_t) { out.data, out.len }, digest_r);
    }

    weir_buf_free(&out);

    return rc ? weir_question_failed(rc, f) : 0;
}


bool
weir_question_is_random(const weir_json_t *neutral)
{
    return weir_json_real(weir_json_get(weir_json_get(neutral, "params"),
                                        "temperature")) > 0;
}
