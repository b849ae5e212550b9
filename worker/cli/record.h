/*
 * A job as the tool shows it: what Redis holds about it, as one JSON object.
 * What was asked and the secret of a webhook are never in it.
 */

#ifndef RECORD_H
#define RECORD_H


#include "redis.h"

#include "weir_json.h"
#include "weir_txn.h"


/* the only shard so far; an id brings its own */
#define RECORD_SHARD  0


/* "job_..." or the 24 characters alone; id_r points into word.  CLI_OK or,
 * after a message, CLI_USAGE. */
int record_id(const char *word, const char **id_r, unsigned *shard_r);

/* The run of a job: true if it is another's id than the job's. */
bool record_run(const char *id, const weir_job_t *job,
    char run[WEIR_ID_LEN + 1]);

/* NULL: no memory */
weir_json_t *record_doc(const char *id, const weir_job_t *job,
    const weir_run_t *run);

/* The same with its outcome; CLI_OK and NULL: there is no such job. */
int record_read(redis_t *r, unsigned shard, const char *id,
    weir_json_t **doc_r);

/* Says that there is none; returns CLI_FAILED. */
int record_missing(const char *id);

/* One member a line; the answer itself is private, its measures are not. */
void record_print(weir_json_t *doc);

/* Any document, on a line of its own. */
int record_print_json(const weir_json_t *doc);

/* "2026-01-31T12:00:00.000Z"; 0: "-" */
#define RECORD_TIME  32

const char *record_time(char text[RECORD_TIME], int64_t ms);

/* members; an empty string is null, and so is the time 0 */
int record_set(weir_json_t *to, const char *name, weir_str_t s);
int record_set_int(weir_json_t *to, const char *name, long long n);
int record_set_time(weir_json_t *to, const char *name, int64_t ms);

/* The text of a member, "-" if there is none. */
weir_str_t record_text(const weir_json_t *doc, const char *name);


#endif /* RECORD_H */
