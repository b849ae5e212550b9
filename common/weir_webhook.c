/*
 * Secrets and signatures of webhooks.  Pure; keeps nothing.
 */

#include "weir_webhook.h"

#include "weir_buf.h"


static bool
weir_secret_read(weir_str_t word, weir_secrets_t *s)
{
    size_t  n;

    n = sizeof(WEIR_SECRET_PREFIX) - 1;

    if (s->n == WEIR_SECRETS_MAX || word.len < n
        || memcmp(word.data, WEIR_SECRET_PREFIX, n) != 0)
    {
        return false;
    }

    word.data += n;
    word.len -= n;

    if (!weir_base64_read(word, s->list[s->n].bytes, WEIR_SECRET_MAX,
                          &s->list[s->n].len)
        || s->list[s->n].len < WEIR_SECRET_MIN)
    {
        return false;
    }

    s->n++;

    return true;
}


bool
weir_secrets_read(weir_str_t text, weir_secrets_t *secrets_r)
{
    const char  *space;
    weir_str_t   word;

    secrets_r->n = 0;

    for ( ;; ) {
        space = text.len ? memchr(text.data, ' ', text.len) : NULL;
        word = text;

        if (space) {
            word.len = (size_t) (space - text.data);
        }

        if (!weir_secret_read(word, secrets_r)) {
            weir_secrets_wipe(secrets_r);
            return false;
        }

        if (space == NULL) {
            return true;
        }

        text.data += word.len + 1;
        text.len -= word.len + 1;
    }
}


void
weir_secrets_wipe(weir_secrets_t *secrets)
{
    weir_digest_wipe(secrets, sizeof(weir_secrets_t));
}


int
weir_secret_draw(char text[WEIR_SECRET_TEXT])
{
    unsigned char  bytes[WEIR_SECRET_DRAWN];

    if (weir_digest_random(bytes, sizeof(bytes)) != 0) {
        return -1;
    }

    strcpy(text, WEIR_SECRET_PREFIX);
    weir_base64_write(bytes, sizeof(bytes),
                      text + sizeof(WEIR_SECRET_PREFIX) - 1);
    weir_digest_wipe(bytes, sizeof(bytes));

    return 0;
}


int
weir_webhook_sign(const weir_secrets_t *secrets, weir_str_t id,
    weir_str_t timestamp, weir_str_t body, char text[WEIR_SIGNATURES_TEXT])
{
    unsigned        i;
    weir_buf_t      content;
    unsigned char   digest[WEIR_DIGEST_LEN];

    weir_buf_init(&content, 0);
    weir_buf_str(&content, id);
    weir_buf_text(&content, ".");
    weir_buf_str(&content, timestamp);
    weir_buf_text(&content, ".");
    weir_buf_str(&content, body);

    *text = '\0';

    for (i = 0; i < secrets->n && !content.failed; i++) {
        if (weir_digest_hmac((weir_str_t) {
                                 (const char *) secrets->list[i].bytes,
                                 secrets->list[i].len },
                             (weir_str_t) { content.data, content.len },
                             digest)
            != 0)
        {
            break;
        }

        text = stpcpy(text, i ? " v1," : "v1,");
        weir_base64_write(digest, sizeof(digest), text);
        text += WEIR_BASE64_LEN(sizeof(digest));
    }

    weir_buf_free(&content);

    return i == secrets->n ? 0 : -1;
}
