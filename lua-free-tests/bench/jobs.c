/*
 * What the rows on jobs need besides redis-cli: submissions as the edge makes
 * them, and the moment at which Redis says that something is so.
 *
 *     jobs load SOCKET COUNT [CLASS]
 *     jobs await SOCKET SECONDS VALUE COMMAND...
 *
 * "await" asks every few ms until the answer is the integer VALUE, and prints
 * the time by Redis's clock, in ms.
 */

/* with: worker/cli/redis.c worker/cli/args.c worker/cli/keyfile.c */

#include "cli/cli.h"
#include "cli/redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "weir_txn.h"


#define JOBS_EVERY   5              /* ms */
#define JOBS_TIME    600            /* s, for everything */

#define JOBS_REQUEST                                                          \
    "{\"v\":1,\"kind\":\"chat\",\"model\":\"m\",\"messages\":[{\"role\":"     \
    "\"user\",\"parts\":[{\"type\":\"text\",\"text\":\"hello\"}]}]}"


typedef struct {
    bool       done;
    long long  value;
    int64_t    now;                 /* ms, Redis's clock */
} jobs_t;


static int64_t
jobs_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


static void
jobs_submitted(void *data, const weir_answer_t *answer)
{
    jobs_t  *j = data;

    j->done = weir_txn_submit_accepted(answer);
}


static int
jobs_load_one(redis_t *r, weir_txn_t *t, weir_class_e class)
{
    int                rc;
    jobs_t             j = { 0 };
    unsigned char      chance[WEIR_ID_RANDOM];
    weir_submission_t  s = {
        .class = class,
        .owner = weir_str("bench"),
        .key_id = weir_str("benchbenchbe"),
        .request_id = weir_str("0123456789abcdef0123456789abcdef"),
        .route = weir_str("jobs"),
        .model = weir_str("m"),
        .payload = weir_str(JOBS_REQUEST),
        .ttl = WEIR_TTL_DEFAULT,
        .records = WEIR_TTL_RECORDS,
        .listed = true
    };

    if (getrandom(chance, sizeof(chance), 0) != sizeof(chance)) {
        return cli_failed("no random bytes");
    }

    weir_id_make(s.id, 0, chance);
    s.created = jobs_now();
    s.by = s.created + 10000;
    s.deadline = s.created + WEIR_DEADLINE_DEFAULT * 1000LL;

    weir_txn_reset(t);
    weir_txn_submit(t, &s);
    rc = redis_ask(r, t, jobs_submitted, &j);

    return rc == CLI_OK && !j.done ? cli_failed("a job was refused") : rc;
}


static int
jobs_load(redis_t *r, int argc, char **argv)
{
    int         rc, class;
    long        i, n;
    weir_txn_t  t;

    n = argc > 0 ? atol(argv[0]) : 0;
    class = argc > 1 ? weir_class_parse(weir_str_of(argv[1])) : WEIR_NORMAL;

    if (n <= 0 || class < 0) {
        return cli_usage("load SOCKET COUNT [CLASS]");
    }

    rc = CLI_OK;
    weir_txn_init(&t);

    for (i = 0; i < n && rc == CLI_OK; i++) {
        rc = jobs_load_one(r, &t, (weir_class_e) class);
    }

    weir_txn_free(&t);

    return rc;
}


static void
jobs_answered(void *data, const weir_answer_t *answer)
{
    jobs_t              *j = data;
    const weir_reply_t  *value, *at;

    value = weir_reply_at(answer->reply, 0);
    at = weir_reply_at(answer->reply, 1);

    j->value = weir_reply_int(value);
    j->now = weir_reply_int(weir_reply_at(at, 0)) * 1000
             + weir_reply_int(weir_reply_at(at, 1)) / 1000;
}


/* the command and the time of one moment: a transaction */

static int
jobs_await(redis_t *r, int argc, char **argv)
{
    int              rc;
    jobs_t           j = { 0 };
    int64_t          end;
    long long        want;
    weir_txn_t       t;
    struct timespec  pause = { 0, JOBS_EVERY * 1000000 };

    if (argc < 3) {
        return cli_usage("await SOCKET SECONDS VALUE COMMAND...");
    }

    end = jobs_now() + atol(argv[0]) * 1000LL;
    want = atoll(argv[1]);

    weir_txn_init(&t);
    weir_txn_words(&t, 1, (const char *[]) { "MULTI" });
    weir_txn_words(&t, (unsigned) argc - 2, (const char *const *) argv + 2);
    weir_txn_words(&t, 1, (const char *[]) { "TIME" });
    weir_txn_words(&t, 1, (const char *[]) { "EXEC" });

    do {
        rc = redis_ask(r, &t, jobs_answered, &j);

        if (rc == CLI_OK && j.value == want) {
            printf("%lld\n", (long long) j.now);
            break;
        }

        nanosleep(&pause, NULL);

    } while (rc == CLI_OK && jobs_now() < end);

    weir_txn_free(&t);

    if (rc == CLI_OK && j.value != want) {
        return cli_failed("%s is %lld and not %lld after %s seconds",
                          argv[2], j.value, want, argv[0]);
    }

    return rc;
}


int
main(int argc, char **argv)
{
    int              rc;
    char             address[256];
    redis_t         *r;
    redis_options_t  o = { .address = address, .seconds = JOBS_TIME };

    if (argc < 4) {
        return cli_usage("load|await SOCKET ...");
    }

    snprintf(address, sizeof(address), "unix:%s", argv[2]);
    rc = redis_open(&r, &o);

    if (rc == CLI_OK) {
        rc = argv[1][0] == 'l' ? jobs_load(r, argc - 3, argv + 3)
                               : jobs_await(r, argc - 3, argv + 3);
    }

    redis_close(&r);

    return rc == CLI_OK ? cli_flush() : rc;
}
