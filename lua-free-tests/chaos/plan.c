/*
 * What each job will be: kind, way, class, how long it takes, how the provider
 * fails it.  A function of the seed and the job's number alone.
 */

#define _GNU_SOURCE

#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define BODY_MAX       8192
#define DIRECTIVE_MAX  256
#define TOOLS          ",\"tools\":[{\"type\":\"function\",\"function\":" \
                       "{\"name\":\"f\",\"parameters\":{}}}]"


const char *const  kind_names[] = {
    "innocent", "cancel", "poison", "doomed", "deadline"
};

const char *const  way_names[] = { "job", "wait", "chat", "stream" };


static kind_e
plan_kind(const plan_t *plan, chaos_dice_t *d)
{
    unsigned  n;

    n = chaos_roll(d, 1000);

    if (n < 10) {
        return plan->poison ? KIND_POISON : KIND_INNOCENT;
    }

    if (n < 40) {
        return KIND_CANCEL;
    }

    if (n < 50) {
        return KIND_DOOMED;
    }

    if (n < 70) {
        return plan->times ? KIND_DEADLINE : KIND_INNOCENT;
    }

    return KIND_INNOCENT;
}


/* ms that the provider takes */

static unsigned
plan_delay(const job_t *job, chaos_dice_t *d)
{
    unsigned  n, ms;

    n = chaos_roll(d, 100);
    ms = n < 60 ? 20 + chaos_roll(d, 280)
         : n < 90 ? 300 + chaos_roll(d, 700)
         : 1000 + chaos_roll(d, 1500);

    switch (job->kind) {

    case KIND_CANCEL:
        return 4000 + ms;       /* it should still run when it is cancelled */

    case KIND_DEADLINE:
        return ms * 2;

    default:
        return ms;
    }
}


/* The provider's mistakes.  Three tries are allowed, so that two are forgiven;
 * one that hangs costs the idle timeout, and is rare. */

static void
plan_mistakes(job_t *job, chaos_dice_t *d, char *text, size_t size)
{
    unsigned                  n, times;
    static const char *const  kinds[] = {
        "status=500", "status=429 retry-after-ms=200", "status=503",
        "cut=body", "cut=before", "garbage=json"
    };

    text[0] = '\0';
    n = chaos_roll(d, 1000);
    times = 1 + chaos_roll(d, 2);

    if (job->kind == KIND_DOOMED) {
        snprintf(text, size, " %s", n < 300 ? "status=400" : "status=500");
        job->planned = n < 300 ? 1 : 3;

    } else if (job->kind == KIND_INNOCENT && n < 80) {
        snprintf(text, size, " %s times=%u", kinds[n % 6], times);
        job->planned = times;

    } else if (job->kind == KIND_INNOCENT && n < 84) {
        snprintf(text, size, " hang times=1");
        job->planned = 1;
    }
}


/* Who is read, and what it says then: words that no two attempts share, at a
 * pace.  Some of the calls break off in the middle of them. */

static void
plan_readers(const plan_t *plan, job_t *job)
{
    chaos_dice_t  d;

    chaos_dice(&d, plan->seed * 1000003 + job->n, "readers");

    if (job->way == WAY_CHAT) {
        if (chaos_roll(&d, 100) >= plan->readers * 2) {
            return;
        }

        job->way = WAY_STREAM;
        job->leave_after = chaos_roll(&d, 10) ? 0 : 1 + chaos_roll(&d, 12);

    } else if (chaos_roll(&d, 100) < plan->readers) {
        job->readers = 1 + chaos_roll(&d, 2);

    } else {
        return;
    }

    if (job->question == 0) {
        job->words = chaos_roll(&d, 12) ? 4 + chaos_roll(&d, 24)
                                        : 2000 + chaos_roll(&d, 2000);
        job->tools = (job->words < 100 && chaos_roll(&d, 6) == 0);
    }
}


/* How it is said. */

static void
plan_words(const plan_t *plan, const job_t *job, char *text, size_t size)
{
    int           n;
    chaos_dice_t  d;

    text[0] = '\0';

    if (job->words == 0) {
        return;
    }

    chaos_dice(&d, plan->seed * 1000003 + job->n, "words");
    n = snprintf(text, size, " counted=%u", job->words);

    if (job->words < 100) {
        n += snprintf(text + n, size - (size_t) n, " every=%u",
                      10 + chaos_roll(&d, 90));
    }

    if (job->tools) {
        snprintf(text + n, size - (size_t) n, " tool=f tools=2 pieces=4 "
                 "turns=%u args={\\\"of\\\":\\\"job-c%u.\\\"}",
                 chaos_roll(&d, 2), job->n);
    }
}


/* The provider's mistakes in the middle of what is read. */

static void
plan_breaks(const plan_t *plan, job_t *job, char *text, size_t size)
{
    unsigned                  k, times;
    chaos_dice_t              d;
    static const char *const  kinds[] = {
        "cut=body", "cut=event", "error=overloaded_error", "stop=body",
        "stop=event", "stop=text"
    };

    chaos_dice(&d, plan->seed * 1000003 + job->n, "breaks");

    if (job->kind != KIND_INNOCENT || job->words == 0 || job->planned
        || chaos_roll(&d, 10) != 0)
    {
        return;
    }

    k = chaos_roll(&d, 6);
    times = 1 + chaos_roll(&d, 2);
    snprintf(text, size, " %s after=%u times=%u", kinds[k],
             chaos_roll(&d, job->words), times);
    job->planned = times;
}


/* What others ask too.  Half of those who ask do it at about the same time, and
 * join; the others come later, and find the answer. */

static void
plan_question(const plan_t *plan, job_t *job)
{
    chaos_dice_t  d;

    chaos_dice(&d, plan->seed * 1000003 + job->n, "question");

    if (chaos_roll(&d, 100) < plan->askers) {
        job->question = chaos_roll(&d, 2) ? 1 + job->n / 20 * 2
                                          : 2 + job->n / 100 * 2;
    }
}


/* The same bytes for all who ask it: how long it takes, and what the provider
 * does to the first who asks. */

static void
plan_asked(const plan_t *plan, job_t *job, char *content, size_t size)
{
    unsigned      ms;
    chaos_dice_t  d;

    chaos_dice(&d, plan->seed * 1000003 + job->question, "asked");
    ms = 300 + chaos_roll(&d, 1200);
    job->words = 2 + chaos_roll(&d, 20);

    snprintf(content, size, "[[mock tag=q%u delay=%u counted=%u every=%u%s]]"
             "question q%u.", job->question, ms / 2, job->words,
             ms / 2 / job->words,
             chaos_roll(&d, 5) == 0 ? " status=500 times=1" : "",
             job->question);
}


static void
plan_times(const plan_t *plan, job_t *job, chaos_dice_t *d)
{
    unsigned  n, s;

    n = chaos_roll(d, 100);
    s = chaos_roll(d, 3);

    if (job->kind == KIND_DEADLINE) {
        job->deadline = chaos_now() / 1000 + 2 + s;

    } else if (plan->times && job->way == WAY_JOB && n < 5) {
        job->run_at = chaos_now() / 1000 + 1 + s;
    }
}


static void
plan_body(const plan_t *plan, job_t *job, chaos_dice_t *d)
{
    int       len;
    char      content[BODY_MAX / 2], mistakes[DIRECTIVE_MAX], times[64];
    char      hook[128], words[DIRECTIVE_MAX];
    unsigned  pad;

    plan_mistakes(job, d, mistakes, sizeof(mistakes));
    plan_breaks(plan, job, mistakes, sizeof(mistakes));
    plan_words(plan, job, words, sizeof(words));

    /* what is longer than a message must be fetched by the edge */

    pad = chaos_roll(d, 10) == 0 ? 3000 : 0;

    snprintf(content, sizeof(content),
             "%s[[mock tag=c%u delay=%u%s%s]]job c%u.%*s",
             job->kind == KIND_POISON ? "[[poison]]" : "", job->n,
             plan_delay(job, d) / (job->words ? 2 : 1), mistakes, words,
             job->n, (int) pad, pad ? "." : "");

    times[0] = '\0';
    hook[0] = '\0';

    if (job->question) {
        plan_asked(plan, job, content, sizeof(content));
        snprintf(hook, sizeof(hook), ",\"webhook\":\"%s/c%u\"", plan->hooks,
                 job->n);
    }

    if (job->run_at) {
        snprintf(times, sizeof(times), ",\"run_at\":%lld",
                 (long long) job->run_at);

    } else if (job->deadline) {
        snprintf(times, sizeof(times), ",\"deadline\":%lld",
                 (long long) job->deadline);
    }

    if (job->way == WAY_CHAT || job->way == WAY_STREAM) {
        len = asprintf(&job->body, "{\"model\":\"mock-1\",\"messages\":"
                       "[{\"role\":\"user\",\"content\":\"%s\"}]%s%s}", content,
                       job->tools ? TOOLS : "",
                       job->way == WAY_STREAM ? ",\"stream\":true" : "");

    } else {
        len = asprintf(&job->body, "{\"request\":{\"model\":\"mock-1\","
                       "\"messages\":[{\"role\":\"user\","
                       "\"content\":\"%s\"}]%s}"
                       ",\"priority\":\"%s\",\"metadata\":{\"n\":%u}%s%s}",
                       content, job->tools ? TOOLS : "", job->class, job->n,
                       times, hook);
    }

    if (len < 0) {
        chaos_die("out of memory");
    }
}


job_t *
plan_job(const plan_t *plan, unsigned n)
{
    job_t         *job;
    unsigned       k;
    chaos_dice_t   d;

    job = calloc(1, sizeof(job_t));
    if (job == NULL) {
        chaos_die("out of memory");
    }

    chaos_dice(&d, plan->seed * 1000003 + n, "job");

    job->n = n;
    job->kind = plan_kind(plan, &d);
    plan_question(plan, job);

    if (job->question && (job->kind == KIND_POISON || job->kind == KIND_DOOMED))
    {
        job->kind = KIND_INNOCENT;
    }

    k = chaos_roll(&d, 4);
    job->way = k < 2 ? WAY_JOB : k == 2 ? WAY_WAIT : WAY_CHAT;

    if (job->kind == KIND_CANCEL) {
        job->way = WAY_JOB;

    } else if (job->kind == KIND_DEADLINE && job->way == WAY_CHAT) {
        job->way = WAY_WAIT;
    }

    k = chaos_roll(&d, 10);
    job->class = job->way == WAY_CHAT ? "high"
                 : k < 2 ? "high" : k < 8 ? "normal" : "low";
    plan_readers(plan, job);

    job->cancel_after = chaos_roll(&d, 4) == 0 ? 1 : 1 + chaos_roll(&d, 1500);

    plan_times(plan, job, &d);

    if (job->question) {
        job->run_at = 0;
    }

    job->keyed = chaos_roll(&d, 10) < 3 && job->way != WAY_CHAT
                 && job->way != WAY_STREAM && job->run_at == 0
                 && job->deadline == 0 && job->question == 0;

    plan_body(plan, job, &d);

    return job;
}
