/*
 * Faults on demand, for tests.  Owns the list of what was asked for, in memory
 * that all processes of a worker share, so that "the 7th time" happens once.
 * Nothing of it is in a worker that was built without -DWEIR_FAULTS.
 */

#define _GNU_SOURCE                 /* memmem */

#include "fault.h"

#ifdef WEIR_FAULTS

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/mman.h>

#include "mem.h"


#define FAULT_MAX       32
#define FAULT_NAME_MAX  32
#define FAULT_PIECE     (64UL * 1024 * 1024)    /* bytes */
#define FAULT_PIECES    256


typedef struct {
    char      name[FAULT_NAME_MAX];
    int       signo;
    uint32_t  chance;           /* of 2^32; 0: no chance in it */
    unsigned  nth;              /* 0: every time */
    unsigned  seen;             /* by all processes */
} fault_t;


static const struct {
    const char  *name;
    int          signo;
} fault_actions[] = {
    { "kill", SIGKILL },
    { "stop", SIGSTOP },
    { "abort", SIGABRT }
};

/* the points that there are; each stands in the source once or more */

static const char *const  fault_names[] = {
    "entry_read", "claim_sent", "claim_answered", "ask_started",
    "reply_received", "finish_sent", "finish_answered", "mail_sent",
    "retry_watched", "retry_executed", "promote", "hand_back", "renew",
    "cell_started", "cell_died", "crash_sent", "crash_counted",
    "webhook_recorded", "settle_watched", "settle_sent", "settle_executed",
    "cut_sent", "askers_read", "asker_sent", "askers_told",
    "left_watched", "left_executed", "left_closed", "feed_sent",
    "feed_answered", "feed_won",
    NULL
};

static fault_t   *faults;               /* shared */
static unsigned   fault_count;
static int        fault_late;           /* a signal; 0: none */


static int
fault_parse_when(fault_t *f, const char *text)
{
    char    *end;
    double   chance;

    if (strchr(text, '.')) {
        chance = strtod(text, &end);
        f->chance = (uint32_t) (chance * UINT32_MAX);

        return *end || chance <= 0 || chance > 1 ? -1 : 0;
    }

    f->nth = (unsigned) strtoul(text, &end, 10);

    return *end || f->nth == 0 ? -1 : 0;
}


static int
fault_parse(fault_t *f, char *text)
{
    char    *action, *when;
    size_t   i;

    action = strchr(text, ':');
    if (action == NULL) {
        return -1;
    }

    *action++ = '\0';
    when = strchr(action, ':');

    if (when) {
        *when++ = '\0';

        if (fault_parse_when(f, when) != 0) {
            return -1;
        }
    }

    for (i = 0; fault_names[i] && strcmp(fault_names[i], text) != 0; i++) {
        /* void */
    }

    if (fault_names[i] == NULL) {
        return -1;
    }

    snprintf(f->name, FAULT_NAME_MAX, "%s", text);

    for (i = 0; i < sizeof(fault_actions) / sizeof(fault_actions[0]); i++) {
        if (strcmp(fault_actions[i].name, action) == 0) {
            f->signo = fault_actions[i].signo;
            return 0;
        }
    }

    return -1;
}


int
fault_init(char *error_r, size_t size)
{
    char        *copy, *word, *rest;
    const char  *text;

    text = getenv("WEIR_FAULT");
    if (text == NULL || *text == '\0') {
        return 0;
    }

    faults = mmap(NULL, FAULT_MAX * sizeof(fault_t), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    mem_check(faults == MAP_FAILED);

    copy = mem_text(text);

    for (word = strtok_r(copy, ",", &rest); word;
         word = strtok_r(NULL, ",", &rest))
    {
        if (fault_count == FAULT_MAX
            || fault_parse(&faults[fault_count++], word) != 0)
        {
            snprintf(error_r, size, "invalid WEIR_FAULT \"%.200s\"", text);
            free(copy);
            return -1;
        }
    }

    free(copy);

    return 0;
}


void
fault_point(const char *name, bool late)
{
    unsigned   i;
    fault_t   *f;

    for (i = 0; i < fault_count; i++) {
        f = &faults[i];

        if (strcmp(f->name, name) != 0) {
            continue;
        }

        if (f->chance && mem_chance() > f->chance) {
            continue;
        }

        if (__atomic_add_fetch(&f->seen, 1, __ATOMIC_RELAXED) != f->nth
            && f->nth)
        {
            continue;
        }

        if (late) {
            fault_late = f->signo;

        } else {
            raise(f->signo);
        }
    }
}


void
fault_turn(void)
{
    int  signo;

    signo = fault_late;
    fault_late = 0;

    if (signo) {
        raise(signo);
    }
}


static bool
fault_holds(weir_str_t text, weir_str_t mark)
{
    return text.len && memmem(text.data, text.len, mark.data, mark.len);
}


void
fault_request(weir_str_t text)
{
    unsigned       i;
    volatile char  *p;

    if (fault_holds(text, weir_str("[[poison]]"))) {
        abort();
    }

    if (fault_holds(text, weir_str("[[poison hang]]"))) {
        for ( ;; ) { /* void */ }
    }

    if (fault_holds(text, weir_str("[[poison memory]]"))) {

        /* addresses only: a process without a limit must not take the
         * machine's memory */

        for (i = 0; i < FAULT_PIECES; i++) {
            p = mem_alloc(FAULT_PIECE);
            *p = 1;
        }

        abort();
    }
}


#else /* !WEIR_FAULTS */

int
fault_init(char *error_r, size_t size)
{
    (void) error_r;
    (void) size;

    return 0;
}


void
fault_point(const char *name, bool late)
{
    (void) name;
    (void) late;
}


void
fault_turn(void)
{
}


void
fault_request(weir_str_t text)
{
    (void) text;
}

#endif /* WEIR_FAULTS */
