/*
 * A batch of settlements: from what was read to one transaction.
 */

/* with: worker/settle_batch.c */

#include "txn.h"
#include "settle.h"


#define A    "00AAAAAAAAAAAAAAAAAAAAAA"
#define B    "00BBBBBBBBBBBBBBBBBBBBBB"
#define HEX  "00112233445566778899aabbccddeeff"
#define NOW  1582934400000              /* 2020-02-29 */


static settle_batch_t  batch;           /* it is large */


static void
begin(void)
{
    memset(&batch, 0, sizeof(batch));
}


static settle_item_t *
add(const char *run, int64_t due)
{
    settle_item_t  *item;

    settle_batch_add(&batch, run, due);
    item = &batch.items[batch.n - 1];
    weir_settle_init(&item->s);

    return item;
}


/* one that completed, with 12 + 34 tokens */

static settle_item_t *
add_ended(const char *run, const char *owner)
{
    settle_item_t  *item;

    item = add(run, 0);
    item->s.found = item->s.counts = item->s.reported = true;
    item->s.state = WEIR_COMPLETED;
    item->s.fin_at = NOW;
    item->s.input_tokens = 12;
    item->s.output_tokens = 34;
    item->s.cost = 5;
    item->s.owner = weir_str_of(owner);

    return item;
}


static void
charge(settle_item_t *item, const char *name, int64_t units)
{
    weir_charge_t  *c;

    item->s.hold = true;
    c = &item->s.h.charges[item->s.h.n++];
    c->unit = WEIR_UNIT_TOKENS;
    c->limit.form = WEIR_LIMIT_QUOTA;
    c->limit.amount = 1000;
    c->limit.calendar = WEIR_DAY;
    c->name = weir_str_of(name);
    c->units = units;
    c->at = NOW * 1000;
}


static void
slot(settle_item_t *item, const char *name)
{
    weir_charge_t  *c;

    charge(item, name, 1);
    c = &item->s.h.charges[item->s.h.n - 1];
    c->unit = WEIR_UNIT_JOBS_AT_ONCE;
    c->limit.form = WEIR_LIMIT_AT_ONCE;
}


static void
states_read(void *data, const weir_answer_t *a)
{
    settle_batch_states(data, a);
}


static void
test_plain(void **state)
{
    weir_txn_t  t;

    (void) state;

    begin();
    add_ended(A, "al");
    add_ended(B, "al");
    settle_batch_add(&batch, A, 77);        /* it is there already */
    assert_int_equal(batch.n, 2);

    settle_batch_judge(&batch);
    assert_int_equal(batch.nstates, 0);

    weir_txn_init(&t);
    settle_batch_write(&batch, &t, NOW);
    expect(&t,
           "MULTI\n"
           "HSET weir:{0}:run:" A " settled 1\n"
           "HSET weir:{0}:run:" B " settled 1\n"
           "ZREM weir:{0}:settle " A " " B "\n"
           "HINCRBY weir:{0}:usage:20200229 al:jobs 2\n"
           "HINCRBY weir:{0}:usage:20200229 al:input 24\n"
           "HINCRBY weir:{0}:usage:20200229 al:output 68\n"
           "HINCRBY weir:{0}:usage:20200229 al:cost 10\n"
           "EXPIRE weir:{0}:usage:20200229 34560000\n"
           "EXEC\n");
    weir_txn_free(&t);

    assert_int_equal(batch.settled, 2);
    assert_int_equal(batch.back, 0);
    assert_int_equal(batch.stands, 0);
}


/* two at one limit: it is read once and written once */

static void
test_charges(void **state)
{
    weir_txn_t      t;
    settle_item_t  *item;

    (void) state;

    begin();
    item = add_ended(A, "al");
    charge(item, "day:" HEX, 100);
    charge(item, "exact:" HEX, 46);
    slot(item, "slots:" HEX);

    item = add_ended(B, "bob");
    charge(item, "day:" HEX, 6);

    settle_batch_judge(&batch);
    assert_int_equal(batch.nstates, 1);

    weir_txn_init(&t);
    settle_batch_watch(&batch, &t);
    expect(&t, "WATCH weir:{0}:limit:day:" HEX "\n"
               "MGET weir:{0}:limit:day:" HEX "\n");
    answer("*1\r\n$26\r\n200000000 1582934400000000\r\n", false, states_read,
           &batch);

    settle_batch_write(&batch, &t, NOW + 1000);
    expect(&t,
           "MULTI\n"
           "ZREM weir:{0}:slots:slots:" HEX " " A "\n"
           "DEL weir:{0}:hold:" A "\n"
           "HSET weir:{0}:run:" A " settled 1\n"
           "DEL weir:{0}:hold:" B "\n"
           "HSET weir:{0}:run:" B " settled 1\n"
           "SET weir:{0}:limit:day:" HEX " 186000000 1582934400000000 PX"
           " 86459000\n"
           "ZREM weir:{0}:settle " A " " B "\n"
           "HINCRBY weir:{0}:usage:20200229 al:jobs 1\n"
           "HINCRBY weir:{0}:usage:20200229 al:input 12\n"
           "HINCRBY weir:{0}:usage:20200229 al:output 34\n"
           "HINCRBY weir:{0}:usage:20200229 al:cost 5\n"
           "EXPIRE weir:{0}:usage:20200229 34560000\n"
           "HINCRBY weir:{0}:usage:20200229 bob:jobs 1\n"
           "HINCRBY weir:{0}:usage:20200229 bob:input 12\n"
           "HINCRBY weir:{0}:usage:20200229 bob:output 34\n"
           "HINCRBY weir:{0}:usage:20200229 bob:cost 5\n"
           "EXPIRE weir:{0}:usage:20200229 34560000\n"
           "EXEC\n");
    weir_txn_free(&t);
}


static void
test_others(void **state)
{
    weir_txn_t      t;
    settle_item_t  *item;

    (void) state;

    begin();

    /* settled before; never submitted; not over; rubbish; gone, and nobody
     * knows since when it is due; no word about usage */

    item = add_ended(A, "al");
    item->s.settled = true;

    item = add(B, 90);
    slot(item, "slots:" HEX);
    item->s.h.by = 90;

    item = add("00CCCCCCCCCCCCCCCCCCCCCC", 90);
    item->s.found = true;
    item->s.deadline = NOW + 1;

    item = add("00DDDDDDDDDDDDDDDDDDDDDD", 90);
    item->away = true;

    add("00EEEEEEEEEEEEEEEEEEEEEE", 0);

    item = add_ended("00FFFFFFFFFFFFFFFFFFFFFF", "");
    item->s.reported = false;
    charge(item, "day:" HEX, 9);

    settle_batch_judge(&batch);
    assert_int_equal(batch.nstates, 0);

    weir_txn_init(&t);
    settle_batch_write(&batch, &t, NOW);
    expect(&t,
           "MULTI\n"
           "ZREM weir:{0}:slots:slots:" HEX " " B "\n"
           "DEL weir:{0}:hold:" B "\n"
           "ZADD weir:{0}:settle XX 1582934460001 00CCCCCCCCCCCCCCCCCCCCCC\n"
           "ZADD weir:{0}:settle XX 1582938000000 00DDDDDDDDDDDDDDDDDDDDDD\n"
           "DEL weir:{0}:hold:00FFFFFFFFFFFFFFFFFFFFFF\n"
           "HSET weir:{0}:run:00FFFFFFFFFFFFFFFFFFFFFF settled 1\n"
           "ZREM weir:{0}:settle " A " " B " 00FFFFFFFFFFFFFFFFFFFFFF\n"
           "EXEC\n");
    weir_txn_free(&t);

    assert_int_equal(batch.settled, 1);
    assert_int_equal(batch.back, 1);
    assert_int_equal(batch.stands, 1);
}


/* more limits than one transaction may watch: who finds no room waits */

static void
test_crowd(void **state)
{
    char            run[WEIR_ID_LEN + 1];
    static char     names[WEIR_SETTLE_BATCH * WEIR_HOLD_CHARGES][64];
    unsigned        i, j, n, skipped;
    weir_txn_t      t;
    settle_item_t  *item;

    (void) state;

    begin();
    n = skipped = 0;

    for (i = 0; i < WEIR_SETTLE_BATCH; i++) {
        snprintf(run, sizeof(run), "00%022u", i);
        item = add_ended(run, "al");

        for (j = 0; j < 3; j++, n++) {
            snprintf(names[n], sizeof(names[n]), "z%04u:" HEX, n);
            charge(item, names[n], 1);
        }
    }

    settle_batch_judge(&batch);

    for (i = 0; i < batch.n; i++) {
        skipped += batch.items[i].skipped;
        assert_int_equal(batch.items[i].skipped,
                         i >= WEIR_LIMITS_BATCH / 3);
    }

    assert_int_equal(batch.nstates, WEIR_LIMITS_BATCH / 3 * 3);
    assert_int_equal(skipped, WEIR_SETTLE_BATCH - WEIR_LIMITS_BATCH / 3);

    weir_txn_init(&t);
    settle_batch_watch(&batch, &t);
    settle_batch_write(&batch, &t, NOW);
    assert_false(t.out.failed);
    assert_int_equal(batch.settled, WEIR_LIMITS_BATCH / 3);
    weir_txn_free(&t);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_charges),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_crowd)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
