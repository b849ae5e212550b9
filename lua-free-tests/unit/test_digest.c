/*
 * The stock of random bytes: nothing is given out twice, not by a child either.
 * Digests have vectors of their own where they are used.
 */

#include "unit.h"

#include <unistd.h>
#include <sys/wait.h>

#include "weir_digest.h"


#define DRAWS  1000
#define LEN    16


static int
compare(const void *a, const void *b)
{
    return memcmp(a, b, LEN);
}


static void
test_random(void **state)
{
    int            i;
    unsigned char  drawn[DRAWS][LEN], large[200], zeros[64] = { 0 };

    (void) state;

    for (i = 0; i < DRAWS; i++) {
        assert_int_equal(weir_digest_random(drawn[i], LEN), 0);
    }

    qsort(drawn, DRAWS, LEN, compare);

    for (i = 1; i < DRAWS; i++) {
        assert_memory_not_equal(drawn[i - 1], drawn[i], LEN);
    }

    for (i = 0; i < 100; i++) {
        memset(large, 0, sizeof(large));
        assert_int_equal(weir_digest_random(large, 64), 0);
        assert_memory_not_equal(large, zeros, 64);
        assert_int_equal(weir_digest_random(large, sizeof(large)), 0);
    }
}


static void
test_fork(void **state)
{
    int            fds[2];
    pid_t          pid;
    unsigned char  ours[LEN], theirs[LEN];

    (void) state;

    assert_int_equal(weir_digest_random(ours, LEN), 0);
    assert_int_equal(pipe(fds), 0);

    pid = fork();

    if (pid == 0) {
        _exit(weir_digest_random(theirs, LEN) != 0
              || write(fds[1], theirs, LEN) != LEN);
    }

    assert_int_equal(weir_digest_random(ours, LEN), 0);
    assert_int_equal(read(fds[0], theirs, LEN), LEN);
    assert_memory_not_equal(ours, theirs, LEN);

    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(fds[0]);
    close(fds[1]);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_fork)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
