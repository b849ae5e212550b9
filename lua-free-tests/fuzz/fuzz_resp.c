/*
 * Bytes of Redis through the pipe into every reader.  The first byte says how
 * many units are expected and of which kind, the second where the input is
 * cut; the whole and the cut conversation must end alike.
 */

#include "fuzz.h"
#include "weir_txn.h"


#define UNITS  4


typedef struct {
    unsigned  answers;
    unsigned  ok;
    unsigned  lost;
    unsigned  messages;
} seen_t;


static void
answered(void *data, const weir_answer_t *a)
{
    seen_t               *seen = data;
    weir_job_t            job;
    weir_run_t            run;
    weir_claim_t          claim;
    weir_finish_t         f = { .state = WEIR_COMPLETED, .token = "1" };
    const weir_reply_t   *boxes;

    seen->answers++;
    seen->ok += (a->code == WEIR_ANSWER_OK);
    seen->lost += (a->code == WEIR_ANSWER_LOST);

    FUZZ_ASSERT((a->code == WEIR_ANSWER_LOST) == (a->reply == NULL));

    (void) weir_txn_submit_accepted(a);
    (void) weir_txn_look_read(a, &job, &run);
    (void) weir_txn_claim_read(a, "5-1", &claim);
    (void) weir_txn_finish_won(a, &f, &boxes);
    (void) weir_txn_cancel_fin(a);
    (void) weir_txn_cancel_mailboxes(a);
    (void) weir_txn_retry_ours(a, 1, 1);
    (void) weir_txn_retry_final(a);
    (void) weir_reply_field(a->reply, "fin");
    weir_run_read(&run, a->reply);
    weir_job_read(&job, a->reply);
}


static void
heard(void *data, weir_str_t channel, weir_str_t body)
{
    int64_t     at;
    seen_t     *seen = data;
    weir_str_t  run, fin, last, outcome;

    (void) channel;
    (void) weir_mail_parse(body, &run, &fin, &at, &last, &outcome);
    seen->messages++;
}


static seen_t
converse(unsigned kind, weir_str_t s, size_t cut)
{
    int           rc;
    seen_t        seen = { 0 };
    unsigned      i;
    weir_txn_t    t;
    weir_pipe_t  *p;

    p = weir_pipe_create(UNITS, 4096);
    FUZZ_ASSERT(p);

    if (kind & 0x80) {
        weir_pipe_on_message(p, heard, &seen);
    }

    weir_txn_init(&t);

    for (i = 0; i < UNITS; i++) {
        weir_txn_reset(&t);

        if (kind & (1u << i)) {
            weir_txn_words(&t, 1, (const char *[]) { "MULTI" });
        }

        weir_txn_words(&t, 1, (const char *[]) { (kind & (16u << i)) ? "EXEC"
                                                                    : "GET" });
        FUZZ_ASSERT(weir_pipe_send(p, &t, i, answered, &seen) == 0);
    }

    weir_txn_free(&t);

    rc = weir_pipe_feed(p, s.data, cut);

    if (rc == 0) {
        (void) weir_pipe_feed(p, s.data + cut, s.len - cut);
    }

    FUZZ_ASSERT(weir_pipe_pending(p) + seen.answers == UNITS);
    weir_pipe_fail(p);
    FUZZ_ASSERT(weir_pipe_pending(p) == 0 && seen.answers == UNITS);
    weir_pipe_destroy(&p);

    return seen;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    seen_t      whole, parts;
    weir_str_t  s;

    if (size < 3) {
        return 0;
    }

    s = fuzz_str(data + 2, size - 2);

    whole = converse(data[0], s, s.len);
    parts = converse(data[0], s, data[1] % (s.len + 1));

    FUZZ_ASSERT(whole.ok == parts.ok && whole.lost == parts.lost
                && whole.messages == parts.messages);

    return 0;
}
