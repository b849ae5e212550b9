/*
 * Ids.  22 base62 characters are 131 bits: an id cannot be guessed.
 */

#include "weir_id.h"

#include "weir_base62.h"


#define WEIR_ID_SHARD_LEN  2


void
weir_id_make(char *id, unsigned shard,
    const unsigned char random[WEIR_ID_RANDOM])
{
    id[0] = weir_base62[shard / 62 % 62];
    id[1] = weir_base62[shard % 62];

    weir_base62_fill(id + WEIR_ID_SHARD_LEN, WEIR_ID_LEN - WEIR_ID_SHARD_LEN,
                     random, WEIR_ID_RANDOM);
}


void
weir_mailbox_make(char *mailbox,
    const unsigned char random[WEIR_MAILBOX_RANDOM])
{
    weir_base62_fill(mailbox, WEIR_MAILBOX_LEN, random, WEIR_MAILBOX_RANDOM);
}


bool
weir_id_parse(weir_str_t s, unsigned *shard_r)
{
    size_t    i;
    unsigned  shard;

    if (s.len != WEIR_ID_LEN) {
        return false;
    }

    for (i = 0; i < s.len; i++) {
        if (weir_base62_value(s.data[i]) < 0) {
            return false;
        }
    }

    shard = (unsigned) (weir_base62_value(s.data[0]) * 62
                        + weir_base62_value(s.data[1]));

    if (shard >= WEIR_SHARDS_MAX) {
        return false;
    }

    *shard_r = shard;

    return true;
}


bool
weir_job_id_parse(weir_str_t s, weir_str_t *id_r, unsigned *shard_r)
{
    size_t  n;

    n = sizeof(WEIR_JOB_PREFIX) - 1;

    if (s.len != n + WEIR_ID_LEN || memcmp(s.data, WEIR_JOB_PREFIX, n) != 0) {
        return false;
    }

    *id_r = (weir_str_t) { s.data + n, s.len - n };

    return weir_id_parse(*id_r, shard_r);
}


unsigned
weir_shard_of(weir_str_t owner, unsigned shards)
{
    return shards ? weir_str_hash(owner) % shards : 0;
}
