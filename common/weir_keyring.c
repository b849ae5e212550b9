/*
 * The key ring: all records of a key file, found by public id.  Owns them and
 * a copy of the pepper.  Built once and never changed, so that any number of
 * processes may read it.
 */

#include "weir_apikey.h"

#include <stdio.h>
#include <stdlib.h>


struct weir_keys_s {
    weir_key_t  *keys;
    size_t       count;
    size_t       size;
    uint32_t    *slots;             /* index + 1; 0: free */
    size_t       nslots;            /* power of two, at most half full */
    weir_hmac_t *pepper;
};


static size_t
weir_slot(const weir_keyring_t *ring, const char *id)
{
    return weir_str_hash((weir_str_t) { id, WEIR_KEY_ID_LEN })
           & (ring->nslots - 1);
}


static const weir_key_t *
weir_keyring_lookup(const weir_keyring_t *ring, const char *id)
{
    size_t             i;
    const weir_key_t  *key;

    for (i = weir_slot(ring, id);
         ring->slots[i];
         i = (i + 1) & (ring->nslots - 1))
    {
        key = &ring->keys[ring->slots[i] - 1];

        if (memcmp(key->id, id, WEIR_KEY_ID_LEN) == 0) {
            return key;
        }
    }

    return NULL;
}


/* Few keys have one, so that each is a piece of memory of its own. */

static bool
weir_keyring_own(weir_str_t *s)
{
    char  *copy;

    if (s->len == 0) {
        *s = weir_str_null;
        return true;
    }

    copy = malloc(s->len);

    if (copy) {
        memcpy(copy, s->data, s->len);
    }

    s->data = copy;

    return copy != NULL;
}


static void
weir_keyring_disown(weir_str_t *s)
{
    if (s->data) {
        weir_digest_wipe((char *) s->data, s->len);
        free((char *) s->data);
    }
}


static int
weir_keyring_push(weir_keyring_t *ring, const weir_key_t *key)
{
    bool         ok;
    size_t       size;
    weir_key_t  *keys, *own;

    if (ring->count == ring->size) {
        size = ring->size ? ring->size * 2 : 16;
        keys = realloc(ring->keys, size * sizeof(weir_key_t));

        if (keys == NULL) {
            return -1;
        }

        ring->keys = keys;
        ring->size = size;
    }

    own = &ring->keys[ring->count++];
    *own = *key;

    /* all of them, so that all may be disowned */

    ok = weir_keyring_own(&own->webhook);
    ok &= weir_keyring_own(&own->webhook_secret);
    ok &= weir_keyring_own(&own->models);
    ok &= weir_keyring_own(&own->limits);

    return ok ? 0 : -1;
}


static int
weir_keyring_parse(weir_keyring_t *ring, weir_str_t text,
    char error_r[WEIR_KEY_ERROR])
{
    char         why[WEIR_KEY_ERROR - 32];
    size_t       n, line;
    weir_str_t   rest;
    weir_key_t   key;
    const char  *end;

    line = 0;

    while (text.len) {
        line++;
        end = memchr(text.data, '\n', text.len);
        n = end ? (size_t) (end - text.data) : text.len;
        rest = (weir_str_t) { text.data, n };

        text.data += end ? n + 1 : n;
        text.len -= end ? n + 1 : n;

        if (n && rest.data[n - 1] == '\r') {
            rest.len--;
        }

        if (rest.len == 0 || rest.data[0] == '#') {
            continue;
        }

        if (!weir_apikey_read(rest, &key, error_r)) {
            snprintf(why, sizeof(why), "%s", error_r);
            snprintf(error_r, WEIR_KEY_ERROR, "line %zu: %s", line, why);
            return -1;
        }

        if (ring->count >= WEIR_KEYS_MAX
            || weir_keyring_push(ring, &key) != 0)
        {
            snprintf(error_r, WEIR_KEY_ERROR, "line %zu: too many keys", line);
            return -1;
        }
    }

    return 0;
}


static int
weir_keyring_index(weir_keyring_t *ring, char error_r[WEIR_KEY_ERROR])
{
    size_t  i, slot;

    ring->nslots = 16;

    while (ring->nslots < 2 * ring->count) {
        ring->nslots *= 2;
    }

    ring->slots = calloc(ring->nslots, sizeof(uint32_t));
    if (ring->slots == NULL) {
        snprintf(error_r, WEIR_KEY_ERROR, "out of memory");
        return -1;
    }

    for (i = 0; i < ring->count; i++) {
        if (weir_keyring_lookup(ring, ring->keys[i].id)) {
            snprintf(error_r, WEIR_KEY_ERROR,
                     "the public id \"%s\" stands in two records",
                     ring->keys[i].id);
            return -1;
        }

        slot = weir_slot(ring, ring->keys[i].id);

        while (ring->slots[slot]) {
            slot = (slot + 1) & (ring->nslots - 1);
        }

        ring->slots[slot] = (uint32_t) i + 1;
    }

    return 0;
}


weir_keyring_t *
weir_keyring_create(weir_str_t text, weir_str_t pepper,
    char error_r[WEIR_KEY_ERROR])
{
    weir_keyring_t  *ring;

    ring = calloc(1, sizeof(weir_keyring_t));
    if (ring == NULL) {
        snprintf(error_r, WEIR_KEY_ERROR, "out of memory");
        return NULL;
    }

    ring->pepper = weir_hmac_create(pepper);

    if (ring->pepper == NULL) {
        snprintf(error_r, WEIR_KEY_ERROR, "the pepper cannot be used");
        weir_keyring_destroy(&ring);
        return NULL;
    }

    if (weir_keyring_parse(ring, text, error_r) != 0
        || weir_keyring_index(ring, error_r) != 0)
    {
        weir_keyring_destroy(&ring);
    }

    return ring;
}


void
weir_keyring_destroy(weir_keyring_t **ring)
{
    size_t           i;
    weir_keyring_t  *r;

    r = *ring;
    *ring = NULL;

    if (r == NULL) {
        return;
    }

    weir_hmac_destroy(&r->pepper);

    for (i = 0; i < r->count; i++) {
        weir_keyring_disown(&r->keys[i].webhook);
        weir_keyring_disown(&r->keys[i].webhook_secret);
        weir_keyring_disown(&r->keys[i].models);
        weir_keyring_disown(&r->keys[i].limits);
    }

    free(r->slots);
    free(r->keys);
    free(r);
}


size_t
weir_keyring_count(const weir_keyring_t *ring)
{
    return ring->count;
}


weir_hmac_t *
weir_keyring_pepper(const weir_keyring_t *ring)
{
    return ring->pepper;
}


const weir_key_t *
weir_keyring_record(const weir_keyring_t *ring, weir_str_t id)
{
    return weir_keyring_lookup(ring, id.data);
}


weir_key_e
weir_keyring_find(const weir_keyring_t *ring, weir_str_t key, int64_t now,
    const weir_key_t **record_r)
{
    weir_key_e         rc;
    weir_str_t         id;
    unsigned char      digest[WEIR_DIGEST_LEN];
    const weir_key_t  *k;

    *record_r = NULL;

    if (!weir_apikey_parse(key, &id)) {
        return WEIR_KEY_MALFORMED;
    }

    k = weir_keyring_lookup(ring, id.data);

    if (weir_hmac_digest(ring->pepper, key, digest) != 0) {
        return WEIR_KEY_UNKNOWN;
    }

    rc = weir_apikey_verdict(k, digest, now);
    weir_digest_wipe(digest, sizeof(digest));

    *record_r = (rc == WEIR_KEY_UNKNOWN) ? NULL : k;

    return rc;
}
