/*
 * The transactions of a question: whose run answers it, who hangs on to that
 * run, how its end reaches them, and the answers that stay.  A question is
 * named by its digest (weir_question.h) in hexadecimal digits, its runs by ids
 * as ever.  What asks for a run is a job, which is another's id, or a mailbox
 * in which requests wait that have no job.
 */

#ifndef WEIR_TXN_ASK_H
#define WEIR_TXN_ASK_H


#include "weir_txn.h"


#define WEIR_QUESTION_TEXT   64         /* hexadecimal digits */
#define WEIR_LABELS_MAX      8          /* of an answer */
#define WEIR_MARKS_MAX       (4 + WEIR_LABELS_MAX)
#define WEIR_MARK_LEN        280        /* bytes of a mark */
#define WEIR_ASKERS_BATCH    100        /* members in one unit */
#define WEIR_ANSWERS_BATCH   100        /* answers in one unit */
#define WEIR_PURGES_BATCH    500        /* entries in one look */
#define WEIR_ANSWER_HEAD     1024       /* bytes, for the sweeper */


/*
 * Ask (edge): is there an answer, and if not, who leads?  May be repeated.
 */
typedef struct {
    unsigned      shard;
    const char   *question;
    long long     n;                /* the run to become, from 1; 0: only look,
                                       none of the next two is needed */
    const char   *run;              /* our id for it */
    int64_t       by;               /* ms: later, our submission is void */
    int64_t       now;              /* ms */
    weir_str_t    owner;            /* these three: marks that would match */
    weir_str_t    model;
    weir_str_t    labels;           /* "class:a tag:b", up to WEIR_LABELS_MAX */
    bool          apart;            /* answers are kept in another Redis */
} weir_ask_t;

typedef struct {
    long long     n;                /* the last run; 0: there is none */
    weir_str_t    run;              /* its id */
    int64_t       by;               /* ms; 0: it was given back */
    bool          submitted;        /* else it is only reserved */
    bool          ours;             /* we are to submit it */
    int64_t       purged;           /* ms: the newest mark that matches; 0 */
    weir_str_t    answer;           /* the record; empty: none */
} weir_asked_t;

void weir_txn_ask(weir_txn_t *t, const weir_ask_t *a);

/* false: the answer is not OK, or of another form.  Strings point into it. */
bool weir_txn_ask_read(const weir_answer_t *a, const weir_ask_t *ask,
    weir_asked_t *r);

/* Our run will never be, and nobody needs to wait for it.  Only for what was
 * not submitted. */
void weir_txn_unask(weir_txn_t *t, const weir_ask_t *a);


/*
 * Follow (edge): hang on to a run of another.  May be repeated, and is, while
 * the run is not there yet.  A job looks before it follows for the first time:
 * once it hangs on to a run that was final already, it gets that one's end.
 */
typedef struct {
    unsigned      shard;
    const char   *question;
    const char   *run;
    const weir_submission_t  *job;  /* its records; NULL: a request without */
    const char   *part;             /* of the job, WEIR_PART_JOINED */
    const char   *mailbox;          /* without a job: where it waits.  A job's
                                       waits where its record says */
    int64_t       until;            /* ms: without a job, so long */
} weir_follow_t;

typedef struct {
    bool          kept;             /* who leads cannot give it up any more */
    bool          late;             /* the job is void, and will be ended */
    bool          request;          /* is there */
    weir_run_t    run;              /* not found: not submitted yet */
} weir_followed_t;

void weir_txn_follow_look(weir_txn_t *t, const weir_follow_t *f);
void weir_txn_follow(weir_txn_t *t, const weir_follow_t *f);

/* Both; where it was only looked, kept is true.  job: a job followed. */
bool weir_txn_follow_read(const weir_answer_t *a, bool job,
    weir_followed_t *r);

/* It is found, not final, and came too late: it will never run. */
bool weir_followed_is_void(const weir_followed_t *r);

/* It was given up (edge, late, left) and tells its end to nobody: who hangs on
 * to it asks again.  For the worker too. */
bool weir_run_is_given_up(const weir_run_t *run);

/* member (a job's id, or the mailbox, where nobody else of the mailbox wants
 * the run) no longer asks; with leave workers look whether anybody does. */
void weir_txn_unfollow(weir_txn_t *t, unsigned shard, const char *run,
    const char *member);
void weir_txn_leave(weir_txn_t *t, unsigned shard, const char *run,
    const char *member);

/* A run is to be looked at now: a job hung on to one that had just ended
 * (edge), or left one. */
void weir_txn_hand_on_now(weir_txn_t *t, unsigned shard, const char *run,
    int64_t now);


/*
 * A job whose answer was there (edge): it is final from the start.  May be
 * repeated.
 */
typedef struct {
    const weir_submission_t  *job;
    weir_str_t    run;              /* id, token: as the answer says */
    weir_str_t    token;
    weir_state_e  state;
    int64_t       asked;            /* ms: when the run was submitted */
    int64_t       now;              /* ms */
    int64_t       hook;             /* ms: its webhook is not sent before, so
                                       that the job can be given up */
    weir_str_t    outcome;
} weir_hit_t;

void weir_txn_hit(weir_txn_t *t, const weir_hit_t *h);

/* The job is there, with this end; else it is void. */
bool weir_txn_hit_done(const weir_answer_t *a, const weir_hit_t *h);

/* It will not be given up: its webhook is due. */
void weir_txn_hit_hook(weir_txn_t *t, unsigned shard, const char *id,
    const char *token, int64_t now);


/*
 * Hand on (worker).  Runs whose end may have to be told, as ids.  Then of one:
 * what it came to, and up to count (at most WEIR_ASKERS_BATCH) of its askers;
 * from now on it is due at "until" again, if it was due at all, so that who
 * finds it not final leaves it alone.  Jobs among the askers are read by
 * weir_txn_asked_looks() and finished with "asker" set.
 */
void weir_txn_ended(weir_txn_t *t, unsigned shard, int64_t now,
    unsigned count);
void weir_txn_hand_on(weir_txn_t *t, unsigned shard, const char *run,
    int64_t until, unsigned count);

typedef struct {
    weir_run_t           run;
    const weir_reply_t  *askers;    /* lives as long as the answer */
} weir_hand_on_t;

bool weir_txn_hand_on_read(const weir_answer_t *a, weir_hand_on_t *h);

/* The i-th asker; false: there are no more.  *job_r: it is a job's id. */
bool weir_txn_hand_on_asker(const weir_hand_on_t *h, size_t i,
    weir_str_t *member_r, bool *job_r);

/* Does the job get the end of the run of that id?  Not if it has one, asks for
 * another run, or is to ask again. */
bool weir_hand_on_takes(const weir_hand_on_t *h, const char *run,
    const weir_job_t *job, const weir_run_t *own);

/* n of them, up to WEIR_ASKERS_BATCH, need nothing any more. */
void weir_txn_handed_on(weir_txn_t *t, unsigned shard, const char *run,
    const weir_str_t *members, unsigned n);

/* There were none left: the first watches them, on a connection with one
 * transaction in flight; the reply is how many there are.  If it is 0, the
 * second; else weir_txn_unwatch().  ABORTED: one came in between. */
void weir_txn_hand_on_watch(weir_txn_t *t, unsigned shard, const char *run);
void weir_txn_hand_on_end(weir_txn_t *t, unsigned shard, const char *run);


/*
 * Left (worker, on a connection with one transaction in flight): does anybody
 * still want the run?  The first puts it, its askers and its readers under
 * WATCH and says whether it may be left at all; the next two tell how many
 * there are.  Nobody, and it is a question's but not one that lives only while
 * it is read: is it a job's own, then, whose answer is only kept?  If nobody
 * wants it, weir_txn_cancel() with WEIR_TOKEN_LEFT; if somebody does,
 * weir_txn_left_later(): it is not looked at before "until" unless there is a
 * reason; else weir_txn_unwatch().  ABORTED: again.
 */
typedef struct {
    bool          asked;            /* it is a question's */
    bool          while_read;       /* it lives only while it is wanted */
    weir_str_t    owner;            /* for the cancel, may be empty */
} weir_left_t;

void weir_txn_left_watch(weir_txn_t *t, unsigned shard, const char *run);

/* false: it has ended, say, or nobody's leaving concerns it. */
bool weir_txn_left_read(const weir_answer_t *a, weir_left_t *l);

void weir_txn_left_askers(weir_txn_t *t, unsigned shard, const char *run,
    int64_t now);
void weir_txn_left_readers(weir_txn_t *t, unsigned shard, const char *run,
    int64_t now);
bool weir_txn_left_nobody(const weir_answer_t *a);      /* either */

void weir_txn_left_job(weir_txn_t *t, unsigned shard, const char *run);
bool weir_txn_left_job_read(const weir_answer_t *a);    /* true: it is */

void weir_txn_left_later(weir_txn_t *t, unsigned shard, const char *run,
    int64_t until);

/* Jobs whose time has come: their deadline, or before that once the moment up
 * to which they were to arrive: ids (worker).  From the nearest on (tool). */
void weir_txn_asked(weir_txn_t *t, unsigned shard, int64_t now,
    unsigned count);
void weir_txn_asked_list(weir_txn_t *t, unsigned shard, long long from,
    unsigned count);

/* The records of n of them, and of the i-th whether it came too late and has
 * no end yet (worker).  One that did not is next looked at then. */
void weir_txn_asked_looks(weir_txn_t *t, unsigned shard,
    const weir_str_t *ids, unsigned n);
bool weir_txn_asked_looks_read(const weir_answer_t *a, unsigned i,
    weir_job_t *job_r, weir_run_t *own_r, bool *late_r);
void weir_txn_asked_until(weir_txn_t *t, unsigned shard, const char *id,
    int64_t then);


/*
 * The answers and their budget (worker).  Who sweeps during the next ms: OK or
 * nil; and who does goes on for so long.  Questions that have an answer, count
 * from "from" on, the oldest first.  Of n, up to WEIR_ANSWERS_BATCH: the sizes,
 * 0: it is gone; or the first WEIR_ANSWER_HEAD bytes, "" likewise: arrays.  And
 * they go.
 */
void weir_txn_sweep(weir_txn_t *t, unsigned shard, const char *consumer,
    int64_t ms);
void weir_txn_sweep_keep(weir_txn_t *t, unsigned shard, int64_t ms);
void weir_txn_answers(weir_txn_t *t, unsigned shard, long long from,
    unsigned count);
void weir_txn_answers_sizes(weir_txn_t *t, unsigned shard,
    const weir_str_t *questions, unsigned n);
void weir_txn_answers_heads(weir_txn_t *t, unsigned shard,
    const weir_str_t *questions, unsigned n);
void weir_txn_answers_drop(weir_txn_t *t, unsigned shard,
    const weir_str_t *questions, unsigned n);

/* One answer, whole: a string, or nil. */
void weir_txn_answer(weir_txn_t *t, unsigned shard, const char *question);

/*
 * Where answers are kept: each Redis that keeps some has an id of its own, and
 * the queue's says which one workers use.  Who keeps them brings an id (worker)
 * and reads which it is; tells it to the queue, and reads which one was told
 * before.  Who looks for them (edge) asks both: a pair, where both are in one
 * Redis.
 */
void weir_txn_place(weir_txn_t *t, unsigned shard, const char *id);
weir_str_t weir_txn_place_read(const weir_answer_t *a);
void weir_txn_place_tell(weir_txn_t *t, unsigned shard, const char *id);
void weir_txn_place_told(weir_txn_t *t, unsigned shard);
void weir_txn_place_look(weir_txn_t *t, unsigned shard);

/* What a finish would keep of its answer, by itself: where answers are in a
 * Redis of their own. */
void weir_txn_answer_keep(weir_txn_t *t, const weir_finish_t *f);


/*
 * Purge (edge, tool).  An answer whose run was submitted at or before the time
 * of a mark that matches it is void.  Marks: WEIR_MARK_...
 */
bool weir_mark_valid(weir_str_t mark);
void weir_txn_purge(weir_txn_t *t, unsigned shard, weir_str_t mark,
    int64_t now);

/* All marks, the oldest first.  And those that were set before "before" go. */
void weir_txn_marks(weir_txn_t *t, unsigned shard);
void weir_txn_marks_forget(weir_txn_t *t, unsigned shard, int64_t before);
bool weir_txn_marks_at(const weir_answer_t *a, size_t i, weir_str_t *mark_r,
    int64_t *at_r);

/* What marks say about n answers, of which question, owner, model and labels
 * are given (worker): of the i-th, the newest that matches, ms; 0: none. */
void weir_txn_marked(weir_txn_t *t, const weir_ask_t *asks, unsigned n);
int64_t weir_txn_marked_at(const weir_answer_t *a, unsigned i);

/*
 * What was purged behind entry "after" ("0-0": from the oldest that is kept)?
 * *count_r: how often anything was.  The i-th: its entry, mark (empty: it is
 * none) and time; false: there are no more.  If what was known before plus
 * what was read is not *count_r, some were missed, as with weir_txn_news().
 */
void weir_txn_purges(weir_txn_t *t, unsigned shard, const char *after);
bool weir_txn_purges_read(const weir_answer_t *a, int64_t *count_r);
bool weir_txn_purges_at(const weir_answer_t *a, size_t i, weir_str_t *entry_r,
    weir_str_t *mark_r, int64_t *at_r);

/* How often anything was purged: digits, or nil. */
void weir_txn_purgecount(weir_txn_t *t, unsigned shard);


#endif /* WEIR_TXN_ASK_H */
