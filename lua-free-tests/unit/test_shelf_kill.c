/*
 * Nobody reads what is torn or another's while processes that write to a shelf
 * are killed, and it can be used afterwards.
 */

#include "shelf.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>


#define PROCESSES  4
#define KILLS      200
#define KEYS       60


typedef struct {
    volatile pid_t     lock;
    volatile unsigned  bad;
    volatile uint64_t  seen;            /* whole ones that were read */
    volatile uint64_t  lost;            /* those that were void */
} shared_t;


static shared_t  *shared;


static void
lock(void)
{
    pid_t  nobody, me;

    me = getpid();

    for ( ;; ) {
        nobody = 0;

        if (__atomic_compare_exchange_n(&shared->lock, &nobody, me, false,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        {
            return;
        }

        sched_yield();
    }
}


static void
unlock(void)
{
    __atomic_store_n(&shared->lock, 0, __ATOMIC_RELEASE);
}


static void
work(weir_shelf_t *s, uint64_t chance)
{
    static char  body[SHELF_SIZE];

    bool                ok;
    size_t              len;
    uint64_t            key, what;
    unsigned char       q[WEIR_SHELF_DIGEST], raw[WEIR_SHELF_DIGEST];
    weir_shelf_meta_t   meta;
    weir_shelf_found_t  found;

    for ( ;; ) {
        key = unit_random(&chance) % KEYS;
        what = unit_random(&chance) % 100;
        shelf_digest(q, key);
        shelf_digest(raw, key + 1000);

        if (what < 30) {
            len = unit_random(&chance) % (what < 5 ? 100000 : 9000) + 16;
            meta = shelf_meta(SHELF_FAR);
            meta.input = (int64_t) key;
            meta.output = (int64_t) len;
            weir_shelf_mark_add(s, &meta, key & 1 ? weir_str("odd")
                                                  : weir_str("even"));
            shelf_fill(body, len, key, unit_random(&chance));

            lock();
            weir_shelf_put(s, q, 0, &meta, (weir_str_t) { body, len },
                           weir_shelf_purges(s), SHELF_NOW);
            weir_shelf_alias(s, raw, q, 0, SHELF_NOW);
            unlock();

        } else if (what < 32) {
            lock();
            weir_shelf_purge_question(s, q);
            weir_shelf_use(s, raw, SHELF_NOW);
            unlock();

        } else {
            lock();
            ok = what & 1 ? weir_shelf_find(s, q, 0, SHELF_NOW, &found)
                          : weir_shelf_find_raw(s, raw, SHELF_NOW, &found);
            unlock();

            if (!ok) {
                continue;
            }

            if (!weir_shelf_read(s, &found, &meta, body)) {
                __atomic_fetch_add(&shared->lost, 1, __ATOMIC_RELAXED);

            } else if (memcmp(found.question, q, WEIR_SHELF_DIGEST) != 0
                       || meta.input != (int64_t) key
                       || meta.output != found.len
                       || !shelf_whole(body, found.len, key))
            {
                __atomic_fetch_add(&shared->bad, 1, __ATOMIC_RELAXED);

            } else {
                __atomic_fetch_add(&shared->seen, 1, __ATOMIC_RELAXED);
            }
        }
    }
}


static pid_t
spawn(weir_shelf_t *s, uint64_t chance)
{
    pid_t  pid;

    pid = fork();
    assert_true(pid >= 0);

    if (pid == 0) {
        work(s, chance);
        _exit(0);
    }

    return pid;
}


static void
reap(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);

    if (shared->lock == pid) {
        unlock();
    }
}


/* whoever has the lock now */

static unsigned
holder(const pid_t *pids)
{
    pid_t     pid;
    unsigned  i;

    for ( ;; ) {
        pid = shared->lock;

        for (i = 0; i < PROCESSES; i++) {
            if (pids[i] == pid) {
                return i;
            }
        }

        sched_yield();
    }
}


static void
test_kills(void **state)
{
    int                  kills;
    pid_t                pids[PROCESSES];
    uint64_t             chance, i, enough;
    unsigned char       *p, q[WEIR_SHELF_DIGEST];
    weir_shelf_t        *s;
    struct timespec      ts;
    weir_shelf_meta_t    meta;
    weir_shelf_stats_t   stats;
    weir_shelf_found_t   found;

    (void) state;

    chance = unit_seed();
    p = mmap(NULL, SHELF_SIZE + 4096, PROT_READ|PROT_WRITE,
             MAP_SHARED|MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);

    shared = (shared_t *) p;
    s = weir_shelf_create(p + 4096, SHELF_SIZE, shelf_seed);

    for (i = 0; i < PROCESSES; i++) {
        pids[i] = spawn(s, unit_random(&chance));
    }

    for (kills = 0; kills < KILLS; kills++) {

        /* each of them sees some work, however slow it goes */

        enough = shared->seen + 20;

        while (shared->seen < enough) {
            ts = (struct timespec) { 0, 100000 };
            nanosleep(&ts, NULL);
        }

        ts = (struct timespec) { 0, (long) (unit_random(&chance) % 500000) };
        nanosleep(&ts, NULL);

        i = kills & 1 ? holder(pids) : unit_random(&chance) % PROCESSES;
        reap(pids[i]);
        pids[i] = spawn(s, unit_random(&chance));

        weir_shelf_stats(s, &stats);
        assert_true(stats.used <= stats.size);
    }

    for (i = 0; i < PROCESSES; i++) {
        reap(pids[i]);
    }

    lock();
    shelf_digest(q, 1);
    meta = shelf_meta(SHELF_FAR);
    assert_int_equal(weir_shelf_put(s, q, 0, &meta, weir_str("x"),
                                    weir_shelf_purges(s), SHELF_NOW),
                     WEIR_SHELF_STORED);
    assert_true(weir_shelf_find(s, q, 0, SHELF_NOW, &found));
    assert_true(weir_shelf_read(s, &found, &meta, NULL));
    unlock();
    shelf_check(s);

    weir_shelf_stats(s, &stats);
    print_message("%u kills: %u times in a change; %u read, %u void\n", KILLS,
                  (unsigned) stats.torn, (unsigned) shared->seen,
                  (unsigned) shared->lost);

    assert_int_equal(shared->bad, 0);
    assert_true(stats.torn > 0);
    assert_true(shared->lost > 0);
    assert_true(stats.evictions > 0);

    munmap(p, SHELF_SIZE + 4096);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_kills)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
