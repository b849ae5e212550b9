/*
 * What came of a run, in no provider's dialect: the document that the worker
 * puts into Redis and the edge turns into an answer.  Its JSON form is part of
 * the Redis contract.
 */

#ifndef WEIR_OUTCOME_H
#define WEIR_OUTCOME_H


#include "weir_failure.h"
#include "weir_job.h"
#include "weir_json.h"


/*
 * A choice: {"index":0,"role":"assistant","parts":[...],"stop":"end"}.
 * A part: {"type":"text","text":"..."}, {"type":"tool_call","id":"...",
 * "name":"...","arguments":"<text>"}, {"type":"refusal","text":"..."},
 * {"type":"thinking","text":"..."}; of embeddings there is a choice for each,
 * {"index":0,"parts":[{"type":"embedding","data":"<base64>"}]}.
 * stop: "end", "length", "tool", "filter", or the provider's own word.
 */

typedef struct {
    weir_state_e     state;         /* WEIR_COMPLETED or WEIR_FAILED */
    weir_str_t       model;         /* as the provider named it; borrowed */
    weir_str_t       provider;      /* name in worker.conf; borrowed */
    int64_t          started;       /* ms, first start of the run */
    int64_t          finished;      /* ms */
    long long        attempts;
    long long        input_tokens;
    long long        output_tokens;
    long long        cost;          /* millionths of a dollar */
    weir_json_t     *choices;       /* array, owned; NULL when failed */
    weir_json_t     *extra;         /* object, owned: what the dialect kept
                                       beside the model; may be NULL */
    weir_failure_t   error;         /* when failed */
    weir_json_t     *doc;           /* owned by reading: what is borrowed */
} weir_outcome_t;


void weir_outcome_init(weir_outcome_t *o);
void weir_outcome_free(weir_outcome_t *o);

/* -1: no memory. */
int weir_outcome_write(const weir_outcome_t *o, weir_buf_t *out);

/* -1: not a document of this version; o is then as initialised. */
int weir_outcome_read(weir_outcome_t *o, weir_str_t text);

/* Into o, which holds nothing yet, the same document: it lives until both are
 * freed. */
void weir_outcome_share(weir_outcome_t *o, const weir_outcome_t *from);


#endif /* WEIR_OUTCOME_H */
