/*
 * Digests: HMAC against the vectors of RFC 4231, and comparing in a time that
 * tells nothing (AK-18).
 */

#include "unit.h"
#include "weir_apikey.h"

#include <math.h>
#include <time.h>


#define PAIRS     1000000
#define WARM      20000
#define LEAK      4.5               /* of Welch's t, by convention */
#define NEAR      0.10              /* of the time of the whole look-up */
#define ATTEMPTS  5                 /* the machine may be busy */


static void
test_hmac(void **state)
{
    size_t          i, k;
    char            hex[2 * WEIR_DIGEST_LEN + 1], longer[131];
    weir_hmac_t    *h;
    unsigned char   out[WEIR_DIGEST_LEN];

    static const struct {
        const char  *key, *text, *want;
    } rows[] = {
        { "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
          "\x0b\x0b\x0b\x0b", "Hi There",
          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
        { "Jefe", "what do ya want for nothing?",
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
        { NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" }
    };

    (void) state;
    memset(longer, 0xaa, sizeof(longer));

    for (i = 0; i < ROWS(rows); i++) {
        weir_str_t  key = rows[i].key ? weir_str_of(rows[i].key)
                                      : (weir_str_t) { longer, sizeof(longer) };

        assert_int_equal(weir_digest_hmac(key, weir_str_of(rows[i].text), out),
                         0);
        weir_digest_hex(out, sizeof(out), hex);
        assert_string_equal(hex, rows[i].want);

        h = weir_hmac_create(key);
        assert_non_null(h);

        for (k = 0; k < 3; k++) {
            assert_int_equal(weir_hmac_digest(h, weir_str_of(rows[i].text),
                                              out), 0);
            weir_digest_hex(out, sizeof(out), hex);
            assert_string_equal(hex, rows[i].want);

            assert_int_equal(weir_hmac_digest(h, weir_str("between"), out), 0);
        }

        weir_hmac_destroy(&h);
        assert_null(h);
    }
}


/* Welch's t of two classes whose times come interleaved */

typedef struct {
    double    n[2], mean[2], m2[2];
    uint64_t  cut;                  /* what is longer was an interruption */
} times_t;


static void
times_add(times_t *t, int class, uint64_t ns)
{
    double  delta;

    if (ns > t->cut) {
        return;
    }

    t->n[class]++;
    delta = (double) ns - t->mean[class];
    t->mean[class] += delta / t->n[class];
    t->m2[class] += delta * ((double) ns - t->mean[class]);
}


static double
times_welch(const times_t *t)
{
    double  a, b;

    a = t->m2[0] / (t->n[0] - 1) / t->n[0];
    b = t->m2[1] / (t->n[1] - 1) / t->n[1];

    return fabs(t->mean[0] - t->mean[1]) / sqrt(a + b);
}


static uint64_t
now_ns(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_MONOTONIC, &t);

    return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}


static int
by_size(const void *a, const void *b)
{
    uint64_t  x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return x < y ? -1 : x > y;
}


/* two kinds of wrong, which must not be told apart by the time of run() */

typedef struct {
    weir_keyring_t  *ring;
    char             keys[2][WEIR_KEY_MAX + 1];
    weir_key_t       record;
    unsigned char    digests[2][WEIR_DIGEST_LEN];
    const weir_key_t *records[2];
} wrong_t;

typedef weir_key_e (*wrong_run_t)(const wrong_t *w, int class);


static times_t
measure(const wrong_t *w, wrong_run_t run, size_t pairs)
{
    int               class;
    size_t            i;
    times_t           t = { .cut = UINT64_MAX };
    uint64_t          start, seed = unit_seed();
    static uint64_t   first[WARM];

    for (i = 0; i < WARM + 2 * pairs; i++) {
        class = unit_random(&seed) & 1;

        start = now_ns();
        assert_int_equal(run(w, class), WEIR_KEY_UNKNOWN);
        start = now_ns() - start;

        if (i < WARM) {
            first[i] = start;

            if (i + 1 == WARM) {
                qsort(first, WARM, sizeof(first[0]), by_size);
                t.cut = first[WARM * 9 / 10];
            }

            continue;
        }

        times_add(&t, class, start);
    }

    return t;
}


static weir_key_e
run_verdict(const wrong_t *w, int class)
{
    return weir_apikey_verdict(w->records[class], w->digests[class], 1);
}


static void
test_digest_time(void **state)
{
    int      i;
    times_t  t;
    wrong_t  w = { 0 };

    (void) state;
    memset(w.record.digest, 0x5a, WEIR_DIGEST_LEN);
    memset(w.record.digest2, 0x5a, WEIR_DIGEST_LEN);
    w.record.rotating = true;
    w.records[0] = w.records[1] = &w.record;

    memset(w.digests[0], 0x5a, WEIR_DIGEST_LEN);
    memset(w.digests[1], 0x5a, WEIR_DIGEST_LEN);
    w.digests[0][0] ^= 1;
    w.digests[1][WEIR_DIGEST_LEN - 1] ^= 1;

    for (i = 0; i < ATTEMPTS; i++) {
        t = measure(&w, run_verdict, PAIRS / 2);
        print_message("AK-18: first or last byte: t = %.2f\n",
                      times_welch(&t));

        if (times_welch(&t) < LEAK) {
            return;
        }
    }

    fail_msg("the time tells which byte of the digest is wrong");
}


static weir_key_e
run_find(const wrong_t *w, int class)
{
    const weir_key_t  *k;

    return weir_keyring_find(w->ring, weir_str_of(w->keys[class]), 1, &k);
}


/* a key of that public id, whatever its secret */

static void
make_key(char *key, const char *id, uint64_t *seed)
{
    unsigned char  random[WEIR_KEY_RANDOM];

    unit_random_bytes(seed, random, sizeof(random));
    weir_apikey_make(key, "live", id, random);
}


static void
test_key_time(void **state)
{
    int             i;
    char            good[WEIR_KEY_MAX + 1], id[WEIR_KEY_ID_LEN + 1];
    char            hex[2 * WEIR_DIGEST_LEN + 1], why[WEIR_KEY_ERROR];
    times_t         t;
    wrong_t         w = { 0 };
    uint64_t        seed = unit_seed();
    weir_str_t      part, pepper = weir_str("pepper");
    weir_buf_t      text;
    unsigned char   digest[WEIR_DIGEST_LEN];

    (void) state;
    make_key(good, NULL, &seed);
    assert_true(weir_apikey_parse(weir_str_of(good), &part));
    memcpy(id, part.data, WEIR_KEY_ID_LEN);
    id[WEIR_KEY_ID_LEN] = '\0';

    assert_int_equal(weir_digest_hmac(pepper, weir_str_of(good), digest), 0);
    weir_digest_hex(digest, sizeof(digest), hex);

    weir_buf_init(&text, 0);
    weir_buf_printf(&text, "v1:hmac-sha256:%s:%s:owner=o\n", id, hex);

    w.ring = weir_keyring_create((weir_str_t) { text.data, text.len }, pepper,
                                 why);
    assert_non_null(w.ring);
    weir_buf_free(&text);

    make_key(w.keys[0], id, &seed);         /* somebody's, a wrong secret */
    make_key(w.keys[1], NULL, &seed);       /* nobody's */

    for (i = 0; i < ATTEMPTS; i++) {
        t = measure(&w, run_find, PAIRS / 10);
        print_message("E3: wrong secret %.0f ns, unknown id %.0f ns\n",
                      t.mean[0], t.mean[1]);

        if (fabs(t.mean[0] - t.mean[1]) < NEAR * t.mean[0]) {
            break;
        }
    }

    weir_keyring_destroy(&w.ring);
    assert_true(i < ATTEMPTS);
}


static void
test_sha(void **state)
{
    char            text[300];
    size_t          len, cut;
    weir_sha_t     *h;
    weir_str_t      texts[2];
    unsigned char   one[WEIR_DIGEST_LEN], two[WEIR_DIGEST_LEN];

    (void) state;

    h = weir_sha_create();
    assert_non_null(h);
    memset(text, 'a', sizeof(text));

    for (len = 0; len <= sizeof(text); len += 50) {
        for (cut = 0; cut <= len; cut += 25) {
            texts[0] = (weir_str_t) { text, cut };
            texts[1] = (weir_str_t) { text + cut, len - cut };

            assert_int_equal(weir_sha_digest(h, texts, 2, one), 0);
            assert_int_equal(weir_digest_sha256((weir_str_t) { text, len },
                                                two), 0);
            assert_memory_equal(one, two, sizeof(one));
        }
    }

    weir_sha_destroy(&h);
    assert_null(h);
    weir_sha_destroy(&h);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_sha),
        cmocka_unit_test(test_digest_time),
        cmocka_unit_test(test_key_time)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
