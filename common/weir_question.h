/*
 * What makes two requests the same question: a digest of everything in the
 * neutral request that decides the answer, in a scope.  Requests of one digest
 * may share an answer, and a run; docs/cache.md says what counts.
 */

#ifndef WEIR_QUESTION_H
#define WEIR_QUESTION_H


#include "weir_failure.h"
#include "weir_json.h"


#define WEIR_QUESTION_LEN  32       /* bytes */
#define WEIR_QUESTION_HEX  64


typedef struct {
    weir_str_t  scope;              /* who may share: "owner:...", ... */
    weir_str_t  template;           /* name and version; empty: none */
    weir_str_t  guard;              /* policy and version; empty: none */
} weir_question_t;


/* -1: no memory; -2: it has an integer that no double holds safely.  In both
 * cases f says so. */
int weir_question_digest(const weir_json_t *neutral, const weir_question_t *q,
    unsigned char digest_r[WEIR_QUESTION_LEN], weir_failure_t *f);

/* Does it ask for chance: a temperature, given and above 0? */
bool weir_question_is_random(const weir_json_t *neutral);


#endif /* WEIR_QUESTION_H */
